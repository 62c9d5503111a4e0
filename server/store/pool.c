/*
 * pool: workers with a connection each, and threads for CPU work and for disks (see pool.h).
 *
 * A worker owns a queue and a connection; a key always goes to the same worker, which makes the order. A
 * worker that waits for PostgreSQL, in whatever call, ticks: jobs behind the running one come back when
 * their own deadline passes. The running job's statements end at its deadline (sql_set_until).
 */
#include "store/pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"

#define CONNECT_MS 2000
#define PAUSE_MS 100
#define PAUSE_MAX_MS 1000
#define TICK_MS 200
#define STOP_MS 5000
#define CPU_THREADS_MAX 8
#define DISK_THREADS 4 /* one fsync serves those who wait at the same time */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *first, **last;
};

struct worker {
	struct queue q;
	pthread_t thread;
	struct sql *db;
	bool connected;
};

static struct {
	struct worker *worker;
	unsigned nworkers;
	struct side {
		struct queue q;
		pthread_t thread[CPU_THREADS_MAX];
		unsigned n;
	} cpu, disk;
	atomic_uint patience_ms; /* a reactor may ask for something before the pool has started */
	unsigned max_waiting;
	pthread_mutex_t gate; /* closing waits for those who are submitting */
	bool open;
	atomic_bool stopping;
	atomic_int_fast64_t stop_ms; /* nothing runs on behind this */
	atomic_uint waiting, connected;
	atomic_bool up;
} pool = {.gate = PTHREAD_MUTEX_INITIALIZER};

static void
queue_init(struct queue *q)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->more, &attr);
	pthread_condattr_destroy(&attr);
	q->first = NULL;
	q->last = &q->first;
}

static void
queue_fini(struct queue *q)
{
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->more);
}

static void
queue_push(struct queue *q, struct job *j)
{
	j->next = NULL;
	pthread_mutex_lock(&q->lock);
	*q->last = j;
	q->last = &j->next;
	pthread_cond_signal(&q->more);
	pthread_mutex_unlock(&q->lock);
}

static struct job *
queue_pop(struct queue *q)
{
	struct job *j;

	pthread_mutex_lock(&q->lock);
	j = q->first;
	if (j) {
		q->first = j->next;
		if (!q->first)
			q->last = &q->first;
		j->next = NULL;
	}
	pthread_mutex_unlock(&q->lock);
	return j;
}

/* Takes out what is past its deadline, as a list in order. */
static struct job *
queue_expired(struct queue *q, int64_t now)
{
	struct job *out = NULL, **end = &out, **p, *j;

	pthread_mutex_lock(&q->lock);
	for (p = &q->first; (j = *p);) {
		if (j->deadline_ms > now) {
			p = &j->next;
			continue;
		}
		*p = j->next;
		if (!*p)
			q->last = p;
		j->next = NULL;
		*end = j;
		end = &j->next;
	}
	pthread_mutex_unlock(&q->lock);
	return out;
}

/* Until there is a job (unless `deaf`), the pool stops, or `ms` have passed. */
static void
queue_wait(struct queue *q, int ms, bool deaf)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ms % 1000 * 1000000L;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000L;
	t.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&q->lock);
	while ((deaf || !q->first) && !atomic_load(&pool.stopping))
		if (pthread_cond_timedwait(&q->more, &q->lock, &t) != 0)
			break;
	pthread_mutex_unlock(&q->lock);
}

static void
deliver(struct mail *m)
{
	struct job *j = (struct job *)((char *)m - offsetof(struct job, mail));
	struct arena *a = j->arena;

	if (j->done)
		j->done(j);
	arena_free(a); /* with the job in it */
}

static void
finish(struct job *j, enum job_status status)
{
	j->status = status;
	metric_add(METRIC_JOBS, 1);
	if (status != JOB_OK)
		metric_add(METRIC_JOBS_FAILED, 1);
	j->mail.run = deliver;
	if (j->home)
		reactor_post(j->home, &j->mail);
	else
		deliver(&j->mail);
}

static void
leave_queue(void)
{
	metric_set(METRIC_JOBS_WAITING, (int64_t)atomic_fetch_sub(&pool.waiting, 1) - 1);
}

static void
expire(struct queue *q)
{
	struct job *j = queue_expired(q, clock_mono_ms()), *next;

	for (; j; j = next) {
		next = j->next;
		leave_queue();
		err_set(&j->err, 0, "the database did not answer in time");
		finish(j, JOB_UNAVAILABLE);
	}
}

