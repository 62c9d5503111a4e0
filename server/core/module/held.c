/*
 * held: an array of packets for each session that has some, within limits.held_stanzas and limits.held_bytes. When it is
 * full everything is written: holding back is a favour to the client, not a reason to lose something.
 */
#include "core/module/held.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/module/modules.h"
#include "core/session.h"
#include "core/user.h"

static bool
is_wanted(struct session *s, struct packet *p)
{
	struct hook h = { .stage = HOOK_SESSION_SEND, .stanza = p->st, .from = p->from, .to = p->to ? p->to : s->jid,
		.account = s->user->jid, .session = s->jid, .bound = s,
		.record_id = p->record_id, .record_us = p->at_us, .delayed = p->delayed };

	return modules_run(&h, s->user) == HOOK_HANDLED;
}

static void
add(struct held *d, struct packet *p)
{
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 8;
		d->packet = mem_realloc(d->packet, d->cap * sizeof(*d->packet));
	}
	d->packet[d->n++] = packet_ref(p);
	d->bytes += packet_size(p);
	metric_add(METRIC_HELD, 1);
}

bool
held_take(struct session *s, struct packet *p)
{
	const struct limits *m = &home_config()->limits;
	struct held *d = &s->held;

	if (!is_wanted(s, p) || s->closing)
		return false;
	/* What has been recorded for the recipient waits for nothing but the network (P2); what came before it goes before it. */
	if (p->deliverable || d->n >= m->held_stanzas || d->bytes + packet_size(p) > m->held_bytes) {
		held_release(s);
		return false;
	}
	add(d, p);
	return true;
}

/* Taken out first: writing may end the session. */
static struct held
take_all(struct session *s)
{
	struct held all = s->held;

	s->held = (struct held){ .watched = all.watched };
	return all;
}

void
held_release(struct session *s)
{
	struct held all = take_all(s);

	for (uint32_t i = 0; i < all.n; i++) {
		session_write(s, all.packet[i]);
		packet_unref(all.packet[i]);
	}
	free(all.packet);
}

void
held_fini(struct session *s, void (*left)(struct session *s, struct packet *p))
{
	struct held all = take_all(s);

	for (uint32_t i = 0; i < all.n; i++) {
		left(s, all.packet[i]);
		packet_unref(all.packet[i]);
	}
	free(all.packet);
}

/* What modules call */

void
module_session_watch(struct session *s, bool on)
{
	s->held.watched = on;
}

void
module_session_release(struct session *s)
{
	held_release(s);
}

void
module_session_drop_held(struct session *s, bool (*stale)(const struct stanza *held, void *arg), void *arg)
{
	struct held *d = &s->held;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < d->n; i++) {
		struct packet *p = d->packet[i];

		if (stale(p->st, arg)) {
			d->bytes -= packet_size(p);
			packet_unref(p);
			metric_add(METRIC_HELD_DROPPED, 1);
		} else {
			d->packet[kept++] = p;
		}
	}
	d->n = kept;
}

bool
module_was_given(const struct hook *h, const struct session *s)
{
	if (h->stage != HOOK_RECV_GIVEN)
		return false;
	return s == h->given_only || (session_is_available(s) && s->priority >= h->given_lowest);
}
