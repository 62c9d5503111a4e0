/*
 * parts: the parts of long messages. A provider that waits for the answer to each part before it sends the next would never send the last one if we
 * waited for the record: so a part is kept at chanceryd, which is as safe, and answered then; the last one is answered when the message is in the record.
 * What was kept is taken up again by the next program. A message whose time is over is delivered as far as it came.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway_sms/kept.h"
#include "gateway_sms/sms.h"

#define AGAIN_MS 10000 /* for what could not be delivered now */

static int64_t
now_ms(void)
{
	return clock_wall_us() / 1000;
}

/* ---- delivering ------------------------------------------------------------------------------------------ */

/* A message that is on its way, and what is to be answered then; life 0: nothing. */
struct delivery {
	struct list link; /* of a part: in sms.keeping */
	bool asked;       /* of a part: chanceryd has not said yet whether it is kept */
	struct collect_key key;
	uint64_t life;
	uint32_t sequence;
	unsigned number; /* the part that waits for its answer */
};

/* The message is over, and so is the wait of its parts that are not kept, or not yet. */
static void
answer_parts(const struct collect_key *key, enum pdu_status status)
{
	LIST_EACH(l, &sms.keeping) {
		struct delivery *d = LIST_ENTRY(l, struct delivery, link);

		if (!d->life || memcmp(&d->key, key, sizeof(*key)) != 0)
			continue;
		in_answer(d->life, d->sequence, status);
		d->life = 0;
		if (d->asked)
			continue;
		list_remove(&d->link);
		free(d);
	}
}

static void
forget(struct collect_message *m)
{
	char key[KEPT_KEY];

	for (unsigned i = 1; i <= collect_key(m)->total; i++) {
		kept_key(key, collect_key(m), i);
		if (collect_has(m, i))
			gateway_data_set(sms.g, key, NULL);
	}
	collect_end(sms.collect, m);
}

static void
delivered(void *arg, enum pdu_status status)
{
	struct delivery *d = arg;
	struct collect_message *m = collect_find(sms.collect, &d->key);

	if (m && status == ESME_RX_T_APPN) {
		collect_hold(sms.collect, m, false, d->life ? now_ms() + sms.settings->part_seconds * 1000LL : now_ms() + AGAIN_MS);
		/* It is not answered, so it comes again. */
		if (d->life)
			collect_drop(sms.collect, m, d->number);
	} else if (m) {
		answer_parts(collect_key(m), status);
		forget(m);
	}
	if (d->life)
		in_answer(d->life, d->sequence, status);
	free(d);
	out_pump();
}

static void
deliver(struct collect_message *m, uint64_t life, uint32_t sequence, unsigned number)
{
	struct delivery *d = NEW(struct delivery);
	struct buf text = { 0 };

	*d = (struct delivery){ .key = *collect_key(m), .life = life, .sequence = sequence, .number = number };
	if (collect_missing(m))
		gateway_count(sms.g, "incomplete", 1);
	collect_text(m, &text);
	collect_hold(sms.collect, m, true, 0);
	in_arrived(d->key.from, d->key.from, &text, delivered, d);
}

void
parts_tick(void)
{
	struct collect_message *m;

	while ((m = collect_expired(sms.collect, now_ms())))
		deliver(m, 0, 0, 0);
}

/* ---- keeping --------------------------------------------------------------------------------------------- */

/* What cannot be kept stays with the provider: it is not answered before its message is in the record, and comes again after that. */
static void
kept(void *arg, bool ok)
{
	struct delivery *d = arg;

	d->asked = false;
	if (!ok && d->life)
		return;
	if (d->life)
		in_answer(d->life, d->sequence, ESME_ROK);
	list_remove(&d->link);
	free(d);
}

static void
keep(const struct delivery *what, const struct coding_piece *piece, int64_t at)
{
	struct delivery *d = NEW(struct delivery);
	struct buf value = { 0 };
	char key[KEPT_KEY];

	*d = *what;
	d->asked = true;
	list_append(&sms.keeping, &d->link);
	kept_key(key, &d->key, d->number);
	kept_text(&value, piece, at);
	gateway_data_keep(sms.g, key, buf_str(&value), kept, d);
	buf_fini(&value);
}

void
parts_came(uint64_t life, uint32_t sequence, const struct collect_key *key, const struct coding_piece *piece)
{
	struct delivery d = { .life = life, .sequence = sequence, .number = piece->number };
	struct collect_message *m;
	int64_t now = now_ms();

	switch (collect_add(sms.collect, key, piece, now, &m)) {
	case COLLECT_KEPT:
	case COLLECT_REPEATED:
		d.key = *collect_key(m);
		keep(&d, piece, now);
		break;
	case COLLECT_WHOLE:
		deliver(m, life, sequence, piece->number);
		break;
	case COLLECT_REUSED:
		/* The old one as far as it came; this one comes again. */
		deliver(m, 0, 0, 0);
		in_answer(life, sequence, ESME_RX_T_APPN);
		break;
	case COLLECT_HELD:
	case COLLECT_FULL:
		gateway_count(sms.g, "put_off", 1);
		in_answer(life, sequence, ESME_RX_T_APPN);
		break;
	}
	out_pump();
}

/* ---- taking up again ------------------------------------------------------------------------------------- */

struct reading {
	void (*done)(void);
};

static void
read_part(void *arg, const char *key, const char *value)
{
	struct reading *r = arg;
	struct collect_message *m;
	struct coding_piece piece;
	struct collect_key k;
	int64_t at;

	if (!key) {
		r->done();
		free(r);
		return;
	}
	if (kept_read(key, value, &k, &piece, &at)) {
		log_warning(NULL, "part-not-read", "key=%s", key);
		return;
	}
	if (collect_add(sms.collect, &k, &piece, at, &m) == COLLECT_WHOLE)
		deliver(m, 0, 0, 0); /* all were kept, and it was not delivered before the program ended */
	buf_fini(&piece.units);
}

void
parts_end(void)
{
	LIST_EACH(l, &sms.keeping) {
		struct delivery *d = LIST_ENTRY(l, struct delivery, link);

		d->life = 0;
		if (d->asked)
			continue;
		list_remove(&d->link);
		free(d);
	}
}

void
parts_read(void (*done)(void))
{
	struct reading *r = NEW(struct reading);

	r->done = done;
	gateway_data_each(sms.g, KEPT_PREFIX, read_part, r);
}
