#include "gateway/room.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/address.h"
#include "gateway/policy.h"
#include "gateway/store.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

#define NICK_BYTES 256

static struct gateway_room *
find(struct gateway *g, const char *address)
{
	struct gateway_room_kept *k, *table = ROOM_KEPT(g->rooms);

	HASH_FIND(hh, table, address, strlen(address), k);
	return k ? &k->r : NULL;
}

struct gateway_room *
gateway_room_find(struct gateway *g, const char *address)
{
	return find(g, address);
}

struct gateway_seat *
gateway_seat_find(struct gateway_user *u, const char *address)
{
	LIST_EACH(pos, &USER_KEPT(u)->seats) {
		struct gateway_seat_kept *k = LIST_ENTRY(pos, struct gateway_seat_kept, in_user);

		if (!strcmp(k->s.room->address, address))
			return &k->s;
	}
	return NULL;
}

static struct room_client *
find_client(struct gateway_seat *s, const char *jid)
{
	struct room_client *c;

	HASH_FIND_STR(SEAT_KEPT(s)->clients, jid, c);
	return c;
}

struct gateway_seat *
room_seat_of(struct gateway_user *u, const char *address, struct jid *client)
{
	struct gateway_seat *s = gateway_seat_find(u, address);

	return s && find_client(s, jid_full(client)) ? s : NULL;
}

/* Occupants */

static struct occupant *
occupant_find(struct gateway_room *r, const char *nick)
{
	struct occupant *o;

	HASH_FIND_STR(ROOM_KEPT(r)->occupants, nick, o);
	return o;
}

static struct occupant *
occupant_make(struct gateway_room *r, const char *nick)
{
	struct occupant *o = occupant_find(r, nick);

	if (o || HASH_COUNT(ROOM_KEPT(r)->occupants) >= r->gateway->limits->occupants)
		return o;
	o = mem_zalloc(sizeof(*o) + strlen(nick) + 1);
	strcpy(o->nick, nick);
	HASH_ADD_STR(ROOM_KEPT(r)->occupants, nick, o);
	return o;
}

static void
occupant_free(struct gateway_room *r, struct occupant *o)
{
	if (!o)
		return;
	HASH_DEL(ROOM_KEPT(r)->occupants, o);
	free(o->foreign);
	free(o->status);
	free(o);
}

/* Rooms */

static struct gateway_room *
room_get(struct gateway *g, const char *address)
{
	struct gateway_room *r = find(g, address);
	struct gateway_room_kept *k, *table = ROOM_KEPT(g->rooms);
	char local[ADDRESS_LOCAL_MAX];

	if (r || g->nrooms >= g->limits->rooms || gateway_address_to_local(address, local))
		return r;
	k = NEW(struct gateway_room_kept);
	k->address = mem_strdup(address);
	k->local = mem_strdup(local);
	k->r = (struct gateway_room){ .gateway = g, .address = k->address, .kept = k };
	list_init(&k->seats);
	list_init(&k->lines);
	HASH_ADD_KEYPTR(hh, table, k->address, strlen(k->address), k);
	g->rooms = &table->r;
	g->nrooms++;
	return &k->r;
}

static void
room_free(struct gateway_room *r)
{
	struct gateway_room_kept *k = ROOM_KEPT(r), *table = ROOM_KEPT(r->gateway->rooms);
	struct occupant *o, *next;

	room_lines_end(r);
	HASH_ITER(hh, k->occupants, o, next)
		occupant_free(r, o);
	HASH_DEL(table, k);
	r->gateway->rooms = table ? &table->r : NULL;
	r->gateway->nrooms--;
	free(k->address);
	free(k->local);
	free(k->topic);
	free(k->topic_by);
	free(k);
}

bool
gateway_seat_is_ear(const struct gateway_seat *s)
{
	struct gateway_seat *ear = ROOM_KEPT(s->room)->ear;

	return ear == s || !ear;
}

/* Is what this seat's connection says of the room believed? */
static bool
believed(const struct gateway_room *r, const struct gateway_seat *by)
{
	return !by || gateway_seat_is_ear(by) || by->room != r;
}

