/*
 * child: what it takes to start a program of ours, whoever does: its environment, and the state in which it begins.
 *
 * Between fork and exec only what is safe in a signal handler may be called, as other threads may hold any lock: child_begin and child_signals are.
 */
#ifndef BASE_CHILD_H
#define BASE_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

#define CHILD_ENVIRONMENT 24 /* variables at the most, with the NULL at their end */

/* A path, a language and a time zone that are always the same; of our own environment the options of sanitizers, and `passed` ("HOME=", …, n of them).
 * Whatever else we have does not reach it. They are borrowed. Before fork. How many there are; NULL is behind them. */
size_t child_environment(char *out[CHILD_ENVIRONMENT], const char *const *passed, size_t n);
/* In the child, at once: it ends when the thread that made it does. `parent`: getpid() before fork. */
void child_begin(pid_t parent);
/* In the child: it ignores no signal, and none is held back. */
void child_signals(void);
/* A descriptor that tells the end of what fork gave (-1: it failed). -1 with err: there is no child, or not any more. */
int child_watch(pid_t pid, struct err *e) MUST_CHECK;

#endif
