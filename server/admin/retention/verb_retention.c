/*
 * verb_retention: classes of retention are set, looked at and removed, what would go is counted, and a run is begun (server/archive/RETENTION.md). What
 * runs is retention.c.
 *
 * It is the data protection officer's: not the administrator's, who could shorten what is known of themselves, and not the compliance officer's, who
 * looks into what is kept. Changes wait for a second one where four eyes are set; a class that is set again is replaced, and both stay to be seen.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "admin/request/request.h"
#include "admin/request/rows.h"
#include "admin/retention/retention.h"
#include "archive/query.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "xmpp/jid.h"

#define REASON_MAX 500
#define NAME_MAX_BYTES 64
#define LIST_MAX 200
#define DAYS_MAX 36500
#define KIND_AUDIT 24
#define KIND_ERASURE 25

static int
check_reason(struct request *r, const char *s)
{
	if (!text_is_line(s, REASON_MAX))
		return err_set(&r->err, 0, "reason: expected one line of at most %d bytes", REASON_MAX);
	return 0;
}

static int
check_name(struct request *r, const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > NAME_MAX_BYTES || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") != n || strchr("._-", s[0]) != NULL)
		return err_set(&r->err, 0, "name: expected small letters, digits, . _ and -, %d at most", NAME_MAX_BYTES);
	return 0;
}

/* A class */

struct asked {
	const char *name, *reason;
	json_int_t days;                         /* 0: for ever */
	struct buf groups, rooms, domains, kinds; /* arrays for PostgreSQL; empty: any */
};

static void
asked_fini(struct asked *k)
{
	buf_fini(&k->groups);
	buf_fini(&k->rooms);
	buf_fini(&k->domains);
	buf_fini(&k->kinds);
}

static void
add_quoted(struct buf *out, const char *s)
{
	buf_adds(out, buf_len(out) > 0 ? ",\"" : "{\"");
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			buf_addc(out, '\\');
		buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

static int
add_group(struct request *r, struct buf *out, const char *s)
{
	if (*s == '\0' || strlen(s) > 256)
		return err_set(&r->err, 0, "groups: %.60s is not the name of a group", s);
	add_quoted(out, s);
	return 0;
}

static int
add_room(struct request *r, struct buf *out, const char *s)
{
	struct jid *j = jid_parse_z(s);
	int rc = j != NULL && jid_local(j) != NULL && jid_resource(j) == NULL ? 0 : -1;

	if (rc == 0)
		add_quoted(out, jid_bare(j));
	else
		err_set(&r->err, 0, "rooms: %.100s is not the address of a room", s);
	jid_unref(j);
	return rc;
}

static int
add_domain(struct request *r, struct buf *out, const char *s)
{
	char domain[1024];

	if (jid_prepare_domain(s, strlen(s), domain) != 0)
		return err_set(&r->err, 0, "domains: %.100s is not a domain", s);
	add_quoted(out, domain);
	return 0;
}

static int
add_kind(struct request *r, struct buf *out, const char *s)
{
	char text[SQL_NUMBER];
	int kind = query_kind_find(s);

	if (kind == 0 || kind == KIND_AUDIT || kind == KIND_ERASURE)
		return err_set(&r->err, 0, "kinds: no kind of record that could expire is called %.60s", s);
	add_quoted(out, sql_number(text, kind));
	return 0;
}

static int
read_list(struct request *r, const char *name, const json_t *list, int (*add)(struct request *r, struct buf *out, const char *s), struct buf *out)
{
	const json_t *item;
	size_t i;

	if (list == NULL)
		return 0;
	if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > LIST_MAX)
		return err_set(&r->err, 0, "%s: expected a list of 1 to %d texts", name, LIST_MAX);
	json_array_foreach(list, i, item)
		if (json_string_value(item) == NULL || add(r, out, json_string_value(item)) != 0)
			return json_is_string(item) ? -1 : err_set(&r->err, 0, "%s: expected a list of texts", name);
	buf_addc(out, '}');
	return 0;
}

