/*
 * pass_kind: of what kinds a stanza is. Tables of what is inside; what is not in them is of no kind.
 */
#include "core/federation/pass.h"

#include <string.h>
#include <strings.h>

#include "core/service/service.h"
#include "xmpp/ns.h"

#define NS_FILE_TRANSFER "urn:xmpp:jingle:apps:file-transfer:" /* and a version */
#define SLOT 16 /* characters of a path's part that nobody has typed (XEP-0363 §6) */

/* Whatever the element is in: a forwarded message, a reference, an item of a node. All of them are in ns.h: this is asked of each element
 * of each message. */
static const struct {
	const char *ns, *name; /* name NULL: any */
} files[] = {
	{ NS_OOB, NULL },           /* XEP-0066 */
	{ NS_IQ_OOB, NULL },
	{ NS_SIMS, NULL },          /* XEP-0385 */
	{ NS_SFS, NULL },           /* XEP-0447 */
	{ NS_ESFS, NULL },          /* XEP-0448 */
	{ NS_FILE_METADATA, NULL }, /* XEP-0446 */
	{ NS_BOB, NULL },           /* XEP-0231 */
	{ NS_MEDIA, NULL },         /* XEP-0221 */
	{ NS_UPLOAD, NULL },        /* XEP-0363 */
	{ NS_UPLOAD_OLD, NULL },
	{ NS_JINGLEPUB, NULL },     /* XEP-0358 */
	{ NS_IBB, NULL },           /* XEP-0047 */
	{ NS_SI, NULL },            /* XEP-0095 */
	{ NS_SI_FILE, NULL },       /* XEP-0096 */
	{ NS_SIPUB, NULL },         /* XEP-0137 */
	{ NS_BYTESTREAMS, NULL },   /* XEP-0065 */
	{ NS_URL_DATA, NULL },      /* XEP-0103 */
	{ NS_XHTML, "img" },        /* XEP-0071 */
};

/* Words of people, readable or not. */
static const struct {
	const char *ns, *name;
} words[] = {
	{ NS_CLIENT, "body" },
	{ NS_CLIENT, "subject" },
	{ "http://jabber.org/protocol/xhtml-im", "html" },
	{ "urn:xmpp:eme:0", "encryption" },
	{ "eu.siacs.conversations.axolotl", "encrypted" },
	{ "urn:xmpp:omemo:1", "encrypted" },
	{ "urn:xmpp:omemo:2", "encrypted" },
	{ "urn:xmpp:openpgp:0", "openpgp" },
	{ "jabber:x:encrypted", "x" },
};

/* What an IQ asks for. */
static const struct {
	const char *ns;
	unsigned bits;
} questions[] = {
	{ NS_PUBSUB, PASS_PUBSUB },
	{ NS_PUBSUB_OWNER, PASS_PUBSUB },
	{ NS_MUC_ADMIN, PASS_ROOMS },
	{ NS_MUC_OWNER, PASS_ROOMS },
	{ NS_MAM, PASS_ROOMS }, /* an account's own archive is asked by nobody outside */
};

/* Files */

static bool
is_file_transfer(const struct elem *e)
{
	return !strncmp(e->ns, NS_FILE_TRANSFER, strlen(NS_FILE_TRANSFER));
}

static bool
is_file(const struct elem *e)
{
	if (e->ns == NS_CLIENT)
		return false;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (e->ns == files[i].ns && (!files[i].name || !strcmp(e->name, files[i].name)))
			return true;
	return is_file_transfer(e);
}

static bool
is_word(char c)
{
	return (unsigned char)c > ' ' && c != '"' && c != '<' && c != '>';
}

static bool
is_slot(const char *s, size_t n)
{
	bool digit = false;

	for (size_t i = 0; i < n; i++) {
		bool d = s[i] >= '0' && s[i] <= '9', letter = (s[i] | 32) >= 'a' && (s[i] | 32) <= 'z';

		if (!d && !letter && s[i] != '-' && s[i] != '_')
			return false;
		digit |= d;
	}
	return digit && n >= SLOT;
}