static void
on_tick(void *arg)
{
	struct worker *w = arg;

	expire(&w->q);
}

static void
set_connected(struct worker *w, bool yes, const char *why)
{
	unsigned n;

	if (w->connected != yes) {
		w->connected = yes;
		if (yes)
			atomic_fetch_add(&pool.connected, 1);
		else
			atomic_fetch_sub(&pool.connected, 1);
	}
	n = atomic_load(&pool.connected);
	if (yes && !atomic_exchange(&pool.up, true))
		log_info(NULL, "database-up", "workers=%u", n);
	else if (!yes && n == 0 && atomic_exchange(&pool.up, false))
		log_error(NULL, "database-down", "why=%s", why);
}

static void
run(struct worker *w, struct job *j)
{
	int64_t until = j->deadline_ms;
	enum sql_status st;

	if (atomic_load(&pool.stopping) && atomic_load(&pool.stop_ms) < until)
		until = atomic_load(&pool.stop_ms);
	sql_set_until(w->db, until);
	st = j->work(j, w->db);
	sql_set_until(w->db, 0);
	/* Nothing of a job stays open for the next one. */
	sql_rollback(w->db);
	leave_queue();
	finish(j, st == SQL_OK ? JOB_OK : st == SQL_FAILED ? JOB_FAILED : JOB_UNAVAILABLE);
}

static bool
must_end(struct queue *q)
{
	bool empty;

	if (!atomic_load(&pool.stopping))
		return false;
	pthread_mutex_lock(&q->lock);
	empty = !q->first;
	pthread_mutex_unlock(&q->lock);
	return empty || clock_mono_ms() >= atomic_load(&pool.stop_ms);
}

static void
refuse_rest(struct queue *q)
{
	struct job *j;

	while ((j = queue_pop(q))) {
		leave_queue();
		err_set(&j->err, 0, "the server stops");
		finish(j, JOB_UNAVAILABLE);
	}
}

/* Between two attempts to connect; jobs expire meanwhile. */
static void
rest(struct worker *w, int ms)
{
	for (; ms > 0 && !must_end(&w->q); ms -= TICK_MS) {
		queue_wait(&w->q, ms < TICK_MS ? ms : TICK_MS, true);
		expire(&w->q);
	}
}

static void *
worker_main(void *arg)
{
	struct worker *w = arg;
	struct job *j;
	struct err e;
	int pause = PAUSE_MS;

	while (!must_end(&w->q)) {
		expire(&w->q);
		/* Also when idle: notices a lost connection before a job has to. */
		if (sql_connect(w->db, CONNECT_MS, &e) != SQL_OK) {
			set_connected(w, false, e.text);
			rest(w, pause);
			pause = pause * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause * 2;
			continue;
		}
		pause = PAUSE_MS;
		set_connected(w, true, NULL);
		j = queue_pop(&w->q);
		if (j)
			run(w, j);
		else
			queue_wait(&w->q, PAUSE_MAX_MS, false);
	}
	refuse_rest(&w->q);
	return NULL;
}

static void *
side_main(void *arg)
{
	struct queue *q = arg;
	struct job *j;

	while (!must_end(q)) {
		expire(q);
		j = queue_pop(q);
		if (!j) {
			queue_wait(q, 60000, false);
			continue;
		}
		leave_queue();
		finish(j, j->work(j, NULL) == SQL_OK ? JOB_OK : JOB_FAILED);
	}
	refuse_rest(q);
	return NULL;
}

static int
start_thread(pthread_t *t, void *(*fn)(void *), void *arg, struct err *e)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(t, NULL, fn, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? 0 : err_set(e, rc, "database workers: no thread: %s", strerror(rc));
}

static int
start_worker(struct worker *w, const char *conninfo, struct err *e)
{
	queue_init(&w->q);
	w->db = sql_new(conninfo, "chancery worker");
	sql_set_tick(w->db, TICK_MS, on_tick, w);
	if (start_thread(&w->thread, worker_main, w, e) == 0)
		return 0;
	sql_free(w->db);
	queue_fini(&w->q);
	return -1;
}

static int
start_side(struct side *side, long threads, struct err *e)
{
	queue_init(&side->q);
	for (side->n = 0; side->n < threads; side->n++)
		if (start_thread(&side->thread[side->n], side_main, &side->q, e) != 0)
			return -1;
	return 0;
}

static int
start_sides(struct err *e)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	int rc = start_side(&pool.cpu, cores < 1 ? 1 : cores > CPU_THREADS_MAX ? CPU_THREADS_MAX : cores, e);

	/* Both queues are there in any case: pool_stop ends them. */
	return start_side(&pool.disk, rc == 0 ? DISK_THREADS : 0, e) != 0 ? -1 : rc;
}

