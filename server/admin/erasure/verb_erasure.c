/*
 * verb_erasure: requests to be forgotten (GDPR article 17): entered, looked at without content, decided, and certified. What carries them out is
 * erasures.c. Only data protection officers; a grant waits for a second one where compliance.four_eyes is on. Each decision is a record of the log.
 */
#include <inttypes.h>
#include <string.h>

#include "admin/erasure/erasure_certificate.h"
#include "admin/erasure/erasures.h"
#include "admin/request/request.h"
#include "admin/request/rows.h"
#include "archive/search/search.h"
#include "base/text.h"
#include "store/erasure.h"

#define REASON_MAX 500
#define TARGET 40

/* What is asked for */

struct asked {
	json_t *query, *records; /* owned; one of them is NULL */
	struct erasure_scope scope;
	char *text;
};

static void
asked_fini(struct asked *k)
{
	json_decref(k->query);
	json_decref(k->records);
	free(k->text);
}

static int
check_reason(struct request *r, const char *s)
{
	if (s == NULL || !text_is_line(s, REASON_MAX))
		return err_set(&r->err, 0, "expected a reason: one line of at most %d bytes", REASON_MAX);
	return 0;
}

static int
read_scope(struct request *r, struct arena *a, json_t *query, json_t *records, struct asked *k)
{
	*k = (struct asked){.query = json_incref(query), .records = json_incref(records)};
	if (erasure_scope_read(query, records, a, &k->scope, &r->err) != 0)
		return -1;
	k->text = erasure_scope_text(query, records);
	return 0;
}

/* Rows */

#define US(column) "(extract(epoch FROM " column ") * 1000000)::bigint"
#define COLUMNS \
	"id, " US("asked_at") ", asked_by, reason, query::text, array_to_json(records)::text, query_text, state, " US("decided_at") ", decided_by," \
	" approved_by, decision_reason, decision, size, " US("finished_at") ", erased, held, error"
enum { ID, ASKED_AT, ASKED_BY, REASON, QUERY, RECORDS, TEXT, STATE, DECIDED_AT, DECIDED_BY, APPROVED_BY, DECISION_REASON, DECISION, SIZE, FINISHED_AT, ERASED,
       HELD, FAULT };

static json_t *
number_or_null(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) ? json_null() : json_integer((json_int_t)sql_i64(rows, i, col));
}

static json_t *
json_or_null(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) ? json_null() : json_loads(sql_text(rows, i, col), 0, NULL);
}

static json_t *
erasure_row(const PGresult *rows, int i)
{
	json_t *o = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "erasure", (json_int_t)sql_i64(rows, i, ID), "state",
			      erasure_state_name(sql_i64(rows, i, STATE)), "asked", rows_time(rows, i, ASKED_AT), "by", rows_text(rows, i, ASKED_BY),
			      "reason", rows_text(rows, i, REASON), "query", json_or_null(rows, i, QUERY), "records", json_or_null(rows, i, RECORDS),
			      "query_text", rows_text(rows, i, TEXT));

	json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "decided", rows_time(rows, i, DECIDED_AT), "decided_by",
					    rows_text(rows, i, DECIDED_BY), "approved_by", rows_text(rows, i, APPROVED_BY), "decision_reason",
					    rows_text(rows, i, DECISION_REASON), "decision", number_or_null(rows, i, DECISION), "log_size",
					    number_or_null(rows, i, SIZE), "finished", rows_time(rows, i, FINISHED_AT), "erased",
					    (json_int_t)sql_i64(rows, i, ERASED), "held", (json_int_t)sql_i64(rows, i, HELD), "error",
					    rows_text(rows, i, FAULT)));
	return o;
}

/* Its row, which is the caller's to clear; NULL: there is none. */
static PGresult *
find(struct request *r, json_int_t id, const char *lock)
{
	char a[SQL_NUMBER], text[600];
	PGresult *rows;

	snprintf(text, sizeof text, "SELECT " COLUMNS " FROM compliance.erasure WHERE id = $1::bigint%s", lock);
	if (sql_query(r->db, &r->err, &rows, text, 1, sql_number(a, id)) != SQL_OK)
		return NULL;
	if (PQntuples(rows) == 1)
		return rows;
	PQclear(rows);
	r->status = 404;
	err_set(&r->err, 0, "there is no request %lld to erase", (long long)id);
	return NULL;
}

