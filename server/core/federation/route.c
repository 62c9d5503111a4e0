/*
 * route: the queue of a pair of domains, and the stream that takes it there. Attempts to make one are route_try's.
 *
 * A stanza that has been written stays in the queue until it is known to have arrived. With XEP-0198 the peer says so. Without it,
 * a stanza has arrived when the peer's kernel has acknowledged its bytes and the stream has lived on for a while: a peer that closes
 * right after it was let in, or dies, may never have read what its kernel took. So some may come twice, when a
 * stream ends just after they were sent; none is lost.
 */
#include "core/federation/route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/federation/outbox.h"
#include "core/federation/route_priv.h"
#include "core/home.h"
#include "core/route/router.h"
#include "xmpp/ns.h"

#define WINDOW_BYTES 262144 /* of output that the kernel has not taken: the rest waits in the queue */
#define TICK_MS 200  /* how often is looked whether the peer's kernel has what was sent */
#define LIVED_MS 100 /* and the stream has to have lived so long since */
#define NAMED_AT_ONCE 256

static _Thread_local struct route *routes;
static _Thread_local bool stopping;

static void watch(struct route *r);
static void pump(struct route *r);

/* The table */

size_t
route_key(const struct jid *local, const struct jid *remote, char key[ROUTE_KEY_SIZE])
{
	size_t n = strlen(jid_domain(local)) + 1, m = strlen(jid_domain(remote));

	memcpy(key, jid_domain(local), n);
	memcpy(key + n, jid_domain(remote), m);
	return n + m;
}

static struct route *
find(const struct jid *local, const struct jid *remote)
{
	char key[ROUTE_KEY_SIZE];
	size_t n = route_key(local, remote, key);
	struct route *r = NULL;

	if (routes)
		HASH_FIND(hh, routes, key, n, r);
	return r;
}

/* What senders are told unless something better is known. */
static void
set_reason(struct route *r, const char *words)
{
	r->reason.error = XERROR_REMOTE_SERVER_TIMEOUT;
	r->reason.type = NULL;
	snprintf(r->reason.words, sizeof(r->reason.words), "%s %s", jid_domain(r->remote), words);
}

static struct route *
make(const struct jid *local, const struct jid *remote)
{
	char key[ROUTE_KEY_SIZE];
	size_t n = route_key(local, remote, key);
	struct route *r = mem_zalloc(sizeof(*r) + n + 1);

	memcpy(r->key, key, n);
	r->key_len = n;
	r->local = jid_new(NULL, jid_domain(local), NULL);
	r->remote = jid_new(NULL, jid_domain(remote), NULL);
	set_reason(r, "did not answer in time");
	list_init(&r->line);
	HASH_ADD_KEYPTR(hh, routes, r->key, r->key_len, r);
	return r;
}

void
route_settle(struct route *r)
{
	if (r->q.n || r->stream || r->attempt || r->closed || r->returns)
		return;
	route_stop_trying(r, NULL);
	timer_clear(&r->patience);
	timer_clear(&r->tick);
	HASH_DELETE(hh, routes, r);
	route_queue_fini(&r->q);
	jid_unref(r->local);
	jid_unref(r->remote);
	free(r);
}

/* Back to the sender */

/* Somebody waits for an answer. Presence goes unsaid, but for what changes a subscription, and for who wants to enter a room: their
 * clients would wait for ever. */
static bool
is_awaited(const struct packet *p)
{
	switch (p->kind) {
	case PACKET_MESSAGE:
		return p->type != TYPE_ERROR;
	case PACKET_IQ:
		return p->type == TYPE_GET || p->type == TYPE_SET;
	case PACKET_PRESENCE:
		return packet_is_subscription(p) || (p->type == TYPE_NONE && elem_child(p->st->root, NS_MUC, "x"));
	}
	return false;
}

static void
give_back(struct packet *p, const struct route_reason *why)
{
	if (is_awaited(p)) {
		metric_add(METRIC_S2S_RETURNED, 1);
		outbox_returned(p);
		router_refuse(p, why->error, why->type, why->words);
	}
	packet_unref(p);
}