/* The seat hears nothing any more: another one does. */
static void
pass_ear(struct gateway_seat *s)
{
	struct gateway_room_kept *r = ROOM_KEPT(s->room);

	if (r->ear != s)
		return;
	r->ear = NULL;
	r->naming = false;
	LIST_EACH(pos, &r->seats) {
		struct gateway_seat_kept *k = LIST_ENTRY(pos, struct gateway_seat_kept, in_room);

		if (&k->s == s || !k->s.in)
			continue;
		r->ear = &k->s;
		if (r->r.gateway->net->room_names)
			r->r.gateway->net->room_names(&k->s);
		return;
	}
}

/* What outlives the program */

static bool
seat_key(const struct gateway_seat *s, char key[256])
{
	return snprintf(key, 256, "seat/%s/%s", jid_bare(s->user->jid), s->room->address) < 256;
}

static void
keep(struct gateway_seat *s)
{
	json_t *clients = json_array(), *o;
	char key[256], *text;

	for (struct room_client *c = SEAT_KEPT(s)->clients; c; c = c->hh.next)
		json_array_append_new(clients, json_string(c->jid));
	o = json_pack("{s:s, s:o}", "nick", s->nick, "clients", clients);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	if (text && seat_key(s, key))
		gateway_data_set_of(s->user->gateway, jid_bare(s->user->jid), key, text);
	free(text);
	json_decref(o);
}

static void
keep_not(struct gateway_seat *s)
{
	char key[256];

	if (!s->user->gateway->stopping && seat_key(s, key))
		gateway_data_set_of(s->user->gateway, jid_bare(s->user->jid), key, NULL);
}

/* Seats */

static void
add_client(struct gateway_seat *s, const char *jid)
{
	struct room_client *c = find_client(s, jid);
	struct buf to = { 0 };

	if (c)
		c->doubted = false;
	if (c || HASH_COUNT(SEAT_KEPT(s)->clients) >= s->user->gateway->limits->resources_per_user)
		return;
	write_chars(&to, jid);
	c = mem_zalloc(sizeof(*c) + strlen(jid) + 1 + buf_len(&to) + 1);
	strcpy(c->jid, jid);
	c->to = strcpy(c->jid + strlen(jid) + 1, buf_str(&to));
	buf_fini(&to);
	HASH_ADD_STR(SEAT_KEPT(s)->clients, jid, c);
}

static void
remove_client(struct gateway_seat *s, struct room_client *c)
{
	HASH_DEL(SEAT_KEPT(s)->clients, c);
	free(c);
}

static void
set_nick(struct gateway_seat *s, const char *nick)
{
	struct gateway_seat_kept *k = SEAT_KEPT(s);
	char *now = gateway_text_clean(nick, NICK_BYTES, true);

	free(k->nick);
	k->nick = now;
	s->nick = now;
}

static struct gateway_seat *
seat_new(struct gateway_user *u, struct gateway_room *r, const char *nick, const char *password)
{
	struct gateway_seat_kept *k = NEW(struct gateway_seat_kept);

	k->s = (struct gateway_seat){ .user = u, .room = r, .kept = k };
	set_nick(&k->s, nick);
	k->wished = mem_strdup(k->nick);
	k->password = password ? mem_strdup(password) : NULL;
	list_init(&k->asks);
	list_append(&ROOM_KEPT(r)->seats, &k->in_room);
	list_append(&USER_KEPT(u)->seats, &k->in_user);
	USER_KEPT(u)->nseats++;
	return &k->s;
}

/* Those here who were shown that it is in see it go: its own clients and the others', also of who is not connected at the moment. */
static void
show_end(struct gateway_seat *s, const struct room_news *news)
{
	struct occupant *o = occupant_find(s->room, s->nick);

	if (!SEAT_KEPT(s)->shown || !o || o->seat != s)
		return;
	LIST_EACH(pos, &ROOM_KEPT(s->room)->seats) {
		struct gateway_seat_kept *k = LIST_ENTRY(pos, struct gateway_seat_kept, in_room);

		if (k->shown)
			room_show_to(&k->s, o, news, NULL);
	}
	SEAT_KEPT(s)->shown = false;
}

