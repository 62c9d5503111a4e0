/*
 * history: Message Archive Management (XEP-0313) over the record. What a user sees is the record minus exceptions; there is no
 * second copy. This file decides the exceptions as messages pass: what the preferences (XEP-0441) do not want, what was
 * refused on arrival, what was retracted (XEP-0424). None of it changes the record.
 */
#include "history.h"

#include <string.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

static enum hook_verdict
passed_done(struct hook *h, void *data, bool ok)
{
	(void)h;
	(void)data;
	(void)ok; /* the pool has counted and logged it: the exception is not made, the record is complete */
	return HOOK_NEXT;
}

static bool
is_conversation(const struct hook *h)
{
	const char *type = h->record_id ? elem_get(h->stanza->root, "type") : NULL;

	return h->record_id && (!type || !strcmp(type, "chat") || !strcmp(type, "normal"));
}

/* As the serializer writes it: which quotes it takes depends on the value. */
static const char *
origin_attribute(struct arena *a, const char *id)
{
	static const size_t head = sizeof("<x") - 1, tail = sizeof("/>") - 1;
	struct stanza *st = stanza_new(NS_SID, "x");
	struct buf b = { 0 };
	char *s;

	elem_set(st, st->root, "id", id);
	serialize_elem(&b, st->root, NS_SID);
	s = arena_strndup(a, buf_data(&b) + head, buf_len(&b) - head - tail);
	buf_fini(&b);
	stanza_unref(st);
	return s;
}

/* XEP-0424 §3: `id` of a message that the same sender sent to the same recipient. */
static const struct history_retract *
retraction(struct hook *h)
{
	const struct elem *e = elem_child(h->stanza->root, NS_RETRACT, "retract");
	const char *id = e ? elem_get(e, "id") : NULL, *by_id;
	struct arena *a;
	struct history_retract *t;

	if (!id || !*id)
		return NULL;
	by_id = elem_get(h->stanza->root, "id");
	a = hook_memory(h);
	t = arena_zalloc(a, sizeof(*t));
	t->from = arena_strdup(a, jid_bare(h->from));
	t->to = arena_strdup(a, jid_bare(h->to));
	t->id = arena_strdup(a, id);
	t->by = h->record_id;
	t->by_id = by_id ? arena_strdup(a, by_id) : NULL;
	t->origin = origin_attribute(a, id);
	t->depth = (unsigned)module_limits()->history_retract_depth;
	return t;
}

static void
pass(struct hook *h, bool hide, const struct history_retract *t)
{
	struct history_passed *p;

	if (!hide && !t)
		return;
	p = arena_zalloc(hook_memory(h), sizeof(*p));
	*p = (struct history_passed){ .account = h->account_id, .record = h->record_id, .hide = hide, .retract = t };
	(void)hook_job(h, p, history_store_passed, passed_done);
}

/* The sender's side: committed, and leaving. */
static enum hook_verdict
on_sent(struct hook *h)
{
	if (is_conversation(h) && h->to && h->account_id)
		pass(h, !history_wanted(h, h->to), retraction(h));
	return HOOK_NEXT;
}

/* The recipient's side. What a local sender retracts its own home has seen to. */
static enum hook_verdict
on_received(struct hook *h)
{
	if (is_conversation(h) && h->from && h->account_id && !h->delayed)
		pass(h, !history_wanted(h, h->from), elem_child(h->stanza->root, NS_RETRACT, "retract") && !module_is_local(h->from) ?
			retraction(h) : NULL);
	return HOOK_NEXT;
}

/* XEP-0313 §5.1: an archive holds what was accepted. */
static enum hook_verdict
on_refused(struct hook *h)
{
	if (is_conversation(h) && h->account_id)
		pass(h, true, NULL);
	return HOOK_NEXT;
}

/* XEP-0334 §4.2: not to be kept for later. */
static enum hook_verdict
on_missed(struct hook *h)
{
	return elem_child(h->stanza->root, NS_HINTS, "no-store") ? HOOK_HANDLED : HOOK_NEXT;
}

enum hook_verdict
history_only_self(struct hook *h)
{
	/* §9.1: others get the same answer whether there is an archive or not. */
	return module_relation(h) == MODULE_SELF ? HOOK_NEXT : hook_reject(h, XERROR_FORBIDDEN, NULL);
}

static int
attach(struct module *m)
{
	/* §7: the archives are the accounts'. Profanity asks only the server whether there are any. */
	module_offers(m, NS_MAM, MODULE_ACCOUNT | MODULE_SERVER);
	module_offers(m, "urn:xmpp:mam:2#extended", MODULE_ACCOUNT);
	module_offers(m, NS_SID, MODULE_ACCOUNT);
	module_offers(m, NS_HINTS, MODULE_ACCOUNT);
	module_offers(m, NS_RETRACT, MODULE_ACCOUNT | MODULE_SERVER);
	module_offers(m, "urn:xmpp:message-retract:1#tombstone", MODULE_ACCOUNT);
	module_keep(m, &history_account);
	if (module_on_iq(m, MODULE_IQ_SET, NS_MAM, "query", MODULE_ACCOUNT, history_on_query) ||
		module_on_iq(m, MODULE_IQ_GET, NS_MAM, "query", MODULE_ACCOUNT, history_on_form) ||
		module_on_iq(m, MODULE_IQ_GET, NS_MAM, "metadata", MODULE_ACCOUNT, history_on_metadata) ||
		module_on_iq(m, MODULE_IQ_GET, NS_MAM, "prefs", MODULE_ACCOUNT, history_on_get_prefs) ||
		module_on_iq(m, MODULE_IQ_SET, NS_MAM, "prefs", MODULE_ACCOUNT, history_on_set_prefs))
		return -1;
	return module_on_stanza(m, HOOK_SEND_COPY, MODULE_MESSAGE, NULL, on_sent) ||
		module_on_stanza(m, HOOK_RECV_DELIVER, MODULE_MESSAGE, NULL, on_received) ||
		module_on_stanza(m, HOOK_RECV_REFUSED, MODULE_MESSAGE, NULL, on_refused) || module_on_stanza(m, HOOK_RECV_MISSED, MODULE_MESSAGE, NS_HINTS, on_missed) ? -1 : 0;
}

const struct module_def history_module = {
	.name = "history",
	.about = "Message Archive Management (XEP-0313), preferences (XEP-0441), hints (XEP-0334), tombstones (XEP-0424)",
	.attach = attach,
};
