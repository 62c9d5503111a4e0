/* irc: the table of the framework, people and their sessions. */
#include "irc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bridge.h"

#define TURN_MS 100
#define LEVELS_TURNS 50 /* between two counts of who is on IRC */

struct irc *irc;

/* ---- Sessions ---- */

static struct irc_session *
session_find(struct irc_server *server, const struct gateway_user *u)
{
	struct irc_user *iu = u ? u->net : NULL;

	if (!u)
		return server->shared;
	LIST_EACH(l, &iu->sessions) {
		struct irc_session *s = LIST_ENTRY(l, struct irc_session, of_user);

		if (s->server == server)
			return s;
	}
	return NULL;
}

/* "%u" in the setting is the account's name. */
static void
nick_of(const struct irc_server *server, const struct gateway_user *u, const char *wish, char *out, size_t size)
{
	const char *at = strstr(server->nick, "%u");
	char text[256];

	if (u && wish && server->free_nicks)
		snprintf(text, sizeof(text), "%s", wish);
	else
		snprintf(text, sizeof(text), "%.*s%s%s", at ? (int)(at - server->nick) : (int)strlen(server->nick), server->nick,
			 at ? (u ? jid_local(u->jid) : "gateway") : "", at ? at + 2 : "");
	irc_nick_make(text, out, size - 1);
}

struct irc_session *
irc_session_for(struct irc_server *server, struct gateway_user *u, const char *wish)
{
	struct irc_user *iu = u->net;
	bool own = u->own_account && iu->network && !strcmp(iu->network, server->name);
	struct gateway_user *owner = server->each || own ? u : NULL;
	struct irc_session *s = session_find(server, owner);
	char nick[31];

	if (s)
		return s;
	nick_of(server, owner, wish, nick, sizeof(nick));
	s = irc_session_new(irc->gateway, server, owner, own && iu->nick ? iu->nick : nick,
		own ? &(struct irc_login){ .account = iu->account, .password = iu->password, .certificate = iu->certificate } : NULL, irc_session_event);
	if (owner)
		list_append(&iu->sessions, &s->of_user);
	else
		server->shared = s;
	if (irc->held)
		irc_session_hold(s, true);
	return s;
}

/* Each of a user's own. */
static void
each_session(struct irc_user *iu, void (*fn)(struct irc_session *s, void *arg), void *arg)
{
	LIST_EACH(l, &iu->sessions)
		fn(LIST_ENTRY(l, struct irc_session, of_user), arg);
}

/* The network does not take the user: the framework is told in the next turn. */
static void
refuse(struct irc_user *iu, const char *why)
{
	if (!iu->refused)
		iu->refused = mem_strdup(why);
	irc->refused = true;
}

static void
set_away(struct irc_session *s, void *away)
{
	struct err e;

	if (irc_client_is_up(s->client) && !irc_client_away(s->client, away, &e))
		irc_session_stir(s);
}

static void
tell_user(struct irc_session *s, const char *what, const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "%s: %s%s", s->server->name, what, text);
	if (s->user)
		gateway_tell(s->user, line, NULL, NULL);
}

/* Each connection says so to the log; to the person once. */
static void
password_instead(struct irc_session *s, const char *why)
{
	log_info(NULL, "irc-password-instead", "network=%s user=%s why=%s", s->server->name, s->user ? jid_bare(s->user->jid) : "-", why);
	if (!s->told_password)
		tell_user(s, "your certificate was not taken, and the password is said instead (NickServ's CERT ADD makes it known): ", why);
	s->told_password = true;
}

static void
closed(struct irc_session *s, const struct irc_event *e)
{
	struct irc_user *iu = s->user ? s->user->net : NULL;

	irc_room_deaf(s, e->forever ? e->text : NULL);
	if (e->forever) {
		irc_messages_fail(s, e->text);
		if (iu && iu->network && !strcmp(iu->network, s->server->name))
			refuse(iu, e->text);
	}
	/* Once; what follows is tried in silence. */
	if (s->tries == 1)
		tell_user(s, "the connection is lost: ", e->text);
}

/* Nobody is listened to until there is room for what they say. */
static void
hold_all(bool hold)
{
	irc->held = hold;
	LIST_EACH(l, &irc->servers)
		LIST_EACH(k, &LIST_ENTRY(l, struct irc_server, link)->sessions)
			irc_session_hold(LIST_ENTRY(k, struct irc_session, link), hold);
}

