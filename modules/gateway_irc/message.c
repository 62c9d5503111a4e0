/* message: what is said to the network and what became of it; what strangers say to a user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bridge.h"

#define NAME_BYTES 60 /* of who says it, where one connection is for all */
#define PIECE_MIN 16

enum xerror
irc_error(unsigned code)
{
	switch (code) {
	case 0: return XERROR_REMOTE_SERVER_TIMEOUT;
	case 401: case 403: case 441: case 442: return XERROR_ITEM_NOT_FOUND;
	case 404: case 474: case 482: case 531: case 716: return XERROR_FORBIDDEN;
	case 412: return XERROR_NOT_ACCEPTABLE;
	case 416: case 439: return XERROR_RESOURCE_CONSTRAINT;
	case 471: return XERROR_SERVICE_UNAVAILABLE;
	case 473: case 477: return XERROR_REGISTRATION_REQUIRED;
	case 475: return XERROR_NOT_AUTHORIZED;
	default: return XERROR_NOT_ALLOWED;
	}
}

static struct irc_message *
message_new(struct irc_session *s)
{
	struct irc_message *im = NEW(struct irc_message);

	im->session = s;
	list_append(&s->messages, &im->link);
	return im;
}

static void
message_free(struct irc_message *im)
{
	list_remove(&im->link);
	free(im);
}

struct irc_message *
irc_message_ask(struct irc_session *s, struct gateway_seat *seat, struct gateway_ask *ask)
{
	struct irc_message *im = message_new(s);

	im->ask = ask;
	im->seat = seat;
	im->ref = ++s->refs;
	return im;
}

/* `<nick> text`, where one connection speaks for all: each line of it, of `max` bytes at most, so that nobody's words stand in another's name. */
static char *
signed_text(const char *nick, const char *text, bool action, size_t max)
{
	struct buf out = { 0 };
	char *made;
	size_t skip, name = irc_text_cut(nick, strlen(nick), NAME_BYTES, &skip);

	max = max > name + 3 + PIECE_MIN ? max - name - 3 : PIECE_MIN;

	while (*text) {
		size_t n = irc_text_cut(text, strcspn(text, "\r\n"), max, &skip);

		if (n) {
			buf_addf(&out, action ? "* %.*s " : "<%.*s> ", (int)name, nick);
			buf_add(&out, text, n);
			buf_addc(&out, '\n');
		}
		text += n + skip;
		text += strspn(text, "\r\n");
	}
	made = mem_strdup(buf_str(&out));
	buf_fini(&out);
	return made;
}

static void
answered(struct irc_message *im, enum xerror e, const char *id, const char *text)
{
	struct gateway_message *m = im->m;
	struct gateway_ask *ask = im->ask;

	if (m)
		m->net = NULL;
	message_free(im);
	if (m && e == XERROR_NONE)
		gateway_sent(m, id);
	else if (m)
		gateway_failed(m, e, text);
	else if (ask && e == XERROR_NONE)
		gateway_ask_done(ask);
	else if (ask)
		gateway_ask_failed(ask, e, text);
}

/* What its address names, without the network. */
static const char *
name_of(const struct gateway_message *m, char out[NETWORK_ADDRESS_MAX])
{
	size_t n = 0;

	irc_server_of(&irc->servers, m->to, &n);
	memcpy(out, m->to, n);
	out[n] = '\0';
	return out;
}

static struct irc_channel *
channel_of(struct irc_session *s, const struct gateway_message *m)
{
	char name[NETWORK_ADDRESS_MAX];

	return irc_client_channel(s->client, name_of(m, name));
}

/* Whom an occupant's nick names at IRC: somebody, and no channel or mask; where one connection is for all, not one of ours, whom others there would hear for. */
static bool
can_be_told(struct irc_session *s, const struct irc_channel *ch, const char *nick)
{
	return ch && !strchr("#&+!@%~$:*.", *nick) && !strpbrk(nick, "!@*?,") && (s->user || irc_room_has(s, ch, nick));
}

/* False: it cannot be said yet. */
static bool
say(struct irc_session *s, struct irc_message *im)
{
	struct gateway_message *m = im->m;
	struct irc_channel *ch = m->seat ? channel_of(s, m) : NULL;
	bool action = m->kind == MESSAGE_TEXT && !strncmp(m->body, "/me ", 4);
	const char *text = m->body + (action ? 4 : 0), *to;
	struct err e = { 0 };
	char target[NETWORK_ADDRESS_MAX], *made = NULL;
	int rc;

	if (!irc_client_is_up(s->client) || (m->seat && (!ch || ch->state < IRC_CHANNEL_NAMES)))
		return false;
	im->ref = ++s->refs;
	if (m->nick && !can_be_told(s, ch, m->nick)) {
		rc = err_set(&e, 401, "nobody of this name is there on IRC");
	} else if (m->kind == MESSAGE_TOPIC) {
		rc = ch ? irc_client_topic(s->client, im->ref, ch, m->body, &e) : err_set(&e, 442, "not in that channel");
	} else {
		to = m->nick ? m->nick : ch ? ch->name : name_of(m, target);
		if (!s->user)
			text = made = signed_text(m->seat && s->server->free_nicks ? m->seat->nick : jid_local(m->user->jid), text, action, irc_client_room(s->client, to));
		rc = irc_client_say(s->client, im->ref, to, action && s->user ? IRC_ACTION : IRC_PRIVMSG, text, &e);
		free(made);
	}
	if (rc)
		answered(im, irc_error((unsigned)e.code), NULL, e.text);
	return true;
}

