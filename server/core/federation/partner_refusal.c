/*
 * partner_refusal: who was refused, counted in small tables on the homes and written a while later, as one job. A crowd of domains that nobody has
 * allowed costs a bounded table, a bounded number of rows a day, and a log line a minute each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/federation/partner_priv.h"
#include "core/home.h"
#include "net/address.h"
#include "net/reactor.h"
#include "store/partner_store.h"
#include "store/pool.h"

#define FLUSH_MS 1000
#define LOG_MS 60000
#define JOB_KEY UINT64_C(0x7061727472656675) /* one job after the other */

struct refusal {
	UT_hash_handle hh; /* by key: direction, reason, domain */
	const char *domain;
	const char *why; /* static */
	unsigned direction;
	char address[ADDRESS_TEXT];
	uint64_t count;    /* not written yet */
	uint64_t unlogged;
	int64_t first_us, last_us, logged_ms;
	char key[];
};

struct refusals {
	struct refusal *table;
	uint64_t unnamed; /* not logged yet */
	struct timer timer;
};

struct write {
	struct partner_refused *list;
	size_t n;
	uint64_t most, left_out;
};

static _Thread_local struct refusals *here;

static enum sql_status
write_work(struct job *j, struct sql *db)
{
	struct write *w = j->data;

	return partner_store_refused(db, w->list, w->n, w->most, &w->left_out, &j->err);
}

static void
write_done(struct job *j)
{
	const struct write *w = j->data;

	if (j->status != JOB_OK)
		log_warning(NULL, "refusals-not-written", "domains=%zu why=%s", w->n, j->err.text);
	else if (w->left_out > 0)
		metric_add(METRIC_PARTNER_REFUSED_UNNAMED, (int64_t)w->left_out);
}

static struct partner_refused
row_of(const struct refusal *r, struct arena *a)
{
	return (struct partner_refused){.domain = arena_strdup(a, r->domain), .why = r->why, .address = arena_strdup(a, r->address),
		.direction = r->direction, .count = r->count, .first_us = r->first_us, .last_us = r->last_us};
}

/* Once a minute for each. */
static void
tell(struct refusal *r, int64_t now_ms)
{
	if (r->unlogged == 0 || (r->logged_ms != 0 && now_ms - r->logged_ms < LOG_MS))
		return;
	log_warning(NULL, "federation-refused", "domain=%s direction=%s why=%s address=%s times=%" PRIu64, r->domain,
		    r->direction == PARTNER_IN ? "in" : "out", r->why, r->address, r->unlogged);
	r->unlogged = 0;
	r->logged_ms = now_ms;
}

static void
forget(struct refusal *r)
{
	HASH_DEL(here->table, r);
	free(r);
}

void
partner_refusals_flush(void)
{
	struct job *j = job_new(sizeof(struct write));
	struct write *w = j->data;
	int64_t now_ms = reactor_now_ms(reactor_current());
	struct refusal *r, *next;

	timer_clear(&here->timer);
	w->most = home_config()->limits.partner_refusals;
	w->list = arena_alloc(j->arena, (HASH_COUNT(here->table) + 1) * sizeof *w->list);
	HASH_ITER(hh, here->table, r, next) {
		if (r->count > 0)
			w->list[w->n++] = row_of(r, j->arena);
		r->count = 0;
		tell(r, now_ms);
		/* It stays while a line about it would be too many. */
		if (now_ms - r->logged_ms >= LOG_MS)
			forget(r);
	}
	if (here->unnamed > 0)
		log_warning(NULL, "federation-refused-more", "times=%" PRIu64, here->unnamed);
	here->unnamed = 0;
	if (w->n == 0) {
		arena_free(j->arena);
		return;
	}
	j->work = write_work;
	j->done = write_done;
	pool_submit(j, JOB_KEY);
}

static void
on_timer(struct timer *t)
{
	partner_refusals_flush();
	if (here->table != NULL)
		timer_set(t, FLUSH_MS, on_timer);
}

/* Where that domain's are counted, so that one table knows of it and one line in the log tells it. */
struct note {
	struct mail mail;
	const char *why; /* static */
	unsigned direction;
	char address[ADDRESS_TEXT];
	char domain[];
};

/* NULL: there is no room. */
static struct refusal *
entry_of(const struct note *t)
{
	char key[1200];
	int at = snprintf(key, sizeof key, "%u %s ", t->direction, t->why);
	size_t n = (size_t)at + (size_t)snprintf(key + at, sizeof key - (size_t)at, "%s", t->domain);
	struct refusal *r = NULL;

	n = n < sizeof key ? n : sizeof key - 1;
	HASH_FIND(hh, here->table, key, n, r);
	if (r != NULL || HASH_COUNT(here->table) >= home_config()->limits.partner_refusals)
		return r;
	r = mem_zalloc(sizeof *r + n + 1);
	memcpy(r->key, key, n + 1);
	r->domain = r->key + at;
	r->why = t->why;
	r->direction = t->direction;
	HASH_ADD_KEYPTR(hh, here->table, r->key, n, r);
	return r;
}

static void
take_note(struct mail *m)
{
	struct note *t = LIST_ENTRY(m, struct note, mail);
	struct refusal *r = here != NULL ? entry_of(t) : NULL; /* NULL too: the server is stopping */

	if (here != NULL && !timer_is_set(&here->timer))
		timer_set(&here->timer, FLUSH_MS, on_timer);
	if (here != NULL && r == NULL) {
		metric_add(METRIC_PARTNER_REFUSED_UNNAMED, 1);
		here->unnamed++;
	} else if (r != NULL) {
		r->last_us = clock_wall_us();
		if (r->count++ == 0)
			r->first_us = r->last_us;
		r->unlogged++;
		memcpy(r->address, t->address, sizeof r->address);
		tell(r, reactor_now_ms(reactor_current()));
	}
	free(t);
}

void
partner_refused(const char *domain, enum partner_direction d, const char *why, const char *address)
{
	const char *name = domain != NULL && *domain != '\0' ? domain : "unknown";
	struct note *t = mem_zalloc(sizeof *t + strlen(name) + 1);

	metric_add(d == PARTNER_IN ? METRIC_PARTNER_REFUSED_IN : METRIC_PARTNER_REFUSED_OUT, 1);
	metric_error("federation", why);
	t->mail.run = take_note;
	t->why = why;
	t->direction = d;
	snprintf(t->address, sizeof t->address, "%s", address != NULL ? address : "");
	memcpy(t->domain, name, strlen(name) + 1);
	reactor_post(reactor_at((unsigned)(crypt_hash(name, strlen(name)) % reactor_count())), &t->mail);
}

void
partner_refusals_start(void)
{
	here = NEW(struct refusals);
}

void
partner_refusals_stop(void)
{
	struct refusal *r, *next;

	timer_clear(&here->timer);
	HASH_ITER(hh, here->table, r, next)
		forget(r);
	free(here);
	here = NULL;
}
