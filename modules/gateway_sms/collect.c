/*
 * collect: see collect.h.
 */
#include "gateway_sms/collect.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

struct part {
	bool there;
	enum coding coding;
	struct buf units;
};

struct collect_message {
	struct list entry; /* in the order in which they began */
	UT_hash_handle hh;
	struct collect_key key;
	int64_t begun;
	bool held; /* in no order */
	unsigned have;
	struct part *parts;
};

struct collect {
	struct collect_message *by_key;
	struct list order;
	unsigned messages, most_messages;
	size_t bytes, most_bytes;
	int64_t wait_ms;
};

struct collect *
collect_new(unsigned messages, size_t bytes, int64_t wait_ms)
{
	struct collect *c = NEW(struct collect);

	list_init(&c->order);
	c->most_messages = messages;
	c->most_bytes = bytes;
	c->wait_ms = wait_ms;
	return c;
}

void
collect_free(struct collect *c)
{
	struct collect_message *m, *next;

	if (!c)
		return;
	HASH_ITER(hh, c->by_key, m, next)
		collect_end(c, m);
	free(c);
}

/* What a message costs beyond its units, so that many parts with nothing in them are bounded too. */
static size_t
weight(unsigned total)
{
	return sizeof(struct collect_message) + total * sizeof(struct part);
}

/* Compared as bytes: what is behind the strings must be the same. */
static struct collect_key
clean(const struct collect_key *key)
{
	struct collect_key k;

	memset(&k, 0, sizeof(k));
	strncpy(k.from, key->from, sizeof(k.from) - 1);
	strncpy(k.to, key->to, sizeof(k.to) - 1);
	k.reference = key->reference;
	k.total = key->total;
	return k;
}

struct collect_message *
collect_find(struct collect *c, const struct collect_key *key)
{
	struct collect_key k = clean(key);
	struct collect_message *m;

	HASH_FIND(hh, c->by_key, &k, sizeof(k), m);
	return m;
}

/* What is read again after a start comes in any order. */
static void
put_in_order(struct collect *c, struct collect_message *m)
{
	struct list *before = c->order.prev;

	while (before != &c->order && LIST_ENTRY(before, struct collect_message, entry)->begun > m->begun)
		before = before->prev;
	list_prepend(before, &m->entry);
}

static struct collect_message *
begin(struct collect *c, const struct collect_key *key, int64_t at)
{
	struct collect_message *m = NEW(struct collect_message);

	m->key = clean(key);
	m->begun = at;
	m->parts = mem_zalloc(key->total * sizeof(*m->parts));
	HASH_ADD(hh, c->by_key, key, sizeof(m->key), m);
	put_in_order(c, m);
	c->messages++;
	c->bytes += weight(key->total);
	return m;
}

enum collect_result
collect_add(struct collect *c, const struct collect_key *key, const struct coding_piece *piece, int64_t at, struct collect_message **out)
{
	struct collect_message *m = collect_find(c, key);
	size_t n = buf_len(&piece->units);
	struct part *part = m ? &m->parts[piece->number - 1] : NULL;

	*out = m;
	if (m && m->held)
		return COLLECT_HELD;
	if (part && part->there) {
		bool same = part->coding == piece->coding && buf_len(&part->units) == n &&
			(!n || !memcmp(buf_data(&part->units), buf_data(&piece->units), n));

		return same ? COLLECT_REPEATED : COLLECT_REUSED;
	}
	if (c->bytes + n + (m ? 0 : weight(key->total)) > c->most_bytes || (!m && c->messages == c->most_messages))
		return COLLECT_FULL;
	if (!m)
		*out = m = begin(c, key, at);
	part = &m->parts[piece->number - 1];
	part->there = true;
	part->coding = piece->coding;
	if (n)
		buf_add(&part->units, buf_data(&piece->units), n);
	c->bytes += n;
	m->have++;
	return m->have == m->key.total ? COLLECT_WHOLE : COLLECT_KEPT;
}

static void
forget_part(struct collect *c, struct part *part)
{
	c->bytes -= buf_len(&part->units);
	buf_fini(&part->units);
	part->there = false;
}

void
collect_drop(struct collect *c, struct collect_message *m, unsigned number)
{
	if (!m->parts[number - 1].there)
		return;
	forget_part(c, &m->parts[number - 1]);
	if (!--m->have)
		collect_end(c, m);
}

void
collect_end(struct collect *c, struct collect_message *m)
{
	for (unsigned i = 0; i < m->key.total; i++)
		forget_part(c, &m->parts[i]);
	HASH_DEL(c->by_key, m);
	list_remove(&m->entry);
	c->messages--;
	c->bytes -= weight(m->key.total);
	free(m->parts);
	free(m);
}

int64_t
collect_due(const struct collect *c)
{
	if (list_is_empty(&c->order))
		return INT64_MAX;
	return LIST_ENTRY(c->order.next, struct collect_message, entry)->begun + c->wait_ms;
}

struct collect_message *
collect_expired(struct collect *c, int64_t now)
{
	return collect_due(c) <= now ? LIST_ENTRY(c->order.next, struct collect_message, entry) : NULL;
}

void
collect_hold(struct collect *c, struct collect_message *m, bool hold, int64_t at)
{
	list_remove(&m->entry);
	m->held = hold;
	if (hold)
		return;
	m->begun = at - c->wait_ms;
	put_in_order(c, m);
}

const struct collect_key *
collect_key(const struct collect_message *m)
{
	return &m->key;
}

bool
collect_has(const struct collect_message *m, unsigned number)
{
	return m->parts[number - 1].there;
}

unsigned
collect_missing(const struct collect_message *m)
{
	return m->key.total - m->have;
}

void
collect_text(const struct collect_message *m, struct buf *out)
{
	struct buf units = { 0 };
	bool gap = false;

	for (unsigned i = 0; i < m->key.total; i++) {
		const struct part *part = &m->parts[i], *next = i + 1 < m->key.total ? part + 1 : NULL;

		if (!part->there) {
			if (!gap)
				buf_adds(out, "[…]");
			gap = true;
			continue;
		}
		gap = false;
		if (buf_len(&part->units))
			buf_add(&units, buf_data(&part->units), buf_len(&part->units));
		/* Decoded together, as far as the alphabet is the same: a character may begin in one part and end in the next. */
		if (next && next->there && next->coding == part->coding)
			continue;
		coding_text(part->coding, buf_data(&units), buf_len(&units), out);
		buf_clear(&units);
	}
	buf_fini(&units);
}
