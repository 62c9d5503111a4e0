/*
 * face: what modules ask of accounts and sessions, and how they send (module.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/everyone.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module/modules.h"
#include "core/roster/presence.h"
#include "core/roster/roster.h"
#include "core/route/content.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/stream/auth.h"
#include "core/user.h"
#include "module_file.h"
#include "xmpp/domain.h"

/* Settings and domains */

const struct module_settings *
module_settings(void)
{
	return &home_config()->modules;
}

const struct limits *
module_limits(void)
{
	return &home_config()->limits;
}

bool
module_is_local(const struct jid *j)
{
	return host_is_local(j);
}

const char *
module_domain(unsigned n)
{
	const struct host *h = host_at(n);

	return h ? h->domain : NULL;
}

bool
module_web_base(const char *domain, struct buf *out)
{
	const struct config *c = home_config();
	const char *port;
	char ascii[1024];

	if (!c->listen.https.n)
		return false;
	if (*c->web.url) {
		buf_adds(out, c->web.url);
		return true;
	}
	if (domain_to_ascii(domain, ascii, sizeof(ascii)) < 0)
		snprintf(ascii, sizeof(ascii), "%s", domain);
	buf_addf(out, "https://%s", ascii);
	port = strrchr(c->listen.https.item[0], ':');
	if (port && strcmp(port, ":443") != 0)
		buf_adds(out, port);
	return true;
}

bool
module_proxy(const char *domain, struct buf *host, unsigned *port)
{
	struct config *c = config_get(); /* attach asks, too, outside of any home */
	const char *first = c->listen.proxy65.n ? strrchr(c->listen.proxy65.item[0], ':') : NULL;
	char ascii[1024];

	if (first) {
		*port = c->files.proxy_port ? (unsigned)c->files.proxy_port : (unsigned)strtoul(first + 1, NULL, 10);
		if (domain_to_ascii(domain, ascii, sizeof(ascii)) < 0)
			snprintf(ascii, sizeof(ascii), "%s", domain);
		buf_adds(host, *c->files.proxy_host ? c->files.proxy_host : ascii);
	}
	config_unref(c);
	return first != NULL;
}

/* The account */

enum module_relation
module_relation_of(const struct hook *h, const struct jid *who)
{
	return modules_relation(h->user, who);
}

enum module_relation
module_relation(const struct hook *h)
{
	return modules_relation(h->user, h->from);
}

static const struct roster_item *
contact(const struct hook *h, const struct jid *who)
{
	if (!h->user || h->user->state != USER_READY || !h->user->roster || !who)
		return NULL;
	return roster_find(h->user->roster, who);
}

bool
module_follows(const struct hook *h, const struct jid *who)
{
	const struct roster_item *i = contact(h, who);

	return (i && i->subscription & SUB_TO) || (h->account && jid_equal_bare(h->account, who));
}

bool
module_contact_in(const struct hook *h, const struct jid *who, const char *group)
{
	const struct roster_item *i = contact(h, who);

	if (!i || !i->listed)
		return false;
	if (!group)
		return true;
	for (unsigned g = 0; g < i->ngroups; g++)
		if (!strcmp(i->groups[g], group))
			return true;
	return false;
}

bool
module_account_available(const struct hook *h)
{
	return h->user && h->user->state == USER_READY && user_priority(h->user) >= -128;
}

int64_t
module_account_last_seen_us(const struct hook *h)
{
	return h->user ? h->user->last_seen_us : 0;
}

const char *
module_account_last_status(const struct hook *h)
{
	return h->user ? h->user->last_status : NULL;
}

int64_t
module_account_created_us(const struct hook *h)
{
	return h->user ? h->user->created_us : 0;
}

/* Its sessions */

unsigned
module_sessions(const struct hook *h, struct session ***out)
{
	struct everyone all = { 0 };

	if (h->user)
		all = everyone(h->user);
	*out = all.session;
	return all.n;
}

struct session *
module_session(const struct hook *h, const struct jid *full)
{
	if (!h->user || !full || !jid_resource(full) || !jid_equal_bare(full, h->user->jid))
		return NULL;
	return user_session(h->user, jid_resource(full));
}

const struct jid *
module_session_jid(const struct session *s)
{
	return s->jid;
}

int
module_session_priority(const struct session *s)
{
	return session_is_available(s) ? s->priority : -129;
}

