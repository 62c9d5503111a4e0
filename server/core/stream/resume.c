/*
 * resume: XEP-0198 over a session. The ring of unconfirmed stanzas is allocated with the first one and freed
 * when it empties, so that an idle session holds none.
 */
#include "core/stream/resume.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/stream/c2s.h"
#include "core/home.h"
#include "core/module/modules.h"
#include "core/session.h"
#include "core/user.h"

#define ASK_EVERY 16    /* stanzas between two <r/> in a long burst */
#define KEEP_CAP 16     /* a ring this small stays when it empties */
#define GONE_MAX 4096   /* sessions given up that a home remembers; the oldest are forgotten */

/* A session that was waited for in vain: what it had handled is said to who comes too late (§5), who need not send that again. */
struct gone {
	UT_hash_handle hh;
	char id[33];
	int64_t account;
	uint32_t in;
};

struct ids {
	struct resume *table;
	struct gone *gone; /* in the order in which they went */
};

static _Thread_local struct ids *here;

static struct session *
session_of(struct resume *r)
{
	return (struct session *)((char *)r - offsetof(struct session, sm));
}

static void
run_first(struct resume *r)
{
	struct resume_wait *w = LIST_ENTRY(list_pop(&r->waiting), struct resume_wait, link);

	w->run(w);
}

/* The ring */

static void
push(struct resume *r, struct packet *p, uint64_t upto)
{
	if (r->n == r->cap) {
		uint32_t cap = r->cap ? r->cap * 2 : 8;
		struct unconfirmed *q = mem_alloc(cap * sizeof(*q));

		for (uint32_t i = 0; i < r->n; i++)
			q[i] = r->queue[(r->head + i) % r->cap];
		free(r->queue);
		r->queue = q;
		r->cap = cap;
		r->head = 0;
	}
	r->queue[(r->head + r->n++) % r->cap] =
		(struct unconfirmed){ .p = packet_ref(p), .upto = upto, .size = packet_size(p) };
	r->bytes += packet_size(p);
}

static struct packet *
pop(struct resume *r)
{
	struct packet *p = r->queue[r->head].p;

	r->bytes -= r->queue[r->head].size;
	r->head = (r->head + 1) % r->cap;
	r->n--;
	if (!r->n && r->cap > KEEP_CAP) {
		free(r->queue);
		r->queue = NULL;
		r->cap = r->head = 0;
	}
	return p;
}

static void
confirm_one(struct session *s)
{
	struct packet *p = pop(&s->sm);

	if (p->deliverable)
		delivery_done(s->user, p->record_id);
	if (p->fetched)
		delivery_fetched(s->user, p->fetched);
	packet_unref(p);
}

bool
resume_sent(struct session *s, struct packet *p, uint64_t upto)
{
	const struct limits *m = &home_config()->limits;
	struct resume *r = &s->sm;

	if (!r->enabled) {
		if (p->deliverable || p->fetched)
			push(r, p, upto);
		return true;
	}
	/* Kept all the same: what a session leaves when it ends has one way to go (resume_fini). */
	push(r, p, 0);
	r->out++;
	if (r->n > m->sm_queue_stanzas || r->bytes - r->queue[(r->head + r->n - 1) % r->cap].size >= m->sm_queue_bytes)
		return false;
	if (s->stream && (!r->asked || r->n % ASK_EVERY == 0))
		c2s_ask_ack(s->stream);
	r->asked = true;
	return true;
}

void
resume_flushed(struct session *s, uint64_t upto)
{
	if (s->sm.enabled)
		return;
	while (s->sm.n && s->sm.queue[s->sm.head].upto <= upto)
		confirm_one(s);
	delivery_continue(s->user);
}

void
resume_init(struct resume *r)
{
	list_init(&r->waiting);
}

static void
forget_gone(struct gone *g)
{
	HASH_DELETE(hh, here->gone, g);
	free(g);
}

