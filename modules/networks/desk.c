/*
 * desk: what the programs of gateways ask of the server (urn:chancery:gateway:0): their settings, and what they keep here. IQs from the gateway's own
 * domain to a host of ours; nobody else is answered. See modules/gateway/README.md for the words.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/text.h"
#include "module_service.h"
#include "networks.h"
#include "networks_store.h"
#include "xmpp/ns.h"

#define PAGE_MAX 500
#define KEY_MAX 255
#define USER_BYTES 16384
#define CREDENTIAL_BYTES 4096
#define VALUE_BYTES 65536
#define MODE_BYTES 32

/* In hook_memory. */
struct request {
	struct networks_job job; /* first: it is what the job is given */
	struct gateway *gateway;
	bool secret;             /* its value is wiped at the end */
};

static void
free_request(void *arg)
{
	struct request *r = arg;

	if (r->secret && r->job.value)
		crypt_wipe((char *)(uintptr_t)r->job.value, strlen(r->job.value));
	gateway_unref(r->gateway);
}

/* NULL: whoever asks is no gateway. */
static struct request *
request_of(struct hook *h)
{
	struct gateway *g = jid_is_domain(h->from) ? module_gateway(h->from) : NULL;
	struct request *r;

	if (!g)
		return NULL;
	r = arena_zalloc(hook_memory(h), sizeof(*r));
	r->gateway = g;
	arena_on_free(hook_memory(h), free_request, r);
	r->job.gateway = g->name;
	r->job.domain = g->domain;
	return r;
}

static enum hook_verdict
forbidden(struct hook *h)
{
	log_info(NULL, "gateway-request-refused", "from=%s", h->from ? jid_full(h->from) : "");
	return hook_reject(h, XERROR_FORBIDDEN, NULL);
}

/* Arguments */

static bool
is_removal(const struct hook *h)
{
	const char *action = elem_get(h->payload, "action");

	return action && !strcmp(action, "remove");
}

/* The bare address of an account's domain of ours; NULL: it is none. */
static const char *
user_named(struct hook *h)
{
	const char *text = elem_get(h->payload, "jid"), *bare = NULL;
	struct jid *j = text ? jid_parse_z(text) : NULL;

	if (j && jid_local(j) && module_is_local(j))
		bare = arena_strdup(hook_memory(h), jid_bare(j));
	jid_unref(j);
	return bare;
}

/* The text of the element; NULL: it is too long. */
static const char *
value_of(struct hook *h, size_t most)
{
	const char *s = elem_text(h->payload, hook_memory(h));

	return strlen(s) <= most ? s : NULL;
}

static const char *
attribute(struct hook *h, const char *name)
{
	const char *s = elem_get(h->payload, name);

	return s ? arena_strdup(hook_memory(h), s) : "";
}

static bool
read_page(struct hook *h, struct networks_job *j)
{
	const char *max = elem_get(h->payload, "max");
	uint64_t n = 100;

	if (max && !text_u64(max, strlen(max), 1, UINT32_MAX, &n))
		return false;
	j->page = n < PAGE_MAX ? (unsigned)n : PAGE_MAX;
	j->after = attribute(h, "after");
	j->prefix = attribute(h, "prefix");
	return true;
}

/* Answers */

static struct elem *
answer(struct hook *h, const char *name)
{
	struct stanza *st = hook_result(h);
	struct elem *e = elem_add(st, st->root, NS_GATEWAY, name);

	hook_reply(h, st);
	return e;
}

static enum hook_verdict
too_long(struct hook *h)
{
	return hook_reject(h, XERROR_NOT_ACCEPTABLE, "it is too long");
}

/* A change has been made. */
static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	const struct networks_job *j = data;

	if (!ok)
		return hook_unavailable(h);
	if (j->nobody)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, "there is no such person");
	if (j->full) {
		/* Waiting does not help: who waited would keep nothing else either. */
		h->error_type = "cancel";
		return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "there are as many as may be");
	}
	if (j->lost)
		return hook_reject(h, XERROR_INTERNAL_SERVER_ERROR, "there is no key for credentials");
	return hook_done(h);
}

/* Settings */

static enum hook_verdict
on_settings(struct hook *h)
{
	struct request *r = request_of(h);
	struct elem *e;

	if (!r)
		return forbidden(h);
	e = answer(h, "settings");
	elem_add_text(h->reply, e, r->gateway->settings, strlen(r->gateway->settings));
	return HOOK_HANDLED;
}

