/*
 * verb_files: files for administrators: where one has been, what is in the quarantine, and what becomes of it. Looking is audited, too (P6).
 *
 * Under files.two_persons a release waits until another administrator approves it. What takes away acts at once: delete.
 */
#include "admin/request/request.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/text.h"
#include "core/config/config.h"
#include "core/file/file_policy.h"
#include "core/file/notice.h"
#include "core/file/vault.h"
#include "store/quarantine_store.h"
#include "xmpp/jid.h"

#define LIST_MAX 10000
#define EVENTS_MAX 1000
#define PEOPLE_MAX 1000
#define REASON_MAX 500

/* A content under somebody's hands. */
struct handling {
	struct request *r;
	struct arena *arena;
	struct file_row *file;
	const char *who, *reason;
	char hex[2 * SHA256_SIZE + 1];
};

static const char *
state_name(int64_t state)
{
	static const char *const names[] = {[FILE_CLEAN] = "clean", [FILE_INFECTED] = "infected", [FILE_UNSCANNABLE] = "unscannable",
					    [FILE_WITHDRAWN] = "withdrawn", [FILE_RELEASED] = "released"};

	return state >= FILE_CLEAN && state <= FILE_RELEASED ? names[state] : "not scanned";
}

static const char *
place_name(bool kept, bool quarantined)
{
	return quarantined ? "quarantine" : kept ? "kept" : "nowhere";
}

static json_t *
text_or_null(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) || *sql_text(rows, i, col) == '\0' ? json_null() : json_string(sql_text(rows, i, col));
}

