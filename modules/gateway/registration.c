#include "gateway/registration.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/command.h"
#include "gateway/priv.h"
#include "gateway/store.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

bool
registration_is_offered(const struct gateway *g)
{
	return g->settings.account && (g->net->features & NETWORK_ACCOUNTS) && g->net->fields;
}

#define WHAT_FOR "Your own account at this network. What you write through it is recorded, as everything here is."

/* XEP-0077 §14.1: other names have no place outside of a form. */
static bool
is_old_field(const char *name)
{
	static const char *const names[] = { "username", "nick", "password", "name", "first", "last", "email", "address", "city", "state", "zip",
		"phone", "url", "date", "misc", "text", NULL };

	for (const char *const *n = names; *n; n++)
		if (!strcmp(*n, name))
			return true;
	return false;
}

/* What is asked for: a form, and its fields in the old way for who knows no forms; with what is on record, but for secrets (XEP-0100 §4.2). */
static void
give_form(struct gateway *g, const struct stanza *st, bool registered, const json_t *login)
{
	struct stanza *r = iq_result(st);
	struct elem *q = elem_add(r, r->root, NS_REGISTER, "query"), *x, *field;

	if (registered)
		elem_add(r, q, NULL, "registered");
	field = elem_add(r, q, NULL, "instructions");
	elem_add_text(r, field, WHAT_FOR, strlen(WHAT_FOR));
	for (const struct network_field *f = g->net->fields; f->name; f++) {
		const char *value = f->secret ? NULL : json_string_value(json_object_get(login, f->name));

		if (!is_old_field(f->name))
			continue;
		field = elem_add(r, q, NULL, f->name);
		if (value)
			elem_add_text(r, field, value, strlen(value));
	}
	x = form_new(r, q, "form", NS_REGISTER);
	form_title(r, x, g->net->about, WHAT_FOR);
	for (const struct network_field *f = g->net->fields; f->name; f++) {
		field = form_add(r, x, f->secret ? "text-private" : "text-single", f->name, f->label, f->secret ? NULL : json_string_value(json_object_get(login, f->name)));
		if (f->required)
			form_require(r, field);
	}
	send_stanza(g, r);
}

static void
form_login_came(struct gateway *g, const char *jid, const json_t *login, bool again, const char *barred, const struct stanza *st)
{
	(void)jid;
	(void)again;
	(void)barred;
	give_form(g, st, true, login);
}

static void
ask_form(struct gateway *g, const struct stanza *st, struct jid *from)
{
	struct gateway_user *u = user_find(g, jid_bare(from));

	if (u && u->own_account && USER_KEPT(u)->registered)
		store_credential_get(g, jid_bare(from), form_login_came, st);
	else
		give_form(g, st, false, NULL);
}

struct registering {
	UT_hash_handle hh;
	char *words;
	char jid[];
};

bool
registration_begin(struct gateway *g, const struct stanza *st, struct jid *from)
{
	const char *jid = jid_bare(from);
	struct registering *r;

	HASH_FIND_STR(g->registering, jid, r);
	if (r) {
		send_stanza(g, xerror_reply(st, XERROR_RESOURCE_CONSTRAINT, "wait", "another change of your registration is under way"));
		return false;
	}
	r = mem_zalloc(sizeof(*r) + strlen(jid) + 1);
	strcpy(r->jid, jid);
	HASH_ADD_STR(g->registering, jid, r);
	return true;
}

void
registration_note(struct gateway *g, struct jid *from, char *words)
{
	struct registering *r;

	HASH_FIND_STR(g->registering, jid_bare(from), r);
	if (!r) {
		free(words);
		return;
	}
	free(r->words);
	r->words = words;
}

char *
registration_end(struct gateway *g, struct jid *from)
{
	struct registering *r;
	char *words;

	HASH_FIND_STR(g->registering, jid_bare(from), r);
	if (!r)
		return NULL;
	words = r->words;
	HASH_DEL(g->registering, r);
	free(r);
	return words;
}

/* Of a change that has no words. */
static void
end(struct gateway *g, struct jid *from)
{
	free(registration_end(g, from));
}

void
registration_free(struct gateway *g)
{
	struct registering *r, *next;

	HASH_ITER(hh, g->registering, r, next) {
		HASH_DEL(g->registering, r);
		free(r->words);
		free(r);
	}
}

/* From the jid of an answer to the request. */
static struct jid *
person(const struct stanza *st)
{
	return jid_parse_z(elem_get(st->root, "from"));
}

/* Not kept as a whole: nothing of it is, unless it was there before. */
static void
not_kept(struct gateway *g, const struct stanza *st, struct jid *from)
{
	struct gateway_user *u = user_find(g, jid_bare(from));

	if (!u || !USER_KEPT(u)->registered)
		store_user_remove(g, jid_bare(from), NULL, NULL);
	send_stanza(g, xerror_reply(st, XERROR_INTERNAL_SERVER_ERROR, "wait", "this cannot be kept now"));
}

static void
registered(struct gateway *g, const struct stanza *st, bool ok)
{
	struct jid *from = person(st);
	struct gateway_user *u = ok ? user_get(g, from) : NULL;

	end(g, from);
	if (!u) {
		not_kept(g, st, from);
	} else {
		bool again = USER_KEPT(u)->registered;

		USER_KEPT(u)->registered = true;
		USER_KEPT(u)->barred = false;
		u->own_account = true;
		send_stanza(g, command_done(st, NULL));
		/* XEP-0100 §4.1.1: the gateway asks to be in the roster, so that it knows when the person is there. */
		if (!again) {
			write_start(g, "presence", NULL, NULL, jid_bare(from), "subscribe", NULL);
			write_send(g, "presence", NULL, NULL);
		}
		user_again(u);
	}
	jid_unref(from);
}

