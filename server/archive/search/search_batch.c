/*
 * search_batch: one batch of the indexer (search_indexer.h): records to documents, in one transaction.
 *
 * The progress row is locked first: who erases records locks it too (search.forget), so what is erased is either not read here any more, or
 * found and taken out there.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/search/search_doc.h"
#include "archive/search/search_indexer.h"
#include "base/clock.h"
#include "base/log.h"
#include "proof/canonical.h"
#include "store/record_kind.h"

#define BATCH 4000
#define BATCH_BYTES (4 * 1024 * 1024)
#define COPY_MS 60000
#define CHUNK_SHIFT 17

struct batch {
	struct sql *db;
	struct search_words *words;
	uint64_t before, next_index; /* progress */
	int64_t chunk;
	unsigned n, docs;            /* records looked at, and documents made of them */
	uint64_t last_id, last_index;
	uint64_t first_doc, last_doc; /* indexes of the first and the last that was made a document */
	bool more;                   /* there were more records than fitted */
	int64_t at_us;
	int64_t first_at, last_at;   /* of the documents */
	struct buf copy;             /* their rows, in COPY's binary form */
	struct buf w, m;             /* of one document */
};

enum { ID, INDEX, AT, REFERS, KIND, DIRECTION, FROM, TO, REFERS_TO, BODY, STANZA };

static enum sql_status
read_progress(struct batch *b, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(b->db, e, &r, "SELECT form, id, log_index FROM search.progress FOR UPDATE", 0);
	char form[16];

	if (st != SQL_OK)
		return st;
	if (PQntuples(r) != 1) {
		PQclear(r);
		err_set(e, 0, "search.progress has no row");
		return SQL_FAILED;
	}
	b->before = (uint64_t)sql_i64(r, 0, 1);
	b->next_index = (uint64_t)sql_i64(r, 0, 2);
	if (sql_i64(r, 0, 0) != SEARCH_FORM) {
		snprintf(form, sizeof(form), "%d", SEARCH_FORM);
		st = sql_do(b->db, e, "SELECT search.reset($1)", 1, form);
		b->before = b->next_index = 0;
		log_info(NULL, "search-anew", "form=%d", SEARCH_FORM);
	}
	PQclear(r);
	return st;
}

static enum sql_status
read_records(struct batch *b, uint64_t upto, PGresult **out, struct err *e)
{
	char before[24], last[24], most[24], bytes[24];

	snprintf(before, sizeof(before), "%" PRIu64, b->before);
	snprintf(last, sizeof(last), "%" PRIu64, upto > INT64_MAX ? INT64_MAX : upto);
	snprintf(most, sizeof(most), "%d", BATCH);
	snprintf(bytes, sizeof(bytes), "%d", BATCH_BYTES);
	return sql_query(b->db, e, out,
		"SELECT id, log_index, (extract(epoch FROM at) * 1000000)::bigint, refers_record, kind, direction, from_bare, to_bare,"
		" refers_to, body, stanza FROM (SELECT q.*, sum(coalesce(octet_length(q.stanza), 0)) OVER (ORDER BY q.id) AS upto FROM"
		"  (SELECT r.* FROM archive.record r WHERE r.id > $1 AND r.id <= $2 ORDER BY r.id LIMIT $3) q) p"
		" WHERE p.upto - coalesce(octet_length(p.stanza), 0) < $4::bigint ORDER BY id", 4, before, last, most, bytes);
}

static void
read_row(const PGresult *r, int i, struct search_row *out)
{
	static const struct { int col; enum canonical_text text; } texts[] = { { FROM, CANONICAL_FROM_BARE }, { TO, CANONICAL_TO_BARE },
		{ REFERS_TO, CANONICAL_REFERS_TO }, { BODY, CANONICAL_BODY }, { STANZA, CANONICAL_STANZA } };

	*out = (struct search_row){ .is.id = (uint64_t)sql_i64(r, i, ID), .is.log_index = (uint64_t)sql_i64(r, i, INDEX), .is.at_us = sql_i64(r, i, AT),
		.is.refers_record = (uint64_t)sql_i64(r, i, REFERS), .is.kind = (int)sql_i64(r, i, KIND), .is.direction = (int)sql_i64(r, i, DIRECTION) };
	for (size_t t = 0; t < sizeof(texts) / sizeof(texts[0]); t++)
		if (!sql_is_null(r, i, texts[t].col)) {
			out->is.text[texts[t].text] = sql_text(r, i, texts[t].col);
			out->len[texts[t].text] = (size_t)PQgetlength(r, i, texts[t].col);
		}
}

static void
add_row(struct batch *b, const struct search_row *r)
{
	char *row = buf_reserve(&b->copy, 2 + 3 * 12 + 2 * 4 + buf_len(&b->w) + buf_len(&b->m)), *p = row;

	*p++ = 0;
	*p++ = 5; /* columns */
	p = canonical_field64(p, r->is.log_index);
	p = canonical_field64(p, r->is.id);
	p = canonical_field64(p, (uint64_t)r->is.at_us);
	p = canonical_field(p, buf_data(&b->w), buf_len(&b->w));
	p = canonical_field(p, buf_data(&b->m), buf_len(&b->m));
	buf_added(&b->copy, (size_t)(p - row));
}

