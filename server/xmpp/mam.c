/*
 * mam: see mam.h. A query is a form, a <set/> and <flip-page/>.
 */
#include "xmpp/mam.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "xmpp/form.h"
#include "xmpp/jid.h"
#include "xmpp/ns.h"
#include "xmpp/rsm.h"
#include "xmpp/serialize.h"

#define NS_VALIDATE "http://jabber.org/protocol/xdata-validate"

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
no_earlier(struct mam_query *q, uint64_t id)
{
	if (id > q->first)
		q->first = id;
}

static void
no_later(struct mam_query *q, uint64_t id)
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
read_with(const struct form *f, struct arena *a, struct mam_query *q)
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
read_ids(const struct form *f, struct mam_query *q, struct wanted *w)
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

static enum xerror
read_form(const struct elem *x, struct arena *a, uint64_t most, struct mam_query *q, struct wanted *w, const char **why)
{
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
	if (ids && ids->n > most)
		return XERROR_POLICY_VIOLATION;
	w->id = arena_alloc(a, ((ids ? ids->n : 0) + 4) * sizeof(*w->id));
	read_ids(f, q, w);
	return XERROR_NONE;
}

/* §4.3: how much, and from where. */
static enum xerror
read_set(const struct elem *query, struct arena *a, uint64_t most, uint64_t usual, struct mam_query *q, struct wanted *w,
	const char **why)
{
	struct rsm r;

	*why = NULL;
	if (!rsm_parse(query, a, &r))
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

enum xerror
mam_read(const struct elem *query, struct arena *a, uint64_t most, uint64_t usual, struct mam_query *q, const char **why)
{
	const struct elem *x = elem_child(query, NS_DATA, "x");
	const char *queryid = elem_get(query, "queryid");
	struct wanted w = { 0 };
	enum xerror e = XERROR_NONE;

	*q = (struct mam_query){ .last = INT64_MAX };
	if (x)
		e = read_form(x, a, most, q, &w, why);
	else
		w.id = arena_alloc(a, 4 * sizeof(*w.id));
	if (e == XERROR_NONE)
		e = read_set(query, a, most, usual, q, &w, why);
	if (e == XERROR_NONE && w.unknown) {
		*why = NULL;
		e = XERROR_ITEM_NOT_FOUND;
	}
	q->must_exist = w.id;
	q->nmust_exist = w.n;
	q->queryid = queryid ? arena_strdup(a, queryid) : NULL;
	q->flip = elem_child(query, NS_MAM, "flip-page") != NULL;
	return e;
}

void
mam_write_form(struct stanza *st)
{
	struct elem *x = form_new(st, elem_add(st, st->root, NS_MAM, "query"), "form", NS_MAM), *ids;

	form_add(st, x, "jid-single", "with", NULL, NULL);
	form_add(st, x, "text-single", "start", NULL, NULL);
	form_add(st, x, "text-single", "end", NULL, NULL);
	form_add(st, x, "text-single", "before-id", NULL, NULL);
	form_add(st, x, "text-single", "after-id", NULL, NULL);
	ids = elem_add(st, form_add(st, x, "list-multi", "ids", NULL, NULL), NS_VALIDATE, "validate");
	elem_set(st, ids, "datatype", "xs:string");
	elem_add(st, ids, NS_VALIDATE, "open");
}

void
mam_write_fin(struct stanza *st, const struct mam_query *q, uint64_t first, uint64_t last, bool complete, int64_t total)
{
	struct elem *fin = elem_add(st, st->root, NS_MAM, "fin");
	char from[24], to[24];

	if (!q->count && complete)
		elem_set(st, fin, "complete", "true");
	snprintf(from, sizeof(from), "%" PRIu64, first);
	snprintf(to, sizeof(to), "%" PRIu64, last);
	rsm_write(st, fin, first ? from : NULL, -1, first ? to : NULL, q->count ? total : -1);
}

static void
write_end(struct stanza *st, struct elem *metadata, const char *name, uint64_t id)
{
	struct elem *e = elem_add(st, metadata, NULL, name);
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	elem_set(st, e, "id", text);
	elem_set(st, e, "timestamp", clock_format((int64_t)id, text));
}

void
mam_write_metadata(struct stanza *st, uint64_t first, uint64_t last)
{
	struct elem *e = elem_add(st, st->root, NS_MAM, "metadata");

	if (first) {
		write_end(st, e, "start", first);
		write_end(st, e, "end", last);
	}
}

static void
write_attribute(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, " %s='", name);
	serialize_attr(out, value, strlen(value));
	buf_addc(out, '\'');
}

void
mam_begin(struct buf *out, const struct mam_result *r)
{
	char stamp[32];

	buf_adds(out, "<message");
	write_attribute(out, "from", r->from);
	write_attribute(out, "to", r->to);
	buf_adds(out, "><result xmlns='urn:xmpp:mam:2'");
	if (r->queryid)
		write_attribute(out, "queryid", r->queryid);
	/* The id is the time. */
	buf_addf(out, " id='%" PRIu64 "'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='%s'/>",
		r->id, clock_format((int64_t)r->id, stamp));
}

void
mam_end(struct buf *out)
{
	buf_adds(out, "</forwarded></result></message>");
}

void
mam_write_recorded(struct buf *out, const char *xml, size_t n)
{
	static const char tag[] = "<message";
	size_t len = sizeof(tag) - 1;

	/* The namespace has to be said here. */
	if (n > len && !memcmp(xml, tag, len)) {
		buf_adds(out, "<message xmlns='jabber:client'");
		buf_add(out, xml + len, n - len);
	}
}