static void
credential_kept(struct gateway *g, const struct stanza *st, bool ok)
{
	struct jid *from = person(st);

	if (ok) {
		store_user_set(g, jid_bare(from), true, registered, st);
	} else {
		end(g, from);
		not_kept(g, st, from);
	}
	jid_unref(from);
}

/* What the request says of a field: in a form, or as an element of its own. */
static const char *
said(const struct stanza *st, const char *name)
{
	const struct elem *q = elem_first(st->root), *x = elem_child(q, NS_DATA, "x"), *e;
	struct form *form;

	/* A command has its form directly, registration within the query. */
	if (x) {
		form = form_parse(x, st->arena);
		return form ? form_value(form, name) : NULL;
	}
	e = elem_child(q, q->ns, name);
	return e ? elem_text(e, st->arena) : NULL;
}

/* What the form says, as a credential. False: something that is required is missing. */
static bool
said_login(const struct gateway *g, const struct stanza *st, json_t *login)
{
	bool whole = true;

	for (const struct network_field *f = g->net->fields; f->name; f++) {
		const char *v = said(st, f->name);

		if (v && *v)
			json_object_set_new(login, f->name, json_string(v));
		else if (f->required)
			whole = false;
	}
	return whole;
}

static bool
is_field(const struct gateway *g, const char *key)
{
	for (const struct network_field *f = g->net->fields; f->name; f++)
		if (!strcmp(f->name, key))
			return true;
	return false;
}

/* What is in the credential beside the fields stays. */
static void
old_came(struct gateway *g, const char *jid, const json_t *old, bool again, const char *barred, const struct stanza *st)
{
	struct jid *from = person(st);
	json_t *login = json_object(), *value;
	const char *key;

	if (again || barred) {
		end(g, from);
		if (barred)
			send_stanza(g, xerror_reply(st, XERROR_FORBIDDEN, NULL, *barred ? barred : NULL));
		else
			not_kept(g, st, from);
	} else {
		said_login(g, st, login);
		json_object_foreach((json_t *)old, key, value)
			if (!is_field(g, key))
				json_object_set(login, key, value);
		store_credential_set(g, jid, login, credential_kept, st);
	}
	json_decref(login);
	jid_unref(from);
}

static void
may_register(struct gateway *g, const char *jid, const struct stanza *st, enum store_may may, const char *text, const struct elem *answer)
{
	struct jid *from = person(st);
	json_t *login = json_object();
	bool whole = said_login(g, st, login);

	(void)answer;
	if (may != STORE_MAY || !whole)
		end(g, from);
	if (may != STORE_MAY)
		send_stanza(g, xerror_reply(st, XERROR_FORBIDDEN, NULL, text ? text : "you may not bring an account of your own"));
	else if (!whole)
		send_stanza(g, xerror_reply(st, XERROR_NOT_ACCEPTABLE, NULL, "something that is required is missing"));
	else if (g->net->certificate)
		store_credential_get(g, jid, old_came, st);
	else
		store_credential_set(g, jid, login, credential_kept, st);
	json_decref(login);
	jid_unref(from);
}

void
registration_set(struct gateway *g, const struct stanza *st)
{
	struct jid *from = person(st);

	if (!registration_is_offered(g))
		send_stanza(g, xerror_reply(st, XERROR_NOT_ALLOWED, NULL, "accounts of one's own are not used here"));
	else if (!registration_begin(g, st, from))
		; /* answered */
	else if (g->start.settings)
		may_register(g, jid_bare(from), st, STORE_MAY, NULL, NULL);
	else
		store_may(g, jid_bare(from), "own-account", NULL, may_register, st);
	jid_unref(from);
}

static void
removed(struct gateway *g, const struct stanza *st, bool ok)
{
	struct jid *from = person(st);
	struct gateway_user *u = user_find(g, jid_bare(from));

	end(g, from);
	if (!ok) {
		send_stanza(g, xerror_reply(st, XERROR_INTERNAL_SERVER_ERROR, "wait", "this cannot be kept now"));
	} else {
		send_stanza(g, command_done(st, NULL));
		/* XEP-0100 §4.3.1. */
		for (const char *const *type = (const char *const[]){ "unsubscribe", "unsubscribed", "unavailable", NULL }; *type; type++) {
			write_start(g, "presence", NULL, NULL, jid_bare(from), *type, NULL);
			write_send(g, "presence", NULL, NULL);
		}
		if (u)
			user_end(u);
	}
	jid_unref(from);
}

static void
registration_remove(struct gateway *g, const struct stanza *st)
{
	struct jid *from = person(st);
	struct gateway_user *u = user_find(g, jid_bare(from));

	if (!u || !USER_KEPT(u)->registered)
		send_stanza(g, xerror_reply(st, XERROR_REGISTRATION_REQUIRED, NULL, NULL));
	else if (registration_begin(g, st, from))
		store_user_remove(g, jid_bare(from), removed, st);
	jid_unref(from);
}

bool
registration_came(struct gateway *g, const struct stanza *st, const struct elem *e, struct jid *from, struct jid *to)
{
	if (!elem_is(e, NS_REGISTER, "query") || jid_local(to))
		return false;
	if (!registration_is_offered(g))
		send_stanza(g, xerror_reply(st, XERROR_SERVICE_UNAVAILABLE, NULL, NULL));
	else if (!strcmp(elem_get(st->root, "type"), "get"))
		ask_form(g, st, from);
	else if (elem_child(e, NS_REGISTER, "remove"))
		registration_remove(g, st);
	else
		registration_set(g, st);
	return true;
}
