/*
 * search: finding rooms by what they are called and about (XEP-0433). Every page is a query of its own: nothing is kept between them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "disco.h"
#include "list_store.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"
#include "xmpp/rsm.h"

#define SEARCH_PARAMS "urn:xmpp:channel-search:0:search-params"
#define SEARCH_ERRORS "urn:xmpp:channel-search:0:error"
#define BY_ADDRESS "{urn:xmpp:channel-search:0:order}address"
#define BY_OCCUPANTS "{urn:xmpp:channel-search:0:order}nusers"
#define SERVICE_TYPE "xep-0045"
#define TERMS_MAX 16


/* The form (§4.2.1) */

static enum hook_verdict
give_form(struct hook *h)
{
	struct stanza *st = hook_result(h);
	struct elem *x = form_new(st, elem_add(st, st->root, NS_SEARCH, "search"), "form", SEARCH_PARAMS), *f;

	form_add(st, x, "text-single", "q", "Search for", NULL);
	form_add(st, x, "boolean", "all", "Return all entries (ignore search terms)", "false");
	form_add(st, x, "boolean", "sinname", "Search in name", "true");
	form_add(st, x, "boolean", "sindescription", "Search in description", "true");
	form_add(st, x, "boolean", "sinaddress", "Search in address", "true");
	form_add(st, x, "text-single", "min_users", "Minimum number of users", "0");
	f = form_add(st, x, "list-multi", "types", "Service types", SERVICE_TYPE);
	form_add_option(st, f, "XEP-0045 Multi User Chats", SERVICE_TYPE);
	f = form_add(st, x, "list-single", "key", "Sort results by", BY_OCCUPANTS);
	form_add_option(st, f, "Number of online users", BY_OCCUPANTS);
	form_add_option(st, f, "Address", BY_ADDRESS);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* What is asked */

/* §4.2.2.6: without type modify. */
static enum hook_verdict
refuse_nothing(struct hook *h)
{
	h->error_type = "cancel";
	return hook_reject_with(h, XERROR_BAD_REQUEST, SEARCH_ERRORS, "no-search-conditions");
}

static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *name, const char *text)
{
	h->error_type = "modify";
	h->error_text = text;
	return hook_reject_with(h, e, SEARCH_ERRORS, name);
}

/* The words of `s`; false: there is none, or there are too many. */
static bool
read_terms(struct arena *a, const char *s, struct list_query *q)
{
	static const char space[] = " \t\r\n";

	q->term = arena_alloc(a, TERMS_MAX * sizeof(*q->term));
	for (s += strspn(s, space); *s; s += strspn(s, space)) {
		size_t n = strcspn(s, space);

		if (q->nterms == TERMS_MAX)
			return false;
		q->term[q->nterms++] = arena_strndup(a, s, n);
		s += n;
	}
	return q->nterms > 0;
}

static bool
wants_rooms(const struct form *f)
{
	const struct form_field *types = form_find(f, "types");

	for (unsigned i = 0; types && i < types->n; i++)
		if (!strcmp(types->value[i], SERVICE_TYPE))
			return true;
	return !types;
}

static bool
read_order(const struct form *f, struct list_query *q)
{
	const char *key = form_value(f, "key");

	q->order = !key || !strcmp(key, BY_OCCUPANTS) ? LIST_BY_OCCUPANTS : LIST_BY_ADDRESS;
	return !key || !strcmp(key, BY_OCCUPANTS) || !strcmp(key, BY_ADDRESS);
}

static enum hook_verdict
read_form(struct hook *h, const struct form *f, struct list_query *q)
{
	const char *words = form_value(f, "q");
	bool all = false;

	q->in_name = q->in_description = q->in_address = true;
	if (!form_bool(f, "all", &all) || !form_bool(f, "sinname", &q->in_name) ||
		!form_bool(f, "sindescription", &q->in_description) || !form_bool(f, "sinaddress", &q->in_address) ||
		!form_bool(f, "sinaddr", &q->in_address) || /* in the XEP's examples */
		!form_number(f, "min_users", 0, INT32_MAX, &q->min_occupants))
		return hook_reject(h, XERROR_BAD_REQUEST, "a field has a value that it cannot have");
	if (!read_order(f, q))
		return refuse(h, XERROR_FEATURE_NOT_IMPLEMENTED, "invalid-sort-key", NULL);
	if (all && words && *words)
		return refuse(h, XERROR_BAD_REQUEST, "conflicting-fields", "Cannot both return all results and search by keywords.");
	if (!all && !form_find(f, "q"))
		return refuse_nothing(h);
	if (!all && (!words || !read_terms(hook_memory(h), words, q)))
		return refuse(h, XERROR_BAD_REQUEST, "invalid-search-terms", "One to sixteen words are looked for.");
	if (!all && !q->in_name && !q->in_description && !q->in_address)
		return refuse(h, XERROR_BAD_REQUEST, "conflicting-fields", "There is nowhere to look for it.");
	return HOOK_NEXT;
}

