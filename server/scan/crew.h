/*
 * crew: the nurseries and their workers, as the master has them: who lives, who is busy with what, who must go.
 */
#ifndef SCAN_CREW_H
#define SCAN_CREW_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/scan_wire.h"
#include "scan/options.h"

/* A file that was asked about. */
struct job {
	struct list link;
	uint64_t id, size;
	int64_t came_ms, due_ms;
	int fd;               /* its own */
};

struct nursery_seat {
	struct list link;
	uint64_t number, generation; /* generation 0: it loads, or its signatures were never in force */
	pid_t pid;
	int sock, pidfd;
	uint64_t signatures, set;
	int64_t newest_s, since_ms;
	unsigned workers;
	bool retired;                /* ends when its last worker has */
	bool gone;                   /* its process has ended, and has been waited for */
};

struct worker_seat {
	struct list link;
	struct nursery_seat *nursery;
	uint32_t number;
	int sock, pidfd;     /* pidfd -1: not there yet */
	struct job *job;     /* NULL: idle */
	unsigned files;
};

struct crew {
	const struct scan_options *options;
	struct list nurseries, workers;
	struct list leaving;          /* nurseries that are to end: their folders are theirs until then */
	struct nursery_seat *force;   /* new workers come from here; NULL: none */
	struct nursery_seat *loading; /* NULL: none */
	uint64_t numbers, generations;
	uint64_t set;                 /* the master's: which signatures there are now (scan_state.set) */
	uint64_t generation;          /* in force, or being loaded again; 0: none */
	uint32_t worker_numbers;
	int64_t pause_until_ms;       /* no new worker before */
	unsigned pause_ms;
	unsigned losses;               /* of nurseries in force, since then: */
	int64_t losses_since_ms;
	uint32_t lost, busy;
	char trouble[SCAN_TEXT_MAX];
	/* The master's: */
	void *arg;
	void (*on_answer)(void *arg, struct job *job, const struct scan_answer *a); /* the job becomes the master's again */
	void (*on_changed)(void *arg); /* what scan_state says */
};

void crew_init(struct crew *c, const struct scan_options *o);
/* A new set of signatures: loaded beside what is in force. Nothing when one loads already. */
void crew_load(struct crew *c);
/* An idle worker takes the job; false: there is none. */
bool crew_give(struct crew *c, struct job *job);
/* New workers where some are missing, and the end of those that are late. */
void crew_tend(struct crew *c);
/* When crew_tend should be called next. */
int64_t crew_next_ms(const struct crew *c);
/* Appends to `p` all that is to be waited for, at most `max`; returns how many. crew_heard() takes them back. */
size_t crew_polls(const struct crew *c, struct pollfd *p, size_t max);
void crew_heard(struct crew *c, const struct pollfd *p);
/* All of them end; waits for it. */
void crew_end(struct crew *c);
/* Descriptors at most. */
#define CREW_POLLS 300

#endif
