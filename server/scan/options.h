/*
 * options: what the program was started with, as every part of it reads it. Filled by main.c, constant afterwards.
 */
#ifndef SCAN_OPTIONS_H
#define SCAN_OPTIONS_H

#include <stdint.h>

/* libclamav takes no file of 2 GiB or more. */
#define SCAN_ENGINE_MAX ((uint64_t)0x7fffffff)

struct scan_options {
	int sock;
	const char *signatures, *tmp; /* folders */
	unsigned workers;
	uint64_t archive_bytes;       /* leaves of an archive, in all */
	unsigned archive_members, archive_depth, archive_ratio;
	uint64_t file_bytes;          /* a file that is sent */
	uint64_t memory;              /* what a worker may take above what it was forked with */
};

/* The largest file, and the largest member of an archive, that is looked at. The engine's own limit is this, so that it sees all
 * of whatever passes. */
static inline uint64_t
scan_options_largest(const struct scan_options *o)
{
	uint64_t n = o->archive_bytes > o->file_bytes ? o->archive_bytes : o->file_bytes;

	return n < SCAN_ENGINE_MAX ? n : SCAN_ENGINE_MAX;
}

#endif
