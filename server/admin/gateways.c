/*
 * gateways: see gateways.h. Programs are the thread's; what others read of them is under the lock.
 */
#include "admin/gateways.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin/gateway_process.h"
#include "admin/request.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/component/component.h"
#include "core/component/component_rules.h"
#include "core/config/config.h"
#include "core/gateway/gateway.h"
#include "core/host.h"

#define GRACE_MS 10000      /* for a program to end */
#define HUNG_GRACE_MS 3000  /* for one that hangs: perhaps it was only slow */
#define LIVED_MS 60000      /* a program that lived so long is started again at once */
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define EXIT_SETTINGS 2     /* what it was started with is wrong */
#define PROGRAMS_MAX 256

enum state { STATE_OFF, STATE_RUNNING, STATE_ENDING, STATE_WAITING, STATE_REFUSED };

static const char *const state_names[] = {"off", "running", "ending", "waiting", "refused"};

struct program {
	struct list link;
	char name[COMPONENT_NAME_MAX + 1];
	struct gateway_process process; /* RUNNING, ENDING */
	enum state state;
	uint64_t with;        /* what it was started with, hashed: secret, domain */
	int64_t started_ms, at_ms; /* at_ms: when it is killed (ENDING), or started again (WAITING) */
	int64_t stream_ms;    /* when it had a stream last, or was started */
	int64_t since_us, pause_ms;
	uint64_t restarts;
	bool wanted;          /* while the list is gone through */
	atomic_bool hurry;    /* somebody wants it tried again now */
	atomic_bool silent;   /* its stream was ended, as it did not answer */
	char hung[64];        /* it is being ended for that; "": not */
	char why[320];
};

static struct {
	pthread_mutex_t lock;
	pthread_t thread;
	struct list all;      /* under lock where it is changed; the thread alone does that */
	int wake;             /* made before `running` is true, as verbs run already */
	atomic_bool running, quiet, stopping;
} programs = {.lock = PTHREAD_MUTEX_INITIALIZER, .all = {&programs.all, &programs.all}, .wake = -1};

static struct program *
find(const char *name)
{
	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);

		if (strcmp(p->name, name) == 0)
			return p;
	}
	return NULL;
}

static void
set_state(struct program *p, enum state s)
{
	pthread_mutex_lock(&programs.lock);
	metric_add(METRIC_GATEWAYS_RUNNING, (s == STATE_RUNNING) - (p->state == STATE_RUNNING));
	p->state = s;
	if (s == STATE_RUNNING)
		p->since_us = clock_wall_us();
	pthread_mutex_unlock(&programs.lock);
}

static void
set_why(struct program *p, const char *why)
{
	pthread_mutex_lock(&programs.lock);
	snprintf(p->why, sizeof p->why, "%s", why);
	pthread_mutex_unlock(&programs.lock);
}

/* Starting */

/* Where components connect on this machine. */
static int
add_door(json_t *o, const struct config *c, struct err *e)
{
	for (size_t i = 0; i < c->listen.components.n; i++) {
		const char *a = c->listen.components.item[i], *colon = strrchr(a, ':');
		uint64_t port;

		if (strncmp(a, "unix:", 5) == 0) {
			json_object_set_new(o, "server", json_string(a));
			return 0;
		}
		if (colon == NULL || !text_u64(colon + 1, strlen(colon + 1), 1, 65535, &port))
			continue;
		json_object_set_new(o, "server", *a == '[' ? json_stringn(a + 1, (size_t)(colon - a) - 2) : json_stringn(a, (size_t)(colon - a)));
		json_object_set_new(o, "port", json_integer((json_int_t)port));
		return 0;
	}
	return err_set(e, 0, "components have no door (listen.components)");
}

static const char *
log_level(const struct config *c)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};

	return names[c->log.level < 4 ? c->log.level : 2];
}

/* The line, with its end; wiped and freed by the caller. NULL and `e`. */
static char *
make_line(const struct gateway *g, const struct config *c, size_t *n, struct err *e)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o?}", "name", g->name, "domain", g->domain, "host", gateway_host(g->domain)->domain, "secret",
		g->secret, "log", log_level(c), "settings", json_loads(g->settings, 0, NULL));
	char *text = NULL, *line = NULL;

	if (add_door(o, c, e) == 0)
		text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (text != NULL) {
		*n = strlen(text) + 1;
		line = mem_alloc(*n + 1);
		memcpy(line, text, *n - 1);
		memcpy(line + *n - 1, "\n", 2);
	}
	request_text_free(text);
	return line;
}

