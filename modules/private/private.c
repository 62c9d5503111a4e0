/*
 * private: Private XML Storage (XEP-0049): elements that clients keep on the server, found again by namespace and name.
 *
 * Only the owner's, get and set. A change is recorded, then stored.
 *
 * Bookmarks (<storage xmlns='storage:bookmarks'/>, XEP-0048) live elsewhere: for their conferences the module bookmarks is
 * asked by the same element as the child of an IQ; only what is not a conference is kept here. Where that module is not
 * there, they are elements as all others.
 */
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "module.h"
#include "private_store.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

/* Names are keys of an index. */
#define NAME_MAX_BYTES 1000

struct request {
	struct private_job job; /* first: it is what the job is given */
	const struct elem *storage; /* of the request, when it is about bookmarks */
	const struct elem *rest;    /* set: <storage/> without conferences */
};

static const char *
text_of(struct arena *a, const struct elem *e)
{
	struct buf b = { 0 };
	const char *s;

	serialize_elem(&b, e, NULL);
	s = arena_strndup(a, buf_str(&b), buf_len(&b));
	buf_fini(&b);
	return s;
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *text)
{
	metric_add(METRIC_PROFILE_REFUSED, 1);
	return hook_reject(h, e, text);
}

static bool
is_storage(const struct elem *e)
{
	return elem_is(e, NS_STORAGE, "storage");
}

/* Get */

/* XEP-0049: what was never set is empty. */
static enum hook_verdict
give(struct hook *h, const struct private_job *j, const struct stanza *conferences)
{
	const struct private_element *el = &j->element[0];
	struct stanza *st = hook_result(h), *stored = el->xml ? parser_one(el->xml, strlen(el->xml), NULL, NULL) : NULL;
	struct elem *query = elem_add(st, st->root, NS_PRIVATE, "query"), *e;
	const struct elem *storage = conferences ? elem_child(conferences->root, NS_STORAGE, "storage") : NULL;

	hook_reply(h, st);
	if (stored)
		e = elem_add_copy(st, query, stored->root);
	else
		e = elem_add(st, query, el->ns, el->name);
	for (const struct elem *c = storage ? elem_first(storage) : NULL; c; c = elem_next(c, NULL, NULL))
		elem_add_copy(st, e, c);
	stanza_unref(stored);
	return el->xml && !stored ? hook_reject(h, XERROR_INTERNAL_SERVER_ERROR, NULL) : HOOK_HANDLED;
}

/* Nobody there: without conferences. Another error is the client's to know, or it would believe that it has none. */
static enum hook_verdict
on_conferences(struct hook *h, void *data, bool ok)
{
	enum xerror e = ok ? xerror_of(h->answer->root) : XERROR_RESOURCE_CONSTRAINT;

	if (e == XERROR_NONE)
		return give(h, data, h->answer);
	if (e == XERROR_SERVICE_UNAVAILABLE)
		return give(h, data, NULL);
	return hook_unavailable(h);
}

static enum hook_verdict
on_got(struct hook *h, void *data, bool ok)
{
	struct request *r = data;
	struct stanza *iq;

	if (!ok)
		return hook_unavailable(h);
	if (!r->storage)
		return give(h, &r->job, NULL);
	iq = stanza_new(NS_CLIENT, "iq");
	elem_set(iq, iq->root, "type", "get");
	elem_add(iq, iq->root, NS_STORAGE, "storage");
	return hook_ask(h, h->account, iq, 0, r, on_conferences);
}

/* Something to find it by: a namespace of its own, and of bearable length. */
static bool
is_proper(const struct elem *e)
{
	return e->ns && *e->ns && e->ns != NS_PRIVATE && e->ns != NS_CLIENT && strlen(e->ns) <= NAME_MAX_BYTES &&
		strlen(e->name) <= NAME_MAX_BYTES;
}

static struct request *
request_of(struct hook *h, size_t n)
{
	struct arena *a = hook_memory(h);
	struct request *r = arena_zalloc(a, sizeof(*r));

	r->job.account = h->account_id;
	r->job.element = arena_zalloc(a, n * sizeof(*r->job.element));
	r->job.n = n;
	for (const struct elem *e = elem_first(h->payload); e && n; e = elem_next(e, NULL, NULL), n--) {
		struct private_element *el = &r->job.element[r->job.n - n];

		el->ns = e->ns;
		el->name = e->name;
		if (is_storage(e))
			r->storage = e;
	}
	return r;
}

static enum hook_verdict
on_get(struct hook *h)
{
	const struct elem *e = elem_first(h->payload);

	if (module_relation(h) != MODULE_SELF)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	if (!e || elem_next(e, NULL, NULL))
		return refuse(h, XERROR_BAD_REQUEST, "one element at a time");
	if (!is_proper(e))
		return refuse(h, XERROR_NOT_ACCEPTABLE, "the element needs a namespace of its own");
	return hook_job(h, request_of(h, 1), private_store_get, on_got);
}

/* Set */

