/*
 * links: two sorted lists.
 */
#include "export/links.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "export/conversation.h"

#define IDS_MAX 2000000

/* An id that a reply may name: that of the sender's client, or in rooms the record's. */
struct id {
	uint64_t hash, log_index;
};

/* What a record was about. */
struct done {
	uint64_t by;
	const struct export_target *target;
};

struct links {
	struct arena *arena;      /* texts, bounded */
	struct link *link;        /* by what they are about */
	size_t nlinks, room;
	struct id *id;            /* by hash, the last one with it first */
	size_t nids, id_room;
	struct link *reply;       /* whose `what` is the id; until these are known */
	size_t nreplies, reply_room;
	struct done *done;        /* by who did it */
	size_t ndone, done_room;
	size_t bytes;             /* of texts */
};

static void
add_link(struct link **v, size_t *n, size_t *room, const struct link *x)
{
	if (*n == *room) {
		*room = *room ? 2 * *room : 64;
		*v = mem_realloc(*v, *room * sizeof(**v));
	}
	(*v)[(*n)++] = *x;
}

static void
add_id(struct links *l, const char *id, uint64_t log_index)
{
	if (l->nids >= IDS_MAX)
		return;
	if (l->nids == l->id_room) {
		l->id_room = l->id_room ? 2 * l->id_room : 256;
		l->id = mem_realloc(l->id, l->id_room * sizeof(*l->id));
	}
	l->id[l->nids++] = (struct id){ .hash = crypt_hash(id, strlen(id)), .log_index = log_index };
}

static const char *
keep_text(struct links *l, const char *s)
{
	size_t n = strlen(s);

	l->bytes += n + 1;
	return arena_strndup(l->arena, s, n);
}

/* Groups come in the order of the log, so the list is sorted. */
static void
keep_target(struct links *l, uint64_t by, const struct export_target *t)
{
	struct export_target *mine;

	if (l->bytes + sizeof(*mine) + (t->body ? strlen(t->body) : 0) > LINKS_TEXT)
		return;
	mine = arena_alloc(l->arena, sizeof(*mine));
	*mine = *t;
	mine->body = t->body ? keep_text(l, t->body) : NULL;
	l->bytes += sizeof(*mine);
	if (l->ndone == l->done_room) {
		l->done_room = l->done_room ? 2 * l->done_room : 64;
		l->done = mem_realloc(l->done, l->done_room * sizeof(*l->done));
	}
	l->done[l->ndone++] = (struct done){ .by = by, .target = mine };
}

static int
note_record(struct links *l, struct export_group *g, const struct export_record *r, struct arena *turn, struct err *e)
{
	struct link x = { .by = r->log_index, .at_us = r->at_us, .kind = r->kind, .what = "" };
	const struct export_target *t;
	const char *reply = conversation_answers(r);
	char id[24];

	if (r->client_id)
		add_id(l, r->client_id, r->log_index);
	if (r->place == EXPORT_ROOM && !r->erased) {
		snprintf(id, sizeof(id), "%" PRIu64, r->id);
		add_id(l, id, r->log_index);
	}
	if (l->nlinks + l->nreplies >= LINKS_MAX || l->bytes > LINKS_TEXT)
		return 0;
	if (reply) {
		x.kind = RECORD_MESSAGE;
		x.what = keep_text(l, reply);
		add_link(&l->reply, &l->nreplies, &l->reply_room, &x);
	}
	if (export_group_target(g, r, &t, e))
		return -1;
	if (!t)
		return 0;
	x.kind = r->kind;
	x.about = t->log_index;
	x.what = r->kind == RECORD_REACTION ? keep_text(l, conversation_reactions(r, turn)) : "";
	keep_target(l, r->log_index, t);
	add_link(&l->link, &l->nlinks, &l->room, &x);
	return 0;
}

static int
by_hash(const void *a, const void *b)
{
	const struct id *x = a, *y = b;

	return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->log_index < y->log_index ? 1 : x->log_index > y->log_index ? -1 : 0;
}

static int
by_about(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return x->about != y->about ? (x->about < y->about ? -1 : 1) : x->by < y->by ? -1 : x->by > y->by;
}

static void
resolve_replies(struct links *l)
{
	for (size_t i = 0; i < l->nreplies; i++) {
		struct link x = l->reply[i];

		if (!links_find(l, x.what, &x.about) || x.about == x.by)
			continue;
		x.what = "";
		add_link(&l->link, &l->nlinks, &l->room, &x);
	}
	free(l->reply);
	l->reply = NULL;
	l->nreplies = 0;
}

struct links *
links_read(struct export_group *g, struct err *e)
{
	struct links *l = NEW(struct links);
	struct arena *turn = arena_new(0);
	const struct export_record *r;
	int rc;

	l->arena = arena_new(0);
	export_group_rewind(g);
	while ((rc = export_group_next(g, &r, e)) > 0 && !(rc = note_record(l, g, r, turn, e)))
		arena_reset(turn);
	arena_free(turn);
	if (rc) {
		links_free(l);
		return NULL;
	}
	if (l->nids)
		qsort(l->id, l->nids, sizeof(*l->id), by_hash);
	resolve_replies(l);
	if (l->nlinks)
		qsort(l->link, l->nlinks, sizeof(*l->link), by_about);
	return l;
}

void
links_free(struct links *l)
{
	if (!l)
		return;
	arena_free(l->arena);
	free(l->link);
	free(l->id);
	free(l->reply);
	free(l->done);
	free(l);
}

bool
links_find(const struct links *l, const char *id, uint64_t *log_index)
{
	uint64_t hash = crypt_hash(id, strlen(id));
	size_t lo = 0, hi = l->nids;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->id[mid].hash < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == l->nids || l->id[lo].hash != hash)
		return false;
	*log_index = l->id[lo].log_index;
	return true;
}

const struct link *
links_about(const struct links *l, uint64_t log_index, size_t *n)
{
	size_t lo = 0, hi = l->nlinks;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->link[mid].about < log_index)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*n = 0; lo + *n < l->nlinks && l->link[lo + *n].about == log_index; (*n)++)
		;
	return *n ? &l->link[lo] : NULL;
}

int
links_target(struct links *l, struct export_group *g, const struct export_record *r, const struct export_target **t, struct err *e)
{
	size_t lo = 0, hi = l->ndone;

	*t = NULL;
	if (!r->refers_to)
		return 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (l->done[mid].by < r->log_index)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == l->ndone || l->done[lo].by != r->log_index)
		return export_group_target(g, r, t, e);
	*t = l->done[lo].target;
	return 0;
}
