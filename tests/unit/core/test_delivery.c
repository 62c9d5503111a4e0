/*
 * delivery: the mark, and what lies above and below it. A user of no home and without sessions: its marks are as if one
 * were always being written, so that nothing goes to the database.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/route/delivery.h"
#include "core/route/packet.h"
#include "core/user.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

static struct user romeo;

static int
begin(void **state)
{
	(void)state;
	delivery_init(&romeo.delivery, 100);
	romeo.delivery.backlog = false;
	romeo.delivery.writing = true;
	return 0;
}

static int
end(void **state)
{
	(void)state;
	delivery_fini(&romeo);
	return 0;
}

/* A message arrives and is given to who is there. */
static void
give(uint64_t id)
{
	assert_false(delivery_came(&romeo, id));
	delivery_given(&romeo, id);
}

/* And taken at once. */
static void
arrive(uint64_t id)
{
	give(id);
	delivery_done(&romeo, id);
}

static void
test_mark_follows_unbroken_run(void **state)
{
	(void)state;
	delivery_given(&romeo, 101);
	delivery_given(&romeo, 102);
	delivery_done(&romeo, 102);
	assert_int_equal(romeo.delivery.mark, 100);
	delivery_done(&romeo, 101);
	assert_int_equal(romeo.delivery.mark, 102);
}

static void
test_given_once(void **state)
{
	(void)state;
	delivery_given(&romeo, 101);
	assert_true(delivery_came(&romeo, 101));
	delivery_given(&romeo, 102);
	delivery_done(&romeo, 102);
	assert_true(delivery_came(&romeo, 102));
}

static void
test_late_message_moves_mark_back(void **state)
{
	(void)state;
	arrive(103);
	assert_int_equal(romeo.delivery.mark, 103);
	delivery_given(&romeo, 101);
	assert_int_equal(romeo.delivery.mark, 100);
	delivery_done(&romeo, 101);
	assert_int_equal(romeo.delivery.mark, 103);
}

/* One device has read the archive (XEP-0313) before the messages came: all of them come all the same, in whatever order. */
static void
test_fetched_comes_to_others(void **state)
{
	static const uint64_t orders[][4] = {
		{ 101, 102, 103, 104 }, { 104, 103, 102, 101 }, { 104, 102, 103, 101 }, { 103, 101, 102, 104 }, { 102, 101, 104, 103 },
	};

	(void)state;
	for (size_t o = 0; o < sizeof(orders) / sizeof(*orders); o++) {
		for (uint64_t id = 101; id <= 104; id++)
			delivery_fetched(&romeo, id);
		assert_int_equal(romeo.delivery.mark, 104);
		for (size_t i = 0; i < 4; i++)
			give(orders[o][i]);
		for (size_t i = 0; i < 4; i++)
			delivery_done(&romeo, orders[o][i]);
		assert_int_equal(romeo.delivery.mark, 104);
		end(NULL);
		begin(NULL);
	}
}

/* What one device had fetched was passed over by a page of the backlog: it may still be on its way. */
static void
test_fetched_and_passed_over(void **state)
{
	(void)state;
	romeo.delivery.backlog = romeo.delivery.fetching = true;
	romeo.delivery.from = romeo.delivery.cursor = 100;
	delivery_fetched(&romeo, 101);
	delivery_pass_over(&romeo, 101);
	delivery_fetched(&romeo, 102);
	delivery_pass_over(&romeo, 102);
	delivery_fetched(&romeo, 103);
	assert_int_equal(romeo.delivery.mark, 102);
	romeo.delivery.fetching = romeo.delivery.backlog = false;
	arrive(101);
	arrive(102);
	arrive(103);
	assert_int_equal(romeo.delivery.mark, 103);
}

static struct packet *
from(const char *sender, const char *xml)
{
	struct jid *a = jid_parse_z(sender), *b = jid_parse_z("romeo@montague.lit/orchard");
	struct packet *p = packet_new(parser_one(xml, strlen(xml), NS_CLIENT, NULL), a, b);

	jid_unref(a);
	jid_unref(b);
	return p;
}

static bool
waits(const char *sender, const char *xml)
{
	struct packet *p = from(sender, xml);
	bool w = delivery_hold_behind(&romeo, p);

	packet_unref(p);
	return w;
}

/* P8 (RFC 6120 §10.1): behind a message that waits for the page that is being read. Changes of rosters have an order of their own, and while
 * PostgreSQL does not answer nothing waits but messages. */
static void
test_what_waits_behind_a_message(void **state)
{
	struct packet *m = from("juliet@capulet.lit/balcony", "<message/>");

	(void)state;
	m->deliverable = true;
	m->record_id = 101;
	romeo.delivery.backlog = romeo.delivery.fetching = true;
	assert_false(waits("juliet@capulet.lit/balcony", "<presence/>"));
	assert_true(delivery_hold(&romeo, m));
	assert_true(waits("juliet@capulet.lit/balcony", "<presence/>"));
	assert_true(waits("juliet@capulet.lit/balcony", "<iq type='get' id='1'/>"));
	assert_false(waits("juliet@capulet.lit/chamber", "<presence/>"));
	assert_false(waits("juliet@capulet.lit/balcony", "<presence type='subscribe'/>"));
	romeo.delivery.failed = true;
	assert_false(waits("juliet@capulet.lit/balcony", "<presence/>"));
	packet_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mark_follows_unbroken_run, begin, end),
		cmocka_unit_test_setup_teardown(test_given_once, begin, end),
		cmocka_unit_test_setup_teardown(test_late_message_moves_mark_back, begin, end),
		cmocka_unit_test_setup_teardown(test_fetched_comes_to_others, begin, end),
		cmocka_unit_test_setup_teardown(test_fetched_and_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(test_what_waits_behind_a_message, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
