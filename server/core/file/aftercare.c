/*
 * aftercare: one file at a time, on home 0: the next row, its scan, what that says; then, after a pause, the one behind it.
 */
#include "core/file/aftercare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/file/file_policy.h"
#include "core/file/notice.h"
#include "core/file/scanner.h"
#include "core/file/tidy.h"
#include "core/file/vault.h"
#include "core/home.h"
#include "core/host.h"
#include "net/reactor.h"
#include "store/file_store.h"
#include "store/pool.h"
#include "store/quarantine_store.h"
#include "store/record.h"
#include "xmpp/jid.h"
#include "xmpp/serialize.h"

#define POLITE_MS 200           /* others wait for the scanner */
#define POLITE_MOST 50          /* times in a row */
#define TROUBLE_MS 5000         /* the database, the archive or the scanner is away */
#define AGAIN_MS (10 * 60 * 1000) /* for those that failed */
#define DISK_MS 60000
#define PEOPLE_MAX 1000

struct aftercare {
	struct timer next;
	bool going;              /* a pass is under way: the timer is set, or an answer is awaited */
	bool again;              /* signatures have changed meanwhile: from the beginning when it has ended */
	unsigned polite, done, failed;
	struct file_place place; /* the last one */
	struct arena *arena;     /* of the one under way */
	struct file_row *row;
	int fd;
	struct scan scan;
	struct record_entry rec;
	int64_t began_ms;
};

static _Thread_local struct aftercare *here;

static void step(struct timer *t);

/* Whom it concerns */

struct telling {
	uint8_t sha256[SHA256_SIZE];
	char found[SCAN_TEXT_MAX];
	struct person {
		const char *who, *name;
		bool sent;
	} *person;
	int n;
};

static enum sql_status
people_work(struct job *job, struct sql *db)
{
	struct telling *t = job->data;
	PGresult *r;
	enum sql_status st = quarantine_store_people(db, t->sha256, PEOPLE_MAX, &r, &job->err);

	if (st != SQL_OK)
		return st;
	t->n = PQntuples(r);
	t->person = arena_zalloc(job->arena, ((size_t)t->n + 1) * sizeof(*t->person));
	for (int i = 0; i < t->n; i++)
		t->person[i] = (struct person){ .who = arena_strdup(job->arena, sql_text(r, i, 0)), .sent = sql_bool(r, i, 1),
			.name = sql_is_null(r, i, 2) ? NULL : arena_strdup(job->arena, sql_text(r, i, 2)) };
	PQclear(r);
	return SQL_OK;
}

static const char *
words(struct arena *a, const struct person *p, const char *found)
{
	const char *name = file_name_shown(a, p->name);

	if (p->sent)
		return arena_printf(a, "%s, which you have sent, has turned out to contain a virus (%s). It can no longer be fetched. Please tell "
			"your administrator where it came from.", name, found);
	return arena_printf(a, "%s, which was sent to you, has turned out to contain a virus (%s). It can no longer be fetched. Do not open it, "
		"delete it where you have saved it, and ask your administrator for help.", name, found);
}

static void
tell(struct job *job)
{
	const struct telling *t = job->data;

	if (job->status != JOB_OK) {
		log_error(NULL, "file-withdrawn-untold", "why=%s", job->err.text);
		return;
	}
	for (int i = 0; i < t->n; i++) {
		struct jid *to = jid_parse_z(t->person[i].who);

		if (to)
			notice_send(to, words(job->arena, &t->person[i], t->found));
		jid_unref(to);
	}
}

void
aftercare_withdrawn(const uint8_t sha256[SHA256_SIZE], const char *found)
{
	struct job *job = job_new(sizeof(struct telling));
	struct telling *t = job->data;
	char hex[2 * SHA256_SIZE + 1];

	memcpy(t->sha256, sha256, SHA256_SIZE);
	memcpy(t->found, found, strnlen(found, sizeof(t->found) - 1));
	text_hex(sha256, SHA256_SIZE, hex);
	metric_add(METRIC_FILES_WITHDRAWN, 1);
	log_error(NULL, "file-withdrawn", "sha256=%s found=%s", hex, found);
	job->work = people_work;
	job->done = tell;
	pool_submit(job, crypt_hash(sha256, SHA256_SIZE));
}

/* One after the other */

static void
go_on(int64_t ms)
{
	if (here->fd >= 0)
		(void)close(here->fd);
	here->fd = -1;
	arena_reset(here->arena);
	here->row = NULL;
	timer_set(&here->next, ms, step);
}

