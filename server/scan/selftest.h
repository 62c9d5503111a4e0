/*
 * selftest: a worker that tries to get out of its sandbox (`chancery-scan --self-test`).
 */
#ifndef SCAN_SELFTEST_H
#define SCAN_SELFTEST_H

#include "scan/options.h"

/* Tries each way out in a process of its own, closed in as a worker is, and prints a line for each. 0: none was open. `path`: a unix
 * socket that somebody listens on, NULL: none. */
int selftest_run(const struct scan_options *o, const char *path);

#endif
