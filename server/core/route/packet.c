/*
 * packet: a stanza on its way. Made by sessions and by whoever answers; passed along by the router.
 */
#include "core/route/packet.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

static const struct {
	const char *name;
	enum packet_type type;
} message_types[] = {
	{ "chat", TYPE_CHAT },
	{ "normal", TYPE_NORMAL },
	{ "groupchat", TYPE_GROUPCHAT },
	{ "headline", TYPE_HEADLINE },
	{ "error", TYPE_ERROR },
}, presence_types[] = {
	{ "unavailable", TYPE_UNAVAILABLE },
	{ "subscribe", TYPE_SUBSCRIBE },
	{ "subscribed", TYPE_SUBSCRIBED },
	{ "unsubscribe", TYPE_UNSUBSCRIBE },
	{ "unsubscribed", TYPE_UNSUBSCRIBED },
	{ "probe", TYPE_PROBE },
	{ "error", TYPE_ERROR },
}, iq_types[] = {
	{ "get", TYPE_GET },
	{ "set", TYPE_SET },
	{ "result", TYPE_RESULT },
	{ "error", TYPE_ERROR },
};

#define LOOK_UP(table, s) \
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) \
		if (!strcmp(table[i].name, s)) \
			return table[i].type;

enum packet_type
packet_type_parse(enum packet_kind kind, const char *type)
{
	static const enum packet_type without[] = { [PACKET_MESSAGE] = TYPE_NORMAL, [PACKET_PRESENCE] = TYPE_NONE,
		[PACKET_IQ] = TYPE_UNKNOWN };

	if (!type)
		return without[kind];
	switch (kind) {
	case PACKET_MESSAGE:
		LOOK_UP(message_types, type);
		/* RFC 6121 §5.2.2: an unknown type is to be treated as normal. */
		return TYPE_NORMAL;
	case PACKET_PRESENCE:
		LOOK_UP(presence_types, type);
		break;
	case PACKET_IQ:
		LOOK_UP(iq_types, type);
		break;
	}
	return TYPE_UNKNOWN;
}

const char *
packet_type_name(enum packet_kind kind, const char *type)
{
	enum packet_type is = packet_type_parse(kind, type);

	for (size_t i = 0; kind == PACKET_MESSAGE && i < sizeof(message_types) / sizeof(message_types[0]); i++)
		if (message_types[i].type == is)
			return message_types[i].name;
	return type;
}

static enum packet_kind
kind_of(const struct elem *root)
{
	if (!strcmp(root->name, "message"))
		return PACKET_MESSAGE;
	return !strcmp(root->name, "iq") ? PACKET_IQ : PACKET_PRESENCE;
}

struct packet *
packet_new(struct stanza *st, struct jid *from, struct jid *to)
{
	struct packet *p = NEW(struct packet);

	p->refs = 1;
	p->st = stanza_seal(st);
	p->kind = kind_of(st->root);
	p->type = packet_type_parse(p->kind, elem_get(st->root, "type"));
	p->from = from ? jid_ref(from) : NULL;
	p->to = to ? jid_ref(to) : NULL;
	return p;
}

struct packet *
packet_ref(struct packet *p)
{
	p->refs++;
	return p;
}

void
packet_unref(struct packet *p)
{
	if (!p || --p->refs)
		return;
	stanza_unref(p->st);
	jid_unref(p->from);
	jid_unref(p->to);
	jid_unref(p->via);
	free(p->xml);
	if (p->ended)
		p->ended(p->ended_arg);
	free(p);
}

struct packet *
packet_readdress(const struct packet *p, struct jid *to)
{
	struct packet *n = packet_new(stanza_ref(p->st), p->from, to);

	n->account = p->account;
	n->readdressed = true;
	return n;
}

void
packet_make_xml(struct packet *p)
{
	struct buf b = { 0 };
	struct overlay o = { .to = p->readdressed ? jid_full(p->to) : NULL };

	if (p->xml)
		return;
	serialize_stanza(&b, p->st, NS_CLIENT, &o);
	p->xml_len = buf_len(&b);
	buf_str(&b);
	p->xml = b.data; /* nothing was consumed: data is what malloc gave */
}

size_t
packet_size(const struct packet *p)
{
	return sizeof(*p) + arena_bytes(p->st->arena) + p->xml_len;
}

bool
packet_is_subscription(const struct packet *p)
{
	return p->type == TYPE_SUBSCRIBE || p->type == TYPE_SUBSCRIBED || p->type == TYPE_UNSUBSCRIBE ||
		p->type == TYPE_UNSUBSCRIBED;
}

const char *
packet_id(const struct packet *p)
{
	return elem_get(p->st->root, "id");
}

