/*
 * reactor: the loops, their threads and the order of a turn. Made by main, used by everything.
 *
 * One iteration of libuv's loop is a turn:
 *
 *     timers → idle (next_turn work) → prepare → poll (mailbox, sockets) → check
 *
 * The turn is finished in prepare, before the loop may sleep, and in check, after the events:
 * mails which this thread sent to itself, then the deferred functions, until neither is left; then
 * what was freed; then the scratch arena. So whatever a batch of events or mails wrote to a
 * connection goes out in one write, and nothing waits over a sleep.
 *
 * A mail to one's own reactor needs no eventfd: the end of the turn finds it. With one reactor that
 * is every mail.
 */
#include "net/reactor.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/turns.h"
#include "net/timers.h"
#include "net/work.h"

#define SLOW_MS 50
#define SCRATCH_FIRST 16384
/* Rounds of own mails and deferred work before events get a look-in. */
#define ROUNDS_MAX 16

enum { IDLE, THIS_TURN, NEXT_TURN };

struct deferred_list {
	struct deferred *first, *last;
	size_t count;
};

struct freed {
	void (*fn)(void *);
	void *p;
};

struct reactor {
	struct mailbox box;
	char apart[64 - sizeof(struct mailbox)]; /* others write to the box, not to what follows */
	bool own_mail;                           /* posted from our own thread, no wake-up under way */
	unsigned index;
	uint64_t turn_ns;                        /* when this turn's first callback began; 0: none yet */
	int64_t entered_ms;
	struct deferred_list deferred, next;
	struct freed *freed;
	size_t freed_count, freed_room;
	struct arena *scratch;
	bool scratch_used;
	struct timers timers;
	struct works works;
	int64_t armed_ms;                        /* what the uv_timer is set to; 0: stopped */
	struct log log;
	char name[16];
	uv_loop_t loop;
	int wake_fd;                             /* an eventfd */
	uv_poll_t wake;
	uv_prepare_t prepare;
	uv_check_t check;
	uv_idle_t idle;
	uv_timer_t timer;
	pthread_t thread;
};

static struct reactor **reactors;
static unsigned reactors_n;
static _Thread_local struct reactor *current;

static void finish_turn(struct reactor *r);

/* The watchdog */

/* 4 ms of resolution for a fifth of the price of the exact clock. */
static int64_t
coarse_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
reactor_enter(struct reactor *r)
{
	if (!r->turn_ns)
		r->turn_ns = uv_hrtime();
	r->entered_ms = coarse_ms();
}

void
reactor_leave(struct reactor *r, const char *kind)
{
	int64_t ms = coarse_ms() - r->entered_ms;

	if (ms <= SLOW_MS)
		return;
	metric_add(METRIC_TURNS_SLOW, 1);
	log_warning(&r->log, "slow-callback", "kind=%s ms=%lld", kind, (long long)ms);
}

/* Deferred work */

static void
list_add(struct deferred_list *l, struct deferred *d)
{
	d->next = NULL;
	d->prev = l->last;
	if (l->last)
		l->last->next = d;
	else
		l->first = d;
	l->last = d;
	l->count++;
}

static void
list_del(struct deferred_list *l, struct deferred *d)
{
	if (d->prev)
		d->prev->next = d->next;
	else
		l->first = d->next;
	if (d->next)
		d->next->prev = d->prev;
	else
		l->last = d->prev;
	d->next = d->prev = NULL;
	d->queued = IDLE;
	l->count--;
}

void
reactor_defer(struct reactor *r, struct deferred *d)
{
	assert(r == current);
	if (d->queued == THIS_TURN)
		return;
	if (d->queued == NEXT_TURN)
		list_del(&r->next, d);
	d->queued = THIS_TURN;
	list_add(&r->deferred, d);
}

static void
on_idle(uv_idle_t *h)
{
	struct reactor *r = h->data;
	struct deferred *d;

	/* What is added meanwhile is for the turn after this. */
	for (size_t n = r->next.count; n > 0 && (d = r->next.first); n--) {
		list_del(&r->next, d);
		reactor_enter(r);
		d->run(d);
		reactor_leave(r, "next-turn");
	}
	if (!r->next.count && !r->own_mail)
		uv_idle_stop(&r->idle);
}

