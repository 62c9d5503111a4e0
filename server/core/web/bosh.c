/*
 * bosh: sessions over requests that wait for their answer (XEP-0124, XEP-0206), at /http-bind.
 *
 * A session is two things: the state of the protocol, here, and a client's stream at a home, which knows nothing of it. Between
 * them is a pair of sockets, over which this end speaks XMPP over WebSocket (RFC 7395) without TLS and masks: back-pressure,
 * moving home, limits and the end of a connection are those of any other client.
 *
 * A request is taken in the order of its rid; then it is held, and answered when the stream has something to say, when a newer
 * one takes its place, or when its time is over. Nothing is read from the stream while no request waits for it, so that what
 * was not delivered is not taken for delivered. The last answers are kept, for a client that did not get them.
 */
#include "core/web/bosh.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/crypt.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/stream/c2s.h"
#include "core/web/bosh_body.h"
#include "core/web/web_priv.h"
#include "net/ws.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define TYPE_XML "text/xml; charset=utf-8"
#define SID_BYTES 16
#define REQUESTS_MAX 3  /* hold + 1, and one to pause or terminate */
#define PENDING_MAX 65536 /* from the stream, for the next answer */
#define REPEATS_MAX 10  /* of requests that are held */
#define LANG_MAX 64
#define KEY_MAX 128

struct bosh;

/* A request that has not been answered. */
struct held {
	struct list link;
	struct bosh *b;
	struct http_request *r;
	struct bosh_post post; /* until its turn has come */
	uint64_t rid;
	int64_t due_ms;
	bool taken;            /* its turn has come */
};

struct sent {
	uint64_t rid;
	struct buf text;
};

struct bosh {
	UT_hash_handle hh;
	char sid[2 * SID_BYTES + 1];
	struct list all;
	struct conn *pipe;      /* NULL: the stream is over */
	struct ws ws;
	struct list requests;   /* struct held, by rid */
	struct buf pending;     /* elements for the client */
	struct sent sent[REQUESTS_MAX];
	unsigned nsent, repeats;
	uint64_t next;          /* the rid whose turn comes */
	uint64_t hold, wait_ms, pause_ms;
	struct timer timer;     /* the oldest request's time, or inactivity */
	struct deferred turn;
	char *first;            /* attributes of the first answer; NULL once given */
	char *to, *lang, *key;
	const char *condition;  /* why the session ends; "" when it just does */
	int64_t polled_ms;      /* the last empty request of a session that polls; 0: none without an answer of substance */
	bool polling, paused, error, over, forgotten;
};

/* What comes in the body of one request. */
struct posted {
	struct buf text;
	struct held *held;
};

struct here {
	struct bosh *by_sid;
	struct list all, ending; /* ending: without a sid, until their pipes are closed */
};

static _Thread_local struct here here;

static void free_posted(struct http_request *r);

static void on_data(struct conn *conn, void *owner, const char *p, size_t n);
static void on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why);
static void on_flushed(struct conn *conn, void *owner, uint64_t upto);
static void on_timer(struct timer *t);
static void settle(struct deferred *d);

static const struct conn_ops pipe_ops = { on_data, NULL, on_ended, on_flushed };

/* Answers */

static void
reply(struct http_request *r, const struct buf *text)
{
	web_allow_origin(r);
	http_reply(r, 200, TYPE_XML, buf_data(text), buf_len(text));
}

/* To a request that belongs to no session. */
static void
refuse(struct http_request *r, const char *condition)
{
	struct bosh_answer a = { .type = "terminate", .condition = condition };
	struct buf text = { 0 };

	metric_add(METRIC_BOSH_REFUSED, 1);
	log_info(http_log(r), "bosh-refused", "condition=%s", condition);
	free_posted(r);
	bosh_answer_write(&text, &a);
	/* Another guess costs another handshake. */
	http_last(r);
	reply(r, &text);
	buf_fini(&text);
}

static void
free_posted(struct http_request *r)
{
	struct posted *p = http_data(r);

	if (!p)
		return;
	buf_fini(&p->text);
	free(p);
	http_set_data(r, NULL);
}

static void
free_held(struct held *h)
{
	bosh_post_fini(&h->post);
	list_remove(&h->link);
	free(h);
}

