/*
 * delivery: marks, the backlog, and writing marks back.
 *
 * The items above the mark are a sorted array that grows at its end (ids come in order, but for the backlog,
 * which is only read while nothing newer is given). It is bounded by what sessions may hold unacknowledged;
 * when it grows past MAX_ITEMS the oldest gap is the reason, and further ids are not remembered: they may come
 * twice after a crash, never not at all.
 */
#include "core/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/home.h"
#include "core/packet.h"
#include "core/router.h"
#include "core/session.h"
#include "core/user.h"
#include "store/account.h"
#include "store/pool.h"
#include "store/record.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define MAX_ITEMS 16384
#define FLUSH_MS 1000
#define RETRY_MS 1000
#define FLUSH_MAX 1000 /* marks in one statement */

struct marks {
	struct user *dirty; /* by delivery.next_dirty */
	struct timer timer;
};

static _Thread_local struct marks *here;

void
delivery_init(struct delivery *d, uint64_t mark)
{
	*d = (struct delivery){ .mark = mark, .stored = mark, .backlog = true };
}

void
delivery_fini(struct user *u)
{
	timer_clear(&u->delivery.retry);
	free(u->delivery.item);
	u->delivery.item = NULL;
}

static void
mark_moved(struct user *u)
{
	struct delivery *d = &u->delivery;

	if (d->dirty || d->writing || d->mark == d->stored)
		return;
	d->dirty = true;
	d->next_dirty = here->dirty;
	here->dirty = u;
}

/* The unbroken run of done items at the front moves the mark, unless the record holds older ones. */
static void
advance(struct user *u)
{
	struct delivery *d = &u->delivery;

	if (d->backlog)
		return;
	while (d->n && d->item[d->first].done) {
		d->mark = d->item[d->first].id;
		d->first++;
		d->n--;
	}
	if (!d->n)
		d->first = 0;
	mark_moved(u);
}

