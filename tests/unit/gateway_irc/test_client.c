/* The client of IRC: logging in, messages and what becomes of them, time. Channels: test_channel.c. */
#include "client.h"

static void
test_login_plain_server(void **state)
{
	(void)state;
	settings.pass = "open";
	irc_client_connected(client, false, now);
	out("CAP LS 302\nPASS open\nNICK romeo\nUSER romeo 0 * :Romeo Montague\n");
	/* RFC 1459: it knows no CAP. */
	in(":s 421 romeo CAP :Unknown command\r\nPING :x\r\n");
	out("PONG x\n");
	in(":s 001 romeo :Welcome\r\n:s 376 romeo :End of MOTD\r\n");
	told("UP nick=romeo\n");
	out("");
}

static void
test_login_capabilities(void **state)
{
	(void)state;
	irc_client_connected(client, true, now);
	out("CAP LS 302\nNICK romeo\nUSER romeo 0 * :Romeo Montague\n");
	in(":s CAP * LS * :server-time away-notify sts=port=6697\r\n");
	out("");
	in(":s CAP * LS :message-tags sasl=PLAIN,EXTERNAL\r\n");
	out("CAP REQ :message-tags server-time away-notify\n");
	in(":s CAP romeo ACK :message-tags server-time away-notify\r\n");
	out("CAP END\n");
	/* Said again: nothing. */
	in(":s CAP * LS :echo-message\r\n:s CAP romeo ACK :echo-message\r\n:s CAP romeo\r\nCAP\r\n");
	out("");
	told("");
}

static void
test_login_capability_refused(void **state)
{
	(void)state;
	irc_client_connected(client, true, now);
	in(":s CAP * LS :server-time batch\r\n");
	out("CAP LS 302\nNICK romeo\nUSER romeo 0 * :Romeo Montague\nCAP REQ :server-time batch\n");
	in(":s CAP * NAK :server-time batch\r\n");
	out("CAP REQ server-time\nCAP REQ batch\n");
	in(":s CAP * NAK :batch\r\n");
	out("");
	in(":s CAP * ACK :server-time\r\n");
	out("CAP END\n");
}

static void
begin_sasl(const char *caps)
{
	char text[256];

	irc_client_connected(client, true, now);
	snprintf(text, sizeof(text), ":s CAP * LS :%s\r\n", caps);
	in(text);
	buf_clear(irc_client_output(client));
}

static void
test_sasl_plain(void **state)
{
	(void)state;
	identity.sasl = IRC_SASL_PLAIN;
	identity.account = "romeo";
	identity.password = "neverguess";
	begin_sasl("sasl");
	in(":s CAP * ACK :sasl\r\n");
	out("AUTHENTICATE PLAIN\n");
	in("AUTHENTICATE +\r\n");
	out("AUTHENTICATE AHJvbWVvAG5ldmVyZ3Vlc3M=\n");
	in(":s 900 romeo romeo!r@h romeo :You are now logged in\r\n:s 903 romeo :ok\r\n");
	out("CAP END\n");
	in(":s 001 romeo :Welcome\r\n:s 422 romeo :none\r\n");
	told("UP nick=romeo\n");
}

/* 400 characters are a whole piece, behind which there is another. */
static void
test_sasl_chunks(void **state)
{
	char password[300], want[512];

	(void)state;
	memset(password, 'x', sizeof(password));
	password[298 - 5] = '\0';
	identity.sasl = IRC_SASL_PLAIN;
	identity.account = "abcde";
	identity.password = password;
	begin_sasl("sasl");
	in(":s CAP * ACK :sasl\r\nAUTHENTICATE +\r\n");
	snprintf(want, sizeof(want), "%s", buf_str(irc_client_output(client)));
	assert_ptr_equal(strstr(want, "AUTHENTICATE PLAIN\r\nAUTHENTICATE AGFiY2RlAHh4"), want);
	assert_string_equal(want + strlen("AUTHENTICATE PLAIN\r\nAUTHENTICATE ") + 400, "\r\nAUTHENTICATE +\r\n");
}

