/*
 * scanner: who asks, what waits, and whether the program is to be believed. Its thread ("scan") runs all of this but the questions at the end.
 *
 *     home ── scanner_submit: mail ──▶ queued ──▶ given ── SCAN_REQUEST ──▶ chancery-scan
 *     home ◀──────────── mail: answered ◀────────── given ◀── SCAN_ANSWER ───────┘
 *
 * One program at a time, in one of four states: none (a timer is set, unless there shall be none), running, leaving (it gets nothing more, as
 * limits have changed, and ends when it has answered) and ending (its socket is closed; the next comes when it is gone).
 */
#include "core/file/scanner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/file/scanner_process.h"

#define TICK_MS 1000
#define SLEPT_MS 5000
#define SILENCE_MS 30000
#define PATIENCE_MS 5000     /* while no program takes requests */
#define LATE_MS 2000         /* the program's own deadline comes first */
#define PAUSE_MS 250
#define PAUSE_MAX_MS 60000
#define STEADY_MS 60000      /* who has run for so long begins anew with the shortest pause */
#define LISTENERS 4
#define ARGS 32
#define TMP_AT 6 /* in argv */

enum program { PROGRAM_NONE, PROGRAM_RUNNING, PROGRAM_LEAVING, PROGRAM_ENDING };

/* Of the program: argv[0], then names and values. */
struct arguments {
	char *argv[ARGS];
	size_t n;
};

struct scanner {
	struct reactor *side;
	enum program is;
	struct scanner_process *process;
	struct arguments args;
	struct timer tick, again;
	int64_t pause_ms, started_ms, heard_ms, tick_ms;
	int64_t idle_since_ms;       /* since when no program takes requests; 0: one does */
	struct config *config;
	bool wanted, stopping;
	bool in_order;               /* the last program ended, or ends, as it was told to */
	int told;                    /* of the condition, in the log; -1: nothing yet */
	sem_t stopped;
	struct list queued, given;
	unsigned nqueued, ngiven;
	uint64_t last_id;
	struct scan_state state;     /* the program's last word; kind 0: none */
	struct scan_state before;    /* that of the generation before */
	uint64_t said_signatures;    /* of which signatures have been told */
	int64_t said_newest_s;
	bool said;
};

static struct scanner *scanner;
/* Who submits holds it while he posts, so that nothing is posted behind scanner_stop. */
static pthread_mutex_t door = PTHREAD_MUTEX_INITIALIZER;
static bool is_open;

/* What other threads look at. */
static atomic_int condition = SCANNER_OFF;
static atomic_bool closes_when_old;
static atomic_uint_fast64_t run;
static pthread_mutex_t state_lock = PTHREAD_MUTEX_INITIALIZER;
static struct scan_state last_state;

static struct {
	void (*fn)(void *arg, uint64_t generation);
	void *arg;
} listeners[LISTENERS];
static size_t nlisteners;

static struct {
	char *path;
	int fd;
} prepared = {.fd = -1};

static void give(struct scanner *sc);
static void begin(struct scanner *sc);

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
	s->signatures = 0;
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

static void
fail_given(struct scanner *sc, const char *why)
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

/* How it is: for others to look at, for the log when it has changed */

const char *
scanner_condition_name(enum scanner_condition c)
{
	static const char *const names[] = {[SCANNER_OFF] = "off", [SCANNER_DOWN] = "down", [SCANNER_EMPTY] = "no signatures",
		[SCANNER_OLD] = "old signatures", [SCANNER_UP] = "up"};

	return names[c];
}

static int64_t
age_s(const struct scan_state *st)
{
	int64_t age = clock_wall_us() / 1000000 - st->newest_s;

	return age > 0 ? age : 0;
}

static bool
is_alive(const struct scanner *sc)
{
	return sc->is == PROGRAM_RUNNING || sc->is == PROGRAM_LEAVING;
}

static bool
takes_requests(const struct scanner *sc)
{
	return sc->is == PROGRAM_RUNNING && sc->state.generation;
}

static enum scanner_condition
find_condition(const struct scanner *sc)
{
	if (!sc->wanted)
		return SCANNER_OFF;
	if (!is_alive(sc) || !sc->state.kind)
		return SCANNER_DOWN;
	/* Without trouble they are being loaded. */
	if (!sc->state.generation)
		return sc->state.trouble[0] ? SCANNER_EMPTY : SCANNER_DOWN;
	return age_s(&sc->state) > (int64_t)(sc->config->files.signatures_max_age_ms / 1000) ? SCANNER_OLD : SCANNER_UP;
}

