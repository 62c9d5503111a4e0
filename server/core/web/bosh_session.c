/*
 * bosh_session: a session's answers, its stream, the turns of its requests, and its end. Called by bosh, by the pipe and by time.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/web/bosh_priv.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

static void on_data(struct conn *conn, void *owner, const char *p, size_t n);
static void on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why);
static void on_flushed(struct conn *conn, void *owner, uint64_t upto);
static void on_timer(struct timer *t);

const struct conn_ops bosh_pipe_ops = { on_data, NULL, on_ended, on_flushed };

struct bosh_table *
bosh_table(void)
{
	static _Thread_local struct bosh_table table;

	return &table;
}

/* Answers */

void
bosh_reply(struct http_request *r, const struct buf *text)
{
	web_allow_origin(r);
	http_reply(r, 200, TYPE_XML, buf_data(text), buf_len(text));
}

/* To a request that belongs to no session. */
void
bosh_refuse(struct http_request *r, const char *condition)
{
	struct bosh_answer a = { .type = "terminate", .condition = condition };
	struct buf text = { 0 };

	metric_add(METRIC_BOSH_REFUSED, 1);
	log_info(http_log(r), "bosh-refused", "condition=%s", condition);
	bosh_free_posted(r);
	bosh_answer_write(&text, &a);
	/* Another guess costs another handshake. */
	http_last(r);
	bosh_reply(r, &text);
	buf_fini(&text);
}

void
bosh_free_posted(struct http_request *r)
{
	struct posted *p = http_data(r);

	if (!p)
		return;
	buf_fini(&p->text);
	free(p);
	http_set_data(r, NULL);
}

void
bosh_free_held(struct held *h)
{
	bosh_post_fini(&h->post);
	list_remove(&h->link);
	free(h);
}

void
bosh_keep_sent(struct bosh *b, uint64_t rid, struct buf *text)
{
	struct sent *s = &b->sent[b->nsent++ % REQUESTS_MAX];

	buf_fini(&s->text);
	s->rid = rid;
	s->text = *text;
}

static void
answer(struct held *h, const struct bosh_answer *a)
{
	struct http_request *r = h->r;
	struct bosh *b = h->b;
	struct buf text = { 0 };

	bosh_answer_write(&text, a);
	bosh_free_posted(r);
	bosh_reply(r, &text);
	bosh_keep_sent(b, h->rid, &text);
	bosh_free_held(h);
}

struct held *
bosh_oldest(const struct bosh *b)
{
	struct held *h = list_is_empty(&b->requests) ? NULL : LIST_ENTRY(b->requests.next, struct held, link);

	return h && h->taken ? h : NULL;
}

static unsigned
count_held(const struct bosh *b)
{
	unsigned n = 0;

	for (const struct list *l = b->requests.next; l != &b->requests; l = l->next)
		n += LIST_ENTRY(l, struct held, link)->taken;
	return n;
}

/* With whatever there is for the client. */
static void
answer_oldest(struct bosh *b)
{
	struct bosh_answer a = { .attributes = b->first, .payload = buf_data(&b->pending), .len = buf_len(&b->pending) };

	if (a.len)
		b->polled_ms = 0;
	answer(bosh_oldest(b), &a);
	free(b->first);
	b->first = NULL;
	buf_fini(&b->pending);
}

/* The end */

static void
free_bosh(void *p)
{
	struct bosh *b = p;

	ws_fini(&b->ws);
	buf_fini(&b->pending);
	for (int i = 0; i < REQUESTS_MAX; i++)
		buf_fini(&b->sent[i].text);
	free(b->first);
	free(b->to);
	free(b->lang);
	free(b->key);
	free(b);
}

static void
close_pipe(struct bosh *b)
{
	if (b->pipe)
		conn_close(b->pipe);
	b->pipe = NULL;
}

static void
forget(struct bosh *b)
{
	if (b->forgotten)
		return;
	b->forgotten = true;
	HASH_DELETE(hh, bosh_table()->by_sid, b);
	list_remove(&b->all);
	list_append(&bosh_table()->ending, &b->all);
	timer_clear(&b->timer);
	metric_add(METRIC_BOSH_SESSIONS, -1);
}