static void
keep_sent(struct bosh *b, uint64_t rid, struct buf *text)
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
	free_posted(r);
	reply(r, &text);
	keep_sent(b, h->rid, &text);
	free_held(h);
}

static struct held *
oldest(const struct bosh *b)
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
	answer(oldest(b), &a);
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
	HASH_DELETE(hh, here.by_sid, b);
	list_remove(&b->all);
	list_append(&here.ending, &b->all);
	timer_clear(&b->timer);
	metric_add(METRIC_BOSH_SESSIONS, -1);
}

static void
drop(struct bosh *b)
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
static void
violate(struct bosh *b, const char *condition)
{
	metric_add(METRIC_BOSH_REFUSED, 1);
	log_info(b->pipe ? conn_log(b->pipe) : NULL, "bosh-violation", "condition=%s", condition);
	b->condition = condition;
	buf_fini(&b->pending);
	terminate(b);
	drop(b);
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

static void
send_open(struct bosh *b, const char *from, const char *version)
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

/* Is the stream so far behind that no request is taken on? */
static bool
is_behind(const struct bosh *b)
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
		buf_add(&b->pending, p, n);
	}
	ws_next(&b->ws);
}

static bool
wants_to_read(const struct bosh *b)
{
	return b->over || (buf_len(&b->pending) < PENDING_MAX && (b->polling || b->first || oldest(b)));
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
static char *
copy(const char *text, size_t most)
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
		b->key = copy(p->newkey ? p->newkey : p->key, KEY_MAX);
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
	while (oldest(b))
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
		drop(b);
	}
}

static const char *
version_of(const struct bosh_post *p)
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
		violate(b, "item-not-found");
		return false;
	}
	if (polls_too_fast(b, p)) {
		violate(b, "policy-violation");
		return false;
	}
	if (p->restart) {
		if (p->to) {
			free(b->to);
			b->to = mem_strdup(p->to);
		}
		send_open(b, p->from, version_of(p));
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
		if (h->rid != b->next || is_behind(b))
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
	const struct held *h = oldest(b);

	if (h)
		timer_set(&b->timer, h->due_ms - now, on_timer);
	else
		timer_set(&b->timer, b->pause_ms ? (int64_t)b->pause_ms : (int64_t)web_config()->limits.bosh_inactivity_seconds * 1000,
			on_timer);
}

static void
settle(struct deferred *d)
{
	struct bosh *b = LIST_ENTRY(d, struct bosh, turn);

	if (b->forgotten) {
		if (!b->pipe)
			drop(b);
		return;
	}
	take_turns(b);
	if (b->forgotten)
		return;
	if (b->over && !list_is_empty(&b->requests)) {
		terminate(b);
		forget(b);
		if (!b->pipe)
			drop(b);
		else
			conn_shutdown(b->pipe, 5000, true);
		return;
	}
	if (oldest(b) && buf_len(&b->pending) && !b->over)
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
	struct held *h = oldest(b);

	if (h) {
		answer_oldest(b);
		reactor_defer(reactor_current(), &b->turn);
		return;
	}
	/* §10: the client has gone. Its session may be resumed (XEP-0198). */
	log_info(b->pipe ? conn_log(b->pipe) : NULL, "bosh-inactive", "requests=%llu", (unsigned long long)b->next);
	b->condition = "item-not-found";
	terminate(b);
	drop(b);
}

/* Sessions */

static struct bosh *
find(const char *sid)
{
	struct bosh *b = NULL;

	HASH_FIND(hh, here.by_sid, sid, strlen(sid), b);
	return b;
}

static uint64_t
at_most(bool given, uint64_t value, uint64_t most)
{
	return given && value < most ? value : most;
}

/* §7.2: what we speak, not above what the client does. */
static const char *
common_version(const char *ver)
{
	unsigned major, minor;

	if (!ver || strlen(ver) > 8 || sscanf(ver, "%u.%u", &major, &minor) != 2)
		return NULL;
	if (major > 1 || minor >= 11)
		return "1.11";
	return major == 1 && minor >= 6 ? "1.6" : NULL;
}

