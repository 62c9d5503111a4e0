/*
 * approval: keeping what waits, and the decision. Called by request.c; the verbs are at the end. All of it works as chancery_server, whatever the role of
 * who asks: nobody else may touch the table.
 */
#include "admin/access/approval.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/access/approval_clock.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/config/config.h"
#include "store/refusal.h"

#define ARGS_MAX 65536
#define OUTCOME_MAX 16384

/* A row of the table, and who asked. Texts belong to `rows`. */
struct waiting {
	PGresult *rows;
	int64_t id, person;
	const char *noun, *verb, *args, *hash, *asked_by, *asked_from, *state;
	unsigned role;
	long asked_uid, person_uid;  /* -1: none */
	const char *account;         /* of the person; "": none */
	bool is_over, may_not;       /* expired; the person is disabled or has lost the role */
};

int
approval_tell_policy(struct sql *db, const struct config *c, struct err *e)
{
	return sql_do(db, e, "UPDATE compliance.policy SET four_eyes = $1::boolean WHERE four_eyes <> $1::boolean", 1,
		      c->compliance.four_eyes ? "true" : "false") == SQL_OK ? 0 : -1;
}

bool
approval_is_needed(const struct request *r, const struct request_verb *v)
{
	struct config *c = config_get();
	bool on = c->compliance.four_eyes;

	config_unref(c);
	return on && v->flags & ACCESS_FOUR_EYES && r->approval == 0;
}

/* Who it is by the operating system; -1: it does not say. Behind a token the account is only how the command was run: several persons may share it. */
static long
uid_of(const struct request *r)
{
	return r->person == 0 ? audit_person(r->who) : r->who->uid >= 0 && r->who->login >= 0 ? r->who->login : -1;
}

/* Asking */

static json_t *
subject(const struct request_verb *v, json_t *args)
{
	return json_pack("{s:[s,s], s:O}", "verb", v->noun, v->verb, "args", args);
}

static void
hash_of(const struct request_verb *v, json_t *args, char hex[2 * SHA256_SIZE + 1])
{
	json_t *whole = subject(v, args);
	char *text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(text, strlen(text), sum);
	text_hex(sum, sizeof sum, hex);
	request_text_free(text);
	json_decref(whole);
}

static int
is_full(struct request *r, struct sql *db)
{
	struct config *c = config_get();
	uint64_t most = c->limits.approvals_waiting;
	bool full = false;
	char text[24];
	int rc = -1;

	config_unref(c);
	snprintf(text, sizeof text, "%" PRIu64, most);
	if (sql_query_bool(db, &r->err, &full,
			   "SELECT count(*) >= $1::bigint FROM compliance.approval WHERE state = 'waiting' AND expires_at > now()", 1, text) == SQL_OK)
		rc = full ? err_set(&r->err, 0, "%" PRIu64 " requests are waiting already (limits.approvals_waiting)", most) : 0;
	return rc;
}

static enum sql_status
insert(struct request *r, struct sql *db, const struct request_verb *v, const char *args, const char *hash, PGresult **out)
{
	struct config *c = config_get();
	char role[8], person[24], uid[24], seconds[24], bytea[2 * SHA256_SIZE + 3];

	snprintf(role, sizeof role, "%u", r->role);
	snprintf(person, sizeof person, "%" PRId64, r->person);
	snprintf(uid, sizeof uid, "%ld", uid_of(r));
	snprintf(seconds, sizeof seconds, "%" PRIu64, c->compliance.approval_ms / 1000);
	snprintf(bytea, sizeof bytea, "\\x%s", hash);
	config_unref(c);
	return sql_query(db, &r->err, out,
			 "INSERT INTO compliance.approval (noun, verb, args, hash, role, person, asked_by, asked_uid, asked_from, expires_at)"
			 " VALUES ($1, $2, $3, $4::bytea, $5::smallint, nullif($6::bigint, 0), $7, nullif($8::int, -1), $9,"
			 " now() + make_interval(secs => $10::bigint))"
			 " RETURNING id, (extract(epoch FROM expires_at) * 1000000)::bigint",
			 10, v->noun, v->verb, args, bytea, role, person, r->who->name, uid, r->who->origin, seconds);
}

