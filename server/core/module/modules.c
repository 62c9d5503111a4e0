/*
 * modules: the table of modules, what each of them has registered, and the dispatch of stages and IQs.
 *
 * main attaches the modules before the reactors start; from then on all of this is read only, by every reactor,
 * until main stops it after they have ended. A stage is a flat array in the order of the table: a stage that
 * nobody listens to costs its callers one comparison (modules_want).
 */
#include "core/module/modules.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/config/config_table.h"
#include "core/module/chain.h"
#include "core/module/keep.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/iq.h"
#include "core/roster/roster.h"
#include "core/route/router.h"
#include "core/service/service.h"
#include "core/user.h"
#include "xmpp/ns.h"

/* The modules. Order inside a stage is the order here; the reason stands beside the line where it matters. */
#define MODULES_TABLE(X) \
	X(ping) \
	X(version) \
	X(time) \
	X(clientaccess) \
	/* First at SEND_CHECK and RECV_CHECK: whoever is blocked gets no other answer. */ \
	X(blocking) \
	/* SEND_CHECK: behind block lists, before what costs more. */ \
	X(limits) \
	/* SEND_CHECK: who may not go there at all is told before anything is scanned. */ \
	X(networks) \
	X(register) \
	/* RECV_CHECK: before whatever takes a stanza over, as it keeps strangers from asking. */ \
	X(lastactivity) \
	/* RECV_CHECK: takes requests over, so behind block lists. */ \
	X(invite) \
	X(contactinfo) \
	X(datapolicy) \
	X(external) \
	/* RECV_CHECK: takes files over, so behind block lists. SEND_CHECK: before whoever counts messages, as their pieces are none. */ \
	X(transfer) \
	/* SEND_CHECK: takes out what pretends to be a copy, before others look at the message. */ \
	X(carbons) \
	X(csi) \
	X(push) \
	/* RECV_MISSED: ends the stage for what is not to be kept, so push is above; RECV_DELIVER: before who takes messages over. */ \
	X(history) \
	X(offline) \
	/* SEND_CHECK: before whatever would note or alter what is refused here. */ \
	X(encryption) \
	/* SEND_CHECK: behind whatever refuses at less cost, as it waits for the scanner. */ \
	X(filecheck) \
	/* RECV_DELIVER: before whoever takes the account's own events over. */ \
	X(vcard) \
	X(avatar) \
	X(private) \
	X(bookmarks) \
	X(muc) \
	X(adhoc) \
	X(administration) \
	X(pubsub) \
	X(upload) \
	/* RECV_DELIVER: takes events over; whoever acts on them comes before. */ \
	X(pep)

#define MODULES_DECLARE(name) extern const struct module_def name##_module;
MODULES_TABLE(MODULES_DECLARE)
#undef MODULES_DECLARE

static const struct module_def *const table[] = {
#define MODULES_ROW(name) &name##_module,
	MODULES_TABLE(MODULES_ROW)
#undef MODULES_ROW
	NULL,
};

struct feature {
	const char *var;
	const char *setting; /* NULL: always */
	unsigned targets;
};

struct identity {
	const char *category, *type, *name;
	unsigned targets;
};

/* The argument of the handler in core/iq: its address must not change. */
struct iq_slot {
	struct iq_slot *next;
	struct module *module;
	hook_fn fn;
	unsigned targets;
};

struct module {
	const struct module_def *def;
	struct feature *features;
	size_t nfeatures;
	struct identity *identities;
	size_t nidentities;
	struct iq_slot *slots;
	int account_number, session_number; /* core/module/keep; -1: none */
};

#define OTHER 8U  /* no stanza */
#define ANYTHING (MODULE_STANZA | OTHER)
#define LOOKED 1U /* its namespaces are known */

/* What a listener wants to be called for. */
struct wants {
	unsigned kinds;      /* MODULE_MESSAGE, …; OTHER */
	unsigned namespaces; /* of child elements: bits of watch(); 0: any or none */
};

/* What is known of the stanza that it would be called for. */
struct traits {
	const struct stanza *of;
	unsigned kinds, namespaces; /* LOOKED, or not yet */
};

struct listener {
	struct module *module;
	hook_fn fn;
	struct wants wants;
};

static struct stage {
	struct listener *list;
	size_t n;
	bool picks; /* some of them do not want everything */
} stages[HOOK_STAGES];

