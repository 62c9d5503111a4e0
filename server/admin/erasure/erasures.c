/*
 * erasures: the thread (erasures.h).
 *
 *     asked ── a verb, recorded ──▶ granted ── batches, each behind its record ── audited ──▶ done, partly
 *       └── a verb, recorded ──▶ refused
 */
#include "admin/erasure/erasures.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "admin/audit/audit.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "core/file/vault.h"
#include "store/erasure.h"

#define CONNECT_MS 3000
#define DEADLINE_MS 120000
#define LOOK_MS 5000    /* at the table, when nobody has said that it changed */
#define INDEX_MS 200    /* between two looks at how far the search index is */
#define AGAIN_MS 10000  /* behind trouble */
#define ORPHANS "100"   /* contents at a time */
#define SWEEP_MS 60000
#define ROLE "chancery_retention"

static struct {
	pthread_t thread;
	bool running, away;
	atomic_bool stopping;
	int wake;
	struct sql *find;       /* as chancery_server, which knows the index and the files */
	struct sql *wipe;       /* as chancery_retention */
	int64_t swept_ms, again_ms;
} erasures = {.wake = -1};

/* One that was granted. */
struct granted {
	PGresult *row;
	int64_t id;
	struct erasure_order order;
	struct erasure_scope scope;
	uint64_t held;
};

const char *
erasure_state_name(int64_t state)
{
	static const char *const names[] = {[ERASURE_ASKED] = "asked", [ERASURE_GRANTED] = "granted", [ERASURE_DONE] = "done", [ERASURE_PARTLY] = "partly",
					    [ERASURE_REFUSED] = "refused"};

	return state >= ERASURE_ASKED && state <= ERASURE_REFUSED ? names[state] : "?";
}

static bool
is_stopping(void *arg)
{
	(void)arg;
	return atomic_load(&erasures.stopping);
}

static void
doze(int ms)
{
	struct pollfd p = {.fd = erasures.wake, .events = POLLIN};
	uint64_t drained;

	if (poll(&p, 1, ms) > 0 && read(erasures.wake, &drained, sizeof drained) < 0)
		log_debug(NULL, "erasures-wake", "errno=%d", errno);
}

/* Files */

/* Its row is held while the content goes, so nobody takes it for kept meanwhile. */
static int
forget_content(const char *hex, struct err *e)
{
	uint8_t sha256[SHA256_SIZE];
	char bytea[2 * SHA256_SIZE + 3];
	bool gone = false;

	if (text_unhex(hex, 2 * SHA256_SIZE, sha256) != SHA256_SIZE)
		return err_set(e, 0, "not a SHA-256");
	snprintf(bytea, sizeof bytea, "\\x%s", hex);
	if (sql_begin(erasures.wipe, e) != SQL_OK ||
	    sql_query_bool(erasures.wipe, e, &gone, "SELECT chancery.file_forget($1::bytea)", 1, bytea) != SQL_OK ||
	    (gone && (vault_remove(sha256, e) != 0 || quarantine_remove(sha256, e) != 0)) || sql_commit(erasures.wipe, e) != SQL_OK) {
		sql_rollback(erasures.wipe);
		return -1;
	}
	if (gone)
		log_info(NULL, "content-erased", "sha256=%s", hex);
	return 0;
}

/* Contents that erasures have left to nobody. */
static void
sweep(void)
{
	struct err e = {0};
	PGresult *rows;

	erasures.swept_ms = clock_mono_ms();
	if (sql_query(erasures.wipe, &e, &rows, "SELECT encode(f, 'hex') FROM chancery.file_orphans(" ORPHANS ") f", 0) != SQL_OK) {
		log_warning(NULL, "contents-not-swept", "why=%s", e.text);
		return;
	}
	for (int i = 0; i < PQntuples(rows) && !is_stopping(NULL); i++)
		if (forget_content(sql_text(rows, i, 0), &e) != 0)
			log_warning(NULL, "content-not-removed", "sha256=%s why=%s", sql_text(rows, i, 0), e.text);
	PQclear(rows);
}

/* Requests */