static void
test_sasl_external(void **state)
{
	(void)state;
	identity.sasl = IRC_SASL_EXTERNAL;
	begin_sasl("sasl=EXTERNAL");
	in(":s CAP * ACK :sasl\r\nAUTHENTICATE +\r\n");
	out("AUTHENTICATE EXTERNAL\nAUTHENTICATE +\n");
	in(":s 903 romeo :ok\r\n");
	out("CAP END\n");
}

/* Refused, also by what it says to be able to do: the password, where there is one, once. */
static void
test_sasl_external_falls_back(void **state)
{
	static const char refused[] = ":s CAP * ACK :sasl\r\n:s 908 romeo PLAIN :are available SASL mechanisms\r\n:s 904 romeo :SASL authentication failed\r\n";

	(void)state;
	identity.sasl = IRC_SASL_EXTERNAL;
	identity.account = "romeo";
	identity.password = "neverguess";
	begin_sasl("sasl");
	in(refused);
	out("AUTHENTICATE EXTERNAL\nAUTHENTICATE PLAIN\n");
	told("PASSWORD_INSTEAD: SASL authentication failed\n");
	in("AUTHENTICATE +\r\n:s 904 romeo :SASL authentication failed\r\n");
	out("AUTHENTICATE AHJvbWVvAG5ldmVyZ3Vlc3M=\n");
	told("CLOSED forever: the account was refused: SASL authentication failed\n");
	irc_client_lost(client, "closed", now);
	/* It takes no passwords either. */
	begin_sasl("sasl=SCRAM-SHA-256,EXTERNAL");
	in(":s CAP * ACK :sasl\r\n:s 904 romeo :no\r\n");
	out("AUTHENTICATE EXTERNAL\n");
	told("CLOSED forever: the account was refused: no\n");
	irc_client_lost(client, "closed", now);
	/* There is none. */
	identity.password = NULL;
	begin_sasl("sasl");
	in(refused);
	out("AUTHENTICATE EXTERNAL\n");
	told("CLOSED forever: the account was refused: SASL authentication failed\n");
}

static void
test_sasl_external_not_offered(void **state)
{
	(void)state;
	identity.sasl = IRC_SASL_EXTERNAL;
	identity.account = "romeo";
	identity.password = "neverguess";
	begin_sasl("sasl=ECDSA-NIST256P-CHALLENGE,PLAIN");
	in(":s CAP * ACK :sasl\r\n");
	out("AUTHENTICATE PLAIN\n");
	told("PASSWORD_INSTEAD: the server takes no certificates (SASL EXTERNAL)\n");
	in("AUTHENTICATE +\r\n");
	out("AUTHENTICATE AHJvbWVvAG5ldmVyZ3Vlc3M=\n");
	irc_client_lost(client, "closed", now);
	told("CLOSED: closed\n");
	identity.password = NULL;
	begin_sasl("sasl=PLAIN");
	in(":s CAP * ACK :sasl\r\n");
	out("");
	told("CLOSED forever: the server takes no certificates (SASL EXTERNAL)\n");
	irc_client_lost(client, "closed", now);
	/* Without TLS neither is said. */
	identity.password = "neverguess";
	irc_client_connected(client, false, now);
	in(":s CAP * LS :sasl\r\n");
	buf_clear(irc_client_output(client));
	in(":s CAP * ACK :sasl\r\n");
	out("");
	told("CLOSED forever: no certificate is shown without TLS\n");
}

/* What nobody has begun is not answered. */
static void
test_sasl_unasked(void **state)
{
	(void)state;
	identity.sasl = IRC_SASL_PLAIN;
	identity.account = identity.password = "x";
	begin_sasl("sasl");
	in("AUTHENTICATE +\r\n:s 904 romeo :no\r\n");
	out("");
	told("");
}

