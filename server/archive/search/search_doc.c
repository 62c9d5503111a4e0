/*
 * search_doc: see search_doc.h. Called by the indexer for each record.
 */
#include "archive/search/search_doc.h"

#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "store/address.h"
#include "store/record_kind.h"

/* Stems of a document, each once: few, and seen again soon. Known by a keyed hash of 64 bits. */
#define STEMS_SEEN 256

struct making {
	struct search_words *w;
	struct buf *words, *marks;
	uint64_t seen[STEMS_SEEN];
};

void
search_mark_hash(struct buf *out, char kind, const char *s, size_t n)
{
	uint8_t sum[SHA256_SIZE];
	char hex[17];
	uint64_t number;

	crypt_sha256(s, n, sum);
	number = htobe64((uint64_t)address_of_digest(sum));
	text_hex(&number, sizeof(number), hex);
	buf_addc(out, ':');
	buf_addc(out, kind);
	buf_adds(out, hex);
}

static void
mark(struct making *m, char kind, const char *s, size_t n)
{
	search_mark_hash(m->marks, kind, s, n);
	buf_addc(m->marks, ' ');
}

/* A stem that this document has already is not written again; one that has been forgotten is, and costs some bytes. */
static void
add_stem(struct making *m, const char *stem)
{
	uint64_t hash = crypt_hash(stem, strlen(stem)), *seen = &m->seen[hash % STEMS_SEEN];

	if (*seen == hash)
		return;
	*seen = hash;
	buf_adds(m->marks, stem);
	buf_addc(m->marks, ' ');
}

static void
add_stems(struct making *m, const struct search_word *word)
{
	char stems[SEARCH_STEMS][SEARCH_WORD_BYTES + 1];
	unsigned n = search_words_stems(m->w, word, stems);

	for (unsigned i = 0; i < n; i++)
		add_stem(m, stems[i]);
}

/* A line is a phrase of its own. */
static void
add_words(struct making *m, const char *text, size_t n)
{
	struct search_word word;
	size_t at = 0;

	while (search_words_next(text, n, &at, &word)) {
		if (buf_len(m->words) + word.len > SEARCH_DOC_BYTES || buf_len(m->marks) > SEARCH_DOC_BYTES) {
			buf_adds(m->marks, ":b ");
			return;
		}
		if (buf_len(m->words))
			buf_addc(m->words, ' ');
		buf_add(m->words, word.folded, word.len);
		add_stems(m, &word);
	}
}

static void
add_lines(struct making *m, const char *text, size_t n)
{
	const char *end = text + n;

	while (text < end) {
		const char *nl = memchr(text, '\n', (size_t)(end - text)), *to = nl ? nl : end;
		size_t before = buf_len(m->words);

		add_words(m, text, (size_t)(to - text));
		if (buf_len(m->words) > before)
			buf_addc(m->words, ' '); /* with the one before the next word: two */
		text = to + 1;
	}
}

static void
add_domain(struct making *m, const char *bare, size_t n)
{
	const char *at = memchr(bare, '@', n);
	size_t skip = at ? (size_t)(at + 1 - bare) : 0;

	mark(m, 'd', bare + skip, n - skip);
}

/* Small letters: networks know no other difference, or none that people would look for. */
static void
mark_foreign(struct making *m, const char *s, size_t n)
{
	char text[1024];

	if (!n || n >= sizeof(text))
		return;
	for (size_t i = 0; i < n; i++)
		text[i] = s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] | 0x20) : s[i];
	mark(m, 'g', text, n);
}

/* A telephone number, a short one too. */
static bool
is_number(const char *s, size_t n)
{
	size_t digits = *s == '+' ? 1 : 0;

	while (digits < n && s[digits] >= '0' && s[digits] <= '9')
		digits++;
	return digits == n;
}

/* The local part of an address at a gateway is the foreign one, escaped (XEP-0106): `bob\40partner.example`, `+33612345678`. `nick%network` is the nick, too. */
static void
add_escaped(struct making *m, const char *bare, size_t n)
{
	const char *at = memchr(bare, '@', n);
	char text[1024], *out = text, *percent;
	size_t local = at ? (size_t)(at - bare) : 0;

	if (!local || local >= sizeof(text) || (!memchr(bare, '\\', local) && !memchr(bare, '%', local) && !is_number(bare, local)))
		return;
	for (const char *s = bare; s < at; s++) {
		char c;

		if (*s == '\\' && at - s >= 3 && text_unhex(s + 1, 2, &c) == 1 && c && strchr(" \"&'/:<>@\\", c)) {
			*out++ = c;
			s += 2;
		} else {
			*out++ = *s;
		}
	}
	mark_foreign(m, text, (size_t)(out - text));
	percent = memchr(text, '%', (size_t)(out - text));
	if (percent)
		mark_foreign(m, text, (size_t)(percent - text));
}

static void
add_addresses(struct making *m, const struct search_row *r)
{
	static const struct { enum canonical_text text; char kind; } ends[] = { { CANONICAL_FROM_BARE, 'f' }, { CANONICAL_TO_BARE, 't' } };

	for (int i = 0; i < 2; i++) {
		if (!r->is.text[ends[i].text])
			continue;
		mark(m, ends[i].kind, r->is.text[ends[i].text], r->len[ends[i].text]);
		add_domain(m, r->is.text[ends[i].text], r->len[ends[i].text]);
		add_escaped(m, r->is.text[ends[i].text], r->len[ends[i].text]);
	}
}

