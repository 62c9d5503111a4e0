/*
 * route_try: when a stream to another server is made.
 *
 * At once when something waits; after a failure later each time, while something waits. One after the other, so that
 * hundreds of partners who have to be reached again (a restart) take their turns behind what is going on anyway: each handshake is a
 * millisecond or two of a reactor.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/federation/route_priv.h"

#define FIRST_MS 1000      /* after the first failure */
#define LONGEST_MS 60000
#define LIVED_MS 10000     /* a stream that lasted so long is followed by the next one at once */
#define RETURNS_MS 1000    /* who made the broken stream has so long to resume it: else what has arrived on it would go over another one again */
#define EVERY_MS 20        /* between two attempts on one reactor */
#define AT_ONCE 4          /* but so many may begin together */
#define MOST 200           /* under way at a time */

struct trying {
	struct list line;      /* routes that wait for their turn */
	struct timer timer;
	struct deferred turn;
	unsigned under_way;
	int64_t next_ms;       /* when the next turn is, if turns had been taken as fast as they come */
};

static _Thread_local struct trying *here;

static void run_line(struct timer *t);
static void run_turn(struct deferred *d);

/* What begins, begins at the end of the turn: nobody who asks for it is in the middle of something. */
static void
go_on_later(void)
{
	here->turn.run = run_turn;
	reactor_defer(reactor_current(), &here->turn);
}

static void
note_end(struct route *r)
{
	if (!r->attempt)
		return;
	r->attempt = NULL;
	here->under_way--;
	if (!list_is_empty(&here->line))
		go_on_later();
}

static void
fail(struct route *r, const struct route_reason *why)
{
	r->reason = *why;
	route_return_all(r, why);
	route_settle(r);
}

static void
start(struct route *r)
{
	const struct partner *p = partner_find(jid_domain(r->remote), PARTNER_OUT, NULL);
	struct route_reason denied;

	if (!p) {
		route_denied(r->remote, &denied);
		fail(r, &denied);
		return;
	}
	r->version = p->version;
	here->under_way++;
	r->attempt = attempt_new(r, r->local, r->remote);
}

static int64_t
until_turn(int64_t now)
{
	int64_t ahead;

	if (here->next_ms < now)
		here->next_ms = now;
	ahead = here->next_ms - now - (AT_ONCE - 1) * EVERY_MS;
	return ahead > 0 ? ahead : 0;
}

static void
go_on(void)
{
	int64_t now = reactor_now_ms(reactor_current());
	struct list *l;

	while (!timer_is_set(&here->timer) && here->under_way < MOST && !list_is_empty(&here->line)) {
		if (until_turn(now)) {
			timer_set(&here->timer, until_turn(now), run_line);
			return;
		}
		l = list_pop(&here->line);
		here->next_ms += EVERY_MS;
		start(LIST_ENTRY(l, struct route, line));
	}
}

static void
run_line(struct timer *t)
{
	(void)t;
	go_on();
}

static void
run_turn(struct deferred *d)
{
	(void)d;
	go_on();
}

void
route_want(struct route *r)
{
	if (r->stream || r->attempt || timer_is_set(&r->retry) || !list_is_empty(&r->line))
		return;
	list_append(&here->line, &r->line);
	go_on_later();
}

void
route_stop_trying(struct route *r, struct attempt *done)
{
	struct attempt *a = r->attempt;

	timer_clear(&r->retry);
	list_remove(&r->line);
	r->closed = r->returns = false;
	note_end(r);
	if (a && a == done)
		attempt_done(a);
	else if (a)
		attempt_cancel(a);
}

/* Doubled each time; a quarter of it by chance, so that those who lost the same server do not come back together. */
static int64_t
pause_ms(const struct route *r)
{
	int64_t ms = FIRST_MS;
	uint16_t chance;

	for (unsigned i = 1; i < r->failures && ms < LONGEST_MS; i++)
		ms *= 2;
	if (ms > LONGEST_MS)
		ms = LONGEST_MS;
	crypt_random(&chance, sizeof(chance));
	return ms - ms / 4 * chance / UINT16_MAX;
}

static void
again(struct timer *t)
{
	struct route *r = LIST_ENTRY(t, struct route, retry);

	r->closed = r->returns = false;
	if (r->q.n)
		route_want(r);
	route_settle(r);
}

static void
wait_a_while(struct route *r)
{
	r->failures++;
	timer_set(&r->retry, pause_ms(r), again);
}

void
route_try_later(struct route *r, bool peer_returns)
{
	bool good = r->confirmed || reactor_now_ms(reactor_current()) - r->ready_ms >= LIVED_MS;

	if (good)
		r->failures = 0;
	r->returns = good && peer_returns;
	if (r->returns)
		timer_set(&r->retry, RETURNS_MS, again);
	else if (!r->q.n)
		return;
	else if (good && reactor_now_ms(reactor_current()) - r->ready_ms >= LIVED_MS)
		route_want(r);
	else
		wait_a_while(r);
}

void
route_failed(struct route *r, bool no_such, bool final, enum xerror e, const char *why)
{
	note_end(r);
	if (r->stream)
		return; /* somebody else was quicker */
	metric_add(METRIC_S2S_CONNECT_FAILED, 1);
	r->reason.error = no_such ? XERROR_REMOTE_SERVER_NOT_FOUND : e;
	/* RFC 6120 §8.3.3.17: it is no use to try again by and by. */
	r->reason.type = final ? "cancel" : NULL;
	snprintf(r->reason.words, sizeof(r->reason.words), "%s cannot be reached: %s", jid_domain(r->remote), why);
	wait_a_while(r);
	log_warning(NULL, "s2s-failed", "local=%s remote=%s final=%d failures=%u waiting=%u why=%s", jid_domain(r->local), jid_domain(r->remote),
		no_such || final, r->failures, r->q.n, why);
	if (no_such || final) {
		r->closed = true;
		route_return_all(r, &r->reason);
	}
	route_settle(r);
}

void
route_try_home_start(void)
{
	here = NEW(struct trying);
	list_init(&here->line);
}

void
route_try_home_stop(void)
{
	timer_clear(&here->timer);
	reactor_undefer(reactor_current(), &here->turn);
	free(here);
	here = NULL;
}
