/*
 * delivery: marks, the backlog, and writing marks back.
 *
 * The items above the mark are a sorted array that grows at its end (ids come in order, but for the backlog and for
 * what waited in a held lane). It is bounded by what sessions may hold unacknowledged; at MAX_ITEMS further ids are
 * not remembered, and the mark stands still until the backlog has been read again: they may come twice, never not
 * at all.
 */
#include "core/route/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/home.h"
#include "core/route/lane.h"
#include "core/route/packet.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "store/account.h"
#include "store/pool.h"
#include "store/record.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define MAX_ITEMS 16384
#define KEEP_CAP 64    /* an array this small stays when it empties */
#define FLUSH_MS 1000
#define RETRY_MS 1000
#define FLUSH_MAX 1000 /* marks in one statement */
#define HELD_MAX 256   /* what arrives while a page is read; more is left to the next page */
#define HELD_BYTES (256 * 1024)

struct marks {
	struct user *dirty; /* by delivery.next_dirty */
	struct timer timer;
	bool last;          /* the server stops: nothing more will come late */
};

static _Thread_local struct marks *here;

void
delivery_init(struct delivery *d, uint64_t mark)
{
	*d = (struct delivery){ .mark = mark, .stable = mark, .stored = mark, .backlog = true };
}

static void
forget_held(struct delivery *d)
{
	while (d->nheld)
		packet_unref(d->held[--d->nheld]);
	free(d->held);
	d->held = NULL;
	d->held_bytes = 0;
}

void
delivery_fini(struct user *u)
{
	timer_clear(&u->delivery.retry);
	forget_held(&u->delivery);
	free(u->delivery.item);
	u->delivery.item = NULL;
}

static void
mark_moved(struct user *u)
{
	struct delivery *d = &u->delivery;

	if (d->dirty || d->writing || d->mark <= d->stored)
		return;
	d->dirty = true;
	d->next_dirty = here->dirty;
	here->dirty = u;
}

/* Up to where the items are all there is: the record may hold others that nobody was given. */
static uint64_t
known_up_to(const struct delivery *d)
{
	if (!d->backlog)
		return UINT64_MAX;
	return d->fetching && !d->again && !d->forgot ? d->cursor : 0;
}

