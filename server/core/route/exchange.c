/*
 * exchange: whom an IQ reaches, and what becomes of its record.
 */
#include "core/route/exchange.h"

#include <string.h>

#include "core/component/component.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/plain.h"
#include "core/route/router.h"
#include "core/service/service.h"
#include "xmpp/ns.h"

static bool
is_answer(const struct packet *p)
{
	return p->type == TYPE_RESULT || p->type == TYPE_ERROR;
}

/* To what was asked in an account's name: by a component that may (XEP-0356), or by the server, which asks for features only. */
static bool
is_answer_to_account(const struct packet *p)
{
	return is_answer(p) && !elem_is(elem_first(p->st->root), NS_DISCO_INFO, "query");
}

/* The server and its services answer for themselves, and so does a component at its domain. */
static bool
reaches_somebody(const struct packet *p)
{
	const struct jid *to = p->to;

	if (!to || router_is_for_us(p) || (p->from && !jid_local(p->from) && component_is(p->from)))
		return false;
	if (service_of(to))
		return jid_local(to) && jid_resource(to); /* an occupant */
	if (host_is_local(to))
		return jid_local(to) && (jid_resource(to) || is_answer_to_account(p));
	return jid_local(to) || !component_is(to);
}

/* Of a file in band: it is collected at its recipient's home, and what becomes of it is recorded there (modules/transfer). */
static bool
is_piece(const struct packet *p)
{
	return !is_answer(p) && host_is_local(p->to) && elem_is(elem_first(p->st->root), NS_IBB, "data");
}

/* With a service, which may want a password for it (XEP-0077); no person reads that. */
static bool
is_registration(const struct packet *p)
{
	return elem_is(elem_first(p->st->root), NS_REGISTER, "query") && (!jid_local(p->to) || (p->from && !jid_local(p->from)));
}

bool
exchange_is_recorded(const struct packet *p)
{
	return p->kind == PACKET_IQ && reaches_somebody(p) && !is_piece(p) && !is_registration(p) &&
		!plain_is(p->st, home_config()->limits.unrecorded_iq_bytes);
}

void
exchange_describe(const struct packet *p, struct record_entry *e)
{
	static const char *const types[TYPE_UNKNOWN + 1] = { [TYPE_GET] = "get", [TYPE_SET] = "set", [TYPE_RESULT] = "result", [TYPE_ERROR] = "error" };

	e->kind = RECORD_REQUEST;
	e->type = types[p->type];
	e->client_id = packet_id(p);
	e->body = NULL;
	e->refers_to = NULL;
	e->shown = false;
}

struct packet *
exchange_refused(const struct packet *p, const char *why)
{
	const char *id = packet_id(p);
	struct stanza *asked, *st;

	if (!is_answer(p))
		return packet_error(p, XERROR_RESOURCE_CONSTRAINT, "wait", why);
	if (!id || !plain_is_token(id, strlen(id)))
		return NULL;
	asked = stanza_new(NS_CLIENT, "iq");
	elem_set(asked, asked->root, "type", "get");
	elem_set(asked, asked->root, "id", id);
	elem_set(asked, asked->root, "from", jid_full(p->to));
	elem_set(asked, asked->root, "to", jid_full(p->from));
	st = xerror_reply(asked, XERROR_RESOURCE_CONSTRAINT, "wait", why);
	stanza_unref(asked);
	return packet_new(st, p->from, p->to);
}
