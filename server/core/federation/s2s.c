/*
 * s2s: the stream of another server, in either direction: its birth, when it is ready, and its end.
 *
 * One list per reactor holds its streams. s2s_end is the only way a stream ends on our side in good order, s2s_free the only way it goes:
 * both give back what was on its way (withdraw), once. What comes in is s2s_read's; what happens before READY is told by role: s2s_in, s2s_out.
 */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/federation/peer_record.h"
#include "core/federation/route.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"
#include "net/listener.h"

#define LINGER_MS 3000
#define LEAVE_MS 30000 /* what is in the lane is given back earlier when the archive does not take it */
#define SPACE_MS 120000 /* a stream on which we have said nothing for that long says a space */

struct streams {
	struct list all;
	bool quiet; /* the server is stopping: nothing more is read */
};

static _Thread_local struct streams *here;
static atomic_uint total, strangers; /* strangers: have connected, and are nobody yet */

static void on_timer(struct timer *t);

struct list *
s2s_all(void)
{
	return &here->all;
}

const char *
s2s_remote_name(const struct s2s *s)
{
	return s->remote ? jid_domain(s->remote) : "-";
}

/* Birth */

/* Half of all streams may be those of strangers: then the oldest of them goes for a new one. So whoever opens streams and says nothing
 * on them keeps no partner out. */
static void
drop_stranger(void)
{
	LIST_EACH(l, &here->all) {
		struct s2s *s = LIST_ENTRY(l, struct s2s, link);

		if (!s->stranger || s->state == S2S_CLOSING)
			continue;
		metric_add(METRIC_CONNECTIONS_REFUSED, 1);
		s2s_free_with(s, "too many are at the door");
		return;
	}
}

void
s2s_known(struct s2s *s)
{
	if (s->stranger)
		atomic_fetch_sub_explicit(&strangers, 1, memory_order_relaxed);
	s->stranger = false;
}

struct s2s *
s2s_new(bool initiator, struct jid *local, struct jid *remote)
{
	const struct config *c = home_config();
	int64_t deadline = initiator ? (int64_t)c->federation.connect_ms : (int64_t)c->limits.login_seconds * 1000;
	struct s2s *s;

	if (!initiator && atomic_load_explicit(&strangers, memory_order_relaxed) >= c->limits.s2s_streams / 2)
		drop_stranger();
	if (here->quiet || atomic_load_explicit(&total, memory_order_relaxed) >= c->limits.s2s_streams) {
		metric_add(METRIC_CONNECTIONS_REFUSED, !initiator);
		return NULL;
	}
	s = NEW(struct s2s);
	s->initiator = initiator;
	s->stranger = !initiator;
	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&strangers, s->stranger, memory_order_relaxed);
	s->state = S2S_HEADER;
	s->local = local ? jid_ref(local) : NULL;
	s->remote = remote ? jid_ref(remote) : NULL;
	s->deadline_ms = reactor_now_ms(reactor_current()) + deadline;
	s2s_enlist(s);
	return s;
}

void
s2s_enlist(struct s2s *s)
{
	list_append(&here->all, &s->link);
	timer_set(&s->timer, s->deadline_ms - reactor_now_ms(reactor_current()), on_timer);
}

bool
s2s_take(struct s2s *s, int fd, const struct sockaddr *peer)
{
	const struct limits *m = &home_config()->limits;
	struct parser_limits l = stream_limits_unauthenticated(s->direct_tls);

	/* The route keeps below half of it. */
	s->conn = conn_new(fd, peer, &s2s_conn_ops, s, 2 * (m->s2s_queue_bytes + m->stanza_bytes));
	s->parser = parser_new(&s2s_parser_ops, s, &l);
	s->input_ms = reactor_now_ms(reactor_current());
	s->source_counted = !s->initiator && source_joined(conn_source(s->conn));
	if (s->initiator || s->source_counted)
		return true;
	s2s_free(s);
	return false;
}

/* Death */

