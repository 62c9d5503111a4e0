/*
 * log_verify_threads: ranges of the record are read and judged by threads (log_verify_chunk.c), some in advance of who takes them in the order of the log.
 */
#include "archive/verify/log_verify_priv.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define CONNECT_MS 10000
#define DEADLINE_MS 60000

bool
verify_is_stopped(const struct run *r)
{
	const struct log_verify *v = r->y.v;

	return (v->stop && atomic_load(v->stop)) || (v->gone && v->gone(v->arg));
}

struct sql *
verify_connection(const struct log_verify *v)
{
	struct sql *db = sql_new(v->conninfo, "chancery verify");

	sql_allow_standby(db);
	sql_set_deadline(db, DEADLINE_MS);
	sql_set_stop(db, v->stop);
	return db;
}

/* The log's own index gives the order: no sort of whole ranges. */
enum sql_status
verify_ready(struct sql *db, struct err *e)
{
	enum sql_status st = sql_is_connected(db) ? SQL_OK : sql_connect(db, CONNECT_MS, e);

	return st == SQL_OK ? sql_script(db, e, "SET enable_sort = off; SET enable_bitmapscan = off; SET statement_timeout = 0") : st;
}

void
verify_fail(struct run *r, const struct err *e)
{
	pthread_mutex_lock(&r->lock);
	if (!r->failed)
		r->err = *e;
	r->failed = true;
	pthread_mutex_unlock(&r->lock);
}

static int
read_chunk(struct run *r, struct sql *db, struct chunk *c, uint64_t number)
{
	uint64_t first = number * CHUNK, end = first + CHUNK < r->y.v->size ? first + CHUNK : r->y.v->size;
	struct err e = { 0 };

	for (int i = 0; i < VERIFY_TRIES && !atomic_load(&r->y.stop); i++) {
		chunk_begin(c, first, end, r->y.covered);
		if (verify_ready(db, &e) == SQL_OK && chunk_read(&r->y, db, c, &e) == SQL_OK)
			return 0;
		if (!atomic_load(&r->y.stop))
			poll(NULL, 0, VERIFY_AGAIN_MS);
	}
	verify_fail(r, &e);
	return -1;
}

/* The number of the next chunk, when there is room for it; UINT64_MAX: it is over. */
static uint64_t
take_chunk(struct run *r)
{
	uint64_t number = UINT64_MAX;

	pthread_mutex_lock(&r->lock);
	while (!r->over && !r->failed && r->next < r->chunks && r->next >= r->consumed + r->nslots)
		pthread_cond_wait(&r->moved, &r->lock);
	if (!r->over && !r->failed && r->next < r->chunks) {
		number = r->next++;
		r->state[number % r->nslots] = SLOT_BUSY;
	}
	pthread_mutex_unlock(&r->lock);
	return number;
}

static void *
reader_main(void *arg)
{
	struct run *r = arg;
	struct sql *db = verify_connection(r->y.v);
	uint64_t number;

	while ((number = take_chunk(r)) != UINT64_MAX) {
		(void)read_chunk(r, db, r->slot[number % r->nslots], number);
		pthread_mutex_lock(&r->lock);
		r->state[number % r->nslots] = SLOT_DONE;
		pthread_cond_broadcast(&r->moved);
		pthread_mutex_unlock(&r->lock);
	}
	sql_free(db);
	return NULL;
}

/* The next chunk in order; NULL: it failed, or was stopped. */
struct chunk *
verify_await(struct run *r)
{
	struct chunk *c = NULL;

	pthread_mutex_lock(&r->lock);
	while (!r->failed && !verify_is_stopped(r) && r->state[r->consumed % r->nslots] != SLOT_DONE) {
		int64_t ms = clock_mono_ms() + 200;
		struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

		pthread_cond_timedwait(&r->moved, &r->lock, &t);
	}
	if (!r->failed && !verify_is_stopped(r))
		c = r->slot[r->consumed % r->nslots];
	pthread_mutex_unlock(&r->lock);
	return c;
}

void
verify_give_back(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->state[r->consumed % r->nslots] = SLOT_FREE;
	r->consumed++;
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
}

int
verify_start_threads(struct run *r, struct err *e)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned want = r->y.v->threads ? r->y.v->threads : cores < 1 ? 1 : (unsigned)cores;
	uint64_t todo = r->chunks - r->first_chunk;
	sigset_t all, old;
	int rc = 0;

	want = want > VERIFY_THREADS_MAX ? VERIFY_THREADS_MAX : want;
	want = todo < want ? (unsigned)todo : want;
	r->nslots = want + 1;
	r->slot = mem_zalloc(r->nslots * sizeof(*r->slot));
	r->state = mem_zalloc(r->nslots * sizeof(*r->state));
	for (unsigned i = 0; i < r->nslots; i++)
		r->slot[i] = NEW(struct chunk);
	r->next = r->consumed = r->first_chunk;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r->nthreads < want && !(rc = pthread_create(&r->thread[r->nthreads], NULL, reader_main, r)))
		r->nthreads++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc && !r->nthreads ? err_set(e, rc, "no thread: %s", strerror(rc)) : 0;
}

void
verify_stop_threads(struct run *r)
{
	pthread_mutex_lock(&r->lock);
	r->over = true;
	atomic_store(&r->y.stop, true);
	pthread_cond_broadcast(&r->moved);
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < r->nthreads; i++)
		pthread_join(r->thread[i], NULL);
	for (unsigned i = 0; i < r->nslots; i++) {
		chunk_fini(r->slot[i]);
		free(r->slot[i]);
	}
	free(r->slot);
	free(r->state);
}