/* The seat ends; its occupant with it. The network knows already, or is told before. */
static void
seat_free(struct gateway_seat *s)
{
	struct gateway_seat_kept *k = SEAT_KEPT(s);
	struct gateway_room *r = s->room;
	struct occupant *o = occupant_find(r, s->nick);
	struct room_client *c, *next;

	if (!s->user->gateway->stopping)
		show_end(s, &(struct room_news){ .gone = true });
	keep_not(s);
	messages_of_seat(s, XERROR_NOT_ACCEPTABLE, "you are not in this room any more");
	asks_fail(s);
	s->in = false;
	pass_ear(s);
	if (o && o->seat == s)
		occupant_free(r, o);
	HASH_ITER(hh, k->clients, c, next)
		remove_client(s, c);
	list_remove(&k->in_room);
	list_remove(&k->in_user);
	USER_KEPT(s->user)->nseats--;
	if (k->password)
		crypt_wipe(k->password, strlen(k->password));
	free(k->password);
	free(k->wished);
	free(k->nick);
	free(k);
	if (list_is_empty(&ROOM_KEPT(r)->seats))
		room_free(r);
}

static void
ask_to_join(struct gateway_seat *s)
{
	SEAT_KEPT(s)->asked = true;
	s->user->gateway->net->room_join(s, SEAT_KEPT(s)->password);
}

static void
join(struct gateway_user *u, const char *address, const char *nick, const char *password, const char *client, const struct stanza *st)
{
	struct gateway *g = u->gateway;
	struct gateway_seat *s = gateway_seat_find(u, address);
	struct gateway_room *r = s ? s->room : NULL;

	if (!s) {
		r = USER_KEPT(u)->nseats < g->limits->seats_per_user ? room_get(g, address) : NULL;
		if (!r) {
			send_stanza(g, xerror_reply(st, XERROR_RESOURCE_CONSTRAINT, NULL, NULL));
			return;
		}
		s = seat_new(u, r, nick, password);
	}
	add_client(s, client);
	user_touch(u);
	if (s->in) {
		room_show_all(s, client, strcmp(nick, s->nick) != 0);
		keep(s);
	} else if (u->up && !SEAT_KEPT(s)->asked) {
		ask_to_join(s);
	} else if (USER_KEPT(u)->state == USER_REFUSED) {
		gateway_room_refused(s, XERROR_NOT_AUTHORIZED, USER_KEPT(u)->text);
	} else {
		user_want(u);
	}
}

/* Nobody of the user's is in it any more. */
static void
leave(struct gateway_seat *s, const char *status, const struct room_news *news)
{
	show_end(s, news);
	if (SEAT_KEPT(s)->asked && s->user->up)
		s->user->gateway->net->room_leave(s, status);
	seat_free(s);
}

/* Presence of clients */

static void
may_join(struct gateway *g, const char *jid, const struct stanza *st, enum store_may may, const char *text, const struct elem *answer)
{
	struct jid *from = jid_parse_z(elem_get(st->root, "from")), *to = jid_parse_z(elem_get(st->root, "to"));
	const struct elem *x = elem_child(st->root, NS_MUC, "x"), *password = x ? elem_child(x, NS_MUC, "password") : NULL;
	char plain[NETWORK_ADDRESS_MAX], address[NETWORK_ADDRESS_MAX];
	struct gateway_user *u = from ? user_get(g, from) : NULL;

	(void)jid;
	(void)answer;
	if (may != STORE_MAY) {
		send_stanza(g, xerror_reply(st, XERROR_FORBIDDEN, NULL, text ? text : "you may not use rooms of this network"));
	} else if (!u) {
		send_stanza(g, xerror_reply(st, XERROR_RESOURCE_CONSTRAINT, NULL, NULL));
	} else if (to && !gateway_address_from_local(jid_local(to), plain) && g->net->address(g, plain, address) == NETWORK_ROOM) {
		policy_lets(u);
		join(u, address, jid_resource(to), password ? elem_text(password, st->arena) : NULL, jid_full(from), st);
	}
	jid_unref(from);
	jid_unref(to);
}

void
room_client_leaves(struct gateway_seat *s, struct room_client *c, const char *status)
{
	struct occupant *o = occupant_find(s->room, s->nick);
	struct room_news news = { .gone = true, .codes = { "110" } };

	if (HASH_COUNT(SEAT_KEPT(s)->clients) == 1) {
		leave(s, status, &(struct room_news){ .gone = true });
		return;
	}
	if (s->in && o)
		room_show_to(s, o, &news, c->jid);
	remove_client(s, c);
	keep(s);
}

