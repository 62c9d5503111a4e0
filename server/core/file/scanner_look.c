/*
 * scanner_look: how the scanner is: said in the log when it has changed, and kept where every thread may look.
 */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/file/scanner_priv.h"

#define LISTENERS 4

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

const char *
scanner_condition_name(enum scanner_condition c)
{
	static const char *const names[] = {[SCANNER_OFF] = "off", [SCANNER_DOWN] = "down", [SCANNER_EMPTY] = "no signatures",
		[SCANNER_OLD] = "old signatures", [SCANNER_UP] = "up", [SCANNER_ASLEEP] = "asleep"};

	return names[c];
}

static int64_t
age_s(const struct scan_state *st)
{
	int64_t age = clock_wall_us() / 1000000 - st->newest_s;

	return age > 0 ? age : 0;
}

bool
scanner_is_alive(const struct scanner *sc)
{
	return sc->is == PROGRAM_RUNNING || sc->is == PROGRAM_LEAVING;
}

bool
scanner_takes_requests(const struct scanner *sc)
{
	return sc->is == PROGRAM_RUNNING && sc->state.generation;
}

enum scanner_condition
scanner_find_condition(const struct scanner *sc)
{
	if (!sc->wanted)
		return SCANNER_OFF;
	if (sc->asleep || sc->waking)
		return SCANNER_ASLEEP;
	if (!scanner_is_alive(sc) || !sc->state.kind)
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
	if ((int)now == sc->told || (now == SCANNER_DOWN && (scanner_is_alive(sc) || sc->in_order)))
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
		break;
	case SCANNER_ASLEEP:
		log_info(NULL, "scanner-asleep", "effect=%s", "it is started with the first file");
	}
}

void
scanner_look(struct scanner *sc)
{
	enum scanner_condition now;
	bool there = scanner_is_alive(sc) && sc->state.kind;

	if (!scanner_is_alive(sc) || sc->state.generation || sc->state.trouble[0])
		sc->waking = false;
	now = scanner_find_condition(sc);
	tell_condition(sc, now);
	pthread_mutex_lock(&state_lock);
	last_state = there ? sc->state : (struct scan_state){0};
	pthread_mutex_unlock(&state_lock);
	atomic_store(&condition, (int)now);
	atomic_store(&closes_when_old, sc->config->modules.files.close_when_old);
	metric_set(METRIC_SCANNER_CONDITION, (int64_t)now);
	metric_set(METRIC_SIGNATURES, there ? (int64_t)sc->state.signatures : 0);
	metric_set(METRIC_SIGNATURES_AGE, there && sc->state.generation ? age_s(&sc->state) : 0);
	if (scanner_takes_requests(sc) || now == SCANNER_ASLEEP)
		sc->idle_since_ms = 0;
	else if (!sc->idle_since_ms)
		sc->idle_since_ms = reactor_now_ms(sc->side);
}

void
scanner_tell_signatures(struct scanner *sc, bool same_run)
{
	const struct scan_state *st = &sc->state;

	if (sc->said && !same_run && sc->said_set == st->set && sc->said_newest_s == st->newest_s)
		return;
	sc->said = true;
	sc->said_set = st->set;
	sc->said_newest_s = st->newest_s;
	log_info(NULL, "signatures", "generation=%" PRIu64 " count=%" PRIu64 " newest=%" PRId64 " engine=%s", st->generation, st->signatures,
		st->newest_s, st->engine);
	for (size_t i = 0; i < nlisteners; i++)
		listeners[i].fn(listeners[i].arg, st->generation);
}

void
scanner_count_run(void)
{
	atomic_fetch_add(&run, 1);
}

void
scanner_look_began(bool asleep)
{
	atomic_store(&condition, asleep ? SCANNER_ASLEEP : SCANNER_DOWN);
}

void
scanner_look_at_nothing(void)
{
	atomic_store(&condition, SCANNER_OFF);
	pthread_mutex_lock(&state_lock);
	last_state = (struct scan_state){0};
	pthread_mutex_unlock(&state_lock);
	nlisteners = 0;
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
		[SCANNER_DOWN] = "Files cannot be sent at the moment: the virus scanner is not running. Please try again later.",
		[SCANNER_EMPTY] = "Files cannot be sent at the moment: the virus scanner has no signatures. Please try again later.",
		[SCANNER_OLD] = "Files cannot be sent at the moment: the signatures of the virus scanner are too old. Please try again later.",
		[SCANNER_UP] = NULL, [SCANNER_ASLEEP] = NULL};
	enum scanner_condition c = scanner_condition();
	bool open = c == SCANNER_UP || c == SCANNER_ASLEEP || (c == SCANNER_OLD && !atomic_load(&closes_when_old));

	if (c == SCANNER_ASLEEP)
		scanner_wake();
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
	assert(nlisteners < LISTENERS);
	listeners[nlisteners].fn = fn;
	listeners[nlisteners++].arg = arg;
}
