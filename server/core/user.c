/*
 * user: the home's table of users, their loading, and their inbox.
 *
 * States: LOADING (a job is out; the inbox collects) → READY or ABSENT (the inbox runs in order) → freed
 * when nothing refers to it and it has been idle. An ABSENT one is forgotten after some seconds, so that
 * an account that was just created is found. One table per reactor, by thread-local pointer.
 */
#include "core/user.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/module/elsewhere.h"
#include "core/module/keep.h"
#include "core/roster/roster.h"
#include "core/service/service.h"
#include "core/session.h"
#include "store/account.h"
#include "store/pool.h"

#define ABSENT_MS 2000    /* how long "no such account" is believed */
#define IDLE_MS 300000    /* how long a user without sessions stays in memory */
#define PLACE_IDLE_MS 30000 /* and a place that its module does not need: whoever asks for names gets no memory */
#define SWEEP_MS 1000
#define TRIM_AFTER 1000     /* so many forgotten: the allocator gives back to the system what they had */
#define RELOAD_MS 500     /* between two attempts to read a roster again */

struct users {
	struct user *table; /* by bare JID */
	struct list idle;   /* struct user.idle, longest idle first */
	unsigned nidle, freed; /* since the last trim */
	struct timer sweep;
	bool stopping;
};

static _Thread_local struct users *here;

struct reactor *
home_of(const struct jid *j)
{
	return reactor_at((unsigned)(jid_hash(j) % reactor_count()));
}

static struct user *
look_up(const struct jid *j)
{
	struct user *u;

	/* The hash of an address is that of the table (base/map.h), and is known. */
	HASH_FIND_BYHASHVALUE(hh, here->table, jid_bare(j), jid_bare_len(j), (unsigned)jid_hash(j), u);
	return u;
}

struct user *
user_find(const struct jid *j)
{
	struct user *u = look_up(j);

	return u && u->state == USER_READY ? u : NULL;
}

struct user *
user_in_memory(const struct jid *j)
{
	return look_up(j);
}

void
user_missed(const struct jid *j, uint64_t id)
{
	struct user *u = look_up(j);

	if (u)
		delivery_left(u, id);
}

struct session *
user_session(const struct user *u, const char *resource)
{
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (!strcmp(jid_resource(s->jid), resource))
			return s;
	}
	return NULL;
}

int
user_priority(const struct user *u)
{
	int best = -129;

	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (session_is_available(s) && s->priority > best)
			best = s->priority;
	}
	return best;
}

static void
user_free(struct user *u)
{
	HASH_DELETE(hh, here->table, u);
	if (!list_is_empty(&u->idle)) {
		list_remove(&u->idle);
		here->nidle--;
	}
	timer_clear(&u->reload);
	delivery_fini(u);
	keep_forget(u);
	if (u->service && u->place)
		u->service->def->free(u->place);
	elsewhere_free(u);
	roster_free(u->roster);
	free(u->last_status);
	free(u->groups);
	jid_unref(u->jid);
	metric_add(u->service ? METRIC_PLACES_LOADED : METRIC_USERS_LOADED, -1);
	free(u);
}

