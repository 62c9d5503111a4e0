/*
 * refusal: a table of sources under a mutex, and the thread that records what is due. The thread alone removes sources, so it may look at one while it
 * records what it has taken out of it, and go on behind it.
 */
#include "store/refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "store/audit.h"
#include "store/record.h"

#define WINDOW_MS 60000
#define TICK_MS 250
#define WITHIN_MS 2000  /* a server that stops waits no longer, and it is tried again */
#define NAMES_MAX 8     /* told of one record */
#define NAME_BYTES 512

struct names {
	char *item[NAMES_MAX];
	unsigned n;
	bool more;
};

struct source {
	UT_hash_handle hh;
	char *action, *person, *role, *origin;
	long uid, login;
	int64_t window_ms;       /* its last record, or its beginning */
	bool told;               /* there was a record */
	uint64_t n;              /* not recorded yet */
	int64_t first_us, last_us;
	struct names origins;    /* of somebody who is known, who may come from several places */
	struct names targets, reasons;
	char key[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;     /* the first source; the stop */
	pthread_t thread;
	bool running, stopping;
	uint64_t sources_max;
	struct source *sources;
} refusals = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

/* Names, each once */

static void
names_add(struct names *l, const char *name)
{
	if (name == NULL)
		return;
	for (unsigned i = 0; i < l->n; i++)
		if (strncmp(l->item[i], name, NAME_BYTES) == 0)
			return;
	if (l->n == NAMES_MAX)
		l->more = true;
	else
		l->item[l->n++] = mem_strndup(name, strnlen(name, NAME_BYTES));
}

static void
names_fini(struct names *l)
{
	while (l->n > 0)
		free(l->item[--l->n]);
	l->more = false;
}

static void
names_add_all(struct names *l, struct names *from)
{
	for (unsigned i = 0; i < from->n; i++)
		names_add(l, from->item[i]);
	l->more |= from->more;
	names_fini(from);
}

static void
write_names(struct buf *out, const char *member, const struct names *l)
{
	buf_addf(out, ",\"%s\":[", member);
	for (unsigned i = 0; i < l->n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		audit_add_string(out, l->item[i]);
	}
	buf_addf(out, "%s]", !l->more ? "" : l->n > 0 ? ",\"…\"" : "\"…\"");
}

/* Counting */

static char *
copy(const char *s)
{
	return s != NULL ? mem_strdup(s) : NULL;
}

static struct source *
source_new(const struct refusal *r, const char *key, size_t n)
{
	struct source *s = mem_zalloc(sizeof *s + n + 1);

	memcpy(s->key, key, n);
	s->action = mem_strdup(r->action);
	s->person = mem_strdup(r->person != NULL ? r->person : "unknown");
	s->role = copy(r->role);
	s->origin = mem_strdup(r->origin);
	s->uid = r->uid;
	s->login = r->login;
	s->window_ms = clock_mono_ms();
	HASH_ADD_KEYPTR(hh, refusals.sources, s->key, n, s);
	return s;
}

static void
source_free(struct source *s)
{
	HASH_DEL(refusals.sources, s);
	names_fini(&s->origins);
	names_fini(&s->targets);
	names_fini(&s->reasons);
	free(s->action);
	free(s->person);
	free(s->role);
	free(s->origin);
	free(s);
}

static struct source *
source_of(const struct refusal *r)
{
	const struct refusal others = {.action = r->action, .uid = -1, .login = -1, .source = "", .origin = "more sources than are told apart"};
	struct buf key = {0};
	struct source *s;

	/* Who has become somebody else (sudo) is told by who has logged in. */
	buf_addf(&key, "%s\n%s\n%s\n%s\n%ld\n%ld", r->action, r->source, r->person != NULL ? r->person : "", r->role != NULL ? r->role : "",
		r->uid, r->login);
	HASH_FIND(hh, refusals.sources, buf_str(&key), buf_len(&key), s);
	/* Who is proved is one of few, and must not be hidden by strangers who are many. */
	if (s == NULL && (HASH_COUNT(refusals.sources) < refusals.sources_max || r->person != NULL || r->source[0] == '\0'))
		s = source_new(r, buf_str(&key), buf_len(&key));
	buf_fini(&key);
	return s != NULL ? s : source_of(&others);
}

void
refusal_note(const struct refusal *r)
{
	struct source *s;

	pthread_mutex_lock(&refusals.lock);
	if (refusals.running) {
		/* The thread looks again soon where there is anything to look at. */
		if (refusals.sources == NULL)
			pthread_cond_signal(&refusals.more);
		s = source_of(r);
		s->last_us = clock_wall_us();
		if (s->n++ == 0)
			s->first_us = s->last_us;
		if (r->person != NULL)
			names_add(&s->origins, r->origin);
		names_add(&s->targets, r->target);
		names_add(&s->reasons, r->why);
	}
	pthread_mutex_unlock(&refusals.lock);
}

/* Recording */

/* What was counted of a source. */
struct report {
	struct source *source;
	uint64_t n;
	int64_t first_us, last_us;
	struct names origins, targets, reasons;
};

static bool
is_due(const struct source *s, int64_t now)
{
	return s->n > 0 && (!s->told || refusals.stopping || now - s->window_ms >= WINDOW_MS);
}

static bool
is_quiet(const struct source *s, int64_t now)
{
	return s->n == 0 && now - s->window_ms >= WINDOW_MS;
}

/* With the lock held. */
static struct report
take(struct source *s)
{
	struct report r = {s, s->n, s->first_us, s->last_us, s->origins, s->targets, s->reasons};

	s->n = 0;
	s->origins = s->targets = s->reasons = (struct names){0};
	return r;
}

/* With the lock held: it could not be recorded. */
static void
give_back(struct report *r)
{
	struct source *s = r->source;

	if (s->n == 0)
		s->last_us = r->last_us;
	s->n += r->n;
	s->first_us = r->first_us;
	names_add_all(&s->origins, &r->origins);
	names_add_all(&s->targets, &r->targets);
	names_add_all(&s->reasons, &r->reasons);
}

static int
record(const struct report *r)
{
	const struct source *s = r->source;
	struct audit_event v = {.person = s->person, .role = s->role, .uid = s->uid, .login = s->login,
		.origin = r->origins.n > 0 ? r->origins.item[0] : s->origin, .action = s->action,
		.target = r->targets.n == 1 && !r->targets.more ? r->targets.item[0] : NULL, .within_ms = WITHIN_MS};
	struct buf detail = {0};
	char first[32], last[32];
	const char *why;
	uint64_t id;
	int rc;

