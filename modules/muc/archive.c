/*
 * archive: see archive.h. The archive of a room is the groupchat messages in the record that it has reflected since it was made; there
 * is no second copy. Everybody gets the same messages, and those who may know it who said them.
 */
#include "archive.h"

#include <string.h>

#include "archive_store.h"
#include "base/clock.h"
#include "disco.h"
#include "moderate.h"
#include "xmpp/mam.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

struct archive_ask {
	struct archive_query q; /* first: the worker's */
	struct mam_query m;
};

/* Who may read */

/* HOOK_NEXT, or why h->from may not. §6.1.2: who may enter. Of a room with a password that is not known: whoever is something to it, or is inside. */
static enum hook_verdict
may_read(struct hook *h, const struct room *r)
{
	enum affiliation a = room_affiliation(r, h->from);
	bool inside = room_occupant_of(r, h->from, NULL) != NULL;

	if (!disco_is_known_to(r, h->from))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (a == AFFILIATION_OUTCAST)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (a >= AFFILIATION_MEMBER || (inside && !r->config.members_only))
		return HOOK_NEXT;
	if (r->config.members_only)
		return hook_reject(h, XERROR_FORBIDDEN, "only members may read what was said here");
	if (r->config.password || !r->config.history_for_all)
		return hook_reject(h, XERROR_FORBIDDEN, "only those inside may read what was said here");
	return HOOK_NEXT;
}

/* May they know who is behind a nickname? */
static bool
sees_addresses(const struct room *r, const struct jid *who)
{
	struct room_occupant *o = NULL;

	if (r->config.whois_anyone || room_affiliation(r, who) >= AFFILIATION_ADMIN)
		return true;
	while ((o = room_occupant_of(r, who, o)))
		if (o->role == ROLE_MODERATOR)
			return true;
	return false;
}

/* Results */

/* XEP-0425 §6: an occupant may have said the same of a message of its own. */
static bool
is_moderation(const struct stanza *retraction, const struct elem *why)
{
	const char *from = retraction ? elem_get(retraction->root, "from") : NULL;

	return why && from && !strchr(from, '/') && elem_child(why, NS_MODERATE, "moderated");
}

/* What is left of a reflected message that the record `by` of the stanza `retraction` (NULL: it is not known any more) took back: st without its
 * contents (XEP-0424 §5, XEP-0425 §5). `st` is unsealed. */
static void
bury(struct stanza *st, uint64_t by, const struct stanza *retraction)
{
	const struct elem *why = retraction ? elem_child(retraction->root, NS_RETRACT, "retract") : NULL;
	struct elem *e, *next;
	char stamp[32];

	for (e = st->root->first; e; e = next) {
		next = e->next;
		if (!elem_is(e, NS_OCCUPANT_ID, NULL))
			elem_remove(e);
	}
	e = elem_add(st, st->root, NS_RETRACT, "retracted");
	elem_set(st, e, "stamp", clock_format((int64_t)by, stamp));
	elem_set(st, e, "id", retraction ? elem_get(retraction->root, "id") : NULL);
	if (!is_moderation(retraction, why))
		return;
	for (const struct elem *c = elem_first(why); c; c = elem_next(c, NULL, NULL))
		elem_add_copy(st, e, c);
}

static void
write_tombstone(struct buf *out, const struct archive_row *row)
{
	struct stanza *st = parser_one(row->stanza, row->len, NS_CLIENT, NULL), *by;

	if (!st)
		return;
	by = row->retraction ? parser_one(row->retraction, strlen(row->retraction), NS_CLIENT, NULL) : NULL;
	bury(st, row->retracted_by, by);
	serialize_elem(out, st->root, NS_FORWARD);
	stanza_unref(st);
	stanza_unref(by);
}

/* Who said it, as <x><item/></x> in the recorded text: in front of its end. */
static void
write_with_address(struct buf *out, const struct room *r, const struct archive_row *row)
{
	static const char end[] = "</message>";
	size_t n = row->len, tail = sizeof(end) - 1;
	struct jid *real = jid_parse_z(row->from_bare);

	if (!real || n < tail || memcmp(row->stanza + n - tail, end, tail)) {
		mam_write_recorded(out, row->stanza, n);
		jid_unref(real);
		return;
	}
	mam_write_recorded(out, row->stanza, n - tail);
	buf_adds(out, "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='");
	buf_adds(out, affiliation_name(room_affiliation(r, real)));
	buf_adds(out, "' jid='");
	serialize_attr(out, row->from_bare, strlen(row->from_bare));
	if (row->from_resource) {
		buf_addc(out, '/');
		serialize_attr(out, row->from_resource, strlen(row->from_resource));
	}
	buf_adds(out, "'/></x>");
	buf_adds(out, end);
	jid_unref(real);
}

static void
give_row(struct hook *h, const struct room *r, const struct archive_ask *ask, const struct archive_row *row, bool addresses, struct buf *b)
{
	struct stanza *st;

	buf_clear(b);
	mam_begin(b, &(struct mam_result){ .from = jid_bare(r->jid), .to = jid_full(h->from), .queryid = ask->m.queryid, .id = row->id });
	if (row->retracted_by)
		write_tombstone(b, row);
	else if (addresses && row->from_bare)
		write_with_address(b, r, row);
	else
		mam_write_recorded(b, row->stanza, row->len);
	mam_end(b);
	st = parser_one(buf_data(b), buf_len(b), NS_CLIENT, NULL);
	if (st)
		module_send(st, r->jid, h->from);
}

