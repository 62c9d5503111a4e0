/*
 * room_line: what is said in a room, to each client of ours that is in it when it is said. A line is one thing, however many hear it: its text is kept once, here and on its way (link.h),
 * with the addresses it is for; chanceryd gets a stanza for each of them. It ends when all have it. Of what chanceryd cannot take for now the
 * rest is offered again, to who is still there (again.h), up to limits.again_room_lines and again_copies. Where there is no room for more, lines are missing: one that says how many takes
 * their place.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/room.h"
#include "xmpp/ns.h"

struct line {
	struct offer offer;   /* first */
	struct list link;     /* of all */
	struct list in_room;  /* of its room's, in order */
	struct gateway *g;
	struct gateway_room *room; /* NULL: has ended */
	char *nick, *id, *file;
	struct buf inner;
	struct buf to;        /* clients that have not got it yet, nor an error for it: each as an attribute's value is written, and a NUL */
	unsigned ncopies;
	struct buf back;      /* those of them for whom chanceryd cannot take it for now; of what is on its way */
	unsigned nback;
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
copies_free(struct line *l)
{
	buf_fini(&l->to);
	l->ncopies = 0;
}

/* `to`: as it is written. */
static void
copy_add(struct line *l, const char *to)
{
	buf_add(&l->to, to, strlen(to) + 1);
	l->ncopies++;
}

