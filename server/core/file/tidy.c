/*
 * tidy: one folder of the vault after the other, by the first byte of the hash, the whole once a day. What was touched within a day may belong
 * to somebody who is just about to say so. What waits for disks is not done by the database's workers.
 */
#include "core/file/tidy.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

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
#define BATCH 16         /* removed at a time: the database is asked again before the next ones */
#define DISK_MS 60000

struct tidy {
	struct timer timer;
	unsigned bin;            /* 0 to 255 of the contents, then of the quarantine */
	int64_t began_ms;
	/* The folder that is looked through: what is left of it */
	bool quarantine;
	int64_t before_s;
	uint8_t sha256[AT_ONCE][SHA256_SIZE];
	bool known[AT_ONCE], elsewhere[AT_ONCE];
	size_t n;
	unsigned removed;
};

static _Thread_local struct tidy *here;

static void step(struct timer *t);
static void ask(void);

static void
next_bin(void)
{
	int64_t now = reactor_now_ms(reactor_current()), wait = PAUSE_MS;

	if (here->removed)
		metric_add(METRIC_FILES_SWEPT, here->removed);
	here->bin = (here->bin + 1) % 512;
	if (!here->bin)
		wait = here->began_ms + DAY_S * 1000LL - now;
	timer_set(&here->timer, wait > PAUSE_MS ? wait : PAUSE_MS, step);
}

static void
submit_disk(enum sql_status (*work)(struct job *, struct sql *), void (*done)(struct job *))
{
	struct job *job = job_new(0);

	job->owner = here;
	job->work = work;
	job->done = done;
	job->deadline_ms = clock_mono_ms() + DISK_MS;
	pool_submit_disk(job);
}

/* Out */

/* A withdrawal that did not come to its end: its row says where it belongs. */
static void
remove_one(struct tidy *g, const uint8_t sha256[SHA256_SIZE], bool to_quarantine)
{
	char hex[2 * SHA256_SIZE + 1];
	struct err e;

	text_hex(sha256, SHA256_SIZE, hex);
	if (to_quarantine) {
		if (quarantine_withdraw(sha256, &e))
			log_error(NULL, "file-not-stored", "step=withdraw sha256=%s why=%s", hex, e.text);
	} else if (vault_sweep(g->quarantine, sha256, g->before_s)) {
		log_info(NULL, "file-swept", "sha256=%s quarantine=%d", hex, g->quarantine);
		g->removed++;
	}
}

static size_t
batch(const struct tidy *g)
{
	return g->n < BATCH ? g->n : BATCH;
}

static enum sql_status
remove_work(struct job *job, struct sql *db)
{
	struct tidy *g = job->owner;

	(void)db;
	for (size_t i = 0; i < batch(g); i++)
		remove_one(g, g->sha256[i], g->elsewhere[i]);
	return SQL_OK;
}

static void
removed(struct job *job)
{
	size_t done = batch(here);

	here->n = job->status == JOB_OK ? here->n - done : 0;
	memmove(here->sha256, here->sha256 + done, here->n * SHA256_SIZE);
	if (here->n)
		ask();
	else
		next_bin();
}

/* Whose they are */

static enum sql_status
ask_work(struct job *job, struct sql *db)
{
	struct tidy *g = job->owner;
	const uint8_t (*sha256)[SHA256_SIZE] = (const uint8_t (*)[SHA256_SIZE])g->sha256;
	enum sql_status st = file_known(db, g->quarantine, sha256, g->n, g->known, &job->err);

	memset(g->elsewhere, 0, sizeof(g->elsewhere));
	if (st == SQL_OK && !g->quarantine)
		st = file_known(db, true, sha256, g->n, g->elsewhere, &job->err);
	return st;
}

static void
asked(struct job *job)
{
	size_t n = 0;

	for (size_t i = 0; job->status == JOB_OK && i < here->n; i++) {
		if (here->known[i])
			continue;
		memmove(here->sha256[n], here->sha256[i], SHA256_SIZE);
		here->elsewhere[n++] = here->elsewhere[i];
	}
	here->n = n;
	if (n)
		submit_disk(remove_work, removed);
	else if (job->status == JOB_OK)
		next_bin();
	else
		timer_set(&here->timer, PAUSE_MS, step); /* the same once more */
}

static void
ask(void)
{
	struct job *job = job_new(0);

	job->owner = here;
	job->work = ask_work;
	job->done = asked;
	pool_submit(job, 0);
}

/* One folder */

static enum sql_status
list_work(struct job *job, struct sql *db)
{
	struct tidy *g = job->owner;

	(void)db;
	g->n = vault_list(g->quarantine, (uint8_t)(g->bin % 256), g->before_s, g->sha256, AT_ONCE, &job->err);
	return SQL_OK;
}

static void
listed(struct job *job)
{
	if (job->status != JOB_OK)
		timer_set(&here->timer, PAUSE_MS, step);
	else if (here->n)
		ask();
	else
		next_bin();
}

static void
step(struct timer *t)
{
	(void)t;
	if (!here->bin)
		here->began_ms = reactor_now_ms(reactor_current());
	here->quarantine = here->bin >= 256;
	here->before_s = clock_wall_us() / 1000000 - DAY_S;
	here->n = 0;
	here->removed = 0;
	submit_disk(list_work, listed);
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
