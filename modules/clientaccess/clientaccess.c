/*
 * clientaccess: Client Access Management (XEP-0494): the owner of an account sees what has access to it, and takes it away.
 *
 * A device that said who it is (XEP-0388) has its number as id; a session that did not, or whose device has been forgotten, is
 * shown by its resource, as "/RESOURCE". Revoking ends sessions and tokens at once; what a client knows of the password only another password
 * ends, and the answer says so (§3.2).
 */
#include "clientaccess.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "clientaccess_store.h"

#define NS_CAM "urn:xmpp:cam:0"

/* Listing (§3.1) */

struct client {
	const char *id;
	bool connected, password, token;
	int64_t first_us, last_us;
	const char *software, *device;
};

static void
add_text(struct stanza *st, struct elem *parent, const char *name, const char *text)
{
	if (text)
		elem_add_text(st, elem_add(st, parent, NULL, name), text, strlen(text));
}

/* Without fractions, as in the examples: nobody needs to know the millisecond. */
static void
add_time(struct stanza *st, struct elem *parent, const char *name, int64_t us)
{
	char text[32];

	clock_format(us, text);
	memcpy(text + 19, "Z", 2);
	add_text(st, parent, name, text);
}

static void
add_client(struct stanza *st, struct elem *list, const struct client *c)
{
	struct elem *e = elem_add(st, list, NULL, "client"), *in;

	elem_set(st, e, "connected", c->connected ? "true" : "false");
	elem_set(st, e, "id", c->id);
	elem_set(st, e, "type", "session");
	add_time(st, e, "first-seen", c->first_us);
	add_time(st, e, "last-seen", c->last_us);
	in = elem_add(st, e, NULL, "auth");
	if (c->password)
		(void)elem_add(st, in, NULL, "password");
	if (c->token)
		(void)elem_add(st, in, NULL, "fast");
	elem_set(st, elem_add(st, e, NULL, "permission"), "status", "unrestricted");
	if (!c->software && !c->device)
		return;
	in = elem_add(st, e, NULL, "user-agent");
	add_text(st, in, "software", c->software);
	add_text(st, in, "device", c->device);
}

/* Its sessions say better than the table when it was used last. */
static void
add_device(struct hook *h, struct stanza *st, struct elem *list, const struct device_row *d)
{
	struct client c = { .password = d->password || d->own, .token = d->token, .first_us = d->first_us, .last_us = d->last_us,
		.software = d->software, .device = d->device, .id = arena_printf(h->arena, "%lld", (long long)d->id) };
	struct session **all;
	unsigned n = module_sessions(h, &all);

	for (unsigned i = 0; i < n; i++)
		if (module_session_device(all[i]) == d->id) {
			int64_t active = module_session_active_us(all[i]);

			c.connected = true;
			c.last_us = active > c.last_us ? active : c.last_us;
		}
	if (c.connected || c.password || c.token)
		add_client(st, list, &c);
}

static void
add_session(struct hook *h, struct stanza *st, struct elem *list, const struct session *s)
{
	struct client c = { .connected = true, .password = true, .first_us = module_session_since_us(s),
		.last_us = module_session_active_us(s) };

	c.id = arena_printf(h->arena, "/%s", jid_resource(module_session_jid(s)));
	add_client(st, list, &c);
}

/* Not of one that is connected and has been forgotten for newer ones (limits.devices_per_account). */
static bool
is_row(const struct clientaccess_list *l, int64_t device)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->rows[i].id == device)
			return true;
	return false;
}

static enum hook_verdict
listed(struct hook *h, void *data, bool ok)
{
	const struct clientaccess_list *l = data;
	struct session **all;
	unsigned n = module_sessions(h, &all);
	struct stanza *st;
	struct elem *list;

	if (!ok)
		return hook_unavailable(h);
	st = hook_result(h);
	list = elem_add(st, st->root, NS_CAM, "clients");
	for (size_t i = 0; i < l->n; i++)
		add_device(h, st, list, &l->rows[i]);
	for (unsigned i = 0; i < n; i++)
		if (!is_row(l, module_session_device(all[i])))
			add_session(h, st, list, all[i]);
	hook_reply(h, st);
	return HOOK_HANDLED;
}

static enum hook_verdict
on_list(struct hook *h)
{
	struct clientaccess_list *l;

	if (module_relation(h) != MODULE_SELF)
		return HOOK_NEXT;
	l = arena_zalloc(hook_memory(h), sizeof(*l));
	l->bare = arena_strdup(hook_memory(h), jid_bare(h->account));
	return hook_job(h, l, clientaccess_store_list, listed);
}

/* Revoking (§3.2) */

static enum hook_verdict
still_has_password(struct hook *h)
{
	return hook_reject_with(h, XERROR_SERVICE_UNAVAILABLE, NS_CAM, "password-reset-required");
}

static enum hook_verdict
revoked(struct hook *h, void *data, bool ok)
{
	const struct clientaccess_revoke *r = data;

	if (!ok)
		return hook_unavailable(h);
	if (!r->found)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	module_device_revoked(h, r->id);
	return r->password ? still_has_password(h) : hook_done(h);
}

static struct session *
session_of(struct hook *h, const char *resource)
{
	struct session **all;
	unsigned n = module_sessions(h, &all);

	for (unsigned i = 0; i < n; i++)
		if (!strcmp(jid_resource(module_session_jid(all[i])), resource))
			return all[i];
	return NULL;
}

static enum hook_verdict
may_close(struct hook *h, void *data, bool ok)
{
	const struct clientaccess_close *c = data;
	struct session *s = session_of(h, c->resource);

	if (!ok)
		return hook_unavailable(h);
	if (s)
		module_session_end(s, "access was revoked");
	return still_has_password(h);
}

static enum hook_verdict
end_session(struct hook *h, const char *resource)
{
	struct clientaccess_close *c;

	if (!session_of(h, resource))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	c = arena_zalloc(hook_memory(h), sizeof(*c));
	c->bare = arena_strdup(hook_memory(h), jid_bare(h->account));
	c->by = arena_strdup(hook_memory(h), jid_resource(h->from));
	c->resource = arena_strdup(hook_memory(h), resource);
	return hook_job(h, c, clientaccess_store_close, may_close);
}

static enum hook_verdict
on_revoke(struct hook *h)
{
	const char *id = elem_get(h->payload, "id");
	struct clientaccess_revoke *r;
	int64_t number;

	if (module_relation(h) != MODULE_SELF)
		return HOOK_NEXT;
	if (!id || !*id)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (*id == '/')
		return end_session(h, id + 1);
	if (!text_i64(id, strlen(id), 1, INT64_MAX, &number))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	r = arena_zalloc(hook_memory(h), sizeof(*r));
	r->bare = arena_strdup(hook_memory(h), jid_bare(h->account));
	r->by = arena_strdup(hook_memory(h), jid_resource(h->from));
	r->id = number;
	return hook_job(h, r, clientaccess_store_revoke, revoked);
}

static int
attach(struct module *m)
{
	clientaccess_password_attach(m);
	clientaccess_factor_attach(m);
	module_offers(m, NS_CAM, MODULE_ACCOUNT);
	if (module_on_iq(m, MODULE_IQ_GET, NS_CAM, "list", MODULE_ACCOUNT, on_list))
		return -1;
	return module_on_iq(m, MODULE_IQ_SET, NS_CAM, "revoke", MODULE_ACCOUNT, on_revoke);
}

const struct module_def clientaccess_module = {
	.name = "clientaccess",
	.about = "Client Access Management (XEP-0494)",
	.attach = attach,
};
