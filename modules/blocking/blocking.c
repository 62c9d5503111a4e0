/*
 * blocking: Blocking Command (XEP-0191), with reports (XEP-0377).
 *
 * The list of an account is kept in memory with it. SEND_CHECK keeps the user from writing to whom they blocked, RECV_CHECK
 * keeps from the user what those send (also what waited in the record), PRESENCE_TO keeps the user's presence from them.
 * One's own account and the server itself are never covered, whatever is in the list: nobody can lock themselves out.
 *
 * A change is put into the record first, as it says what somebody could not read from then on; then it is stored, then
 * it takes effect, then the clients that asked for the list hear of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/metric.h"
#include "blocking_store.h"
#include "blocklist.h"
#include "module.h"
#include "xmpp/ns.h"

#define KEY_MAX_BYTES 2600 /* an address is the key of an index, whose rows PostgreSQL bounds at 2704 */

/* With each session: has it asked for the list (§3.3)? */
struct asked {
	bool list;
};

/* A change on its way. In the memory of its hook. */
struct change {
	struct blocking_change store; /* what the worker sees of it: first */
	bool block;
	struct jid **jid; /* those that come, or go */
	size_t n;
	bool all;         /* unblock everybody */
	unsigned reports;
};

/* Whom it covers */

static bool
is_exempt(const struct hook *h, const struct jid *who)
{
	return jid_equal_bare(who, h->account) || (jid_is_domain(who) && module_is_local(who));
}

static bool
is_blocked(const struct hook *h, const struct jid *who)
{
	const struct blocklist *l = who && h->account ? module_data(h) : NULL;

	return l && blocklist_covers(l, who) && !is_exempt(h, who);
}

static bool
has_type(const struct elem *e, const char *a, const char *b)
{
	const char *type = elem_get(e, "type");

	return type && (!strcmp(type, a) || !strcmp(type, b));
}

/* An occupant's private message (XEP-0045 §7.5). */
static bool
is_private_from_room(const struct hook *h)
{
	return jid_resource(h->from) && elem_child(h->stanza->root, NS_MUC_USER, "x");
}

/* §3.3: a message gets an error, and an IQ that waits for an answer; all else is dropped in silence. Rooms and
 * notices are not told: an error would look like a client that has left, which rooms put out. */
static bool
gets_error(const struct hook *h)
{
	const struct elem *e = h->stanza->root;

	if (elem_is(e, NS_CLIENT, "iq"))
		return has_type(e, "get", "set");
	if (is_private_from_room(h))
		return false;
	/* What waited in the record was taken at the time: its sender is not told years later. */
	return elem_is(e, NS_CLIENT, "message") && !h->delayed && !has_type(e, "groupchat", "headline") &&
		!has_type(e, "error", "error");
}

/* Who invites by way of a room, or declines (XEP-0045 §7.8.2), writes words that the room passes on. */
static bool
is_passed_on_for_blocked(const struct hook *h)
{
	const struct elem *x = elem_is(h->stanza->root, NS_CLIENT, "message") ? elem_child(h->stanza->root, NS_MUC_USER, "x") : NULL;
	const struct elem *e = x ? elem_child(x, NS_MUC_USER, "invite") : NULL;
	const char *who;
	struct jid *j;
	bool blocked;

	if (x && !e)
		e = elem_child(x, NS_MUC_USER, "decline");
	who = e ? elem_get(e, "from") : NULL;
	j = who ? jid_parse_z(who) : NULL;
	blocked = j && is_blocked(h, j);
	jid_unref(j);
	return blocked;
}

static enum hook_verdict
on_receive(struct hook *h)
{
	bool blocked = is_blocked(h, h->from);

	if (!blocked && !is_passed_on_for_blocked(h))
		return HOOK_NEXT;
	metric_add(METRIC_BLOCKED, 1);
	return blocked && gets_error(h) ? hook_reject(h, XERROR_SERVICE_UNAVAILABLE, NULL) : HOOK_HANDLED;
}

static enum hook_verdict
on_send(struct hook *h)
{
	if (!is_blocked(h, h->to))
		return HOOK_NEXT;
	metric_add(METRIC_BLOCKED, 1);
	h->error_type = "cancel"; /* as in §3.3: nothing that is changed in the stanza would help */
	return hook_reject_with(h, XERROR_NOT_ACCEPTABLE, NS_BLOCKING_ERRORS, "blocked");
}

