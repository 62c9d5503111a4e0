/*
 * partner_clock: what time does to partners, on the first home: warns before an entry expires, and when one has expired, or its hours begin or end,
 * lets streams follow. New stanzas do not wait for this: partner_find looks at the clock itself.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/federation/partner_priv.h"
#include "core/home.h"
#include "net/reactor.h"
#include "store/partner_store.h"
#include "store/pool.h"

#define MINUTE_MS 60000
#define DAY_US INT64_C(86400000000)
#define SOON_MS 20 /* the clock is behind the event when the timer fires */

static _Thread_local struct timer tick;
static _Thread_local int64_t looked_us; /* 0: never */
static _Thread_local uint64_t looked_at; /* the snapshot's serial number then */

struct look {
	int64_t was_us, now_us, warn_us, next_us;
	unsigned was_hour, hour;
	unsigned expiring, expired;
	bool changed;
};

struct expiry {
	const char *domain;
	int64_t expires_us;
};

static enum sql_status
write_expired(struct job *j, struct sql *db)
{
	const struct expiry *x = j->data;

	return partner_store_expired(db, x->domain, x->expires_us, &j->err);
}

static void
note_expired(const struct partner *p)
{
	struct job *j = job_new(sizeof(struct expiry));
	struct expiry *x = j->data;

	log_warning(NULL, "partner-expired", "domain=%s%s owner=%s", p->below ? "*." : "", p->domain, p->owner);
	x->domain = arena_printf(j->arena, "%s%s", p->below ? "*." : "", p->domain);
	x->expires_us = p->expires_us;
	j->work = write_expired;
	pool_submit(j, crypt_hash(p->domain, strlen(p->domain)));
}

/* At first, when it is new, and again each day. */
static bool
warning_due(const struct partner_row *r, const struct look *l)
{
	int64_t from = r->p.expires_us - l->warn_us, was = r->since > looked_at ? 0 : l->was_us;

	return was < from || (was - from) / DAY_US != (l->now_us - from) / DAY_US;
}

static void
look_at(struct look *l, const struct partner_row *r)
{
	const struct partner *p = &r->p;
	char text[32];

	if (l->was_us != 0)
		l->changed |= (partner_row_rests(r, l->was_us, l->was_hour) == NULL) != (partner_row_rests(r, l->now_us, l->hour) == NULL);
	if (p->expires_us == 0)
		return;
	if (p->expires_us <= l->now_us) {
		l->expired++;
		if (l->was_us != 0 && p->expires_us > l->was_us)
			note_expired(p);
		return;
	}
	if (p->expires_us < l->next_us)
		l->next_us = p->expires_us;
	if (p->expires_us - l->warn_us > l->now_us)
		return;
	l->expiring++;
	if (warning_due(r, l))
		log_warning(NULL, "partner-expires", "domain=%s%s expires=%s owner=%s", p->below ? "*." : "", p->domain,
			    clock_format(p->expires_us, text), p->owner);
}

static void
on_tick(struct timer *t)
{
	const struct partners *s = partner_snapshot();
	int64_t now = clock_wall_us();
	struct look l = {.was_us = looked_us, .now_us = now, .was_hour = partner_hours_at(looked_us), .hour = partner_hours_at(now),
			 .warn_us = (int64_t)home_config()->federation.warn_ms * 1000,
			 .next_us = now + MINUTE_MS * INT64_C(1000) - now % (MINUTE_MS * INT64_C(1000))};

	if (s != NULL) {
		for (const struct partner_row *r = s->exact; r != NULL; r = r->hh.next)
			look_at(&l, r);
		for (const struct partner_row *r = s->below; r != NULL; r = r->hh.next)
			look_at(&l, r);
	}
	looked_us = now;
	looked_at = s != NULL ? s->serial : 0;
	metric_set(METRIC_PARTNERS_EXPIRING, l.expiring);
	metric_set(METRIC_PARTNERS_EXPIRED, l.expired);
	if (l.changed)
		partner_follow();
	timer_set(t, (l.next_us - now) / 1000 + SOON_MS, on_tick);
}

void
partner_clock_look(void)
{
	timer_set(&tick, 0, on_tick);
}

void
partner_clock_stop(void)
{
	timer_clear(&tick);
}
