/*
 * verb_export: exports are asked for, looked at, cancelled, fetched and removed. What runs them is exports.c.
 *
 * Compliance officers export what they search for; a data protection officer, who reads no content, exports what one person wrote and was sent
 * (GDPR article 15), and sees no other exports.
 */
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "admin/export/exports.h"
#include "admin/request/request.h"
#include "admin/request/rows.h"
#include "archive/query.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/config/config.h"
#include "xmpp/jid.h"

#define FORMATS_MAX 16
#define REASON_MAX 500
#define LIST_MAX 200
#define PIECE 524288         /* of a bundle, in an answer */
#define PREVIEW_PEOPLE 1000  /* that are counted one by one */
#define PREVIEW_SHOWN 50
#define FETCHES 256          /* under way, of which it is known that they are recorded */
#define FETCH_MS 3600000     /* so long pieces belong to the fetch that was recorded */

/* What was asked for */

struct asked {
	json_t *query;       /* owned */
	const json_t *formats;
	const char *reason;  /* NULL */
	int csv_bom;
	struct search_query is;
	struct buf words;
};

static void
asked_fini(struct asked *k)
{
	json_decref(k->query);
	buf_fini(&k->words);
}

/* Those there are: server/export/format.c. The program would say so, too, but later. */
#define FORMATS "jsonl, csv, eml, rsmf, html, pdf, xep0227"

static bool
is_format(const char *name)
{
	static const char *const formats[] = {"jsonl", "csv", "eml", "rsmf", "html", "pdf", "xep0227"};

	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
		if (strcmp(formats[i], name) == 0)
			return true;
	return false;
}

static int
check_formats(struct request *r, const json_t *formats)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(formats) || json_array_size(formats) == 0 || json_array_size(formats) > FORMATS_MAX)
		return err_set(&r->err, 0, "formats: expected a list of " FORMATS);
	json_array_foreach(formats, i, item) {
		const char *name = json_string_value(item);

		if (name == NULL || !is_format(name))
			return err_set(&r->err, 0, "there is no format %.40s: expected " FORMATS,
				       name != NULL ? name : "of that kind");
		for (size_t k = 0; k < i; k++)
			if (json_equal(json_array_get(formats, k), item))
				return err_set(&r->err, 0, "the format %s is asked for twice", name);
	}
	return 0;
}

static int
check_reason(struct request *r, const char *s)
{
	if (s != NULL && !text_is_line(s, REASON_MAX))
		return err_set(&r->err, 0, "a reason is one line of at most %d bytes", REASON_MAX);
	return 0;
}

/* All that there is of one person. */
static json_t *
query_of_subject(struct request *r, const char *subject)
{
	struct jid *j = jid_parse_z(subject);
	json_t *query = NULL;

	if (j == NULL || jid_local(j) == NULL)
		err_set(&r->err, 0, "%.100s is not the address of a person", subject);
	else
		query = json_pack("{s:[s]}", "person", jid_bare(j));
	jid_unref(j);
	return query;
}

static int
read_asked(struct request *r, struct arena *a, struct asked *k)
{
	json_t *query = NULL, *formats = NULL;
	const char *subject = NULL;

	*k = (struct asked){0};
	if (request_args(r, "{s?o, s?s, s:o, s?s, s?b}", "query", &query, "subject", &subject, "formats", &formats, "reason", &k->reason, "csv_bom",
			 &k->csv_bom) != 0 ||
	    check_formats(r, formats) != 0 || check_reason(r, k->reason) != 0)
		return -1;
	if ((query != NULL) == (subject != NULL))
		return err_set(&r->err, 0, "expected a query, or a subject: one of them");
	if (r->role == ACCESS_DPO && subject == NULL)
		return err_set(&r->err, 0, "a data protection officer exports what there is of one person: subject");
	k->formats = formats;
	k->query = subject != NULL ? query_of_subject(r, subject) : json_incref(query);
	if (k->query == NULL || query_read(k->query, a, &k->is, &r->err) != 0)
		return -1;
	query_describe(k->query, &k->words);
	return 0;
}

