/*
 * intake: stanzas of type message that come from chanceryd, and what they ask of the network.
 */
#include <string.h>

#include "base/file_name.h"
#include "base/text.h"
#include "gateway/address.h"
#include "gateway/policy.h"
#include "gateway/priv.h"
#include "gateway/room.h"
#include "gateway/transfer.h"
#include "xmpp/ns.h"

/* Whom it is for. */
struct target {
	enum network_address what;
	char foreign[NETWORK_ADDRESS_MAX]; /* canonical */
};

static void
find_target(struct gateway *g, struct jid *to, struct target *t)
{
	char plain[NETWORK_ADDRESS_MAX];

	t->what = NETWORK_NOBODY;
	if (jid_local(to) && !gateway_address_from_local(jid_local(to), plain))
		t->what = g->net->address(g, plain, t->foreign);
}

/* Link and text of a file (XEP-0066), when it is the message's point: most clients put the link into the body as well. */
static const char *
file_url(const struct stanza *st)
{
	const struct elem *x = elem_child(st->root, NS_OOB, "x"), *url = x ? elem_child(x, NS_OOB, "url") : NULL;

	const char *text = url ? elem_text(url, st->arena) : "";

	return *text ? text : NULL;
}

/* The last part of the address, which the server has cleaned; %XX undone (RFC 3986 §2.1). */
static const char *
file_name(struct arena *a, const char *url)
{
	const char *slash = strrchr(url, '/');
	char *name = arena_strdup(a, slash + 1), *to = name;

	for (const char *s = name; *s; s++) {
		if (*s == '%' && s[1] && text_unhex(s + 1, 2, to) == 1)
			s += 2;
		else
			*to = *s;
		to++;
	}
	*to = '\0';
	return file_name_clean(a, name);
}

/* The id at the network of the message that an element names by its id here. */
static const char *
there(struct gateway *g, struct gateway_user *u, const char *foreign, const struct elem *e)
{
	const char *id = e ? elem_get(e, "id") : NULL;
	struct id_pair *p = id ? ids_here(&g->ids, jid_bare(u->jid), foreign, id) : NULL;

	return p ? p->there : NULL;
}

/* What it says beside text: -1 when it says nothing that the network could be told. */
static int
small_kind(const struct gateway *g, const struct stanza *st)
{
	if (elem_child(st->root, NS_RECEIPTS, "received"))
		return g->net->features & NETWORK_RECEIPTS ? MESSAGE_RECEIPT : -1;
	if (!(g->net->features & NETWORK_TYPING))
		return -1;
	if (elem_child(st->root, NS_CHATSTATES, "composing"))
		return MESSAGE_TYPING;
	if (elem_child(st->root, NS_CHATSTATES, "paused") || elem_child(st->root, NS_CHATSTATES, "active"))
		return MESSAGE_PAUSED;
	return -1;
}

/* A correction for a network that has none goes as new words. */
static void
correct(struct gateway *g, struct gateway_message *m, const struct stanza *st)
{
	const struct elem *replace = elem_child(st->root, NS_CORRECT, "replace");
	const char *id = there(g, m->user, m->to, replace);

	if (!replace)
		return;
	if (id && (g->net->features & NETWORK_CORRECTIONS))
		m->replaces = arena_strdup(m->kept->arena, id);
	else if (m->body)
		m->body = arena_printf(m->kept->arena, "* %s", m->body);
}

/* A body that is nothing but the address of a file of ours is that file, as clients that know no OOB send it. */
static void
attach(struct gateway *g, struct gateway_message *m, const struct stanza *st)
{
	struct arena *a = m->kept->arena;
	const char *url = file_url(st);

	if (!url && m->body && transfer_is_ours(g, m->body))
		url = m->body;
	if (!url)
		return;
	if ((g->net->features & NETWORK_FILES) && transfer_is_ours(g, url)) {
		m->kind = MESSAGE_FILE;
		m->url = arena_strdup(a, url);
		m->name = file_name(a, m->url);
		if (m->body && !strcmp(m->body, m->url))
			m->body = NULL;
	} else if (!m->body) {
		m->body = arena_strdup(a, url);
	} else if (!strstr(m->body, url)) {
		m->body = arena_printf(a, "%s\n%s", m->body, url);
	}
}

