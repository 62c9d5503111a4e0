/*
 * preauth: who was invited registers, also where register.open is off (XEP-0445): a stranger shows a token, and from then on this
 * stream may register one account. That the token is good is said here; it is used up together with the registration.
 */
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "register.h"
#include "register_store.h"

#define NS_PARS "urn:xmpp:pars:0"
#define NOTE "invited "

bool
preauth_is_offered(void)
{
	return module_settings()->invite.on;
}

const char *
preauth_token(const struct hook *h)
{
	return h->note && !strncmp(h->note, NOTE, strlen(NOTE)) ? h->note + strlen(NOTE) : NULL;
}

/* All refusals are alike: XEP-0445 §4. */
static enum hook_verdict
refuse(struct hook *h)
{
	metric_add(METRIC_INVITE_REFUSED, 1);
	return hook_reject(h, XERROR_ITEM_NOT_FOUND, "the invitation is unknown, used, or over");
}

static bool
may_register(const struct hook *h, const struct invite *i)
{
	if (!i->id || !i->registers || strcmp(i->domain, h->domain) != 0)
		return false;
	/* What users gave out is good for an account only as long as that is allowed. */
	return !i->befriends || module_settings()->invite.accounts;
}

static enum hook_verdict
looked_up(struct hook *h, void *data, bool ok)
{
	const struct register_invitation *s = data;

	if (!ok)
		return hook_unavailable(h);
	if (!may_register(h, &s->found))
		return refuse(h);
	h->note = arena_printf(hook_memory(h), NOTE "%s", s->token);
	return hook_done(h);
}

enum hook_verdict
preauth_on_stranger(struct hook *h)
{
	const char *token = elem_get(h->payload, "token");
	struct register_invitation *s;

	if (strcmp(elem_get(h->stanza->root, "type"), "set") != 0)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (h->note && !preauth_token(h))
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "an account was registered on this stream already");
	if (!token || !invite_is_token(token))
		return refuse(h);
	s = arena_zalloc(hook_memory(h), sizeof(*s));
	s->token = arena_strdup(hook_memory(h), token);
	return hook_job(h, s, register_store_find, looked_up);
}

void
preauth_registered(const struct jid *account, const struct register_admission *a)
{
	struct jid *inviter = a->inviter ? jid_parse_z(a->inviter) : NULL;
	struct stanza *st;

	if (a->token) {
		metric_add(METRIC_INVITE_USED, 1);
		log_info(NULL, "invitation-used", "jid=%s by=%s", a->inviter ? a->inviter : a->domain, jid_bare(account));
	}
	if (!inviter)
		return;
	/* As the client would (XEP-0401 §5.3.2); modules/invite approves it at the inviter's. */
	st = stanza_new(NS_CLIENT, "presence");
	elem_set(st, st->root, "type", "subscribe");
	elem_set(st, elem_add(st, st->root, NS_PARS, "preauth"), "token", a->token);
	module_send(st, account, inviter);
	jid_unref(inviter);
}
