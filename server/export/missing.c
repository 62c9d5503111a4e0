/*
 * missing: what the log has had and the database has not any more, within what was asked for: missing.jsonl, a line for each run of log indexes,
 * {"first":N,"last":N}. Whether they would have belonged to the export nobody can tell; that they were there, the tree shows.
 *
 * Every log index has a record. So what is exported, what lies outside and these are all there was.
 */
#include <inttypes.h>

#include "export/channel.h"
#include "export/export_store.h"
#include "export/job_priv.h"

#define MEMBER "missing.jsonl"
#define STEP 65536              /* log indexes that are counted at once: some tens of milliseconds, as searches wait meanwhile (store/sql_turn.h) */
#define SLACK_US INT64_C(60000000) /* ids may be ahead of the clock */

struct missing {
	struct job *j;
	bool open;
	uint64_t records, first;
};

/* The log indexes that could be asked for: [*from, *end). */
static int
range_of(struct job *j, uint64_t *from, uint64_t *end, struct err *e)
{
	const struct search_query *q = &j->query;

	*from = q->first_index;
	*end = j->info.tree_size;
	if (q->since_us > 0 && export_store_index_before(j->db, q->since_us, from, e) != SQL_OK)
		return -1;
	if (q->until_us > 0 && export_store_index_from(j->db, q->until_us + SLACK_US, end, e) != SQL_OK)
		return -1;
	*from = *from > q->first_index ? *from : q->first_index;
	*end = q->before_index && q->before_index < *end ? q->before_index : *end;
	return 0;
}

static int
name_run(struct missing *m, uint64_t first, uint64_t last, struct err *e)
{
	if (!m->open && bundle_open(m->j->out, MEMBER, false, e))
		return -1;
	if (!m->records)
		m->first = first;
	m->open = true;
	m->records += last - first + 1;
	return bundle_printf(m->j->out, e, "{\"first\":%" PRIu64 ",\"last\":%" PRIu64 "}\n", first, last);
}

static int
look_at(struct missing *m, uint64_t from, uint64_t end, struct err *e)
{
	uint64_t there;
	PGresult *rows;
	int rc = 0;

	if (export_store_count(m->j->db, from, end, &there, e) != SQL_OK)
		return -1;
	if (there == end - from)
		return 0;
	if (export_store_holes(m->j->db, from, end, &rows, e) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows) && !rc; i++)
		rc = name_run(m, (uint64_t)sql_i64(rows, i, 0), (uint64_t)sql_i64(rows, i, 1) - 1, e);
	PQclear(rows);
	return rc;
}

int
job_put_missing(struct job *j, struct err *e)
{
	struct missing m = { .j = j };
	uint64_t from, end, to;

	if (range_of(j, &from, &end, e))
		return -1;
	for (; from < end; from = to) {
		to = end - from > STEP ? from + STEP : end;
		if (look_at(&m, from, to, e) || job_progress(j, e))
			return -1;
	}
	if (m.open && bundle_close(j->out, e))
		return -1;
	return m.records ? channel_write(json_pack("{s:{s:I,s:I}}", "missing", "records", (json_int_t)m.records, "first", (json_int_t)m.first), e) : 0;
}