static enum hook_verdict
on_presence_to(struct hook *h)
{
	return is_blocked(h, h->to) ? HOOK_HANDLED : HOOK_NEXT;
}

/* The list (§3.2) */

struct writing {
	struct stanza *st;
	struct elem *parent;
};

static void
write_item(void *arg, struct jid *j)
{
	const struct writing *w = arg;

	elem_set(w->st, elem_add(w->st, w->parent, NULL, "item"), "jid", jid_full(j));
}

static enum hook_verdict
on_list(struct hook *h)
{
	struct asked *asked = h->bound ? module_session_data(h->module, h->bound) : NULL;
	const struct blocklist *l = module_data(h);
	struct writing w;

	if (module_relation(h) != MODULE_SELF)
		return HOOK_NEXT;
	w.st = hook_result(h);
	w.parent = elem_add(w.st, w.st->root, NS_BLOCKING, "blocklist");
	if (l)
		blocklist_each(l, write_item, &w);
	if (asked)
		asked->list = true;
	hook_reply(h, w.st);
	return HOOK_HANDLED;
}

/* Reading a change */

static void
forget_jid(void *arg)
{
	jid_unref(arg);
}

static size_t
count_items(const struct elem *command)
{
	size_t n = 0;

	for (const struct elem *e = elem_child(command, NS_BLOCKING, "item"); e; e = elem_next(e, NS_BLOCKING, "item"))
		n++;
	return n;
}

/* XEP-0377 §4: a reason, always. */
static enum xerror
check_report(struct change *c, const struct elem *item)
{
	const struct elem *report = elem_child(item, NS_REPORTING, "report");

	if (!report || !c->block)
		return XERROR_NONE;
	if (!elem_get(report, "reason") || !*elem_get(report, "reason"))
		return XERROR_BAD_REQUEST;
	c->reports++;
	return XERROR_NONE;
}

static enum xerror
read_item(struct hook *h, struct change *c, struct blocklist *seen, const struct elem *item)
{
	const char *text = elem_get(item, "jid");
	struct jid *j = text ? jid_parse_z(text) : NULL;

	if (!text)
		return XERROR_BAD_REQUEST;
	if (!j)
		return XERROR_JID_MALFORMED;
	arena_on_free(hook_memory(h), forget_jid, j);
	if (strlen(jid_full(j)) > KEY_MAX_BYTES)
		return XERROR_RESOURCE_CONSTRAINT;
	if (blocklist_add(seen, j))
		c->jid[c->n++] = j;
	return check_report(c, item);
}

static enum xerror
read_change(struct hook *h, struct change *c)
{
	size_t n = count_items(h->payload);
	struct blocklist *seen;
	enum xerror x = XERROR_NONE;

	if (!n && c->block)
		return XERROR_BAD_REQUEST;
	if (n > module_limits()->blocked_items)
		return XERROR_RESOURCE_CONSTRAINT;
	c->all = !n;
	c->jid = arena_alloc(hook_memory(h), (n + 1) * sizeof(*c->jid));
	seen = blocklist_new();
	for (const struct elem *e = elem_child(h->payload, NS_BLOCKING, "item"); e && x == XERROR_NONE;
		e = elem_next(e, NS_BLOCKING, "item"))
		x = read_item(h, c, seen, e);
	blocklist_free(seen);
	return x;
}

/* The addresses that the database does not have yet, or is to forget. */
static void
prepare_store(struct hook *h, struct change *c)
{
	const struct blocklist *l = module_data(h);
	struct buf b = { 0 };

	c->store.account = h->account_id;
	c->store.most = module_limits()->blocked_items;
	if (c->all)
		return;
	for (size_t i = 0; i < c->n; i++)
		if (!c->block || !l || !blocklist_has(l, c->jid[i]))
			buf_addf(&b, "%s%s", buf_len(&b) ? "\n" : "", jid_full(c->jid[i]));
	c->store.jids = arena_strdup(hook_memory(h), buf_str(&b));
	buf_fini(&b);
}

/* A list is one stanza to the client that asks for it: it has to fit what may wait for a reader. */
static bool
has_room(const struct hook *h, const struct change *c)
{
	const struct blocklist *l = module_data(h);
	size_t bytes = l ? blocklist_bytes(l) : 0;

	for (size_t i = 0; i < c->n; i++)
		bytes += jid_full_len(c->jid[i]);
	return bytes <= module_limits()->output_bytes / 8;
}

