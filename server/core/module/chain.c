/*
 * chain: steps, their results, and the end.
 */
#include "core/module/chain.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/federation/federation.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module/account.h"
#include "core/module/desk.h"
#include "core/module/modules.h"
#include "core/route/content.h"
#include "core/route/lane.h"
#include "core/route/question.h"
#include "core/route/router.h"
#include "core/service/service.h"
#include "core/service/who.h"
#include "core/session.h"
#include "core/user.h"
#include "store/pool.h"
#include "store/record.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

enum step { STEP_NONE, STEP_JOB, STEP_RECORD, STEP_ASK, STEP_ADMIN, STEP_ACCOUNT, STEP_WHO, STEP_TIMER, STEP_PARK, STEP_OTHER };

#define SHARES 10 /* of limits.jobs_waiting one sender's requests at a home may have one */

/* Somebody whose requests wait for the database here. */
struct share {
	UT_hash_handle hh;
	uint64_t n;
	char whose[];
};

struct hook_chain {
	struct arena *arena;
	struct hook h;         /* as it was; arena, bound and answer are set anew for each continuation */
	bool kept;             /* what h points to is ours */
	struct packet *p;      /* who waits; NULL: nobody */
	struct lane *lane;     /* held; NULL: none */
	chain_tell_fn tell;    /* who waits otherwise; NULL: nobody */
	void *tell_arg;
	struct share *share;   /* of who waits, from its first job on */
	bool refused;          /* there was none left */
	enum step step;
	hook_then_fn then;
	void *data;
	module_work_fn work;
	struct record_entry rec;
	struct stanza *recorded; /* the text in rec is of this one */
	struct packet *sent;     /* the same, when it goes out by its commit */
	struct stanza *iq;       /* to ask */
	struct jid *whom;
	unsigned timeout_ms;
	struct question *question;
	struct desk_order order;
	struct account_order account;
	struct asking who;
	struct timer timer;
	struct list sleeping;    /* of this home, while the timer is set */
	chain_begin_fn begin;
	void *begin_arg;
};

static _Thread_local struct list sleepers;
static _Thread_local struct share *shares;

static atomic_uint total;

unsigned
chain_total(void)
{
	return atomic_load_explicit(&total, memory_order_relaxed);
}

/* Memory */

static struct hook_chain *
chain_of(struct hook *h)
{
	struct arena *a;

	if (h->chain)
		return h->chain;
	a = arena_new(1024);
	h->chain = arena_zalloc(a, sizeof(*h->chain));
	h->chain->arena = a;
	return h->chain;
}

struct arena *
hook_memory(struct hook *h)
{
	return chain_of(h)->arena;
}

/* Sealed stanzas and addresses are counted; a payload lives in its stanza. */
static void
keep(struct hook_chain *c, const struct hook *h)
{
	c->h = *h;
	c->h.chain = c;
	c->h.arena = NULL;
	c->h.features = NULL;
	c->h.node = h->node ? arena_strdup(c->arena, h->node) : NULL;
	c->h.domain = h->domain ? arena_strdup(c->arena, h->domain) : NULL;
	c->h.note = h->note ? arena_strdup(c->arena, h->note) : NULL;
	if (h->stanza)
		stanza_ref((struct stanza *)h->stanza);
	c->h.from = h->from ? jid_ref((struct jid *)h->from) : NULL;
	c->h.to = h->to ? jid_ref((struct jid *)h->to) : NULL;
	c->h.account = h->account ? jid_ref((struct jid *)h->account) : NULL;
	c->h.session = h->session ? jid_ref((struct jid *)h->session) : NULL;
	if (h->user)
		user_pin(h->user);
	if (h->holding)
		user_hold(h->user);
	c->kept = true;
	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
}

/* Requests to others are held back by no lane: who sends them faster than the database answers would fill its queue for everybody. What has been begun
 * goes on. False: this one is too much. */
