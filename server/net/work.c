/*
 * work: a line for each reactor in front of a few threads that all share, which are made when they are needed and stay.
 *
 * They are not libuv's: whose reactor waits in a loop, when a result comes, for the thread to return from telling it (libuv 1.44). That thread
 * has just lost the processor to the reactor, and as it is one that nobody waits for it gets it back late: messages stood still meanwhile.
 */
#include "net/work.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/metric.h"
#include "base/turns.h"

#define NICE 5 /* reactors, and the database, go first */
#define THREADS 4

static atomic_uint most = 1;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct list line; /* what has been begun, and no thread has taken */
	unsigned waiting; /* how much that is */
	unsigned threads, idle;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .line = { &pool.line, &pool.line } };

static void go_on(struct reactor *r);

/* At home. Also when the loop has been stopped: the reactor's end waits for what is running. */
static void
finished(struct mail *m)
{
	struct work *w = LIST_ENTRY(m, struct work, mail);
	struct reactor *r = w->home;

	reactor_works(r)->running--;
	go_on(r);
	w->done(w);
}

/* From the post on the owner may be gone, and nothing is left of the reactor but what waits for `telling`. */
static void
run(struct work *w)
{
	struct reactor *r = w->home;

	w->run(w);
	w->mail.run = finished;
	atomic_fetch_add(&reactor_works(r)->telling, 1);
	reactor_post(r, &w->mail);
	atomic_fetch_sub(&reactor_works(r)->telling, 1);
}

static void *
thread_main(void *arg)
{
	turns_long(NICE);
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		struct list *l = list_pop(&pool.line);

		if (!l) {
			pool.idle++;
			pthread_cond_wait(&pool.more, &pool.lock);
			pool.idle--;
			continue;
		}
		pool.waiting--;
		pthread_mutex_unlock(&pool.lock);
		run(LIST_ENTRY(l, struct work, link));
		pthread_mutex_lock(&pool.lock);
	}
	return arg;
}

/* Under the lock. They end with the process. */
static void
add_thread(void)
{
	sigset_t all, before;
	pthread_t t;
	int rc;

	/* Signals are main's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&t, NULL, thread_main, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		log_error(NULL, "work-thread-failed", "why=%s", strerror(rc));
		return;
	}
	(void)pthread_setname_np(t, "work"); /* else it is its reactor's, for top */
	(void)pthread_detach(t);
	pool.threads++;
}

/* To a thread. Where there is none, and none can be had, it is done here. */
static void
give(struct work *w)
{
	bool none;

	pthread_mutex_lock(&pool.lock);
	if (pool.waiting >= pool.idle && pool.threads < THREADS)
		add_thread();
	none = !pool.threads;
	if (!none) {
		list_append(&pool.line, &w->link);
		pool.waiting++;
		pthread_cond_signal(&pool.more);
	}
	pthread_mutex_unlock(&pool.lock);
	if (none)
		run(w);
}

static void
go_on(struct reactor *r)
{
	struct works *all = reactor_works(r);
	struct list *l;

	while (all->running < atomic_load_explicit(&most, memory_order_relaxed) && ((l = list_pop(&all->first)) || (l = list_pop(&all->line)))) {
		struct work *w = LIST_ENTRY(l, struct work, link);

		metric_add(METRIC_HANDSHAKES_WAITING, -1);
		all->running++;
		w->begun = true;
		give(w);
	}
}

void
work_begin(struct work *w, bool first)
{
	struct works *all;

	w->home = reactor_current();
	assert(w->home);
	w->begun = false;
	all = reactor_works(w->home);
	list_append(first ? &all->first : &all->line, &w->link);
	metric_add(METRIC_HANDSHAKES_WAITING, 1);
	go_on(w->home);
}

bool
work_cancel(struct work *w)
{
	if (w->begun)
		return false;
	list_remove(&w->link);
	metric_add(METRIC_HANDSHAKES_WAITING, -1);
	return true;
}

void
work_set_most(unsigned n)
{
	atomic_store_explicit(&most, n, memory_order_relaxed);
}
