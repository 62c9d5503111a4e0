/*
 * room: channels as rooms. Of the connections that are in a channel one, the room's ear, tells what happens there; the others do not listen. When the ear is lost
 * another becomes it, and asks who is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bridge.h"

static struct irc_room *
room_of(struct gateway_room *r)
{
	struct irc_room *room = r->net;
	size_t n = 0;

	if (room)
		return room;
	room = NEW(struct irc_room);
	room->r = r;
	room->server = irc_server_of(&irc->servers, r->address, &n);
	room->channel = mem_strndup(r->address, n);
	list_init(&room->seats);
	r->net = room;
	return room;
}

/* Another connection that is in the channel, if there is one. */
static void
elect(struct irc_room *room)
{
	room->ear = NULL;
	LIST_EACH(l, &room->seats) {
		struct irc_seat *seat = LIST_ENTRY(l, struct irc_seat, in_room);
		struct irc_channel *ch = irc_client_channel(seat->session->client, room->channel);

		/* One that is being told who is there has not listened from the beginning. */
		if (!ch || ch->state != IRC_CHANNEL_JOINED)
			continue;
		room->ear = seat->session;
		irc_client_listen(seat->session->client, ch);
		irc_session_stir(seat->session);
		return;
	}
}

static bool
is_used(const struct irc_room *room, const struct irc_session *s)
{
	LIST_EACH(l, &room->seats)
		if (LIST_ENTRY(l, struct irc_seat, in_room)->session == s)
			return true;
	return false;
}

/* The seat is no more; its channel is left when nobody else uses it. */
static void
seat_end(struct irc_seat *seat, const char *why)
{
	struct irc_room *room = seat->room;
	struct irc_session *s = seat->session;
	struct irc_channel *ch;

	seat->s->net = NULL;
	irc_asks_forget(s, seat->s);
	if (s->nick_asked == seat->s)
		s->nick_asked = NULL;
	list_remove(&seat->in_room);
	list_remove(&seat->in_user);
	free(seat);
	if (!is_used(room, s)) {
		ch = irc_client_channel(s->client, room->channel);
		if (ch && ch->arg == room) {
			irc_client_part(s->client, ch, why);
			irc_session_stir(s);
		}
		if (room->ear == s)
			elect(room);
	}
	if (!list_is_empty(&room->seats))
		return;
	room->r->net = NULL;
	free(room->channel);
	free(room);
}

static void
refuse(struct irc_seat *seat, enum xerror e, const char *text)
{
	struct gateway_seat *s = seat->s;

	seat_end(seat, NULL);
	gateway_room_refused(s, e, text);
}

bool
irc_room_has(struct irc_session *s, const struct irc_channel *ch, const char *nick)
{
	struct irc_person *p = irc_person_find(s->server->people, irc_client_isupport(s->client)->casemapping, nick);

	return ch && p && irc_channel_ranks(ch, p);
}

/* One of ours who goes by this nick in the room. */
static struct irc_seat *
seat_named(struct irc_room *room, const char *nick)
{
	LIST_EACH(l, &room->seats) {
		struct irc_seat *seat = LIST_ENTRY(l, struct irc_seat, in_room);

		if (seat->s->in && !strcmp(seat->s->nick, nick))
			return seat;
	}
	return NULL;
}

/* Where one connection is for all, a nick is free when neither IRC nor one of ours has it. */
static bool
is_taken(struct irc_room *room, struct irc_session *s, const char *nick)
{
	return irc_room_has(s, irc_client_channel(s->client, room->channel), nick) || seat_named(room, nick);
}

/* On IRC a nick is whose it is there: one of ours who had it here gets another. */
static void
make_way(struct irc_session *s, struct irc_room *room, const char *nick)
{
	char other[NETWORK_ADDRESS_MAX];
	size_t n;

	if (s->user || !seat_named(room, nick))
		return;
	n = (size_t)snprintf(other, sizeof(other) - 1, "%s", nick);
	do {
		other[n++] = '_';
		other[n] = '\0';
	} while (n < sizeof(other) - 1 && is_taken(room, s, other));
	gateway_room_renamed(room->r, NULL, nick, other);
}