/* ["a","b"] as PostgreSQL reads an array: names of formats have nothing that would have to be escaped. */
static void
array_text(const json_t *list, struct buf *out)
{
	const json_t *item;
	size_t i;

	buf_addc(out, '{');
	json_array_foreach(list, i, item)
		buf_addf(out, "%s%s", i > 0 ? "," : "", json_string_value(item));
	buf_addc(out, '}');
}

static int
is_room(struct request *r)
{
	struct config *c = config_get();
	uint64_t most = c->limits.exports_waiting;

	config_unref(c);
	return request_has_room(r, "SELECT count(*) FROM compliance.export WHERE state IN (1, 2)", most,
				"exports wait already (limits.exports_waiting): ask again when some are finished");
}

static int64_t
insert(struct request *r, struct asked *k)
{
	char person[SQL_NUMBER], approval[SQL_NUMBER], *query = json_dumps(k->query, JSON_COMPACT | JSON_SORT_KEYS);
	struct buf formats = {0};
	PGresult *rows = NULL;
	int64_t id = -1;

	array_text(k->formats, &formats);
	if (query != NULL && sql_query(r->db, &r->err, &rows,
				       "INSERT INTO compliance.export (asked_by, person, approval, approved_by, reason, query, query_text, formats, csv_bom)"
				       " VALUES ($1, $2::bigint, $3::bigint, $4, $5, $6::jsonb, $7, $8::text[], $9::boolean) RETURNING id",
				       9, r->who->name, r->person != 0 ? sql_number(person, r->person) : NULL,
				       r->approval != 0 ? sql_number(approval, r->approval) : NULL, r->approved_by, k->reason, query, buf_str(&k->words),
				       buf_str(&formats), k->csv_bom ? "t" : "f") == SQL_OK)
		id = sql_i64(rows, 0, 0);
	PQclear(rows);
	buf_fini(&formats);
	request_text_free(query);
	return id;
}

static int
ask(struct request *r, struct asked *k)
{
	json_t *detail;
	char target[32];
	int64_t id = -1;
	enum sql_status st;

	if (request_db(r) != 0 || is_room(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK)
		return -1;
	id = insert(r, k);
	if (id < 0)
		return -1;
	snprintf(target, sizeof target, "export %" PRId64, id);
	detail = json_pack("{s:I, s:O, s:O, s:s?, s:s?}", "export", (json_int_t)id, "query", k->query, "formats", k->formats, "reason", k->reason,
			   "approved_by", r->approved_by);
	st = audit_write(r->db, r->who, "archive.export", target, detail, &r->err);
	json_decref(detail);
	if (st != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "archive.export", target);
	exports_wake();
	return request_row(r, json_pack("{s:I, s:s, s:s}", "export", (json_int_t)id, "state", "waiting", "query", buf_str(&k->words)));
}

static int
archive_export(struct request *r)
{
	struct arena *a = arena_new(0);
	struct asked k;
	int rc = read_asked(r, a, &k);

	if (rc == 0)
		rc = ask(r, &k);
	if (rc != 0)
		sql_rollback(r->db);
	asked_fini(&k);
	arena_free(a);
	return rc;
}

/* Is it worth a second person's time? */
static int
archive_export_check(struct request *r)
{
	struct arena *a = arena_new(0);
	struct asked k;
	int rc = read_asked(r, a, &k);

	asked_fini(&k);
	arena_free(a);
	return rc;
}

/* Looking at them */

#define COLUMNS \
	"id, (extract(epoch FROM asked_at) * 1000000)::bigint, asked_by, approved_by, reason, query::text, query_text, to_json(formats)::text, state," \
	" stage, done, records, bytes, encode(manifest, 'hex'), (extract(epoch FROM finished_at) * 1000000)::bigint," \
	" (extract(epoch FROM expires_at) * 1000000)::bigint, error, size, altered, fetched, attempts, missing"

static json_t *
export_row(const PGresult *rows, int i)
{
	json_t *o = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "export", (json_int_t)sql_i64(rows, i, 0), "asked",
			      rows_time(rows, i, 1), "by", rows_text(rows, i, 2), "approved_by", rows_text(rows, i, 3), "reason",
			      rows_text(rows, i, 4), "query", json_loads(sql_text(rows, i, 5), 0, NULL), "query_text", rows_text(rows, i, 6),
			      "formats", json_loads(sql_text(rows, i, 7), 0, NULL), "state", export_state_name(sql_i64(rows, i, 8)));

	json_object_update_new(o, json_pack("{s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "stage", rows_text(rows, i, 9), "done",
					    (json_int_t)sql_i64(rows, i, 10), "records", (json_int_t)sql_i64(rows, i, 11), "bytes",
					    (json_int_t)sql_i64(rows, i, 12), "manifest", rows_text(rows, i, 13), "finished",
					    rows_time(rows, i, 14), "expires", rows_time(rows, i, 15), "error", rows_text(rows, i, 16),
					    "log_size", (json_int_t)sql_i64(rows, i, 17), "altered", (json_int_t)sql_i64(rows, i, 18), "fetched",
					    (json_int_t)sql_i64(rows, i, 19), "attempts", (json_int_t)sql_i64(rows, i, 20), "missing",
					    (json_int_t)sql_i64(rows, i, 21)));
	return o;
}

