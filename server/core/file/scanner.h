/*
 * scanner: the one face of chancery-scan inside chanceryd: starts it, supervises it, asks it.
 *
 * A side reactor ("scan") owns the process and the socket. When the program ends, says nonsense or nothing (no SCAN_STATE for
 * thirty seconds) it is ended and started anew, after a pause that doubles up to a minute; what it had is answered by SCAN_ERROR.
 * With files.scanner_start: lazy all of that begins when the first file comes, or is asked about; then files wait for its signatures as long as
 * for a scan.
 *
 * Requests wait in a bounded queue (limits.scans_waiting), at most limits.scans_at_once are with the program. A scan has a deadline
 * from the moment it is submitted; while no program takes requests, it waits for five seconds at most. Nothing here says CLEAN but the
 * program.
 */
#ifndef CORE_SCANNER_H
#define CORE_SCANNER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/scan_wire.h"
#include "core/config/config.h"
#include "net/reactor.h"

struct scan {
	struct mail mail;        /* mail.run is called at home when it is answered, exactly once */
	struct reactor *home;    /* NULL: the reactor that submits */
	struct list link;        /* the scanner's */
	/* In */
	int fd;                  /* read only, of a regular file; stays the caller's, open until the answer */
	uint64_t size;
	unsigned patience_ms;    /* from its arrival at the scanner; 0, or more than that: limits.scan_seconds */
	/* Out */
	enum scan_verdict verdict;
	enum scan_why why;
	char text[SCAN_TEXT_MAX];
	char type[SCAN_TYPE_MAX];
	uint64_t signatures;     /* the generation it was scanned with, of the program's run at that time; 0: none */
	int64_t signatures_s;    /* when the newest of these were made (scan_state.newest_s); 0: not known, nor is the next */
	uint64_t signatures_n;   /* how many these are */
	uint64_t signatures_set; /* and which (scan_state.set) */
	/* The scanner's */
	void (*run)(struct mail *m);
	int64_t since_us;
	uint64_t id;
	int64_t due_ms;
};

/* Before privileges are dropped: notes the program, which the account that we become may not be able to reach. Optional. */
void scanner_prepare(const struct config *c);
/* Before the reactors serve; with the settings in force (files.scanner: the program; "" or file transfer off: none is started and every
 * answer is SCAN_ERROR). 0 or -1. */
int scanner_start(void);
void scanner_reload(void);
/* What waits is answered by SCAN_ERROR; the program ends. Reactors still run. */
void scanner_stop(void);
/* From any reactor, before scanner_start and behind scanner_stop as well: then the answer is SCAN_ERROR. */
void scanner_submit(struct scan *s);

enum scanner_condition {
	SCANNER_OFF,      /* by the settings */
	SCANNER_DOWN,     /* not running, or it has not said anything yet */
	SCANNER_EMPTY,    /* no signatures: file transfer is closed */
	SCANNER_OLD,      /* older than files.signatures_max_age: closed when the settings say so (files.close_when_old) */
	SCANNER_UP,
	SCANNER_ASLEEP,   /* nothing has needed it yet, or the first that did still waits for its signatures (files.scanner_start: lazy) */
};
/* From any thread: as of the last word of the program. */
enum scanner_condition scanner_condition(void);
/* May a file be taken at all now? False: `why` in plain words, static. Who asks is about to need it: one that is asleep is woken. */
bool scanner_is_open(const char **why);
/* The last state; cleared when there is none. */
void scanner_state(struct scan_state *out);
/* Signatures of another generation of the same run, or of another run, may be others: which run this is, 1, 2, … For tests. */
uint64_t scanner_run(void);
const char *scanner_condition_name(enum scanner_condition c);
/* fn(arg, generation) on the scanner's own thread each time new signatures are in force, and once after the start: what is stored can be
 * scanned again. Registered before scanner_start, at most four; it must not wait. */
void scanner_on_new_signatures(void (*fn)(void *arg, uint64_t generation), void *arg);

#endif