static uint64_t
hash_of(const struct gateway *g)
{
	char text[2048];
	uint64_t hash;
	int n = snprintf(text, sizeof text, "%s\n%s\n%s", g->kind, g->domain, g->secret);

	hash = crypt_hash(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
	crypt_wipe(text, sizeof text);
	return hash;
}

static void
wait_for_next(struct program *p)
{
	bool lived = p->started_ms != 0 && clock_mono_ms() - p->started_ms >= LIVED_MS;

	p->pause_ms = lived || p->pause_ms == 0 ? PAUSE_MIN_MS : p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
	p->at_ms = clock_mono_ms() + p->pause_ms;
	set_state(p, STATE_WAITING);
}

static void
start_program(struct program *p, const struct gateway *g)
{
	struct config *c = config_get();
	struct err e = {0};
	size_t n = 0;
	char *line = make_line(g, c, &n, &e);
	int rc = line != NULL ? gateway_process_start(&p->process, c->gateways.programs, g->kind, line, n, &e) : -1;

	if (line != NULL)
		crypt_wipe(line, n);
	free(line);
	config_unref(c);
	p->with = hash_of(g);
	p->started_ms = p->stream_ms = rc == 0 ? clock_mono_ms() : 0;
	p->silent = false;
	if (rc == 0) {
		log_info(NULL, "gateway-started", "network=%s kind=%s pid=%ld", p->name, g->kind, (long)p->process.pid);
		set_state(p, STATE_RUNNING);
		return;
	}
	/* Once for the same reason, however often it is tried. */
	if (strcmp(p->why, e.text) != 0)
		log_warning(NULL, "gateway-not-started", "network=%s kind=%s why=%s", p->name, g->kind, e.text);
	set_why(p, e.text);
	wait_for_next(p);
}

static void
end_program(struct program *p)
{
	gateway_process_ask(&p->process);
	p->at_ms = clock_mono_ms() + GRACE_MS;
	set_state(p, STATE_ENDING);
}

/* It hangs. What is for its people waits until it runs again, or has gone back to them (core/component). */
static void
end_hung(struct program *p, const char *why)
{
	log_warning(NULL, "gateway-hung", "network=%s pid=%ld why=%s", p->name, (long)p->process.pid, why);
	metric_add(METRIC_GATEWAYS_HUNG, 1);
	pthread_mutex_lock(&programs.lock);
	snprintf(p->hung, sizeof p->hung, "%s", why);
	pthread_mutex_unlock(&programs.lock);
	end_program(p);
	p->at_ms = clock_mono_ms() + HUNG_GRACE_MS;
}

struct connected {
	const char *domain;
	bool is;
};

static void
look_at_stream(void *arg, const char *domain)
{
	struct connected *c = arg;

	c->is |= strcmp(c->domain, domain) == 0;
}

static bool
has_stream(const struct gateway *g)
{
	struct connected c = {.domain = g->domain};

	component_each(look_at_stream, &c);
	return c.is;
}

/* Of one that runs: does it hang? */
static void
check_alive(struct program *p, const struct gateway *g)
{
	struct config *config = config_get();
	int64_t silence_ms = (int64_t)config->gateways.silence_ms, now = clock_mono_ms();

	config_unref(config);
	if (has_stream(g))
		p->stream_ms = now;
	if (p->silent)
		end_hung(p, "it did not answer");
	else if (now - p->stream_ms >= 2 * silence_ms)
		end_hung(p, "it had no stream");
}

struct switched {
	const char *name;
	bool on;
};

static void
look(void *arg, struct gateway *g)
{
	struct switched *s = arg;

	if (strcmp(g->name, s->name) == 0)
		s->on = g->on;
}

/* Who switches a network off ends its stream, which may be what its program ends by, before it is asked to. */
static bool
is_on(const char *name)
{
	struct switched s = {.name = name};

	gateway_each(look, &s);
	return s.on;
}

/* It has ended, asked to or not. */
static void
ended(struct program *p)
{
	char how[200], why[320];
	bool hung = p->hung[0] != '\0', asked = (p->state == STATE_ENDING && !hung) || programs.quiet || !is_on(p->name);
	int code = gateway_process_reap(&p->process, how, sizeof how);

	snprintf(why, sizeof why, "%s%s%s", p->hung, hung ? ": " : "", how);
	pthread_mutex_lock(&programs.lock);
	p->hung[0] = '\0';
	pthread_mutex_unlock(&programs.lock);
	if (asked) {
		log_info(NULL, "gateway-ended", "network=%s", p->name);
		set_why(p, "");
		p->pause_ms = 0;
		set_state(p, STATE_OFF);
		return;
	}
	log_warning(NULL, "gateway-died", "network=%s how=%s", p->name, why);
	metric_add(METRIC_GATEWAY_RESTARTS, 1);
	set_why(p, why);
	pthread_mutex_lock(&programs.lock);
	p->restarts++;
	pthread_mutex_unlock(&programs.lock);
	if (code == EXIT_SETTINGS && !hung)
		set_state(p, STATE_REFUSED);
	else
		wait_for_next(p);
}

/* What shall be */

static void
follow_one(void *arg, struct gateway *g)
{
	struct program *p = find(g->name);

	(void)arg;
	if (p == NULL) {
		p = NEW(struct program);
		snprintf(p->name, sizeof p->name, "%s", g->name);
		pthread_mutex_lock(&programs.lock);
		list_append(&programs.all, &p->link);
		pthread_mutex_unlock(&programs.lock);
	}
	p->wanted = g->on;
	if (p->state == STATE_RUNNING && (!g->on || p->with != hash_of(g)))
		end_program(p);
	if (p->state == STATE_RUNNING && !programs.quiet)
		check_alive(p, g);
	if (p->state == STATE_REFUSED && (p->hurry || p->with != hash_of(g)))
		set_state(p, STATE_OFF);
	if (p->state == STATE_WAITING && (!g->on || p->hurry || p->at_ms <= clock_mono_ms()))
		set_state(p, STATE_OFF);
	if (p->state == STATE_OFF && g->on && !programs.quiet)
		start_program(p, g);
	p->hurry = false;
}

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

/* Starting takes its time: the table is not held meanwhile. */
static void
follow(void)
{
	struct snapshot s = {.n = 0};

	LIST_EACH(l, &programs.all)
		LIST_ENTRY(l, struct program, link)->wanted = false;
	gateway_each(collect, &s);
	for (size_t i = 0; i < s.n; i++) {
		follow_one(NULL, s.g[i]);
		gateway_unref(s.g[i]);
	}
	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);

		if (p->wanted)
			continue;
		if (p->state == STATE_RUNNING)
			end_program(p);
	}
}