static bool
take_share(struct hook_chain *c)
{
	const struct jid *from = c->h.from;
	const char *whose = !from ? NULL : host_is_local(from) ? jid_bare(from) : jid_domain(from);
	struct share *s = NULL;
	size_t n;

	if (c->share || !c->p || !whose)
		return true;
	n = strlen(whose);
	HASH_FIND(hh, shares, whose, n, s);
	if (s && s->n >= home_config()->limits.jobs_waiting / SHARES)
		return false;
	if (!s) {
		s = mem_zalloc(sizeof(*s) + n + 1);
		memcpy(s->whose, whose, n + 1);
		HASH_ADD_KEYPTR(hh, shares, s->whose, n, s);
	}
	s->n++;
	c->share = s;
	return true;
}

static void
give_share_back(struct hook_chain *c)
{
	struct share *s = c->share;

	c->share = NULL;
	if (!s || --s->n)
		return;
	HASH_DEL(shares, s);
	free(s);
}

static void
let_go(struct hook_chain *c)
{
	struct lane *l = c->lane;
	struct user *u = c->h.user;

	give_share_back(c);
	c->lane = NULL;
	packet_unref(c->p);
	c->p = NULL;
	if (l)
		lane_release(l);
	if (!c->kept)
		return;
	stanza_unref((struct stanza *)c->h.stanza);
	jid_unref((struct jid *)c->h.from);
	jid_unref((struct jid *)c->h.to);
	jid_unref((struct jid *)c->h.account);
	jid_unref((struct jid *)c->h.session);
	stanza_unref(c->h.reply);
	stanza_unref(c->h.replacement);
	if (c->h.holding)
		user_release(u);
	if (u)
		user_unpin(u);
	atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
}

static void
chain_free(struct hook_chain *c)
{
	stanza_unref(c->iq);
	stanza_unref(c->recorded);
	if (c->sent)
		packet_unref(c->sent);
	jid_unref(c->whom);
	let_go(c);
	arena_free(c->arena);
}

/* Answers */

void
chain_refuse(const struct packet *p, const struct hook *h)
{
	struct stanza *st = xerror_reply(p->st, h->error, h->error_type, h->error_text);
	struct jid *to = packet_answers_to(p);
	struct packet *reply;
	struct elem *e;

	if (!st)
		return;
	if (to != p->from)
		elem_set(st, st->root, "to", jid_full(to));
	e = elem_child(st->root, NULL, "error");
	if (h->error_name && e)
		elem_set(st, elem_add(st, e, h->error_ns, h->error_name), "feature", h->error_feature);
	reply = packet_new(st, p->to, to);
	reply->refusal = true;
	router_reply(reply);
}

/* RFC 6120 §8.2.3: a get or set has exactly one answer, whatever the module does. */
void
chain_answer(const struct packet *p, struct hook *h, enum hook_verdict v)
{
	struct stanza *reply = h->reply;

	if (p->kind != PACKET_IQ || (p->type != TYPE_GET && p->type != TYPE_SET)) {
		service_settle(p, h, v);
		return;
	}
	h->reply = NULL;
	if (v == HOOK_HANDLED && reply) {
		router_reply(packet_new(reply, p->to, p->from));
		return;
	}
	stanza_unref(reply); /* made by a module that then refused */
	if (v == HOOK_HANDLED && h->passed_on)
		return;
	if (v == HOOK_NEXT)
		router_refuse(p, XERROR_SERVICE_UNAVAILABLE, NULL, NULL);
	else if (v == HOOK_REJECT && h->error != XERROR_NONE)
		chain_refuse(p, h);
	else {
		log_error(NULL, "module-without-answer", "module=%s", modules_name(h->module));
		router_refuse(p, XERROR_INTERNAL_SERVER_ERROR, NULL, NULL);
	}
}

/* Steps */

static void launch(struct hook_chain *c);

static void
tell_verdict(struct hook_chain *c, struct hook *h, enum hook_verdict v)
{
	chain_tell_fn fn = c->tell;

	c->tell = NULL;
	fn(c->tell_arg, h, v);
	c->h.reply = NULL;
	c->h.replacement = h->replacement;
}

