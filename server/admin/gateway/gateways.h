/*
 * gateways: supervision of the programs of gateways: one for each network that is on. A thread of its own starts them, starts them again with longer and
 * longer pauses when they end, and ends them when their network is switched off, or the server stops. One that hangs is ended, too: its stream does not answer (gateways.silence), or
 * it has had none for twice that. One whose settings are wrong (it says so by its exit
 * code) is not started again before they, or anything else about it, have been changed.
 */
#ifndef ADMIN_GATEWAYS_H
#define ADMIN_GATEWAYS_H

#include <stdint.h>

#include "base/err.h"

/* The doors for components are open. */
int gateways_start(struct err *e) MUST_CHECK;
/* Networks have been added, removed, changed or switched: looks, soon. `name`: one to be tried at once even if it waits; NULL. Any thread. */
void gateways_follow(const char *name);
/* The server stops: nothing is started any more. Then, when streams have ended, so do the programs. */
void gateways_quiet(void);
void gateways_stop(void);

struct gateways_state {
	const char *what;     /* static: "off", "running", "waiting" (before it is started again), "refused" (its settings), "ending" */
	long pid;             /* 0: there is none */
	int64_t since_us;     /* of it; 0 */
	uint64_t restarts;
	char why[320];        /* it ended, or could not be started; "" */
};
/* Of the gateway of this name. Any thread. */
void gateways_state(const char *name, struct gateways_state *out);
/* How many networks that are on have neither a program that runs nor one by somebody else. Any thread. */
unsigned gateways_down(void);

#endif
