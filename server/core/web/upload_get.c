/*
 * upload_get: GET and HEAD of what was uploaded (XEP-0363): whole or in part (RFC 9110 §14), with tags and caching, as an attachment unless it is
 * known to be harmless.
 *
 * Nobody gets a byte before it is in the record that somebody has fetched the file (RECORD_FILE_FETCHED): who that is nobody can say but by the
 * address; the tokens are what lets people in. A player that asks for one part after the other is recorded once in a while.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/file/vault.h"
#include "core/web/upload_priv.h"
#include "net/http_range.h"
#include "store/record.h"
#include "xmpp/serialize.h"

#define MAX_AGE_S 86400
#define PARTS_MS 600000   /* parts that one address fetches of a file in so much time are one download */
#define PARTS_KNOWN 1024
#define STALE_MS 1000     /* what was looked up before the record took longer than this is looked up again */
#define FLUSH_MS 300
#define FLUSH_AT 200

struct get {
	struct arena *arena;
	struct http_request *r;   /* NULL: the client has gone */
	char token[UPLOAD_TOKEN + 1];
	const char *name;
	struct upload *u;
	char tag[2 * SHA256_SIZE + 3];
	bool part;
	uint64_t first, size;     /* of what is asked for */
	struct record_entry rec;
};

/* One download that is in the record and not in the database yet. */
struct fetched {
	struct fetched *next;
	struct arena *arena;
	struct upload_fetch fetch;
};

static _Thread_local struct {
	struct fetched *fetched, **last;
	unsigned n;
	struct timer timer;
	struct {
		uint64_t key;
		int64_t until_ms;
	} parts[PARTS_KNOWN];     /* a place is a hash's: who shares one is recorded once more */
} here;

static void
get_free(struct get *g)
{
	arena_free(g->arena);
	free(g);
}

static void
refuse(struct get *g, int status, const char *text)
{
	struct http_request *r = g->r;

	metric_add(METRIC_DOWNLOADS_REFUSED, 1);
	log_debug(http_log(r), "download-refused", "status=%d why=%s", status, text);
	get_free(g);
	if (status == 503)
		http_field(r, "Retry-After", "30");
	upload_refuse(r, status, text);
}

/* What has been fetched, in the database */

static enum sql_status
note_work(struct job *j, struct sql *db)
{
	enum sql_status st = sql_begin(db, &j->err);

	for (struct fetched *f = j->owner; f && st == SQL_OK; f = f->next)
		st = upload_fetched(db, &f->fetch, &j->err);
	if (st == SQL_OK)
		return sql_commit(db, &j->err);
	sql_rollback(db);
	return st;
}

static void
noted(struct job *j)
{
	struct fetched *f = j->owner, *next;

	if (j->status != JOB_OK)
		log_warning(NULL, "downloads-not-noted", "why=%s", j->err.text); /* they are in the record */
	for (; f; f = next) {
		next = f->next;
		arena_free(f->arena);
	}
}

void
upload_get_flush(void)
{
	struct job *j;

	timer_clear(&here.timer);
	if (!here.fetched)
		return;
	j = job_new(1);
	j->home = reactor_current();
	j->owner = here.fetched;
	j->work = note_work;
	j->done = noted;
	here.fetched = NULL;
	here.n = 0;
	pool_submit(j, crypt_hash("downloads", 9));
}

static void
flush_later(struct timer *t)
{
	(void)t;
	upload_get_flush();
}

static const char *
service_of_upload(struct arena *a, const struct upload *u)
{
	return arena_printf(a, "upload.%s", u->domain);
}

static void
note(const struct get *g)
{
	struct arena *a = arena_new(0);
	struct fetched *f = arena_zalloc(a, sizeof(*f));
	uint8_t *sha256 = arena_alloc(a, SHA256_SIZE);

	memcpy(sha256, g->u->sha256, SHA256_SIZE);
	f->arena = a;
	f->fetch.id = g->u->id;
	f->fetch.event = (struct file_event){ .path = "download", .sha256 = sha256, .from = service_of_upload(a, g->u),
		.name = arena_strdup(a, g->u->name), .verdict = "fetched", .text = arena_strdup(a, http_address(g->r)), .record_id = g->rec.id };
	if (!here.fetched)
		here.last = &here.fetched;
	*here.last = f;
	here.last = &f->next;
	if (++here.n >= FLUSH_AT)
		upload_get_flush();
	else if (!timer_is_set(&here.timer))
		timer_set(&here.timer, FLUSH_MS, flush_later);
}

/* The answer */

