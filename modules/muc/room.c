/*
 * room: its memory, and looking things up in it (room.h).
 */
#include "room.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config.h"
#include "history.h"
#include "invite.h"
#include "occupant.h"
#include "order.h"
#include "room_store.h"
#include "xmpp/confusable.h"

struct room *
room_of(const struct hook *h)
{
	return h->account && jid_local(h->account) ? module_place(h) : NULL;
}

/* Nicknames */

char *
room_nick_key(const char *nick)
{
	char *key = module_settings()->rooms.lookalikes ? confusable_skeleton(nick) : NULL;

	return key ? key : mem_strdup(nick);
}

const char *
room_nick(const struct room_occupant *o)
{
	return jid_resource(o->jid);
}

struct room_occupant *
room_occupant(const struct room *r, const char *nick)
{
	struct room_occupant *o;

	HASH_FIND_STR(r->occupants, nick, o);
	return o;
}

struct room_occupant *
room_occupant_like(const struct room *r, const char *nick)
{
	struct room_occupant *o;
	char *key = room_nick_key(nick);

	HASH_FIND(by_key, r->keys, key, strlen(key), o);
	free(key);
	return o;
}

struct room_seat *
room_seat(const struct room *r, const struct jid *full)
{
	struct room_seat *s;

	HASH_FIND(hh, r->seats, jid_full(full), jid_full_len(full), s);
	return s;
}

struct room_occupant *
room_occupant_of(const struct room *r, const struct jid *bare, const struct room_occupant *after)
{
	for (struct room_occupant *o = after ? after->hh.next : r->occupants; o; o = o->hh.next)
		if (jid_equal_bare(o->bare, bare))
			return o;
	return NULL;
}

/* Affiliations */

const struct room_affiliate *
room_affiliate(const struct room *r, const char *bare)
{
	struct room_affiliate *f;

	HASH_FIND_STR(r->affiliates, bare, f);
	return f;
}

enum affiliation
room_affiliation(const struct room *r, const struct jid *j)
{
	const struct room_affiliate *f = room_affiliate(r, jid_bare(j));

	if (!f || f->affiliation == AFFILIATION_NONE)
		f = room_affiliate(r, jid_domain(j));
	return f ? f->affiliation : AFFILIATION_NONE;
}

unsigned
room_owners(const struct room *r)
{
	unsigned n = 0;

	for (const struct room_affiliate *f = r->affiliates; f; f = f->hh.next)
		n += f->affiliation == AFFILIATION_OWNER;
	return n;
}

const struct room_affiliate *
room_reserved(const struct room *r, const char *nick)
{
	const struct room_affiliate *f = r->affiliates;
	char *key = f ? room_nick_key(nick) : NULL;

	while (f && (!f->key || strcmp(f->key, key) != 0))
		f = f->hh.next;
	free(key);
	return f;
}

static void
affiliate_free(struct room *r, struct room_affiliate *f)
{
	HASH_DEL(r->affiliates, f);
	free(f->nick);
	free(f->key);
	free(f->reason);
	free(f);
}

static void
set_nick(struct room_affiliate *f, const char *nick)
{
	free(f->nick);
	free(f->key);
	f->nick = *nick ? mem_strdup(nick) : NULL;
	f->key = *nick ? room_nick_key(nick) : NULL;
}

void
room_set_affiliate(struct room *r, const char *bare, enum affiliation a, const char *nick, const char *reason)
{
	struct room_affiliate *f = (struct room_affiliate *)room_affiliate(r, bare);
	size_t n = strlen(bare);

	if (!f) {
		f = mem_zalloc(sizeof(*f) + n + 1);
		memcpy(f->jid, bare, n);
		HASH_ADD_KEYPTR(hh, r->affiliates, f->jid, n, f);
	}
	f->affiliation = a;
	if (nick)
		set_nick(f, nick);
	if (f->reason != reason) {
		free(f->reason);
		f->reason = reason && *reason ? mem_strdup(reason) : NULL;
	}
	if (a == AFFILIATION_NONE && !f->nick)
		affiliate_free(r, f);
}

/* Its memory */

static char *
copy(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

/* What lasts, of a room that is none yet. */
void
room_take_row(struct room *r, const struct room_row *row)
{
	r->id = row->id;
	r->locked = row->locked;
	r->run = row->run;
	memcpy(r->secret, row->secret, sizeof(r->secret));
	config_copy(&r->config, &row->config);
	r->subject = (struct room_subject){ copy(row->subject.text), copy(row->subject.nick), row->subject.at_us };
	r->creator = mem_strdup(row->creator);
	r->created_us = row->created_us;
	r->photos = copy(row->photos && *row->photos ? row->photos : NULL);
	for (size_t i = 0; i < row->naffiliates; i++)
		room_set_affiliate(r, row->affiliate[i].jid, row->affiliate[i].affiliation, row->affiliate[i].nick,
			row->affiliate[i].reason);
}

void *
room_make(const struct jid *bare, const void *rows)
{
	const struct room_row *row = rows;
	struct room *r = NEW(struct room);

	r->jid = jid_ref((struct jid *)bare);
	list_init(&r->crossing);
	list_init(&r->quiet.list);
	/* A room for as long as somebody is there has ended with the run of the server in which somebody was. */
	if (row && (row->config.persistent || row->run == module_run()))
		room_take_row(r, row);
	return r;
}

void
room_forget(struct room *r)
{
	while (r->affiliates)
		affiliate_free(r, r->affiliates);
	config_clear(&r->config);
	free(r->subject.text);
	free(r->subject.nick);
	r->subject = (struct room_subject){ 0 };
	free(r->creator);
	free(r->photos);
	r->creator = r->photos = NULL;
	history_free(r->history);
	r->history = NULL;
	r->id = 0;
	r->open = r->locked = false;
}

void
room_free(void *place)
{
	struct room *r = place;

	room_order_fini(r);
	invites_free(r->invites);
	while (r->occupants)
		occupant_free(r, r->occupants);
	room_forget(r);
	jid_unref(r->jid);
	free(r);
}

bool
room_is_needed(const void *place)
{
	const struct room *r = place;

	return r->occupants != NULL;
}