/* Namespaces that listeners want: interned. */
static const char *watched[sizeof(unsigned) * 8 - 1];
static unsigned nwatched;

static struct module *modules;
static size_t nmodules;
static int64_t started_us, run;

/* Start and stop */

int
modules_start_table(const struct module_def *const *defs)
{
	size_t n = 0;

	while (defs[n])
		n++;
	modules = mem_zalloc((n + 1) * sizeof(*modules));
	started_us = clock_mono_us();
	run = clock_wall_us();
	for (nmodules = 0; nmodules < n; nmodules++) {
		struct module *m = &modules[nmodules];

		m->def = defs[nmodules];
		m->account_number = m->session_number = -1;
		if (m->def->attach(m)) {
			log_error(NULL, "module-not-started", "module=%s", m->def->name);
			nmodules++; /* what it did register is forgotten with the rest */
			return -1;
		}
	}
	return 0;
}

int
modules_start(void)
{
	return modules_start_table(table);
}

static void
detach(struct module *m)
{
	struct iq_slot *slot;

	while ((slot = m->slots)) {
		m->slots = slot->next;
		free(slot);
	}
	free(m->features);
	free(m->identities);
}

void
modules_stop(void)
{
	for (int i = 0; i < HOOK_STAGES; i++)
		free(stages[i].list);
	memset(stages, 0, sizeof(stages));
	nwatched = 0;
	command_stop();
	service_stop();
	while (nmodules)
		detach(&modules[--nmodules]);
	free(modules);
	modules = NULL;
	keep_stop();
}

const char *
modules_name(const struct module *m)
{
	return m ? m->def->name : "";
}

int *
modules_account_number(struct module *m)
{
	return &m->account_number;
}

int *
modules_session_number(struct module *m)
{
	return &m->session_number;
}

/* What attach calls */

static void
listen_to(enum hook_stage stage, struct listener l)
{
	struct stage *s = &stages[stage];

	s->list = mem_realloc(s->list, (s->n + 1) * sizeof(*s->list));
	s->list[s->n++] = l;
	s->picks |= l.wants.kinds != ANYTHING || l.wants.namespaces;
}

int
module_on(struct module *m, enum hook_stage stage, hook_fn fn)
{
	listen_to(stage, (struct listener){ m, fn, { ANYTHING, 0 } });
	return 0;
}

/* Its bit; 0: there are too many. */
static unsigned
watch(const char *ns)
{
	unsigned i = 0;

	assert(ns_intern(ns) == ns && ns != NS_CLIENT);
	while (i < nwatched && watched[i] != ns)
		i++;
	if (i == sizeof(watched) / sizeof(watched[0]))
		return 0;
	if (i == nwatched)
		watched[nwatched++] = ns;
	return 2U << i;
}

int
module_on_stanza(struct module *m, enum hook_stage stage, unsigned kinds, const char *ns, hook_fn fn)
{
	unsigned namespaces = ns ? watch(ns) : 0;

	assert(stage <= HOOK_SESSION_SEND);
	if (ns && !namespaces) {
		log_error(NULL, "too-many-namespaces", "module=%s ns=%s", m->def->name, ns);
		return -1;
	}
	listen_to(stage, (struct listener){ m, fn, { kinds, namespaces } });
	return 0;
}

void
module_offers_when(struct module *m, const char *var, unsigned targets, const char *setting)
{
	m->features = mem_realloc(m->features, (m->nfeatures + 1) * sizeof(*m->features));
	m->features[m->nfeatures++] = (struct feature){ var, setting, targets };
}

void
module_offers(struct module *m, const char *var, unsigned targets)
{
	module_offers_when(m, var, targets, NULL);
}

void
module_identity(struct module *m, const char *category, const char *type, const char *name, unsigned targets)
{
	m->identities = mem_realloc(m->identities, (m->nidentities + 1) * sizeof(*m->identities));
	m->identities[m->nidentities++] = (struct identity){ category, type, name, targets };
}

static enum xerror on_iq(const struct iq_call *c);

