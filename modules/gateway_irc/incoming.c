/* incoming: what a server tells us when we are in: channels, people, messages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "client_state.h"

#define CTCP_MS 2000 /* between two answers to CTCP requests */
#define CTCP_BYTES 100
#define ID_BYTES 255 /* ids are kept for a while: longer ones are none */

/* "user@host" of a line's source, or NULL. */
static const char *
address_of(const struct irc_line *l, char *out, size_t size)
{
	return l->from.user && l->from.host && irc_text_join(out, size, l->from.user, '@', l->from.host) ? out : NULL;
}

static struct irc_event
event_of(enum irc_event_kind kind, struct irc_channel *ch, const struct irc_line *l, char *address, size_t size)
{
	struct irc_event e = { .kind = kind, .channel = ch, .nick = l->from.nick, .address = address_of(l, address, size) };

	return e;
}

/* Whether changes of who is there are told one by one. */
static bool
tells(const struct irc_channel *ch)
{
	return ch->listen && ch->state == IRC_CHANNEL_JOINED && !ch->naming;
}

static bool
knows(const struct irc_channel *ch)
{
	return ch->listen && ch->state >= IRC_CHANNEL_NAMES;
}

/* To what of ours a line is the answer, or part of it (labeled-response); 0: nothing known. */
static uint64_t
label_of(const struct irc_client *c, const struct irc_line *l)
{
	uint64_t label = 0;

	if (l->label && !text_u64(l->label, strlen(l->label), 1, UINT64_MAX, &label))
		label = 0;
	return label ? label : l->batch && c->batch_label && !strcmp(l->batch, c->batch) ? c->batch_label : 0;
}

/* BATCH +id type, BATCH -id. Of the batches only an answer in several lines is of interest. */
static void
on_batch(struct irc_client *c, struct irc_line *l)
{
	const char *id = irc_line_param(l, 0);

	if (*id == '+' && l->label && strlen(id + 1) < sizeof(c->batch)) {
		c->batch_label = label_of(c, l);
		memcpy(c->batch, id + 1, strlen(id));
	} else if (*id == '-' && !strcmp(id + 1, c->batch)) {
		c->batch_label = 0;
	}
}

static void
learn_ourselves(struct irc_client *c, const struct irc_line *l)
{
	char address[256];

	if (!address_of(l, address, sizeof(address)) || (c->address && !strcmp(c->address, address)))
		return;
	free(c->address);
	c->address = mem_strdup(address);
}

static struct irc_person *
add(struct irc_client *c, struct irc_channel *ch, const char *nick, const char *user, const char *host, uint8_t ranks, bool *is_new)
{
	struct irc_person *p;

	*is_new = false;
	if (!irc_name_is_sane(nick) || ch->n >= c->set->members)
		return NULL;
	p = irc_person_get(c->people, c->is.casemapping, nick);
	irc_person_learn(p, user, host);
	*is_new = irc_channel_add(ch, p, ranks);
	return p;
}

static void
we_joined(struct irc_client *c, const struct irc_line *l, const char *name)
{
	struct irc_channel *ch = irc_channel_find(c, name);
	struct irc_event e;
	char address[256];

	learn_ourselves(c, l);
	if (!ch) {
		/* Somebody put us there, or we do not want it any more. */
		(void)!irc_later(c, "PART", name);
		return;
	}
	if (ch->state != IRC_CHANNEL_JOINING)
		return;
	ch->state = IRC_CHANNEL_NAMES;
	ch->since = c->now;
	e = event_of(IRC_ENTERED, ch, l, address, sizeof(address));
	irc_emit(c, &e);
}

/* JOIN channel [account realname] (extended-join). */
static void
on_join(struct irc_client *c, struct irc_line *l)
{
	const char *name = irc_line_param(l, 0);
	struct irc_channel *ch;
	struct irc_person *p;
	struct irc_event e;
	char address[256];
	bool is_new;

	if (!l->from.nick || !irc_name_is_sane(name))
		return;
	if (irc_is_us(c, l->from.nick)) {
		we_joined(c, l, name);
		return;
	}
	ch = irc_channel_find(c, name);
	if (!ch || !knows(ch))
		return;
	p = add(c, ch, l->from.nick, l->from.user, l->from.host, 0, &is_new);
	if (p && l->nparams > 1)
		irc_person_set_account(p, l->params[1]);
	if (!is_new || !tells(ch))
		return;
	e = event_of(IRC_IN, ch, l, address, sizeof(address));
	irc_emit(c, &e);
}