static void
write_delay(struct buf *out, const struct packet *p, const char *domain)
{
	char stamp[32];

	buf_adds(out, "<delay xmlns='urn:xmpp:delay' from='");
	serialize_attr(out, domain, strlen(domain));
	buf_addf(out, "' stamp='%s'/>", clock_format(p->at_us, stamp));
}

/* Its place in the record. */
static void
write_place(struct buf *out, const struct packet *p, const char *by, size_t n)
{
	buf_adds(out, "<stanza-id xmlns='urn:xmpp:sid:0' by='");
	serialize_attr(out, by, n);
	buf_adds(out, "' id='");
	buf_addu(out, p->record_id);
	buf_adds(out, "'/>");
}

/* What is said of a recorded message to its recipient: when it was late, since when; its place in the record. */
static void
write_additions(struct buf *out, const struct packet *p)
{
	if (p->delayed)
		write_delay(out, p, jid_domain(p->to));
	write_place(out, p, jid_bare(p->to), jid_bare_len(p->to));
}

static const char end_tag[] = "</message>";

/* The recorded text up to where something may be added; what is left is the end tag. p->xml ends in "</message>" or "/>". */
static void
write_open(struct buf *out, const struct packet *p)
{
	size_t tail = sizeof(end_tag) - 1;
	bool empty = p->xml_len < tail || memcmp(p->xml + p->xml_len - tail, end_tag, tail) != 0;

	if (empty) {
		buf_add(out, p->xml, p->xml_len - 2);
		buf_addc(out, '>');
	} else {
		buf_add(out, p->xml, p->xml_len - tail);
	}
}

/* The recorded text with our additions before its end tag. */
static void
write_recorded(struct buf *out, const struct packet *p)
{
	write_open(out, p);
	write_additions(out, p);
	buf_add(out, end_tag, sizeof(end_tag) - 1);
}

/* The text has no `to`: it goes behind the element's name. */
static void
write_for(struct buf *out, const struct packet *p, const struct jid *to)
{
	size_t name = 1 + strlen(p->st->root->name);

	buf_add(out, p->xml, name);
	buf_adds(out, " to='");
	serialize_attr(out, jid_full(to), jid_full_len(to));
	buf_addc(out, '\'');
	buf_add(out, p->xml + name, p->xml_len - name);
}

void
packet_write(struct buf *out, struct packet *p, const struct jid *session)
{
	struct overlay o = { .to = p->readdressed ? jid_full(p->to) : NULL };

	if (p->for_each) {
		write_for(out, p, session);
	} else if (p->record_id) {
		packet_make_xml(p);
		write_recorded(out, p);
	} else if (p->xml) {
		buf_add(out, p->xml, p->xml_len);
	} else {
		serialize_stanza(out, p->st, NS_CLIENT, &o);
	}
}

void
packet_write_away(struct buf *out, struct packet *p)
{
	struct overlay o = { .to = p->readdressed ? jid_full(p->to) : NULL };

	if (p->xml && p->delayed && p->kind == PACKET_MESSAGE) {
		write_open(out, p);
		write_delay(out, p, jid_domain(p->from));
		buf_add(out, end_tag, sizeof(end_tag) - 1);
	} else if (p->xml) {
		buf_add(out, p->xml, p->xml_len);
	} else {
		serialize_stanza(out, p->st, NS_CLIENT, &o);
	}
}

void
packet_write_gateway(struct buf *out, struct packet *p)
{
	if (!p->record_id || p->kind != PACKET_MESSAGE) {
		packet_write_away(out, p);
		return;
	}
	packet_make_xml(p);
	write_open(out, p);
	if (p->delayed)
		write_delay(out, p, jid_domain(p->from));
	write_place(out, p, jid_domain(p->from), strlen(jid_domain(p->from)));
	buf_add(out, end_tag, sizeof(end_tag) - 1);
}

struct jid *
packet_answers_to(const struct packet *p)
{
	return p->via && p->kind == PACKET_MESSAGE ? p->via : p->from;
}

struct packet *
packet_error(const struct packet *p, enum xerror e, const char *type, const char *text)
{
	struct stanza *st = xerror_reply(p->st, e, type, text);
	struct jid *to = packet_answers_to(p);
	struct packet *error;

	if (!st)
		return NULL;
	/* What had no `to` was meant for the sender's own account: the answer comes from there. */
	if (to != p->from)
		elem_set(st, st->root, "to", jid_full(to));
	error = packet_new(st, p->to, to);
	error->refusal = true;
	return error;
}

struct stanza *
packet_result(const struct packet *p)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	const struct elem *e = p->st->root;

	elem_set(st, st->root, "type", "result");
	elem_set(st, st->root, "id", elem_get(e, "id"));
	elem_set(st, st->root, "from", elem_get(e, "to"));
	elem_set(st, st->root, "to", elem_get(e, "from"));
	return st;
}
