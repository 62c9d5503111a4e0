/*
 * history_query: what a client asks of its archive (XEP-0313 §4): a form, a <set/>, <flip-page/>; and the answers that
 * need no messages: the form's fields, the archive's metadata.
 */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "history.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"
#include "xmpp/rsm.h"

#define DAY_US INT64_C(86400000000)
#define NS_VALIDATE "http://jabber.org/protocol/xdata-validate"

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

/* The rest of what a message in a client's hands calls the same time: we write milliseconds. */
#define END_OF_MS 999

static bool
read_time(const struct form *f, const char *var, uint64_t *out)
{
	const char *s = form_value(f, var);
	int64_t us;

	if (!s)
		return form_find(f, var) == NULL;
	if (clock_parse(s, &us))
		return false;
	*out = us > 0 ? (uint64_t)us : 0;
	return true;
}

/* An id that is no number of ours is in no archive: 0. */
static uint64_t
read_id(const char *s)
{
	uint64_t id = 0;

	return text_u64(s, strlen(s), 1, INT64_MAX, &id) ? id : 0;
}

/* Collected while the query is read: ids that must be in the archive. */
struct wanted {
	uint64_t *id;
	size_t n;
	bool unknown;
};

static uint64_t
must_exist(struct wanted *w, const char *s)
{
	uint64_t id = read_id(s);

	if (!id)
		w->unknown = true;
	for (size_t i = 0; i < w->n; i++)
		if (w->id[i] == id)
			return id;
	if (id)
		w->id[w->n++] = id;
	return id;
}

static void
no_earlier(struct history_query *q, uint64_t id)
{
	if (id > q->first)
		q->first = id;
}

static void
no_later(struct history_query *q, uint64_t id)
{
	if (id < q->last)
		q->last = id;
}

static bool
fields_are_known(const struct form *f)
{
	static const char *const known[] = { "with", "start", "end", "before-id", "after-id", "ids" };
	bool all = true;

	for (const struct form_field *i = f->first; i; i = i->next) {
		bool one = false;

		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			one = one || !strcmp(i->var, known[k]);
		all = all && one;
	}
	return all;
}

static bool
read_with(const struct form *f, struct arena *a, struct history_query *q)
{
	const char *s = form_value(f, "with");
	struct jid *j = s ? jid_parse_z(s) : NULL;

	if (!s)
		return form_find(f, "with") == NULL;
	if (!j)
		return false;
	q->with_bare = arena_strdup(a, jid_bare(j));
	if (jid_resource(j))
		q->with_resource = arena_strdup(a, jid_resource(j));
	jid_unref(j);
	return true;
}

static void
read_ids(const struct form *f, struct history_query *q, struct wanted *w)
{
	const struct form_field *ids = form_find(f, "ids");
	const char *s;

	if (ids) {
		q->by_ids = true;
		for (unsigned i = 0; i < ids->n; i++)
			(void)must_exist(w, ids->value[i]);
		if (!ids->n)
			w->unknown = true;
	}
	if ((s = form_value(f, "after-id")))
		no_earlier(q, must_exist(w, s) + 1);
	if ((s = form_value(f, "before-id")))
		no_later(q, must_exist(w, s) - 1);
}

/* XERROR_NONE, or what the form is answered with. */
static enum xerror
read_form(const struct elem *x, struct hook *h, struct history_query *q, struct wanted *w, const char **why)
{
	struct arena *a = hook_memory(h);
	struct form *f = form_parse(x, a);
	const struct form_field *ids;

	*why = "the form is not a submission of this query's";
	if (!f || strcmp(f->type, "submit") || !f->form_type || strcmp(f->form_type, NS_MAM))
		return XERROR_BAD_REQUEST;
	*why = "a field that the form does not have";
	if (!fields_are_known(f))
		return XERROR_FEATURE_NOT_IMPLEMENTED;
	*why = "with is not an address";
	if (!read_with(f, a, q))
		return XERROR_BAD_REQUEST;
	*why = "start and end are dates and times (XEP-0082)";
	if (!read_time(f, "start", &q->first) || !read_time(f, "end", &q->last))
		return XERROR_BAD_REQUEST;
	if (form_find(f, "end"))
		q->last += END_OF_MS;
	*why = "too many ids at once";
	ids = form_find(f, "ids");
	if (ids && ids->n > module_limits()->history_page)
		return XERROR_POLICY_VIOLATION;
	w->id = arena_alloc(a, ((ids ? ids->n : 0) + 4) * sizeof(*w->id));
	read_ids(f, q, w);
	return XERROR_NONE;
}

