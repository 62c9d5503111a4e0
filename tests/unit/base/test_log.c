/* Tests of base/log: what a peer sent never ends its field or its line. */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"

#define STAMP "2026-01-31T12:00:00.123Z "
#define JSON_STAMP "{\"time\":\"2026-01-31T12:00:00.123Z\","

static const char *volatile nothing; /* NULL, without the compiler knowing */
static int ends[2];
static char got[16384];

/* What was logged since the last call. */
static const char *
logged(void)
{
	ssize_t n = read(ends[0], got, sizeof(got) - 1);

	got[n > 0 ? n : 0] = '\0';
	return got;
}

#define assert_logged(want) assert_string_equal(logged(), (want))

static int
set_up(void **state)
{
	(void)state;
	if (pipe2(ends, O_NONBLOCK))
		return -1;
	log_set_fd(ends[1]);
	log_setup(LOG_INFO, LOG_TEXT);
	clock_fake(INT64_C(1769860800123456), 0);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	clock_fake(-1, -1);
	log_set_fd(2);
	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void
plain_fields(void **state)
{
	(void)state;
	log_info(NULL, "up", "");
	assert_logged(STAMP "info up\n");
	log_warning(NULL, "bound", "resource=%s priority=%d", "balcony", -5);
	assert_logged(STAMP "warning bound resource=balcony priority=-5\n");
	log_error(NULL, "n",
		  "a=%u b=%ld c=%lu d=%lld e=%llu f=%zu g=%c h=%x i=%.2f j=%" PRIu64 " k=%" PRId64,
		  UINT32_MAX, -1L, 2UL, INT64_MIN + 0LL, UINT64_MAX + 0ULL, (size_t)9, 'q', 0xBEEF,
		  1.5, UINT64_MAX, INT64_MIN);
	assert_logged(STAMP "error n a=4294967295 b=-1 c=2 d=-9223372036854775808 "
			    "e=18446744073709551615 f=9 g=q h=beef i=1.50 j=18446744073709551615 "
			    "k=-9223372036854775808\n");
	log_info(NULL, "x", "word a=%d", 1);
	assert_logged(STAMP "info x text=word a=1\n");
	log_info(NULL, "mix", "addr=%s:%d literal=yes part=%.*s pad=%04d p=100%%", "::1", 5222, 3,
		 "abcdef", 7);
	assert_logged(STAMP "info mix addr=::1:5222 literal=yes part=abc pad=0007 p=100%\n");
}

static void
hostile_values(void **state)
{
	(void)state;
	log_info(NULL, "x", "a=%s b=%s", "one two", "");
	assert_logged(STAMP "info x a=\"one two\" b=\"\"\n");
	log_info(NULL, "x", "a=%s", "v\r\n2026 error fake k=\"1\"\\");
	assert_logged(STAMP "info x a=\"v\\r\\n2026 error fake k=\\\"1\\\"\\\\\"\n");
	log_info(NULL, "x", "a=%s", "\x1b[31m\t\x7f\x01");
	assert_logged(STAMP "info x a=\"\\x1b[31m\\t\\x7f\\x01\"\n");
	log_info(NULL, "x", "a=%s", "\xff\xc3(\xed\xa0\x80");
	assert_logged(STAMP "info x a=\"\\xff\\xc3(\\xed\\xa0\\x80\"\n");
	log_info(NULL, "x", "a=%s", "caf\xc3\xa9");
	assert_logged(STAMP "info x a=caf\xc3\xa9\n");
	/* Next line (C1), line separator, right-to-left override. */
	log_info(NULL, "x", "a=%s", "\xc2\x85\xe2\x80\xa8\xe2\x80\xae");
	assert_logged(STAMP "info x a=\"\\u0085\\u2028\\u202e\"\n");
	log_info(NULL, "x", "a=%s c=%c", nothing, '\n');
	assert_logged(STAMP "info x a=- c=\"\\n\"\n");
	log_info(NULL, "x", "a=%.*s", 2, "\xe2\x82\xac"); /* cut by its length */
	assert_logged(STAMP "info x a=\"\\xe2\\x82\"\n");
}

static void
context(void **state)
{
	struct log conn = {"conn", "17", NULL};
	struct log silent = {NULL, NULL, &conn};
	struct log jid = {"jid", "romeo@example/a b", &silent};

	(void)state;
	log_info(&jid, "bound", "n=%d", 1);
	assert_logged(STAMP "info bound conn=17 jid=\"romeo@example/a b\" n=1\n");
}

static void
json(void **state)
{
	struct log jid = {"jid", "a\"b", NULL};

	(void)state;
	log_setup(LOG_DEBUG, LOG_JSON);
	log_info(&jid, "x", "n=%d s=%s z=%s h=%x f=%.1f m=%d/%d", 7, "7", nothing, 255, 0.5, 1, 2);
	assert_logged(JSON_STAMP "\"level\":\"info\",\"event\":\"x\",\"jid\":\"a\\\"b\",\"n\":7,"
				 "\"s\":\"7\",\"z\":null,\"h\":\"ff\",\"f\":0.5,\"m\":\"1/2\"}\n");
	log_debug(NULL, "x", "a=%s b=%f c=%03d", "\n\x01\xff\xe2\x80\xae", 1.0 / 0.0, 5);
	assert_logged(JSON_STAMP
		      "\"level\":\"debug\",\"event\":\"x\",\"a\":\"\\n\\u0001\\ufffd\\u202e\","
		      "\"b\":\"inf\",\"c\":\"005\"}\n");
}

static int calls;

static const char *
called(void)
{
	calls++;
	return "x";
}

static void
levels(void **state)
{
	(void)state;
	assert_int_equal(log_level_parse("error"), LOG_ERROR);
	assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
	assert_int_equal(log_level_parse("Debug"), -1);
	assert_int_equal(log_level_parse(""), -1);
	log_debug(NULL, "x", "a=%s", called());
	assert_int_equal(calls, 0);
	log_setup(LOG_ERROR, LOG_TEXT);
	errno = EAGAIN;
	log_warning(NULL, "x", "a=%s", called());
	assert_logged("");
	log_error(NULL, "x", "");
	assert_int_equal(errno, EAGAIN);
	logged();
	log_setup(LOG_DEBUG, LOG_TEXT);
	log_debug(NULL, "x", "a=%s", called());
	assert_logged(STAMP "debug x a=x\n");
}

/* Long values are cut at a character and said to be cut; a full line drops whole fields. */
static void
bounds(void **state)
{
	char big[20000];
	size_t n;

	(void)state;
	for (size_t i = 0; i + 3 < sizeof(big); i += 3)
		memcpy(big + i, "\xe2\x82\xac", 4);
	log_info(NULL, "x", "a=%s b=%d", big, 1);
	n = strlen(logged());
	assert_true(n < 1200 && text_is_utf8(got, n));
	assert_string_equal(got + n - strlen("\xac b=1 cut=yes\n"), "\xac b=1 cut=yes\n");
	memset(big, '\x01', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info(NULL, "x", "a=%s b=%s c=%s d=%s", big, big, big, big);
	n = strlen(logged());
	assert_true(n <= 8192 && strchr(got, '\n') == got + n - 1);
	assert_string_equal(got + n - 10, "\" cut=yes\n");
}

static void
json_bounds(void **state)
{
	char big[2000];
	size_t n;

	(void)state;
	log_setup(LOG_INFO, LOG_JSON);
	memset(big, '\x02', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_info(NULL, "x", "a=%s b=%s c=%s", big, big, big);
	n = strlen(logged());
	assert_true(n <= 8192);
	assert_string_equal(got + n - 14, "\",\"cut\":true}\n");
}

static void
journal_prefix(void **state)
{
	struct stat st;
	char id[64];

	(void)state;
	assert_int_equal(fstat(ends[1], &st), 0);
	snprintf(id, sizeof(id), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", id, 1);
	log_setup(LOG_INFO, LOG_TEXT);
	log_warning(NULL, "x", "");
	assert_logged("<4>" STAMP "warning x\n");
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_setup(LOG_INFO, LOG_TEXT);
	log_warning(NULL, "x", "");
	assert_logged(STAMP "warning x\n");
	unsetenv("JOURNAL_STREAM");
}

static void *
shout(void *arg)
{
	for (int i = 0; i < 50; i++)
		log_info(NULL, "shout", "who=%s i=%d", (const char *)arg, i);
	return NULL;
}

static void
threads_do_not_mix_lines(void **state)
{
	pthread_t t[2];
	int lines = 0;

	(void)state;
	assert_int_equal(pthread_create(&t[0], NULL, shout, "aaaaaaaaaaaaaaaaaaaa"), 0);
	assert_int_equal(pthread_create(&t[1], NULL, shout, "bbbbbbbbbbbbbbbbbbbb"), 0);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	logged();
	for (char *s = strtok(got, "\n"); s; s = strtok(NULL, "\n"), lines++)
		assert_memory_equal(s, STAMP "info shout who=", strlen(STAMP "info shout who="));
	assert_int_equal(lines, 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(plain_fields), TEST(hostile_values), TEST(context),
		TEST(json),         TEST(levels),         TEST(bounds),
		TEST(json_bounds),  TEST(journal_prefix), TEST(threads_do_not_mix_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