static struct delivery_item *
find(struct delivery *d, uint64_t id)
{
	uint32_t lo = 0, hi = d->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct delivery_item *i = &d->item[d->first + mid];

		if (i->id == id)
			return i;
		if (i->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void
make_room(struct delivery *d)
{
	if (d->first) {
		memmove(d->item, d->item + d->first, d->n * sizeof(*d->item));
		d->first = 0;
	}
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 8;
		d->item = mem_realloc(d->item, d->cap * sizeof(*d->item));
	}
}

void
delivery_given(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	uint32_t at;

	if (id <= d->mark || find(d, id))
		return;
	if (d->n >= MAX_ITEMS) {
		d->backlog = true;
		return;
	}
	if (d->first + d->n == d->cap)
		make_room(d);
	for (at = d->first + d->n; at > d->first && d->item[at - 1].id > id; at--)
		d->item[at] = d->item[at - 1];
	d->item[at] = (struct delivery_item){ .id = id };
	d->n++;
}

void
delivery_done(struct user *u, uint64_t id)
{
	struct delivery_item *i = find(&u->delivery, id);

	if (!i)
		return;
	i->done = true;
	advance(u);
}

void
delivery_taken_back(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	struct delivery_item *i = find(d, id);
	uint32_t at;

	if (!i || i->done)
		return;
	at = (uint32_t)(i - d->item);
	memmove(i, i + 1, (d->first + d->n - at - 1) * sizeof(*i));
	d->n--;
}

void
delivery_left(struct user *u)
{
	u->delivery.backlog = true;
	u->delivery.arrived++;
}

bool
delivery_is_behind(const struct user *u)
{
	return u->delivery.fetching;
}

bool
delivery_is_busy(const struct user *u)
{
	return u->delivery.fetching || u->delivery.dirty || u->delivery.writing;
}

/* Catching up: pages of the record, one after the other, each given before the next is read. */

struct page {
	const char *bare;
	uint64_t after, arrived;
	unsigned limit;
	struct record_row *rows;
	size_t n;
};

static void page_read(struct user *u);

static enum sql_status
page_work(struct job *j, struct sql *db)
{
	struct page *g = j->data;

	return record_backlog(db, j->arena, g->bare, g->after, g->limit, &g->rows, &g->n, &j->err);
}

static struct packet *
packet_of_row(struct user *u, const struct record_row *r)
{
	struct stanza *st = parser_one(r->stanza, r->stanza_len, NS_CLIENT, NULL);
	const char *a;
	struct jid *from, *to;
	struct packet *p;

	if (!st)
		return NULL;
	from = (a = elem_get(st->root, "from")) ? jid_parse_z(a) : NULL;
	to = (a = elem_get(st->root, "to")) ? jid_parse_z(a) : NULL;
	p = packet_new(st, from, to ? to : u->jid);
	jid_unref(from);
	jid_unref(to);
	p->xml = mem_strndup(r->stanza, r->stanza_len);
	p->xml_len = r->stanza_len;
	p->record_id = r->id;
	p->at_us = r->at_us;
	p->deliverable = p->delayed = true;
	return p;
}

static void
give_row(struct user *u, const struct record_row *r)
{
	struct packet *p;

	u->delivery.cursor = r->id;
	if (find(&u->delivery, r->id))
		return; /* a session has it, or had it */
	p = packet_of_row(u, r);
	if (!p) {
		log_error(NULL, "record-unreadable", "id=%llu", (unsigned long long)r->id);
		return;
	}
	router_give(u, p);
	packet_unref(p);
}

static void
stop_fetching(struct user *u, bool caught_up)
{
	struct delivery *d = &u->delivery;

	d->fetching = d->paused = false;
	timer_clear(&d->retry);
	if (caught_up) {
		d->backlog = false;
		advance(u);
	}
	user_idle(u);
}

static void
read_again(struct timer *t)
{
	struct user *u = LIST_ENTRY(t, struct user, delivery.retry);

	if (user_priority(u) < 0)
		stop_fetching(u, false);
	else
		page_read(u);
}

static void
page_done(struct job *j)
{
	struct page *g = j->data;
	struct user *u = j->owner;
	bool last;

	if (j->status != JOB_OK) {
		timer_set(&u->delivery.retry, RETRY_MS, read_again);
		return;
	}
	for (size_t i = 0; i < g->n && user_priority(u) >= 0; i++)
		give_row(u, &g->rows[i]);
	last = g->n < g->limit && g->arrived == u->delivery.arrived;
	if (user_priority(u) < 0)
		stop_fetching(u, false);
	else if (last)
		stop_fetching(u, true);
	else if (router_is_clogged(u))
		u->delivery.paused = true;
	else
		page_read(u);
}

static void
page_read(struct user *u)
{
	struct job *j = job_new(sizeof(struct page));
	struct page *g = j->data;

	g->bare = arena_strdup(j->arena, jid_bare(u->jid));
	g->after = u->delivery.cursor;
	g->arrived = u->delivery.arrived;
	g->limit = (unsigned)home_config()->limits.offline_page;
	j->owner = u;
	j->work = page_work;
	j->done = page_done;
	pool_submit(j, jid_hash(u->jid));
}

void
delivery_catch_up(struct user *u, struct session *s)
{
	struct delivery *d = &u->delivery;

	(void)s;
	if (!d->backlog || d->fetching)
		return;
	d->fetching = true;
	d->cursor = d->mark;
	page_read(u);
}

void
delivery_continue(struct user *u)
{
	if (!u->delivery.paused || router_is_clogged(u))
		return;
	u->delivery.paused = false;
	if (user_priority(u) < 0)
		stop_fetching(u, false);
	else
		page_read(u);
}

/* Writing marks back */

struct write {
	struct user **user; /* they stay in memory: delivery_is_busy */
	int64_t *account;
	uint64_t *mark;
	size_t n;
};

static enum sql_status
write_work(struct job *j, struct sql *db)
{
	struct write *w = j->data;

	return account_set_marks(db, w->account, w->mark, w->n, &j->err);
}

static void
write_done(struct job *j)
{
	struct write *w = j->data;

	for (size_t i = 0; i < w->n; i++) {
		struct user *u = w->user[i];

		u->delivery.writing = false;
		if (j->status == JOB_OK)
			u->delivery.stored = w->mark[i];
		if (here)
			mark_moved(u);
		user_idle(u);
	}
}

static bool
flush_some(void)
{
	struct job *j;
	struct write *w;

	if (!here->dirty)
		return false;
	j = job_new(sizeof(*w));
	w = j->data;
	w->user = arena_alloc(j->arena, FLUSH_MAX * sizeof(*w->user));
	w->account = arena_alloc(j->arena, FLUSH_MAX * sizeof(*w->account));
	w->mark = arena_alloc(j->arena, FLUSH_MAX * sizeof(*w->mark));
	for (; here->dirty && w->n < FLUSH_MAX; w->n++) {
		struct user *u = here->dirty;

		here->dirty = u->delivery.next_dirty;
		u->delivery.dirty = false;
		u->delivery.writing = true;
		w->user[w->n] = u;
		w->account[w->n] = u->account;
		w->mark[w->n] = u->delivery.mark;
	}
	j->work = write_work;
	j->done = write_done;
	pool_submit(j, reactor_index(reactor_current()));
	return true;
}

void
delivery_flush(void)
{
	while (flush_some())
		;
}

static void
tick(struct timer *t)
{
	delivery_flush();
	timer_set(t, FLUSH_MS, tick);
}

void
delivery_home_start(void)
{
	here = NEW(struct marks);
	timer_set(&here->timer, FLUSH_MS, tick);
}

void
delivery_home_stop(void)
{
	timer_clear(&here->timer);
	free(here);
	here = NULL;
}
