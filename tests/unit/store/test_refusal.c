/* Tests of store/refusal, over an archive that only counts. */
#include "store/refusal.h"

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
static atomic_bool away, up = true;
static atomic_uint tries;

int
audit_submit(const struct audit_event *v, uint64_t *id, const char **why)
{
	atomic_fetch_add(&tries, 1);
	if (atomic_load(&away)) {
		*why = "away";
		return -1;
	}
	assert_true(v->within_ms > 0 && v->within_ms <= 5000);
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
note(const char *person)
{
	refusal_note(&(struct refusal){ .action = "access.denied", .person = person, .uid = -1, .login = -1, .source = "token", .origin = "test", .why = "no" });
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_few_records, begin, end),
		cmocka_unit_test_setup_teardown(test_many_sources, begin, end),
		cmocka_unit_test_setup_teardown(test_away, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