static void
test_sasl_fails_closed(void **state)
{
	(void)state;
	identity.sasl = IRC_SASL_PLAIN;
	identity.account = identity.password = "x";
	/* Refused. */
	begin_sasl("sasl");
	in(":s CAP * ACK :sasl\r\nAUTHENTICATE +\r\n:s 904 romeo :SASL authentication failed\r\n");
	told("CLOSED forever: the account was refused: SASL authentication failed\n");
	assert_true(irc_client_is_over(client));
	irc_client_lost(client, "closed", now);
	told("");
	/* Not offered. */
	begin_sasl("server-time");
	in(":s CAP * ACK :server-time\r\n");
	told("CLOSED forever: the server offers no SASL\n");
	irc_client_lost(client, "closed", now);
	/* No capabilities at all, and let in. */
	irc_client_connected(client, true, now);
	in(":s 421 romeo CAP :Unknown\r\n:s 001 romeo :Welcome\r\n");
	told("CLOSED forever: the server let us in without the account that we have there\n");
	irc_client_lost(client, "closed", now);
	/* A password in the clear. */
	irc_client_connected(client, false, now);
	in(":s CAP * LS :sasl\r\n:s CAP * ACK :sasl\r\n");
	told("CLOSED forever: the password is not said without TLS\n");
	assert_null(strstr(buf_str(irc_client_output(client)), "AUTHENTICATE"));
}

static void
test_nick_in_use(void **state)
{
	(void)state;
	settings.ping_ms = 600000;
	log_in("", "X=1");
	irc_client_lost(client, "gone", now);
	told("CLOSED: gone\n");
	irc_client_connected(client, true, now);
	buf_clear(irc_client_output(client));
	in(":s 433 * romeo :Nickname is already in use\r\n");
	out("NICK romeo_\n");
	in(":s 433 * romeo_ :in use\r\n:s 433 * romeo__ :in use\r\n");
	out("NICK romeo__\nNICK romeo___\n");
	in(":s 001 romeo___ :Welcome\r\n:s 422 romeo___ :none\r\n");
	told("UP nick=romeo___\n");
	/* The ghost of our last connection has it: asked for again now and then, and when it goes. */
	later(59000);
	out("");
	later(1000);
	out("NICK romeo\n");
	in(":s 433 romeo___ romeo :in use\r\n");
	told("");
	in(":romeo!r@h QUIT :Ping timeout\r\n");
	out("NICK romeo\n");
	in(":romeo___!r@h NICK romeo\r\n");
	told("OWN_NICK nick=romeo___ other=romeo\n");
	assert_string_equal(irc_client_nick(client), "romeo");
	later(50000);
	out("");
}

static void
test_no_nick_at_all(void **state)
{
	(void)state;
	irc_client_connected(client, true, now);
	for (int i = 0; i < 20; i++)
		in(":s 433 * x :in use\r\n");
	told("CLOSED: the server takes no nick that we try\n");
}

static void
test_nick_order(void **state)
{
	struct err e;

	(void)state;
	log_in("", "X=1");
	assert_int_equal(irc_client_set_nick(client, "tybalt", &e), 0);
	later(0);
	out("NICK tybalt\n");
	in(":s 433 romeo tybalt :in use\r\n");
	told("NICK_REFUSED nick=tybalt code=433: in use\n");
	assert_int_equal(irc_client_set_nick(client, "ben volio", &e), -1);
	assert_int_equal(irc_client_set_nick(client, "benvolio", &e), 0);
	later(0);
	out("NICK benvolio\n");
	in(":romeo!r@h NICK :benvolio\r\n");
	told("OWN_NICK nick=romeo other=benvolio\n");
}

