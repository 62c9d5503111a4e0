/* eml: the same bytes when made again, lines as mail has them, nothing of others in headers, threads of days, bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/export/desk.h"
#include "export/formats.h"
#include "export/mail.h"

static void
test_address(void **s)
{
	static const char *const pairs[][2] = {
		{ "romeo@example.org", "romeo@example.org" }, { "a.b+c@example.org", "a.b+c@example.org" }, { "example.org", "%@example.org" },
		{ ".a..b.@example.org", "%2Ea.%2Eb%2E@example.org" }, { "a\"b,c;d(e)\\@example.org", "a%22b%2Cc%3Bd%28e%29%5C@example.org" },
		{ "j\xc3\xbclia@ex\xc3\xa4mple.org", "j%C3%BClia@ex%C3%A4mple.org" }, { "a%41@[::1]", "a%2541@%5B%3A%3A1%5D" },
		{ "a>,<b\r\nBcc:x@y", "a%3E%2C%3Cb%0D%0ABcc%3Ax@y" } };
	struct arena *a = arena_new(0);
	char longest[1024];

	(void)s;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_string_equal(mail_address(a, pairs[i][0]), pairs[i][1]);
	memset(longest, 'x', 1000);
	strcpy(longest + 1000, "@example.org");
	assert_non_null(strstr(mail_address(a, longest), "@too-long.invalid"));
	arena_free(a);
}

/* Text of a mail: lines end in CRLF, none is longer than mail has it (RFC 5322 §2.1.1). */
static const char *
checked(struct desk *k, size_t i)
{
	const char *text = buf_str(&k->out.file[i].data), *line = text;

	for (const char *p = text; *p; p++) {
		if (*p != '\n')
			continue;
		assert_true(p > text && p[-1] == '\r');
		assert_true(p - line <= 999);
		line = p + 1;
	}
	return text;
}

static bool
has_header(const char *mail, const char *name)
{
	const char *end = strstr(mail, "\r\n\r\n");
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "\n%s:", name);
	at = strcasestr(mail, line);
	return !strncasecmp(mail, line + 1, strlen(line + 1)) || (at && at < end);
}

static char hostile_name[] = "Romeo\r\nBcc: evil@example.net\r\n\r\nbody\xe2\x80\xae", file_name[] = "a\"; filename=\"b.txt";
static struct export_file file = { .size = 5, .name = file_name, .type = "text/plain", .path = "files/0-a" };

static void
make_hostile(uint64_t i, struct export_record *r)
{
	static const char *const words[] = { "plain", "two\nlines\r\nthree", ".\nFrom me\n\xe2\x80\xaegnp.exe", "--=_\n--=_0123--\n", "\x01\x02 =3D =\n" };

	r->from = (struct export_person){ .bare = i % 2 ? "romeo@example.org" : "ju>,\"liet@example.org", .name = hostile_name };
	r->to = (struct export_person){ .bare = i % 2 ? "ju>,\"liet@example.org" : "romeo@example.org", .name = "=?utf-8?q?x?=" };
	r->body = words[i % 5];
	r->files = &file;
	r->nfiles = i == 2;
}

static void
run_hostile(struct desk *k, const char *content)
{
	struct desk_group g = { .group = { .records = 40, .conversation = "ju>,\"liet@example.org romeo@example.org" }, .make = make_hostile, .file = content };
	struct err e = {0};

	desk_open(k, &export_eml);
	assert_int_equal(desk_group(k, &g, &e), 0);
}

static void
test_hostile(void **s)
{
	struct desk k;
	const char *mail;

	(void)s;
	run_hostile(&k, "12345");
	assert_string_equal(k.out.file[0].name, "eml/2026-01-01-romeo-juliet-0123456789abcdef.eml");
	mail = checked(&k, 0);
	assert_true(has_header(mail, "From") && has_header(mail, "To") && has_header(mail, "Message-Id") && has_header(mail, "MIME-Version"));
	assert_false(has_header(mail, "Bcc"));
	assert_null(strstr(mail, "\xe2\x80\xae"));
	assert_non_null(strstr(mail, "[U+202E]gnp.exe"));
	assert_non_null(strstr(mail, "MTIzNDU="));
	desk_close(&k);
}

