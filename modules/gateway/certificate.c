#include "gateway/certificate.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/command.h"
#include "gateway/priv.h"
#include "gateway/registration.h"
#include "gateway/store.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

#define FIELD "certificate"

bool
certificate_is_offered(const struct gateway *g)
{
	return registration_is_offered(g) && g->net->certificate;
}

static void
answer_without_login(struct gateway *g, const struct stanza *st, bool again, const char *barred)
{
	if (barred)
		send_stanza(g, xerror_reply(st, XERROR_FORBIDDEN, NULL, *barred ? barred : NULL));
	else if (again)
		send_stanza(g, xerror_reply(st, XERROR_INTERNAL_SERVER_ERROR, "wait", "your login cannot be read now"));
	else
		send_stanza(g, xerror_reply(st, XERROR_REGISTRATION_REQUIRED, NULL, "log in with an account of your own first"));
}

static void
show(struct gateway *g, const char *jid, const json_t *login, bool again, const char *barred, const struct stanza *st)
{
	struct elem *x, *field;
	struct stanza *r;
	char *words;

	(void)jid;
	if (!login) {
		answer_without_login(g, st, again, barred);
		return;
	}
	words = g->net->certificate(login);
	r = command_ask(st, "A certificate for your account", words ? words : "There is none yet. With one, the network knows you without a password.", &x);
	field = form_add(r, x, "list-single", FIELD, "Certificate", "make");
	form_add_option(r, field, words ? "Make another in its place" : "Make one", "make");
	if (words)
		form_add_option(r, field, "Remove it", "remove");
	form_require(r, field);
	free(words);
	send_stanza(g, r);
}

static void
kept(struct gateway *g, const struct stanza *st, bool ok)
{
	struct jid *from = jid_parse_z(elem_get(st->root, "from"));
	struct gateway_user *u = user_find(g, jid_bare(from));
	char *words = registration_end(g, from);

	if (!ok) {
		send_stanza(g, xerror_reply(st, XERROR_INTERNAL_SERVER_ERROR, "wait", "this cannot be kept now"));
	} else {
		send_stanza(g, command_done(st, words ? words : "It is removed."));
		/* Shown from now on, or not any more. */
		if (u)
			user_again(u);
	}
	free(words);
	jid_unref(from);
}

static const char *
choice(const struct stanza *st)
{
	const struct elem *x = elem_child(elem_first(st->root), NS_DATA, "x");
	struct form *form = x ? form_parse(x, st->arena) : NULL;
	const char *v = form ? form_value(form, FIELD) : NULL;

	return v ? v : "";
}

static void
change(struct gateway *g, const char *jid, const json_t *login, bool again, const char *barred, const struct stanza *st)
{
	struct jid *from = jid_parse_z(elem_get(st->root, "from"));
	json_t *changed = login ? json_deep_copy(login) : NULL;
	struct err e;

	if (!login) {
		free(registration_end(g, from));
		answer_without_login(g, st, again, barred);
	} else if (g->net->certificate_change(changed, !strcmp(choice(st), "make"), &e)) {
		free(registration_end(g, from));
		send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, e.text));
	} else {
		registration_note(g, from, g->net->certificate(changed));
		store_credential_set(g, jid, changed, kept, st);
	}
	json_decref(changed);
	jid_unref(from);
}

void
certificate_came(struct gateway *g, const struct stanza *st, struct jid *from)
{
	if (!elem_child(elem_first(st->root), NS_DATA, "x"))
		store_credential_get(g, jid_bare(from), show, st);
	else if (strcmp(choice(st), "make") && strcmp(choice(st), "remove"))
		send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, "make it, or remove it"));
	else if (registration_begin(g, st, from))
		store_credential_get(g, jid_bare(from), change, st);
}
