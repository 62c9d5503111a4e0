/* history: see history.h. A ring, oldest first, which grows as there is something to keep: most rooms are quiet. */
#include "history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define RING_FIRST 4

struct past {
	struct stanza *st; /* sealed; `late`: with its delay */
	uint64_t id;
	int64_t at_us;
	bool late;
};

struct history {
	char *room;
	unsigned max, n, first, size; /* of the ring: at most max */
	struct past *ring;
};

struct history *
history_new(unsigned max, const char *room)
{
	struct history *h = NEW(struct history);

	h->max = max;
	h->room = mem_strdup(room);
	return h;
}

static struct past *
at(const struct history *h, unsigned i)
{
	return &h->ring[(h->first + i) % h->size];
}

void
history_free(struct history *h)
{
	if (!h)
		return;
	for (unsigned i = 0; i < h->n; i++)
		stanza_unref(at(h, i)->st);
	free(h->ring);
	free(h->room);
	free(h);
}

/* There is room for one more. */
static void
grow(struct history *h)
{
	unsigned size = h->size ? 2 * h->size : RING_FIRST;
	struct past *ring;

	if (h->n < h->size)
		return;
	size = size < h->max ? size : h->max;
	ring = mem_alloc(size * sizeof(*ring));
	for (unsigned i = 0; i < h->n; i++)
		ring[i] = *at(h, i);
	free(h->ring);
	h->ring = ring;
	h->size = size;
	h->first = 0;
}

void
history_add(struct history *h, struct stanza *st, uint64_t id, int64_t at_us)
{
	if (!h || !h->max || (h->n && at(h, h->n - 1)->id >= id))
		return;
	if (h->n == h->max) {
		stanza_unref(at(h, 0)->st);
		h->first = (h->first + 1) % h->size;
		h->n--;
	}
	grow(h);
	*at(h, h->n++) = (struct past){ stanza_ref(st), id, at_us, false };
}

struct history *
history_resize(struct history *h, unsigned max)
{
	struct history *to;

	if (!h || h->max == max)
		return h;
	to = history_new(max, h->room);
	for (unsigned i = 0; i < h->n; i++) {
		struct past *p = at(h, i);

		history_add(to, p->st, p->id, p->at_us);
		if (to->n)
			at(to, to->n - 1)->late = p->late;
	}
	history_free(h);
	return to;
}

void
history_append(struct history *to, struct history *h, uint64_t upto)
{
	for (unsigned i = 0; h && i < h->n; i++)
		if (at(h, i)->id > upto)
			history_add(to, at(h, i)->st, at(h, i)->id, at(h, i)->at_us);
	history_free(h);
}

void
history_remove(struct history *h, uint64_t id)
{
	unsigned kept = 0;

	for (unsigned i = 0; h && i < h->n; i++) {
		struct past p = *at(h, i);

		if (p.id == id)
			stanza_unref(p.st);
		else
			*at(h, kept++) = p;
	}
	if (h)
		h->n = kept;
}

void
history_fill(struct history *h, const struct room_past *past)
{
	char id[24];

	for (size_t i = 0; i < past->n; i++) {
		const struct room_past_message *m = &past->message[i];
		struct stanza *st = parser_one(m->xml, strlen(m->xml), NS_CLIENT, NULL);
		struct elem *sid;

		if (!st)
			continue;
		snprintf(id, sizeof(id), "%" PRIu64, m->id);
		if (st->sealed) {
			struct stanza *own = stanza_copy(st);

			stanza_unref(st);
			st = own;
		}
		sid = elem_add(st, st->root, NS_SID, "stanza-id");
		elem_set(st, sid, "by", h->room);
		elem_set(st, sid, "id", id);
		history_add(h, stanza_seal(st), m->id, m->at_us);
		stanza_unref(st);
	}
}

void
history_stamp(struct stanza *st, const char *room, int64_t at_us)
{
	struct elem *e = elem_add(st, st->root, NS_DELAY, "delay");
	char stamp[32];

	elem_set(st, e, "from", room);
	elem_set(st, e, "stamp", clock_format(at_us, stamp));
}

/* Made when somebody first enters after it was said. What an owner brought along from elsewhere has its own time (§7.9). */
static const struct stanza *
late(const struct history *h, struct past *p)
{
	struct stanza *st;

	if (p->late)
		return p->st;
	p->late = true;
	if (elem_child(p->st->root, NS_DELAY, "delay"))
		return p->st;
	st = stanza_copy(p->st);
	history_stamp(st, h->room, p->at_us);
	stanza_unref(p->st);
	p->st = stanza_seal(st);
	return p->st;
}

/* What is asked for; what cannot be read is as if it had not been said. */
struct wish {
	uint64_t stanzas, chars;
	int64_t since_us;
};

static uint64_t
number(const struct elem *e, const char *name)
{
	const char *s = elem_get(e, name);
	uint64_t n;

	return s && text_u64(s, strlen(s), 0, UINT32_MAX, &n) ? n : UINT64_MAX;
}

static struct wish
wish_of(const struct history *h, const struct elem *x)
{
	struct wish w = { .stanzas = h->n, .chars = UINT64_MAX, .since_us = INT64_MIN };
	const struct elem *e = x ? elem_child(x, NULL, "history") : NULL;
	const char *since;
	uint64_t n;
	int64_t t;

	if (!e)
		return w;
	if ((n = number(e, "maxstanzas")) < w.stanzas)
		w.stanzas = n;
	w.chars = number(e, "maxchars");
	if ((n = number(e, "seconds")) != UINT64_MAX)
		w.since_us = clock_wall_us() - (int64_t)n * 1000000;
	since = elem_get(e, "since");
	if (since && clock_parse(since, &t) == 0 && t > w.since_us)
		w.since_us = t;
	return w;
}

/* Characters, not bytes, of the whole stanza as it will be sent. */
static size_t
characters(const struct stanza *st, const struct jid *to)
{
	struct buf xml = { 0 };
	size_t n = 0;

	serialize_stanza(&xml, st, NS_CLIENT, &(struct overlay){ .to = jid_full(to) });
	for (size_t i = 0; i < buf_len(&xml); i++)
		n += (buf_data(&xml)[i] & 0xc0) != 0x80;
	buf_fini(&xml);
	return n;
}

void
history_send(const struct history *h, const struct elem *x, const struct jid *to)
{
	struct wish w;
	unsigned i;

	if (!h)
		return;
	w = wish_of(h, x);
	/* Backwards, as far as all that was asked for allows. */
	for (i = h->n; i > 0 && h->n - i < w.stanzas && at(h, i - 1)->at_us >= w.since_us; i--) {
		size_t chars = w.chars == UINT64_MAX ? 0 : characters(late(h, at(h, i - 1)), to);

		if (chars > w.chars)
			break;
		w.chars -= w.chars == UINT64_MAX ? 0 : chars;
	}
	for (; i < h->n; i++) {
		struct stanza *st = (struct stanza *)late(h, at(h, i));
		struct jid *from = jid_parse_z(elem_get(st->root, "from"));

		if (from)
			module_tell(st, from, to);
		jid_unref(from);
	}
}