/* NULL: all of them may be seen. */
static const char *
only_of(const struct request *r, char out[SQL_NUMBER])
{
	return r->role == ACCESS_DPO ? sql_number(out, r->person) : NULL;
}

static int
export_list(struct request *r)
{
	char person[SQL_NUMBER];
	PGresult *rows;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows,
		      "SELECT " COLUMNS " FROM compliance.export WHERE ($1::bigint IS NULL OR person = $1::bigint) ORDER BY id DESC LIMIT $2::int", 2,
		      only_of(r, person), "200") != SQL_OK)
		return -1;
	return rows_give(r, rows, export_row);
}

/* Its row, which is the caller's to clear; NULL: there is none for this caller. */
static PGresult *
find(struct request *r, json_int_t id)
{
	char a[SQL_NUMBER], person[SQL_NUMBER];
	PGresult *rows;

	if (request_db(r) != 0 ||
	    sql_query(r->db, &r->err, &rows,
		      "SELECT " COLUMNS " FROM compliance.export WHERE id = $1::bigint AND ($2::bigint IS NULL OR person = $2::bigint)", 2, sql_number(a, id),
		      only_of(r, person)) != SQL_OK)
		return NULL;
	if (PQntuples(rows) == 1)
		return rows;
	PQclear(rows);
	/* A number that is nobody's is a mistake; somebody else's is none of theirs. */
	if (r->role == ACCESS_DPO &&
	    sql_query_bool(r->db, &r->err, &r->denied, "SELECT EXISTS (SELECT FROM compliance.export WHERE id = $1::bigint)", 1, a) != SQL_OK)
		return NULL;
	r->status = 404;
	err_set(&r->err, 0, "there is no export %lld", (long long)id);
	return NULL;
}

static int
export_show(struct request *r)
{
	PGresult *rows;
	json_int_t id;
	int rc;

	if (request_args(r, "{s:I}", "export", &id) != 0)
		return -1;
	rows = find(r, id);
	if (rows == NULL)
		return -1;
	rc = request_row(r, export_row(rows, 0));
	PQclear(rows);
	return rc;
}

/* Ending them */