static int
audit_now(struct request *r, const char *action, const char *target)
{
	if (request_db(r) != 0 || audit_write(r->db, r->who, action, target, NULL, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, target);
	return 0;
}

/* By its hash, or the beginning of it. -1: there is none, or more than one. */
static int
resolve(struct request *r, const char *hex, uint8_t sha256[SHA256_SIZE])
{
	unsigned n = 0;

	if (quarantine_store_resolve(r->db, hex, sha256, &n, &r->err) != SQL_OK)
		return -1;
	if (n == 0)
		return err_set(&r->err, 0, "no file is known by %.70s: expected its SHA-256, or eight digits of it at least", hex);
	return n == 1 ? 0 : err_set(&r->err, 0, "more than one file is known by %.70s: give more of its digits", hex);
}

/* Looking */

static json_t *
event_row(const PGresult *rows, int i)
{
	return json_pack("{s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "event", (json_int_t)sql_i64(rows, i, 0), "at",
			 request_time(sql_i64(rows, i, 1)), "path", sql_text(rows, i, 2), "from", text_or_null(rows, i, 3), "to",
			 text_or_null(rows, i, 4), "name", text_or_null(rows, i, 5), "declared", text_or_null(rows, i, 6), "verdict",
			 sql_text(rows, i, 7), "text", text_or_null(rows, i, 8), "record",
			 sql_i64(rows, i, 9) != 0 ? json_integer(sql_i64(rows, i, 9)) : json_null());
}

static int
files_find(struct request *r)
{
	const char *what;
	PGresult *rows;
	int rc = 0;

	if (request_args(r, "{s:s}", "what", &what) != 0 || audit_now(r, "files.find", what) != 0)
		return -1;
	if (quarantine_store_find(r->db, what, LIST_MAX, &rows, &r->err) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++) {
		json_t *row = event_row(rows, i);

		json_object_update_new(row, json_pack("{s:s, s:s, s:s}", "sha256", sql_text(rows, i, 10), "state", state_name(sql_i64(rows, i, 11)),
						      "where", place_name(sql_bool(rows, i, 12), sql_bool(rows, i, 13))));
		rc = request_row(r, row);
	}
	PQclear(rows);
	return rc;
}

static json_t *
events_of(struct request *r, const uint8_t sha256[SHA256_SIZE])
{
	json_t *out = json_array();
	PGresult *rows;

	if (quarantine_store_events(r->db, sha256, EVENTS_MAX, &rows, &r->err) != SQL_OK) {
		json_decref(out);
		return NULL;
	}
	for (int i = 0; i < PQntuples(rows); i++)
		json_array_append_new(out, event_row(rows, i));
	PQclear(rows);
	return out;
}

static json_t *
file_json(const struct file_row *f, const char *hex)
{
	return json_pack("{s:s, s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:I}", "sha256", hex, "size", (json_int_t)f->size, "type", f->type, "state",
			 state_name(f->state), "found", f->found, "where", place_name(f->kept, f->quarantined), "scanned",
			 request_time(f->scanned_us), "signatures", request_time(f->signatures_s * 1000000), "signatures_n",
			 (json_int_t)f->signatures_n);
}

static int
show(struct request *r, const char *action)
{
	struct arena *a = arena_new(0);
	uint8_t sha256[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	struct file_row *f = NULL;
	const char *text;
	json_t *events = NULL, *row;
	int rc = -1;

	if (request_args(r, "{s:s}", "sha256", &text) != 0 || audit_now(r, action, text) != 0 || resolve(r, text, sha256) != 0 ||
	    file_find(r->db, a, sha256, &f, &r->err) != SQL_OK)
		goto out;
	text_hex(sha256, SHA256_SIZE, hex);
	if (f == NULL) {
		err_set(&r->err, 0, "no file is known by %s", hex);
		goto out;
	}
	events = events_of(r, sha256);
	if (events == NULL)
		goto out;
	row = file_json(f, hex);
	json_object_set_new(row, "events", events);
	rc = request_row(r, row);
out:
	arena_free(a);
	return rc;
}

static int
files_show(struct request *r)
{
	return show(r, "files.show");
}

static int
quarantine_show(struct request *r)
{
	return show(r, "quarantine.show");
}

static int
quarantine_list(struct request *r)
{
	PGresult *rows;
	int rc = 0;

	if (request_args(r, "{}") != 0 || audit_now(r, "quarantine.list", NULL) != 0 ||
	    quarantine_store_list(r->db, LIST_MAX, &rows, &r->err) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++)
		rc = request_row(r, json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "sha256", sql_text(rows, i, 0), "size",
					      (json_int_t)sql_i64(rows, i, 1), "type", sql_text(rows, i, 2), "state",
					      state_name(sql_i64(rows, i, 3)), "found", sql_text(rows, i, 4), "name", text_or_null(rows, i, 5),
					      "from", text_or_null(rows, i, 6), "to", text_or_null(rows, i, 7), "at",
					      request_time(sql_i64(rows, i, 8)), "release",
					      sql_i64(rows, i, 9) != 0 ? json_integer(sql_i64(rows, i, 9)) : json_null(), "release_by",
					      text_or_null(rows, i, 10)));
	PQclear(rows);
	return rc;
}

/* Acting */

static int
with_file(struct request *r, int (*run)(struct handling *h))
{
	struct handling h = {.r = r, .arena = arena_new(0)};
	int rc;

	h.who = r->who->uid >= 0 ? arena_printf(h.arena, "%s (uid %ld)", r->who->name, r->who->uid) : r->who->name;
	rc = run(&h);
	if (rc != 0)
		sql_rollback(r->db);
	arena_free(h.arena);
	return rc;
}

static int
check_reason(struct handling *h)
{
	if (!text_is_line(h->reason, REASON_MAX))
		return err_set(&h->r->err, 0, "a reason is needed (--reason), on one line: it is kept");
	return 0;
}

/* Its row, locked, when it is in the quarantine. */
static int
take(struct handling *h, const uint8_t sha256[SHA256_SIZE])
{
	struct request *r = h->r;

	text_hex(sha256, SHA256_SIZE, h->hex);
	if (quarantine_store_lock(r->db, h->arena, sha256, &h->file, &r->err) != SQL_OK)
		return -1;
	if (h->file == NULL || !h->file->quarantined)
		return err_set(&r->err, 0, "%s is not in the quarantine", h->hex);
	return 0;
}

/* Of the arguments sha256 and reason. */
static int
begin(struct handling *h)
{
	struct request *r = h->r;
	uint8_t sha256[SHA256_SIZE];
	const char *text;

	if (request_args(r, "{s:s, s:s}", "sha256", &text, "reason", &h->reason) != 0 || check_reason(h) != 0 || request_db(r) != 0 ||
	    sql_begin(r->db, &r->err) != SQL_OK || resolve(r, text, sha256) != 0)
		return -1;
	return take(h, sha256);
}

/* What is about to be done, in the record, in the file's own history and in the audit trail. */
static int
note(struct handling *h, const char *action, const char *done, int64_t release)
{
	struct request *r = h->r;
	struct file_event v = {.path = "quarantine", .sha256 = h->file->sha256, .from = h->who, .verdict = done, .text = h->reason};
	json_t *detail = json_pack("{s:s, s:s, s:s}", "reason", h->reason, "found", h->file->found, "done", done);
	enum sql_status st;

	if (release != 0)
		json_object_set_new(detail, "release", json_integer(release));
	st = file_event_add(r->db, &v, &r->err);
	if (st == SQL_OK)
		st = audit_write(r->db, r->who, action, h->hex, detail, &r->err);
	json_decref(detail);
	return st == SQL_OK ? 0 : -1;
}

/* Then it is certain. */
static int
commit(struct handling *h, const char *action)
{
	struct request *r = h->r;

	if (sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, h->hex);
	return 0;
}

static int
finish(struct handling *h, const char *action, const char *done, int64_t release)
{
	return note(h, action, done, release) == 0 ? commit(h, action) : -1;
}

static json_t *
done_row(const struct handling *h, const char *done)
{
	return json_pack("{s:s, s:s, s:s}", "sha256", h->hex, "done", done, "found", h->file->found);
}

/* Those of ours who have to do with it. */
static void
tell_people(struct handling *h)
{
	struct request *r = h->r;
	PGresult *rows;

	if (quarantine_store_people(r->db, h->file->sha256, PEOPLE_MAX, &rows, &r->err) != SQL_OK)
		return;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct jid *to = jid_parse_z(sql_text(rows, i, 0));
		const char *name = file_name_shown(h->arena, sql_is_null(rows, i, 2) ? NULL : sql_text(rows, i, 2));

		if (to != NULL)
			notice_send(to, arena_printf(h->arena, "%s, which was held back, has been released by an administrator: it can be %s.", name,
						     sql_bool(rows, i, 1) ? "sent again" : "fetched, or sent to you, again"));
		jid_unref(to);
	}
	PQclear(rows);
}