/* The server stops: what it waited for does not come. */
static void
give_up(struct hook_chain *c)
{
	struct hook h = c->h;

	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	h.error = XERROR_NONE;
	if (c->tell)
		tell_verdict(c, &h, HOOK_REJECT);
	chain_free(c);
}

/* The session may have ended, and another may have its resource by now: that one did not ask. */
static struct session *
still_bound(const struct hook_chain *c)
{
	struct session *s;

	if (!c->h.bound || !c->h.user || !c->h.session || !jid_resource(c->h.session))
		return NULL;
	s = user_session(c->h.user, jid_resource(c->h.session));
	return s == c->h.bound ? s : NULL;
}

static void
proceed(struct hook_chain *c, bool ok, const struct stanza *answer)
{
	struct hook h = c->h;
	enum hook_verdict v;

	c->step = STEP_NONE;
	h.arena = reactor_scratch(reactor_current());
	h.bound = still_bound(c);
	h.answer = answer;
	if (h.replacement)
		h.stanza = h.replacement;
	c->h.reply = c->h.replacement = NULL; /* h has them */
	/* What hook_aside has begun is about a stanza, too, but nobody waits for it. */
	v = modules_settle(&h, c->then(&h, c->data, ok), c->p || c->tell);
	assert(v != HOOK_WAIT || c->step != STEP_NONE);
	c->h.module = h.module;
	c->h.listener = h.listener;
	c->h.record_id = h.record_id;
	c->h.reply = h.reply;
	c->h.replacement = h.replacement;
	c->h.holding = h.holding;
	if (v != HOOK_WAIT && c->p) {
		struct packet *p = c->p;
		struct lane *l = c->lane;

		c->p = NULL;
		c->lane = NULL;
		chain_answer(p, &h, v);
		c->h.reply = NULL;
		packet_unref(p);
		if (l)
			lane_release(l);
	}
	if (v != HOOK_WAIT && c->tell)
		tell_verdict(c, &h, v);
	if (c->step != STEP_NONE)
		launch(c);
	else
		chain_free(c);
}

static enum sql_status
job_work(struct job *j, struct sql *db)
{
	struct hook_chain *c = j->owner;

	return c->work(db, c->arena, c->data, &j->err);
}

static void
job_done(struct job *j)
{
	struct hook_chain *c = j->owner;

	if (j->status != JOB_OK && !c->refused)
		log_warning(NULL, "module-job-failed", "module=%s why=%s", modules_name(c->h.module), j->err.text);
	proceed(c, j->status == JOB_OK, NULL);
}

static uint64_t
key_of(const struct hook_chain *c)
{
	const struct jid *j = c->h.account ? c->h.account : c->h.from;

	return j ? jid_hash(j) : reactor_index(reactor_current());
}

static void
recorded(struct mail *m)
{
	struct hook_chain *c = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct hook_chain, rec);
	bool ok = c->rec.outcome == RECORD_COMMITTED;
	struct packet *sent = c->sent;

	c->sent = NULL;
	if (ok) {
		c->h.record_id = c->rec.id;
		c->h.record_us = c->rec.at_us;
	}
	if (sent && ok) {
		sent->record_id = c->rec.id;
		sent->at_us = c->rec.at_us;
		sent->about = c->rec.about;
		sent->deliverable = c->rec.deliverable;
		router_send(sent);
	} else if (sent) {
		packet_unref(sent);
	}
	stanza_unref(c->recorded);
	c->recorded = NULL;
	proceed(c, ok, NULL);
}

static void
answered(void *arg, const struct stanza *answer)
{
	struct hook_chain *c = arg;

	c->question = NULL;
	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	proceed(c, answer != NULL, answer);
}

static void
abandoned(void *arg)
{
	give_up(arg);
}

static void
ask(struct hook_chain *c)
{
	struct stanza *iq = c->iq;

	c->iq = NULL;
	/* Somebody else's silence does not keep the server from stopping. */
	atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
	c->question = question_ask(c->h.user, c->whom, iq, c->timeout_ms, answered, abandoned, c);
}

