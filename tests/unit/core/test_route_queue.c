/* The queue of what is on its way to another server: its order, round and round the ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/federation/route_queue.h"
#include "xmpp/ns.h"

static struct packet *
numbered(uint64_t n)
{
	struct packet *p = packet_new(stanza_new(NS_CLIENT, "message"), NULL, NULL);

	p->record_id = n;
	return p;
}

static void
pop_is(struct route_queue *q, uint64_t n)
{
	struct packet *p = route_queue_pop(q);

	assert_non_null(p);
	assert_int_equal(p->record_id, n);
	packet_unref(p);
}

static void
order(void **state)
{
	struct route_queue q = { 0 };
	uint64_t in = 0, out = 0;

	(void)state;
	assert_null(route_queue_pop(&q));
	/* It grows while it is wrapped around, at every offset that there is. */
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < 1 + round % 37; i++, in++)
			route_queue_push(&q, numbered(in), (int64_t)in);
		for (unsigned i = 0; i < q.n; i++)
			assert_int_equal(route_queue_at(&q, i)->p->record_id, out + i);
		for (unsigned i = 0; i < 1 + round % 31 && q.n; i++)
			pop_is(&q, out++);
	}
	assert_int_equal(q.n, in - out);
	while (q.n)
		pop_is(&q, out++);
	assert_int_equal(q.bytes, 0);
	assert_int_equal(in, out);
	route_queue_fini(&q);
}

static void
memory(void **state)
{
	struct route_queue q = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		route_queue_push(&q, numbered(i), 0);
	assert_true(q.bytes >= 1000 * sizeof(struct packet));
	for (uint64_t i = 0; i < 1000; i++)
		pop_is(&q, i);
	/* What a flood needed is given back when it is over. */
	assert_null(q.ring);
	route_queue_push(&q, numbered(7), 5);
	assert_int_equal(route_queue_at(&q, 0)->since_ms, 5);
	pop_is(&q, 7);
	assert_non_null(q.ring);
	route_queue_fini(&q);
	assert_null(q.ring);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order),
		cmocka_unit_test(memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