/* Those that are no more. */
static void
tidy(void)
{
	struct snapshot s = {.n = 0};

	gateway_each(collect, &s);
	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);
		bool known = false;

		for (size_t i = 0; i < s.n; i++)
			known |= strcmp(s.g[i]->name, p->name) == 0;
		if (known || p->state == STATE_RUNNING || p->state == STATE_ENDING)
			continue;
		pthread_mutex_lock(&programs.lock);
		list_remove(&p->link);
		pthread_mutex_unlock(&programs.lock);
		free(p);
	}
	for (size_t i = 0; i < s.n; i++)
		gateway_unref(s.g[i]);
}

/* The thread */

static bool
has_process(const struct program *p)
{
	return p->state == STATE_RUNNING || p->state == STATE_ENDING;
}

static int
time_left(void)
{
	struct config *c = config_get();
	int64_t now = clock_mono_ms(), first = -1, look = now + (int64_t)c->gateways.silence_ms / 2;

	config_unref(c);
	LIST_EACH(l, &programs.all) {
		const struct program *p = LIST_ENTRY(l, struct program, link);

		if (p->state == STATE_RUNNING && (first < 0 || look < first))
			first = look;
		if ((p->state == STATE_ENDING || (p->state == STATE_WAITING && !programs.quiet)) && (first < 0 || p->at_ms < first))
			first = p->at_ms;
	}
	return first < 0 ? -1 : first <= now ? 0 : first - now < 60000 ? (int)(first - now) : 60000;
}

/* Waits for something to happen, and reaps what has ended. */
static void
wait_and_reap(void)
{
	struct pollfd fds[PROGRAMS_MAX + 1] = {{.fd = programs.wake, .events = POLLIN}};
	struct program *of[PROGRAMS_MAX + 1];
	nfds_t n = 1;
	uint64_t count;

	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);

		if (!has_process(p) || n > PROGRAMS_MAX)
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
			ended(of[i]);
}

static void
kill_late(void)
{
	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);

		if (p->state != STATE_ENDING || p->at_ms > clock_mono_ms())
			continue;
		log_warning(NULL, "gateway-killed", "network=%s", p->name);
		gateway_process_kill(&p->process);
		p->at_ms = INT64_MAX;
	}
}

static void
end_all(void)
{
	bool any = true;

	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);

		if (p->state == STATE_RUNNING)
			end_program(p);
	}
	while (any) {
		any = false;
		LIST_EACH(l, &programs.all)
			any |= has_process(LIST_ENTRY(l, struct program, link));
		if (any) {
			wait_and_reap();
			kill_late();
		}
	}
	pthread_mutex_lock(&programs.lock);
	LIST_EACH(l, &programs.all) {
		struct program *p = LIST_ENTRY(l, struct program, link);

		list_remove(&p->link);
		free(p);
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
	struct program *p;

	pthread_mutex_lock(&programs.lock);
	p = find(name);
	if (p != NULL && p->state == STATE_RUNNING)
		p->silent = true;
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
	struct program *p;

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
	const struct program *p;

	*out = (struct gateways_state){.what = state_names[STATE_OFF]};
	pthread_mutex_lock(&programs.lock);
	p = find(name);
	if (p != NULL) {
		out->what = state_names[p->state];
		out->pid = has_process(p) ? (long)p->process.pid : 0;
		out->since_us = has_process(p) ? p->since_us : 0;
		out->restarts = p->restarts;
		memcpy(out->why, p->why, sizeof out->why);
	}
	pthread_mutex_unlock(&programs.lock);
}

/* One whose program somebody else has started is there all the same. */
static bool
is_down(const struct gateway *g)
{
	const struct program *p;
	bool down;

	pthread_mutex_lock(&programs.lock);
	p = find(g->name);
	down = p != NULL && (p->state == STATE_WAITING || p->state == STATE_REFUSED || p->hung[0] != '\0');
	pthread_mutex_unlock(&programs.lock);
	return down && g->on && !has_stream(g);
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