static int
read_asked(struct request *r, struct asked *k)
{
	json_t *groups = NULL, *rooms = NULL, *domains = NULL, *kinds = NULL;

	if (request_args(r, "{s:s, s:I, s:s, s?o, s?o, s?o, s?o}", "name", &k->name, "days", &k->days, "reason", &k->reason, "groups", &groups, "rooms",
			 &rooms, "domains", &domains, "kinds", &kinds) != 0 ||
	    check_name(r, k->name) != 0 || check_reason(r, k->reason) != 0)
		return -1;
	if (k->days < 0 || k->days > DAYS_MAX)
		return err_set(&r->err, 0, "days: expected 1 to %d, or 0: for ever", DAYS_MAX);
	return read_list(r, "groups", groups, add_group, &k->groups) != 0 || read_list(r, "rooms", rooms, add_room, &k->rooms) != 0 ||
			       read_list(r, "domains", domains, add_domain, &k->domains) != 0 || read_list(r, "kinds", kinds, add_kind, &k->kinds) != 0 ?
		       -1 : 0;
}

static const char *
array_or_null(struct buf *b)
{
	return buf_len(b) > 0 ? buf_str(b) : NULL;
}

/* The class of that name that is in force goes. *gone: there was one. */
static enum sql_status
remove_class(struct request *r, const char *name, const char *reason, bool *gone)
{
	return sql_query_bool(r->db, &r->err, gone,
			      "UPDATE compliance.retention_class SET removed_at = now(), removed_by = $2, remove_reason = $3, remove_approved_by = $4"
			      " WHERE name = $1 AND removed_at IS NULL RETURNING true", 4, name, r->who->name, reason, r->approved_by);
}

static int
insert(struct request *r, struct asked *k, int64_t *id)
{
	char days[SQL_NUMBER];
	PGresult *rows;

	if (sql_query(r->db, &r->err, &rows,
		      "INSERT INTO compliance.retention_class (name, days, groups, rooms, domains, kinds, reason, set_by, approved_by) VALUES"
		      " ($1, $2::int, $3::text[], $4::text[], $5::text[], $6::smallint[], $7, $8, $9) RETURNING id", 9, k->name,
		      k->days > 0 ? sql_number(days, k->days) : NULL, array_or_null(&k->groups), array_or_null(&k->rooms), array_or_null(&k->domains),
		      array_or_null(&k->kinds), k->reason, r->who->name, r->approved_by) != SQL_OK) {
		if (strcmp(sql_state(r->db), "23505") == 0)
			return err_set(&r->err, 0, "another class is for what belongs to no other already: set that one, or say what this one is for");
		return -1;
	}
	*id = sql_i64(rows, 0, 0);
	PQclear(rows);
	return 0;
}

static int
finish(struct request *r, const char *action, const char *name)
{
	json_t *detail = json_deep_copy(r->args);
	enum sql_status st;

	if (r->approved_by != NULL)
		json_object_set_new(detail, "approved_by", json_string(r->approved_by));
	st = audit_write(r->db, r->who, action, name, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, name);
	return 0;
}

static int
set(struct request *r, struct asked *k)
{
	bool replaced = false;
	int64_t id = 0;

	if (request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK || remove_class(r, k->name, k->reason, &replaced) != SQL_OK ||
	    insert(r, k, &id) != 0 || finish(r, "retention.set", k->name) != 0)
		return -1;
	return request_row(r, json_pack("{s:I, s:s, s:s}", "class", (json_int_t)id, "name", k->name, "done", replaced ? "replaced" : "set"));
}

static int
retention_set(struct request *r)
{
	struct asked k = {0};
	int rc = read_asked(r, &k);

	if (rc == 0)
		rc = set(r, &k);
	if (rc != 0)
		sql_rollback(r->db);
	asked_fini(&k);
	return rc;
}