static int
keep(struct request *r, struct sql *db, const struct request_verb *v, const char *args, const char *hash)
{
	PGresult *rows = NULL;
	json_t *detail = NULL;
	char target[200];
	int64_t id;
	int rc = -1;

	if (sql_begin(db, &r->err) != SQL_OK || is_full(r, db) != 0 || insert(r, db, v, args, hash, &rows) != SQL_OK)
		goto out;
	id = sql_i64(rows, 0, 0);
	snprintf(target, sizeof target, "%s.%s", v->noun, v->verb);
	detail = json_pack("{s:I, s:O, s:s}", "approval", (json_int_t)id, "args", r->args, "hash", hash);
	if (audit_write(db, r->who, "approval.ask", target, detail, &r->err) != SQL_OK || sql_commit(db, &r->err) != SQL_OK)
		goto out;
	audit_log(r->who, "approval.ask", target);
	rc = request_row(r, json_pack("{s:I, s:s, s:s, s:s, s:o}", "approval", (json_int_t)id, "state", "waiting", "verb", target, "hash", hash, "expires",
				      request_time(sql_i64(rows, 0, 1))));
out:
	json_decref(detail);
	PQclear(rows);
	sql_rollback(db);
	return rc;
}

int
approval_ask(struct request *r, const struct request_verb *v)
{
	char hash[2 * SHA256_SIZE + 1];
	struct sql *db;
	char *args;
	int rc;

	if (r->person == 0 && audit_person_known(r->who, &r->err) != 0)
		return -1;
	if (v->check != NULL && v->check(r) != 0)
		return -1;
	db = request_server_db(r);
	if (db == NULL)
		return -1;
	args = json_dumps(r->args, JSON_COMPACT | JSON_SORT_KEYS);
	hash_of(v, r->args, hash);
	if (strlen(args) > ARGS_MAX)
		rc = err_set(&r->err, 0, "the arguments are longer than %d bytes", ARGS_MAX);
	else
		rc = keep(r, db, v, args, hash);
	request_text_free(args);
	return rc;
}

/* Finding */

#define COLUMNS \
	"a.id, a.noun, a.verb, a.args, encode(a.hash, 'hex'), a.role, coalesce(a.person, 0), a.asked_by, a.asked_from, coalesce(a.asked_uid, -1)," \
	" CASE WHEN a.state = 'waiting' AND a.expires_at <= now() THEN 'expired' ELSE a.state END, coalesce(p.uid, -1), coalesce(p.account, '')," \
	" coalesce(p.disabled OR p.roles & a.role = 0, false), (extract(epoch FROM a.asked_at) * 1000000)::bigint," \
	" (extract(epoch FROM a.expires_at) * 1000000)::bigint, coalesce(a.decided_by, ''), coalesce((extract(epoch FROM a.decided_at) * 1000000)::bigint, 0)," \
	" coalesce(a.reason, ''), coalesce(a.outcome, '') FROM compliance.approval a LEFT JOIN compliance.person p ON p.id = a.person"
enum { ID, NOUN, VERB, ARGS, HASH, ROLE, PERSON, ASKED_BY, ASKED_FROM, ASKED_UID, STATE, UID, ACCOUNT, MAY_NOT, ASKED_AT, EXPIRES, DECIDED_BY, DECIDED_AT,
       REASON, OUTCOME };

static void
read_waiting(struct waiting *w, int row)
{
	const PGresult *r = w->rows;

	w->id = sql_i64(r, row, ID);
	w->noun = sql_text(r, row, NOUN);
	w->verb = sql_text(r, row, VERB);
	w->args = sql_text(r, row, ARGS);
	w->hash = sql_text(r, row, HASH);
	w->role = (unsigned)sql_i64(r, row, ROLE);
	w->person = sql_i64(r, row, PERSON);
	w->asked_by = sql_text(r, row, ASKED_BY);
	w->asked_from = sql_text(r, row, ASKED_FROM);
	w->asked_uid = (long)sql_i64(r, row, ASKED_UID);
	w->state = sql_text(r, row, STATE);
	w->person_uid = (long)sql_i64(r, row, UID);
	w->account = sql_text(r, row, ACCOUNT);
	w->may_not = sql_bool(r, row, MAY_NOT);
	w->is_over = strcmp(w->state, "expired") == 0;
}

