/*
 * push: Push Notifications (XEP-0357): a client that is not there is woken through a service of its maker.
 *
 * A client enables a service with a node of its own; what is enabled stays until it is disabled, restarts included. A message
 * that asks for attention makes the server publish a notification there when that client has no stream: it is not
 * bound, or it waits to be resumed. Copies, typing, receipts and the like never do.
 *
 * At most one notification to a service waits for its answer; messages meanwhile are counted in the next. A service that does
 * not answer, or says that it cannot at the moment, is left alone for longer and longer, and told again then; one that answers with
 * other errors is forgotten. Nobody waits for any of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "module.h"
#include "module_service.h"
#include "push_account.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define PUBLISH_OPTIONS "http://jabber.org/protocol/pubsub#publish-options"
#define SUMMARY "urn:xmpp:push:summary"
#define NS_EME "urn:xmpp:eme:0"
#define KEY_MAX_BYTES 2600
#define PAUSE_MOST_MS 1800000 /* push.pause is doubled with each silence */

/* Notifications */

static const char *
last_body(struct hook *h, const struct push_service *s)
{
	const struct module_settings *m = module_settings();
	const struct elem *body = s->last ? elem_child(s->last->root, NS_CLIENT, "body") : NULL;

	/* What is encrypted has a body that says so; it is not the message. */
	if (m->push.body && body && !elem_child(s->last->root, NS_EME, "encryption"))
		return elem_text(body, h->arena);
	return *m->push.text ? m->push.text : NULL;
}

static struct stanza *
notification(struct hook *h, const struct push_service *s)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	struct elem *pubsub, *e, *x;
	const char *body = last_body(h, s);

	elem_set(st, st->root, "type", "set");
	pubsub = elem_add(st, st->root, NS_PUBSUB, "pubsub");
	e = elem_add(st, pubsub, NULL, "publish");
	elem_set(st, e, "node", *s->node ? s->node : NULL);
	e = elem_add(st, elem_add(st, e, NULL, "item"), NS_PUSH, "notification");
	x = form_new(st, e, "submit", SUMMARY);
	form_add(st, x, NULL, "message-count", NULL, arena_printf(h->arena, "%u", s->count));
	if (module_settings()->push.sender && s->last)
		form_add(st, x, NULL, "last-message-sender", NULL, elem_get(s->last->root, "from"));
	if (body)
		form_add(st, x, NULL, "last-message-body", NULL, body);
	if (s->options)
		elem_add_copy(st, elem_add(st, pubsub, NULL, "publish-options"), s->options->root);
	return st;
}

static enum hook_verdict on_answer(struct hook *h, void *data, bool ok);

/* In a hook of its own: several services are told at the same time. */
static enum hook_verdict
ask(struct hook *h, void *data, bool ok)
{
	struct push_service *s = data;
	uint64_t *serial = arena_alloc(hook_memory(h), sizeof(*serial));

	(void)ok;
	*serial = s->serial;
	return hook_ask(h, s->jid, notification(h, s), (unsigned)module_settings()->push.timeout_ms, serial, on_answer);
}

/* Whose client is where */

static struct session *
session_of(const struct hook *h, const char *resource)
{
	struct session **all;
	unsigned n = module_sessions(h, &all);

	for (unsigned i = 0; i < n; i++)
		if (!module_session_is_over(all[i]) && !strcmp(jid_resource(module_session_jid(all[i])), resource))
			return all[i];
	return NULL;
}

static bool
is_here(const struct hook *h, const struct push_service *s)
{
	const struct session *session = session_of(h, s->resource);

	return session && module_session_is_attached(session);
}

static bool notify(struct hook *h, struct push_service *s);

/* What was put off: unless the client has come meanwhile, or another notification has told of it. */
static enum hook_verdict
on_timer(struct hook *h, void *data, bool ok)
{
	struct push_account *a = module_data(h);
	struct push_service *s = a && ok ? push_account_serial(a, *(uint64_t *)data) : NULL;

	if (!s)
		return HOOK_NEXT;
	s->asleep = false;
	if ((s->pending || s->again) && !is_here(h, s) && notify(h, s))
		metric_add(METRIC_PUSH_AGAIN, 1);
	return HOOK_NEXT;
}

static enum hook_verdict
sleep_on(struct hook *h, void *data, bool ok)
{
	struct push_service *s = data;
	uint64_t *serial = arena_alloc(hook_memory(h), sizeof(*serial));

	(void)ok;
	*serial = s->serial;
	return hook_after(h, s->pause_ms, serial, on_timer);
}

static void
put_off(struct hook *h, struct push_service *s, int64_t ms)
{
	if (s->asleep)
		return;
	s->asleep = true;
	s->pause_ms = (unsigned)ms;
	hook_aside(h, sleep_on, s);
}

