/*
 * search_words: see search_words.h. Text to words; search_terms.c has queries.
 */
#include "archive/search/search_words.h"

#include <libstemmer.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include "base/crypt.h"
#include "base/mem.h"

#define STEM_BYTES_MIN 3
#define STEM_BYTES_MAX 60 /* nothing that long is a word of a language */
#define KNOWN 4096        /* words whose stems are kept: people use the same ones again and again */
#define KNOWN_BYTES 24    /* of a word, and of a stem; longer ones are stemmed each time */

/* A word seen lately, in both its forms, with its stems. */
struct known {
	char plain[KNOWN_BYTES], folded[KNOWN_BYTES], stem[SEARCH_STEMS][KNOWN_BYTES];
	unsigned n;
};

struct search_words {
	struct sb_stemmer *stemmer[2];
	struct known known[KNOWN]; /* by the hash of `plain`; the newer one goes for the older */
};

struct search_words *
search_words_new(void)
{
	static const char *const languages[] = { "english", "french" };
	struct search_words *w = NEW(struct search_words);

	for (int i = 0; i < 2; i++) {
		w->stemmer[i] = sb_stemmer_new(languages[i], "UTF_8");
		if (!w->stemmer[i])
			abort(); /* libstemmer has them all, or is broken */
	}
	return w;
}

void
search_words_free(struct search_words *w)
{
	if (!w)
		return;
	for (int i = 0; i < 2; i++)
		sb_stemmer_delete(w->stemmer[i]);
	free(w);
}

/* What a character is to a word. */
enum part { NONE, LETTER, ALONE, IGNORED };

/* Written without spaces: each character is a word, and several of them are a phrase. */
static bool
is_dense(UChar32 c)
{
	UErrorCode rc = U_ZERO_ERROR;

	if (c < 0x0e00)
		return false;
	switch (uscript_getScript(c, &rc)) {
	case USCRIPT_HAN: case USCRIPT_HIRAGANA: case USCRIPT_KATAKANA: case USCRIPT_THAI: case USCRIPT_LAO: case USCRIPT_KHMER: case USCRIPT_MYANMAR:
		return U_SUCCESS(rc);
	default:
		return false;
	}
}

static enum part
part_of(UChar32 c)
{
	if (c < 0x80)
		return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ? LETTER : NONE;
	if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT))
		return IGNORED; /* soft hyphens, joiners, variation selectors: what is written with them in between is the same word */
	switch (u_charType(c)) {
	case U_UPPERCASE_LETTER: case U_LOWERCASE_LETTER: case U_TITLECASE_LETTER: case U_MODIFIER_LETTER: case U_OTHER_LETTER:
	case U_DECIMAL_DIGIT_NUMBER: case U_LETTER_NUMBER: case U_OTHER_NUMBER:
		return is_dense(c) ? ALONE : LETTER;
	case U_NON_SPACING_MARK: case U_COMBINING_SPACING_MARK: case U_ENCLOSING_MARK:
		return LETTER;
	case U_OTHER_SYMBOL:
		return ALONE; /* emoji */
	default:
		return NONE;
	}
}

/* Accents and vowel points that many leave out. The marks of other scripts make other words. */
static bool
is_accent(UChar32 c)
{
	return (c >= 0x300 && c <= 0x36f) || (c >= 0x1ab0 && c <= 0x1aff) || (c >= 0x1dc0 && c <= 0x1dff) || (c >= 0x20d0 && c <= 0x20ff) ||
		(c >= 0x591 && c <= 0x5c7) || (c >= 0x64b && c <= 0x65f) || c == 0x670;
}

/* Letters that Unicode does not take apart, and people do. */
static const char *
ligature(UChar32 c)
{
	switch (c) {
	case 0xdf: case 0x1e9e: return "ss";
	case 0xe6: return "ae";
	case 0x153: return "oe";
	case 0xf8: return "o";
	case 0x111: return "d";
	case 0x131: return "i";
	case 0x142: return "l";
	case 0x3c2: return "\xcf\x83"; /* final sigma */
	default: return NULL;
	}
}

/* Adds as long as there is room; a character is there as a whole or not at all. */
static bool
put(char *out, size_t *n, UChar32 c)
{
	uint8_t b[4];
	int32_t i = 0;

	U8_APPEND_UNSAFE(b, i, c);
	if (*n + (size_t)i > SEARCH_WORD_BYTES)
		return false;
	memcpy(out + *n, b, (size_t)i);
	*n += (size_t)i;
	return true;
}

static bool
put_folded(char *out, size_t *n, UChar32 c)
{
	const char *s = ligature(c);
	size_t len = s ? strlen(s) : 0;

	if (!s)
		return is_accent(c) || put(out, n, c);
	if (*n + len > SEARCH_WORD_BYTES)
		return false;
	memcpy(out + *n, s, len);
	*n += len;
	return true;
}

