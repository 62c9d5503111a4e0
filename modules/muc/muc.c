/*
 * muc: Multi-User Chat (XEP-0045) on conference.HOST: takes what comes for a room or the service to the part that answers for it.
 *
 * The tables name the parts. What is for nobody here gets service-unavailable where an answer is due.
 */
#include "muc.h"

#include <string.h>

#include "admin.h"
#include "archive.h"
#include "avatar.h"
#include "create.h"
#include "disco.h"
#include "enter.h"
#include "invite.h"
#include "leave.h"
#include "message.h"
#include "moderate.h"
#include "owner.h"
#include "presence.h"
#include "register.h"
#include "relay.h"
#include "request.h"
#include "room_store.h"
#include "xmpp/ns.h"

/* The first that fits. */
static const struct muc_iq iqs[] = {
	{ MUC_SET, MUC_ROOM, NS_ROOM, "create", true, create_on_set },
	{ MUC_GET, MUC_ROOM, NS_MUC_ADMIN, "query", false, admin_on_get },
	{ MUC_SET, MUC_ROOM, NS_MUC_ADMIN, "query", false, admin_on_set },
	{ MUC_GET, MUC_ROOM, NS_MUC_OWNER, "query", false, owner_on_get },
	{ MUC_SET, MUC_ROOM, NS_MUC_OWNER, "query", false, owner_on_set },
	{ MUC_GET, MUC_ROOM, NS_REGISTER, "query", false, register_on_get },
	{ MUC_SET, MUC_ROOM, NS_REGISTER, "query", false, register_on_set },
	{ MUC_GET, MUC_SERVICE | MUC_ROOM, NS_DISCO_INFO, "query", false, disco_on_info },
	{ MUC_GET, MUC_SERVICE | MUC_ROOM, NS_DISCO_ITEMS, "query", false, disco_on_items },
	{ MUC_GET, MUC_SERVICE | MUC_ROOM, NS_PING, "ping", false, disco_on_ping },
	{ MUC_GET, MUC_SERVICE, NS_SEARCH, "search", false, search_on_get },
	{ MUC_GET, MUC_SERVICE | MUC_ROOM, NS_VCARD, "vCard", false, avatar_on_get },
	{ MUC_SET, MUC_ROOM, NS_VCARD, "vCard", false, avatar_on_set },
	{ MUC_SET, MUC_ROOM, NS_MAM, "query", false, archive_on_query },
	{ MUC_GET, MUC_ROOM, NS_MAM, "query", false, archive_on_form },
	{ MUC_GET, MUC_ROOM, NS_MAM, "metadata", false, archive_on_metadata },
	{ MUC_SET, MUC_ROOM, NS_MODERATE, "moderate", false, moderate_on_set },
	{ 0, 0, NULL, NULL, false, NULL },
};

/* The first whose element is there. */
static const struct muc_message messages[] = {
	{ NS_MUC_USER, "x", invite_arrived },
	{ NS_DATA, "x", request_arrived },
	{ NULL, NULL, NULL },
};

static enum hook_verdict
on_iq(struct hook *h, struct room *r, const char *type)
{
	unsigned bit = type && !strcmp(type, "get") ? MUC_GET : type && !strcmp(type, "set") ? MUC_SET : 0;
	unsigned where = !r ? MUC_SERVICE : jid_resource(h->to) ? MUC_OCCUPANT : MUC_ROOM;

	for (const struct muc_iq *i = iqs; h->payload && i->fn; i++) {
		if (!(i->types & bit) || !(i->where & where) || !elem_is(h->payload, i->ns, i->name))
			continue;
		if (r && !r->id && !i->absent)
			return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
		return i->fn(h, r);
	}
	if (where != MUC_OCCUPANT)
		return HOOK_NEXT;
	return r->id || !bit ? relay_on_iq(h, r) : hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
}

static enum hook_verdict
on_message(struct hook *h, struct room *r, const char *type)
{
	if (!r)
		return HOOK_NEXT;
	if (jid_resource(h->to))
		return private_arrived(h, r);
	if (type && !strcmp(type, "groupchat"))
		return message_arrived(h, r);
	for (const struct muc_message *m = messages; m->fn; m++)
		if (elem_child(h->stanza->root, m->ns, m->name))
			return m->fn(h, r);
	return HOOK_NEXT;
}

static enum hook_verdict
on_presence(struct hook *h, struct room *r, const char *type)
{
	if (!r)
		return type ? HOOK_HANDLED : hook_reject(h, XERROR_JID_MALFORMED, "this is not a room");
	if (!type)
		return enter_arrived(h, r);
	if (!strcmp(type, "unavailable"))
		return leave_arrived(h, r);
	if (!strcmp(type, "probe"))
		return relay_on_probe(h, r);
	/* Rooms have no roster: nobody is subscribed. */
	return HOOK_HANDLED;
}

static enum hook_verdict
arrived(struct hook *h)
{
	const struct elem *root = h->stanza->root;
	const char *type = elem_get(root, "type");
	struct room *r = room_of(h);

	if (elem_is(root, NS_CLIENT, "iq"))
		return on_iq(h, r, type);
	if (type && !strcmp(type, "error"))
		return r ? leave_bounced(h, r) : HOOK_HANDLED;
	if (elem_is(root, NS_CLIENT, "message"))
		return on_message(h, r, type);
	return on_presence(h, r, type);
}

/* §18.2: what they leave is in the record when their streams have ended. */
static void
stopping(void *place)
{
	struct room *r = place;

	ROOM_EACH_OCCUPANT(o, r)
		LIST_EACH(l, &o->seats)
			presence_tell_gone_own(r, o, ROOM_SEAT(l), &(struct room_why){ .status = { MUC_SHUTDOWN } });
}

/* A ban stays: it is about the name. */
static void
account_removed(void *place, const char *bare)
{
	struct room *r = place;
	const struct room_affiliate *f = room_affiliate(r, bare);

	if (f && f->affiliation != AFFILIATION_OUTCAST)
		room_set_affiliate(r, bare, AFFILIATION_NONE, "", NULL);
}

/* Who may no longer be here leaves as one who could not be reached: by an error in its name. */
static void
partners_changed(void *place)
{
	struct room *r = place;

	for (struct room_seat *s = r->seats, *next; s; s = next) {
		next = s->hh.next;
		if (!module_may_meet(s->full))
			leave_expel(s);
	}
}

static int
attach(struct module *m)
{
	static const struct module_service service = {
		.label = "conference",
		.name = "Rooms",
		.setting = "rooms.on",
		.records = true,
		.load = room_store_load,
		.make = room_make,
		.free = room_free,
		.is_needed = room_is_needed,
		.arrived = arrived,
		.stopping = stopping,
		.account_removed = account_removed,
		.partners_changed = partners_changed,
	};

	module_serve(m, &service);
	return 0;
}

const struct module_def muc_module = {
	.name = "muc",
	.about = "Multi-User Chat (XEP-0045, XEP-0313, XEP-0410, XEP-0421, XEP-0424, XEP-0425, XEP-0433, XEP-0486)",
	.attach = attach,
};