/* RFC 6266, and RFC 8187 for what is not ASCII. */
static void
say_disposition(struct http_request *r, const char *name, bool harmless)
{
	struct buf b = { 0 };

	buf_addf(&b, "%s; filename=\"", harmless ? "inline" : "attachment");
	for (const char *s = name; *s; s++)
		if (((unsigned char)*s & 0xc0) != 0x80)
			buf_addc(&b, (unsigned char)*s >= 0x80 || strchr("\"\\%", *s) ? '_' : *s);
	buf_adds(&b, "\"; filename*=UTF-8''");
	text_percent(&b, name);
	http_field(r, "Content-Disposition", buf_str(&b));
	buf_fini(&b);
}

static void
say_caching(const struct get *g)
{
	int64_t age = MAX_AGE_S;
	char text[64];

	if (g->u->expires && g->u->expires_us / 1000000 < age)
		age = g->u->expires_us / 1000000;
	snprintf(text, sizeof(text), "private, max-age=%" PRId64 ", immutable", age);
	http_field(g->r, "Cache-Control", text);
	http_field(g->r, "ETag", g->tag);
}

static void
answer(struct get *g)
{
	struct http_request *r = g->r;
	const struct upload *u = g->u;
	bool harmless = upload_is_harmless(u->true_type);
	const char *type = upload_type(u->true_type, u->type);
	uint64_t size = 0;
	struct err e = { 0 };
	char range[80];
	int fd = vault_open(u->sha256, &size, &e);

	if (fd < 0 || size != u->size || lseek(fd, (off_t)g->first, SEEK_SET) < 0) {
		if (fd >= 0)
			close(fd);
		log_error(http_log(r), "content-missing", "upload=%" PRId64 " why=%s", u->id, fd < 0 ? e.text : "size");
		refuse(g, 404, "The file is not there.");
		return;
	}
	upload_fields(r);
	say_caching(g);
	say_disposition(r, u->name, harmless);
	http_field(r, "Accept-Ranges", "bytes");
	if (g->part) {
		snprintf(range, sizeof(range), "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, g->first, g->first + g->size - 1, u->size);
		http_field(r, "Content-Range", range);
	}
	type = arena_strdup(reactor_scratch(reactor_current()), type);
	size = g->size;
	if (http_head_of(r)->method != HTTP_HEAD) {
		metric_add(METRIC_DOWNLOADS, 1);
		metric_add(METRIC_DOWNLOAD_BYTES, (int64_t)size);
	}
	http_reply_file(r, g->part ? 206 : 200, type, fd, size);
	get_free(g);
}

/* The record */

/* Of this file and this address. */
static uint64_t
parts_key(const struct get *g)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%" PRId64 " %s", g->u->id, http_address(g->r));

	return crypt_hash(text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

/* Parts of it that this address has fetched are in the record not long ago. All of it at once is no part. */
static bool
is_going_on(const struct get *g)
{
	uint64_t key = parts_key(g);

	return g->size < g->u->size && here.parts[key % PARTS_KNOWN].key == key &&
		here.parts[key % PARTS_KNOWN].until_ms > reactor_now_ms(reactor_current());
}

static void
note_part(const struct get *g)
{
	uint64_t key = parts_key(g);

	if (g->size == g->u->size)
		return;
	here.parts[key % PARTS_KNOWN].key = key;
	here.parts[key % PARTS_KNOWN].until_ms = reactor_now_ms(reactor_current()) + PARTS_MS;
}

static void look(struct get *g);

static void
give(struct get *g)
{
	note(g);
	note_part(g);
	answer(g);
}

static void
recorded(struct mail *m)
{
	struct get *g = (struct get *)((char *)m - offsetof(struct get, rec.mail));

	if (!g->r) {
		if (g->rec.outcome == RECORD_COMMITTED)
			log_debug(NULL, "download-gone", "upload=%" PRId64, g->u->id);
		get_free(g);
	} else if (g->rec.outcome != RECORD_COMMITTED) {
		refuse(g, 503, "It could not be recorded that the file is fetched. Try again later.");
	} else if (clock_mono_ms() - g->rec.accepted_ms > STALE_MS) {
		look(g);
	} else {
		give(g);
	}
}

static const char *
describe(struct get *g, const char *address)
{
	char sha[2 * SHA256_SIZE + 1];
	struct buf b = { 0 };
	const char *out;

	text_hex(g->u->sha256, SHA256_SIZE, sha);
	buf_adds(&b, "<fetched xmlns='urn:chancery:file:0' name='");
	serialize_attr(&b, g->u->name, strlen(g->u->name));
	buf_addf(&b, "' size='%" PRIu64 "' sha-256='%s' address='%s'", g->u->size, sha, address);
	if (g->part)
		buf_addf(&b, " first='%" PRIu64 "' bytes='%" PRIu64 "'", g->first, g->size);
	buf_adds(&b, "/>");
	out = arena_strdup(g->arena, buf_str(&b));
	buf_fini(&b);
	return out;
}

static void
record(struct get *g)
{
	const char *address = http_address(g->r);

	g->rec = (struct record_entry){ .mail.run = recorded, .home = reactor_current(), .kind = RECORD_FILE_FETCHED, .direction = RECORD_LOCAL,
		.from_bare = service_of_upload(g->arena, g->u), .to_bare = g->u->owner, .stanza = describe(g, address), .about = g->u->record,
		.body = arena_printf(g->arena, "File %s was fetched (%" PRIu64 " bytes, from %s)", g->u->name, g->size, address),
		.accepted_ms = clock_mono_ms() };
	g->rec.stanza_len = strlen(g->rec.stanza);
	record_submit(&g->rec);
}

/* What is asked for */

/* 0, or a status and why. */
static int
check(const struct get *g, const char **why)
{
	const struct upload *u = g->u;

	*why = "There is no such file.";
	if (!u || strcmp(u->name, g->name) != 0 || (u->state != UPLOAD_KEPT && u->state != UPLOAD_OVER))
		return 404;
	*why = "The file has been deleted by its owner.";
	if (u->hidden)
		return 410;
	*why = "The file has expired.";
	if (u->state == UPLOAD_OVER || (u->expires && u->expires_us <= 0))
		return 410;
	*why = "The file has been withdrawn: it is not safe.";
	if (u->content != FILE_CLEAN && !(u->content == FILE_RELEASED && u->content_kept))
		return 410;
	*why = "The file is not there.";
	return u->content_kept ? 0 : 404;
}

static void
say_unsatisfiable(struct get *g)
{
	char range[40];

	snprintf(range, sizeof(range), "bytes */%" PRIu64, g->u->size);
	http_field(g->r, "Content-Range", range);
	refuse(g, 416, "The file has no such part.");
}

static void
serve(struct get *g)
{
	const struct http_head *h = http_head_of(g->r);
	bool head = h->method == HTTP_HEAD;
	uint64_t last = 0;

	g->tag[0] = '"';
	text_hex(g->u->sha256, SHA256_SIZE, g->tag + 1);
	g->tag[2 * SHA256_SIZE + 1] = '"';
	if (http_range_is_other(h, g->tag)) {
		refuse(g, 412, "The file is another one.");
		return;
	}
	if (http_range_is_known(h, g->tag)) {
		struct http_request *r = g->r;

		upload_fields(r);
		say_caching(g);
		get_free(g);
		http_reply(r, 304, NULL, NULL, 0);
		return;
	}
	g->size = g->u->size;
	/* §14.2: only GET has ranges. */
	switch (head ? HTTP_RANGE_WHOLE : http_range_of(h, g->tag, g->u->size, &g->first, &last)) {
	case HTTP_RANGE_NONE:
		say_unsatisfiable(g);
		return;
	case HTTP_RANGE_PART:
		g->part = true;
		g->size = last - g->first + 1;
		break;
	case HTTP_RANGE_WHOLE:
		g->first = 0;
	}
	if (head || is_going_on(g))
		answer(g);
	else
		record(g);
}

static enum sql_status
look_work(struct job *j, struct sql *db)
{
	struct get *g = j->owner;

	return upload_find(db, g->arena, g->token, false, &g->u, &j->err);
}

static void
looked(struct job *j)
{
	struct get *g = j->owner;
	const char *why;
	int status;

	upload_looked();
	if (!g->r) {
		get_free(g);
		return;
	}
	if (j->status != JOB_OK) {
		refuse(g, 503, "The database is away. Try again later.");
		return;
	}
	status = check(g, &why);
	if (status)
		refuse(g, status, why);
	else if (g->rec.outcome == RECORD_COMMITTED)
		give(g);
	else
		serve(g);
}

static void
look(struct get *g)
{
	struct job *j = job_new(1);

	upload_looks();
	j->home = reactor_current();
	j->owner = g;
	j->work = look_work;
	j->done = looked;
	pool_submit(j, crypt_hash(g->token, UPLOAD_TOKEN));
}

void
upload_get_begin(struct http_request *r)
{
	struct get *g = NEW(struct get);
	const char *name = upload_parse(http_head_of(r)->path, g->token);

	g->arena = arena_new(0);
	g->r = r;
	if (!name) {
		refuse(g, 404, "There is no such file.");
		return;
	}
	if (!upload_may_look()) {
		refuse(g, 503, "Too much is being asked for. Try again later.");
		return;
	}
	g->name = arena_strdup(g->arena, name);
	http_set_data(r, g);
	look(g);
}

/* It waits for the database or for the record, whose answer ends it. */
void
upload_get_gone(struct http_request *r)
{
	struct get *g = http_data(r);

	if (g)
		g->r = NULL;
}

void
upload_get_stop(void)
{
	timer_clear(&here.timer);
	if (here.fetched)
		log_warning(NULL, "downloads-not-noted", "why=stop");
	while (here.fetched) {
		struct fetched *f = here.fetched;

		here.fetched = f->next;
		arena_free(f->arena);
	}
}
