/*
 * limits: how much one account may say to another, and how many it may ask for a subscription. What a session may send
 * in all is the stream's (limits.stanzas_per_second): it is read more slowly. Here the sender is told.
 *
 * All of it is counted at the sender's home, with the account, so it holds over all of its sessions, and is forgotten when the
 * account leaves memory, which it does minutes after its last session.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "module.h"
#include "xmpp/ns.h"

#define MINUTE_MS 60000
#define DAY_MS (24 * 60 * (int64_t)MINUTE_MS)

/* A token bucket for messages to somebody, in thousandths of a message. */
struct pair {
	UT_hash_handle hh;
	struct list recent;
	struct jid *to; /* bare */
	int64_t allowance, at_ms;
};

/* So many since then. */
struct window {
	int64_t since_ms;
	uint64_t n;
};

struct account {
	struct pair *pairs;
	struct list recent; /* struct pair.recent, the one not used for longest first */
	struct window minute, day;
};

static struct account *
account_of(struct hook *h)
{
	struct account *a = module_data(h);

	if (a || !h->account_id)
		return a;
	a = NEW(struct account);
	list_init(&a->recent);
	module_set_data(h, a);
	return module_data(h);
}

static void
forget_pair(struct account *a, struct pair *p)
{
	HASH_DELETE(hh, a->pairs, p);
	list_remove(&p->recent);
	jid_unref(p->to);
	free(p);
}

static void
forget(void *data)
{
	struct account *a = data;
	struct pair *p, *tmp;

	if (!a)
		return;
	HASH_ITER(hh, a->pairs, p, tmp)
		forget_pair(a, p);
	free(a);
}

static enum hook_verdict
refuse(struct hook *h, const char *text)
{
	metric_add(METRIC_RATE_REFUSED, 1);
	h->error_type = "wait";
	return hook_reject(h, XERROR_POLICY_VIOLATION, text);
}

/* Messages to one address */

static int64_t
most(void)
{
	return (int64_t)module_limits()->pair_burst * 1000;
}

static void
refill(struct pair *p, int64_t now)
{
	p->allowance += (now - p->at_ms) * (int64_t)module_limits()->pair_messages_per_second;
	p->at_ms = now;
	if (p->allowance > most())
		p->allowance = most();
}

/* The bucket for `to`. When there are too many, the one not used for longest makes room, and what it lacked is lacking in
 * the new one: writing to many in turn gains nothing. */
static struct pair *
pair_for(struct account *a, const struct jid *to, int64_t now)
{
	struct pair *p, *old;
	int64_t allowance = most();

	/* The hash of an address is that of the table (base/map.h), and is known. */
	HASH_FIND_BYHASHVALUE(hh, a->pairs, jid_bare(to), jid_bare_len(to), (unsigned)jid_hash(to), p);
	if (p) {
		refill(p, now);
		list_remove(&p->recent);
		list_append(&a->recent, &p->recent);
		return p;
	}
	while (HASH_COUNT(a->pairs) >= module_limits()->pairs_tracked) {
		old = LIST_ENTRY(a->recent.next, struct pair, recent);
		refill(old, now);
		if (allowance > old->allowance)
			allowance = old->allowance;
		forget_pair(a, old);
	}
	p = NEW(struct pair);
	p->to = jid_to_bare((struct jid *)to);
	p->allowance = allowance;
	p->at_ms = now;
	HASH_ADD_KEYPTR(hh, a->pairs, jid_full(p->to), jid_full_len(p->to), p);
	list_append(&a->recent, &p->recent);
	return p;
}

static enum hook_verdict
on_message(struct hook *h)
{
	struct account *a = account_of(h);
	struct pair *p;

	if (!a || jid_equal_bare(h->to, h->account))
		return HOOK_NEXT;
	p = pair_for(a, h->to, clock_mono_ms());
	if (p->allowance < 1000)
		return refuse(h, "too many messages to this address, try again later");
	p->allowance -= 1000;
	return HOOK_NEXT;
}

/* Subscription requests */

static bool
is_over(struct window *w, int64_t now, int64_t length, uint64_t limit)
{
	if (!w->n || now - w->since_ms >= length)
		*w = (struct window){ .since_ms = now };
	return w->n >= limit;
}

static enum hook_verdict
on_subscribe(struct hook *h)
{
	const struct limits *l = module_limits();
	struct account *a = account_of(h);
	int64_t now = clock_mono_ms();

	if (!a)
		return HOOK_NEXT;
	if (is_over(&a->minute, now, MINUTE_MS, l->subscriptions_per_minute) ||
		is_over(&a->day, now, DAY_MS, l->subscriptions_per_day))
		return refuse(h, "too many subscription requests, try again later");
	a->minute.n++;
	a->day.n++;
	return HOOK_NEXT;
}

static enum hook_verdict
on_send(struct hook *h)
{
	const struct elem *e = h->stanza->root;
	const char *type;

	if (!h->to)
		return HOOK_NEXT;
	if (elem_is(e, NS_CLIENT, "message"))
		return on_message(h);
	type = elem_is(e, NS_CLIENT, "presence") ? elem_get(e, "type") : NULL;
	return type && !strcmp(type, "subscribe") ? on_subscribe(h) : HOOK_NEXT;
}

static int
attach(struct module *m)
{
	static const struct module_account kept = { NULL, NULL, forget };

	module_keep(m, &kept);
	return module_on_stanza(m, HOOK_SEND_CHECK, MODULE_MESSAGE | MODULE_PRESENCE, NULL, on_send);
}

const struct module_def limits_module = {
	.name = "limits",
	.about = "rates of messages and of subscription requests",
	.attach = attach,
};
