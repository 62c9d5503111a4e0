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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/stream/c2s.h"
#include "core/web/bosh_priv.h"

/* Sessions */

static struct bosh *
find(const char *sid)
{
	struct bosh *b = NULL;

	HASH_FIND(hh, bosh_table()->by_sid, sid, strlen(sid), b);
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
	b->pipe = conn_new(fd[0], NULL, &bosh_pipe_ops, b, web_config()->limits.output_bytes);
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
		bosh_refuse(r, "improper-addressing");
		return;
	}
	b = NEW(struct bosh);
	crypt_random_hex(b->sid, SID_BYTES);
	list_init(&b->requests);
	b->turn.run = bosh_settle;
	if (open_pipe(b, r)) {
		free(b);
		bosh_refuse(r, "internal-server-error");
		return;
	}
	HASH_ADD_STR(bosh_table()->by_sid, sid, b);
	list_append(&bosh_table()->all, &b->all);
	metric_add(METRIC_BOSH_SESSIONS, 1);
	b->wait_ms = at_most(p->has_wait, p->wait, l->bosh_wait_seconds) * 1000;
	b->hold = at_most(p->has_hold, p->hold, 1);
	b->polling = !b->hold || !b->wait_ms;
	b->next = p->rid + 1;
	b->to = mem_strdup(p->to);
	b->lang = bosh_copy(p->lang, LANG_MAX);
	b->key = bosh_copy(p->newkey, KEY_MAX);
	write_first(b, p);
	bosh_send_open(b, p->from, bosh_version_of(p));
	hold(b, r, p)->taken = true;
	/* The first is held until the stream has answered, however little the client wants to wait. */
	bosh_oldest(b)->due_ms = reactor_now_ms(reactor_current()) + (int64_t)l->login_seconds * 1000;
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
			bosh_refuse(r, "policy-violation");
			bosh_violate(b, "policy-violation");
			return;
		}
		bosh_answer_write(&text, &recoverable);
		bosh_free_posted(h->r);
		bosh_reply(h->r, &text);
		buf_fini(&text);
		h->r = r;
		((struct posted *)http_data(r))->held = h;
		return;
	}
	for (int i = 0; i < REQUESTS_MAX; i++)
		if (b->sent[i].rid == p->rid && buf_len(&b->sent[i].text)) {
			bosh_free_posted(r);
			bosh_reply(r, &b->sent[i].text);
			return;
		}
	bosh_refuse(r, "item-not-found");
	bosh_violate(b, "item-not-found");
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

/* What waits for its turn waits in memory: before anybody has logged in no more of it than a stream would take. */
static bool
may_wait(const struct bosh *b, const struct bosh_post *p)
{
	return b->known || (p->rid == b->next && !bosh_is_behind(b)) || p->st->size <= web_config()->limits.stanza_bytes_unauthenticated;
}

static void
continue_session(struct bosh *b, struct http_request *r, struct bosh_post *p)
{
	uint64_t window = b->hold + 1 + (p->terminate || p->has_pause);

	if (is_known(b, p->rid)) {
		repeat(b, r, p);
	} else if (!may_wait(b, p)) {
		bosh_refuse(r, "policy-violation");
		bosh_violate(b, "policy-violation");
	} else if (p->rid - b->next >= window) {
		bosh_refuse(r, "item-not-found");
		bosh_violate(b, "item-not-found");
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
		bosh_refuse(r, "bad-request");
	} else if (!p->sid) {
		create(r, p);
	} else if (!(b = find(p->sid))) {
		metric_add(METRIC_BOSH_UNKNOWN, 1);
		bosh_refuse(r, "item-not-found");
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
		bosh_free_posted(r);
		bosh_refuse(r, "bad-request");
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

	bosh_free_posted(r);
	if (!h)
		return;
	reactor_defer(reactor_current(), &h->b->turn);
	if (h->taken) {
		/* What is repeated gets an empty answer: nothing was lost with it. */
		struct bosh_answer empty = { 0 };
		struct buf text = { 0 };

		bosh_answer_write(&text, &empty);
		bosh_keep_sent(h->b, h->rid, &text);
	}
	bosh_free_held(h);
}

void
bosh_start(void)
{
	list_init(&bosh_table()->all);
	list_init(&bosh_table()->ending);
}

void
bosh_stop(void)
{
	LIST_EACH(l, &bosh_table()->all)
		bosh_drop(LIST_ENTRY(l, struct bosh, all));
	LIST_EACH(l, &bosh_table()->ending)
		bosh_drop(LIST_ENTRY(l, struct bosh, all));
}