/* §4.3: how much, and from where. */
static enum xerror
read_set(struct hook *h, struct history_query *q, struct wanted *w, const char **why)
{
	uint64_t most = module_limits()->history_page, usual = module_limits()->history_page_default;
	struct rsm r;

	*why = NULL;
	if (!rsm_parse(h->payload, hook_memory(h), &r))
		return XERROR_BAD_REQUEST;
	*why = "pages are found by id, not by index";
	if (r.has_index)
		return XERROR_FEATURE_NOT_IMPLEMENTED;
	if (r.after)
		no_earlier(q, must_exist(w, r.after) + 1);
	if (r.before && *r.before)
		no_later(q, must_exist(w, r.before) - 1);
	q->backwards = r.before != NULL;
	q->count = r.has_max && r.max == 0;
	q->max = (unsigned)(!r.has_max ? (usual < most ? usual : most) : r.max < most ? r.max : most);
	return XERROR_NONE;
}

static enum hook_verdict
query_done(struct hook *h, void *data, bool ok)
{
	struct history_ask *ask = data;
	const struct history_query *q = &ask->q;
	struct stanza *st;
	struct elem *fin;
	char first[24], last[24];

	if (!ok)
		return hook_unavailable(h);
	if (q->missing)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (h->bound)
		history_give(h, h->bound, ask);
	st = hook_result(h);
	fin = elem_add(st, st->root, NS_MAM, "fin");
	if (!q->count && q->complete)
		elem_set(st, fin, "complete", "true");
	if (q->n) {
		snprintf(first, sizeof(first), "%" PRIu64, q->row[0].id);
		snprintf(last, sizeof(last), "%" PRIu64, q->row[q->n - 1].id);
	}
	rsm_write(st, fin, q->n ? first : NULL, -1, q->n ? last : NULL, q->count ? q->total : -1);
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

enum hook_verdict
history_on_query(struct hook *h)
{
	const struct elem *x = elem_child(h->payload, NS_DATA, "x");
	struct wanted w = { 0 };
	struct history_ask *ask;
	struct history_query *q;
	const char *why = NULL, *queryid = elem_get(h->payload, "queryid");
	enum xerror e = XERROR_NONE;
	struct arena *a;

	if (history_only_self(h) != HOOK_NEXT)
		return HOOK_REJECT;
	if (elem_get(h->payload, "node"))
		return hook_reject(h, XERROR_FEATURE_NOT_IMPLEMENTED, "an account's archive has no nodes");
	a = hook_memory(h);
	ask = arena_zalloc(a, sizeof(*ask));
	q = &ask->q;
	q->account = h->account_id;
	q->owner = arena_strdup(a, jid_bare(h->account));
	q->floor = archive_begins(h);
	q->upto = module_record_settled();
	q->last = INT64_MAX;
	if (x)
		e = read_form(x, h, q, &w, &why);
	else
		w.id = arena_alloc(a, 4 * sizeof(*w.id));
	if (e == XERROR_NONE)
		e = read_set(h, q, &w, &why);
	if (e != XERROR_NONE)
		return hook_reject(h, e, why);
	if (w.unknown)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	q->must_exist = w.id;
	q->nmust_exist = w.n;
	ask->queryid = queryid ? arena_strdup(a, queryid) : NULL;
	ask->flip = elem_child(h->payload, NS_MAM, "flip-page") != NULL;
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
	struct elem *x, *ids;

	if (history_only_self(h) != HOOK_NEXT)
		return HOOK_REJECT;
	st = hook_result(h);
	x = form_new(st, elem_add(st, st->root, NS_MAM, "query"), "form", NS_MAM);
	form_add(st, x, "jid-single", "with", NULL, NULL);
	form_add(st, x, "text-single", "start", NULL, NULL);
	form_add(st, x, "text-single", "end", NULL, NULL);
	form_add(st, x, "text-single", "before-id", NULL, NULL);
	form_add(st, x, "text-single", "after-id", NULL, NULL);
	ids = elem_add(st, form_add(st, x, "list-multi", "ids", NULL, NULL), NS_VALIDATE, "validate");
	elem_set(st, ids, "datatype", "xs:string");
	elem_add(st, ids, NS_VALIDATE, "open");
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* §5 */

static void
write_end(struct stanza *st, struct elem *metadata, const char *name, uint64_t id)
{
	struct elem *e = elem_add(st, metadata, NULL, name);
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	elem_set(st, e, "id", text);
	elem_set(st, e, "timestamp", clock_format((int64_t)id, text));
}

static enum hook_verdict
metadata_done(struct hook *h, void *data, bool ok)
{
	const struct history_extent *x = data;
	struct stanza *st;
	struct elem *e;

	if (!ok)
		return hook_unavailable(h);
	st = hook_result(h);
	e = elem_add(st, st->root, NS_MAM, "metadata");
	if (x->first) {
		write_end(st, e, "start", x->first);
		write_end(st, e, "end", x->last);
	}
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
