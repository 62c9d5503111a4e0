/*
 * room_line: what is said in a room, to each client of ours that is in it when it is said. A line ends when all of them have it. Of what chanceryd cannot take for now the
 * rest is offered again, to who is still there (again.h), up to limits.again_room_lines and again_copies. Where there is no room for more, lines are missing: one that says how many takes
 * their place.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/room.h"
#include "xmpp/ns.h"

/* For a client that has not got it yet. */
struct copy {
	struct list link;
	struct line *line;
	bool again; /* chanceryd cannot take it for now */
	char to[];
};

struct line {
	struct offer offer;   /* first */
	struct list link;     /* of all */
	struct list in_room;  /* of its room's, in order */
	struct gateway *g;
	struct gateway_room *room; /* NULL: has ended */
	char *nick, *id;
	struct buf inner;
	struct list copies;
	unsigned ncopies;
	unsigned waiting;     /* given and not acknowledged, and one while they are given */
	unsigned missing;     /* it stands for so many that are not there */
	bool held;            /* it waits in again */
	bool dated;           /* it says by itself when it was said */
	bool is_for_one;      /* what who enters is shown: nobody else misses it */
	int64_t said_us;
	void (*stored)(void *arg, enum xerror e, const char *text);
	void *arg;
};

static struct list lines = { &lines, &lines };

static void
copy_free(struct copy *c)
{
	c->line->ncopies--;
	list_remove(&c->link);
	free(c);
}

static void
copies_free(struct line *l)
{
	LIST_EACH(pos, &l->copies)
		copy_free(LIST_ENTRY(pos, struct copy, link));
}

static void
copy_add(struct line *l, const char *to)
{
	struct copy *c = mem_zalloc(sizeof(*c) + strlen(to) + 1);

	c->line = l;
	strcpy(c->to, to);
	list_append(&l->copies, &c->link);
	l->ncopies++;
}

/* For all who are in the room now. */
static void
copies_make(struct line *l)
{
	LIST_EACH(pos, &ROOM_KEPT(l->room)->seats) {
		struct gateway_seat_kept *k = LIST_ENTRY(pos, struct gateway_seat_kept, in_room);

		for (struct room_client *c = k->s.in ? k->clients : NULL; c; c = c->hh.next)
			copy_add(l, c->jid);
	}
}

/* While it waits it is counted there, and else among what is on its way. */
static void
set_held(struct line *l, bool held)
{
	struct gateway *g = l->g;

	if (l->held == held)
		return;
	l->held = held;
	if (held) {
		g->ncoming--;
		g->again_copies += l->ncopies;
		ROOM_KEPT(l->room)->nheld++;
	} else {
		g->ncoming++;
		g->again_copies -= l->ncopies;
		ROOM_KEPT(l->room)->nheld--;
	}
}

static void
line_free(struct line *l)
{
	set_held(l, false);
	l->g->ncoming--;
	again_forget(l->g, &l->offer);
	copies_free(l);
	list_remove(&l->link);
	list_remove(&l->in_room);
	buf_fini(&l->inner);
	free(l->nick);
	free(l->id);
	free(l);
}

static void
line_end(struct line *l, enum xerror e)
{
	void (*stored)(void *arg, enum xerror e, const char *text) = l->stored;
	void *arg = l->arg;
	bool stopping = l->g->stopping;

	line_free(l);
	/* Behind it: who is told may end the room. */
	if (stored && !stopping)
		stored(arg, e, NULL);
}

static bool
has_place(const struct line *l)
{
	const struct gateway_limits *lim = l->g->limits;

	return l->missing || (l->offer.until_ms > l->g->now_ms && ROOM_KEPT(l->room)->nheld < lim->again_room_lines && l->g->again_copies + l->ncopies <= lim->again_copies);
}

/* Nobody will hear it: it stands for itself as a line that is missing, or the one before it does (false: then it is gone). */
static bool
lose(struct line *l)
{
	struct line *before = l->in_room.prev != &ROOM_KEPT(l->room)->lines ? LIST_ENTRY(l->in_room.prev, struct line, in_room) : NULL;

	if (l->is_for_one) {
		line_end(l, XERROR_RESOURCE_CONSTRAINT);
		return false;
	}
	stats_count(&l->g->stats, "lines_lost", 1);
	if (before && before->missing && before->held) {
		before->missing++;
		line_end(l, XERROR_RESOURCE_CONSTRAINT);
		return false;
	}
	log_warning(NULL, "room-lines-lost", "room=%s", l->room->address);
	copies_free(l);
	buf_fini(&l->inner);
	free(l->nick);
	l->nick = NULL;
	l->missing = 1;
	l->offer.until_ms = UINT64_MAX;
	if (l->stored)
		l->stored(l->arg, XERROR_RESOURCE_CONSTRAINT, NULL);
	l->stored = NULL;
	return true;
}

/* Its time is over. */
static void
late(struct offer *o)
{
	struct line *l = (struct line *)o;

	set_held(l, false);
	if (lose(l))
		set_held(l, true);
}

/* Giving */

/* All copies that were given have come to their end. */
static void
settle(struct line *l)
{
	if (--l->waiting)
		return;
	if (list_is_empty(&l->copies) || !l->room || l->g->stopping) {
		line_end(l, XERROR_NONE);
	} else if (has_place(l) || lose(l)) {
		set_held(l, true);
		again_hold(l->g, &l->offer);
	}
}