static void
test_silent_servers(void **state)
{
	(void)state;
	irc_client_connected(client, true, now);
	assert_int_equal(irc_client_due(client), now + 20000);
	later(20000);
	told("CLOSED: the server does not let us in\n");
	irc_client_lost(client, "closed", now);
	assert_int_equal(irc_client_due(client), INT64_MAX);

	log_in("", "X=1");
	later(59999);
	out("");
	later(1);
	out("PING chancery-1\n");
	in("PONG s :something else\r\n");
	later(29999);
	told("");
	later(1);
	told("CLOSED: the server does not answer\n");
}

static void
test_ping_answered(void **state)
{
	(void)state;
	log_in("", "X=1");
	later(60000);
	out("PING chancery-1\n");
	in(":s PONG s :chancery-1\r\n");
	later(30000);
	told("");
	out("");
	later(30000);
	out("PING chancery-2\n");
	/* That one has not been said. */
	in(":s PONG s :chancery-99999\r\n");
	later(30000);
	told("CLOSED: the server does not answer\n");
}

static void
test_say(void **state)
{
	struct err e;

	(void)state;
	log_in("", "X=1");
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, "But, soft!", &e), 0);
	assert_int_equal(irc_client_say(client, 2, "juliet", IRC_ACTION, "waits", &e), 0);
	assert_int_equal(irc_client_say(client, 3, "#garden", IRC_PRIVMSG, "two\n\nlines\r\n", &e), 0);
	later(0);
	out("PRIVMSG juliet :But, soft!\nPING chancery-1\nPRIVMSG juliet :\1ACTION waits\1\nPRIVMSG #garden :two\nPRIVMSG #garden :lines\nPING chancery-2\n");
	told("");
	in(":s 404 romeo #garden :Cannot send to channel\r\n:s 404 romeo #garden :Cannot send to channel\r\n");
	told("FAILED ref=3 code=404: Cannot send to channel\n");
	in(":s PONG s chancery-2\r\n");
	told("SENT ref=1\nSENT ref=2\n");
}

static void
test_say_refused(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, "x", &e), -1);
	log_in("", "X=1");
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, "\n\r\n", &e), -1);
	assert_int_equal(irc_client_say(client, 1, "juliet nurse", IRC_PRIVMSG, "x", &e), -1);
	assert_int_equal(irc_client_say(client, 1, "juliet,nurse", IRC_PRIVMSG, "x", &e), -1);
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11", &e), -1);
	assert_string_equal(e.text, "the text has 11 lines, more than 10");
	/* The queue has an end, and nothing of a message that is too long for it is said. */
	settings.flood_burst = 0;
	for (int i = 0; i < 50; i++)
		assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, "x", &e), 0);
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, "x", &e), -1);
	assert_string_equal(e.text, "too much waits to be said there");
}

/* The server's name for us and all before the text counts: 512 bytes with CR LF. */
static void
test_long_message(void **state)
{
	struct err e;
	char text[1500], *line, *save = NULL, said[2048];
	size_t total = 0;

	(void)state;
	log_in("", "X=1");
	be_in("#garden", "romeo"); /* from our own JOIN we know how others see us */
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, text, &e), 0);
	later(0);
	snprintf(said, sizeof(said), "%s", buf_str(irc_client_output(client)));
	for (line = strtok_r(said, "\n", &save); line && *line == 'P' && line[1] == 'R'; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strlen(line) + 1, words = n - 2 - strlen("PRIVMSG juliet :");

		assert_true(strlen(":romeo!~r@our.host ") + n <= 512);
		assert_int_equal(words % 3, 0);
		total += words;
	}
	assert_int_equal(total, strlen(text));
}

static void
test_flood_protection(void **state)
{
	struct err e;

	(void)state;
	settings.flood_burst = 2;
	log_in("", "X=1");
	for (int i = 1; i <= 4; i++)
		assert_int_equal(irc_client_say(client, (uint64_t)i, "juliet", IRC_PRIVMSG, "x", &e), 0);
	later(0);
	out("PRIVMSG juliet :x\nPING chancery-1\nPRIVMSG juliet :x\nPING chancery-2\n");
	assert_int_equal(irc_client_due(client), now + 2000);
	later(1999);
	out("");
	in("PING :y\r\n"); /* is answered all the same */
	out("PONG y\n");
	later(1);
	out("PRIVMSG juliet :x\nPING chancery-3\n");
	in(":s PONG s chancery-2\r\n");
	told("SENT ref=1\nSENT ref=2\n");
	irc_client_lost(client, "reset", now);
	told("FAILED ref=3: the connection was lost; it may have arrived\nFAILED ref=4: the connection was lost\nCLOSED: reset\n");
}

