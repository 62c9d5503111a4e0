/*
 * registration: accounts for strangers (XEP-0077 §3.1.1), under TLS and before authentication, where `register.open` says
 * so, or who was invited (preauth.c). How often an address may try is the stream's (limits.registrations_per_address).
 */
#include <string.h>

#include "base/buf.h"
#include "base/metric.h"
#include "register.h"
#include "register_store.h"

#define NS_PARS "urn:xmpp:pars:0"
#define INSTRUCTIONS "Choose a name and a password for your account."

/* One registration under way, in hook_memory. */
struct registration {
	struct hook_account account;
	struct register_admission admission;
};

static enum hook_verdict
on_features(struct hook *h)
{
	if (!h->authenticated && preauth_is_offered())
		buf_adds(h->features, "<register xmlns='urn:xmpp:ibr-token:0'/>");
	if (!h->authenticated && module_settings()->registration.open)
		buf_adds(h->features, "<register xmlns='http://jabber.org/features/iq-register'/>");
	return HOOK_NEXT;
}

static enum hook_verdict
show_fields(struct hook *h)
{
	struct stanza *st = hook_result(h);
	struct elem *query = elem_add(st, st->root, NS_REGISTER, "query");

	elem_add_text(st, elem_add(st, query, NULL, "instructions"), INSTRUCTIONS, sizeof(INSTRUCTIONS) - 1);
	elem_add(st, query, NULL, "username");
	elem_add(st, query, NULL, "password");
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
registered(struct hook *h, void *data, bool ok)
{
	const struct registration *r = data;
	const struct hook_account *a = &r->account;

	if (!ok && r->admission.refused && r->admission.token)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "the invitation is for another name, or was used or withdrawn meanwhile");
	if (!ok && r->admission.refused)
		return hook_reject(h, XERROR_CONFLICT, "the name is taken");
	if (!ok)
		return hook_unavailable(h);
	if (a->outcome == ACCOUNT_CONFLICT)
		return hook_reject(h, XERROR_CONFLICT, "the name is taken");
	if (a->outcome != ACCOUNT_DONE)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "the password has characters that are not allowed, or is too long");
	metric_add(METRIC_REGISTERED, 1);
	preauth_registered(a->jid, &r->admission);
	h->note = "registered";
	return hook_done(h);
}

static void
forget_jid(void *arg)
{
	jid_unref(arg);
}

static enum hook_verdict
make_account(struct hook *h, const struct register_fields *f)
{
	struct jid *j = jid_new(f->username, h->domain, NULL);
	struct registration *r;
	const char *why;

	if (!j || jid_is_domain(j)) {
		jid_unref(j);
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "not a name for an account");
	}
	arena_on_free(hook_memory(h), forget_jid, j);
	why = register_password_refusal(h->arena, f->username, f->password);
	if (why)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, why);
	r = arena_zalloc(hook_memory(h), sizeof(*r));
	r->admission.token = preauth_token(h) ? arena_strdup(hook_memory(h), preauth_token(h)) : NULL;
	r->admission.domain = jid_domain(j);
	r->admission.local = jid_local(j);
	r->account.act = ACCOUNT_ADD;
	r->account.jid = j;
	r->account.password = arena_strdup(hook_memory(h), f->password);
	r->account.also = register_store_admit;
	r->account.also_data = &r->admission;
	return hook_account(h, &r->account, r, registered);
}

static enum hook_verdict
on_stranger(struct hook *h)
{
	struct register_fields f;

	if (elem_is(h->payload, NS_PARS, "preauth") && preauth_is_offered())
		return preauth_on_stranger(h);
	if (!elem_is(h->payload, NS_REGISTER, "query") || !(module_settings()->registration.open || h->note))
		return HOOK_NEXT;
	if (!strcmp(elem_get(h->stanza->root, "type"), "get"))
		return show_fields(h);
	/* §3.1.1: one account, then it is time to authenticate. */
	if (h->note && !preauth_token(h))
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "an account was registered on this stream already");
	/* There is no account yet to be removed (§3.2). */
	if (elem_child(h->payload, NS_REGISTER, "remove"))
		return hook_reject(h, XERROR_UNEXPECTED_REQUEST, NULL);
	if (!register_read(h, &f))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (!f.username || !*f.username || !f.password || !*f.password)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "a name and a password are required");
	return make_account(h, &f);
}

int
registration_attach(struct module *m)
{
	return module_on(m, HOOK_STREAM_FEATURES, on_features) || module_on(m, HOOK_STRANGER_IQ, on_stranger) ? -1 : 0;
}