/* True: a message for the network was made and queued. */
static bool
say(struct gateway *g, struct gateway_user *u, const struct target *to, struct gateway_seat *seat, const char *nick, struct stanza *st, struct ticket *t,
    struct jid *from, struct jid *whom, struct seen *seen)
{
	const struct elem *body = elem_child(st->root, NS_COMPONENT, "body"), *subject = elem_child(st->root, NS_COMPONENT, "subject");
	struct gateway_message *m;
	int kind = MESSAGE_TEXT;

	if (!body && !file_url(st)) {
		kind = seat && !nick && subject ? MESSAGE_TOPIC : small_kind(g, st);
		if (kind < 0 || (seat && kind != MESSAGE_TOPIC))
			return false;
	}
	m = message_new(u, (enum message_kind)kind, to->foreign, jid_local(whom), st, from);
	m->seat = seat;
	if (nick)
		m->nick = arena_strdup(m->kept->arena, nick);
	if (kind == MESSAGE_TOPIC) {
		m->body = m->subject;
		m->subject = NULL;
	} else if (kind == MESSAGE_RECEIPT) {
		const char *id = there(g, u, to->foreign, elem_child(st->root, NS_RECEIPTS, "received"));

		m->replaces = id ? arena_strdup(m->kept->arena, id) : NULL;
	} else if (kind == MESSAGE_TEXT) {
		attach(g, m, st);
		correct(g, m, st);
		m->wants_receipt = (g->net->features & NETWORK_RECEIPTS) && elem_child(st->root, NS_RECEIPTS, "request");
	}
	message_queue(m, t, seen);
	return true;
}

/* Something of ours was refused: by the account, the policy, or because a client has gone. */
static void
error_came(struct gateway *g, const struct stanza *st, struct jid *from, struct jid *to)
{
	enum xerror e = xerror_of(st->root);
	const struct elem *error = elem_child(st->root, NS_COMPONENT, "error"), *text = error ? elem_child(error, NS_STANZA_ERRORS, "text") : NULL;
	const char *id = elem_get(st->root, "id");
	struct target target;

	if (id && incoming_refused(g, from, to, id, e, text ? elem_text(text, st->arena) : NULL))
		return;
	if (!g->running || !jid_resource(from))
		return;
	find_target(g, to, &target);
	if (target.what != NETWORK_ROOM || (id && room_line_refused(g, target.foreign, jid_full(from), id, e, text ? elem_text(text, st->arena) : NULL)))
		return;
	if (room_means_gone(e))
		room_client_gone(g, from);
}

void
message_came(struct gateway *g, struct stanza *st, struct ticket *t, struct jid *from, struct jid *to)
{
	const char *type = elem_get(st->root, "type");
	struct seen *seen = NULL;
	struct gateway_seat *seat = NULL;
	struct gateway_user *u;
	struct target target;
	bool fresh = true;

	if (type && !strcmp(type, "error")) {
		error_came(g, st, from, to);
		ledger_done(&g->ledger, t);
		return;
	}
	if (!g->settled) {
		refuse(g, st, t, XERROR_RESOURCE_CONSTRAINT, "the gateway is starting");
		return;
	}
	find_target(g, to, &target);
	if (target.what == NETWORK_NOBODY || target.what == NETWORK_SERVER) {
		refuse(g, st, t, jid_local(to) ? XERROR_ITEM_NOT_FOUND : XERROR_SERVICE_UNAVAILABLE, jid_local(to) ? "not an address of this network" : NULL);
		return;
	}
	if (strcmp(jid_domain(from), g->start.host)) {
		refuse(g, st, t, XERROR_FORBIDDEN, NULL);
		return;
	}
	seen = seen_get(g, st, &fresh);
	if (!fresh && seen_again(g, seen, t))
		return;
	u = user_get(g, from);
	if (!u) {
		refuse(g, st, t, XERROR_RESOURCE_CONSTRAINT, "too many people use the gateway");
		return;
	}
	policy_lets(u);
	if (target.what == NETWORK_ROOM) {
		seat = room_seat_of(u, target.foreign, from);
		if (!seat) {
			refuse(g, st, t, XERROR_NOT_ACCEPTABLE, "you are not in this room");
			return;
		}
	} else if (type && !strcmp(type, "groupchat")) {
		refuse(g, st, t, XERROR_BAD_REQUEST, NULL);
		return;
	}
	if (!say(g, u, &target, seat, seat && !(type && !strcmp(type, "groupchat")) ? jid_resource(to) : NULL, st, t, from, to, seen))
		ledger_done(&g->ledger, t);
}