/* Once for each change. That it is being started, or anew as it was told to, is none. */
static void
tell_condition(struct scanner *sc, enum scanner_condition now)
{
	if ((int)now == sc->told || (now == SCANNER_DOWN && (is_alive(sc) || sc->in_order)))
		return;
	sc->told = (int)now;
	switch (now) {
	case SCANNER_OFF:
		log_info(NULL, "scanner-off", "setting=%s", sc->config->modules.files.on ? "files.scanner" : "files.on");
		break;
	case SCANNER_DOWN:
		log_error(NULL, "scanner-down", "effect=%s", "no file passes until it is back");
		break;
	case SCANNER_EMPTY:
		log_error(NULL, "signatures-missing", "folder=%s why=%s effect=%s", sc->config->files.signatures, sc->state.trouble,
			"no file passes until there are some");
		break;
	case SCANNER_OLD:
		log_error(NULL, "signatures-old", "folder=%s age_hours=%lld effect=%s", sc->config->files.signatures,
			(long long)(age_s(&sc->state) / 3600), sc->config->modules.files.close_when_old ? "no file passes until there are newer ones" :
			"files are scanned with what there is");
		break;
	case SCANNER_UP:
		log_info(NULL, "scanner-up", "engine=%s signatures=%" PRIu64 " workers=%u", sc->state.engine, sc->state.signatures,
			(unsigned)sc->state.workers);
	}
}

static void
look(struct scanner *sc)
{
	enum scanner_condition now = find_condition(sc);
	bool there = is_alive(sc) && sc->state.kind;

	tell_condition(sc, now);
	pthread_mutex_lock(&state_lock);
	last_state = there ? sc->state : (struct scan_state){0};
	pthread_mutex_unlock(&state_lock);
	atomic_store(&condition, (int)now);
	metric_set(METRIC_SCANNER_CONDITION, (int64_t)now);
	metric_set(METRIC_SIGNATURES, there ? (int64_t)sc->state.signatures : 0);
	metric_set(METRIC_SIGNATURES_AGE, there && sc->state.generation ? age_s(&sc->state) : 0);
	if (takes_requests(sc))
		sc->idle_since_ms = 0;
	else if (!sc->idle_since_ms)
		sc->idle_since_ms = reactor_now_ms(sc->side);
}

/* NULL: a request may wait, or pass. */
static const char *
why_not_now(const struct scanner *sc)
{
	if (sc->stopping)
		return "the server is being stopped";
	switch (find_condition(sc)) {
	case SCANNER_OFF:
		return "there is no scanner";
	case SCANNER_EMPTY:
		return "there are no signatures";
	default:
		return sc->idle_since_ms && reactor_now_ms(sc->side) - sc->idle_since_ms >= PATIENCE_MS ? "the scanner is not running" : NULL;
	}
}

static void
look_at_queue(struct scanner *sc)
{
	const char *why = why_not_now(sc);

	if (why)
		fail_queued(sc, why);
}

/* The program's end */

/* Whatever it says from here on is not listened to, and what it had is answered. */
static void
end(struct scanner *sc, bool in_order, bool at_once, const char *why)
{
	if (!is_alive(sc))
		return;
	sc->is = PROGRAM_ENDING;
	sc->in_order = in_order;
	scanner_process_end(sc->process, at_once);
	fail_given(sc, why);
	look(sc);
	look_at_queue(sc);
}

static void
give_up_on(struct scanner *sc, bool at_once, const char *why)
{
	if (!is_alive(sc))
		return;
	metric_add(METRIC_SCANNER_BROKEN, 1);
	log_error(NULL, "scanner-broken", "pid=%d why=%s scans=%u", (int)scanner_process_id(sc->process), why, sc->ngiven);
	end(sc, false, at_once, "the scanner failed at it");
}

/* It broke a rule, or fell silent. */
static void
give_up(struct scanner *sc, const char *why)
{
	give_up_on(sc, true, why);
}

static void
begin_again(struct timer *t)
{
	begin(LIST_ENTRY(t, struct scanner, again));
}

/* At once when it ended as it was told to, after a short pause when it had run for a while; else each pause is twice the last one. */
static void
begin_later(struct scanner *sc)
{
	if (sc->in_order || reactor_now_ms(sc->side) - sc->started_ms >= STEADY_MS)
		sc->pause_ms = 0;
	sc->pause_ms = sc->pause_ms ? sc->pause_ms * 2 : PAUSE_MS;
	if (sc->pause_ms > PAUSE_MAX_MS)
		sc->pause_ms = PAUSE_MAX_MS;
	timer_set(&sc->again, sc->in_order ? 0 : sc->pause_ms, begin_again);
}