/* For all who are in the room now. */
static void
copies_make(struct line *l)
{
	LIST_EACH(pos, &ROOM_KEPT(l->room)->seats) {
		struct gateway_seat_kept *k = LIST_ENTRY(pos, struct gateway_seat_kept, in_room);

		for (struct room_client *c = k->s.in ? k->clients : NULL; c; c = c->hh.next)
			copy_add(l, c->to);
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
	buf_fini(&l->back);
	list_remove(&l->link);
	list_remove(&l->in_room);
	buf_fini(&l->inner);
	free(l->nick);
	free(l->id);
	free(l->file);
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

/* Nobody will hear it: it stands for itself as a line that is missing, or the one before it does (false: then it is gone). Whoever said it is told by tell_lost. */
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
	free(l->file);
	l->nick = l->file = NULL;
	l->missing = 1;
	l->offer.until_ms = UINT64_MAX;
	return true;
}

/* Last of all: who is told may end the room, and with it the line. */
static void
tell_lost(struct line *l)
{
	void (*stored)(void *arg, enum xerror e, const char *text) = l->stored;

	if (!l->missing || !stored)
		return;
	l->stored = NULL;
	stored(l->arg, XERROR_RESOURCE_CONSTRAINT, NULL);
}

/* Its time is over. */
static void
late(struct offer *o)
{
	struct line *l = (struct line *)o;

	set_held(l, false);
	if (!lose(l))
		return;
	set_held(l, true);
	tell_lost(l);
}

/* Giving */

/* Nothing of it is on its way any more: it ends, or waits for those that are left. */
static void
settle(struct line *l)
{
	if (!l->ncopies || !l->room || l->g->stopping) {
		line_end(l, XERROR_NONE);
	} else if (has_place(l) || lose(l)) {
		set_held(l, true);
		again_hold(l->g, &l->offer);
		tell_lost(l);
	}
}

/* chanceryd has all copies that were given, or has given them back. */
static void
copies_stored(void *arg)
{
	struct line *l = arg;

	copies_free(l);
	l->to = l->back;
	l->ncopies = l->nback;
	l->back = (struct buf){ 0 };
	l->nback = 0;
	settle(l);
}

static bool
is_among(const struct buf *to, const char *client)
{
	for (size_t at = 0; at < buf_len(to); at += strlen(buf_data(to) + at) + 1)
		if (!strcmp(buf_data(to) + at, client))
			return true;
	return false;
}

/* Who has left while it waited does not hear it, and who has come meanwhile neither. */
static void
drop_absent(struct line *l)
{
	struct line now = { .room = l->room };
	struct buf all = l->to;

	copies_make(&now);
	l->to = (struct buf){ 0 };
	l->ncopies = 0;
	for (size_t at = 0, n; at < buf_len(&all); at += n) {
		n = strlen(buf_data(&all) + at) + 1;
		if (is_among(&now.to, buf_data(&all) + at))
			copy_add(l, buf_data(&all) + at);
	}
	buf_fini(&now.to);
	buf_fini(&all);
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

/* Copies differ in nothing but whom they are to: what stands before that and behind it. */
static void
write_around(struct line *l, struct buf *head, struct buf *tail)
{
	write_from(l->g, head, "message", ROOM_KEPT(l->room)->local, l->nick);
	buf_adds(head, " to='");
	buf_addc(tail, '\'');
	write_attr(tail, "type", "groupchat");
	write_attr(tail, "id", l->id);
	buf_addc(tail, '>');
	buf_add(tail, buf_data(&l->inner), buf_len(&l->inner));
	if (!l->dated && !l->missing)
		incoming_write_delay(l->g, tail, l->said_us);
	buf_adds(tail, "</message>");
}

static void
give_copies(struct line *l)
{
	struct buf head = { 0 }, tail = { 0 };

	write_around(l, &head, &tail);
	link_send_copies(l->g, &(struct link_copies){ .head = &head, .tail = &tail, .to = &l->to, .n = l->ncopies }, copies_stored, l);
	buf_fini(&head);
	buf_fini(&tail);
}

static void
give(struct offer *o)
{
	struct line *l = (struct line *)o;
	bool waited = l->held;

	set_held(l, false);
	if (l->missing)
		write_missing(l);
	else if (waited)
		drop_absent(l);
	if (l->ncopies)
		give_copies(l);
	else
		settle(l);
}

void
room_say(struct gateway_room *r, const struct room_words *w, const char *client)
{
	struct gateway *g = r->gateway;
	struct line *l = NEW(struct line);

	*l = (struct line){ .offer = { .until_ms = g->now_ms + g->limits->again_seconds * 1000, .give = give, .late = late }, .g = g, .room = r,
		.nick = w->nick && *w->nick ? mem_strdup(w->nick) : NULL, .id = mem_strdup(w->id), .file = w->file ? mem_strdup(w->file) : NULL, .dated = w->dated, .is_for_one = client != NULL, .said_us = clock_wall_us(), .stored = w->stored, .arg = w->arg };
	list_init(&l->offer.link);
	buf_add(&l->inner, buf_data(w->inner), buf_len(w->inner));
	list_append(&lines, &l->link);
	list_append(&ROOM_KEPT(r)->lines, &l->in_room);
	g->ncoming++;
	if (client) {
		write_chars(&l->to, client);
		buf_addc(&l->to, '\0');
		l->ncopies = 1;
	} else {
		copies_make(l);
	}
	if (!again_waits(g)) {
		give(&l->offer);
	} else if (!l->ncopies) {
		line_end(l, XERROR_NONE);
	} else if (has_place(l) || lose(l)) {
		set_held(l, true);
		again_offer(g, &l->offer);
		tell_lost(l);
	}
}

/* Policy gives them no files: that there was one, as the one who said it. */
static void
tell_of_file(struct line *l, const char *client, const char *why)
{
	const char *foreign = strstr(buf_str(&l->inner), "<foreign ");
	struct buf inner = { 0 };
	char id[40];

	stable_id(id, l->id, "refused", client);
	buf_adds(&inner, "<body>[file: ");
	write_chars(&inner, l->file);
	buf_adds(&inner, " was not let through");
	if (why) {
		buf_adds(&inner, ": ");
		write_chars(&inner, why);
	}
	buf_adds(&inner, "]</body>");
	if (foreign)
		buf_adds(&inner, foreign);
	room_say(l->room, &(struct room_words){ .nick = l->nick, .id = id, .inner = &inner }, client);
	buf_fini(&inner);
}

/* Of a line that is on its way: one of those who get it, whose answer has come. False: they are none, or it had come before. */
static bool
take_out(struct line *l, const char *to)
{
	for (size_t at = 0, n; at < buf_len(&l->to); at += n) {
		char *p = l->to.data + l->to.off + at;

		n = strlen(p) + 1;
		if (strcmp(p, to) != 0)
			continue;
		memmove(p, p + n, buf_len(&l->to) - at - n);
		l->to.len -= n;
		l->ncopies--;
		return true;
	}
	return false;
}

bool
room_line_refused(struct gateway *g, const char *address, const char *client, const char *id, enum xerror e, const char *text)
{
	bool now = incoming_is_for_now(e);
	struct gateway_room *r = now || e == XERROR_NOT_ACCEPTABLE ? gateway_room_find(g, address) : NULL;
	struct buf to = { 0 };
	bool found = false;

	if (!r)
		return false;
	write_chars(&to, client);
	LIST_EACH(pos, &ROOM_KEPT(r)->lines) {
		struct line *l = LIST_ENTRY(pos, struct line, in_room);

		found = (now || l->file) && !l->held && !strcmp(l->id, id) && take_out(l, buf_str(&to));
		if (!found)
			continue;
		if (now) {
			buf_add(&l->back, buf_str(&to), buf_len(&to) + 1);
			l->nback++;
			stats_count(&g->stats, "offered_again", 1);
		} else {
			tell_of_file(l, client, text);
		}
		break;
	}
	buf_fini(&to);
	return found;
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