	buf_addf(&detail, "{\"count\":%" PRIu64 ",\"first\":\"%s\",\"last\":\"%s\"", r->n, clock_format(r->first_us, first), clock_format(r->last_us, last));
	if (r->origins.n > 1)
		write_names(&detail, "origins", &r->origins);
	write_names(&detail, "targets", &r->targets);
	write_names(&detail, "why", &r->reasons);
	buf_addc(&detail, '}');
	v.detail = buf_str(&detail);
	rc = audit_submit(&v, &id, &why);
	buf_fini(&detail);
	return rc;
}

/* With the lock held, which is let go meanwhile. -1: it could not be recorded, and is tried again. */
static int
record_source(struct source *s)
{
	struct report r = take(s);
	int rc;

	pthread_mutex_unlock(&refusals.lock);
	rc = record(&r);
	pthread_mutex_lock(&refusals.lock);
	if (rc != 0) {
		give_back(&r);
		return -1;
	}
	names_fini(&r.origins);
	names_fini(&r.targets);
	names_fini(&r.reasons);
	s->told = true;
	s->window_ms = clock_mono_ms();
	return 0;
}

/* With the lock held. Each source once, in the order in which they came; who has been quiet is forgotten. What comes meanwhile waits for the next time:
 * nobody but this thread takes one out, so the next one stays where it is. */
static void
record_due(void)
{
	struct source *s, *next;

	HASH_ITER(hh, refusals.sources, s, next) {
		int64_t now = clock_mono_ms();

		/* An archive that is away would only hold up the stop. */
		if (!record_is_up())
			return;
		if (is_quiet(s, now))
			source_free(s);
		else if (is_due(s, now) && record_source(s) != 0)
			return;
	}
}

static void
wait_a_little(void)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += TICK_MS * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_cond_timedwait(&refusals.more, &refusals.lock, &until);
}

static void *
run(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&refusals.lock);
	while (!refusals.stopping) {
		if (refusals.sources == NULL)
			(void)pthread_cond_wait(&refusals.more, &refusals.lock);
		else
			wait_a_little();
		if (!refusals.stopping)
			record_due();
	}
	/* All of it is due now, also what was not when the stop began. */
	record_due();
	pthread_mutex_unlock(&refusals.lock);
	return NULL;
}

int
refusal_start(uint64_t sources_max, struct err *e)
{
	refusals.sources_max = sources_max;
	refusals.stopping = false;
	refusals.running = true;
	if (pthread_create(&refusals.thread, NULL, run, NULL) == 0)
		return 0;
	refusals.running = false;
	return err_set(e, EAGAIN, "the thread that records refusals could not be started");
}

void
refusal_stop(void)
{
	struct source *s, *next;
	uint64_t left = 0;

	if (!refusals.running)
		return;
	pthread_mutex_lock(&refusals.lock);
	refusals.stopping = true;
	pthread_cond_signal(&refusals.more);
	pthread_mutex_unlock(&refusals.lock);
	(void)pthread_join(refusals.thread, NULL);
	pthread_mutex_lock(&refusals.lock);
	refusals.running = false;
	HASH_ITER(hh, refusals.sources, s, next) {
		left += s->n;
		source_free(s);
	}
	pthread_mutex_unlock(&refusals.lock);
	if (left > 0)
		log_warning(NULL, "refusals-not-recorded", "n=%" PRIu64, left);
}
