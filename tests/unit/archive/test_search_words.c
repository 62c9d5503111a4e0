/*
 * Words of texts and of queries, marks and texts of stanzas: archive/search/search_words, search_doc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/search/search_doc.h"
#include "archive/search/search_words.h"
#include "store/record_kind.h"

static const char *
words_of(const char *text, size_t n)
{
	static struct buf out;
	struct search_word w;
	size_t at = 0;

	buf_clear(&out);
	while (search_words_next(text, n, &at, &w)) {
		assert_true(w.first < w.end && w.end <= n && at <= n && w.len == strlen(w.folded));
		buf_addf(&out, "%s%s", buf_len(&out) ? "|" : "", w.folded);
	}
	return buf_str(&out);
}

static void
words(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" }, { " \t.,", "" }, { "One two", "one|two" }, { "Été ÉTÉ e\xcc\x81te\xcc\x81", "ete|ete|ete" },
		{ "l'équipe d’art", "l|equipe|d|art" }, { "ŒUVRE straße Łódź", "oeuvre|strasse|lodz" }, { "a\xc2\xad" "b z\xe2\x80\x8b" "ero", "ab|zero" },
		{ "\xef\xac\x81n \xef\xbc\xa1\xef\xbc\xa2", "fin|ab" }, { "会議は", "会|議|は" }, { "x👋🏽y", "x|👋|y" }, { "\xcc\x81 a \xcc\x81", "a" },
		{ "4711/b-2", "4711|b|2" }, { "Ἀθήνα σοφός", "αθηνα|σοφοσ" }, { "\xff\xfe" "a\xc3", "a" }, { "привет", "привет" },
	};
	char marks[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(words_of(cases[i][0], strlen(cases[i][0])), cases[i][1]);
	assert_string_equal(words_of("a\0b", 3), "a|b");
	/* Many marks that are no words: in the time of their length. */
	for (size_t i = 0; i < sizeof(marks); i += 3)
		memcpy(marks + i, "\xcc\x81 ", 3);
	assert_string_equal(words_of(marks, sizeof(marks)), "");
}

static void
long_words(void **state)
{
	char text[400];
	struct search_word w;
	size_t at = 0;

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(search_words_next(text, sizeof(text), &at, &w));
	assert_true(w.cut && w.len == SEARCH_WORD_BYTES && w.end == sizeof(text));
	assert_false(search_words_next(text, sizeof(text), &at, &w));
	/* A character is there as a whole or not at all. */
	for (size_t i = 0; i < 399; i += 3)
		memcpy(text + i, "\xe1\x83\x90", 3);
	at = 0;
	assert_true(search_words_next(text, 399, &at, &w));
	assert_true(w.cut && w.len == SEARCH_WORD_BYTES / 3 * 3);
}

static bool
has_stem(struct search_words *w, const char *word, const char *stem)
{
	char out[SEARCH_STEMS][SEARCH_WORD_BYTES + 1];
	struct search_word s;
	size_t at = 0;
	unsigned n;
	bool found = false;

	assert_true(search_words_next(word, strlen(word), &at, &s));
	n = search_words_stems(w, &s, out);
	for (unsigned i = 0; i < n; i++)
		found |= !strcmp(out[i], stem);
	return found;
}

static void
stems(void **state)
{
	struct search_words *w = search_words_new();

	(void)state;
	assert_true(has_stem(w, "running", "run"));
	assert_true(has_stem(w, "mangées", "mang"));
	assert_true(has_stem(w, "réunions", "reunion"));
	assert_false(has_stem(w, "4711", "4711"));
	assert_false(has_stem(w, "会議", "会議"));
	search_words_free(w);
}

static const char *
query(const char *text, const char **phrases)
{
	static struct buf out;
	static char said[500];
	struct search_words *w = search_words_new();
	struct arena *a = arena_new(0);
	struct search_terms t;
	struct err e = { 0 };
	int rc = search_terms_parse(w, a, text, 5, 100, &t, &e);

	buf_clear(&out);
	if (!rc)
		search_terms_add(&t, &out);
	snprintf(said, sizeof(said), "%s", rc ? "refused" : buf_str(&out));
	buf_clear(&out);
	for (size_t i = 0; i < t.nhas && !rc; i++)
		buf_addf(&out, "+%s", t.has[i]);
	for (size_t i = 0; i < t.nlacks && !rc; i++)
		buf_addf(&out, "-%s", t.lacks[i]);
	*phrases = buf_str(&out);
	search_words_free(w);
	arena_free(a);
	return said;
}

