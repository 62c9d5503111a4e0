/*
 * census: asks every home in turn, from a control thread, and copies what it says.
 */
#include "core/census.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "core/stream/auth.h"
#include "core/stream/c2s.h"
#include "core/everyone.h"
#include "core/home.h"
#include "core/roster/roster.h"
#include "core/session.h"
#include "core/user.h"

struct row {
	struct row *next;
	struct census_session s;
};

struct question {
	struct jid *bare;        /* NULL: all */
	const char *resource;
	int64_t device;          /* 0: whichever */
	struct arena *arena;
	struct row *first, **last;
	enum xstream_error error;
	const char *text;
	bool forget, admin;
	unsigned n;
};

static bool
is_meant(const struct question *q, const struct user *u)
{
	return !q->bare || jid_equal_bare(q->bare, u->jid);
}

static void
copy_sessions(struct user *u, void *arg)
{
	struct question *q = arg;

	if (!is_meant(q, u))
		return;
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);
		struct row *r = arena_zalloc(q->arena, sizeof(*r));

		r->s = (struct census_session){
			.jid = arena_strdup(q->arena, jid_full(s->jid)),
			.address = arena_strdup(q->arena, s->address ? s->address : ""),
			.tls = arena_strdup(q->arena, s->tls ? s->tls : ""),
			.mechanism = s->mechanism,
			.device = s->device,
			.client = s->client ? arena_strdup(q->arena, s->client) : NULL,
			.since_us = s->since_us,
			.active_us = s->active_us,
			.detached = s->detached,
			.available = session_is_available(s),
			.priority = s->priority,
			.unacked = s->sm.enabled ? s->sm.n : 0,
		};
		*q->last = r;
		q->last = &r->next;
	}
}

static void
list_here(void *arg)
{
	user_each(copy_sessions, arg);
}

void
census_sessions(const char *bare, void (*each)(void *arg, const struct census_session *s), void *arg)
{
	struct question q = { .bare = bare ? jid_parse_z(bare) : NULL, .arena = arena_new(0) };

	q.last = &q.first;
	if (!bare || q.bare)
		home_call_each(list_here, &q);
	for (const struct row *r = q.first; r; r = r->next)
		each(arg, &r->s);
	arena_free(q.arena);
	jid_unref(q.bare);
}

static void
close_sessions(struct user *u, void *arg)
{
	struct question *q = arg;
	struct everyone all;

	if (!is_meant(q, u))
		return;
	user_hold(u);
	/* What one leaves may be too much for another, which then ends by itself. */
	all = everyone(u);
	for (unsigned i = 0; i < all.n; i++) {
		struct session *s = all.session[i];

		if (s->closing || (q->resource && strcmp(jid_resource(s->jid), q->resource)) ||
			(q->device && s->device != q->device))
			continue;
		session_close(s, q->error, q->text);
		q->n++;
	}
	/* Before the release, which may be the last anybody sees of the user. */
	if (q->forget)
		user_forget(u);
	user_release(u);
}

static void
close_here(void *arg)
{
	struct question *q = arg;

	if (q->forget)
		q->n += c2s_close_logins(q->bare, q->error, q->text);
	user_each(close_sessions, arg);
}

static unsigned
close_all(struct question *q, const char *bare)
{
	q->bare = jid_parse_z(bare);
	if (q->bare)
		home_call_each(close_here, q);
	jid_unref(q->bare);
	return q->n;
}

static enum xstream_error
condition_parse(const char *name)
{
	for (int e = XSTREAM_NONE + 1; xstream_error_name((enum xstream_error)e); e++)
		if (!strcmp(xstream_error_name((enum xstream_error)e), name))
			return (enum xstream_error)e;
	return XSTREAM_POLICY_VIOLATION;
}

unsigned
census_close(const char *bare, const char *resource, const char *condition, const char *text)
{
	struct question q = { .resource = resource, .error = condition_parse(condition), .text = text };

	return close_all(&q, bare);
}

unsigned
census_device_revoked(const char *bare, int64_t device, const char *text)
{
	struct question q = { .error = XSTREAM_NOT_AUTHORIZED, .text = text, .device = device };

	auth_revoked(bare);
	return close_all(&q, bare);
}

unsigned
census_account_changed(const char *bare, const char *text)
{
	struct question q = { .error = XSTREAM_NOT_AUTHORIZED, .text = text, .forget = true };

	auth_revoked(bare);
	return close_all(&q, bare);
}

/* Read from the database before the change perhaps, so it is set behind the loading. */
struct rights {
	struct user_wait wait;
	struct jid *jid;
	bool admin;
	char *groups;
};

static void
rights_free(struct rights *r)
{
	jid_unref(r->jid);
	free(r->groups);
	free(r);
}

static void
rights_run(struct user_wait *w, struct user *u)
{
	struct rights *r = LIST_ENTRY(w, struct rights, wait);

	if (u && u->state == USER_READY)
		user_set_rights(u, r->admin, r->groups);
	rights_free(r);
}

static void
rights_here(void *arg)
{
	struct question *q = arg;
	struct user *u = user_in_memory(q->bare);
	struct rights *r;

	if (u && u->state == USER_READY)
		user_set_rights(u, q->admin, q->text);
	if (!u || u->state != USER_LOADING)
		return;
	r = NEW(struct rights);
	r->wait.run = rights_run;
	r->jid = jid_ref(q->bare);
	r->admin = q->admin;
	r->groups = mem_strdup(q->text);
	/* When even the inbox is full, it is read again at the next need. */
	if (!user_with(r->jid, &r->wait)) {
		user_forget(u);
		rights_free(r);
	}
}

void
census_account_rights(const char *bare, bool admin, const char *groups)
{
	struct question q = { .bare = jid_parse_z(bare), .text = groups, .admin = admin };

	if (q.bare)
		home_call_each(rights_here, &q);
	jid_unref(q.bare);
}

/* One home, one user, from a control thread: the answer may take a turn or a database job. */
struct leaving {
	struct user_wait wait;
	struct jid *jid;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void
leaving_done(struct leaving *l)
{
	pthread_mutex_lock(&l->lock);
	l->done = true;
	pthread_cond_signal(&l->cond);
	pthread_mutex_unlock(&l->lock);
}

static void
leaving_run(struct user_wait *w, struct user *u)
{
	if (u && u->state == USER_READY)
		roster_account_removed(u);
	leaving_done(LIST_ENTRY(w, struct leaving, wait));
}

static void
leaving_here(void *arg)
{
	struct leaving *l = arg;

	l->wait.run = leaving_run;
	if (!user_with(l->jid, &l->wait))
		leaving_done(l);
}

void
census_account_leaving(const char *bare)
{
	struct leaving l = { .jid = jid_parse_z(bare), .lock = PTHREAD_MUTEX_INITIALIZER,
		.cond = PTHREAD_COND_INITIALIZER };

	if (!l.jid)
		return;
	reactor_call(home_of(l.jid), leaving_here, &l);
	pthread_mutex_lock(&l.lock);
	while (!l.done)
		pthread_cond_wait(&l.cond, &l.lock);
	pthread_mutex_unlock(&l.lock);
	jid_unref(l.jid);
}

static void
count_user(struct user *u, void *arg)
{
	struct census_totals *t = arg;

	t->users++;
	t->sessions += u->nsessions;
	t->detached += u->ndetached;
}

static void
count_here(void *arg)
{
	struct census_totals *t = arg;

	t->connections += c2s_count();
	user_each(count_user, arg);
}

void
census_totals(struct census_totals *out)
{
	memset(out, 0, sizeof(*out));
	home_call_each(count_here, out);
}
