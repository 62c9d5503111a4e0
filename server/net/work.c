/*
 * work: a line for each reactor in front of libuv's pool of threads, which itself would take anything.
 */
#include "net/work.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/metric.h"
#include "base/turns.h"

#define NICE 5 /* reactors, and the database, go first */

static atomic_uint most = 1;

static void go_on(struct reactor *r);

static void
run(uv_work_t *request)
{
	struct work *w = LIST_ENTRY(request, struct work, request);
	static _Thread_local bool known;

	if (!known) {
		known = true;
		(void)pthread_setname_np(pthread_self(), "work"); /* else it is its reactor's, for top */
		turns_long(NICE);
	}
	w->run(w);
}

/* At home. Also when the loop has been stopped: the reactor's end waits for what is running. */
static void
finished(uv_work_t *request, int status)
{
	struct work *w = LIST_ENTRY(request, struct work, request);
	struct reactor *r = w->home;

	(void)status; /* nothing that is in libuv's hands is cancelled */
	reactor_enter(r);
	reactor_works(r)->running--;
	go_on(r);
	w->done(w);
	reactor_leave(r, "work");
}

static void
go_on(struct reactor *r)
{
	struct works *all = reactor_works(r);
	struct list *l;

	while (all->running < atomic_load_explicit(&most, memory_order_relaxed) && ((l = list_pop(&all->first)) || (l = list_pop(&all->line)))) {
		struct work *w = LIST_ENTRY(l, struct work, link);

		metric_add(METRIC_HANDSHAKES_WAITING, -1);
		if (!uv_queue_work(reactor_loop(r), &w->request, run, finished))
			all->running++;
	}
}

void
work_begin(struct work *w, bool first)
{
	struct works *all;

	w->home = reactor_current();
	assert(w->home);
	all = reactor_works(w->home);
	list_append(first ? &all->first : &all->line, &w->link);
	metric_add(METRIC_HANDSHAKES_WAITING, 1);
	go_on(w->home);
}

bool
work_cancel(struct work *w)
{
	if (list_is_empty(&w->link))
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
