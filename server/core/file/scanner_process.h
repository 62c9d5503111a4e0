/*
 * scanner_process: chancery-scan as a child of ours: how it is started, spoken to, listened to and ended. For core/file/scanner only, on its
 * thread.
 *
 * The child gets a pair of sockets as descriptor 3, a pipe to our log as 1 and 2, and nothing else of what we have open; an environment of a
 * few fixed words; a process group of its own, so that all below it can be ended at once; and the kernel ends it when our thread ends.
 */
#ifndef CORE_SCANNER_PROCESS_H
#define CORE_SCANNER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct scanner_process;

/* What its owner is told, each with `arg`. */
struct scanner_process_face {
	void (*said)(void *arg, const void *packet, size_t n);
	/* After scanner_process_send has said 1. */
	void (*writable)(void *arg);
	/* It has closed its socket, or broken a rule of it: `why`. Nothing more is said or taken; it still has to be ended. */
	void (*broken)(void *arg, const char *why);
	/* It is gone, `how` in words; the object is freed behind this call. */
	void (*gone)(void *arg, const char *how);
};

/* `path` is tried first, then the file that `fd` has open (-1: none). argv[0] is a name; argv is not changed. NULL: it could not be
 * started. That it cannot be executed is told by `gone`. */
struct scanner_process *scanner_process_start(const char *path, int fd, char *const argv[], const struct scanner_process_face *face, void *arg,
	struct err *e) MUST_CHECK;
/* 0: sent. 1: not now. -1: it cannot be reached. `fd` stays the caller's. */
int scanner_process_send(struct scanner_process *p, const void *packet, size_t n, int fd) MUST_CHECK;
/* Closes the socket, by which it knows; kills it after two seconds, or at once. Its owner hears nothing more but `gone`. */
void scanner_process_end(struct scanner_process *p, bool at_once);
pid_t scanner_process_id(const struct scanner_process *p);

#endif
