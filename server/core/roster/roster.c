/*
 * roster: a user's table of contacts, pushes of what has changed in it (RFC 6121 §2.1.6), and what follows from all
 * of it at once: waiting requests, the end of the account.
 *
 * Belongs to its user, on the user's home. Answers to those who ask for it are in roster_get.c; alterations come
 * through roster_change.c.
 */
#include "core/roster/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/everyone.h"
#include "core/home.h"
#include "core/roster/presence.h"
#include "core/roster/roster_priv.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

/* The table */

static void
count(struct roster *r, const struct roster_item *i, int sign)
{
	size_t bytes = i->listed ? roster_item_bytes(i) : 0;
	size_t request = i->request ? strlen(i->request) : 0;

	r->nlisted += (unsigned)(sign * (i->listed ? 1 : 0));
	r->nrequests += (unsigned)(sign * (i->request ? 1 : 0));
	r->bytes = sign > 0 ? r->bytes + bytes : r->bytes - bytes;
	r->request_bytes = sign > 0 ? r->request_bytes + request : r->request_bytes - request;
}

static void
add(struct roster *r, struct roster_item *i)
{
	HASH_ADD_KEYPTR(hh, r->items, jid_full(i->jid), jid_full_len(i->jid), i);
	count(r, i, 1);
}

static void
take_out(struct roster *r, struct roster_item *i)
{
	count(r, i, -1);
	HASH_DELETE(hh, r->items, i);
	roster_item_free(i);
}

struct roster_item *
roster_lookup(const struct roster *r, const struct jid *j)
{
	struct roster_item *i;

	HASH_FIND(hh, r->items, jid_full(j), jid_full_len(j), i);
	return i;
}

struct roster_item *
roster_find(const struct roster *r, const struct jid *j)
{
	struct roster_item *i;

	HASH_FIND(hh, r->items, jid_bare(j), jid_bare_len(j), i);
	return i;
}

void
roster_put(struct roster *r, struct roster_item *i)
{
	roster_drop(r, i->jid);
	add(r, i);
}

void
roster_drop(struct roster *r, const struct jid *j)
{
	struct roster_item *i = roster_lookup(r, j);

	if (i)
		take_out(r, i);
}

struct roster *
roster_new(const struct roster_rows *rows)
{
	struct roster *r = NEW(struct roster);

	r->version = r->loaded = rows->version;
	r->floor = rows->floor;
	for (size_t n = 0; n < rows->n; n++) {
		struct roster_item *i = roster_item_from_row(&rows->rows[n]);

		if (i)
			roster_put(r, i);
		else
			log_error(NULL, "roster-row-malformed", "contact=%s", rows->rows[n].jid);
	}
	return r;
}

void
roster_free(struct roster *r)
{
	struct roster_item *i, *tmp;

	if (!r)
		return;
	HASH_ITER(hh, r->items, i, tmp)
		take_out(r, i);
	free(r);
}

void
roster_each(const struct roster *r, void (*fn)(const struct roster_item *i, void *arg), void *arg)
{
	struct roster_item *i, *tmp;

	HASH_ITER(hh, r->items, i, tmp)
		fn(i, arg);
}

/* Pushes (§2.1.6): no `from`, an id of its own, to whoever has asked for the roster. */

static struct packet *
push_packet(struct user *u, uint64_t version, const struct roster_item *i, const char *left)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	char id[17], ver[ROSTER_VERSION_TEXT];
	struct elem *query;

	crypt_random_hex(id, 8);
	elem_set(st, st->root, "id", id);
	elem_set(st, st->root, "type", "set");
	query = elem_add(st, st->root, NS_ROSTER, "query");
	elem_set(st, query, "ver", roster_version_write(ver, u->account, version));
	if (i)
		roster_item_write(st, query, i);
	else
		roster_item_write_removed(st, query, left);
	return packet_new(st, NULL, u->jid);
}

static void
send_and_forget(struct session *s, struct packet *p)
{
	session_send(s, p);
	packet_unref(p);
}

void
roster_push_one(struct user *u, struct session *s, uint64_t version, const struct roster_item *i, const char *left)
{
	struct packet *p = push_packet(u, version, i, left);

	send_and_forget(s, packet_readdress(p, s->jid));
	packet_unref(p);
}

void
roster_push(struct user *u, const struct roster_item *i, const struct jid *jid)
{
	struct packet *p = push_packet(u, u->roster->version, i, jid ? jid_full(jid) : NULL);
	struct everyone all = everyone(u);

	for (unsigned k = 0; k < all.n; k++)
		if (all.session[k]->interested && !all.session[k]->closing)
			send_and_forget(all.session[k], packet_readdress(p, all.session[k]->jid));
	packet_unref(p);
}

/* Stanzas in the user's name */

void
roster_send_subscription(struct user *u, struct jid *to, const char *type)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");

	elem_set(st, st->root, "from", jid_bare(u->jid));
	elem_set(st, st->root, "to", jid_full(to));
	elem_set(st, st->root, "type", type);
	router_send(packet_new(st, u->jid, to));
}

/* Requests that wait (§3.1.3) */

void
roster_send_requests(struct user *u, struct session *s)
{
	struct parser_limits limits = home_parser_limits();
	struct roster_item *i, *tmp;

	if (!u->roster || !u->roster->nrequests)
		return;
	HASH_ITER(hh, u->roster->items, i, tmp) {
		struct stanza *st = i->request ? parser_one(i->request, strlen(i->request), NS_CLIENT, &limits) : NULL;

		if (st)
			send_and_forget(s, packet_new(st, i->jid, u->jid));
		else if (i->request)
			log_error(NULL, "roster-request-malformed", "jid=%s contact=%s", jid_bare(u->jid), jid_bare(i->jid));
	}
}

void
roster_account_removed(struct user *u)
{
	struct roster_item *i, *tmp;

	if (!u->roster)
		return;
	HASH_ITER(hh, u->roster->items, i, tmp) {
		unsigned state = roster_item_state(i).state;

		if (state & SUB_FROM)
			presence_send_unavailable(u, i->jid);
		if (state & (SUB_TO | SUB_ASK))
			roster_send_subscription(u, i->jid, "unsubscribe");
		if (state & (SUB_FROM | SUB_ASKED))
			roster_send_subscription(u, i->jid, "unsubscribed");
	}
}

void
roster_start(void)
{
	iq_handle(TYPE_GET, NS_ROSTER, "query", IQ_TO_ACCOUNT, roster_on_get, NULL);
	iq_handle(TYPE_SET, NS_ROSTER, "query", IQ_TO_ACCOUNT, roster_on_set, NULL);
}