static void
give(struct hook *h, const struct room *r, const struct archive_ask *ask)
{
	const struct archive_query *q = &ask->q;
	bool addresses = sees_addresses(r, h->from);
	struct buf b = { 0 };

	for (size_t i = 0; i < q->n; i++)
		give_row(h, r, ask, q->row[ask->m.flip ? q->n - 1 - i : i], addresses, &b);
	buf_fini(&b);
}

/* Queries */

static enum hook_verdict
query_done(struct hook *h, void *data, bool ok)
{
	const struct archive_ask *ask = data;
	const struct archive_query *q = &ask->q;
	const struct room *r = room_of(h);
	const struct archive_row *first, *last;
	struct stanza *st;

	if (!ok)
		return hook_unavailable(h);
	if (q->missing)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (may_read(h, r) != HOOK_NEXT) /* no longer */
		return HOOK_REJECT;
	give(h, r, ask);
	first = q->n ? q->row[0] : NULL;
	last = q->n ? q->row[q->n - 1] : NULL;
	st = hook_result(h);
	mam_write_fin(st, &ask->m, first ? first->id : 0, last ? last->id : 0, q->complete, q->total);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* How the serializer says who it is from. */
static const char *
tag_of(struct arena *a, const char *room, const char *nick)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct buf b = { 0 };
	const char *s;

	elem_set(st, st->root, "from", arena_printf(a, "%s/%s", room, nick));
	serialize_stanza(&b, st, NS_CLIENT, NULL);
	s = arena_strndup(a, buf_data(&b) + sizeof("<message") - 1, buf_len(&b) - (sizeof("<message/>") - 1));
	buf_fini(&b);
	stanza_unref(st);
	return s;
}

/* §4.1.1: `with` a nickname, or a real address for those who may know it; one's own always. */
static enum hook_verdict
read_with(struct hook *h, const struct room *r, struct archive_ask *ask)
{
	struct archive_query *q = &ask->q;
	const struct mam_query *m = &ask->m;

	if (!m->with_bare)
		return HOOK_NEXT;
	if (!strcmp(m->with_bare, jid_bare(r->jid))) {
		if (m->with_resource)
			q->with_tag = tag_of(hook_memory(h), m->with_bare, m->with_resource);
		return HOOK_NEXT;
	}
	if (!sees_addresses(r, h->from) && strcmp(m->with_bare, jid_bare(h->from)))
		return hook_reject(h, XERROR_FORBIDDEN, "who is behind a nickname is not for everybody here");
	q->with_bare = m->with_bare;
	q->with_resource = m->with_resource;
	return HOOK_NEXT;
}

enum hook_verdict
archive_on_query(struct hook *h, struct room *r)
{
	const struct limits *l = module_limits();
	const struct mam_query *m;
	struct archive_ask *ask;
	const char *why = NULL;
	enum xerror e;

	if (may_read(h, r) != HOOK_NEXT)
		return HOOK_REJECT;
	if (elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_FEATURE_NOT_IMPLEMENTED, "a room's archive has no nodes");
	ask = arena_zalloc(hook_memory(h), sizeof(*ask));
	e = mam_read(h->payload, hook_memory(h), l->history_page, l->history_page_default, &ask->m, &why);
	if (e != XERROR_NONE)
		return hook_reject(h, e, why);
	m = &ask->m;
	ask->q = (struct archive_query){
		.room = arena_strdup(hook_memory(h), jid_bare(r->jid)),
		.floor = (uint64_t)r->created_us, .upto = module_record_settled(),
		.first = m->first, .last = m->last, .must_exist = m->must_exist, .nmust_exist = m->nmust_exist, .by_ids = m->by_ids,
		.backwards = m->backwards, .count = m->count, .max = m->max, .max_bytes = l->history_page_bytes,
	};
	if (read_with(h, r, ask) != HOOK_NEXT)
		return HOOK_REJECT;
	return hook_job(h, ask, archive_store_page, query_done);
}

enum hook_verdict
archive_on_form(struct hook *h, struct room *r)
{
	struct stanza *st;

	if (may_read(h, r) != HOOK_NEXT)
		return HOOK_REJECT;
	st = hook_result(h);
	mam_write_form(st);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
metadata_done(struct hook *h, void *data, bool ok)
{
	const struct archive_extent *x = data;
	struct stanza *st;

	if (!ok)
		return hook_unavailable(h);
	st = hook_result(h);
	mam_write_metadata(st, x->first, x->last);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

enum hook_verdict
archive_on_metadata(struct hook *h, struct room *r)
{
	struct archive_extent *x;

	if (may_read(h, r) != HOOK_NEXT)
		return HOOK_REJECT;
	x = arena_zalloc(hook_memory(h), sizeof(*x));
	*x = (struct archive_extent){ .floor = (uint64_t)r->created_us, .upto = module_record_settled() };
	x->room = arena_strdup(hook_memory(h), jid_bare(r->jid));
	return hook_job(h, x, archive_store_extent, metadata_done);
}