/* From one of the states to another, with its audit row. */
static int
move(struct request *r, const char *action, const char *done, const char *text, const char *why_not)
{
	char a[SQL_NUMBER], target[32];
	PGresult *rows;
	json_int_t id;
	bool moved = false;

	if (request_args(r, "{s:I}", "export", &id) != 0)
		return -1;
	rows = find(r, id);
	if (rows == NULL)
		return -1;
	PQclear(rows);
	snprintf(target, sizeof target, "export %lld", (long long)id);
	if (sql_begin(r->db, &r->err) != SQL_OK || sql_query_bool(r->db, &r->err, &moved, text, 1, sql_number(a, id)) != SQL_OK)
		return -1;
	if (!moved)
		return err_set(&r->err, 0, "export %lld %s", (long long)id, why_not);
	if (audit_write(r->db, r->who, action, target, NULL, &r->err) != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, action, target);
	exports_wake();
	return request_row(r, json_pack("{s:I, s:s}", "export", id, "done", done));
}

static int
export_cancel(struct request *r)
{
	int rc = move(r, "export.cancel", "cancelled",
		      "UPDATE compliance.export SET state = 5, finished_at = now() WHERE id = $1::bigint AND state IN (1, 2) RETURNING true",
		      "is over: it cannot be cancelled");

	if (rc != 0)
		sql_rollback(r->db);
	return rc;
}

static int
export_remove(struct request *r)
{
	int rc = move(r, "export.remove", "removed", "UPDATE compliance.export SET state = 6 WHERE id = $1::bigint AND state = 3 RETURNING true",
		      "has no bundle that could be removed");

	if (rc != 0)
		sql_rollback(r->db);
	else
		exports_tidy();
	return rc;
}

/* Fetching one */

/* Who has begun to fetch what lately: further pieces of it are the same fetch. The oldest gives way, and is recorded again. */
static struct {
	pthread_mutex_t lock;
	struct {
		int64_t person, id, at_ms; /* of the record; person 0: free */
	} noted[FETCHES];
	unsigned next;
} fetches = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool
is_noted(int64_t person, json_int_t id)
{
	int64_t now = clock_mono_ms();
	bool found = false;

	pthread_mutex_lock(&fetches.lock);
	for (unsigned i = 0; person != 0 && i < FETCHES && !found; i++)
		found = fetches.noted[i].person == person && fetches.noted[i].id == id && now - fetches.noted[i].at_ms < FETCH_MS;
	pthread_mutex_unlock(&fetches.lock);
	return found;
}

static void
remember_fetch(int64_t person, json_int_t id)
{
	if (person == 0)
		return;
	pthread_mutex_lock(&fetches.lock);
	fetches.noted[fetches.next].person = person;
	fetches.noted[fetches.next].id = id;
	fetches.noted[fetches.next].at_ms = clock_mono_ms();
	fetches.next = (fetches.next + 1) % FETCHES;
	pthread_mutex_unlock(&fetches.lock);
}

/* In the audit trail before a byte goes. */
static int
note_fetch(struct request *r, json_int_t id)
{
	char a[SQL_NUMBER], target[32];

	snprintf(target, sizeof target, "export %lld", (long long)id);
	if (sql_begin(r->db, &r->err) != SQL_OK || audit_write(r->db, r->who, "export.fetch", target, NULL, &r->err) != SQL_OK ||
	    sql_do(r->db, &r->err, "UPDATE compliance.export SET fetched = fetched + 1 WHERE id = $1::bigint", 1, sql_number(a, id)) != SQL_OK ||
	    sql_commit(r->db, &r->err) != SQL_OK) {
		sql_rollback(r->db);
		return -1;
	}
	audit_log(r->who, "export.fetch", target);
	remember_fetch(r->person, id);
	return 0;
}

static int
send_piece(struct request *r, int fd, uint64_t size, uint64_t at)
{
	uint64_t want = size - at < PIECE ? size - at : PIECE;
	char *raw = mem_alloc(PIECE), *text = mem_alloc(text_base64_size(PIECE));
	ssize_t n = pread(fd, raw, (size_t)want, (off_t)at);
	int rc;

	if (n != (ssize_t)want) {
		rc = err_set(&r->err, 0, "the bundle cannot be read");
	} else {
		text_base64_encode(raw, (size_t)n, text);
		rc = request_row(r, json_pack("{s:I, s:I, s:s}", "size", (json_int_t)size, "offset", (json_int_t)at, "data", text));
	}
	free(raw);
	free(text);
	return rc;
}

