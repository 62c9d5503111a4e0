/*
 * register: In-Band Registration (XEP-0077) for those who have an account: what is on file, another password, and, where a
 * setting allows it, the end of the account. Registering one is registration.c's.
 *
 * Asked of the server, as the examples have it, or of one's own account, which is what an IQ without `to` is.
 */
#include <string.h>

#include "base/metric.h"
#include "register.h"

#define HOUR_US (3600 * INT64_C(1000000))

/* With each account that has changed its password lately. */
struct changes {
	int64_t since_us;
	unsigned n;
};

/* What is on file (§3.1) */

static enum hook_verdict
on_get(struct hook *h)
{
	struct stanza *st;
	struct elem *query;
	const char *name;

	if (module_relation(h) != MODULE_SELF)
		return HOOK_NEXT;
	name = jid_local(h->account);
	st = hook_result(h);
	query = elem_add(st, st->root, NS_REGISTER, "query");
	elem_add(st, query, NULL, "registered");
	elem_add_text(st, elem_add(st, query, NULL, "username"), name, strlen(name));
	elem_add(st, query, NULL, "password");
	hook_reply(h, st);
	return HOOK_HANDLED;
}

/* Another password (§3.3) */

/* Hashing takes some hundredths of a second of a core: not as often as one likes. */
static bool
is_too_often(struct hook *h)
{
	struct changes *c = module_data(h);
	int64_t now = clock_mono_us();

	if (!c) {
		c = NEW(struct changes);
		c->since_us = now;
		module_set_data(h, c);
		c = module_data(h);
	}
	if (!c)
		return true;
	if (now - c->since_us > HOUR_US)
		*c = (struct changes){ .since_us = now };
	return c->n++ >= module_limits()->password_changes;
}

static bool
is_own_name(const struct hook *h, const char *name)
{
	char prepared[1024];
	struct jid *j;
	bool own;

	if (!strchr(name, '@'))
		return !jid_prepare_local(name, strlen(name), prepared) && !strcmp(prepared, jid_local(h->account));
	j = jid_parse_z(name); /* as the example of the form has it */
	own = j && jid_equal(j, h->account);
	jid_unref(j);
	return own;
}

static enum hook_verdict
changed(struct hook *h, void *data, bool ok)
{
	const struct hook_account *a = data;

	if (!ok)
		return hook_unavailable(h);
	if (a->outcome == ACCOUNT_BAD_PASSWORD)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, "the password has characters that are not allowed, or is too long");
	if (a->outcome == ACCOUNT_FORBIDDEN)
		return hook_reject(h, XERROR_FORBIDDEN, "you have logged in with a device's password");
	if (a->outcome != ACCOUNT_DONE)
		return hook_reject(h, XERROR_REGISTRATION_REQUIRED, NULL);
	return hook_done(h);
}

static enum hook_verdict
change_password(struct hook *h, const struct register_fields *f)
{
	struct hook_account *a;
	const char *why;

	if (!f->username || !f->password || !*f->password)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (!module_settings()->registration.password)
		return hook_reject(h, XERROR_NOT_ALLOWED, "passwords are not changed here");
	if (!is_own_name(h, f->username))
		return hook_reject(h, XERROR_NOT_ALLOWED, "not your account");
	why = register_password_refusal(h->arena, f->username, f->password);
	if (why)
		return hook_reject(h, XERROR_NOT_ACCEPTABLE, why);
	if (is_too_often(h)) {
		metric_add(METRIC_RATE_REFUSED, 1);
		h->error_type = "wait";
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "the password was changed too often, try again later");
	}
	a = arena_zalloc(hook_memory(h), sizeof(*a));
	a->act = ACCOUNT_PASSWORD;
	a->jid = h->account;
	a->password = arena_strdup(hook_memory(h), f->password);
	return hook_account(h, a, a, changed);
}

/* The end of the account (§3.2) */

static enum hook_verdict
remove_account(struct hook *h)
{
	const struct elem *only = elem_first(h->payload);
	struct hook_account *a;

	if (!elem_is(only, NS_REGISTER, "remove") || elem_next(only, NULL, NULL))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (!module_settings()->registration.remove)
		return hook_reject(h, XERROR_NOT_ALLOWED, "accounts are not removed by their users here");
	a = arena_zalloc(hook_memory(h), sizeof(*a));
	a->act = ACCOUNT_REMOVE;
	a->jid = h->account;
	return hook_account(h, a, a, changed);
}

static enum hook_verdict
on_set(struct hook *h)
{
	struct register_fields f;

	if (module_relation(h) != MODULE_SELF)
		return HOOK_NEXT;
	if (elem_child(h->payload, NS_REGISTER, "remove"))
		return remove_account(h);
	if (!register_read(h, &f))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	return change_password(h, &f);
}

/* What registration.c needs too */

bool
register_read(const struct hook *h, struct register_fields *out)
{
	const struct elem *x = elem_child(h->payload, NS_DATA, "x"), *e;
	const struct form *f;

	*out = (struct register_fields){ 0 };
	if (x) {
		f = form_parse(x, h->arena);
		if (!f || !f->type || strcmp(f->type, "submit") != 0)
			return false;
		out->username = form_value(f, "username");
		out->password = form_value(f, "password");
		return true;
	}
	e = elem_child(h->payload, NS_REGISTER, "username");
	out->username = e ? elem_text(e, h->arena) : NULL;
	e = elem_child(h->payload, NS_REGISTER, "password");
	out->password = e ? elem_text(e, h->arena) : NULL;
	return true;
}

static size_t
characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

const char *
register_password_refusal(struct arena *a, const char *username, const char *password)
{
	size_t least = module_settings()->registration.password_length;

	if (characters(password) < least)
		return arena_printf(a, "a password has at least %zu characters", least);
	if (!strcmp(username, password))
		return "the password is the name of the account";
	return NULL;
}

static int
attach(struct module *m)
{
	static const struct module_account kept = { NULL, NULL, free };

	module_keep(m, &kept);
	module_offers(m, NS_REGISTER, MODULE_SERVER);
	if (module_on_iq(m, MODULE_IQ_GET, NS_REGISTER, "query", MODULE_SENDER | MODULE_ACCOUNT, on_get) ||
		module_on_iq(m, MODULE_IQ_SET, NS_REGISTER, "query", MODULE_SENDER | MODULE_ACCOUNT, on_set))
		return -1;
	return registration_attach(m);
}

const struct module_def register_module = {
	.name = "register",
	.about = "In-Band Registration (XEP-0077, XEP-0445)",
	.attach = attach,
};
