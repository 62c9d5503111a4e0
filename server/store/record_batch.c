/*
 * record_batch: one batch of the archive writer, from the queue to its outcome (see record_writer.h).
 *
 * A batch is one transaction (record_write.c). While it is in flight the entries still belong to their
 * lanes: those that have waited too long are refused and only a struct late is kept. The outcome:
 *
 *     committed        each entry goes home with its id; what was refused meanwhile will be followed by a
 *                      record of kind RETURNED, at the head of the next batch
 *     rolled back      the entries go back to the head of the queue, in order; the batch is forgotten
 *     unknown          nothing moves until batch_resolve has looked it up over a new connection
 *
 * An error that PostgreSQL reports is not believed either until the look-up: it costs one statement.
 */
#include "store/record_writer.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "store/outgoing.h"

#define RETRY_MS 500
#define SALTS 64 /* drawn at once */

void
late_free(struct late *l)
{
	if (!l)
		return;
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		free(l->text[i]);
	free(l);
}

static void
late_append(struct writer *w, struct late *l)
{
	l->next = NULL;
	*w->late_last = l;
	w->late_last = &l->next;
}

static struct late *
late_pop(struct writer *w)
{
	struct late *l = w->late_first;

	w->late_first = l->next;
	if (!w->late_first)
		w->late_last = &w->late_first;
	return l;
}

static struct record_entry *
queue_pop(struct writer *w)
{
	struct record_entry *e = w->first;

	w->first = e->next;
	if (!w->first)
		w->last = &w->first;
	e->next = NULL;
	return e;
}

static char *
copy_text(const char *s)
{
	return s ? mem_strdup(s) : NULL;
}

static struct late *
late_new(const struct record_entry *e, uint64_t id)
{
	struct late *l = NEW(struct late);

	l->id = id;
	l->direction = e->direction;
	l->text[CANONICAL_FROM_BARE] = copy_text(e->from_bare);
	l->text[CANONICAL_FROM_RESOURCE] = copy_text(e->from_resource);
	l->text[CANONICAL_TO_BARE] = copy_text(e->to_bare);
	l->text[CANONICAL_TO_RESOURCE] = copy_text(e->to_resource);
	l->text[CANONICAL_TYPE] = copy_text(e->type);
	l->text[CANONICAL_CLIENT_ID] = copy_text(e->client_id);
	return l;
}

static void
describe_entry(const struct record_entry *e, struct leaf_record *r)
{
	r->is.kind = e->kind;
	r->is.direction = e->direction;
	r->is.deliverable = e->deliverable;
	r->shown = e->shown;
	r->recipient_only = e->recipient_only;
	r->is.refers_record = e->about;
	r->from_key = e->from_key;
	r->to_key = e->to_key;
	r->is.text[CANONICAL_FROM_BARE] = e->from_bare;
	r->is.text[CANONICAL_FROM_RESOURCE] = e->from_resource;
	r->is.text[CANONICAL_TO_BARE] = e->to_bare;
	r->is.text[CANONICAL_TO_RESOURCE] = e->to_resource;
	r->is.text[CANONICAL_TYPE] = e->type;
	r->is.text[CANONICAL_CLIENT_ID] = e->client_id;
	r->is.text[CANONICAL_REFERS_TO] = e->refers_to;
	r->is.text[CANONICAL_BODY] = e->body;
	r->is.text[CANONICAL_STANZA] = e->stanza;
	r->stanza_len = e->stanza ? e->stanza_len : 0;
}

static void
describe_late(const struct late *l, struct leaf_record *r)
{
	r->is.kind = RECORD_RETURNED;
	r->is.direction = l->direction;
	r->is.deliverable = r->shown = r->recipient_only = false;
	r->is.refers_record = l->id;
	r->from_key = r->to_key = 0;
	r->stanza_len = 0;
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		r->is.text[i] = l->text[i];
}

/* The next row: what must be said about returned records first, then the queue. False: nothing left. */
static bool
next_row(struct writer *w, struct batch_row *row)
{
	*row = (struct batch_row){0};
	row->returned = w->late_first != NULL;
	if (row->returned)
		row->late = late_pop(w);
	else if (w->first)
		row->entry = queue_pop(w);
	return row->late || row->entry;
}

static size_t
row_limit(const struct writer *w)
{
	size_t max = atomic_load(&w->batch_max);

	if (w->row_limit && w->row_limit < max)
		max = w->row_limit;
	return max < 1 ? 1 : max > BATCH_ROWS_MAX ? BATCH_ROWS_MAX : max;
}