static void
queries(void **state)
{
	static const struct { const char *text, *query, *phrases; } cases[] = {
		{ "xyz", "('xyz')", "" },
		{ "running 42", "('running' | 'run') & ('42')", "" },
		{ "\"Running Up\"", "('running') & ('up')", "+running up" },
		{ "\"one\"", "('one')", "+one" },
		{ "budg*", "('budg':*)", "" },
		{ "e-mail", "('e') & ('mail')", "+e mail" },
		{ "xyz -abc", "('xyz') & !('abc')", "" },
		{ "xyz -\"abc def\"", "('xyz')", "-abc def" },
		{ "xyz -\"abc\"", "('xyz')", "-abc" },
		{ "'); drop -- \\ & | ! :*", "('drop')", "" },
		{ "xyz\"abc\"", "('xyz') & ('abc')", "+abc" },
		{ "", "refused", "" }, { "-abc", "refused", "" }, { "\"abc", "refused", "" }, { "...", "refused", "" }, { "a*", "refused", "" },
		{ "a b c d e f", "refused", "" }, { "l'eq*", "refused", "" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "refused", "" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "refused", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *phrases;

		assert_string_equal(query(cases[i].text, &phrases), cases[i].query);
		assert_string_equal(phrases, cases[i].phrases);
	}
}

static void
stanzas(void **state)
{
	static const char st[] = "<message xmlns='jabber:client' from='r@c.x/n&apos;ick' to='b@x'><body>a &lt;b&gt; &#233;&#x1F44B;</body><x xmlns='jabber:x:oob'>"
		"<url>https://x/y</url></x><encrypted xmlns='urn:xmpp:omemo:2'><payload>hidden<k>more</k></payload></encrypted>end</message>";
	static const char nested[] = "<message><e/><x><who is='you'/></x><body>who</body></message>",
		direct[] = "<message><e/><x><who is='you'/><y/></x><who is='me'/></message>";
	struct search_tags tags;
	struct buf b = { 0 };

	(void)state;
	search_doc_text(st, sizeof(st) - 1, &b);
	assert_string_equal(buf_str(&b), "a <b> é👋\nhttps://x/y\nend\n");
	search_doc_tags(st, sizeof(st) - 1, &tags);
	assert_true(tags.file && tags.encrypted && !tags.shutdown);
	buf_clear(&b);
	assert_true(search_doc_attribute(st, sizeof(st) - 1, NULL, "from", &b));
	assert_string_equal(buf_str(&b), "r@c.x/n'ick");
	assert_false(search_doc_attribute(st, sizeof(st) - 1, "body", "from", &b));
	assert_true(search_doc_attribute(st, sizeof(st) - 1, "encrypted", "xmlns", &b));
	buf_clear(&b);
	assert_true(search_doc_child_attribute(st, sizeof(st) - 1, "encrypted", "xmlns", &b));
	assert_string_equal(buf_str(&b), "urn:xmpp:omemo:2");
	assert_false(search_doc_child_attribute(nested, sizeof(nested) - 1, "who", "is", &b));
	buf_clear(&b);
	assert_true(search_doc_child_attribute(direct, sizeof(direct) - 1, "who", "is", &b));
	assert_string_equal(buf_str(&b), "me");
	buf_clear(&b);
	search_doc_values(nested, sizeof(nested) - 1, &b);
	assert_string_equal(buf_str(&b), "you\n");
	buf_clear(&b);
	search_doc_values(st, sizeof(st) - 1, &b);
	assert_int_equal(buf_len(&b), 0);
	/* Every beginning of it, as if it had been cut: no byte behind it is looked at (the sanitizers tell). */
	for (size_t n = 0; n < sizeof(st); n++) {
		char *copy = malloc(n + 1);

		memcpy(copy, st, n);
		buf_clear(&b);
		copy = realloc(copy, n ? n : 1);
		search_doc_text(copy, n, &b);
		search_doc_values(copy, n, &b);
		search_doc_tags(copy, n, &tags);
		search_doc_attribute(copy, n, "url", "none", &b);
		search_doc_child_attribute(copy, n, "encrypted", "none", &b);
		search_doc_attribute(copy, n, NULL, "to", &b);
		free(copy);
	}
	buf_fini(&b);
}

static void
documents(void **state)
{
	static const char body[] = "Les réunions", stanza[] = "<message from='a@x/1' to='b@y'><body>Les réunions</body><subject>de l'été</subject></message>";
	struct search_row r = { .is = { .id = 1, .kind = 1, .direction = 2 } };
	struct search_words *w = search_words_new();
	struct buf text = { 0 }, marks = { 0 };

	(void)state;
	r.is.text[CANONICAL_FROM_BARE] = "a@x";
	r.is.text[CANONICAL_TO_BARE] = "b@y";
	r.is.text[CANONICAL_BODY] = body;
	r.is.text[CANONICAL_STANZA] = stanza;
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		r.len[i] = r.is.text[i] ? strlen(r.is.text[i]) : 0;
	search_doc(w, &r, &text, &marks);
	/* Two spaces where a phrase ends. */
	assert_string_equal(buf_str(&text), "les reunions  de l ete ");
	assert_non_null(strstr(buf_str(&marks), ":k1 :D2 :f"));
	assert_non_null(strstr(buf_str(&marks), " reunion "));
	assert_null(strstr(buf_str(&marks), ":v"));
	assert_null(strpbrk(buf_str(&marks), "'\"\\{},"));
	/* Of a request attributes are words, too. */
	r.is.kind = RECORD_REQUEST;
	r.is.text[CANONICAL_BODY] = NULL;
	r.is.text[CANONICAL_STANZA] = "<iq from='a@x/1' to='b@y/2'><x move='e2 e4'>check</x></iq>";
	r.len[CANONICAL_BODY] = 0;
	r.len[CANONICAL_STANZA] = strlen(r.is.text[CANONICAL_STANZA]);
	buf_clear(&text);
	buf_clear(&marks);
	search_doc(w, &r, &text, &marks);
	assert_string_equal(buf_str(&text), "check  e2 e4 ");
	assert_non_null(strstr(buf_str(&marks), ":k26 "));
	/* And of presence. */
	r.is.kind = RECORD_PRESENCE;
	r.is.text[CANONICAL_STANZA] = "<presence from='a@x/1'><x move='e2 e4'>check</x></presence>";
	r.len[CANONICAL_STANZA] = strlen(r.is.text[CANONICAL_STANZA]);
	buf_clear(&text);
	buf_clear(&marks);
	search_doc(w, &r, &text, &marks);
	assert_string_equal(buf_str(&text), "check  e2 e4 ");
	assert_non_null(strstr(buf_str(&marks), ":k27 "));
	buf_fini(&text);
	buf_fini(&marks);
	search_words_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words), cmocka_unit_test(long_words), cmocka_unit_test(stems), cmocka_unit_test(queries),
		cmocka_unit_test(stanzas), cmocka_unit_test(documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