/* As fast as the limit lets us, counted from when the last one was begun. */
static void
next_one(void)
{
	int64_t pace = 60000 / (int64_t)home_config()->limits.rescans_per_minute;
	int64_t left = here->began_ms + pace - reactor_now_ms(reactor_current());

	go_on(left > 0 ? left : 0);
}

static void
fail(const char *what, const char *why)
{
	char hex[2 * SHA256_SIZE + 1] = "";

	here->failed++;
	if (here->row)
		text_hex(here->row->sha256, SHA256_SIZE, hex);
	log_warning(NULL, "rescan-failed", "sha256=%s step=%s why=%s", hex, what, why);
	go_on(TROUBLE_MS);
}

static void
end_pass(void)
{
	if (here->done || here->failed)
		log_info(NULL, "rescan-done", "files=%u failed=%u", here->done, here->failed);
	here->going = here->again || here->failed;
	here->place = (struct file_place){ 0 };
	if (here->going)
		go_on(here->again ? 0 : AGAIN_MS);
	here->again = false;
	here->done = here->failed = 0;
}

/* What the scan has said */

static void
note_result(struct file_row *f)
{
	const struct scan *s = &here->scan;

	f->scanned_us = clock_wall_us();
	f->signatures_s = s->signatures_s;
	f->signatures_n = s->signatures_n;
	f->signatures_set = s->signatures_set;
	if (s->type[0])
		f->type = s->type;
	f->kept = f->quarantined = false; /* as it is in the database */
}

static enum sql_status
put_work(struct job *job, struct sql *db)
{
	struct aftercare *a = job->owner;
	struct jid *server = host_at(0)->jid;
	struct file_event v = { .path = "rescan", .sha256 = a->row->sha256, .from = jid_bare(server), .verdict = "withdrawn", .text = a->row->found,
		.record_id = a->rec.id };
	enum file_state state;
	bool was_kept;
	enum sql_status st = sql_begin(db, &job->err);

	if (st == SQL_OK)
		st = file_put(db, a->row, &state, &was_kept, &job->err);
	if (st == SQL_OK && a->row->state == FILE_INFECTED)
		st = file_event_add(db, &v, &job->err);
	return st == SQL_OK ? sql_commit(db, &job->err) : st;
}

static enum sql_status
withdraw_work(struct job *job, struct sql *db)
{
	struct aftercare *a = job->owner;

	(void)db;
	return quarantine_withdraw(a->row->sha256, &job->err) ? SQL_FAILED : SQL_OK;
}

static void
withdrawn(struct job *job)
{
	if (job->status != JOB_OK) /* tidy does it again */
		log_error(NULL, "file-not-stored", "step=withdraw why=%s", job->err.text);
	next_one();
}

static void
was_put(struct job *job)
{
	struct job *disk;

	if (job->status != JOB_OK) {
		fail("database", job->err.text);
		return;
	}
	here->done++;
	metric_add(METRIC_FILES_RESCANNED, 1);
	if (here->row->state != FILE_INFECTED) {
		next_one();
		return;
	}
	disk = job_new(0);
	disk->owner = here;
	disk->work = withdraw_work;
	disk->done = withdrawn;
	disk->deadline_ms = clock_mono_ms() + DISK_MS;
	pool_submit_disk(disk);
}

static void
put(void)
{
	struct job *job = job_new(0);

	job->owner = here;
	job->work = put_work;
	job->done = was_put;
	pool_submit(job, crypt_hash(here->row->sha256, SHA256_SIZE));
}

/* People are told before the database knows: after a crash rather twice than never. */
static void
recorded(struct mail *m)
{
	(void)m;
	if (here->rec.outcome != RECORD_COMMITTED) {
		fail("record", here->rec.why);
		return;
	}
	aftercare_withdrawn(here->row->sha256, here->row->found);
	here->row->quarantined = true;
	put();
}

static void
record(void)
{
	const struct file_row *f = here->row;
	struct record_entry *r = &here->rec;
	char hex[2 * SHA256_SIZE + 1], stamp[32];
	struct buf b = { 0 };