static void
on_gone(void *arg, const char *how)
{
	struct scanner *sc = arg;

	give_up(sc, "it ended");
	log_event(sc->in_order ? LOG_INFO : LOG_WARNING, NULL, "scanner-ended", "pid=%d how=%s", (int)scanner_process_id(sc->process), how);
	sc->process = NULL;
	sc->is = PROGRAM_NONE;
	if (sc->stopping)
		sem_post(&sc->stopped);
	else if (sc->wanted)
		begin_later(sc);
}

static void
on_broken(void *arg, const char *why)
{
	/* Most likely it is ending: how, is worth a moment. */
	give_up_on(arg, false, why);
}

/* Its words */

static int64_t
signatures_of(const struct scanner *sc, uint64_t generation)
{
	if (generation == sc->state.generation)
		return sc->state.newest_s;
	return generation == sc->before.generation ? sc->before.newest_s : 0;
}

static struct list *
find_given(struct scanner *sc, uint64_t id)
{
	LIST_EACH(l, &sc->given)
		if (LIST_ENTRY(l, struct scan, link)->id == id)
			return l;
	return NULL;
}

static void
take_answer(struct scanner *sc, const struct scan_answer *a)
{
	struct list *l = find_given(sc, a->id);
	struct scan *s;

	if (!l) {
		give_up(sc, "it answered what it was not asked");
		return;
	}
	s = take_given(sc, l);
	s->verdict = (enum scan_verdict)a->verdict;
	s->why = (enum scan_why)a->why;
	memcpy(s->text, a->text, sizeof(s->text));
	memcpy(s->type, a->type, sizeof(s->type));
	s->signatures = a->signatures;
	s->signatures_s = signatures_of(sc, a->signatures);
	log_debug(NULL, "scanned", "id=%" PRIu64 " size=%" PRIu64 " verdict=%d why=%d text=%s type=%s ms=%u", s->id, s->size, (int)s->verdict,
		(int)s->why, s->text, s->type, (unsigned)a->took_ms);
	answer(s);
	if (sc->is == PROGRAM_LEAVING && !sc->ngiven)
		end(sc, true, false, "");
	else
		give(sc);
}

/* Those of a program that has been started anew need not be new. */
static void
tell_signatures(struct scanner *sc, bool same_run)
{
	const struct scan_state *st = &sc->state;

	if (sc->said && !same_run && sc->said_signatures == st->signatures && sc->said_newest_s == st->newest_s)
		return;
	sc->said = true;
	sc->said_signatures = st->signatures;
	sc->said_newest_s = st->newest_s;
	log_info(NULL, "signatures", "generation=%" PRIu64 " count=%" PRIu64 " newest=%" PRId64 " engine=%s", st->generation, st->signatures,
		st->newest_s, st->engine);
	for (size_t i = 0; i < nlisteners; i++)
		listeners[i].fn(listeners[i].arg, st->generation);
}

static void
take_state(struct scanner *sc, const struct scan_state *st)
{
	struct scan_state old = sc->state;

	if (st->generation < old.generation || st->lost < old.lost) {
		give_up(sc, "its state went back");
		return;
	}
	sc->state = *st;
	if (st->lost > old.lost) {
		metric_add(METRIC_SCANNER_LOST, st->lost - old.lost);
		log_warning(NULL, "scanner-worker-lost", "workers=%u", (unsigned)(st->lost - old.lost));
	}
	if (st->trouble[0] && st->generation && strcmp(st->trouble, old.trouble) != 0)
		log_error(NULL, "signatures-not-loaded", "why=%s effect=%s", st->trouble, "those before stay in force");
	if (st->generation != old.generation)
		sc->before = old;
	look(sc);
	if (st->generation != old.generation)
		tell_signatures(sc, old.generation != 0);
	look_at_queue(sc);
	give(sc);
}

static void
on_said(void *arg, const void *packet, size_t n)
{
	struct scanner *sc = arg;

	sc->heard_ms = reactor_now_ms(sc->side);
	if (scan_wire_answer_is_right(packet, n))
		take_answer(sc, packet);
	else if (scan_wire_state_is_right(packet, n))
		take_state(sc, packet);
	else
		give_up(sc, "it said what makes no sense");
}

static void
on_writable(void *arg)
{
	give(arg);
}

/* The program's start */

static bool
exists(const char *path)
{
	return faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
}

