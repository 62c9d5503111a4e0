/*
 * search: see search.h. A search asks the index for a page of ids at a time, and the record for what is behind some of these.
 *
 * The first page is small and of one chunk, as most searches are for the newest few. A page that was full is followed by a larger one, so that
 * whoever reads all of it does not pay for the first chunk again and again; one that was not, by one that reaches further.
 */
#include "archive/search/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/search/search_priv.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define PAGE_FIRST 128
#define PAGE_MAX 20000
#define CHUNKS_MAX 64
#define GROUP 64                   /* records read at once */
#define GROUP_BYTES (4 * 1024 * 1024)
#define DEADLINE_MS 10000          /* of the connection, when we have done */
#define TICK_MS 200
#define WORDS_DEFAULT 32
#define WORD_BYTES_DEFAULT 4096
#define SECONDS_DEFAULT 30
#define EVENTS_DEFAULT 100000

/* Somebody who has gone wants no answer: the statement is ended from beside. */
static void
look_whether_gone(void *arg)
{
	struct search *s = arg;
	PGcancel *c;
	char text[128];

	if (!s->limits.gone || !s->limits.gone(s->limits.gone_arg) || !(c = PQgetCancel(sql_raw(s->db))))
		return;
	(void)PQcancel(c, text, sizeof(text));
	PQfreeCancel(c);
}

static struct search *
new_search(struct sql *db, const struct search_limits *l)
{
	struct search *s = NEW(struct search);

	s->db = db;
	s->arena = arena_new(0);
	if (l)
		s->limits = *l;
	s->limits.words = s->limits.words ? s->limits.words : WORDS_DEFAULT;
	s->limits.word_bytes = s->limits.word_bytes ? s->limits.word_bytes : WORD_BYTES_DEFAULT;
	s->limits.seconds = s->limits.seconds ? s->limits.seconds : SECONDS_DEFAULT;
	s->limits.events = s->limits.events ? s->limits.events : EVENTS_DEFAULT;
	s->until_ms = clock_mono_ms() + (int64_t)s->limits.seconds * 1000;
	s->most = s->limits.page ? s->limits.page : PAGE_FIRST;
	s->chunks = 1;
	return s;
}

void
search_close(struct search *s)
{
	if (!s)
		return;
	PQclear(s->rows);
	buf_fini(&s->found);
	free(s->id);
	free(s->index);
	free(s->stay);
	arena_free(s->arena);
	free(s);
}

struct search *
search_open_also(struct sql *db, const struct search_query *q, const struct search_limits *l, const char *also, struct err *e)
{
	struct search *s = new_search(db, l);

	s->backwards = q->newest_first;
	s->first = q->first_index;
	s->last = q->before_index && q->before_index < INT64_MAX ? q->before_index - 1 : INT64_MAX;
	e->code = 0;
	if (search_compile(s, q, e) || (q->audience && search_stays(s, q, e))) {
		search_close(s);
		return NULL;
	}
	if (also) {
		buf_adds(&s->found, buf_len(&s->found) ? " & " : "");
		search_lexeme(&s->found, also, false);
	}
	return s;
}

struct search *
search_open(struct sql *db, const struct search_query *q, const struct search_limits *l, struct err *e)
{
	return search_open_also(db, q, l, NULL, e);
}

/* Statements run for so long as is left, in all; waiting for turns does not count. */
static enum sql_status
ask(struct search *s, struct err *e, PGresult **out, const char *text, int n, const char *const *v)
{
	int64_t waited_us = sql_turns_waited_us(s->db);
	enum sql_status st;
	bool took;

	if (s->limits.gone && s->limits.gone(s->limits.gone_arg)) {
		err_set(e, ECANCELED, "whoever asked has gone");
		return SQL_FAILED;
	}
	took = sql_take_turns(s->db, true);
	sql_set_deadline(s->db, (int)s->limits.seconds * 1000);
	sql_set_until(s->db, s->until_ms);
	sql_set_tick(s->db, TICK_MS, look_whether_gone, s);
	st = sql_query_v(s->db, e, out, text, n, v);
	sql_set_tick(s->db, 0, NULL, NULL);
	sql_set_until(s->db, 0);
	sql_set_deadline(s->db, DEADLINE_MS);
	(void)sql_take_turns(s->db, took);
	s->until_ms += (sql_turns_waited_us(s->db) - waited_us) / 1000;
	if (st != SQL_OK && (clock_mono_ms() >= s->until_ms || !strcmp(sql_state(s->db), "57014")))
		err_set(e, ETIMEDOUT, "the search took longer than %u seconds (limits.search_seconds): narrow it down, by time or person",
			s->limits.seconds);
	return st;
}