/* What the first tag says is from elsewhere than the record says it is from: a private message has come through a room. */
static void
add_room(struct making *m, const struct search_row *r, const char *stanza)
{
	struct buf from = { 0 };

	if (search_doc_attribute(stanza, r->len[CANONICAL_STANZA], NULL, "from", &from)) {
		const char *s = buf_str(&from);
		size_t n = strcspn(s, "/");

		if (r->is.text[CANONICAL_FROM_BARE] && (n != r->len[CANONICAL_FROM_BARE] || memcmp(s, r->is.text[CANONICAL_FROM_BARE], n)))
			mark(m, 'v', s, n);
	}
	buf_fini(&from);
}

/* Who said it at another network (core/gateway): only we can put that there. Of nick!user@host the nick, too. */
static void
add_foreign(struct making *m, const char *stanza, size_t n)
{
	struct buf b = { 0 };

	if (search_doc_child_attribute(stanza, n, "foreign", "xmlns", &b) && !strcmp(buf_str(&b), "urn:chancery:gateway:0")) {
		buf_clear(&b);
		if (search_doc_child_attribute(stanza, n, "foreign", "address", &b)) {
			size_t nick = strcspn(buf_str(&b), "!");

			mark_foreign(m, buf_data(&b), buf_len(&b));
			if (nick < buf_len(&b))
				mark_foreign(m, buf_data(&b), nick);
		}
	}
	buf_fini(&b);
}

static void
add_file(struct making *m, const struct search_row *r, const char *stanza)
{
	struct buf b = { 0 };
	struct search_word word;
	size_t at = 0;

	if (search_doc_attribute(stanza, r->len[CANONICAL_STANZA], NULL, "sha-256", &b) && buf_len(&b) == 2 * SHA256_SIZE && text_is_utf8(buf_data(&b), buf_len(&b)) &&
		strspn(buf_str(&b), "0123456789abcdef") == 2 * SHA256_SIZE)
		buf_addf(m->marks, ":h%s ", buf_str(&b));
	buf_clear(&b);
	if (search_doc_attribute(stanza, r->len[CANONICAL_STANZA], NULL, "name", &b)) {
		add_words(m, buf_data(&b), buf_len(&b));
		buf_addc(m->words, ' ');
		while (search_words_next(buf_data(&b), buf_len(&b), &at, &word) && buf_len(m->marks) < SEARCH_DOC_BYTES)
			buf_addf(m->marks, ":n%s ", word.folded);
	}
	buf_fini(&b);
}

static void
add_reference(struct making *m, const struct search_row *r)
{
	if (r->is.text[CANONICAL_REFERS_TO])
		mark(m, 'r', r->is.text[CANONICAL_REFERS_TO], r->len[CANONICAL_REFERS_TO]);
	/* Of others it is the stream that they came over. */
	if (r->is.refers_record && (r->is.kind == RECORD_RETURNED || r->is.kind == RECORD_FILE_FETCHED))
		buf_addf(m->marks, ":R%" PRIu64 " ", r->is.refers_record);
}

static void
add_stanza(struct making *m, const struct search_row *r)
{
	const char *stanza = r->is.text[CANONICAL_STANZA];
	struct search_tags tags;
	struct buf text = { 0 };

	search_doc_tags(stanza, r->len[CANONICAL_STANZA], &tags);
	buf_adds(m->marks, tags.file || r->is.kind == RECORD_FILE || r->is.kind == RECORD_FILE_FETCHED ? ":x " : "");
	buf_adds(m->marks, tags.encrypted ? ":e " : "");
	buf_adds(m->marks, r->is.kind == RECORD_ROOM_CONFIG && tags.shutdown ? ":S " : "");
	add_room(m, r, stanza);
	add_foreign(m, stanza, r->len[CANONICAL_STANZA]);
	if (r->is.kind == RECORD_FILE || r->is.kind == RECORD_FILE_FETCHED)
		add_file(m, r, stanza);
	search_doc_text(stanza, r->len[CANONICAL_STANZA], &text);
	/* What two programs say to each other may stand anywhere. */
	if (r->is.kind == RECORD_REQUEST || r->is.kind == RECORD_PRESENCE)
		search_doc_values(stanza, r->len[CANONICAL_STANZA], &text);
	if (buf_len(&text))
		add_lines(m, buf_data(&text), buf_len(&text));
	buf_fini(&text);
}

void
search_doc(struct search_words *w, const struct search_row *r, struct buf *words, struct buf *marks)
{
	struct making making = { .w = w, .words = words, .marks = marks }, *m = &making;

	buf_addf(marks, ":k%d ", r->is.kind);
	if (r->is.direction)
		buf_addf(marks, ":D%d ", r->is.direction);
	add_addresses(m, r);
	add_reference(m, r);
	if (r->is.text[CANONICAL_STANZA])
		add_stanza(m, r);
	/* Where the stanza has it, it is there already; of what the server itself notes the body is the sentence. */
	if (r->is.text[CANONICAL_BODY] && (!r->is.text[CANONICAL_STANZA] || (r->is.kind > RECORD_RETURNED && r->is.kind != RECORD_PASSED)))
		add_lines(m, r->is.text[CANONICAL_BODY], r->len[CANONICAL_BODY]);
}