/* One character into the word. False: it is full. */
static bool
add(struct search_word *w, size_t *plain, UChar32 c)
{
	static const UNormalizer2 *nfkd;
	UErrorCode rc = U_ZERO_ERROR;
	UChar parts[32];
	int32_t n, i = 0;
	bool room = true;

	if (c < 0x80) {
		c = c >= 'A' && c <= 'Z' ? c + 0x20 : c;
		return put(w->folded, &w->len, c) && put(w->plain, plain, c);
	}
	if (!nfkd)
		nfkd = unorm2_getNFKDInstance(&rc); /* the same for every thread */
	(void)put(w->plain, plain, u_tolower(c));
	c = u_foldCase(c, U_FOLD_CASE_DEFAULT);
	n = U_SUCCESS(rc) ? unorm2_getDecomposition(nfkd, c, parts, 32, &rc) : -1;
	if (n < 0 || U_FAILURE(rc))
		return put_folded(w->folded, &w->len, c);
	while (i < n && room) {
		UChar32 part;

		U16_NEXT(parts, i, n, part);
		/* What compatibility takes apart may have spaces in it. */
		if (part_of(part) != NONE)
			room = put_folded(w->folded, &w->len, u_foldCase(part, U_FOLD_CASE_DEFAULT));
	}
	return room;
}

bool
search_words_next(const char *text, size_t n, size_t *at, struct search_word *out)
{
	const uint8_t *s = (const uint8_t *)text;
	size_t plain = 0;
	bool open = false;

	*out = (struct search_word){ 0 };
	/* ICU counts in int32_t; no stanza is that long. */
	for (int32_t i = (int32_t)*at, len = (int32_t)n, was; i < len;) {
		enum part p;
		UChar32 c;

		was = i;
		U8_NEXT(s, i, len, c);
		p = c < 0 ? NONE : part_of(c);
		if (p == IGNORED)
			continue;
		if (open && p != LETTER && out->len) {
			*at = (size_t)was;
			break;
		}
		/* Nothing but marks that are left out is no word. */
		open = open && p == LETTER;
		*at = (size_t)i;
		if (p == NONE)
			continue;
		if (!open)
			out->first = (size_t)was;
		open = true;
		out->end = (size_t)i;
		if (!out->cut)
			out->cut = !add(out, &plain, c);
		if (p == ALONE)
			break;
	}
	return open && out->len;
}

static bool
is_known(char out[SEARCH_STEMS][SEARCH_WORD_BYTES + 1], unsigned n, const char *folded, const char *s)
{
	bool known = !*s || !strcmp(s, folded);

	for (unsigned i = 0; i < n && !known; i++)
		known = !strcmp(out[i], s);
	return known;
}

/* By the rules for one language, from one way to write it. */
static unsigned
stem(struct sb_stemmer *stemmer, const char *word, const char *folded, char out[SEARCH_STEMS][SEARCH_WORD_BYTES + 1], unsigned n)
{
	const sb_symbol *s = sb_stemmer_stem(stemmer, (const sb_symbol *)word, (int)strlen(word));
	struct search_word w;
	size_t at = 0;

	if (!s)
		mem_exhausted(0);
	if (n < SEARCH_STEMS && search_words_next((const char *)s, (size_t)sb_stemmer_length(stemmer), &at, &w) && !is_known(out, n, folded, w.folded))
		memcpy(out[n++], w.folded, w.len + 1);
	return n;
}

static unsigned
make_stems(struct search_words *w, const struct search_word *word, char out[SEARCH_STEMS][SEARCH_WORD_BYTES + 1])
{
	unsigned n = 0;

	for (int i = 0; i < 2; i++) {
		n = stem(w->stemmer[i], word->plain, word->folded, out, n);
		if (strcmp(word->plain, word->folded))
			n = stem(w->stemmer[i], word->folded, word->folded, out, n);
	}
	return n;
}

static void
keep_stems(struct known *k, const struct search_word *word, char stems[SEARCH_STEMS][SEARCH_WORD_BYTES + 1], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strlen(stems[i]) >= KNOWN_BYTES)
			return;
	strcpy(k->plain, word->plain);
	strcpy(k->folded, word->folded);
	for (unsigned i = 0; i < n; i++)
		strcpy(k->stem[i], stems[i]);
	k->n = n;
}

unsigned
search_words_stems(struct search_words *w, const struct search_word *word, char out[SEARCH_STEMS][SEARCH_WORD_BYTES + 1])
{
	size_t len = strlen(word->plain);
	struct known *k;
	unsigned n;

	if (word->len < STEM_BYTES_MIN || word->len > STEM_BYTES_MAX || word->folded[0] < 'a' || word->folded[0] > 'z')
		return 0;
	if (len >= KNOWN_BYTES || word->len >= KNOWN_BYTES)
		return make_stems(w, word, out);
	k = &w->known[crypt_hash(word->plain, len) % KNOWN];
	if (!strcmp(k->plain, word->plain) && !strcmp(k->folded, word->folded)) {
		for (unsigned i = 0; i < k->n; i++)
			strcpy(out[i], k->stem[i]);
		return k->n;
	}
	n = make_stems(w, word, out);
	keep_stems(k, word, out, n);
	return n;
}