bool
user_in_group(const struct user *u, const char *group)
{
	size_t n = strlen(group);

	for (const char *line = u->groups; line && *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (strcspn(line, "\n") == n && !memcmp(line, group, n))
			return true;
	return false;
}

void
user_set_rights(struct user *u, bool admin, const char *groups)
{
	u->admin = admin;
	free(u->groups);
	u->groups = groups && *groups ? mem_strdup(groups) : NULL;
}

static bool
is_needed_place(const struct user *u)
{
	if (!u->service)
		return false;
	return u->service->def->is_needed ? u->place && u->service->def->is_needed(u->place) : u->state == USER_READY && jid_is_domain(u->jid);
}

static bool
is_needed(const struct user *u)
{
	return is_needed_place(u) || u->nsessions || u->holds || u->pins || u->draining || u->state == USER_LOADING || !list_is_empty(&u->inbox) ||
		delivery_is_busy(u);
}

void
user_idle(struct user *u)
{
	if (is_needed(u) || !list_is_empty(&u->idle))
		return;
	if (u->stale) {
		user_free(u);
		return;
	}
	u->idle_since_ms = reactor_now_ms(u->home);
	list_append(&here->idle, &u->idle);
	here->nidle++;
}

static void
wake(struct user *u)
{
	if (list_is_empty(&u->idle))
		return;
	list_remove(&u->idle);
	here->nidle--;
}

void
user_forget(struct user *u)
{
	u->stale = true;
	if (!is_needed(u))
		user_free(u);
}

void
user_is_known(const struct jid *j)
{
	struct user *u = look_up(j);

	if (u && u->state == USER_ABSENT)
		user_forget(u);
}

static enum sql_status
trim_work(struct job *j, struct sql *db)
{
	(void)j;
	(void)db;
	(void)malloc_trim(0);
	return SQL_OK;
}

/* What many small things leave behind stays ours otherwise: thousands of rooms that nobody is in, or people who have left for the night. */
static void
trim(void)
{
	struct job *j;

	if (here->freed < TRIM_AFTER)
		return;
	here->freed = 0;
	j = job_new(0);
	j->work = trim_work;
	pool_submit_disk(j);
}

static void
sweep(struct timer *t)
{
	uint64_t most = home_config()->limits.users_idle;
	int64_t now = reactor_now_ms(reactor_current());

	LIST_EACH(l, &here->idle) {
		struct user *u = LIST_ENTRY(l, struct user, idle);
		int64_t age = now - u->idle_since_ms;
		bool old = u->stale || age > (u->state == USER_ABSENT ? ABSENT_MS : u->service ? PLACE_IDLE_MS : IDLE_MS);

		if (is_needed(u))
			wake(u);
		else if (old || here->nidle > most) {
			user_free(u);
			here->freed++;
		}
	}
	trim();
	timer_set(t, SWEEP_MS, sweep);
}

/* The inbox */

static void
drain(struct user *u)
{
	struct list *l;

	if (u->draining)
		return;
	u->draining = true;
	while (!u->holds && u->state != USER_LOADING && (l = list_pop(&u->inbox))) {
		struct user_wait *w = LIST_ENTRY(l, struct user_wait, link);

		u->inbox_n--;
		u->inbox_bytes -= w->bytes;
		w->run(w, u);
	}
	u->draining = false;
	user_idle(u);
}

/* The database could not say who this is: everybody who waits is told, and the question is forgotten. */
static void
give_up(struct user *u)
{
	struct list waiting, *l;

	list_init(&waiting);
	while ((l = list_pop(&u->inbox)))
		list_append(&waiting, l);
	u->inbox_n = 0;
	u->inbox_bytes = 0;
	u->state = USER_ABSENT;
	user_free(u);
	while ((l = list_pop(&waiting)))
		LIST_ENTRY(l, struct user_wait, link)->run(LIST_ENTRY(l, struct user_wait, link), NULL);
}

/* Loading */

struct load {
	const char *bare;
	struct account account;
	struct roster_rows roster;
	void **kept;
	const struct service *service;
	void *place;
	bool roster_only;
	int64_t id;
};

static enum sql_status
load_work(struct job *j, struct sql *db)
{
	struct load *d = j->data;
	enum sql_status st = SQL_OK;

	if (d->service)
		return d->service->def->load ? d->service->def->load(db, j->arena, d->bare, &d->place, &j->err) : SQL_OK;
	if (!d->roster_only)
		st = account_find(db, j->arena, d->bare, &d->account, &j->err);
	else
		d->account.id = d->id;
	if (st == SQL_OK && d->account.id)
		st = roster_store_load(db, j->arena, d->account.id, &d->roster, &j->err);
	if (st == SQL_OK && d->account.id && !d->roster_only)
		st = keep_load(db, j->arena, d->account.id, d->bare, &d->kept, &j->err);
	return st;
}

static void
take_account(struct user *u, const struct account *a)
{
	u->account = a->id;
	u->disabled = a->disabled;
	user_set_rights(u, a->admin, a->groups);
	u->created_us = a->created_us;
	u->last_seen_us = a->last_seen_us;
	u->last_status = a->last_status ? mem_strdup(a->last_status) : NULL;
	delivery_init(&u->delivery, a->mark);
}

static void
load_done(struct job *j)
{
	struct load *d = j->data;
	struct user *u = j->owner;

	if (j->status != JOB_OK) {
		log_warning(NULL, "user-load-failed", "jid=%s why=%s", jid_bare(u->jid), j->err.text);
		give_up(u);
		return;
	}
	if (u->service) {
		u->place = u->service->def->make ? u->service->def->make(u->jid, d->place) : NULL;
		u->state = USER_READY;
	} else if (d->account.id) {
		take_account(u, &d->account);
		u->roster = roster_new(&d->roster);
		keep_make(u, d->kept);
		u->state = USER_READY;
	} else {
		u->state = USER_ABSENT;
	}
	drain(u);
}

static struct job *
load_job(struct user *u, void (*done)(struct job *))
{
	struct job *j = job_new(sizeof(struct load));
	struct load *d = j->data;

	d->bare = arena_strdup(j->arena, jid_bare(u->jid));
	d->id = u->account;
	d->service = u->service;
	j->owner = u;
	j->work = load_work;
	j->done = done;
	return j;
}

static struct user *
load(const struct jid *j)
{
	struct user *u = NEW(struct user);

	u->jid = jid_to_bare((struct jid *)j);
	u->home = reactor_current();
	u->service = service_of(j);
	u->state = USER_LOADING;
	list_init(&u->sessions);
	list_init(&u->inbox);
	list_init(&u->idle);
	HASH_ADD_KEYPTR(hh, here->table, jid_bare(u->jid), jid_bare_len(u->jid), u);
	metric_add(u->service ? METRIC_PLACES_LOADED : METRIC_USERS_LOADED, 1);
	pool_submit(load_job(u, load_done), jid_hash(u->jid));
	return u;
}

bool
user_with(const struct jid *j, struct user_wait *w)
{
	const struct limits *m = &home_config()->limits;
	struct user *u = look_up(j);

	if (!u)
		u = load(j);
	wake(u);
	if (u->inbox_n >= m->inbox_stanzas || (u->inbox_n && u->inbox_bytes + w->bytes > m->inbox_bytes))
		return false;
	list_append(&u->inbox, &w->link);
	u->inbox_n++;
	u->inbox_bytes += w->bytes;
	drain(u);
	return true;
}

void
user_hold(struct user *u)
{
	u->holds++;
	wake(u);
}

void
user_release(struct user *u)
{
	if (!--u->holds)
		drain(u);
}

void
user_pin(struct user *u)
{
	u->pins++;
	wake(u);
}

void
user_unpin(struct user *u)
{
	if (!--u->pins)
		user_idle(u);
}

static void reload_done(struct job *j);

static void
reload(struct user *u)
{
	struct job *j = load_job(u, reload_done);

	((struct load *)j->data)->roster_only = true;
	pool_submit(j, jid_hash(u->jid));
}

static void
reload_again(struct timer *t)
{
	reload(LIST_ENTRY(t, struct user, reload));
}

static void
reload_done(struct job *j)
{
	struct load *d = j->data;
	struct user *u = j->owner;

	if (j->status == JOB_OK) {
		roster_free(u->roster);
		u->roster = roster_new(&d->roster);
		user_release(u);
		return;
	}
	/* Still unknown: ask again until the database answers; the user's inbox waits meanwhile. Not at once: the
	 * answer may have been that too many ask, or that the server stops. */
	timer_set(&u->reload, RELOAD_MS, reload_again);
}

void
user_reload_roster(struct user *u)
{
	user_hold(u);
	reload(u);
}

void
user_each(void (*fn)(struct user *u, void *arg), void *arg)
{
	struct user *u, *tmp;

	HASH_ITER(hh, here->table, u, tmp)
		fn(u, arg);
}

void
user_home_start(void)
{
	here = NEW(struct users);
	list_init(&here->idle);
	timer_set(&here->sweep, SWEEP_MS, sweep);
}

void
user_home_stop(void)
{
	struct user *u, *tmp;

	timer_clear(&here->sweep);
	HASH_ITER(hh, here->table, u, tmp)
		user_free(u);
	free(here);
	here = NULL;
}