static void
we_left(struct irc_client *c, struct irc_channel *ch, const char *who, const char *why)
{
	struct irc_event e = { .kind = IRC_LEFT, .channel = ch, .other = who, .text = why };

	/* One that is being joined again: it was the last time that is over now. */
	if (ch->state == IRC_CHANNEL_JOINING || ch->state == IRC_CHANNEL_WANTED)
		return;
	irc_emit(c, &e);
	irc_channel_drop(c, ch);
}

static void
left(struct irc_client *c, struct irc_channel *ch, const char *nick, const char *address, const char *who, const char *why)
{
	struct irc_event e = { .kind = IRC_OUT, .channel = ch, .nick = nick, .address = address, .other = who, .text = why };
	struct irc_person *p = knows(ch) ? irc_person_find(c->people, c->is.casemapping, nick) : NULL;

	if (p && irc_channel_remove(ch, p) && tells(ch))
		irc_emit(c, &e);
}

static void
on_part(struct irc_client *c, struct irc_line *l)
{
	struct irc_channel *ch = irc_channel_find(c, irc_line_param(l, 0));
	char address[256], *why = l->nparams > 1 ? l->params[1] : NULL;

	if (!ch || !l->from.nick)
		return;
	if (why)
		irc_text_plain(why);
	if (irc_is_us(c, l->from.nick))
		we_left(c, ch, NULL, why);
	else
		left(c, ch, l->from.nick, address_of(l, address, sizeof(address)), NULL, why);
}

/* A netsplit is many of these, whose reason is the names of two servers. */
static void
on_quit(struct irc_client *c, struct irc_line *l)
{
	char address[256], *why = l->nparams ? l->params[0] : NULL;

	if (!l->from.nick || irc_is_us(c, l->from.nick))
		return;
	if (why)
		irc_text_plain(why);
	for (struct irc_channel *ch = c->channels; ch; ch = ch->next)
		left(c, ch, l->from.nick, address_of(l, address, sizeof(address)), NULL, why);
	irc_nick_free(c, l->from.nick);
}

static void
on_kick(struct irc_client *c, struct irc_line *l)
{
	struct irc_channel *ch = irc_channel_find(c, irc_line_param(l, 0));
	const char *nick = irc_line_param(l, 1), *who = l->from.nick ? l->from.nick : "";
	char *why = l->nparams > 2 ? l->params[2] : NULL;

	if (!ch || !irc_name_is_sane(nick))
		return;
	if (why)
		irc_text_plain(why);
	if (irc_is_us(c, nick))
		we_left(c, ch, who, why);
	else
		left(c, ch, nick, NULL, who, why);
}

static void
rename_in(struct irc_client *c, struct irc_channel *ch, const char *old, const char *now)
{
	struct irc_event e = { .kind = IRC_RENAMED, .channel = ch, .nick = old, .other = now };
	struct irc_person *was = irc_person_find(c->people, c->is.casemapping, old), *is;
	uint8_t *ranks = was && knows(ch) ? irc_channel_ranks(ch, was) : NULL, kept;

	if (!ranks)
		return;
	kept = *ranks;
	is = irc_person_get(c->people, c->is.casemapping, now);
	if (is == was) {
		/* Only its spelling. */
		free(is->nick);
		is->nick = mem_strdup(now);
		irc_person_unref(is);
	} else {
		if (was->address && !is->address)
			is->address = mem_strdup(was->address);
		if (was->account && !is->account)
			is->account = mem_strdup(was->account);
		is->away = was->away;
		irc_channel_remove(ch, was);
		irc_channel_add(ch, is, kept);
	}
	if (tells(ch))
		irc_emit(c, &e);
}

static void
on_nick(struct irc_client *c, struct irc_line *l)
{
	const char *now = irc_line_param(l, 0);

	if (!l->from.nick || !irc_name_is_sane(now))
		return;
	/* In all channels first: the event about ourselves comes when they are right. */
	for (struct irc_channel *ch = c->channels; ch; ch = ch->next)
		rename_in(c, ch, l->from.nick, now);
	if (!irc_is_us(c, l->from.nick)) {
		irc_nick_free(c, l->from.nick);
		return;
	}
	c->nick_asked = false;
	if (irc_nick_is_wanted(c, now))
		c->regain = 0;
	irc_set_own_nick(c, now);
}

