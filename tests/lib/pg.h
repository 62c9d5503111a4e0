/*
 * pg: a throw-away PostgreSQL for tests. A cluster of its own in a temporary folder, reachable over a unix
 * socket only, with durability on, the roles of schema/roles.sql and a database `chancery`.
 *
 * It runs as the user postgres when the test is root (PostgreSQL refuses root), as ourselves otherwise. It
 * ends with the test, also when the test crashes. One per program is the rule: starting takes 2 s.
 */
#ifndef TESTS_LIB_PG_H
#define TESTS_LIB_PG_H

#include <stdbool.h>

struct pg;

/* Starts one; exits with a message when that is not possible. `settings` are lines for postgresql.conf
 * (NULL: none). `migrate`: apply schema/ as well. */
struct pg *pg_new(const char *settings, bool migrate);
/* The same with its data on a file system of its own of `mbytes` (a tmpfs), so that a test can fill
 * it. NULL when this needs rights that we do not have. */
struct pg *pg_new_small(unsigned mbytes, const char *settings);
void pg_free(struct pg *pg);

/* Conninfo of a role: chancery_server, chancery_owner, postgres (superuser). Lives as long as pg. */
const char *pg_conninfo(struct pg *pg, const char *role);
/* The socket's folder and the data folder. */
const char *pg_dir(const struct pg *pg);
const char *pg_data(const struct pg *pg);
int pg_pid(const struct pg *pg);

/* kill -9 of the postmaster and of all its children. */
void pg_kill(struct pg *pg);
/* SIGSTOP, SIGCONT to all of them. */
void pg_freeze(struct pg *pg);
void pg_thaw(struct pg *pg);
/* Immediate stop if it runs, then start again. */
void pg_restart(struct pg *pg);
/* Only the second half: after pg_kill. `wait`: until it takes connections. */
void pg_start(struct pg *pg, bool wait);

/* Starts it again when it has ended by itself (a full disk); waits until it takes connections. */
void pg_revive(struct pg *pg);

/* SQL as superuser; exits when it fails. */
void pg_exec(struct pg *pg, const char *sql);
/* The first column of the first row, "" when there is none. Static memory, valid until the next call. */
const char *pg_value(struct pg *pg, const char *sql);
long pg_number(struct pg *pg, const char *sql);
/* SQLSTATE of what comes out as this role, "" when it works. Static memory. */
const char *pg_try(struct pg *pg, const char *role, const char *sql);

#endif
