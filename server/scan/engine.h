/*
 * engine: libclamav. Loaded once in a nursery, used by the workers forked from it.
 *
 * libclamav calls clean what it has not looked at in more than one case (shared/dependencies of the project, README.md here): its
 * limits are never below those of walk.c, its cache (by MD5, which can be made to collide) is off, and whatever it answers but
 * CL_CLEAN and a name is not clean.
 */
#ifndef SCAN_ENGINE_H
#define SCAN_ENGINE_H

#include <stdint.h>

#include "base/err.h"
#include "scan/finding.h"
#include "scan/options.h"
#include "scan/source.h"

struct engine {
	struct cl_engine *cl;
	uint64_t signatures;
	int64_t newest_s;
};

/* Once in the program, before the sandbox: libclamav's own libraries. 0 or -1. */
int engine_init(struct err *e) MUST_CHECK;
const char *engine_version(void);
/* All signatures of the folder, compiled; `tmp` is where databases are unpacked. 0 or -1 with why. */
int engine_load(struct engine *g, const struct scan_options *o, const char *tmp, struct err *e) MUST_CHECK;
void engine_unload(struct engine *g);
/* In a worker: its own folder, as forked workers would choose the same names. */
int engine_set_tmp(struct engine *g, const char *tmp);
/* Who is shown what the engine has taken out of a file (attachments of a mail, streams of an old document): it looks into what it finds
 * there less strictly than walk.c does. `depth`: 1 for what lies in the file itself. */
struct engine_witness {
	void (*seen)(void *arg, const void *data, size_t n, unsigned depth);
	void *arg;
};

/* All of the file of `s`, within so many milliseconds. `witness` may be NULL. 0: clean; -1 with what was found, or why nothing is known. */
int engine_scan(struct engine *g, const struct source *s, int64_t ms, const struct engine_witness *witness, struct finding *f);
/* Is this a name of something that signatures are read from? */
int engine_reads(const char *name);

#endif
