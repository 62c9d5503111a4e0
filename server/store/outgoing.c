/*
 * outgoing: an array of ids that grows at its end, each with a bit that says whether it is settled. Settled ones at the front are
 * dropped; those between open ones when they are more than these.
 */
#include "store/outgoing.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/metric.h"

#define LISTED_MAX 10000 /* ids in the state; with more open ones the mark stands before the next */
#define SPARE 1024       /* settled ones that are left where they are */

struct item {
	uint64_t id : 63;
	uint64_t settled : 1;
};

/* One record per process (store/record). */
static struct {
	pthread_mutex_t lock;
	struct item *item;
	size_t first, n, cap, open; /* n from `first` on */
	uint64_t upto;
	bool changed;
} out = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The settled ones go. */
static void
compact(void)
{
	size_t k = 0;

	for (size_t i = out.first; i < out.first + out.n; i++)
		if (!out.item[i].settled)
			out.item[k++] = out.item[i];
	out.first = 0;
	out.n = k;
}

static void
make_room(void)
{
	if (out.first + out.n < out.cap)
		return;
	if (out.cap - out.open > out.cap / 2) {
		compact();
		return;
	}
	out.cap = out.cap ? out.cap * 2 : 64;
	out.item = mem_realloc(out.item, out.cap * sizeof(*out.item));
}

void
outgoing_open(uint64_t id)
{
	pthread_mutex_lock(&out.lock);
	make_room();
	out.item[out.first + out.n++] = (struct item){ .id = id };
	out.open++;
	out.changed = true;
	metric_set(METRIC_S2S_OUTBOX, (int64_t)out.open);
	pthread_mutex_unlock(&out.lock);
}

void
outgoing_upto(uint64_t id)
{
	pthread_mutex_lock(&out.lock);
	out.upto = id;
	pthread_mutex_unlock(&out.lock);
}

static struct item *
find(uint64_t id)
{
	size_t lo = out.first, hi = out.first + out.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (out.item[mid].id == id)
			return &out.item[mid];
		if (out.item[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

void
outgoing_settle(uint64_t id)
{
	struct item *i;

	pthread_mutex_lock(&out.lock);
	i = find(id);
	if (i && !i->settled) {
		i->settled = 1;
		out.open--;
		out.changed = true;
		while (out.n && out.item[out.first].settled) {
			out.first++;
			out.n--;
		}
		if (!out.n)
			out.first = 0;
		else if (out.n > 2 * out.open + SPARE)
			compact();
		metric_set(METRIC_S2S_OUTBOX, (int64_t)out.open);
	}
	pthread_mutex_unlock(&out.lock);
}

size_t
outgoing_count(void)
{
	size_t n;

	pthread_mutex_lock(&out.lock);
	n = out.open;
	pthread_mutex_unlock(&out.lock);
	return n;
}

/* Written back */

/* The open ones up to `upto`, LISTED_MAX at most. Returns the mark: all up to there that are open are in the list. */
static uint64_t
list_open(struct buf *b)
{
	size_t listed = 0;

	for (size_t i = out.first; i < out.first + out.n; i++) {
		if (out.item[i].settled || out.item[i].id > out.upto)
			continue;
		if (listed++ == LISTED_MAX)
			return out.item[i].id - 1;
		if (listed > 1)
			buf_addc(b, ',');
		buf_addu(b, out.item[i].id);
	}
	return out.upto;
}

struct outgoing_state *
outgoing_take(void)
{
	struct outgoing_state *s = NULL;
	struct buf mark = { 0 }, open = { 0 };

	pthread_mutex_lock(&out.lock);
	if (out.changed && out.upto) {
		s = NEW(struct outgoing_state);
		buf_addc(&open, '{');
		buf_addu(&mark, list_open(&open));
		buf_addc(&open, '}');
		out.changed = false;
	}
	pthread_mutex_unlock(&out.lock);
	if (s) {
		buf_str(&mark);
		buf_str(&open);
		s->mark = mark.data;
		s->open = open.data;
	}
	return s;
}

void
outgoing_not_written(void)
{
	pthread_mutex_lock(&out.lock);
	out.changed = true;
	pthread_mutex_unlock(&out.lock);
}

void
outgoing_state_free(struct outgoing_state *s)
{
	if (!s)
		return;
	free(s->mark);
	free(s->open);
	free(s);
}

enum sql_status
outgoing_write(struct sql *db, const struct outgoing_state *s, struct err *e)
{
	return sql_do(db, e, "UPDATE chancery.outbox SET mark = $1::bigint, open = $2::bigint[]", 2, s->mark, s->open);
}

/* Read again */

enum sql_status
outgoing_read_state(struct sql *db, struct outgoing_state *s, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT mark, open FROM chancery.outbox", 0);

	if (st != SQL_OK)
		return st;
	s->mark = mem_strdup(PQntuples(r) ? sql_text(r, 0, 0) : "0");
	s->open = mem_strdup(PQntuples(r) ? sql_text(r, 0, 1) : "{}");
	PQclear(r);
	return SQL_OK;
}

enum sql_status
outgoing_page(struct sql *db, struct arena *a, const struct outgoing_state *s, uint64_t after, uint64_t upto, unsigned limit,
	struct outgoing_row **rows, size_t *n, struct err *e)
{
	char from[24], to[24], max[12];
	struct outgoing_row *row;
	PGresult *r;
	enum sql_status st;

	*n = 0;
	snprintf(from, sizeof(from), "%" PRIu64, after);
	snprintf(to, sizeof(to), "%" PRIu64, upto);
	snprintf(max, sizeof(max), "%u", limit);
	st = sql_query(db, e, &r,
		"SELECT r.id, (extract(epoch FROM r.at) * 1000000)::bigint, r.stanza, r.refers_record FROM archive.record r"
		" WHERE r.direction = 2 AND r.deliverable AND r.stanza IS NOT NULL AND r.id <= $4::bigint"
		"  AND r.id > greatest($3::bigint, least($1::bigint, (SELECT min(o) - 1 FROM unnest($2::bigint[]) AS o)))"
		"  AND (r.id > $1::bigint OR r.id = ANY ($2::bigint[]))"
		"  AND NOT EXISTS (SELECT FROM archive.record x WHERE x.refers_record = r.id AND x.kind = 7 AND x.id > r.id)"
		" ORDER BY r.id LIMIT $5::bigint",
		5, s->mark, s->open, from, to, max);
	if (st != SQL_OK)
		return st;
	row = arena_alloc(a, ((size_t)PQntuples(r) + 1) * sizeof(*row));
	for (int i = 0; i < PQntuples(r); i++) {
		row[i].id = (uint64_t)sql_i64(r, i, 0);
		row[i].at_us = sql_i64(r, i, 1);
		row[i].stanza_len = (size_t)PQgetlength(r, i, 2);
		row[i].stanza = arena_strndup(a, sql_text(r, i, 2), row[i].stanza_len);
		row[i].peer = (uint64_t)sql_i64(r, i, 3);
	}
	*rows = row;
	*n = (size_t)PQntuples(r);
	PQclear(r);
	return SQL_OK;
}
