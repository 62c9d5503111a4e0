/*
 * scanner: who asks, and what waits. Its thread ("scan") runs all of this but scanner_submit, start and stop.
 *
 *     home ── scanner_submit: mail ──▶ queued ──▶ given ── SCAN_REQUEST ──▶ chancery-scan
 *     home ◀──────────── mail: answered ◀────────── given ◀── SCAN_ANSWER ───────┘
 */
#include "core/file/scanner.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/file/scanner_priv.h"

#define TICK_MS 1000
#define SLEPT_MS 5000
#define SILENCE_MS 30000
#define PATIENCE_MS 5000     /* while no program takes requests */
#define LATE_MS 2000         /* the program's own deadline comes first */

static struct scanner *scanner;
/* Who submits holds it while he posts, so that nothing is posted behind scanner_stop. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static bool is_open;
static atomic_bool woken; /* one that is asleep has been told */

/* Sleep */

static void
begin_or_sleep(struct scanner *sc)
{
	if (sc->config->files.scanner_start == SCANNER_LAZY) {
		sc->asleep = true;
		atomic_store(&woken, false);
		scanner_look(sc);
	} else {
		scanner_begin(sc);
	}
}

static void
wake_up(void *arg)
{
	struct scanner *sc = arg;

	if (!sc->asleep || sc->stopping)
		return;
	sc->asleep = false;
	sc->waking = true;
	scanner_begin(sc);
}

void
scanner_wake(void)
{
	if (atomic_exchange(&woken, true))
		return;
	pthread_mutex_lock(&door);
	if (is_open)
		reactor_call(scanner->side, wake_up, scanner);
	pthread_mutex_unlock(&door);
}

/* Answers */

static void
count(const struct scan *s)
{
	static const enum metric of[] = {[SCAN_CLEAN] = METRIC_SCANS_CLEAN, [SCAN_INFECTED] = METRIC_SCANS_INFECTED,
		[SCAN_UNSCANNABLE] = METRIC_SCANS_UNSCANNABLE, [SCAN_ERROR] = METRIC_SCANS_ERROR};

	metric_add(of[s->verdict], 1);
	metric_observe(METRIC_SCAN_TIME, (uint64_t)(clock_mono_us() - s->since_us));
}

/* It belongs to its home from here on. */
static void
answer(struct scan *s)
{
	count(s);
	s->mail.run = s->run;
	reactor_post(s->home, &s->mail);
}

static void
answer_error(struct scan *s, const char *why)
{
	s->verdict = SCAN_ERROR;
	s->why = SCAN_WHY_NONE;
	snprintf(s->text, sizeof(s->text), "%s", why);
	s->type[0] = '\0';
	s->signatures = s->signatures_n = s->signatures_set = 0;
	s->signatures_s = 0;
	answer(s);
}

static struct scan *
take_queued(struct scanner *sc, struct list *l)
{
	list_remove(l);
	sc->nqueued--;
	metric_set(METRIC_SCANS_WAITING, sc->nqueued);
	return LIST_ENTRY(l, struct scan, link);
}

static struct scan *
take_given(struct scanner *sc, struct list *l)
{
	list_remove(l);
	sc->ngiven--;
	metric_set(METRIC_SCANS_UNDER_WAY, sc->ngiven);
	return LIST_ENTRY(l, struct scan, link);
}

void
scanner_fail_given(struct scanner *sc, const char *why)
{
	LIST_EACH(l, &sc->given)
		answer_error(take_given(sc, l), why);
}

static void
fail_queued(struct scanner *sc, const char *why)
{
	LIST_EACH(l, &sc->queued)
		answer_error(take_queued(sc, l), why);
}

/* Waiting */

/* NULL: a request may wait, or pass. */
static const char *
why_not_now(const struct scanner *sc)
{
	if (sc->stopping)
		return "the server is being stopped";
	switch (scanner_find_condition(sc)) {
	case SCANNER_OFF:
		return "there is no scanner";
	case SCANNER_EMPTY:
		return "there are no signatures";
	default:
		return sc->idle_since_ms && reactor_now_ms(sc->side) - sc->idle_since_ms >= PATIENCE_MS ? "the scanner is not running" : NULL;
	}
}

void
scanner_look_at_queue(struct scanner *sc)
{
	const char *why = why_not_now(sc);

	if (why)
		fail_queued(sc, why);
}