/* The oldest leaves the queue. */
static struct packet *
take(struct route *r)
{
	r->written -= r->written > 0;
	r->passed -= r->passed > 0;
	r->named -= r->named > 0;
	return route_queue_pop(&r->q);
}

void
route_return_all(struct route *r, const struct route_reason *why)
{
	unsigned n = r->q.n;

	if (n)
		log_info(NULL, "s2s-returned", "local=%s remote=%s stanzas=%u why=%s", jid_domain(r->local), jid_domain(r->remote), n,
			why->words);
	r->forgotten += r->doubtful;
	r->doubtful = 0;
	while (n--)
		give_back(take(r), why);
	timer_clear(&r->patience);
}

static void
end_slow(struct route *r)
{
	set_reason(r, "does not take what it is sent");
	s2s_end(r->stream, XSTREAM_CONNECTION_TIMEOUT, "you do not read what you are sent");
}

/* What has waited for too long. */
static void
expire(struct timer *t)
{
	struct route *r = LIST_ENTRY(t, struct route, patience);
	int64_t then = reactor_now_ms(reactor_current()) - (int64_t)home_config()->federation.patience_ms;
	unsigned n = 0;

	if (r->stream && r->written < r->q.n && route_queue_at(&r->q, r->written)->since_ms <= then) {
		end_slow(r);
	}
	for (; !r->stream && r->q.n && route_queue_at(&r->q, 0)->since_ms <= then; n++) {
		if (r->doubtful) {
			r->doubtful--;
			r->forgotten++;
		}
		give_back(take(r), &r->reason);
	}
	if (n)
		log_info(NULL, "s2s-returned", "local=%s remote=%s stanzas=%u why=%s", jid_domain(r->local), jid_domain(r->remote), n,
			r->reason.words);
	watch(r);
	route_settle(r);
}

/* The timer is for the oldest one that waits. */
static void
watch(struct route *r)
{
	int64_t due;

	if (timer_is_set(&r->patience) || r->written == r->q.n)
		return;
	due = route_queue_at(&r->q, r->written)->since_ms + (int64_t)home_config()->federation.patience_ms;
	due -= reactor_now_ms(reactor_current());
	timer_set(&r->patience, due > 0 ? due : 0, expire);
}

/* Arrived */

static void
confirm(struct route *r, unsigned n)
{
	struct packet *p;

	r->confirmed |= n > 0;
	while (n--) {
		p = take(r);
		outbox_settled(p);
		packet_unref(p);
	}
}

static void
begin_probe(struct route *r)
{
	uint64_t acked;

	r->probe.upto = conn_flushed(r->stream->conn);
	r->probe.since_ms = reactor_now_ms(reactor_current());
	r->probe.set = !conn_tcp_progress(r->stream->conn, &r->probe.given, &acked);
}

/* Without XEP-0198: what has been in the peer's kernel for a while. False: it has taken nothing for too long. */
static bool
probe(struct route *r)
{
	int64_t now = reactor_now_ms(reactor_current());
	uint64_t given, acked;
	unsigned n = 0;

	if (conn_tcp_progress(r->stream->conn, &given, &acked))
		return true; /* the connection is over, of which we shall hear */
	if (r->probe.set && acked >= r->probe.given && now - r->probe.since_ms >= LIVED_MS) {
		while (n < r->written && route_queue_at(&r->q, n)->upto <= r->probe.upto)
			n++;
		confirm(r, n);
		r->probe.set = false;
	}
	if (!r->probe.set)
		begin_probe(r);
	return now - r->probe.since_ms < (int64_t)home_config()->federation.patience_ms;
}

static void
tick(struct timer *t)
{
	struct route *r = LIST_ENTRY(t, struct route, tick);

	if (!r->stream || r->stream->sm || !r->written)
		return;
	if (!probe(r)) {
		end_slow(r);
		return;
	}
	if (r->written)
		timer_set(&r->tick, TICK_MS, tick);
	else
		r->probe.set = false;
	pump(r);
}

/* To the stream */

/* A message must be known to the record as gone over this stream before it goes. */
static bool
must_be_named(const struct s2s *s, const struct packet *p)
{
	return p->record_id && p->about != s->peer_record;
}

