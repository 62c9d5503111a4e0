/*
 * content: tables of the elements that make a message worth recording, and of what they make of it.
 */
#include "core/route/content.h"

#include <string.h>

#include "core/route/plain.h"
#include "xmpp/ns.h"

/* A typing notification is small: what is larger says more than that, wherever it says it. */
#define WEIGHTLESS_BYTES 1024
/* A thread; the value of an attribute, which is an id, an address or a time. */
#define NAME_BYTES 128

/* Elements that say nothing by themselves: with only these a message is a typing notification. But they must be what
 * they pretend to be, lest words travel past the record inside of <composing/>, or as its name, or as an attribute. */
static const struct {
	const char *ns, *name;
	size_t text;                /* bytes of text it may have */
	const char *attributes[2];  /* that it may have */
} weightless[] = {
	{ NS_CHATSTATES, "active", 0, { NULL } },
	{ NS_CHATSTATES, "composing", 0, { NULL } },
	{ NS_CHATSTATES, "paused", 0, { NULL } },
	{ NS_CHATSTATES, "inactive", 0, { NULL } },
	{ NS_CHATSTATES, "gone", 0, { NULL } },
	{ NS_HINTS, "no-store", 0, { NULL } }, /* not "store": that is said of what has to be kept (XEP-0334 §4.4) */
	{ NS_HINTS, "no-permanent-store", 0, { NULL } },
	{ NS_HINTS, "no-copy", 0, { NULL } },
	{ NS_SID, "origin-id", 0, { "id" } },
	{ NS_SID, "stanza-id", 0, { "id", "by" } },
	{ NS_CLIENT, "thread", NAME_BYTES, { "parent" } },
	{ NS_DELAY, "delay", 0, { "from", "stamp" } },
};

/* White space between elements is nobody's words. */
static size_t
text_bytes(const struct elem *e)
{
	size_t n = 0;

	for (const struct elem *c = e->first; c; c = c->next)
		if (!c->name && strspn(c->text, " \t\r\n") < c->text_len)
			n += c->text_len;
	return n;
}

/* None but these, with tokens for values; a stanza's addresses are what they are. */
static bool
has_only(const struct elem *e, const char *const *names, size_t n)
{
	for (const struct attr *a = e->attrs; a; a = a->next) {
		bool known = a->ns == NS_XML && !strcmp(a->name, "lang");
		bool address = !e->parent && !a->ns && (!strcmp(a->name, "to") || !strcmp(a->name, "from"));
		size_t len = strlen(a->value);

		for (size_t i = 0; i < n && names[i] && !known; i++)
			known = !a->ns && !strcmp(a->name, names[i]);
		if (!known || len > NAME_BYTES || (!address && !plain_is_token(a->value, len)))
			return false;
	}
	return true;
}

/* A thread is an id as well. */
static bool
is_of_tokens(const struct elem *e)
{
	for (const struct elem *c = e->first; c; c = c->next)
		if (!c->name && strspn(c->text, " \t\r\n") < c->text_len && !plain_is_token(c->text, c->text_len))
			return false;
	return true;
}

static bool
is_weightless(const struct elem *e)
{
	for (size_t i = 0; i < sizeof(weightless) / sizeof(weightless[0]); i++)
		if (e->ns == weightless[i].ns && elem_is(e, NULL, weightless[i].name))
			return !elem_first(e) && text_bytes(e) <= weightless[i].text && is_of_tokens(e) && has_only(e, weightless[i].attributes, 2);
	return false;
}

/* RFC 6121 §5.2.2; another is "normal" to whoever reads it, and a word. Presence of a type of its own does not come this far. */
static bool
has_known_type(const struct elem *root)
{
	const char *type = elem_get(root, "type");

	return !type || !elem_is(root, NULL, "message") || !strcmp(packet_type_name(PACKET_MESSAGE, type), type);
}

bool
content_is_any(const struct stanza *st)
{
	static const char *const names[] = { "to", "from", "id", "type" };

	if (st->size > WEIGHTLESS_BYTES || text_bytes(st->root) || !has_known_type(st->root))
		return true;
	for (const struct elem *e = elem_first(st->root); e; e = elem_next(e, NULL, NULL))
		if (!is_weightless(e))
			return true;
	return !has_only(st->root, names, sizeof(names) / sizeof(names[0]));
}

static void
describe_subscription(const struct stanza *st, enum packet_type type, struct arena *a, struct record_entry *e)
{
	const struct elem *status = elem_child(st->root, NS_CLIENT, "status");
	static const char *const types[] = { [TYPE_SUBSCRIBE] = "subscribe", [TYPE_SUBSCRIBED] = "subscribed",
		[TYPE_UNSUBSCRIBE] = "unsubscribe", [TYPE_UNSUBSCRIBED] = "unsubscribed" };

	e->kind = RECORD_SUBSCRIPTION;
	e->type = types[type];
	e->client_id = elem_get(st->root, "id");
	e->body = status ? elem_text(status, a) : NULL;
	e->refers_to = NULL;
	e->shown = false;
}

