/*
 * tidy: one folder of the vault after the other, by the first byte of the hash, the whole once a day. What was touched within a day may belong
 * to somebody who is just about to say so.
 */
#include "core/file/tidy.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/file/vault.h"
#include "net/reactor.h"
#include "store/file_store.h"
#include "store/pool.h"

#define FIRST_MS (5 * 60 * 1000)
#define PAUSE_MS 1000
#define DAY_S (24 * 60 * 60)
#define AT_ONCE 1000

struct tidy {
	struct timer timer;
	unsigned bin;            /* 0 to 255 of the contents, then of the quarantine */
	int64_t began_ms;
};

static _Thread_local struct tidy *here;

static void step(struct timer *t);

struct round {
	bool quarantine;
	uint8_t first;
	unsigned removed;
};

/* A withdrawal that did not come to its end: its row says where it belongs. */
static void
remove_one(const struct round *g, const uint8_t sha256[SHA256_SIZE], bool to_quarantine, int64_t before_s, unsigned *removed)
{
	char hex[2 * SHA256_SIZE + 1];
	struct err e;

	text_hex(sha256, SHA256_SIZE, hex);
	if (to_quarantine) {
		if (quarantine_withdraw(sha256, &e))
			log_error(NULL, "file-not-stored", "step=withdraw sha256=%s why=%s", hex, e.text);
	} else if (vault_sweep(g->quarantine, sha256, before_s)) {
		log_info(NULL, "file-swept", "sha256=%s quarantine=%d", hex, g->quarantine);
		(*removed)++;
	}
}

static enum sql_status
work(struct job *job, struct sql *db)
{
	struct round *g = job->data;
	int64_t before_s = clock_wall_us() / 1000000 - DAY_S;
	uint8_t (*sha256)[SHA256_SIZE] = arena_alloc(job->arena, AT_ONCE * sizeof(*sha256));
	bool *known = arena_zalloc(job->arena, AT_ONCE), *elsewhere = arena_zalloc(job->arena, AT_ONCE);
	size_t n = vault_list(g->quarantine, g->first, before_s, sha256, AT_ONCE, &job->err);
	enum sql_status st = SQL_OK;

	if (n)
		st = file_known(db, g->quarantine, (const uint8_t (*)[SHA256_SIZE])sha256, n, known, &job->err);
	if (n && st == SQL_OK && !g->quarantine)
		st = file_known(db, true, (const uint8_t (*)[SHA256_SIZE])sha256, n, elsewhere, &job->err);
	for (size_t i = 0; st == SQL_OK && i < n; i++)
		if (!known[i])
			remove_one(g, sha256[i], elsewhere[i], before_s, &g->removed);
	return st;
}

static void
done(struct job *job)
{
	const struct round *g = job->data;
	int64_t now = reactor_now_ms(reactor_current()), wait = PAUSE_MS;

	if (job->status == JOB_OK) {
		if (g->removed)
			metric_add(METRIC_FILES_SWEPT, g->removed);
		here->bin = (here->bin + 1) % 512;
		if (!here->bin)
			wait = here->began_ms + DAY_S * 1000LL - now;
	}
	timer_set(&here->timer, wait > PAUSE_MS ? wait : PAUSE_MS, step);
}

static void
step(struct timer *t)
{
	struct job *job = job_new(sizeof(struct round));
	struct round *g = job->data;

	(void)t;
	if (!here->bin)
		here->began_ms = reactor_now_ms(reactor_current());
	g->quarantine = here->bin >= 256;
	g->first = (uint8_t)(here->bin % 256);
	job->work = work;
	job->done = done;
	pool_submit(job, 0);
}

void
tidy_home_start(void)
{
	here = NEW(struct tidy);
	timer_set(&here->timer, FIRST_MS, step);
}

void
tidy_home_stop(void)
{
	timer_clear(&here->timer);
	free(here);
	here = NULL;
}
