/*
 * gateway_process: the program of a gateway as a child: started with its line of settings on its standard input, which stays open until it shall end
 * (modules/gateway/README.md). For admin/gateway/gateways only, on its thread: the kernel ends the child when that ends.
 */
#ifndef ADMIN_GATEWAY_PROCESS_H
#define ADMIN_GATEWAY_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct gateway_process {
	pid_t pid;
	int pidfd;
	int to;   /* its standard input; -1: it has been closed */
};

/* `programs`: the folder; "": beside us, or ../libexec/chancery. `line` ends in a line feed. */
int gateway_process_start(struct gateway_process *p, const char *programs, const char *kind, const char *line, size_t n, struct err *e) MUST_CHECK;
/* It shall end. */
void gateway_process_ask(struct gateway_process *p);
void gateway_process_kill(struct gateway_process *p);
/* It has ended: its exit code; -1 and `how` in words where there is none. Frees what is held. */
int gateway_process_reap(struct gateway_process *p, char *how, size_t size);

#endif