void
irc_session_event(struct irc_session *s, const struct irc_event *e)
{
	struct irc_user *iu = s->user ? s->user->net : NULL;
	char line[400];

	switch (e->kind) {
	case IRC_UP:
		if (iu && iu->away)
			set_away(s, iu->away);
		irc_messages_flush(s);
		break;
	case IRC_CLOSED:
		closed(s, e);
		break;
	case IRC_OWN_NICK:
		s->nick_asked = NULL;
		irc_room_own_nick(s, e);
		break;
	case IRC_NICK_REFUSED:
		if (s->nick_asked)
			gateway_room_nick_refused(s->nick_asked, XERROR_CONFLICT, e->text);
		s->nick_asked = NULL;
		break;
	case IRC_SENT: case IRC_FAILED:
		irc_message_event(s, e);
		break;
	case IRC_INVITED:
		snprintf(line, sizeof(line), "%s invites you to %s%%%s", e->nick, e->text, s->server->name);
		if (s->user)
			gateway_tell(s->user, line, NULL, NULL);
		break;
	case IRC_PRESENT: case IRC_ABSENT:
		irc_contact_event(s, e);
		break;
	case IRC_PASSWORD_INSTEAD:
		password_instead(s, e->text);
		break;
	case IRC_MESSAGE:
		if (!e->channel)
			irc_message_event(s, e);
		else if (e->channel->arg)
			irc_room_event(s, e);
		break;
	default:
		if (e->channel && e->channel->arg)
			irc_room_event(s, e);
	}
	/* Who comes and goes is as much to be told as what is said. */
	if (!irc->held && !gateway_takes(irc->gateway))
		hold_all(true);
}

/* ---- The table ---- */

static void
user_down(struct gateway_user *u, void *arg)
{
	struct irc_user *iu = u->net;
	char *why;

	(void)arg;
	if (!iu || !iu->refused)
		return;
	why = iu->refused;
	iu->refused = NULL;
	gateway_user_down(u, GATEWAY_REFUSED, why);
	free(why);
}

static void
levels(void)
{
	int64_t n = 0, up = 0;

	LIST_EACH(l, &irc->servers) {
		LIST_EACH(k, &LIST_ENTRY(l, struct irc_server, link)->sessions) {
			n++;
			up += irc_client_is_up(LIST_ENTRY(k, struct irc_session, link)->client);
		}
	}
	gateway_level(irc->gateway, "irc_sessions", n);
	gateway_level(irc->gateway, "irc_sessions_up", up);
}

static void
on_turn(uv_timer_t *t)
{
	(void)t;
	if (irc->refused) {
		irc->refused = false;
		gateway_user_each(irc->gateway, user_down, NULL);
	}
	LIST_EACH(l, &irc->servers)
		irc_session_turns(LIST_ENTRY(l, struct irc_server, link));
	if (irc->turns++ % LEVELS_TURNS == 0)
		levels();
}

static int
start(struct gateway *g, const json_t *settings, struct err *err)
{
	irc = NEW(struct irc);
	list_init(&irc->servers);
	irc->gateway = g;
	if (irc_servers_read(&irc->servers, settings, err)) {
		free(irc);
		irc = NULL;
		return -1;
	}
	irc->timer = NEW(uv_timer_t);
	uv_timer_init(gateway_loop(g), irc->timer);
	uv_timer_start(irc->timer, on_turn, TURN_MS, TURN_MS);
	return 0;
}