/* The log up to the record of the decision: what comes later is not what was decided about, however long it waited. */
static int
pin(struct granted *g, struct err *e)
{
	char size[SQL_NUMBER], id[SQL_NUMBER];
	PGresult *row;
	int n;

	if (!sql_is_null(g->row, 0, 8)) {
		g->scope.query.before_index = (uint64_t)sql_i64(g->row, 0, 8);
		return 0;
	}
	if (sql_query(erasures.find, e, &row, "SELECT log_index FROM archive.record WHERE id = $1::bigint AND kind = 24", 1,
		      sql_number(id, (int64_t)g->order.decision)) != SQL_OK)
		return -1;
	n = PQntuples(row);
	g->scope.query.before_index = n == 1 ? (uint64_t)sql_i64(row, 0, 0) : 0;
	PQclear(row);
	if (n != 1)
		return err_set(e, 0, "its decision is not in the record");
	return sql_do(erasures.wipe, e, "UPDATE compliance.erasure SET size = $2::bigint WHERE id = $1::bigint", 2, sql_number(id, g->id),
		      sql_number(size, (int64_t)g->scope.query.before_index)) == SQL_OK ? 0 : -1;
}

/* What the index does not know yet would not be found. */
static int
wait_for_index(const struct granted *g, struct err *e)
{
	struct search_state st;

	while (!is_stopping(NULL)) {
		if (search_state(erasures.find, &st, e) != SQL_OK)
			return -1;
		if (g->scope.record != NULL || st.log_index >= g->scope.query.before_index)
			return 0;
		doze(INDEX_MS);
	}
	return err_set(e, 0, "the server stops");
}

static int
wipe_batch(void *arg, const uint64_t *id, size_t n, struct err *e)
{
	struct granted *g = arg;
	struct erasure_done done;

	if (is_stopping(NULL))
		return err_set(e, 0, "the server stops");
	if (erasure_wipe(erasures.wipe, &g->order, id, n, &done, e) != SQL_OK)
		return -1;
	g->held += done.held;
	return 0;
}

/* Said only when nothing but the commit can still fail: what cannot be written down would be said again by each attempt. */
static int
finish(struct granted *g, struct err *e)
{
	struct audit_who who = {.uid = -1, .login = -1, .name = g->order.who, .origin = "erasure", .role = g->order.role};
	char id[SQL_NUMBER], decision[SQL_NUMBER], target[40], erased[SQL_NUMBER], held[SQL_NUMBER];
	PGresult *row;
	json_t *detail;
	enum sql_status st;

	if (sql_begin(erasures.wipe, e) != SQL_OK || sql_query(erasures.wipe, e, &row, "SELECT coalesce(sum(erased), 0)::bigint FROM archive.erasure WHERE decision = $1::bigint", 1,
		      sql_number(decision, (int64_t)g->order.decision)) != SQL_OK)
		return -1;
	sql_number(erased, sql_i64(row, 0, 0));
	snprintf(target, sizeof target, "erasure %" PRId64, g->id);
	detail = json_pack("{s:I, s:I, s:I, s:I}", "erasure", (json_int_t)g->id, "decision", (json_int_t)g->order.decision, "erased",
			   (json_int_t)sql_i64(row, 0, 0), "held", (json_int_t)g->held);
	PQclear(row);
	st = sql_do(erasures.wipe, e,
		    "UPDATE compliance.erasure SET state = $2::smallint, finished_at = now(), erased = $3::bigint, held = $4::bigint, error = NULL"
		    " WHERE id = $1::bigint AND state = 2",
		    4, sql_number(id, g->id), g->held > 0 ? "4" : "3", erased, sql_number(held, (int64_t)g->held));
	if (st == SQL_OK)
		st = audit_write(erasures.wipe, &who, "erasure.finished", target, detail, e);
	json_decref(detail);
	if (st == SQL_OK)
		st = sql_commit(erasures.wipe, e);
	if (st != SQL_OK)
		return -1;
	audit_log(&who, "erasure.finished", target);
	return 0;
}

static int
read_granted(struct granted *g, struct arena *a, struct err *e)
{
	json_t *query = sql_is_null(g->row, 0, 1) ? NULL : json_loads(sql_text(g->row, 0, 1), 0, NULL);
	json_t *records = sql_is_null(g->row, 0, 2) ? NULL : json_loads(sql_text(g->row, 0, 2), 0, NULL);
	int rc = erasure_scope_read(query, records, a, &g->scope, e);

	g->id = sql_i64(g->row, 0, 0);
	g->order = (struct erasure_order){.basis = "request", .why = sql_text(g->row, 0, 3), .who = sql_text(g->row, 0, 4), .role = "dpo",
					  .approved_by = sql_is_null(g->row, 0, 5) ? NULL : sql_text(g->row, 0, 5),
					  .decision = (uint64_t)sql_i64(g->row, 0, 6), .request = g->id};
	json_decref(query);
	json_decref(records);
	return rc;
}