/* True: it is told now. A timer may be a little early for what is to stay quiet: it is put off once more then. */
static bool
notify(struct hook *h, struct push_service *s)
{
	int64_t quiet_ms = s->quiet_until_ms - clock_mono_ms();

	s->pending = true;
	if (s->out)
		return false;
	if (quiet_ms > 0) {
		put_off(h, s, quiet_ms);
		return false;
	}
	if (metric_get(METRIC_PUSH_WAITING) >= (int64_t)module_limits()->push_waiting) {
		metric_add(METRIC_PUSH_LATER, 1);
		put_off(h, s, (int64_t)module_settings()->push.pause_ms);
		return false;
	}
	s->pending = s->again = false;
	s->out = true;
	metric_add(METRIC_PUSH_WAITING, 1);
	metric_add(METRIC_PUSH_SENT, 1);
	hook_aside(h, ask, s);
	return true;
}

/* Answers */

static enum hook_verdict
removed(struct hook *h, void *data, bool ok)
{
	(void)h;
	(void)data;
	(void)ok;
	return HOOK_NEXT;
}

/* Also from the database; when that cannot be reached it comes back with the next start, and goes with the next error. */
static enum hook_verdict
drop(struct hook *h, struct push_service *s, const char *why)
{
	struct push_change *c = arena_zalloc(hook_memory(h), sizeof(*c));

	log_info(NULL, "push-disabled", "jid=%s service=%s why=%s", jid_bare(h->account), jid_full(s->jid), why);
	metric_add(METRIC_PUSH_DISABLED, 1);
	c->account = h->account_id;
	c->row.jid = arena_strdup(hook_memory(h), jid_full(s->jid));
	c->row.node = arena_strdup(hook_memory(h), s->node);
	push_account_remove(module_data(h), s);
	return hook_job(h, c, push_store_remove, removed);
}

/* What another try does not change (§7.1): there is no such node, or we may not publish there. */
static bool
is_final(enum xerror e)
{
	return e == XERROR_ITEM_NOT_FOUND || e == XERROR_GONE || e == XERROR_FORBIDDEN || e == XERROR_NOT_AUTHORIZED ||
		e == XERROR_NOT_ALLOWED;
}

static bool
is_transient(const struct elem *answer)
{
	const struct elem *e = elem_child(answer, NULL, "error");
	const char *type = e ? elem_get(e, "type") : NULL;

	return type && !strcmp(type, "wait");
}

/* It hears the same again after a while, if not for ever. */
static int64_t
repeat(struct hook *h, struct push_service *s)
{
	int64_t ms = (int64_t)module_settings()->push.pause_ms;

	for (unsigned i = 0; i < s->silences && ms < PAUSE_MOST_MS; i++)
		ms *= 2;
	if (ms > PAUSE_MOST_MS)
		ms = PAUSE_MOST_MS;
	s->again = s->count && s->silences < module_settings()->push.retries;
	s->silences++;
	if (s->again)
		put_off(h, s, ms);
	return ms;
}

/* True: it takes no more, or has not taken too many. */
static bool
is_over(struct hook *h, struct push_service *s, enum xerror e)
{
	metric_add(METRIC_PUSH_ERRORS, 1);
	if (is_final(e))
		return true;
	if (is_transient(h->answer->root)) {
		(void)repeat(h, s);
		return false;
	}
	s->silences = 0;
	return ++s->errors >= module_settings()->push.errors;
}

static enum hook_verdict
on_answer(struct hook *h, void *data, bool ok)
{
	struct push_account *a = module_data(h);
	struct push_service *s = a ? push_account_serial(a, *(uint64_t *)data) : NULL;
	enum xerror e = ok ? xerror_of(h->answer->root) : XERROR_NONE;
	const char *type = ok ? elem_get(h->answer->root, "type") : NULL;

	metric_add(METRIC_PUSH_WAITING, -1);
	if (!s)
		return HOOK_NEXT;
	s->out = false;
	if (!ok) {
		/* Nobody is kept waiting by it, but each question is kept for push.timeout. */
		metric_add(METRIC_PUSH_SILENT, 1);
		s->quiet_until_ms = clock_mono_ms() + repeat(h, s);
	} else if (type && !strcmp(type, "error")) {
		if (is_over(h, s, e))
			return drop(h, s, e == XERROR_NONE ? "error" : xerror_name(e));
	} else {
		s->errors = s->silences = 0;
	}
	if (s->pending && !is_here(h, s))
		notify(h, s);
	return HOOK_NEXT;
}

/* Which messages */

static bool
has_words(const struct elem *root)
{
	return elem_child(root, NS_CLIENT, "body") || elem_child(root, NS_EME, "encryption");
}

