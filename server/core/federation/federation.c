/*
 * federation: what may leave, and the way of a packet to the home of its domain; start and stop.
 *
 * What our users, services and components send to other domains is asked twice: in their lane (federation_may_leave), before it is recorded, where
 * its sender is told what is wrong in words; and on its way out (federation_deliver), which also what passes no lane takes: presence of accounts,
 * answers, what rooms tell those who are elsewhere.
 */
#include "core/federation/federation.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/crypt.h"
#include "core/component/component.h"
#include "core/federation/outbox.h"
#include "core/federation/pass.h"
#include "core/federation/route.h"
#include "core/federation/s2s_priv.h"
#include "core/federation/trust.h"
#include "core/home.h"
#include "core/host.h"
#include "core/roster/withheld.h"
#include "core/route/router.h"
#include "core/service/service.h"
#include "core/user.h"
#include "net/dns.h"
#include "xmpp/ns.h"

bool
federation_is_remote(const struct jid *j)
{
	return !host_is_local(j) && !service_of(j) && !component_is(j);
}

static struct reactor *
home_of_domain(const char *domain)
{
	return reactor_at((unsigned)(crypt_hash(domain, strlen(domain)) % reactor_count()));
}

/* May it leave? */

static bool
refuse(const struct packet *p, enum xerror e, const char *type, const char *why, const char *text)
{
	partner_refused(jid_domain(p->to), PARTNER_OUT, why, NULL);
	router_refuse(p, e, type, text);
	return false;
}

static bool
refuse_domain(const struct packet *p, const char *why)
{
	const struct config *c = home_config();
	char text[512];

	if (!c->federation.on)
		return refuse(p, XERROR_REMOTE_SERVER_NOT_FOUND, NULL, "off", "this server does not talk to other servers");
	snprintf(text, sizeof(text), "%.255s is not allowed here%s%s; ask %.100s", jid_domain(p->to), why ? ": " : "", why ? why : "",
		c->federation.contact);
	return refuse(p, XERROR_NOT_ALLOWED, NULL, "not-allowed", text);
}

/* Elements of the servers' own namespace in what somebody wrote would turn into the stanza's own on the way, into a body that is not in the
 * record, say. */
static bool
pretends(const struct stanza *st)
{
	for (const struct elem *e = st->root; e; e = elem_walk(st->root, e))
		if (e->ns == NS_SERVER)
			return true;
	return false;
}

bool
federation_may_leave(struct packet *p, const struct user *u)
{
	const struct partner *pt;
	struct pass_refusal r = { 0 };
	const char *why = NULL;

	/* What ends something takes effect here in any case. */
	if (pass_is_farewell(p))
		return true;
	pt = home_config()->federation.on ? partner_find(jid_domain(p->to), PARTNER_OUT, &why) : NULL;
	if (!pt)
		return refuse_domain(p, why);
	if (pretends(p->st))
		return refuse(p, XERROR_BAD_REQUEST, NULL, "namespace", "elements of jabber:server are servers' own");
	p->may_leave = pass_out(pt, p, u, &r);
	return p->may_leave || refuse(p, r.error, r.type, r.why, r.text);
}

/* On its way */

static void
arrive(struct mail *m)
{
	route_send(LIST_ENTRY(m, struct packet, mail));
}

/* Presence that may not leave is not sent, which nobody need be told: it would be an error for each contact. */
static void
drop(struct packet *p, const struct pass_refusal *r)
{
	outbox_returned(p);
	if (p->kind == PACKET_PRESENCE)
		withheld_note(p->to);
	else if (p->from && !federation_is_remote(p->from))
		router_refuse(p, r->error, r->type, r->text);
	packet_unref(p);
}

/* Whose account it comes from: where it has just left its session, its roster, its inbox, that is here. */
static const struct user *
sender_here(const struct packet *p)
{
	return jid_local(p->from) && home_of(p->from) == reactor_current() ? user_find(p->from) : NULL;
}

void
federation_deliver(struct packet *p)
{
	const struct partner *pt = home_config()->federation.on ? partner_find(jid_domain(p->to), PARTNER_OUT, NULL) : NULL;
	struct pass_refusal r = { .error = XERROR_NOT_ALLOWED, .text = "this domain is not allowed here" };

	/* Nothing goes from one server to another through us. */
	if (!p->from || federation_is_remote(p->from) || !pt ||
		(!p->may_leave && !pass_out_late(pt, p, pt->nwho ? sender_here(p) : NULL, &r))) {
		drop(p, &r);
		return;
	}
	p->mail.run = arrive;
	reactor_post(home_of_domain(jid_domain(p->to)), &p->mail);
}

/* On each home: streams that may no longer be, who is in rooms, whom people see. */
static void
partners_changed(void)
{
	route_partners_changed();
	service_partners_changed();
	withheld_review();
}

/* Start and stop */

int
federation_start(const struct config *c, struct err *e)
{
	struct dns_settings d = { .servers = c->federation.dns, .anchors = c->federation.dns_anchors,
		.timeout_ms = (unsigned)c->federation.dns_timeout_ms, .waiting = (unsigned)c->limits.dns_questions };

	/* Others ask for names, too (core/file/fetch). */
	if (dns_start(&d, e))
		return -1;
	if (c->federation.on) {
		partner_on_change(partners_changed);
		if (trust_load(c, e) || partner_load(e))
			return -1;
	}
	return outbox_start(c, e);
}

int
federation_reload(const struct config *c, struct err *e)
{
	dns_set_waiting((unsigned)c->limits.dns_questions);
	return c->federation.on ? trust_load(c, e) : 0;
}

void
federation_stop(void)
{
	dns_stop();
	partner_stop();
	trust_stop();
	pass_rate_stop();
}

void
federation_accept(int fd, const struct sockaddr *peer, void *direct_tls)
{
	struct s2s *s = s2s_new(false, NULL, NULL);

	if (!s) {
		close(fd);
		return;
	}
	s->direct_tls = *(bool *)direct_tls;
	if (s2s_take(s, fd, peer) && s->direct_tls)
		s2s_start_tls(s, 0);
}

/* Each reactor */

void
federation_home_start(void)
{
	s2s_home_start();
	route_home_start();
	trust_home_start();
	partner_home_start();
	outbox_home_start();
}

void
federation_home_reload(void)
{
	route_partners_changed();
}

void
federation_home_quiet(void)
{
	s2s_home_quiet();
}

unsigned
federation_home_shutdown(void)
{
	unsigned left;

	/* First, so that what is lost with a stream is not tried again. */
	route_home_shutdown();
	left = s2s_home_shutdown();
	route_home_shutdown();
	return left;
}

void
federation_home_flush(void)
{
	outbox_home_flush();
	partner_home_flush();
}

void
federation_home_stop(void)
{
	s2s_home_stop();
	route_home_stop();
	outbox_home_stop();
	withheld_home_stop();
	partner_home_stop();
	trust_home_stop();
}