/* It stays granted, and is tried again. */
static void
note_trouble(const struct granted *g, const char *why)
{
	char id[SQL_NUMBER], text[sizeof((struct err *)0)->text];
	struct err e = {0};

	sql_rollback(erasures.wipe);
	log_error(NULL, "erasure-interrupted", "erasure=%" PRId64 " why=%s effect=%s", g->id, why, "it is tried again");
	snprintf(text, sizeof text, "%s", why);
	text_mend(text);
	if (sql_is_connected(erasures.wipe))
		(void)!sql_do(erasures.wipe, &e, "UPDATE compliance.erasure SET error = $2 WHERE id = $1::bigint", 2, sql_number(id, g->id), text);
}

/* The oldest that was granted. False: there is none, or it does not get on now. */
static bool
run_one(void)
{
	struct granted g = {0};
	struct arena *a;
	struct err e = {0};
	bool done = false;

	if (sql_query(erasures.wipe, &e, &g.row,
		      "SELECT id, query::text, array_to_json(records)::text, coalesce(decision_reason, reason), decided_by, approved_by, decision, 0, size"
		      " FROM compliance.erasure WHERE state = 2 ORDER BY id LIMIT 1", 0) != SQL_OK)
		return false;
	if (PQntuples(g.row) == 1) {
		a = arena_new(0);
		done = read_granted(&g, a, &e) == 0 && pin(&g, &e) == 0 && wait_for_index(&g, &e) == 0 &&
		       erasure_scope_walk(erasures.find, &g.scope, is_stopping, wipe_batch, &g, &e) == 0 && finish(&g, &e) == 0;
		if (!done && !is_stopping(NULL)) {
			note_trouble(&g, e.text);
			erasures.again_ms = clock_mono_ms() + AGAIN_MS;
		}
		arena_free(a);
	}
	PQclear(g.row);
	return done;
}

/* The thread */

static bool
is_connected(void)
{
	struct err e = {0};
	bool there = sql_connect(erasures.find, CONNECT_MS, &e) == SQL_OK && sql_connect(erasures.wipe, CONNECT_MS, &e) == SQL_OK;

	if (there == erasures.away) {
		erasures.away = !there;
		if (!there)
			log_warning(NULL, "erasures-away", "why=%s effect=%s", e.text, "nothing is erased meanwhile");
	}
	return there;
}

static void
look(void)
{
	struct err e = {0};
	unsigned resumed = 0;
	bool any = false;

	if (!is_connected())
		return;
	sql_set_deadline(erasures.wipe, DEADLINE_MS);
	if (erasure_resume(erasures.wipe, &resumed, &e) != SQL_OK) {
		log_warning(NULL, "erasures-not-resumed", "why=%s", e.text);
		return;
	}
	while (!is_stopping(NULL) && clock_mono_ms() >= erasures.again_ms && run_one())
		any = true;
	if (any || resumed > 0 || clock_mono_ms() - erasures.swept_ms >= SWEEP_MS)
		sweep();
}

static void *
run_thread(void *arg)
{
	(void)arg;
	while (!is_stopping(NULL)) {
		look();
		doze(LOOK_MS);
	}
	return NULL;
}

void
erasures_wake(void)
{
	uint64_t one = 1;

	if (erasures.running && write(erasures.wake, &one, sizeof one) != sizeof one)
		log_debug(NULL, "erasures-wake", "errno=%d", errno);
}

int
erasures_start(const char *conninfo, struct err *e)
{
	erasures.find = sql_new(conninfo, "chanceryd erasures");
	erasures.wipe = sql_new_as(conninfo, ROLE, "chanceryd erasures");
	erasures.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	erasures.away = false;
	erasures.swept_ms = -SWEEP_MS;
	atomic_store(&erasures.stopping, false);
	if (erasures.wake < 0 || pthread_create(&erasures.thread, NULL, run_thread, NULL) != 0)
		return err_set(e, EAGAIN, "the thread of erasures could not be started");
	erasures.running = true;
	return 0;
}

void
erasures_stop(void)
{
	if (!erasures.running)
		return;
	atomic_store(&erasures.stopping, true);
	erasures_wake();
	erasures.running = false;
	pthread_join(erasures.thread, NULL);
	sql_free(erasures.find);
	sql_free(erasures.wipe);
	close(erasures.wake);
}
