/* Tests of base/file_name: names that clients and attackers give to files. */
#include "base/file_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/text.h"

static void
becomes(const char *said, const char *name)
{
	struct arena *a = arena_new(0);

	assert_string_equal(file_name_clean(a, said), name);
	arena_free(a);
}

static void
stays(void **state)
{
	(void)state;
	becomes("tr\xc3\xa8s cool.jpg", "tr\xc3\xa8s cool.jpg");
	becomes("archive.tar.gz", "archive.tar.gz");
	becomes("README", "README");
	becomes("100% (a+b) #1 & 'c'.txt", "100% (a+b) #1 & 'c'.txt");
	becomes("\xf0\x9f\x98\x80.png", "\xf0\x9f\x98\x80.png");
}

static void
paths(void **state)
{
	(void)state;
	becomes("../../etc/passwd", "passwd");
	becomes("/etc/shadow", "shadow");
	becomes("C:\\Windows\\system32\\cmd.exe", "cmd.exe");
	becomes("..\\..\\x", "x");
	becomes("a/", "file");
	becomes("..", "file");
	becomes(".", "file");
	becomes("...", "file");
	becomes("   ", "file");
	becomes("/", "file");
	becomes(".htaccess", "htaccess");
	becomes("name.. . ", "name");
	becomes("a:b|c<d>e\"f*g?.txt", "a_b_c_d_e_f_g_.txt");
}

static void
unseen(void **state)
{
	(void)state;
	becomes("invoice\xe2\x80\xaegpj.exe", "invoicegpj.exe"); /* U+202E */
	becomes("\xe2\x81\xa6" "a\xe2\x81\xa9.txt", "a.txt");
	becomes("a\x01\x1f\x7f\xc2\x85z.txt", "az.txt");
	becomes("line\nfeed\r.txt", "linefeed.txt");
	becomes("\xef\xbb\xbf\xe2\x80\x8b", "file");
	becomes("zero\xe2\x80\x8bwidth.pdf", "zerowidth.pdf");
}

static void
check_long(const char *unit, size_t times, const char *ending)
{
	struct arena *a = arena_new(0);
	struct buf b = { 0 };
	const char *name;

	for (size_t i = 0; i < times; i++)
		buf_adds(&b, unit);
	buf_adds(&b, ending);
	name = file_name_clean(a, buf_str(&b));
	assert_true(strlen(name) <= FILE_NAME_CLEAN_MAX);
	assert_true(strlen(name) > FILE_NAME_CLEAN_MAX - 30);
	assert_true(text_is_utf8(name, strlen(name)));
	if (strlen(ending) < 20)
		assert_string_equal(name + strlen(name) - strlen(ending), ending);
	buf_fini(&b);
	arena_free(a);
}

static void
long_names(void **state)
{
	(void)state;
	check_long("a", 4000, ".jpeg");
	check_long("\xc3\xa8", 2000, ".jpeg");
	check_long("\xf0\x9f\x98\x80", 1000, ".x");
	check_long("a", 4000, "");
	check_long("a.", 2000, "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stays),
		cmocka_unit_test(paths),
		cmocka_unit_test(unseen),
		cmocka_unit_test(long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
