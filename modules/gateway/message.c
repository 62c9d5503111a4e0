/*
 * message: what people here say to the network, from the stanza to its outcome. A message's ticket (ledger.h) is done when the outcome is known: so
 * chanceryd sends again what has none when the stream or this program ends, and `seen` knows again what comes twice.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/address.h"
#include "gateway/priv.h"
#include "gateway/recall.h"
#include "gateway/room.h"
#include "gateway/text.h"
#include "gateway/transfer.h"
#include "xmpp/ns.h"

#define ORIGIN_BYTES 255 /* a longer id is none */
#define REFETCH_MS 2000 /* our own upload service may be starting */
#define SEEN_MOST 32768 /* more than chanceryd keeps without an acknowledgement (limits.component_kept_stanzas) */

/* What comes again */

/* The id of the record, which the host has put there (XEP-0359 §6: by whom it is, says whether it may be believed). */
static const char *
record_id(struct gateway *g, const struct stanza *st)
{
	for (const struct elem *e = elem_child(st->root, NS_SID, "stanza-id"); e; e = elem_next(e, NS_SID, "stanza-id")) {
		const char *by = elem_get(e, "by");

		if (by && !strcmp(by, g->start.host))
			return elem_get(e, "id");
	}
	return NULL;
}

struct seen *
seen_get(struct gateway *g, const struct stanza *st, bool *fresh)
{
	const char *recorded = record_id(g, st), *id = recorded ? recorded : elem_get(st->root, "id"), *from = elem_get(st->root, "from");
	const char *by = recorded ? " recorded " : " ";
	size_t nfrom, nby, nid;
	char *name;

	*fresh = true;
	if (!id || !from)
		return NULL;
	nfrom = strlen(from);
	nby = strlen(by);
	nid = strlen(id);
	name = arena_alloc(st->arena, nfrom + nby + nid);
	memcpy(name, from, nfrom);
	memcpy(name + nfrom, by, nby);
	memcpy(name + nfrom + nby, id, nid);
	return seen_take(&g->seen, name, nfrom + nby + nid, SEEN_MOST + g->nmessages, fresh);
}

bool
seen_again(struct gateway *g, struct seen *s, struct ticket *t)
{
	stats_count(&g->stats, "seen_again", 1);
	if (s->m && !s->m->ticket)
		ledger_own(t, &s->m->ticket);
	else
		ledger_done(&g->ledger, t);
	return true;
}

/* Making one */

static char *
child_text(struct arena *a, const struct stanza *st, const char *name)
{
	const struct elem *e = elem_child(st->root, NS_COMPONENT, name);
	const char *text = e ? elem_text(e, st->arena) : NULL;

	return text ? arena_strdup(a, text) : NULL;
}

static int64_t
written_at(const struct stanza *st)
{
	const struct elem *delay = elem_child(st->root, NS_DELAY, "delay");
	const char *stamp = delay ? elem_get(delay, "stamp") : NULL;
	int64_t at;

	return stamp && !clock_parse(stamp, &at) ? at : clock_wall_us();
}

struct gateway_message *
message_new(struct gateway_user *u, enum message_kind kind, const char *to, const char *local, const struct stanza *st, struct jid *from)
{
	struct arena *a = arena_new(512);
	struct gateway_message_kept *k = arena_zalloc(a, sizeof(*k));
	const struct elem *sid = elem_child(st->root, NS_SID, "origin-id");
	const char *id = elem_get(st->root, "id"), *origin = sid ? elem_get(sid, "id") : NULL;
	char made[33];

	if (!id)
		random_id(made);
	k->arena = a;
	k->from = jid_ref(from);
	k->local = arena_strdup(a, local);
	k->receipt = elem_child(st->root, NS_RECEIPTS, "request") != NULL;
	list_init(&k->link);
	list_init(&k->deadline);
	k->m = (struct gateway_message){ .user = u, .kind = kind, .to = arena_strdup(a, to), .id = arena_strdup(a, id ? id : made), .at_us = written_at(st), .kept = k };
	if (origin && strlen(origin) <= ORIGIN_BYTES)
		k->origin = arena_strdup(a, origin);
	k->m.body = child_text(a, st, "body");
	k->m.subject = child_text(a, st, "subject");
	k->m.thread = child_text(a, st, "thread");
	return &k->m;
}

static void
message_free(struct gateway_message_kept *k)
{
	struct gateway *g = k->m.user->gateway;

	if (!list_is_empty(&k->deadline)) {
		list_remove(&k->deadline);
		g->nmessages--;
		USER_KEPT(k->m.user)->nmessages--;
	}
	list_remove(&k->link);
	if (k->transfer || k->refetch_ms)
		USER_KEPT(k->m.user)->nfetching--;
	g->nrefetch -= k->refetch_ms != 0;
	transfer_cancel(k->transfer);
	spool_free(k->file);
	if (k->ticket)
		k->ticket->owner = NULL;
	if (k->seen)
		k->seen->m = NULL;
	jid_unref(k->from);
	arena_free(k->arena);
}