static void
copy_stored(void *arg)
{
	struct copy *c = arg;
	struct line *l = c->line;

	if (c->again)
		c->again = false;
	else
		copy_free(c);
	settle(l);
}

/* Who has left while it waited does not hear it. */
static bool
is_there(const struct line *l, const char *client)
{
	LIST_EACH(pos, &ROOM_KEPT(l->room)->seats) {
		const struct room_client *c;

		HASH_FIND_STR(LIST_ENTRY(pos, struct gateway_seat_kept, in_room)->clients, client, c);
		if (c)
			return true;
	}
	return false;
}

static void
write_missing(struct line *l)
{
	copies_free(l);
	copies_make(l);
	buf_clear(&l->inner);
	buf_addf(&l->inner, "<body>%u %s of ", l->missing, l->missing == 1 ? "line" : "lines");
	write_chars(&l->inner, l->room->address);
	buf_addf(&l->inner, " %s missing here: what was said could not be recorded.</body>", l->missing == 1 ? "is" : "are");
}

/* Copies differ in nothing but whom they are to: what stands before that and behind it is written once. */
static void
write_around(struct line *l, struct buf *head, struct buf *tail)
{
	write_from(l->g, head, "message", ROOM_KEPT(l->room)->local, l->nick);
	write_attr(tail, "type", "groupchat");
	write_attr(tail, "id", l->id);
	buf_addc(tail, '>');
	buf_add(tail, buf_data(&l->inner), buf_len(&l->inner));
	if (!l->dated && !l->missing)
		incoming_write_delay(l->g, tail, l->said_us);
	buf_adds(tail, "</message>");
}

static void
give_copy(struct line *l, struct copy *c, const struct buf *head, const struct buf *tail)
{
	struct buf b = { 0 };

	buf_reserve(&b, buf_len(head) + buf_len(tail) + 2 * strlen(c->to) + 16);
	buf_add(&b, buf_data(head), buf_len(head));
	write_attr(&b, "to", c->to);
	buf_add(&b, buf_data(tail), buf_len(tail));
	l->waiting++;
	link_send(l->g, buf_data(&b), buf_len(&b), copy_stored, c);
	buf_fini(&b);
}

static void
give(struct offer *o)
{
	struct line *l = (struct line *)o;
	struct buf head = { 0 }, tail = { 0 };
	bool waited = l->held;

	set_held(l, false);
	if (l->missing)
		write_missing(l);
	l->waiting = 1;
	write_around(l, &head, &tail);
	LIST_EACH(pos, &l->copies) {
		struct copy *c = LIST_ENTRY(pos, struct copy, link);

		if (waited && !is_there(l, c->to))
			copy_free(c);
		else
			give_copy(l, c, &head, &tail);
	}
	buf_fini(&head);
	buf_fini(&tail);
	settle(l);
}

void
room_say(struct gateway_room *r, const struct room_words *w, const char *client)
{
	struct gateway *g = r->gateway;
	struct line *l = NEW(struct line);

	*l = (struct line){ .offer = { .until_ms = g->now_ms + g->limits->again_seconds * 1000, .give = give, .late = late }, .g = g, .room = r,
		.nick = w->nick && *w->nick ? mem_strdup(w->nick) : NULL, .id = mem_strdup(w->id), .dated = w->dated, .is_for_one = client != NULL, .said_us = clock_wall_us(), .stored = w->stored, .arg = w->arg };
	list_init(&l->offer.link);
	list_init(&l->copies);
	buf_add(&l->inner, buf_data(w->inner), buf_len(w->inner));
	list_append(&lines, &l->link);
	list_append(&ROOM_KEPT(r)->lines, &l->in_room);
	g->ncoming++;
	if (client)
		copy_add(l, client);
	else
		copies_make(l);
	if (!again_waits(g)) {
		give(&l->offer);
	} else if (list_is_empty(&l->copies)) {
		line_end(l, XERROR_NONE);
	} else if (has_place(l) || lose(l)) {
		set_held(l, true);
		again_offer(g, &l->offer);
	}
}

bool
room_line_refused(struct gateway *g, const char *address, const char *client, const char *id, enum xerror e)
{
	struct gateway_room *r = incoming_is_for_now(e) ? gateway_room_find(g, address) : NULL;

	if (!r)
		return false;
	LIST_EACH(pos, &ROOM_KEPT(r)->lines) {
		struct line *l = LIST_ENTRY(pos, struct line, in_room);

		if (l->held || strcmp(l->id, id))
			continue;
		LIST_EACH(at, &l->copies) {
			struct copy *c = LIST_ENTRY(at, struct copy, link);

			if (c->again || strcmp(c->to, client))
				continue;
			c->again = true;
			stats_count(&g->stats, "offered_again", 1);
			return true;
		}
	}
	return false;
}

void
room_lines_end(struct gateway_room *r)
{
	struct list *pos;

	while ((pos = ROOM_KEPT(r)->lines.next) != &ROOM_KEPT(r)->lines) {
		struct line *l = LIST_ENTRY(pos, struct line, in_room);

		if (l->held) {
			line_end(l, XERROR_NONE);
			continue;
		}
		/* What is on its way arrives. */
		list_remove(&l->in_room);
		l->room = NULL;
	}
}

void
rooms_end(void)
{
	while (!list_is_empty(&lines))
		line_free(LIST_ENTRY(lines.next, struct line, link));
}
