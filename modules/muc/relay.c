/*
 * relay: see relay.h. Neither side learns the other's address, so a request goes on in the occupant's name under an id from which the
 * answer's way back is found: nothing is kept here meanwhile. The id begins with an HMAC of who asks (the session) and who is asked;
 * only who was asked can answer.
 */
#include "relay.h"

#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "presence.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

#define TAG_BYTES 12
#define TAG_SIZE (2 * TAG_BYTES)

/* Of the session `asking` and the occupant that is asked. */
static void
tag(const struct room *r, const struct jid *asking, const struct jid *asked, char out[TAG_SIZE + 1])
{
	struct digest_part parts[] = {
		{ "iq", 3 }, /* apart from occupant ids */
		{ jid_full(asking), jid_full_len(asking) + 1 },
		{ jid_full(asked), jid_full_len(asked) },
	};
	uint8_t sum[SCRAM_MAX];

	digest_hmac(SCRAM_SHA256, r->secret, sizeof(r->secret), parts, sizeof(parts) / sizeof(*parts), sum);
	text_hex(sum, TAG_BYTES, out);
}

/* Servers say in errors who found them (RFC 6120 §8.3.2), and with items who published them (XEP-0060 §7.1.2.3). */
static void
hide_addresses(struct stanza *st)
{
	struct elem *error = elem_child(st->root, NS_CLIENT, "error"), *items = elem_child(st->root, NS_PUBSUB, "pubsub");

	if (error)
		elem_set(st, error, "by", NULL);
	for (struct elem *e = items; e; e = elem_walk(items, e))
		if (elem_is(e, NS_PUBSUB, "item"))
			elem_set(st, e, "publisher", NULL);
}

static void
pass_on(struct hook *h, const struct jid *from, const struct jid *to, const char *id)
{
	struct stanza *st = stanza_copy(h->stanza);

	hide_addresses(st);
	elem_set(st, st->root, "id", id);
	module_send(st, from, to);
}

/* A vCard or a node is its owner's, not a client's (XEP-0054 §3, XEP-0163): asked of the bare address. */
static bool
is_for_the_account(const struct elem *payload)
{
	return elem_is(payload, NS_VCARD, NULL) || elem_is(payload, NS_VCARD4, NULL) || elem_is(payload, NS_PUBSUB, NULL);
}

static enum hook_verdict
ask(struct hook *h, const struct room *r, const struct room_occupant *from, const struct room_occupant *to)
{
	char t[TAG_SIZE + 1];
	const char *id = elem_get(h->stanza->root, "id");

	if (!id)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	tag(r, h->from, to->jid, t);
	pass_on(h, from->jid, is_for_the_account(h->payload) ? to->bare : to->speaker->full, arena_printf(h->arena, "%s-%s", t, id));
	return hook_passed_on(h);
}

/* §6.6, XEP-0410 §3 */
static enum hook_verdict
refuse_stranger(struct hook *h)
{
	if (elem_is(h->payload, NS_DISCO_INFO, NULL) || elem_is(h->payload, NS_DISCO_ITEMS, NULL))
		return hook_reject(h, XERROR_BAD_REQUEST, "only occupants may ask occupants");
	h->error_type = "cancel";
	return hook_reject(h, XERROR_NOT_ACCEPTABLE, "only occupants may ask occupants");
}

/* Whom h->to names; NULL: nobody inside. */
static struct room_occupant *
named(const struct hook *h, const struct room *r)
{
	return room_occupant(r, jid_resource(h->to));
}

static enum hook_verdict
on_request(struct hook *h, const struct room *r)
{
	const struct room_seat *s = room_seat(r, h->from);
	const struct room_occupant *to = named(h, r);

	if (!s)
		return refuse_stranger(h);
	if (!to)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (to == s->occupant && elem_is(h->payload, NS_PING, "ping")) /* XEP-0410 §3.3 */
		return hook_done(h);
	return ask(h, r, s->occupant, to);
}

/* The session of `o` that asked `by`. */
static const struct room_seat *
asking(const struct room *r, const struct room_occupant *o, const struct room_occupant *by, const char *id)
{
	char t[TAG_SIZE + 1];

	LIST_EACH(l, &o->seats) {
		tag(r, ROOM_SEAT(l)->full, by->jid, t);
		if (crypt_equal(t, id, TAG_SIZE))
			return ROOM_SEAT(l);
	}
	return NULL;
}

static void
on_answer(struct hook *h, const struct room *r)
{
	const char *id = elem_get(h->stanza->root, "id");
	const struct room_occupant *to = named(h, r);
	struct room_occupant *by = NULL;
	const struct room_seat *s;

	if (!to || !id || strlen(id) <= TAG_SIZE || id[TAG_SIZE] != '-')
		return;
	while ((by = room_occupant_of(r, h->from, by)))
		if ((s = asking(r, to, by, id))) {
			pass_on(h, by->jid, s->full, id + TAG_SIZE + 1);
			return;
		}
}

enum hook_verdict
relay_on_iq(struct hook *h, struct room *r)
{
	const char *type = elem_get(h->stanza->root, "type");

	if (type && (!strcmp(type, "get") || !strcmp(type, "set")))
		return on_request(h, r);
	on_answer(h, r);
	return HOOK_HANDLED;
}

/* §13.2.4: for those inside; who is not learns that. */
enum hook_verdict
relay_on_probe(struct hook *h, struct room *r)
{
	const struct room_seat *s = r ? room_seat(r, h->from) : NULL;
	struct room_occupant *o = s && jid_resource(h->to) ? named(h, r) : NULL;
	struct stanza *st;

	if (s && !jid_resource(h->to))
		return HOOK_HANDLED; /* it has no presence of its own */
	if (o && (o == s->occupant || presence_is_broadcast(r, o->role))) {
		presence_tell_one(r, o, s);
		return HOOK_HANDLED;
	}
	st = stanza_new(NS_CLIENT, "presence");
	elem_set(st, st->root, "type", "unavailable");
	module_send(st, h->to, h->from);
	return HOOK_HANDLED;
}