static void
carried_out(struct mail *m)
{
	struct hook_chain *c = LIST_ENTRY(LIST_ENTRY(m, struct desk_order, mail), struct hook_chain, order);

	proceed(c, c->order.ok, NULL);
}

/* The answer comes by mail in any case: a continuation never runs within the call that began it. */
static void
order(struct hook_chain *c)
{
	struct desk_order *o = &c->order;

	o->mail.run = carried_out;
	o->home = reactor_current();
	o->arena = c->arena;
	o->ok = false;
	if (!module_sender_is_admin(&c->h))
		o->ask->refusal = "only administrators may do that";
	else if (desk_submit(o))
		return;
	else
		o->ask->refusal = "too much is waiting to be done, try again later";
	reactor_post(o->home, &o->mail);
}

static void
account_changed(struct account_order *o, void *arg)
{
	struct hook_chain *c = arg;

	proceed(c, o->ok, NULL);
}

static struct session *
account_bound(struct account_order *o, void *arg)
{
	(void)o;
	return still_bound(arg);
}

static void
change_account(struct hook_chain *c)
{
	c->account.arena = c->arena;
	c->account.user = c->h.user;
	c->account.bound = account_bound;
	c->account.done = account_changed;
	c->account.arg = c;
	account_submit(&c->account);
}

static void
told_who(struct asking *a, bool ok)
{
	proceed(LIST_ENTRY(a, struct hook_chain, who), ok, NULL);
}

static void
woken(struct timer *t)
{
	struct hook_chain *c = LIST_ENTRY(t, struct hook_chain, timer);

	list_remove(&c->sleeping);
	atomic_fetch_add_explicit(&total, 1, memory_order_relaxed);
	proceed(c, true, NULL);
}

/* Nobody waits for a timer when the server stops. */
static void
fall_asleep(struct hook_chain *c)
{
	atomic_fetch_sub_explicit(&total, 1, memory_order_relaxed);
	if (!sleepers.next)
		list_init(&sleepers);
	list_append(&sleepers, &c->sleeping);
	timer_set(&c->timer, c->timeout_ms, woken);
}

void
chain_home_stop(void)
{
	struct list *l;

	while (sleepers.next && (l = list_pop(&sleepers))) {
		struct hook_chain *c = LIST_ENTRY(l, struct hook_chain, sleeping);

		timer_clear(&c->timer);
		give_up(c);
	}
}

/* What somebody from another server has said or done (in a room, at a node) came on a stream whose record says who that server is. */
static void
describe_origin(struct hook_chain *c)
{
	const struct packet *p = c->p;

	if (c->sent || !p || !p->about || !p->from || !federation_is_remote(p->from) || strcmp(jid_bare(p->from), c->rec.from_bare))
		return;
	c->rec.direction = RECORD_IN;
	c->rec.about = p->about;
}

static void
launch(struct hook_chain *c)
{
	struct job *j;

	switch (c->step) {
	case STEP_JOB:
		j = job_new(0);
		j->owner = c;
		j->work = job_work;
		j->done = job_done;
		c->refused = !take_share(c);
		if (c->refused)
			metric_add(METRIC_RATE_REFUSED, 1);
		(c->refused ? pool_refuse : pool_submit)(j, key_of(c));
		break;
	case STEP_RECORD:
		describe_origin(c);
		c->rec.mail.run = recorded;
		c->rec.home = reactor_current();
		record_submit(&c->rec);
		break;
	case STEP_ASK:
		ask(c);
		break;
	case STEP_ADMIN:
		order(c);
		break;
	case STEP_ACCOUNT:
		change_account(c);
		break;
	case STEP_WHO:
		who_ask(&c->who, told_who);
		break;
	case STEP_TIMER:
		fall_asleep(c);
		break;
	case STEP_OTHER:
		c->begin(c, c->begin_arg);
		break;
	case STEP_PARK:
	case STEP_NONE:
		break;
	}
}

