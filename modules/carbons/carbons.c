/*
 * carbons: Message Carbons (XEP-0280): what one of a user's clients sends or receives, the others get a copy of.
 *
 * A copy is <sent/> or <received/> around the message as it was recorded, with the id it has in the user's archive. It is
 * built once for a message and shared by the sessions; nothing is built, and the message is not even looked at, when no
 * session wants one. Copies are not recorded: the message in them is.
 *
 * Nobody else may make a client believe in a copy: the wrappers are taken out of what comes in, before the record (§11).
 */
#include <inttypes.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/metric.h"
#include "module.h"
#include "xmpp/ns.h"

#define SENT_KEPT 16 /* ids of copied messages a session remembers, to know an error that answers one */

struct carbons {
	bool on;
	uint8_t next;
	uint64_t sent[SENT_KEPT]; /* hashes */
};

/* Enabling and disabling (§4, §5) */

static enum hook_verdict
set(struct hook *h, bool on)
{
	struct session *s;

	if (module_relation(h) != MODULE_SELF)
		return hook_reject(h, XERROR_NOT_ALLOWED, NULL);
	s = h->bound ? h->bound : module_session(h, h->from);
	if (!s)
		return hook_reject(h, XERROR_NOT_ALLOWED, "not a client of this account");
	((struct carbons *)module_session_data(h->module, s))->on = on;
	return hook_done(h);
}

static enum hook_verdict
on_enable(struct hook *h)
{
	return set(h, true);
}

static enum hook_verdict
on_disable(struct hook *h)
{
	return set(h, false);
}

/* XEP-0386 §3.2: this cannot fail and has no answer. */
static enum hook_verdict
on_bind(struct hook *h)
{
	if (elem_child(h->payload, NS_CARBONS, "enable"))
		((struct carbons *)module_session_data(h->module, h->bound))->on = true;
	return HOOK_NEXT;
}

static enum hook_verdict
on_bind_features(struct hook *h)
{
	buf_adds(h->features, "<feature var='urn:xmpp:carbons:2'/>");
	return HOOK_NEXT;
}

/* Which messages (§6.1) */

/* What instant messaging sends without a body: receipts, typing, markers, reactions, retractions, calls, invitations. */
static const struct {
	const char *ns, *name;
} payloads[] = {
	{ NS_RECEIPTS, NULL },
	{ NS_CHATSTATES, NULL },
	{ NS_MARKERS, NULL },
	{ NS_REACTIONS, NULL },
	{ NS_RETRACT, NULL },
	{ NS_JINGLE_MESSAGE, NULL },
	{ NS_CONFERENCE, "x" },
};

static bool
has_invitation(const struct elem *root)
{
	const struct elem *x = elem_child(root, NS_MUC_USER, "x");

	return x && elem_child(x, NS_MUC_USER, "invite");
}

static bool
has_payload(const struct elem *root)
{
	for (const struct elem *e = elem_first(root); e; e = elem_next(e, NULL, NULL))
		for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
			if (elem_is(e, payloads[i].ns, payloads[i].name))
				return true;
	return false;
}

/* Rooms copy private messages to all clients by themselves; their invitations come once (XEP-0045 §7.8.2). */
static bool
is_private_from_room(const struct hook *h, const struct elem *root)
{
	return elem_child(root, NS_MUC_USER, "x") && h->from && jid_resource(h->from) && !has_invitation(root);
}

static uint64_t
hash_of(const struct elem *root)
{
	const char *id = elem_get(root, "id");

	return id ? crypt_hash(id, strlen(id)) : 0;
}

static void
remember(struct carbons *c, uint64_t id)
{
	c->sent[c->next++ % SENT_KEPT] = id;
}

/* An error is copied when it answers a message that was. */
static bool
answers_copied(struct hook *h, const struct elem *root)
{
	struct session *s = module_session(h, h->to);
	const struct carbons *c = s ? module_session_data(h->module, s) : NULL;
	uint64_t id = hash_of(root);

	for (int i = 0; c && id && i < SENT_KEPT; i++)
		if (c->sent[i] == id)
			return true;
	return false;
}

static bool
is_eligible(struct hook *h, bool sent)
{
	const struct elem *root = h->stanza->root;
	const char *type = elem_get(root, "type");

	if (!elem_is(root, NS_CLIENT, "message") || elem_child(root, NS_CARBONS, "private") ||
		elem_child(root, NS_HINTS, "no-copy"))
		return false;
	if (type && !strcmp(type, "error"))
		return !sent && answers_copied(h, root);
	if (!sent && is_private_from_room(h, root))
		return false;
	if (type && !strcmp(type, "chat"))
		return true;
	if (type && (!strcmp(type, "groupchat") || !strcmp(type, "headline")))
		return false;
	return elem_child(root, NS_CLIENT, "body") || has_payload(root) || has_invitation(root);
}

