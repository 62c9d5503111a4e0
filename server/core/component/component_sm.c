/*
 * component_sm: stream management (XEP-0198) on a component's stream, where the component asks for it behind <handshake/>. Both sides count and
 * acknowledge; there is no resumption: a stream that comes again gets what was not acknowledged from the queue of its domain (component_way).
 * What comes is counted when it leaves the lane, so it has been committed and handed on (P2).
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/component/component_priv.h"
#include "core/component/component_way.h"
#include "core/home.h"
#include "core/route/lane.h"
#include "net/conn.h"
#include "xmpp/ns.h"

#define ASK_AGAIN_MS 1000 /* an answer that took nothing: its network may be slow */

static void ask(struct component *c);

/*
 * An answer that is due. What stands against a stanza (it could not be recorded, policy) is on its way to this stream when the stanza leaves the lane: the answer is
 * posted behind it, so that who acknowledges on its side what we have acknowledged has heard the error.
 */
struct component_answer {
	struct mail mail;
	struct list link;
	struct component *c; /* NULL: its stream has gone */
	uint32_t h;
};

static void
say_failed(struct component *c, const char *condition)
{
	struct buf *out = conn_out(c->conn);

	buf_addf(out, "<failed xmlns='%s'><%s xmlns='%s'/></failed>", NS_SM, condition, NS_STANZA_ERRORS);
	conn_wrote(c->conn);
}

/* How long an answer is waited for. */
static int64_t
answer_ms(const struct component *c)
{
	const struct config *cf = home_config();
	uint64_t ms = cf->stream.ping_timeout_ms;

	return (int64_t)(c->gateway && cf->gateways.silence_ms > ms ? cf->gateways.silence_ms : ms);
}

static void
overdue(struct timer *t)
{
	struct component *c = LIST_ENTRY(t, struct component, sm.timer);

	/* It may have answered: it is we who do not read. Of a program of ours that says nothing at all component_alive makes an end, as that is more than a stream's. */
	if (c->paused || timer_is_set(&c->throttle) || (c->gateway && component_alive_is_silent(c))) {
		timer_set(t, answer_ms(c), overdue);
		return;
	}
	component_stream_end(c, XSTREAM_CONNECTION_TIMEOUT, "you do not acknowledge what you are sent");
}

static void
ask_again(struct timer *t)
{
	ask(LIST_ENTRY(t, struct component, sm.timer));
}

/* One question at a time: what is sent until its answer comes is asked for then. */
static void
ask(struct component *c)
{
	c->sm.asked = true;
	buf_addf(conn_out(c->conn), "<r xmlns='%s'/>", NS_SM);
	conn_wrote(c->conn);
	timer_set(&c->sm.timer, answer_ms(c), overdue);
}

static void
say_handled(struct component *c, uint32_t h)
{
	buf_addf(conn_out(c->conn), "<a xmlns='%s' h='%u'/>", NS_SM, h);
	conn_wrote(c->conn);
}

static void
answer_now(struct mail *m)
{
	struct component_answer *a = LIST_ENTRY(m, struct component_answer, mail);

	if (a->c) {
		list_remove(&a->link);
		say_handled(a->c, a->h);
	}
	free(a);
}

static void
answer(struct component *c)
{
	struct component_answer *a = NEW(struct component_answer);

	a->mail.run = answer_now;
	a->c = c;
	a->h = c->sm.in;
	list_append(&c->sm.answers, &a->link);
	reactor_post(reactor_current(), &a->mail);
}

static void
forget_answers(struct component *c)
{
	LIST_EACH(l, &c->sm.answers) {
		list_remove(l);
		LIST_ENTRY(l, struct component_answer, link)->c = NULL;
	}
}

void
component_sm_sent(struct component *c)
{
	if (!c->sm.on)
		return;
	c->sm.out++;
	if (!c->sm.asked)
		ask(c);
}

void
component_sm_handled(struct component *c)
{
	if (c->sm.early) {
		c->sm.early--;
		return;
	}
	c->sm.in++;
	if (c->sm.owes && c->sm.in == c->sm.owes_at) {
		c->sm.owes = false;
		answer(c);
	}
}

/* What came before is not counted; what was written before is confirmed with the first answer. */
static void
enable(struct component *c)
{
	if (c->sm.on) {
		say_failed(c, "unexpected-request");
		return;
	}
	c->sm.on = true;
	c->sm.early = lane_depth(c->lane);
	c->sm.in = 0;
	c->sm.ahead = component_way_written(c);
	buf_addf(conn_out(c->conn), "<enabled xmlns='%s'/>", NS_SM);
	conn_wrote(c->conn);
	if (c->sm.ahead)
		ask(c);
	component_way_counts(c);
}

/* It comes behind what came before the question. Of several meanwhile the last is answered. */
static void
take_question(struct component *c)
{
	c->sm.owes_at = c->sm.in + lane_depth(c->lane) - c->sm.early;
	c->sm.owes = c->sm.owes_at != c->sm.in;
	if (!c->sm.owes)
		answer(c);
}

static void
take_answer(struct component *c, const struct elem *e)
{
	const char *v = elem_get(e, "h");
	uint32_t n, ahead = c->sm.ahead;
	uint64_t h;

	if (!v || !text_u64(v, strlen(v), 0, UINT32_MAX, &h) || (uint32_t)h - c->sm.acked > c->sm.out - c->sm.acked) {
		log_warning(conn_log(c->conn), "component-count-too-high", "domain=%s sent=%u", jid_domain(c->jid), c->sm.out);
		component_stream_end(c, XSTREAM_UNDEFINED_CONDITION, "you acknowledge more than you were sent");
		return;
	}
	n = (uint32_t)h - c->sm.acked;
	c->sm.acked = (uint32_t)h;
	c->sm.ahead = 0;
	c->sm.asked = false;
	timer_clear(&c->sm.timer);
	component_way_confirmed(c, ahead + n);
	if (c->sm.out == c->sm.acked || c->sm.asked)
		return;
	if (ahead + n)
		ask(c);
	else
		timer_set(&c->sm.timer, ASK_AGAIN_MS, ask_again);
}

bool
component_sm_is_due(const struct component *c, const struct elem *e)
{
	return c->sm.asked && elem_is(e, NS_SM, "a");
}

bool
component_sm_take(struct component *c, const struct elem *e)
{
	if (e->ns != NS_SM)
		return false;
	if (!strcmp(e->name, "enable"))
		enable(c);
	else if (!strcmp(e->name, "resume"))
		say_failed(c, "item-not-found");
	else if (!c->sm.on)
		say_failed(c, "unexpected-request");
	else if (!strcmp(e->name, "r"))
		take_question(c);
	else if (!strcmp(e->name, "a"))
		take_answer(c, e);
	else
		return false;
	return true;
}

void
component_sm_ask(struct component *c)
{
	ask(c);
}

void
component_sm_goodbye(struct component *c)
{
	timer_clear(&c->sm.timer);
	forget_answers(c);
	if (c->sm.on)
		say_handled(c, c->sm.in);
	c->sm.on = false;
}

void
component_sm_fini(struct component *c)
{
	timer_clear(&c->sm.timer);
	forget_answers(c);
}