int
module_on_iq(struct module *m, enum module_iq type, const char *ns, const char *name, unsigned targets, hook_fn fn)
{
	struct iq_slot *slot = NEW(struct iq_slot);
	unsigned to = (targets & (MODULE_SERVER | MODULE_SENDER) ? IQ_TO_SERVER : 0) | (targets & MODULE_ACCOUNT ? IQ_TO_ACCOUNT : 0);

	slot->module = m;
	slot->fn = fn;
	slot->targets = targets;
	slot->next = m->slots;
	m->slots = slot;
	iq_handle(type == MODULE_IQ_GET ? TYPE_GET : TYPE_SET, ns, name, to, on_iq, slot);
	return 0;
}

/* Dispatch */

bool
modules_want(enum hook_stage stage)
{
	return stages[stage].n > 0;
}

/* These may say HOOK_WAIT; their callers start the chain. */
static bool
may_wait(enum hook_stage stage)
{
	return stage == HOOK_SEND_CHECK || stage == HOOK_IQ || stage == HOOK_STRANGER_IQ || stage == HOOK_DISCO_INFO ||
		stage == HOOK_DISCO_ITEMS;
}

/* It is one of the three: nothing else is a stanza. */
static unsigned
kind_of(const struct elem *root)
{
	if (root->ns != NS_CLIENT)
		return OTHER;
	return *root->name == 'm' ? MODULE_MESSAGE : *root->name == 'p' ? MODULE_PRESENCE : MODULE_IQ;
}

/* By pointers: the namespaces of a stanza are interned as those here are. Most children are the core protocol's own, as <body/> is. */
static unsigned
namespaces_of(const struct elem *root)
{
	unsigned found = 0;

	for (const struct elem *e = root->first; e; e = e->next)
		for (unsigned i = 0; e->name && e->ns != NS_CLIENT && i < nwatched; i++)
			if (e->ns == watched[i])
				found |= 2U << i;
	return found;
}

/* Looks at a stanza (NULL: there is none) no further than a listener asks, and again when it has become another. */
static bool
is_wanted(struct traits *t, const struct stanza *st, struct wants wants)
{
	if (st != t->of)
		*t = (struct traits){ .of = st, .kinds = kind_of(st->root) };
	if (!(wants.kinds & t->kinds) || !wants.namespaces)
		return wants.kinds & t->kinds;
	if (!t->namespaces)
		t->namespaces = namespaces_of(st->root) | LOOKED;
	return wants.namespaces & t->namespaces;
}

enum hook_verdict
modules_run(struct hook *h, struct user *u)
{
	const struct stage *s = &stages[h->stage];
	struct traits t = { .kinds = OTHER };
	enum hook_verdict v = HOOK_NEXT;

	h->arena = reactor_scratch(reactor_current());
	h->user = u;
	h->account_id = u && u->state == USER_READY ? u->account : 0;
	for (size_t i = 0; i < s->n && v == HOOK_NEXT; i++) {
		if (s->picks && !is_wanted(&t, h->stanza, s->list[i].wants))
			continue;
		h->module = s->list[i].module;
		h->listener = i;
		v = s->list[i].fn(h);
		if (v == HOOK_WAIT && !may_wait(h->stage))
			v = HOOK_NEXT;
		if (h->chain && v != HOOK_WAIT)
			chain_start(h, v, NULL, NULL);
	}
	assert(v != HOOK_REJECT || h->error != XERROR_NONE);
	return v;
}

/* Those behind the one that has waited, in a stage of those that may wait. */
static enum hook_verdict
run_rest(struct hook *h)
{
	const struct stage *s = &stages[h->stage];
	struct traits t = { .kinds = OTHER };
	enum hook_verdict v = HOOK_NEXT;

	for (size_t i = h->listener + 1; i < s->n && v == HOOK_NEXT; i++) {
		if (s->picks && !is_wanted(&t, h->stanza, s->list[i].wants))
			continue;
		h->module = s->list[i].module;
		h->listener = i;
		v = s->list[i].fn(h);
	}
	return v;
}

enum hook_verdict
modules_settle(struct hook *h, enum hook_verdict v, bool waited)
{
	bool disco = h->stage == HOOK_DISCO_INFO || h->stage == HOOK_DISCO_ITEMS;

	if (v == HOOK_NEXT && waited && (disco || h->stage == HOOK_SEND_CHECK))
		v = run_rest(h);
	if (!disco)
		return v;
	if (v == HOOK_NEXT)
		return h->node ? hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL) : HOOK_HANDLED;
	return v;
}

