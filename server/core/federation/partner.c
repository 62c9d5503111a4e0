/*
 * partner: loads the snapshot, gives it to every home, and answers from it.
 *
 * `current` is the newest; each home has a reference of its own, so that a look costs no lock.
 */
#include "core/federation/partner.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/federation/partner_priv.h"
#include "core/home.h"
#include "net/reactor.h"
#include "store/partner_store.h"
#include "store/pool.h"

#define CONNECT_MS 5000

static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER; /* one at a time: none may put an older one over a newer */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;    /* of `current` */
static struct partners *current;
static void (*on_change)(void);

static _Thread_local struct partners *mine;
static _Thread_local unsigned hour;         /* of the week, */
static _Thread_local int64_t hour_minute;   /* looked up once a minute: local time costs, and has its own ideas of when it jumps */

/* Whom an entry is for */

static int
by_name(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

static bool
names(const struct partner *p, const char *who)
{
	return bsearch(who, p->who, p->nwho, sizeof *p->who, by_name) != NULL;
}

/* Loading */

static void
free_later(void *p)
{
	partners_unref(p);
}

static void
take(void *arg)
{
	struct partners *old = mine;

	(void)arg;
	pthread_mutex_lock(&lock);
	mine = partners_ref(current);
	pthread_mutex_unlock(&lock);
	/* Entries found in this turn are good until its end. */
	if (old != NULL)
		reactor_free_later(reactor_current(), free_later, old);
	if (reactor_index(reactor_current()) == 0)
		partner_clock_look();
}

void
partner_on_change(void (*follow)(void))
{
	on_change = follow;
}

static void
follow_here(void *arg)
{
	(void)arg;
	if (on_change != NULL)
		on_change();
}

void
partner_follow(void)
{
	for (unsigned i = 0; i < reactor_count(); i++)
		reactor_call(reactor_at(i), follow_here, NULL);
}

static struct partners *
read_all(struct err *e)
{
	struct config *c = config_get();
	struct sql *db = sql_new(c->database.conninfo, "chanceryd partners");
	struct partners *s = NULL;
	PGresult *rows;

	if (sql_connect(db, CONNECT_MS, e) == SQL_OK && partner_store_all(db, &rows, e) == SQL_OK) {
		s = partners_new(rows, current);
		PQclear(rows);
	}
	sql_free(db);
	config_unref(c);
	return s;
}

int
partner_load(struct err *e)
{
	struct partners *s, *old;

	pthread_mutex_lock(&loading);
	s = read_all(e);
	if (s == NULL) {
		pthread_mutex_unlock(&loading);
		return err_prefix(e, "the partners cannot be read");
	}
	pthread_mutex_lock(&lock);
	old = current;
	current = s;
	pthread_mutex_unlock(&lock);
	metric_set(METRIC_PARTNERS, (int64_t)s->n);
	home_call_each(take, NULL);
	partners_unref(old);
	home_call_each(follow_here, NULL);
	log_info(NULL, "partners-loaded", "partners=%zu", s->n);
	pthread_mutex_unlock(&loading);
	return 0;
}

static bool
named_by_any(const struct partner_row *table, const char *bare)
{
	for (const struct partner_row *r = table; r != NULL; r = r->hh.next)
		if (r->p.nwho > 0 && names(&r->p, bare))
			return true;
	return false;
}

/* Worker: no reactor waits for it. */
static enum sql_status
load_again(struct job *j, struct sql *db)
{
	(void)db;
	if (partner_load(&j->err) == 0)
		return SQL_OK;
	log_error(NULL, "partners-not-loaded", "why=%s", j->err.text);
	return SQL_FAILED;
}

void
partner_account_removed(const char *bare)
{
	bool named;
	struct job *j;

	pthread_mutex_lock(&lock);
	named = current != NULL && (named_by_any(current->exact, bare) || named_by_any(current->below, bare));
	pthread_mutex_unlock(&lock);
	if (!named)
		return;
	j = job_new(0);
	j->work = load_again;
	pool_submit(j, 0);
}

void
partner_stop(void)
{
	partners_unref(current);
	current = NULL;
}

void
partner_home_start(void)
{
	partner_refusals_start();
	take(NULL);
}

void
partner_home_flush(void)
{
	partner_refusals_flush();
}

void
partner_home_stop(void)
{
	if (reactor_index(reactor_current()) == 0)
		partner_clock_stop();
	partner_refusals_stop();
	partners_unref(mine);
	mine = NULL;
}

const struct partners *
partner_snapshot(void)
{
	return mine;
}

/* Asking */

static unsigned
hour_now(int64_t now_us)
{
	int64_t minute = now_us / 60000000;

	if (minute != hour_minute) {
		hour = partner_hours_at(now_us);
		hour_minute = minute;
	}
	return hour;
}

static const char *
refuses(const struct partner_row *r, unsigned direction)
{
	int64_t now_us = clock_wall_us();

	if (r == NULL)
		return "no administrator has allowed this domain";
	if ((r->p.direction & direction) != direction)
		return "its entry is for the other direction";
	return partner_row_rests(r, now_us, r->p.hours != NULL ? hour_now(now_us) : 0);
}

const struct partner *
partner_find(const char *domain, unsigned direction, const char **why)
{
	const struct partner_row *r = mine != NULL ? partners_find(mine, domain) : NULL;
	const char *no = refuses(r, direction);

	if (why != NULL)
		*why = no;
	return no == NULL ? &r->p : NULL;
}

bool
partner_is_for(const struct partner *p, const char *bare, const char *groups)
{
	char name[600] = "group:";

	if (p->nwho == 0 || names(p, bare))
		return true;
	for (const char *g = groups; g != NULL && *g != '\0';) {
		size_t n = strcspn(g, "\n");

		if (n > 0 && n < sizeof name - 6) {
			memcpy(name + 6, g, n);
			name[6 + n] = '\0';
			if (names(p, name))
				return true;
		}
		g += n + (g[n] == '\n');
	}
	return false;
}
