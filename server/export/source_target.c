/*
 * source_target: what corrections, retractions and reactions are about: asked for all of a page at once, when a format asks for the first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "export/source_priv.h"
#include "store/address.h"

#define ABOUT_MAX 100000 /* then they are forgotten, and looked for again */
#define ROUNDS 2         /* of export_store_said_near */

/* One of the page. */
struct aim {
	struct export_aim is;
	bool settled;              /* found, or it is known that nothing is there */
	bool found;
	struct export_target target;
};

struct source_aims {
	struct arena *arena;
	struct aim aim[SOURCE_PAGE]; /* by id, as the page's rows are */
	size_t n;
};

void
source_forget_aims(struct export_source *s)
{
	if (s->aims)
		arena_free(s->aims->arena);
	s->aims = NULL;
}

/* What was looked for by its name */

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
note_about(struct export_source *s, uint64_t id, uint64_t target)
{
	struct source_about *a;

	if (HASH_COUNT(s->about) >= ABOUT_MAX)
		source_forget_targets(s);
	a = NEW(struct source_about);
	a->id = id;
	a->target = target;
	HASH_ADD(hh, s->about, id, sizeof(a->id), a);
}

/* Pages */

static struct aim *
find_aim(struct source_aims *v, uint64_t id)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->aim[i].is.id == id)
			return &v->aim[i];
	return NULL;
}

static void
take(struct source_aims *v, const PGresult *rows)
{
	for (int i = 0; i < PQntuples(rows); i++) {
		struct aim *a = find_aim(v, (uint64_t)sql_i64(rows, i, TARGET_OF));

		if (!a)
			continue;
		a->settled = a->found = true;
		a->target = (struct export_target){ .id = (uint64_t)sql_i64(rows, i, TARGET_ID), .log_index = (uint64_t)sql_i64(rows, i, TARGET_LOG_INDEX),
			.at_us = sql_i64(rows, i, TARGET_AT), .erased = sql_bool(rows, i, TARGET_ERASED) };
		if (!sql_is_null(rows, i, TARGET_BODY))
			a->target.body = arena_strdup(v->arena, sql_text(rows, i, TARGET_BODY));
	}
}

/* Those that have, or have not, a number. */
static size_t
unsettled(const struct source_aims *v, bool numbered, const struct export_aim **out)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		if (!v->aim[i].settled && (v->aim[i].is.target != 0) == numbered)
			out[n++] = &v->aim[i].is;
	return n;
}

static bool
can_be_about(const PGresult *rows, int i)
{
	int kind = (int)sql_i64(rows, i, ROW_KIND);

	return (kind == RECORD_CORRECTION || kind == RECORD_RETRACTION || kind == RECORD_REACTION || kind == RECORD_MODERATION) &&
	       !sql_is_null(rows, i, ROW_SALT) && !sql_is_null(rows, i, ROW_REFERS_TO) && !sql_is_null(rows, i, ROW_FROM) &&
	       !sql_is_null(rows, i, ROW_TO);
}

/* By the number that the record gives, or by the client's id for it, which takes longer, and is not done again. */
static void
aim_at(struct export_source *s, struct aim *a, int i)
{
	const PGresult *rows = s->page.rows;
	struct source_about *known;
	int kind = (int)sql_i64(rows, i, ROW_KIND);

	*a = (struct aim){ .is = { .id = (uint64_t)sql_i64(rows, i, ROW_ID), .from = sql_text(rows, i, ROW_FROM), .to = sql_text(rows, i, ROW_TO),
		.client_id = sql_text(rows, i, ROW_REFERS_TO) } };
	a->is.own = kind == RECORD_CORRECTION || kind == RECORD_RETRACTION || !strcmp(sql_text(rows, i, ROW_TYPE), "groupchat");
	if (text_u64(a->is.client_id, strlen(a->is.client_id), 1, INT64_MAX, &a->is.target))
		return;
	a->is.target = 0;
	HASH_FIND(hh, s->about, &a->is.id, sizeof(a->is.id), known);
	if (known) {
		a->is.target = known->target;
		a->settled = !known->target;
		return;
	}
	a->is.from_hash = address_hash(a->is.from);
	a->is.to_hash = address_hash(a->is.to);
}

/* By their numbers, then by names: near, then further away. */
static int
ask_all(struct export_source *s, struct source_aims *v, struct err *e)
{
	const struct export_aim *some[SOURCE_PAGE];
	size_t n = unsettled(v, true, some);
	PGresult *rows;

	if (n && export_store_said_ids(s->set.db, some, n, &rows, e) != SQL_OK)
		return -1;
	if (n) {
		take(v, rows);
		PQclear(rows);
	}
	for (int round = 1; round <= ROUNDS; round++) {
		n = unsettled(v, false, some);
		if (n && export_store_said_near(s->set.db, some, n, round, &rows, e) != SQL_OK)
			return -1;
		if (n) {
			take(v, rows);
			PQclear(rows);
		}
	}
	n = unsettled(v, false, some);
	for (size_t i = 0; i < n; i++) {
		if (export_store_said_far(s->set.db, some[i], &rows, e) != SQL_OK)
			return -1;
		take(v, rows);
		PQclear(rows);
	}
	return 0;
}

static int
learn_aims(struct export_source *s, struct err *e)
{
	struct arena *arena = arena_new(0);
	struct source_aims *v = arena_zalloc(arena, sizeof(*v));

	v->arena = arena;
	for (int i = 0; i < PQntuples(s->page.rows); i++)
		if (can_be_about(s->page.rows, i))
			aim_at(s, &v->aim[v->n++], i);
	s->aims = v;
	if (ask_all(s, v, e)) {
		source_forget_aims(s);
		return -1;
	}
	for (size_t i = 0; i < v->n; i++)
		if (!v->aim[i].is.target && !v->aim[i].settled)
			note_about(s, v->aim[i].is.id, 0);
		else if (!v->aim[i].is.target && v->aim[i].found)
			note_about(s, v->aim[i].is.id, v->aim[i].target.id);
	return 0;
}

int
export_group_target(struct export_group *g, const struct export_record *r, const struct export_target **t, struct err *e)
{
	struct export_source *s = ((struct source_group *)g)->source;
	struct aim *a;

	*t = NULL;
	if (!r->refers_to || !r->from_bare || !r->to_bare ||
	    (r->kind != RECORD_CORRECTION && r->kind != RECORD_RETRACTION && r->kind != RECORD_REACTION && r->kind != RECORD_MODERATION))
		return 0;
	if (!s->aims && learn_aims(s, e))
		return -1;
	a = find_aim(s->aims, r->id);
	if (a && a->found)
		*t = &a->target;
	return 0;
}
