/*
 * outbox: see outbox.h.
 */
#include "gateway_sms/outbox.h"

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"

#define PART_BITS 8 /* of a tag: CODING_PARTS fits */

enum part_state { PART_WAITS, PART_SUBMITTED, PART_TAKEN };

struct outbox_message {
	struct list entry; /* in `waiting` while a part of it waits, else in `submitted` */
	UT_hash_handle hh;
	uint64_t id;
	void *message;
	struct pdu like;
	struct coding_text text;
	unsigned waiting, taken; /* parts in that state */
	uint8_t state[CODING_PARTS];
	char **ids;
};

struct outbox {
	struct outbox_settings settings;
	const struct outbox_calls *calls;
	void *owner;
	struct outbox_message *by_id;
	struct list waiting, submitted;
	unsigned count;
	uint64_t last_id;
	int64_t pause_ms, paused_until; /* 0: the other side keeps up */
	bool trying;                    /* after a pause one has gone, and the rest waits for what it is told */
	int64_t second;                 /* of `rate` */
	unsigned in_second;
};

struct outbox *
outbox_new(const struct outbox_settings *settings, const struct outbox_calls *calls, void *owner)
{
	struct outbox *o = NEW(struct outbox);

	o->settings = *settings;
	o->calls = calls;
	o->owner = owner;
	list_init(&o->waiting);
	list_init(&o->submitted);
	return o;
}

void
outbox_free(struct outbox *o)
{
	struct outbox_message *m, *next;

	if (!o)
		return;
	HASH_ITER(hh, o->by_id, m, next)
		outbox_forget(o, m);
	free(o);
}

void
outbox_set(struct outbox *o, const struct outbox_settings *settings)
{
	o->settings = *settings;
}

struct outbox_message *
outbox_add(struct outbox *o, void *message, const struct pdu *like, struct coding_text *text)
{
	struct outbox_message *m;

	if (o->count >= o->settings.messages) {
		coding_fini(text);
		return NULL;
	}
	m = NEW(struct outbox_message);
	m->id = ++o->last_id;
	m->message = message;
	m->like = *like;
	m->text = *text;
	memset(text, 0, sizeof(*text));
	m->waiting = m->text.count;
	m->ids = mem_zalloc(m->text.count * sizeof(*m->ids));
	HASH_ADD(hh, o->by_id, id, sizeof(m->id), m);
	list_append(&o->waiting, &m->entry);
	o->count++;
	return m;
}

void
outbox_forget(struct outbox *o, struct outbox_message *m)
{
	HASH_DEL(o->by_id, m);
	list_remove(&m->entry);
	o->count--;
	for (unsigned i = 0; i < m->text.count; i++)
		free(m->ids[i]);
	free(m->ids);
	coding_fini(&m->text);
	free(m);
}

unsigned
outbox_count(const struct outbox *o)
{
	return o->count;
}

/* ---- going ----------------------------------------------------------------------------------------------- */

static bool
may_go(struct outbox *o, int64_t now)
{
	if (o->trying || now < o->paused_until)
		return false;
	if (!o->settings.rate)
		return true;
	if (now / 1000 != o->second) {
		o->second = now / 1000;
		o->in_second = 0;
	}
	return o->in_second < o->settings.rate;
}

static void
submit_next(struct outbox *o, struct outbox_message *m, struct smpp *s, int64_t now)
{
	struct pdu p = m->like;
	unsigned i = 0;

	while (m->state[i] != PART_WAITS)
		i++;
	coding_part(&m->text, i, &p);
	m->state[i] = PART_SUBMITTED;
	if (!--m->waiting) {
		list_remove(&m->entry);
		list_append(&o->submitted, &m->entry);
	}
	o->in_second++;
	smpp_submit(s, &p, m->id << PART_BITS | i, now);
}

void
outbox_pump(struct outbox *o, struct smpp *s, int64_t now)
{
	while (!list_is_empty(&o->waiting) && smpp_room(s) && may_go(o, now)) {
		submit_next(o, LIST_ENTRY(o->waiting.next, struct outbox_message, entry), s, now);
		o->trying = o->pause_ms != 0;
	}
}

int64_t
outbox_due(const struct outbox *o, int64_t now)
{
	if (list_is_empty(&o->waiting) || o->trying)
		return INT64_MAX;
	if (now < o->paused_until)
		return o->paused_until;
	if (o->settings.rate && now / 1000 == o->second && o->in_second >= o->settings.rate)
		return (o->second + 1) * 1000;
	return INT64_MAX;
}

/* ---- answers --------------------------------------------------------------------------------------------- */

static void
ended(struct outbox *o, struct outbox_message *m, uint32_t status)
{
	struct outbox_end end = { status, m->text.count, m->taken, (const char *const *)m->ids };

	o->calls->ended(o->owner, m->message, &end);
	outbox_forget(o, m);
}

static void
again(struct outbox *o, struct outbox_message *m, unsigned part)
{
	struct list *before = &o->waiting;

	m->state[part] = PART_WAITS;
	if (m->waiting++)
		return;
	/* Back to where it was, by its number: before all that came later. */
	list_remove(&m->entry);
	LIST_EACH(l, &o->waiting) {
		if (LIST_ENTRY(l, struct outbox_message, entry)->id > m->id) {
			before = l;
			break;
		}
	}
	list_append(before, &m->entry);
}

/* What an answer says of how busy the other side is. */
static void
paced(struct outbox *o, uint32_t status, bool busy, int64_t now)
{
	/* Refusals of what was sent before the first one are the same refusal. */
	if (busy && (o->trying || !o->pause_ms)) {
		o->pause_ms = o->pause_ms ? o->pause_ms * 2 : o->settings.pause_ms;
		if (o->pause_ms > o->settings.pause_most_ms)
			o->pause_ms = o->settings.pause_most_ms;
		o->paused_until = now + o->pause_ms;
	} else if (o->trying && status != SMPP_LOST && status != SMPP_NO_ANSWER) {
		o->pause_ms = o->paused_until = 0;
	}
	o->trying = false;
}

bool
outbox_answered(struct outbox *o, uint64_t tag, uint32_t status, const char *message_id, int64_t now)
{
	uint64_t id = tag >> PART_BITS;
	unsigned part = tag & ((1u << PART_BITS) - 1);
	bool busy = status == ESME_RTHROTTLED || status == ESME_RMSGQFUL;
	struct outbox_message *m;

	paced(o, status, busy, now);
	HASH_FIND(hh, o->by_id, &id, sizeof(id), m);
	if (!m)
		return busy;
	if (busy || status == SMPP_LOST) {
		again(o, m, part);
	} else if (status) {
		ended(o, m, status);
	} else {
		m->state[part] = PART_TAKEN;
		m->ids[part] = mem_strdup(message_id);
		if (++m->taken == m->text.count)
			ended(o, m, ESME_ROK);
	}
	return busy;
}