static void
write_first(struct bosh *b, const struct bosh_post *p)
{
	const struct limits *l = &web_config()->limits;
	const char *ver = common_version(p->ver);
	struct buf t = { 0 };

	buf_addf(&t, " xmlns:xmpp='urn:xmpp:xbosh' sid='%s' wait='%llu' hold='%llu' requests='%llu' inactivity='%llu' polling='%llu' "
		"maxpause='%llu' secure='true' xmpp:version='1.0' xmpp:restartlogic='true'", b->sid,
		(unsigned long long)(b->wait_ms / 1000), (unsigned long long)b->hold, (unsigned long long)b->hold + 1,
		(unsigned long long)l->bosh_inactivity_seconds, (unsigned long long)l->bosh_polling_seconds,
		(unsigned long long)l->bosh_pause_seconds);
	if (ver)
		buf_addf(&t, " ver='%s'", ver);
	b->first = mem_strdup(buf_str(&t));
	buf_fini(&t);
}

static int
open_pipe(struct bosh *b, struct http_request *r)
{
	static _Thread_local unsigned turn;
	char tls[96];
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd))
		return -1;
	ws_init(&b->ws, false, SIZE_MAX / 2);
	b->pipe = conn_new(fd[0], NULL, &pipe_ops, b, web_config()->limits.output_bytes);
	conn_set_peer(b->pipe, http_address(r), http_source(r));
	c2s_accept_pipe(reactor_at(turn++ % reactor_count()), fd[1], http_address(r), http_source(r), http_tls(r, tls));
	return 0;
}

static struct held *
hold(struct bosh *b, struct http_request *r, struct bosh_post *p)
{
	struct posted *posted = http_data(r);
	struct held *h = NEW(struct held);
	struct list *at = b->requests.next;

	h->b = b;
	h->r = r;
	h->rid = p->rid;
	h->post = *p;
	memset(p, 0, sizeof(*p));
	h->due_ms = reactor_now_ms(reactor_current()) + (int64_t)b->wait_ms;
	posted->held = h;
	while (at != &b->requests && LIST_ENTRY(at, struct held, link)->rid < h->rid)
		at = at->next;
	list_append(at, &h->link);
	return h;
}

static void
create(struct http_request *r, struct bosh_post *p)
{
	const struct limits *l = &web_config()->limits;
	struct bosh *b;

	if (!p->to || !*p->to) {
		refuse(r, "improper-addressing");
		return;
	}
	b = NEW(struct bosh);
	crypt_random_hex(b->sid, SID_BYTES);
	list_init(&b->requests);
	b->turn.run = settle;
	if (open_pipe(b, r)) {
		free(b);
		refuse(r, "internal-server-error");
		return;
	}
	HASH_ADD_STR(here.by_sid, sid, b);
	list_append(&here.all, &b->all);
	metric_add(METRIC_BOSH_SESSIONS, 1);
	b->wait_ms = at_most(p->has_wait, p->wait, l->bosh_wait_seconds) * 1000;
	b->hold = at_most(p->has_hold, p->hold, 1);
	b->polling = !b->hold || !b->wait_ms;
	b->next = p->rid + 1;
	b->to = mem_strdup(p->to);
	b->lang = copy(p->lang, LANG_MAX);
	b->key = copy(p->newkey, KEY_MAX);
	write_first(b, p);
	send_open(b, p->from, version_of(p));
	hold(b, r, p)->taken = true;
	/* The first is held until the stream has answered, however little the client wants to wait. */
	oldest(b)->due_ms = reactor_now_ms(reactor_current()) + (int64_t)l->login_seconds * 1000;
	reactor_defer(reactor_current(), &b->turn);
}

/* §14.3: a request that we know. The client did not get the answer, or has given the connection up. */
static void
repeat(struct bosh *b, struct http_request *r, struct bosh_post *p)
{
	struct bosh_answer recoverable = { .type = "error" };
	struct buf text = { 0 };

	LIST_EACH(l, &b->requests) {
		struct held *h = LIST_ENTRY(l, struct held, link);

		if (h->rid != p->rid)
			continue;
		if (++b->repeats > REPEATS_MAX) {
			refuse(r, "policy-violation");
			violate(b, "policy-violation");
			return;
		}
		bosh_answer_write(&text, &recoverable);
		free_posted(h->r);
		reply(h->r, &text);
		buf_fini(&text);
		h->r = r;
		((struct posted *)http_data(r))->held = h;
		return;
	}
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (b->sent[i].rid == p->rid && buf_len(&b->sent[i].text)) {
			free_posted(r);
			reply(r, &b->sent[i].text);
			return;
		}
	refuse(r, "item-not-found");
	violate(b, "item-not-found");
}

