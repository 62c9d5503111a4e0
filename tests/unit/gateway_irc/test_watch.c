/* Whether people are there: MONITOR (IRCv3) and ISON (RFC 2812 §4.9). */
#include <time.h>

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

/* Where the server says of whoever it monitors that they are away, that is told, until they are back or gone; of others it is not. */
static void
test_away(void **state)
{
	(void)state;
	watch("bob");
	watch("eve");
	log_in("away-notify extended-monitor", "MONITOR=1");
	later(0);
	out("MONITOR + eve\n");
	later(0);
	out("ISON :bob\n");
	in(":s 303 romeo :bob\r\n:Eve!e@h AWAY :early\r\n:s 730 romeo :eve!e@h\r\n");
	told("PRESENT nick=bob\nPRESENT nick=eve away\n");
	assert_true(irc_client_is_away(client, "eve"));
	in(":eve!e@h AWAY :at\2 lunch\r\n:bob!b@h AWAY :x\r\n:mallory!m@h AWAY :y\r\n");
	told("PRESENT nick=eve away: at lunch\n");
	in(":eve!e@h AWAY\r\n:eve!e@h AWAY\r\n");
	told("PRESENT nick=eve\n");
	in(":eve!e@h AWAY :x\r\n:s 731 romeo :eve\r\n:s 730 romeo :eve!e@h\r\n");
	told("PRESENT nick=eve away: x\nABSENT nick=eve\nPRESENT nick=eve\n");
	assert_false(irc_client_is_away(client, "eve"));
	in(":eve!e@h AWAY :x\r\n");
	told("PRESENT nick=eve away: x\n");
	irc_client_lost(client, "x", now);
	told("ABSENT nick=eve\nABSENT nick=bob\nCLOSED: x\n");
	log_in("away-notify", "MONITOR=1");
	later(0);
	out("MONITOR + eve\n");
	in(":s 730 romeo :eve!e@h\r\n:eve!e@h AWAY :x\r\n");
	told("PRESENT nick=eve\n");
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

static void
log_in_watching(const char *casemapping)
{
	char tokens[64];

	snprintf(tokens, sizeof(tokens), "MONITOR=1000 CASEMAPPING=%s", casemapping);
	log_in("", tokens);
	for (unsigned i = 0; i < 40; i++)
		later(1000);
}

/* A server that says thousands of names again and again: each costs about the same, however many are watched. Under any casemapping they are found. */
static void
test_flood(void **state)
{
	enum { NAMES = 2000, LINES = 500 };
	struct buf line = { 0 };
	clock_t began = clock();

	(void)state;
	settings.watched = 1000;
	for (unsigned i = 0; i < settings.watched; i++) {
		char nick[16];

		snprintf(nick, sizeof(nick), "Bob[%u]", i);
		watch(nick);
	}
	log_in_watching("rfc1459");
	in(":s 730 romeo :bob{999}!b@h,BOB[0],bob{1000}\r\n");
	assert_true(irc_client_is_there(client, "bob{0}") && irc_client_is_there(client, "bob[999]"));
	assert_false(irc_client_is_there(client, "bob[1]") || irc_client_is_there(client, "bob{1000}"));
	irc_client_lost(client, "x", now);
	log_in_watching("ascii");
	in(":s 730 romeo :bob{999}!b@h,BOB[0]\r\n");
	assert_true(irc_client_is_there(client, "bob[0]"));
	assert_false(irc_client_is_there(client, "bob[999]") || irc_client_is_there(client, "bob{0}"));
	buf_adds(&line, ":s 731 romeo :");
	for (unsigned i = 0; i < NAMES; i++)
		buf_adds(&line, "eve,");
	buf_adds(&line, "\r\n");
	for (unsigned i = 0; i < LINES; i++)
		in(buf_str(&line));
	/* A tenth of a second; compared with all of them one by one it is half a minute. */
	assert_true(clock() - began < 5 * CLOCKS_PER_SEC);
	buf_fini(&line);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_watching, teardown)
	const struct CMUnitTest tests[] = { TEST(test_monitor), TEST(test_away), TEST(test_monitor_full), TEST(test_ison), TEST(test_behind), TEST(test_flood) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
