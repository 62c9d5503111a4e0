/*
 * dispatch: from a stanza that came to who handles it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gateway/address.h"
#include "gateway/command.h"
#include "gateway/policy.h"
#include "gateway/priv.h"
#include "gateway/prompt.h"
#include "gateway/registration.h"
#include "gateway/room.h"
#include "xmpp/ns.h"

static enum network_show
parse_show(const struct stanza *st)
{
	static const char *const names[] = { [NETWORK_CHAT] = "chat", [NETWORK_AWAY] = "away", [NETWORK_XA] = "xa", [NETWORK_DND] = "dnd" };
	const struct elem *e = elem_child(st->root, NS_COMPONENT, "show");
	const char *text = e ? elem_text(e, st->arena) : "";

	for (unsigned i = NETWORK_CHAT; i <= NETWORK_DND; i++)
		if (!strcmp(text, names[i]))
			return (enum network_show)i;
	return NETWORK_AVAILABLE;
}

static void
client_is_there(struct gateway_user *u, const struct stanza *st, struct jid *from, bool gone)
{
	const struct elem *status = elem_child(st->root, NS_COMPONENT, "status"), *priority = elem_child(st->root, NS_COMPONENT, "priority");
	int64_t n = 0;

	if (priority) {
		const char *text = elem_text(priority, st->arena);

		if (!text_i64(text, strlen(text), -128, 127, &n))
			n = 0;
	}
	if (jid_resource(from))
		user_resource(u, jid_resource(from), gone ? NETWORK_GONE : parse_show(st), (int)n, status ? elem_text(status, st->arena) : NULL);
}

/* To the gateway itself: somebody is there, or not any more (XEP-0100 §4.4). */
static void
gateway_presence_came(struct gateway *g, const struct stanza *st, const char *type, struct jid *from)
{
	bool gone = type && !strcmp(type, "unavailable");
	struct gateway_user *u = gone ? user_find(g, jid_bare(from)) : user_get(g, from);
	struct buf *b;

	if (!type || gone || !strcmp(type, "probe")) {
		if (!u)
			return;
		if (!type || gone)
			client_is_there(u, st, from, gone);
		if (gone) {
			/* XEP-0100 §4.5, for who takes leave of it alone. */
			write_start(g, "presence", NULL, NULL, jid_full(from), "unavailable", NULL);
			write_send(g, "presence", NULL, NULL);
			return;
		}
		user_touch(u);
		user_want(u);
		b = write_start(g, "presence", NULL, NULL, jid_full(from), NULL, NULL);
		write_text(b, "status", NULL, g->net->about);
		write_send(g, "presence", NULL, NULL);
	} else if (!strcmp(type, "subscribe")) {
		write_start(g, "presence", NULL, NULL, jid_bare(from), "subscribed", NULL);
		write_send(g, "presence", NULL, NULL);
		write_start(g, "presence", NULL, NULL, jid_bare(from), NULL, NULL);
		write_send(g, "presence", NULL, NULL);
	} else if (!strcmp(type, "unsubscribe")) {
		write_start(g, "presence", NULL, NULL, jid_bare(from), "unsubscribed", NULL);
		write_send(g, "presence", NULL, NULL);
	}
}

static void
presence_came(struct gateway *g, const struct stanza *st, struct jid *from, struct jid *to)
{
	const char *type = elem_get(st->root, "type");
	char plain[NETWORK_ADDRESS_MAX], foreign[NETWORK_ADDRESS_MAX];
	enum network_address what = NETWORK_NOBODY;

	if (!g->running)
		return;
	if (strcmp(jid_domain(from), g->start.host)) {
		if (!type || !strcmp(type, "subscribe"))
			send_stanza(g, xerror_reply(st, XERROR_FORBIDDEN, NULL, NULL));
		return;
	}
	if (!jid_local(to)) {
		gateway_presence_came(g, st, type, from);
		return;
	}
	if (!gateway_address_from_local(jid_local(to), plain))
		what = g->net->address(g, plain, foreign);
	if (what == NETWORK_ROOM)
		room_presence_came(g, st, type, from, to, foreign);
	else if (what == NETWORK_PERSON)
		contact_presence_came(g, st, type, from, foreign, jid_local(to));
	else if (!type || !strcmp(type, "subscribe"))
		send_stanza(g, xerror_reply(st, XERROR_ITEM_NOT_FOUND, NULL, NULL));
}

