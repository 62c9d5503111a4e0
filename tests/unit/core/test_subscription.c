/*
 * subscription: the tables of RFC 6121 Appendix A.2 and A.3, written out once more, and pre-approval (§3.4).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/roster/subscription.h"

static const struct {
	const char *name;
	unsigned state;
} states[] = {
	{ "None", SUB_NONE },
	{ "None + Pending Out", SUB_ASK },
	{ "None + Pending In", SUB_ASKED },
	{ "None + Pending Out+In", SUB_ASK | SUB_ASKED },
	{ "To", SUB_TO },
	{ "To + Pending In", SUB_TO | SUB_ASKED },
	{ "From", SUB_FROM },
	{ "From + Pending Out", SUB_FROM | SUB_ASK },
	{ "Both", SUB_BOTH },
};
#define STATES (sizeof(states) / sizeof(states[0]))

static unsigned
state_by_name(const char *name)
{
	for (size_t i = 0; i < STATES; i++)
		if (!strcmp(states[i].name, name))
			return states[i].state;
	fail_msg("no state %s", name);
	return 0;
}

/* One row of the appendix: existing state, route or deliver?, new state ("-": no change). */
struct row {
	const char *existing;
	bool pass;
	const char *new_state;
};

typedef struct subscription_step (*step_fn)(enum packet_type type, struct subscription now);

static void
check(step_fn step, enum packet_type type, const struct row *rows)
{
	for (size_t i = 0; i < STATES; i++) {
		struct subscription now = { .state = state_by_name(rows[i].existing) };
		const char *want = strcmp(rows[i].new_state, "-") ? rows[i].new_state : rows[i].existing;
		struct subscription_step s = step(type, now);

		assert_string_equal(rows[i].existing, states[i].name);
		if (s.next.state != state_by_name(want) || s.pass != rows[i].pass)
			fail_msg("%s: got state %u, pass %d", rows[i].existing, s.next.state, s.pass);
	}
}

static void
outbound_subscribe(void **state)
{
	static const struct row a_2_1[] = {
		{ "None", true, "None + Pending Out" },
		{ "None + Pending Out", true, "-" },
		{ "None + Pending In", true, "None + Pending Out+In" },
		{ "None + Pending Out+In", true, "-" },
		{ "To", true, "-" },
		{ "To + Pending In", true, "-" },
		{ "From", true, "From + Pending Out" },
		{ "From + Pending Out", true, "-" },
		{ "Both", true, "-" },
	};

	(void)state;
	check(subscription_out, TYPE_SUBSCRIBE, a_2_1);
}

static void
outbound_unsubscribe(void **state)
{
	static const struct row a_2_2[] = {
		{ "None", true, "-" },
		{ "None + Pending Out", true, "None" },
		{ "None + Pending In", true, "-" },
		{ "None + Pending Out+In", true, "None + Pending In" },
		{ "To", true, "None" },
		{ "To + Pending In", true, "None + Pending In" },
		{ "From", true, "-" },
		{ "From + Pending Out", true, "From" },
		{ "Both", true, "From" },
	};

	(void)state;
	check(subscription_out, TYPE_UNSUBSCRIBE, a_2_2);
}

static void
outbound_subscribed(void **state)
{
	static const struct row a_2_3[] = {
		{ "None", false, "-" },
		{ "None + Pending Out", false, "-" },
		{ "None + Pending In", true, "From" },
		{ "None + Pending Out+In", true, "From + Pending Out" },
		{ "To", false, "-" },
		{ "To + Pending In", true, "Both" },
		{ "From", false, "-" },
		{ "From + Pending Out", false, "-" },
		{ "Both", false, "-" },
	};

	(void)state;
	check(subscription_out, TYPE_SUBSCRIBED, a_2_3);
}

static void
outbound_unsubscribed(void **state)
{
	static const struct row a_2_4[] = {
		{ "None", false, "-" },
		{ "None + Pending Out", false, "-" },
		{ "None + Pending In", true, "None" },
		{ "None + Pending Out+In", true, "None + Pending Out" },
		{ "To", false, "-" },
		{ "To + Pending In", true, "To" },
		{ "From", true, "None" },
		{ "From + Pending Out", true, "None + Pending Out" },
		{ "Both", true, "To" },
	};

	(void)state;
	check(subscription_out, TYPE_UNSUBSCRIBED, a_2_4);
}