static int
list(struct request *r)
{
	PGresult *rows;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows, "SELECT " COLUMNS " FROM compliance.erasure ORDER BY id DESC LIMIT 1000", 0) != SQL_OK)
		return -1;
	return rows_give(r, rows, erasure_row);
}

static int
show(struct request *r)
{
	PGresult *rows;
	json_int_t id;
	int rc;

	if (request_args(r, "{s:I}", "erasure", &id) != 0 || request_db(r) != 0 || (rows = find(r, id, "")) == NULL)
		return -1;
	rc = request_row(r, erasure_row(rows, 0));
	PQclear(rows);
	return rc;
}

/* Asking */

static int64_t
insert(struct request *r, const struct asked *k, const char *reason)
{
	char person[SQL_NUMBER], *query = k->query != NULL ? json_dumps(k->query, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	char *records = k->records != NULL ? json_dumps(k->records, JSON_COMPACT) : NULL;
	PGresult *rows = NULL;
	int64_t id = -1;

	/* [1,2] is {1,2} to PostgreSQL. */
	if (records != NULL)
		records[0] = '{', records[strlen(records) - 1] = '}';
	if (sql_query(r->db, &r->err, &rows,
		      "INSERT INTO compliance.erasure (asked_by, person, reason, query, records, query_text)"
		      " VALUES ($1, $2::bigint, $3, $4::jsonb, $5::bigint[], $6) RETURNING id",
		      6, r->who->name, r->person != 0 ? sql_number(person, r->person) : NULL, reason, query, records, k->text) == SQL_OK)
		id = sql_i64(rows, 0, 0);
	PQclear(rows);
	request_text_free(query);
	request_text_free(records);
	return id;
}

static int
enter(struct request *r, const struct asked *k, const char *reason)
{
	char target[TARGET];
	enum sql_status st;
	json_t *detail;
	int64_t id;

	if (request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK || (id = insert(r, k, reason)) < 0)
		return -1;
	snprintf(target, sizeof target, "erasure %" PRId64, id);
	detail = json_pack("{s:I, s:O*, s:O*, s:s}", "erasure", (json_int_t)id, "query", k->query, "records", k->records, "reason", reason);
	st = audit_write(r->db, r->who, "erasure.request", target, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "erasure.request", target);
	return request_row(r, json_pack("{s:I, s:s, s:s}", "erasure", (json_int_t)id, "state", "asked", "query_text", k->text));
}

static int
ask(struct request *r)
{
	struct arena *a = arena_new(0);
	json_t *query = NULL, *records = NULL;
	const char *reason;
	struct asked k = {0};
	int rc = -1;

	if (request_args(r, "{s?o, s?o, s:s}", "query", &query, "records", &records, "reason", &reason) == 0 && check_reason(r, reason) == 0 &&
	    read_scope(r, a, query, records, &k) == 0)
		rc = enter(r, &k, reason);
	if (rc != 0 && r->db != NULL)
		sql_rollback(r->db);
	asked_fini(&k);
	arena_free(a);
	return rc;
}

/* How much it would be */

struct preview {
	struct request *r;
	uint64_t found, go, stay, first, last;
};

static bool
is_gone(void *arg)
{
	const struct preview *p = arg;

	return atomic_load(&p->r->server->stopping) || (p->r->gone != NULL && p->r->gone(p->r->send_arg));
}

static int
count_batch(void *arg, const uint64_t *id, size_t n, struct err *e)
{
	struct preview *p = arg;
	uint64_t go, stay;

	if (is_gone(p))
		return err_set(e, 0, "whoever asked has gone");
	if (erasure_count(p->r->db, id, n, &go, &stay, e) != SQL_OK)
		return -1;
	for (size_t i = 0; i < n; i++) {
		p->first = p->first == 0 || id[i] < p->first ? id[i] : p->first;
		p->last = id[i] > p->last ? id[i] : p->last;
	}
	p->found += n;
	p->go += go;
	p->stay += stay;
	return 0;
}

static int
count_all(struct request *r, const struct asked *k)
{
	struct preview p = {.r = r};
	struct sql *finder;
	json_t *detail;
	enum sql_status st;

	if (request_db(r) != 0 || (finder = request_server_db(r)) == NULL)
		return -1;
	detail = json_pack("{s:O*, s:O*}", "query", k->query, "records", k->records);
	st = audit_write(r->db, r->who, "erasure.preview", NULL, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK)
		return -1;
	audit_log(r->who, "erasure.preview", NULL);
	if (erasure_scope_walk(finder, &k->scope, is_gone, count_batch, &p, &r->err) != 0)
		return -1;
	/* The number of a record is its time. */
	return request_row(r, json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "query_text", k->text, "records", (json_int_t)p.found, "would_go", (json_int_t)p.go,
					"held", (json_int_t)p.stay, "first", request_time((int64_t)p.first), "last", request_time((int64_t)p.last)));
}

