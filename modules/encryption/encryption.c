/*
 * encryption: whether users may encrypt from end to end, so that the record holds what nobody can read: a policy by groups of
 * the organisation. allow; announce: they may, and it is counted and logged; forbid: encrypted messages and the keys for them are
 * refused with a text that says why.
 *
 * The policy is the sender's: who may not encrypt cannot send so, and has no keys that others could encrypt to.
 * Taking back what was published before is always allowed.
 */
#include <ctype.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "module.h"
#include "xmpp/ns.h"

/* Payloads of a message, by what XEP-0380 §3 lists. NULL: any name. */
static const struct {
	const char *ns, *name, *what;
} payloads[] = {
	{ "eu.siacs.conversations.axolotl", "encrypted", "OMEMO" }, /* XEP-0384 0.3 */
	{ "urn:xmpp:omemo:1", "encrypted", "OMEMO" },
	{ "urn:xmpp:omemo:2", "encrypted", "OMEMO" },
	{ "jabber:x:encrypted", "x", "OpenPGP" },    /* XEP-0027 */
	{ "urn:xmpp:openpgp:0", "openpgp", "OpenPGP" }, /* XEP-0373 */
	{ "urn:xmpp:eme:0", "encryption", "encryption" },
	{ "urn:xmpp:otr:0", NULL, "OTR" },
};

/* Nodes that hold keys: these, and those below them. */
static const struct {
	const char *node, *what;
} nodes[] = {
	{ "eu.siacs.conversations.axolotl", "OMEMO" },
	{ "urn:xmpp:omemo", "OMEMO" },
	{ "urn:xmpp:openpgp", "OpenPGP" },
};

/* Per session: has it been logged? */
struct noted {
	bool logged;
};

/* Policy */

static bool
in_any(const struct hook *h, const struct config_list *groups)
{
	for (size_t i = 0; i < groups->n; i++)
		if (module_account_in_group(h, groups->item[i]))
			return true;
	return false;
}

static enum encryption_policy
policy_of(const struct hook *h)
{
	const struct module_settings *s = module_settings();

	if (in_any(h, &s->encryption.forbid))
		return ENCRYPTION_FORBID;
	if (in_any(h, &s->encryption.announce))
		return ENCRYPTION_ANNOUNCE;
	if (in_any(h, &s->encryption.allow))
		return ENCRYPTION_ALLOW;
	return (enum encryption_policy)s->encryption.standard;
}

/* Everything is allowed to everybody: nothing to look for. */
static bool
is_open(void)
{
	const struct module_settings *s = module_settings();

	return s->encryption.standard == ENCRYPTION_ALLOW && !s->encryption.announce.n && !s->encryption.forbid.n;
}

/* What is encrypted: its name, or NULL */

static bool
begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Something encrypted, or a part of it, which those who read OTR find wherever it stands: "?OTR:AAMD…", "?OTR|5a73a599|…", "?OTR,1,3,…". */
static bool
is_otr_data(const char *s)
{
	return begins(s, "?OTR:AA") || ((begins(s, "?OTR|") || begins(s, "?OTR,")) && isxdigit((unsigned char)s[5]));
}

/* OTR (XEP-0364 §3) is text. Addresses of encrypted files are, too (XEP-0454): about files modules/filecheck decides. */
static const char *
in_body(const char *text)
{
	if (begins(text, "?OTR"))
		return "OTR";
	for (; (text = strstr(text, "?OTR")); text++)
		if (is_otr_data(text))
			return "OTR";
	return NULL;
}

static const char *
in_message(const struct hook *h)
{
	for (const struct elem *e = elem_first(h->stanza->root); e; e = elem_next(e, NULL, NULL)) {
		const char *what = NULL;

		for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++)
			if (elem_is(e, payloads[i].ns, payloads[i].name))
				return payloads[i].what;
		if (elem_is(e, NS_CLIENT, "body"))
			what = in_body(elem_text(e, h->arena));
		if (what)
			return what;
	}
	return NULL;
}

static const char *
of_node(const char *node)
{
	for (size_t i = 0; node && i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		char next = begins(node, nodes[i].node) ? node[strlen(nodes[i].node)] : 'x';

		if (!next || next == ':' || next == '.')
			return nodes[i].what;
	}
	return NULL;
}

static const char *
in_publication(const struct hook *h)
{
	const struct elem *pubsub = elem_child(h->stanza->root, NS_PUBSUB, "pubsub");

	for (const struct elem *e = pubsub ? elem_first(pubsub) : NULL; e; e = elem_next(e, NULL, NULL)) {
		const char *what = elem_is(e, NS_PUBSUB, "publish") || elem_is(e, NS_PUBSUB, "create") ?
			of_node(elem_get(e, "node")) : NULL;

		if (what)
			return what;
	}
	return NULL;
}

/* The stage */

static void
note(struct hook *h, const char *what)
{
	struct noted *n = h->bound ? module_session_data(h->module, h->bound) : NULL;

	metric_add(METRIC_ENCRYPTION_NOTED, 1);
	if (n && n->logged)
		return;
	if (n)
		n->logged = true;
	log_info(NULL, "encryption-noted", "jid=%s what=%s", jid_bare(h->from), what);
}

static enum hook_verdict
on_send(struct hook *h)
{
	const struct elem *root = h->stanza->root;
	const char *type = elem_get(root, "type"), *what = NULL;
	enum encryption_policy policy;

	if (is_open())
		return HOOK_NEXT;
	/* What comes back as an error was sent by somebody else. */
	if (elem_is(root, NS_CLIENT, "message") && !(type && !strcmp(type, "error")))
		what = in_message(h);
	else if (elem_is(root, NS_CLIENT, "iq") && type && !strcmp(type, "set"))
		what = in_publication(h);
	policy = what ? policy_of(h) : ENCRYPTION_ALLOW;
	if (policy == ENCRYPTION_ANNOUNCE)
		note(h, what);
	if (policy != ENCRYPTION_FORBID)
		return HOOK_NEXT;
	metric_add(METRIC_ENCRYPTION_REFUSED, 1);
	log_info(NULL, "encryption-refused", "jid=%s what=%s", jid_bare(h->from), what);
	return hook_reject(h, XERROR_POLICY_VIOLATION,
		arena_printf(h->arena, "Your organisation archives messages and does not allow end-to-end encryption (%s). "
			"Switch it off for this conversation and send again.", what));
}

static int
attach(struct module *m)
{
	module_session_keep(m, sizeof(struct noted), NULL);
	return module_on(m, HOOK_SEND_CHECK, on_send);
}

const struct module_def encryption_module = {
	.name = "encryption",
	.about = "Policy on end-to-end encryption",
	.attach = attach,
};