static void
ranked(struct irc_client *c, struct irc_channel *ch, char mode, bool set, const char *nick)
{
	struct irc_event e = { .kind = IRC_RANKED, .channel = ch };
	uint8_t rank = irc_rank_of_mode(&c->is, mode), *ranks;
	struct irc_person *p;

	if (!rank || !knows(ch) || !(p = irc_person_find(c->people, c->is.casemapping, nick)) || !(ranks = irc_channel_ranks(ch, p)))
		return;
	*ranks = (uint8_t)(set ? *ranks | rank : *ranks & ~rank);
	e.nick = p->nick;
	e.address = p->address;
	if (tells(ch))
		irc_emit(c, &e);
}

static void
on_mode(struct irc_client *c, struct irc_line *l)
{
	struct irc_channel *ch = irc_channel_find(c, irc_line_param(l, 0));
	unsigned next = 2;
	bool set = true;

	if (!ch)
		return;
	for (const char *m = irc_line_param(l, 1); *m; m++) {
		if (*m == '+' || *m == '-')
			set = *m == '+';
		else if (irc_mode_has_param(&c->is, *m, set))
			ranked(c, ch, *m, set, irc_line_param(l, next++));
	}
}

static void
topic(struct irc_client *c, struct irc_channel *ch, const char *nick, char *text)
{
	struct irc_event e = { .kind = IRC_TOPIC, .channel = ch, .nick = nick, .text = text };

	if (!ch || !knows(ch))
		return;
	irc_text_plain(text);
	irc_channel_set_topic(ch, text);
	if (tells(ch))
		irc_emit(c, &e);
}

static void
on_topic(struct irc_client *c, struct irc_line *l)
{
	if (l->nparams > 1)
		topic(c, irc_channel_find(c, l->params[0]), l->from.nick, l->params[1]);
}

static void
answer_ctcp(struct irc_client *c, const struct irc_line *l, const char *command, const char *text)
{
	char reply[CTCP_BYTES + 32];

	if (c->ctcp_at && c->now < c->ctcp_at + CTCP_MS)
		return;
	if (!strcmp(command, "VERSION") && c->set->version)
		snprintf(reply, sizeof(reply), "\1VERSION %s\1", c->set->version);
	else if (!strcmp(command, "PING") && strlen(text) <= CTCP_BYTES)
		snprintf(reply, sizeof(reply), "\1PING %s\1", text);
	else
		return;
	c->ctcp_at = c->now;
	(void)!irc_later(c, "NOTICE", l->from.nick, reply);
}

/* The channel of a target, "@#channel" included (STATUSMSG). */
static struct irc_channel *
channel_of(struct irc_client *c, const char *target)
{
	if (!irc_is_channel(&c->is, target))
		while (*target && strchr(c->is.statusmsg, *target))
			target++;
	return irc_is_channel(&c->is, target) ? irc_channel_find(c, target) : NULL;
}

/* A line of ours (echo-message). By its label we know which, and which is none: what we say to ourselves comes once more; answers to CTCP come, too. */
static void
came_back(struct irc_client *c, const struct irc_line *l, const char *target, const char *text, int64_t at)
{
	struct irc_pending *p;

	if (!(c->caps & IRC_CAP_ECHO) || (*text == '\1' && !strcmp(l->command, "NOTICE")))
		return;
	p = c->caps & IRC_CAP_LABEL ? irc_outgoing_labelled(c, label_of(c, l)) : irc_outgoing_unanswered(c, target, false);
	if (p && !p->order)
		irc_outgoing_echo(c, p, l->msgid, at);
}

static void
message(struct irc_client *c, struct irc_line *l, enum irc_say say)
{
	const char *target = irc_line_param(l, 0), *command;
	struct irc_channel *ch;
	struct irc_event e;
	char address[256], *text = l->nparams > 1 ? l->params[1] : NULL, *ctcp;
	int64_t at = 0;

	/* Servers speak before they know us, and about themselves: that is for their logs. Channels do not speak. */
	if (!text || !l->from.nick || (!l->from.host && strchr(l->from.nick, '.')) || strchr("#&+!", *l->from.nick) || c->state < IRC_WELCOMED)
		return;
	if (l->msgid && strlen(l->msgid) > ID_BYTES)
		l->msgid = NULL;
	if (l->time && clock_parse(l->time, &at))
		at = 0;
	if (irc_is_us(c, l->from.nick)) {
		learn_ourselves(c, l);
		came_back(c, l, target, text, at);
		return;
	}
	ch = channel_of(c, target);
	if (ch ? !knows(ch) : !irc_is_us(c, target))
		return;
	if ((ctcp = irc_text_ctcp(text, &command))) {
		if (say != IRC_PRIVMSG || strcmp(command, "ACTION")) {
			if (say == IRC_PRIVMSG)
				answer_ctcp(c, l, command, ctcp);
			return;
		}
		text = ctcp;
		say = IRC_ACTION;
	}
	irc_text_plain(text);
	if (!*text)
		return;
	e = event_of(IRC_MESSAGE, ch, l, address, sizeof(address));
	e.text = text;
	e.say = say;
	e.id = l->msgid;
	e.at = at;
	irc_emit(c, &e);
}