/* MODULE_SENDER: the user who asked the server. IQs to it are dispatched at the sender's home. */
static void
find_sender(struct iq_call *c)
{
	c->user = c->p->from && host_is_local(c->p->from) ? user_find(c->p->from) : NULL;
	if (c->user && jid_resource(c->p->from))
		c->session = user_session(c->user, jid_resource(c->p->from));
}

static enum xerror
on_iq(const struct iq_call *asked)
{
	struct iq_call call = *asked;
	const struct iq_call *c = &call;
	const struct iq_slot *slot = c->arg;
	struct hook h;
	enum hook_verdict v;

	if (!c->user && slot->targets & MODULE_SENDER)
		find_sender(&call);
	h = (struct hook){ .stage = HOOK_IQ, .arena = reactor_scratch(reactor_current()), .module = slot->module,
		.user = c->user, .stanza = c->p->st, .payload = c->payload, .from = c->p->from, .to = c->p->to,
		.account = c->user ? c->user->jid : NULL, .session = c->session ? c->session->jid : NULL,
		.bound = c->session };
	h.account_id = c->user && c->user->state == USER_READY ? c->user->account : 0;
	v = slot->fn(&h);
	if (v != HOOK_WAIT)
		chain_answer(c->p, &h, v);
	if (h.chain)
		chain_start(&h, v, c->p, c->session);
	return XERROR_NONE;
}

void
hook_reply(struct hook *h, struct stanza *reply)
{
	if (h->reply != reply)
		stanza_unref(h->reply);
	h->reply = reply;
}

struct stanza *
hook_result(const struct hook *h)
{
	/* Of a packet, only the stanza's own attributes matter here. */
	const struct packet p = { .st = (struct stanza *)h->stanza };

	return packet_result(&p);
}

enum hook_verdict
hook_done(struct hook *h)
{
	hook_reply(h, hook_result(h));
	return HOOK_HANDLED;
}

enum hook_verdict
hook_unavailable(struct hook *h)
{
	h->error_type = "wait";
	return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "the database is not available, try again later");
}

void
hook_replace(struct hook *h, struct stanza *st)
{
	stanza_unref(h->replacement);
	h->replacement = st;
	h->stanza = st;
}

/* What modules and disco ask */

static bool
is_on(const struct config *c, const char *name)
{
	char path[CONFIG_PATH_MAX];
	const struct config_row *row;

	snprintf(path, sizeof(path), "%s%s", strchr(name, '.') ? "" : "modules.", name);
	row = config_row_find(path);
	assert(row && row->type == CONFIG_BOOL);
	return *(const bool *)((const char *)c + row->offset);
}

/* On a reactor its own snapshot, elsewhere the one in force. */
static bool
setting(const char *name)
{
	const struct config *c = home_config();
	struct config *present;
	bool on;

	if (c)
		return is_on(c, name);
	present = config_get();
	on = present && is_on(present, name);
	config_unref(present);
	return on;
}

bool
module_setting(const struct module *m, const char *name)
{
	(void)m;
	return setting(name);
}

int64_t
module_started_us(void)
{
	return started_us;
}

int64_t
module_run(void)
{
	return run;
}

void
modules_features(unsigned target, void (*fn)(void *arg, const char *var), void *arg)
{
	for (size_t i = 0; i < nmodules; i++) {
		const struct module *m = &modules[i];

		for (size_t j = 0; j < m->nfeatures; j++) {
			const struct feature *f = &m->features[j];

			if (f->targets & target && (!f->setting || setting(f->setting)))
				fn(arg, f->var);
		}
	}
}

void
modules_identities(unsigned target, void (*fn)(void *arg, const char *category, const char *type, const char *name), void *arg)
{
	for (size_t i = 0; i < nmodules; i++) {
		const struct module *m = &modules[i];

		for (size_t j = 0; j < m->nidentities; j++)
			if (m->identities[j].targets & target)
				fn(arg, m->identities[j].category, m->identities[j].type, m->identities[j].name);
	}
}

enum module_relation
modules_relation(const struct user *u, const struct jid *from)
{
	const struct roster_item *i;

	if (!u || u->state != USER_READY || !from)
		return MODULE_STRANGER;
	if (jid_equal_bare(u->jid, from))
		return MODULE_SELF;
	i = u->roster ? roster_find(u->roster, from) : NULL;
	return i && i->subscription & SUB_FROM ? MODULE_SUBSCRIBER : MODULE_STRANGER;
}
