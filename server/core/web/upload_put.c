/*
 * upload_put: PUT of a file (XEP-0363 §7): its slot is looked up before a byte of it is read; it streams into a spool, is judged, and the
 * slot is closed with the verdict, in one transaction; then 201.
 *
 * A slot stays open until what was put has been judged: who loses the connection may try again while there is time. While a PUT is under
 * way another one to the same slot is refused. When the client goes while its file is being judged the rest is done all the same.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/file/judge.h"
#include "core/file/spool.h"
#include "core/web/upload_priv.h"
#include "net/http_range.h"

#define PIECE 131072 /* what is written at a time */
#define RETRY_SECONDS "30"

enum put_state { LOOKING, TAKING, JUDGING };

struct put {
	UT_hash_handle hh;
	char token[UPLOAD_TOKEN + 1];
	struct arena *arena;
	struct http_request *r;  /* NULL: the client has gone */
	enum put_state state;
	const char *name, *type; /* as the request has them; type NULL */
	uint64_t length;
	struct upload *slot;
	struct spool *spool;
	struct timer deadline;   /* while TAKING */
	int64_t since_ms;        /* TAKING, then JUDGING */
	unsigned receive_ms;
	char *piece;
	size_t have;
	struct jid *from;
	struct judgement judge;
	struct upload_end end;
};

static _Thread_local struct put *under_way;

static void
put_free(struct put *p)
{
	HASH_DEL(under_way, p);
	metric_add(METRIC_UPLOADS_OPEN, -1);
	timer_clear(&p->deadline);
	spool_free(p->spool);
	free(p->piece);
	jid_unref(p->from);
	arena_free(p->arena);
	free(p);
}

/* Its answer, and its end. */
static void
end(struct put *p, int status, const char *text)
{
	struct http_request *r = p->r;

	if (status != 201) {
		metric_add(METRIC_UPLOADS_REFUSED, 1);
		log_info(r ? http_log(r) : NULL, "upload-refused", "jid=%s status=%d why=%s", p->slot ? p->slot->owner : NULL, status, text);
		text = arena_strdup(reactor_scratch(reactor_current()), text);
	}
	put_free(p);
	if (!r)
		return;
	if (status == 503)
		http_field(r, "Retry-After", RETRY_SECONDS);
	if (status != 201) {
		upload_refuse(r, status, text);
		return;
	}
	upload_fields(r);
	http_reply(r, 201, NULL, NULL, 0);
}

static unsigned
elapsed(const struct put *p)
{
	return (unsigned)(reactor_now_ms(reactor_current()) - p->since_ms);
}

/* The end: the slot is closed in the database */

static enum upload_state
state_of(enum judge_verdict v)
{
	if (v == JUDGE_PASS)
		return UPLOAD_KEPT;
	return v == JUDGE_INFECTED || v == JUDGE_UNSCANNABLE ? UPLOAD_HELD : UPLOAD_REFUSED;
}

static enum sql_status
close_slot(struct judgement *j, struct sql *db, const struct file_event *event, struct err *e)
{
	struct put *p = (struct put *)((char *)j - offsetof(struct put, judge));

	p->end.state = state_of(j->verdict);
	p->end.event = event;
	return upload_finish(db, &p->end, e);
}

static void
judged(struct mail *m)
{
	struct put *p = (struct put *)((char *)m - offsetof(struct put, judge.mail));

	if (p->judge.verdict == JUDGE_CLOSED) {
		end(p, 503, p->judge.text);
	} else if (p->end.state != UPLOAD_KEPT) {
		end(p, 403, p->judge.text);
	} else if (!p->end.done) {
		log_error(NULL, "upload-lost", "upload=%" PRId64, p->slot->id);
		end(p, 503, "The file could not be kept now. Try again later.");
	} else {
		metric_add(METRIC_UPLOADS, 1);
		log_info(p->r ? http_log(p->r) : NULL, "uploaded", "jid=%s upload=%" PRId64 " bytes=%" PRIu64 " type=%s receive_ms=%u judge_ms=%u",
			p->slot->owner, p->slot->id, p->slot->size, p->judge.true_type, p->receive_ms, elapsed(p));
		end(p, 201, NULL);
	}
}

/* The body */

/* False: it has been answered. */
static bool
write_out(struct put *p)
{
	struct err e;

	if (spool_write(p->spool, p->piece, p->have, &e)) {
		log_warning(http_log(p->r), "spool-failed", "why=%s", e.text);
		end(p, 507, "There is no room for the file now.");
		return false;
	}
	metric_add(METRIC_UPLOAD_BYTES, (int64_t)p->have);
	p->have = 0;
	return true;
}

void
upload_put_body(struct http_request *r, const char *data, size_t n)
{
	struct put *p = http_data(r);
	size_t size = p->length < PIECE ? (size_t)p->length : PIECE;

	if (!p->piece)
		p->piece = mem_alloc(size);
	while (n) {
		size_t part = n < size - p->have ? n : size - p->have;

		memcpy(p->piece + p->have, data, part);
		p->have += part;
		data += part;
		n -= part;
		if (p->have == size && !write_out(p))
			return;
	}
}

void
upload_put_complete(struct http_request *r)
{
	struct put *p = http_data(r);

	if (p->have && !write_out(p))
		return;
	free(p->piece);
	p->piece = NULL;
	timer_clear(&p->deadline);
	p->state = JUDGING;
	p->receive_ms = elapsed(p);
	p->since_ms = reactor_now_ms(reactor_current());
	p->end = (struct upload_end){ .id = p->slot->id, .type = p->type, .keep_ms = web_config()->files.keep_ms };
	p->judge = (struct judgement){ .mail.run = judged, .home = reactor_current(), .arena = p->arena, .spool = p->spool, .path = JUDGE_UPLOAD,
		.from = p->from, .groups = p->slot->groups, .name = p->slot->name, .type = p->slot->type ? p->slot->type : p->type, .keep = true, .with = close_slot };
	judge_submit(&p->judge);
}