static void
seat_in(struct irc_seat *seat)
{
	const char *nick = seat->session->user ? irc_client_nick(seat->session->client) : seat->room->server->free_nicks ? seat->s->nick : jid_local(seat->s->user->jid);

	if (!seat->s->in && !seat->session->user && is_taken(seat->room, seat->session, nick))
		refuse(seat, XERROR_CONFLICT, "somebody on IRC has this nick");
	else if (!seat->s->in)
		gateway_room_joined(seat->s, nick);
	else if (seat->session->user && strcmp(nick, seat->s->nick))
		gateway_room_renamed(seat->room->r, NULL, seat->s->nick, nick);
}

void
irc_room_join(struct gateway_seat *s, const char *password)
{
	struct irc_room *room = room_of(s->room);
	struct irc_seat *seat = NEW(struct irc_seat);
	struct irc_channel *ch;
	struct err e = { 0 };

	seat->s = s;
	seat->room = room;
	seat->session = irc_session_for(room->server, s->user, s->nick);
	s->net = seat;
	list_append(&room->seats, &seat->in_room);
	list_append(&((struct irc_user *)s->user->net)->seats, &seat->in_user);
	ch = irc_client_channel(seat->session->client, room->channel);
	if (!ch) {
		if (irc_client_join(seat->session->client, room->channel, password, room, &e)) {
			refuse(seat, irc_error((unsigned)e.code), e.text);
			return;
		}
	} else if (ch->arg != room) {
		refuse(seat, XERROR_CONFLICT, "that channel is known under another name");
		return;
	} else if (ch->state == IRC_CHANNEL_JOINED) {
		seat_in(seat);
		return;
	}
	irc_session_want(seat->session);
	irc_session_stir(seat->session);
}

void
irc_room_leave(struct gateway_seat *s, const char *status)
{
	if (s->net)
		seat_end(s->net, status);
}

void
irc_room_nick(struct gateway_seat *s, const char *nick)
{
	struct irc_seat *seat = s->net;
	struct err e = { 0 };

	if (!seat->session->user && seat->room->server->free_nicks) {
		if (is_taken(seat->room, seat->session, nick))
			gateway_room_nick_refused(s, XERROR_CONFLICT, "somebody on IRC has this nick");
		else
			gateway_room_renamed(seat->room->r, NULL, s->nick, nick);
	} else if (!seat->room->server->free_nicks && (!seat->session->user || !s->user->own_account)) {
		gateway_room_nick_refused(s, XERROR_NOT_ALLOWED, "your nick there is that of your account");
	} else if (irc_client_set_nick(seat->session->client, nick, &e)) {
		gateway_room_nick_refused(s, XERROR_NOT_ACCEPTABLE, e.text);
	} else {
		seat->session->nick_asked = s;
		irc_session_stir(seat->session);
	}
}