static int
retention_set_check(struct request *r)
{
	struct asked k = {0};
	int rc = read_asked(r, &k);

	asked_fini(&k);
	return rc;
}

static int
read_removal(struct request *r, const char **name, const char **reason)
{
	return request_args(r, "{s:s, s:s}", "name", name, "reason", reason) != 0 || check_name(r, *name) != 0 ? -1 : check_reason(r, *reason);
}

static int
remove_named(struct request *r, const char *name, const char *reason)
{
	bool gone = false;

	if (request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK || remove_class(r, name, reason, &gone) != SQL_OK)
		return -1;
	if (!gone)
		return err_set(&r->err, 0, "there is no class %s", name);
	if (finish(r, "retention.remove", name) != 0)
		return -1;
	return request_row(r, json_pack("{s:s, s:s}", "name", name, "done", "removed"));
}

static int
retention_remove(struct request *r)
{
	const char *name, *reason;
	int rc = read_removal(r, &name, &reason);

	if (rc == 0)
		rc = remove_named(r, name, reason);
	if (rc != 0)
		sql_rollback(r->db);
	return rc;
}

static int
retention_remove_check(struct request *r)
{
	const char *name, *reason;

	return read_removal(r, &name, &reason);
}

/* Looking at them */

static json_t *
list_or_null(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) ? json_null() : json_loads(sql_text(rows, i, col), 0, NULL);
}

static json_t *
kinds_or_null(const PGresult *rows, int i, int col)
{
	json_t *numbers = list_or_null(rows, i, col), *names;
	const json_t *item;
	size_t k;

	if (!json_is_array(numbers))
		return numbers;
	names = json_array();
	json_array_foreach(numbers, k, item)
		json_array_append_new(names, json_string(query_kind_name((int)json_integer_value(item))));
	json_decref(numbers);
	return names;
}

static json_t *
class_row(const PGresult *rows, int i)
{
	json_t *o = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "class", (json_int_t)sql_i64(rows, i, 0), "name", rows_text(rows, i, 1), "days",
			      sql_is_null(rows, i, 2) ? json_null() : json_integer((json_int_t)sql_i64(rows, i, 2)), "groups", list_or_null(rows, i, 3),
			      "rooms", list_or_null(rows, i, 4), "domains", list_or_null(rows, i, 5), "kinds", kinds_or_null(rows, i, 6), "reason",
			      rows_text(rows, i, 7));

	json_object_update_new(o, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "set", rows_time(rows, i, 8), "by", rows_text(rows, i, 9),
					    "approved_by", rows_text(rows, i, 10), "removed", rows_time(rows, i, 11), "removed_by",
					    rows_text(rows, i, 12), "remove_reason", rows_text(rows, i, 13), "remove_approved_by",
					    rows_text(rows, i, 14)));
	return o;
}

static int
retention_list(struct request *r)
{
	PGresult *rows;
	int all = 0;

	if (request_args(r, "{s?b}", "all", &all) != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows,
		      "SELECT id, name, days, to_json(groups)::text, to_json(rooms)::text, to_json(domains)::text, to_json(kinds)::text, reason,"
		      " (extract(epoch FROM set_at) * 1000000)::bigint, set_by, approved_by, (extract(epoch FROM removed_at) * 1000000)::bigint, removed_by,"
		      " remove_reason, remove_approved_by FROM compliance.retention_class WHERE removed_at IS NULL OR $1::boolean ORDER BY name, id", 1,
		      all ? "t" : "f") != SQL_OK)
		return -1;
	return rows_give(r, rows, class_row);
}

static json_t *
run_row(const PGresult *rows, int i)
{
	return json_pack("{s:I, s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:I}", "run", (json_int_t)sql_i64(rows, i, 0), "started", rows_time(rows, i, 1), "by",
			 rows_text(rows, i, 2), "state", sql_text(rows, i, 3), "expired_by", rows_time(rows, i, 4), "finished",
			 rows_time(rows, i, 5), "erased", (json_int_t)sql_i64(rows, i, 6), "held", (json_int_t)sql_i64(rows, i, 7),
			 "dropped", (json_int_t)sql_i64(rows, i, 8), "looked", (json_int_t)sql_i64(rows, i, 9));
}

