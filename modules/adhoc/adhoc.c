/*
 * adhoc: XEP-0050: the commands that modules have registered (module_command), for clients: the list of those one may run, their
 * steps, going back, cancelling.
 *
 * A command under way belongs to the client session that began it: nobody else can go on with it, and it ends with that session. It
 * keeps what was submitted step by step. While a step waits for the database it is taken out of the list, so
 * that nobody runs it twice; it comes back when the step has asked for more.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/text.h"
#include "module.h"
#include "xmpp/discovery.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"

#define ID_BYTES 12
#define ID_SIZE (2 * ID_BYTES + 1)
#define ENDED_MAX 8        /* ids of which we still say that they have ended */

/* A command under way */
struct open {
	struct open *next;
	const struct module_command *def;
	char id[ID_SIZE];
	unsigned step;                           /* the form that is shown; so many stanzas are kept */
	struct stanza *given[COMMAND_STEPS_MAX]; /* with the forms submitted */
	int64_t used_ms;
};

/* Kept with each client session */
struct kept {
	struct open *first; /* the newest */
	unsigned n;
	char ended[ENDED_MAX][ID_SIZE];
	unsigned nended;
};

/* One request, in hook_memory. */
struct request {
	struct command c;
	struct module *adhoc;
	struct open *open;  /* out of the list meanwhile; NULL: not begun before */
	struct stanza *now; /* what this request submits; borrowed */
};

static void
open_free(struct open *o)
{
	for (unsigned i = 0; i < o->step; i++)
		stanza_unref(o->given[i]);
	free(o);
}

static void
kept_fini(void *data)
{
	struct kept *k = data;
	struct open *o;

	while ((o = k->first)) {
		k->first = o->next;
		open_free(o);
	}
}

static void
note_ended(struct kept *k, const char *id)
{
	memcpy(k->ended[k->nended++ % ENDED_MAX], id, ID_SIZE);
}

static void
end(struct kept *k, struct open *o)
{
	note_ended(k, o->id);
	open_free(o);
}

/* Takes it out of the list. NULL: none of that id. */
static struct open *
take(struct kept *k, const char *id)
{
	for (struct open **at = &k->first; *at; at = &(*at)->next) {
		struct open *o = *at;

		if (strcmp(o->id, id) != 0)
			continue;
		*at = o->next;
		k->n--;
		return o;
	}
	return NULL;
}

/* Too old, or one too many: a client that forgets its commands keeps at most so many. */
static void
trim(struct kept *k, int64_t now)
{
	struct open **at = &k->first, *o;
	int64_t oldest = now - (int64_t)module_limits()->command_seconds * 1000;
	unsigned seen = 0;

	while ((o = *at)) {
		if (o->used_ms > oldest && seen < module_limits()->commands_open) {
			seen++;
			at = &o->next;
			continue;
		}
		*at = o->next;
		k->n--;
		end(k, o);
	}
}

static void
put_back(struct kept *k, struct open *o)
{
	o->used_ms = clock_mono_ms();
	o->next = k->first;
	k->first = o;
	k->n++;
	trim(k, o->used_ms);
}

/* Who may do what */

static bool
is_ours(const struct hook *h, const struct module_command *def)
{
	if (def->setting && !module_setting(h->module, def->setting))
		return false;
	return def->target == (h->account ? MODULE_ACCOUNT : MODULE_SERVER);
}

static bool
may_run(const struct hook *h, const struct module_command *def)
{
	if (def->target == MODULE_ACCOUNT && module_relation(h) != MODULE_SELF)
		return false;
	return def->admins ? module_sender_is_admin(h) : module_sender(h) != NULL;
}

static const struct module_command *
find(const struct hook *h, const char *node, struct module **owner)
{
	const struct module_command *def;

	for (unsigned i = 0; (def = module_command_at(i, owner)); i++)
		if (is_ours(h, def) && !strcmp(def->node, node))
			return def;
	return NULL;
}

/* Refusals (§4.4) */

static enum hook_verdict
bad(struct hook *h, const char *condition)
{
	return hook_reject_with(h, XERROR_BAD_REQUEST, NS_COMMANDS, condition);
}

static enum hook_verdict
forbidden(struct hook *h)
{
	h->error_type = "cancel";
	return hook_reject(h, XERROR_FORBIDDEN, NULL);
}

static enum hook_verdict
no_such_session(struct hook *h, const struct kept *k, const char *id)
{
	for (unsigned i = 0; i < ENDED_MAX; i++)
		if (*id && !strcmp(k->ended[i], id))
			return hook_reject_with(h, XERROR_NOT_ALLOWED, NS_COMMANDS, "session-expired");
	return bad(h, "bad-sessionid");
}

/* Answers */

static struct elem *
begin_answer(struct hook *h, struct stanza **st, const char *node, const char *id)
{
	struct elem *e;

	*st = hook_result(h);
	e = elem_add(*st, (*st)->root, NS_COMMANDS, "command");
	elem_set(*st, e, "node", node);
	elem_set(*st, e, "sessionid", id);
	elem_set_ns(*st, e, NS_XML, "lang", "en");
	return e;
}

