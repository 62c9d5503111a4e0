/*
 * moderate: see moderate.h. A moderator's request is checked against the archive, recorded as the message that tells it, then the message
 * is buried, then the occupants are told.
 */
#include "moderate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive_store.h"
#include "base/crypt.h"
#include "base/text.h"
#include "history.h"
#include "occupant_id.h"
#include "xmpp/ns.h"

struct moderation {
	struct archive_retract t; /* first: the worker's */
	const char *reason;       /* NULL: none */
	struct stanza *st;        /* what is told; in the record */
	uint64_t record;
};

static bool
read_id(const char *s, uint64_t *id)
{
	return s && text_u64(s, strlen(s), 1, INT64_MAX, id);
}

static void
unref_stanza(void *arg)
{
	struct moderation *m = arg;

	stanza_unref(m->st);
}

/* §4.1 */
static struct stanza *
make(const struct room *r, const struct room_occupant *by, const struct moderation *m)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *retract, *moderated;
	char text[40];

	elem_set(st, st->root, "from", jid_full(r->jid));
	elem_set(st, st->root, "type", "groupchat");
	crypt_random_hex(text, 16);
	elem_set(st, st->root, "id", text);
	retract = elem_add(st, st->root, NS_RETRACT, "retract");
	snprintf(text, sizeof(text), "%" PRIu64, m->t.id);
	elem_set(st, retract, "id", text);
	moderated = elem_add(st, retract, NS_MODERATE, "moderated");
	elem_set(st, moderated, "by", jid_full(by->jid));
	occupant_id_add(st, moderated, by);
	if (m->reason)
		elem_add_text(st, elem_add(st, retract, NS_RETRACT, "reason"), m->reason, strlen(m->reason));
	return st;
}

static void
add_stanza_id(struct stanza *st, const struct room *r, uint64_t id)
{
	struct elem *e = elem_add(st, st->root, NS_SID, "stanza-id");
	char text[24];

	elem_set(st, e, "by", jid_full(r->jid));
	snprintf(text, sizeof(text), "%" PRIu64, id);
	elem_set(st, e, "id", text);
}

/* Whether or not a tombstone could be made: it is in the record, and so in the archive. */
static enum hook_verdict
buried(struct hook *h, void *data, bool ok)
{
	struct moderation *m = data;
	struct room *r = room_of(h);
	struct stanza *st;

	(void)ok;
	if (r->history)
		history_remove(r->history, m->t.id);
	if (r->all) {
		st = stanza_copy(m->st);
		add_stanza_id(st, r, m->record);
		room_tell(r, st, r->jid);
	}
	return hook_done(h);
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	struct moderation *m = data;

	if (!ok)
		return hook_unavailable(h);
	m->record = m->t.by_record = h->record_id;
	return hook_job(h, m, archive_store_retract, buried);
}

static enum hook_verdict
checked(struct hook *h, void *data, bool ok)
{
	struct moderation *m = data;
	const struct room *r = room_of(h);
	const struct room_seat *s = room_seat(r, h->from);
	enum hook_verdict v;

	if (!ok)
		return hook_unavailable(h);
	if (!s || s->occupant->role != ROLE_MODERATOR) /* no longer */
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (!m->t.found || m->t.already)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, m->t.already ? "it has been taken back already" : NULL);
	m->st = make(r, s->occupant, m);
	m->t.by_id = elem_get(m->st->root, "id");
	arena_on_free(hook_memory(h), unref_stanza, m);
	v = hook_record_stanza(h, RECORD_MODERATION, m->st, h->from, r->jid, m->reason, m, recorded);
	hook_record_message(h, HOOK_HISTORY_RECIPIENT);
	return v;
}

enum hook_verdict
moderate_on_set(struct hook *h, struct room *r)
{
	const struct elem *reason = elem_child(h->payload, NS_MODERATE, "reason");
	const struct room_seat *s = room_seat(r, h->from);
	struct moderation *m;

	if (!s || s->occupant->role != ROLE_MODERATOR)
		return hook_reject(h, XERROR_FORBIDDEN, "only moderators may take back what others said");
	if (!elem_get(h->payload, "id") || !elem_child(h->payload, NS_RETRACT, "retract"))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	m = arena_zalloc(hook_memory(h), sizeof(*m));
	m->t.room = arena_strdup(hook_memory(h), jid_bare(r->jid));
	m->t.floor = (uint64_t)r->created_us;
	if (!read_id(elem_get(h->payload, "id"), &m->t.id))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	m->reason = reason ? elem_text(reason, hook_memory(h)) : NULL;
	return hook_job(h, m, archive_store_find, checked);
}

/* By who said it */

static enum hook_verdict
forgotten(struct hook *h, void *data, bool ok)
{
	const struct archive_retract *t = data;
	struct room *r = room_of(h);

	if (ok && t->found && r->history)
		history_remove(r->history, t->id);
	return HOOK_HANDLED;
}

struct retraction {
	const struct room *room;
	const struct stanza *st;
	uint64_t id, by;
};

static enum hook_verdict
forget(struct hook *h, void *data, bool ok)
{
	const struct retraction *w = data;
	struct archive_retract *t = arena_zalloc(hook_memory(h), sizeof(*t));
	const char *by_id = elem_get(w->st->root, "id");

	(void)ok;
	*t = (struct archive_retract){
		.room = arena_strdup(hook_memory(h), jid_bare(w->room->jid)), .floor = (uint64_t)w->room->created_us, .id = w->id,
		.by_bare = arena_strdup(hook_memory(h), jid_bare(h->from)), .by_record = w->by,
		.by_id = by_id ? arena_strdup(hook_memory(h), by_id) : NULL,
	};
	return hook_job(h, t, archive_store_retract, forgotten);
}

/* XEP-0424 §6: only what the same person said; others see the request all the same, and need not heed it. */
void
moderate_reflected(struct hook *h, const struct stanza *st, uint64_t id)
{
	const struct elem *e = elem_child(st->root, NS_RETRACT, "retract");
	struct retraction w = { .room = room_of(h), .st = st, .by = id };

	if (e && read_id(elem_get(e, "id"), &w.id))
		hook_aside(h, forget, &w);
}