/* Connections are as they were made: other settings hold from the next start of the program on. */
static int
change(struct gateway *g, const json_t *settings, struct err *err)
{
	struct list made;
	int rc;

	(void)g;
	list_init(&made);
	rc = irc_servers_read(&made, settings, err);
	while (!list_is_empty(&made))
		irc_server_free(LIST_ENTRY(made.next, struct irc_server, link));
	return rc;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

static void
session_end(struct irc_session *s, void *why)
{
	irc_messages_end(s);
	irc_session_close(s, why);
}

static void
stop(struct gateway *g)
{
	(void)g;
	uv_close((uv_handle_t *)irc->timer, timer_closed);
	while (!list_is_empty(&irc->servers)) {
		struct irc_server *server = LIST_ENTRY(irc->servers.next, struct irc_server, link);

		while (!list_is_empty(&server->sessions))
			session_end(LIST_ENTRY(server->sessions.next, struct irc_session, link), "the gateway stops");
		irc_server_free(server);
	}
	free(irc);
	irc = NULL;
}

static enum network_address
address(struct gateway *g, const char *foreign, char *canonical)
{
	const struct irc_server *server;
	enum network_address kind;
	size_t n;

	(void)g;
	if (strlen(foreign) >= NETWORK_ADDRESS_MAX)
		return NETWORK_NOBODY;
	/* In small letters, as JIDs are. What else a network holds to be the same is its own business. */
	for (n = 0; foreign[n]; n++)
		canonical[n] = (char)(foreign[n] >= 'A' && foreign[n] <= 'Z' ? foreign[n] + 32 : foreign[n]);
	canonical[n] = '\0';
	if (irc_server_find(&irc->servers, canonical, n))
		return NETWORK_SERVER;
	server = irc_server_of(&irc->servers, canonical, &n);
	if (!server)
		return NETWORK_NOBODY;
	canonical[n] = '\0';
	kind = !irc_name_is_sane(canonical) || strchr(canonical, ',') ? NETWORK_NOBODY :
	       strchr("#&+!", *canonical) ? (canonical[1] ? NETWORK_ROOM : NETWORK_NOBODY) :
	       strpbrk(canonical, "!@*?.") ? NETWORK_NOBODY : NETWORK_PERSON;
	canonical[n] = '%';
	return kind;
}

static void
user_open(struct gateway_user *u, const json_t *login)
{
	struct irc_user *iu = NEW(struct irc_user);
	struct err e;

	iu->u = u;
	u->net = iu;
	list_init(&iu->seats);
	list_init(&iu->sessions);
	list_init(&iu->contacts);
	if (login && irc_account_read(iu, login, &e)) {
		refuse(iu, e.text);
		return;
	}
	LIST_EACH(l, &irc->servers) {
		struct irc_server *server = LIST_ENTRY(l, struct irc_server, link);

		if (server->eager)
			irc_session_want(irc_session_for(server, u, NULL));
	}
	gateway_user_up(u);
}

static void
user_close(struct gateway_user *u)
{
	struct irc_user *iu = u->net;

	u->net = NULL;
	if (!iu)
		return;
	irc_seats_end(iu);
	irc_contacts_end(iu);
	each_session(iu, session_end, "leaving");
	LIST_EACH(l, &irc->servers) {
		struct irc_session *shared = LIST_ENTRY(l, struct irc_server, link)->shared;

		if (shared)
			irc_messages_forget(shared, u);
	}
	irc_account_free(iu);
	free(iu->away);
	free(iu->refused);
	free(iu);
}

static void
presence(struct gateway_user *u, enum network_show show, const char *status)
{
	static const char *const words[] = { [NETWORK_AWAY] = "away", [NETWORK_XA] = "away for long", [NETWORK_DND] = "busy", [NETWORK_GONE] = "offline" };
	struct irc_user *iu = u->net;
	const char *text = show == NETWORK_AVAILABLE || show == NETWORK_CHAT ? NULL : status && *status ? status : words[show];

	if ((!text && !iu->away) || (text && iu->away && !strcmp(text, iu->away)))
		return;
	free(iu->away);
	iu->away = text ? mem_strdup(text) : NULL;
	/* AWAY is a line. */
	for (char *p = iu->away; p && (p = strpbrk(p, "\r\n")); )
		*p = ' ';
	each_session(iu, set_away, iu->away);
}

static void
room_names(struct gateway_seat *s)
{
	/* Whose view counts is our own business (room.c): what is told is of the room. */
	(void)s;
}

static void
drain(struct gateway *g)
{
	(void)g;
	hold_all(false);
}

const struct network irc_network = {
	.kind = "irc",
	.about = "IRC",
	.identity = "irc",
	.prompt = "Nick%network or #channel%network",
	.features = NETWORK_ROOMS | NETWORK_ACCOUNTS | NETWORK_PRESENCE,
	.turn_us = 1000,
	.fields = irc_account_fields,
	.certificate = irc_account_certificate,
	.certificate_change = irc_account_certificate_change,
	.start = start,
	.change = change,
	.stop = stop,
	.address = address,
	.user_open = user_open,
	.user_close = user_close,
	.send = irc_message_send,
	.forget = irc_message_forget,
	.presence = presence,
	.subscribe = irc_contact_set,
	.room_join = irc_room_join,
	.room_leave = irc_room_leave,
	.room_nick = irc_room_nick,
	.room_names = room_names,
	.room_change = irc_room_change,
	.drain = drain,
};