/* Returns what it was. */
static bool
set_open(bool open)
{
	bool was;

	pthread_mutex_lock(&pool.gate);
	was = pool.open;
	pool.open = open;
	pthread_mutex_unlock(&pool.gate);
	return was;
}

int
pool_start(const char *conninfo, unsigned workers, unsigned patience_ms, unsigned max_waiting,
	   struct err *e)
{
	atomic_store(&pool.stopping, false);
	atomic_store(&pool.up, true); /* so that a first failure is news */
	pool.patience_ms = patience_ms;
	pool.max_waiting = max_waiting;
	pool.worker = mem_zalloc(workers * sizeof(*pool.worker));
	pool.nworkers = 0;
	if (start_sides(e) != 0)
		goto fail;
	while (pool.nworkers < workers) {
		if (start_worker(&pool.worker[pool.nworkers], conninfo, e) != 0)
			goto fail;
		pool.nworkers++;
	}
	set_open(true);
	return 0;
fail:
	set_open(true);
	pool_stop();
	return -1;
}

static void
wake(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	pthread_cond_broadcast(&q->more);
	pthread_mutex_unlock(&q->lock);
}

static void
stop_side(struct side *side)
{
	for (unsigned i = 0; i < side->n; i++)
		pthread_join(side->thread[i], NULL);
	side->n = 0;
	queue_fini(&side->q);
}

void
pool_stop(void)
{
	if (!set_open(false))
		return;
	atomic_store(&pool.stop_ms, clock_mono_ms() + STOP_MS);
	atomic_store(&pool.stopping, true);
	wake(&pool.cpu.q);
	wake(&pool.disk.q);
	for (unsigned i = 0; i < pool.nworkers; i++)
		wake(&pool.worker[i].q);
	for (unsigned i = 0; i < pool.nworkers; i++) {
		pthread_join(pool.worker[i].thread, NULL);
		sql_free(pool.worker[i].db);
		queue_fini(&pool.worker[i].q);
	}
	stop_side(&pool.cpu);
	stop_side(&pool.disk);
	free(pool.worker);
	pool.worker = NULL;
	pool.nworkers = 0;
	atomic_store(&pool.connected, 0);
	atomic_store(&pool.up, false);
}

struct job *
job_new(size_t size)
{
	struct arena *a = arena_new(sizeof(struct job) + size + 1024);
	struct job *j = arena_zalloc(a, sizeof(*j));

	j->arena = a;
	j->data = size ? arena_zalloc(a, size) : NULL;
	return j;
}

/* NULL, or why not. `side` NULL: a worker's, by the key. */
static const char *
enqueue(struct job *j, struct side *side, uint64_t key)
{
	const char *why = NULL;
	unsigned n;

	pthread_mutex_lock(&pool.gate);
	n = atomic_load(&pool.waiting);
	if (!pool.open)
		why = "the server stops";
	else if (n >= pool.max_waiting)
		why = "too many jobs wait for the database";
	if (!why) {
		metric_set(METRIC_JOBS_WAITING, (int64_t)atomic_fetch_add(&pool.waiting, 1) + 1);
		queue_push(side ? &side->q : &pool.worker[key % pool.nworkers].q, j);
	}
	pthread_mutex_unlock(&pool.gate);
	return why;
}

static void
submit(struct job *j, struct side *side, uint64_t key)
{
	const char *why;

	j->home = reactor_current();
	if (!j->deadline_ms)
		j->deadline_ms = clock_mono_ms() + pool.patience_ms;
	/* The job may be done and gone as soon as it is in the queue. */
	why = enqueue(j, side, key);
	if (why) {
		err_set(&j->err, 0, "%s", why);
		finish(j, JOB_UNAVAILABLE);
	}
}

void
pool_submit(struct job *j, uint64_t key)
{
	submit(j, NULL, key);
}

void
pool_refuse(struct job *j, uint64_t key)
{
	(void)key;
	j->home = reactor_current();
	err_set(&j->err, 0, "too much of the same sender waits for the database");
	finish(j, JOB_UNAVAILABLE);
}

void
pool_submit_cpu(struct job *j)
{
	submit(j, &pool.cpu, 0);
}

void
pool_submit_disk(struct job *j)
{
	submit(j, &pool.disk, 0);
}

int
pool_is_up(void)
{
	return atomic_load(&pool.connected) > 0;
}
