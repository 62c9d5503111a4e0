/* Tests of net/source: the limits by source and in all, and that nothing is left behind. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/log.h"
#include "base/metric.h"
#include "net/listener.h"

static void
limit_by_source(void **state)
{
	int64_t refused = metric_get(METRIC_CONNECTIONS_REFUSED);

	(void)state;
	source_set_limits(&(struct source_limits){100, 3, 2});
	assert_true(source_joined("192.0.2.1"));
	assert_true(source_joined("192.0.2.1"));
	/* Two that have not authenticated. */
	assert_false(source_joined("192.0.2.1"));
	assert_true(source_joined("192.0.2.2"));
	source_authenticated("192.0.2.1");
	assert_true(source_joined("192.0.2.1"));
	source_authenticated("192.0.2.1");
	/* Three in all. */
	assert_false(source_joined("192.0.2.1"));
	assert_int_equal(metric_get(METRIC_CONNECTIONS_REFUSED), refused + 2);
	source_left("192.0.2.1", true);
	assert_true(source_joined("192.0.2.1"));
	source_left("192.0.2.1", false);
	source_left("192.0.2.1", true);
	source_left("192.0.2.1", false);
	source_left("192.0.2.2", false);
	/* Gone, and harmless. */
	source_left("192.0.2.2", false);
	source_authenticated("192.0.2.2");
	assert_true(source_joined("192.0.2.2"));
	source_left("192.0.2.2", false);
}

static void
limit_in_all(void **state)
{
	char name[32];

	(void)state;
	source_set_limits(&(struct source_limits){5, 3, 3});
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "192.0.2.%d", i);
		assert_true(source_joined(name));
	}
	assert_false(source_joined("192.0.2.77"));
	for (int i = 0; i < 5; i++) {
		snprintf(name, sizeof(name), "192.0.2.%d", i);
		source_left(name, false);
	}
	assert_true(source_joined("192.0.2.77"));
	source_left("192.0.2.77", false);
}

static void *
come_and_go(void *arg)
{
	char name[32];

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "198.51.100.%d", i % 7);
		if (!source_joined(name))
			return NULL;
		source_authenticated(name);
		source_left(name, true);
	}
	return arg;
}

static void
from_many_threads(void **state)
{
	pthread_t threads[4];
	void *ok;

	(void)state;
	source_set_limits(&(struct source_limits){100, 10, 10});
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, come_and_go, threads);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &ok);
		assert_non_null(ok);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_by_source),
		cmocka_unit_test(limit_in_all),
		cmocka_unit_test(from_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