/* Where the caller takes a file: all of it, or any part, which the caller sees to. Takes the descriptor. */
static int
give_file(struct request *r, int fd, uint64_t size, json_int_t id)
{
	char name[48], tag[48];

	if (note_fetch(r, id) != 0) {
		close(fd);
		return -1;
	}
	snprintf(name, sizeof name, "export-%lld.zip", (long long)id);
	/* A bundle is made once. */
	snprintf(tag, sizeof tag, "\"export-%lld\"", (long long)id);
	return request_file(r, fd, size, name, tag);
}

static int
export_fetch(struct request *r)
{
	json_int_t id, offset = 0;
	uint64_t size;
	PGresult *rows;
	bool done;
	int fd, rc = -1;

	if (request_args(r, "{s:I, s?I}", "export", &id, "offset", &offset) != 0)
		return -1;
	rows = find(r, id);
	if (rows == NULL)
		return -1;
	done = sql_i64(rows, 0, 8) == EXPORT_DONE;
	PQclear(rows);
	if (!done)
		return err_set(&r->err, 0, "export %lld has no bundle: see chancery export show %lld", (long long)id, (long long)id);
	fd = exports_open(id, &size, &r->err);
	if (fd < 0)
		return -1;
	if (request_takes_file(r))
		return give_file(r, fd, size, id);
	if (offset < 0 || (uint64_t)offset > size)
		err_set(&r->err, 0, "offset is beyond the bundle's %" PRIu64 " bytes", size);
	else if ((offset != 0 && is_noted(r->person, id)) || note_fetch(r, id) == 0)
		rc = send_piece(r, fd, size, (uint64_t)offset);
	close(fd);
	return rc;
}

/* What there would be, without any of it */

struct person_count {
	char *bare;
	uint64_t records;
	UT_hash_handle hh;
};

struct preview {
	uint64_t records, erased, bytes, files, kinds[64];
	int64_t first_us, last_us;
	struct person_count *people;
	bool more_people;
};

static void
count_person(struct preview *p, const char *bare)
{
	struct person_count *c;

	if (bare == NULL)
		return;
	HASH_FIND_STR(p->people, bare, c);
	if (c == NULL && HASH_COUNT(p->people) >= PREVIEW_PEOPLE) {
		p->more_people = true;
		return;
	}
	if (c == NULL) {
		c = NEW(struct person_count);
		c->bare = mem_strdup(bare);
		HASH_ADD_KEYPTR(hh, p->people, c->bare, strlen(c->bare), c);
	}
	c->records++;
}

static void
count_record(struct preview *p, const struct search_row *row)
{
	const struct canonical *is = &row->is;

	p->records++;
	p->erased += row->erased;
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		p->bytes += row->len[i];
	if (is->kind > 0 && is->kind < 64)
		p->kinds[is->kind]++;
	if (p->first_us == 0 || is->at_us < p->first_us)
		p->first_us = is->at_us;
	if (is->at_us > p->last_us)
		p->last_us = is->at_us;
	count_person(p, is->text[CANONICAL_FROM_BARE]);
	if (is->text[CANONICAL_TO_BARE] != NULL &&
	    (is->text[CANONICAL_FROM_BARE] == NULL || strcmp(is->text[CANONICAL_FROM_BARE], is->text[CANONICAL_TO_BARE]) != 0))
		count_person(p, is->text[CANONICAL_TO_BARE]);
}

static int
by_records(const struct person_count *a, const struct person_count *b)
{
	return a->records != b->records ? (a->records < b->records ? 1 : -1) : strcmp(a->bare, b->bare);
}