static void
inbound_subscribe(void **state)
{
	static const struct row a_3_1[] = {
		{ "None", true, "None + Pending In" },
		{ "None + Pending Out", true, "None + Pending Out+In" },
		{ "None + Pending In", false, "-" },
		{ "None + Pending Out+In", false, "-" },
		{ "To", true, "To + Pending In" },
		{ "To + Pending In", false, "-" },
		{ "From", false, "-" },
		{ "From + Pending Out", false, "-" },
		{ "Both", false, "-" },
	};

	(void)state;
	check(subscription_in, TYPE_SUBSCRIBE, a_3_1);
}

static void
inbound_unsubscribe(void **state)
{
	static const struct row a_3_2[] = {
		{ "None", false, "-" },
		{ "None + Pending Out", false, "-" },
		{ "None + Pending In", true, "None" },
		{ "None + Pending Out+In", true, "None + Pending Out" },
		{ "To", false, "-" },
		{ "To + Pending In", true, "To" },
		{ "From", true, "None" },
		{ "From + Pending Out", true, "None + Pending Out" },
		{ "Both", true, "To" },
	};

	(void)state;
	check(subscription_in, TYPE_UNSUBSCRIBE, a_3_2);
}

static void
inbound_subscribed(void **state)
{
	static const struct row a_3_3[] = {
		{ "None", false, "-" },
		{ "None + Pending Out", true, "To" },
		{ "None + Pending In", false, "-" },
		{ "None + Pending Out+In", true, "To + Pending In" },
		{ "To", false, "-" },
		{ "To + Pending In", false, "-" },
		{ "From", false, "-" },
		{ "From + Pending Out", true, "Both" },
		{ "Both", false, "-" },
	};

	(void)state;
	check(subscription_in, TYPE_SUBSCRIBED, a_3_3);
}

static void
inbound_unsubscribed(void **state)
{
	static const struct row a_3_4[] = {
		{ "None", false, "-" },
		{ "None + Pending Out", true, "None" },
		{ "None + Pending In", false, "-" },
		{ "None + Pending Out+In", true, "None + Pending In" },
		{ "To", true, "None" },
		{ "To + Pending In", true, "None + Pending In" },
		{ "From", false, "-" },
		{ "From + Pending Out", true, "From" },
		{ "Both", true, "From" },
	};

	(void)state;
	check(subscription_in, TYPE_UNSUBSCRIBED, a_3_4);
}

/* §3.4.2: who has not asked and is not subscribed is approved in advance; the stanza goes nowhere. */
static void
preapproval_is_noted(void **state)
{
	static const struct {
		const char *existing;
		bool approved;
	} rows[] = {
		{ "None", true },
		{ "None + Pending Out", true },
		{ "None + Pending In", false },
		{ "None + Pending Out+In", false },
		{ "To", true },
		{ "To + Pending In", false },
		{ "From", false },
		{ "From + Pending Out", false },
		{ "Both", false },
	};

	(void)state;
	for (size_t i = 0; i < STATES; i++) {
		struct subscription now = { .state = state_by_name(rows[i].existing) };
		struct subscription_step s = subscription_out(TYPE_SUBSCRIBED, now);

		assert_int_equal(s.next.approved, rows[i].approved);
		assert_false(s.pass && s.next.approved);
	}
}

static void
preapproval_is_taken_back(void **state)
{
	struct subscription now = { .state = SUB_TO, .approved = true };
	struct subscription_step s = subscription_out(TYPE_UNSUBSCRIBED, now);

	(void)state;
	assert_false(s.pass);
	assert_false(s.next.approved);
	assert_int_equal(s.next.state, SUB_TO);
}

