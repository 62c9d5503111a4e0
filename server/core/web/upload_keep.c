/*
 * upload_keep: retention (files.keep, expire-before): once a minute uploads that are over become so, and contents that no upload refers to any
 * more are removed, but what a legal hold covers. In batches, on a worker; what the record says of them stays.
 */
#include "base/log.h"
#include "core/file/vault.h"
#include "core/web/upload_priv.h"

#define EVERY_MS 60000
#define AGAIN_MS 1000 /* when there may be more */
#define BATCH 10        /* contents: others wait for the worker meanwhile */

struct sweep {
	unsigned found, removed;
};

static _Thread_local struct timer timer;
static _Thread_local bool stopping;

/* The row of the content is held while the file goes, so nobody takes it for kept meanwhile. */
static enum sql_status
remove_content(struct sql *db, const uint8_t sha256[SHA256_SIZE], unsigned *removed, struct err *e)
{
	bool unkept = false, held = false;
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = upload_note_held(db, sha256, &held, e);
	if (st == SQL_OK && held)
		return sql_commit(db, e);
	if (st == SQL_OK)
		st = upload_unkeep(db, sha256, &unkept, e);
	if (st == SQL_OK && unkept && vault_remove(sha256, e)) {
		log_warning(NULL, "content-not-removed", "why=%s", e->text);
		unkept = false;
	}
	if (st != SQL_OK || !unkept) {
		sql_rollback(db);
		return st;
	}
	++*removed;
	return sql_commit(db, e);
}

static enum sql_status
sweep_work(struct job *j, struct sql *db)
{
	struct sweep *s = j->data;
	uint8_t (*sha256)[SHA256_SIZE];
	enum sql_status st = upload_sweep(db, j->arena, BATCH, &sha256, &s->found, &j->err);

	for (unsigned i = 0; i < s->found && st == SQL_OK; i++)
		st = remove_content(db, sha256[i], &s->removed, &j->err);
	return st;
}

static void on_timer(struct timer *t);

static void
swept(struct job *j)
{
	const struct sweep *s = j->data;

	if (j->status != JOB_OK)
		log_warning(NULL, "uploads-not-swept", "why=%s", j->err.text);
	else if (s->removed)
		log_info(NULL, "contents-removed", "n=%u", s->removed);
	if (!stopping)
		timer_set(&timer, j->status == JOB_OK && s->found == BATCH && s->removed ? AGAIN_MS : EVERY_MS, on_timer);
}

static void
on_timer(struct timer *t)
{
	struct job *j = job_new(sizeof(struct sweep));

	(void)t;
	j->home = reactor_current();
	j->work = sweep_work;
	j->done = swept;
	pool_submit(j, crypt_hash("sweep", 5));
}

void
upload_keep_start(void)
{
	stopping = false;
	timer_set(&timer, AGAIN_MS, on_timer);
}

void
upload_keep_stop(void)
{
	stopping = true;
	timer_clear(&timer);
}
