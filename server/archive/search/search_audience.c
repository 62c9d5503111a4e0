/*
 * search_audience: when people were in which rooms, by the records of who came and went (kinds 13 and 14), and by those in which a
 * room notes that nobody who was inside is any more as the server had stopped (kind 17).
 */
#include <stdlib.h>
#include <string.h>

#include "archive/search/search_priv.h"
#include "base/mem.h"
#include "store/record_kind.h"

#define BIT(kind) (UINT64_C(1) << (kind))
/* What is told to who is in a room. */
#define TOLD (BIT(RECORD_MESSAGE) | BIT(RECORD_CORRECTION) | BIT(RECORD_RETRACTION) | BIT(RECORD_REACTION) | BIT(RECORD_RECEIPT) | \
	BIT(RECORD_TYPING) | BIT(RECORD_MODERATION) | BIT(RECORD_ROOM_ENTER) | BIT(RECORD_ROOM_LEAVE) | BIT(RECORD_ROOM_NICK))

struct event {
	uint64_t index;
	const char *room, *seat; /* the full address of who came or went; NULL: all have gone */
	bool in;
};

struct events {
	struct event *event;
	size_t n, cap;
};

static struct event *
add_event(struct events *v)
{
	if (v->n == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 64;
		v->event = mem_realloc(v->event, v->cap * sizeof(*v->event));
	}
	return &v->event[v->n++];
}

static bool
is_one_of(const char *s, const char *const *of, size_t n)
{
	bool found = false;

	for (size_t i = 0; i < n && s && !found; i++)
		found = !strcmp(s, of[i]);
	return found;
}

static int
too_many(const struct search *s, struct err *e)
{
	return err_set(e, 0, "they have come into rooms and left them more than %u times in that time (limits.search_events): narrow it down, by time",
		s->limits.events);
}

/* Rooms of the events so far, each once. */
static const char **
rooms_of(struct search *s, const struct events *v, size_t *n)
{
	const char **room = arena_alloc(s->arena, (v->n + 1) * sizeof(*room));

	*n = 0;
	for (size_t i = 0; i < v->n; i++)
		if (!is_one_of(v->event[i].room, room, *n))
			room[(*n)++] = v->event[i].room;
	return room;
}

/* Records that a query finds become events. `person` is NULL when all have gone. */
static int
read_events(struct search *s, const struct search_query *q, const char *also, struct events *v, struct err *e)
{
	struct search_limits all = s->limits;
	struct search *f;
	struct search_row r;
	int rc;

	all.page = 0;
	f = search_open_also(s->db, q, &all, also, e);
	if (!f)
		return -1;
	while ((rc = search_next(f, &r, e)) > 0) {
		struct event *at;

		if (!r.is.text[CANONICAL_TO_BARE] || (!also && !is_one_of(r.is.text[CANONICAL_FROM_BARE], q->person, q->npersons)))
			continue;
		if (v->n >= s->limits.events) {
			rc = too_many(s, e);
			break;
		}
		at = add_event(v);
		*at = (struct event){ .index = r.is.log_index, .room = arena_strdup(s->arena, r.is.text[CANONICAL_TO_BARE]), .in = r.is.kind == RECORD_ROOM_ENTER };
		if (!also)
			at->seat = arena_printf(s->arena, "%s/%s", r.is.text[CANONICAL_FROM_BARE], r.is.text[CANONICAL_FROM_RESOURCE] ? r.is.text[CANONICAL_FROM_RESOURCE] : "");
	}
	search_close(f);
	return rc;
}

static int
by_index(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static void
add_stay(struct search *s, size_t *cap, const struct event *from)
{
	if (s->nstays == *cap) {
		*cap = *cap ? *cap * 2 : 64;
		s->stay = mem_realloc(s->stay, *cap * sizeof(*s->stay));
	}
	s->stay[s->nstays++] = (struct search_stay){ .room = from->room, .first = from->index, .last = UINT64_MAX };
}

/* A stay goes on from its seat's coming to what ends it; a seat that comes twice has not left in between. */
static void
make_stays(struct search *s, const struct events *v)
{
	struct { const char *seat; size_t stay; } *open = mem_alloc((v->n + 1) * sizeof(*open));
	size_t nopen = 0, cap = 0;

	for (size_t i = 0; i < v->n; i++) {
		const struct event *ev = &v->event[i];
		bool there = false;

		for (size_t k = 0; k < nopen;) {
			struct search_stay *stay = &s->stay[open[k].stay];
			bool same = !strcmp(stay->room, ev->room) && (!ev->seat || !strcmp(open[k].seat, ev->seat));

			there |= same && ev->in;
			if (same && !ev->in) {
				stay->last = ev->index;
				open[k] = open[--nopen];
			} else {
				k++;
			}
		}
		if (ev->in && !there) {
			add_stay(s, &cap, ev);
			open[nopen].seat = ev->seat;
			open[nopen++].stay = s->nstays - 1;
		}
	}
	free(open);
}

static void
ask_for_rooms(struct search *s, const char *const *room, size_t n)
{
	struct buf any = { 0 };

	search_any(&any, "ft", s->person, s->npersons);
	if (n) {
		struct buf rooms = { 0 };

		search_any(&rooms, "t", room, n);
		buf_addf(&any, " | %s", buf_str(&rooms));
		buf_fini(&rooms);
	}
	buf_addf(&s->found, "%s(%s)", buf_len(&s->found) ? " & " : "", buf_str(&any));
	buf_fini(&any);
}

int
search_stays(struct search *s, const struct search_query *q, struct err *e)
{
	/* From the first record on: who came before the time that is asked about may be there still. */
	struct search_query came = { .person = q->person, .npersons = q->npersons, .kinds = BIT(RECORD_ROOM_ENTER) | BIT(RECORD_ROOM_LEAVE),
		.until_us = q->until_us, .before_index = q->before_index };
	struct search_query ended = { .kinds = BIT(RECORD_ROOM_CONFIG), .until_us = q->until_us, .before_index = q->before_index };
	struct events v = { 0 };
	const char **copy = arena_alloc(s->arena, (q->npersons + 1) * sizeof(*copy)), **room;
	size_t nrooms;
	int rc;

	for (size_t i = 0; i < q->npersons; i++)
		copy[i] = arena_strdup(s->arena, q->person[i]);
	s->person = copy;
	s->npersons = q->npersons;
	rc = read_events(s, &came, NULL, &v, e);
	room = rooms_of(s, &v, &nrooms);
	ended.room = room;
	ended.nrooms = nrooms;
	if (!rc && nrooms)
		rc = read_events(s, &ended, ":S", &v, e);
	if (!rc && v.n)
		qsort(v.event, v.n, sizeof(*v.event), by_index);
	if (!rc) {
		make_stays(s, &v);
		ask_for_rooms(s, room, nrooms);
	}
	free(v.event);
	return rc;
}

bool
search_was_heard(const struct search *s, const struct search_row *r)
{
	bool heard = is_one_of(r->is.text[CANONICAL_FROM_BARE], s->person, s->npersons) || is_one_of(r->is.text[CANONICAL_TO_BARE], s->person, s->npersons);

	if (heard || !r->is.text[CANONICAL_TO_BARE] || r->is.kind < 0 || r->is.kind > 63 || !(TOLD >> r->is.kind & 1))
		return heard;
	for (size_t i = 0; i < s->nstays && !heard; i++)
		heard = r->is.log_index >= s->stay[i].first && r->is.log_index <= s->stay[i].last && !strcmp(r->is.text[CANONICAL_TO_BARE], s->stay[i].room);
	return heard;
}