static void
named(void *owner, bool ok)
{
	struct route *r = owner;

	r->naming = NULL;
	if (!ok) {
		set_reason(r, "was sent nothing more, as the archive did not take what was to go there");
		s2s_end(r->stream, XSTREAM_INTERNAL_SERVER_ERROR, "the archive is not available");
		return;
	}
	r->passed = r->named;
	pump(r);
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Those that come next, as many as may be, are named at once. */
static void
name(struct route *r)
{
	uint64_t ids[NAMED_AT_ONCE];
	unsigned i, n = 0;

	for (i = r->written; i < r->q.n && n < NAMED_AT_ONCE; i++) {
		const struct packet *p = route_queue_at(&r->q, i)->p;

		if (must_be_named(r->stream, p))
			ids[n++] = p->record_id;
	}
	r->named = i;
	qsort(ids, n, sizeof(ids[0]), compare);
	r->naming = peer_record_passed(r->stream, ids, n, named, r);
}

static void
pump(struct route *r)
{
	struct s2s *s = r->stream;

	if (!s || r->naming)
		return;
	while (r->written < r->q.n && conn_mark(s->conn) - conn_flushed(s->conn) < WINDOW_BYTES) {
		struct going *g = route_queue_at(&r->q, r->written);

		if (r->written >= r->passed && must_be_named(s, g->p)) {
			name(r);
			break;
		}
		g->upto = s2s_write(s, g->p);
		metric_add(METRIC_S2S_STANZAS_OUT, 1);
		r->written++;
	}
	if (r->written && !s->sm && !timer_is_set(&r->tick))
		timer_set(&r->tick, TICK_MS, tick);
	watch(r);
}

/* From the rest of the server */

static bool
has_room(const struct route *r)
{
	const struct limits *l = &home_config()->limits;

	return r->q.n < l->s2s_queue_stanzas && r->q.bytes < l->s2s_queue_bytes;
}

static void
refuse_more(struct packet *p)
{
	struct route_reason full = { .error = XERROR_RESOURCE_CONSTRAINT, .type = "wait" };

	metric_add(METRIC_S2S_QUEUE_FULL, 1);
	snprintf(full.words, sizeof(full.words), "too much is waiting for %s already", jid_domain(p->to));
	give_back(p, &full);
}

static void
refuse_denied(struct packet *p)
{
	struct route_reason denied;

	route_denied(p->to, &denied);
	give_back(p, &denied);
}

void
route_send(struct packet *p)
{
	struct route *r = find(p->from, p->to);

	if (!r) {
		if (!partner_find(jid_domain(p->to), PARTNER_OUT, NULL)) {
			refuse_denied(p);
			return;
		}
		r = make(p->from, p->to);
	}
	if (r->closed) {
		give_back(p, &r->reason);
	} else if (!p->delayed && !has_room(r)) { /* what comes from the outbox was there before */
		refuse_more(p);
	} else {
		route_queue_push(&r->q, p, reactor_now_ms(reactor_current()));
		if (r->stream)
			pump(r);
		else
			route_want(r);
		watch(r);
	}
}

void
route_denied(const struct jid *remote, struct route_reason *r)
{
	const char *why = NULL;

	(void)partner_find(jid_domain(remote), PARTNER_OUT, &why);
	r->error = XERROR_NOT_ALLOWED;
	r->type = NULL;
	snprintf(r->words, sizeof(r->words), "messages to %s are not allowed%s%s; ask %s", jid_domain(remote), why ? ": " : "",
		why ? why : "", home_config()->federation.contact);
}

/* From the streams */

bool
route_ready(struct s2s *s)
{
	struct route *r = s->route ? s->route : find(s->local, s->remote);

	if (stopping || (r && r->stream))
		return false;
	if (!r)
		r = make(s->local, s->remote);
	/* The attempt has come to its end; or this one was quicker. */
	route_stop_trying(r, s->attempt);
	s->route = r;
	s->sends = true;
	r->stream = s;
	r->ready_ms = reactor_now_ms(reactor_current());
	r->confirmed = false;
	r->written = r->passed = r->doubtful = r->forgotten = 0;
	r->probe.set = false;
	r->reason.words[0] = '\0';
	peer_table_set(r, s->peer_record);
	log_info(conn_log(s->conn), "s2s-route", "local=%s remote=%s initiator=%d waiting=%u", jid_domain(s->local), jid_domain(s->remote),
		s->initiator, r->q.n);
	pump(r);
	return true;
}

/* What was sent and not confirmed has not waited in vain so far; but a server to which this happens all the time does not keep it for ever. */
static void
wait_anew(struct route *r)
{
	for (unsigned i = 0; i < r->written; i++) {
		struct going *g = route_queue_at(&r->q, i);

		if (!g->again)
			g->since_ms = reactor_now_ms(reactor_current());
		g->again = true;
	}
}

void
route_lost(struct s2s *s)
{
	struct route *r = s->route;

	if (!r || r->stream != s)
		return;
	s->route = NULL;
	s->sends = false;
	peer_table_set(r, 0);
	if (r->naming)
		peer_record_cancel(r->naming);
	r->naming = NULL;
	r->stream = NULL;
	if (!*r->reason.words)
		set_reason(r, "has broken the connection");
	wait_anew(r);
	r->doubtful = r->written;
	r->doubted = s->peer_record;
	r->written = r->passed = 0;
	timer_clear(&r->tick);
	if (!stopping) {
		route_try_later(r, s2s_sm_may_return(s));
		timer_clear(&r->patience);
		watch(r);
	}
	route_settle(r);
}

void
route_flushed(struct s2s *s, uint64_t upto)
{
	struct route *r = s->route;

	(void)upto;
	if (!r || r->stream != s)
		return;
	if (!s->sm && r->written && !r->probe.set)
		begin_probe(r);
	pump(r);
}

uint32_t
route_written(const struct s2s *s)
{
	return s->route && s->route->stream == s ? s->route->written : 0;
}

void
route_confirmed(struct s2s *s, uint64_t over, uint32_t n)
{
	struct route *r = s->route ? s->route : find(s->local, s->remote);
	uint32_t gone;

	/* A stream may be resumed when another has come and gone since: then what is in doubt was not written to it. */
	if (!r || over != (r->stream == s ? s->peer_record : r->doubted))
		return;
	if (r->stream == s) {
		confirm(r, n < r->written ? n : r->written);
		return;
	}
	/* Resumed: about those of the stream before, of which the oldest may have been returned. */
	gone = n < r->forgotten ? n : r->forgotten;
	n -= gone;
	n = n < r->doubtful ? n : r->doubtful;
	r->doubtful -= n;
	confirm(r, n);
}

/* After a change of the partners */

/* What was refused because of its last failure may be tried again: the entry may have been mended. */
static void
follow_route(struct route *r)
{
	const struct partner *p = partner_find(jid_domain(r->remote), PARTNER_OUT, NULL);
	struct route_reason denied;

	if (!p) {
		route_denied(r->remote, &denied);
		r->closed = true; /* it stays until we are done with it */
		if (r->stream)
			s2s_end(r->stream, XSTREAM_POLICY_VIOLATION, "this domain is not allowed any more");
		route_stop_trying(r, NULL);
		route_return_all(r, &denied);
	} else if (!r->stream && !r->attempt && r->version != p->version) {
		route_stop_trying(r, NULL);
		r->failures = 0;
		if (r->q.n)
			route_want(r);
	}
	route_settle(r);
}

void
route_partners_changed(void)
{
	struct route *r, *tmp;

	s2s_review();
	HASH_ITER(hh, routes, r, tmp)
		follow_route(r);
}

/* Each reactor */

void
route_home_start(void)
{
	route_try_home_start();
}

void
route_home_shutdown(void)
{
	struct route *r, *tmp;
	struct route_reason stops = { .error = XERROR_REMOTE_SERVER_TIMEOUT, .words = "this server is stopping" };
	struct packet *p;

	stopping = true;
	HASH_ITER(hh, routes, r, tmp) {
		route_stop_trying(r, NULL);
		while (!r->stream && (p = take(r))) {
			if (outbox_has(p))
				packet_unref(p);
			else
				give_back(p, &stops);
		}
		route_settle(r);
	}
}

void
route_home_stop(void)
{
	route_home_shutdown();
	route_try_home_stop();
}
