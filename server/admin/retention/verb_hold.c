/*
 * verb_hold: legal holds are set, looked at and released by compliance officers (server/archive/RETENTION.md).
 *
 * A hold acts at once: who sets one takes nothing away from anybody. Releasing one lets things go, so it waits for a second officer where four eyes are
 * set. Both are in the audit trail first, with the matter, the reason and the query.
 */
#include <inttypes.h>
#include <string.h>

#include "admin/archive/archive_query.h"
#include "admin/request/request.h"
#include "admin/request/rows.h"
#include "archive/query.h"
#include "base/text.h"
#include "core/config/config.h"

#define MATTER_MAX 200
#define REASON_MAX 500
#define COUNT_MS 60000
#define DEADLINE_MS 10000 /* of the connection, when we have done */

static int
check_line(struct request *r, const char *name, const char *s, size_t most)
{
	if (!text_is_line(s, most))
		return err_set(&r->err, 0, "%s: expected one line of at most %zu bytes", name, most);
	return 0;
}

/* Setting one */

struct asked {
	const char *matter, *reason;
	json_t *query; /* borrowed */
	struct buf words;
	struct search_question is;
};

static int
read_asked(struct request *r, struct arena *a, struct asked *k)
{
	struct config *c = config_get();
	struct search_limits limits = archive_query_limits(&c->limits);
	struct search_query q;

	config_unref(c);
	if (request_args(r, "{s:s, s:s, s:o}", "matter", &k->matter, "reason", &k->reason, "query", &k->query) != 0 ||
	    check_line(r, "matter", k->matter, MATTER_MAX) != 0 || check_line(r, "reason", k->reason, REASON_MAX) != 0 ||
	    query_read(k->query, a, &q, &r->err) != 0 || search_question(&q, &limits, a, &k->is, &r->err) != 0)
		return -1;
	query_describe(k->query, &k->words);
	return 0;
}

static int
is_room(struct request *r)
{
	struct config *c = config_get();
	uint64_t most = c->limits.holds;

	config_unref(c);
	return request_has_room(r, "SELECT count(*) FROM compliance.hold WHERE released_at IS NULL", most,
				"holds are in force already (limits.holds): one of them with several persons or rooms may do");
}

static int64_t
insert(struct request *r, struct asked *k)
{
	char person[SQL_NUMBER], form[SQL_NUMBER], *query = json_dumps(k->query, JSON_COMPACT | JSON_SORT_KEYS);
	PGresult *rows = NULL;
	int64_t id = -1;

	if (query != NULL && sql_query(r->db, &r->err, &rows,
				       "INSERT INTO compliance.hold (matter, reason, query, query_text, form, marks, words, has, lacks, since, until, set_by,"
				       " person) VALUES ($1, $2, $3::jsonb, $4, $5::int, $6::text::tsquery, $7::text::tsquery, $8::text[], $9::text[],"
				       " $10::bigint, $11::bigint, $12, $13::bigint) RETURNING id",
				       13, k->matter, k->reason, query, buf_str(&k->words), sql_number(form, SEARCH_FORM), k->is.marks, k->is.words, k->is.has,
				       k->is.lacks, k->is.since, k->is.until, r->who->name, r->person != 0 ? sql_number(person, r->person) : NULL) == SQL_OK)
		id = sql_i64(rows, 0, 0);
	PQclear(rows);
	request_text_free(query);
	return id;
}

/* How much it covers, into `row`: as far as the index is. All of it is looked through. */
static int
add_count(struct request *r, int64_t id, json_t *row)
{
	char a[SQL_NUMBER];
	PGresult *rows;
	enum sql_status st;

	sql_set_deadline(r->db, COUNT_MS);
	st = sql_query(r->db, &r->err, &rows, "SELECT records, first_at, last_at, unsearchable FROM compliance.hold_count($1::bigint)", 1,
		       sql_number(a, id));
	sql_set_deadline(r->db, DEADLINE_MS);
	if (st != SQL_OK)
		return -1;
	json_object_update_new(row, json_pack("{s:I, s:o, s:o, s:I}", "records", (json_int_t)sql_i64(rows, 0, 0), "first",
					      request_time(sql_i64(rows, 0, 1)), "last", request_time(sql_i64(rows, 0, 2)), "unsearchable",
					      (json_int_t)sql_i64(rows, 0, 3)));
	PQclear(rows);
	return 0;
}

static int
add(struct request *r, struct asked *k)
{
	json_t *detail, *row;
	char target[32];
	int64_t id;
	enum sql_status st;

	if (request_db(r) != 0 || is_room(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK)
		return -1;
	id = insert(r, k);
	if (id < 0)
		return -1;
	snprintf(target, sizeof target, "hold %" PRId64, id);
	detail = json_pack("{s:I, s:s, s:s, s:O}", "hold", (json_int_t)id, "matter", k->matter, "reason", k->reason, "query", k->query);
	st = audit_write(r->db, r->who, "hold.add", target, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "hold.add", target);
	row = json_pack("{s:I, s:s, s:s}", "hold", (json_int_t)id, "matter", k->matter, "query_text", buf_str(&k->words));
	/* It is in force, whether it can be counted now or not. */
	(void)add_count(r, id, row);
	return request_row(r, row);
}

static int
hold_add(struct request *r)
{
	struct arena *a = arena_new(0);
	struct asked k = {0};
	int rc = read_asked(r, a, &k);

	if (rc == 0)
		rc = add(r, &k);
	if (rc != 0)
		sql_rollback(r->db);
	buf_fini(&k.words);
	arena_free(a);
	return rc;
}

/* Looking at them */

#define COLUMNS \
	"id, matter, reason, query::text, query_text, (extract(epoch FROM set_at) * 1000000)::bigint, set_by," \
	" (extract(epoch FROM released_at) * 1000000)::bigint, released_by, release_reason, release_approved_by"

static json_t *
hold_row(const PGresult *rows, int i)
{
	json_t *o = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "hold", (json_int_t)sql_i64(rows, i, 0), "state",
			      sql_is_null(rows, i, 7) ? "in force" : "released", "matter", rows_text(rows, i, 1), "reason", rows_text(rows, i, 2),
			      "query", json_loads(sql_text(rows, i, 3), 0, NULL), "query_text", rows_text(rows, i, 4), "set",
			      request_time(sql_i64(rows, i, 5)), "by", rows_text(rows, i, 6));

	json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o}", "released", sql_is_null(rows, i, 7) ? json_null() : request_time(sql_i64(rows, i, 7)),
					    "released_by", rows_text(rows, i, 8), "release_reason", rows_text(rows, i, 9), "release_approved_by",
					    rows_text(rows, i, 10)));
	return o;
}

