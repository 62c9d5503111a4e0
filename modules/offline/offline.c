/*
 * offline: Flexible Offline Message Retrieval (XEP-0013): a client looks at what waits for its account, takes what it wants, and takes
 * out what it does not want, in place of being given everything with its initial presence.
 *
 * What waits is what lies above the delivery mark (XEP-0160). Who asks keeps it from coming by itself as long as they are there;
 * what they look at goes on waiting until they remove it, or until a client that does not ask is given it. What is removed waits
 * no longer, and stays in the record and in the history (XEP-0313). Messages are given as the session takes them: a client that
 * does not read is told to try again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/metric.h"
#include "base/text.h"
#include "module.h"
#include "module_service.h"
#include "offline_store.h"
#include "xmpp/discovery.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define PAGE_ROWS 20      /* read at a time */
#define LOOK_MS 50        /* between two looks whether the client has taken what it has */
#define PATIENCE_MS 10000 /* without any progress */
#define EXTRA_BYTES 512   /* what is added to a message */

/* Who asks */

/* §2: only the account's own resources; that there is no such account looks the same. */
static bool
is_owner(const struct hook *h)
{
	return module_relation(h) == MODULE_SELF && h->account_id && h->bound;
}

/* As the text of an array. */
static const char *
array_of(struct arena *a, const uint64_t *id, size_t n)
{
	struct buf b = { 0 };
	const char *s;

	buf_addc(&b, '{');
	for (size_t i = 0; i < n; i++)
		buf_addf(&b, "%s%" PRIu64, i ? "," : "", id[i]);
	buf_addc(&b, '}');
	s = arena_strndup(a, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

/* What waits now. */
static void
set_backlog(struct hook *h, struct offline_query *q)
{
	struct module_backlog b;

	module_backlog(h, &b);
	q->after = b.after;
	q->upto = b.upto;
	q->given = array_of(hook_memory(h), b.given, b.n);
}

static struct offline_query *
query_new(struct hook *h)
{
	struct offline_query *q = arena_zalloc(hook_memory(h), sizeof(*q));

	q->account = h->account_id;
	q->bare = arena_strdup(hook_memory(h), jid_bare(h->account));
	set_backlog(h, q);
	return q;
}

/* Ids have so many digits until the year 2286: they sort as text, too (§2.3). */
static const char *
node_of(struct arena *a, uint64_t id)
{
	return arena_printf(a, "%016" PRIu64, id);
}

/* Number and headers */

static enum hook_verdict
on_counted(struct hook *h, void *data, bool ok)
{
	const struct offline_query *q = data;
	struct elem *x;

	if (!ok)
		return hook_unavailable(h);
	discovery_identity(h->reply, h->query, "automation", "message-list", NULL);
	discovery_feature(h->reply, h->query, NS_OFFLINE);
	x = form_new(h->reply, h->query, "result", NS_OFFLINE);
	form_add(h->reply, x, NULL, "number_of_messages", NULL, arena_printf(h->arena, "%" PRIu64, q->count));
	return HOOK_HANDLED;
}

static enum hook_verdict
on_listed(struct hook *h, void *data, bool ok)
{
	const struct offline_query *q = data;

	if (!ok)
		return hook_unavailable(h);
	for (size_t i = 0; i < q->n; i++) {
		struct elem *e = elem_add(h->reply, h->query, NULL, "item");

		elem_set(h->reply, e, "jid", q->bare);
		elem_set(h->reply, e, "node", node_of(h->arena, q->row[i].id));
		elem_set(h->reply, e, "name", q->row[i].from);
	}
	return HOOK_HANDLED;
}

static enum hook_verdict
on_disco(struct hook *h)
{
	struct offline_query *q;

	if (!h->account || !h->node || strcmp(h->node, NS_OFFLINE))
		return HOOK_NEXT;
	if (!is_owner(h))
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	module_backlog_withhold(h->bound);
	q = query_new(h);
	q->limit = (unsigned)module_limits()->offline_headers;
	return h->stage == HOOK_DISCO_INFO ? hook_job(h, q, offline_count, on_counted) : hook_job(h, q, offline_list, on_listed);
}

/* Viewing */

struct walk {
	struct offline_query q;
	int64_t moved_ms; /* when the client took something last */
};

static enum hook_verdict on_rows(struct hook *h, void *data, bool ok);

static enum hook_verdict
read_on(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;

	(void)ok;
	arena_reset(w->q.page);
	return hook_job(h, &w->q, w->q.ids ? offline_read_some : offline_read, on_rows);
}

/* §2.4: with its node; XEP-0203 in place of XEP-0091. What its sender claimed in our name is not ours. */
static void
give(struct hook *h, const struct offline_row *r)
{
	struct stanza *st = parser_one(r->stanza, r->len, NS_CLIENT, NULL);
	struct elem *e, *delay;
	char stamp[32];

	if (!st)
		return;
	while ((e = (struct elem *)elem_child(st->root, NS_OFFLINE, "offline")))
		elem_remove(e);
	e = elem_add(st, elem_add(st, st->root, NS_OFFLINE, "offline"), NULL, "item");
	elem_set(st, e, "node", node_of(h->arena, r->id));
	delay = elem_add(st, st->root, NS_DELAY, "delay");
	elem_set(st, delay, "from", jid_domain(h->account));
	elem_set(st, delay, "stamp", clock_format(r->at_us, stamp));
	module_session_give(h->bound, st, r->id);
}

/* How many of the rows it takes at once. */
static size_t
give_rows(struct hook *h, const struct walk *w)
{
	size_t i, bytes;

	for (i = 0; i < w->q.n && !module_session_is_over(h->bound); i++) {
		if (!module_session_room(h->bound, &bytes) || bytes < w->q.row[i].len + EXTRA_BYTES)
			break;
		give(h, &w->q.row[i]);
	}
	return i;
}

static enum hook_verdict
on_rows(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;
	size_t given;

	if (!ok)
		return hook_unavailable(h);
	if (!w->q.n || !h->bound || module_session_is_over(h->bound))
		return hook_done(h);
	given = give_rows(h, w);
	if (given) {
		w->q.after = w->q.row[given - 1].id;
		w->moved_ms = clock_mono_ms();
	}
	if (given == w->q.n)
		return read_on(h, w, true);
	if (clock_mono_ms() - w->moved_ms < PATIENCE_MS)
		return hook_after(h, LOOK_MS, w, read_on);
	h->error_type = "wait";
	return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "read what has been sent, and ask for the rest");
}

static enum hook_verdict
on_found(struct hook *h, void *data, bool ok)
{
	struct walk *w = data;

	if (!ok)
		return hook_unavailable(h);
	if (w->q.count != w->q.nids)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	return read_on(h, w, true);
}

/* Requests */

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The items of a request, each once. False: the error is set. */
static bool
read_items(struct hook *h, struct offline_query *q, const char *action)
{
	const struct elem *first = elem_child(h->payload, NS_OFFLINE, "item");
	uint64_t *id;
	size_t n = 0, unique = 0;

	for (const struct elem *e = first; e; e = elem_next(e, NS_OFFLINE, "item"))
		n++;
	h->error = n > module_limits()->offline_items ? XERROR_POLICY_VIOLATION : XERROR_BAD_REQUEST;
	if (!n || h->error == XERROR_POLICY_VIOLATION) {
		metric_add(METRIC_QUOTA_REFUSED, n > 0);
		return false;
	}
	id = arena_alloc(hook_memory(h), n * sizeof(*id));
	n = 0;
	for (const struct elem *e = first; e; e = elem_next(e, NS_OFFLINE, "item")) {
		const char *what = elem_get(e, "action"), *node = elem_get(e, "node");

		if (!what || strcmp(what, action) || !node)
			return false;
		if (!text_u64(node, strlen(node), 1, INT64_MAX, &id[n++])) {
			h->error = XERROR_ITEM_NOT_FOUND;
			return false;
		}
	}
	qsort(id, n, sizeof(*id), by_number);
	for (size_t i = 0; i < n; i++)
		if (!i || id[i] != id[i - 1])
			id[unique++] = id[i];
	q->nids = unique;
	q->ids = array_of(hook_memory(h), id, unique);
	return true;
}

static void
free_page(void *page)
{
	arena_free(page);
}

static enum hook_verdict
on_get(struct hook *h)
{
	struct walk *w;

	if (!is_owner(h))
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	module_backlog_withhold(h->bound);
	w = arena_zalloc(hook_memory(h), sizeof(*w));
	w->q = *query_new(h);
	w->q.limit = PAGE_ROWS;
	w->q.page = arena_new(0);
	arena_on_free(hook_memory(h), free_page, w->q.page);
	w->moved_ms = clock_mono_ms();
	if (elem_child(h->payload, NS_OFFLINE, "fetch"))
		return read_on(h, w, true);
	if (!read_items(h, &w->q, "view"))
		return hook_reject(h, h->error, NULL);
	return hook_job(h, &w->q, offline_find, on_found);
}

static enum hook_verdict
on_removed(struct hook *h, void *data, bool ok)
{
	const struct offline_query *q = data;

	if (!ok)
		return hook_unavailable(h);
	return q->count == q->nids ? hook_done(h) : hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
}

static enum hook_verdict
on_purged(struct hook *h, void *data, bool ok)
{
	const struct offline_query *q = data;

	if (!ok)
		return hook_unavailable(h);
	module_backlog_skip(h, q->upto);
	return hook_done(h);
}

static enum hook_verdict
on_set(struct hook *h)
{
	struct offline_query *q;

	if (!is_owner(h))
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	q = query_new(h);
	if (elem_child(h->payload, NS_OFFLINE, "purge"))
		return hook_job(h, q, offline_purge, on_purged);
	if (!read_items(h, q, "remove"))
		return hook_reject(h, h->error, NULL);
	return hook_job(h, q, offline_remove, on_removed);
}

static int
attach(struct module *m)
{
	module_offers(m, NS_OFFLINE, MODULE_SERVER);
	return module_on_iq(m, MODULE_IQ_GET, NS_OFFLINE, "offline", MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_OFFLINE, "offline", MODULE_ACCOUNT, on_set) ||
		module_on(m, HOOK_DISCO_INFO, on_disco) || module_on(m, HOOK_DISCO_ITEMS, on_disco) ? -1 : 0;
}

const struct module_def offline_module = {
	.name = "offline",
	.about = "Flexible Offline Message Retrieval (XEP-0013)",
	.attach = attach,
};