static void
test_echo(void **state)
{
	struct err e;

	(void)state;
	log_in("echo-message message-tags server-time", "X=1");
	assert_int_equal(irc_client_say(client, 1, "Juliet", IRC_PRIVMSG, "a\nb", &e), 0);
	assert_int_equal(irc_client_say(client, 2, "nurse", IRC_PRIVMSG, "c", &e), 0);
	assert_int_equal(irc_client_say(client, 3, "nurse", IRC_PRIVMSG, "d", &e), 0);
	later(0);
	out("PRIVMSG Juliet :a\nPRIVMSG Juliet :b\nPRIVMSG nurse :c\nPRIVMSG nurse :d\n");
	in("@msgid=m1;time=1970-01-01T00:00:01.000Z :romeo!r@h PRIVMSG juliet :a\r\n");
	told("");
	in("@msgid=m2 :romeo!r@h PRIVMSG juliet :b\r\n");
	told("SENT ref=1 id=m1 at=1000000\n");
	in(":s 401 romeo nurse :No such nick\r\n");
	told("FAILED ref=2 code=401: No such nick\n");
	/* The last was not passed on, and nobody says why. */
	later(5000);
	out("PING chancery-1\n");
	in(":s PONG s chancery-1\r\n");
	told("FAILED ref=3 code=404: the server did not pass it on\n");
}

static void
test_messages(void **state)
{
	(void)state;
	log_in("", "X=1");
	in(":juliet!~j@h PRIVMSG romeo :ay \x02me\x02\r\n"
	   ":juliet!~j@h PRIVMSG Romeo :\1ACTION sighs\1\r\n"
	   "@msgid=z;time=1970-01-01T00:00:02Z :juliet!~j@h NOTICE romeo :gr\xfc\xdf\r\n"
	   ":NickServ!s@services NOTICE romeo :hello\r\n");
	told("MESSAGE nick=juliet!~j@h: ay me\n"
	     "MESSAGE nick=juliet!~j@h action: sighs\n"
	     "MESSAGE nick=juliet!~j@h id=z at=2000000 notice: gr\xc3\xbc\xc3\x9f\n"
	     "MESSAGE nick=NickServ!s@services notice: hello\n");
	/* Not to us, of a server, of nobody, empty. */
	in(":juliet!~j@h PRIVMSG tybalt :x\r\n:irc.example.org NOTICE romeo :x\r\nPRIVMSG romeo :x\r\n:juliet!~j@h PRIVMSG romeo :\r\n:juliet!~j@h PRIVMSG romeo\r\n"
	   ":juliet!~j@h PRIVMSG romeo :\x02\r\n:juliet!~j@h PRIVMSG #garden :x\r\n");
	told("");
}

static void
test_ctcp(void **state)
{
	(void)state;
	log_in("", "X=1");
	in(":juliet!~j@h PRIVMSG romeo :\1VERSION\1\r\n:juliet!~j@h PRIVMSG romeo :\1VERSION\1\r\n");
	out("NOTICE juliet :\1VERSION test\1\n");
	later(2000);
	in(":juliet!~j@h PRIVMSG romeo :\1PING 12 34\1\r\n:juliet!~j@h NOTICE romeo :\1VERSION x\1\r\n:juliet!~j@h PRIVMSG romeo :\1DCC SEND x\1\r\n");
	out("NOTICE juliet :\1PING 12 34\1\n");
	told("");
}