static int
hold_list(struct request *r)
{
	PGresult *rows;
	int all = 0;

	if (request_args(r, "{s?b}", "all", &all) != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows, "SELECT " COLUMNS " FROM compliance.hold WHERE released_at IS NULL OR $1::boolean ORDER BY id", 1,
		      all ? "t" : "f") != SQL_OK)
		return -1;
	return rows_give(r, rows, hold_row);
}

/* Its row, the caller's. NULL: there is none. */
static json_t *
find(struct request *r, json_int_t id, bool *in_force)
{
	char a[SQL_NUMBER];
	PGresult *rows;
	json_t *row = NULL;

	if (request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows, "SELECT " COLUMNS " FROM compliance.hold WHERE id = $1::bigint", 1, sql_number(a, id)) != SQL_OK)
		return NULL;
	if (PQntuples(rows) == 1) {
		row = hold_row(rows, 0);
		*in_force = sql_is_null(rows, 0, 7);
	} else {
		err_set(&r->err, 0, "there is no hold %lld", (long long)id);
	}
	PQclear(rows);
	return row;
}

static int
hold_show(struct request *r)
{
	json_int_t id;
	json_t *row;
	bool in_force;

	if (request_args(r, "{s:I}", "hold", &id) != 0)
		return -1;
	row = find(r, id, &in_force);
	if (row == NULL)
		return -1;
	if (add_count(r, id, row) != 0) {
		json_decref(row);
		return -1;
	}
	return request_row(r, row);
}

/* Releasing one */

static int
read_release(struct request *r, json_int_t *id, const char **reason)
{
	json_t *row;
	bool in_force;

	if (request_args(r, "{s:I, s:s}", "hold", id, "reason", reason) != 0 || check_line(r, "reason", *reason, REASON_MAX) != 0)
		return -1;
	row = find(r, *id, &in_force);
	if (row == NULL)
		return -1;
	json_decref(row);
	return in_force ? 0 : err_set(&r->err, 0, "hold %lld has been released already", (long long)*id);
}

static int
hold_release_check(struct request *r)
{
	const char *reason;
	json_int_t id;

	return read_release(r, &id, &reason);
}

static int
release(struct request *r, json_int_t id, const char *reason)
{
	char a[SQL_NUMBER], target[32];
	json_t *detail;
	bool released = false;
	enum sql_status st;

	if (sql_begin(r->db, &r->err) != SQL_OK ||
	    sql_query_bool(r->db, &r->err, &released,
			   "UPDATE compliance.hold SET released_at = now(), released_by = $2, release_reason = $3, release_approved_by = $4"
			   " WHERE id = $1::bigint AND released_at IS NULL RETURNING true",
			   4, sql_number(a, id), r->who->name, reason, r->approved_by) != SQL_OK)
		return -1;
	if (!released)
		return err_set(&r->err, 0, "hold %lld has been released already", (long long)id);
	snprintf(target, sizeof target, "hold %lld", (long long)id);
	detail = json_pack("{s:I, s:s, s:s?}", "hold", id, "reason", reason, "approved_by", r->approved_by);
	st = audit_write(r->db, r->who, "hold.release", target, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "hold.release", target);
	return request_row(r, json_pack("{s:I, s:s}", "hold", id, "done", "released"));
}

static int
hold_release(struct request *r)
{
	const char *reason;
	json_int_t id;
	int rc = read_release(r, &id, &reason);

	if (rc == 0)
		rc = release(r, id, reason);
	if (rc != 0)
		sql_rollback(r->db);
	return rc;
}

const struct request_verb request_hold_verbs[] = {
	{.noun = "hold", .verb = "add", .run = hold_add, .roles = ACCESS_OFFICER,
	 .about = "Holds what a query finds, now and later: nothing of it expires or is erased", .args = "matter:string reason:string query:object"},
	{.noun = "hold", .verb = "list", .run = hold_list, .roles = ACCESS_OFFICER, .about = "Lists holds: those in force, or all there ever were",
	 .args = "all:boolean?"},
	{.noun = "hold", .verb = "show", .run = hold_show, .roles = ACCESS_OFFICER, .about = "Shows a hold and how many records it covers",
	 .args = "hold:integer"},
	{.noun = "hold", .verb = "release", .run = hold_release, .roles = ACCESS_OFFICER, .flags = ACCESS_FOUR_EYES, .check = hold_release_check,
	 .about = "Ends a hold: what it alone covered may go", .args = "hold:integer reason:string"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