static enum hook_verdict
refuse_full(struct hook *h)
{
	metric_add(METRIC_QUOTA_REFUSED, 1);
	return hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "the block list is full");
}

/* Pushes (§3.3, §3.4): the addresses only, as other clients need no more. */

static void
push(struct hook *h, const struct change *c, struct session *s)
{
	struct writing w = { .st = stanza_new(NS_CLIENT, "iq") };
	char id[17];

	crypt_random_hex(id, 8);
	elem_set(w.st, w.st->root, "type", "set");
	elem_set(w.st, w.st->root, "id", id);
	elem_set(w.st, w.st->root, "from", jid_bare(h->account));
	w.parent = elem_add(w.st, w.st->root, NS_BLOCKING, c->block ? "block" : "unblock");
	for (size_t i = 0; i < c->n; i++)
		write_item(&w, c->jid[i]);
	module_session_give(s, w.st, 0);
}

static void
push_all(struct hook *h, const struct change *c)
{
	struct session **s;
	unsigned n = module_sessions(h, &s);

	for (unsigned i = 0; i < n; i++) {
		const struct asked *asked = module_session_data(h->module, s[i]);

		if (asked && asked->list && !module_session_is_over(s[i]))
			push(h, c, s[i]);
	}
}

/* Taking effect */

/* One after the other: who is covered already by the ones before hears nothing. */
static void
apply_block(struct hook *h, const struct change *c)
{
	if (!module_data(h))
		module_set_data(h, blocklist_new());
	for (size_t i = 0; i < c->n && module_data(h); i++) {
		module_presence_hide(h, c->jid[i]);
		(void)blocklist_add(module_data(h), c->jid[i]);
	}
}

struct collected {
	struct jid **jid;
	size_t n;
};

static void
collect(void *arg, struct jid *j)
{
	struct collected *c = arg;

	c->jid[c->n++] = jid_ref(j);
}

static void
apply_unblock(struct hook *h, const struct change *c)
{
	struct blocklist *l = module_data(h);
	struct collected gone = { 0 };

	if (!l)
		return;
	gone.jid = arena_alloc(h->arena, (blocklist_count(l) + 1) * sizeof(*gone.jid));
	if (c->all)
		blocklist_each(l, collect, &gone);
	for (size_t i = 0; i < c->n; i++)
		if (blocklist_has(l, c->jid[i]))
			collect(&gone, c->jid[i]);
	for (size_t i = 0; i < gone.n; i++)
		(void)blocklist_remove(l, gone.jid[i]);
	for (size_t i = 0; i < gone.n; i++) {
		module_presence_show(h, gone.jid[i]);
		jid_unref(gone.jid[i]);
	}
	if (!blocklist_count(l))
		module_set_data(h, NULL);
}

static enum hook_verdict
stored(struct hook *h, void *data, bool ok)
{
	const struct change *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->store.full)
		return refuse_full(h);
	if (c->block)
		apply_block(h, c);
	else
		apply_unblock(h, c);
	push_all(h, c);
	return hook_done(h);
}

/* Reports (XEP-0377): what they say is in the record; administrators are told where. */
static void
announce_reports(const struct hook *h)
{
	for (const struct elem *e = elem_child(h->payload, NS_BLOCKING, "item"); e; e = elem_next(e, NS_BLOCKING, "item")) {
		const struct elem *report = elem_child(e, NS_REPORTING, "report");
		unsigned messages = 0;

		if (!report)
			continue;
		for (const struct elem *m = elem_child(report, NS_SID, "stanza-id"); m; m = elem_next(m, NS_SID, "stanza-id"))
			messages++;
		metric_add(METRIC_ABUSE_REPORTS, 1);
		log_warning(NULL, "abuse-reported", "by=%s about=%s reason=%s messages=%u record=%llu", jid_bare(h->account),
			elem_get(e, "jid"), elem_get(report, "reason"), messages, (unsigned long long)h->record_id);
	}
}

static enum hook_verdict
recorded(struct hook *h, void *data, bool ok)
{
	struct change *c = data;

	if (!ok)
		return hook_unavailable(h);
	if (c->reports)
		announce_reports(h);
	/* Nothing for the database to do: it is so already. */
	if (c->block && !*c->store.jids)
		return stored(h, c, true);
	return hook_job(h, c, c->block ? blocking_add : blocking_remove, stored);
}

