/* client: the connection's life, and who handles which line. */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "client_state.h"

struct irc_client *
irc_client_new(const struct irc_settings *settings, const struct irc_identity *who, struct irc_people *people, irc_event_fn fn, void *arg)
{
	struct irc_client *c = NEW(struct irc_client);

	c->set = settings;
	c->who = who;
	c->people = people;
	c->fn = fn;
	c->arg = arg;
	c->wanted = mem_strdup(who->nick);
	c->in.limit = settings->line_bytes;
	list_init(&c->queue);
	list_init(&c->pending);
	list_init(&c->watches);
	return c;
}

void
irc_client_free(struct irc_client *c)
{
	if (!c)
		return;
	irc_outgoing_drop(c);
	irc_watch_end(c);
	while (c->channels)
		irc_channel_drop(c, c->channels);
	irc_reader_fini(&c->in);
	buf_fini(&c->rest);
	buf_fini(&c->out);
	buf_fini(&c->line);
	free(c->nick);
	free(c->wanted);
	free(c->address);
	free(c);
}

void
irc_emit(struct irc_client *c, struct irc_event *e)
{
	c->fn(c->arg, e);
}

void
irc_client_connected(struct irc_client *c, bool tls, int64_t now)
{
	irc_reader_fini(&c->in);
	buf_clear(&c->out);
	irc_isupport_init(&c->is);
	c->state = IRC_LOGIN;
	c->tls = tls;
	c->forever = false;
	c->now = c->since = c->heard = c->credit_at = now;
	c->credit = (int64_t)c->set->flood_burst * c->set->flood_ms;
	c->ping_said = c->ping_heard = 0;
	c->ping_since = 0;
	c->batch_label = 0;
	irc_login_begin(c);
}

/* What is true without a connection. */
static void
forget_connection(struct irc_client *c)
{
	for (struct irc_channel *ch = c->channels; ch; ch = ch->next) {
		ch->state = IRC_CHANNEL_WANTED;
		ch->asked = 0;
		ch->naming = ch->listen = false;
		irc_channel_clear(ch);
	}
	free(c->address);
	c->address = NULL;
	irc_reader_fini(&c->in);
	buf_fini(&c->rest);
}

static void
end(struct irc_client *c, enum irc_state state, bool forever, const char *why)
{
	struct irc_event e = { .kind = IRC_CLOSED, .text = why, .forever = forever };

	if (c->state == IRC_OFF || c->state == IRC_OVER) {
		if (state == IRC_OFF)
			c->state = IRC_OFF;
		return;
	}
	c->state = state;
	irc_outgoing_end(c);
	irc_watch_lost(c);
	forget_connection(c);
	irc_emit(c, &e);
}

