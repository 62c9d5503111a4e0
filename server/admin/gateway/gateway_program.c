/*
 * gateway_program: see gateway_program.h.
 */
#include "admin/gateway/gateway_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/gateway/gateway_line.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/component/component.h"
#include "core/config/config.h"

#define GRACE_MS 10000      /* for a program to end */
#define HUNG_GRACE_MS 3000  /* for one that hangs: perhaps it was only slow */
#define LIVED_MS 60000      /* a program that lived so long is started again at once */
#define PAUSE_MIN_MS 1000
#define PAUSE_MAX_MS 60000
#define EXIT_SETTINGS 2     /* what it was started with is wrong */

static const char *const state_names[] = {"off", "running", "ending", "waiting", "refused"};

struct gateway_program *
gateway_program_new(const char *name)
{
	struct gateway_program *p = NEW(struct gateway_program);

	snprintf(p->name, sizeof p->name, "%s", name);
	pthread_mutex_init(&p->lock, NULL);
	return p;
}

void
gateway_program_free(struct gateway_program *p)
{
	if (p == NULL)
		return;
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void
set_state(struct gateway_program *p, enum gateway_state s)
{
	pthread_mutex_lock(&p->lock);
	metric_add(METRIC_GATEWAYS_RUNNING, (s == GATEWAY_RUNNING) - (p->state == GATEWAY_RUNNING));
	p->state = s;
	if (s == GATEWAY_RUNNING)
		p->since_us = clock_wall_us();
	pthread_mutex_unlock(&p->lock);
}

static void
set_why(struct gateway_program *p, const char *why)
{
	pthread_mutex_lock(&p->lock);
	snprintf(p->why, sizeof p->why, "%s", why);
	pthread_mutex_unlock(&p->lock);
}

/* Starting */

static void
wait_for_next(struct gateway_program *p)
{
	bool lived = p->started_ms != 0 && clock_mono_ms() - p->started_ms >= LIVED_MS;

	p->pause_ms = lived || p->pause_ms == 0 ? PAUSE_MIN_MS : p->pause_ms * 2 < PAUSE_MAX_MS ? p->pause_ms * 2 : PAUSE_MAX_MS;
	p->at_ms = clock_mono_ms() + p->pause_ms;
	set_state(p, GATEWAY_WAITING);
}

static void
start(struct gateway_program *p, const struct gateway *g)
{
	struct config *c = config_get();
	struct err e = {0};
	size_t n = 0;
	char *line = gateway_line_make(g, c, &n, &e);
	int rc = line != NULL ? gateway_process_start(&p->process, c->gateways.programs, g->kind, line, n, &e) : -1;

	if (line != NULL)
		crypt_wipe(line, n);
	free(line);
	config_unref(c);
	p->with = gateway_line_hash(g);
	p->started_ms = p->stream_ms = rc == 0 ? clock_mono_ms() : 0;
	p->silent = false;
	if (rc == 0) {
		log_info(NULL, "gateway-started", "network=%s kind=%s pid=%ld", p->name, g->kind, (long)p->process.pid);
		set_state(p, GATEWAY_RUNNING);
		return;
	}
	/* Once for the same reason, however often it is tried. */
	if (strcmp(p->why, e.text) != 0)
		log_warning(NULL, "gateway-not-started", "network=%s kind=%s why=%s", p->name, g->kind, e.text);
	set_why(p, e.text);
	wait_for_next(p);
}

/* Does it live? */

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

bool
gateway_program_has_stream(const struct gateway *g)
{
	struct connected c = {.domain = g->domain};

	component_each(look_at_stream, &c);
	return c.is;
}

/* It hangs. What is for its people waits until it runs again, or has gone back to them (core/component). */
static void
end_hung(struct gateway_program *p, const char *why)
{
	log_warning(NULL, "gateway-hung", "network=%s pid=%ld why=%s", p->name, (long)p->process.pid, why);
	metric_add(METRIC_GATEWAYS_HUNG, 1);
	pthread_mutex_lock(&p->lock);
	snprintf(p->hung, sizeof p->hung, "%s", why);
	pthread_mutex_unlock(&p->lock);
	gateway_program_end(p);
	p->at_ms = clock_mono_ms() + HUNG_GRACE_MS;
}

/* Of one that runs: does it hang? */
static void
check_alive(struct gateway_program *p, const struct gateway *g)
{
	struct config *config = config_get();
	int64_t silence_ms = (int64_t)config->gateways.silence_ms, now = clock_mono_ms();

	config_unref(config);
	if (gateway_program_has_stream(g))
		p->stream_ms = now;
	if (p->silent)
		end_hung(p, "it did not answer");
	else if (now - p->stream_ms >= 2 * silence_ms)
		end_hung(p, "it had no stream");
}

/* Ending */

bool
gateway_program_has_process(const struct gateway_program *p)
{
	return p->state == GATEWAY_RUNNING || p->state == GATEWAY_ENDING;
}

void
gateway_program_end(struct gateway_program *p)
{
	gateway_process_ask(&p->process);
	p->at_ms = clock_mono_ms() + GRACE_MS;
	set_state(p, GATEWAY_ENDING);
}

void
gateway_program_kill_late(struct gateway_program *p)
{
	if (p->state != GATEWAY_ENDING || p->at_ms > clock_mono_ms())
		return;
	log_warning(NULL, "gateway-killed", "network=%s", p->name);
	gateway_process_kill(&p->process);
	p->at_ms = INT64_MAX;
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

/* It died, or hung. */
static void
died(struct gateway_program *p, const char *why, bool refused)
{
	log_warning(NULL, "gateway-died", "network=%s how=%s", p->name, why);
	metric_add(METRIC_GATEWAY_RESTARTS, 1);
	set_why(p, why);
	pthread_mutex_lock(&p->lock);
	p->restarts++;
	pthread_mutex_unlock(&p->lock);
	if (refused)
		set_state(p, GATEWAY_REFUSED);
	else
		wait_for_next(p);
}

void
gateway_program_ended(struct gateway_program *p, bool quiet)
{
	char how[200], why[320];
	bool hung = p->hung[0] != '\0', asked = (p->state == GATEWAY_ENDING && !hung) || quiet || !is_on(p->name);
	int code = gateway_process_reap(&p->process, how, sizeof how);

	snprintf(why, sizeof why, "%s%s%s", p->hung, hung ? ": " : "", how);
	pthread_mutex_lock(&p->lock);
	p->hung[0] = '\0';
	pthread_mutex_unlock(&p->lock);
	if (!asked) {
		died(p, why, code == EXIT_SETTINGS && !hung);
		return;
	}
	log_info(NULL, "gateway-ended", "network=%s", p->name);
	set_why(p, "");
	p->pause_ms = 0;
	set_state(p, GATEWAY_OFF);
}

void
gateway_program_follow(struct gateway_program *p, const struct gateway *g, bool quiet)
{
	if (p->state == GATEWAY_RUNNING && (!g->on || p->with != gateway_line_hash(g)))
		gateway_program_end(p);
	if (p->state == GATEWAY_RUNNING && !quiet)
		check_alive(p, g);
	if (p->state == GATEWAY_REFUSED && (p->hurry || p->with != gateway_line_hash(g)))
		set_state(p, GATEWAY_OFF);
	if (p->state == GATEWAY_WAITING && (!g->on || p->hurry || p->at_ms <= clock_mono_ms()))
		set_state(p, GATEWAY_OFF);
	if (p->state == GATEWAY_OFF && g->on && !quiet)
		start(p, g);
	p->hurry = false;
}

/* What others ask */

void
gateway_program_silent(struct gateway_program *p)
{
	pthread_mutex_lock(&p->lock);
	if (p->state == GATEWAY_RUNNING)
		p->silent = true;
	pthread_mutex_unlock(&p->lock);
}

void
gateway_program_show(struct gateway_program *p, struct gateways_state *out)
{
	pthread_mutex_lock(&p->lock);
	out->what = state_names[p->state];
	out->pid = gateway_program_has_process(p) ? (long)p->process.pid : 0;
	out->since_us = gateway_program_has_process(p) ? p->since_us : 0;
	out->restarts = p->restarts;
	memcpy(out->why, p->why, sizeof out->why);
	pthread_mutex_unlock(&p->lock);
}

bool
gateway_program_is_down(struct gateway_program *p)
{
	bool down;

	pthread_mutex_lock(&p->lock);
	down = p->state == GATEWAY_WAITING || p->state == GATEWAY_REFUSED || p->hung[0] != '\0';
	pthread_mutex_unlock(&p->lock);
	return down;
}
