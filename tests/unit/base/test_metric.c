/* Tests of base/metric, base/limits and base/list: cells, output, several threads. */
#include "base/metric.h"

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/list.h"

static bool
printed(const char *line)
{
	struct buf b = {0};
	bool found;

	metric_print(&b);
	found = strstr(buf_str(&b), line) != NULL;
	buf_fini(&b);
	return found;
}

static void
counters_and_gauges(void **state)
{
	(void)state;
	metric_add(METRIC_AUTH_OK, 2);
	metric_add(METRIC_AUTH_OK, 1);
	metric_set(METRIC_ARCHIVE_UP, 1);
	metric_add(METRIC_SESSIONS, 5);
	metric_add(METRIC_SESSIONS, -7);
	assert_int_equal(metric_get(METRIC_AUTH_OK), 3);
	assert_int_equal(metric_get(METRIC_SESSIONS), -2);
	assert_true(printed("# TYPE chancery_auth_ok_total counter\nchancery_auth_ok_total 3\n"));
	assert_true(printed("\nchancery_archive_up 1\n"));
	assert_true(printed("# HELP chancery_sessions Bound sessions, detached ones included\n"
			    "# TYPE chancery_sessions gauge\nchancery_sessions -2\n"));
}

static void
histograms(void **state)
{
	(void)state;
	metric_observe(METRIC_ARCHIVE_BATCH, 0);
	metric_observe(METRIC_ARCHIVE_BATCH, 1);
	metric_observe(METRIC_ARCHIVE_BATCH, 2);
	metric_observe(METRIC_ARCHIVE_BATCH, 3);
	metric_observe(METRIC_ARCHIVE_BATCH, 4);
	metric_observe(METRIC_ARCHIVE_BATCH, UINT64_C(1) << 26);
	metric_observe(METRIC_ARCHIVE_BATCH, (UINT64_C(1) << 26) + 1);
	metric_observe(METRIC_ARCHIVE_BATCH, UINT64_C(1) << 40);
	assert_int_equal(metric_get(METRIC_ARCHIVE_BATCH), 8);
	assert_true(printed("# TYPE chancery_archive_batch_records histogram\n"
			    "chancery_archive_batch_records_bucket{le=\"1\"} 2\n"
			    "chancery_archive_batch_records_bucket{le=\"2\"} 3\n"
			    "chancery_archive_batch_records_bucket{le=\"4\"} 5\n"
			    "chancery_archive_batch_records_bucket{le=\"8\"} 5\n"));
	assert_true(printed("chancery_archive_batch_records_bucket{le=\"67108864\"} 6\n"
			    "chancery_archive_batch_records_bucket{le=\"+Inf\"} 8\n"
			    "chancery_archive_batch_records_sum 1099645845515\n"
			    "chancery_archive_batch_records_count 8\n"));
	/* Another histogram has cells of its own. */
	assert_int_equal(metric_get(METRIC_TURN), 0);
}

static void
errors(void **state)
{
	static const char condition[] = "not-well-formed", twin[] = "not-well-formed";

	(void)state;
	metric_error("stream", condition);
	metric_error("stream", condition);
	metric_error("stanza", condition);
	metric_error("stream", twin);
	assert_true(printed(
		"chancery_errors_total{scope=\"stream\",condition=\"not-well-formed\"} 3\n"
		"chancery_errors_total{scope=\"stanza\",condition=\"not-well-formed\"} 1\n"));
}

static void *
count(void *arg)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

	(void)arg;
	for (int i = 0; i < 8000; i++) {
		metric_add(METRIC_STANZAS_IN, 1);
		metric_observe(METRIC_LANE_DEPTH, 3);
		metric_error("thread", names[i % 8]);
	}
	return NULL;
}

static void
threads(void **state)
{
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(metric_get(METRIC_STANZAS_IN), 32000);
	assert_int_equal(metric_get(METRIC_LANE_DEPTH), 32000);
	assert_true(printed("{scope=\"thread\",condition=\"a\"} 4000\n"));
	assert_true(printed("{scope=\"thread\",condition=\"h\"} 4000\n"));
}

/* More kinds than the table holds are still counted, together. */
static void
error_table_is_bounded(void **state)
{
	static char names[300][16];

	(void)state;
	for (int i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "n%d", i);
		metric_error("many", names[i]);
	}
	assert_true(printed("{scope=\"many\",condition=\"n0\"} 1\n"));
	assert_true(printed("{scope=\"other\",condition=\"other\"} "));
}

static void
limits(void **state)
{
	size_t v;

	(void)state;
	assert_int_equal(limits_default.stanza_bytes, 262144);
	assert_int_equal(limits_default.xml_depth, 64);
	assert_true(limits_add(1, 2, &v) && v == 3);
	assert_false(limits_add(SIZE_MAX, 1, &v));
	assert_true(limits_mul(3, 4, &v) && v == 12);
	assert_false(limits_mul(SIZE_MAX / 2, 3, &v));
}

struct member {
	int n;
	struct list link;
};

static void
lists(void **state)
{
	struct member m[4];
	struct list head;
	int seen = 0;

	(void)state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	assert_null(list_pop(&head));
	for (int i = 0; i < 4; i++) {
		m[i].n = i;
		list_init(&m[i].link);
	}
	list_append(&head, &m[1].link);
	list_append(&head, &m[2].link);
	list_append(&head, &m[3].link);
	list_prepend(&head, &m[0].link);
	LIST_EACH(l, &head) {
		assert_int_equal(LIST_ENTRY(l, struct member, link)->n, seen++);
		if (seen % 2)
			list_remove(l);
	}
	assert_int_equal(seen, 4);
	list_remove(&m[0].link); /* twice */
	assert_ptr_equal(list_pop(&head), &m[1].link);
	assert_ptr_equal(list_pop(&head), &m[3].link);
	assert_true(list_is_empty(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_and_gauges),
		cmocka_unit_test(histograms),
		cmocka_unit_test(errors),
		cmocka_unit_test(threads),
		cmocka_unit_test(error_table_is_bounded),
		cmocka_unit_test(limits),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
