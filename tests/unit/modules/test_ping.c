/* ping: XEP-0199 §4.2, and that a pong does not tell strangers which accounts there are. */
#include "lib/ask.h"

#define PING "<ping xmlns='urn:xmpp:ping'/>"
#define OWNER ASK_OWNER "/chamber"

static void
the_server_answers_everybody(void **state)
{
	(void)state;
	assert_string_equal(ask("romeo@montague.lit/orchard", "capulet.lit", PING),
		"<iq type='result' id='1' from='capulet.lit' to='romeo@montague.lit/orchard'/>");
	assert_has(ask("montague.lit", "capulet.lit", PING), "type='result'");
}

static void
an_account_answers_those_who_may_see_it(void **state)
{
	(void)state;
	assert_string_equal(ask(OWNER, ASK_OWNER, PING),
		"<iq type='result' id='1' from='" ASK_OWNER "' to='" OWNER "'/>");
	/* §4.2: without `to`, on behalf of the account. */
	assert_string_equal(ask(OWNER, NULL, PING), "<iq type='result' id='1' to='" OWNER "'/>");
	assert_has(ask("romeo@montague.lit/orchard", ASK_OWNER, PING), "type='result'");
}

static void
strangers_learn_nothing(void **state)
{
	char *real;

	(void)state;
	real = mem_strdup(ask("tybalt@capulet.lit/street", ASK_OWNER, PING));
	assert_has(real, "<service-unavailable");
	assert_string_equal(real, ask_nobody("tybalt@capulet.lit/street", PING));
	free(real);
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
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_answers_everybody),
		cmocka_unit_test(an_account_answers_those_who_may_see_it),
		cmocka_unit_test(strangers_learn_nothing),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
