/* bundle_out: parts are there whole after a crash, in whatever moment; names, bounds and a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/bundle_out.h"

#define AT_US INT64_C(1767225600000000)

static const struct bundle_limits none;
static char dir[] = "/tmp/chancery-bundle-XXXXXX";

static int
path_in(const char *name, char out[128])
{
	return snprintf(out, 128, "%s/%s", dir, name);
}

static void
clear(void)
{
	static const char *const names[] = { "bundle.tmp", "bundle.zip", "journal" };
	char path[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path_in(names[i], path);
		(void)unlink(path);
	}
}

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
remove_dir(void **state)
{
	(void)state;
	clear();
	return rmdir(dir);
}

static struct bundle_out *
open_it(const struct bundle_limits *limits)
{
	struct err e;
	struct bundle_out *b = bundle_out_open(dir, AT_US, limits, &e);

	assert_non_null(b);
	return b;
}

static void
add_part(struct bundle_out *b, const char *part, const char *name, const char *text)
{
	struct err e;

	assert_true(bundle_part_begin(b, part));
	assert_int_equal(bundle_add(b, name, text, strlen(text), &e), 0);
	assert_int_equal(bundle_part_end(b, "7", &e), 0);
}

static char *
read_all(const char *name, size_t *n)
{
	char path[128], *out = malloc(1 << 20);
	FILE *f;

	path_in(name, path);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(out);
	*n = fread(out, 1, 1 << 20, f);
	(void)fclose(f);
	return out;
}

static void
append(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	path_in(name, path);
	f = fopen(path, "a");
	assert_non_null(f);
	fputs(text, f);
	(void)fclose(f);
}

/* All in one go, and with a crash in the middle of the second part: the same bytes. */
static void
test_gone_on(void **state)
{
	struct bundle_out *b;
	size_t n, m;
	char *whole, *again;
	struct err e;

	(void)state;
	clear();
	b = open_it(&none);
	add_part(b, "one", "a.txt", "first");
	add_part(b, "two", "b.txt", "second");
	assert_int_equal(bundle_out_finish(b, &e), 0);
	bundle_out_free(b);
	whole = read_all("bundle.zip", &n);
	clear();
	b = open_it(&none);
	add_part(b, "one", "a.txt", "first");
	assert_true(bundle_part_begin(b, "two"));
	assert_int_equal(bundle_open(b, "half.txt", true, &e), 0);
	assert_int_equal(bundle_puts(b, "half of it", &e), 0);
	bundle_out_free(b);
	append("journal", "{\"part\":\"two\",\"note\":\"\",\"end\":4000000000,\"entries\":[]}\n{\"part\":\"cut");
	b = open_it(&none);
	assert_false(bundle_part_begin(b, "one"));
	assert_string_equal(bundle_part_note(b, "one"), "7");
	assert_null(bundle_part_note(b, "two"));
	assert_false(bundle_has(b, "half.txt"));
	add_part(b, "two", "b.txt", "second");
	assert_int_equal(bundle_entries(b), 2);
	assert_int_equal(bundle_out_finish(b, &e), 0);
	bundle_out_free(b);
	again = read_all("bundle.zip", &m);
	assert_int_equal(n, m);
	assert_memory_equal(whole, again, n);
	free(whole);
	free(again);
}

static void
test_reset(void **state)
{
	struct bundle_out *b;
	struct err e;

	(void)state;
	clear();
	b = open_it(&none);
	add_part(b, "one", "a.txt", "first");
	assert_int_equal(bundle_out_reset(b, &e), 0);
	assert_int_equal(bundle_entries(b), 0);
	assert_int_equal(bundle_bytes(b), 0);
	add_part(b, "one", "a.txt", "first");
	bundle_out_free(b);
	b = open_it(&none);
	assert_int_equal(bundle_entries(b), 1);
	bundle_out_free(b);
}

static void
refused(const char *name)
{
	struct bundle_out *b;
	struct err e;

	clear();
	b = open_it(&none);
	assert_int_equal(bundle_add(b, "taken.txt", "x", 1, &e), 0);
	assert_int_equal(bundle_open(b, name, false, &e), -1);
	/* From then on all fails, with the same words. */
	assert_int_equal(bundle_add(b, "other.txt", "x", 1, &e), -1);
	assert_non_null(strstr(e.text, "cannot have a file"));
	bundle_out_free(b);
}

static void
test_names(void **state)
{
	(void)state;
	refused("");
	refused("../a");
	refused("/a");
	refused("a//b");
	refused("a\\b");
	refused("a\nb");
	refused("\xff");
	refused("taken.txt");
	refused("TAKEN.txt");
}

static void
test_bounds(void **state)
{
	struct bundle_limits l = { .bytes = 300, .files = 2 };
	struct bundle_out *b;
	char text[400] = { 0 };
	struct err e;

	(void)state;
	clear();
	b = open_it(&l);
	assert_int_equal(bundle_open(b, "a", true, &e), 0);
	assert_int_equal(bundle_write(b, text, sizeof(text), &e), -1);
	assert_non_null(strstr(e.text, "limits.export_bytes"));
	bundle_out_free(b);
	clear();
	l.bytes = 0;
	b = open_it(&l);
	assert_int_equal(bundle_add(b, "a", "x", 1, &e), 0);
	assert_int_equal(bundle_add(b, "b", "x", 1, &e), 0);
	assert_int_equal(bundle_add(b, "c", "x", 1, &e), -1);
	assert_non_null(strstr(e.text, "limits.export_files"));
	bundle_out_free(b);
}

/* A file that may not grow fails as one on a full disk does. */
static void
test_full(void **state)
{
	struct rlimit was, small;
	struct bundle_out *b;
	char text[4000] = { 0 };
	struct err e;

	(void)state;
	clear();
	b = open_it(&none);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 1000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(bundle_open(b, "a", true, &e), 0);
	assert_int_equal(bundle_write(b, text, sizeof(text), &e), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_non_null(strstr(e.text, "cannot be written"));
	assert_int_equal(bundle_out_finish(b, &e), -1);
	bundle_out_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone_on), cmocka_unit_test(test_reset), cmocka_unit_test(test_names), cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
