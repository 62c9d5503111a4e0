/*
 * log_keeper_sink: takes checkpoints out of the database's reach: to the file, and to who stamps them with the time.
 *
 * Each sink knows by itself how far it is, and goes on from there with what the table has: nothing is lost while one is away.
 */
#include "archive/log_keeper.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#define RETRY_MS 5000
#define PAGE 100 /* checkpoints read at once */

static void
file_failed(struct keeper *k, const struct err *e)
{
	metric_add(METRIC_LOG_SINK_FAILED, 1);
	keeper_trouble(k, KEEPER_FILE, "checkpoints do not reach %s: %s", k->s.checkpoint_file, e->text);
	k->sink_ms = clock_mono_ms() + RETRY_MS;
}

/* The file may be of another log, or know more than the record has: then nothing is signed, as the record was cut or put back. */
static int
open_file(struct keeper *k, struct err *e)
{
	uint8_t root[MERKLE_HASH];
	const char *origin = k->signer ? note_signer_key(k->signer)->name : NULL;

	if (k->sink.fd >= 0)
		return 0;
	if (log_sink_open(&k->sink, k->s.checkpoint_file, origin, e))
		return -1;
	if (!k->sink.size)
		return 0;
	if (k->sink.size > k->records)
		err_set(e, 0, "it knows %" PRIu64 " records, and %" PRIu64 " are there: the record was cut, or is an older copy", k->sink.size, k->records);
	else if (k->sink.size > k->tree->f.size)
		err_set(e, 0, "the log is being made up to there");
	else if (log_root(k->db, k->sink.size, root, e))
		(void)0;
	else if (memcmp(root, k->sink.root, sizeof(root)) != 0)
		err_set(e, 0, "the record does not fit to its checkpoint of %" PRIu64 " records (chancery archive verify)", k->sink.size);
	else
		return 0;
	log_sink_close(&k->sink);
	return -1;
}

/* The hand-overs of keys that it does not have yet. */
static int
append_handovers(struct keeper *k, struct arena *a, struct err *e)
{
	struct log_key_row *row;
	size_t n;

	if (log_keys(k->db, a, &row, &n, e) != SQL_OK)
		return -1;
	for (size_t i = 0, seen = 0; i < n; i++) {
		if (!row[i].handover || seen++ < k->sink.handovers)
			continue;
		if (log_sink_append(&k->sink, row[i].handover, e))
			return -1;
		k->sink.handovers++;
	}
	return 0;
}

/* 1: there are more. */
static int
append_page(struct keeper *k, struct arena *a, struct err *e)
{
	struct log_checkpoint *c;
	size_t n;

	if (log_store_above(k->db, a, k->sink.size, PAGE, &c, &n, e) != SQL_OK)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (log_sink_append(&k->sink, c[i].note, e))
			return -1;
		k->sink.size = c[i].size;
	}
	return n == PAGE;
}

static void
file_sink(struct keeper *k)
{
	struct arena *a;
	struct err e;
	int rc;

	if (!k->s.checkpoint_file || !*k->s.checkpoint_file) {
		keeper_trouble(k, KEEPER_FILE, NULL);
		k->sink_ms = 0;
		return;
	}
	if ((k->sink.fd >= 0 && k->sink.size >= k->covered && !k->sink_ms) || clock_mono_ms() < k->sink_ms)
		return;
	a = arena_new(0);
	rc = open_file(k, &e);
	if (!rc)
		rc = append_handovers(k, a, &e);
	while (!rc && (rc = append_page(k, a, &e)) == 1) {
		arena_reset(a);
		rc = 0;
	}
	arena_free(a);
	if (rc < 0) {
		file_failed(k, &e);
		return;
	}
	k->sink_ms = 0;
	keeper_trouble(k, KEEPER_FILE, NULL);
}

void
keeper_sinks(struct keeper *k)
{
	file_sink(k);
}
