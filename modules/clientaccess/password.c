/*
 * password: commands (XEP-0050) by which the owner of an account makes a password for one client, and ends it. It stands in the list of clients
 * (XEP-0494) like any other.
 *
 * Who came in by such a password makes none: a client that is taken from its owner would get access that outlives its own.
 */
#include "clientaccess.h"

#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/text.h"
#include "clientaccess_store.h"
#include "xmpp/form.h"

/* A command under way, in hook_memory: first what its job is given. */
struct making {
	struct clientaccess_password made;
	struct command *c;
};

struct listing {
	struct clientaccess_list list;
	struct command *c;
};

struct revoking {
	struct clientaccess_revoke revoke;
	struct command *c;
};

static const char *
own_bare(struct hook *h)
{
	return arena_strdup(hook_memory(h), jid_bare(h->account));
}

/* Making */

static const char *
refusal(enum device_password_how how)
{
	switch (how) {
	case DEVICE_PASSWORD_MADE:
		break;
	case DEVICE_PASSWORD_NOBODY:
		return "the account has no password";
	case DEVICE_PASSWORD_TOO_MANY:
		return "the account has as many passwords of devices as it may have: revoke one first";
	case DEVICE_PASSWORD_BY_ITSELF:
		return "you have logged in with a device's password: do it from a client that has logged in with the account's";
	}
	return NULL;
}

static enum hook_verdict
made(struct hook *h, void *data, bool ok)
{
	struct making *w = data;
	struct device_password *p = &w->made.password;
	enum hook_verdict v;
	struct elem *x;

	if (!ok)
		return hook_unavailable(h);
	if (p->how != DEVICE_PASSWORD_MADE)
		return command_say(h, w->c, "error", refusal(p->how));
	log_info(NULL, "device-password-made", "jid=%s id=%lld", jid_bare(h->account), (long long)p->id);
	x = command_result(w->c, w->c->def->name);
	form_add(w->c->answer, x, "text-single", "name", "Device", p->name);
	form_add(w->c->answer, x, "text-single", "password", "Password", p->text);
	command_note(w->c, "info", "It is shown this once. Enter it in that client in place of your password, and in no other.");
	v = command_send(h, w->c);
	crypt_wipe(p->text, sizeof(p->text));
	return v;
}

static enum hook_verdict
make(struct hook *h, struct command *c)
{
	const char *name;
	struct making *w;
	struct elem *x;

	if (!c->step) {
		x = command_form(c, c->def->name, "A password for one client, which you can revoke without changing your own.");
		x = form_add(c->answer, x, "text-single", "name", "Name of the device", NULL);
		form_require(c->answer, x);
		return command_send(h, c);
	}
	name = form_value(c->form[0], "name");
	if (!name || !device_password_is_name(name))
		return command_bad_form(h, "a device has a name of 1 to 128 bytes");
	w = arena_zalloc(hook_memory(h), sizeof(*w));
	w->c = c;
	w->made.password = (struct device_password){ .bare = own_bare(h), .name = name, .by = module_sender(h) ? module_session_device(module_sender(h)) : 0,
		.most = module_limits()->device_passwords };
	return hook_job(h, &w->made, clientaccess_store_password, made);
}

/* Revoking */

static enum hook_verdict
listed(struct hook *h, void *data, bool ok)
{
	struct listing *w = data;
	struct elem *x, *field;
	unsigned n = 0;
	char last[32];

	if (!ok)
		return hook_unavailable(h);
	for (size_t i = 0; i < w->list.n; i++)
		n += w->list.rows[i].own;
	if (!n)
		return command_say(h, w->c, "info", "No device has a password of its own.");
	x = command_form(w->c, w->c->def->name, "Its sessions end at once.");
	field = form_add(w->c->answer, x, "list-single", "id", "Device", NULL);
	form_require(w->c->answer, field);
	for (size_t i = 0; i < w->list.n; i++) {
		const struct device_row *d = &w->list.rows[i];

		if (d->own)
			form_add_option(w->c->answer, field, arena_printf(h->arena, "%s (last used %s)", d->device ? d->device : "",
				d->last_us > d->first_us ? clock_format(d->last_us, last) : "never"),
				arena_printf(h->arena, "%lld", (long long)d->id));
	}
	return command_send(h, w->c);
}

static enum hook_verdict
show_list(struct hook *h, struct command *c)
{
	struct listing *w = arena_zalloc(hook_memory(h), sizeof(*w));

	w->c = c;
	w->list.bare = own_bare(h);
	return hook_job(h, &w->list, clientaccess_store_list, listed);
}

static enum hook_verdict
revoked(struct hook *h, void *data, bool ok)
{
	struct revoking *w = data;

	if (!ok)
		return hook_unavailable(h);
	if (!w->revoke.found)
		return command_bad_form(h, "no such device");
	module_device_revoked(h, w->revoke.id);
	return command_say(h, w->c, "info", "The password is revoked.");
}

static enum hook_verdict
revoke(struct hook *h, struct command *c)
{
	struct revoking *w;
	const char *id;

	if (!c->step)
		return show_list(h, c);
	w = arena_zalloc(hook_memory(h), sizeof(*w));
	w->c = c;
	id = form_value(c->form[0], "id");
	if (!id || !text_i64(id, strlen(id), 1, INT64_MAX, &w->revoke.id))
		return command_bad_form(h, "no such device");
	w->revoke.bare = own_bare(h);
	w->revoke.by = arena_strdup(hook_memory(h), jid_resource(h->from));
	return hook_job(h, &w->revoke, clientaccess_store_revoke, revoked);
}

static const struct module_command make_command = {
	.node = "urn:chancery:device-password#make",
	.name = "Make a password for a device",
	.target = MODULE_ACCOUNT,
	.steps = 1,
	.run = make,
};

static const struct module_command revoke_command = {
	.node = "urn:chancery:device-password#revoke",
	.name = "Revoke a device's password",
	.target = MODULE_ACCOUNT,
	.steps = 1,
	.run = revoke,
};

void
clientaccess_password_attach(struct module *m)
{
	module_command(m, &make_command);
	module_command(m, &revoke_command);
}