static char *
find_program(const char *setting)
{
	static const char *const places[] = {"/../libexec/chancery/chancery-scan", "/chancery-scan"};
	char self[PATH_MAX], path[PATH_MAX + 64];
	ssize_t n;

	if (strcmp(setting, "auto") != 0)
		return mem_strdup(setting);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/'))
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", self, places[i]);
		if (exists(path))
			break;
	}
	return mem_strdup(path);
}

void
scanner_prepare(const struct config *c)
{
	if (prepared.path)
		return;
	prepared.path = find_program(c->files.scanner);
	/* Only root will be somebody else soon. */
	if (geteuid() == 0 && *prepared.path)
		prepared.fd = open(prepared.path, O_PATH | O_CLOEXEC);
}

static void
add_argument(struct arguments *a, const char *name, const char *value)
{
	assert(a->n + 2 < ARGS);
	a->argv[a->n++] = (char *)(uintptr_t)name;
	a->argv[a->n++] = mem_strdup(value);
}

static void
add_number(struct arguments *a, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_argument(a, name, text);
}

static void
arguments_make(struct arguments *a, const struct config *c)
{
	const struct limits *l = &c->limits;
	char tmp[PATH_MAX];

	snprintf(tmp, sizeof(tmp), "%s/scan", c->files.dir);
	*a = (struct arguments){0};
	a->argv[a->n++] = (char *)(uintptr_t)"chancery-scan";
	add_argument(a, "--socket", "3");
	add_argument(a, "--signatures", c->files.signatures);
	add_argument(a, "--tmp", tmp);
	add_number(a, "--workers", c->files.workers);
	add_number(a, "--file-bytes", l->file_bytes);
	add_number(a, "--archive-bytes", l->archive_bytes);
	add_number(a, "--archive-members", l->archive_members);
	add_number(a, "--archive-depth", l->archive_depth);
	add_number(a, "--archive-ratio", l->archive_ratio);
	add_number(a, "--memory", l->scan_memory);
}

static void
arguments_fini(struct arguments *a)
{
	/* Values behind their names; these are static. */
	for (size_t i = 2; i < a->n; i += 2)
		free(a->argv[i]);
	a->n = 0;
}

static bool
arguments_equal(const struct arguments *a, const struct arguments *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->argv[i], b->argv[i]) != 0)
			return false;
	return true;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	if (at->level > 0)
		(void)remove(path);
	return 0;
}

