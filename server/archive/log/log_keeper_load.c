/*
 * log_keeper_load: what the keeper goes on from: the tree as it is stored, and the newest checkpoint.
 *
 * Nothing is believed because it is in the database. The keys have to have handed over to each other, the newest checkpoint has to be signed by
 * the one that the log had then, and the record has to give its root. What is known outside the database, the note beside the key (log_last.h)
 * and the file of checkpoints, has to fit as well, and the table has to know it. Who goes on from anything else blesses it with a signature.
 */
#include "archive/log/log_keeper.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/log/log_last.h"
#include "archive/verify/log_verify_priv.h"
#include "base/clock.h"

#define CONNECT_MS 3000
#define BROKEN_MS 60000 /* until it is looked at again: somebody may have mended it */

void
keeper_broken(struct keeper *k, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	keeper_trouble(k, KEEPER_BROKEN, "no checkpoints are signed: %s", why);
	k->broken_ms = clock_mono_ms() + BROKEN_MS;
	k->loaded = false;
}

/* Does the record go on from this tree head? */
static int
goes_on_from(struct keeper *k, uint64_t size, const uint8_t root[MERKLE_HASH], const char *where, struct err *e)
{
	uint8_t now[MERKLE_HASH];

	if (!size)
		return 1;
	if (size > k->records) {
		keeper_broken(k, "%s knows %" PRIu64 " records, and %" PRIu64 " are there: the record was cut, or is an older copy", where, size,
			k->records);
		return 0;
	}
	if (log_root(k->db, size, now, e)) {
		if (!sql_is_connected(k->db))
			return -1;
		keeper_broken(k, "the log cannot be read: %s", e->text);
		return 0;
	}
	if (memcmp(now, root, MERKLE_HASH) == 0)
		return 1;
	keeper_broken(k, "the record does not fit to the checkpoint of %" PRIu64 " records in %s (chancery archive verify)", size, where);
	return 0;
}

int
keeper_fits(struct keeper *k, uint64_t size, const uint8_t root[MERKLE_HASH], const char *where, struct err *e)
{
	if (size <= k->covered || size > k->records)
		return goes_on_from(k, size, root, where, e);
	keeper_broken(k, "%s has a checkpoint of %" PRIu64 " records that the database has not (chancery archive verify)", where, size);
	return 0;
}

/* Is it signed, by a key that the log had? */
static int
judge_newest(struct keeper *k, const struct log_checkpoint *last, struct err *e)
{
	struct log_verify anybody = { 0 };
	struct findings wrong = { 0 };
	struct point p = { .size = last->size };
	struct keyring keys;
	int fits = 0;

	if (keyring_load(k->db, &anybody, &keys, &wrong, e) != SQL_OK)
		return -1;
	memcpy(p.root, last->root, MERKLE_HASH);
	if (last->size)
		keyring_judge(&keys, last->note, strlen(last->note), last->size, &p);
	if (wrong.total)
		keeper_broken(k, "%s", wrong.f[0].text);
	else if (!last->size && keys.n > 1) /* one alone: the server ended before it first signed; what was signed since is known outside the database */
		keeper_broken(k, "the log has a key, and all that it has signed is gone (chancery archive verify)");
	else if (p.forged)
		keeper_broken(k, "the newest checkpoint, of %" PRIu64 " records, is not signed by the log's key, or not what was signed "
			"(chancery archive verify)", last->size);
	else
		fits = 1;
	keyring_fini(&keys);
	free(wrong.f);
	return fits;
}

static int
judge_note(struct keeper *k, struct err *e)
{
	struct checkpoint c;
	struct err why;
	int there = log_last_load(k->s.key_file, &c, &why);

	if (there < 0)
		keeper_broken(k, "what was signed last cannot be told: %s", why.text);
	return there <= 0 ? there + 1 : keeper_fits(k, c.size, c.root, "the note beside the key", e);
}

enum sql_status
keeper_load(struct keeper *k, struct err *e)
{
	struct log_checkpoint last;
	struct arena *a = arena_new(0);
	enum sql_status st = sql_connect(k->db, CONNECT_MS, e);
	int fits = 1;

	if (st == SQL_OK)
		st = log_store_records(k->db, &k->records, e);
	if (st == SQL_OK)
		st = log_newest(k->db, a, &last, e);
	if (st == SQL_OK)
		st = log_store_edge(k->db, k->tree, UINT64_MAX, e);
	if (st == SQL_OK) {
		k->covered = last.size;
		k->covered_us = last.at_us;
		fits = judge_newest(k, &last, e);
		if (fits > 0)
			fits = goes_on_from(k, last.size, last.root, "the last one", e);
		if (fits > 0)
			fits = judge_note(k, e);
		if (fits > 0)
			fits = keeper_open_file(k, e);
		st = fits < 0 ? SQL_UNAVAILABLE : SQL_OK;
	}
	arena_free(a);
	k->loaded = st == SQL_OK && fits;
	return st;
}