/* https://upload.example/d7b1…/photo.jpg: a part that nobody has typed, and behind it the name of a file. `s` begins behind "://". */
static bool
is_upload(const char *s, const char *end)
{
	const char *part, *next;
	bool slot = false;

	for (part = memchr(s, '/', (size_t)(end - s)); part; part = next) {
		part++;
		next = memchr(part, '/', (size_t)(end - part));
		if (!next)
			return slot && memchr(part, '.', (size_t)(end - part));
		slot |= is_slot(part, (size_t)(next - part));
	}
	return false;
}

/* Does what is before `at` end with this scheme? */
static bool
is_scheme(const char *text, const char *at, const char *scheme)
{
	size_t n = strlen(scheme);

	return (size_t)(at - text) >= n && !strncasecmp(at - n, scheme, n);
}

/* Links that only a file can be behind: to a slot of somebody's upload service (XEP-0363), or to an encrypted one (XEP-0454). What is an
 * address within a path that has been looked at has no parts but those: this is linear. */
static bool
has_link_to_file(const char *text, size_t n)
{
	const char *end = text + n, *at = text, *looked = text;

	while ((at = memmem(at, (size_t)(end - at), "://", 3))) {
		at += 3;
		if (is_scheme(text, at - 3, "aesgcm"))
			return true;
		if (at < looked || (!is_scheme(text, at - 3, "https") && !is_scheme(text, at - 3, "http")))
			continue;
		for (looked = at; looked < end && is_word(*looked) && *looked != '?'; looked++)
			;
		if (is_upload(at, looked))
			return true;
	}
	return false;
}

/* A file written as words (RFC 2397). In a vCard it is a picture, as others are there, which pass with every partner. */
static bool
has_data_uri(const struct elem *text)
{
	const char *end = text->text + text->text_len, *head, *comma;

	if (text->parent->ns != NS_CLIENT)
		return false;
	/* Where one ends without a comma, so does what is in it; of those with one, the last may still be "data:,". This is linear. */
	for (const char *at = text->text; (at = memchr(at, ':', (size_t)(end - at))); at = comma) {
		head = comma = at + 1;
		if (!is_scheme(text->text, at, "data"))
			continue;
		while (comma < end && *comma != ',' && is_word(*comma))
			comma++;
		if (comma < end && *comma == ',' && (is_scheme(text->text, comma, "data:") || memchr(head, '/', (size_t)(comma - head)) ||
				memchr(head, ';', (size_t)(comma - head))))
			return true;
	}
	return false;
}

/* XEP-0071, XEP-0372, XEP-0084, …: whatever it is that points there. */
static bool
has_attribute_with_link(const struct elem *e)
{
	static const char *const names[] = { "uri", "url", "href", "src", "target" };

	for (const struct attr *at = e->attrs; at; at = at->next)
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (!strcmp(at->name, names[i]) && has_link_to_file(at->value, strlen(at->value)))
				return true;
	return false;
}

static bool
has_file(const struct elem *root)
{
	for (const struct elem *e = elem_walk(root, root); e; e = elem_walk(root, e))
		if (e->name ? is_file(e) || (e->attrs && has_attribute_with_link(e)) : has_link_to_file(e->text, e->text_len) ||
				has_data_uri(e))
			return true;
	return false;
}

/* Calls */

/* By what is offered: XEP-0234 §5, XEP-0167. What has no description continues or ends what was offered. */
static unsigned
descriptions(const struct elem *root, unsigned none)
{
	unsigned bits = 0;

	for (const struct elem *e = elem_walk(root, root); e; e = elem_walk(root, e))
		if (e->name && !strcmp(e->name, "description"))
			bits |= is_file_transfer(e) ? PASS_FILES : PASS_CALLS;
	return bits ? bits : none;
}

static unsigned
jingle_needs(const struct elem *jingle)
{
	const char *action = elem_get(jingle, "action");

	return descriptions(jingle, action && !strcmp(action, "session-initiate") ? PASS_CALLS : 0);
}

static const struct elem *
call_message(const struct elem *root)
{
	for (const struct elem *e = elem_first(root); e; e = elem_next(e, NULL, NULL))
		if (!strncmp(e->ns, "urn:xmpp:jingle-message:", 24) || !strncmp(e->ns, "urn:xmpp:call-invites:", 22))
			return e;
	return NULL;
}

