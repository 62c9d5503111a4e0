/*
 * scanner_priv: what the files of the scanner share. All of it belongs to the scanner's thread.
 *
 *     scanner.c          who asks: queue, deadlines, start and stop
 *     scanner_program.c  the program: when it is started, what it says, when it has to be ended
 *     scanner_folder.c   where it unpacks
 *     scanner_look.c     how it is: for the log, for others to look at
 *     scanner_process.c  the child as such
 *
 * One program at a time, in one of four states: none (a timer is set, unless there shall be none), running, leaving (it gets nothing more, as
 * limits have changed, and ends when it has answered) and ending (its socket is closed; the next comes when it is gone).
 */
#ifndef CORE_SCANNER_PRIV_H
#define CORE_SCANNER_PRIV_H

#include <limits.h>
#include <semaphore.h>

#include "core/file/scanner.h"
#include "core/file/scanner_process.h"

#define SCANNER_ARGS 32

enum program { PROGRAM_NONE, PROGRAM_RUNNING, PROGRAM_LEAVING, PROGRAM_ENDING };

/* Of the program: argv[0], then names and values. */
struct scanner_arguments {
	char *argv[SCANNER_ARGS];
	size_t n;
};

struct scanner_folder {
	char path[PATH_MAX];
	bool elsewhere;              /* by files.scanner_folder, and ours to remove */
};

struct scanner {
	struct reactor *side;
	struct config *config;
	bool wanted, stopping;
	bool asleep;                 /* none has been started, as none was needed yet */
	bool waking;                 /* the first one has said nothing of its signatures yet */
	sem_t stopped;

	enum program is;
	struct scanner_process *process;
	struct scanner_folder folder;
	struct scanner_arguments args;
	struct timer tick, again;
	int64_t pause_ms, started_ms, heard_ms, tick_ms;
	int64_t idle_since_ms;       /* since when no program takes requests; 0: one does */
	bool in_order;               /* the last program ended, or ends, as it was told to */
	struct scan_state state;     /* the program's last word; kind 0: none */
	struct scan_state before;    /* that of the generation before */

	struct list queued, given;
	unsigned nqueued, ngiven;
	uint64_t last_id;

	int told;                    /* of the condition, in the log; -1: nothing yet */
	bool said;                   /* of signatures, to those who wait for new ones: which */
	uint64_t said_set;
	int64_t said_newest_s;
};

/* scanner.c */

/* Hands on what waits, as far as the program takes it. */
void scanner_give(struct scanner *sc);
/* What waits is answered when it would wait in vain. */
void scanner_look_at_queue(struct scanner *sc);
/* What the program has is answered by SCAN_ERROR. */
void scanner_fail_given(struct scanner *sc, const char *why);
/* False: to what it was not asked. */
bool scanner_take_answer(struct scanner *sc, const struct scan_answer *a);
/* Any thread: somebody needs it. */
void scanner_wake(void);

/* scanner_program.c */

void scanner_begin(struct scanner *sc);
/* Whatever it says from here on is not listened to, and what it had is answered by SCAN_ERROR. */
void scanner_end(struct scanner *sc, bool in_order, bool at_once, const char *why);
/* It broke a rule, or fell silent. */
void scanner_give_up(struct scanner *sc, const char *why);
/* When the settings in force are not those it was started with: it ends when it has done what it has. */
void scanner_leave(struct scanner *sc);
/* False: there is none by the settings. */
bool scanner_has_program(void);
void scanner_forget_program(struct scanner *sc);

/* scanner_folder.c */

/* There, and empty. It stays where it is until it is made again. 0 or -1. */
int scanner_folder_make(struct scanner_folder *f, const struct config *c, struct err *e) MUST_CHECK;
/* When no program runs any more. */
void scanner_folder_leave(struct scanner_folder *f);

/* scanner_look.c */

bool scanner_is_alive(const struct scanner *sc);
bool scanner_takes_requests(const struct scanner *sc);
enum scanner_condition scanner_find_condition(const struct scanner *sc);
/* After whatever may have changed it. */
void scanner_look(struct scanner *sc);
/* The program has been started once more. */
void scanner_count_run(void);
/* Before the first look, and behind the last one. */
void scanner_look_began(bool asleep);
void scanner_look_at_nothing(void);
/* Those of a program that has been started anew need not be new. */
void scanner_tell_signatures(struct scanner *sc, bool same_run);

#endif