static void
test_nonsense(void **state)
{
	char text[20000];

	(void)state;
	log_in("", "X=1");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 2] = '\n';
	text[sizeof(text) - 1] = '\0';
	in(text);
	in("\x01\x02\r\n:\r\n@a :b\r\n:a\x07" "b PRIVMSG romeo :x\r\nPRIVMSG\r\n:x JOIN\r\n:x KICK\r\n:x MODE\r\n:romeo NICK\r\n:romeo JOIN\r\n:romeo PART\r\n"
	   ":x 353\r\n353\r\n:s 366\r\n:s 404\r\n:s 433\r\n:s 001\r\n:s 332 a\r\n:s 005\r\n:x TOPIC\r\n:x INVITE\r\n:x CHGHOST\r\n:x AWAY\r\nACCOUNT\r\nAUTHENTICATE\r\nBATCH\r\n");
	told("");
	out("");
	assert_true(irc_client_bad_lines(client) >= 4);
	assert_int_equal(irc_client_bad_lines(client), 0);
	in("ERROR :Closing Link: \x02killed\x02\r\nPING :not any more\r\n");
	told("CLOSED: Closing Link: killed\n");
	out("");
}

/* The error behind two messages to the same is about the second when a PING between them was answered. */
static void
test_second_refused(void **state)
{
	struct err e;

	(void)state;
	log_in("", "X=1");
	assert_int_equal(irc_client_say(client, 1, "bob", IRC_PRIVMSG, "one", &e), 0);
	assert_int_equal(irc_client_say(client, 2, "bob", IRC_PRIVMSG, "two", &e), 0);
	assert_int_equal(irc_client_say(client, 3, "rob", IRC_PRIVMSG, "three", &e), 0);
	irc_client_tick(client, now);
	out("PRIVMSG bob :one\nPING chancery-1\nPRIVMSG bob :two\nPRIVMSG rob :three\nPING chancery-2\n");
	in(":s PONG s chancery-1\r\n:s 401 romeo bob :gone\r\n:s PONG s chancery-2\r\n");
	told("SENT ref=1\nFAILED ref=2 code=401: gone\nSENT ref=3\n");
}

/* By its label an answer says what it is about, in whatever order and however many lines it comes. */
static void
test_labels(void **state)
{
	struct irc_channel *ch;
	struct err e;

	(void)state;
	log_in("echo-message batch labeled-response", "X=1");
	ch = be_in("#garden", "romeo");
	assert_int_equal(irc_client_say(client, 1, "bob", IRC_PRIVMSG, "one\ntwo", &e), 0);
	assert_int_equal(irc_client_say(client, 2, "bob", IRC_PRIVMSG, "three", &e), 0);
	assert_int_equal(irc_client_say(client, 3, "romeo", IRC_PRIVMSG, "note", &e), 0);
	assert_int_equal(irc_client_kick(client, 4, ch, "bob", "out", &e), 0);
	irc_client_tick(client, now);
	out("@label=1 PRIVMSG bob :one\n@label=2 PRIVMSG bob :two\n@label=3 PRIVMSG bob :three\n@label=4 PRIVMSG romeo :note\n@label=5 KICK #garden bob out\n"
	    "PING chancery-1\n");
	in("@label=3 :s 401 romeo bob :gone\r\n");
	told("FAILED ref=2 code=401: gone\n");
	in("@label=1 :romeo!r@h PRIVMSG bob :one\r\n@label=2;msgid=x BATCH +b labeled-response\r\n@batch=b :s 301 romeo bob :away\r\n");
	told("");
	/* To ourselves: the same line as others would hear it, and what it is the answer to. */
	in("@batch=b :romeo!r@h PRIVMSG bob :two\r\nBATCH -b\r\n@msgid=m :romeo!r@h PRIVMSG romeo :note\r\n@batch=b :romeo!r@h PRIVMSG romeo :note\r\n");
	told("SENT ref=1\n");
	in("@label=4;msgid=m :romeo!r@h PRIVMSG romeo :note\r\n@label=4 :romeo!r@h PRIVMSG romeo :note\r\n@label=x :romeo!r@h PRIVMSG romeo :note\r\n");
	told("SENT ref=3 id=m\n");
	/* 401 of an order: nobody has said anything to them. */
	in("@label=5 :s 401 romeo bob :gone\r\n:s PONG s chancery-1\r\n");
	told("FAILED ref=4 code=401: gone\n");
}