void
room_presence_came(struct gateway *g, const struct stanza *st, const char *type, struct jid *from, struct jid *to, const char *foreign)
{
	const struct elem *x = elem_child(st->root, NS_MUC, "x"), *status = elem_child(st->root, NS_COMPONENT, "status");
	struct gateway_user *u = user_find(g, jid_bare(from));
	struct gateway_seat *s = u ? gateway_seat_find(u, foreign) : NULL;
	struct room_client *c = s ? find_client(s, jid_full(from)) : NULL;

	if (!jid_resource(from))
		return;
	if (c)
		c->doubted = false;
	if (type && !strcmp(type, "unavailable")) {
		if (c)
			room_client_leaves(s, c, status ? elem_text(status, st->arena) : NULL);
	} else if (type && !strcmp(type, "error")) {
		if (room_means_gone(xerror_of(st->root)))
			room_client_gone(g, from);
	} else if (type) {
		return;
	} else if (x && incoming_is_over(g)) {
		/* Who enters is shown everybody: not while chanceryd has not taken what others were shown. */
		send_stanza(g, xerror_reply(st, XERROR_RESOURCE_CONSTRAINT, NULL, "the gateway has too much to say at the moment"));
	} else if (!jid_resource(to)) {
		send_stanza(g, xerror_reply(st, XERROR_JID_MALFORMED, NULL, "a nickname is needed"));
	} else if (c && s->in && strcmp(jid_resource(to), s->nick) && !x) {
		if (g->net->room_nick)
			g->net->room_nick(s, jid_resource(to));
		else
			send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, "nicknames cannot be changed here"));
	} else if (c && s->in && x) {
		room_show_all(s, c->jid, strcmp(jid_resource(to), s->nick) != 0);
	} else if (!c && !x) {
		send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, "you are not in this room"));
	} else if (!c) {
		/* Who runs it with settings of its own has no policy at chanceryd. */
		if (s || g->start.settings)
			may_join(g, jid_bare(from), st, STORE_MAY, NULL, NULL);
		else
			store_may(g, jid_bare(from), "join", jid_bare(to), may_join, st);
	}
}

bool
room_means_gone(enum xerror e)
{
	return e == XERROR_GONE || e == XERROR_ITEM_NOT_FOUND || e == XERROR_RECIPIENT_UNAVAILABLE || e == XERROR_REDIRECT || e == XERROR_REMOTE_SERVER_NOT_FOUND ||
		e == XERROR_REMOTE_SERVER_TIMEOUT || e == XERROR_SERVICE_UNAVAILABLE;
}

void
room_client_gone(struct gateway *g, struct jid *client)
{
	struct gateway_user *u = user_find(g, jid_bare(client));

	if (!u)
		return;
	LIST_EACH(pos, &USER_KEPT(u)->seats) {
		struct gateway_seat *s = &LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->s;
		struct room_client *c = find_client(s, jid_full(client));

		if (c)
			room_client_leaves(s, c, NULL);
	}
}

/* What the network says of seats */

void
gateway_room_joined(struct gateway_seat *s, const char *nick)
{
	struct gateway_seat_kept *k = SEAT_KEPT(s);
	struct gateway_room_kept *r = ROOM_KEPT(s->room);
	struct occupant *o = occupant_find(s->room, s->nick);
	bool again = k->shown;

	/* After a reconnection with another nick the old one is gone. */
	if (again && strcmp(nick, s->nick) && o && o->seat == s) {
		room_show(s->room, o, &(struct room_news){ .gone = true, .codes = { "303" }, .new_nick = nick });
		occupant_free(s->room, o);
	}
	set_nick(s, nick);
	s->in = true;
	k->shown = true;
	if (!r->ear)
		r->ear = s;
	o = occupant_make(s->room, s->nick);
	if (o)
		o->seat = s;
	for (struct room_client *c = k->clients; c; c = c->hh.next)
		room_show_all(s, c->jid, strcmp(k->wished, s->nick) != 0);
	if (o)
		LIST_EACH(pos, &r->seats) {
			struct gateway_seat_kept *other = LIST_ENTRY(pos, struct gateway_seat_kept, in_room);

			if (other != k && other->s.in)
				room_show_to(&other->s, o, &(struct room_news){ .gone = false }, NULL);
		}
	keep(s);
	messages_give(s->user);
}