void
bosh_drop(struct bosh *b)
{
	forget(b);
	close_pipe(b);
	list_remove(&b->all);
	reactor_undefer(reactor_current(), &b->turn);
	reactor_free_later(reactor_current(), free_bosh, b);
}

/* XEP-0124 §13: the oldest request is told, the others get empty answers. */
static void
terminate(struct bosh *b)
{
	struct bosh_answer a = { .type = "terminate", .condition = b->condition && *b->condition ? b->condition : NULL,
		.attributes = b->first, .payload = buf_data(&b->pending), .len = buf_len(&b->pending) };
	struct bosh_answer empty = { 0 };
	bool first = true;

	while (!list_is_empty(&b->requests)) {
		answer(LIST_ENTRY(b->requests.next, struct held, link), first ? &a : &empty);
		first = false;
	}
	log_debug(NULL, "bosh-terminated", "condition=%s", b->condition);
}

/* The client has broken the rules: its stream is cut, its session may be resumed (XEP-0198). */
void
bosh_violate(struct bosh *b, const char *condition)
{
	metric_add(METRIC_BOSH_REFUSED, 1);
	log_info(b->pipe ? conn_log(b->pipe) : NULL, "bosh-violation", "condition=%s", condition);
	b->condition = condition;
	buf_fini(&b->pending);
	terminate(b);
	bosh_drop(b);
}

/* To the stream */

static void
send_frame(struct bosh *b, enum ws_opcode op, const char *p, size_t n)
{
	unsigned char h[WS_HEAD_MAX];

	if (!b->pipe)
		return;
	conn_write(b->pipe, h, ws_head(op, n, h));
	conn_write(b->pipe, p, n);
}

void
bosh_send_open(struct bosh *b, const char *from, const char *version)
{
	struct buf t = { 0 };

	buf_addf(&t, "<open xmlns='%s' version='", NS_FRAMING);
	serialize_attr(&t, version, strlen(version));
	buf_adds(&t, "' to='");
	serialize_attr(&t, b->to, strlen(b->to));
	if (from) {
		buf_adds(&t, "' from='");
		serialize_attr(&t, from, strlen(from));
	}
	if (b->lang) {
		buf_adds(&t, "' xml:lang='");
		serialize_attr(&t, b->lang, strlen(b->lang));
	}
	buf_adds(&t, "'/>");
	send_frame(b, WS_OP_TEXT, buf_data(&t), buf_len(&t));
	buf_fini(&t);
}

static void
send_close(struct bosh *b)
{
	static const char text[] = "<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>";

	send_frame(b, WS_OP_TEXT, text, sizeof(text) - 1);
}

static void
send_payloads(struct bosh *b, struct bosh_post *p)
{
	for (struct elem *e = bosh_post_first(p), *next; e; e = next) {
		struct buf t = { 0 };

		next = bosh_post_next(e);
		bosh_post_payload(p, e, &t);
		send_frame(b, WS_OP_TEXT, buf_data(&t), buf_len(&t));
		buf_fini(&t);
	}
}

bool
bosh_is_behind(const struct bosh *b)
{
	return b->pipe && conn_mark(b->pipe) - conn_flushed(b->pipe) > PENDING_MAX;
}

/* From the stream */

/* XEP-0124 §17.2: some errors of streams have a condition of their own. */
static const char *
condition_of(const char *text, size_t n)
{
	static const char *const same[] = { "host-gone", "host-unknown", "improper-addressing", "system-shutdown" };

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		char tag[32];
		int len = snprintf(tag, sizeof(tag), "<%s ", same[i]);

		if (memmem(text, n, tag, (size_t)len))
			return same[i];
	}
	return "remote-stream-error";
}

