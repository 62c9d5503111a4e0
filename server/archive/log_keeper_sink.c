/*
 * log_keeper_sink: takes checkpoints out of the database's reach: to the file, and to who stamps them with the time.
 *
 * Each sink knows by itself how far it is, and goes on from there with what the table has: nothing is lost while one is away.
 */
#include "archive/log_keeper.h"
#include "archive/log_stamp.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"

#define RETRY_MS 5000
#define STAMP_RETRY_MS 30000
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

/* Time stamps */

static void
stamp_failed(struct keeper *k, const struct err *e)
{
	metric_add(METRIC_LOG_SINK_FAILED, 1);
	keeper_trouble(k, KEEPER_STAMP, "checkpoints get no time stamps of %s: %s", k->s.timestamp_url, e->text);
	k->stamp_next_ms = clock_mono_ms() + STAMP_RETRY_MS;
}

/* When the last one was. */
static int
know_stamped(struct keeper *k, struct err *e)
{
	int64_t at_us;

	if (k->stamp_known)
		return 0;
	if (log_store_stamped(k->db, &at_us, &k->stamped, e) != SQL_OK)
		return -1;
	k->stamp_known = true;
	k->stamp_next_ms = at_us ? clock_mono_ms() + (int64_t)k->s.timestamp_every_ms - (clock_wall_us() - at_us) / 1000 : 0;
	return 0;
}

/* The newest checkpoint: it covers all before it. */
static int
stamp_newest(struct keeper *k, struct err *e)
{
	struct arena *a = arena_new(0);
	struct log_checkpoint c;
	struct buf token = { 0 };
	int rc = log_newest(k->db, a, &c, e) == SQL_OK ? 0 : -1;

	if (!rc && c.size > k->stamped) {
		rc = log_stamp_ask(k->s.timestamp_url, c.note, &token, e);
		if (!rc && log_store_stamp(k->db, c.size, k->s.timestamp_url, buf_data(&token), buf_len(&token), e) != SQL_OK)
			rc = -1;
		if (!rc)
			k->stamped = c.size;
	}
	buf_fini(&token);
	arena_free(a);
	return rc;
}

static void
stamp_sink(struct keeper *k)
{
	struct err e;

	k->stamp_ms = 0;
	if (!k->s.timestamp_url || !*k->s.timestamp_url) {
		keeper_trouble(k, KEEPER_STAMP, NULL);
		return;
	}
	if (know_stamped(k, &e)) {
		stamp_failed(k, &e);
	} else if (k->covered > k->stamped && clock_mono_ms() >= k->stamp_next_ms) {
		if (stamp_newest(k, &e)) {
			stamp_failed(k, &e);
		} else {
			keeper_trouble(k, KEEPER_STAMP, NULL);
			k->stamp_next_ms = clock_mono_ms() + (int64_t)k->s.timestamp_every_ms;
		}
	}
	if (!k->stamp_known || k->covered > k->stamped)
		k->stamp_ms = k->stamp_next_ms > 0 ? k->stamp_next_ms : 1;
}

void
keeper_sinks(struct keeper *k)
{
	file_sink(k);
	/* Somebody else's pace is not for a server that stops. */
	if (!k->ending)
		stamp_sink(k);
}
