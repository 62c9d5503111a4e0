/*
 * search_query: from what is looked for to what the index is asked (search.h, search_doc.h). What people wrote becomes words
 * and numbers here; none of it becomes part of a statement.
 */
#include <inttypes.h>
#include <string.h>

#include "archive/search/search_doc.h"
#include "archive/search/search_priv.h"

#define HASH_DIGITS_MIN 8
#define HASH_DIGITS (2 * SHA256_SIZE)
#define FILE_WORDS_MAX 16

static void
and(struct buf *out)
{
	if (buf_len(out))
		buf_adds(out, " & ");
}

static void
add_mark(struct buf *out, char kind, const char *address)
{
	struct buf b = { 0 };

	search_mark_hash(&b, kind, address, strlen(address));
	search_lexeme(out, buf_str(&b), false);
	buf_fini(&b);
}

void
search_any(struct buf *out, const char *kinds, const char *const *address, size_t n)
{
	if (!n)
		return;
	and(out);
	buf_addc(out, '(');
	for (size_t i = 0; i < n; i++)
		for (const char *k = kinds; *k; k++) {
			buf_adds(out, i || k != kinds ? " | " : "");
			add_mark(out, *k, address[i]);
		}
	buf_addc(out, ')');
}

static void
add_conversation(struct buf *out, const char *a, const char *b)
{
	const char *const ends[2][2] = { { a, b }, { b, a } };

	and(out);
	buf_addc(out, '(');
	for (int i = 0; i < 2; i++) {
		buf_adds(out, i ? " | (" : "(");
		add_mark(out, 'f', ends[i][0]);
		buf_adds(out, " & ");
		add_mark(out, 't', ends[i][1]);
		buf_addc(out, ')');
	}
	buf_addc(out, ')');
}

static void
add_kinds(struct buf *out, uint64_t kinds)
{
	bool any = false;

	if (!kinds)
		return;
	and(out);
	for (int k = 0; k < 64; k++)
		if (kinds >> k & 1) {
			buf_addf(out, "%s':k%d'", any ? " | " : "(", k);
			any = true;
		}
	buf_addc(out, ')');
}

static int
add_file(struct search *s, const struct search_query *q, struct err *e)
{
	struct search_word word;
	size_t n, at = 0;
	unsigned words = 0;

	if (q->file_hash) {
		n = strlen(q->file_hash);
		if (n < HASH_DIGITS_MIN || n > HASH_DIGITS || strspn(q->file_hash, "0123456789abcdefABCDEF") != n)
			return err_set(e, 0, "not the SHA-256 of a file, nor eight digits of it at least: %.70s", q->file_hash);
		and(&s->found);
		buf_adds(&s->found, "':h");
		for (size_t i = 0; i < n; i++)
			buf_addc(&s->found, (char)(q->file_hash[i] | 0x20)); /* digits have that bit */
		buf_adds(&s->found, n < HASH_DIGITS ? "':*" : "'");
	}
	if (!q->file_name)
		return 0;
	n = strlen(q->file_name);
	while (search_words_next(q->file_name, n, &at, &word)) {
		char lexeme[SEARCH_WORD_BYTES + 3] = ":n";

		if (word.cut || ++words > FILE_WORDS_MAX)
			return err_set(e, 0, "the name of the file is too long to look for");
		memcpy(lexeme + 2, word.folded, word.len + 1);
		and(&s->found);
		/* The last word may be the beginning of one: people do not write all of it. */
		search_lexeme(&s->found, lexeme, at >= n);
	}
	return words ? 0 : err_set(e, 0, "the name of the file has no letters or digits to look for");
}

static const char *
array_of(struct arena *a, const char **phrase, size_t n)
{
	struct buf b = { 0 };
	const char *out;

	/* Letters, digits and spaces: nothing that would have to be escaped. */
	buf_addc(&b, '{');
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s\"%s\"", i ? "," : "", phrase[i]);
	buf_addc(&b, '}');
	out = arena_strndup(a, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return out;
}

static int
add_words(struct search *s, const char *words, struct err *e)
{
	struct search_terms t = { 0 };
	struct search_words *w;
	int rc = 0;

	if (words) {
		w = search_words_new();
		rc = search_terms_parse(w, s->arena, words, s->limits.words, s->limits.word_bytes, &t, e);
		search_words_free(w);
	}
	if (!rc)
		search_terms_add(&t, &s->found);
	s->has = array_of(s->arena, t.has, t.nhas);
	s->lacks = array_of(s->arena, t.lacks, t.nlacks);
	return rc;
}

static int
check(const struct search_query *q, struct err *e)
{
	if (q->since_us && q->until_us && q->since_us >= q->until_us)
		return err_set(e, 0, "it ends before it begins: since has to be before until");
	if (q->audience && !q->npersons)
		return err_set(e, 0, "audience wants a person: what could they read?");
	if (q->before_index && q->first_index > q->before_index)
		return err_set(e, 0, "the range of the log ends before it begins");
	if (!q->between[0] != !q->between[1])
		return err_set(e, 0, "a conversation has two ends");
	return 0;
}

/* All but the words. */
static int
add_marks(struct search *s, const struct search_query *q, struct err *e)
{
	struct buf *out = &s->found;

	/* With `audience` people are asked for together with their rooms (search.c). */
	if (!q->audience)
		search_any(out, "ft", q->person, q->npersons);
	if (q->between[0])
		add_conversation(out, q->between[0], q->between[1]);
	search_any(out, "ftv", q->room, q->nrooms);
	search_any(out, "d", q->domain, q->ndomains);
	search_any(out, "g", q->foreign, q->nforeign);
	search_any(out, "d", &q->partner, q->partner ? 1 : 0);
	if (q->partner || q->federated) {
		and(out);
		buf_adds(out, "(':D1' | ':D2')");
	}
	add_kinds(out, q->kinds);
	if (q->has_file) {
		and(out);
		buf_adds(out, "':x'");
	}
	if (q->encrypted) {
		and(out);
		buf_adds(out, "':e'");
	}
	if (q->refers_to)
		search_any(out, "r", &q->refers_to, 1);
	if (q->refers_record) {
		and(out);
		buf_addf(out, "':R%" PRIu64 "'", q->refers_record);
	}
	s->since = arena_printf(s->arena, "%" PRId64, q->since_us ? q->since_us : INT64_MIN);
	s->until = arena_printf(s->arena, "%" PRId64, q->until_us ? q->until_us : INT64_MAX);
	return add_file(s, q, e);
}

int
search_compile(struct search *s, const struct search_query *q, struct err *e)
{
	return check(q, e) || add_marks(s, q, e) || add_words(s, q->words, e) ? -1 : 0;
}

static const char *
asked(struct search *s)
{
	const char *text = buf_len(&s->found) ? arena_strndup(s->arena, buf_data(&s->found), buf_len(&s->found)) : NULL;

	buf_clear(&s->found);
	return text;
}

int
search_question(const struct search_query *q, const struct search_limits *l, struct arena *a, struct search_question *out, struct err *e)
{
	struct search s = { .arena = a, .limits = *l };
	int rc = check(q, e);

	e->code = 0;
	if (!rc && q->audience)
		rc = err_set(e, 0, "audience: who was in a room when is known afterwards only; name the rooms");
	if (!rc)
		rc = add_marks(&s, q, e);
	*out = (struct search_question){ .marks = asked(&s), .since = s.since, .until = s.until };
	if (!rc)
		rc = add_words(&s, q->words, e);
	out->words = asked(&s);
	out->has = s.has;
	out->lacks = s.lacks;
	buf_fini(&s.found);
	return rc;
}