void
reactor_next_turn(struct reactor *r, struct deferred *d)
{
	assert(r == current);
	if (d->queued != IDLE)
		return;
	d->queued = NEXT_TURN;
	list_add(&r->next, d);
	/* An active idle handle keeps libuv from sleeping. */
	uv_idle_start(&r->idle, on_idle);
}

void
reactor_undefer(struct reactor *r, struct deferred *d)
{
	assert(r == current);
	if (d->queued == THIS_TURN)
		list_del(&r->deferred, d);
	else if (d->queued == NEXT_TURN)
		list_del(&r->next, d);
}

void
reactor_free_later(struct reactor *r, void (*fn)(void *), void *p)
{
	assert(r == current);
	if (r->freed_count == r->freed_room) {
		r->freed_room = r->freed_room ? 2 * r->freed_room : 64;
		r->freed = mem_realloc(r->freed, r->freed_room * sizeof(*r->freed));
	}
	r->freed[r->freed_count++] = (struct freed){fn, p};
}

/* Mail */

static void
run_mails(struct reactor *r)
{
	struct mail *m, *next;

	r->own_mail = false;
	for (m = mailbox_take(&r->box); m; m = next) {
		next = m->next;
		reactor_enter(r);
		m->run(m);
		reactor_leave(r, "mail");
	}
}