static json_t *
preview_row(struct preview *p, const char *words)
{
	json_t *kinds = json_object(), *people = json_array();
	struct person_count *c, *next;
	size_t shown = 0, n = HASH_COUNT(p->people);

	for (int i = 0; i < 64; i++)
		if (p->kinds[i] > 0)
			json_object_set_new(kinds, *query_kind_name(i) != '\0' ? query_kind_name(i) : "other", json_integer((json_int_t)p->kinds[i]));
	HASH_SORT(p->people, by_records);
	HASH_ITER(hh, p->people, c, next)
		if (shown++ < PREVIEW_SHOWN)
			json_array_append_new(people, json_pack("{s:s, s:I}", "address", c->bare, "records", (json_int_t)c->records));
	return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:b, s:o}", "query", words, "records", (json_int_t)p->records, "erased",
			 (json_int_t)p->erased, "bytes", (json_int_t)p->bytes, "first", request_time(p->first_us), "last", request_time(p->last_us),
			 "kinds", kinds, "addresses", (json_int_t)n, "more_addresses", p->more_people, "people", people);
}

static void
preview_fini(struct preview *p)
{
	struct person_count *c, *next;

	HASH_ITER(hh, p->people, c, next) {
		HASH_DEL(p->people, c);
		free(c->bare);
		free(c);
	}
}

static bool
is_stopping(void *arg)
{
	const struct request *r = arg;

	return atomic_load(&r->server->stopping);
}

static int
count_all(struct request *r, const struct search_query *q, struct preview *p)
{
	struct search_limits limits = {.gone = is_stopping, .gone_arg = r};
	struct search *s = search_open(r->db, q, &limits, &r->err);
	struct search_row row;
	int rc;

	if (s == NULL)
		return -1;
	while ((rc = search_next(s, &row, &r->err)) > 0)
		if (!query_leaves_out(row.is.kind))
			count_record(p, &row);
	search_close(s);
	return rc;
}

static int
export_preview(struct request *r)
{
	struct arena *a = arena_new(0);
	struct preview p = {0};
	struct search_query q;
	struct buf words = {0};
	json_t *query;
	int rc = -1;

	if (request_args(r, "{s:o}", "query", &query) == 0 && query_read(query, a, &q, &r->err) == 0 && request_db(r) == 0) {
		query_describe(query, &words);
		rc = audit_write(r->db, r->who, "export.preview", NULL, query, &r->err) == SQL_OK ? 0 : -1;
	}
	if (rc == 0) {
		audit_log(r->who, "export.preview", NULL);
		rc = count_all(r, &q, &p);
	}
	if (rc == 0)
		rc = request_row(r, preview_row(&p, buf_str(&words)));
	preview_fini(&p);
	buf_fini(&words);
	arena_free(a);
	return rc;
}

#define BOTH (ACCESS_OFFICER | ACCESS_DPO)

const struct request_verb request_export_verbs[] = {
	{.noun = "archive", .verb = "export", .run = archive_export, .roles = BOTH, .flags = ACCESS_FOUR_EYES, .check = archive_export_check,
	 .about = "Makes a bundle of the records that a query finds, or of all there is of one person, with proofs",
	 .args = "query:object? subject:string? formats:string[] reason:string? csv_bom:boolean?"},
	{.noun = "export", .verb = "list", .run = export_list, .roles = BOTH, .about = "Lists exports, the newest first"},
	{.noun = "export", .verb = "show", .run = export_show, .roles = BOTH, .about = "Shows an export and how far it is", .args = "export:integer"},
	{.noun = "export", .verb = "cancel", .run = export_cancel, .roles = BOTH, .about = "Ends an export that is not finished",
	 .args = "export:integer"},
	{.noun = "export", .verb = "remove", .run = export_remove, .roles = BOTH, .about = "Removes the bundle of a finished export",
	 .args = "export:integer"},
	{.noun = "export", .verb = "fetch", .run = export_fetch, .roles = BOTH, .about = "Gives a piece of a bundle, in base64",
	 .args = "export:integer offset:integer?"},
	{.noun = "export", .verb = "preview", .run = export_preview, .roles = ACCESS_OFFICER,
	 .about = "Counts what an export would have, without any content", .args = "query:object"},
	{.noun = NULL},
};