/* Where a page ends: the address, and what it is sorted by before that. */
static char *
position(struct arena *a, const struct list_query *q, const struct list_room *room)
{
	if (q->order == LIST_BY_ADDRESS)
		return arena_strdup(a, room->jid);
	return arena_printf(a, "%" PRIu64 " %s", room->occupants, room->jid);
}

static bool
read_position(const struct list_query *q, const char *s, const char **jid, uint64_t *occupants)
{
	size_t n = strcspn(s, " ");

	*jid = s;
	if (q->order == LIST_BY_ADDRESS)
		return true;
	*jid = s + n + 1;
	return s[n] == ' ' && text_u64(s, n, 0, INT32_MAX, occupants);
}

static bool
read_set(const struct rsm *r, struct list_query *q)
{
	uint64_t most = module_limits()->room_list;

	q->max = (unsigned)(r->has_max && r->max < most ? r->max : most);
	q->backwards = r->before != NULL;
	q->want_total = r->given;
	if (r->after && !read_position(q, r->after, &q->after, &q->after_occupants))
		return false;
	return !r->before || !*r->before || read_position(q, r->before, &q->before, &q->before_occupants);
}

/* What was found (§5.2) */

static void
add_text(struct stanza *st, struct elem *item, const char *name, const char *text)
{
	if (text && *text)
		elem_add_text(st, elem_add(st, item, NULL, name), text, strlen(text));
}

static void
add_room(struct stanza *st, struct elem *result, const struct list_room *room)
{
	struct elem *item = elem_add(st, result, NULL, "item");
	char users[24];

	elem_set(st, item, "address", room->jid);
	add_text(st, item, "name", room->name);
	add_text(st, item, "description", room->description);
	add_text(st, item, "language", room->lang);
	snprintf(users, sizeof(users), "%" PRIu64, room->occupants);
	add_text(st, item, "nusers", users);
	add_text(st, item, "service-type", SERVICE_TYPE);
	add_text(st, item, "is-open", room->open ? "true" : "false");
	add_text(st, item, "anonymity-mode",
		room->non_anonymous ? "{urn:xmpp:channel-search:0:anonymity}none" : "muc_semianonymous");
}

static enum hook_verdict
found(struct hook *h, void *data, bool ok)
{
	const struct list_query *q = data;
	struct stanza *st;
	struct elem *result;

	if (!ok)
		return hook_unavailable(h);
	st = hook_result(h);
	result = elem_add(st, st->root, NS_SEARCH, "result");
	for (size_t i = 0; i < q->n; i++)
		add_room(st, result, &q->room[i]);
	if (q->want_total || !q->complete)
		rsm_write(st, result, q->n ? position(h->arena, q, &q->room[0]) : NULL, q->index,
			q->n ? position(h->arena, q, &q->room[q->n - 1]) : NULL, q->total);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
found_nothing(struct hook *h)
{
	struct stanza *st = hook_result(h);

	elem_add(st, st->root, NS_SEARCH, "result");
	hook_reply(h, st);
	return HOOK_HANDLED;
}

enum hook_verdict
search_on_get(struct hook *h, struct room *r)
{
	const struct elem *x = elem_child(h->payload, NS_DATA, "x");
	struct list_query *q;
	struct form *f;
	struct rsm set;
	enum hook_verdict v;

	(void)r;
	if (!x)
		return elem_first(h->payload) ? refuse_nothing(h) : give_form(h);
	f = form_parse(x, hook_memory(h));
	if (!f || strcmp(f->type, "submit") || !f->form_type || strcmp(f->form_type, SEARCH_PARAMS))
		return hook_reject(h, XERROR_BAD_REQUEST, "the form is not a submission of this search's");
	q = arena_zalloc(hook_memory(h), sizeof(*q));
	v = read_form(h, f, q);
	if (v != HOOK_NEXT)
		return v;
	if (!rsm_parse(h->payload, hook_memory(h), &set) || set.has_index || !read_set(&set, q))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (!wants_rooms(f))
		return found_nothing(h);
	q->domain = arena_strdup(hook_memory(h), jid_domain(h->account));
	q->run = module_run();
	return hook_job(h, q, list_store_find, found);
}