/* Whoever may not use the verb does not learn that somebody wants to. */
static bool
may_see(const struct request *r, const struct waiting *w)
{
	const struct request_verb *v = request_verb_find(w->noun, w->verb);

	return v != NULL && request_verb_roles(v) & r->role;
}

static int
not_found(struct request *r, json_int_t id)
{
	r->status = 404;
	return err_set(&r->err, 0, "there is no request %lld that you may decide", (long long)id);
}

/* Locked, in a transaction. PQclear(w->rows) in any case. */
static int
find(struct request *r, struct sql *db, json_int_t id, struct waiting *w)
{
	char text[24];

	snprintf(text, sizeof text, "%lld", (long long)id);
	if (sql_query(db, &r->err, &w->rows, "SELECT " COLUMNS " WHERE a.id = $1::bigint FOR UPDATE OF a", 1, text) != SQL_OK)
		return -1;
	if (PQntuples(w->rows) == 0)
		return not_found(r, id);
	read_waiting(w, 0);
	if (may_see(r, w))
		return 0;
	r->denied = true;
	return not_found(r, id);
}

/* Deciding */

/* What is known of one of two who must not be one. */
struct identity {
	int64_t person;       /* of the token; 0: an administrator without one */
	long uid;             /* -1: not known */
	long login;           /* who has logged in behind a token; -1 */
	const char *account;  /* bare JID; "": not known */
};

enum sameness { SAME_NOT, SAME, SAME_PERHAPS };

static struct identity
asker_of(const struct waiting *w)
{
	if (w->person != 0)
		return (struct identity){w->person, w->person_uid, w->asked_uid, w->account};
	return (struct identity){0, w->asked_uid, -1, w->asked_uid < 0 ? w->asked_by : ""};
}

/* `rows` keeps the text, and is the caller's to clear. */
static int
look_up_self(struct request *r, struct sql *db, PGresult **rows, struct identity *out)
{
	char text[24];

	*rows = NULL;
	*out = (struct identity){r->person, uid_of(r), -1, r->person == 0 && r->who->uid < 0 ? r->who->name : ""};
	if (r->person == 0)
		return 0;
	out->login = out->uid;
	out->uid = -1;
	snprintf(text, sizeof text, "%" PRId64, r->person);
	if (sql_query(db, &r->err, rows, "SELECT coalesce(uid, -1), coalesce(account, '') FROM compliance.person WHERE id = $1::bigint", 1, text) != SQL_OK)
		return -1;
	if (PQntuples(*rows) > 0) {
		out->uid = (long)sql_i64(*rows, 0, 0);
		out->account = sql_text(*rows, 0, 1);
	}
	return 0;
}

static bool
is_one_of(long uid, const struct identity *i)
{
	return uid >= 0 && (uid == i->uid || uid == i->login);
}

/* Two tokens are of two persons, whom somebody has entered. An administrator without a token may be anybody: another person only where something of
 * the same kind is known of both, and differs. */
static enum sameness
compare(const struct identity *a, const struct identity *b)
{
	bool both = *a->account && *b->account;

	if ((a->person != 0 && a->person == b->person) || is_one_of(a->uid, b) || is_one_of(a->login, b) || (both && strcmp(a->account, b->account) == 0))
		return SAME;
	return (a->person != 0 && b->person != 0) || both || (a->uid >= 0 && b->uid >= 0) ? SAME_NOT : SAME_PERHAPS;
}

/* Is who decides who asked? enum sameness, or -1 with err. */
static int
is_same_person(struct request *r, struct sql *db, const struct waiting *w)
{
	struct identity self, asker = asker_of(w);
	PGresult *rows;
	int same = -1;

	if (look_up_self(r, db, &rows, &self) == 0)
		same = compare(&self, &asker);
	PQclear(rows);
	return same;
}

static int
refuse_same(struct request *r, const struct waiting *w, int same)
{
	r->status = 403;
	if (same == SAME)
		return err_set(&r->err, 0, "%s has asked for it, which is you: another person has to approve it (compliance.four_eyes)", w->asked_by);
	return err_set(&r->err, 0, "whether you are another person than %.70s, who asked, cannot be told: one of you has no token. Use a token of your own, or have"
		" the person entered with their account (chancery person add --uid)", w->asked_by);
}