void
gateway_room_refused(struct gateway_seat *s, enum xerror e, const char *text)
{
	/* Who was in, before the connection was lost, is out. */
	if (SEAT_KEPT(s)->shown)
		show_end(s, &(struct room_news){ .gone = true, .codes = { CODE_TROUBLE }, .why = text });
	else
		room_refuse(s, e, text);
	seat_free(s);
}

void
gateway_room_nick_refused(struct gateway_seat *s, enum xerror e, const char *text)
{
	room_refuse(s, e, text);
}

void
gateway_room_left(struct gateway_seat *s, bool kicked, bool banned, const char *actor, const char *why)
{
	struct room_news news = { .gone = true, .actor = actor, .why = why };

	if (kicked)
		news.codes[0] = "307";
	else if (banned)
		news.codes[0] = "301";
	if (SEAT_KEPT(s)->shown)
		show_end(s, &news);
	else
		room_refuse(s, XERROR_REMOTE_SERVER_NOT_FOUND, why);
	seat_free(s);
}

/* What the network says of others */

void
gateway_room_names(struct gateway_room *r, struct gateway_seat *by)
{
	if (!believed(r, by))
		return;
	ROOM_KEPT(r)->round++;
	ROOM_KEPT(r)->naming = true;
}

void
gateway_room_names_end(struct gateway_room *r, struct gateway_seat *by)
{
	struct gateway_room_kept *k = ROOM_KEPT(r);
	struct occupant *o, *next;

	if (!believed(r, by) || !k->naming)
		return;
	k->naming = false;
	HASH_ITER(hh, k->occupants, o, next) {
		if (o->round == k->round || o->seat)
			continue;
		room_show(r, o, &(struct room_news){ .gone = true });
		occupant_free(r, o);
	}
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

void
gateway_room_occupant(struct gateway_room *r, struct gateway_seat *by, const struct gateway_occupant *n)
{
	struct gateway_room_kept *k = ROOM_KEPT(r);
	char *nick, *status;
	struct occupant *o;
	bool news;

	if (!believed(r, by) || !*n->nick)
		return;
	nick = gateway_text_clean(n->nick, NICK_BYTES, true);
	status = gateway_text_clean(n->status, 512, true);
	news = !occupant_find(r, nick);
	o = occupant_make(r, nick);
	free(nick);
	if (!o) {
		free(status);
		return;
	}
	o->round = k->round;
	news |= o->op != n->op || o->voice != n->voice || o->owner != n->owner || o->admin != n->admin || o->away != n->away || !same(o->status, status);
	o->op = n->op;
	o->voice = n->voice;
	o->owner = n->owner;
	o->admin = n->admin;
	o->away = n->away;
	free(o->status);
	o->status = status;
	if (n->foreign && !same(o->foreign, n->foreign)) {
		free(o->foreign);
		o->foreign = gateway_text_clean(n->foreign, NETWORK_ADDRESS_MAX, true);
	}
	if (news)
		room_show(r, o, &(struct room_news){ .gone = false });
}

void
gateway_room_gone(struct gateway_room *r, struct gateway_seat *by, const char *nick, const char *why)
{
	struct occupant *o = believed(r, by) ? occupant_find(r, nick) : NULL;

	if (!o || o->seat)
		return;
	room_show(r, o, &(struct room_news){ .gone = true, .why = why });
	occupant_free(r, o);
}

void
gateway_room_kicked(struct gateway_room *r, struct gateway_seat *by, const char *nick, bool banned, const char *actor, const char *why)
{
	struct occupant *o = believed(r, by) ? occupant_find(r, nick) : NULL;

	if (!o || o->seat)
		return;
	room_show(r, o, &(struct room_news){ .gone = true, .codes = { banned ? "301" : "307" }, .actor = actor, .why = why });
	occupant_free(r, o);
}

void
gateway_room_renamed(struct gateway_room *r, struct gateway_seat *by, const char *old, const char *now)
{
	struct occupant *o = occupant_find(r, old), *n;

	if (!o || !*now || (!believed(r, by) && o->seat != by) || !strcmp(old, now))
		return;
	room_show(r, o, &(struct room_news){ .gone = true, .codes = { "303" }, .new_nick = now });
	n = occupant_find(r, now);
	if (n && n != o)
		occupant_free(r, n);
	n = occupant_make(r, now);
	if (n) {
		n->op = o->op;
		n->voice = o->voice;
		n->owner = o->owner;
		n->admin = o->admin;
		n->away = o->away;
		n->round = o->round;
		n->seat = o->seat;
		n->foreign = o->foreign;
		n->status = o->status;
		o->foreign = o->status = NULL;
	}
	if (o->seat) {
		set_nick(o->seat, now);
		keep(o->seat);
	}
	occupant_free(r, o);
	if (n)
		room_show(r, n, &(struct room_news){ .gone = false });
}

void
gateway_room_topic(struct gateway_room *r, struct gateway_seat *by, const char *topic, const char *who, int64_t at_us)
{
	struct gateway_room_kept *k = ROOM_KEPT(r);

	if (!believed(r, by))
		return;
	free(k->topic);
	free(k->topic_by);
	k->topic = gateway_text_clean(topic ? topic : "", 4096, false);
	k->topic_by = gateway_text_clean(who, NICK_BYTES, true);
	k->topic_us = at_us;
	room_show_topic(r, NULL);
}

/* Users */

void
seats_up(struct gateway_user *u)
{
	LIST_EACH(pos, &USER_KEPT(u)->seats) {
		struct gateway_seat *s = &LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->s;

		if (!SEAT_KEPT(s)->asked && u->up)
			ask_to_join(s);
	}
}

void
seats_down(struct gateway_user *u)
{
	LIST_EACH(pos, &USER_KEPT(u)->seats) {
		struct gateway_seat *s = &LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->s;

		s->in = false;
		s->net = NULL;
		SEAT_KEPT(s)->asked = false;
		asks_fail(s);
		pass_ear(s);
	}
}

void
seats_refused(struct gateway_user *u, enum xerror e, const char *text)
{
	LIST_EACH(pos, &USER_KEPT(u)->seats)
		gateway_room_refused(&LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->s, e, text);
}

void
seats_end(struct gateway_user *u, const char *code, const char *why)
{
	LIST_EACH(pos, &USER_KEPT(u)->seats) {
		struct gateway_seat *s = &LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->s;

		if (!u->gateway->stopping && !SEAT_KEPT(s)->shown)
			room_refuse(s, XERROR_SERVICE_UNAVAILABLE, why);
		if (u->gateway->stopping)
			seat_free(s);
		else
			leave(s, why, &(struct room_news){ .gone = true, .codes = { code }, .why = why });
	}
}

/* "seat/JID/ROOM". */
static void
restore(struct gateway *g, const char *key, const char *value)
{
	const char *jid = key + strlen("seat/"), *address = strchr(jid, '/');
	json_t *o = json_loads(value, 0, NULL), *c;
	const char *nick = json_string_value(json_object_get(o, "nick"));
	char *bare = address ? mem_strndup(jid, (size_t)(address - jid)) : NULL, canonical[NETWORK_ADDRESS_MAX];
	struct jid *who = bare ? jid_parse_z(bare) : NULL;
	struct gateway_user *u = who ? user_get(g, who) : NULL;
	struct gateway_room *r = NULL;
	struct gateway_seat *s;
	size_t i;

	if (u && nick && strlen(address + 1) < NETWORK_ADDRESS_MAX && g->net->address(g, address + 1, canonical) == NETWORK_ROOM && !gateway_seat_find(u, canonical))
		r = room_get(g, canonical);
	if (r) {
		s = seat_new(u, r, nick, NULL);
		json_array_foreach(json_object_get(o, "clients"), i, c)
			if (json_is_string(c))
				add_client(s, json_string_value(c));
		if (u->up)
			ask_to_join(s);
		else
			user_want(u);
	}
	jid_unref(who);
	free(bare);
	json_decref(o);
}

static void
restore_one(void *arg, const char *key, const char *value)
{
	struct gateway *g = arg;

	if (!key)
		program_settled(g);
	else if (!g->stopping)
		restore(g, key, value);
}

void
rooms_restore(struct gateway *g)
{
	if (g->net->features & NETWORK_ROOMS)
		gateway_data_each(g, "seat/", restore_one, g);
	else
		program_settled(g);
}