/* It asks for attention: words, encrypted ones too, a call, an invitation. */
static bool
is_important(const struct elem *root)
{
	const struct elem *x = elem_child(root, NS_MUC_USER, "x");
	const char *type = elem_get(root, "type");

	if (!elem_is(root, NS_CLIENT, "message") || (type && strcmp(type, "chat") && strcmp(type, "normal")))
		return false;
	return has_words(root) || elem_child(root, NS_JINGLE_MESSAGE, "propose") || elem_child(root, NS_CONFERENCE, "x") ||
		(x && elem_child(x, NS_MUC_USER, "invite"));
}

static void
count(struct push_service *s, const struct stanza *st, uint64_t id)
{
	s->count++;
	if (s->upto < id)
		s->upto = id;
	stanza_unref(s->last);
	s->last = stanza_ref((struct stanza *)st);
}

/* A message has been given to whoever was there, or to nobody. What a client had not confirmed comes a second time, when its session
 * ends: that has been told already. */
static enum hook_verdict
on_message(struct hook *h)
{
	struct push_account *a = module_data(h);

	if (!a || !a->n || !h->record_id || !is_important(h->stanza->root) || jid_equal_bare(h->from, h->account))
		return HOOK_NEXT;
	LIST_EACH(l, &a->services) {
		struct push_service *s = LIST_ENTRY(l, struct push_service, link);

		if (is_here(h, s) || (h->delayed && h->record_id <= s->upto))
			continue;
		count(s, h->stanza, h->record_id);
		notify(h, s);
	}
	return HOOK_NEXT;
}

/* Somebody has spoken in a room, for a client whose stream has gone. What it said itself comes back to it, too: it would be there. */
static enum hook_verdict
on_away(struct hook *h)
{
	struct push_account *a = module_data(h);

	if (!a || !a->n || !has_words(h->stanza->root))
		return HOOK_NEXT;
	LIST_EACH(l, &a->services) {
		struct push_service *s = LIST_ENTRY(l, struct push_service, link);

		if (strcmp(s->resource, jid_resource(h->session)) != 0)
			continue;
		count(s, h->stanza, 0);
		notify(h, s);
	}
	return HOOK_NEXT;
}

/* The client's stream has gone, and with it perhaps what was on its way. */

static void
count_unconfirmed(void *arg, const struct stanza *st, uint64_t id)
{
	if (is_important(st->root))
		count(arg, st, id);
}

static enum hook_verdict
on_detached(struct hook *h)
{
	struct push_account *a = module_data(h);

	if (!a || !h->bound)
		return HOOK_NEXT;
	LIST_EACH(l, &a->services) {
		struct push_service *s = LIST_ENTRY(l, struct push_service, link);

		if (strcmp(s->resource, jid_resource(h->session)))
			continue;
		module_session_each_unconfirmed(h->bound, count_unconfirmed, s);
		if (s->count)
			notify(h, s);
	}
	return HOOK_NEXT;
}

static enum hook_verdict
on_here(struct hook *h)
{
	struct push_account *a = module_data(h);

	if (!a)
		return HOOK_NEXT;
	LIST_EACH(l, &a->services) {
		struct push_service *s = LIST_ENTRY(l, struct push_service, link);

		if (!strcmp(s->resource, jid_resource(h->session)))
			push_service_seen(s);
	}
	return HOOK_NEXT;
}

/* A service says that it takes no more (§8). */

static enum hook_verdict
drop_aside(struct hook *h, void *data, bool ok)
{
	(void)ok;
	return drop(h, data, "revoked by the service");
}

static enum hook_verdict
on_deliver(struct hook *h)
{
	struct push_account *a = module_data(h);
	const struct elem *pubsub = a && h->from ? elem_child(h->stanza->root, NS_PUBSUB, "pubsub") : NULL;
	const struct elem *e = pubsub ? elem_child(pubsub, NS_PUBSUB, "affiliation") : NULL;
	const char *node = pubsub ? elem_get(pubsub, "node") : NULL, *how = e ? elem_get(e, "affiliation") : NULL;
	const char *whose = e ? elem_get(e, "jid") : NULL;
	struct push_service *s;

	if (!how || strcmp(how, "none") || !whose || strcmp(whose, jid_bare(h->account)))
		return HOOK_NEXT;
	s = push_account_find(a, h->from, node ? node : "");
	if (s)
		hook_aside(h, drop_aside, s);
	return HOOK_NEXT;
}

/* Enabling (§5) */

/* NULL: there is none. False: not one of publish-options. */
static bool
read_options(struct hook *h, const char **xml)
{
	const struct elem *x = elem_child(h->payload, NS_DATA, "x");
	const struct form *f = x ? form_parse(x, h->arena) : NULL;
	struct buf b = { 0 };

	*xml = NULL;
	if (!x)
		return true;
	if (!f || strcmp(f->type, "submit") || !f->form_type || strcmp(f->form_type, PUBLISH_OPTIONS))
		return false;
	serialize_elem(&b, x, NULL);
	*xml = arena_strdup(hook_memory(h), buf_str(&b));
	buf_fini(&b);
	return true;
}

