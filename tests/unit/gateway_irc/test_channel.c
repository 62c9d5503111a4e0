/* The client of IRC in channels: who is there, what happens there, what is refused. */
#include "client.h"

/* "nick:ranks", sorted, of who is there. */
static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
there(struct irc_channel *ch, const char *want)
{
	char *names[100], text[64];
	struct buf got = { 0 };

	for (unsigned i = 0; i < ch->n; i++) {
		snprintf(text, sizeof(text), "%s:%u", ch->who[i]->nick, ch->ranks[i]);
		names[i] = strdup(text);
	}
	qsort(names, ch->n, sizeof(names[0]), compare);
	for (unsigned i = 0; i < ch->n; i++) {
		buf_addf(&got, i ? " %s" : "%s", names[i]);
		free(names[i]);
	}
	assert_string_equal(buf_str(&got), want);
	buf_fini(&got);
}

static void
test_join(void **state)
{
	struct irc_channel *ch;
	struct err e;

	(void)state;
	assert_int_equal(irc_client_join(client, "#Garden", NULL, client, &e), 0);
	log_in("", "PREFIX=(qaohv)~&@%+");
	/* What was wanted before there was a connection is joined when there is one. */
	ch = irc_client_channel(client, "#gardeN");
	assert_ptr_equal(ch->arg, client);
	assert_int_equal(ch->state, IRC_CHANNEL_JOINING);
	in(":romeo!~r@h JOIN #garden\r\n:s 332 romeo #garden :Capulet's \x02orchard\x02\r\n:s 353 romeo = #garden :romeo @juliet &+nurse\r\n");
	told("");
	in(":s 353 romeo = #garden :%tybalt!t@h\r\n:paris!p@h JOIN #garden\r\n:s 366 romeo #garden :End of NAMES\r\n");
	told("JOINED channel=#Garden nick=romeo\n");
	assert_string_equal(ch->topic, "Capulet's orchard");
	there(ch, "juliet:4 nurse:18 paris:0 romeo:0 tybalt:8");
	in(":s 366 romeo #garden :once more\r\n:s 353 romeo = #garden :ghost\r\n:romeo!~r@h JOIN #garden\r\n");
	told("");
}

static void
test_changes(void **state)
{
	struct irc_channel *ch;

	(void)state;
	log_in("away-notify extended-join", "PREFIX=(ohv)@%+ CHANMODES=beI,k,l,imnpst");
	ch = be_in("#garden", "romeo @juliet");
	in(":nurse!n@h JOIN #garden nurseacc :The Nurse\r\n:nurse!n@h JOIN #garden\r\n");
	told("IN channel=#garden nick=nurse!n@h\n");
	assert_string_equal(irc_person_find(people, IRC_CASE_RFC1459, "nurse")->account, "nurseacc");
	in(":juliet!j@h MODE #garden +bklov-h *!*@x key 5 nurse NURSE romeo\r\n");
	told("RANKED channel=#garden nick=nurse!n@h\nRANKED channel=#garden nick=nurse!n@h\nRANKED channel=#garden nick=romeo\n");
	there(ch, "juliet:1 nurse:5 romeo:0");
	in(":nurse!n@h AWAY :asleep\r\n");
	told("RANKED channel=#garden nick=nurse!n@h\n");
	assert_true(irc_person_find(people, IRC_CASE_RFC1459, "nurse")->away);
	in(":nurse!n@h NICK Angelica\r\n");
	told("RENAMED channel=#garden nick=nurse other=Angelica\n");
	there(ch, "Angelica:5 juliet:1 romeo:0");
	assert_true(irc_person_find(people, IRC_CASE_RFC1459, "angelica")->away);
	in(":Angelica!n@h NICK ANGELICA\r\n");
	told("RENAMED channel=#garden nick=Angelica other=ANGELICA\n");
	there(ch, "ANGELICA:5 juliet:1 romeo:0");
	in(":juliet!j@h TOPIC #garden :\r\n:juliet!j@h TOPIC #garden :night\r\n");
	told("TOPIC channel=#garden nick=juliet: \nTOPIC channel=#garden nick=juliet: night\n");
	in(":juliet!j@h KICK #garden angelica :be gone\r\n");
	told("OUT channel=#garden nick=angelica other=juliet: be gone\n");
	in(":juliet!j@h PART #garden :good night\r\n:juliet!j@h PART #garden\r\n");
	told("OUT channel=#garden nick=juliet!j@h: good night\n");
	in(":romeo!~r@our.host NICK romeo2\r\n");
	told("RENAMED channel=#garden nick=romeo other=romeo2\nOWN_NICK nick=romeo other=romeo2\n");
	there(ch, "romeo2:0");
}