static void
room_for(struct batch *b, size_t rows)
{
	if (rows <= b->cap)
		return;
	b->cap = rows > 2 * b->cap ? rows : 2 * b->cap;
	b->row = mem_realloc(b->row, b->cap * sizeof(*b->row));
	b->leaf = mem_realloc(b->leaf, b->cap * sizeof(*b->leaf));
}

/* Ids are the time of day, made strictly increasing: several in one microsecond, or a clock that was set
 * back, count on from the last. */
void
batch_build(struct writer *w)
{
	struct batch *b = &w->batch;
	uint8_t salt[SALTS][LEAF_SALT];
	size_t limit = row_limit(w);
	struct leaf_record r;

	b->n = 0;
	b->first_index = w->next_index;
	b->at_us = clock_wall_us();
	if (w->last_id < (uint64_t)b->at_us)
		w->last_id = (uint64_t)b->at_us - 1;
	buf_clear(&b->copy);
	leaf_copy_begin(&b->copy);
	while (b->n < limit && buf_len(&b->copy) < BATCH_BYTES) {
		struct batch_row *row;

		room_for(b, b->n + 1);
		row = &b->row[b->n];
		if (!next_row(w, row))
			break;
		if (b->n % SALTS == 0)
			crypt_random(salt, sizeof(salt));
		row->id = ++w->last_id;
		r.is.id = row->id;
		r.is.log_index = b->first_index + b->n;
		r.is.at_us = b->at_us;
		if (row->returned)
			describe_late(row->late, &r);
		else
			describe_entry(row->entry, &r);
		leaf_copy_row(w->hasher, &b->copy, &r, salt[b->n % SALTS], b->leaf[b->n]);
		b->n++;
	}
	leaf_copy_end(&b->copy);
}

void
batch_expire(struct writer *w, int64_t limit_ms)
{
	struct batch *b = &w->batch;

	for (size_t i = 0; i < b->n; i++) {
		struct batch_row *row = &b->row[i];

		if (!row->entry || row->entry->accepted_ms > limit_ms)
			continue;
		row->late = late_new(row->entry, row->id);
		writer_complete(row->entry, RECORD_REFUSED, "the archive did not take it in time");
		row->entry = NULL;
	}
}

/* Rows whose sender was told meanwhile that they did not arrive: until the next batch says so in the record too,
 * this line does. */
static void
rows_late(struct writer *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct batch_row *row = &w->batch.row[i];

		if (!row->late || row->returned)
			continue;
		log_warning(NULL, "returned-late", "record=%" PRIu64, row->id);
		late_append(w, row->late);
	}
}

/* Before anybody hears of them: what goes to other servers is on its way from here on, whatever happens to us. */
static void
note_outgoing(const struct batch *b)
{
	bool any = false;

	for (size_t i = 0; i < b->n; i++) {
		const struct record_entry *e = b->row[i].entry;

		if (e && e->direction == RECORD_OUT && e->deliverable) {
			outgoing_open(b->row[i].id);
			any = true;
		}
	}
	if (any)
		outgoing_upto(b->row[b->n - 1].id);
}

static void
row_committed(struct batch_row *row, uint64_t log_index, int64_t at_us)
{
	struct record_entry *e = row->entry;

	if (row->returned) {
		log_info(NULL, "returned-recorded", "record=%" PRIu64 " by=%" PRIu64, row->late->id,
			 row->id);
		late_free(row->late);
	} else if (e) {
		e->id = row->id;
		e->log_index = log_index;
		e->at_us = at_us;
		writer_complete(e, RECORD_COMMITTED, NULL);
	}
}

static void
committed(struct writer *w)
{
	struct batch *b = &w->batch;
	size_t n = b->n;

	note_outgoing(b);
	if (w->leaves)
		w->leaves(b->first_index, (const uint8_t (*)[SHA256_SIZE])b->leaf, n);
	metric_add(METRIC_ARCHIVE_RECORDS, (int64_t)n);
	metric_observe(METRIC_ARCHIVE_BATCH, n);
	metric_observe(METRIC_ARCHIVE_COMMIT, (uint64_t)(clock_mono_us() - b->sent_us));
	w->next_index = b->first_index + n;
	atomic_store(&w->committed_id, b->row[n - 1].id);
	b->unknown = false;
	b->n = 0;
	w->conflicts = 0;
	rows_late(w, n);
	writer_settle(w);
	for (size_t i = 0; i < n; i++)
		row_committed(&b->row[i], b->first_index + i, b->at_us);
	w->suspects = w->suspects > n ? w->suspects - n : 0;
	w->row_limit = w->suspects ? w->row_limit * 2 : 0;
}