void
irc_over(struct irc_client *c, bool forever, const char *fmt, ...)
{
	char why[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	irc_text_plain(why);
	end(c, IRC_OVER, forever, why);
}

void
irc_client_lost(struct irc_client *c, const char *why, int64_t now)
{
	c->now = now;
	end(c, IRC_OFF, false, why);
	buf_fini(&c->out);
}

/*
 * What is said in a channel that another connection of ours hears: most of what a connection is told, where many of us are in the same channels. So it is let go before anything
 * is made of it. Whatever is not surely of that kind (a line of our own, which may be the answer to what we said) is read like all others.
 */
static bool
is_heard_elsewhere(struct irc_client *c, const char *line)
{
	const char *nick, *command, *target;
	enum irc_casemapping how = c->is.casemapping;
	size_t n;

	if (*line == '@' && !(line = strchr(line, ' ')))
		return false;
	line += strspn(line, " ");
	if (*line != ':' || c->state != IRC_ON)
		return false;
	nick = line + 1;
	n = strcspn(nick, "!@ ");
	command = strchr(nick + n, ' ');
	if (!command || strncmp(command, " PRIVMSG ", 9) || (c->nick && irc_same_n(how, nick, n, c->nick)))
		return false;
	target = command + 9;
	n = strcspn(target, " ");
	for (const struct irc_channel *ch = c->channels; ch; ch = ch->next)
		if (irc_same_n(how, target, n, ch->name))
			return !ch->listen;
	return false;
}

static void
take_line(struct irc_client *c, char *text, struct buf *scratch)
{
	struct irc_line l;

	if (is_heard_elsewhere(c, text))
		return;
	text = irc_text_decode(text, c->set->charset, scratch);
	if (irc_line_parse(&l, text) || (l.from.nick && !irc_name_is_sane(l.from.nick))) {
		c->bad++;
		return;
	}
	/* Both may know it: a nick that is in use, say. */
	if (!irc_login_take(c, &l))
		(void)!irc_incoming_take(c, &l);
}

void
irc_client_input(struct irc_client *c, char *p, size_t n, int64_t now)
{
	struct buf scratch = { 0 }, kept = c->rest;
	char *line;

	c->now = c->heard = now;
	c->rest = (struct buf){ 0 };
	if (buf_len(&kept)) {
		if (n)
			buf_add(&kept, p, n);
		p = (char *)buf_data(&kept);
		n = buf_len(&kept);
	}
	while (!c->held && c->state != IRC_OFF && c->state != IRC_OVER && (line = irc_reader_next(&c->in, &p, &n)))
		take_line(c, line, &scratch);
	if (n && c->state != IRC_OFF && c->state != IRC_OVER)
		buf_add(&c->rest, p, n);
	buf_fini(&kept);
	c->bad += (unsigned)c->in.too_long;
	c->in.too_long = 0;
	buf_fini(&scratch);
	irc_flush(c);
}

void
irc_client_hold(struct irc_client *c, bool hold, int64_t now)
{
	if (c->held == hold)
		return;
	c->held = hold;
	/* What was not heard meanwhile is not the server's fault. */
	c->now = c->heard = c->since = now;
	if (c->ping_since)
		c->ping_since = now;
	for (struct irc_channel *ch = c->channels; ch; ch = ch->next)
		ch->since = now;
}

/* A server that does not tell who is there, or whether we are. */
static void
tick_channels(struct irc_client *c)
{
	struct irc_channel *next;

	for (struct irc_channel *ch = c->channels; ch; ch = next) {
		next = ch->next;
		if (ch->asked || c->now < ch->since + c->set->answer_ms)
			continue;
		if (ch->state == IRC_CHANNEL_JOINING)
			irc_join_refused(c, ch, 0, "the server does not answer");
		else if (ch->state == IRC_CHANNEL_NAMES || ch->naming)
			irc_names_end(c, ch);
		else
			continue;
		return; /* the list may be another; the next tick is due at once */
	}
}

void
irc_client_tick(struct irc_client *c, int64_t now)
{
	c->now = now;
	if (c->state == IRC_OFF || c->state == IRC_OVER)
		return;
	if (c->held) {
		irc_flush(c);
		return;
	}
	if (buf_len(&c->rest)) {
		irc_client_input(c, NULL, 0, now);
		if (c->state == IRC_OFF || c->state == IRC_OVER || c->held)
			return;
	}
	irc_login_tick(c);
	if (c->ping_since && now >= c->ping_since + c->set->answer_ms) {
		irc_over(c, false, "the server does not answer");
		return;
	}
	if (c->state == IRC_ON) {
		if (!c->ping_since && now >= c->heard + c->set->ping_ms)
			irc_ping(c);
		tick_channels(c);
	}
	irc_flush(c);
	irc_watch_tick(c);
	irc_flush(c);
}

static void
sooner(int64_t *due, int64_t at)
{
	if (at < *due)
		*due = at;
}

int64_t
irc_client_due(const struct irc_client *c)
{
	int64_t due = INT64_MAX;

	if (c->state == IRC_OFF || c->state == IRC_OVER)
		return due;
	sooner(&due, irc_flush_due(c));
	if (c->held)
		return due;
	if (buf_len(&c->rest))
		return c->now;
	sooner(&due, irc_login_due(c));
	sooner(&due, irc_watch_due(c));
	if (c->ping_since)
		sooner(&due, c->ping_since + c->set->answer_ms);
	else if (c->state == IRC_ON)
		sooner(&due, c->heard + c->set->ping_ms);
	for (const struct irc_channel *ch = c->channels; ch; ch = ch->next)
		if (!ch->asked && (ch->state == IRC_CHANNEL_JOINING || ch->state == IRC_CHANNEL_NAMES || ch->naming))
			sooner(&due, ch->since + c->set->answer_ms);
	return due;
}

struct buf *
irc_client_output(struct irc_client *c)
{
	return &c->out;
}

bool
irc_client_is_up(const struct irc_client *c)
{
	return c->state == IRC_ON;
}

bool
irc_client_is_over(const struct irc_client *c)
{
	return c->state == IRC_OVER;
}

const char *
irc_client_nick(const struct irc_client *c)
{
	return c->nick ? c->nick : c->wanted;
}

const struct irc_isupport *
irc_client_isupport(const struct irc_client *c)
{
	return &c->is;
}

unsigned
irc_client_bad_lines(struct irc_client *c)
{
	unsigned n = c->bad;

	c->bad = 0;
	return n;
}

bool
irc_is_us(const struct irc_client *c, const char *nick)
{
	return nick && c->nick && irc_same(c->is.casemapping, nick, c->nick);
}

void
irc_set_own_nick(struct irc_client *c, const char *nick)
{
	struct irc_event e = { .kind = IRC_OWN_NICK };
	char *old = c->nick;

	c->nick = mem_strdup(nick);
	e.nick = old;
	e.other = c->nick;
	if (c->state == IRC_ON && old && strcmp(old, nick))
		irc_emit(c, &e);
	free(old);
}

struct irc_channel *
irc_channel_find(struct irc_client *c, const char *name)
{
	struct irc_channel *ch = c->channels;

	while (ch && !irc_same(c->is.casemapping, ch->name, name))
		ch = ch->next;
	return ch;
}

struct irc_channel *
irc_client_channel(struct irc_client *c, const char *name)
{
	return irc_channel_find(c, name);
}

struct irc_channel *
irc_client_channels(struct irc_client *c)
{
	return c->channels;
}

void
irc_channel_drop(struct irc_client *c, struct irc_channel *ch)
{
	struct irc_channel **at = &c->channels;

	while (*at != ch)
		at = &(*at)->next;
	*at = ch->next;
	c->nchannels--;
	irc_channel_free(ch);
}