/* The end of ours at a service of ours: everything there is about rooms, or about nodes. */
static unsigned
service_needs(const struct jid *ours)
{
	const struct service *s = ours ? service_of(ours) : NULL;

	if (!s)
		return 0;
	return !strcmp(s->def->label, "pubsub") ? PASS_PUBSUB : PASS_ROOMS;
}

static unsigned
at_service(const struct packet *p)
{
	return service_needs(p->to) | service_needs(p->from);
}

/* Kinds of stanza */

static unsigned
words_in(const struct elem *root)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (elem_child(root, words[i].ns, words[i].name))
			return PASS_MESSAGES;
	return 0;
}

/* An invitation may come from the room with words for those whose client does not know what it is; people's own need both. */
static unsigned
message_needs(const struct packet *p, const struct elem *root)
{
	const struct elem *x = elem_child(root, NS_MUC_USER, "x"), *call = call_message(root);

	if (x && (elem_child(x, NULL, "invite") || elem_child(x, NULL, "decline")))
		return PASS_ROOMS | (p->from && jid_resource(p->from) ? words_in(root) : 0); /* a room has no resource */
	if (x || elem_child(root, NS_CONFERENCE, "x") || elem_child(root, NS_MAM, NULL))
		return PASS_ROOMS | words_in(root);
	if (elem_child(root, NS_PUBSUB_EVENT, NULL))
		return PASS_PUBSUB | words_in(root);
	if (call)
		return descriptions(call, PASS_CALLS) | words_in(root);
	return PASS_MESSAGES;
}

/* To or from one occupant of a room of ours, of whatever type. */
static bool
is_whisper(const struct packet *p)
{
	return (p->to && jid_resource(p->to) && service_of(p->to)) || (p->from && jid_resource(p->from) && service_of(p->from));
}

static unsigned
of_message(const struct packet *p)
{
	unsigned service = at_service(p);

	if (p->type == TYPE_GROUPCHAT)
		return PASS_ROOMS;
	if (service)
		return service | (p->type == TYPE_CHAT || is_whisper(p) ? words_in(p->st->root) : 0);
	return message_needs(p, p->st->root);
}

static unsigned
of_iq(const struct packet *p)
{
	const struct elem *child = elem_first(p->st->root);
	unsigned bits = at_service(p);

	if (p->type == TYPE_RESULT)
		return 0;
	if (child && (!strcmp(child->name, "jingle") || elem_is(child, "http://www.google.com/session", NULL)))
		return bits | jingle_needs(child);
	for (size_t i = 0; child && i < sizeof(questions) / sizeof(questions[0]); i++)
		if (child->ns == questions[i].ns)
			bits |= questions[i].bits;
	return bits;
}

static unsigned
of_presence(const struct packet *p)
{
	const struct elem *root = p->st->root;
	unsigned service = at_service(p);

	if (service)
		return p->type == TYPE_UNAVAILABLE ? 0 : service;
	if (p->type == TYPE_UNAVAILABLE)
		return p->to && jid_is_bare(p->to) && jid_local(p->to) && !elem_child(root, NS_MUC_USER, "x") ? PASS_PRESENCE : 0;
	if (p->type == TYPE_NONE && (elem_child(root, NS_MUC, "x") || elem_child(root, NS_MUC_USER, "x")))
		return PASS_ROOMS;
	return PASS_PRESENCE;
}

unsigned
pass_needs(const struct packet *p)
{
	unsigned bits;

	/* What an error brings back has passed once, and needs the same again: nothing says that it was ever there. */
	if (p->type == TYPE_ERROR)
		return p->kind != PACKET_MESSAGE ? 0 : words_in(p->st->root) | (has_file(p->st->root) ? PASS_FILES : 0);
	switch (p->kind) {
	case PACKET_MESSAGE:
		bits = of_message(p);
		break;
	case PACKET_IQ:
		bits = of_iq(p);
		break;
	default:
		return of_presence(p);
	}
	return bits | (has_file(p->st->root) ? PASS_FILES : 0);
}

bool
pass_is_farewell(const struct packet *p)
{
	return p->kind == PACKET_PRESENCE &&
		(p->type == TYPE_UNAVAILABLE || p->type == TYPE_UNSUBSCRIBE || p->type == TYPE_UNSUBSCRIBED);
}