/* Our own words (c2s_framed_open): what stands between from=' and the next quote is an escaped domain. */
static void
note_from(struct bosh *b, const char *text, size_t n)
{
	const char *from = memmem(text, n, " from='", 7), *end = from ? memchr(from + 7, '\'', n - (size_t)(from + 7 - text)) : NULL;
	struct buf t = { 0 };

	if (!b->first || !end)
		return;
	buf_adds(&t, b->first);
	buf_add(&t, from, (size_t)(end + 1 - from));
	free(b->first);
	b->first = mem_strdup(buf_str(&t));
	buf_fini(&t);
}

static void
take_message(struct bosh *b)
{
	const char *p = buf_data(&b->ws.message);
	size_t n = buf_len(&b->ws.message);

	if (n > 5 && !memcmp(p, "<open", 5)) {
		note_from(b, p, n);
	} else if (n > 6 && !memcmp(p, "<close", 6)) {
		if (!b->condition)
			b->condition = "";
		b->over = true;
		send_close(b);
	} else {
		if (n > 13 && !memcmp(p, "<stream:error", 13))
			b->condition = condition_of(p, n);
		b->known |= n > 8 && !memcmp(p, "<success", 8);
		buf_add(&b->pending, p, n);
	}
	ws_next(&b->ws);
}

static bool
wants_to_read(const struct bosh *b)
{
	return b->over || (buf_len(&b->pending) < PENDING_MAX && (b->polling || b->first || bosh_oldest(b)));
}

static void
set_reading(struct bosh *b)
{
	bool read = wants_to_read(b);

	if (!b->pipe || read != b->paused)
		return;
	b->paused = !read;
	if (read)
		conn_resume(b->pipe);
	else
		conn_pause(b->pipe);
}

static void
on_data(struct conn *conn, void *owner, const char *p, size_t n)
{
	struct bosh *b = owner;
	size_t at = 0, used;

	while (at < n) {
		if (!wants_to_read(b)) {
			set_reading(b);
			conn_keep_rest(conn, at);
			break;
		}
		if (ws_feed(&b->ws, p + at, n - at, &used) == WS_MESSAGE)
			take_message(b);
		at += used;
		if (!used)
			break;
	}
	reactor_defer(reactor_current(), &b->turn);
}

static void
on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why)
{
	struct bosh *b = owner;

	(void)conn;
	(void)how;
	(void)why;
	close_pipe(b);
	if (!b->condition)
		b->condition = "remote-connection-failed";
	b->over = true;
	reactor_defer(reactor_current(), &b->turn);
}

static void
on_flushed(struct conn *conn, void *owner, uint64_t upto)
{
	struct bosh *b = owner;

	(void)conn;
	(void)upto;
	reactor_defer(reactor_current(), &b->turn);
}

/* Requests in their order */

/* As much of it as we keep; NULL when there is none. */
char *
bosh_copy(const char *text, size_t most)
{
	return text ? mem_strndup(text, strnlen(text, most)) : NULL;
}

/* XEP-0124 §15: a request's key hashes to the one before. */
static bool
key_is_right(struct bosh *b, const struct bosh_post *p)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	char hex[2 * 20 + 1];

	if (b->key) {
		if (!p->key || EVP_Digest(p->key, strlen(p->key), hash, NULL, EVP_sha1(), NULL) != 1)
			return false;
		text_hex(hash, 20, hex);
		if (strcasecmp(hex, b->key))
			return false;
		free(b->key);
		b->key = bosh_copy(p->newkey ? p->newkey : p->key, KEY_MAX);
	}
	return true;
}

/* §12: who asks again and again with nothing to say. */
static bool
polls_too_fast(struct bosh *b, const struct bosh_post *p)
{
	int64_t now = reactor_now_ms(reactor_current()), before = b->polled_ms;

	if (!b->polling || p->payloads || p->pause || p->terminate || p->restart) {
		b->polled_ms = 0;
		return false;
	}
	b->polled_ms = now;
	return before && now - before < (int64_t)web_config()->limits.bosh_polling_seconds * 1000;
}

static void
answer_all(struct bosh *b)
{
	while (bosh_oldest(b))
		answer_oldest(b);
}

