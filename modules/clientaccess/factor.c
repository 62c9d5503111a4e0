/*
 * factor: a command (XEP-0050) by which the owner of an account gives it a second factor: the secret is shown, and what an authenticator makes of it is
 * asked for; only then logins with the account's password are asked for a code as well (core/stream/sasl2). Other sessions end, as they were let in
 * by the password alone. An administrator makes another, or takes it away (`chancery mfa`).
 */
#include "clientaccess.h"

#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "clientaccess_store.h"
#include "xmpp/form.h"

/* In hook_memory: first what its job is given. */
struct work {
	struct clientaccess_factor asked;
	struct command *c;
};

#define TRIES 3

static void
add_code(struct command *c, struct elem *x)
{
	form_require(c->answer, form_add(c->answer, x, "text-single", "code", "Code", NULL));
}

/* The same secret, and another code. */
static enum hook_verdict
ask_again(struct hook *h, struct command *c)
{
	static const char text[] = "The code is not good, or not any more";

	if (c->step >= TRIES)
		return command_say(h, c, "error", text);
	add_code(c, command_form(c, c->def->name, text));
	return command_send(h, c);
}

static enum hook_verdict
refuse(struct hook *h, struct work *w)
{
	switch (w->asked.factor.how) {
	case SECOND_FACTOR_BY_DEVICE:
		return command_say(h, w->c, "error", "you have logged in with a device's password: do it from a client that has logged in with the account's");
	case SECOND_FACTOR_ALREADY:
		return command_say(h, w->c, "error", "the account has a second factor: an administrator takes it away, or makes another");
	case SECOND_FACTOR_WRONG:
		return ask_again(h, w->c);
	case SECOND_FACTOR_LOCKED:
		return command_say(h, w->c, "error", "too many codes were wrong: try again in an hour");
	case SECOND_FACTOR_DONE:
	case SECOND_FACTOR_NONE:
	case SECOND_FACTOR_LOST:
		break;
	}
	return command_say(h, w->c, "error", "begin again");
}

static enum hook_verdict
made(struct hook *h, void *data, bool ok)
{
	struct work *w = data;
	struct second_factor *f = &w->asked.factor;
	enum hook_verdict v;
	struct elem *x;

	if (!ok)
		return hook_unavailable(h);
	if (f->how != SECOND_FACTOR_DONE)
		return refuse(h, w);
	x = command_form(w->c, w->c->def->name, "Put this address into your authenticator, and enter the code that it shows. From then on logins with your "
		"password ask for one; clients that cannot ask need a device password.");
	form_add(w->c->answer, x, "fixed", "uri", "Address", f->uri);
	add_code(w->c, x);
	v = command_send(h, w->c);
	crypt_wipe((char *)f->uri, strlen(f->uri));
	return v;
}

static enum hook_verdict
confirmed(struct hook *h, void *data, bool ok)
{
	struct work *w = data;

	if (!ok)
		return hook_unavailable(h);
	if (w->asked.factor.how != SECOND_FACTOR_DONE)
		return refuse(h, w);
	log_info(NULL, "second-factor-made", "jid=%s by=owner", jid_bare(h->account));
	module_end_others(h, "The account has a second factor now");
	return command_say(h, w->c, "info", "The account has a second factor, and your other clients have to log in again. For each client that cannot "
		"ask for a code make a password of its own now (\"Make a password for a device\"): this one may need it, too, when it comes back.");
}

static enum hook_verdict
run(struct hook *h, struct command *c)
{
	const struct limits *l = module_limits();
	struct session *s = module_sender(h);
	struct work *w = arena_zalloc(hook_memory(h), sizeof(*w));
	const char *code;

	w->c = c;
	w->asked.factor = (struct second_factor){ .bare = arena_strdup(hook_memory(h), jid_bare(h->account)), .by = s ? module_session_device(s) : 0,
		.steps = l->second_factor_steps, .most_wrong = l->second_factor_failures, .now_us = clock_wall_us() };
	if (!c->step)
		return hook_job(h, &w->asked, clientaccess_store_factor, made);
	code = form_value(c->form[c->step - 1], "code");
	if (!code)
		return command_bad_form(h, "the code is missing");
	w->asked.factor.code = code;
	return hook_job(h, &w->asked, clientaccess_store_confirm, confirmed);
}

static const struct module_command factor_command = {
	.node = "urn:chancery:second-factor#make",
	.name = "Second factor",
	.target = MODULE_ACCOUNT,
	.steps = TRIES,
	.run = run,
};

void
clientaccess_factor_attach(struct module *m)
{
	module_command(m, &factor_command);
}
