/*
 * log_verify: recomputes the record's Merkle log from what the record says, and compares: leaves to content, tiles to leaves, checkpoints to the tree,
 * to each other and to a file outside; that no log index is missing or there twice, and that ids grow with it. Each thing that is wrong is a finding.
 *
 * Runs over connections of its own that only read, so a standby will do; in ranges, side by side, in the order of the log, so it can be stopped
 * and gone on with. What is appended meanwhile is for the next time.
 *
 * Who has every right in the database can make all of this agree with itself, but for the signatures: give the keys that are trusted, and the file of
 * checkpoints, and then only what neither knows of yet can be altered unseen.
 */
#ifndef ARCHIVE_LOG_VERIFY_H
#define ARCHIVE_LOG_VERIFY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct log_finding {
	const char *kind;  /* "altered", "missing", "swapped" …: LOG.md has them all; static */
	uint64_t index;    /* of the log, or the size of a checkpoint */
	uint64_t record;   /* its id; 0: none is there */
	char text[320];    /* in words */
};

struct log_verify {
	/* In; all borrowed. */
	const char *conninfo;
	uint64_t since;                /* a size up to which everything has been verified; 0: all of it */
	unsigned threads;              /* 0: as many as there are processors, eight at most */
	const char *const *key;        /* vkeys that are trusted; none: those that the database names */
	size_t nkeys;
	const char *checkpoint_file;   /* NULL: none */
	const char *resume_file;       /* where it notes how far it is, and goes on from; removed at the end; NULL: none */
	const atomic_bool *stop;       /* NULL: nobody stops it */
	void (*finding)(void *arg, const struct log_finding *f); /* on the caller's thread; the first LOG_FINDINGS_MAX of them */
	void (*progress)(void *arg, uint64_t done, uint64_t total); /* the same; may be NULL */
	bool (*gone)(void *arg);       /* the same, five times a second: is nobody there any more who waits? Then it is stopped; may be NULL */
	void *arg;

	/* Out. */
	uint64_t first, size;          /* the log indexes [first, size) were looked at */
	uint64_t findings;             /* all of them */
	uint64_t records, erased, dropped; /* rows; of these, without content; leaves whose rows have gone with their partition */
	uint64_t checkpoints;          /* compared, of the table and of the file */
	uint64_t outside;              /* of the file */
	uint64_t resumed;              /* it went on from here; 0: it did not */
	bool trusted;                  /* keys were given */
};

#define LOG_FINDINGS_MAX 1000

/* 0: it was done, with findings or without. -1: it was not, `e` says why. */
int log_verify(struct log_verify *v, struct err *e) MUST_CHECK;

#endif