/* The disk before the commit, as it can do it twice: until then the row says that it is to be done. */
static int
release_now(struct handling *h, int64_t release)
{
	struct config *c = config_get();
	uint64_t keep_ms = c->files.keep_ms;
	struct request *r = h->r;

	config_unref(c);
	if (quarantine_store_released(r->db, h->file->sha256, keep_ms, &r->err) != SQL_OK ||
	    quarantine_store_close_of(r->db, h->file->sha256, h->who, &r->err) != SQL_OK ||
	    note(h, "quarantine.release", "released", release) != 0 || quarantine_release(h->file->sha256, &r->err) != 0 ||
	    commit(h, "quarantine.release") != 0)
		return -1;
	tell_people(h);
	return request_row(r, done_row(h, "released"));
}

static int
propose(struct handling *h)
{
	struct request *r = h->r;
	int64_t id = 0;
	json_t *row;

	if (quarantine_store_propose(r->db, h->file, audit_person(r->who), r->who->name, h->reason, &id, &r->err) != SQL_OK)
		return -1;
	if (id == 0)
		return err_set(&r->err, 0, "its release waits already: see chancery quarantine list");
	if (finish(h, "quarantine.propose", "proposed", id) != 0)
		return -1;
	row = done_row(h, "proposed");
	json_object_set_new(row, "release", json_integer(id));
	return request_row(r, row);
}

static int
release(struct handling *h)
{
	struct config *c;
	bool two;

	if (begin(h) != 0)
		return -1;
	c = config_get();
	two = c->modules.files.two_persons;
	config_unref(c);
	return two ? propose(h) : release_now(h, 0);
}

static int
quarantine_release_verb(struct request *r)
{
	return with_file(r, release);
}

static int
read_proposal(struct handling *h, struct quarantine_release *p)
{
	struct request *r = h->r;
	json_int_t id;

	if (request_args(r, "{s:I}", "id", &id) != 0 || request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK ||
	    quarantine_store_proposal(r->db, h->arena, id, p, &r->err) != SQL_OK)
		return -1;
	if (p->id == 0)
		return err_set(&r->err, 0, "no release %lld is waiting", (long long)id);
	h->reason = p->reason;
	return take(h, p->sha256);
}

