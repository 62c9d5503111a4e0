#include "gateway/ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"

struct id_entry {
	struct id_pair pair; /* first */
	UT_hash_handle by_here, by_there;
	struct list link, kept;
	char *here_key, *there_key, *client, *key;
	unsigned here_len, there_len;
};

/* User, foreign address and id, each with its NUL. */
static struct buf
key(const char *a, const char *b, const char *c, char way)
{
	struct buf k = { 0 };

	buf_add(&k, a, strlen(a) + 1);
	buf_add(&k, b, strlen(b) + 1);
	buf_add(&k, c, strlen(c) + 1);
	buf_addc(&k, way);
	return k;
}

void
ids_init(struct ids *ids, ids_dropped_fn *dropped, void *arg)
{
	*ids = (struct ids){ .dropped = dropped, .arg = arg };
	list_init(&ids->order);
	list_init(&ids->kept);
}

static void
unkeep(struct ids *ids, struct id_entry *e)
{
	if (!e->key)
		return;
	if (ids->dropped)
		ids->dropped(ids->arg, e->key);
	list_remove(&e->kept);
	ids->nkept--;
	free(e->key);
	e->key = NULL;
	e->pair.key = NULL;
}

static void
forget(struct ids *ids, struct id_entry *e)
{
	unkeep(ids, e);
	HASH_DELETE(by_here, ids->by_here, e);
	HASH_DELETE(by_there, ids->by_there, e);
	list_remove(&e->link);
	ids->n--;
	free(e->here_key);
	free(e->there_key);
	free(e->client);
	free(e);
}

void
ids_forget(struct ids *ids, struct id_pair *p)
{
	forget(ids, (struct id_entry *)p);
}

void
ids_free(struct ids *ids)
{
	ids->dropped = NULL;
	while (!list_is_empty(&ids->order))
		forget(ids, LIST_ENTRY(ids->order.next, struct id_entry, link));
}

static struct id_entry *
find_here(struct ids *ids, const struct buf *k)
{
	struct id_entry *e;

	HASH_FIND(by_here, ids->by_here, buf_data(k), (unsigned)buf_len(k), e);
	return e;
}

static struct id_entry *
find_there(struct ids *ids, const struct buf *k)
{
	struct id_entry *e;

	HASH_FIND(by_there, ids->by_there, buf_data(k), (unsigned)buf_len(k), e);
	return e;
}

struct id_pair *
ids_add(struct ids *ids, const struct id_pair *p, unsigned most)
{
	struct buf here = key(p->user, p->foreign, p->here, 0), there = key(p->user, p->foreign, p->there, (char)('0' + p->way));
	struct id_entry *e;

	while ((e = find_here(ids, &here)) || (e = find_there(ids, &there)))
		forget(ids, e);
	while (ids->n >= most)
		forget(ids, LIST_ENTRY(ids->order.next, struct id_entry, link));
	e = NEW(struct id_entry);
	e->here_key = here.data;
	e->here_len = (unsigned)buf_len(&here);
	e->there_key = there.data;
	e->there_len = (unsigned)buf_len(&there);
	e->pair = *p;
	e->pair.key = NULL;
	e->pair.at_ms = p->at_ms ? p->at_ms : clock_wall_us() / 1000;
	list_init(&e->kept);
	e->client = p->client ? mem_strdup(p->client) : NULL;
	e->pair.client = e->client;
	/* The keys are made of what the pair says. */
	e->pair.user = e->here_key;
	e->pair.foreign = e->here_key + strlen(p->user) + 1;
	e->pair.here = e->pair.foreign + strlen(p->foreign) + 1;
	e->pair.there = e->there_key + strlen(p->user) + strlen(p->foreign) + 2;
	HASH_ADD_KEYPTR(by_here, ids->by_here, e->here_key, e->here_len, e);
	HASH_ADD_KEYPTR(by_there, ids->by_there, e->there_key, e->there_len, e);
	list_append(&ids->order, &e->link);
	ids->n++;
	return &e->pair;
}

struct id_pair *
ids_here(struct ids *ids, const char *user, const char *foreign, const char *here)
{
	struct buf k = key(user, foreign, here, 0);
	struct id_entry *e = find_here(ids, &k);

	buf_fini(&k);
	return e ? &e->pair : NULL;
}

struct id_pair *
ids_there(struct ids *ids, const char *user, const char *foreign, const char *there, enum id_way way)
{
	struct buf k = key(user, foreign, there, (char)('0' + way));
	struct id_entry *e = find_there(ids, &k);

	buf_fini(&k);
	return e ? &e->pair : NULL;
}

struct id_pair *
ids_there_of(struct ids *ids, const char *user, const char *there)
{
	/* The newest first: that is the one which is asked for. */
	for (struct list *pos = ids->order.prev; pos != &ids->order; pos = pos->prev) {
		struct id_pair *p = &LIST_ENTRY(pos, struct id_entry, link)->pair;

		if (p->way == ID_OUT && !strcmp(p->there, there) && !strcmp(p->user, user))
			return p;
	}
	return NULL;
}

void
ids_forget_before(struct ids *ids, int64_t ms)
{
	while (!list_is_empty(&ids->order)) {
		struct id_entry *e = LIST_ENTRY(ids->order.next, struct id_entry, link);

		if (e->pair.at_ms >= ms)
			return;
		forget(ids, e);
	}
}

void
ids_forget_user(struct ids *ids, const char *user)
{
	ids_dropped_fn *dropped = ids->dropped;

	ids->dropped = NULL;
	LIST_EACH(pos, &ids->order) {
		struct id_entry *e = LIST_ENTRY(pos, struct id_entry, link);

		if (!strcmp(e->pair.user, user))
			forget(ids, e);
	}
	ids->dropped = dropped;
}

void
ids_keep(struct ids *ids, struct id_pair *p, const char *key, unsigned most)
{
	struct id_entry *e = (struct id_entry *)p;

	if (e->key || !most)
		return;
	while (ids->nkept >= most)
		unkeep(ids, LIST_ENTRY(ids->kept.next, struct id_entry, kept));
	e->key = mem_strdup(key);
	e->pair.key = e->key;
	list_append(&ids->kept, &e->kept);
	ids->nkept++;
}