/* Its outcome is known. */
static void
finish(struct gateway_message_kept *k)
{
	struct ticket *t = k->ticket;
	struct gateway *g = k->m.user->gateway;

	message_free(k);
	ledger_done(&g->ledger, t);
}

/* Outcomes */

static bool
has_error(enum message_kind kind)
{
	return kind == MESSAGE_TEXT || kind == MESSAGE_FILE || kind == MESSAGE_TOPIC;
}

void
message_error(struct gateway *g, const struct message_error *m, link_stored_fn *fn, void *arg)
{
	struct buf *b = write_start(g, "message", m->local, m->resource, m->to, "error", m->id);

	buf_addf(b, "<error type='%s'><%s xmlns='%s'/>", xerror_type(m->e), xerror_name(m->e), NS_STANZA_ERRORS);
	write_text(b, "text", NS_STANZA_ERRORS, m->text);
	buf_adds(b, "</error>");
	write_send(g, "message", fn, arg);
}

void
gateway_failed(struct gateway_message *m, enum xerror e, const char *text)
{
	struct gateway_message_kept *k = MESSAGE_KEPT(m);
	struct gateway *g = m->user->gateway;
	char *words;

	if (has_error(m->kind)) {
		words = gateway_text_clean(text, 1000, true);
		message_error(g, &(struct message_error){ .local = k->local, .resource = m->nick, .to = jid_full(k->from), .id = m->id,
			.e = e == XERROR_NONE ? XERROR_UNDEFINED_CONDITION : e, .text = words }, NULL, NULL);
		free(words);
		stats_count(&g->stats, "failed", 1);
	}
	finish(k);
}

void
gateway_sent(struct gateway_message *m, const char *foreign_id)
{
	struct gateway_message_kept *k = MESSAGE_KEPT(m);
	struct gateway *g = m->user->gateway;

	if (has_error(m->kind))
		stats_count(&g->stats, "sent", 1);
	if (foreign_id && has_error(m->kind))
		recall_keep(g, ids_add(&g->ids, &(struct id_pair){ .user = jid_bare(m->user->jid), .foreign = m->to, .here = m->id, .there = foreign_id,
			.client = jid_full(k->from), .way = ID_OUT, .wants_receipt = k->receipt },
			(unsigned)g->limits->ids));
	if (m->seat && !m->nick && m->kind != MESSAGE_TOPIC && has_error(m->kind))
		room_reflect(m->seat, m);
	finish(k);
}

/* Giving */

/* Text that the network has no other place for: the subject, and the words below it when nothing was said there for long. */
static void
dress(struct gateway_message_kept *k)
{
	struct gateway *g = k->m.user->gateway;
	bool first = false;

	if (k->m.kind != MESSAGE_FILE && (k->m.kind != MESSAGE_TEXT || !k->m.body))
		return;
	if (k->m.body && k->m.subject && !(g->net->features & NETWORK_SUBJECTS)) {
		k->m.body = arena_printf(k->arena, "%s: %s", k->m.subject, k->m.body);
		k->m.subject = NULL;
	}
	if (g->settings.disclaimer && !k->m.seat)
		contact_said(k->m.user, k->m.to, &first);
	if (first)
		k->m.body = arena_printf(k->arena, "%s%s%s", k->m.body ? k->m.body : "", k->m.body ? "\n" : "", g->settings.disclaimer);
}

static void
give(struct gateway_message_kept *k)
{
	struct gateway_user_kept *u = USER_KEPT(k->m.user);

	list_remove(&k->link);
	list_append(&u->given, &k->link);
	k->given = true;
	u->u.gateway->net->send(&k->m);
}

/* Is its file here, and are those of all before it to the same address? */
static bool
is_next(const struct gateway_message_kept *k)
{
	struct gateway_user_kept *u = USER_KEPT(k->m.user);

	if (!u->nfetching)
		return true;
	LIST_EACH(pos, &u->waiting) {
		struct gateway_message_kept *m = LIST_ENTRY(pos, struct gateway_message_kept, link);

		if ((m->transfer || m->refetch_ms) && !strcmp(m->m.to, k->m.to))
			return false;
		if (m == k)
			return true;
	}
	return true;
}

/* Its file is here, or will not come. What the server cannot give now, as it is killed perhaps, it will give while the message may still wait. */
static void
on_file(void *arg, enum transfer_end end, const char *why, struct spool *file, const char *type)
{
	struct gateway_message_kept *k = arg;
	struct gateway_user *u = k->m.user;

	k->transfer = NULL;
	if (end == TRANSFER_LATER) {
		k->refetch_ms = u->gateway->now_ms + REFETCH_MS;
		if (!k->why)
			k->why = arena_strdup(k->arena, why);
		u->gateway->nrefetch++;
		return;
	}
	USER_KEPT(u)->nfetching--;
	k->file = file;
	k->m.data = file ? spool_map(file) : NULL;
	if (k->m.data) {
		stats_count(&u->gateway->stats, "files_out", 1);
		k->m.size = file->size;
		k->m.type = type ? arena_strdup(k->arena, type) : NULL;
	} else {
		gateway_failed(&k->m, end == TRANSFER_REFUSED ? XERROR_NOT_ACCEPTABLE : XERROR_REMOTE_SERVER_TIMEOUT, why);
	}
	messages_give(u);
}