static int
retention_runs(struct request *r)
{
	PGresult *rows;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows,
		      "SELECT id, (extract(epoch FROM started_at) * 1000000)::bigint, asked_by, state, (extract(epoch FROM now_at) * 1000000)::bigint,"
		      " (extract(epoch FROM finished_at) * 1000000)::bigint, erased, held, dropped, looked FROM compliance.retention_run ORDER BY id DESC LIMIT 200", 0) != SQL_OK)
		return -1;
	return rows_give(r, rows, run_row);
}

/* What would go */

struct count {
	char month[8];
	char *class;
	uint64_t expired, held;
	int64_t first_us, last_us;
};

struct preview {
	struct count *count;
	size_t n, room;
	int64_t after;
	bool more;
};

static int
by_class_and_month(const void *a, const void *b)
{
	const struct count *x = a, *y = b;
	int c = strcmp(x->class, y->class);

	return c != 0 ? c : strcmp(x->month, y->month);
}

static struct count *
count_of(struct preview *p, struct arena *a, const char *class, const char *month)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->count[i].class, class) == 0 && strcmp(p->count[i].month, month) == 0)
			return &p->count[i];
	if (p->n == p->room) {
		struct count *more = arena_alloc(a, (p->room = p->room > 0 ? 2 * p->room : 64) * sizeof *more);

		if (p->n > 0)
			memcpy(more, p->count, p->n * sizeof *more);
		p->count = more;
	}
	p->count[p->n] = (struct count){.class = arena_strdup(a, class)};
	snprintf(p->count[p->n].month, sizeof p->count[p->n].month, "%s", month);
	return &p->count[p->n++];
}

/* A page of the record: no content, and what is held of it is asked as the run would. */
static int
count_page(struct request *r, struct arena *a, struct preview *p, const char *at)
{
	char after[SQL_NUMBER];
	PGresult *rows;

	if (sql_query(r->db, &r->err, &rows,
		      "WITH e AS MATERIALIZED (SELECT * FROM archive.expired($1::bigint, to_timestamp($2::bigint / 1000000.0), 5000)),"
		      " h AS MATERIALIZED (SELECT x.id FROM archive.erasable(ARRAY(SELECT e.id FROM e WHERE e.class IS NOT NULL)) x WHERE x.stays)"
		      " SELECT c.name, to_char(to_timestamp(e.id / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM'), count(*), count(h.id), min(e.id), max(e.id)"
		      " FROM e LEFT JOIN h ON h.id = e.id LEFT JOIN compliance.retention_class c ON c.id = e.class GROUP BY 1, 2", 2,
		      sql_number(after, p->after), at) != SQL_OK)
		return -1;
	p->more = false;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct count *c;

		if (sql_is_null(rows, i, 0)) {
			p->more = true;
			p->after = sql_i64(rows, i, 5);
			continue;
		}
		c = count_of(p, a, sql_text(rows, i, 0), sql_text(rows, i, 1));
		c->expired += (uint64_t)sql_i64(rows, i, 2);
		c->held += (uint64_t)sql_i64(rows, i, 3);
		c->first_us = c->first_us == 0 || sql_i64(rows, i, 4) < c->first_us ? sql_i64(rows, i, 4) : c->first_us;
		c->last_us = sql_i64(rows, i, 5) > c->last_us ? sql_i64(rows, i, 5) : c->last_us;
	}
	PQclear(rows);
	return 0;
}

static int
give_counts(struct request *r, struct preview *p)
{
	int rc = 0;

	if (p->n > 0)
		qsort(p->count, p->n, sizeof *p->count, by_class_and_month);
	for (size_t i = 0; i < p->n && rc == 0; i++) {
		const struct count *c = &p->count[i];

		rc = request_row(r, json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "class", c->class, "month", c->month, "goes",
					      (json_int_t)(c->expired - c->held), "held", (json_int_t)c->held, "first", request_time(c->first_us), "last",
					      request_time(c->last_us)));
	}
	return rc;
}