/* An answer to a question of theirs comes back as well, and is none to a message of ours. */
static void
test_ctcp_echo(void **state)
{
	struct err e;

	(void)state;
	log_in("echo-message", "X=1");
	assert_int_equal(irc_client_say(client, 1, "bob", IRC_PRIVMSG, "one", &e), 0);
	in(":bob!b@h PRIVMSG romeo :\1VERSION\1\r\n");
	out("PRIVMSG bob :one\nNOTICE bob :\1VERSION test\1\n");
	in(":romeo!r@h NOTICE bob :\1VERSION test\1\r\n");
	told("");
	in(":romeo!r@h PRIVMSG bob :one\r\n");
	told("SENT ref=1\n");
}

/* A server that cuts nicks is not asked each minute for the rest of one. */
static void
test_nick_cut(void **state)
{
	(void)state;
	settings.ping_ms = 600000;
	identity.nick = "romeomontague";
	irc_client_free(client);
	client = irc_client_new(&settings, &identity, people, note, NULL);
	irc_client_connected(client, true, now);
	in(":s 001 romeomont :Welcome\r\n:s 422 romeomont :none\r\n");
	told("UP nick=romeomont\n");
	buf_clear(irc_client_output(client));
	later(61000);
	out("");
	irc_client_lost(client, "gone", now);
	told("CLOSED: gone\n");
	/* Somebody else has what is left of it. */
	irc_client_connected(client, true, now);
	in(":s 433 * romeomontague :in use\r\n:s 001 romeomo_ :Welcome\r\n:s 005 romeomo_ NICKLEN=9 :are\r\n:s 422 romeomo_ :none\r\n");
	told("UP nick=romeomo_\n");
	buf_clear(irc_client_output(client));
	later(60000);
	out("NICK romeomontague\n");
	in(":romeomo_!r@h NICK romeomont\r\n");
	told("OWN_NICK nick=romeomo_ other=romeomont\n");
	later(60000);
	out("");
}

/* Letters that become longer in the network's charset make shorter pieces, not longer lines. */
static void
test_long_in_charset(void **state)
{
	struct err e;
	char text[901], *line, *save = NULL, said[4096];
	unsigned lines = 0;

	(void)state;
	settings.charset_out = "GB18030";
	log_in("", "X=1");
	be_in("#garden", "romeo");
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xbf", 3); /* two bytes here, four there */
	assert_int_equal(irc_client_say(client, 1, "juliet", IRC_PRIVMSG, text, &e), 0);
	later(0);
	snprintf(said, sizeof(said), "%s", buf_str(irc_client_output(client)));
	for (line = strtok_r(said, "\n", &save); line && *line == 'P' && line[1] == 'R'; line = strtok_r(NULL, "\n", &save), lines++)
		assert_true(strlen(":romeo!~r@our.host ") + strlen(line) + 1 <= 512);
	assert_int_equal(lines, 4);
}

