/*
 * worker: looks at one file at a time. The only process here that reads what others have sent.
 */
#ifndef SCAN_WORKER_H
#define SCAN_WORKER_H

#include "scan/engine.h"
#include "scan/options.h"

/* In the child that a nursery has forked: closes itself in, answers what comes over `sock`, ends with it. `tmp`: its own folder,
 * `path` the same for libclamav. Does not return. */
void worker_run(const struct scan_options *o, struct engine *g, int sock, int tmp, const char *path) __attribute__((noreturn));
/* What a worker does with one file. Files over the limits, empty ones and such too. For tests without processes. */
struct walk;
void worker_scan(const struct scan_options *o, struct engine *g, struct walk *w, int fd, uint64_t size, int64_t due_ms, struct scan_answer *out);

#endif