static void
keep_id(struct search *s, uint64_t id, uint64_t index)
{
	if (s->nids == s->ids_cap) {
		s->ids_cap = s->ids_cap ? s->ids_cap * 2 : PAGE_FIRST;
		s->id = mem_realloc(s->id, s->ids_cap * sizeof(*s->id));
		s->index = mem_realloc(s->index, s->ids_cap * sizeof(*s->index));
	}
	s->id[s->nids] = id;
	s->index[s->nids++] = index;
}

/* Goes on at `index` (which has been looked at or not). */
static void
move_to(struct search *s, uint64_t index, bool seen)
{
	if (!s->backwards)
		s->first = index + seen;
	else if (index < seen)
		s->complete = true;
	else
		s->last = index - seen;
}

static void
grow(struct search *s)
{
	if (s->nids == s->most) {
		s->most = s->most * 4 > PAGE_MAX ? PAGE_MAX : s->most * 4;
		return;
	}
	s->chunks = s->chunks * 4 > CHUNKS_MAX ? CHUNKS_MAX : s->chunks * 4;
	if (s->limits.page)
		s->most -= (unsigned)s->nids;
}

static int
next_page(struct search *s, struct err *e)
{
	char first[24], last[24], most[24], chunks[24];
	PGresult *r;
	int n;

	snprintf(first, sizeof(first), "%" PRIu64, s->first);
	snprintf(last, sizeof(last), "%" PRIu64, s->last);
	snprintf(most, sizeof(most), "%u", s->most);
	snprintf(chunks, sizeof(chunks), "%u", s->chunks);
	if (ask(s, e, &r, "SELECT log_index, id FROM search.find($1::text::tsquery, $2::text[], $3::text[], $4, $5, $6, $7, $8, $9, $10)", 10,
		    (const char *const[]){ buf_len(&s->found) ? buf_str(&s->found) : NULL, s->has, s->lacks, first, last, s->since, s->until,
			    s->backwards ? "t" : "f", most, chunks }) != SQL_OK)
		return -1;
	n = PQntuples(r);
	s->nids = s->next = 0;
	for (int i = 0; i < n; i++)
		if (!sql_is_null(r, i, 1))
			keep_id(s, (uint64_t)sql_i64(r, i, 1), (uint64_t)sql_i64(r, i, 0));
	if (n && sql_is_null(r, n - 1, 1))
		move_to(s, (uint64_t)sql_i64(r, n - 1, 0), false);
	else if (s->nids == s->most)
		move_to(s, s->index[s->nids - 1], true);
	else
		s->complete = true;
	PQclear(r);
	grow(s);
	return 0;
}

/* Records by their ids, so many as fit into $4 bytes and one at least; how many there are at all. */
#define RECORDS(order) \
	"SELECT id, log_index, (extract(epoch FROM at) * 1000000)::bigint, refers_record, kind, direction, deliverable, from_bare," \
	" from_resource, to_bare, to_resource, type, client_id, refers_to, body, stanza, encode(salt, 'hex'), encode(leaf_hash, 'hex'), n FROM" \
	" (SELECT r.*, count(*) OVER () AS n, coalesce(octet_length(r.stanza), 0) + coalesce(octet_length(r.body), 0) AS size," \
	"  sum(coalesce(octet_length(r.stanza), 0) + coalesce(octet_length(r.body), 0)) OVER (ORDER BY r.id " order ") AS upto" \
	"  FROM archive.record r WHERE r.id = ANY ($1::bigint[]) AND r.id BETWEEN $2 AND $3) q" \
	" WHERE upto - size < $4::bigint ORDER BY id " order

enum { ID, INDEX, AT, REFERS, KIND, DIRECTION, DELIVERABLE, TEXTS, SALT = TEXTS + CANONICAL_TEXTS, LEAF, THERE };

/* The records of the next few ids. Those that are not there any more are passed over. */
static int
next_group(struct search *s, struct err *e)
{
	size_t n = s->nids - s->next < GROUP ? s->nids - s->next : GROUP;
	char one[24], other[24], bytes[24];
	struct buf ids = { 0 };
	uint64_t end;
	int got;

	buf_addc(&ids, '{');
	for (size_t i = 0; i < n; i++)
		buf_addf(&ids, "%s%" PRIu64, i ? "," : "", s->id[s->next + i]);
	buf_addc(&ids, '}');
	end = s->id[s->next + n - 1];
	snprintf(one, sizeof(one), "%" PRIu64, s->backwards ? end : s->id[s->next]);
	snprintf(other, sizeof(other), "%" PRIu64, s->backwards ? s->id[s->next] : end);
	snprintf(bytes, sizeof(bytes), "%d", GROUP_BYTES);
	PQclear(s->rows);
	s->rows = NULL;
	s->row = 0;
	got = ask(s, e, &s->rows, s->backwards ? RECORDS("DESC") : RECORDS("ASC"), 4, (const char *const[]){ buf_str(&ids), one, other, bytes }) == SQL_OK ?
		PQntuples(s->rows) : -1;
	buf_fini(&ids);
	if (got < 0)
		return -1;
	if (got && sql_i64(s->rows, 0, THERE) > got) {
		end = (uint64_t)sql_i64(s->rows, got - 1, ID);
		for (n = 0; s->id[s->next + n] != end; n++)
			;
		n++;
	}
	s->next += n;
	return 0;
}

