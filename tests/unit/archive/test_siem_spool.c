/* Tests of archive/siem/siem_spool: order, bound, what a crash leaves, a disk that takes nothing. */
#include "archive/siem/siem_spool.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"

static char file[] = "/tmp/siem-spool-XXXXXX";

static int
set_up(void **state)
{
	int fd;

	(void)state;
	strcpy(file + strlen(file) - 6, "XXXXXX");
	fd = mkstemp(file);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	return unlink(file);
}

static int
put(struct siem_spool *s, int64_t at, const char *json)
{
	struct err e;

	return siem_spool_put(s, &(struct siem_spooled){ at, 3, "alarm", json }, &e);
}

static int
collect(void *arg, const struct siem_spooled *e, struct err *err)
{
	(void)err;
	buf_addf(arg, "%lld/%d/%s/%s;", (long long)e->at_us, e->severity, e->name, e->json);
	return 0;
}

static void
assert_has(struct siem_spool *s, const char *what)
{
	struct buf b = { 0 };
	struct err e;

	assert_int_equal(siem_spool_each(s, collect, &b, &e), 0);
	assert_string_equal(buf_str(&b), what);
	buf_fini(&b);
}

static void
write_raw(const char *text)
{
	FILE *f = fopen(file, "a");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_in_order(void **state)
{
	struct siem_spool *s = siem_spool_new(file, 3);
	struct err e;

	(void)state;
	assert_int_equal(put(s, 1, "{\"a\":\"x y\"}"), 1);
	assert_int_equal(put(s, 2, "{}"), 1);
	assert_int_equal(siem_spool_sync(s, &e), 0);
	siem_spool_free(s);
	/* Another run goes on. */
	s = siem_spool_new(file, 3);
	assert_int_equal(siem_spool_waiting(s), 2);
	assert_int_equal(put(s, 3, "{}"), 1);
	assert_int_equal(put(s, 4, "{}"), 0);
	assert_has(s, "1/3/alarm/{\"a\":\"x y\"};2/3/alarm/{};3/3/alarm/{};");
	assert_int_equal(siem_spool_clear(s, &e), 0);
	assert_int_equal(siem_spool_waiting(s), 0);
	assert_has(s, "");
	assert_int_equal(put(s, 5, "{}"), 1);
	assert_has(s, "5/3/alarm/{};");
	siem_spool_free(s);
}

static void
test_what_a_crash_leaves(void **state)
{
	struct siem_spool *s;

	(void)state;
	write_raw("1 3 alarm {}\nnonsense\n\n2 9 alarm {}\n3 3 alarm {\"cut\":\"");
	s = siem_spool_new(file, 100);
	assert_has(s, "1/3/alarm/{};");
	assert_int_equal(put(s, 4, "{}"), 1);
	assert_has(s, "1/3/alarm/{};4/3/alarm/{};");
	siem_spool_free(s);
}

static void
test_no_place(void **state)
{
	struct siem_spool *s = siem_spool_new("/dev/full", 100);

	(void)state;
	assert_int_equal(put(s, 1, "{}"), -1);
	assert_int_equal(siem_spool_waiting(s), 0);
	siem_spool_free(s);
	s = siem_spool_new("", 100);
	assert_int_equal(put(s, 1, "{}"), -1);
	siem_spool_free(s);
}

/* What has been stored is not kept for want of room, whatever a crash has left at its end. */
static void
test_clear_on_a_full_disk(void **state)
{
	struct rlimit before, full;
	struct siem_spool *s;
	struct stat st;
	struct err e;
	int rc;

	(void)state;
	write_raw("1 3 alarm {}\n2 3 al");
	s = siem_spool_new(file, 100);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	full = before;
	full.rlim_cur = 1;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	rc = siem_spool_clear(s, &e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(rc, 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(put(s, 3, "{}"), 1);
	assert_has(s, "3/3/alarm/{};");
	siem_spool_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_in_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_a_crash_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_clear_on_a_full_disk, set_up, tear_down),
		cmocka_unit_test(test_no_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
