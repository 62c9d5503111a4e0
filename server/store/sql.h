/*
 * sql: parameters, rows and transactions over one libpq connection, with deadlines.
 *
 * Used on worker threads only. Every wait is bounded: a PostgreSQL that hangs (SIGSTOP, dead network)
 * costs the deadline and the connection, never the thread. Connecting is non-blocking too.
 */
#ifndef STORE_SQL_H
#define STORE_SQL_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct sql;

enum sql_status {
	SQL_OK,
	SQL_FAILED,      /* PostgreSQL refused: err.text; sql_state(db) */
	SQL_UNAVAILABLE, /* no connection, or it broke, or the deadline passed: outcome unknown for writes */
};

struct sql *sql_new(const char *conninfo, const char *application_name);
/* The same as another role of the database: the user of conninfo is replaced (schema/README.md, Roles). */
struct sql *sql_new_as(const char *conninfo, const char *role, const char *application_name);
void sql_free(struct sql *db);
/* Connects when not connected, or when the other end has gone meanwhile; sets up the session and checks
 * that the database takes writes, is in UTF-8, and that fsync, full_page_writes and synchronous_commit
 * are on as this session sees them. */
enum sql_status sql_connect(struct sql *db, int timeout_ms, struct err *e);
/* For the whole process: connect although durability is off (database.allow_unsafe_durability). */
void sql_allow_unsafe(bool allow);
/* This connection only reads or migrates: it does not look at durability. Before sql_connect. */
void sql_skip_durability(struct sql *db);
/* This connection only reads: a standby will do. Before sql_connect. */
void sql_allow_standby(struct sql *db);
bool sql_is_connected(const struct sql *db);
void sql_disconnect(struct sql *db);
/* Deadline of each following statement, default 10 s; also sent as statement_timeout. */
void sql_set_deadline(struct sql *db, int ms);
/* No wait goes on beyond this moment (monotonic ms), whatever the deadline; 0: no such moment. */
void sql_set_until(struct sql *db, int64_t mono_ms);
/* Once *stop is true no wait goes on for more than a fifth of a second, and the connection is dropped: who asked has gone. NULL: nobody can go. */
void sql_set_stop(struct sql *db, const atomic_bool *stop);
/* Whether following statements are heavy ones that few wait for: outside of transactions each takes its turn with the others like it, of whichever
 * process (sql_turn.h). Waiting for it counts neither as the statement's time nor as that of sql_set_until. What it was before. */
bool sql_take_turns(struct sql *db, bool take);
/* For so long this connection has waited for turns, in all. */
int64_t sql_turns_waited_us(const struct sql *db);
/* For the whole process: so many at a time (0: half of this machine's processors), how long one waits before it goes on without, and for how many pages each asks
 * the disk at a time. Before that nobody waits. */
void sql_set_turns(unsigned at_once, unsigned wait_ms, unsigned reads);
/* While this connection waits, fn(arg) is called on the waiting thread at least every `every_ms`.
 * It must not use `db`. */
void sql_set_tick(struct sql *db, int every_ms, void (*fn)(void *), void *arg);
/* SQLSTATE of the last failure, "" when none. */
const char *sql_state(const struct sql *db);

/* Parameters and rows, text format. `n` values follow as const char * (NULL is SQL NULL). The result is
 * freed with PQclear by the caller; NULL unless SQL_OK. Statements are prepared once per connection and
 * found again by the address of the text: pass string literals, never a buffer. Names are qualified
 * (chancery.account): the search path is empty. */
enum sql_status sql_query(struct sql *db, struct err *e, PGresult **out, const char *text, int n, ...);
enum sql_status sql_query_v(struct sql *db, struct err *e, PGresult **out, const char *text, int n, const char *const *v);
/* The same without rows. */
enum sql_status sql_do(struct sql *db, struct err *e, const char *text, int n, ...);
/* The same with one answer, yes or no; no row is no. */
enum sql_status sql_query_bool(struct sql *db, struct err *e, bool *out, const char *text, int n, ...);
/* Several statements without parameters (migrations). */
enum sql_status sql_script(struct sql *db, struct err *e, const char *text);
enum sql_status sql_begin(struct sql *db, struct err *e);
enum sql_status sql_commit(struct sql *db, struct err *e);
void sql_rollback(struct sql *db);
/* BEGIN goes to PostgreSQL with the next statement, COMMIT with the next statement, in one round trip with it. Of one that ends a transaction OK
 * means that all of it is committed. What fails is rolled back as ever (sql_rollback). */
void sql_begin_with(struct sql *db);
void sql_commit_with(struct sql *db);
bool sql_in_transaction(const struct sql *db);

/* A COPY … FROM STDIN with all of its data, at most 1 GB: until `until_ms` (monotonic). The statement is text of ours with numbers in it and nothing else. */
enum sql_status sql_copy_in(struct sql *db, const char *statement, const void *data, size_t n, int64_t until_ms, struct err *e);

/* For raw access: makes a statement known to this connection, if it is not yet and there is room; whether it is, and by which name PostgreSQL has it. */
#define SQL_NAME 16
enum sql_status sql_prepare(struct sql *db, const char *text, struct err *e);
bool sql_is_prepared(struct sql *db, const char *text, char name[SQL_NAME]);

/* Raw access for the archive writer and COPY: the connection, non-blocking, and a wait bounded by `deadline_ms`
 * (monotonic); 1 ready, 0 deadline, -1 broken. */
PGconn *sql_raw(struct sql *db);
int sql_wait(struct sql *db, bool for_write, int64_t deadline_ms);
/* Hands over a failed result or the connection's own trouble: fills `e` and sql_state, and disconnects
 * when the connection is of no more use. SQL_FAILED or SQL_UNAVAILABLE. e->code is EAGAIN when a lock or the answer took too long. */
enum sql_status sql_failure(struct sql *db, const PGresult *r, struct err *e);

/* sql_value */

/* A number as a parameter: written to `out`, which is returned. */
#define SQL_NUMBER 24
const char *sql_number(char out[SQL_NUMBER], int64_t n);

/* Reading rows. NULL columns: "" / 0 / false. */
const char *sql_text(const PGresult *r, int row, int col);
int64_t sql_i64(const PGresult *r, int row, int col);
bool sql_bool(const PGresult *r, int row, int col);
bool sql_is_null(const PGresult *r, int row, int col);

#endif