/* From here on nobody sends on it, and nothing of it is waited for. */
static void
withdraw(struct s2s *s, const char *why)
{
	if (s->withdrawn)
		return;
	s->withdrawn = true;
	if (s->counted)
		metric_add(s->initiator ? METRIC_S2S_STREAMS_OUT : METRIC_S2S_STREAMS_IN, -1);
	if (s->trust)
		trust_cancel(s->trust);
	if (s->recording)
		peer_record_cancel(s->recording);
	s->trust = NULL;
	s->recording = NULL;
	if (s->dialback)
		dialback_free(s);
	if (s->routed)
		route_lost(s);
	else if (s->initiator)
		attempt_broke(s, why);
	s->routed = false;
	s->route = NULL;
	s->attempt = NULL;
	if (s->sm)
		s2s_sm_free(s);
	if (s->sm_awaits)
		s2s_sm_forget(s);
	if (s->lane)
		lane_orphan(s->lane);
	s->lane = NULL;
}

void
s2s_free_with(struct s2s *s, const char *why)
{
	if (s->freed)
		return;
	s->freed = true;
	if (s->peer_record)
		log_info(s->conn ? conn_log(s->conn) : NULL, "s2s-gone", "remote=%s local=%s direction=%s in=%llu out=%llu",
			jid_domain(s->remote), jid_domain(s->local), s->initiator ? "out" : "in", s->stanzas_in, s->stanzas_out);
	s->broke = s->state == S2S_READY && !here->quiet;
	s->state = S2S_CLOSING;
	withdraw(s, why);
	timer_clear(&s->timer);
	timer_clear(&s->throttle);
	if (s->source_counted)
		source_left(conn_source(s->conn), s->authenticated);
	if (s->conn)
		conn_close(s->conn);
	parser_free(s->parser);
	list_remove(&s->link);
	s2s_known(s);
	atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
	jid_unref(s->local);
	jid_unref(s->remote);
	free(s->peer_id);
	free(s->cert);
	reactor_free_later(reactor_current(), free, s);
}

void
s2s_free(struct s2s *s)
{
	s2s_free_with(s, "the connection was given up");
}

void
s2s_left(struct s2s *s)
{
	if (s->state != S2S_READY || !s->sm || !s->lane || !lane_depth(s->lane)) {
		s2s_end(s, XSTREAM_NONE, "the other server closed the stream");
		return;
	}
	if (s->routed)
		route_lost(s);
	s->routed = false;
	s->leaves = true;
	s2s_wait(s, true);
	timer_set(&s->timer, LEAVE_MS, on_timer);
}

static bool
may_write(const struct s2s *s)
{
	return s->conn && s->state != S2S_CLOSING && s->state != S2S_HANDSHAKE;
}

static void
end_throttle(struct s2s *s)
{
	if (!timer_is_set(&s->throttle))
		return;
	timer_clear(&s->throttle);
	conn_resume(s->conn);
}

static void
write_end(struct s2s *s, enum xstream_error e, const char *text)
{
	struct buf *out;

	if (!s->opened)
		s2s_write_header(s);
	s2s_sm_last_word(s);
	out = conn_out(s->conn);
	if (e != XSTREAM_NONE)
		xstream_error_write(out, e, text);
	buf_adds(out, "</stream:stream>");
	conn_wrote(s->conn);
}

static void
note_end(const struct s2s *s, enum xstream_error e, const char *text)
{
	if (e != XSTREAM_NONE)
		log_info(s->conn ? conn_log(s->conn) : NULL, "stream-error", "condition=%s remote=%s text=%s", xstream_error_name(e),
			s2s_remote_name(s), text);
}

void
s2s_end(struct s2s *s, enum xstream_error e, const char *text)
{
	const char *why = text ? text : e != XSTREAM_NONE ? xstream_error_name(e) : "the stream was ended";

	if (s->state == S2S_CLOSING)
		return;
	note_end(s, e, text);
	if (!s->conn) {
		s2s_free_with(s, why);
		return;
	}
	if (may_write(s))
		write_end(s, e, text);
	s->state = S2S_CLOSING;
	withdraw(s, why);
	s->waits = false;
	if (s->paused)
		conn_resume(s->conn);
	s->paused = false;
	end_throttle(s);
	conn_shutdown(s->conn, LINGER_MS, true);
	timer_set(&s->timer, LINGER_MS + 1000, on_timer);
}