static bool
is_known(const struct bosh *b, uint64_t rid)
{
	if (rid < b->next)
		return true;
	for (const struct list *l = b->requests.next; l != &b->requests; l = l->next)
		if (LIST_ENTRY(l, struct held, link)->rid == rid)
			return true;
	return false;
}

static void
continue_session(struct bosh *b, struct http_request *r, struct bosh_post *p)
{
	uint64_t window = b->hold + 1 + (p->terminate || p->has_pause);

	if (is_known(b, p->rid)) {
		repeat(b, r, p);
	} else if (p->rid - b->next >= window) {
		refuse(r, "item-not-found");
		violate(b, "item-not-found");
	} else {
		hold(b, r, p);
		reactor_defer(reactor_current(), &b->turn);
	}
}

static void
take_post(struct http_request *r, struct bosh_post *p)
{
	struct bosh *b;

	if (!p->has_rid) {
		refuse(r, "bad-request");
	} else if (!p->sid) {
		create(r, p);
	} else if (!(b = find(p->sid))) {
		metric_add(METRIC_BOSH_UNKNOWN, 1);
		refuse(r, "item-not-found");
	} else {
		continue_session(b, r, p);
	}
}

/* The route */

void
bosh_begin(struct http_request *r)
{
	if (!web_origin_is_right(r))
		return;
	if (http_head_of(r)->method == HTTP_OPTIONS) {
		web_allow_origin(r);
		http_field(r, "Access-Control-Allow-Methods", "POST, OPTIONS");
		http_field(r, "Access-Control-Allow-Headers", "Content-Type");
		http_field(r, "Access-Control-Max-Age", "7200");
		http_reply(r, 204, NULL, NULL, 0);
		return;
	}
	http_set_data(r, NEW(struct posted));
	http_body_max(r, web_config()->limits.bosh_body_bytes);
}

void
bosh_body(struct http_request *r, const char *p, size_t n)
{
	buf_add(&((struct posted *)http_data(r))->text, p, n);
}

void
bosh_complete(struct http_request *r)
{
	struct posted *posted = http_data(r);
	const struct limits *l = &web_config()->limits;
	struct parser_limits pl = { .stanza_bytes = l->bosh_body_bytes, .token_bytes = l->xml_token_bytes,
		.memory_bytes = l->bosh_body_bytes * l->stanza_memory_factor, .depth = (unsigned)l->xml_depth + 1,
		.attributes = (unsigned)l->xml_attributes, .namespaces = (unsigned)l->xml_namespaces };
	struct bosh_post p;

	if (bosh_post_read(&p, buf_data(&posted->text), buf_len(&posted->text), &pl)) {
		free_posted(r);
		refuse(r, "bad-request");
	} else {
		buf_fini(&posted->text);
		take_post(r, &p);
	}
	bosh_post_fini(&p);
}

void
bosh_gone(struct http_request *r)
{
	struct posted *p = http_data(r);
	struct held *h = p ? p->held : NULL;

	free_posted(r);
	if (!h)
		return;
	reactor_defer(reactor_current(), &h->b->turn);
	if (h->taken) {
		/* What is repeated gets an empty answer: nothing was lost with it. */
		struct bosh_answer empty = { 0 };
		struct buf text = { 0 };

		bosh_answer_write(&text, &empty);
		keep_sent(h->b, h->rid, &text);
	}
	free_held(h);
}

void
bosh_start(void)
{
	list_init(&here.all);
	list_init(&here.ending);
}

void
bosh_stop(void)
{
	LIST_EACH(l, &here.all)
		drop(LIST_ENTRY(l, struct bosh, all));
	LIST_EACH(l, &here.ending)
		drop(LIST_ENTRY(l, struct bosh, all));
}