static void
add_document(struct batch *b, const struct search_row *r)
{
	b->n++;
	b->at_us = r->is.at_us;
	b->last_id = r->is.id;
	b->last_index = r->is.log_index;
	/* What was looked for before is not what was said: auditors have their own way to it. */
	if (r->is.kind == RECORD_AUDIT)
		return;
	b->first_at = !b->docs || r->is.at_us < b->first_at ? r->is.at_us : b->first_at;
	b->last_at = !b->docs || r->is.at_us > b->last_at ? r->is.at_us : b->last_at;
	b->first_doc = b->docs ? b->first_doc : r->is.log_index;
	b->last_doc = r->is.log_index;
	b->docs++;
	buf_clear(&b->w);
	buf_clear(&b->m);
	search_doc(b->words, r, &b->w, &b->m);
	add_row(b, r);
}

/* Those of one chunk. */
static void
add_documents(struct batch *b, const PGresult *r, uint64_t upto)
{
	struct search_row row;

	for (int i = 0; i < PQntuples(r); i++) {
		read_row(r, i, &row);
		if (b->n && (int64_t)(row.is.log_index >> CHUNK_SHIFT) != b->chunk)
			break;
		b->chunk = (int64_t)(row.is.log_index >> CHUNK_SHIFT);
		add_document(b, &row);
	}
	b->more = b->last_id < upto;
}

static enum sql_status
chunk_do(struct batch *b, int64_t chunk, bool make, struct err *e)
{
	char no[24];

	snprintf(no, sizeof(no), "%" PRId64, chunk);
	return make ? sql_do(b->db, e, "SELECT search.make_chunk($1)", 1, no) : sql_do(b->db, e, "SELECT search.index_chunk($1)", 1, no);
}

/* Into the chunk's table, and what is known of the chunk and of its slices. */
static enum sql_status
write_rows(struct batch *b, struct err *e)
{
	char sql[80], no[24], docs[24], first[24], last[24], from[24], to[24];
	enum sql_status st;

	snprintf(sql, sizeof(sql), "COPY search.doc_%" PRId64 " FROM STDIN BINARY", b->chunk);
	snprintf(no, sizeof(no), "%" PRId64, b->chunk);
	snprintf(docs, sizeof(docs), "%u", b->docs);
	snprintf(first, sizeof(first), "%" PRId64, b->first_at);
	snprintf(last, sizeof(last), "%" PRId64, b->last_at);
	snprintf(from, sizeof(from), "%" PRIu64, b->first_doc);
	snprintf(to, sizeof(to), "%" PRIu64, b->last_doc);
	buf_add(&b->copy, "\377\377", 2);
	st = sql_copy_in(b->db, sql, buf_data(&b->copy), buf_len(&b->copy), clock_mono_ms() + COPY_MS, e);
	if (st == SQL_OK)
		st = sql_do(b->db, e, "WITH slices AS MATERIALIZED (SELECT search.widen_slices($5, $6, $3, $4)) UPDATE search.chunk SET docs = docs + $2::bigint,"
			" first_at = least(first_at, $3::bigint), last_at = greatest(last_at, $4::bigint) FROM slices WHERE no = $1", 6, no, docs, first, last, from, to);
	return st;
}

static enum sql_status
write_documents(struct batch *b, struct err *e)
{
	char before[24], id[24], index[24];
	enum sql_status st = SQL_OK;
	int64_t last = b->next_index ? (int64_t)((b->next_index - 1) >> CHUNK_SHIFT) : -1;

	if (b->chunk != last)
		st = chunk_do(b, b->chunk, true, e);
	/* The one before is full now. */
	if (st == SQL_OK && b->chunk != last && last >= 0)
		st = chunk_do(b, last, false, e);
	snprintf(before, sizeof(before), "%" PRIu64, b->before);
	snprintf(id, sizeof(id), "%" PRIu64, b->last_id);
	snprintf(index, sizeof(index), "%" PRIu64, b->last_index + 1);
	/* The progress: documents come by themselves, a function would have to take them apart and put them together again. */
	if (st == SQL_OK)
		st = sql_do(b->db, e, "SELECT search.add($1, $2, $3, '{}', '{}', '{}', '{}', '{}')", 3, before, id, index);
	if (st == SQL_OK && b->docs)
		st = write_rows(b, e);
	/* People are here already: from now on each batch is sorted in as it comes. */
	if (st == SQL_OK && !b->more)
		st = chunk_do(b, b->chunk, false, e);
	return st;
}

static enum sql_status
run(struct batch *b, uint64_t upto, struct err *e)
{
	PGresult *r;
	enum sql_status st = read_progress(b, e);

	if (st == SQL_OK)
		st = read_records(b, upto, &r, e);
	if (st != SQL_OK)
		return st;
	add_documents(b, r, upto);
	PQclear(r);
	return b->n ? write_documents(b, e) : SQL_OK;
}

enum sql_status
search_index_batch(struct sql *db, struct search_words *w, uint64_t upto, unsigned *added, int64_t *at_us, struct err *e)
{
	struct batch b = { .db = db, .words = w };
	enum sql_status st;

	*added = 0;
	buf_add(&b.copy, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
	st = sql_begin(db, e);
	/* What a crash of PostgreSQL takes back is indexed again: how far it is, is in the same transaction. So nobody waits for the disk. */
	if (st == SQL_OK)
		st = sql_do(db, e, "SET LOCAL synchronous_commit = off", 0);
	if (st == SQL_OK)
		st = run(&b, upto, e);
	if (st == SQL_OK)
		st = sql_commit(db, e);
	else
		sql_rollback(db);
	if (st == SQL_OK) {
		*added = b.n;
		*at_us = b.n ? b.at_us : *at_us;
	}
	buf_fini(&b.copy);
	buf_fini(&b.w);
	buf_fini(&b.m);
	return st;
}