/* The readable text of a change, for those who search the record. */

static void
describe_report(struct hook *h, struct buf *b, const struct elem *item)
{
	const struct elem *report = elem_child(item, NS_REPORTING, "report");

	if (!report)
		return;
	buf_addf(b, ", reported as %s", elem_get(report, "reason"));
	for (const struct elem *t = elem_child(report, NS_REPORTING, "text"); t; t = elem_next(t, NS_REPORTING, "text"))
		buf_addf(b, ": %s", elem_text(t, h->arena));
	for (const struct elem *m = elem_child(report, NS_SID, "stanza-id"); m; m = elem_next(m, NS_SID, "stanza-id"))
		buf_addf(b, " [message %s]", elem_get(m, "id") ? elem_get(m, "id") : "");
}

static const char *
describe(struct hook *h, const struct change *c)
{
	struct buf b = { 0 };
	const char *text;

	buf_adds(&b, c->block ? "blocked" : c->all ? "unblocked everybody" : "unblocked");
	for (const struct elem *e = elem_child(h->payload, NS_BLOCKING, "item"); e; e = elem_next(e, NS_BLOCKING, "item")) {
		buf_addf(&b, "%s%s", e == elem_child(h->payload, NS_BLOCKING, "item") ? " " : "; ", elem_get(e, "jid"));
		if (c->block)
			describe_report(h, &b, e);
	}
	text = arena_strdup(hook_memory(h), buf_str(&b));
	buf_fini(&b);
	return text;
}

static enum hook_verdict
change(struct hook *h, bool block)
{
	struct change *c;
	enum xerror x;

	if (module_relation(h) != MODULE_SELF)
		return HOOK_NEXT;
	c = arena_zalloc(hook_memory(h), sizeof(*c));
	c->block = block;
	x = read_change(h, c);
	if (x == XERROR_RESOURCE_CONSTRAINT || (x == XERROR_NONE && block && !has_room(h, c)))
		return refuse_full(h);
	if (x != XERROR_NONE)
		return hook_reject(h, x, NULL);
	prepare_store(h, c);
	return hook_record(h, RECORD_BLOCKING, NULL, describe(h, c), c, recorded);
}

static enum hook_verdict
on_block(struct hook *h)
{
	return change(h, true);
}

static enum hook_verdict
on_unblock(struct hook *h)
{
	return change(h, false);
}

/* What is kept with an account: its list, or nothing when that is empty, which it nearly always is. */

static void *
make(const void *rows)
{
	const struct blocking_rows *r = rows;
	struct blocklist *l = r ? blocklist_new() : NULL;

	for (size_t i = 0; r && i < r->n; i++) {
		struct jid *j = jid_parse_z(r->jid[i]);

		if (j)
			(void)blocklist_add(l, j);
		else
			log_error(NULL, "blocked-row-malformed", "jid=%s", r->jid[i]);
		jid_unref(j);
	}
	return l;
}

static void
forget(void *data)
{
	blocklist_free(data);
}

static int
attach(struct module *m)
{
	static const struct module_account kept = { blocking_load, make, forget };

	module_keep(m, &kept);
	module_session_keep(m, sizeof(struct asked), NULL);
	module_offers(m, NS_BLOCKING, MODULE_SERVER);
	module_offers(m, NS_REPORTING, MODULE_SERVER);
	if (module_on_iq(m, MODULE_IQ_GET, NS_BLOCKING, "blocklist", MODULE_ACCOUNT, on_list) ||
		module_on_iq(m, MODULE_IQ_SET, NS_BLOCKING, "block", MODULE_ACCOUNT, on_block) ||
		module_on_iq(m, MODULE_IQ_SET, NS_BLOCKING, "unblock", MODULE_ACCOUNT, on_unblock))
		return -1;
	return module_on(m, HOOK_SEND_CHECK, on_send) || module_on(m, HOOK_RECV_CHECK, on_receive) ||
		module_on(m, HOOK_PRESENCE_TO, on_presence_to) ? -1 : 0;
}

const struct module_def blocking_module = {
	.name = "blocking",
	.about = "Blocking Command (XEP-0191), Blocking Command Reports (XEP-0377)",
	.attach = attach,
};
