/*
 * source_audience: who was in a room on the day of a group, by the records of who came and went: those of the day, and before the first of
 * them who was inside already.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "archive/search/search.h"
#include "archive/search/search_doc.h"
#include "base/map.h"
#include "base/mem.h"
#include "export/source_priv.h"

#define BIT(kind) (UINT64_C(1) << (kind))
#define CROSSINGS (BIT(RECORD_ROOM_ENTER) | BIT(RECORD_ROOM_LEAVE) | BIT(RECORD_ROOM_CONFIG))
#define DAY_US INT64_C(86400000000)
#define SECONDS 600
#define STAYS_MAX 200000

/* A client that is inside. */
struct seat {
	const char *jid;
	size_t stay;
	UT_hash_handle hh;
};

struct audience {
	struct arena *arena;       /* the caller's */
	const char *room;
	struct export_presence *stay;
	size_t n, cap;
	struct seat *seats;
};

static void
come(struct audience *a, const char *jid, const char *nick, int64_t at_us)
{
	struct seat *seat;

	HASH_FIND_STR(a->seats, jid, seat);
	if (seat)
		return;
	if (a->n == a->cap) {
		a->cap = a->cap ? 2 * a->cap : 64;
		a->stay = mem_realloc(a->stay, a->cap * sizeof(*a->stay));
	}
	a->stay[a->n] = (struct export_presence){ .jid = jid, .nick = nick, .from_us = at_us };
	seat = arena_zalloc(a->arena, sizeof(*seat));
	seat->jid = jid;
	seat->stay = a->n++;
	HASH_ADD_KEYPTR(hh, a->seats, seat->jid, strlen(seat->jid), seat);
}

static void
leave(struct audience *a, struct seat *seat, int64_t at_us)
{
	a->stay[seat->stay].until_us = at_us;
	HASH_DEL(a->seats, seat);
}

static void
leave_all(struct audience *a, int64_t at_us)
{
	struct seat *seat, *next;

	HASH_ITER(hh, a->seats, seat, next)
		leave(a, seat, at_us);
}

static bool
server_had_stopped(const struct search_row *r)
{
	struct search_tags tags = {0};

	if (r->is.kind == RECORD_ROOM_CONFIG && r->is.text[CANONICAL_STANZA])
		search_doc_tags(r->is.text[CANONICAL_STANZA], r->len[CANONICAL_STANZA], &tags);
	return tags.shutdown;
}

static const char *
nick_of(struct arena *a, const struct search_row *r)
{
	const char *stanza = r->is.text[CANONICAL_STANZA], *slash = NULL, *nick;
	struct buf from = {0};

	if (stanza && search_doc_attribute(stanza, r->len[CANONICAL_STANZA], NULL, "from", &from))
		slash = strchr(buf_str(&from), '/');
	nick = slash ? arena_strdup(a, slash + 1) : NULL;
	buf_fini(&from);
	return nick;
}

/* Who had come before this record, on days before. */
static int
begin(struct audience *a, struct sql *db, uint64_t log_index, struct err *e)
{
	struct search_limits limits = { .seconds = SECONDS };
	struct search_occupant *o;
	size_t n;

	if (search_audience(db, a->arena, a->room, log_index, &limits, &o, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		come(a, o[i].jid, o[i].nick, 0);
	return 0;
}

static void
cross(struct audience *a, const struct search_row *r)
{
	const char *bare = r->is.text[CANONICAL_FROM_BARE], *resource = r->is.text[CANONICAL_FROM_RESOURCE], *jid;
	struct seat *seat;

	if (server_had_stopped(r)) {
		leave_all(a, r->is.at_us);
		return;
	}
	if (r->is.kind == RECORD_ROOM_CONFIG || !bare)
		return;
	jid = arena_printf(a->arena, "%s%s%s", bare, resource ? "/" : "", resource ? resource : "");
	HASH_FIND_STR(a->seats, jid, seat);
	if (r->is.kind == RECORD_ROOM_ENTER)
		come(a, jid, nick_of(a->arena, r), r->is.at_us);
	else if (seat)
		leave(a, seat, r->is.at_us);
}

static int
read_day(struct audience *a, struct sql *db, int64_t day_us, uint64_t first_index, struct err *e)
{
	struct search_limits limits = { .seconds = SECONDS };
	struct search_query q = { .room = &a->room, .nrooms = 1, .kinds = CROSSINGS, .since_us = day_us, .until_us = day_us + DAY_US };
	struct search *s;
	struct search_row r;
	int rc;

	/* Two searches do not share a connection: the first record is looked for by itself. */
	s = search_open(db, &q, &limits, e);
	if (!s)
		return -1;
	rc = search_next(s, &r, e);
	if (rc > 0)
		first_index = r.is.log_index;
	search_close(s);
	if (rc < 0 || begin(a, db, first_index, e))
		return -1;
	s = search_open(db, &q, &limits, e);
	if (!s)
		return -1;
	while ((rc = search_next(s, &r, e)) > 0) {
		if (!r.is.text[CANONICAL_TO_BARE] || strcmp(r.is.text[CANONICAL_TO_BARE], a->room) != 0)
			continue;
		if (a->n >= STAYS_MAX) {
			rc = err_set(e, 0, "people have come and gone too often");
			break;
		}
		cross(a, &r);
	}
	search_close(s);
	return rc;
}

static int64_t
start_of(const char *day)
{
	struct tm tm = {0};

	if (!strptime(day, "%Y-%m-%d", &tm))
		return -1;
	return (int64_t)timegm(&tm) * 1000000;
}

int
export_group_audience(struct export_group *g, struct arena *arena, struct export_presence **out, size_t *n, const char **why, struct err *e)
{
	struct audience a = { .arena = arena, .room = g->conversation };
	int64_t day = start_of(g->day);
	int rc = 0;

	*n = 0;
	*out = NULL;
	*why = NULL;
	if (g->place != EXPORT_ROOM || !*g->conversation || day < 0)
		return 0;
	rc = read_day(&a, ((struct source_group *)g)->source->set.db, day, g->first_index, e);
	/* No code: it is not the database that fails, but a bound that is reached. */
	if (rc && !e->code) {
		*why = arena_strdup(arena, e->text);
		rc = 0;
	} else if (!rc) {
		*n = a.n;
		*out = arena_alloc(arena, (a.n + 1) * sizeof(**out));
		if (a.n)
			memcpy(*out, a.stay, a.n * sizeof(**out));
	}
	HASH_CLEAR(hh, a.seats);
	free(a.stay);
	return rc;
}