/* The copies */

/* §7, §8, with the id that the message has in the archive of the account (XEP-0359). */
static struct stanza *
wrap(const struct hook *h, const char *direction)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	struct elem *e;

	elem_set(st, st->root, "from", jid_bare(h->account));
	elem_set(st, st->root, "type", elem_get(h->stanza->root, "type"));
	e = elem_add(st, st->root, NS_CARBONS, direction);
	e = elem_add(st, e, NS_FORWARD, "forwarded");
	e = elem_add_copy(st, e, h->stanza->root);
	if (h->record_id) {
		struct elem *id = elem_add(st, e, NS_SID, "stanza-id");

		elem_set(st, id, "by", jid_bare(h->account));
		elem_set(st, id, "id", arena_printf(h->arena, "%" PRIu64, h->record_id));
	}
	return stanza_seal(st);
}

static bool
wants(struct hook *h, struct session *s)
{
	const struct carbons *c = module_session_data(h->module, s);

	return c->on && !module_session_is_over(s) && !module_was_given(h, s) &&
		!jid_equal(module_session_jid(s), h->from);
}

static void
copy(struct hook *h, bool sent)
{
	/* A message to oneself was sent, whichever side one looks from. */
	const char *direction = sent || (h->from && jid_equal_bare(h->from, h->account)) ? "sent" : "received";
	struct stanza *st = NULL;
	struct session **all;
	unsigned n = module_sessions(h, &all);

	for (unsigned i = 0; i < n; i++) {
		if (!wants(h, all[i]))
			continue;
		if (!st && !is_eligible(h, sent))
			return;
		if (!st)
			st = wrap(h, direction);
		module_session_give(all[i], stanza_ref(st), 0);
		metric_add(METRIC_CARBONS, 1);
	}
	if (st && sent && h->bound)
		remember(module_session_data(h->module, h->bound), hash_of(h->stanza->root));
	stanza_unref(st);
}

static enum hook_verdict
on_sent(struct hook *h)
{
	/* One to the own account comes back, and is copied then. */
	if (!h->to || !jid_equal_bare(h->to, h->account))
		copy(h, true);
	return HOOK_NEXT;
}

/* Given to some sessions, or to none: the others get a copy, whatever their priority. What comes from the backlog was copied
 * when it was new. */
static enum hook_verdict
on_received(struct hook *h)
{
	if (!h->delayed)
		copy(h, false);
	return HOOK_NEXT;
}

/* What pretends to be a copy (§11) */

static bool
is_wrapper(const struct elem *e)
{
	return e->ns == NS_CARBONS && (!strcmp(e->name, "sent") || !strcmp(e->name, "received"));
}

static struct elem *
find_wrapper(const struct elem *root)
{
	struct elem *e = elem_first(root);

	while (e && !is_wrapper(e))
		e = elem_next(e, NULL, NULL);
	return e;
}

static enum hook_verdict
on_send(struct hook *h)
{
	struct stanza *st;
	struct elem *e;

	if (!find_wrapper(h->stanza->root))
		return HOOK_NEXT;
	log_warning(NULL, "carbon-forged", "from=%s", h->from ? jid_full(h->from) : "");
	metric_add(METRIC_CARBONS_FORGED, 1);
	st = stanza_copy(h->stanza);
	while ((e = find_wrapper(st->root)))
		elem_remove(e);
	hook_replace(h, st);
	return HOOK_NEXT;
}

static int
attach(struct module *m)
{
	module_session_keep(m, sizeof(struct carbons), NULL);
	module_offers(m, NS_CARBONS, MODULE_SERVER | MODULE_ACCOUNT);
	module_offers(m, "urn:xmpp:carbons:rules:0", MODULE_SERVER | MODULE_ACCOUNT);
	return module_on_iq(m, MODULE_IQ_SET, NS_CARBONS, "enable", MODULE_ACCOUNT, on_enable) ||
		module_on_iq(m, MODULE_IQ_SET, NS_CARBONS, "disable", MODULE_ACCOUNT, on_disable) ||
		module_on(m, HOOK_BIND_INLINE, on_bind) || module_on(m, HOOK_BIND_FEATURES, on_bind_features) ||
		module_on_stanza(m, HOOK_SEND_CHECK, MODULE_STANZA, NS_CARBONS, on_send) || module_on(m, HOOK_SEND_COPY, on_sent) ||
		module_on(m, HOOK_RECV_GIVEN, on_received) || module_on(m, HOOK_RECV_MISSED, on_received) ? -1 : 0;
}

const struct module_def carbons_module = {
	.name = "carbons",
	.about = "Message Carbons (XEP-0280)",
	.attach = attach,
};