/* A worker may still have the signatures before those in force. */
static void
note_signatures(const struct scanner *sc, struct scan *s, uint64_t generation)
{
	const struct scan_state *st = generation == sc->state.generation ? &sc->state : generation == sc->before.generation ? &sc->before : NULL;

	s->signatures = generation;
	s->signatures_s = generation && st ? st->newest_s : 0;
	s->signatures_n = generation && st ? st->signatures : 0;
	s->signatures_set = generation && st ? st->set : 0;
}

static struct list *
find_given(struct scanner *sc, uint64_t id)
{
	LIST_EACH(l, &sc->given)
		if (LIST_ENTRY(l, struct scan, link)->id == id)
			return l;
	return NULL;
}

bool
scanner_take_answer(struct scanner *sc, const struct scan_answer *a)
{
	struct list *l = find_given(sc, a->id);
	struct scan *s;

	if (!l)
		return false;
	s = take_given(sc, l);
	s->verdict = (enum scan_verdict)a->verdict;
	s->why = (enum scan_why)a->why;
	memcpy(s->text, a->text, sizeof(s->text));
	memcpy(s->type, a->type, sizeof(s->type));
	note_signatures(sc, s, a->signatures);
	log_debug(NULL, "scanned", "id=%" PRIu64 " size=%" PRIu64 " verdict=%d why=%d text=%s type=%s ms=%u", s->id, s->size, (int)s->verdict,
		(int)s->why, s->text, s->type, (unsigned)a->took_ms);
	answer(s);
	return true;
}

/* Requests */

/* 0: it is with the program. 1: later. -1: the program is of no use any more. */
static int
give_one(struct scanner *sc, struct scan *s)
{
	int64_t left = s->due_ms - reactor_now_ms(sc->side);
	struct scan_request q = {.kind = SCAN_REQUEST, .version = SCAN_WIRE_VERSION, .id = sc->last_id + 1, .size = s->size,
		.patience_ms = left > 1 ? (uint32_t)left : 1};
	int rc = scanner_process_send(sc->process, &q, sizeof(q), s->fd);

	if (rc)
		return rc;
	s->id = ++sc->last_id;
	(void)take_queued(sc, &s->link);
	list_append(&sc->given, &s->link);
	metric_set(METRIC_SCANS_UNDER_WAY, ++sc->ngiven);
	return 0;
}

void
scanner_give(struct scanner *sc)
{
	while (scanner_takes_requests(sc) && !list_is_empty(&sc->queued) && sc->ngiven < sc->config->limits.scans_at_once) {
		int rc = give_one(sc, LIST_ENTRY(sc->queued.next, struct scan, link));

		if (rc < 0)
			scanner_give_up(sc, "it cannot be reached");
		if (rc)
			return;
	}
}

static void
take_scan(struct mail *m)
{
	struct scan *s = LIST_ENTRY(m, struct scan, mail);
	struct scanner *sc = scanner;
	int64_t patience = (int64_t)sc->config->limits.scan_seconds * 1000;
	const char *why;

	wake_up(sc);
	why = why_not_now(sc);
	list_init(&s->link);
	if (!why && sc->nqueued >= sc->config->limits.scans_waiting)
		why = "too many files wait to be scanned";
	if (!why && s->fd < 0)
		why = "there is no file";
	if (why) {
		answer_error(s, why);
		return;
	}
	/* Whoever comes first waits for the signatures, too. */
	if (s->patience_ms && s->patience_ms < patience && !sc->waking)
		patience = s->patience_ms;
	s->due_ms = reactor_now_ms(sc->side) + patience;
	list_append(&sc->queued, &s->link);
	metric_set(METRIC_SCANS_WAITING, ++sc->nqueued);
	scanner_give(sc);
}

void
scanner_submit(struct scan *s)
{
	bool posted = false;

	if (!s->home)
		s->home = reactor_current();
	assert(s->home && s->mail.run);
	s->run = s->mail.run;
	s->since_us = clock_mono_us();
	pthread_mutex_lock(&door);
	if (is_open) {
		s->mail.run = take_scan;
		reactor_post(scanner->side, &s->mail);
		posted = true;
	}
	pthread_mutex_unlock(&door);
	if (!posted)
		answer_error(s, "there is no scanner");
}

/* The clock */

