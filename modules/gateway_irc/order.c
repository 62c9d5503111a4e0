/* order: what else is to be done: channels, nick, absence. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "client_state.h"

#define JOIN_BYTES 400 /* of channels' names and keys in one line */

static int
later(int rc, struct err *e)
{
	return rc ? err_set(e, 416, "it cannot be said in a line, or too much waits") : 0;
}

static int
up(const struct irc_client *c, const struct irc_channel *ch, struct err *e)
{
	if (c->state != IRC_ON || (ch && ch->state < IRC_CHANNEL_NAMES))
		return err_set(e, 0, "there is no connection");
	return 0;
}

static void
joining(struct irc_client *c, struct irc_channel *ch)
{
	ch->state = IRC_CHANNEL_JOINING;
	ch->since = c->now;
}

/* The channels that `names` asks for: time begins when that line has gone. */
static void
join(struct irc_client *c, const char *names, const char *key)
{
	int rc = key ? irc_later(c, "JOIN", names, key) : irc_later(c, "JOIN", names);

	for (struct irc_channel *ch = c->channels; ch; ch = ch->next)
		if (ch->asked == UINT64_MAX)
			ch->asked = rc ? 0 : c->lines;
}

/* As many as fit into a line; those with a key go by themselves, before them. */
void
irc_join_all(struct irc_client *c)
{
	struct buf names = { 0 };

	for (struct irc_channel *ch = c->channels; ch; ch = ch->next) {
		if (ch->state != IRC_CHANNEL_WANTED || !ch->key)
			continue;
		joining(c, ch);
		ch->asked = UINT64_MAX;
		join(c, ch->name, ch->key);
	}
	for (struct irc_channel *ch = c->channels; ch; ch = ch->next) {
		if (ch->state != IRC_CHANNEL_WANTED)
			continue;
		if (buf_len(&names) && buf_len(&names) + strlen(ch->name) > JOIN_BYTES) {
			join(c, buf_str(&names), NULL);
			buf_clear(&names);
		}
		joining(c, ch);
		ch->asked = UINT64_MAX;
		if (buf_len(&names))
			buf_addc(&names, ',');
		buf_adds(&names, ch->name);
	}
	if (buf_len(&names))
		join(c, buf_str(&names), NULL);
	buf_fini(&names);
}

void
irc_join_refused(struct irc_client *c, struct irc_channel *ch, unsigned code, const char *text)
{
	struct irc_event e = { .kind = IRC_REFUSED, .channel = ch, .code = code, .text = text };

	irc_emit(c, &e);
	irc_channel_drop(c, ch);
}

int
irc_client_join(struct irc_client *c, const char *channel, const char *key, void *arg, struct err *e)
{
	struct irc_channel *ch;

	/* Before there is a connection only what is a channel everywhere is known to be one. */
	if (!irc_name_is_sane(channel) || strchr(channel, ',') || (c->state == IRC_ON ? !irc_is_channel(&c->is, channel) : !strchr("#&+!", *channel)))
		return err_set(e, 403, "not a channel's name");
	if (key && (!irc_name_is_sane(key) || strchr(key, ',')))
		return err_set(e, 475, "not a channel's password");
	if (irc_channel_find(c, channel))
		return err_set(e, 443, "in that channel already");
	if (c->nchannels >= c->set->channels)
		return err_set(e, 405, "in %u channels already", c->nchannels);
	ch = irc_channel_new(channel, key);
	ch->arg = arg;
	ch->next = c->channels;
	c->channels = ch;
	c->nchannels++;
	if (c->state == IRC_ON)
		irc_join_all(c);
	return 0;
}

void
irc_client_part(struct irc_client *c, struct irc_channel *ch, const char *why)
{
	if (c->state == IRC_ON && ch->state != IRC_CHANNEL_WANTED)
		if (irc_later(c, "PART", ch->name, why && *why ? why : "leaving"))
			(void)!irc_later(c, "PART", ch->name);
	irc_channel_drop(c, ch);
}

void
irc_client_listen(struct irc_client *c, struct irc_channel *ch)
{
	ch->listen = true;
	if (c->state != IRC_ON || ch->state != IRC_CHANNEL_JOINED)
		return;
	irc_channel_clear(ch);
	ch->naming = true;
	ch->since = c->now;
	(void)!irc_later(c, "TOPIC", ch->name);
	ch->asked = irc_later(c, "NAMES", ch->name) ? 0 : c->lines;
}

int
irc_client_set_nick(struct irc_client *c, const char *nick, struct err *e)
{
	if (!irc_name_is_sane(nick) || strchr(nick, ','))
		return err_set(e, 432, "not a nick");
	if (c->state == IRC_ON && later(irc_later(c, "NICK", nick), e))
		return -1;
	c->nick_asked = c->state == IRC_ON;
	c->regain = 0;
	free(c->wanted);
	c->wanted = mem_strdup(nick);
	return 0;
}

static struct buf *
begin(struct irc_client *c)
{
	struct buf *line = irc_later_begin(c);

	irc_label(c, line);
	return line;
}

/* What was written with begin() goes, and what becomes of it is told. */
static int
order(struct irc_client *c, uint64_t ref, struct irc_channel *ch, int written, struct err *e)
{
	struct irc_pending *p;

	if (up(c, ch, e))
		return -1;
	p = irc_pending_new(c, ref, ch->name, 1);
	p->order = true;
	p->label = c->caps & IRC_CAP_LABEL ? c->labels : 0;
	if (!irc_later_line(c, p, true, written))
		return 0;
	irc_pending_free(p);
	return later(-1, e);
}

int
irc_client_topic(struct irc_client *c, uint64_t ref, struct irc_channel *ch, const char *topic, struct err *e)
{
	char *line = mem_strdup(topic), *p;
	size_t skip;
	int written;

	/* A topic is one line. */
	for (p = line; (p = strpbrk(p, "\r\n")); )
		*p = ' ';
	line[irc_text_cut(line, strlen(line), c->is.topiclen, &skip)] = '\0';
	written = irc_line_write(begin(c), "TOPIC", ch->name, line, NULL);
	free(line);
	return order(c, ref, ch, written, e);
}

int
irc_client_kick(struct irc_client *c, uint64_t ref, struct irc_channel *ch, const char *nick, const char *why, struct err *e)
{
	return order(c, ref, ch, irc_line_write(begin(c), "KICK", ch->name, nick, why && *why ? why : nick, NULL), e);
}

int
irc_client_mode(struct irc_client *c, uint64_t ref, struct irc_channel *ch, const char *change, const char *what, struct err *e)
{
	if (!irc_name_is_sane(what))
		return err_set(e, 401, "no such name");
	return order(c, ref, ch, irc_line_write(begin(c), "MODE", ch->name, change, what, NULL), e);
}

int
irc_client_away(struct irc_client *c, const char *text, struct err *e)
{
	if (up(c, NULL, e))
		return -1;
	return later(text ? irc_later(c, "AWAY", *text ? text : "away") : irc_later(c, "AWAY"), e);
}

void
irc_client_quit(struct irc_client *c, const char *why)
{
	if (c->state != IRC_OFF && c->state != IRC_OVER)
		irc_now(c, "QUIT", why && *why ? why : "leaving");
}