void
chain_start(struct hook *h, enum hook_verdict v, struct packet *p, struct session *s)
{
	struct hook_chain *c = h->chain;

	assert(v != HOOK_WAIT || (c && c->step != STEP_NONE));
	if (!c)
		return;
	h->chain = NULL;
	if (c->step == STEP_NONE) {
		chain_free(c);
		return;
	}
	keep(c, h);
	c->h.replacement = NULL; /* it is the caller's */
	if (v == HOOK_WAIT)
		h->reply = NULL; /* the chain has it */
	else
		c->h.reply = NULL;
	if (p && v == HOOK_WAIT) {
		c->p = packet_ref(p);
		if (s && s->lane) {
			c->lane = s->lane;
			lane_hold(c->lane);
		}
	}
	launch(c);
}

void
chain_start_for(struct hook *h, chain_tell_fn tell, void *arg)
{
	h->chain->tell = tell;
	h->chain->tell_arg = arg;
	chain_start(h, HOOK_WAIT, NULL, NULL);
}

/* What hooks call */

static struct hook_chain *
next(struct hook *h, enum step step, void *data, hook_then_fn then)
{
	struct hook_chain *c = chain_of(h);

	assert(c->step == STEP_NONE);
	c->step = step;
	c->data = data;
	c->then = then;
	return c;
}

enum hook_verdict
hook_job(struct hook *h, void *data, module_work_fn work, hook_then_fn then)
{
	next(h, STEP_JOB, data, then)->work = work;
	return HOOK_WAIT;
}

enum hook_verdict
hook_record_stanza(struct hook *h, enum record_kind kind, struct stanza *st, const struct jid *from, const struct jid *to,
	const char *body, void *data, hook_then_fn then)
{
	struct hook_chain *c = next(h, STEP_RECORD, data, then);
	struct record_entry *e = &c->rec;
	struct buf xml = { 0 };

	if (!to)
		to = h->account ? h->account : h->to;
	c->recorded = stanza_ref(stanza_seal(st));
	serialize_stanza(&xml, st, NS_CLIENT, NULL);
	*e = (struct record_entry){ .kind = kind, .direction = RECORD_LOCAL, .accepted_ms = clock_mono_ms() };
	e->from_bare = arena_strdup(c->arena, from ? jid_bare(from) : "");
	e->from_resource = from && jid_resource(from) ? arena_strdup(c->arena, jid_resource(from)) : NULL;
	e->to_bare = to ? arena_strdup(c->arena, jid_bare(to)) : e->from_bare;
	e->to_resource = to && jid_resource(to) ? arena_strdup(c->arena, jid_resource(to)) : NULL;
	e->type = elem_get(st->root, "type");
	e->client_id = elem_get(st->root, "id");
	e->body = body ? arena_strdup(c->arena, body) : NULL;
	e->stanza_len = buf_len(&xml);
	e->stanza = arena_strndup(c->arena, buf_str(&xml), e->stanza_len);
	buf_fini(&xml);
	return HOOK_WAIT;
}

void
hook_record_sends(struct hook *h)
{
	struct hook_chain *c = h->chain;
	const struct elem *root = c->recorded->root;
	const char *from = elem_get(root, "from"), *to = elem_get(root, "to");
	struct jid *f = from ? jid_parse_z(from) : NULL, *t = to ? jid_parse_z(to) : NULL;
	bool remote;

	assert(c->step == STEP_RECORD && f && t);
	c->sent = packet_new(stanza_ref(c->recorded), f, t);
	packet_make_xml(c->sent);
	remote = federation_is_remote(t);
	c->rec.deliverable = (c->sent->type == TYPE_NORMAL || c->sent->type == TYPE_CHAT) && (remote || (jid_local(t) && host_is_local(t)));
	if (remote) {
		c->rec.direction = RECORD_OUT;
		c->rec.about = federation_peer_record(f, t);
	}
	jid_unref(f);
	jid_unref(t);
}