static void
on_wake(uv_poll_t *h, int status, int events)
{
	struct reactor *r = h->data;
	uint64_t count;

	(void)status;
	(void)events;
	if (read(r->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		log_error(&r->log, "wake-failed", "why=%s", strerror(errno));
	run_mails(r);
}

/* Not uv_async_send: its receiver waits in a loop for the sender to return from it (libuv 1.44), who has just lost the processor to
 * the receiver, and gets it back late. */
static void
wake(struct reactor *r)
{
	static const uint64_t one = 1;

	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		log_error(&r->log, "wake-failed", "why=%s", strerror(errno));
}

void
reactor_post(struct reactor *r, struct mail *m)
{
	if (!mailbox_push(&r->box, m))
		return;
	if (r == current)
		r->own_mail = true;
	else
		wake(r);
}

struct call {
	struct mail mail;
	void (*fn)(void *);
	void *arg;
};

static void
run_call(struct mail *m)
{
	struct call *call = (struct call *)m;

	call->fn(call->arg);
	free(call);
}

void
reactor_call(struct reactor *r, void (*fn)(void *), void *arg)
{
	struct call *call = NEW(struct call);

	call->mail.run = run_call;
	call->fn = fn;
	call->arg = arg;
	reactor_post(r, &call->mail);
}

/* Timers */

static void on_timer(uv_timer_t *h);

void
timer_set(struct timer *t, int64_t in_ms, timer_fn fn)
{
	assert(current);
	t->fn = fn;
	t->due_ms = reactor_now_ms(current) + (in_ms > 0 ? in_ms : 0);
	timers_put(&current->timers, t);
}

void
timer_clear(struct timer *t)
{
	if (!t->slot)
		return;
	assert(current);
	timers_remove(&current->timers, t);
}

/* Only before sleeping: in between the head may change many times for nothing. */
static void
arm_timer(struct reactor *r)
{
	struct timer *t = timers_first(&r->timers);
	int64_t in;

	if (!t) {
		if (r->armed_ms)
			uv_timer_stop(&r->timer);
		r->armed_ms = 0;
		return;
	}
	if (r->armed_ms == t->due_ms)
		return;
	in = t->due_ms - reactor_now_ms(r);
	uv_timer_start(&r->timer, on_timer, in > 0 ? (uint64_t)in : 0, 0);
	r->armed_ms = t->due_ms;
}

static void
on_timer(uv_timer_t *h)
{
	struct reactor *r = h->data;
	struct timer *t;
	int64_t now = reactor_now_ms(r);

	r->armed_ms = 0;
	/* Counted, as a timer may set itself again for at once. */
	for (uint32_t n = r->timers.count; n > 0; n--) {
		t = timers_first(&r->timers);
		if (!t || t->due_ms > now)
			break;
		timers_remove(&r->timers, t);
		reactor_enter(r);
		t->fn(t);
		reactor_leave(r, "timer");
	}
}

/* The turn */

static void
run_deferred(struct reactor *r)
{
	struct deferred *d;

	while ((d = r->deferred.first)) {
		list_del(&r->deferred, d);
		reactor_enter(r);
		d->run(d);
		reactor_leave(r, "deferred");
	}
}

static void
run_freed(struct reactor *r)
{
	/* One may free another: the array can grow under our feet. */
	for (size_t i = 0; i < r->freed_count; i++) {
		struct freed f = r->freed[i];

		f.fn(f.p);
	}
	r->freed_count = 0;
}

static void
finish_turn(struct reactor *r)
{
	for (int round = 0; round < ROUNDS_MAX; round++) {
		if (r->own_mail)
			run_mails(r);
		run_deferred(r);
		run_freed(r);
		if (!r->own_mail && !r->deferred.first)
			break;
	}
	if (r->own_mail)
		uv_idle_start(&r->idle, on_idle);
	if (r->scratch_used) {
		arena_reset(r->scratch);
		r->scratch_used = false;
	}
	if (r->turn_ns) {
		metric_observe(METRIC_TURN, (uv_hrtime() - r->turn_ns) / 1000);
		r->turn_ns = 0;
	}
}

static void
on_prepare(uv_prepare_t *h)
{
	finish_turn(h->data);
	arm_timer(h->data);
}

static void
on_check(uv_check_t *h)
{
	finish_turn(h->data);
}

/* Access */

struct reactor *
reactor_current(void)
{
	return current;
}

unsigned
reactor_count(void)
{
	return reactors_n;
}

struct reactor *
reactor_at(unsigned index)
{
	assert(index < reactors_n);
	return reactors[index];
}

unsigned
reactor_index(const struct reactor *r)
{
	return r->index;
}

uv_loop_t *
reactor_loop(struct reactor *r)
{
	return &r->loop;
}

int64_t
reactor_now_ms(struct reactor *r)
{
	return (int64_t)uv_now(&r->loop);
}

struct arena *
reactor_scratch(struct reactor *r)
{
	assert(r == current);
	r->scratch_used = true;
	return r->scratch;
}

struct works *
reactor_works(struct reactor *r)
{
	return &r->works;
}

/* Start and stop */

static void *
reactor_main(void *arg)
{
	struct reactor *r = arg;

	current = r;
	turns_short();
	uv_run(&r->loop, UV_RUN_DEFAULT);
	return NULL;
}

static int
make_loop(struct reactor *r)
{
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake_fd < 0)
		return -1;
	if (uv_loop_init(&r->loop))
		goto no_loop;
	r->wake.data = r->prepare.data = r->check.data = r->idle.data = r->timer.data = r;
	if (uv_poll_init(&r->loop, &r->wake, r->wake_fd))
		goto no_poll;
	(void)uv_poll_start(&r->wake, UV_READABLE, on_wake); /* cannot fail on a new handle */
	uv_prepare_init(&r->loop, &r->prepare);
	uv_prepare_start(&r->prepare, on_prepare);
	uv_check_init(&r->loop, &r->check);
	uv_check_start(&r->check, on_check);
	uv_idle_init(&r->loop, &r->idle);
	uv_timer_init(&r->loop, &r->timer);
	return 0;

no_poll:
	uv_loop_close(&r->loop);
no_loop:
	close(r->wake_fd);
	return -1;
}

static struct reactor *
reactor_new(unsigned index)
{
	struct reactor *r = NEW(struct reactor);

	if (make_loop(r)) {
		free(r);
		return NULL;
	}
	r->index = index;
	snprintf(r->name, sizeof(r->name), "%u", index);
	r->log = (struct log){.key = "reactor", .value = r->name};
	r->scratch = arena_new(SCRATCH_FIRST);
	list_init(&r->works.first);
	list_init(&r->works.line);
	return r;
}

static void
close_left_over(uv_handle_t *h, void *arg)
{
	size_t *left = arg;

	if (uv_is_closing(h))
		return;
	++*left;
	uv_close(h, NULL);
}

/* Whose results are the only mails that still come from elsewhere. */
static void
await_works(struct reactor *r)
{
	struct pollfd p = { .fd = r->wake_fd, .events = POLLIN };

	while (r->works.running) {
		if (!r->own_mail)
			(void)poll(&p, 1, -1);
		on_wake(&r->wake, 0, 0);
	}
	while (atomic_load(&r->works.telling))
		(void)poll(NULL, 0, 1);
}

/* By the main thread in the reactor's stead, once no thread runs. */
static void
reactor_free(struct reactor *r)
{
	size_t left = 0;

	current = r;
	finish_turn(r);
	await_works(r);
	uv_close((uv_handle_t *)&r->wake, NULL);
	uv_close((uv_handle_t *)&r->prepare, NULL);
	uv_close((uv_handle_t *)&r->check, NULL);
	uv_close((uv_handle_t *)&r->idle, NULL);
	uv_close((uv_handle_t *)&r->timer, NULL);
	uv_walk(&r->loop, close_left_over, &left);
	if (left)
		log_warning(&r->log, "handles-left", "count=%zu", left);
	uv_run(&r->loop, UV_RUN_DEFAULT);
	run_freed(r);
	uv_loop_close(&r->loop);
	close(r->wake_fd);
	timers_fini(&r->timers);
	arena_free(r->scratch);
	free(r->freed);
	current = NULL;
	free(r);
}

static int
start_thread(struct reactor *r, const char *name)
{
	sigset_t all, before;
	int failed;

	/* Signals are main's business. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&r->thread, NULL, reactor_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed)
		return -1;
	pthread_setname_np(r->thread, name);
	return 0;
}

static int
start_numbered(struct reactor *r)
{
	char name[16];

	snprintf(name, sizeof(name), "reactor-%u", r->index % 1000);
	return start_thread(r, name);
}

static void
free_all(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		reactor_free(reactors[i]);
	free(reactors);
	reactors = NULL;
	reactors_n = 0;
}

static void
stop_loop(void *arg)
{
	struct reactor *r = arg;

	uv_stop(&r->loop);
}

static void
join_threads(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		reactor_call(reactors[i], stop_loop, reactors[i]);
	for (unsigned i = 0; i < n; i++)
		pthread_join(reactors[i]->thread, NULL);
}

int
reactor_start_all(unsigned n)
{
	unsigned made = 0, started = 0;

	assert(n > 0 && !reactors);
	/* OpenSSL writes with write(2), which has no MSG_NOSIGNAL. */
	signal(SIGPIPE, SIG_IGN);
	reactors = mem_zalloc(n * sizeof(struct reactor *));
	for (; made < n; made++)
		if (!(reactors[made] = reactor_new(made)))
			goto fail;
	reactors_n = n;
	for (; started < n; started++)
		if (start_numbered(reactors[started]))
			goto fail;
	return 0;
fail:
	log_error(NULL, "reactor-start-failed", "reactor=%u", made < n ? made : started);
	join_threads(started);
	free_all(made);
	return -1;
}

/* Mails may still lie in the boxes, and running one may send another: a few rounds for all. */
static void
drain_mails(void)
{
	for (int round = 0; round < ROUNDS_MAX; round++)
		for (unsigned i = 0; i < reactors_n; i++) {
			current = reactors[i];
			run_mails(current);
			finish_turn(current);
			current = NULL;
		}
}

struct reactor *
reactor_start_side(const char *name)
{
	struct reactor *r = reactor_new(0);

	if (!r)
		return NULL;
	snprintf(r->name, sizeof(r->name), "%s", name);
	if (!start_thread(r, name))
		return r;
	log_error(NULL, "reactor-start-failed", "reactor=%s", name);
	reactor_free(r);
	return NULL;
}

void
reactor_stop_side(struct reactor *r)
{
	if (!r)
		return;
	reactor_call(r, stop_loop, r);
	pthread_join(r->thread, NULL);
	current = r;
	run_mails(r);
	reactor_free(r);
}

void
reactor_stop_all(void)
{
	if (!reactors)
		return;
	join_threads(reactors_n);
	drain_mails();
	free_all(reactors_n);
}