static void
on_privmsg(struct irc_client *c, struct irc_line *l)
{
	message(c, l, IRC_PRIVMSG);
}

static void
on_notice(struct irc_client *c, struct irc_line *l)
{
	message(c, l, IRC_NOTICE);
}

static void
on_ping(struct irc_client *c, struct irc_line *l)
{
	irc_now(c, "PONG", irc_line_param(l, 0));
}

static void
on_pong(struct irc_client *c, struct irc_line *l)
{
	irc_outgoing_pong(c, l);
}

static void
on_error(struct irc_client *c, struct irc_line *l)
{
	const char *why = irc_line_param(l, 0);

	/* Some servers say so of a wrong PASS, and no 464: it does not become right by being said again. */
	irc_over(c, c->state == IRC_LOGIN && strcasestr(why, "password"), "%s", why);
}

static void
on_invite(struct irc_client *c, struct irc_line *l)
{
	char address[256];
	struct irc_event e = event_of(IRC_INVITED, NULL, l, address, sizeof(address));

	e.text = irc_line_param(l, 1);
	if (l->from.nick && irc_is_us(c, irc_line_param(l, 0)) && irc_name_is_sane(e.text))
		irc_emit(c, &e);
}

/* AWAY [:text] (away-notify; extended-monitor). */
static void
on_away(struct irc_client *c, struct irc_line *l)
{
	char *text = l->nparams > 0 && *l->params[0] ? l->params[0] : NULL;
	struct irc_person *p = l->from.nick ? irc_person_find(c->people, c->is.casemapping, l->from.nick) : NULL;
	struct irc_event e = { .kind = IRC_RANKED, .nick = l->from.nick };

	if (text)
		irc_text_plain(text);
	if (l->from.nick)
		irc_watch_away(c, l->from.nick, text);
	if (!p)
		return;
	p->away = text != NULL;
	e.address = p->address;
	for (e.channel = c->channels; e.channel; e.channel = e.channel->next)
		if (tells(e.channel) && irc_channel_ranks(e.channel, p))
			irc_emit(c, &e);
}

static void
on_account(struct irc_client *c, struct irc_line *l)
{
	struct irc_person *p = l->from.nick ? irc_person_find(c->people, c->is.casemapping, l->from.nick) : NULL;

	if (p)
		irc_person_set_account(p, irc_line_param(l, 0));
}

/* CHGHOST user host. */
static void
on_chghost(struct irc_client *c, struct irc_line *l)
{
	struct irc_line now = *l;
	struct irc_person *p;

	if (!l->from.nick || l->nparams < 2)
		return;
	now.from.user = l->params[0];
	now.from.host = l->params[1];
	if (irc_is_us(c, l->from.nick))
		learn_ourselves(c, &now);
	if ((p = irc_person_find(c->people, c->is.casemapping, l->from.nick)))
		irc_person_learn(p, now.from.user, now.from.host);
}

/* 353: our nick, =, channel, names with their signs, perhaps with addresses (userhost-in-names). */
static void
take_names(struct irc_client *c, struct irc_line *l)
{
	struct irc_channel *ch = irc_channel_find(c, irc_line_param(l, 2));
	char *save = NULL, *names = l->nparams > 3 ? l->params[3] : NULL;
	bool is_new;

	if (!ch || !names || !ch->listen || (ch->state != IRC_CHANNEL_NAMES && !ch->naming))
		return;
	for (char *name = strtok_r(names, " ", &save); name; name = strtok_r(NULL, " ", &save)) {
		const char *nick = name, *user = NULL, *host = NULL;
		uint8_t ranks = irc_ranks_of(&c->is, &nick);
		char *sign;

		if ((sign = strchr(name, '!'))) {
			*sign = '\0';
			user = sign + 1;
			if ((sign = strrchr(user, '@'))) {
				*sign = '\0';
				host = sign + 1;
			}
		}
		add(c, ch, nick, user, host, ranks, &is_new);
	}
}

