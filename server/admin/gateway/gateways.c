/*
 * gateways: see gateways.h. The list of programs, and the thread that goes through it; what becomes of one program is gateway_program.
 */
#include "admin/gateway/gateways.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin/gateway/gateway_program.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "core/config/config.h"
#include "core/gateway/gateway.h"

#define PROGRAMS_MAX 256

static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	struct list all;      /* under lock where it is changed; the thread alone does that */
	int wake;             /* made before `running` is true, as verbs run already */
	atomic_bool running, quiet, stopping;
} programs = {.lock = PTHREAD_MUTEX_INITIALIZER, .all = {&programs.all, &programs.all}, .wake = -1};

static struct gateway_program *
entry(struct list *l)
{
	return LIST_ENTRY(l, struct gateway_program, link);
}

static struct gateway_program *
find(const char *name)
{
	LIST_EACH(l, &programs.all) {
		if (strcmp(entry(l)->name, name) == 0)
			return entry(l);
	}
	return NULL;
}

/* What shall be */

struct snapshot {
	struct gateway *g[PROGRAMS_MAX];
	size_t n;
};

static void
collect(void *arg, struct gateway *g)
{
	struct snapshot *s = arg;

	if (s->n < PROGRAMS_MAX)
		s->g[s->n++] = gateway_ref(g);
}

static void
follow_one(const struct gateway *g)
{
	struct gateway_program *p = find(g->name);

	if (p == NULL) {
		p = gateway_program_new(g->name);
		pthread_mutex_lock(&programs.lock);
		list_append(&programs.all, &p->link);
		pthread_mutex_unlock(&programs.lock);
	}
	p->wanted = g->on;
	gateway_program_follow(p, g, programs.quiet);
}

/* Starting takes its time: the table is not held meanwhile. */
static void
follow(void)
{
	struct snapshot s = {.n = 0};

	LIST_EACH(l, &programs.all)
		entry(l)->wanted = false;
	gateway_each(collect, &s);
	for (size_t i = 0; i < s.n; i++) {
		follow_one(s.g[i]);
		gateway_unref(s.g[i]);
	}
	LIST_EACH(l, &programs.all) {
		if (!entry(l)->wanted && entry(l)->state == GATEWAY_RUNNING)
			gateway_program_end(entry(l));
	}
}

/* Those that are no more. */
static void
tidy(void)
{
	struct snapshot s = {.n = 0};

	gateway_each(collect, &s);
	LIST_EACH(l, &programs.all) {
		struct gateway_program *p = entry(l);
		bool known = false;

		for (size_t i = 0; i < s.n; i++)
			known |= strcmp(s.g[i]->name, p->name) == 0;
		if (known || gateway_program_has_process(p))
			continue;
		pthread_mutex_lock(&programs.lock);
		list_remove(&p->link);
		pthread_mutex_unlock(&programs.lock);
		gateway_program_free(p);
	}
	for (size_t i = 0; i < s.n; i++)
		gateway_unref(s.g[i]);
}

/* The thread */

static int
time_left(void)
{
	struct config *c = config_get();
	int64_t now = clock_mono_ms(), first = -1, look = now + (int64_t)c->gateways.silence_ms / 2;

	config_unref(c);
	LIST_EACH(l, &programs.all) {
		const struct gateway_program *p = entry(l);

		if (p->state == GATEWAY_RUNNING && (first < 0 || look < first))
			first = look;
		if ((p->state == GATEWAY_ENDING || (p->state == GATEWAY_WAITING && !programs.quiet)) && (first < 0 || p->at_ms < first))
			first = p->at_ms;
	}
	return first < 0 ? -1 : first <= now ? 0 : first - now < 60000 ? (int)(first - now) : 60000;
}