static int
preview(struct request *r, struct arena *a, int64_t at_us)
{
	struct preview p = {0};
	char at[SQL_NUMBER];

	sql_number(at, at_us);
	do {
		if ((r->gone != NULL && r->gone(r->send_arg)) || atomic_load(&r->server->stopping))
			return err_set(&r->err, 0, "interrupted");
		if (count_page(r, a, &p, at) != 0)
			return -1;
	} while (p.more);
	return give_counts(r, &p);
}

static int
retention_preview(struct request *r)
{
	int64_t at_us = clock_wall_us();
	const char *at = NULL;
	struct arena *a;
	int rc;

	if (request_args(r, "{s?s}", "at", &at) != 0 || (at != NULL && query_time(at, &at_us, &r->err) != 0) || request_db(r) != 0)
		return -1;
	if (audit_write(r->db, r->who, "retention.preview", at, NULL, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "retention.preview", at);
	a = arena_new(0);
	rc = preview(r, a, at_us);
	arena_free(a);
	return rc;
}

/* A run out of its turn: what its classes say, which others have agreed to, so nobody has to agree again. */
static int
begin_run(struct request *r, int64_t *id)
{
	char target[32], now[SQL_NUMBER];
	PGresult *rows;

	if (request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK)
		return -1;
	if (sql_query(r->db, &r->err, &rows, RETENTION_BEGIN, 2, r->who->name, sql_number(now, clock_wall_us())) != SQL_OK)
		return strcmp(sql_state(r->db), "23505") != 0 ? -1 : err_set(&r->err, 0, "a run is under way: see chancery retention runs");
	*id = sql_i64(rows, 0, 0);
	PQclear(rows);
	snprintf(target, sizeof target, "run %" PRId64, *id);
	if (audit_write(r->db, r->who, "retention.run", target, NULL, &r->err) != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "retention.run", target);
	return 0;
}

static int
retention_run(struct request *r)
{
	int64_t id = 0;

	if (request_args(r, "{}") != 0)
		return -1;
	if (begin_run(r, &id) != 0) {
		sql_rollback(r->db);
		/* One that waits for its next attempt makes it now. */
		retention_wake();
		return -1;
	}
	retention_wake();
	return request_row(r, json_pack("{s:I, s:s}", "run", (json_int_t)id, "state", "running"));
}

const struct request_verb request_retention_verbs[] = {
	{.noun = "retention", .verb = "set", .run = retention_set, .roles = ACCESS_DPO, .flags = ACCESS_FOUR_EYES, .check = retention_set_check,
	 .about = "Sets how long what belongs to a class is kept; days 0: for ever",
	 .args = "name:string days:integer reason:string groups:string[]? rooms:string[]? domains:string[]? kinds:string[]?"},
	{.noun = "retention", .verb = "remove", .run = retention_remove, .roles = ACCESS_DPO, .flags = ACCESS_FOUR_EYES, .check = retention_remove_check,
	 .about = "Removes a class: what belonged to it goes by the others, or is kept for ever", .args = "name:string reason:string"},
	{.noun = "retention", .verb = "list", .run = retention_list, .roles = ACCESS_ANY, .about = "Lists the classes: those in force, or all there ever were",
	 .args = "all:boolean?"},
	{.noun = "retention", .verb = "preview", .run = retention_preview, .roles = ACCESS_DPO,
	 .about = "Counts what would go, by class and month, and what is held of it; no content", .args = "at:string?"},
	{.noun = "retention", .verb = "run", .run = retention_run, .roles = ACCESS_DPO, .about = "Begins a run now: what has expired goes"},
	{.noun = "retention", .verb = "runs", .run = retention_runs, .roles = ACCESS_ANY, .about = "Lists the runs, the newest first"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
