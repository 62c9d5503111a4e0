/* A client of IRC with a clock that the test moves, whose events are written down as text, a line each. */
#ifndef TEST_GATEWAY_IRC_CLIENT_H
#define TEST_GATEWAY_IRC_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway_irc/client.h"

static struct irc_settings settings;
static struct irc_identity identity;
static struct irc_people *people;
static struct irc_client *client;
static struct buf events;
static int64_t now;
static bool deaf; /* channels that are entered do not listen */

static void
note(void *arg, const struct irc_event *e)
{
	static const char *const names[] = { "UP", "CLOSED", "OWN_NICK", "NICK_REFUSED", "ENTERED", "JOINED", "NAMED", "REFUSED", "LEFT", "IN", "OUT",
		"RENAMED", "RANKED", "TOPIC", "MESSAGE", "SENT", "FAILED", "INVITED", "PRESENT", "ABSENT",
		"PASSWORD_INSTEAD" };
	static const char *const says[] = { "", " notice", " action" };

	(void)arg;
	if (e->kind == IRC_ENTERED) {
		e->channel->listen = !deaf;
		return;
	}
	buf_adds(&events, names[e->kind]);
	if (e->channel)
		buf_addf(&events, " channel=%s", e->channel->name);
	if (e->nick)
		buf_addf(&events, " nick=%s", e->nick);
	if (e->address)
		buf_addf(&events, "!%s", e->address);
	if (e->other)
		buf_addf(&events, " other=%s", e->other);
	if (e->ref)
		buf_addf(&events, " ref=%d", (int)e->ref);
	if (e->code)
		buf_addf(&events, " code=%u", e->code);
	if (e->id)
		buf_addf(&events, " id=%s", e->id);
	if (e->at)
		buf_addf(&events, " at=%lld", (long long)e->at);
	if (e->away)
		buf_adds(&events, " away");
	if (e->forever)
		buf_adds(&events, " forever");
	buf_adds(&events, says[e->say]);
	if (e->text)
		buf_addf(&events, ": %s", e->text);
	buf_addc(&events, '\n');
}

static int
setup(void **state)
{
	(void)state;
	settings = (struct irc_settings){
		.version = "test", .flood_burst = 20, .flood_ms = 1000, .queue_lines = 50, .message_lines = 10, .ping_ms = 60000, .answer_ms = 30000,
		.login_ms = 20000, .line_bytes = 9216, .channels = 5, .members = 100,
	};
	identity = (struct irc_identity){ .nick = "romeo", .user = "romeo", .realname = "Romeo Montague" };
	people = irc_people_new();
	now = 1000;
	deaf = false;
	client = irc_client_new(&settings, &identity, people, note, NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	irc_client_free(client);
	assert_int_equal(irc_people_count(people), 0);
	irc_people_free(people);
	buf_fini(&events);
	return 0;
}

/* The server says these lines. */
static void
in(const char *text)
{
	char *copy = strdup(text);

	irc_client_input(client, copy, strlen(copy), now);
	free(copy);
}

/* What we have said since, with LF for CR LF. */
static void
out(const char *want)
{
	struct buf *b = irc_client_output(client);
	char *got, *to;

	got = to = strdup(buf_str(b));
	for (const char *p = got; *p; p++)
		if (*p != '\r')
			*to++ = *p;
	*to = '\0';
	assert_string_equal(got, want);
	free(got);
	buf_consume(b, buf_len(b));
	buf_clear(b);
}

static void
told(const char *want)
{
	assert_string_equal(buf_str(&events), want);
	buf_clear(&events);
}

static void
later(int64_t ms)
{
	now += ms;
	irc_client_tick(client, now);
}

/* Logged in, with these capabilities and tokens of 005; all of it forgotten. */
static void
log_in(const char *caps, const char *tokens)
{
	char text[1024];

	irc_client_connected(client, true, now);
	snprintf(text, sizeof(text), ":s CAP * LS :%s\r\n:s CAP romeo ACK :%s\r\n:s 001 romeo :Welcome\r\n:s 005 romeo %s :are supported\r\n:s 422 romeo :none\r\n",
		 caps, caps, tokens);
	in(text);
	buf_consume(irc_client_output(client), buf_len(irc_client_output(client)));
	assert_true(irc_client_is_up(client));
	buf_clear(&events);
}

/* In a channel with these names, all of it forgotten. */
static inline struct irc_channel *
be_in(const char *channel, const char *names)
{
	struct err e;
	char text[1024];

	assert_int_equal(irc_client_join(client, channel, NULL, NULL, &e), 0);
	snprintf(text, sizeof(text), ":romeo!~r@our.host JOIN %s\r\n:s 353 romeo = %s :%s\r\n:s 366 romeo %s :End\r\n", channel, channel, names, channel);
	in(text);
	irc_client_tick(client, now);
	buf_consume(irc_client_output(client), buf_len(irc_client_output(client)));
	buf_clear(&events);
	return irc_client_channel(client, channel);
}

#endif