/* Users */

static enum hook_verdict
got_users(struct hook *h, void *data, bool ok)
{
	const struct networks_job *j = data;
	struct elem *list, *e;

	if (!ok)
		return hook_unavailable(h);
	list = answer(h, "users");
	elem_set(h->reply, list, "more", j->more ? "true" : "false");
	for (unsigned i = 0; i < j->n; i++) {
		e = elem_add(h->reply, list, NS_GATEWAY, "user");
		elem_set(h->reply, e, "jid", j->row[i].key);
		elem_set(h->reply, e, "mode", j->row[i].mode);
		elem_add_text(h->reply, e, j->row[i].value, strlen(j->row[i].value));
	}
	return HOOK_HANDLED;
}

static enum hook_verdict
on_users(struct hook *h)
{
	struct request *r = request_of(h);

	if (!r)
		return forbidden(h);
	if (!read_page(h, &r->job))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	return hook_job(h, r, networks_store_users, got_users);
}

/* May the account have a registration of its own, or a credential? It is asked for each, as policy may have changed since the person began, and the
 * account may have gone: what is kept would be the next one's of that name. */
struct admission {
	struct hook_who who;
	struct request *r;
	bool own;            /* it is for an account of their own at the network */
	module_work_fn put;
};

static enum hook_verdict
user_known(struct hook *h, void *data, bool ok)
{
	struct admission *a = data;
	unsigned rights;

	if (!ok)
		return hook_unavailable(h);
	rights = a->who.exists ? gateway_rights(a->r->gateway, a->who.groups, NULL) : 0;
	if (!rights || (a->own && !(rights & GATEWAY_OWN_ACCOUNT)))
		return hook_reject(h, XERROR_NOT_ALLOWED, "policy does not let this person use the network so");
	return hook_job(h, a->r, a->put, stored);
}

static void
free_jid(void *j)
{
	jid_unref(j);
}

/* Goes on when the account has been asked for its groups. */
static struct hook_who *
who_of(struct hook *h, struct hook_who *w, const char *bare)
{
	struct jid *j = jid_parse_z(bare);

	arena_on_free(hook_memory(h), free_jid, j);
	w->who = j;
	return w;
}

static enum hook_verdict
admit(struct hook *h, struct request *r, bool own, module_work_fn put)
{
	struct admission *a = arena_zalloc(hook_memory(h), sizeof(*a));

	a->r = r;
	a->own = own;
	a->put = put;
	return hook_who(h, who_of(h, &a->who, r->job.jid), a, user_known);
}

static enum hook_verdict
on_user(struct hook *h)
{
	struct request *r = request_of(h);

	if (!r)
		return forbidden(h);
	r->job.jid = user_named(h);
	r->job.mode = attribute(h, "mode");
	r->job.most = module_limits()->gateway_users;
	if (!r->job.jid || (!is_removal(h) && (!*r->job.mode || strlen(r->job.mode) > MODE_BYTES)))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (is_removal(h))
		return hook_job(h, r, networks_store_remove_user, stored);
	r->job.value = value_of(h, USER_BYTES);
	if (!r->job.value)
		return too_long(h);
	return admit(h, r, !strcmp(r->job.mode, "account"), networks_store_put_user);
}

/* Credentials */

static enum hook_verdict
got_credential(struct hook *h, void *data, bool ok)
{
	const struct networks_job *j = data;
	struct elem *e;

	if (!ok)
		return hook_unavailable(h);
	if (!j->found)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	if (j->lost)
		return hook_reject(h, XERROR_INTERNAL_SERVER_ERROR, "the credential cannot be read");
	e = answer(h, "credential");
	elem_set(h->reply, e, "jid", j->jid);
	elem_add_text(h->reply, e, j->value, strlen(j->value));
	return HOOK_HANDLED;
}

static enum hook_verdict
on_credential_set(struct hook *h)
{
	struct request *r = request_of(h);

	if (!r)
		return forbidden(h);
	r->job.jid = user_named(h);
	r->job.most = module_limits()->gateway_users;
	if (!r->job.jid)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (is_removal(h))
		return hook_job(h, r, networks_store_remove_credential, stored);
	r->job.value = value_of(h, CREDENTIAL_BYTES);
	if (!r->job.value)
		return too_long(h);
	/* The stanza's own text stays as it is until that is freed. */
	r->job.value = arena_strdup(hook_memory(h), r->job.value);
	r->secret = true;
	return admit(h, r, true, networks_store_put_credential);
}