void
resume_ends(const struct session *s)
{
	struct gone *g;

	if (!s->sm.away || lane_depth(s->lane))
		return;
	g = NEW(struct gone);
	memcpy(g->id, s->sm.id, sizeof(g->id));
	g->account = s->user->account;
	g->in = s->sm.in;
	HASH_ADD_STR(here->gone, id, g);
	if (HASH_COUNT(here->gone) > GONE_MAX)
		forget_gone(here->gone);
}

void
resume_fini(struct session *s, void (*left)(struct session *s, struct packet *p))
{
	struct resume *r = &s->sm;

	timer_clear(&r->timeout);
	if (r->id[0]) {
		HASH_DELETE(hh, here->table, r);
		r->id[0] = '\0';
	}
	while (r->n) {
		struct packet *p = pop(r);

		left(s, p);
		packet_unref(p);
	}
	free(r->queue);
	r->queue = NULL;
	r->cap = 0;
	while (!list_is_empty(&r->waiting))
		run_first(r);
}

/* Nonzas */

static void
answer(struct session *s)
{
	if (s->stream)
		c2s_writef(s->stream, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", s->sm.in);
}

/* The answer comes in its turn, behind what the client sent before it: with the archive at work that is some
 * milliseconds later, and the client need not ask twice. A second <r/> meanwhile waits for what came before it; more
 * than two are answered with the last. False: nothing has come since it asked before. */
static bool
asked(struct session *s)
{
	struct resume *r = &s->sm;
	uint32_t at = r->in + lane_depth(s->lane), before = r->asked_at;

	r->asked_at = at;
	if (at == r->in) {
		answer(s);
	} else if (!r->owes) {
		r->owes = true;
		r->owes_at = at;
	} else {
		r->owes_again = true;
		r->owes_again_at = at;
	}
	return at != before;
}

void
resume_handled(struct session *s)
{
	struct resume *r = &s->sm;

	r->in++;
	if (!r->owes || r->in != r->owes_at)
		return;
	answer(s);
	r->owes = r->owes_again;
	r->owes_at = r->owes_again_at;
	r->owes_again = false;
	if (r->owes && r->owes_at == r->in)
		r->owes = false;
}

static bool
count_of(const struct elem *e, uint32_t *h)
{
	const char *text = elem_get(e, "h");
	uint64_t v;

	if (!text || !text_u64(text, strlen(text), 0, UINT32_MAX, &v))
		return false;
	*h = (uint32_t)v;
	return true;
}

/* §4: h counts modulo 2^32; more than was sent is the peer's mistake. *news: something is confirmed that was not. */
static bool
acknowledge(struct session *s, uint32_t h, bool *news)
{
	uint32_t confirmed = h - (s->sm.out - s->sm.n);

	if (confirmed > s->sm.n)
		return false;
	*news = confirmed;
	while (confirmed--)
		confirm_one(s);
	s->sm.asked = false;
	if (s->sm.n && s->stream) {
		c2s_ask_ack(s->stream);
		s->sm.asked = true;
	}
	delivery_continue(s->user);
	return true;
}

void
resume_add_failed(struct buf *out, const struct resume_failure *why)
{
	buf_adds(out, "<failed xmlns='urn:xmpp:sm:3'");
	if (why->known)
		buf_addf(out, " h='%u'", why->h);
	buf_addf(out, "><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></failed>", why->condition);
}

static void
fail(struct c2s *c, const struct resume_failure *why)
{
	struct buf out = { 0 };

	resume_add_failed(&out, why);
	c2s_write(c, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

static const struct resume_failure unexpected = { .condition = "unexpected-request" };

static bool
wants_resumption(const struct elem *e)
{
	const char *v = elem_get(e, "resume");

	return v && (!strcmp(v, "true") || !strcmp(v, "1"));
}

/* §3: how long the client would be waited for at most; 0 when it does not say. */
static uint32_t
wish_of(const struct elem *e)
{
	const char *v = elem_get(e, "max");
	uint64_t seconds;

	return v && text_u64(v, strlen(v), 1, UINT32_MAX, &seconds) ? (uint32_t)seconds : 0;
}

static uint64_t
waits_ms(const struct resume *r)
{
	uint64_t ms = home_config()->stream.resume_ms;

	return r->wish && r->wish < ms / 1000 ? (uint64_t)r->wish * 1000 : ms;
}

void
resume_enable(struct session *s, const struct elem *e, struct buf *out)
{
	struct resume *r = &s->sm;

	if (r->enabled) {
		resume_add_failed(out, &unexpected);
		return;
	}
	/* Messages given before <enable/> may still be queued: they are not counted, so `out - n` begins below zero and the
	 * first <a/>, whatever its h, confirms them. */
	r->enabled = true;
	r->in = (uint32_t)0 - lane_depth(s->lane); /* what came before <enable/> is not counted */
	r->out = 0;
	r->resumable = wants_resumption(e);
	r->wish = wish_of(e);
	if (!r->resumable) {
		buf_adds(out, "<enabled xmlns='urn:xmpp:sm:3'/>");
		return;
	}
	crypt_random_hex(r->id, 16);
	HASH_ADD_KEYPTR(hh, here->table, r->id, 32, r);
	buf_addf(out, "<enabled xmlns='urn:xmpp:sm:3' id='%s' resume='true' max='%llu'/>", r->id,
		(unsigned long long)waits_ms(r) / 1000);
}

static void
enable(struct c2s *c, struct session *s, const struct elem *e)
{
	struct buf out = { 0 };

	resume_enable(s, e, &out);
	c2s_write(c, buf_data(&out), buf_len(&out));
	buf_fini(&out);
}

bool
resume_nonza(struct c2s *c, struct session *s, const struct elem *e)
{
	bool news = false;
	uint32_t h;

	if (!strcmp(e->name, "r") && s && s->sm.enabled) {
		news = asked(s);
	} else if (!strcmp(e->name, "a") && s && s->sm.enabled) {
		if (!count_of(e, &h))
			session_close(s, XSTREAM_BAD_FORMAT, "h is no count");
		else if (!acknowledge(s, h, &news))
			c2s_fail_sm(c, h, s->sm.out);
	} else if (!strcmp(e->name, "enable") && s) {
		enable(c, s, e);
	} else {
		fail(c, &unexpected);
	}
	return news;
}

/* Resumption */

static void
expire(struct timer *t)
{
	struct resume *r = LIST_ENTRY(t, struct resume, timeout);
	struct session *s = session_of(r);

	log_info(&s->log, "resume-timeout", "unacked=%u", r->n);
	session_close(s, XSTREAM_NONE, NULL);
}

void
resume_detach(struct session *s)
{
	s->sm.detached_ms = clock_mono_ms();
	s->sm.asked = s->sm.owes = s->sm.owes_again = false;
	s->sm.away = true;
	timer_set(&s->sm.timeout, (int64_t)waits_ms(&s->sm), expire);
}

static void
resend(struct session *s)
{
	struct resume *r = &s->sm;

	for (uint32_t i = 0; i < r->n; i++)
		c2s_send(s->stream, r->queue[(r->head + i) % r->cap].p);
	if (r->n) {
		c2s_ask_ack(s->stream);
		r->asked = true;
	}
}

/* The id of somebody else is no more than an unknown one. */
static struct session *
find(const struct user *u, const char *id)
{
	struct resume *r = NULL;
	struct session *s;

	HASH_FIND(hh, here->table, id, strlen(id), r);
	s = r ? session_of(r) : NULL;
	return s && s->user == u && !s->closing && !s->leaving ? s : NULL;
}

static void
end_old_stream(struct session *s)
{
	struct c2s *old = s->stream;

	if (!old)
		return;
	c2s_set_session(old, NULL);
	session_stream_lost(s);
	c2s_end(old, XSTREAM_CONFLICT, "resumed by another stream");
}

bool
resume_must_wait(struct user *u, const struct elem *e, struct resume_wait *w)
{
	const char *id = elem_get(e, "previd");
	struct session *s = id ? find(u, id) : NULL;

	if (!s || !lane_depth(s->lane))
		return false;
	end_old_stream(s);
	if (s->closing)
		return false;
	list_append(&s->sm.waiting, &w->link);
	return true;
}

void
resume_lane_empty(struct session *s)
{
	/* One of them gets the session, and may bring something for the lane at once. */
	while (!s->closing && !lane_depth(s->lane) && !list_is_empty(&s->sm.waiting))
		run_first(&s->sm);
}

/* §4: `h` is what the client has handled of what we sent. */
static bool
read_h(const struct elem *e, const struct resume *r, uint32_t *confirmed)
{
	uint32_t h;

	*confirmed = 0;
	if (!count_of(e, &h))
		return false;
	if (r)
		*confirmed = h - (r->out - r->n);
	return !r || *confirmed <= r->n;
}

static void
not_found(const struct user *u, const char *id, struct resume_failure *why)
{
	struct gone *g = NULL;

	HASH_FIND_STR(here->gone, id, g);
	why->condition = "item-not-found";
	why->known = g && g->account == u->account;
	why->h = why->known ? g->in : 0;
}

struct session *
resume_find(struct user *u, const struct elem *e, struct resume_failure *why)
{
	const char *id = elem_get(e, "previd");
	struct session *s;
	uint32_t n;

	*why = (struct resume_failure){ .condition = "bad-request" };
	if (!id || !read_h(e, NULL, &n))
		return NULL;
	s = find(u, id);
	if (!s)
		not_found(u, id, why);
	return s && read_h(e, &s->sm, &n) ? s : NULL;
}

void
resume_go(struct c2s *c, struct session *s, const struct elem *e, const char *before, const char *after)
{
	struct resume *r = &s->sm;
	struct buf out = { 0 };
	uint32_t confirmed;

	(void)read_h(e, r, &confirmed); /* resume_find has */
	timer_clear(&r->timeout);
	r->away = false;
	session_attach(s, c);
	/* What let this stream in may be revoked. */
	if (c2s_device(c))
		s->device = c2s_device(c);
	buf_addf(&out, "%s<resumed xmlns='urn:xmpp:sm:3' previd='%s' h='%u'/>%s", before, r->id, r->in, after);
	c2s_write(c, buf_data(&out), buf_len(&out));
	crypt_wipe(out.data, out.cap);
	buf_fini(&out);
	r->asked = true; /* acknowledge must not ask before what follows */
	while (confirmed--)
		confirm_one(s);
	r->asked = false;
	resend(s);
	session_resumed(s);
	delivery_continue(s->user);
	metric_add(METRIC_SESSIONS_RESUMED, 1);
	log_info(&s->log, "resumed", "unacked=%u", r->n);
}

bool
resume_try(struct c2s *c, struct user *u, const struct elem *e)
{
	struct resume_failure why;
	struct session *s = resume_find(u, e, &why);

	if (s)
		resume_go(c, s, e, "", "");
	else
		fail(c, &why);
	return s != NULL;
}

void
module_session_each_unconfirmed(const struct session *s, void (*fn)(void *arg, const struct stanza *st, uint64_t record_id),
	void *arg)
{
	const struct resume *r = &s->sm;

	for (uint32_t i = 0; i < r->n; i++) {
		const struct packet *p = r->queue[(r->head + i) % r->cap].p;

		if (p->deliverable)
			fn(arg, p->st, p->record_id);
	}
}

void
resume_home_start(void)
{
	here = NEW(struct ids);
}

void
resume_home_stop(void)
{
	while (here->gone)
		forget_gone(here->gone);
	free(here);
	here = NULL;
}