/* Waits for something to happen, and reaps what has ended. */
static void
wait_and_reap(void)
{
	struct pollfd fds[PROGRAMS_MAX + 1] = {{.fd = programs.wake, .events = POLLIN}};
	struct gateway_program *of[PROGRAMS_MAX + 1];
	nfds_t n = 1;
	uint64_t count;

	LIST_EACH(l, &programs.all) {
		struct gateway_program *p = entry(l);

		if (!gateway_program_has_process(p) || n > PROGRAMS_MAX)
			continue;
		fds[n] = (struct pollfd){.fd = p->process.pidfd, .events = POLLIN};
		of[n++] = p;
	}
	if (poll(fds, n, time_left()) < 0)
		return;
	if (fds[0].revents != 0 && read(programs.wake, &count, sizeof count) < 0 && errno != EAGAIN)
		log_error(NULL, "gateways-wake", "why=%s", strerror(errno));
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].revents != 0)
			gateway_program_ended(of[i], programs.quiet);
}

static void
kill_late(void)
{
	LIST_EACH(l, &programs.all)
		gateway_program_kill_late(entry(l));
}

static void
end_all(void)
{
	bool any = true;

	LIST_EACH(l, &programs.all) {
		if (entry(l)->state == GATEWAY_RUNNING)
			gateway_program_end(entry(l));
	}
	while (any) {
		any = false;
		LIST_EACH(l, &programs.all)
			any |= gateway_program_has_process(entry(l));
		if (any) {
			wait_and_reap();
			kill_late();
		}
	}
	pthread_mutex_lock(&programs.lock);
	LIST_EACH(l, &programs.all) {
		struct gateway_program *p = entry(l);

		list_remove(&p->link);
		gateway_program_free(p);
	}
	pthread_mutex_unlock(&programs.lock);
}

static void *
run(void *arg)
{
	(void)arg;
	while (!programs.stopping) {
		follow();
		tidy();
		wait_and_reap();
		kill_late();
	}
	end_all();
	return NULL;
}

static void
wake(void)
{
	uint64_t one = 1;

	if (programs.running && write(programs.wake, &one, sizeof one) < 0)
		log_error(NULL, "gateways-wake", "why=%s", strerror(errno));
}

static void
fell_silent(const char *name)
{
	struct gateway_program *p;

	pthread_mutex_lock(&programs.lock);
	p = find(name);
	if (p != NULL)
		gateway_program_silent(p);
	pthread_mutex_unlock(&programs.lock);
	wake();
}

int
gateways_start(struct err *e)
{
	programs.quiet = false;
	programs.stopping = false;
	programs.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (programs.wake < 0 || pthread_create(&programs.thread, NULL, run, NULL) != 0) {
		if (programs.wake >= 0)
			close(programs.wake);
		return err_set(e, 0, "the thread of the gateways could not be started");
	}
	programs.running = true;
	gateway_on_silent(fell_silent);
	return 0;
}

void
gateways_follow(const char *name)
{
	struct gateway_program *p;

	pthread_mutex_lock(&programs.lock);
	p = name != NULL ? find(name) : NULL;
	if (p != NULL)
		p->hurry = true;
	pthread_mutex_unlock(&programs.lock);
	wake();
}

void
gateways_quiet(void)
{
	programs.quiet = true;
	wake();
}

void
gateways_stop(void)
{
	if (!programs.running)
		return;
	gateway_on_silent(NULL);
	programs.stopping = true;
	wake();
	pthread_join(programs.thread, NULL);
	close(programs.wake);
	programs.running = false;
}

void
gateways_state(const char *name, struct gateways_state *out)
{
	struct gateway_program *p;

	*out = (struct gateways_state){.what = "off"};
	pthread_mutex_lock(&programs.lock);
	p = find(name);
	if (p != NULL)
		gateway_program_show(p, out);
	pthread_mutex_unlock(&programs.lock);
}

static bool
is_down(const struct gateway *g)
{
	struct gateway_program *p;
	bool down;

	pthread_mutex_lock(&programs.lock);
	p = find(g->name);
	down = p != NULL && gateway_program_is_down(p);
	pthread_mutex_unlock(&programs.lock);
	/* One whose program somebody else has started is there all the same. */
	return down && g->on && !gateway_program_has_stream(g);
}

unsigned
gateways_down(void)
{
	struct snapshot s = {.n = 0};
	unsigned n = 0;

	gateway_each(collect, &s);
	for (size_t i = 0; i < s.n; i++) {
		n += is_down(s.g[i]);
		gateway_unref(s.g[i]);
	}
	return n;
}
