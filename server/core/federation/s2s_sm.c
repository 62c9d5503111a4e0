/*
 * s2s_sm: stream management (XEP-0198) between servers, in both roles.
 *
 * Whoever initiated the stream asks for it (<enable/>), and may resume it when the connection broke. What has been sent and is not
 * confirmed is the route's (route.h): here it is only counted. What comes is counted when it leaves the lane, so it has been committed and
 * handed on (P2).
 *
 * When a connection breaks, what is known of the stream is kept for federation.resume: by the id that we gave, with the lane that
 * still has something in it; or by the pair of domains, when the peer gave the id. Another stream with the same two domains,
 * authenticated by itself, may take it over.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/federation/route.h"
#include "core/federation/s2s_priv.h"
#include "core/home.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define ID_MAX 4000 /* §5: ids should not be longer */

enum sm_state {
	SM_ASKING,   /* we have said <enable/>: counting has begun (§4), the answer is to come */
	SM_RESUMING, /* we have said <resume/>: nothing is sent before the answer */
	SM_ON,
};

struct s2s_sm {
	UT_hash_handle hh;       /* in tables.given by id, or kept in tables.lost by pair */
	enum sm_state state;
	bool initiator;          /* of the stream: we */
	bool listed;             /* in its table */
	bool resumable;
	struct s2s *s;           /* NULL: the connection broke */
	char *id;                /* resumable */
	char *pair;              /* of domains: ours, space, theirs */
	uint32_t in;             /* handled of what came (modulo 2^32) */
	uint32_t out, acked;     /* sent; confirmed of it */
	uint32_t said;           /* resuming: of `in`, what the peer was told */
	uint64_t over;           /* RECORD_PEER of the stream that `out` and `ahead` were written to */
	uint32_t ahead;          /* sent before counting began, and not confirmed: the first <a/> comes behind them */
	bool asked, owes, owes_again; /* we wait for <a/>; they do: when so many have been handled */
	uint32_t owes_at, owes_again_at;
	uint32_t asked_at;       /* the same of their last question */
	uint64_t max_ms;         /* resumable: for so long */
	struct lane *lane;       /* lost: with what is on its way in it */
	struct s2s *resumer;     /* waits for it to be empty */
	struct timer timer;      /* an answer is due; lost: its end */
	int64_t lost_ms;
};

struct tables {
	struct s2s_sm *given;    /* by the id that we gave: streams of others, lost ones included */
	struct s2s_sm *lost;     /* by pair: streams of ours whose connection broke */
};

static _Thread_local struct tables *here;

static void answer_overdue(struct timer *t);

/* Birth and death */

static char *
pair_of(const struct s2s *s)
{
	struct buf b = { 0 };

	buf_adds(&b, jid_domain(s->local));
	buf_addc(&b, ' ');
	buf_adds(&b, jid_domain(s->remote));
	buf_str(&b);
	return b.data;
}

static struct s2s_sm *
new_sm(struct s2s *s, enum sm_state state)
{
	struct s2s_sm *m = NEW(struct s2s_sm);

	m->state = state;
	m->initiator = s->initiator;
	m->s = s;
	m->pair = pair_of(s);
	s->sm = m;
	return m;
}

static void
unlist(struct s2s_sm *m)
{
	if (!m->listed)
		return;
	if (m->initiator)
		HASH_DELETE(hh, here->lost, m);
	else
		HASH_DELETE(hh, here->given, m);
	m->listed = false;
}

static void
free_sm(struct s2s_sm *m)
{
	unlist(m);
	timer_clear(&m->timer);
	if (m->lane)
		lane_orphan(m->lane);
	if (m->resumer)
		m->resumer->sm_awaits = NULL;
	free(m->id);
	free(m->pair);
	free(m);
}

/* Words */

static void
say(struct s2s *s, const char *text)
{
	conn_write(s->conn, text, strlen(text));
}

static void
say_failed(struct s2s *s, const char *condition)
{
	struct buf *out = conn_out(s->conn);

	buf_addf(out, "<failed xmlns='urn:xmpp:sm:3'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>", condition);
	conn_wrote(s->conn);
}

/* "answer" is what the peer has to say before federation.patience is over: it is there, but does not work. */
static void
expect_answer(struct s2s_sm *m)
{
	timer_set(&m->timer, (int64_t)home_config()->federation.patience_ms, answer_overdue);
}

static void
answer_overdue(struct timer *t)
{
	struct s2s_sm *m = LIST_ENTRY(t, struct s2s_sm, timer);

	s2s_end(m->s, XSTREAM_CONNECTION_TIMEOUT, "you do not acknowledge what you are sent");
}