void
upload_put_gone(struct http_request *r)
{
	struct put *p = http_data(r);

	if (!p)
		return;
	p->r = NULL;
	if (p->state == TAKING)
		put_free(p);
}

static void
too_slow(struct timer *t)
{
	end((struct put *)((char *)t - offsetof(struct put, deadline)), 408, "The file has not come in time. Ask for another slot.");
}

/* The slot */

/* RFC 9110 §8.3.1: parameters do not make another type. */
static bool
is_same_type(const char *a, const char *b)
{
	size_t n = strcspn(a, "; "), m = strcspn(b, "; ");

	return n == m && !strncasecmp(a, b, n);
}

/* 0, or a status and why. */
static int
check(struct put *p, const char **why)
{
	const struct upload *u = p->slot;

	*why = "There is no such slot.";
	if (!u || strcmp(u->name, p->name) != 0)
		return 404;
	*why = "The slot has been used.";
	if (u->state != UPLOAD_OPEN)
		return 409;
	*why = "The slot has expired. Ask for another one.";
	if (u->left_us <= 0)
		return 403;
	*why = "The file is larger than its slot.";
	if (p->length > u->size)
		return 413;
	*why = "The file is smaller than its slot.";
	if (p->length < u->size)
		return 400;
	*why = "The slot is for another type of file.";
	if (u->type && p->type && !is_same_type(u->type, p->type))
		return 415;
	p->from = jid_parse(u->owner, strlen(u->owner));
	switch (p->from ? judge_ahead(p->arena, p->from, u->groups, NULL, u->size, u->type ? u->type : p->type, why) : JUDGE_FORBIDDEN) {
	case JUDGE_PASS:
		return 0;
	case JUDGE_CLOSED:
		return 503;
	default:
		return 403;
	}
}

static void
begin_taking(struct put *p)
{
	struct http_request *r = p->r;
	struct err e;

	p->spool = spool_new(p->slot->size, &e);
	if (!p->spool) {
		log_warning(http_log(r), "spool-refused", "why=%s", e.text);
		end(p, 507, "There is no room for the file now.");
		return;
	}
	p->state = TAKING;
	p->since_ms = reactor_now_ms(reactor_current());
	timer_set(&p->deadline, p->slot->left_us / 1000 + 1, too_slow);
	http_resume(r);
}

static enum sql_status
look_work(struct job *j, struct sql *db)
{
	struct put *p = j->owner;

	return upload_find(db, p->arena, p->token, true, &p->slot, &j->err);
}

static void
looked(struct job *j)
{
	struct put *p = j->owner;
	const char *why;
	int status;

	upload_looked();
	if (!p->r) {
		put_free(p);
		return;
	}
	if (j->status != JOB_OK) {
		end(p, 503, "The database is away. Try again later.");
		return;
	}
	status = check(p, &why);
	if (status)
		end(p, status, why);
	else
		begin_taking(p);
}

static void
refuse(struct http_request *r, int status, const char *text)
{
	metric_add(METRIC_UPLOADS_REFUSED, 1);
	log_info(http_log(r), "upload-refused", "status=%d why=%s", status, text);
	if (status == 503)
		http_field(r, "Retry-After", RETRY_SECONDS);
	upload_refuse(r, status, text);
}

void
upload_put_begin(struct http_request *r)
{
	const struct http_head *h = http_head_of(r);
	const char *type = http_head_get(h, "content-type"), *name;
	char token[UPLOAD_TOKEN + 1];
	struct job *look;
	struct put *p;

	if (h->chunked || !http_head_get(h, "content-length")) {
		refuse(r, 411, "The length of the file is missing.");
		return;
	}
	name = upload_parse(h->path, token);
	if (!h->length) {
		refuse(r, 400, "The file is empty.");
		return;
	}
	if (!name) {
		refuse(r, 404, "There is no such slot.");
		return;
	}
	if (type && !text_is_media_type(type)) {
		refuse(r, 400, "What is said to be the type of the file is no media type.");
		return;
	}
	/* RFC 9110 §14.4: a part of something is not the whole. */
	if (http_head_get(h, "content-range") || http_head_get(h, "content-encoding")) {
		refuse(r, 400, "Files are put whole, and as they are.");
		return;
	}
	if (http_range_is_other(h, NULL)) {
		refuse(r, 412, "There is nothing yet that it could replace.");
		return;
	}
	HASH_FIND(hh, under_way, token, UPLOAD_TOKEN, p);
	if (p) {
		refuse(r, 409, "The slot is being used.");
		return;
	}
	if (!upload_may_look()) {
		refuse(r, 503, "Too much is being asked for. Try again later.");
		return;
	}
	upload_looks();
	p = NEW(struct put);
	memcpy(p->token, token, sizeof(token));
	p->arena = arena_new(0);
	p->r = r;
	p->name = arena_strdup(p->arena, name);
	p->type = type ? arena_strdup(p->arena, type) : NULL;
	p->length = h->length;
	HASH_ADD(hh, under_way, token, UPLOAD_TOKEN, p);
	metric_add(METRIC_UPLOADS_OPEN, 1);
	http_set_data(r, p);
	http_body_max(r, h->length);
	http_pause(r);
	look = job_new(1);
	look->owner = p;
	look->work = look_work;
	look->done = looked;
	pool_submit(look, crypt_hash(p->token, UPLOAD_TOKEN));
}
