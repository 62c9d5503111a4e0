/*
 * pass: a stanza against its partner's entry: kinds, who, rates; and the words for it.
 */
#include "core/federation/pass.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/metric.h"
#include "core/config/config.h"
#include "core/host.h"
#include "core/route/content.h"
#include "core/user.h"

static const struct {
	enum partner_pass bit;
	const char *why, *what;
} kinds[] = {
	{ PASS_FILES, "files", "files, and links to files," },
	{ PASS_CALLS, "calls", "calls" },
	{ PASS_ROOMS, "rooms", "group chat" },
	{ PASS_PUBSUB, "pubsub", "publish-subscribe" },
	{ PASS_PRESENCE, "presence", "presence and subscriptions" },
	{ PASS_MESSAGES, "messages", "messages" },
};

static struct config *
settings(void)
{
	struct config *c = config_get();

	assert(c);
	return c;
}

static bool
refuse(struct pass_refusal *r, enum xerror e, const char *type, const char *why)
{
	r->error = e;
	r->type = type;
	r->why = why;
	r->text = r->words;
	metric_add(METRIC_PASS_REFUSED, 1);
	return false;
}

/* Kinds */

static bool
kind_passes(unsigned lacking, const char *domain, struct pass_refusal *r)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!(lacking & kinds[i].bit))
			continue;
		snprintf(r->words, sizeof(r->words), "%s may not be exchanged with %s", kinds[i].what, domain);
		return refuse(r, XERROR_NOT_ALLOWED, NULL, kinds[i].why);
	}
	return true;
}

/* Our users are told whom to ask. */
static void
add_contact(struct pass_refusal *r)
{
	struct config *c = settings();
	size_t n = strlen(r->words);

	snprintf(r->words + n, sizeof(r->words) - n, "; ask %s", c->federation.contact);
	config_unref(c);
}

/* To an occupant there goes presence that says nothing of rooms: another nick, another status (XEP-0045 §7.6, §7.7). */
static bool
may_be_for_room(const struct packet *p)
{
	return p->kind == PACKET_PRESENCE && p->type == TYPE_NONE && p->to && !jid_is_bare(p->to) && jid_local(p->to);
}

static unsigned
lacks(const struct partner *pt, const struct packet *p)
{
	unsigned lacking = pass_needs(p) & ~pt->pass;

	/* A room's error may bring back what was said to all. */
	return p->type == TYPE_ERROR && (pt->pass & PASS_ROOMS) ? lacking & ~(unsigned)PASS_MESSAGES : lacking;
}

static bool
pass_out_kind(const struct partner *pt, const struct packet *p, struct pass_refusal *r)
{
	unsigned lacking = lacks(pt, p);

	if (lacking == PASS_PRESENCE && (pt->pass & PASS_ROOMS) && may_be_for_room(p))
		return true;
	return kind_passes(lacking, jid_domain(p->to), r);
}

/* Rates */

/* What people say, where they say it: the copies of what was said in a room are not said again. */
static bool
is_counted(const struct packet *p)
{
	if (p->kind != PACKET_MESSAGE || (p->type == TYPE_ERROR && !pass_needs(p)) || !content_is_any(p->st))
		return false;
	return p->type != TYPE_GROUPCHAT || (p->to && jid_is_bare(p->to));
}

static bool
is_over_rate(struct pass_refusal *r, uint64_t per_minute, const char *whose, const char *domain)
{
	snprintf(r->words, sizeof(r->words), "no more than %llu messages a minute %s %s, try again later", (unsigned long long)per_minute,
		whose, domain);
	metric_add(METRIC_RATE_REFUSED, 1);
	return refuse(r, XERROR_POLICY_VIOLATION, "wait", "rate");
}

static bool
rate_allows(const struct partner *pt, const struct packet *p, enum partner_direction d, struct pass_refusal *r)
{
	struct config *c;
	uint64_t max;
	bool out = d == PARTNER_OUT;
	const char *domain = jid_domain(out ? p->to : p->from);

	if ((!pt->per_minute && !pt->user_per_minute) || !p->from || !is_counted(p))
		return true;
	c = settings();
	max = c->limits.partner_rates;
	config_unref(c);
	if (!pass_rate_take(pt->id, d, jid_bare(p->from), pt->user_per_minute, max))
		return is_over_rate(r, pt->user_per_minute, out ? "may go from one user to" : "are taken from one user of", domain);
	if (pass_rate_take(pt->id, d, "", pt->per_minute, max))
		return true;
	pass_rate_return(pt->id, d, jid_bare(p->from), pt->user_per_minute);
	return is_over_rate(r, pt->per_minute, out ? "may go to" : "are taken from", domain);
}

/* Who */

static bool
is_for_account(const struct partner *pt, const struct user *u, const char *domain, struct pass_refusal *r, bool out)
{
	if (!pt->nwho || partner_is_for(pt, jid_bare(u->jid), u->groups))
		return true;
	snprintf(r->words, sizeof(r->words), out ? "only some people here may write to %s" : "this address does not exchange messages with %s",
		domain);
	return refuse(r, XERROR_NOT_ALLOWED, NULL, "who");
}

/* What ends something, or says that something did not work, is not asked who said it. */
static bool
is_asked_who(const struct packet *p)
{
	return (p->type != TYPE_ERROR || pass_needs(p)) && !pass_is_farewell(p);
}

/* The ways */

bool
pass_out_late(const struct partner *pt, const struct packet *p, const struct user *u, struct pass_refusal *r)
{
	bool account = u && !u->service && is_asked_who(p);

	return pass_out_kind(pt, p, r) && (!account || is_for_account(pt, u, jid_domain(p->to), r, true));
}

bool
pass_out(const struct partner *pt, const struct packet *p, const struct user *u, struct pass_refusal *r)
{
	if (!pass_out_late(pt, p, u, r)) {
		add_contact(r);
		return false;
	}
	return rate_allows(pt, p, PARTNER_OUT, r);
}

bool
pass_in(const struct partner *pt, const struct packet *p, struct pass_refusal *r)
{
	return kind_passes(lacks(pt, p), jid_domain(p->from), r) && rate_allows(pt, p, PARTNER_IN, r);
}

bool
pass_to(const struct user *u, const struct packet *p, struct pass_refusal *r)
{
	const struct partner *pt;

	if (u->service || !p->from || !is_asked_who(p) || host_is_local(p->from))
		return true;
	pt = partner_find(jid_domain(p->from), PARTNER_IN, NULL);
	/* No partner: a service or component of ours; or one who has just ceased to be, whose stanza was taken when it came. */
	return !pt || is_for_account(pt, u, jid_domain(p->from), r, false);
}