static void
test_netsplit(void **state)
{
	struct irc_channel *ch;

	(void)state;
	log_in("batch", "X=1");
	ch = be_in("#a", "romeo juliet nurse");
	be_in("#b", "romeo juliet");
	in("BATCH +x netsplit one.example two.example\r\n@batch=x :juliet!j@h QUIT :one.example two.example\r\n@batch=x :nurse!n@h QUIT :one.example two.example\r\nBATCH -x\r\n");
	told("OUT channel=#b nick=juliet!j@h: one.example two.example\n"
	     "OUT channel=#a nick=juliet!j@h: one.example two.example\n"
	     "OUT channel=#a nick=nurse!n@h: one.example two.example\n");
	there(ch, "romeo:0");
	assert_int_equal(irc_people_count(people), 1);
}

static void
test_messages(void **state)
{
	(void)state;
	log_in("message-tags server-time", "STATUSMSG=@+");
	be_in("#garden", "romeo juliet");
	in("@msgid=a :juliet!j@h PRIVMSG #GARDEN :hi\r\n:juliet!j@h PRIVMSG @#garden :ops\r\n:juliet!j@h NOTICE #garden :n\r\n:romeo!r@h PRIVMSG #garden :ourselves\r\n");
	told("MESSAGE channel=#garden nick=juliet!j@h id=a: hi\nMESSAGE channel=#garden nick=juliet!j@h: ops\nMESSAGE channel=#garden nick=juliet!j@h notice: n\n");
}

static void
test_leaving(void **state)
{
	struct err e;

	(void)state;
	log_in("", "X=1");
	be_in("#a", "romeo juliet");
	be_in("#b", "romeo");
	in(":juliet!j@h KICK #a romeo :out\r\n");
	told("LEFT channel=#a other=juliet: out\n");
	assert_null(irc_client_channel(client, "#a"));
	irc_client_part(client, irc_client_channel(client, "#b"), "bye now");
	later(0);
	out("PART #b :bye now\n");
	in(":romeo!r@h PART #b :bye now\r\n");
	told("");
	/* One that nobody wants. */
	in(":romeo!r@h JOIN #forced\r\n");
	out("PART #forced\n");
	told("");
	assert_int_equal(irc_people_count(people), 0);
	assert_int_equal(irc_client_join(client, "#b", NULL, NULL, &e), 0);
}

/* What else is said meanwhile gives a server that does not answer no more time; what waits to be said takes none. */
static void
test_join_unanswered(void **state)
{
	struct err e;

	(void)state;
	settings.flood_burst = 1;
	log_in("echo-message", "X=1");
	now += 1000;
	assert_int_equal(irc_client_say(client, 1, "bob", IRC_PRIVMSG, "one", &e), 0);
	assert_int_equal(irc_client_join(client, "#silent", NULL, NULL, &e), 0);
	irc_client_tick(client, now);
	out("PRIVMSG bob :one\n");
	in(":romeo!r@h PRIVMSG bob :one\r\n");
	told("SENT ref=1\n");
	later(1000);
	out("JOIN #silent\n");
	for (int i = 2; i < 31; i++) {
		assert_int_equal(irc_client_say(client, (uint64_t)i, "bob", IRC_PRIVMSG, "more", &e), 0);
		later(1000);
		in(":romeo!r@h PRIVMSG bob :more\r\n");
		buf_clear(&events);
	}
	later(999);
	told("");
	later(1);
	told("REFUSED channel=#silent: the server does not answer\n");
}

