/*
 * disco: who is told what (XEP-0030 §3, §4, §8), nodes, and that the capabilities announced are those of the answer
 * (XEP-0115 §5.1, §6.3).
 */
#include "lib/ask.h"

#include "core/module/caps.h"

#define SERVER "capulet.lit"
#define OWNER ASK_OWNER "/chamber"
#define SUBSCRIBER "romeo@montague.lit/orchard"
#define STRANGER "tybalt@capulet.lit/street"
#define INFO "<query xmlns='http://jabber.org/protocol/disco#info'/>"
#define INFO_NODE "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>"
#define ITEMS "<query xmlns='http://jabber.org/protocol/disco#items'/>"
#define ITEMS_NODE "<query xmlns='http://jabber.org/protocol/disco#items' node='x'/>"
#define EMPTY "><query xmlns='http://jabber.org/protocol/disco#items'/></iq>"

static void
caps_here(void *arg)
{
	struct ask *a = arg;

	buf_clear(&ask_sent);
	disco_write_caps(&ask_sent);
	sem_post(&a->done);
}

/* Node and ver as the stream features have them. */
static void
announced(char node[64], char ver[CAPS_VER_SIZE])
{
	struct ask a = { 0 };

	sem_init(&a.done, 0, 0);
	reactor_call(reactor_at(0), caps_here, &a);
	sem_wait(&a.done);
	sem_destroy(&a.done);
	assert_int_equal(sscanf(buf_str(&ask_sent),
				 "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='%63[^']' ver='%28[^']'/>", node, ver), 2);
}

static void
the_server_says_what_it_is(void **state)
{
	const char *s = ask(STRANGER, SERVER, INFO);

	(void)state;
	assert_has(s, "type='result'");
	assert_has(s, "<identity category='server' type='im' name='Chancery'/>");
	assert_has(s, "<feature var='http://jabber.org/protocol/disco#info'/>");
	assert_has(s, "<feature var='http://jabber.org/protocol/disco#items'/>");
	assert_has(s, "<feature var='http://jabber.org/protocol/caps'/>");
	assert_has(s, "<feature var='msgoffline'/>");
	assert_has(s, "<feature var='urn:xmpp:ping'/>");
	assert_has(s, "<feature var='jabber:iq:version'/>");
	assert_has(s, "<feature var='urn:xmpp:time'/>");
	assert_has(s, "<feature var='jabber:iq:last'/>");
	assert_lacks(s, "node=");
}

static void
the_server_knows_its_caps_node_only(void **state)
{
	char node[64], ver[CAPS_VER_SIZE], payload[256], mirrored[128];
	const char *s;

	(void)state;
	announced(node, ver);
	snprintf(payload, sizeof(payload), "<query xmlns='http://jabber.org/protocol/disco#info' node='%s#%s'/>", node, ver);
	snprintf(mirrored, sizeof(mirrored), " node='%s#%s'>", node, ver);
	s = ask(STRANGER, SERVER, payload);
	assert_has(s, mirrored);
	assert_has(s, "<feature var='urn:xmpp:ping'/>");
	assert_has(ask(STRANGER, SERVER, INFO_NODE), "<item-not-found");
	assert_has(ask(STRANGER, SERVER, ITEMS_NODE), "<item-not-found");
}

static void
the_server_has_no_items(void **state)
{
	(void)state;
	assert_has(ask(STRANGER, SERVER, ITEMS), EMPTY);
}

/* The answer's own hash is the one announced: clients verify it. */
static void
check_announced(void)
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	char node[64], ver[CAPS_VER_SIZE], own[CAPS_VER_SIZE];
	const char *s;
	struct stanza *st;

	announced(node, ver);
	s = ask(STRANGER, SERVER, INFO);
	st = parser_one(s, strlen(s), NS_CLIENT, &l);
	assert_non_null(st);
	assert_true(caps_ver(elem_first(st->root), own));
	assert_string_equal(own, ver);
	stanza_unref(st);
}

static void
announced_capabilities_are_true_after_a_reload_too(void **state)
{
	char node[64], before[CAPS_VER_SIZE], after[CAPS_VER_SIZE];

	(void)state;
	check_announced();
	announced(node, before);
	ask_settings("modules:\n  version: false\n");
	home_reload_all();
	check_announced();
	announced(node, after);
	assert_string_not_equal(before, after);
	assert_lacks(ask(STRANGER, SERVER, INFO), "jabber:iq:version");
	ask_settings("");
	home_reload_all();
	announced(node, after);
	assert_string_equal(before, after);
}

static void
check_account(const char *from, const char *to)
{
	const char *s = ask(from, to, INFO);

	assert_has(s, "<identity category='account' type='registered'/>");
	assert_has(s, "<feature var='http://jabber.org/protocol/disco#info'/>");
	assert_has(s, "<feature var='urn:xmpp:sid:0'/>");
	assert_lacks(s, "msgoffline");
	assert_has(ask(from, to, INFO_NODE), "<item-not-found");
	assert_has(ask(from, to, ITEMS_NODE), "<item-not-found");
	assert_has(ask(from, to, ITEMS), EMPTY);
	ask_user_arrives();
	assert_has(ask(from, to, ITEMS), "<item jid='" ASK_OWNER "/balcony'/>");
	ask_user_leaves();
}

static void
an_account_answers_its_owner_and_subscribers(void **state)
{
	(void)state;
	check_account(OWNER, ASK_OWNER);
	check_account(OWNER, NULL);
	check_account(SUBSCRIBER, ASK_OWNER);
}

static void
check_same(const char *from, const char *payload, const char *want)
{
	char *first = mem_strdup(ask(from, ASK_OWNER, payload));

	assert_has(first, want);
	assert_string_equal(first, ask_nobody(from, payload));
	free(first);
}

/* XEP-0030 §8: a stranger cannot tell an account from one that does not exist, nor whether somebody is there. */
static void
an_account_is_hidden_from_strangers(void **state)
{
	static const char *const strangers[] = { STRANGER, "paris@capulet.lit/hall", "montague.lit" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		ask_user_arrives();
		check_same(strangers[i], INFO, "<service-unavailable");
		check_same(strangers[i], INFO_NODE, "<service-unavailable");
		check_same(strangers[i], ITEMS, EMPTY);
		check_same(strangers[i], ITEMS_NODE, "type='result'");
		ask_user_leaves();
	}
}

static int
start(void **state)
{
	(void)state;
	ask_start(NULL);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	ask_stop();
	parser_pool_clear();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_says_what_it_is),
		cmocka_unit_test(the_server_knows_its_caps_node_only),
		cmocka_unit_test(the_server_has_no_items),
		cmocka_unit_test(announced_capabilities_are_true_after_a_reload_too),
		cmocka_unit_test(an_account_answers_its_owner_and_subscribers),
		cmocka_unit_test(an_account_is_hidden_from_strangers),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
