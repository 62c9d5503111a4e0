/*
 * master: the process that speaks with chanceryd. Opens nothing, reads no file: it passes descriptors on to workers, watches the
 * clock, and says what is in force.
 */
#ifndef SCAN_MASTER_H
#define SCAN_MASTER_H

#include "scan/options.h"

/* Until o->sock is closed; returns the exit status. */
int master_run(const struct scan_options *o);

#endif