static enum hook_verdict
enabled(struct hook *h, void *data, bool ok)
{
	struct push_change *c = data;
	struct push_account *a = module_data(h);

	if (!ok)
		return hook_unavailable(h);
	if (c->full) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many push services");
	}
	if (!a) {
		a = NEW(struct push_account);
		list_init(&a->services);
		module_set_data(h, a);
	}
	if (module_data(h))
		(void)push_account_put(a, &c->row);
	return hook_done(h);
}

/* The service's address, prepared. Sets the error when it is not one. */
static const char *
read_service(struct hook *h)
{
	const char *jid = elem_get(h->payload, "jid"), *out;
	struct jid *j = jid ? jid_parse_z(jid) : NULL;

	if (!j) {
		h->error = jid ? XERROR_JID_MALFORMED : XERROR_BAD_REQUEST;
		return NULL;
	}
	out = arena_strdup(hook_memory(h), jid_full(j));
	jid_unref(j);
	return out;
}

/* Address and node are the key of an index, whose rows PostgreSQL bounds at 2704 bytes. */
static bool
is_bearable(const struct push_row *row)
{
	size_t key = strlen(row->jid) + strlen(row->node);

	return key <= KEY_MAX_BYTES && strlen(row->node) + (row->options ? strlen(row->options) : 0) <= module_limits()->push_bytes;
}

static const char *
keep_text(struct hook *h, const char *s)
{
	return s ? arena_strdup(hook_memory(h), s) : NULL;
}

static enum hook_verdict
on_enable(struct hook *h)
{
	struct push_change *c;
	const char *node = elem_get(h->payload, "node");

	if (module_relation(h) != MODULE_SELF || !h->from || !jid_resource(h->from))
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	c = arena_zalloc(hook_memory(h), sizeof(*c));
	c->account = h->account_id;
	c->most = module_limits()->push_services;
	c->row.jid = read_service(h);
	c->row.node = keep_text(h, node ? node : "");
	c->row.resource = keep_text(h, jid_resource(h->from));
	if (!c->row.jid)
		return hook_reject(h, h->error, NULL);
	if (!read_options(h, &c->row.options))
		return hook_reject(h, XERROR_BAD_REQUEST, "not a form of publish-options");
	if (!is_bearable(&c->row)) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "address, node and options are too long");
	}
	return hook_job(h, c, push_store_put, enabled);
}

/* Disabling (§6) */

static enum hook_verdict
disabled(struct hook *h, void *data, bool ok)
{
	const struct push_change *c = data;
	struct push_account *a = module_data(h);
	struct jid *jid;
	struct push_service *s;

	if (!ok)
		return hook_unavailable(h);
	jid = jid_parse_z(c->row.jid);
	while (a && jid && (s = push_account_find(a, jid, c->row.node)))
		push_account_remove(a, s);
	jid_unref(jid);
	return hook_done(h);
}

static enum hook_verdict
on_disable(struct hook *h)
{
	struct push_change *c;

	if (module_relation(h) != MODULE_SELF)
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	c = arena_zalloc(hook_memory(h), sizeof(*c));
	c->account = h->account_id;
	c->row.jid = read_service(h);
	c->row.node = keep_text(h, elem_get(h->payload, "node"));
	if (!c->row.jid)
		return hook_reject(h, h->error, NULL);
	return hook_job(h, c, push_store_remove, disabled);
}

static int
attach(struct module *m)
{
	static const struct module_account account = { push_store_load, push_account_make, push_account_free };

	module_keep(m, &account);
	module_offers(m, NS_PUSH, MODULE_ACCOUNT);
	return module_on_iq(m, MODULE_IQ_SET, NS_PUSH, "enable", MODULE_ACCOUNT, on_enable) ||
		module_on_iq(m, MODULE_IQ_SET, NS_PUSH, "disable", MODULE_ACCOUNT, on_disable) ||
		module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NS_PUBSUB, on_deliver) || module_on(m, HOOK_RECV_GIVEN, on_message) ||
		module_on(m, HOOK_RECV_MISSED, on_message) || module_on(m, HOOK_SESSION_BOUND, on_here) ||
		module_on(m, HOOK_SESSION_RESUMED, on_here) || module_on(m, HOOK_RECV_AWAY, on_away) || module_on(m, HOOK_SESSION_DETACHED, on_detached) ? -1 : 0;
}

const struct module_def push_module = {
	.name = "push",
	.about = "Push Notifications (XEP-0357)",
	.attach = attach,
};