bool
hook_record_message(struct hook *h, enum hook_history who)
{
	struct hook_chain *c = h->chain;
	struct record_entry *e = &c->rec;
	const char *body = e->body;
	enum record_kind kind = e->kind;

	assert(c->step == STEP_RECORD);
	content_describe(c->recorded, packet_type_parse(PACKET_MESSAGE, elem_get(c->recorded->root, "type")), c->arena, e);
	if (body)
		e->body = body;
	if (kind != RECORD_MESSAGE)
		e->kind = kind;
	e->shown = e->shown && who != HOOK_HISTORY_NONE;
	e->recipient_only = e->shown && who == HOOK_HISTORY_RECIPIENT;
	return e->shown;
}

enum hook_verdict
hook_record(struct hook *h, enum record_kind kind, const struct jid *to, const char *body, void *data, hook_then_fn then)
{
	return hook_record_stanza(h, kind, (struct stanza *)h->stanza, h->from, to, body, data, then);
}

enum hook_verdict
hook_ask(struct hook *h, const struct jid *to, struct stanza *iq, unsigned timeout_ms, void *data, hook_then_fn then)
{
	struct hook_chain *c = next(h, STEP_ASK, data, then);

	stanza_unref(c->iq);
	jid_unref(c->whom);
	c->iq = iq;
	c->whom = jid_ref((struct jid *)to);
	c->timeout_ms = timeout_ms;
	return HOOK_WAIT;
}

enum hook_verdict
hook_admin(struct hook *h, struct hook_admin *a, void *data, hook_then_fn then)
{
	struct hook_chain *c = next(h, STEP_ADMIN, data, then);

	a->refusal = NULL;
	a->row = NULL;
	a->nrows = 0;
	c->order.ask = a;
	c->order.who = arena_strdup(c->arena, h->from ? jid_bare(h->from) : "");
	c->order.origin = arena_strdup(c->arena, h->from ? jid_full(h->from) : "");
	return HOOK_WAIT;
}

enum hook_verdict
hook_account(struct hook *h, struct hook_account *a, void *data, hook_then_fn then)
{
	next(h, STEP_ACCOUNT, data, then)->account.ask = a;
	return HOOK_WAIT;
}

enum hook_verdict
hook_who(struct hook *h, struct hook_who *w, void *data, hook_then_fn then)
{
	struct hook_chain *c = next(h, STEP_WHO, data, then);

	c->who.ask = w;
	c->who.arena = c->arena;
	return HOOK_WAIT;
}

enum hook_verdict
chain_step(struct hook *h, chain_begin_fn begin, void *arg, void *data, hook_then_fn then)
{
	struct hook_chain *c = next(h, STEP_OTHER, data, then);

	c->begin = begin;
	c->begin_arg = arg;
	return HOOK_WAIT;
}

struct arena *
chain_memory(struct hook_chain *c)
{
	return c->arena;
}

const struct user *
chain_user(const struct hook_chain *c)
{
	return c->h.user;
}

void
chain_step_done(struct hook_chain *c, bool ok)
{
	proceed(c, ok, NULL);
}

enum hook_verdict
hook_after(struct hook *h, unsigned ms, void *data, hook_then_fn then)
{
	next(h, STEP_TIMER, data, then)->timeout_ms = ms;
	return HOOK_WAIT;
}

enum hook_verdict
hook_park(struct hook *h, void **parked, void *data, hook_then_fn then)
{
	*parked = next(h, STEP_PARK, data, then);
	return HOOK_WAIT;
}

void
hook_unpark(void *parked)
{
	proceed(parked, true, NULL);
}

void
hook_aside(const struct hook *h, hook_then_fn fn, void *data)
{
	struct hook own = *h;
	enum hook_verdict v;

	own.chain = NULL;
	own.holding = false;
	own.reply = own.replacement = NULL;
	v = fn(&own, data, true);
	chain_start(&own, v, NULL, NULL);
	if (own.holding)
		user_release(own.user); /* the chain holds by itself */
}