/* Of a request by its number, or of a scope. */
static int
preview(struct request *r)
{
	struct arena *a = arena_new(0);
	json_t *query = NULL, *records = NULL, *kept_query = NULL, *kept_records = NULL;
	json_int_t id = 0;
	struct asked k = {0};
	PGresult *rows;
	int rc = request_args(r, "{s?o, s?o, s?I}", "query", &query, "records", &records, "erasure", &id);

	if (rc == 0 && id != 0) {
		rc = query != NULL || records != NULL ? err_set(&r->err, 0, "expected a request, or a query, or records: one of them") : request_db(r);
		rows = rc == 0 ? find(r, id, "") : NULL;
		rc = rows != NULL ? 0 : -1;
		if (rows != NULL) {
			query = kept_query = sql_is_null(rows, 0, QUERY) ? NULL : json_or_null(rows, 0, QUERY);
			records = kept_records = sql_is_null(rows, 0, RECORDS) ? NULL : json_or_null(rows, 0, RECORDS);
		}
		PQclear(rows);
	}
	if (rc == 0)
		rc = read_scope(r, a, query, records, &k);
	if (rc == 0)
		rc = count_all(r, &k);
	json_decref(kept_query);
	json_decref(kept_records);
	asked_fini(&k);
	arena_free(a);
	return rc;
}

/* Deciding */

static int
check_open(struct request *r, const PGresult *rows)
{
	if (sql_i64(rows, 0, STATE) == ERASURE_ASKED)
		return 0;
	return err_set(&r->err, 0, "request %s has been decided: %s", sql_text(rows, 0, ID), erasure_state_name(sql_i64(rows, 0, STATE)));
}

/* The decision is in the log before anything follows from it. */
static int
record_decision(struct request *r, json_int_t id, const PGresult *rows, const char *action, const char *state, const char *reason)
{
	char a[SQL_NUMBER], b[SQL_NUMBER], target[TARGET];
	uint64_t record;
	enum sql_status st;
	json_t *detail = json_pack("{s:I, s:s, s:s?, s:s?}", "erasure", id, "query", sql_text(rows, 0, TEXT), "reason", reason, "approved_by", r->approved_by);

	snprintf(target, sizeof target, "erasure %lld", (long long)id);
	st = audit_write_id(r->db, r->who, action, target, detail, &record, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_do(r->db, &r->err,
				   "UPDATE compliance.erasure SET state = $2::smallint, decided_at = now(), decided_by = $3, approved_by = $4, decision_reason = $5,"
				   " decision = $6::bigint WHERE id = $1::bigint",
				   6, sql_number(a, id), state, r->who->name, r->approved_by, reason, sql_number(b, (int64_t)record)) != SQL_OK ||
	    sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, target);
	return 0;
}

static int
decide(struct request *r, const char *action, enum erasure_state state, bool needs_reason)
{
	const char *reason = NULL;
	char text[8];
	json_int_t id;
	PGresult *rows = NULL;
	int rc = -1;

	if (request_args(r, "{s:I, s?s}", "erasure", &id, "reason", &reason) != 0 || ((needs_reason || reason != NULL) && check_reason(r, reason) != 0) ||
	    request_db(r) != 0)
		return -1;
	snprintf(text, sizeof text, "%d", (int)state);
	if (sql_begin(r->db, &r->err) == SQL_OK && (rows = find(r, id, " FOR UPDATE")) != NULL && check_open(r, rows) == 0)
		rc = record_decision(r, id, rows, action, text, reason);
	PQclear(rows);
	if (rc != 0) {
		sql_rollback(r->db);
		return -1;
	}
	erasures_wake();
	return request_row(r, json_pack("{s:I, s:s}", "erasure", id, "state", erasure_state_name(state)));
}

