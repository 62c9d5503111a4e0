/*
 * sandbox: what each process of the program may still do. Entered in its first lines, and never left; a child's is within its
 * parent's.
 *
 *                  files                                     calls
 *     master       reads signatures and libmagic's table,    everything below, and: watch a folder, fork, start and end processes
 *                  writes in the temporary folder
 *     nursery      the same                                  opens files, forks
 *     worker       its own temporary folder, nothing else    no process, no socket, no program, no signal, no memory to be executed
 *
 * Nobody: opens a socket, executes a program, traces, gains privileges. A kernel that cannot do this is refused.
 */
#ifndef SCAN_SANDBOX_H
#define SCAN_SANDBOX_H

#include "base/err.h"
#include "scan/options.h"

/* Master, at its start. 0 or -1. */
int sandbox_master(const struct scan_options *o, struct err *e) MUST_CHECK;
/* Nursery, before it loads anything. */
int sandbox_nursery(const struct scan_options *o, struct err *e) MUST_CHECK;
/* Worker: `tmp` is a descriptor of its folder. */
int sandbox_worker(const struct scan_options *o, int tmp, struct err *e) MUST_CHECK;

#endif