static int
approve(struct handling *h)
{
	struct request *r = h->r;
	struct quarantine_release p;
	struct config *c;
	bool two;

	if (read_proposal(h, &p) != 0)
		return -1;
	c = config_get();
	two = c->modules.files.two_persons;
	config_unref(c);
	if (two && audit_person_known(r->who, &r->err) != 0)
		return -1;
	if (two && audit_is_person(r->who, p.by_uid, p.by_name))
		return err_set(&r->err, 0, "%s has proposed it: another administrator has to approve it (files.two_persons)", p.by_name);
	if (strcmp(p.found, h->file->found) != 0)
		return err_set(&r->err, 0, "something else has been found in it since it was proposed (%s): look at it, withdraw this and propose "
			"it again", h->file->found);
	if (quarantine_store_close(r->db, p.id, h->who, true, &r->err) != SQL_OK)
		return -1;
	h->who = arena_printf(h->arena, "%s, proposed by %s", h->who, p.by_name);
	return release_now(h, p.id);
}

static int
quarantine_approve(struct request *r)
{
	return with_file(r, approve);
}

static int
withdraw(struct handling *h)
{
	struct request *r = h->r;
	struct quarantine_release p;

	if (read_proposal(h, &p) != 0 || quarantine_store_close(r->db, p.id, h->who, false, &r->err) != SQL_OK ||
	    finish(h, "quarantine.withdraw", "proposal withdrawn", p.id) != 0)
		return -1;
	return request_row(r, done_row(h, "withdrawn"));
}

static int
quarantine_withdraw_verb(struct request *r)
{
	return with_file(r, withdraw);
}

/* Behind the commit: what a crash leaves is a file that nobody refers to (tidy), never one that has gone and nobody did it. Its row is held:
 * caught again meanwhile, it stays. */
static void
remove_deleted(const struct handling *h)
{
	struct request *r = h->r;
	struct file_row *f = NULL;
	struct err e = {0};
	bool done;

	done = sql_begin(r->db, &e) == SQL_OK && quarantine_store_lock(r->db, h->arena, h->file->sha256, &f, &e) == SQL_OK &&
	       ((f != NULL && f->quarantined) || quarantine_remove(h->file->sha256, &e) == 0);
	sql_rollback(r->db);
	if (!done)
		log_error(NULL, "file-not-removed", "sha256=%s why=%s", h->hex, e.text);
}

static int
delete(struct handling *h)
{
	struct request *r = h->r;
	bool held;

	if (begin(h) != 0 || quarantine_store_held(r->db, h->file->sha256, &held, &r->err) != SQL_OK)
		return -1;
	if (held)
		return err_set(&r->err, 0, "a legal hold covers what is recorded of this file: its content stays");
	if (quarantine_store_deleted(r->db, h->file->sha256, &r->err) != SQL_OK ||
	    quarantine_store_close_of(r->db, h->file->sha256, h->who, &r->err) != SQL_OK || finish(h, "quarantine.delete", "deleted", 0) != 0)
		return -1;
	remove_deleted(h);
	return request_row(r, done_row(h, "deleted"));
}

static int
quarantine_delete(struct request *r)
{
	return with_file(r, delete);
}

const struct request_verb request_files_verbs[] = {
	{"files", "find", files_find, .about = "Lists who sent a file, to whom, and who fetched it", .args = "what:string"},
	{"files", "show", files_show, .about = "Shows a file and all that happened to it", .args = "sha256:string"},
	{"quarantine", "list", quarantine_list, .about = "Lists the files that are held back"},
	{"quarantine", "show", quarantine_show, .about = "Shows such a file and all that happened to it", .args = "sha256:string"},
	{"quarantine", "release", quarantine_release_verb, .about = "Lets it pass from now on, in spite of what was found",
	 .args = "sha256:string reason:string"},
	{"quarantine", "approve", quarantine_approve, .about = "Puts a release into force", .args = "id:integer"},
	{"quarantine", "withdraw", quarantine_withdraw_verb, .about = "Drops a release that waits", .args = "id:integer"},
	{"quarantine", "delete", quarantine_delete, .about = "Deletes its content for good", .args = "sha256:string reason:string"},
	{.noun = NULL},
};
