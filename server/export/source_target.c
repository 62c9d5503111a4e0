/*
 * source_target: what a correction, a retraction or a reaction is about.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "export/source_priv.h"

#define ABOUT_MAX 100000 /* then they are forgotten, and looked for again */

void
source_forget_targets(struct export_source *s)
{
	struct source_about *a, *next;

	HASH_ITER(hh, s->about, a, next) {
		HASH_DEL(s->about, a);
		free(a);
	}
}

static void
note_about(struct export_source *s, uint64_t id, const PGresult *rows)
{
	struct source_about *a;

	if (HASH_COUNT(s->about) >= ABOUT_MAX)
		source_forget_targets(s);
	a = NEW(struct source_about);
	a->id = id;
	a->target = PQntuples(rows) ? (uint64_t)sql_i64(rows, 0, 0) : 0;
	HASH_ADD(hh, s->about, id, sizeof(a->id), a);
}

/* By the number that the record gives, or by the client's id for it, which takes long. *rows NULL: there is none. */
static enum sql_status
find_target(struct export_source *s, const struct export_record *r, PGresult **rows, struct err *e)
{
	struct source_about *a;
	enum sql_status st;
	uint64_t id;

	if (text_u64(r->refers_to, strlen(r->refers_to), 1, INT64_MAX, &id))
		return export_store_said_id(s->set.db, r->id, id, r->to_bare, rows, e);
	HASH_FIND(hh, s->about, &r->id, sizeof(r->id), a);
	if (a)
		return a->target ? export_store_said_id(s->set.db, r->id, a->target, r->to_bare, rows, e) : SQL_OK;
	st = export_store_said(s->set.db, r->id, r->from_bare, r->to_bare, r->refers_to, rows, e);
	if (st == SQL_OK)
		note_about(s, r->id, *rows);
	return st;
}

int
export_group_target(struct export_group *g, const struct export_record *r, const struct export_target **t, struct err *e)
{
	struct export_source *s = ((struct source_group *)g)->source;
	PGresult *rows = NULL;

	*t = NULL;
	if (!r->refers_to || !r->from_bare || !r->to_bare ||
	    (r->kind != RECORD_CORRECTION && r->kind != RECORD_RETRACTION && r->kind != RECORD_REACTION && r->kind != RECORD_MODERATION))
		return 0;
	if (find_target(s, r, &rows, e) != SQL_OK)
		return -1;
	if (rows && PQntuples(rows) == 1) {
		s->target = (struct export_target){ .id = (uint64_t)sql_i64(rows, 0, 0), .log_index = (uint64_t)sql_i64(rows, 0, 1),
			.at_us = sql_i64(rows, 0, 2), .erased = sql_bool(rows, 0, 4) };
		if (!sql_is_null(rows, 0, 3))
			s->target.body = arena_strdup(s->turn, sql_text(rows, 0, 3));
		*t = &s->target;
	}
	PQclear(rows);
	return 0;
}
