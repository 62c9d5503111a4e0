#include "gateway/seen.h"

#include <stdlib.h>

#include "base/crypt.h"
#include "base/mem.h"

#define SLAB 256
#define FIRST_BUCKETS 256

struct slab {
	struct list link;
	struct seen entries[SLAB];
};

void
seen_init(struct seen_table *t)
{
	*t = (struct seen_table){ 0 };
	list_init(&t->order);
	list_init(&t->slabs);
	crypt_random(t->key, sizeof(t->key));
}

static struct seen **
bucket(const struct seen_table *t, uint64_t hash)
{
	return &t->buckets[hash & (t->nbuckets - 1)];
}

static void
hook(struct seen_table *t, struct seen *s)
{
	struct seen **at = bucket(t, s->hash[0]);

	s->next = *at;
	*at = s;
}

static void
unhook(struct seen_table *t, struct seen *s)
{
	struct seen **at = bucket(t, s->hash[0]);

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
}

static void
grow(struct seen_table *t)
{
	free(t->buckets);
	t->nbuckets = t->nbuckets ? 2 * t->nbuckets : FIRST_BUCKETS;
	t->buckets = mem_zalloc(t->nbuckets * sizeof(*t->buckets));
	LIST_EACH(pos, &t->order)
		hook(t, LIST_ENTRY(pos, struct seen, link));
}

/* Those that are under way stay, and are the newest again. NULL: all are. */
static struct seen *
oldest(struct seen_table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct seen *s = LIST_ENTRY(list_pop(&t->order), struct seen, link);

		if (!s->m) {
			unhook(t, s);
			return s;
		}
		list_append(&t->order, &s->link);
	}
	return NULL;
}

static struct seen *
another(struct seen_table *t)
{
	if (!t->spare) {
		list_append(&t->slabs, &NEW(struct slab)->link);
		t->spare = SLAB;
	}
	if (++t->n > t->nbuckets)
		grow(t);
	return &LIST_ENTRY(t->slabs.prev, struct slab, link)->entries[SLAB - t->spare--];
}

struct seen *
seen_take(struct seen_table *t, const void *name, size_t n, size_t most, bool *fresh)
{
	uint64_t hash[2] = { crypt_hash(name, n), crypt_siphash(t->key, name, n) };
	struct seen *s = t->nbuckets ? *bucket(t, hash[0]) : NULL;

	while (s && (s->hash[0] != hash[0] || s->hash[1] != hash[1]))
		s = s->next;
	*fresh = !s;
	if (s)
		return s;
	if (t->n >= most)
		s = oldest(t);
	if (!s)
		s = another(t);
	*s = (struct seen){ .hash = { hash[0], hash[1] } };
	hook(t, s);
	list_append(&t->order, &s->link);
	return s;
}

void
seen_free(struct seen_table *t)
{
	struct list *pos;

	while ((pos = list_pop(&t->slabs)))
		free(LIST_ENTRY(pos, struct slab, link));
	free(t->buckets);
	seen_init(t);
}