/* A token that was made for little does not do more by approving it. */
static int
check_scope(struct request *r, const struct waiting *w)
{
	if (r->caller == NULL || access_in_scope(r->caller, w->noun, w->verb))
		return 0;
	r->status = 403;
	return err_set(&r->err, 0, "not allowed: the token is not for %s.%s, which this is about (its scope)", w->noun, w->verb);
}

/* 0, or -1: not now, not by you, with err. */
static int
check(struct request *r, struct sql *db, const struct waiting *w, const char *hash)
{
	int same;

	if (w->is_over)
		return err_set(&r->err, 0, "request %" PRId64 " has expired: ask again", w->id);
	if (strcmp(w->state, "waiting") != 0)
		return err_set(&r->err, 0, "request %" PRId64 " is not waiting any more: %s", w->id, w->state);
	if (hash != NULL && strcmp(hash, w->hash) != 0)
		return err_set(&r->err, 0, "request %" PRId64 " is not the one you have seen: its hash is another", w->id);
	if (w->may_not)
		return err_set(&r->err, 0, "%s, who asked, has been disabled or has no longer the role %s", w->asked_by, access_role_name(w->role));
	if (check_scope(r, w) != 0 || (r->person == 0 && audit_person_known(r->who, &r->err) != 0))
		return -1;
	same = is_same_person(r, db, w);
	return same > 0 ? refuse_same(r, w, same) : same;
}

/* Who tried to decide what was not theirs is written down, too: a flood of it in few records. */
static void
note_refusal(const struct request *r, const struct waiting *w)
{
	char target[64];

	snprintf(target, sizeof target, "approval %" PRId64, w->id);
	refusal_note(&(struct refusal){.action = "approval.refused", .person = r->who->name, .role = r->who->role, .uid = r->who->uid, .login = r->who->login,
		.source = r->caller != NULL ? "token" : "local", .origin = r->who->origin, .target = target, .why = r->err.text});
}

static enum sql_status
set_state(struct request *r, struct sql *db, const struct waiting *w, const char *state, const char *reason, const char *outcome)
{
	char id[24];

	snprintf(id, sizeof id, "%" PRId64, w->id);
	return sql_do(db, &r->err,
		      "UPDATE compliance.approval SET state = $2, decided_by = coalesce(decided_by, $3), decided_at = coalesce(decided_at, now()),"
		      " reason = coalesce($4, reason), outcome = $5 WHERE id = $1::bigint",
		      5, id, state, r->who->name, reason, outcome);
}

/* The decision and its audit row, committed. */
static int
decide(struct request *r, struct sql *db, const struct waiting *w, const char *state, const char *action, const char *reason)
{
	json_t *detail = json_pack("{s:I, s:s, s:s, s:s*}", "approval", (json_int_t)w->id, "asked_by", w->asked_by, "hash", w->hash, "reason", reason);
	char target[200];
	int rc = -1;

	snprintf(target, sizeof target, "%s.%s", w->noun, w->verb);
	if (set_state(r, db, w, state, reason, NULL) == SQL_OK && audit_write(db, r->who, action, target, detail, &r->err) == SQL_OK &&
	    sql_commit(db, &r->err) == SQL_OK) {
		audit_log(r->who, action, target);
		rc = 0;
	}
	json_decref(detail);
	return rc;
}

/* What the verb answers, as an array of rows; what is more than a few is left out. */
static int
collect(void *arg, const char *line, size_t n)
{
	struct buf *out = arg;

	/* {"row":…} */
	if (n > 8 && memcmp(line, "{\"row\":", 7) == 0 && buf_len(out) + n < OUTCOME_MAX) {
		buf_addc(out, buf_len(out) > 0 ? ',' : '[');
		buf_add(out, line + 7, n - 8);
	}
	return 0;
}

