#include "gateway/command.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/address.h"
#include "gateway/certificate.h"
#include "gateway/priv.h"
#include "gateway/registration.h"
#include "xmpp/discovery.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

#define NS_CONFERENCE_TEXT "jabber:x:conference"

static bool
has_rooms(const struct gateway *g)
{
	return g->net->features & NETWORK_ROOMS;
}

static bool
always(const struct gateway *g)
{
	(void)g;
	return true;
}

static struct stanza *
completed(const struct stanza *st, const char *status, const char *note, struct elem **command)
{
	const struct elem *asked = elem_first(st->root);
	struct stanza *r = iq_result(st);
	struct elem *c = elem_add(r, r->root, NS_COMMANDS, "command"), *n;
	const char *session = elem_get(asked, "sessionid");
	char made[33];

	crypt_random_hex(made, 16);
	elem_set(r, c, "node", elem_get(asked, "node"));
	elem_set(r, c, "sessionid", session ? session : made);
	elem_set(r, c, "status", status);
	if (note) {
		n = elem_add(r, c, NULL, "note");
		elem_set(r, n, "type", "info");
		elem_add_text(r, n, note, strlen(note));
	}
	if (command)
		*command = c;
	return r;
}

struct stanza *
command_done(const struct stanza *st, const char *note)
{
	const struct elem *e = elem_first(st->root);

	return e && elem_is(e, NS_COMMANDS, "command") ? completed(st, "completed", note, NULL) : iq_result(st);
}

struct stanza *
command_ask(const struct stanza *st, const char *title, const char *words, struct elem **x)
{
	struct elem *command, *actions;
	struct stanza *r = completed(st, "executing", NULL, &command);

	actions = elem_add(r, command, NULL, "actions");
	elem_set(r, actions, "execute", "complete");
	elem_add(r, actions, NULL, "complete");
	*x = form_new(r, command, "form", NULL);
	form_title(r, *x, title, words);
	return r;
}

static void
status(struct gateway *g, const struct stanza *st, struct jid *from)
{
	static const char *const states[] = { [USER_IDLE] = "not connected", [USER_QUEUED] = "connecting", [USER_ASKING] = "connecting", [USER_OPEN] = "connecting",
		[USER_RETRYING] = "disconnected, is tried again", [USER_REFUSED] = "refused" };
	struct gateway_user *u = user_find(g, jid_bare(from));
	struct gateway_user_kept *k = USER_KEPT(u);
	struct buf b = { 0 };

	buf_addf(&b, "%s: %s", g->net->about, !u ? "not in use" : u->up ? "connected" : states[k->state]);
	if (u)
		buf_addf(&b, "%s%s%s; %u rooms, %u messages on their way", u->own_account ? ", by an account of your own" : "", k->text ? ": " : "", k->text ? k->text : "",
			k->nseats, k->nmessages);
	send_stanza(g, command_done(st, buf_str(&b)));
	buf_fini(&b);
}

static void
login(struct gateway *g, const struct stanza *st, struct jid *from)
{
	struct elem *x, *field;
	struct stanza *r;

	(void)from;
	if (elem_child(elem_first(st->root), NS_DATA, "x")) {
		registration_set(g, st);
		return;
	}
	r = command_ask(st, g->net->about, "Your own account at this network. What you write through it is recorded, as everything here is.", &x);
	for (const struct network_field *f = g->net->fields; f->name; f++) {
		field = form_add(r, x, f->secret ? "text-private" : "text-single", f->name, f->label, NULL);
		if (f->required)
			form_require(r, field);
	}
	send_stanza(g, r);
}

static void
reconnect(struct gateway *g, const struct stanza *st, struct jid *from)
{
	struct gateway_user *u = user_get(g, from);

	if (u)
		user_again(u);
	send_stanza(g, command_done(st, "connecting"));
}

static void
log_out(struct gateway *g, const struct stanza *st, struct jid *from)
{
	struct gateway_user *u = user_find(g, jid_bare(from));

	if (u)
		user_log_out(u);
	send_stanza(g, command_done(st, "disconnected"));
}