/* Nothing of the batch is in the record. Back to the head of the queue, last row first. */
static void
rolled_back(struct writer *w)
{
	struct batch *b = &w->batch;

	for (size_t i = b->n; i-- > 0;) {
		struct batch_row *row = &b->row[i];

		if (row->returned) {
			row->late->next = w->late_first;
			if (!w->late_first)
				w->late_last = &row->late->next;
			w->late_first = row->late;
		} else if (row->entry) {
			row->entry->next = w->first;
			if (!w->first)
				w->last = &row->entry->next;
			w->first = row->entry;
		} else {
			late_free(row->late);
		}
	}
	b->n = 0;
	b->unknown = false;
	/* Somebody else may have written, and our index was given back. */
	w->head_known = false;
}

/* The rows were written in one transaction, and a leaf hash with its random salt is like no other: the
 * first row speaks for all. */
enum sql_status
batch_resolve(struct writer *w, struct err *e)
{
	struct batch *b = &w->batch;
	char id[24], hex[2 * SHA256_SIZE + 1];
	PGresult *r;
	enum sql_status st;
	bool found;

	snprintf(id, sizeof(id), "%" PRIu64, b->row[0].id);
	text_hex(b->leaf[0], SHA256_SIZE, hex);
	st = sql_query(w->db, e, &r,
		       "SELECT FROM archive.record WHERE id = $1 AND leaf_hash = decode($2, 'hex')",
		       2, id, hex);
	if (st != SQL_OK)
		return st;
	found = PQntuples(r) == 1;
	PQclear(r);
	log_warning(NULL, "archive-resolved", "records=%zu first=%s outcome=%s", b->n, id,
		    found ? "committed" : "rolled-back");
	if (found)
		committed(w);
	else
		rolled_back(w);
	return SQL_OK;
}

static bool
is_class(const char *state, const char *class_)
{
	return !strncmp(state, class_, 2);
}

/* A row that PostgreSQL will never take. With one row in the batch it is found; else half as many are
 * tried, until the suspects have passed. */
static void
bad_row(struct writer *w, size_t n, const struct err *e)
{
	const struct batch_row *row = &w->batch.row[0];

	if (n > 1) {
		if (w->suspects == 0)
			w->suspects = n;
		w->row_limit = n / 2;
		return;
	}
	w->suspects = w->suspects > 1 ? w->suspects - 1 : 0;
	if (w->suspects == 0)
		w->row_limit = 0;
	/* It is at the head of its queue again, unless it was refused while in flight. */
	if (row->returned) {
		struct late *l = late_pop(w);

		log_error(NULL, "returned-rejected", "record=%" PRIu64 " why=%s", l->id, e->text);
		late_free(l);
	} else if (row->entry) {
		log_error(NULL, "archive-rejected", "from=%s why=%s", row->entry->from_bare,
			  e->text);
		writer_complete(queue_pop(w), RECORD_REFUSED,
				"the archive does not take its content");
	}
}

/* PostgreSQL answered with an error; the rows are back in the queue. By SQLSTATE:
 * 22 bad data, 54 beyond a limit of PostgreSQL: the row's fault. 23514 no partition, 23505 somebody else
 * wrote: read the head and make partitions, at once the first time. The rest is the world's trouble (53100
 * disk full, 25006 read-only, 55P03 locked): later. */
static void
rejected(struct writer *w, size_t n, const char *state, const struct err *e)
{
	if (is_class(state, "22") || is_class(state, "54")) {
		bad_row(w, n, e);
		return;
	}
	if (!strcmp(state, "23514"))
		w->covered = 0;
	if (is_class(state, "23") && w->conflicts++ == 0) {
		log_warning(NULL, "archive-conflict", "state=%s why=%s", state, e->text);
		return;
	}
	w->write_ms = clock_mono_ms() + RETRY_MS;
	writer_went_down(w, e->text);
}

void
batch_run(struct writer *w)
{
	struct batch *b = &w->batch;
	size_t n = b->n;
	char state[6];
	struct err e, why = {0};
	enum sql_status st;

	b->unknown = true;
	b->sent_us = clock_mono_us();
	st = batch_write(w, &why);
	if (st == SQL_OK) {
		writer_came_up(w);
		committed(w);
		return;
	}
	metric_add(METRIC_ARCHIVE_FAILURES, 1);
	memcpy(state, sql_state(w->db), sizeof(state));
	if (st == SQL_FAILED)
		st = batch_resolve(w, &e);
	if (st != SQL_OK) {
		writer_went_down(w, why.text);
		link_lost(w);
		return;
	}
	if (b->n == 0 && !w->head_known)
		rejected(w, n, state, &why);
}
