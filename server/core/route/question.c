/*
 * question: one table per reactor, by id.
 */
#include "core/route/question.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/lane.h"
#include "core/route/router.h"
#include "core/user.h"
#include "net/reactor.h"

#define PATIENCE_MS 30000
#define ID_SIZE 32 /* "q" REACTOR "-" 16 hex digits */

struct question {
	UT_hash_handle hh;
	char id[ID_SIZE];
	struct jid *from, *to;
	struct timer timer;
	void (*answered)(void *arg, const struct stanza *answer);
	void (*abandoned)(void *arg);
	void *arg;
};

struct questions {
	struct question *table;
	unsigned n;
};

static _Thread_local struct questions *here;

static void
question_free(struct question *q)
{
	HASH_DELETE(hh, here->table, q);
	here->n--;
	timer_clear(&q->timer);
	jid_unref(q->from);
	jid_unref(q->to);
	free(q);
}

static void
settle(struct question *q, const struct stanza *answer)
{
	void (*answered)(void *arg, const struct stanza *st) = q->answered;
	void *arg = q->arg;

	question_free(q);
	answered(arg, answer);
}

static void
timed_out(struct timer *t)
{
	settle(LIST_ENTRY(t, struct question, timer), NULL);
}

static struct jid *
name_of(const struct user *u)
{
	return jid_ref(u ? u->jid : host_at(0)->jid);
}

/* NULL in *p: too many wait already, nothing is to be sent. */
static struct question *
make(struct user *u, struct jid *to, struct stanza *iq, unsigned timeout_ms, void (*answered)(void *arg, const struct stanza *answer),
	void (*abandoned)(void *arg), void *arg, struct packet **p)
{
	struct question *q = NEW(struct question);
	bool refused = here->n >= home_config()->limits.questions;
	char random[17];

	crypt_random_hex(random, 8);
	snprintf(q->id, sizeof(q->id), "q%u-%s", reactor_index(reactor_current()), random);
	q->from = name_of(u);
	q->to = jid_ref(to);
	q->answered = answered;
	q->abandoned = abandoned;
	q->arg = arg;
	HASH_ADD_STR(here->table, id, q);
	here->n++;
	timer_set(&q->timer, refused ? 0 : timeout_ms ? timeout_ms : PATIENCE_MS, timed_out);
	*p = NULL;
	if (refused) {
		metric_add(METRIC_QUESTIONS_REFUSED, 1);
		stanza_unref(iq);
		return q;
	}
	elem_set(iq, iq->root, "id", q->id);
	elem_set(iq, iq->root, "from", jid_full(q->from));
	elem_set(iq, iq->root, "to", jid_full(to));
	*p = packet_new(iq, q->from, to);
	return q;
}

struct question *
question_ask(struct user *u, struct jid *to, struct stanza *iq, unsigned timeout_ms,
	void (*answered)(void *arg, const struct stanza *answer), void (*abandoned)(void *arg), void *arg)
{
	struct packet *p;
	struct question *q = make(u, to, iq, timeout_ms, answered, abandoned, arg, &p);

	if (p)
		router_send(p);
	return q;
}

void
question_ask_as(struct user *u, struct jid *to, struct stanza *iq, void (*answered)(void *arg, const struct stanza *answer),
	void (*abandoned)(void *arg), void *arg)
{
	static const struct lane_owner nobody;
	struct packet *p;
	struct lane *l;

	(void)make(u, to, iq, 0, answered, abandoned, arg, &p);
	if (!p)
		return;
	l = lane_new_of(u, &nobody, NULL);
	lane_push(l, p);
	lane_orphan(l);
}

/* RFC 6120 §8.1.2.1, §10.3.3: what comes without `to` is for the sender's account, what comes from there may lack `from`. */
static bool
is_from(const struct packet *p, const struct question *q)
{
	if (!p->from)
		return false;
	if (jid_equal(p->from, q->to))
		return true;
	return jid_is_bare(q->to) && jid_local(q->to) && jid_equal_bare(p->from, q->to) && jid_equal_bare(q->from, q->to);
}

void
question_answer_here(const struct packet *p)
{
	const char *id = packet_id(p);
	struct question *q = NULL;

	if (id)
		HASH_FIND_STR(here->table, id, q);
	if (q && is_from(p, q) && (!p->to || jid_equal_bare(p->to, q->from)))
		settle(q, p->st);
}

static void
take(struct packet *p)
{
	question_answer_here(p);
	packet_unref(p);
}

static void
arrived(struct mail *m)
{
	take(LIST_ENTRY(m, struct packet, mail));
}

static unsigned
reactor_of(const struct packet *p)
{
	const char *id = packet_id(p), *dash = id ? strchr(id, '-') : NULL;
	uint64_t n;

	if (!dash || id[0] != 'q' || !text_u64(id + 1, (size_t)(dash - id - 1), 0, reactor_count() - 1, &n))
		return reactor_count();
	return (unsigned)n;
}

/* One that nobody else holds, so that it may cross (packet.h): an answer that overtook others is still in its lane. */
static struct packet *
own(struct packet *p)
{
	struct packet *o;

	if (p->refs == 1)
		return p;
	o = packet_new(stanza_ref(p->st), p->from, p->to);
	packet_unref(p);
	return o;
}

void
question_answer(struct packet *p)
{
	unsigned n = reactor_of(p);

	if (n == reactor_index(reactor_current())) {
		take(p);
	} else if (n < reactor_count()) {
		p = own(p);
		p->mail.run = arrived;
		reactor_post(reactor_at(n), &p->mail);
	} else {
		packet_unref(p);
	}
}

void
question_home_start(void)
{
	here = NEW(struct questions);
}

void
question_home_stop(void)
{
	struct question *q, *tmp;

	HASH_ITER(hh, here->table, q, tmp) {
		void (*abandoned)(void *arg) = q->abandoned;
		void *arg = q->arg;

		question_free(q);
		abandoned(arg);
	}
	free(here);
	here = NULL;
}