/* §3.4: which way it goes on from here. They come before the form. */
static void
add_actions(struct command *c)
{
	bool last = c->step + 1 >= c->def->steps;
	struct elem *actions = elem_add(c->answer, c->element, NS_COMMANDS, "actions");

	elem_set(c->answer, actions, "execute", last ? "complete" : "next");
	if (c->step)
		elem_add(c->answer, actions, NS_COMMANDS, "prev");
	elem_add(c->answer, actions, NS_COMMANDS, last ? "complete" : "next");
}

/* The kept state of the client that asked; NULL when it has gone. */
static struct kept *
kept_of(const struct hook *h, struct module *adhoc)
{
	struct session *s = module_sender(h);

	return s ? module_session_data(adhoc, s) : NULL;
}

static struct open *
open_new(struct request *r)
{
	struct open *o = NEW(struct open);

	o->def = r->c.def;
	memcpy(o->id, r->c.session_id, ID_SIZE);
	return o;
}

/* command_send: a form was shown, or it is done. */
static enum hook_verdict
finish(struct hook *h, struct command *c)
{
	struct request *r = c->arg;
	struct kept *k = kept_of(h, r->adhoc);

	elem_set(c->answer, c->element, "status", c->asks ? "executing" : "completed");
	if (c->asks)
		add_actions(c);
	hook_reply(h, c->answer);
	c->answer = NULL;
	if (!k)
		return HOOK_HANDLED;
	if (!c->asks) {
		note_ended(k, c->session_id);
		return HOOK_HANDLED;
	}
	if (!r->open)
		r->open = open_new(r);
	if (c->step > r->open->step)
		r->open->given[r->open->step++] = stanza_ref(r->now);
	put_back(k, r->open);
	r->open = NULL;
	return HOOK_HANDLED;
}

/* Running a step */

static void
request_fini(void *data)
{
	struct request *r = data;

	stanza_unref(r->c.answer);
	stanza_unref(r->now);
	if (r->open)
		open_free(r->open);
}

static const struct form *
form_of(const struct stanza *st, struct arena *a)
{
	const struct elem *command = elem_child(st->root, NS_COMMANDS, "command");

	return form_parse(elem_child(command, NS_DATA, "x"), a);
}

static struct request *
request_new(struct hook *h, const struct module_command *def, struct open *o, const char *id)
{
	struct arena *a = hook_memory(h);
	struct request *r = arena_zalloc(a, sizeof(*r));

	arena_on_free(a, request_fini, r);
	r->adhoc = h->module;
	r->open = o;
	r->now = stanza_ref((struct stanza *)h->stanza);
	r->c.def = def;
	r->c.session_id = arena_strdup(a, id);
	r->c.finish = finish;
	r->c.arg = r;
	for (unsigned i = 0; o && i < o->step; i++)
		r->c.form[i] = form_of(o->given[i], a);
	r->c.step = o ? o->step : 0;
	r->c.element = begin_answer(h, &r->c.answer, def->node, r->c.session_id);
	return r;
}

/* The command is its module's: what it asks of the core is asked in that one's name. */
static enum hook_verdict
run(struct hook *h, struct request *r, struct module *owner)
{
	struct open *o = r->open;
	enum hook_verdict v;

	h->module = owner;
	v = r->c.def->run(h, &r->c);
	/* Refused at once: the same step may be tried again. */
	if (v == HOOK_REJECT && o && r->open == o) {
		struct kept *k = kept_of(h, r->adhoc);

		if (k) {
			put_back(k, o);
			r->open = NULL;
		}
	}
	return v;
}

/* Requests */

enum action { EXECUTE, NEXT, PREV, COMPLETE, CANCEL, UNKNOWN };

static enum action
action_of(const struct elem *command)
{
	static const char *const names[] = { "execute", "next", "prev", "complete", "cancel" };
	const char *s = elem_get(command, "action");
	unsigned i = 0;

	if (!s)
		return EXECUTE;
	while (i < UNKNOWN && strcmp(s, names[i]) != 0)
		i++;
	return (enum action)i;
}

static enum hook_verdict
begin(struct hook *h, const struct module_command *def, struct module *owner, enum action action)
{
	uint8_t random[ID_BYTES];
	char id[ID_SIZE];

	if (action != EXECUTE)
		return bad(h, "bad-action");
	crypt_random(random, sizeof(random));
	text_hex(random, sizeof(random), id);
	return run(h, request_new(h, def, NULL, id), owner);
}

static enum hook_verdict
cancel(struct hook *h, struct kept *k, struct open *o)
{
	struct stanza *st;
	struct elem *e = begin_answer(h, &st, o->def->node, o->id);

	elem_set(st, e, "status", "canceled");
	hook_reply(h, st);
	end(k, o);
	return HOOK_HANDLED;
}

