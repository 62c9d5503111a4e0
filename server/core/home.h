/*
 * home: what each reactor has beside its loop: the settings in force there, and its parts' tables.
 */
#ifndef CORE_HOME_H
#define CORE_HOME_H

#include "core/config/config.h"
#include "xmpp/parser.h"

/* The snapshot this reactor works with: valid until the end of the turn. Replaced by mail after a reload. */
const struct config *home_config(void);

/* Bounds for what authenticated clients send, from the settings. */
struct parser_limits home_parser_limits(void);

/* Starts the tables of every home and gives each its settings; from main, when the reactors run. */
void home_start_all(void);
/* After config_set: every home takes the new snapshot. */
void home_reload_all(void);
/* Frees the tables; sessions have ended and lanes are empty. */
void home_stop_all(void);

/* Runs fn(arg) on every home, one after the other, and returns when all have run. From threads that are not
 * reactors (main, control). */
void home_call_each(void (*fn)(void *arg), void *arg);
/* The same on one of them. */
void home_call(unsigned index, void (*fn)(void *arg), void *arg);

#endif
