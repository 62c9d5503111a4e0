/*
 * scanner_program: when the program is started and with what, what it says, and when it has to be ended.
 */
#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/file/scanner_priv.h"

#define PAUSE_MS 250
#define PAUSE_MAX_MS 60000
#define STEADY_MS 10000      /* who has run for so long begins anew with the shortest pause */

static struct {
	char *path;
	int fd;
} prepared = {.fd = -1};

/* The program's end */

void
scanner_end(struct scanner *sc, bool in_order, bool at_once, const char *why)
{
	if (!scanner_is_alive(sc))
		return;
	sc->is = PROGRAM_ENDING;
	sc->in_order = in_order;
	scanner_process_end(sc->process, at_once);
	scanner_fail_given(sc, why);
	scanner_look(sc);
	scanner_look_at_queue(sc);
}

static void
give_up_on(struct scanner *sc, bool at_once, const char *why)
{
	if (!scanner_is_alive(sc))
		return;
	metric_add(METRIC_SCANNER_BROKEN, 1);
	log_error(NULL, "scanner-broken", "pid=%d why=%s scans=%u", (int)scanner_process_id(sc->process), why, sc->ngiven);
	scanner_end(sc, false, at_once, "the scanner failed at it");
}

void
scanner_give_up(struct scanner *sc, const char *why)
{
	give_up_on(sc, true, why);
}

static void
begin_again(struct timer *t)
{
	scanner_begin(LIST_ENTRY(t, struct scanner, again));
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

	scanner_give_up(sc, "it ended");
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

static void
on_answer(struct scanner *sc, const struct scan_answer *a)
{
	if (!scanner_take_answer(sc, a))
		scanner_give_up(sc, "it answered what it was not asked");
	else if (sc->is == PROGRAM_LEAVING && !sc->ngiven)
		scanner_end(sc, true, false, "");
	else
		scanner_give(sc);
}

static void
take_state(struct scanner *sc, const struct scan_state *st)
{
	struct scan_state old = sc->state;
	/* Those in force may be lost and not be loaded again. */
	bool fresh = st->generation && st->generation != old.generation;

	if ((st->generation && st->generation < old.generation) || st->lost < old.lost) {
		scanner_give_up(sc, "its state went back");
		return;
	}
	sc->state = *st;
	if (st->lost > old.lost) {
		metric_add(METRIC_SCANNER_LOST, st->lost - old.lost);
		log_warning(NULL, "scanner-worker-lost", "workers=%u", (unsigned)(st->lost - old.lost));
	}
	if (st->trouble[0] && st->generation && strcmp(st->trouble, old.trouble) != 0)
		log_error(NULL, "signatures-not-loaded", "why=%s effect=%s", st->trouble, "those before stay in force");
	if (st->generation != old.generation && old.generation)
		sc->before = old;
	scanner_look(sc);
	if (fresh)
		scanner_tell_signatures(sc, old.generation != 0);
	scanner_look_at_queue(sc);
	scanner_give(sc);
}

static void
on_said(void *arg, const void *packet, size_t n)
{
	struct scanner *sc = arg;

	sc->heard_ms = reactor_now_ms(sc->side);
	if (scan_wire_answer_is_right(packet, n))
		on_answer(sc, packet);
	else if (scan_wire_state_is_right(packet, n))
		take_state(sc, packet);
	else
		scanner_give_up(sc, "it said what makes no sense");
}

static void
on_writable(void *arg)
{
	scanner_give(arg);
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
add_argument(struct scanner_arguments *a, const char *name, const char *value)
{
	assert(a->n + 2 < SCANNER_ARGS);
	a->argv[a->n++] = (char *)(uintptr_t)name;
	a->argv[a->n++] = mem_strdup(value);
}

static void
add_number(struct scanner_arguments *a, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	add_argument(a, name, text);
}

static void
arguments_make(struct scanner_arguments *a, const struct config *c, const char *tmp)
{
	const struct limits *l = &c->limits;

	*a = (struct scanner_arguments){0};
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
arguments_fini(struct scanner_arguments *a)
{
	/* Values behind their names; these are static. */
	for (size_t i = 2; i < a->n; i += 2)
		free(a->argv[i]);
	a->n = 0;
}

static bool
arguments_equal(const struct scanner_arguments *a, const struct scanner_arguments *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->argv[i], b->argv[i]) != 0)
			return false;
	return true;
}

static int
begin_program(struct scanner *sc, struct err *e)
{
	static const struct scanner_process_face face = {.said = on_said, .writable = on_writable, .broken = on_broken, .gone = on_gone};

	if (scanner_folder_make(&sc->folder, sc->config, e))
		return -1;
	arguments_fini(&sc->args);
	arguments_make(&sc->args, sc->config, sc->folder.path);
	sc->process = scanner_process_start(prepared.path, prepared.fd, sc->args.argv, &face, sc, e);
	return sc->process ? 0 : -1;
}

void
scanner_begin(struct scanner *sc)
{
	struct err e;

	sc->state = sc->before = (struct scan_state){0};
	sc->started_ms = sc->heard_ms = reactor_now_ms(sc->side);
	sc->in_order = false;
	metric_add(METRIC_SCANNER_STARTS, 1);
	if (begin_program(sc, &e)) {
		log_error(NULL, "scanner-start-failed", "program=%s why=%s", prepared.path, e.text);
		scanner_look(sc);
		begin_later(sc);
		return;
	}
	sc->is = PROGRAM_RUNNING;
	scanner_count_run();
	log_info(NULL, "scanner-started", "pid=%d program=%s", (int)scanner_process_id(sc->process), prepared.path);
	scanner_look(sc);
}

void
scanner_leave(struct scanner *sc)
{
	struct scanner_arguments a;

	arguments_make(&a, sc->config, sc->folder.path);
	if (sc->is == PROGRAM_RUNNING && !arguments_equal(&a, &sc->args)) {
		sc->is = PROGRAM_LEAVING;
		if (!sc->ngiven)
			scanner_end(sc, true, false, "");
	}
	arguments_fini(&a);
}

bool
scanner_has_program(void)
{
	return prepared.path && *prepared.path;
}

void
scanner_forget_program(struct scanner *sc)
{
	scanner_folder_leave(&sc->folder);
	arguments_fini(&sc->args);
	if (prepared.fd >= 0)
		close(prepared.fd);
	free(prepared.path);
	prepared.path = NULL;
	prepared.fd = -1;
}
