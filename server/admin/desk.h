/*
 * desk: the verbs of `chancery` for administrators' clients (core/module/desk.h, modules/administration).
 *
 * One thread with a database connection of its own takes the orders one after the other, builds the request that `chancery`
 * would send, and runs it: so both do the same and are audited alike.
 */
#ifndef ADMIN_DESK_H
#define ADMIN_DESK_H

#include "base/err.h"

/* After control_start. 0 or -1. */
int admin_desk_start(const char *conninfo, struct err *e) MUST_CHECK;
/* Carries out the order under way, gives the others back as refused, joins the thread. Reactors must still run. */
void admin_desk_stop(void);

#endif