/* Values */

static enum hook_verdict
got_value(struct hook *h, void *data, bool ok)
{
	const struct networks_job *j = data;
	struct elem *e;

	if (!ok)
		return hook_unavailable(h);
	if (!j->found)
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	e = answer(h, "data");
	elem_set(h->reply, e, "key", j->key);
	elem_add_text(h->reply, e, j->value, strlen(j->value));
	return HOOK_HANDLED;
}

static enum hook_verdict
got_values(struct hook *h, void *data, bool ok)
{
	const struct networks_job *j = data;
	struct elem *list, *e;

	if (!ok)
		return hook_unavailable(h);
	list = answer(h, "data");
	elem_set(h->reply, list, "prefix", j->prefix);
	elem_set(h->reply, list, "more", j->more ? "true" : "false");
	for (unsigned i = 0; i < j->n; i++) {
		e = elem_add(h->reply, list, NS_GATEWAY, "item");
		elem_set(h->reply, e, "key", j->row[i].key);
		elem_add_text(h->reply, e, j->row[i].value, strlen(j->row[i].value));
	}
	return HOOK_HANDLED;
}

static bool
read_key(struct hook *h, struct networks_job *j)
{
	j->key = attribute(h, "key");
	return *j->key && strlen(j->key) <= KEY_MAX;
}

static enum hook_verdict
on_data_get(struct hook *h)
{
	struct request *r = request_of(h);

	if (!r)
		return forbidden(h);
	if (elem_get(h->payload, "prefix"))
		return read_page(h, &r->job) ? hook_job(h, r, networks_store_values, got_values) : hook_reject(h, XERROR_BAD_REQUEST, NULL);
	return read_key(h, &r->job) ? hook_job(h, r, networks_store_value, got_value) : hook_reject(h, XERROR_BAD_REQUEST, NULL);
}

static enum hook_verdict
on_data_set(struct hook *h)
{
	struct request *r = request_of(h);

	if (!r)
		return forbidden(h);
	if (!read_key(h, &r->job))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	if (is_removal(h))
		return hook_job(h, r, networks_store_remove_value, stored);
	if (elem_get(h->payload, "jid") && !(r->job.jid = user_named(h)))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	r->job.most = module_limits()->gateway_values;
	r->job.value = value_of(h, VALUE_BYTES);
	if (!r->job.value)
		return too_long(h);
	return hook_job(h, r, networks_store_put_value, stored);
}

/* May they? */

struct question {
	struct hook_who who;
	struct request *r;
	unsigned right; /* 0: any */
};

static const char *
why_not(const struct question *q)
{
	unsigned rights = q->who.exists ? gateway_rights(q->r->gateway, q->who.groups, NULL) : 0;

	if (q->who.disabled)
		return "your account is disabled";
	if (!q->who.exists)
		return "there is no such person";
	if (!q->r->gateway->on)
		return "your administrator has switched this network off";
	if (!rights)
		return "your organisation does not let you use this network";
	return (rights & q->right) == q->right ? NULL : "your organisation does not let you do this at this network";
}

/* Where they are seen, for who has not heard of it for a while: <client resource=…/> is available, <client resource=… at=…/> has shown itself there. */
static void
tell_clients(struct hook *h, struct elem *may, const char *lines)
{
	char *line, *save = NULL, *copy = arena_strdup(hook_memory(h), lines);

	elem_set(h->reply, may, "clients", "true");
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct elem *e = elem_add(h->reply, may, NS_GATEWAY, "client");
		char *at = strchr(line, '\t');

		if (at) {
			*at++ = '\0';
			elem_set(h->reply, e, "at", at);
		}
		elem_set(h->reply, e, "resource", line);
	}
}

static enum hook_verdict
may_known(struct hook *h, void *data, bool ok)
{
	struct question *q = data;
	const char *why;
	struct elem *e;

	if (!ok)
		return hook_unavailable(h);
	why = why_not(q);
	e = answer(h, "may");
	if (q->who.clients)
		tell_clients(h, e, q->who.clients);
	elem_set(h->reply, e, "jid", elem_get(h->payload, "jid"));
	elem_set(h->reply, e, "action", elem_get(h->payload, "action"));
	elem_set(h->reply, e, "allowed", why ? "false" : "true");
	if (!q->who.exists && !q->who.disabled)
		elem_set(h->reply, e, "nobody", "true");
	if (why)
		elem_add_text(h->reply, e, why, strlen(why));
	return HOOK_HANDLED;
}