/* Does the action lead anywhere from the form that is shown? */
static bool
is_possible(const struct open *o, enum action action)
{
	bool last = o->step + 1 >= o->def->steps;

	return action == EXECUTE || (action == NEXT && !last) || (action == COMPLETE && last) || (action == PREV && o->step > 0);
}

static enum hook_verdict
back(struct hook *h, struct open *o, struct module *owner)
{
	stanza_unref(o->given[--o->step]);
	o->given[o->step] = NULL;
	return run(h, request_new(h, o->def, o, o->id), owner);
}

/* §3.5.1: what a client cancels inside the form it is taken to submit. */
static bool
is_submission(const struct form *f)
{
	return f && (!strcmp(f->type, "submit") || !strcmp(f->type, "cancel"));
}

static enum hook_verdict
go_on(struct hook *h, struct kept *k, struct open *o, struct module *owner, enum action action)
{
	struct request *r;
	const struct form *f;

	if (action == CANCEL)
		return cancel(h, k, o);
	if (!is_possible(o, action)) {
		put_back(k, o);
		return bad(h, "bad-action");
	}
	if (action == PREV)
		return back(h, o, owner);
	f = form_of(h->stanza, hook_memory(h));
	if (!is_submission(f)) {
		put_back(k, o);
		return bad(h, "bad-payload");
	}
	r = request_new(h, o->def, o, o->id);
	r->c.form[r->c.step++] = f;
	return run(h, r, owner);
}

static enum hook_verdict
on_command(struct hook *h)
{
	const char *node = elem_get(h->payload, "node"), *id = elem_get(h->payload, "sessionid");
	enum action action = action_of(h->payload);
	const struct module_command *def;
	struct module *owner;
	struct kept *k;
	struct open *o;

	/* To whom an account's commands are closed, they do not exist, whether the account does or not. */
	if (h->account && module_relation(h) != MODULE_SELF)
		return hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL);
	def = node ? find(h, node, &owner) : NULL;
	if (!def)
		return hook_reject(h, node ? XERROR_ITEM_NOT_FOUND : XERROR_BAD_REQUEST, NULL);
	k = kept_of(h, h->module);
	if (!may_run(h, def) || !k)
		return forbidden(h);
	if (action == UNKNOWN)
		return bad(h, "malformed-action");
	if (!id)
		return begin(h, def, owner, action);
	trim(k, clock_mono_ms());
	o = take(k, id);
	if (!o)
		return no_such_session(h, k, id);
	if (o->def != def) {
		put_back(k, o);
		return bad(h, "bad-sessionid");
	}
	return go_on(h, k, o, owner, action);
}

/* Discovery (§3.1, §3.2) */

static enum hook_verdict
on_items(struct hook *h)
{
	const struct module_command *def;
	const struct jid *self = h->account ? h->account : h->to;

	if (!h->node || strcmp(h->node, NS_COMMANDS) != 0 || (h->account && module_relation(h) != MODULE_SELF))
		return HOOK_NEXT;
	for (unsigned i = 0; (def = module_command_at(i, NULL)); i++) {
		struct elem *item;

		if (!is_ours(h, def) || !may_run(h, def))
			continue;
		item = elem_add(h->reply, h->query, NS_DISCO_ITEMS, "item");
		elem_set(h->reply, item, "jid", jid_full(self));
		elem_set(h->reply, item, "node", def->node);
		elem_set(h->reply, item, "name", def->name);
	}
	return HOOK_HANDLED;
}

static void
describe(struct hook *h, const char *type, const char *name)
{
	discovery_identity(h->reply, h->query, "automation", type, name);
	discovery_feature(h->reply, h->query, NS_COMMANDS);
	discovery_feature(h->reply, h->query, NS_DATA);
}

static enum hook_verdict
on_info(struct hook *h)
{
	const struct module_command *def;

	if (!h->node || (h->account && module_relation(h) != MODULE_SELF))
		return HOOK_NEXT;
	if (!strcmp(h->node, NS_COMMANDS)) {
		describe(h, "command-list", "Commands");
		return HOOK_HANDLED;
	}
	def = find(h, h->node, NULL);
	if (!def)
		return HOOK_NEXT;
	if (!may_run(h, def))
		return forbidden(h);
	describe(h, "command-node", def->name);
	return HOOK_HANDLED;
}

static int
attach(struct module *m)
{
	module_session_keep(m, sizeof(struct kept), kept_fini);
	module_offers(m, NS_COMMANDS, MODULE_SERVER | MODULE_ACCOUNT);
	if (module_on_iq(m, MODULE_IQ_SET, NS_COMMANDS, "command", MODULE_SERVER | MODULE_ACCOUNT, on_command) ||
		module_on(m, HOOK_DISCO_ITEMS, on_items))
		return -1;
	return module_on(m, HOOK_DISCO_INFO, on_info);
}

const struct module_def adhoc_module = {
	.name = "adhoc",
	.about = "Ad-Hoc Commands (XEP-0050)",
	.attach = attach,
};