bool
module_session_is_attached(const struct session *s)
{
	return s->stream != NULL;
}

bool
module_session_is_over(const struct session *s)
{
	return s->closing;
}

const struct stanza *
module_session_presence(const struct session *s)
{
	return s->presence ? s->presence->st : NULL;
}

int64_t
module_session_device(const struct session *s)
{
	return s->device;
}

int64_t
module_session_since_us(const struct session *s)
{
	return s->since_us;
}

int64_t
module_session_active_us(const struct session *s)
{
	return s->active_us;
}

void
module_session_end(struct session *s, const char *text)
{
	session_close(s, XSTREAM_NOT_AUTHORIZED, text);
}

void
module_device_revoked(struct hook *h, int64_t device)
{
	struct session **all;
	unsigned n;

	auth_revoked(jid_bare(h->account));
	n = module_sessions(h, &all);
	for (unsigned i = 0; i < n; i++)
		if (all[i]->device == device && !all[i]->closing)
			module_session_end(all[i], "access was revoked");
}

void
module_end_others(struct hook *h, const char *text)
{
	const struct session *but = module_sender(h);
	struct session **all;
	unsigned n;

	auth_revoked(jid_bare(h->account));
	n = module_sessions(h, &all);
	for (unsigned i = 0; i < n; i++)
		if (all[i] != but && !all[i]->closing)
			module_session_end(all[i], text);
}

/* Sending */

void
module_send(struct stanza *st, const struct jid *from, const struct jid *to)
{
	if (st->sealed) {
		struct stanza *own = stanza_copy(st);

		stanza_unref(st);
		st = own;
	}
	elem_set(st, st->root, "from", jid_full(from));
	elem_set(st, st->root, "to", jid_full(to));
	router_send(packet_new(st, (struct jid *)from, (struct jid *)to));
}

void
module_session_present(struct session *s, struct stanza *st)
{
	if (session_is_available(s) && !s->closing)
		presence_broadcast(s, packet_new(stanza_seal(st), s->jid, NULL));
	else
		stanza_unref(st);
}

void
module_session_give(struct session *s, struct stanza *st, uint64_t record_id)
{
	const char *address = elem_get(st->root, "from");
	struct jid *from = address ? jid_parse_z(address) : NULL;
	struct packet *p;

	if (!st->sealed)
		elem_set(st, st->root, "to", jid_full(s->jid));
	p = packet_new(st, from, s->jid);
	p->readdressed = true;
	p->record_id = record_id;
	session_send(s, p);
	packet_unref(p);
	jid_unref(from);
}

bool
module_must_record(const struct stanza *message)
{
	return home_config()->archive.typing || content_is_any(message);
}

/* To many */

void
module_tell(struct stanza *st, const struct jid *from, const struct jid *to)
{
	struct packet *p = packet_new(stanza_ref(stanza_seal(st)), (struct jid *)from, (struct jid *)to);

	p->readdressed = true;
	router_send(p);
}

struct telling {
	struct hook of;
	struct packet *p;
	bool (*want)(void *arg, const struct jid *contact);
	void *arg;
};

static void
tell_contact(const struct roster_item *i, void *arg)
{
	struct telling *t = arg;

	if (!(i->subscription & SUB_FROM) || !jid_is_bare(i->jid) || (t->want && !t->want(t->arg, i->jid)))
		return;
	t->of.to = i->jid;
	if (!modules_want(HOOK_PRESENCE_TO) || modules_run(&t->of, t->of.user) == HOOK_NEXT)
		router_send(packet_readdress(t->p, i->jid));
}

void
module_tell_some_contacts(struct hook *h, struct stanza *st, const struct jid *from, bool own,
	bool (*want)(void *arg, const struct jid *contact), void *arg)
{
	struct user *u = h->user;
	struct telling t = { .want = want, .arg = arg };

	if (!u || u->state != USER_READY) {
		stanza_unref(st);
		return;
	}
	elem_set(st, st->root, "from", jid_full(from));
	t.p = packet_new(st, (struct jid *)from, NULL);
	t.of = (struct hook){ .stage = HOOK_PRESENCE_TO, .stanza = st, .from = from, .account = u->jid, .user = u };
	if (own)
		router_send(packet_readdress(t.p, u->jid));
	if (u->roster)
		roster_each(u->roster, tell_contact, &t);
	packet_unref(t.p);
}
