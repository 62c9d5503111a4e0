/*
 * search_terms: what somebody looks for, from what they wrote to what the index is asked (search_words.h).
 */
#include <string.h>

#include "archive/search/search_words.h"

#define PREFIX_BYTES_MIN 2

/* One query being read. */
struct parsing {
	struct search_words *w;
	struct arena *a;
	unsigned most, words;
	struct search_terms *out;
	struct search_term **last;
	bool positive;
	struct err *e;
};

void
search_lexeme(struct buf *out, const char *s, bool prefix)
{
	buf_addc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'' || *s == '\\')
			buf_addc(out, *s);
		buf_addc(out, *s);
	}
	buf_adds(out, prefix ? "':*" : "'");
}

static struct search_term *
add_term(struct parsing *p, const struct search_word *word, bool stems, bool prefix, bool not)
{
	struct search_term *t = arena_zalloc(p->a, sizeof(*t));
	char other[SEARCH_STEMS][SEARCH_WORD_BYTES + 1];
	unsigned n = stems ? search_words_stems(p->w, word, other) : 0;

	t->word = arena_alloc(p->a, (n + 1) * sizeof(*t->word));
	t->word[t->n++] = arena_strdup(p->a, word->folded);
	for (unsigned i = 0; i < n; i++)
		t->word[t->n++] = arena_strdup(p->a, other[i]);
	t->prefix = prefix;
	t->not = not;
	*p->last = t;
	p->last = &t->next;
	return t;
}

static void
add_phrase(struct parsing *p, struct buf *b, bool not)
{
	const char *s = arena_strndup(p->a, buf_data(b), buf_len(b));

	if (not)
		p->out->lacks[p->out->nlacks++] = s;
	else
		p->out->has[p->out->nhas++] = s;
}

static int
count(struct parsing *p, const struct search_word *word)
{
	if (word->cut)
		return err_set(p->e, 0, "a word is longer than any that can be found (%d bytes): give the beginning of it, and a *", SEARCH_WORD_BYTES);
	if (++p->words > p->most)
		return err_set(p->e, 0, "more than %u words to look for (limits.search_words)", p->most);
	return 0;
}

/* What stands between quotes, or between spaces. Each of its words has to be in the record; more than one, or a quoted one, in this order. */
static int
take(struct parsing *p, const char *s, size_t n, bool quoted, bool prefix, bool not)
{
	struct buf phrase = { 0 };
	struct search_word word, next;
	size_t at = 0;
	unsigned words = 0;
	int rc = 0;
	bool more = search_words_next(s, n, &at, &next), single;

	while (more && !rc) {
		word = next;
		more = search_words_next(s, n, &at, &next);
		single = !words++ && !more;
		rc = count(p, &word);
		buf_addf(&phrase, "%s%s", buf_len(&phrase) ? " " : "", word.folded);
		if (prefix && !more && !rc && word.len < PREFIX_BYTES_MIN)
			rc = err_set(p->e, 0, "%s*: at least two letters before the *", word.folded);
		/* Without a phrase the index alone knows; with one it is asked for the words first. */
		if (!rc && (!not || (single && !quoted)))
			add_term(p, &word, single && !quoted && !prefix, prefix && !more, not);
	}
	if (!rc && words > 1 && prefix)
		rc = err_set(p->e, 0, "a * can follow one word only, and that is several: %.60s", buf_str(&phrase));
	if (!rc && (words > 1 || (words && quoted)))
		add_phrase(p, &phrase, not);
	p->positive |= words && !not;
	buf_fini(&phrase);
	return rc;
}

/* The next thing that is asked for, from `*s` on. */
static int
take_next(struct parsing *p, const char **s)
{
	const char *from = *s, *end;
	bool not = *from == '-', quoted, prefix = false;
	size_t n;

	from += not;
	quoted = *from == '"';
	from += quoted;
	end = quoted ? strchr(from, '"') : from + strcspn(from, " \t\r\n\"");
	if (!end)
		return err_set(p->e, 0, "a quotation mark has no other: \"…\"");
	n = (size_t)(end - from);
	*s = end + quoted;
	if (!quoted && n && from[n - 1] == '*') {
		prefix = true;
		n--;
	}
	return take(p, from, n, quoted, prefix, not);
}

int
search_terms_parse(struct search_words *w, struct arena *a, const char *text, unsigned most, unsigned most_bytes, struct search_terms *out,
	struct err *e)
{
	struct parsing p = { .w = w, .a = a, .most = most, .out = out, .last = &out->first, .e = e };
	size_t n = strlen(text);

	*out = (struct search_terms){ 0 };
	if (n > most_bytes)
		return err_set(e, 0, "the words to look for are longer than %u bytes (limits.search_word_bytes)", most_bytes);
	/* A phrase takes two characters at least. */
	out->has = arena_alloc(a, (n / 2 + 1) * sizeof(*out->has));
	out->lacks = arena_alloc(a, (n / 2 + 1) * sizeof(*out->lacks));
	for (const char *s = text + strspn(text, " \t\r\n"); *s; s += strspn(s, " \t\r\n"))
		if (take_next(&p, &s))
			return -1;
	if (!p.words)
		return err_set(e, 0, "there is no word to look for in that");
	if (!p.positive)
		return err_set(e, 0, "nothing but words that shall not be there: say what shall");
	return 0;
}

void
search_terms_add(const struct search_terms *t, struct buf *out)
{
	for (const struct search_term *i = t->first; i; i = i->next) {
		buf_adds(out, buf_len(out) ? " & " : "");
		buf_adds(out, i->not ? "!(" : "(");
		for (unsigned k = 0; k < i->n; k++) {
			buf_adds(out, k ? " | " : "");
			search_lexeme(out, i->word[k], i->prefix);
		}
		buf_addc(out, ')');
	}
}

static bool
is_one_of(const struct search_term *t, const char *s)
{
	for (unsigned k = 0; k < t->n; k++)
		if (t->prefix ? !strncmp(s, t->word[k], strlen(t->word[k])) : !strcmp(s, t->word[k]))
			return true;
	return false;
}

bool
search_terms_hit(struct search_words *w, const struct search_terms *t, const struct search_word *word)
{
	char stems[SEARCH_STEMS][SEARCH_WORD_BYTES + 1];
	unsigned n = search_words_stems(w, word, stems);

	for (const struct search_term *i = t->first; i; i = i->next) {
		if (i->not)
			continue;
		if (is_one_of(i, word->folded))
			return true;
		/* The index knows stems of what is in it, whatever is looked for. */
		for (unsigned k = 0; k < n; k++)
			if (is_one_of(i, stems[k]))
				return true;
	}
	return false;
}