void
irc_names_end(struct irc_client *c, struct irc_channel *ch)
{
	struct irc_event e = { .channel = ch, .nick = c->nick };

	if (ch->state == IRC_CHANNEL_NAMES)
		e.kind = IRC_JOINED;
	else if (ch->naming)
		e.kind = IRC_NAMED;
	else
		return;
	ch->state = IRC_CHANNEL_JOINED;
	ch->naming = false;
	irc_channel_trim(ch);
	irc_emit(c, &e);
}

/* Whether it says that a message was not passed on, rather than that something else was not done. */
static bool
is_about_message(unsigned code)
{
	static const uint16_t codes[] = { 401, 402, 403, 404, 407, 408, 411, 412, 413, 414, 415, 439, 477, 486, 489, 492, 494, 505, 531, 716 };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i] == code)
			return true;
	return false;
}

/* An error: about joining a channel, about a message, about something else that was to be done there. */
static void
take_error(struct irc_client *c, struct irc_line *l)
{
	const char *target = irc_line_param(l, 1), *text = irc_line_param(l, l->nparams - 1);
	struct irc_channel *ch = irc_channel_find(c, target);
	struct irc_pending *p;

	if (l->nparams < 2)
		return;
	irc_text_plain(l->params[l->nparams - 1]);
	p = irc_outgoing_labelled(c, label_of(c, l));
	if (!p && ch && ch->state == IRC_CHANNEL_JOINING) {
		irc_join_refused(c, ch, l->numeric, text);
		return;
	}
	if (!p && is_about_message(l->numeric))
		p = irc_outgoing_unanswered(c, target, false);
	/* Who is not there (441: nick, channel) and what a mode is not (472) come with other names in front. */
	else if (!p)
		p = irc_outgoing_unanswered(c, irc_is_channel(&c->is, target) ? target : irc_line_param(l, 2), true);
	if (p)
		irc_outgoing_error(c, p, l->numeric, text);
}

static bool
take_numeric(struct irc_client *c, struct irc_line *l)
{
	struct irc_channel *ch;

	switch (l->numeric) {
	case 301: /* nick is away: as good an answer as any */
		return true;
	case 331: /* no topic */
		if ((ch = irc_channel_find(c, irc_line_param(l, 1))))
			irc_channel_set_topic(ch, NULL);
		return true;
	case 332:
		if (l->nparams > 2 && (ch = irc_channel_find(c, l->params[1])) && knows(ch)) {
			irc_text_plain(l->params[2]);
			irc_channel_set_topic(ch, l->params[2]);
		}
		return true;
	case 353:
		take_names(c, l);
		return true;
	case 366:
		if ((ch = irc_channel_find(c, irc_line_param(l, 1))))
			irc_names_end(c, ch);
		return true;
	case 303: case 730: case 731: case 734:
		irc_watch_take(c, l);
		return true;
	case 396: /* our host as others see it */
		free(c->address);
		c->address = NULL;
		return true;
	}
	if ((l->numeric >= 400 && l->numeric < 600) || l->numeric == 716)
		take_error(c, l);
	return l->numeric != 0;
}

bool
irc_incoming_take(struct irc_client *c, struct irc_line *l)
{
	static const struct {
		const char *command;
		void (*take)(struct irc_client *c, struct irc_line *l);
	} table[] = {
		{ "PRIVMSG", on_privmsg }, { "PONG", on_pong }, { "JOIN", on_join }, { "QUIT", on_quit }, { "PART", on_part },
		{ "NICK", on_nick }, { "MODE", on_mode }, { "NOTICE", on_notice }, { "PING", on_ping }, { "KICK", on_kick }, { "TOPIC", on_topic }, { "AWAY", on_away },
		{ "ACCOUNT", on_account }, { "CHGHOST", on_chghost }, { "INVITE", on_invite }, { "ERROR", on_error }, { "BATCH", on_batch },
	};

	if (l->numeric)
		return take_numeric(c, l);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (!strcmp(l->command, table[i].command)) {
			table[i].take(c, l);
			return true;
		}
	}
	return false;
}