void
messages_give(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	LIST_EACH(pos, &k->waiting) {
		struct gateway_message_kept *m = LIST_ENTRY(pos, struct gateway_message_kept, link);

		/* What was said in a room waits until the user is in it again. */
		if (!u->up || u->gateway->ending)
			return;
		if ((!m->m.seat || m->m.seat->in) && is_next(m))
			give(m);
	}
}

void
message_queue(struct gateway_message *m, struct ticket *t, struct seen *s)
{
	struct gateway_message_kept *k = MESSAGE_KEPT(m);
	struct gateway_user_kept *u = USER_KEPT(m->user);
	struct gateway *g = m->user->gateway;

	ledger_own(t, &k->ticket);
	k->seen = s;
	if (s)
		s->m = k;
	user_touch(m->user);
	if (u->nmessages >= g->limits->user_messages || g->nmessages >= g->limits->messages) {
		gateway_failed(m, XERROR_RESOURCE_CONSTRAINT, "too many messages are on their way to this network");
		return;
	}
	if (u->state == USER_REFUSED) {
		gateway_failed(m, XERROR_NOT_AUTHORIZED, u->text);
		return;
	}
	u->nmessages++;
	g->nmessages++;
	k->deadline_ms = g->now_ms + g->limits->send_seconds * 1000;
	list_append(&g->deadlines, &k->deadline);
	list_append(&u->waiting, &k->link);
	dress(k);
	if (m->kind == MESSAGE_FILE) {
		u->nfetching++;
		k->transfer = transfer_get(g, m->url, true, on_file, k);
	}
	if (!m->user->up)
		user_want(m->user);
	else if ((!m->seat || m->seat->in) && is_next(k))
		give(k);
}

static void
look(struct gateway_user *u, void *arg)
{
	bool *any = arg;

	*any |= !list_is_empty(&USER_KEPT(u)->given);
}

bool
messages_are_given(struct gateway *g)
{
	bool any = false;

	gateway_user_each(g, look, &any);
	return any;
}

void
messages_take_back(struct gateway_user *u)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	/* In front of what waits, in their order. */
	while (!list_is_empty(&k->given)) {
		struct gateway_message_kept *m = LIST_ENTRY(k->given.prev, struct gateway_message_kept, link);

		list_remove(&m->link);
		list_prepend(&k->waiting, &m->link);
		m->given = false;
		m->m.net = NULL;
	}
}

/* The framework's own end of it. */
static void
give_up(struct gateway_message_kept *k, enum xerror e, const char *text)
{
	struct gateway *g = k->m.user->gateway;

	if (k->given && g->net->forget)
		g->net->forget(&k->m);
	if (g->stopping)
		message_free(k);
	else
		gateway_failed(&k->m, e, text);
}

void
messages_fail(struct gateway_user *u, enum xerror e, const char *text)
{
	struct gateway_user_kept *k = USER_KEPT(u);

	for (struct list *l = &k->given, *pos; l; l = l == &k->given ? &k->waiting : NULL)
		while ((pos = l->next) != l)
			give_up(LIST_ENTRY(pos, struct gateway_message_kept, link), e, text);
}

void
messages_of_seat(struct gateway_seat *s, enum xerror e, const char *text)
{
	struct gateway_user_kept *k = USER_KEPT(s->user);

	for (struct list *l = &k->given; l; l = l == &k->given ? &k->waiting : NULL)
		LIST_EACH(pos, l) {
			struct gateway_message_kept *m = LIST_ENTRY(pos, struct gateway_message_kept, link);

			if (m->m.seat == s)
				give_up(m, e, text);
		}
}

static void
fetch_again(struct gateway *g)
{
	LIST_EACH(pos, &g->deadlines) {
		struct gateway_message_kept *k = LIST_ENTRY(pos, struct gateway_message_kept, deadline);

		if (!k->refetch_ms || k->refetch_ms > g->now_ms)
			continue;
		k->refetch_ms = 0;
		g->nrefetch--;
		k->transfer = transfer_get(g, k->m.url, true, on_file, k);
	}
}

void
messages_tick(struct gateway *g)
{
	if (g->nrefetch && !g->ending)
		fetch_again(g);
	while (!list_is_empty(&g->deadlines)) {
		struct gateway_message_kept *k = LIST_ENTRY(g->deadlines.next, struct gateway_message_kept, deadline);

		if (k->deadline_ms > g->now_ms)
			return;
		give_up(k, XERROR_REMOTE_SERVER_TIMEOUT,
			k->refetch_ms ? k->why : USER_KEPT(k->m.user)->text ? USER_KEPT(k->m.user)->text : "the network did not take it in time");
	}
}