/* As who asked. The outcome in `out`: rows, or why it failed. */
static int
run_as_asker(struct request *r, const struct waiting *w, struct buf *out)
{
	const struct request_verb *v = request_verb_find(w->noun, w->verb);
	json_t *args = json_loads(w->args, 0, NULL);
	char origin[ACCESS_ORIGIN + 200];
	struct audit_who who = {.uid = w->asked_uid, .login = -1, .name = w->asked_by, .origin = origin,
		.role = w->person != 0 ? access_role_name(w->role) : NULL};
	struct request sub = {.server = r->server, .who = &who, .dbs = r->dbs, .person = w->person, .role = w->role, .approval = w->id,
			      .approved_by = r->who->name, .send = collect, .send_arg = out};
	int rc;

	snprintf(origin, sizeof origin, "approval %" PRId64 " by %.100s; %.150s", w->id, r->who->name, w->asked_from);
	rc = v != NULL && args != NULL ? request_perform(&sub, v, args) : err_set(&sub.err, 0, "there is no such verb any more");
	json_decref(args);
	if (rc != 0) {
		buf_clear(out);
		buf_adds(out, sub.err.text);
	} else {
		buf_adds(out, buf_len(out) > 0 ? "]" : "[]");
	}
	return rc;
}

static int
run_approved(struct request *r, const struct waiting *w)
{
	struct buf out = {0};
	int failed = run_as_asker(r, w, &out), rc = -1;
	struct sql *db = request_server_db(r);
	const char *state = failed ? "failed" : "done", *text = buf_str(&out);

	if (db == NULL || set_state(r, db, w, state, NULL, text) != SQL_OK) {
		log_warning(NULL, "approval-outcome-late", "approval=%" PRId64 " state=%s why=%s", w->id, state, r->err.text);
		approval_clock_outcome(w->id, state, NULL, text);
	}
	memset(&r->err, 0, sizeof r->err);
	r->status = 0;
	if (failed)
		err_set(&r->err, 0, "approved, and run, but it failed: %s", text);
	else
		rc = request_row(r, json_pack("{s:I, s:s, s:s, s:s, s:o}", "approval", (json_int_t)w->id, "state", state, "asked_by", w->asked_by, "approved_by",
					      r->who->name, "outcome", json_loads(text, 0, NULL)));
	buf_fini(&out);
	return rc;
}

/* When it was decided, in the transaction that says so; the caller frees it. NULL with err. */
static char *
decided_at(struct request *r, struct sql *db, const struct waiting *w)
{
	char id[24], *out = NULL;
	PGresult *rows;

	snprintf(id, sizeof id, "%" PRId64, w->id);
	if (sql_query(db, &r->err, &rows, "SELECT now()::text FROM compliance.approval WHERE id = $1::bigint", 1, id) != SQL_OK)
		return NULL;
	if (PQntuples(rows) > 0)
		out = mem_strdup(sql_text(rows, 0, 0));
	PQclear(rows);
	return out;
}

/* From the decision on it is not who approves who acts: their going ends nothing any more. */
static int
decide_and_run(struct request *r, struct sql *db, const struct waiting *w)
{
	const atomic_bool *stop = access_db_set_stop(r->dbs, NULL);
	char *at = decided_at(r, db, w);
	int rc = at != NULL ? decide(r, db, w, "running", "approval.approve", NULL) : -1;

	sql_rollback(db);
	if (rc == 0)
		rc = run_approved(r, w);
	else if (at != NULL)
		/* Whether the commit came through nobody may know: then it is not running. */
		approval_clock_outcome(w->id, "interrupted", at, r->err.text);
	free(at);
	(void)access_db_set_stop(r->dbs, stop);
	return rc;
}

static int
approve(struct request *r)
{
	struct waiting w = {0};
	const char *hash = NULL;
	struct sql *db;
	json_int_t id;
	int rc = -1;

	if (request_args(r, "{s:I, s?s}", "id", &id, "hash", &hash) != 0 || (db = request_server_db(r)) == NULL)
		return -1;
	if (sql_begin(db, &r->err) == SQL_OK && find(r, db, id, &w) == 0) {
		rc = check(r, db, &w, hash);
		if (rc == 0) {
			rc = decide_and_run(r, db, &w);
		} else {
			sql_rollback(db);
			note_refusal(r, &w);
		}
	}
	sql_rollback(db);
	PQclear(w.rows);
	return rc;
}

