/*
 * log_keeper_sink: takes checkpoints out of the database's reach, to the file.
 *
 * The file itself tells how far it is, and is gone on with from there with what the table has: nothing is lost while it is away. One that was
 * taken away, or has another in its place, is begun anew.
 */
#include "archive/log/log_keeper.h"

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

static bool
wants_file(const struct keeper *k)
{
	return k->s.checkpoint_file && *k->s.checkpoint_file;
}

/* It may be of another log, or know more than the table. */
int
keeper_open_file(struct keeper *k, struct err *e)
{
	const char *origin = k->signer ? note_signer_key(k->signer)->name : NULL;
	struct err why;
	int fits;

	if (!wants_file(k) || k->sink.fd >= 0)
		return 1;
	if (log_sink_open(&k->sink, k->s.checkpoint_file, origin, &why)) {
		file_failed(k, &why);
		return 1;
	}
	fits = k->sink.size ? keeper_fits(k, k->sink.size, k->sink.root, k->s.checkpoint_file, e) : 1;
	if (fits <= 0)
		log_sink_close(&k->sink);
	return fits;
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

void
keeper_fill_file(struct keeper *k)
{
	struct arena *a;
	struct err e;
	int rc;

	if (!wants_file(k)) {
		keeper_trouble(k, KEEPER_FILE, NULL);
		k->sink_ms = 0;
		return;
	}
	if ((k->sink.fd >= 0 && k->sink.size >= k->covered && !k->sink_ms) || clock_mono_ms() < k->sink_ms)
		return;
	if (k->sink.fd >= 0 && !log_sink_is_there(&k->sink, k->s.checkpoint_file)) {
		log_warning(NULL, "log-file-replaced", "file=%s", k->s.checkpoint_file);
		log_sink_close(&k->sink);
	}
	rc = keeper_open_file(k, &e);
	if (rc < 0)
		k->sink_ms = clock_mono_ms() + RETRY_MS;
	if (rc <= 0 || k->sink.fd < 0)
		return;
	a = arena_new(0);
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
