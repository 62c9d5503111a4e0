/*
 * source_ahead: see source_ahead.h. One wish at a time: asked for by the source, under way on the thread, ready to be taken.
 */
#include "export/source_ahead.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "export/export_store.h"
#include "proof/merkle.h"

enum state { IDLE, ASKED, READY };

struct source_ahead {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct sql *db;
	atomic_bool stop;
	/* Under the lock; the page and what became of it are the thread's while it is ASKED. */
	enum state state;
	struct source_wish wish;
	struct source_page page;
	int rc;
	struct err why;
	bool lost;
};

void
source_page_clear(struct source_page *p)
{
	PQclear(p->rows);
	PQclear(p->files);
	p->rows = p->files = NULL;
	p->n = 0;
}

static enum sql_status
ask(struct source_ahead *a, const struct source_wish *w, const uint64_t *ids, size_t n, struct source_page *p, struct err *e)
{
	enum sql_status st;

	if (w->want == SOURCE_FILES)
		st = export_store_presence(a->db, ids, n, &p->rows, e);
	else
		st = export_store_records(a->db, ids, n, &p->rows, e);
	if (st == SQL_OK && w->want != SOURCE_PROOF)
		st = export_store_files(a->db, ids, n, &p->files, e);
	return st;
}

/* Tiles at which entries lie one behind the other. */
struct tiles {
	uint64_t at[SOURCE_TILES_AT_ONCE], last;
	size_t n;
	unsigned entries;      /* in the last one, which is not among them yet */
};

/* Of a tile that is exported whole the tree needs nothing, and one that is not full is in no row (log_reader.c). */
static void
end_tile(struct tiles *t, const struct source_wish *w)
{
	if (t->entries && t->entries < MERKLE_TILE_WIDTH && t->last < w->tiles)
		t->at[t->n++] = t->last;
	t->entries = 0;
}

/* The entries up to where the last of so many tiles ends: how many, or -1. */
static long
find_tiles(const struct source_wish *w, struct order_entry entry[SOURCE_PAGE], struct tiles *t, struct err *e)
{
	uint64_t at = w->from;
	long n;

	while (at < w->end) {
		n = order_read(w->fd, at, entry, SOURCE_PAGE, e);
		if (n <= 0)
			return n < 0 ? -1 : err_set(e, 0, "the export's order has become shorter");
		for (long i = 0; i < n; i++, at++) {
			uint64_t tile = entry[i].log_index / MERKLE_TILE_WIDTH;

			if (t->entries && tile != t->last)
				end_tile(t, w);
			if (t->n == SOURCE_TILES_AT_ONCE)
				return (long)(at - w->from);
			t->last = tile;
			t->entries++;
		}
	}
	end_tile(t, w);
	return (long)(at - w->from);
}

static int
read_tiles(struct source_ahead *a, const struct source_wish *w, struct source_page *p, bool *lost, struct err *e)
{
	struct tiles t = {0};
	long n = find_tiles(w, p->entry, &t, e);
	enum sql_status st = t.n && n > 0 ? export_store_tiles(a->db, t.at, t.n, &p->rows, e) : SQL_OK;

	*lost = st == SQL_UNAVAILABLE;
	if (n < 0 || st != SQL_OK)
		return -1;
	p->from = w->from;
	p->n = (size_t)n;
	return 0;
}

static int
read_page(struct source_ahead *a, const struct source_wish *w, struct source_page *p, bool *lost, struct err *e)
{
	uint64_t ids[SOURCE_PAGE];
	enum sql_status st;
	long n = order_read(w->fd, w->from, p->entry, SOURCE_PAGE, e);

	if (n <= 0)
		return n < 0 ? -1 : err_set(e, 0, "the export's order has become shorter");
	for (long i = 0; i < n; i++)
		ids[i] = p->entry[i].id;
	st = ask(a, w, ids, (size_t)n, p, e);
	if (st != SQL_OK) {
		source_page_clear(p);
		*lost = st == SQL_UNAVAILABLE;
		return -1;
	}
	p->from = w->from;
	p->n = (size_t)n;
	return 0;
}

static void *
run(void *arg)
{
	struct source_ahead *a = arg;

	pthread_mutex_lock(&a->lock);
	while (!atomic_load(&a->stop)) {
		bool lost = false;
		int rc;

		if (a->state != ASKED) {
			pthread_cond_wait(&a->changed, &a->lock);
			continue;
		}
		pthread_mutex_unlock(&a->lock);
		rc = (a->wish.want == SOURCE_TILES ? read_tiles : read_page)(a, &a->wish, &a->page, &lost, &a->why);
		pthread_mutex_lock(&a->lock);
		a->rc = rc;
		a->lost |= lost;
		a->state = READY;
		pthread_cond_broadcast(&a->changed);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

struct source_ahead *
source_ahead_new(struct sql *db)
{
	struct source_ahead *a = NEW(struct source_ahead);

	a->db = db;
	sql_set_stop(db, &a->stop);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->changed, NULL);
	if (pthread_create(&a->thread, NULL, run, a))
		mem_exhausted(sizeof(*a));
	return a;
}

void
source_ahead_free(struct source_ahead *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	atomic_store(&a->stop, true);
	pthread_cond_broadcast(&a->changed);
	pthread_mutex_unlock(&a->lock);
	(void)pthread_join(a->thread, NULL);
	sql_set_stop(a->db, NULL);
	source_page_clear(&a->page);
	pthread_cond_destroy(&a->changed);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* What was asked for, and is not wanted, comes to its end. Under the lock. */
static void
drop(struct source_ahead *a)
{
	while (a->state == ASKED)
		pthread_cond_wait(&a->changed, &a->lock);
	source_page_clear(&a->page);
	a->state = IDLE;
}

/* Under the lock. */
static void
wish(struct source_ahead *a, const struct source_wish *w)
{
	a->wish = *w;
	a->state = ASKED;
	pthread_cond_broadcast(&a->changed);
}

int
source_ahead_take(struct source_ahead *a, const struct source_wish *w, struct source_page *p, struct err *e)
{
	struct source_wish next = *w;
	int rc;

	pthread_mutex_lock(&a->lock);
	if (a->state != IDLE && (a->wish.fd != w->fd || a->wish.from != w->from || a->wish.want != w->want))
		drop(a);
	if (a->state == IDLE)
		wish(a, w);
	while (a->state == ASKED)
		pthread_cond_wait(&a->changed, &a->lock);
	rc = a->rc;
	if (rc)
		*e = a->why;
	else
		*p = a->page;
	a->page.rows = a->page.files = NULL;
	a->page.n = 0;
	a->state = IDLE;
	next.from += p->n;
	if (!rc && next.from < w->end)
		wish(a, &next);
	pthread_mutex_unlock(&a->lock);
	return rc;
}

void
source_ahead_rest(struct source_ahead *a)
{
	pthread_mutex_lock(&a->lock);
	drop(a);
	pthread_mutex_unlock(&a->lock);
}

bool
source_ahead_is_lost(struct source_ahead *a)
{
	bool lost;

	pthread_mutex_lock(&a->lock);
	lost = a->lost;
	pthread_mutex_unlock(&a->lock);
	return lost;
}
