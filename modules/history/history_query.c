/*
 * history_query: what a client asks of its archive (XEP-0313 §4; xmpp/mam reads it), and the answers that need no messages:
 * the form's fields, the archive's metadata.
 */
#include "base/clock.h"
#include "history.h"

#define DAY_US INT64_C(86400000000)

/* What is older belongs to a former owner of the name, or is beyond what users are shown. */
static uint64_t
archive_begins(const struct hook *h)
{
	uint64_t days = module_settings()->history_days;
	int64_t begins = module_account_created_us(h), shown;

	shown = days ? clock_wall_us() - (int64_t)days * DAY_US : 0;
	if (shown > begins)
		begins = shown;
	return begins > 0 ? (uint64_t)begins : 1;
}

static enum hook_verdict
query_done(struct hook *h, void *data, bool ok)
{
	struct history_ask *ask = data;
	const struct history_query *q = &ask->q;
	const struct history_row *first, *last;
	struct stanza *st;

	if (!ok)
		return hook_unavailable(h);
	if (q->missing)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (h->bound)
		history_give(h, h->bound, ask);
	st = hook_result(h);
	first = q->n ? q->row[0] : NULL;
	last = q->n ? q->row[q->n - 1] : NULL;
	mam_write_fin(st, &ask->m, first ? first->id : 0, last ? last->id : 0, q->complete, q->total);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* Not more than the session can take without being ended for it. False: nothing at the moment. */
static bool
fit(struct hook *h, struct history_query *q)
{
	size_t bytes;
	unsigned room = h->bound ? module_session_room(h->bound, &bytes) : 0;

	if (q->count)
		return true;
	q->max_bytes = module_limits()->history_page_bytes;
	if (!room || !bytes)
		return false;
	if (room < q->max)
		q->max = room;
	if (bytes < q->max_bytes)
		q->max_bytes = bytes;
	return true;
}

static void
ask_store(struct history_query *q, const struct mam_query *m)
{
	*q = (struct history_query){
		.with_bare = m->with_bare, .with_resource = m->with_resource,
		.first = m->first, .last = m->last,
		.must_exist = m->must_exist, .nmust_exist = m->nmust_exist, .by_ids = m->by_ids,
		.backwards = m->backwards, .count = m->count, .max = m->max,
	};
}

enum hook_verdict
history_on_query(struct hook *h)
{
	struct history_ask *ask;
	struct history_query *q;
	const char *why = NULL;
	enum xerror e;
	struct arena *a;

	if (history_only_self(h) != HOOK_NEXT)
		return HOOK_REJECT;
	if (elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_FEATURE_NOT_IMPLEMENTED, "an account's archive has no nodes");
	a = hook_memory(h);
	ask = arena_zalloc(a, sizeof(*ask));
	e = mam_read(h->payload, a, module_limits()->history_page, module_limits()->history_page_default, &ask->m, &why);
	if (e != XERROR_NONE)
		return hook_reject(h, e, why);
	q = &ask->q;
	ask_store(q, &ask->m);
	q->account = h->account_id;
	q->owner = arena_strdup(a, jid_bare(h->account));
	q->floor = archive_begins(h);
	q->upto = module_record_settled();
	if (!fit(h, q)) {
		h->error_type = "wait";
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "there is much that this client has not taken yet");
	}
	return hook_job(h, ask, history_store_page, query_done);
}

/* §4.1.5 */
enum hook_verdict
history_on_form(struct hook *h)
{
	struct stanza *st;

	if (history_only_self(h) != HOOK_NEXT)
		return HOOK_REJECT;
	st = hook_result(h);
	mam_write_form(st);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* §5 */

static enum hook_verdict
metadata_done(struct hook *h, void *data, bool ok)
{
	const struct history_extent *x = data;
	struct stanza *st;

	if (!ok)
		return hook_unavailable(h);
	st = hook_result(h);
	mam_write_metadata(st, x->first, x->last);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

enum hook_verdict
history_on_metadata(struct hook *h)
{
	struct history_extent *x;

	if (history_only_self(h) != HOOK_NEXT)
		return HOOK_REJECT;
	x = arena_zalloc(hook_memory(h), sizeof(*x));
	*x = (struct history_extent){ .account = h->account_id, .floor = archive_begins(h), .upto = module_record_settled() };
	x->owner = arena_strdup(hook_memory(h), jid_bare(h->account));
	return hook_job(h, x, history_store_extent, metadata_done);
}