static enum hook_verdict
on_may(struct hook *h)
{
	const char *action = elem_get(h->payload, "action"), *bare;
	struct request *r = request_of(h);
	struct question *q;

	if (!r)
		return forbidden(h);
	bare = user_named(h);
	q = arena_zalloc(hook_memory(h), sizeof(*q));
	q->r = r;
	q->who.seen_at = r->job.domain;
	q->right = action ? gateway_right_find(action) : 0;
	if (!bare || !action || (!q->right && strcmp(action, "use") != 0))
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	return hook_who(h, who_of(h, &q->who, bare), q, may_known);
}

/* What it says of itself */

/* -1: not a counter or a level. */
static int
read_stat(const struct elem *e, struct gateway_stat *s)
{
	const char *name = elem_get(e, "name"), *value = elem_get(e, "value");

	s->counter = !strcmp(e->name, "counter");
	if (e->ns != NS_GATEWAY || (!s->counter && strcmp(e->name, "level") != 0) || !name || !gateway_stat_is_name(name) || !value ||
		!text_i64(value, strlen(value), INT64_MIN, INT64_MAX, &s->value))
		return -1;
	strcpy(s->name, name);
	return 0;
}

static enum hook_verdict
on_stats(struct hook *h)
{
	struct request *r = request_of(h);
	struct gateway_stat list[GATEWAY_STATS_MAX];
	unsigned n = 0;

	if (!r)
		return forbidden(h);
	for (const struct elem *e = elem_first(h->payload); e; e = elem_next(e, NULL, NULL)) {
		if (n == GATEWAY_STATS_MAX)
			return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "there are too many");
		if (read_stat(e, &list[n++]))
			return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	}
	gateway_stats_set(r->gateway->name, list, n);
	return hook_done(h);
}

/* Everybody has been told that the network is switched off. */
static enum hook_verdict
on_off(struct hook *h)
{
	struct request *r = request_of(h);

	if (!r)
		return forbidden(h);
	gateway_is_off(r->gateway->name);
	return hook_done(h);
}

/* The credential, which only who may use it gets: also a program that begins, and has not asked. */

static enum hook_verdict
owner_known(struct hook *h, void *data, bool ok)
{
	struct question *q = data;
	const char *why;

	if (!ok)
		return hook_unavailable(h);
	why = why_not(q);
	if (!why)
		return hook_job(h, q->r, networks_store_credential, got_credential);
	return hook_reject(h, q->who.exists || q->who.disabled ? XERROR_FORBIDDEN : XERROR_ITEM_NOT_FOUND, why);
}

static enum hook_verdict
on_credential_get(struct hook *h)
{
	struct request *r = request_of(h);
	struct question *q;

	if (!r)
		return forbidden(h);
	r->job.jid = user_named(h);
	r->secret = true;
	if (!r->job.jid)
		return hook_reject(h, XERROR_BAD_REQUEST, NULL);
	q = arena_zalloc(hook_memory(h), sizeof(*q));
	q->r = r;
	q->right = GATEWAY_OWN_ACCOUNT;
	return hook_who(h, who_of(h, &q->who, r->job.jid), q, owner_known);
}

int
networks_desk_attach(struct module *m)
{
	static const struct {
		enum module_iq type;
		const char *name;
		hook_fn fn;
	} handlers[] = {
		{ MODULE_IQ_GET, "settings", on_settings }, { MODULE_IQ_GET, "users", on_users }, { MODULE_IQ_SET, "user", on_user },
		{ MODULE_IQ_GET, "credential", on_credential_get }, { MODULE_IQ_SET, "credential", on_credential_set },
		{ MODULE_IQ_GET, "data", on_data_get }, { MODULE_IQ_SET, "data", on_data_set }, { MODULE_IQ_GET, "may", on_may },
		{ MODULE_IQ_SET, "stats", on_stats }, { MODULE_IQ_SET, "off", on_off },
	};

	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++)
		if (module_on_iq(m, handlers[i].type, NS_GATEWAY, handlers[i].name, MODULE_SERVER, handlers[i].fn))
			return -1;
	return 0;
}
