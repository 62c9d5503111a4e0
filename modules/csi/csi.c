/*
 * csi: Client State Indication (XEP-0352): a client that nobody looks at is spared what can wait.
 *
 * While a client is inactive, presence, typing and notifications of publish-subscribe wait in its session (core/module/held);
 * of each sender's presence only the newest is kept. As soon as anything else is sent, all that waits goes first: the radio is
 * on then, and order holds (P8). Answers to IQs, messages with something to say, and subscriptions never wait.
 */
#include <string.h>

#include "module.h"
#include "xmpp/ns.h"

struct csi {
	bool inactive;
};

/* What can wait */

/* Presence that says where somebody is; not a subscription, an error, or a room's answer to joining (XEP-0045 §7.2.2). */
static bool
is_idle_presence(const struct elem *root)
{
	const char *type = elem_get(root, "type");
	const struct elem *x = elem_child(root, NS_MUC_USER, "x");

	if (type && strcmp(type, "unavailable"))
		return false;
	for (const struct elem *e = x ? elem_child(x, NS_MUC_USER, "status") : NULL; e; e = elem_next(e, NS_MUC_USER, "status")) {
		const char *code = elem_get(e, "code");

		if (code && !strcmp(code, "110"))
			return false;
	}
	return true;
}

/* Elements that nobody's attention is asked for. */
static const struct {
	const char *ns, *name;
} idle[] = {
	{ NS_CHATSTATES, NULL },
	{ NS_RECEIPTS, NULL },
	{ NS_HINTS, NULL },
	{ NS_SID, NULL },
	{ NS_DELAY, NULL },
	{ NS_CLIENT, "thread" },
};

static bool
is_idle_element(const struct elem *e)
{
	for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
		if (elem_is(e, idle[i].ns, idle[i].name))
			return true;
	return false;
}

static bool
has_only_idle(const struct elem *root)
{
	const struct elem *e = elem_first(root);

	while (e && is_idle_element(e))
		e = elem_next(e, NULL, NULL);
	return !e;
}

/* Notifications (XEP-0163) wait; but what a user has read on another device makes this one clear its alerts (XEP-0490). */
static bool
is_idle_event(const struct elem *root)
{
	const struct elem *event = elem_child(root, NS_PUBSUB_EVENT, "event");
	const struct elem *items = event ? elem_child(event, NS_PUBSUB_EVENT, "items") : NULL;
	const char *node = items ? elem_get(items, "node") : NULL;

	return event && !(node && !strcmp(node, NS_MDS));
}

/* A copy (XEP-0280) is judged by the message in it. */
static const struct elem *
inner(const struct elem *root)
{
	const struct elem *e = elem_first(root), *m;

	if (!e || e->ns != NS_CARBONS || !(e = elem_child(e, NS_FORWARD, "forwarded")))
		return root;
	m = elem_child(e, NS_CLIENT, "message");
	return m ? m : root;
}

static bool
is_idle_message(const struct elem *root)
{
	const struct elem *m = inner(root);
	const char *type = elem_get(m, "type");

	if (type && (!strcmp(type, "error") || !strcmp(type, "groupchat")))
		return false;
	return is_idle_event(m) || has_only_idle(m);
}

static bool
can_wait(const struct elem *root)
{
	if (elem_is(root, NS_CLIENT, "presence"))
		return is_idle_presence(root);
	return elem_is(root, NS_CLIENT, "message") && is_idle_message(root);
}

/* What a newer one makes pointless */

static bool
same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static bool
is_typing(const struct elem *root)
{
	return elem_is(root, NS_CLIENT, "message") && elem_child(root, NS_CHATSTATES, NULL) && has_only_idle(root) &&
		!elem_child(root, NS_RECEIPTS, NULL);
}

/* The same sender's older presence, or older typing. */
static bool
is_stale(const struct stanza *held, void *arg)
{
	const struct elem *old = held->root, *now = arg;

	if (!same(elem_get(old, "from"), elem_get(now, "from")))
		return false;
	if (elem_is(now, NS_CLIENT, "presence"))
		return elem_is(old, NS_CLIENT, "presence");
	return is_typing(now) && is_typing(old);
}

/* Stages */

static enum hook_verdict
on_session_send(struct hook *h)
{
	struct elem *root = h->stanza->root;

	if (!can_wait(root)) {
		module_session_release(h->bound);
		return HOOK_NEXT;
	}
	module_session_drop_held(h->bound, is_stale, root);
	return HOOK_HANDLED;
}

static void
set_inactive(struct hook *h, struct session *s, bool inactive)
{
	((struct csi *)module_session_data(h->module, s))->inactive = inactive;
	module_session_watch(s, inactive);
	if (!inactive)
		module_session_release(s);
}

/* §5.1: whatever follows from it is on the wire before anything behind it is looked at. */
static enum hook_verdict
on_nonza(struct hook *h)
{
	if (elem_is(h->payload, NS_CSI, "active"))
		set_inactive(h, h->bound, false);
	else if (elem_is(h->payload, NS_CSI, "inactive"))
		set_inactive(h, h->bound, true);
	else
		return HOOK_NEXT;
	return HOOK_HANDLED;
}

/* §5.2: a resumed stream is active; while nobody is there, what can wait goes on waiting. */
static enum hook_verdict
on_resumed(struct hook *h)
{
	set_inactive(h, h->bound, false);
	return HOOK_NEXT;
}

/* XEP-0386 §3.2: the session begins in that state. */
static enum hook_verdict
on_bind(struct hook *h)
{
	if (elem_child(h->payload, NS_CSI, "inactive"))
		set_inactive(h, h->bound, true);
	return HOOK_NEXT;
}

static enum hook_verdict
on_bind_features(struct hook *h)
{
	buf_adds(h->features, "<feature var='urn:xmpp:csi:0'/>");
	return HOOK_NEXT;
}

static enum hook_verdict
on_features(struct hook *h)
{
	if (h->authenticated)
		buf_adds(h->features, "<csi xmlns='urn:xmpp:csi:0'/>");
	return HOOK_NEXT;
}

static int
attach(struct module *m)
{
	module_session_keep(m, sizeof(struct csi), NULL);
	return module_on(m, HOOK_STREAM_FEATURES, on_features) || module_on(m, HOOK_BIND_FEATURES, on_bind_features) ||
		module_on(m, HOOK_BIND_INLINE, on_bind) || module_on(m, HOOK_NONZA, on_nonza) ||
		module_on(m, HOOK_SESSION_SEND, on_session_send) || module_on(m, HOOK_SESSION_RESUMED, on_resumed) ? -1 : 0;
}

const struct module_def csi_module = {
	.name = "csi",
	.about = "Client State Indication (XEP-0352)",
	.attach = attach,
};
