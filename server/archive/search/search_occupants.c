/*
 * search_occupants: who was in a room at some moment: who had come, since the last time that nobody was left, and had not gone.
 */
#include <stdlib.h>
#include <string.h>

#include "archive/search/search_doc.h"
#include "archive/search/search_priv.h"
#include "base/mem.h"
#include "store/record_kind.h"

#define BIT(kind) (UINT64_C(1) << (kind))

struct crossing {
	struct search_occupant who;
	uint64_t index;
	bool in;
};

struct crossings {
	struct crossing *v;
	size_t n, cap;
};

static const char *
nick_of(struct arena *a, const struct search_row *r)
{
	const char *stanza = r->is.text[CANONICAL_STANZA], *slash = NULL, *nick;
	struct buf from = { 0 };

	if (stanza && search_doc_attribute(stanza, r->len[CANONICAL_STANZA], NULL, "from", &from))
		slash = strchr(buf_str(&from), '/');
	nick = slash ? arena_strdup(a, slash + 1) : NULL;
	buf_fini(&from);
	return nick;
}

static void
add(struct crossings *c, struct arena *a, const struct search_row *r)
{
	const char *resource = r->is.text[CANONICAL_FROM_RESOURCE];
	bool in = r->is.kind == RECORD_ROOM_ENTER;

	if (c->n == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 64;
		c->v = mem_realloc(c->v, c->cap * sizeof(*c->v));
	}
	c->v[c->n++] = (struct crossing){ .index = r->is.log_index, .in = in,
		.who = { .jid = arena_printf(a, "%s%s%s", r->is.text[CANONICAL_FROM_BARE], resource ? "/" : "", resource ? resource : ""),
			.nick = in ? nick_of(a, r) : NULL, .since_us = r->is.at_us } };
}

/* Everything before it is over: the server had stopped. */
static bool
is_end(const struct search_row *r)
{
	struct search_tags tags = { 0 };

	if (r->is.kind == RECORD_ROOM_CONFIG && r->is.text[CANONICAL_STANZA])
		search_doc_tags(r->is.text[CANONICAL_STANZA], r->len[CANONICAL_STANZA], &tags);
	return tags.shutdown;
}

static int
read_crossings(struct search *s, struct arena *a, const char *room, struct crossings *c, struct err *e)
{
	struct search_row r;
	int rc;

	while ((rc = search_next(s, &r, e)) > 0 && !is_end(&r)) {
		if (r.is.kind == RECORD_ROOM_CONFIG || !r.is.text[CANONICAL_FROM_BARE] || !r.is.text[CANONICAL_TO_BARE] ||
			strcmp(r.is.text[CANONICAL_TO_BARE], room))
			continue;
		if (c->n >= s->limits.events)
			return err_set(e, 0, "people have come into the room and left it more than %u times (limits.search_events)", s->limits.events);
		add(c, a, &r);
	}
	return rc < 0 ? -1 : 0;
}

/* Of a client the latest first. */
static int
by_client(const void *a, const void *b)
{
	const struct crossing *x = a, *y = b;
	int c = strcmp(x->who.jid, y->who.jid);

	return c ? c : x->index > y->index ? -1 : x->index < y->index;
}

int
search_audience(struct sql *db, struct arena *a, const char *room, uint64_t log_index, const struct search_limits *l,
	struct search_occupant **out, size_t *n, struct err *e)
{
	struct search_query q = { .room = &room, .nrooms = 1, .kinds = BIT(RECORD_ROOM_ENTER) | BIT(RECORD_ROOM_LEAVE) | BIT(RECORD_ROOM_CONFIG),
		.before_index = log_index, .newest_first = true };
	struct search *s = log_index ? search_open(db, &q, l, e) : NULL;
	struct crossings c = { 0 };
	int rc = s ? read_crossings(s, a, room, &c, e) : log_index ? -1 : 0;

	*n = 0;
	*out = arena_alloc(a, (c.n + 1) * sizeof(**out));
	if (!rc && c.n)
		qsort(c.v, c.n, sizeof(*c.v), by_client);
	for (size_t i = 0; i < c.n && !rc; i++)
		if (c.v[i].in && (!i || strcmp(c.v[i].who.jid, c.v[i - 1].who.jid)))
			(*out)[(*n)++] = c.v[i].who;
	search_close(s);
	free(c.v);
	return rc;
}