void
irc_room_change(struct gateway_seat *s, enum room_change what, const char *who, const char *reason, struct gateway_ask *ask)
{
	static const char *const changes[] = {
		[ROOM_BAN] = "+b", [ROOM_UNBAN] = "-b", [ROOM_VOICE] = "+v", [ROOM_DEVOICE] = "-v", [ROOM_OP] = "+o", [ROOM_DEOP] = "-o",
	};
	struct irc_seat *seat = s->net;
	struct irc_client *c = seat->session->client;
	struct irc_channel *ch = irc_client_channel(c, seat->room->channel);
	struct irc_message *im = irc_message_ask(seat->session, s, ask);
	struct irc_event failed = { .kind = IRC_FAILED, .ref = im->ref };
	char mask[NETWORK_ADDRESS_MAX];
	struct err e = { 0 };
	const char *at;
	int rc;

	/* Of the address of somebody at this network only the nick is of use; a nick is banned as a mask. */
	at = strrchr(who, '%');
	snprintf(mask, sizeof(mask), "%.*s%s", at ? (int)(at - who) : (int)strlen(who), who,
		 (what == ROOM_BAN || what == ROOM_UNBAN) && !strpbrk(who, "!@*") ? "!*@*" : "");
	if (!ch)
		rc = err_set(&e, 442, "not in that channel");
	else if (what == ROOM_KICK)
		rc = irc_client_kick(c, im->ref, ch, who, reason, &e);
	else
		rc = irc_client_mode(c, im->ref, ch, changes[what], mask, &e);
	if (rc) {
		failed.code = e.code ? (unsigned)e.code : 442;
		failed.text = e.text;
		irc_message_event(seat->session, &failed);
		return;
	}
	/* Who is banned is shown the door, too. */
	if (what == ROOM_BAN && !strpbrk(who, "!@*%"))
		(void)!irc_client_kick(c, 0, ch, who, reason, &e);
	irc_session_stir(seat->session);
}

static void
occupant(struct irc_session *s, struct irc_room *room, const struct irc_channel *ch, const struct irc_person *p)
{
	const struct irc_isupport *is = irc_client_isupport(s->client);
	const uint8_t *ranks = irc_channel_ranks(ch, p);
	struct gateway_occupant o = { .nick = p->nick, .away = p->away };
	char foreign[NETWORK_ADDRESS_MAX];

	if (!ranks)
		return;
	make_way(s, room, p->nick);
	irc_text_join(foreign, sizeof(foreign), p->nick, '!', p->address ? p->address : "@");
	o.foreign = p->address ? foreign : NULL;
	o.owner = *ranks & irc_rank_of_mode(is, 'q');
	o.admin = *ranks & irc_rank_of_mode(is, 'a');
	o.op = o.owner || o.admin || *ranks & (irc_rank_of_mode(is, 'o') | irc_rank_of_mode(is, 'h'));
	o.voice = true;
	gateway_room_occupant(room->r, NULL, &o);
}

static void
names(struct irc_session *s, struct irc_room *room, const struct irc_channel *ch)
{
	gateway_room_names(room->r, NULL);
	for (unsigned i = 0; i < ch->n; i++)
		occupant(s, room, ch, ch->who[i]);
	gateway_room_names_end(room->r, NULL);
	gateway_room_topic(room->r, NULL, ch->topic ? ch->topic : "", NULL, 0);
}

/* All seats of the session in the room; `fn` may end them. */
static void
each_seat(struct irc_room *room, const struct irc_session *s, void (*fn)(struct irc_seat *seat, const struct irc_event *e), const struct irc_event *e)
{
	struct irc_seat *found[64];
	unsigned n;
	bool more = true;

	/* The room ends with its last seat. */
	while (more) {
		n = 0;
		more = false;
		LIST_EACH(l, &room->seats) {
			struct irc_seat *seat = LIST_ENTRY(l, struct irc_seat, in_room);

			if (seat->session != s)
				continue;
			if (n == sizeof(found) / sizeof(found[0])) {
				more = true;
				break;
			}
			found[n++] = seat;
		}
		for (unsigned i = 0; i < n; i++)
			fn(found[i], e);
	}
}

static void
seat_gone(struct irc_seat *seat, const struct irc_event *e)
{
	struct gateway_seat *s = seat->s;
	bool kicked = e->kind == IRC_LEFT && e->other, banned = e->code == 474;

	if (!s->in) {
		refuse(seat, irc_error(e->code), e->text);
		return;
	}
	seat_end(seat, NULL);
	gateway_room_left(s, kicked, banned, e->other, e->text);
}