bool
content_is_recorded(const struct packet *p, bool typing)
{
	if (p->kind == PACKET_PRESENCE)
		return packet_is_subscription(p) && p->to && content_is_any(p->st);
	return p->kind == PACKET_MESSAGE && (typing || content_is_any(p->st));
}

/* Elements that make a message more than a message; the first that is there decides. */
static const struct {
	const char *ns, *name;
	enum record_kind kind;
	bool only_without_body;
} kinds[] = {
	{ NS_CORRECT, "replace", RECORD_CORRECTION, false },
	{ NS_RETRACT, "retract", RECORD_RETRACTION, false },
	{ NS_REACTIONS, "reactions", RECORD_REACTION, false },
	{ NS_RECEIPTS, "received", RECORD_RECEIPT, true },
	{ NS_MARKERS, "received", RECORD_RECEIPT, true },
	{ NS_MARKERS, "displayed", RECORD_RECEIPT, true },
	{ NS_MARKERS, "acknowledged", RECORD_RECEIPT, true },
};

/* What people want to find again (XEP-0313 §5.1.1), besides text: what changes what was said, what tells that it was
 * read, what is encrypted, invitations and calls. Typing, signalling and unknown extensions are in the record only. */
static const struct {
	const char *ns, *name; /* name NULL: any */
} worth_showing[] = {
	{ NS_CLIENT, "body" },
	{ NS_CLIENT, "subject" },
	{ NS_RECEIPTS, "received" },
	{ NS_MARKERS, "received" },
	{ NS_MARKERS, "displayed" },
	{ NS_MARKERS, "acknowledged" },
	{ NS_CORRECT, "replace" },
	{ NS_RETRACT, "retract" },
	{ NS_REACTIONS, "reactions" },
	{ NS_OOB, "x" },
	{ "urn:xmpp:eme:0", "encryption" },
	{ "eu.siacs.conversations.axolotl", "encrypted" },
	{ "urn:xmpp:omemo:1", "encrypted" },
	{ "urn:xmpp:omemo:2", "encrypted" },
	{ "urn:xmpp:openpgp:0", "openpgp" },
	{ "jabber:x:encrypted", "x" },
	{ "jabber:x:conference", "x" },
	{ "http://jabber.org/protocol/muc#user", "x" },
	{ "urn:xmpp:jingle-message:0", NULL },
	{ "urn:xmpp:fasten:0", "apply-to" },
	{ "urn:xmpp:sfs:0", "file-sharing" },
	{ "urn:xmpp:sims:1", "media-sharing" },
};

/* Most messages have nothing else than what RFC 6121 names. */
static bool
is_extended(const struct elem *root)
{
	for (const struct elem *e = elem_first(root); e; e = elem_next(e, NULL, NULL))
		if (e->ns != NS_CLIENT)
			return true;
	return false;
}

static bool
is_worth_showing(const struct elem *root)
{
	for (const struct elem *e = elem_first(root); e; e = elem_next(e, NULL, NULL))
		for (size_t i = 0; i < sizeof(worth_showing) / sizeof(worth_showing[0]); i++)
			if (elem_is(e, worth_showing[i].ns, worth_showing[i].name))
				return true;
	return false;
}

/* Unless the sender asked for the one or the other (XEP-0334 §4). The record does not ask. */
static bool
is_shown(const struct elem *root)
{
	if (!is_extended(root))
		return elem_child(root, NS_CLIENT, "body") || elem_child(root, NS_CLIENT, "subject");
	if (elem_child(root, NS_HINTS, "no-store") || elem_child(root, NS_HINTS, "no-permanent-store"))
		return false;
	return elem_child(root, NS_HINTS, "store") || is_worth_showing(root);
}

void
content_describe(const struct stanza *st, enum packet_type type, struct arena *a, struct record_entry *e)
{
	const struct elem *root = st->root, *body = elem_child(root, NS_CLIENT, "body"), *x;
	static const char *const types[] = { [TYPE_NORMAL] = "normal", [TYPE_CHAT] = "chat",
		[TYPE_GROUPCHAT] = "groupchat", [TYPE_HEADLINE] = "headline", [TYPE_ERROR] = "error" };

	if (!strcmp(root->name, "presence")) {
		describe_subscription(st, type, a, e);
		return;
	}
	e->kind = content_is_any(st) ? RECORD_MESSAGE : RECORD_TYPING;
	e->type = types[type];
	e->client_id = elem_get(root, "id");
	e->body = body ? elem_text(body, a) : NULL;
	e->refers_to = NULL;
	e->shown = is_shown(root);
	if (!is_extended(root))
		return;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		x = elem_child(root, kinds[i].ns, kinds[i].name);
		if (!x || (kinds[i].only_without_body && body))
			continue;
		e->kind = kinds[i].kind;
		e->refers_to = elem_get(x, "id");
		break;
	}
}