static void
iq_came(struct gateway *g, const struct stanza *st, struct jid *from, struct jid *to)
{
	const char *type = elem_get(st->root, "type");
	const struct elem *e = elem_first(st->root);
	bool get = type && !strcmp(type, "get"), set = type && !strcmp(type, "set");

	if (!get && !set) {
		(void)question_came(g, st, from);
		return;
	}
	if (!e) {
		send_stanza(g, xerror_reply(st, XERROR_BAD_REQUEST, NULL, NULL));
		return;
	}
	if (set && policy_came(g, st, e, from))
		return;
	if (get && disco_came(g, st, e, to))
		return;
	if (get && elem_is(e, NS_PING, "ping")) {
		send_stanza(g, iq_result(st));
		return;
	}
	if (g->settled && !strcmp(jid_domain(from), g->start.host) &&
	    (registration_came(g, st, e, from, to) || command_came(g, st, e, from, to) || prompt_came(g, st, e, to) ||
	     room_iq_came(g, st, e, from, to)))
		return;
	send_stanza(g, xerror_reply(st, g->settled ? XERROR_SERVICE_UNAVAILABLE : XERROR_RECIPIENT_UNAVAILABLE, NULL, NULL));
}

static bool
is_answer(const struct stanza *st)
{
	const char *type = elem_get(st->root, "type");

	return type && (!strcmp(type, "result") || !strcmp(type, "error"));
}

static void
handle(struct gateway *g, struct stanza *st, struct ticket *t)
{
	const char *from_text = elem_get(st->root, "from"), *to_text = elem_get(st->root, "to");
	struct jid *from = from_text ? jids_get(&g->jids, from_text) : NULL, *to = to_text ? jids_get(&g->jids, to_text) : NULL;

	if (!from || !to || strcmp(jid_domain(to), g->start.domain)) {
		refuse(g, st, t, XERROR_JID_MALFORMED, NULL);
	} else if (g->off && !is_answer(st)) {
		refuse(g, st, t, XERROR_SERVICE_UNAVAILABLE, "this network has been switched off");
	} else if (!strcmp(st->root->name, "message")) {
		message_came(g, st, t, from, to);
	} else {
		/* Done before it is handled: it cannot fail, and what it does may end the stream with its tickets. */
		ledger_done(&g->ledger, t);
		if (!strcmp(st->root->name, "presence"))
			presence_came(g, st, from, to);
		else if (!strcmp(st->root->name, "iq"))
			iq_came(g, st, from, to);
	}
	jid_unref(from);
	jid_unref(to);
	stanza_unref(st);
}

/* What came before it was known who is registered and who is in which room: that is what waited while the gateway was down. */
struct early {
	struct list link;
	struct stanza *st;
	struct ticket *t; /* NULL: its stream is gone, and it comes again */
};

void
dispatch(struct gateway *g, struct stanza *st, struct ticket *t)
{
	struct early *e;

	/* What comes now is not handled, and comes again. */
	if (g->stopping || (g->ending && !is_answer(st))) {
		stanza_unref(st);
		return;
	}
	if (g->settled || !strcmp(st->root->name, "iq") || g->nearly >= g->limits->messages) {
		handle(g, st, t);
		return;
	}
	e = NEW(struct early);
	e->st = st;
	ledger_own(t, &e->t);
	list_append(&g->early, &e->link);
	g->nearly++;
}

void
dispatch_early(struct gateway *g)
{
	struct list *pos;

	while ((pos = list_pop(&g->early))) {
		struct early *e = LIST_ENTRY(pos, struct early, link);
		struct ticket *t = e->t;

		g->nearly--;
		if (t)
			t->owner = NULL;
		if (t && g->running)
			handle(g, e->st, t);
		else
			stanza_unref(e->st);
		free(e);
	}
}