static enum hook_verdict
on_stored(struct hook *h, void *data, bool ok)
{
	const struct request *r = data;

	if (!ok)
		return hook_unavailable(h);
	/* Another session was quicker since the check. */
	if (r->job.too_much)
		return refuse(h, XERROR_POLICY_VIOLATION, "too much private data");
	return hook_done(h);
}

static enum hook_verdict
on_recorded(struct hook *h, void *data, bool ok)
{
	struct request *r = data;

	if (!ok)
		return hook_unavailable(h);
	return hook_job(h, &r->job, private_store_put, on_stored);
}

static enum hook_verdict
record(struct hook *h, struct request *r)
{
	return hook_record(h, RECORD_PRIVATE, NULL, text_of(hook_memory(h), h->payload), r, on_recorded);
}

/* The module bookmarks has refused, and says why. */
static enum hook_verdict
pass_error(struct hook *h, enum xerror e)
{
	const struct elem *error = elem_child(h->answer->root, NULL, "error");
	const struct elem *text = error ? elem_child(error, NS_STANZA_ERRORS, "text") : NULL;

	return hook_reject(h, e, text ? elem_text(text, h->arena) : NULL);
}

static enum hook_verdict
on_bookmarks(struct hook *h, void *data, bool ok)
{
	struct request *r = data;
	enum xerror e = ok ? xerror_of(h->answer->root) : XERROR_RESOURCE_CONSTRAINT;

	if (!ok || e == XERROR_RESOURCE_CONSTRAINT)
		return hook_unavailable(h);
	if (e != XERROR_NONE && e != XERROR_SERVICE_UNAVAILABLE)
		return pass_error(h, e);
	for (size_t i = 0; e == XERROR_NONE && i < r->job.n; i++)
		if (!strcmp(r->job.element[i].ns, NS_STORAGE) && !strcmp(r->job.element[i].name, "storage"))
			r->job.element[i].xml = text_of(hook_memory(h), r->rest);
	return record(h, r);
}

/* Bookmarks first: what becomes of them is recorded where they live, and may be refused there. */
static enum hook_verdict
on_checked(struct hook *h, void *data, bool ok)
{
	struct request *r = data;
	struct stanza *iq;

	if (!ok)
		return hook_unavailable(h);
	if (r->job.too_much)
		return refuse(h, XERROR_POLICY_VIOLATION, "too much private data");
	if (!r->storage)
		return record(h, r);
	iq = stanza_new(NS_CLIENT, "iq");
	elem_set(iq, iq->root, "type", "set");
	elem_add_copy(iq, iq->root, r->storage);
	return hook_ask(h, h->account, iq, 0, r, on_bookmarks);
}

static void
forget(void *st)
{
	stanza_unref(st);
}

/* What is not a conference: <url/>, and what clients have thought of. */
static const struct elem *
without_conferences(struct hook *h, const struct elem *storage)
{
	struct stanza *st = stanza_new(NS_STORAGE, "storage");

	arena_on_free(hook_memory(h), forget, st);
	for (const struct elem *e = elem_first(storage); e; e = elem_next(e, NULL, NULL))
		if (!elem_is(e, NS_STORAGE, "conference"))
			elem_add_copy(st, st->root, e);
	return st->root;
}

static bool
comes_twice(const struct private_job *j)
{
	for (size_t i = 0; i < j->n; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(j->element[i].ns, j->element[k].ns) && !strcmp(j->element[i].name, j->element[k].name))
				return true;
	return false;
}

static enum hook_verdict
on_set(struct hook *h)
{
	const struct limits *l = module_limits();
	struct request *r;
	size_t n = 0;

	if (module_relation(h) != MODULE_SELF)
		return hook_reject(h, XERROR_FORBIDDEN, NULL);
	for (const struct elem *e = elem_first(h->payload); e; e = elem_next(e, NULL, NULL), n++)
		if (!is_proper(e))
			return refuse(h, XERROR_NOT_ACCEPTABLE, "elements need a namespace of their own");
	if (!n)
		return refuse(h, XERROR_NOT_ACCEPTABLE, "there is no element to store");
	if (n > l->private_elements)
		return refuse(h, XERROR_POLICY_VIOLATION, "too much private data");
	r = request_of(h, n);
	if (comes_twice(&r->job))
		return refuse(h, XERROR_BAD_REQUEST, "an element comes twice");
	r->job.most_bytes = l->private_bytes;
	r->job.most_elements = l->private_elements;
	n = 0;
	for (const struct elem *e = elem_first(h->payload); e; e = elem_next(e, NULL, NULL))
		r->job.element[n++].xml = text_of(hook_memory(h), e);
	if (r->storage)
		r->rest = without_conferences(h, r->storage);
	return hook_job(h, &r->job, private_store_check, on_checked);
}

static int
attach(struct module *m)
{
	module_offers(m, NS_PRIVATE, MODULE_SERVER | MODULE_ACCOUNT);
	return module_on_iq(m, MODULE_IQ_GET, NS_PRIVATE, "query", MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PRIVATE, "query", MODULE_ACCOUNT, on_set) ? -1 : 0;
}

const struct module_def private_module = {
	.name = "private",
	.about = "Private XML Storage (XEP-0049)",
	.attach = attach,
};