static void
test_join_refused(void **state)
{
	struct err e;

	(void)state;
	log_in("", "X=1");
	assert_int_equal(irc_client_join(client, "#secret", "key", NULL, &e), 0);
	assert_int_equal(irc_client_join(client, "#banned", NULL, NULL, &e), 0);
	assert_int_equal(irc_client_join(client, "#silent", NULL, NULL, &e), 0);
	later(0);
	out("JOIN #secret key\nJOIN #banned\nJOIN #silent\n");
	in(":s 475 romeo #secret :Cannot join channel (+k)\r\n:s 474 romeo #banned :Cannot join channel (+b)\r\n");
	told("REFUSED channel=#secret code=475: Cannot join channel (+k)\nREFUSED channel=#banned code=474: Cannot join channel (+b)\n");
	later(30000);
	told("REFUSED channel=#silent: the server does not answer\n");
	assert_null(irc_client_channels(client));

	assert_int_equal(irc_client_join(client, "garden", NULL, NULL, &e), -1);
	assert_int_equal(irc_client_join(client, "#a,#b", NULL, NULL, &e), -1);
	assert_int_equal(irc_client_join(client, "#a b", NULL, NULL, &e), -1);
	assert_int_equal(irc_client_join(client, "#a", "k,l", NULL, &e), -1);
	for (int i = 0; i < 5; i++) {
		char name[8];

		snprintf(name, sizeof(name), "#%d", i);
		assert_int_equal(irc_client_join(client, name, NULL, NULL, &e), 0);
	}
	assert_int_equal(irc_client_join(client, "#5", NULL, NULL, &e), -1);
	assert_int_equal(irc_client_join(client, "#0", NULL, NULL, &e), -1);
}

static void
test_rejoin(void **state)
{
	struct irc_channel *ch;
	struct err e;

	(void)state;
	log_in("", "X=1");
	ch = be_in("#a", "romeo juliet");
	assert_int_equal(irc_client_join(client, "#b", "key", NULL, &e), 0);
	irc_client_lost(client, "reset", now);
	told("CLOSED: reset\n");
	assert_int_equal(ch->n, 0);
	assert_int_equal(irc_people_count(people), 0);
	irc_client_connected(client, true, now);
	in(":s 001 romeo :Welcome\r\n:s 422 romeo :none\r\n");
	assert_non_null(strstr(buf_str(irc_client_output(client)), "JOIN #b key\r\nJOIN #a\r\n"));
	in(":romeo!r@h JOIN #a\r\n:s 353 romeo = #a :romeo\r\n:s 366 romeo #a :End\r\n");
	told("UP nick=romeo\nJOINED channel=#a nick=romeo\n");
	there(ch, "romeo:0");
}

/* Who is there is another connection's business, until it is ours. */
static void
test_listen(void **state)
{
	struct irc_channel *ch;

	(void)state;
	log_in("", "X=1");
	deaf = true;
	ch = be_in("#a", "romeo juliet nurse");
	assert_int_equal(ch->n, 0);
	in(":juliet!j@h PRIVMSG #a :x\r\n:paris!p@h JOIN #a\r\n:juliet!j@h PART #a\r\n:nurse!n@h TOPIC #a :t\r\n:nurse!n@h MODE #a +o romeo\r\n");
	told("");
	irc_client_listen(client, ch);
	later(0);
	out("TOPIC #a\nNAMES #a\n");
	in(":s 332 romeo #a :t\r\n:s 353 romeo = #a :@romeo nurse paris\r\n:nurse!n@h QUIT :bye\r\n:nurse!n@h PRIVMSG #a :heard\r\n:s 366 romeo #a :End\r\n");
	told("MESSAGE channel=#a nick=nurse!n@h: heard\nNAMED channel=#a nick=romeo\n");
	there(ch, "paris:0 romeo:1");
	assert_string_equal(ch->topic, "t");
	in(":paris!p@h PART #a\r\n");
	told("OUT channel=#a nick=paris!p@h\n");
}

