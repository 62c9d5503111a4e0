/*
 * log_verify_keys: which keys may have signed, and what the file of checkpoints says (see log_verify_priv.h).
 *
 * A hand-over that both keys have signed vouches for either, for who trusts the other: a chain of them is one log. Where a key was lost
 * the chain begins anew, and somebody has to say that the new one is to be trusted.
 */
#include "archive/verify/log_verify_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/log/log_sink.h"
#include "base/mem.h"

/* Does number i go on from i - 1? */
static bool
hands_over(const struct keyring *k, size_t i, const struct log_key_row *row, struct findings *l)
{
	struct handover h;
	struct err e = { 0 };

	if (!row->handover)
		err_set(&e, 0, "it has no hand-over");
	else if (handover_open(row->handover, strlen(row->handover), &h, &e))
		(void)0;
	else if (!note_key_equal(&h.from, &k->key[i - 1]) || !note_key_equal(&h.to, &k->key[i]) || h.size != row->since)
		err_set(&e, 0, "its hand-over is of other keys");
	else
		return !h.lost;
	finding_add(l, "key", row->since, 0, "key %u of the log is not what the one before it made: %s", row->number, e.text);
	return false;
}

/* From those that are given along the chain, both ways. */
static void
trust(struct keyring *k, const struct log_verify *v, const bool *linked, struct findings *l)
{
	bool any = false;

	for (size_t i = 0; i < k->n; i++) {
		char text[NOTE_VKEY_MAX];

		note_key_text(&k->key[i], text);
		for (size_t j = 0; j < v->nkeys; j++)
			k->trusted[i] = k->trusted[i] || !strcmp(text, v->key[j]);
		any = any || k->trusted[i];
	}
	for (size_t i = 1; i < k->n; i++)
		k->trusted[i] = k->trusted[i] || (linked[i] && k->trusted[i - 1]);
	for (size_t i = k->n; i-- > 1;)
		k->trusted[i - 1] = k->trusted[i - 1] || (linked[i] && k->trusted[i]);
	if (!any && v->nkeys)
		finding_add(l, "key", 0, 0, "the log is not signed by the key that is trusted, %.200s", v->key[0]);
}

static void
judge_keys(struct keyring *k, const struct log_key_row *row, const struct log_verify *v, struct findings *l)
{
	bool *linked = mem_zalloc(k->n + 1);
	struct err e;

	for (size_t i = 0; i < k->n; i++) {
		k->since[i] = i ? row[i].since : 0;
		if (note_key_parse(row[i].vkey, &k->key[i], &e)) {
			finding_add(l, "key", row[i].since, 0, "key %u of the log cannot be read: %s", row[i].number, e.text);
			continue;
		}
		linked[i] = i && hands_over(k, i, &row[i], l);
	}
	if (v->nkeys)
		trust(k, v, linked, l);
	else
		memset(k->trusted, true, k->n * sizeof(*k->trusted));
	free(linked);
}

enum sql_status
keyring_load(struct sql *db, const struct log_verify *v, struct keyring *k, struct findings *l, struct err *e)
{
	struct arena *a = arena_new(0);
	struct log_key_row *row;
	size_t n;
	enum sql_status st = log_keys(db, a, &row, &n, e);

	*k = (struct keyring){ 0 };
	if (st == SQL_OK) {
		k->n = n;
		k->key = mem_zalloc((n + 1) * sizeof(*k->key));
		k->since = mem_zalloc((n + 1) * sizeof(*k->since));
		k->trusted = mem_zalloc((n + 1) * sizeof(*k->trusted));
		judge_keys(k, row, v, l);
	}
	arena_free(a);
	return st;
}

void
keyring_fini(struct keyring *k)
{
	free(k->key);
	free(k->since);
	free(k->trusted);
}

void
keyring_judge(const struct keyring *k, const char *text, size_t n, uint64_t size, struct point *p)
{
	struct note note;
	struct checkpoint c;
	struct err e;
	size_t i = k->n;

	p->forged = true;
	while (i && k->since[i - 1] >= size && i > 1)
		i--;
	if (!i || note_parse(text, n, &note, &e) || checkpoint_parse(note.text, note.text_n, &c, &e))
		return;
	if (c.size != size || memcmp(c.root, p->root, MERKLE_HASH) != 0 || strcmp(c.origin, k->key[i - 1].name) != 0)
		return;
	p->forged = note_verify(&note, &k->key[i - 1]) != NOTE_SIGNED;
	p->foreign = !k->trusted[i - 1];
}

/* The file */

struct outside {
	const struct keyring *keys;
	struct points *points;
};

static bool
take_note(void *arg, const char *text, size_t n)
{
	struct outside *o = arg;
	struct note note;
	struct checkpoint c;
	struct err e;
	struct point p = { .outside = true };

	/* Hand-overs are judged in the table. */
	if (note_parse(text, n, &note, &e) || checkpoint_parse(note.text, note.text_n, &c, &e))
		return true;
	p.size = c.size;
	memcpy(p.root, c.root, MERKLE_HASH);
	keyring_judge(o->keys, text, n, c.size, &p);
	point_add(o->points, &p);
	return true;
}

static int
by_size(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->forged - y->forged;
}

/* One for each size. A note that is not signed is a finding, unless it is what a torn write has left: the same was written again behind it. */
static void
tidy(struct points *l, struct findings *f)
{
	size_t n = 0;

	qsort(l->p, l->n, sizeof(*l->p), by_size);
	for (size_t i = 0; i < l->n; i++) {
		bool again = n && l->p[n - 1].size == l->p[i].size;

		if (again && (l->p[i].forged || memcmp(l->p[n - 1].root, l->p[i].root, MERKLE_HASH) == 0))
			continue;
		if (l->p[i].forged)
			finding_add(f, "forged", l->p[i].size, 0, "the checkpoint of %" PRIu64 " records in the file is not signed by the log's key", l->p[i].size);
		else
			l->p[n++] = l->p[i];
	}
	l->n = n;
}

int
outside_read(const struct keyring *k, const char *file, struct points *out, struct findings *l, struct err *e)
{
	struct outside o = { k, out };
	bool torn;

	if (log_sink_read(file, take_note, &o, &torn, e))
		return -1;
	if (out->n)
		tidy(out, l);
	return 0;
}