static void
read_row(const PGresult *r, int i, struct search_row *out)
{
	*out = (struct search_row){ .is.id = (uint64_t)sql_i64(r, i, ID), .is.log_index = (uint64_t)sql_i64(r, i, INDEX), .is.at_us = sql_i64(r, i, AT),
		.is.refers_record = (uint64_t)sql_i64(r, i, REFERS), .is.kind = (int)sql_i64(r, i, KIND), .is.direction = (int)sql_i64(r, i, DIRECTION),
		.is.deliverable = sql_bool(r, i, DELIVERABLE), .erased = sql_is_null(r, i, SALT) };
	for (int t = 0; t < CANONICAL_TEXTS; t++)
		if (!sql_is_null(r, i, TEXTS + t)) {
			out->is.text[t] = sql_text(r, i, TEXTS + t);
			out->len[t] = (size_t)PQgetlength(r, i, TEXTS + t);
		}
	if (PQgetlength(r, i, SALT) == 2 * CANONICAL_SALT)
		(void)text_unhex(sql_text(r, i, SALT), 2 * CANONICAL_SALT, out->salt);
	if (PQgetlength(r, i, LEAF) == 2 * SHA256_SIZE)
		(void)text_unhex(sql_text(r, i, LEAF), 2 * SHA256_SIZE, out->leaf);
}

/* 1 when there is an id that has not been read yet, after asking for a page if need be; 0 at the end. */
static int
more_ids(struct search *s, struct err *e)
{
	while (s->next == s->nids) {
		if (s->complete || s->first > s->last)
			return 0;
		if (next_page(s, e))
			return -1;
	}
	return 1;
}

int
search_next(struct search *s, struct search_row *row, struct err *e)
{
	int rc;

	for (;;) {
		while (s->rows && s->row < PQntuples(s->rows)) {
			read_row(s->rows, s->row++, row);
			if (!s->npersons || search_was_heard(s, row))
				return 1;
		}
		rc = more_ids(s, e);
		if (rc <= 0)
			return rc;
		if (next_group(s, e))
			return -1;
	}
}

int
search_next_id(struct search *s, uint64_t *id, uint64_t *log_index, struct err *e)
{
	struct search_row row;
	int rc;

	/* Whether somebody has heard it, only the record can tell. */
	if (s->npersons) {
		rc = search_next(s, &row, e);
		*id = rc > 0 ? row.is.id : 0;
		*log_index = rc > 0 ? row.is.log_index : 0;
		return rc;
	}
	rc = more_ids(s, e);
	if (rc <= 0)
		return rc;
	*id = s->id[s->next];
	*log_index = s->index[s->next++];
	return 1;
}

int
search_record(struct sql *db, uint64_t id, struct search **out, struct search_row *row, struct err *e)
{
	struct search *s = new_search(db, NULL);
	int rc;

	s->complete = true;
	keep_id(s, id > INT64_MAX ? INT64_MAX : id, 0);
	rc = search_next(s, row, e);
	if (rc <= 0) {
		search_close(s);
		s = NULL;
	}
	*out = s;
	return rc;
}

enum sql_status
search_state(struct sql *db, struct search_state *out, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT log_index, id FROM search.progress", 0);

	if (st != SQL_OK)
		return st;
	*out = (struct search_state){ 0 };
	if (PQntuples(r)) {
		out->log_index = (uint64_t)sql_i64(r, 0, 0);
		out->id = (uint64_t)sql_i64(r, 0, 1);
	}
	PQclear(r);
	return SQL_OK;
}

enum sql_status
search_people(struct sql *db, struct arena *a, const char *called, unsigned most, struct search_person **out, size_t *n, struct err *e)
{
	char limit[24];
	PGresult *r;
	enum sql_status st;

	snprintf(limit, sizeof(limit), "%u", most);
	st = sql_query(db, e, &r, "SELECT jid, name, source FROM search.people($1, $2)", 2, called, limit);
	if (st != SQL_OK)
		return st;
	*n = (size_t)PQntuples(r);
	*out = arena_alloc(a, (*n + 1) * sizeof(**out));
	for (size_t i = 0; i < *n; i++)
		(*out)[i] = (struct search_person){ .jid = arena_strdup(a, sql_text(r, (int)i, 0)), .name = arena_strdup(a, sql_text(r, (int)i, 1)),
			.source = arena_strdup(a, sql_text(r, (int)i, 2)) };
	PQclear(r);
	return SQL_OK;
}