static void
look_at_deadlines(struct scanner *sc, int64_t now)
{
	LIST_EACH(l, &sc->queued)
		if (LIST_ENTRY(l, struct scan, link)->due_ms <= now)
			answer_error(take_queued(sc, l), "it was not scanned in time");
	LIST_EACH(l, &sc->given)
		if (LIST_ENTRY(l, struct scan, link)->due_ms + LATE_MS <= now) {
			scanner_give_up(sc, "it does not keep time");
			return;
		}
}

static void
on_tick(struct timer *t)
{
	struct scanner *sc = LIST_ENTRY(t, struct scanner, tick);
	int64_t now = reactor_now_ms(sc->side);

	bool slept = now - sc->tick_ms > SLEPT_MS;

	timer_set(t, TICK_MS, on_tick);
	sc->tick_ms = now;
	/* When it was us who were stopped, what it has said meanwhile is to be read first. */
	if (slept)
		sc->heard_ms = now;
	else if (scanner_is_alive(sc) && now - sc->heard_ms >= SILENCE_MS)
		scanner_give_up(sc, "it has fallen silent");
	if (!slept)
		look_at_deadlines(sc, now);
	scanner_look(sc);
	scanner_look_at_queue(sc);
}

/* Settings */

static void
take_settings(struct scanner *sc, struct config *c)
{
	config_unref(sc->config);
	sc->config = c;
	sc->wanted = c->modules.files.on && scanner_has_program();
}

static void
reload(void *arg)
{
	struct scanner *sc = scanner;
	bool was_wanted = sc->wanted;

	take_settings(sc, arg);
	if (sc->wanted)
		scanner_leave(sc);
	else
		scanner_end(sc, true, false, "files are switched off");
	if (sc->wanted && !was_wanted && sc->is == PROGRAM_NONE) {
		timer_clear(&sc->again);
		begin_or_sleep(sc);
	}
	if (sc->wanted && sc->config->files.scanner_start == SCANNER_EAGER)
		wake_up(sc);
	if (!sc->wanted) {
		timer_clear(&sc->again);
		sc->asleep = sc->waking = false;
	}
	scanner_look(sc);
	scanner_look_at_queue(sc);
}

void
scanner_reload(void)
{
	pthread_mutex_lock(&door);
	if (is_open)
		reactor_call(scanner->side, reload, config_get());
	pthread_mutex_unlock(&door);
}

/* Start and stop */

static void
open_up(void *arg)
{
	struct scanner *sc = arg;

	timer_set(&sc->tick, TICK_MS, on_tick);
	if (sc->wanted)
		begin_or_sleep(sc);
	else
		scanner_look(sc);
}

int
scanner_start(void)
{
	struct scanner *sc = NEW(struct scanner);

	assert(!scanner);
	list_init(&sc->queued);
	list_init(&sc->given);
	sem_init(&sc->stopped, 0, 0);
	sc->told = -1;
	scanner = sc;
	sc->config = config_get();
	scanner_prepare(sc->config);
	take_settings(sc, config_get());
	sc->side = reactor_start_side("scan");
	if (!sc->side) {
		config_unref(sc->config);
		scanner = NULL;
		free(sc);
		return -1;
	}
	atomic_store(&woken, false);
	if (sc->wanted)
		scanner_look_began(sc->config->files.scanner_start == SCANNER_LAZY);
	reactor_call(sc->side, open_up, sc);
	pthread_mutex_lock(&door);
	is_open = true;
	pthread_mutex_unlock(&door);
	return 0;
}

/* Behind everything that was submitted. */
static void
close_down(void *arg)
{
	struct scanner *sc = arg;

	sc->stopping = true;
	timer_clear(&sc->tick);
	timer_clear(&sc->again);
	scanner_look_at_queue(sc);
	if (sc->is == PROGRAM_NONE)
		sem_post(&sc->stopped);
	else
		scanner_end(sc, true, false, "the server is being stopped");
}

void
scanner_stop(void)
{
	struct scanner *sc = scanner;

	if (!sc)
		return;
	pthread_mutex_lock(&door);
	is_open = false;
	pthread_mutex_unlock(&door);
	reactor_call(sc->side, close_down, sc);
	while (sem_wait(&sc->stopped) && errno == EINTR)
		;
	reactor_stop_side(sc->side);
	sem_destroy(&sc->stopped);
	config_unref(sc->config);
	scanner_forget_program(sc);
	scanner_look_at_nothing();
	scanner = NULL;
	free(sc);
}