/* What is given up before it is said is not said; what has been said has its answer. */
static void
test_take_back(void **state)
{
	struct err e;

	(void)state;
	settings.flood_burst = 2;
	log_in("", "X=1");
	assert_int_equal(irc_client_say(client, 1, "bob", IRC_PRIVMSG, "one", &e), 0);
	assert_int_equal(irc_client_say(client, 2, "bob", IRC_PRIVMSG, "two\nthree\nfour", &e), 0);
	assert_int_equal(irc_client_say(client, 3, "bob", IRC_PRIVMSG, "five", &e), 0);
	irc_client_tick(client, now);
	out("PRIVMSG bob :one\nPING chancery-1\nPRIVMSG bob :two\n");
	assert_false(irc_client_take_back(client, 1));
	assert_true(irc_client_take_back(client, 2));
	assert_false(irc_client_take_back(client, 2));
	later(2000);
	out("PRIVMSG bob :five\nPING chancery-2\n");
	in(":s PONG s chancery-2\r\n");
	told("SENT ref=1\nSENT ref=3\n");
	assert_int_equal(irc_client_due(client), now + settings.ping_ms);
}

static void
hold_at_first(void *arg, const struct irc_event *e)
{
	note(arg, e);
	if (e->kind == IRC_MESSAGE)
		irc_client_hold(client, true, now);
}

/* Being held it keeps what comes, says what there is to say, and blames nobody for the silence. */
static void
test_held(void **state)
{
	struct err e;

	(void)state;
	irc_client_free(client);
	client = irc_client_new(&settings, &identity, people, hold_at_first, NULL);
	log_in("", "X=1");
	in(":bob PRIVMSG romeo :one\r\n:bob PRIVMSG romeo :two\r\n:bob PRIVMSG rom");
	told("MESSAGE nick=bob: one\n");
	in("eo :three\r\nPING :x\r\n");
	assert_int_equal(irc_client_say(client, 1, "bob", IRC_PRIVMSG, "hold on", &e), 0);
	later(1000);
	out("PRIVMSG bob :hold on\nPING chancery-1\n");
	assert_int_equal(irc_client_due(client), INT64_MAX);
	later(10 * settings.ping_ms);
	told("");
	irc_client_hold(client, false, now);
	assert_true(irc_client_due(client) <= now);
	irc_client_tick(client, now);
	told("MESSAGE nick=bob: two\n");
	irc_client_hold(client, false, now);
	irc_client_tick(client, now);
	told("MESSAGE nick=bob: three\n");
	out("");
	irc_client_hold(client, false, now);
	irc_client_tick(client, now);
	out("PONG x\n");
	in(":s PONG s chancery-1\r\n");
	told("SENT ref=1\n");
}

/* A silent login is not looked at before it is over; what people say behind 001 is heard; an id that is too long is none. */
static void
test_between(void **state)
{
	char line[600];

	(void)state;
	settings.ping_ms = 100;
	irc_client_connected(client, true, now);
	now += 5000;
	assert_int_equal(irc_client_due(client), now - 5000 + settings.login_ms);
	in(":s 001 romeo :Welcome\r\n:bob!b@h PRIVMSG romeo :early\r\n:#room!b@h PRIVMSG romeo :no\r\n");
	told("MESSAGE nick=bob!b@h: early\n");
	memset(line, 'i', sizeof(line));
	memcpy(line, "@msgid=", 7);
	strcpy(line + 400, " :bob PRIVMSG romeo :x\r\n");
	in(line);
	told("MESSAGE nick=bob: x\n");
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_login_plain_server), TEST(test_login_capabilities), TEST(test_login_capability_refused), TEST(test_sasl_plain),
		TEST(test_sasl_chunks), TEST(test_sasl_external), TEST(test_sasl_external_falls_back), TEST(test_sasl_external_not_offered), TEST(test_sasl_unasked), TEST(test_sasl_fails_closed), TEST(test_nick_in_use), TEST(test_no_nick_at_all),
		TEST(test_nick_order), TEST(test_silent_servers), TEST(test_ping_answered), TEST(test_say), TEST(test_say_refused),
		TEST(test_long_message), TEST(test_flood_protection), TEST(test_echo), TEST(test_messages), TEST(test_ctcp), TEST(test_nonsense),
		TEST(test_second_refused), TEST(test_labels), TEST(test_ctcp_echo), TEST(test_nick_cut), TEST(test_long_in_charset), TEST(test_take_back), TEST(test_held), TEST(test_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
