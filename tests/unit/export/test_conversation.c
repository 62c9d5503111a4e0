/* conversation: others' texts deceive nobody; what a record is in words; who took part, of a hundred thousand, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/export/desk.h"
#include "export/conversation.h"

static void
shown(const char *said, bool one_line, const char *is)
{
	struct buf b = {0};

	conversation_show(&b, said, one_line);
	assert_string_equal(buf_str(&b), is);
	buf_fini(&b);
}

static void
test_marks(void **s)
{
	(void)s;
	shown("photo\xe2\x80\xaegnp.exe", false, "photo[U+202E]gnp.exe");
	shown("\xe2\x81\xa6\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f", false, "[U+2066][U+2069][U+061C][U+200F]");
	shown("a\xe2\x80\x8b\xef\xbb\xbf\xc2\xad" "b", false, "a[U+200B][U+FEFF][U+00AD]b");
	shown("\x01\x1b[2J\x7f\xc2\x9b", false, "[U+0001][U+001B][2J[U+007F][U+009B]");
	shown("\xf3\xa0\x81\x81", false, "[U+E0041]");
	shown("one\ntwo\tthree\r\nfour\rfive\xe2\x80\xa8six", false, "one\ntwo\tthree\nfour[U+000D]five[U+2028]six");
	shown("one\ntwo\tthree\r\nBcc: x", true, "one two three Bcc: x");
	/* What languages and emoji are made of stays. */
	shown("\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xd7\xa9", false,
	      "\xd9\x85\xdb\x8c\xe2\x80\x8c\xd8\xae \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb \xd7\xa9");
}

static void
test_line(void **s)
{
	struct arena *a = arena_new(0);

	(void)s;
	assert_string_equal(conversation_line(a, "short", 5), "short");
	assert_string_equal(conversation_line(a, "longer", 5), "longe\xe2\x80\xa6");
	/* Never within a character. */
	assert_string_equal(conversation_line(a, "\xc3\xa4\xc3\xa4\xc3\xa4", 3), "\xc3\xa4\xe2\x80\xa6");
	arena_free(a);
}

static void
test_who(void **s)
{
	struct buf b = {0};

	(void)s;
	conversation_who(&b, &(struct export_person){ .bare = "a@b", .name = "A\nB\xe2\x80\xae" });
	assert_string_equal(buf_str(&b), "A B[U+202E] <a@b>");
	buf_clear(&b);
	conversation_who(&b, &(struct export_person){ .bare = "a@b", .name = "a@b" });
	assert_string_equal(buf_str(&b), "a@b");
	buf_clear(&b);
	conversation_who(&b, &(struct export_person){0});
	assert_string_equal(buf_str(&b), "(erased)");
	buf_fini(&b);
}

static const char *deed_xml;
static enum record_kind deed_kind;

static void
make_deed(uint64_t i, struct export_record *r)
{
	(void)i;
	r->kind = deed_kind;
	r->xml = deed_xml;
}

static void
deed(enum record_kind kind, const char *xml, const char *is)
{
	struct desk_group g = { .group = { .records = 1, .conversation = "a@x b@x" }, .make = make_deed, .arena = arena_new(0) };
	struct arena *a = arena_new(0);
	const struct export_record *r;
	struct err e = {0};

	deed_kind = kind;
	deed_xml = xml;
	assert_int_equal(export_group_next(&g.group, &r, &e), 1);
	assert_string_equal(conversation_deed(r, a), is);
	stanza_unref(g.stanza);
	arena_free(g.arena);
	arena_free(a);
}

static void
test_deeds(void **s)
{
	(void)s;
	deed(RECORD_ROOM_ENTER, NULL, "came into the room");
	deed(RECORD_REACTION, "<message><reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>+</reaction><reaction>\n!</reaction></reactions></message>",
	     "reacted: +  !");
	deed(RECORD_REACTION, "<message><reactions xmlns='urn:xmpp:reactions:0' id='x'/></message>", "took back their reactions");
	deed(RECORD_MESSAGE, "<message><subject>new\none</subject></message>", "set the subject: new one");
	deed(RECORD_RECEIPT, "<message><displayed xmlns='urn:xmpp:chat-markers:0' id='x'/></message>", "has seen it");
	deed(RECORD_PRESENCE, "<presence><status>at five</status></presence>", "showed with their presence");
	deed((enum record_kind)999, NULL, "");
}

/* People */

static char person[2][64];

static void
make_crowd(uint64_t i, struct export_record *r)
{
	snprintf(person[0], sizeof(person[0]), "p%llu@example.org", (unsigned long long)(i % 100000));
	r->from = (struct export_person){ .bare = person[0], .name = person[0], .ours = i % 2 == 0 };
	r->to = (struct export_person){ .bare = "room@muc.example.org", .name = "room@muc.example.org" };
	r->erased = i == 3;
	r->place = EXPORT_ROOM;
}

static void
test_crowd(void **s)
{
	struct desk_group g = { .group = { .records = 150000, .conversation = "room@muc.example.org", .place = EXPORT_ROOM }, .make = make_crowd,
		.arena = arena_new(0) };
	const struct conversation_person *p;
	struct conversation *c;
	struct err e = {0};
	uint64_t sent = 0, n = 0;
	char name[64], tag[20];

	(void)s;
	c = conversation_read(NULL, &g.group, &e);
	assert_non_null(c);
	assert_int_equal(conversation_counts(c)->people, 100000);
	assert_int_equal(conversation_counts(c)->records, 150000);
	assert_int_equal(conversation_counts(c)->erased, 1);
	assert_int_equal(conversation_counts(c)->last_us, DESK_DAY + INT64_C(149999) * 1000000);
	for (int times = 0; times < 2; times++) {
		assert_int_equal(conversation_rewind(c, &e), 0);
		for (n = sent = 0; conversation_next(c, &p, &e) == 0 && p; n++) {
			snprintf(name, sizeof(name), "p%llu@example.org", (unsigned long long)n);
			conversation_tag(name, tag);
			assert_string_equal(p->bare, name);
			assert_string_equal(p->tag, tag);
			assert_int_equal(p->ours, n % 2 == 0);
			sent += p->sent;
		}
		assert_int_equal(n, 100000);
		assert_int_equal(sent, 150000);
	}
	conversation_free(c);
	arena_free(g.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks), cmocka_unit_test(test_line), cmocka_unit_test(test_who), cmocka_unit_test(test_deeds),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
