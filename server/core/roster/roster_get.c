/*
 * roster_get: answers to those who ask for their roster (RFC 6121 §2.1.3, §2.2), by version where they have one.
 *
 * Roster versions (§2.6): a client that remembers version V gets nothing when V is current, else the items that
 * changed since and those that left (tombstones, which only the database keeps), as pushes; or the whole roster
 * when that is less, or when the database does not answer at once. Called by iq, on the user's home; only reads.
 */
#include <stdlib.h>
#include <string.h>

#include "core/roster/roster_priv.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "net/reactor.h"
#include "store/pool.h"
#include "xmpp/ns.h"

/* How long a roster get waits for tombstones before the whole roster is sent instead. */
#define TOMBSTONES_MS 300

static void
answer(struct session *s, const struct packet *request, struct stanza *result)
{
	struct packet *p = packet_new(result, request->to, request->from);

	session_send(s, p);
	packet_unref(p);
}

static struct stanza *
whole(struct user *u, const struct packet *request, bool versioned)
{
	struct stanza *st = packet_result(request);
	struct elem *query = elem_add(st, st->root, NS_ROSTER, "query");
	char ver[ROSTER_VERSION_TEXT];
	struct roster_item *i, *tmp;

	if (versioned)
		elem_set(st, query, "ver", roster_version_write(ver, u->account, u->roster->version));
	HASH_ITER(hh, u->roster->items, i, tmp)
		if (i->listed)
			roster_item_write(st, query, i);
	return st;
}

static void
answer_whole(struct user *u, struct session *s, const struct packet *request, bool versioned)
{
	answer(s, request, whole(u, request, versioned));
}

void
roster_answer_delegated(struct user *u, const struct packet *p)
{
	if (u->roster)
		router_reply(packet_new(whole(u, p, true), p->to, p->from));
	else
		router_refuse(p, XERROR_RESOURCE_CONSTRAINT, "wait", NULL);
}

/* A roster get that waits for tombstones. In the arena of its job. */
struct since {
	struct timer timer;
	struct packet *request;
	int64_t account, session_us; /* which account, and which session of that resource */
	uint64_t version;
	bool answered;
	/* the worker's */
	const char *const *left;
	size_t nleft;
};

static enum sql_status
since_work(struct job *j, struct sql *db)
{
	struct since *q = j->data;

	return roster_store_removed(db, j->arena, q->account, q->version, &q->left, &q->nleft, &j->err);
}

/* The session that asked, while it and its account are still the same. */
static struct session *
since_session(const struct since *q, struct user **u)
{
	struct session *s;

	*u = user_find(q->request->from);
	if (!*u || (*u)->account != q->account)
		return NULL;
	s = user_session(*u, jid_resource(q->request->from));
	return s && !s->closing && s->since_us == q->session_us ? s : NULL;
}

static int
by_version(const void *a, const void *b)
{
	uint64_t x = (*(struct roster_item *const *)a)->version, y = (*(struct roster_item *const *)b)->version;

	return x < y ? -1 : x > y;
}

/* NULL: cannot be told by pushes. A row that is not listed may have taken the place of a tombstone. */
static struct roster_item **
changed_since(const struct roster *r, uint64_t version, struct arena *a, size_t *n)
{
	struct roster_item **changed = arena_alloc(a, (HASH_COUNT(r->items) + 1) * sizeof(struct roster_item *));
	struct roster_item *i, *tmp;

	*n = 0;
	HASH_ITER(hh, r->items, i, tmp) {
		if (i->version > version && !i->listed)
			return NULL;
		if (i->version > version)
			changed[(*n)++] = i;
	}
	qsort(changed, *n, sizeof(struct roster_item *), by_version);
	return changed;
}

/* §2.6.3: the empty result, then pushes by ascending version, so that a client cut off between two of them
 * remembers how far it came. Those who left come first under the version it had; the last push brings the
 * current one. */
static void
answer_since(struct user *u, struct session *s, struct since *q, struct arena *a)
{
	size_t n;
	struct roster_item **changed = changed_since(u->roster, q->version, a, &n);
	uint64_t now = u->roster->version;

	if (!changed || n + q->nleft > u->roster->nlisted) {
		answer_whole(u, s, q->request, true);
		return;
	}
	answer(s, q->request, packet_result(q->request));
	for (size_t i = 0; i < q->nleft; i++)
		roster_push_one(u, s, i + 1 == q->nleft && !n ? now : q->version, NULL, q->left[i]);
	for (size_t i = 0; i < n; i++)
		roster_push_one(u, s, i + 1 == n ? now : changed[i]->version, changed[i], NULL);
}

static void
since_timeout(struct timer *t)
{
	struct since *q = LIST_ENTRY(t, struct since, timer);
	struct user *u;
	struct session *s = since_session(q, &u);

	q->answered = true;
	if (s)
		answer_whole(u, s, q->request, true);
}

/* Who left and came back is in the roster: not to be pushed as gone. */
static void
forget_returned(const struct roster *r, struct since *q, struct arena *a)
{
	const char **left = arena_alloc(a, (q->nleft + 1) * sizeof(*left));
	size_t n = 0;

	for (size_t i = 0; i < q->nleft; i++) {
		struct roster_item *item;

		HASH_FIND(hh, r->items, q->left[i], strlen(q->left[i]), item);
		if (!item || !item->listed)
			left[n++] = q->left[i];
	}
	q->left = left;
	q->nleft = n;
}

static void
since_done(struct job *j)
{
	struct since *q = j->data;
	struct user *u;
	struct session *s = q->answered ? NULL : since_session(q, &u);

	timer_clear(&q->timer);
	if (s && j->status == JOB_OK) {
		forget_returned(u->roster, q, j->arena);
		answer_since(u, s, q, j->arena);
	} else if (s) {
		answer_whole(u, s, q->request, true);
	}
	packet_unref(q->request);
}

static void
ask_since(struct user *u, struct session *s, struct packet *request, uint64_t version)
{
	struct job *j = job_new(sizeof(struct since));
	struct since *q = j->data;

	q->request = packet_ref(request);
	q->account = u->account;
	q->session_us = s->since_us;
	q->version = version;
	j->work = since_work;
	j->done = since_done;
	timer_set(&q->timer, TOMBSTONES_MS, since_timeout);
	pool_submit(j, jid_hash(u->jid));
}

enum xerror
roster_on_get(const struct iq_call *c)
{
	struct user *u = c->user;
	struct session *s = c->session;
	const char *ver = elem_get(c->payload, "ver");
	uint64_t since;

	/* §2.2: only for oneself. */
	if (!jid_equal_bare(c->p->from, u->jid))
		return XERROR_FORBIDDEN;
	if (!u->roster)
		return XERROR_SERVICE_UNAVAILABLE;
	if (!s || s->closing)
		return XERROR_NONE; /* the session that asked is gone: nobody is left to answer */
	s->interested = true;
	if (!ver || !roster_version_read(ver, u->account, u->roster->version, &since))
		answer_whole(u, s, c->p, ver != NULL);
	else if (since == u->roster->version)
		answer(s, c->p, packet_result(c->p));
	else if (roster_knows_since(u->roster, since))
		ask_since(u, s, c->p, since);
	else
		answer_whole(u, s, c->p, true);
	return XERROR_NONE;
}