const char *
s2s_certificate_why(enum cert_verdict v)
{
	static const char *const why[CERT_VERDICTS] = {
		[CERT_GOOD] = "certificate:good",
		[CERT_ABSENT] = "certificate:absent",
		[CERT_OTHER_NAME] = "certificate:other-name",
		[CERT_EXPIRED] = "certificate:expired",
		[CERT_NOT_YET] = "certificate:not-yet",
		[CERT_SELF_SIGNED] = "certificate:self-signed",
		[CERT_UNKNOWN_ISSUER] = "certificate:unknown-issuer",
		[CERT_BAD_CHAIN] = "certificate:bad-chain",
		[CERT_WRONG_USE] = "certificate:wrong-use",
		[CERT_WEAK] = "certificate:weak",
		[CERT_REVOKED] = "certificate:revoked",
		[CERT_REVOCATION_UNKNOWN] = "certificate:revocation-unknown",
		[CERT_NOT_PINNED] = "certificate:not-pinned",
		[CERT_NOT_DANE] = "certificate:not-dane",
	};

	return v < CERT_VERDICTS ? why[v] : "certificate";
}

void
s2s_refuse(struct s2s *s, enum xstream_error e, const char *why, const char *text)
{
	metric_add(METRIC_S2S_REFUSED, 1);
	/* The log's line about it is partner_refused's, so many a minute for each domain. */
	log_debug(conn_log(s->conn), "s2s-refused", "remote=%s local=%s direction=%s why=%s text=%s", s2s_remote_name(s),
		s->local ? jid_domain(s->local) : "-", s->initiator ? "out" : "in", why, text);
	if (s->remote)
		partner_refused(jid_domain(s->remote), s->initiator ? PARTNER_OUT : PARTNER_IN, why, conn_address(s->conn));
	s2s_end(s, e, text);
}

/* Reading, or not */

static void
update_reading(struct s2s *s)
{
	/* What only confirms what we sent is read to the end. */
	bool quiet = here->quiet && (s->state != S2S_READY || s->receives);
	bool stop = s->waits || quiet || (s->lane && lane_is_full(s->lane));

	if (stop == s->paused || s->state == S2S_CLOSING)
		return;
	s->paused = stop;
	if (stop)
		conn_pause(s->conn);
	else
		conn_resume(s->conn);
}

void
s2s_wait(struct s2s *s, bool wait)
{
	s->waits = wait;
	update_reading(s);
}

static void
throttle_over(struct timer *t)
{
	conn_resume(LIST_ENTRY(t, struct s2s, throttle)->conn);
}

void
s2s_charge(struct s2s *s)
{
	const struct limits *l = &home_config()->limits;

	if (stream_rate_charge(&s->rate, l->s2s_stanzas_per_second, l->s2s_stanzas_burst) || timer_is_set(&s->throttle))
		return;
	metric_add(METRIC_THROTTLED, 1);
	conn_pause(s->conn);
	timer_set(&s->throttle, STREAM_THROTTLE_MS, throttle_over);
}

/* Ready */

static void
lane_changed(void *owner)
{
	update_reading(owner);
}

static void
lane_left(void *owner)
{
	struct s2s *s = owner;

	if (s->sm)
		s2s_sm_handled(s);
	if (s->leaves && !lane_depth(s->lane))
		s2s_end(s, XSTREAM_NONE, "the other server closed the stream");
}

static void
open_lane(struct s2s *s)
{
	const struct limits *m = &home_config()->limits;

	s->lane = lane_new_for(&(struct lane_owner){ .changed = lane_changed, .left = lane_left, .peer = s->peer_record,
		.stanzas = m->s2s_lane_stanzas }, s);
	stream_rate_init(&s->rate, m->s2s_stanzas_burst);
}

void
s2s_route(struct s2s *s)
{
	if (s->sends && s->state == S2S_READY) {
		s->routed = route_ready(s);
		s->sends = s->routed;
	}
	if (s->state == S2S_READY && !s->sends && !s->receives)
		s2s_end(s, XSTREAM_NONE, "another stream goes there already");
}

static void
recorded(void *owner, bool ok)
{
	struct s2s *s = owner;

	s->recording = NULL;
	if (!ok) {
		s2s_end(s, XSTREAM_RESOURCE_CONSTRAINT, "the archive does not take records at the moment");
		return;
	}
	s->counted = true;
	metric_add(s->initiator ? METRIC_S2S_STREAMS_OUT : METRIC_S2S_STREAMS_IN, 1);
	if (s->receives)
		open_lane(s);
	if (s->initiator ? s2s_sm_begin(s) : !s2s_sm_is_awaited(s))
		s2s_route(s);
	if (s->state == S2S_READY)
		s2s_wait(s, false);
}

