/*
 * worker: see worker.h.
 *
 * It is told a descriptor and a size, and answers by the same id. It may be broken by what it reads; then it has what its sandbox
 * leaves it, and the master, which believes it no further than one answer for one file, ends it.
 */
#include "scan/worker.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "scan/folder.h"
#include "scan/room.h"
#include "scan/sandbox.h"
#include "scan/say.h"
#include "scan/type.h"
#include "scan/walk.h"

/* The walk first: see walk.h. What is over a limit is not given to the engine. What is damaged or encrypted is: a name for what was
 * found in it says more than that it is damaged. */
static void
look(struct engine *g, struct walk *w, const struct source *s, int64_t due_ms, struct finding *f)
{
	struct finding engine;
	bool whole;

	finding_clear(f);
	if (walk_file(w, s, due_ms, &whole, f) && (f->verdict != SCAN_UNSCANNABLE || f->why == SCAN_WHY_LIMIT))
		return;
	if (whole)
		return;
	finding_clear(&engine);
	if (engine_scan(g, s, due_ms - clock_mono_ms(), NULL, &engine) && (f->verdict == SCAN_CLEAN || engine.verdict == SCAN_INFECTED))
		*f = engine;
}

void
worker_scan(const struct scan_options *o, struct engine *g, struct walk *w, int fd, uint64_t size, int64_t due_ms, struct scan_answer *out)
{
	struct source s = { .fd = fd, .size = size };
	struct finding f;
	struct stat st;

	finding_clear(&f);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != size) {
		finding_error(&f, "the file is not what was announced");
	} else if (size > scan_options_largest(o)) {
		finding_limit(&f, "the file is larger than %llu bytes", (unsigned long long)scan_options_largest(o));
	} else {
		/* Where memory is short it is read, and its type is not known. */
		(void)source_map(&s);
		type_of(&s, out->type, sizeof(out->type));
		if (size)
			look(g, w, &s, due_ms, &f);
		source_unmap(&s);
	}
	out->verdict = (uint32_t)f.verdict;
	out->why = (uint32_t)f.why;
	memcpy(out->text, f.text, sizeof(out->text));
}

/* Processor time for this file, besides the master's clock: a worker that its master has forgotten ends, too. */
static void
set_time(uint32_t patience_ms)
{
	struct rlimit r;
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) || getrlimit(RLIMIT_CPU, &r))
		return;
	r.rlim_cur = (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + patience_ms / 1000 + 5;
	(void)setrlimit(RLIMIT_CPU, &r);
}

/* False: the master has closed, or what came is none of its requests. */
static bool
serve(const struct scan_options *o, struct engine *g, struct walk *w, int sock, int tmp)
{
	struct scan_answer answer = { .kind = SCAN_ANSWER, .version = SCAN_WIRE_VERSION };
	struct scan_request q;
	int fd;
	long n = scan_wire_receive(sock, &q, sizeof(q), &fd);

	if (n != sizeof(q) || fd < 0 || q.kind != SCAN_REQUEST || q.version != SCAN_WIRE_VERSION)
		return false;
	set_time(q.patience_ms);
	room_leave_one_soon();
	answer.id = q.id;
	worker_scan(o, g, w, fd, q.size, clock_mono_ms() + q.patience_ms, &answer);
	room_take_all();
	close(fd);
	/* The master says which; until then it is the one that it was forked with. */
	answer.signatures = 1;
	(void)folder_empty(tmp);
	return scan_wire_send(sock, &answer, sizeof(answer), -1) == 0;
}

void
worker_run(const struct scan_options *o, struct engine *g, int sock, int tmp, const char *path)
{
	struct err e = { 0 };
	struct walk *w = walk_new(o, g, tmp);

	/* Its nursery may have ended before this took effect: then the socket, too, is closed. */
	if (prctl(PR_SET_PDEATHSIG, 9) || engine_set_tmp(g, path) || sandbox_worker(o, tmp, &e)) {
		say("a worker cannot begin: %s", e.text);
		_exit(1);
	}
	while (serve(o, g, w, sock, tmp))
		;
	_exit(0);
}