/* What a program that was killed has left. */
static int
clear_folder(const struct config *c, const char *tmp, struct err *e)
{
	if (mkdir(c->files.dir, 0700) && errno != EEXIST)
		return err_set(e, errno, "%s: %s", c->files.dir, strerror(errno));
	if (mkdir(tmp, 0700) && errno != EEXIST)
		return err_set(e, errno, "%s: %s", tmp, strerror(errno));
	(void)nftw(tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	return 0;
}

static int
begin_program(struct scanner *sc, struct err *e)
{
	static const struct scanner_process_face face = {.said = on_said, .writable = on_writable, .broken = on_broken, .gone = on_gone};

	arguments_fini(&sc->args);
	arguments_make(&sc->args, sc->config);
	if (clear_folder(sc->config, sc->args.argv[TMP_AT], e))
		return -1;
	sc->process = scanner_process_start(prepared.path, prepared.fd, sc->args.argv, &face, sc, e);
	return sc->process ? 0 : -1;
}

static void
begin(struct scanner *sc)
{
	struct err e;

	sc->state = sc->before = (struct scan_state){0};
	sc->started_ms = sc->heard_ms = reactor_now_ms(sc->side);
	sc->in_order = false;
	metric_add(METRIC_SCANNER_STARTS, 1);
	if (begin_program(sc, &e)) {
		log_error(NULL, "scanner-start-failed", "program=%s why=%s", prepared.path, e.text);
		look(sc);
		begin_later(sc);
		return;
	}
	sc->is = PROGRAM_RUNNING;
	atomic_fetch_add(&run, 1);
	log_info(NULL, "scanner-started", "pid=%d program=%s", (int)scanner_process_id(sc->process), prepared.path);
	look(sc);
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

static void
give(struct scanner *sc)
{
	while (takes_requests(sc) && !list_is_empty(&sc->queued) && sc->ngiven < sc->config->limits.scans_at_once) {
		int rc = give_one(sc, LIST_ENTRY(sc->queued.next, struct scan, link));

		if (rc < 0)
			give_up(sc, "it cannot be reached");
		if (rc)
			return;
	}
}

static void
take_scan(struct mail *m)
{
	struct scan *s = LIST_ENTRY(m, struct scan, mail);
	struct scanner *sc = scanner;
	const char *why = why_not_now(sc);

	list_init(&s->link);
	if (!why && sc->nqueued >= sc->config->limits.scans_waiting)
		why = "too many files wait to be scanned";
	if (!why && s->fd < 0)
		why = "there is no file";
	if (why) {
		answer_error(s, why);
		return;
	}
	s->due_ms = reactor_now_ms(sc->side) + (int64_t)sc->config->limits.scan_seconds * 1000;
	list_append(&sc->queued, &s->link);
	metric_set(METRIC_SCANS_WAITING, ++sc->nqueued);
	give(sc);
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
			give_up(sc, "it does not keep time");
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
	else if (is_alive(sc) && now - sc->heard_ms >= SILENCE_MS)
		give_up(sc, "it has fallen silent");
	if (!slept)
		look_at_deadlines(sc, now);
	look(sc);
	look_at_queue(sc);
}

/* Settings */

static bool
is_wanted(const struct config *c)
{
	return c->modules.files.on && *prepared.path;
}

static void
take_settings(struct scanner *sc, struct config *c)
{
	config_unref(sc->config);
	sc->config = c;
	sc->wanted = is_wanted(c);
	atomic_store(&closes_when_old, c->modules.files.close_when_old);
}

/* With new limits: when it has done what it has. */
static void
leave(struct scanner *sc)
{
	struct arguments a;

	arguments_make(&a, sc->config);
	if (sc->is == PROGRAM_RUNNING && !arguments_equal(&a, &sc->args)) {
		sc->is = PROGRAM_LEAVING;
		if (!sc->ngiven)
			end(sc, true, false, "");
	}
	arguments_fini(&a);
}

static void
reload(void *arg)
{
	struct scanner *sc = scanner;
	bool was_wanted = sc->wanted;

	take_settings(sc, arg);
	if (sc->wanted)
		leave(sc);
	else
		end(sc, true, false, "files are switched off");
	if (sc->wanted && !was_wanted && sc->is == PROGRAM_NONE) {
		timer_clear(&sc->again);
		begin(sc);
	}
	if (!sc->wanted)
		timer_clear(&sc->again);
	look(sc);
	look_at_queue(sc);
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
		begin(sc);
	else
		look(sc);
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
	atomic_store(&condition, sc->wanted ? SCANNER_DOWN : SCANNER_OFF);
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
	look_at_queue(sc);
	if (sc->is == PROGRAM_NONE)
		sem_post(&sc->stopped);
	else
		end(sc, true, false, "the server is being stopped");
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
	arguments_fini(&sc->args);
	config_unref(sc->config);
	atomic_store(&condition, SCANNER_OFF);
	pthread_mutex_lock(&state_lock);
	last_state = (struct scan_state){0};
	pthread_mutex_unlock(&state_lock);
	if (prepared.fd >= 0)
		close(prepared.fd);
	free(prepared.path);
	prepared.path = NULL;
	prepared.fd = -1;
	nlisteners = 0;
	scanner = NULL;
	free(sc);
}

/* Questions from everywhere */

enum scanner_condition
scanner_condition(void)
{
	return (enum scanner_condition)atomic_load(&condition);
}

bool
scanner_is_open(const char **why)
{
	static const char *const closed[] = {
		[SCANNER_OFF] = "No files can be sent here.",
		[SCANNER_DOWN] = "Files cannot be sent at the moment: the virus scanner is not running.",
		[SCANNER_EMPTY] = "Files cannot be sent at the moment: the virus scanner has no signatures.",
		[SCANNER_OLD] = "Files cannot be sent at the moment: the signatures of the virus scanner are too old.",
		[SCANNER_UP] = NULL};
	enum scanner_condition c = scanner_condition();
	bool open = c == SCANNER_UP || (c == SCANNER_OLD && !atomic_load(&closes_when_old));

	if (why)
		*why = open ? NULL : closed[c];
	return open;
}

void
scanner_state(struct scan_state *out)
{
	pthread_mutex_lock(&state_lock);
	*out = last_state;
	pthread_mutex_unlock(&state_lock);
}

uint64_t
scanner_run(void)
{
	return atomic_load(&run);
}

void
scanner_on_new_signatures(void (*fn)(void *arg, uint64_t generation), void *arg)
{
	assert(!scanner && nlisteners < LISTENERS);
	listeners[nlisteners].fn = fn;
	listeners[nlisteners++].arg = arg;
}