/* §10: all are answered, and the client may stay away for a while. */
static void
pause_for(struct bosh *b, uint64_t seconds)
{
	uint64_t most = web_config()->limits.bosh_pause_seconds;

	b->pause_ms = (seconds < most ? seconds : most) * 1000;
	answer_all(b);
}

/* The client ends it. */
static void
end_by_client(struct bosh *b)
{
	send_close(b);
	b->condition = "";
	buf_fini(&b->pending);
	terminate(b);
	forget(b);
	/* The stream takes what it was told last before it sees the end. */
	if (b->pipe) {
		b->over = true;
		set_reading(b);
		conn_shutdown(b->pipe, 5000, true);
	} else {
		bosh_drop(b);
	}
}

const char *
bosh_version_of(const struct bosh_post *p)
{
	return p->version ? p->version : "1.0";
}

/* False: there is no session any more. */
static bool
take_turn(struct bosh *b, struct held *h)
{
	struct bosh_post *p = &h->post;
	bool terminates = p->terminate;
	uint64_t pause = p->pause;

	h->taken = true;
	b->next = h->rid + 1;
	b->pause_ms = 0;
	if (!key_is_right(b, p)) {
		bosh_violate(b, "item-not-found");
		return false;
	}
	if (polls_too_fast(b, p)) {
		bosh_violate(b, "policy-violation");
		return false;
	}
	if (p->restart) {
		if (p->to) {
			free(b->to);
			b->to = mem_strdup(p->to);
		}
		bosh_send_open(b, p->from, bosh_version_of(p));
	} else {
		send_payloads(b, p);
	}
	bosh_post_fini(p);
	if (terminates) {
		end_by_client(b);
		return false;
	}
	if (pause)
		pause_for(b, pause);
	return true;
}

static void
take_turns(struct bosh *b)
{
	LIST_EACH(l, &b->requests) {
		struct held *h = LIST_ENTRY(l, struct held, link);

		if (h->taken)
			continue;
		if (h->rid != b->next || bosh_is_behind(b))
			return;
		if (!take_turn(b, h))
			return;
	}
}

/* What is due: answers, the end, the timer. At the end of a turn, so that an answer has all there is. */
static void
set_timer(struct bosh *b)
{
	int64_t now = reactor_now_ms(reactor_current());
	const struct held *h = bosh_oldest(b);

	if (h)
		timer_set(&b->timer, h->due_ms - now, on_timer);
	else
		timer_set(&b->timer, b->pause_ms ? (int64_t)b->pause_ms : (int64_t)web_config()->limits.bosh_inactivity_seconds * 1000,
			on_timer);
}

void
bosh_settle(struct deferred *d)
{
	struct bosh *b = LIST_ENTRY(d, struct bosh, turn);

	if (b->forgotten) {
		if (!b->pipe)
			bosh_drop(b);
		return;
	}
	take_turns(b);
	if (b->forgotten)
		return;
	if (b->over && !list_is_empty(&b->requests)) {
		terminate(b);
		forget(b);
		if (!b->pipe)
			bosh_drop(b);
		else
			conn_shutdown(b->pipe, 5000, true);
		return;
	}
	if (bosh_oldest(b) && buf_len(&b->pending) && !b->over)
		answer_oldest(b);
	while (!b->first && count_held(b) > b->hold)
		answer_oldest(b);
	set_reading(b);
	set_timer(b);
}

static void
on_timer(struct timer *t)
{
	struct bosh *b = LIST_ENTRY(t, struct bosh, timer);
	struct held *h = bosh_oldest(b);

	if (h) {
		answer_oldest(b);
		reactor_defer(reactor_current(), &b->turn);
		return;
	}
	/* §10: the client has gone. Its session may be resumed (XEP-0198). */
	log_info(b->pipe ? conn_log(b->pipe) : NULL, "bosh-inactive", "requests=%llu", (unsigned long long)b->next);
	b->condition = "item-not-found";
	terminate(b);
	bosh_drop(b);
}