static int
grant(struct request *r)
{
	return decide(r, "erasure.grant", ERASURE_GRANTED, false);
}

static int
refuse(struct request *r)
{
	return decide(r, "erasure.refuse", ERASURE_REFUSED, true);
}

/* Is it worth a second person's time? */
static int
grant_check(struct request *r)
{
	const char *reason = NULL;
	json_int_t id;
	PGresult *rows;
	int rc;

	if (request_args(r, "{s:I, s?s}", "erasure", &id, "reason", &reason) != 0 || (reason != NULL && check_reason(r, reason) != 0) ||
	    request_db(r) != 0 || (rows = find(r, id, "")) == NULL)
		return -1;
	rc = check_open(r, rows);
	PQclear(rows);
	return rc;
}

/* What was done */

static int
certify(struct request *r, json_int_t id, const PGresult *rows)
{
	struct erasure_certificate c = {.request = id, .decision = (uint64_t)sql_i64(rows, 0, DECISION), .held = (uint64_t)sql_i64(rows, 0, HELD)};
	int64_t state = sql_i64(rows, 0, STATE);
	struct sql *log = request_server_db(r);
	char target[TARGET];
	struct buf note = {0};
	int rc = -1;

	if (log == NULL)
		return -1;
	if (state != ERASURE_DONE && state != ERASURE_PARTLY)
		return err_set(&r->err, 0, "nothing was erased yet: request %lld is %s", (long long)id, erasure_state_name(state));
	snprintf(target, sizeof target, "erasure %lld", (long long)id);
	if (audit_write(r->db, r->who, "erasure.certificate", target, NULL, &r->err) == SQL_OK) {
		audit_log(r->who, "erasure.certificate", target);
		if (erasure_certificate_make(r->db, log, &c, &note, &r->err) == 0)
			rc = request_row(r, json_pack("{s:I, s:s}", "erasure", id, "certificate", buf_str(&note)));
	}
	buf_fini(&note);
	return rc;
}

static int
certificate(struct request *r)
{
	json_int_t id;
	PGresult *rows;
	int rc;

	if (request_args(r, "{s:I}", "erasure", &id) != 0 || request_db(r) != 0 || (rows = find(r, id, "")) == NULL)
		return -1;
	rc = certify(r, id, rows);
	PQclear(rows);
	return rc;
}

const struct request_verb request_erasure_verbs[] = {
	{.noun = "erasure", .verb = "request", .run = ask, .roles = ACCESS_DPO, .about = "Enters a request to erase what is recorded, to be decided",
	 .args = "query:object? records:integer[]? reason:string"},
	{.noun = "erasure", .verb = "preview", .run = preview, .roles = ACCESS_DPO,
	 .about = "Counts what would go, and what is held, without any content", .args = "query:object? records:integer[]? erasure:integer?"},
	{.noun = "erasure", .verb = "list", .run = list, .roles = ACCESS_DPO, .about = "Lists requests to erase, the newest first"},
	{.noun = "erasure", .verb = "show", .run = show, .roles = ACCESS_DPO, .about = "Shows a request, its decision, and what became of it",
	 .args = "erasure:integer"},
	{.noun = "erasure", .verb = "grant", .run = grant, .roles = ACCESS_DPO, .flags = ACCESS_FOUR_EYES, .check = grant_check,
	 .about = "Grants a request: what no hold covers is erased", .args = "erasure:integer reason:string?"},
	{.noun = "erasure", .verb = "refuse", .run = refuse, .roles = ACCESS_DPO, .about = "Refuses a request, with the reason",
	 .args = "erasure:integer reason:string"},
	{.noun = "erasure", .verb = "certificate", .run = certificate, .roles = ACCESS_DPO, .about = "Certifies, signed by the log's key, what was erased",
	 .args = "erasure:integer"},
	{.noun = NULL},
};
