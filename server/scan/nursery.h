/*
 * nursery: one set of signatures, loaded and compiled, in a process that reads nothing else and forks workers from itself: they share
 * its memory. The master makes one for each set, and tells it to fork.
 */
#ifndef SCAN_NURSERY_H
#define SCAN_NURSERY_H

#include <stdint.h>

#include "scan/options.h"

enum nursery_word_kind {
	NURSERY_READY = 1, /* loaded: signatures, newest_s */
	NURSERY_TROUBLE,   /* not: text; it ends */
	NURSERY_FORKED,    /* worker; with a pidfd */
	NURSERY_FAILED,    /* worker: it could not be forked; text */
};

/* From the nursery. */
struct nursery_word {
	uint32_t kind, worker;
	uint64_t signatures;
	int64_t newest_s;
	char text[192];
};

/* To the nursery: fork a worker by this number (new each time), which gets the socket that comes along. */
struct nursery_order {
	uint32_t worker;
};

/* In the process that the master has forked: closes itself in, loads, obeys, ends when `sock` is closed. `number`: for the names
 * of folders. Does not return. */
void nursery_run(const struct scan_options *o, int sock, uint64_t number) __attribute__((noreturn));

#endif
