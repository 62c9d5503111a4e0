/* lastactivity: XEP-0012 §3 to §5 and §8. */
#include "lib/ask.h"

#include "base/clock.h"

#define LAST "<query xmlns='jabber:iq:last'/>"
#define OWNER ASK_OWNER "/chamber"
#define SUBSCRIBER "romeo@montague.lit/orchard"
#define STRANGER "tybalt@capulet.lit/street"
#define NOW_US INT64_C(1700000000000000)
#define SECOND_US INT64_C(1000000)

static void
the_server_tells_its_uptime(void **state)
{
	(void)state;
	clock_fake(NOW_US, module_started_us() + 123456 * SECOND_US + 999999);
	assert_has(ask(STRANGER, "capulet.lit", LAST), "<query xmlns='jabber:iq:last' seconds='123456'/>");
}

/* The user left 903 seconds ago. */
static void
gone(const char *status)
{
	clock_fake(NOW_US, 0);
	ask_user.last_seen_us = NOW_US - 903 * SECOND_US;
	ask_user.last_status = (char *)status;
}

static void
an_account_tells_since_when_it_is_away(void **state)
{
	(void)state;
	gone("Heading <Home>");
	assert_has(ask(SUBSCRIBER, ASK_OWNER, LAST),
		"<query xmlns='jabber:iq:last' seconds='903'>Heading &lt;Home");
	assert_has(ask(OWNER, ASK_OWNER, LAST), "seconds='903'");
	gone(NULL);
	assert_has(ask(SUBSCRIBER, ASK_OWNER, LAST), "<query xmlns='jabber:iq:last' seconds='903'/>");
	/* The clock was set back. */
	ask_user.last_seen_us = NOW_US + 5 * SECOND_US;
	assert_has(ask(SUBSCRIBER, ASK_OWNER, LAST), "seconds='0'");
}

static void
an_account_in_use_says_zero(void **state)
{
	(void)state;
	gone("old");
	ask_user_arrives();
	assert_has(ask(SUBSCRIBER, ASK_OWNER, LAST), "<query xmlns='jabber:iq:last' seconds='0'/>");
	ask_user_leaves();
	gone(NULL);
}

static void
an_account_that_was_never_used_has_nothing_to_tell(void **state)
{
	(void)state;
	gone(NULL);
	ask_user.last_seen_us = 0;
	assert_has(ask(SUBSCRIBER, ASK_OWNER, LAST), "<service-unavailable");
}

static void
strangers_are_forbidden_whoever_is_there(void **state)
{
	char *away;

	(void)state;
	gone("secret");
	away = mem_strdup(ask(STRANGER, ASK_OWNER, LAST));
	assert_has(away, "<forbidden");
	assert_has(ask("paris@capulet.lit/hall", ASK_OWNER, LAST), "<forbidden");
	ask_user_arrives();
	assert_string_equal(away, ask(STRANGER, ASK_OWNER, LAST));
	ask_user_leaves();
	assert_string_equal(away, ask_nobody(STRANGER, LAST));
	free(away);
}

/* What a client would be given */

struct arrival {
	struct ask ask;
	struct user *user;
	struct hook h;
	enum hook_verdict v;
};

static void
check_here(void *arg)
{
	struct arrival *a = arg;
	struct packet *p = ask_packet(&a->ask);

	a->h = (struct hook){ .stage = HOOK_RECV_CHECK, .stanza = p->st, .from = p->from, .to = p->to };
	a->v = modules_run(&a->h, a->user);
	packet_unref(p);
	sem_post(&a->ask.done);
}

static struct arrival
arrives(const char *from, const char *to, const char *type, const char *payload, struct user *u)
{
	struct arrival a = { .ask = { .from = from, .to = to, .type = type, .payload = payload }, .user = u };

	sem_init(&a.ask.done, 0, 0);
	reactor_call(reactor_at(0), check_here, &a);
	sem_wait(&a.ask.done);
	sem_destroy(&a.ask.done);
	return a;
}

static void
strangers_do_not_reach_clients(void **state)
{
	static const char client[] = ASK_OWNER "/balcony";
	struct user nobody = { .jid = ask_user.jid, .state = USER_ABSENT };
	struct arrival a;

	(void)state;
	assert_true(modules_want(HOOK_RECV_CHECK));
	a = arrives(STRANGER, client, "get", LAST, &ask_user);
	assert_int_equal(a.v, HOOK_REJECT);
	assert_int_equal(a.h.error, XERROR_FORBIDDEN);
	assert_int_equal(arrives(STRANGER, client, "get", LAST, &nobody).v, HOOK_REJECT);
	assert_int_equal(arrives(SUBSCRIBER, client, "get", LAST, &ask_user).v, HOOK_NEXT);
	assert_int_equal(arrives(OWNER, client, "get", LAST, &ask_user).v, HOOK_NEXT);
	/* Answers and other questions pass; the account's own question has its handler. */
	assert_int_equal(arrives(STRANGER, client, "result", LAST, &ask_user).v, HOOK_NEXT);
	assert_int_equal(arrives(STRANGER, client, "get", "<query xmlns='jabber:iq:version'/>", &ask_user).v, HOOK_NEXT);
	assert_int_equal(arrives(STRANGER, ASK_OWNER, "get", LAST, &ask_user).v, HOOK_NEXT);
	assert_int_equal(arrives(STRANGER, client, "error", "", &ask_user).v, HOOK_NEXT);
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
	clock_fake(-1, -1);
	ask_user.last_status = NULL;
	ask_stop();
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_tells_its_uptime),
		cmocka_unit_test(an_account_tells_since_when_it_is_away),
		cmocka_unit_test(an_account_in_use_says_zero),
		cmocka_unit_test(an_account_that_was_never_used_has_nothing_to_tell),
		cmocka_unit_test(strangers_are_forbidden_whoever_is_there),
		cmocka_unit_test(strangers_do_not_reach_clients),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
