/*
 * disco: see disco.h. Whoever knows the address of a room may ask what kind of room it is, hidden or not (§6.4); what is said in it, and
 * who says it, is for those who might enter.
 */
#include "disco.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "list_store.h"
#include "moderate.h"
#include "xmpp/discovery.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"
#include "xmpp/rsm.h"

#define NODE_NICK "x-roomuser-item"
#define NODE_TRAFFIC "http://jabber.org/protocol/muc#traffic"
#define ROOMINFO "http://jabber.org/protocol/muc#roominfo"

static void
add_identity(struct stanza *st, struct elem *query, const char *name)
{
	discovery_identity(st, query, "conference", "text", name);
}

static struct elem *
new_query(struct hook *h, struct stanza **st, const char *ns)
{
	struct elem *query;

	*st = hook_result(h);
	query = elem_add(*st, (*st)->root, ns, "query");
	elem_set(*st, query, "node", elem_get(h->payload, "node"));
	return query;
}

static enum hook_verdict
answer(struct hook *h, struct stanza *st)
{
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* The service */

static const char *const service_features[] = {
	NS_DISCO_INFO, NS_DISCO_ITEMS, NS_MUC, NS_RSM, NS_PING, NS_VCARD, NS_SEARCH, NS_OCCUPANT_ID, NS_MAM, NS_SID,
	"http://jabber.org/protocol/muc#stable_id", /* XEP-0045 §7.4: of the service, and of each room */
};

static enum hook_verdict
service_info(struct hook *h)
{
	struct stanza *st;
	struct elem *query;

	if (elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	query = new_query(h, &st, NS_DISCO_INFO);
	add_identity(st, query, "Rooms");
	discovery_features(st, query, service_features, sizeof(service_features) / sizeof(*service_features));
	return answer(h, st);
}

/* A room */

bool
disco_is_known_to(const struct room *r, const struct jid *who)
{
	return r->id && (!r->locked || room_affiliation(r, who) == AFFILIATION_OWNER);
}

/* Might they enter without being asked for anything? Then they may hear what it is about. */
static bool
may_enter(const struct room *r, const struct jid *who)
{
	enum affiliation a = room_affiliation(r, who);

	if (a == AFFILIATION_OUTCAST)
		return false;
	return a >= AFFILIATION_MEMBER || (!r->config.members_only && !r->config.password) || room_occupant_of(r, who, NULL);
}

static void
add_kind(struct stanza *st, struct elem *query, const struct room_config *c)
{
	discovery_feature(st, query, c->password ? "muc_passwordprotected" : "muc_unsecured");
	discovery_feature(st, query, c->listed ? "muc_public" : "muc_hidden");
	discovery_feature(st, query, c->persistent ? "muc_persistent" : "muc_temporary");
	discovery_feature(st, query, c->members_only ? "muc_membersonly" : "muc_open");
	discovery_feature(st, query, c->moderated ? "muc_moderated" : "muc_unmoderated");
	discovery_feature(st, query, c->whois_anyone ? "muc_nonanonymous" : "muc_semianonymous");
}

static void
add_lines(struct stanza *st, struct elem *field, const char *lines, struct arena *a)
{
	for (const char *p = lines; p && *p; p += *p == '\n') {
		size_t n = strcspn(p, "\n");

		if (n)
			form_add_value(st, field, arena_strndup(a, p, n));
		p += n;
	}
}

static void
add_number(struct stanza *st, struct elem *x, const char *var, const char *label, unsigned value)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", value);
	form_add(st, x, "text-single", var, label, text);
}

static const char *
pm_name(enum room_pm pm)
{
	static const char *const names[] = { [ROOM_PM_ANYONE] = "anyone", [ROOM_PM_PARTICIPANTS] = "participants",
		[ROOM_PM_MODERATORS] = "moderators", [ROOM_PM_NONE] = "none" };

	return names[pm];
}

/* XEP-0128, §15.5.4 */
static void
add_form(struct hook *h, struct stanza *st, struct elem *query, const struct room *r)
{
	const struct room_config *c = &r->config;
	struct elem *x = form_new(st, query, "result", ROOMINFO);

	form_add(st, x, "text-single", "muc#roomconfig_roomname", "Name", c->name ? c->name : "");
	form_add(st, x, "text-single", "muc#roominfo_description", "Description", c->description ? c->description : "");
	if (c->contacts)
		add_lines(st, form_add(st, x, "jid-multi", "muc#roominfo_contactjid", "Contact addresses", NULL), c->contacts, h->arena);
	if (may_enter(r, h->from)) {
		if (r->subject.text)
			form_add(st, x, "text-single", "muc#roominfo_subject", "Current discussion topic", r->subject.text);
		add_number(st, x, "muc#roominfo_occupants", "Number of occupants", r->noccupants);
	}
	form_add(st, x, "boolean", "muc#roominfo_subjectmod", "Occupants may change the subject", c->change_subject ? "1" : "0");
	form_add(st, x, "boolean", "muc#roomconfig_changesubject", "Occupants may change the subject", c->change_subject ? "1" : "0");
	form_add(st, x, "boolean", "muc#roomconfig_allowinvites", "Occupants may invite others", c->invites ? "1" : "0");
	form_add(st, x, "list-single", "muc#roomconfig_allowpm", "Who may send private messages", pm_name(c->pm));
	if (c->lang)
		form_add(st, x, "text-single", "muc#roominfo_lang", "Language of discussion", c->lang);
	add_number(st, x, "muc#maxhistoryfetch", "Maximum number of history messages returned by room", c->history);
	if (r->photos)
		add_lines(st, form_add(st, x, "text-multi", "muc#roominfo_avatarhash", "Avatar hash", NULL), r->photos, h->arena);
}

static const char *const room_features[] = {
	NS_DISCO_INFO, NS_DISCO_ITEMS, NS_MUC, NS_PING, NS_VCARD, NS_REGISTER, MUC_REQUEST, NS_MAM, "urn:xmpp:mam:2#extended", NS_SID,
	"http://jabber.org/protocol/muc#stable_id", "http://jabber.org/protocol/muc#self-ping-optimization", NS_OCCUPANT_ID,
	NS_RETRACT, "urn:xmpp:message-retract:1#tombstone", NS_MODERATE,
};

static const char *
room_name(const struct room *r)
{
	return r->config.name && *r->config.name ? r->config.name : jid_local(r->jid);
}

/* §7.12 */
static enum hook_verdict
reserved_nick(struct hook *h, const struct room *r)
{
	const struct room_affiliate *f = room_affiliate(r, jid_bare(h->from));
	struct stanza *st;
	struct elem *query = new_query(h, &st, NS_DISCO_INFO);

	if (f && f->nick)
		add_identity(st, query, f->nick);
	return answer(h, st);
}

static enum hook_verdict
room_info(struct hook *h, const struct room *r)
{
	const char *node = elem_get(h->payload, "node");
	struct stanza *st;
	struct elem *query;

	if (node && !strcmp(node, NODE_NICK))
		return reserved_nick(h, r);
	if (node && !strcmp(node, NODE_TRAFFIC)) /* §14.1.1: all of it passes */
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	if (node)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	query = new_query(h, &st, NS_DISCO_INFO);
	add_identity(st, query, room_name(r));
	discovery_features(st, query, room_features, sizeof(room_features) / sizeof(*room_features));
	add_kind(st, query, &r->config);
	add_form(h, st, query, r);
	return answer(h, st);
}

enum hook_verdict
disco_on_info(struct hook *h, struct room *r)
{
	if (!r)
		return service_info(h);
	if (!disco_is_known_to(r, h->from))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	return room_info(h, r);
}

enum hook_verdict
disco_on_ping(struct hook *h, struct room *r)
{
	if (r && !disco_is_known_to(r, h->from))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	return hook_done(h);
}

/* Items */

/* §6.5: who is inside is for those inside. */
static enum hook_verdict
room_items(struct hook *h, const struct room *r)
{
	struct stanza *st;
	struct elem *query;

	if (elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	query = new_query(h, &st, NS_DISCO_ITEMS);
	if (room_seat(r, h->from))
		ROOM_EACH_OCCUPANT(o, r)
			elem_set(st, elem_add(st, query, NULL, "item"), "jid", jid_full(o->jid));
	return answer(h, st);
}

/* §6.3 */

struct listing {
	struct list_query q; /* first: the worker's */
	bool paged;
};

static enum hook_verdict
listed(struct hook *h, void *data, bool ok)
{
	struct listing *l = data;
	const struct list_query *q = &l->q;
	struct stanza *st;
	struct elem *query;

	if (!ok)
		return hook_unavailable(h);
	query = new_query(h, &st, NS_DISCO_ITEMS);
	for (size_t i = 0; i < q->n; i++) {
		struct elem *e = elem_add(st, query, NULL, "item");
		struct jid *j = jid_parse_z(q->room[i].jid);

		elem_set(st, e, "jid", q->room[i].jid);
		elem_set(st, e, "name", q->room[i].name && *q->room[i].name ? q->room[i].name : j ? jid_local(j) : NULL);
		jid_unref(j);
	}
	if (l->paged || !q->complete)
		rsm_write(st, query, q->n ? q->room[0].jid : NULL, q->index, q->n ? q->room[q->n - 1].jid : NULL, q->total);
	return answer(h, st);
}

static enum hook_verdict
service_items(struct hook *h)
{
	struct listing *l = arena_zalloc(hook_memory(h), sizeof(*l));
	uint64_t most = module_limits()->room_list;
	struct rsm r;

	if (elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (!rsm_parse(h->payload, hook_memory(h), &r))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (r.has_index)
		return hook_reject(h, XERROR_FEATURE_NOT_IMPLEMENTED, "pages are found by address, not by index");
	l->paged = r.given;
	l->q = (struct list_query){
		.domain = arena_strdup(hook_memory(h), jid_domain(h->account)), .run = module_run(),
		.after = r.after, .before = r.before && *r.before ? r.before : NULL, .backwards = r.before != NULL,
		.want_total = true, .max = (unsigned)(r.has_max && r.max < most ? r.max : most),
	};
	return hook_job(h, l, list_store_find, listed);
}

enum hook_verdict
disco_on_items(struct hook *h, struct room *r)
{
	if (!r)
		return service_items(h);
	if (!disco_is_known_to(r, h->from))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	return room_items(h, r);
}

/* The census */

#define CENSUS_MS 1000

static enum hook_verdict
counted(struct hook *h, void *data, bool ok)
{
	struct room *r = room_of(h);
	const struct list_census *c = data;

	r->counting = false;
	if (ok && r->id == c->room && r->noccupants != c->occupants) /* else the next change tries again */
		census_changed(h, r);
	return HOOK_HANDLED;
}

static enum hook_verdict
count(struct hook *h, void *data, bool ok)
{
	struct room *r = room_of(h);
	struct list_census *c = data;

	(void)ok;
	*c = (struct list_census){ .room = r->id, .run = module_run(), .occupants = r->noccupants };
	return hook_job(h, c, list_store_census, counted);
}

static enum hook_verdict
begin_count(struct hook *h, void *data, bool ok)
{
	struct list_census *c = arena_zalloc(hook_memory(h), sizeof(*c));

	(void)data;
	(void)ok;
	return hook_after(h, CENSUS_MS, c, count);
}

void
census_changed(struct hook *h, struct room *r)
{
	if (r->counting)
		return;
	r->counting = true;
	hook_aside(h, begin_count, NULL);
}
