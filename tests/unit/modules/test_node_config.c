/*
 * node_config: what forms ask for (XEP-0060 §8.2, §7.1.5), and what nodes can be.
 */
#include "modules/pubsub/node_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

static const struct node_bounds bounds = { .items = 100, .payload = 1000, .list = 2, .text = 16, .personal = true };

struct asked {
	struct arena *a;
	struct stanza *st;
	struct node_wish wish;
};

#define FIELD(var, value) "<field var='pubsub#" var "'><value>" value "</value></field>"

static struct asked
ask(const char *fields)
{
	struct asked out = { .a = arena_new(0) };
	struct buf b = { 0 };

	buf_addf(&b, "<x type='submit'>%s</x>", fields);
	out.st = parser_one(buf_str(&b), buf_len(&b), NS_DATA, NULL);
	assert_non_null(out.st);
	node_wish_read(form_parse(out.st->root, out.a), &bounds, &out.wish);
	buf_fini(&b);
	return out;
}

static void
done(struct asked *q)
{
	stanza_unref(q->st);
	arena_free(q->a);
}

static void
defaults_meet_themselves(void **state)
{
	struct asked q = ask(FIELD("access_model", "presence") FIELD("max_items", "1") FIELD("persist_items", "true")
		FIELD("send_last_published_item", "on_sub_and_presence") FIELD("deliver_payloads", "1") FIELD("notify_sub", "false"));

	(void)state;
	assert_true(node_config_meets(&node_config_personal, &q.wish));
	done(&q);
}

static void
wishes_are_applied(void **state)
{
	struct node_config c = node_config_personal;
	struct asked q = ask(FIELD("access_model", "roster") FIELD("max_items", "max") FIELD("persist_items", "0")
		FIELD("title", "T") FIELD("notification_type", "normal") FIELD("max_payload_size", "500")
		"<field var='pubsub#roster_groups_allowed'><value>a</value><value>b</value></field>");

	(void)state;
	assert_false(node_config_meets(&c, &q.wish));
	node_config_apply(&c, &q.wish);
	assert_true(node_config_meets(&c, &q.wish));
	assert_int_equal(c.access, ACCESS_ROSTER);
	assert_int_equal(c.max_items, 0);
	assert_int_equal(c.max_payload, 500);
	assert_false(c.persist);
	assert_true(c.normal && c.payloads);
	assert_string_equal(c.title, "T");
	assert_int_equal(c.groups.n, 2);
	done(&q);
}

/* As sets: the order of groups means nothing. */
static void
groups_are_sets(void **state)
{
	struct node_config c = node_config_personal;
	const char *groups[] = { "b", "a" };
	struct asked q = ask("<field var='pubsub#roster_groups_allowed'><value>a</value><value>b</value></field>");

	(void)state;
	c.groups = (struct node_list){ groups, 2 };
	assert_true(node_config_meets(&c, &q.wish));
	c.groups.n = 1;
	assert_false(node_config_meets(&c, &q.wish));
	done(&q);
}

static void
what_cannot_be(void **state)
{
	static const char *const bad[] = { FIELD("access_model", "secret"), FIELD("max_items", "101"), FIELD("max_items", "0"),
		FIELD("max_items", "-1"), FIELD("persist_items", "yes"), FIELD("publish_model", "nobody"), FIELD("item_expire", "soon"),
		FIELD("presence_based_delivery", "0"), FIELD("tempsub", "1"), FIELD("itemreply", "owner"),
		FIELD("max_payload_size", "1001"), FIELD("title", "seventeen letters"), FIELD("send_last_published_item", ""),
		"<field var='pubsub#access_model'/>",
		"<field var='pubsub#roster_groups_allowed'><value>a</value><value>b</value><value>c</value></field>" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct asked q = ask(bad[i]);

		if (!q.wish.impossible)
			fail_msg("possible: %s", bad[i]);
		assert_int_equal(q.wish.bad_access, strstr(bad[i], "access_model") != NULL);
		assert_false(node_config_meets(&node_config_personal, &q.wish));
		done(&q);
	}
}

static void
what_is_not_known(void **state)
{
	struct asked q = ask(FIELD("surprise", "1") FIELD("access_model", "presence"));

	(void)state;
	assert_true(q.wish.unknown && !q.wish.impossible);
	assert_false(node_config_meets(&node_config_personal, &q.wish));
	done(&q);
}

/* What we write is what we read. */
static void
there_and_back(void **state)
{
	struct arena *a = arena_new(0);
	struct stanza *st = stanza_new(NS_PUBSUB, "configure");
	struct node_config c = node_config_personal;
	struct node_wish wish;

	(void)state;
	c.access = ACCESS_WHITELIST;
	c.max_items = 7;
	c.description = "D";
	node_config_write(st, st->root, "form", &c, a);
	elem_set(st, elem_first(st->root), "type", "submit");
	node_wish_read(form_parse(elem_first(st->root), a), &bounds, &wish);
	assert_false(wish.unknown || wish.impossible);
	assert_true(node_config_meets(&c, &wish));
	assert_false(node_config_meets(&node_config_personal, &wish));
	stanza_unref(st);
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_meet_themselves),
		cmocka_unit_test(wishes_are_applied),
		cmocka_unit_test(groups_are_sets),
		cmocka_unit_test(what_cannot_be),
		cmocka_unit_test(what_is_not_known),
		cmocka_unit_test(there_and_back),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	parser_pool_clear();
	return failed;
}