static void
joined(struct irc_session *s, struct irc_room *room, const struct irc_event *e)
{
	if (e->channel->listen) {
		names(s, room, e->channel);
	} else if (!room->ear) {
		room->ear = s;
		irc_client_listen(s->client, e->channel);
	}
	LIST_EACH(l, &room->seats) {
		struct irc_seat *seat = LIST_ENTRY(l, struct irc_seat, in_room);
		bool last = l_next == &room->seats;

		if (seat->session == s)
			seat_in(seat);
		if (last)
			break; /* the room may have ended with it */
	}
	irc_messages_flush(s);
}

static void
heard(struct irc_session *s, struct irc_room *room, const struct irc_event *e)
{
	char foreign[NETWORK_ADDRESS_MAX];
	struct gateway_incoming in = { .network = s->server->name, .foreign = foreign, .id = e->id, .at_us = e->at };
	struct buf text = { 0 };

	irc_text_join(foreign, sizeof(foreign), e->nick, '!', e->address ? e->address : "@");
	if (e->say == IRC_ACTION) {
		buf_addf(&text, "/me %s", e->text);
		in.body = buf_str(&text);
	} else {
		in.body = e->text;
	}
	gateway_room_receive(room->r, NULL, e->nick, &in);
	buf_fini(&text);
}

static void
changed(struct irc_session *s, struct irc_room *room, const struct irc_event *e)
{
	struct irc_person *p;

	switch (e->kind) {
	case IRC_IN: case IRC_RANKED:
		p = irc_person_find(s->server->people, irc_client_isupport(s->client)->casemapping, e->nick);
		if (p)
			occupant(s, room, e->channel, p);
		break;
	case IRC_OUT:
		if (e->other)
			gateway_room_kicked(room->r, NULL, e->nick, false, e->other, e->text);
		else
			gateway_room_gone(room->r, NULL, e->nick, e->text);
		break;
	case IRC_RENAMED:
		make_way(s, room, e->other);
		gateway_room_renamed(room->r, NULL, e->nick, e->other);
		break;
	case IRC_TOPIC:
		gateway_room_topic(room->r, NULL, e->text, e->nick, 0);
		break;
	default:
		break;
	}
}

void
irc_room_own_nick(struct irc_session *s, const struct irc_event *e)
{
	for (struct irc_channel *ch = irc_client_channels(s->client); ch; ch = ch->next) {
		struct irc_room *room = ch->arg;

		/* Where there is an ear it tells this of us, as of others. */
		if (s->user && room && !room->ear)
			gateway_room_renamed(room->r, NULL, e->nick, e->other);
	}
}

void
irc_room_event(struct irc_session *s, const struct irc_event *e)
{
	struct irc_room *room = e->channel->arg;

	switch (e->kind) {
	case IRC_ENTERED:
		e->channel->listen = !room->ear || room->ear == s;
		if (e->channel->listen)
			room->ear = s;
		break;
	case IRC_JOINED:
		joined(s, room, e);
		break;
	case IRC_NAMED:
		names(s, room, e->channel);
		break;
	case IRC_REFUSED: case IRC_LEFT:
		/* The client drops the channel behind the event: it is not to be left once more. */
		e->channel->arg = NULL;
		each_seat(room, s, seat_gone, e);
		break;
	case IRC_MESSAGE:
		heard(s, room, e);
		break;
	default:
		changed(s, room, e);
	}
}

void
irc_room_deaf(struct irc_session *s, const char *why)
{
	struct irc_event e = { .kind = IRC_REFUSED, .text = why };
	struct irc_channel *ch, *next;

	for (ch = irc_client_channels(s->client); ch; ch = next) {
		struct irc_room *room = ch->arg;

		next = ch->next;
		if (room->ear == s)
			elect(room);
		if (!why)
			continue;
		ch->arg = NULL;
		each_seat(room, s, seat_gone, &e);
		irc_client_part(s->client, ch, NULL);
	}
}

void
irc_seats_end(struct irc_user *u)
{
	while (!list_is_empty(&u->seats))
		seat_end(LIST_ENTRY(u->seats.next, struct irc_seat, in_user), "leaving");
}