/* The unbroken run of done items at the front moves the mark. */
static void
advance(struct user *u)
{
	struct delivery *d = &u->delivery;
	uint64_t limit = known_up_to(d);

	while (d->n && d->item[d->first].done && d->item[d->first].id <= limit) {
		d->mark = d->item[d->first].id;
		d->mark_kind = d->item[d->first].fetched ? MARK_FETCHED : MARK_GIVEN;
		d->first++;
		d->n--;
	}
	if (!d->n)
		d->first = 0;
	if (!d->n && d->cap > KEEP_CAP) {
		free(d->item);
		d->item = NULL;
		d->cap = 0;
	}
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

static void
remember(struct delivery *d, struct delivery_item item)
{
	uint32_t at;

	if (d->n >= MAX_ITEMS) {
		d->backlog = d->forgot = true;
		return;
	}
	if (d->first + d->n == d->cap)
		make_room(d);
	for (at = d->first + d->n; at > d->first && d->item[at - 1].id > item.id; at--)
		d->item[at] = d->item[at - 1];
	d->item[at] = item;
	d->n++;
}

/* A record at or below the mark that had not come yet. What the mark stood on needs not come again, if that was a record:
 * the place below the last one that came late may be the id of one that is still on its way. */
static void
move_back(struct delivery *d, uint64_t id)
{
	if (id < d->mark && d->mark_kind != MARK_BETWEEN)
		remember(d, (struct delivery_item){ .id = d->mark, .done = true, .fetched = d->mark_kind == MARK_FETCHED });
	d->mark = id - 1;
	d->mark_kind = MARK_BETWEEN;
	if (d->stable > d->mark)
		d->stable = d->mark;
}

void
delivery_given(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	struct delivery_item *i = find(d, id);

	if (i) {
		i->holders++;
		i->fetched = false;
		return;
	}
	if (id <= d->mark)
		move_back(d, id);
	remember(d, (struct delivery_item){ .id = id, .holders = 1 });
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

/* Kept in memory until the mark can pass it, half of what may be remembered at most: what is forgotten comes twice. */
void
delivery_fetched(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	struct delivery_item *i = find(d, id);

	if (i)
		i->done = true;
	else if (id > d->mark && d->n < MAX_ITEMS / 2)
		remember(d, (struct delivery_item){ .id = id, .done = true, .fetched = true });
	advance(u);
}

bool
delivery_taken_back(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	struct delivery_item *i = find(d, id);
	uint32_t at;

	if (!i)
		return id > d->mark; /* not remembered; else confirmed by another session */
	if (i->done || (i->holders && --i->holders))
		return false;
	at = (uint32_t)(i - d->item);
	memmove(i, i + 1, (d->first + d->n - at - 1) * sizeof(*i));
	d->n--;
	return true;
}

/* The one writer commits in the order of ids, so a page that shows a record shows all between it and the page before.
 * What is older than where the pages began is another matter: it comes late. */
bool
delivery_came(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	const struct delivery_item *i = find(d, id);

	/* One client has read it in its archive before it came: that was no delivery, to the others least of all. */
	if (i ? i->fetched : id == d->mark && d->mark_kind == MARK_FETCHED)
		return false;
	return i || (id > d->from && id <= d->cursor);
}

/* What was fetched may still be on its way, and is forgotten when the mark passes it: then what the pages gave before it may
 * come once more, rather than this not at all. */
void
delivery_pass_over(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;
	const struct delivery_item *i = find(d, id);

	d->cursor = id;
	if (i && i->fetched)
		d->from = id;
}

static void begin(struct user *u);

void
delivery_left(struct user *u, uint64_t id)
{
	struct delivery *d = &u->delivery;

	if (id <= d->mark)
		move_back(d, id);
	if (d->fetching && id <= d->cursor && !find(d, id))
		d->again = true;
	d->backlog = true;
	if (d->left < id)
		d->left = id;
	/* Somebody is there, but it found no room in the inbox. */
	if (!d->fetching && !d->withheld && u->state == USER_READY && user_priority(u) >= 0)
		begin(u);
}

/* Messages are in the record: the next page has them, where an earlier one had them not. */
static void
leave_held(struct user *u)
{
	struct delivery *d = &u->delivery;
	struct packet **held = d->held;
	uint32_t n = d->nheld;

	/* Telling may end sessions, and those look at what is held. */
	d->held = NULL;
	d->nheld = 0;
	d->held_bytes = 0;
	for (uint32_t i = 0; i < n; i++)
		if (held[i]->deliverable && !delivery_came(u, held[i]->record_id))
			delivery_left(u, held[i]->record_id);
	for (uint32_t i = 0; i < n; i++) {
		if (held[i]->deliverable)
			router_tell_given(u, held[i]);
		else
			router_give(u, held[i]);
		packet_unref(held[i]);
	}
	free(held);
}

static bool
has_room(const struct delivery *d, const struct packet *p)
{
	return !d->paused && d->nheld < HELD_MAX && d->held_bytes + packet_size(p) <= HELD_BYTES;
}

static void
keep(struct delivery *d, struct packet *p)
{
	if (!d->held)
		d->held = mem_alloc(HELD_MAX * sizeof(*d->held));
	d->held[d->nheld++] = packet_ref(p);
	d->held_bytes += packet_size(p);
}

/* Kept until the page that is being read has been given, else under steady load no page would ever be the last. */
bool
delivery_hold(struct user *u, struct packet *p)
{
	struct delivery *d = &u->delivery;

	if (!d->fetching)
		return false;
	if (has_room(d, p)) {
		keep(d, p);
		return true;
	}
	delivery_left(u, p->record_id);
	leave_held(u);
	router_tell_given(u, p);
	return true;
}

bool
delivery_hold_behind(struct user *u, struct packet *p)
{
	struct delivery *d = &u->delivery;
	uint32_t i = d->nheld;

	/* Changes of the roster have a turn of their own in the inbox. And no longer than it takes to read a page: PostgreSQL may be away. */
	if (p->deliverable || !p->from || packet_is_subscription(p) || d->failed)
		return false;
	while (i && !jid_equal(d->held[i - 1]->from, p->from))
		i--;
	if (!i)
		return false;
	if (has_room(d, p)) {
		keep(d, p);
		return true;
	}
	leave_held(u);
	return false;
}

static void
give_held(struct user *u)
{
	struct delivery *d = &u->delivery;
	struct packet **held = d->held;
	uint32_t n = d->nheld;

	d->held = NULL;
	d->nheld = 0;
	d->held_bytes = 0;
	for (uint32_t i = 0; i < n; i++) {
		router_give(u, held[i]);
		packet_unref(held[i]);
	}
	free(held);
}

bool
delivery_is_busy(const struct user *u)
{
	return u->delivery.fetching || u->delivery.dirty || u->delivery.writing;
}

/* Catching up: pages of the record, one after the other, each given before the next is read. */

struct page {
	const char *bare;
	uint64_t after, upto;
	unsigned limit;
	struct record_row *rows;
	size_t n;
};

static void page_read(struct user *u);

static enum sql_status
page_work(struct job *j, struct sql *db)
{
	struct page *g = j->data;

	return record_backlog(db, j->arena, g->bare, g->after, g->upto, g->limit, &g->rows, &g->n, &j->err);
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

	if (find(&u->delivery, r->id)) {
		delivery_pass_over(u, r->id);
		return;
	}
	u->delivery.cursor = r->id;
	p = packet_of_row(u, r);
	if (!p) {
		log_error(NULL, "record-unreadable", "id=%llu", (unsigned long long)r->id);
		return;
	}
	if (router_may_arrive(u, p))
		router_give(u, p);
	packet_unref(p);
}

static void
stop_fetching(struct user *u, bool caught_up)
{
	struct delivery *d = &u->delivery;

	/* Held: what is given may end sessions, and the user must not go with them. */
	user_hold(u);
	d->fetching = d->paused = d->again = false;
	timer_clear(&d->retry);
	if (caught_up) {
		d->backlog = d->forgot;
		advance(u);
	}
	give_held(u);
	user_release(u);
}

static void
read_again(struct timer *t)
{
	delivery_continue(LIST_ENTRY(t, struct user, delivery.retry));
}

/* The pages go on when a client has taken what it has, or is gone: looked at by the way, should nobody say so. */
static void
pause_pages(struct user *u)
{
	u->delivery.paused = true;
	timer_set(&u->delivery.retry, RETRY_MS, read_again);
}

/* Not more than the sessions take: what is left of the page is read again. Returns how many were given. */
static size_t
give_rows(struct user *u, const struct page *g)
{
	size_t i = 0;

	while (i < g->n && user_priority(u) >= 0 && !router_is_clogged(u))
		give_row(u, &g->rows[i++]);
	return i;
}

static void
page_done(struct job *j)
{
	struct page *g = j->data;
	struct user *u = j->owner;
	struct delivery *d = &u->delivery;
	size_t given;

	d->failed = j->status != JOB_OK;
	if (d->failed) {
		leave_held(u);
		pause_pages(u);
		return;
	}
	given = d->again ? 0 : give_rows(u, g);
	advance(u);
	if (user_priority(u) < 0) {
		stop_fetching(u, false);
	} else if (d->again) {
		begin(u);
	} else if (given < g->n) {
		d->page = given ? (unsigned)given : 1;
		pause_pages(u);
	} else if (g->n < g->limit && d->left <= g->upto) {
		stop_fetching(u, true);
	} else if (g->n < g->limit && d->left > record_settled_id()) {
		pause_pages(u);
	} else {
		if (g->n < g->limit)
			d->upto = record_settled_id();
		d->page = g->limit * 2;
		page_read(u);
	}
}

static void
page_read(struct user *u)
{
	struct job *j = job_new(sizeof(struct page));
	struct page *g = j->data;
	struct delivery *d = &u->delivery;
	unsigned most = (unsigned)home_config()->limits.offline_page, wanted = d->page;

	g->bare = arena_strdup(j->arena, jid_bare(u->jid));
	g->after = d->cursor;
	g->upto = d->upto;
	g->limit = wanted && wanted < most ? wanted : most;
	j->owner = u;
	j->work = page_work;
	j->done = page_done;
	pool_submit(j, jid_hash(u->jid));
}

/* From the mark on; what sessions have is not given again. What is not settled by now may still go back to its sender, or
 * arrives by itself: in order with what is not in the record (P8), so the pages go no further as long as nothing is left. */
static void
begin(struct user *u)
{
	struct delivery *d = &u->delivery;

	d->fetching = true;
	d->again = d->forgot = false;
	d->cursor = d->from = d->mark;
	d->upto = record_settled_id();
	d->page = 0;
	page_read(u);
}

void
delivery_catch_up(struct user *u, struct session *s)
{
	(void)s;
	if (u->delivery.backlog && !u->delivery.fetching && !u->delivery.withheld)
		begin(u);
}

void
delivery_withhold(struct user *u)
{
	u->delivery.withheld++;
}

void
delivery_let_come(struct user *u)
{
	u->delivery.withheld--;
	if (user_priority(u) >= 0)
		delivery_catch_up(u, NULL);
}

/* What sessions have been given and not confirmed holds the mark back as ever. */
void
delivery_skip(struct user *u, uint64_t upto)
{
	struct delivery *d = &u->delivery;

	if (d->fetching || d->forgot || upto <= d->mark)
		return;
	while (d->n && d->item[d->first].done && d->item[d->first].id <= upto) {
		d->first++;
		d->n--;
	}
	if (d->n && d->item[d->first].id <= upto)
		return;
	d->mark = upto;
	d->mark_kind = MARK_GIVEN;
	mark_moved(u);
}

void
delivery_continue(struct user *u)
{
	struct delivery *d = &u->delivery;

	if (!d->paused)
		return;
	if (user_priority(u) < 0) {
		stop_fetching(u, false);
	} else if (router_is_clogged(u)) {
		pause_pages(u);
	} else {
		d->paused = false;
		timer_clear(&d->retry);
		if (d->again)
			begin(u);
		else
			page_read(u);
	}
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

static void flush(void);

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
	if (here && here->last && j->status == JOB_OK)
		flush();
}

static struct job *
write_job(void)
{
	struct job *j = job_new(sizeof(struct write));
	struct write *w = j->data;

	w->user = arena_alloc(j->arena, FLUSH_MAX * sizeof(*w->user));
	w->account = arena_alloc(j->arena, FLUSH_MAX * sizeof(*w->account));
	w->mark = arena_alloc(j->arena, FLUSH_MAX * sizeof(*w->mark));
	j->work = write_work;
	j->done = write_done;
	return j;
}

static void
add_write(struct write *w, struct user *u, uint64_t mark)
{
	u->delivery.writing = true;
	w->user[w->n] = u;
	w->account[w->n] = u->account;
	w->mark[w->n++] = mark;
}

/* Takes users from the list; who cannot be written yet goes to `*again`. */
static void
flush_some(struct user **again)
{
	struct job *j = NULL;
	struct user *u;

	while ((u = here->dirty) && !(j && ((struct write *)j->data)->n == FLUSH_MAX)) {
		struct delivery *d = &u->delivery;
		uint64_t mark = here->last ? d->mark : d->stable;

		here->dirty = d->next_dirty;
		d->stable = d->mark;
		d->dirty = mark <= d->stored && d->mark > d->stored;
		if (d->dirty) {
			d->next_dirty = *again;
			*again = u;
		} else if (mark > d->stored) {
			if (!j)
				j = write_job();
			add_write(j->data, u, mark);
		} else {
			user_idle(u);
		}
	}
	if (j)
		pool_submit(j, reactor_index(reactor_current()));
}

static void
flush(void)
{
	struct user *again = NULL;

	while (here->dirty)
		flush_some(&again);
	here->dirty = again;
}

void
delivery_flush(void)
{
	here->last = true;
	flush();
}

/* While a lane is held, a record may be on its way that is older than what has come since. */
static void
tick(struct timer *t)
{
	if (here->last || !lane_any_held())
		flush();
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
