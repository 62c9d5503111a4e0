/* Whether people are there: MONITOR (IRCv3) and ISON (RFC 2812 §4.9). */
#include "client.h"

static void
watch(const char *nick)
{
	assert_int_equal(irc_client_watch(client, nick), 0);
}

static int
setup_watching(void **state)
{
	setup(state);
	settings.watched = 10;
	settings.presence_ms = 20000;
	return 0;
}

/* As many as the server takes are told by it; who is watched is told to it again with the next connection. */
static void
test_monitor(void **state)
{
	(void)state;
	watch("bob");
	watch("eve");
	log_in("", "MONITOR=100");
	later(0);
	out("MONITOR + eve,bob\n");
	assert_false(irc_client_is_there(client, "bob"));
	in(":s 730 romeo :Bob!b@h,eve!e@h\r\n:s 731 romeo :eve,mallory\r\n:s 731 romeo :eve\r\n");
	told("PRESENT nick=bob\nPRESENT nick=eve\nABSENT nick=eve\n");
	assert_true(irc_client_is_there(client, "bob"));
	assert_true(irc_client_due(client) > now + 1000);
	irc_client_lost(client, "x", now);
	told("ABSENT nick=bob\nCLOSED: x\n");
	log_in("", "MONITOR");
	later(0);
	out("MONITOR + eve,bob\n");
	watch("bob");
	irc_client_unwatch(client, "bob");
	later(0);
	out("");
	irc_client_unwatch(client, "bob");
	later(0);
	out("MONITOR - bob\n");
	in(":s 730 romeo :bob!b@h\r\n");
	told("");
}

/* The others are asked for; also those that a server does not take after all. */
static void
test_monitor_full(void **state)
{
	(void)state;
	for (const char *const *n = (const char *const[]){ "a1", "a2", "a3", NULL }; *n; n++)
		watch(*n);
	log_in("", "MONITOR=2");
	later(0);
	out("MONITOR + a3,a2\n");
	later(0);
	out("ISON :a1\n");
	in(":s 303 romeo :A1 a2\r\n");
	told("PRESENT nick=a1\n");
	in(":s 734 romeo 2 a2 :Monitor list is full.\r\n");
	later(0);
	out("ISON :a2 a1\n");
	in(":s 303 romeo :a1\r\n");
	told("");
	later(settings.presence_ms - 1);
	out("");
	later(1);
	out("ISON :a2 a1\n");
	in(":s 303 romeo :\r\n");
	told("ABSENT nick=a1\n");
}

/* A nick of this letter, as long as they get. */
static const char *
long_nick(char c)
{
	static char nick[61];

	memset(nick, c, sizeof(nick) - 1);
	return nick;
}

/* ISON with those of these letters. */
static void
out_ison(const char *letters)
{
	struct buf want = { 0 };

	buf_adds(&want, "ISON :");
	for (const char *c = letters; *c; c++)
		buf_addf(&want, "%s%s", c == letters ? "" : " ", long_nick(*c));
	buf_addc(&want, '\n');
	out(buf_str(&want));
	buf_fini(&want);
}

/* Without MONITOR: in turn, some in a line; a server that does not answer is not asked twice at once. */
static void
test_ison(void **state)
{
	char line[200];

	(void)state;
	settings.watched = 8;
	for (char c = 'a'; c <= 'h'; c++)
		watch(long_nick(c));
	assert_int_equal(irc_client_watch(client, "onemore"), -1);
	assert_int_equal(irc_client_watch(client, "no nick"), -1);
	log_in("", "X=1");
	later(0);
	out_ison("hgfedc");
	assert_int_equal(irc_client_due(client), now + settings.answer_ms);
	later(settings.answer_ms);
	/* Those that nothing is known of go at once. */
	out_ison("bahgfe");
	snprintf(line, sizeof(line), ":s 303 romeo :%s\r\n", long_nick('h'));
	in(line);
	snprintf(line, sizeof(line), "PRESENT nick=%s\n", long_nick('h'));
	told(line);
	later(0);
	out_ison("dcbahg");
	in(":s 303 romeo :\r\n");
	snprintf(line, sizeof(line), "ABSENT nick=%s\n", long_nick('h'));
	told(line);
	later(settings.presence_ms - 1);
	out("");
	later(1);
	out_ison("fedcba");
}

/* Whatever else waits goes first. */
static void
test_behind(void **state)
{
	struct err e;

	(void)state;
	settings.flood_burst = 1;
	watch("bob");
	log_in("", "MONITOR=5");
	assert_int_equal(irc_client_say(client, 1, "eve", IRC_PRIVMSG, "one\ntwo", &e), 0);
	later(0);
	out("PRIVMSG eve :one\n");
	later(1000);
	out("PRIVMSG eve :two\nPING chancery-1\n");
	later(1000);
	out("MONITOR + bob\n");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_watching, teardown)
	const struct CMUnitTest tests[] = { TEST(test_monitor), TEST(test_monitor_full), TEST(test_ison), TEST(test_behind) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
