/* Tests of store/refusal, over an archive that only counts. */
#include "store/refusal.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "store/audit.h"
#include "store/record.h"

#define PATIENCE_MS 150000 /* on a machine that does much else */
#define MANY 200000

/* The archive: instead of store/audit and store/record, which are not linked then. */
static atomic_uint records, counted;
static atomic_bool away, up = true, held;
static atomic_uint tries;
static char last[2048], last_origin[64]; /* what the newest record says; read behind its count */

int
audit_submit(const struct audit_event *v, uint64_t *id, const char **why)
{
	atomic_fetch_add(&tries, 1);
	if (atomic_load(&away)) {
		*why = "away";
		return -1;
	}
	assert_true(v->within_ms > 0 && v->within_ms <= 5000);
	while (atomic_load(&held))
		usleep(1000);
	snprintf(last, sizeof(last), "%s", v->detail);
	snprintf(last_origin, sizeof(last_origin), "%s", v->origin);
	*id = atomic_fetch_add(&records, 1) + 1;
	atomic_fetch_add(&counted, (unsigned)strtoul(strstr(v->detail, "\"count\":") + 8, NULL, 10));
	return 0;
}

void
audit_add_string(struct buf *out, const char *s)
{
	buf_addf(out, "\"%s\"", s);
}

bool
record_is_up(void)
{
	return atomic_load(&up);
}

static void
note_from(const char *person, long login, const char *origin)
{
	refusal_note(&(struct refusal){ .action = "access.denied", .person = person, .uid = -1, .login = login, .source = "token", .origin = origin, .why = "no" });
}

static void
note(const char *person)
{
	note_from(person, -1, "test");
}

/* Until so many are in records. */
static bool
are_counted(unsigned n)
{
	int64_t end = clock_mono_ms() + PATIENCE_MS;

	while (atomic_load(&counted) != n && clock_mono_ms() < end)
		usleep(2000);
	return atomic_load(&counted) == n;
}

static int
begin(void **state)
{
	struct err e;

	(void)state;
	atomic_store(&records, 0);
	atomic_store(&counted, 0);
	atomic_store(&tries, 0);
	return refusal_start(100, &e);
}

static int
end(void **state)
{
	(void)state;
	atomic_store(&away, false);
	atomic_store(&held, false);
	atomic_store(&up, true);
	refusal_stop();
	return 0;
}

/* One at once; what follows is counted for the next record, here that of the stop. */
static void
test_few_records(void **state)
{
	note("romeo");
	assert_true(are_counted(1));
	for (int i = 0; i < 1000; i++)
		note("romeo");
	end(state);
	assert_int_equal(atomic_load(&counted), 1001);
	assert_true(atomic_load(&records) <= 3);
}

/* Each is looked at once: so many would take minutes if each were looked for from the first. */
static void
test_many_sources(void **state)
{
	char name[24];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		note(name);
	}
	assert_true(are_counted(MANY));
}

/* Nothing is lost. */
static void
test_away(void **state)
{
	(void)state;
	atomic_store(&away, true);
	for (int i = 0; i < 10; i++)
		note("juliet");
	while (atomic_load(&tries) == 0)
		usleep(1000);
	atomic_store(&up, false);
	atomic_store(&away, false);
	for (int i = 0; i < 10; i++)
		note("nurse");
	atomic_store(&up, true);
	assert_true(are_counted(20));
}

static void *
stop(void *arg)
{
	(void)arg;
	refusal_stop();
	return NULL;
}

/* Whatever is being recorded when the stop begins. */
static void
test_stop_meanwhile(void **state)
{
	pthread_t stopper;

	(void)state;
	note("romeo");
	assert_true(are_counted(1));
	atomic_store(&held, true);
	note("juliet");
	while (atomic_load(&tries) < 2)
		usleep(1000);
	note("romeo");
	assert_int_equal(pthread_create(&stopper, NULL, stop, NULL), 0);
	usleep(200000); /* for the stop to begin; when it takes longer this shows nothing */
	atomic_store(&held, false);
	pthread_join(stopper, NULL);
	assert_int_equal(atomic_load(&counted), 3);
}

/* Of somebody who comes from several places all are named, and who has logged in as somebody else is told from others. */
static void
test_origins(void **state)
{
	note_from("romeo", -1, "here");
	assert_true(are_counted(1));
	note_from("romeo", -1, "here");
	note_from("romeo", -1, "there");
	end(state);
	assert_int_equal(atomic_load(&counted), 3);
	assert_string_equal(last_origin, "here");
	assert_non_null(strstr(last, "\"origins\":[\"here\",\"there\"]"));
}

static void
test_logins_apart(void **state)
{
	(void)state;
	note_from("root", 1000, "here");
	note_from("root", 1001, "here");
	assert_true(are_counted(2));
	assert_int_equal(atomic_load(&records), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_few_records, begin, end),
		cmocka_unit_test_setup_teardown(test_many_sources, begin, end),
		cmocka_unit_test_setup_teardown(test_away, begin, end),
		cmocka_unit_test_setup_teardown(test_stop_meanwhile, begin, end),
		cmocka_unit_test_setup_teardown(test_origins, begin, end),
		cmocka_unit_test_setup_teardown(test_logins_apart, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