	text_hex(f->sha256, SHA256_SIZE, hex);
	buf_addf(&b, "<file xmlns='urn:chancery:file:0' path='rescan' size='%" PRIu64 "' sha-256='%s' verdict='withdrawn' text='", f->size, hex);
	serialize_attr(&b, f->found, strlen(f->found));
	buf_addf(&b, "' scanned='%s'/>", clock_format(f->scanned_us, stamp));
	*r = (struct record_entry){ .mail = { .run = recorded }, .home = reactor_current(), .kind = RECORD_FILE, .direction = RECORD_LOCAL,
		.from_bare = jid_bare(host_at(0)->jid), .to_bare = jid_bare(host_at(0)->jid), .accepted_ms = clock_mono_ms() };
	r->stanza = arena_strndup(here->arena, buf_str(&b), buf_len(&b));
	r->stanza_len = buf_len(&b);
	r->body = arena_printf(here->arena, "File %s (%s, %s): withdrawn, %s", hex, file_size_shown(here->arena, f->size), f->type, f->found);
	buf_fini(&b);
	record_submit(r);
}

static void
scanned(struct mail *m)
{
	const struct scan *s = &here->scan;

	(void)m;
	note_result(here->row);
	switch (s->verdict) {
	case SCAN_UNSCANNABLE:
		/* It was clean once, and limits are not signatures: it stays, but by no signatures that would spare it a scan when it comes again. */
		log_warning(NULL, "rescan-unscannable", "why=%s", s->text);
		here->row->scanned_us = here->place.scanned_us;
		here->row->signatures_s = 0;
		here->row->signatures_n = here->row->signatures_set = 0;
		/* fallthrough */
	case SCAN_CLEAN:
		put();
		break;
	case SCAN_INFECTED:
		here->row->state = FILE_INFECTED;
		here->row->found = s->text;
		record();
		break;
	default:
		fail("scan", s->text);
	}
}

/* The next */

struct looking {
	struct aftercare *a;
	int64_t signatures_s;
	uint64_t signatures_n, signatures_set;
	struct file_place place;
	uint64_t size;
};

static enum sql_status
look_work(struct job *job, struct sql *db)
{
	struct looking *l = job->data;
	enum sql_status st = file_to_rescan(db, l->a->arena, l->signatures_s, l->signatures_n, l->signatures_set, &l->place, &l->a->row,
		&job->err);

	if (st == SQL_OK && l->a->row)
		l->a->fd = vault_open(l->a->row->sha256, &l->size, &job->err);
	return st;
}

static void
looked(struct job *job)
{
	const struct looking *l = job->data;

	if (job->status != JOB_OK) {
		fail("database", job->err.text);
		return;
	}
	if (!here->row) {
		end_pass();
		return;
	}
	here->place.scanned_us = here->row->scanned_us;
	memcpy(here->place.sha256, here->row->sha256, SHA256_SIZE);
	if (here->fd < 0 || l->size != here->row->size) {
		fail("vault", here->fd < 0 ? job->err.text : "of another size");
		return;
	}
	here->scan = (struct scan){ .mail = { .run = scanned }, .home = reactor_current(), .fd = here->fd, .size = l->size };
	scanner_submit(&here->scan);
}

static void
step(struct timer *t)
{
	struct scan_state now;
	struct looking *l;
	struct job *job;

	scanner_state(&now);
	if (!now.generation) {
		here->going = false; /* it says when it has some */
		return;
	}
	if (metric_get(METRIC_SCANS_WAITING) > 0 && here->polite++ < POLITE_MOST) {
		timer_set(t, POLITE_MS, step);
		return;
	}
	here->polite = 0;
	here->began_ms = reactor_now_ms(reactor_current());
	job = job_new(sizeof(*l));
	l = job->data;
	*l = (struct looking){ .a = here, .signatures_s = now.newest_s, .signatures_n = now.signatures, .signatures_set = now.set,
		.place = here->place };
	job->work = look_work;
	job->done = looked;
	pool_submit(job, (uint64_t)(uintptr_t)here);
}

static void
begin(void *arg)
{
	(void)arg;
	if (!here)
		return;
	here->again = here->going && !timer_is_set(&here->next);
	if (here->again)
		return;
	here->place = (struct file_place){ 0 };
	here->going = true;
	go_on(0);
}

/* On the scanner's thread. */
static void
new_signatures(void *arg, uint64_t generation)
{
	(void)generation;
	reactor_call(reactor_at(0), begin, arg);
}

void
aftercare_prepare(void)
{
	scanner_on_new_signatures(new_signatures, NULL);
}

void
aftercare_home_start(void)
{
	if (reactor_index(reactor_current()))
		return;
	here = NEW(struct aftercare);
	here->arena = arena_new(0);
	here->fd = -1;
	tidy_home_start();
}

void
aftercare_home_stop(void)
{
	if (!here)
		return;
	tidy_home_stop();
	timer_clear(&here->next);
	if (here->fd >= 0)
		(void)close(here->fd);
	arena_free(here->arena);
	free(here);
	here = NULL;
}
