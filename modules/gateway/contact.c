/*
 * contact: people at the network in somebody's roster here, and what is known of them: whether they are there, and when they were last written to.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/address.h"
#include "gateway/priv.h"
#include "gateway/text.h"
#include "xmpp/ns.h"

#define QUIET_US (24 * 3600 * INT64_C(1000000)) /* without a word, after which the disclaimer is said again */

struct contact {
	UT_hash_handle hh;
	bool wanted;      /* the user sees its presence */
	enum network_show show;
	char *status;
	int64_t said_us;  /* 0: never */
	char foreign[];
};

static const char *
show_name(enum network_show show)
{
	static const char *const names[] = { [NETWORK_CHAT] = "chat", [NETWORK_AWAY] = "away", [NETWORK_XA] = "xa", [NETWORK_DND] = "dnd", [NETWORK_GONE] = NULL };

	return names[show];
}

static void
contact_free(struct gateway_user_kept *k, struct contact *c)
{
	HASH_DEL(k->contacts, c);
	free(c->status);
	free(c);
}

static struct contact *
find(struct gateway_user *u, const char *foreign)
{
	struct contact *c;

	HASH_FIND_STR(USER_KEPT(u)->contacts, foreign, c);
	return c;
}

/* Of more than there may be, one that is only remembered for having been written to goes. NULL: all are wanted. */
static struct contact *
find_or_make(struct gateway_user *u, const char *foreign)
{
	struct gateway_user_kept *k = USER_KEPT(u);
	struct contact *c = find(u, foreign), *old = k->contacts;

	if (c)
		return c;
	if (HASH_COUNT(k->contacts) >= u->gateway->limits->contacts_per_user) {
		while (old && old->wanted)
			old = old->hh.next;
		if (!old)
			return NULL;
		contact_free(k, old);
	}
	c = mem_zalloc(sizeof(*c) + strlen(foreign) + 1);
	strcpy(c->foreign, foreign);
	c->show = NETWORK_GONE;
	HASH_ADD_STR(k->contacts, foreign, c);
	return c;
}

bool
contacts_wanted(struct gateway_user *u)
{
	for (struct contact *c = USER_KEPT(u)->contacts; c; c = c->hh.next)
		if (c->wanted)
			return true;
	return false;
}

void
contact_said(struct gateway_user *u, const char *foreign, bool *first)
{
	struct contact *c = find_or_make(u, foreign);
	int64_t now = clock_wall_us();

	*first = !c || c->said_us == 0 || now - c->said_us > QUIET_US;
	if (c)
		c->said_us = now;
}

/* Presence */

static void
write_type(struct gateway *g, const char *local, const char *to, const char *type)
{
	write_start(g, "presence", local, NULL, to, type, NULL);
	write_send(g, "presence", NULL, NULL);
}

static void
write_presence(struct gateway *g, const char *local, const char *to, enum network_show show, const char *status)
{
	struct buf *b = write_start(g, "presence", local, NULL, to, show == NETWORK_GONE ? "unavailable" : NULL, NULL);

	write_text(b, "show", NULL, show_name(show));
	write_text(b, "status", NULL, status);
	write_send(g, "presence", NULL, NULL);
}

/* Where nothing is known of people, they are there as long as the user's way to them is. */
static void
show_contact(struct gateway_user *u, struct contact *c, const char *to)
{
	char local[ADDRESS_LOCAL_MAX];
	enum network_show show = c->show;

	if (gateway_address_to_local(c->foreign, local))
		return;
	if (!(u->gateway->net->features & NETWORK_PRESENCE))
		show = u->up ? NETWORK_AVAILABLE : NETWORK_GONE;
	write_presence(u->gateway, local, to, show, c->status);
}

void
contact_presence_came(struct gateway *g, const struct stanza *st, const char *type, struct jid *from, const char *foreign, const char *local)
{
	struct gateway_user *u = user_get(g, from);
	struct contact *c;
	bool probe = type && !strcmp(type, "probe");

	if (!u || !type)
		return;
	if (!strcmp(type, "subscribe") || probe) {
		c = find_or_make(u, foreign);
		if (!c) {
			send_stanza(g, xerror_reply(st, XERROR_RESOURCE_CONSTRAINT, NULL, NULL));
			return;
		}
		user_touch(u);
		user_want(u);
		if (!probe)
			write_type(g, local, jid_bare(from), "subscribed");
		if (!c->wanted && u->up && (g->net->features & NETWORK_PRESENCE))
			g->net->subscribe(u, c->foreign, true);
		c->wanted = true;
		show_contact(u, c, probe ? jid_full(from) : jid_bare(from));
	} else if (!strcmp(type, "unsubscribe")) {
		c = find(u, foreign);
		/* Where a contact's presence is only ours to show, nobody else says that it ends. */
		write_type(g, local, jid_bare(from), "unavailable");
		write_type(g, local, jid_bare(from), "unsubscribed");
		if (c && c->wanted) {
			c->wanted = false;
			if (u->up && (g->net->features & NETWORK_PRESENCE))
				g->net->subscribe(u, c->foreign, false);
		}
	}
}

void
gateway_presence(struct gateway_user *u, const char *from, enum network_show show, const char *status)
{
	struct contact *c = find(u, from);

	if (!c || u->gateway->stopping)
		return;
	c->show = show;
	free(c->status);
	c->status = gateway_text_clean(status, 1024, true);
	if (c->wanted && !incoming_is_over(u->gateway))
		show_contact(u, c, jid_bare(u->jid));
}

void
contacts_up(struct gateway_user *u)
{
	for (struct contact *c = USER_KEPT(u)->contacts; c; c = c->hh.next) {
		if (!c->wanted)
			continue;
		if (u->gateway->net->features & NETWORK_PRESENCE)
			u->gateway->net->subscribe(u, c->foreign, true);
		else
			show_contact(u, c, jid_bare(u->jid));
	}
}

void
contacts_down(struct gateway_user *u)
{
	for (struct contact *c = USER_KEPT(u)->contacts; c; c = c->hh.next) {
		c->show = NETWORK_GONE;
		if (c->wanted && !u->gateway->stopping)
			show_contact(u, c, jid_bare(u->jid));
	}
}

void
contacts_free(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);
	struct contact *c, *next;

	HASH_ITER(hh, k->contacts, c, next)
		contact_free(k, c);
}