void
irc_messages_flush(struct irc_session *s)
{
	LIST_EACH(l, &s->messages) {
		struct irc_message *im = LIST_ENTRY(l, struct irc_message, link);

		if (im->m && !im->ref)
			say(s, im);
	}
}

void
irc_message_send(struct gateway_message *m)
{
	struct irc_session *s;
	struct irc_server *server;
	struct irc_message *im;
	size_t n;

	if (m->kind != MESSAGE_TEXT && m->kind != MESSAGE_FILE && m->kind != MESSAGE_TOPIC) {
		gateway_sent(m, NULL);
		return;
	}
	server = irc_server_of(&irc->servers, m->to, &n);
	if (!server) {
		gateway_failed(m, XERROR_ITEM_NOT_FOUND, "there is no such IRC network");
		return;
	}
	s = m->seat ? ((struct irc_seat *)m->seat->net)->session : irc_session_for(server, m->user, NULL);
	im = message_new(s);
	im->m = m;
	m->net = im;
	irc_session_want(s);
	if (say(s, im))
		irc_session_stir(s);
}

void
irc_message_forget(struct gateway_message *m)
{
	struct irc_message *im = m->net;

	m->net = NULL;
	if (!im)
		return;
	im->m = NULL;
	/* What has been said has an answer yet to come, which is told to nobody; what waits is not said: whoever wrote it knows that it was not. */
	if (!im->ref || irc_client_take_back(im->session->client, im->ref))
		message_free(im);
}

static struct irc_message *
find(struct irc_session *s, uint64_t ref)
{
	LIST_EACH(l, &s->messages) {
		struct irc_message *im = LIST_ENTRY(l, struct irc_message, link);

		if (im->ref == ref)
			return im;
	}
	return NULL;
}

static void
receive(struct irc_session *s, const struct irc_event *e)
{
	char from[NETWORK_ADDRESS_MAX], foreign[NETWORK_ADDRESS_MAX];
	struct gateway_incoming in = { .from = from, .foreign = foreign, .network = s->server->name, .body = e->text, .id = e->id, .at_us = e->at };
	struct buf text = { 0 };

	if (!s->user)
		return; /* written to all of us is written to nobody */
	irc_text_join(from, sizeof(from), e->nick, '%', s->server->name);
	irc_text_join(foreign, sizeof(foreign), e->nick, '!', e->address ? e->address : "@");
	if (e->say == IRC_ACTION) {
		buf_addf(&text, "/me %s", e->text);
		in.body = buf_str(&text);
	}
	gateway_receive(s->user, &in);
	buf_fini(&text);
}

void
irc_message_event(struct irc_session *s, const struct irc_event *e)
{
	struct irc_message *im;

	if (e->kind == IRC_MESSAGE) {
		receive(s, e);
		return;
	}
	/* 0: nobody asked for an answer. */
	im = e->ref ? find(s, e->ref) : NULL;
	if (!im)
		return;
	if (e->kind == IRC_SENT) {
		answered(im, XERROR_NONE, e->id, NULL);
	} else if (!e->code && im->m) {
		/* The connection was lost: again with the next one. */
		im->ref = 0;
	} else {
		answered(im, irc_error(e->code), NULL, e->text);
	}
}

void
irc_messages_fail(struct irc_session *s, const char *why)
{
	while (!list_is_empty(&s->messages))
		answered(LIST_ENTRY(s->messages.next, struct irc_message, link), XERROR_REMOTE_SERVER_TIMEOUT, NULL, why);
}

void
irc_messages_end(struct irc_session *s)
{
	while (!list_is_empty(&s->messages)) {
		struct irc_message *im = LIST_ENTRY(s->messages.next, struct irc_message, link);

		if (im->m)
			im->m->net = NULL;
		message_free(im);
	}
}

void
irc_messages_forget(struct irc_session *s, const struct gateway_user *u)
{
	LIST_EACH(l, &s->messages) {
		struct irc_message *im = LIST_ENTRY(l, struct irc_message, link);

		if (im->m && im->m->user == u)
			irc_message_forget(im->m);
	}
}

void
irc_asks_forget(struct irc_session *s, const struct gateway_seat *seat)
{
	LIST_EACH(l, &s->messages) {
		struct irc_message *im = LIST_ENTRY(l, struct irc_message, link);

		if (im->seat == seat)
			im->ask = NULL;
	}
}