static void
ask(struct s2s_sm *m)
{
	m->asked = true;
	say(m->s, "<r xmlns='urn:xmpp:sm:3'/>");
	expect_answer(m);
}

/* What was written before counting began is confirmed by the first answer: without more to send nothing would ask for it. */
static void
ask_ahead(struct s2s_sm *m)
{
	if (m->ahead)
		ask(m);
}

static void
answer(struct s2s_sm *m)
{
	struct buf *out = conn_out(m->s->conn);

	buf_addf(out, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", m->in);
	conn_wrote(m->s->conn);
}

/* Counting */

static uint32_t
depth(const struct s2s *s)
{
	return s->lane ? lane_depth(s->lane) : 0;
}

/* The answer comes in its turn, behind what came before the question: with the archive at work that is some milliseconds later. Of
 * more than two questions meanwhile the last is answered. */
static void
take_question(struct s2s_sm *m)
{
	uint32_t at = m->in + depth(m->s);

	if (at == m->asked_at)
		s2s_charge(m->s);
	m->asked_at = at;
	if (at == m->in) {
		answer(m);
	} else if (!m->owes) {
		m->owes = true;
		m->owes_at = at;
	} else {
		m->owes_again = true;
		m->owes_again_at = at;
	}
}

void
s2s_sm_handled(struct s2s *s)
{
	struct s2s_sm *m = s->sm;

	m->in++;
	if (!m->owes || m->in != m->owes_at)
		return;
	answer(m);
	m->owes = m->owes_again && m->owes_again_at != m->in;
	m->owes_at = m->owes_again_at;
	m->owes_again = false;
}

/* One question at a time: what is sent until its answer comes is asked for then. */
void
s2s_sm_sent(struct s2s *s)
{
	struct s2s_sm *m = s->sm;

	m->out++;
	m->over = s->peer_record;
	if (m->state == SM_ON && !m->asked)
		ask(m);
}

static bool
read_h(const struct elem *e, uint32_t *h)
{
	const char *v = elem_get(e, "h");
	uint64_t n;

	if (!v || !text_u64(v, strlen(v), 0, UINT32_MAX, &n))
		return false;
	*h = (uint32_t)n;
	return true;
}

/* §4: more than was sent is the peer's mistake, and there is no way to go on. */
static void
fail_count(struct s2s *s, const struct elem *e)
{
	struct buf *out = conn_out(s->conn);
	const char *h = elem_get(e, "h");

	buf_adds(out, "<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
		"<handled-count-too-high xmlns='urn:xmpp:sm:3' h='");
	serialize_attr(out, h ? h : "", h ? strlen(h) : 0);
	buf_addf(out, "' send-count='%u'/></stream:error>", s->sm->out);
	conn_wrote(s->conn);
	metric_error("stream", "undefined-condition");
	metric_add(METRIC_STREAM_ERRORS, 1);
	log_warning(conn_log(s->conn), "s2s-count-too-high", "remote=%s sent=%u", jid_domain(s->remote), s->sm->out);
	s2s_end(s, XSTREAM_NONE, "it acknowledged more than it was sent");
}

static void
take_answer(struct s2s_sm *m, const struct elem *e)
{
	uint32_t h, n, ahead = m->ahead;

	if (!read_h(e, &h) || h - m->acked > m->out - m->acked) {
		fail_count(m->s, e);
		return;
	}
	n = h - m->acked;
	if (!(ahead + n))
		s2s_charge(m->s);
	m->acked = h;
	m->ahead = 0;
	m->asked = false;
	timer_clear(&m->timer);
	route_confirmed(m->s, m->over, ahead + n);
	if (m->out != m->acked)
		ask(m);
}

/* Lost and found */

static void
lost_over(struct timer *t)
{
	struct s2s_sm *m = LIST_ENTRY(t, struct s2s_sm, timer);

	log_info(NULL, "s2s-resume-timeout", "pair=%s made-by=%s", m->pair, m->initiator ? "us" : "peer");
	free_sm(m);
}

/* Its place in the table is for the one that is lost: an older one is of no use any more. */
static void
list_lost(struct s2s_sm *m)
{
	struct s2s_sm *old = NULL;

	HASH_FIND(hh, here->lost, m->pair, strlen(m->pair), old);
	if (old)
		free_sm(old);
	HASH_ADD_KEYPTR(hh, here->lost, m->pair, strlen(m->pair), m);
	m->listed = true;
}

/* A peer may break as many connections as it likes, but only so many are remembered. */
static void
bound_given(const struct s2s_sm *m)
{
	struct s2s_sm *o, *next, *oldest = NULL;
	const char *remote = strchr(m->pair, ' ');
	uint64_t n = 0;

	HASH_ITER(hh, here->given, o, next) {
		if (o->s || o == m || strcmp(strchr(o->pair, ' '), remote))
			continue;
		n++;
		if (!oldest || o->lost_ms < oldest->lost_ms)
			oldest = o;
	}
	if (n >= home_config()->limits.s2s_streams_per_partner && !oldest->resumer)
		free_sm(oldest);
}

static void resume_given(struct s2s_sm *m);
static void resume_lost(struct s2s_sm *m);

/* `s` has it as soon as the lane is empty: what is still in there is to be counted before anybody is told how far the stream had come. */
static void
resume_with(struct s2s_sm *m, struct s2s *s)
{
	timer_clear(&m->timer);
	m->resumer = s;
	s->sm_awaits = m;
	if (m->lane && lane_depth(m->lane))
		return;
	if (m->initiator)
		resume_lost(m);
	else
		resume_given(m);
}

/* A stanza of the lost stream has left its lane. */
static void
left_late(void *owner)
{
	struct s2s_sm *m = owner;

	m->in++;
	if (m->resumer)
		resume_with(m, m->resumer);
}

/* The new connection is there, and nothing more is on its way from the old one. */
static struct s2s *
attach(struct s2s_sm *m)
{
	struct s2s *s = m->resumer;

	if (m->lane)
		lane_orphan(m->lane);
	m->lane = NULL;
	m->resumer = NULL;
	s->sm_awaits = NULL;
	s->sm = m;
	m->s = s;
	return s;
}

void
s2s_sm_forget(struct s2s *s)
{
	struct s2s_sm *m = s->sm_awaits;

	m->resumer = NULL;
	s->sm_awaits = NULL;
	timer_set(&m->timer, (int64_t)m->max_ms, lost_over);
}

static void
take_lane(struct s2s_sm *m, struct s2s *s)
{
	m->lane = s->lane;
	s->lane = NULL;
	if (m->lane)
		lane_set_owner(m->lane, &(struct lane_owner){ .left = left_late }, m);
}

/* The connection of `s` is of no more use to it. */
static void
detach(struct s2s_sm *m)
{
	struct s2s *s = m->s;

	take_lane(m, s);
	s->sm = NULL;
	m->s = NULL;
	m->asked = m->owes = m->owes_again = false;
	m->lost_ms = reactor_now_ms(reactor_current());
	timer_set(&m->timer, (int64_t)m->max_ms, lost_over);
}

void
s2s_sm_free(struct s2s *s)
{
	struct s2s_sm *m = s->sm;
	bool asked_again = m->state == SM_RESUMING;

	if (!s->broke || !m->resumable || !m->max_ms) {
		s->sm = NULL;
		free_sm(m);
		return;
	}
	detach(m);
	if (asked_again) {
		m->state = SM_ON;
		m->in = m->said - (m->lane ? lane_depth(m->lane) : 0);
	}
	if (m->initiator)
		list_lost(m);
	else
		bound_given(m);
}

/* As the receiving entity */

/* The peer may resume a stream of before, and then says what of it has arrived. Until it has said that, or something else, nothing is sent: it
 * would be what it has already. */
bool
s2s_sm_is_awaited(struct s2s *s)
{
	struct s2s_sm *m, *next;
	char *pair;

	if (!s->sends || !here->given)
		return false;
	pair = pair_of(s);
	HASH_ITER(hh, here->given, m, next)
		s->undecided |= !strcmp(m->pair, pair);
	free(pair);
	return s->undecided;
}

bool
s2s_sm_may_return(const struct s2s *s)
{
	return s->broke && !s->initiator && s->sm && s->sm->resumable;
}

void
s2s_sm_decided(struct s2s *s)
{
	if (!s->undecided)
		return;
	s->undecided = false;
	s2s_route(s);
}

static bool
is_true(const char *v)
{
	return v && (!strcmp(v, "true") || !strcmp(v, "1"));
}

static void
take_enable(struct s2s *s, const struct elem *e)
{
	uint64_t ms = home_config()->federation.resume_ms, max;
	const char *wanted = elem_get(e, "max");
	struct s2s_sm *m;
	struct buf *out;

	if (s->sm) {
		say_failed(s, "unexpected-request");
		return;
	}
	m = new_sm(s, SM_ON);
	m->in = (uint32_t)0 - depth(s); /* what came before <enable/> is not counted */
	m->ahead = route_written(s);
	m->over = s->peer_record;
	if (wanted && text_u64(wanted, strlen(wanted), 0, UINT32_MAX, &max) && max * 1000 < ms)
		ms = max * 1000;
	m->resumable = is_true(elem_get(e, "resume")) && ms >= 1000;
	if (!m->resumable) {
		say(s, "<enabled xmlns='urn:xmpp:sm:3'/>");
		ask_ahead(m);
		s2s_sm_decided(s);
		return;
	}
	m->max_ms = ms;
	m->id = mem_alloc(33);
	crypt_random_hex(m->id, 16);
	HASH_ADD_KEYPTR(hh, here->given, m->id, 32, m);
	m->listed = true;
	out = conn_out(s->conn);
	buf_addf(out, "<enabled xmlns='urn:xmpp:sm:3' id='%s' resume='true' max='%llu'/>", m->id, (unsigned long long)(ms / 1000));
	conn_wrote(s->conn);
	ask_ahead(m);
	s2s_sm_decided(s);
}

/* The stream that may be taken over by s: of the same two domains, by the id that only its peer was told. */
static struct s2s_sm *
find_given(const struct s2s *s, const char *id)
{
	struct s2s_sm *m = NULL;
	char *pair = pair_of(s);

	HASH_FIND(hh, here->given, id, strlen(id), m);
	if (m && strcmp(m->pair, pair))
		m = NULL;
	free(pair);
	return m;
}

static void
resume_given(struct s2s_sm *m)
{
	struct s2s *s = attach(m);
	struct buf *out = conn_out(s->conn);

	m->ahead = route_written(s);
	m->over = s->peer_record;
	buf_addf(out, "<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>", m->id, m->in);
	conn_wrote(s->conn);
	m->in -= depth(s); /* what came before, on the new stream */
	metric_add(METRIC_S2S_RESUMED, 1);
	log_info(conn_log(s->conn), "s2s-resumed", "remote=%s local=%s made-by=peer", jid_domain(s->remote), jid_domain(s->local));
	s2s_wait(s, false);
	ask_ahead(m);
	s2s_sm_decided(s);
}

static void
take_resume(struct s2s *s, const struct elem *e)
{
	const char *id = elem_get(e, "previd");
	struct s2s_sm *m;
	struct s2s *old;
	uint32_t h;

	if (s->sm || s->sm_awaits) {
		say_failed(s, "unexpected-request");
	} else if (!id || !read_h(e, &h)) {
		say_failed(s, "bad-request");
	} else if (!(m = find_given(s, id)) || m->resumer) {
		say_failed(s, "item-not-found");
	} else if (h - m->acked > m->out - m->acked) {
		say_failed(s, "bad-request");
	} else {
		old = m->s;
		if (old) {
			detach(m);
			s2s_end(old, XSTREAM_CONFLICT, "resumed by another stream");
		}
		/* What was sent on it and did not arrive is the route's: it has taken it back, and sends it anew. Whoever knows the id
		 * has had what was sent before it. */
		route_confirmed(s, m->over, m->ahead + (h - m->acked));
		m->ahead = 0;
		m->out = m->acked = h;
		s2s_wait(s, true);
		resume_with(m, s);
	}
}

void
s2s_sm_features(struct s2s *s, struct buf *out)
{
	(void)s;
	buf_adds(out, "<sm xmlns='urn:xmpp:sm:3'/>");
}

/* As the initiating entity */

static void
enable(struct s2s *s)
{
	struct s2s_sm *m = new_sm(s, SM_ASKING);

	say(s, home_config()->federation.resume_ms ? "<enable xmlns='urn:xmpp:sm:3' resume='true'/>" : "<enable xmlns='urn:xmpp:sm:3'/>");
	expect_answer(m);
}

static struct s2s_sm *
find_lost(const struct s2s *s)
{
	struct s2s_sm *m = NULL;
	char *pair = pair_of(s);

	HASH_FIND(hh, here->lost, pair, strlen(pair), m);
	free(pair);
	return m;
}

static void
resume_lost(struct s2s_sm *m)
{
	struct s2s *s = attach(m);
	struct buf *out = conn_out(s->conn);

	unlist(m);
	m->state = SM_RESUMING;
	m->said = m->in;
	buf_addf(out, "<resume xmlns='urn:xmpp:sm:3' h='%u' previd='", m->in);
	serialize_attr(out, m->id, strlen(m->id));
	buf_adds(out, "'/>");
	conn_wrote(s->conn);
	expect_answer(m);
}

bool
s2s_sm_begin(struct s2s *s)
{
	struct s2s_sm *m = find_lost(s);

	if (!s->peer_has_sm) {
		if (m)
			free_sm(m);
		return true;
	}
	if (!m)
		enable(s);
	else
		resume_with(m, s);
	return !m;
}

static void
take_enabled(struct s2s_sm *m, const struct elem *e)
{
	const char *id = elem_get(e, "id"), *max = elem_get(e, "max");
	uint64_t seconds, ms = home_config()->federation.resume_ms;

	m->state = SM_ON;
	m->in = (uint32_t)0 - depth(m->s); /* §4: counted is what comes behind <enabled/> */
	timer_clear(&m->timer);
	if (max && text_u64(max, strlen(max), 0, UINT32_MAX, &seconds) && seconds * 1000 < ms)
		ms = seconds * 1000;
	if (is_true(elem_get(e, "resume")) && id && *id && strlen(id) <= ID_MAX && ms) {
		m->resumable = true;
		m->max_ms = ms;
		m->id = mem_strdup(id);
	}
	if (m->out != m->acked)
		ask(m);
}

static void
take_resumed(struct s2s_sm *m, const struct elem *e)
{
	const char *id = elem_get(e, "previd");
	struct s2s *s = m->s;
	uint32_t h;

	timer_clear(&m->timer);
	if (!id || strcmp(id, m->id)) {
		s2s_end(s, XSTREAM_BAD_FORMAT, "this is not the stream that was to be resumed");
		return;
	}
	if (!read_h(e, &h) || h - m->acked > m->out - m->acked) {
		fail_count(s, e);
		return;
	}
	m->state = SM_ON;
	m->in = m->said - depth(s); /* what came before, on the new stream, does not count */
	route_confirmed(s, m->over, h - m->acked);
	m->out = m->acked = h;
	metric_add(METRIC_S2S_RESUMED, 1);
	log_info(conn_log(s->conn), "s2s-resumed", "remote=%s local=%s made-by=us", jid_domain(s->remote), jid_domain(s->local));
	s2s_route(s);
}

/* The stream goes on without what was asked for. Of one that is not resumed the peer may still say how far it had come (§5). */
static void
take_failed(struct s2s_sm *m, const struct elem *e)
{
	struct s2s *s = m->s;
	bool resuming = m->state == SM_RESUMING;
	uint32_t h;

	if (resuming && read_h(e, &h) && h - m->acked <= m->out - m->acked)
		route_confirmed(s, m->over, h - m->acked);
	s->sm = NULL;
	free_sm(m);
	log_info(conn_log(s->conn), resuming ? "s2s-not-resumed" : "s2s-not-managed", "remote=%s", jid_domain(s->remote));
	if (!resuming) {
		route_flushed(s, 0); /* from now on by what its kernel has */
		return;
	}
	enable(s);
	s2s_route(s);
}

/* Both */

static bool
take_as_initiator(struct s2s *s, const struct elem *e)
{
	struct s2s_sm *m = s->sm;

	if (!m || m->state == SM_ON)
		return false;
	if (!strcmp(e->name, "enabled") && m->state == SM_ASKING)
		take_enabled(m, e);
	else if (!strcmp(e->name, "resumed") && m->state == SM_RESUMING)
		take_resumed(m, e);
	else if (!strcmp(e->name, "failed"))
		take_failed(m, e);
	else
		return false;
	return true;
}

bool
s2s_sm_element(struct s2s *s, const struct elem *e)
{
	bool on = s->sm && s->sm->state == SM_ON;

	if (e->ns != NS_SM)
		return false;
	if (s->initiator && take_as_initiator(s, e))
		return true;
	if (!strcmp(e->name, "r") && on)
		take_question(s->sm);
	else if (!strcmp(e->name, "a") && on)
		take_answer(s->sm, e);
	else if (!strcmp(e->name, "enable") && !s->initiator)
		take_enable(s, e);
	else if (!strcmp(e->name, "resume") && !s->initiator)
		take_resume(s, e);
	else
		say_failed(s, "unexpected-request");
	return true;
}

/* §4: what has been handled is said once more, so that it is not sent again. */
void
s2s_sm_last_word(struct s2s *s)
{
	if (s->sm && s->sm->state == SM_ON)
		answer(s->sm);
}

void
s2s_sm_home_start(void)
{
	here = NEW(struct tables);
}

void
s2s_sm_home_stop(void)
{
	struct s2s_sm *m, *next;

	HASH_ITER(hh, here->given, m, next)
		free_sm(m);
	HASH_ITER(hh, here->lost, m, next)
		free_sm(m);
	free(here);
	here = NULL;
}