/* By another person, or by who asked: then it is withdrawn. */
static int
deny(struct request *r)
{
	struct waiting w = {0};
	const char *reason = NULL, *state;
	struct sql *db;
	json_int_t id;
	int rc = -1, same;

	if (request_args(r, "{s:I, s?s}", "id", &id, "reason", &reason) != 0 || (db = request_server_db(r)) == NULL)
		return -1;
	if (reason != NULL && strlen(reason) > 500)
		return err_set(&r->err, 0, "a reason has 500 bytes at most");
	if (sql_begin(db, &r->err) == SQL_OK && find(r, db, id, &w) == 0) {
		same = is_same_person(r, db, &w);
		state = same == SAME ? "withdrawn" : "denied";
		if (strcmp(w.state, "waiting") != 0)
			rc = err_set(&r->err, 0, "request %" PRId64 " is not waiting any more: %s", w.id, w.state);
		else if (same >= 0)
			rc = decide(r, db, &w, state, same == SAME ? "approval.withdraw" : "approval.deny", reason);
		if (rc == 0)
			rc = request_row(r, json_pack("{s:I, s:s}", "approval", (json_int_t)w.id, "state", state));
	}
	sql_rollback(db);
	PQclear(w.rows);
	return rc;
}

/* Looking */

static json_t *
text_or_null(const char *s)
{
	return *s ? json_string(s) : json_null();
}

static json_t *
show_row(const struct waiting *w, int row)
{
	const PGresult *r = w->rows;
	json_t *out = json_pack("{s:I, s:s, s:o, s:s, s:s, s:s, s:s}", "approval", (json_int_t)w->id, "state", w->state, "args",
				json_loads(w->args, 0, NULL), "hash", w->hash, "asked_by", w->asked_by, "role", access_role_name(w->role),
				"asked_from", w->asked_from);
	const char *outcome = sql_text(r, row, OUTCOME);

	json_object_set_new(out, "verb", json_sprintf("%s%s%s", w->noun, *w->verb ? "." : "", w->verb));
	json_object_set_new(out, "asked_at", request_time(sql_i64(r, row, ASKED_AT)));
	json_object_set_new(out, "expires", request_time(sql_i64(r, row, EXPIRES)));
	json_object_set_new(out, "decided_by", text_or_null(sql_text(r, row, DECIDED_BY)));
	json_object_set_new(out, "decided_at", request_time(sql_i64(r, row, DECIDED_AT)));
	json_object_set_new(out, "reason", text_or_null(sql_text(r, row, REASON)));
	json_object_set_new(out, "outcome", outcome[0] == '[' ? json_loads(outcome, 0, NULL) : text_or_null(outcome));
	return out;
}

static int
show(struct request *r)
{
	struct waiting w = {0};
	struct sql *db;
	json_int_t id;
	int rc = -1;

	if (request_args(r, "{s:I}", "id", &id) != 0 || (db = request_server_db(r)) == NULL)
		return -1;
	if (sql_begin(db, &r->err) == SQL_OK && find(r, db, id, &w) == 0)
		rc = request_row(r, show_row(&w, 0));
	sql_rollback(db);
	PQclear(w.rows);
	return rc;
}

static int
list(struct request *r)
{
	struct waiting w = {0};
	struct sql *db;
	int all = 0, rc = 0;

	if (request_args(r, "{s?b}", "all", &all) != 0 || (db = request_server_db(r)) == NULL)
		return -1;
	if (sql_query(db, &r->err, &w.rows,
		      "SELECT " COLUMNS " WHERE $1::boolean OR a.state = 'running' OR (a.state = 'waiting' AND a.expires_at > now()) ORDER BY a.id DESC LIMIT 1000", 1,
		      all ? "true" : "false") != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(w.rows) && rc == 0; i++) {
		read_waiting(&w, i);
		if (may_see(r, &w))
			rc = request_row(r, show_row(&w, i));
	}
	PQclear(w.rows);
	return rc;
}

#define DECIDERS (ACCESS_ADMIN | ACCESS_OFFICER | ACCESS_DPO)

const struct request_verb request_approval_verbs[] = {
	{"approval", "list", list, .roles = DECIDERS, .about = "Lists what waits for a second person", .args = "all:boolean?"},
	{"approval", "show", show, .roles = DECIDERS, .about = "Shows such a request, and what became of it", .args = "id:integer"},
	{"approval", "approve", approve, .roles = DECIDERS, .about = "Approves it, which runs it as who asked", .args = "id:integer hash:string?"},
	{"approval", "deny", deny, .roles = DECIDERS, .about = "Denies it; who asked withdraws it so", .args = "id:integer reason:string?"},
	{.noun = NULL},
};