static void
test_same_bytes(void **s)
{
	struct desk one, two;

	(void)s;
	run_hostile(&one, "12345");
	run_hostile(&two, "12345");
	assert_string_equal(checked(&one, 0), checked(&two, 0));
	desk_close(&one);
	desk_close(&two);
}

/* What has gone since the bundle has it is not attached; the text says where it is. */
static void
test_file_gone(void **s)
{
	struct desk k;

	(void)s;
	run_hostile(&k, NULL);
	assert_null(strstr(checked(&k, 0), "MTIzNDU="));
	assert_non_null(strstr(checked(&k, 0), "files/0-a"));
	desk_close(&k);
}

static void
test_thread(void **s)
{
	static const char *const days[] = { "2026-01-01", "2026-01-02", "2026-01-05" };
	struct err e = {0};
	struct desk k;

	(void)s;
	desk_open(&k, &export_eml);
	for (int i = 0; i < 4; i++) {
		struct desk_group g = { .group = { .records = 1, .conversation = i < 3 ? "a@x b@x" : "a@x c@x", .day = days[i % 3] }, .make = make_hostile };

		assert_int_equal(desk_group(&k, &g, &e), 0);
	}
	assert_false(has_header(checked(&k, 0), "In-Reply-To") || has_header(checked(&k, 3), "References"));
	assert_non_null(strstr(checked(&k, 2), "In-Reply-To: <65bd874060f3059b9a21e3cd67e5583d.2026-01-02@example.org>"));
	desk_close(&k);
}

static char crowd[64];

static void
make_crowd(uint64_t i, struct export_record *r)
{
	snprintf(crowd, sizeof(crowd), "person-%llu@example.org", (unsigned long long)i);
	r->from = (struct export_person){ .bare = crowd, .name = crowd };
	r->to = (struct export_person){ .bare = "room@muc.example.org", .name = "room@muc.example.org" };
	r->body = "word";
}

/* Named are as many as can be read; all are in the list. */
static void
test_crowd(void **s)
{
	struct desk_group g = { .group = { .records = 100000, .conversation = "room@muc.example.org", .place = EXPORT_ROOM }, .make = make_crowd };
	struct err e = {0};
	struct desk k;
	const char *mail;
	size_t headers = 0;

	(void)s;
	desk_open(&k, &export_eml);
	assert_int_equal(desk_group(&k, &g, &e), 0);
	mail = checked(&k, 0);
	assert_true(strstr(mail, "\r\n\r\n") - mail < 65536);
	assert_non_null(strstr(mail, "participants.txt"));
	for (const char *p = mail; (p = strstr(p, "\nX-Chancery-Record:")) != NULL; p++)
		headers++;
	assert_int_equal(headers, 100);
	desk_close(&k);
}

static void
make_erased(uint64_t i, struct export_record *r)
{
	(void)i;
	r->erased = true;
	r->kind_name = "";
}

static void
test_erased(void **s)
{
	struct desk_group g = { .group = { .records = 2, .conversation = "" }, .make = make_erased };
	struct err e = {0};
	struct desk k;

	(void)s;
	desk_open(&k, &export_eml);
	assert_int_equal(desk_group(&k, &g, &e), 0);
	assert_non_null(strstr(checked(&k, 0), "(erased) [#100]"));
	assert_true(has_header(checked(&k, 0), "From"));
	desk_close(&k);
}

static void
test_disk_full(void **s)
{
	struct desk_group g = { .group = { .records = 200, .conversation = "a@x b@x" }, .make = make_hostile };
	struct err e = {0};
	struct desk k;

	(void)s;
	desk_open(&k, &export_eml);
	k.out.fail_at = 1000;
	assert_int_equal(desk_group(&k, &g, &e), -1);
	assert_non_null(strstr(e.text, "no space"));
	desk_close(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address), cmocka_unit_test(test_hostile), cmocka_unit_test(test_same_bytes), cmocka_unit_test(test_file_gone),
		cmocka_unit_test(test_thread), cmocka_unit_test(test_crowd), cmocka_unit_test(test_erased), cmocka_unit_test(test_disk_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