/* limits.s2s_streams_per_partner: the one that has been silent for longest goes. */
static void
make_room(const struct s2s *s)
{
	struct s2s *oldest = NULL;
	uint64_t n = 0;

	LIST_EACH(l, &here->all) {
		struct s2s *o = LIST_ENTRY(l, struct s2s, link);

		if (o == s || o->initiator || o->state != S2S_READY || !jid_equal(o->remote, s->remote))
			continue;
		n++;
		if (!oldest || o->stanza_ms < oldest->stanza_ms)
			oldest = o;
	}
	if (n >= home_config()->limits.s2s_streams_per_partner)
		s2s_end(oldest, XSTREAM_RESOURCE_CONSTRAINT, "too many streams from this domain");
}

void
s2s_ready(struct s2s *s)
{
	struct parser_limits l = home_parser_limits();
	char tls[96];

	if (!s->initiator)
		make_room(s);
	s->state = S2S_READY;
	s->stanza_ms = reactor_now_ms(reactor_current());
	parser_set_limits(s->parser, &l);
	timer_set(&s->timer, 1, on_timer);
	log_info(conn_log(s->conn), "s2s-ready", "remote=%s local=%s direction=%s how=%s tls=%s certificate=%s address=%s", jid_domain(s->remote),
		jid_domain(s->local), s->initiator ? "out" : "in", s->how, tls_describe(conn_ssl(s->conn), tls), s->cert ? s->cert->fingerprint : NULL,
		conn_address(s->conn));
	s2s_wait(s, true);
	s->recording = peer_record_new(s, recorded, s);
}

/* Time */

/* federation.idle; and before it a space now and then, so that neither a firewall nor TCP takes the stream for dead. */
static void
check_idle(struct s2s *s)
{
	int64_t idle = (int64_t)home_config()->federation.idle_ms, silent = reactor_now_ms(reactor_current()) - s->stanza_ms;

	if (silent >= idle && !s->recording) {
		log_debug(conn_log(s->conn), "s2s-idle", "remote=%s", jid_domain(s->remote));
		s2s_end(s, XSTREAM_NONE, "nothing was said for long");
		return;
	}
	if (s->output == conn_mark(s->conn))
		conn_write(s->conn, " ", 1);
	s->output = conn_mark(s->conn);
	timer_set(&s->timer, idle - silent < SPACE_MS && idle > silent ? idle - silent : SPACE_MS, on_timer);
}

static void
on_timer(struct timer *t)
{
	struct s2s *s = LIST_ENTRY(t, struct s2s, timer);

	if (s->state == S2S_READY && !s->leaves)
		check_idle(s);
	else if (s->state == S2S_CLOSING || s->state == S2S_HANDSHAKE || !s->conn)
		s2s_free_with(s, "it took too long"); /* nothing could be said */
	else
		s2s_end(s, XSTREAM_CONNECTION_TIMEOUT, s->leaves ? NULL : "authentication took too long");
}

/* The reactor's streams */

void
s2s_home_start(void)
{
	here = NEW(struct streams);
	list_init(&here->all);
	s2s_sm_home_start();
	s2s_review_start();
}

void
s2s_home_quiet(void)
{
	here->quiet = true;
	LIST_EACH(l, &here->all) {
		struct s2s *s = LIST_ENTRY(l, struct s2s, link);

		if (s->conn)
			update_reading(s);
	}
}

unsigned
s2s_home_shutdown(void)
{
	unsigned n = 0;

	LIST_EACH(l, &here->all) {
		s2s_end(LIST_ENTRY(l, struct s2s, link), XSTREAM_SYSTEM_SHUTDOWN, NULL);
		n++;
	}
	return n;
}

void
s2s_home_stop(void)
{
	s2s_review_stop();
	LIST_EACH(l, &here->all)
		s2s_free(LIST_ENTRY(l, struct s2s, link));
	s2s_sm_home_stop();
	free(here);
	here = NULL;
}