/* §3.1.3: the request of a pre-approved contact is granted, not delivered, and uses the approval up. */
static void
preapproval_grants(void **state)
{
	static const struct {
		const char *existing, *new_state;
	} rows[] = {
		{ "None", "From" },
		{ "None + Pending Out", "From + Pending Out" },
		{ "To", "Both" },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct subscription now = { .state = state_by_name(rows[i].existing), .approved = true };
		struct subscription_step s = subscription_in(TYPE_SUBSCRIBE, now);

		assert_true(s.grant);
		assert_false(s.pass);
		assert_false(s.next.approved);
		assert_int_equal(s.next.state, state_by_name(rows[i].new_state));
	}
}

static void
subscribed_contacts_are_granted_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < STATES; i++) {
		struct subscription now = { .state = states[i].state };

		assert_int_equal(subscription_in(TYPE_SUBSCRIBE, now).grant, (now.state & SUB_FROM) != 0);
		assert_false(subscription_in(TYPE_SUBSCRIBED, now).grant);
		assert_false(subscription_in(TYPE_UNSUBSCRIBE, now).grant);
		assert_false(subscription_in(TYPE_UNSUBSCRIBED, now).grant);
	}
}

/* An approval that waits survives everything that does not answer it. */
static void
preapproval_stays(void **state)
{
	static const enum packet_type types[] = { TYPE_SUBSCRIBED, TYPE_UNSUBSCRIBE, TYPE_UNSUBSCRIBED };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct subscription now = { .state = SUB_TO, .approved = true };

		assert_true(subscription_in(types[i], now).next.approved);
	}
	assert_true(subscription_out(TYPE_SUBSCRIBE, (struct subscription){ SUB_NONE, true }).next.approved);
	assert_true(subscription_out(TYPE_UNSUBSCRIBE, (struct subscription){ SUB_TO, true }).next.approved);
	assert_true(subscription_out(TYPE_SUBSCRIBED, (struct subscription){ SUB_NONE, true }).next.approved);
}

/* Requests that wait are not part of the roster (§3.1.3): no push for them. */
static void
requests_are_not_seen(void **state)
{
	struct subscription none = { 0 }, asked = { .state = SUB_ASKED }, ask = { .state = SUB_ASK };
	struct subscription approved = { .approved = true };

	(void)state;
	assert_false(subscription_differs(none, asked));
	assert_true(subscription_differs(none, ask));
	assert_true(subscription_differs(none, approved));
	assert_false(subscription_differs(approved, approved));
}

/* Every combination of bits, any stanza, either way: a valid state comes out. */
static void
nonsense_is_normalised(void **state)
{
	static const enum packet_type types[] = { TYPE_SUBSCRIBE, TYPE_SUBSCRIBED, TYPE_UNSUBSCRIBE, TYPE_UNSUBSCRIBED };

	(void)state;
	for (unsigned bits = 0; bits < 64; bits++)
		for (size_t t = 0; t < 4; t++) {
			struct subscription now = { .state = bits, .approved = bits & 1 };
			unsigned out = subscription_out(types[t], now).next.state;
			unsigned in = subscription_in(types[t], now).next.state;

			assert_int_equal(out, subscription_normal(out));
			assert_int_equal(in, subscription_normal(in));
		}
	assert_string_equal(subscription_name(SUB_NONE | SUB_ASKED), "none");
	assert_string_equal(subscription_name(SUB_FROM | SUB_ASK), "from");
	assert_string_equal(subscription_name(SUB_BOTH), "both");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outbound_subscribe),
		cmocka_unit_test(outbound_unsubscribe),
		cmocka_unit_test(outbound_subscribed),
		cmocka_unit_test(outbound_unsubscribed),
		cmocka_unit_test(inbound_subscribe),
		cmocka_unit_test(inbound_unsubscribe),
		cmocka_unit_test(inbound_subscribed),
		cmocka_unit_test(inbound_unsubscribed),
		cmocka_unit_test(preapproval_is_noted),
		cmocka_unit_test(preapproval_is_taken_back),
		cmocka_unit_test(preapproval_grants),
		cmocka_unit_test(subscribed_contacts_are_granted_again),
		cmocka_unit_test(preapproval_stays),
		cmocka_unit_test(requests_are_not_seen),
		cmocka_unit_test(nonsense_is_normalised),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