/* A client enters a room when it is invited to it. */
static void
invite(struct gateway *g, struct jid *from, const char *local)
{
	char *jid = NULL, id[33];
	struct buf *b, whole = { 0 };

	crypt_random_hex(id, 16);
	buf_addf(&whole, "%s@%s", local, g->start.domain);
	jid = mem_strdup(buf_str(&whole));
	buf_fini(&whole);
	b = write_start(g, "message", NULL, NULL, jid_full(from), NULL, id);
	buf_addf(b, "<x xmlns='%s'", NS_CONFERENCE_TEXT);
	write_attr(b, "jid", jid);
	buf_adds(b, "/>");
	write_send(g, "message", NULL, NULL);
	free(jid);
}

static void
join(struct gateway *g, const struct stanza *st, struct jid *from)
{
	const struct elem *x = elem_child(elem_first(st->root), NS_DATA, "x");
	char address[NETWORK_ADDRESS_MAX], local[ADDRESS_LOCAL_MAX];
	struct form *form = x ? form_parse(x, st->arena) : NULL;
	const char *room = form ? form_value(form, "room") : NULL;
	struct stanza *r;
	struct elem *asked;

	if (!x) {
		r = command_ask(st, "Enter a room", NULL, &asked);
		form_require(r, form_add(r, asked, "text-single", "room", "Room", NULL));
		send_stanza(g, r);
	} else if (!room || strlen(room) >= NETWORK_ADDRESS_MAX || g->net->address(g, room, address) != NETWORK_ROOM || gateway_address_to_local(address, local)) {
		send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, "not a room of this network"));
	} else {
		invite(g, from, local);
		send_stanza(g, command_done(st, "you are invited"));
	}
}

static const struct command {
	const char *node, *name;
	bool (*offered)(const struct gateway *g);
	void (*run)(struct gateway *g, const struct stanza *st, struct jid *from);
} commands[] = {
	{ "status", "Status", always, status },
	{ "login", "Log in with an account of your own", registration_is_offered, login },
	{ "certificate", "A certificate for your account", certificate_is_offered, certificate_came },
	{ "connect", "Connect anew", always, reconnect },
	{ "logout", "Disconnect", always, log_out },
	{ "join", "Enter a room", has_rooms, join },
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static const struct command *
find(const struct gateway *g, const char *node)
{
	for (size_t i = 0; node && i < COMMANDS; i++)
		if (!strcmp(commands[i].node, node) && commands[i].offered(g))
			return &commands[i];
	return NULL;
}

bool
command_came(struct gateway *g, const struct stanza *st, const struct elem *e, struct jid *from, struct jid *to)
{
	const struct command *c;
	const char *action;
	struct stanza *r;

	if (!elem_is(e, NS_COMMANDS, "command") || jid_local(to))
		return false;
	c = find(g, elem_get(e, "node"));
	action = elem_get(e, "action");
	if (!c) {
		send_stanza(g, xerror_reply(st, XERROR_ITEM_NOT_FOUND, NULL, NULL));
	} else if (action && !strcmp(action, "cancel")) {
		r = completed(st, "canceled", NULL, NULL);
		send_stanza(g, r);
	} else if (strcmp(elem_get(st->root, "type"), "set")) {
		send_stanza(g, xerror_reply(st, XERROR_BAD_REQUEST, NULL, NULL));
	} else {
		c->run(g, st, from);
	}
	return true;
}

void
command_items(struct gateway *g, struct stanza *r, struct elem *q, bool info)
{
	struct elem *e;

	if (info) {
		discovery_identity(r, q, "automation", "command-list", NULL);
		return;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!commands[i].offered(g))
			continue;
		e = elem_add(r, q, NULL, "item");
		elem_set(r, e, "jid", g->start.domain);
		elem_set(r, e, "node", commands[i].node);
		elem_set(r, e, "name", commands[i].name);
	}
}

bool
command_info(struct gateway *g, struct stanza *r, struct elem *q, const char *node, bool info)
{
	const struct command *c = find(g, node);

	if (!c)
		return false;
	if (!info)
		return true;
	discovery_identity(r, q, "automation", "command-node", c->name);
	discovery_feature(r, q, NS_COMMANDS);
	discovery_feature(r, q, NS_DATA);
	return true;
}