/* Of channels that others hear our own lines are read all the same: they say that what we said has been taken. */
static void
test_own_where_others_listen(void **state)
{
	struct err e;

	(void)state;
	log_in("echo-message message-tags", "X=1");
	deaf = true;
	be_in("#a", "romeo juliet");
	assert_int_equal(irc_client_say(client, 7, "#a", IRC_PRIVMSG, "hello", &e), 0);
	later(0);
	out("PRIVMSG #a :hello\n");
	in("@account=juliet :juliet!j@h PRIVMSG #a :x\r\n:romeo2!r@h PRIVMSG #a :hello\r\n:rome!r@h PRIVMSG #a :hello\r\n:juliet!j@h PRIVMSG romeo :y\r\n");
	told("MESSAGE nick=juliet!j@h: y\n");
	in("@msgid=1 :ROMEO!r@h PRIVMSG #A :hello\r\n");
	told("SENT ref=7 id=1\n");
}

static void
test_orders(void **state)
{
	struct irc_channel *ch;
	struct err e;

	(void)state;
	log_in("", "TOPICLEN=10");
	ch = be_in("#a", "@romeo juliet");
	assert_int_equal(irc_client_topic(client, 1, ch, "a\nlong topic", &e), 0);
	assert_int_equal(irc_client_kick(client, 2, ch, "juliet", "", &e), 0);
	assert_int_equal(irc_client_kick(client, 3, ch, "juliet capulet", "x", &e), -1);
	assert_int_equal(irc_client_mode(client, 4, ch, "+b", "*!*@h", &e), 0);
	assert_int_equal(irc_client_mode(client, 4, ch, "+b", "x y", &e), -1);
	assert_int_equal(irc_client_away(client, "asleep now", &e), 0);
	assert_int_equal(irc_client_away(client, NULL, &e), 0);
	later(0);
	out("TOPIC #a :a long\nPING chancery-1\nKICK #a juliet juliet\nPING chancery-2\nMODE #a +b *!*@h\nAWAY :asleep now\nAWAY\nPING chancery-3\n");
	in(":s 482 romeo #a :You're not channel operator\r\n:juliet!j@h INVITE romeo #balcony\r\n");
	told("FAILED ref=1 code=482: You're not channel operator\nINVITED nick=juliet!j@h: #balcony\n");
	in(":s 441 romeo juliet #a :They aren't on that channel\r\n:s PONG s :chancery-3\r\n");
	told("FAILED ref=2 code=441: They aren't on that channel\nSENT ref=4\n");
}

static void
test_members_are_bounded(void **state)
{
	struct irc_channel *ch;

	(void)state;
	settings.members = 3;
	log_in("", "X=1");
	ch = be_in("#a", "romeo a b c d e f");
	assert_int_equal(ch->n, 3);
	in(":g!g@h JOIN #a\r\n");
	told("");
}

static void
test_same_person_once(void **state)
{
	struct irc_client *other = client;

	(void)state;
	log_in("", "X=1");
	be_in("#a", "romeo juliet nurse");
	client = irc_client_new(&settings, &identity, people, note, NULL);
	log_in("", "X=1");
	be_in("#a", "romeo juliet nurse");
	assert_int_equal(irc_people_count(people), 3);
	irc_client_free(other);
	assert_int_equal(irc_people_count(people), 3);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_join), TEST(test_changes), TEST(test_netsplit), TEST(test_messages), TEST(test_leaving), TEST(test_join_unanswered), TEST(test_join_refused),
		TEST(test_rejoin), TEST(test_listen), TEST(test_own_where_others_listen), TEST(test_orders), TEST(test_members_are_bounded), TEST(test_same_person_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
