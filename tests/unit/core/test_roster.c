/*
 * roster and presence together, with everything around them replaced: sessions, router, inbox and database are
 * small stand-ins below that write down what happens. Each test is one user, romeo, and reads the log.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/component/watch.h"
#include "core/route/delivery.h"
#include "core/home.h"
#include "core/route/iq.h"
#include "core/route/lane.h"
#include "core/module/modules.h"
#include "core/roster/presence.h"
#include "core/roster/roster.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "store/account.h"
#include "store/pool.h"
#include "module_service.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

/* The stand-ins */

static struct {
	struct buf log;
	struct arena *scratch;
	struct config config;
	struct user user;
	struct job *job;            /* the one that waits */
	struct timer *timer;
	unsigned reloads, lane_holds;
	bool slow;                  /* no session reads: each ends with what it is sent */
	struct list inbox;
	const char *const *removed; /* tombstones the database answers with */
	size_t nremoved;
	iq_fn get, set;
} w;

struct lane {
	int unused;
};

void
features_announced(struct session *s, const struct packet *presence)
{
	(void)s;
	(void)presence;
}

void
features_forget(struct session *s)
{
	(void)s;
}

void
elsewhere_presence(struct user *u, const struct packet *p)
{
	(void)u;
	(void)p;
}

const struct config *
home_config(void)
{
	return &w.config;
}

struct parser_limits
home_parser_limits(void)
{
	return (struct parser_limits){ .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20,
		.depth = 64, .attributes = 64, .namespaces = 64 };
}

struct reactor *
reactor_current(void)
{
	return NULL;
}

struct arena *
reactor_scratch(struct reactor *r)
{
	(void)r;
	return w.scratch;
}

void
timer_set(struct timer *t, int64_t in_ms, timer_fn fn)
{
	(void)in_ms;
	t->fn = fn;
	w.timer = t;
}

void
timer_clear(struct timer *t)
{
	if (w.timer == t)
		w.timer = NULL;
}

/* As core/session does it: contacts are told first, then the session leaves the user's list. */
static void
end_session(struct session *s)
{
	s->closing = true;
	presence_session_closed(s);
	assert_true(list_is_empty(&s->directed));
	list_remove(&s->of_user);
	w.user.nsessions--;
}

void
session_send(struct session *s, struct packet *p)
{
	if (s->closing)
		return;
	buf_addf(&w.log, "%s> ", jid_resource(s->jid));
	packet_write(&w.log, p, NULL);
	buf_addc(&w.log, '\n');
	if (w.slow)
		end_session(s);
}

bool
module_is_service(const struct jid *j)
{
	return !strncmp(jid_domain(j), "conference.", strlen("conference."));
}

void
router_send(struct packet *p)
{
	buf_addf(&w.log, "*> ");
	packet_write(&w.log, p, NULL);
	buf_addc(&w.log, '\n');
	packet_unref(p);
}

void
router_refuse(const struct packet *p, enum xerror e, const char *type, const char *text)
{
	router_reply(packet_error(p, e, type, text));
}

/* No component watches anybody here. */
void
watch_tell(struct user *u, const struct packet *p)
{
	(void)u;
	(void)p;
}

void
router_reply(struct packet *p)
{
	if (p)
		router_send(p);
}

struct session *
user_session(const struct user *u, const char *resource)
{
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (!strcmp(jid_resource(s->jid), resource))
			return s;
	}
	return NULL;
}

int
user_priority(const struct user *u)
{
	int best = -129;

	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (session_is_available(s) && s->priority > best)
			best = s->priority;
	}
	return best;
}

struct user *
user_find(const struct jid *j)
{
	return jid_equal_bare(j, w.user.jid) ? &w.user : NULL;
}

static void
drain(void)
{
	struct list *l;

	while (!w.user.holds && (l = list_pop(&w.inbox)))
		LIST_ENTRY(l, struct user_wait, link)->run(LIST_ENTRY(l, struct user_wait, link), &w.user);
}

bool
user_with(const struct jid *j, struct user_wait *wait)
{
	assert_true(jid_equal_bare(j, w.user.jid));
	list_append(&w.inbox, &wait->link);
	drain();
	return true;
}

void
user_hold(struct user *u)
{
	u->holds++;
}

void
user_release(struct user *u)
{
	u->holds--;
	drain();
}

void
user_reload_roster(struct user *u)
{
	(void)u;
	w.reloads++;
}

void
lane_hold(struct lane *l)
{
	assert_non_null(l);
	w.lane_holds++;
}

void
lane_release(struct lane *l)
{
	assert_non_null(l);
	w.lane_holds--;
}

bool
modules_want(enum hook_stage stage)
{
	(void)stage;
	return false;
}

enum hook_verdict
modules_run(struct hook *h, struct user *u)
{
	(void)h;
	(void)u;
	return HOOK_NEXT;
}

void
delivery_catch_up(struct user *u, struct session *s)
{
	(void)u;
	buf_addf(&w.log, "%s: catch up\n", jid_resource(s->jid));
}

void
iq_handle(enum packet_type type, const char *ns, const char *name, unsigned targets, iq_fn fn, void *arg)
{
	(void)arg;
	assert_ptr_equal(ns, NS_ROSTER);
	assert_string_equal(name, "query");
	assert_int_equal(targets, IQ_TO_ACCOUNT);
	*(type == TYPE_GET ? &w.get : &w.set) = fn;
}

struct job *
job_new(size_t size)
{
	struct arena *a = arena_new(0);
	struct job *j = arena_zalloc(a, sizeof(*j));

	j->arena = a;
	j->data = arena_zalloc(a, size);
	return j;
}

void
pool_submit(struct job *j, uint64_t key)
{
	assert_int_equal(key, jid_hash(w.user.jid));
	if (!j->done) { /* last seen */
		arena_free(j->arena);
		return;
	}
	assert_null(w.job);
	w.job = j;
}

enum sql_status
roster_store_put(struct sql *db, int64_t account, const struct roster_row *row, uint64_t version, struct err *e)
{
	(void)db;
	(void)e;
	assert_int_equal(account, 7);
	buf_addf(&w.log, "put %s %u%s%s%s%s v%d\n", row->jid, row->subscription, row->ask ? " ask" : "",
		row->approved ? " approved" : "", row->listed ? " listed" : "", row->request ? " request" : "",
		(int)version);
	return SQL_OK;
}

enum sql_status
roster_store_remove(struct sql *db, int64_t account, const char *jid, uint64_t version, struct err *e)
{
	(void)db;
	(void)e;
	assert_int_equal(account, 7);
	buf_addf(&w.log, "remove %s v%d\n", jid, (int)version);
	return SQL_OK;
}

enum sql_status
roster_store_removed(struct sql *db, struct arena *a, int64_t account, uint64_t since, const char *const **jids,
	size_t *n, struct err *e)
{
	(void)db;
	(void)a;
	(void)e;
	assert_int_equal(account, 7);
	buf_addf(&w.log, "removed since %d\n", (int)since);
	*jids = w.removed;
	*n = w.nremoved;
	return SQL_OK;
}

enum sql_status
account_set_last_seen(struct sql *db, int64_t id, int64_t at_us, const char *status, struct err *e)
{
	(void)db;
	(void)id;
	(void)at_us;
	(void)status;
	(void)e;
	return SQL_OK;
}

/* The stage */

#define GROUPS(...) ((const char *const[]){ __VA_ARGS__ })

static int
set_up(void **state)
{
	static const struct roster_row rows[] = {
		{ .jid = "both@x.example", .subscription = SUB_BOTH, .listed = true, .version = 1 },
		{ .jid = "to@x.example", .subscription = SUB_TO, .listed = true, .version = 2 },
		{ .jid = "from@x.example", .subscription = SUB_FROM, .listed = true, .version = 3 },
		{ .jid = "none@x.example", .listed = true, .version = 4 },
		{ .jid = "asked@x.example", .version = 4,
			.request = "<presence type='subscribe' from='asked@x.example' to='romeo@x.example'>"
				   "<status>hi</status></presence>" },
	};
	struct roster_rows all = { .version = 5, .rows = (struct roster_row *)rows, .n = 5 };

	(void)state;
	memset(&w, 0, sizeof(w));
	w.scratch = arena_new(0);
	w.config.limits = limits_default;
	w.user.jid = jid_parse_z("romeo@x.example");
	w.user.state = USER_READY;
	w.user.account = 7;
	list_init(&w.user.sessions);
	list_init(&w.inbox);
	w.user.roster = roster_new(&all);
	roster_start();
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	assert_null(w.job);
	assert_null(w.timer);
	assert_int_equal(w.lane_holds, 0);
	assert_int_equal(w.user.holds, 0);
	assert_true(list_is_empty(&w.inbox));
	roster_free(w.user.roster);
	free(w.user.last_status);
	jid_unref(w.user.jid);
	buf_fini(&w.log);
	arena_free(w.scratch);
	return 0;
}

static struct session *
bind_session(const char *resource, bool interested)
{
	struct session *s = NEW(struct session);

	s->user = &w.user;
	s->jid = jid_with_resource(w.user.jid, resource);
	s->lane = mem_zalloc(sizeof(struct lane));
	s->interested = interested;
	list_init(&s->directed);
	list_append(&w.user.sessions, &s->of_user);
	w.user.nsessions++;
	return s;
}

static void
unbind_session(struct session *s)
{
	if (!s->closing)
		end_session(s);
	jid_unref(s->jid);
	free(s->lane);
	free(s);
}

static struct packet *
packet_from(const char *xml)
{
	struct parser_limits l = home_parser_limits();
	struct stanza *st = parser_one(xml, strlen(xml), NS_CLIENT, &l);
	struct jid *from, *to = NULL;
	struct packet *p;

	assert_non_null(st);
	st->size = (uint32_t)strlen(xml);
	from = jid_parse_z(elem_get(st->root, "from"));
	if (elem_get(st->root, "to"))
		to = jid_parse_z(elem_get(st->root, "to"));
	p = packet_new(st, from, to);
	jid_unref(from);
	jid_unref(to);
	return p;
}

/* What has happened since the last time, with random ids blanked; compared whole. */
static void
expect_log(const char *want)
{
	const char *s = buf_str(&w.log);
	struct buf got = { 0 };

	while (*s) {
		if (!strncmp(s, "id='", 4) && strspn(s + 4, "0123456789abcdef") == 16) {
			buf_adds(&got, "id='?'");
			s += 4 + 16 + 1;
		} else {
			buf_addc(&got, *s++);
		}
	}
	assert_string_equal(buf_str(&got), want);
	buf_fini(&got);
	buf_clear(&w.log);
}

/* The job that waits: its work is done unless it is to end otherwise. */
static void
run_job(enum job_status status)
{
	struct job *j = w.job;

	assert_non_null(j);
	w.job = NULL;
	j->status = status;
	if (status == JOB_OK)
		assert_int_equal(j->work(j, NULL), SQL_OK);
	j->done(j);
	arena_free(j->arena);
}

static enum xerror
call_iq(struct session *s, const char *xml)
{
	struct packet *p = packet_from(xml);
	struct iq_call c = { .p = p, .session = s, .user = &w.user, .payload = elem_first(p->st->root) };
	enum xerror x = p->type == TYPE_GET ? w.get(&c) : w.set(&c);

	packet_unref(p);
	return x;
}

#define ROSTER_SET(item) \
	"<iq type='set' id='i1' from='romeo@x.example/a'><query xmlns='jabber:iq:roster'>" item "</query></iq>"
#define ROSTER_GET(ver) \
	"<iq type='get' id='i1' from='romeo@x.example/a'><query xmlns='jabber:iq:roster'" ver "/></iq>"
#define RESULT "a> <iq type='result' id='i1' to='romeo@x.example/a'/>\n"
#define PUSH(who, ver, item) \
	who "> <iq id='?' type='set' to='romeo@x.example/" who "'><query xmlns='jabber:iq:roster' ver='7-" ver "'>" \
	item "</query></iq>\n"

static void
inbound(const char *xml)
{
	struct packet *p = packet_from(xml);

	roster_inbound(&w.user, p);
	packet_unref(p);
}

/* Roster sets */

static void
set_is_written_then_told(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", true), *c = bind_session("c", false);

	(void)state;
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='New@x.example' name='N &amp; n' subscription='both' "
		"ask='subscribe' approved='true'><group>G</group></item>")), XERROR_NONE);
	assert_int_equal(w.lane_holds, 1);
	assert_int_equal(w.user.holds, 1);
	expect_log("");
	run_job(JOB_OK);
	/* §2.1.2.5, §2.1.2.2: what the client said of its subscription is not believed. */
	expect_log("put new@x.example 0 listed v6\n" RESULT
		PUSH("a", "6", "<item jid='new@x.example' name='N &amp; n' subscription='none'><group>G</group></item>")
		PUSH("b", "6", "<item jid='new@x.example' name='N &amp; n' subscription='none'><group>G</group></item>"));
	assert_int_equal(w.lane_holds, 0);
	unbind_session(a);
	unbind_session(b);
	unbind_session(c);
}

static void
set_keeps_the_state(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='both@x.example' name='B'/>")), XERROR_NONE);
	run_job(JOB_OK);
	expect_log("put both@x.example 3 listed v6\n" RESULT
		PUSH("a", "6", "<item jid='both@x.example' name='B' subscription='both'/>"));
	/* A request that waits is listed like anybody when the user adds its sender. */
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='asked@x.example'/>")), XERROR_NONE);
	run_job(JOB_OK);
	expect_log("put asked@x.example 0 listed request v7\n" RESULT
		PUSH("a", "7", "<item jid='asked@x.example' subscription='none'/>"));
	unbind_session(a);
}

static void
bad_sets_are_refused(void **state)
{
	static const struct {
		const char *xml;
		enum xerror want;
	} cases[] = {
		{ ROSTER_SET(""), XERROR_BAD_REQUEST },
		{ ROSTER_SET("<item jid='a@x.example'/><item jid='b@x.example'/>"), XERROR_BAD_REQUEST },
		{ ROSTER_SET("<item/>"), XERROR_BAD_REQUEST },
		{ ROSTER_SET("<item jid='@x.example'/>"), XERROR_JID_MALFORMED },
		{ ROSTER_SET("<item jid='romeo@x.example'/>"), XERROR_NOT_ALLOWED },
		{ ROSTER_SET("<item jid='a@x.example'><group/></item>"), XERROR_NOT_ACCEPTABLE },
		{ ROSTER_SET("<item jid='a@x.example'><group>g</group><group>g</group></item>"), XERROR_BAD_REQUEST },
		{ ROSTER_SET("<item jid='a@x.example' name='12345678901'/>"), XERROR_NOT_ACCEPTABLE },
		{ ROSTER_SET("<item jid='a@x.example'><group>12345678901</group></item>"), XERROR_NOT_ACCEPTABLE },
		{ ROSTER_SET("<item jid='a@x.example'><group>1</group><group>2</group><group>3</group></item>"),
			XERROR_NOT_ACCEPTABLE },
		{ "<iq type='set' id='i' from='tybalt@x.example/a'><query xmlns='jabber:iq:roster'>"
		  "<item jid='a@x.example'/></query></iq>", XERROR_FORBIDDEN },
		{ "<iq type='get' id='i' from='tybalt@x.example/a'><query xmlns='jabber:iq:roster'/></iq>",
			XERROR_FORBIDDEN },
	};
	struct session *a = bind_session("a", true);

	(void)state;
	w.config.limits.roster_name_bytes = 10;
	w.config.limits.roster_groups = 2;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(call_iq(a, cases[i].xml), cases[i].want);
	expect_log("");
	unbind_session(a);
}

static void
rosters_are_bounded(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	w.config.limits.roster_items = 4;
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='new@x.example'/>")), XERROR_NONE);
	assert_null(w.job);
	assert_non_null(strstr(buf_str(&w.log), "<resource-constraint"));
	buf_clear(&w.log);
	/* What is there may still be changed. */
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='to@x.example' name='T'/>")), XERROR_NONE);
	run_job(JOB_OK);
	buf_clear(&w.log);
	w.config.limits.output_bytes = 600;
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='to@x.example' name='longer than before'/>")), XERROR_NONE);
	assert_null(w.job);
	assert_non_null(strstr(buf_str(&w.log), "<resource-constraint"));
	unbind_session(a);
}

/* §2.5.2 */
static void
removal_unsubscribes(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	buf_clear(&w.log);
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='both@x.example' subscription='remove'/>")), XERROR_NONE);
	run_job(JOB_OK);
	expect_log("remove both@x.example v6\n" RESULT
		PUSH("a", "6", "<item jid='both@x.example' subscription='remove'/>")
		"*> <presence from='romeo@x.example/a' to='both@x.example' type='unavailable'/>\n"
		"*> <presence from='romeo@x.example' to='both@x.example' type='unsubscribe'/>\n"
		"*> <presence from='romeo@x.example' to='both@x.example' type='unsubscribed'/>\n");
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='none@x.example' subscription='remove'/>")), XERROR_NONE);
	run_job(JOB_OK);
	expect_log("remove none@x.example v7\n" RESULT
		PUSH("a", "7", "<item jid='none@x.example' subscription='remove'/>"));
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='none@x.example' subscription='remove'/>")), XERROR_NONE);
	assert_non_null(strstr(buf_str(&w.log), "<item-not-found"));
	buf_clear(&w.log);
	/* A request that waits is not in the roster. */
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='asked@x.example' subscription='remove'/>")), XERROR_NONE);
	assert_non_null(strstr(buf_str(&w.log), "<item-not-found"));
	unbind_session(a);
}

static void
failed_writes_are_told(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='new@x.example'/>")), XERROR_NONE);
	run_job(JOB_UNAVAILABLE);
	assert_non_null(strstr(buf_str(&w.log), "<resource-constraint"));
	assert_non_null(strstr(buf_str(&w.log), "type='wait'"));
	assert_int_equal(w.reloads, 1);
	buf_clear(&w.log);
	roster_outbound(a, packet_from("<presence type='subscribe' from='romeo@x.example' to='new@x.example'/>"));
	run_job(JOB_FAILED);
	assert_int_equal(strncmp(buf_str(&w.log), "a> <presence", 12), 0);
	assert_non_null(strstr(buf_str(&w.log), "<internal-server-error"));
	assert_int_equal(w.reloads, 2);
	buf_clear(&w.log);
	inbound("<presence type='subscribe' from='new@x.example' to='romeo@x.example'/>");
	run_job(JOB_UNAVAILABLE);
	assert_int_equal(strncmp(buf_str(&w.log), "*> <presence", 12), 0);
	assert_non_null(strstr(buf_str(&w.log), "to='new@x.example'"));
	assert_int_equal(w.reloads, 3);
	unbind_session(a);
}

/* The session, and then the account, end while the job is out. */
static void
ends_meanwhile(void **state)
{
	struct session *a = bind_session("a", true), *b;
	struct lane *lane = a->lane;

	(void)state;
	roster_outbound(a, packet_from("<presence type='subscribe' from='romeo@x.example' to='new@x.example'/>"));
	a->lane = mem_zalloc(sizeof(struct lane)); /* the held lane stays, the session's goes with it */
	unbind_session(a);
	a = bind_session("a", true);
	run_job(JOB_OK);
	free(lane);
	expect_log("put new@x.example 0 ask listed v6\n"
		"*> <presence type='subscribe' from='romeo@x.example' to='new@x.example'/>\n"
		PUSH("a", "6", "<item jid='new@x.example' subscription='none' ask='subscribe'/>"));
	/* Gone before its stanza even left the lane. */
	roster_outbound(NULL, packet_from("<presence type='unsubscribe' from='romeo@x.example' to='new@x.example'/>"));
	run_job(JOB_OK);
	expect_log("put new@x.example 0 listed v7\n"
		"*> <presence type='unsubscribe' from='romeo@x.example' to='new@x.example'/>\n"
		PUSH("a", "7", "<item jid='new@x.example' subscription='none'/>"));
	b = bind_session("b", true);
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='other@x.example'/>")), XERROR_NONE);
	w.user.account = 8;
	run_job(JOB_OK);
	assert_non_null(strstr(buf_str(&w.log), "<internal-server-error"));
	assert_int_equal(w.reloads, 0);
	w.user.account = 7;
	unbind_session(a);
	unbind_session(b);
}

/* Two changes at once: the second waits for the first and builds on it. */
static void
changes_wait_for_each_other(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", false);

	(void)state;
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='new@x.example'/>")), XERROR_NONE);
	roster_outbound(b, packet_from("<presence type='subscribe' from='romeo@x.example' to='new@x.example/r'/>"));
	assert_int_equal(w.lane_holds, 2);
	run_job(JOB_OK);
	expect_log("put new@x.example 0 listed v6\n" RESULT
		PUSH("a", "6", "<item jid='new@x.example' subscription='none'/>"));
	run_job(JOB_OK);
	expect_log("put new@x.example 0 ask listed v7\n"
		"*> <presence type='subscribe' from='romeo@x.example' to='new@x.example'/>\n"
		PUSH("a", "7", "<item jid='new@x.example' subscription='none' ask='subscribe'/>"));
	unbind_session(a);
	unbind_session(b);
}

/* Roster gets */

static void
gets_by_version(void **state)
{
	struct session *a = bind_session("a", false);

	(void)state;
	assert_int_equal(call_iq(a, ROSTER_GET("")), XERROR_NONE);
	assert_true(a->interested);
	expect_log("a> <iq type='result' id='i1' to='romeo@x.example/a'><query xmlns='jabber:iq:roster'>"
		"<item jid='both@x.example' subscription='both'/><item jid='to@x.example' subscription='to'/>"
		"<item jid='from@x.example' subscription='from'/><item jid='none@x.example' subscription='none'/>"
		"</query></iq>\n");
	assert_int_equal(call_iq(a, ROSTER_GET(" ver=''")), XERROR_NONE);
	assert_non_null(strstr(buf_str(&w.log), "<query xmlns='jabber:iq:roster' ver='7-5'><item"));
	buf_clear(&w.log);
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='7-5'")), XERROR_NONE);
	expect_log(RESULT);
	/* Of another account, from the future, nonsense: everything. */
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='6-5'")), XERROR_NONE);
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='7-6'")), XERROR_NONE);
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='-'")), XERROR_NONE);
	assert_null(w.job);
	unbind_session(a);
}

static void
gets_what_changed(void **state)
{
	struct session *a = bind_session("a", false);

	(void)state;
	/* The row that waits unlisted (version 4) may hide a removal: everything. */
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='7-3'")), XERROR_NONE);
	run_job(JOB_OK);
	assert_non_null(strstr(buf_str(&w.log), "ver='7-5'><item jid='both@x.example'"));
	buf_clear(&w.log);
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='to@x.example' name='T'/>")), XERROR_NONE);
	run_job(JOB_OK);
	assert_int_equal(call_iq(a, ROSTER_SET("<item jid='both@x.example' name='B'/>")), XERROR_NONE);
	run_job(JOB_OK);
	buf_clear(&w.log);
	w.removed = GROUPS("gone@x.example", "none@x.example");
	w.nremoved = 2;
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='7-4'")), XERROR_NONE);
	assert_non_null(w.timer);
	run_job(JOB_OK);
	expect_log("removed since 4\n" RESULT PUSH("a", "4", "<item jid='gone@x.example' subscription='remove'/>")
		PUSH("a", "6", "<item jid='to@x.example' name='T' subscription='to'/>")
		PUSH("a", "7", "<item jid='both@x.example' name='B' subscription='both'/>"));
	unbind_session(a);
}

/* The database hangs: the whole roster comes at once, and its late answer is not wanted. */
static void
gets_without_database(void **state)
{
	struct session *a = bind_session("a", false);
	struct timer *t;

	(void)state;
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='7-4'")), XERROR_NONE);
	t = w.timer;
	w.timer = NULL;
	t->fn(t);
	assert_non_null(strstr(buf_str(&w.log), "ver='7-5'><item jid='both@x.example'"));
	buf_clear(&w.log);
	run_job(JOB_OK);
	expect_log("removed since 4\n");
	assert_int_equal(call_iq(a, ROSTER_GET(" ver='7-4'")), XERROR_NONE);
	unbind_session(a);
	run_job(JOB_OK);
	expect_log("removed since 4\n");
}

/* Subscriptions */

static void
subscribe_and_be_approved(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	roster_outbound(a, packet_from("<presence type='subscribe' id='s' from='romeo@x.example' to='none@x.example'>"
		"<nick xmlns='http://jabber.org/protocol/nick'>R</nick></presence>"));
	run_job(JOB_OK);
	expect_log("put none@x.example 0 ask listed v6\n"
		"*> <presence type='subscribe' id='s' from='romeo@x.example' to='none@x.example'>"
		"<nick xmlns='http://jabber.org/protocol/nick'>R</nick></presence>\n"
		PUSH("a", "6", "<item jid='none@x.example' subscription='none' ask='subscribe'/>"));
	inbound("<presence type='subscribed' from='none@x.example' to='romeo@x.example'/>");
	run_job(JOB_OK);
	/* §3.1.6: the stanza first, then the push. */
	expect_log("put none@x.example 1 listed v7\n"
		"a> <presence type='subscribed' from='none@x.example' to='romeo@x.example'/>\n"
		PUSH("a", "7", "<item jid='none@x.example' subscription='to'/>"));
	/* Again, or from anybody who was not asked: nothing. */
	inbound("<presence type='subscribed' from='none@x.example' to='romeo@x.example'/>");
	inbound("<presence type='subscribed' from='stranger@x.example' to='romeo@x.example'/>");
	inbound("<presence type='unsubscribed' from='stranger@x.example' to='romeo@x.example'/>");
	inbound("<presence type='unsubscribe' from='stranger@x.example' to='romeo@x.example'/>");
	assert_null(w.job);
	expect_log("");
	unbind_session(a);
}

static void
requests_wait(void **state)
{
	struct session *a = bind_session("a", true), *b;

	(void)state;
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	buf_clear(&w.log);
	inbound("<presence type='subscribe' from='new@x.example' to='romeo@x.example'><status>?</status></presence>");
	run_job(JOB_OK);
	/* Stored, delivered, not in the roster (§3.1.3). */
	expect_log("put new@x.example 0 request v6\n"
		"a> <presence type='subscribe' from='new@x.example' to='romeo@x.example'><status>?</status></presence>\n");
	inbound("<presence type='subscribe' from='new@x.example' to='romeo@x.example'/>");
	assert_null(w.job);
	expect_log("");
	b = bind_session("b", true);
	roster_send_requests(&w.user, b);
	expect_log("b> <presence type='subscribe' from='asked@x.example' to='romeo@x.example'><status>hi</status></presence>\n"
		"b> <presence type='subscribe' from='new@x.example' to='romeo@x.example'><status>?</status></presence>\n");
	roster_outbound(b, packet_from("<presence type='subscribed' from='romeo@x.example' to='new@x.example'/>"));
	run_job(JOB_OK);
	expect_log("put new@x.example 2 listed v7\n"
		"*> <presence type='subscribed' from='romeo@x.example' to='new@x.example'/>\n"
		PUSH("a", "7", "<item jid='new@x.example' subscription='from'/>")
		PUSH("b", "7", "<item jid='new@x.example' subscription='from'/>")
		"*> <presence from='romeo@x.example/a' to='new@x.example'/>\n");
	/* Declining leaves nothing behind. */
	roster_outbound(b, packet_from("<presence type='unsubscribed' from='romeo@x.example' to='asked@x.example'/>"));
	run_job(JOB_OK);
	expect_log("remove asked@x.example v8\n"
		"*> <presence type='unsubscribed' from='romeo@x.example' to='asked@x.example'/>\n");
	roster_send_requests(&w.user, b);
	expect_log("");
	unbind_session(a);
	unbind_session(b);
}

static void
requests_are_bounded(void **state)
{
	(void)state;
	w.config.limits.subscription_requests = 1;
	inbound("<presence type='subscribe' from='new@x.example' to='romeo@x.example'/>");
	assert_non_null(strstr(buf_str(&w.log), "<resource-constraint"));
	buf_clear(&w.log);
	w.config.limits.presence_bytes = 20;
	inbound("<presence type='subscribe' from='new@x.example' to='romeo@x.example'/>");
	assert_non_null(strstr(buf_str(&w.log), "<policy-violation"));
	assert_null(w.job);
}

static void
subscribed_is_granted_again(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	inbound("<presence type='subscribe' from='from@x.example' to='romeo@x.example'/>");
	assert_null(w.job);
	expect_log("*> <presence from='romeo@x.example' to='from@x.example' type='subscribed'/>\n");
	unbind_session(a);
}

/* §3.4 */
static void
preapproval(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	roster_outbound(a, packet_from("<presence type='subscribed' from='romeo@x.example' to='new@x.example'/>"));
	run_job(JOB_OK);
	expect_log("put new@x.example 0 approved listed v6\n"
		PUSH("a", "6", "<item jid='new@x.example' subscription='none' approved='true'/>"));
	inbound("<presence type='subscribe' from='new@x.example' to='romeo@x.example'/>");
	run_job(JOB_OK);
	expect_log("put new@x.example 2 listed v7\n" PUSH("a", "7", "<item jid='new@x.example' subscription='from'/>")
		"*> <presence from='romeo@x.example' to='new@x.example' type='subscribed'/>\n");
	unbind_session(a);
}

/* §3.2, §3.3: presence ends where the subscription does. */
static void
cancelling(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	buf_clear(&w.log);
	roster_outbound(a, packet_from("<presence type='unsubscribed' from='romeo@x.example' to='both@x.example'/>"));
	run_job(JOB_OK);
	expect_log("put both@x.example 1 listed v6\n"
		"*> <presence type='unsubscribed' from='romeo@x.example' to='both@x.example'/>\n"
		PUSH("a", "6", "<item jid='both@x.example' subscription='to'/>")
		"*> <presence from='romeo@x.example/a' to='both@x.example' type='unavailable'/>\n");
	inbound("<presence type='unsubscribe' from='from@x.example' to='romeo@x.example'/>");
	run_job(JOB_OK);
	expect_log("put from@x.example 0 listed v7\n"
		"a> <presence type='unsubscribe' from='from@x.example' to='romeo@x.example'/>\n"
		PUSH("a", "7", "<item jid='from@x.example' subscription='none'/>")
		"*> <presence from='romeo@x.example/a' to='from@x.example' type='unavailable'/>\n");
	/* Without a change it is routed all the same (A.2.2). */
	roster_outbound(a, packet_from("<presence type='unsubscribe' from='romeo@x.example' to='none@x.example'/>"));
	assert_null(w.job);
	expect_log("*> <presence type='unsubscribe' from='romeo@x.example' to='none@x.example'/>\n");
	unbind_session(a);
}

static void
outbound_refusals(void **state)
{
	struct session *a = bind_session("a", true);

	(void)state;
	roster_outbound(a, packet_from("<presence type='subscribe' from='romeo@x.example' to='romeo@x.example'/>"));
	assert_non_null(strstr(buf_str(&w.log), "<not-allowed"));
	buf_clear(&w.log);
	w.config.limits.presence_bytes = 10;
	roster_outbound(a, packet_from("<presence type='subscribe' from='romeo@x.example' to='new@x.example'/>"));
	assert_non_null(strstr(buf_str(&w.log), "<policy-violation"));
	assert_null(w.job);
	unbind_session(a);
}

static void
removed_accounts_say_goodbye(void **state)
{
	(void)state;
	roster_account_removed(&w.user);
	expect_log("*> <presence from='romeo@x.example' to='both@x.example' type='unsubscribe'/>\n"
		"*> <presence from='romeo@x.example' to='both@x.example' type='unsubscribed'/>\n"
		"*> <presence from='romeo@x.example' to='to@x.example' type='unsubscribe'/>\n"
		"*> <presence from='romeo@x.example' to='from@x.example' type='unsubscribed'/>\n"
		"*> <presence from='romeo@x.example' to='asked@x.example' type='unsubscribed'/>\n");
}

/* Presence */

static void
initial_presence(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", true), *c = bind_session("c", true);

	(void)state;
	presence_broadcast(b, packet_from("<presence from='romeo@x.example/b'><priority>-1</priority></presence>"));
	buf_clear(&w.log);
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'><show>away</show></presence>"));
	expect_log("a> <presence from='romeo@x.example/a' to='romeo@x.example'><show>away</show></presence>\n"
		"b> <presence from='romeo@x.example/a' to='romeo@x.example'><show>away</show></presence>\n"
		"*> <presence from='romeo@x.example/a' to='both@x.example'><show>away</show></presence>\n"
		"*> <presence from='romeo@x.example/a' to='from@x.example'><show>away</show></presence>\n"
		"*> <presence from='romeo@x.example/a' type='probe' to='both@x.example'/>\n"
		"*> <presence from='romeo@x.example/a' type='probe' to='to@x.example'/>\n"
		"a> <presence from='romeo@x.example/b' to='romeo@x.example/a'><priority>-1</priority></presence>\n"
		"a> <presence type='subscribe' from='asked@x.example' to='romeo@x.example'><status>hi</status></presence>\n"
		"a: catch up\n");
	/* An update: no probes, no requests again. */
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	expect_log("a> <presence from='romeo@x.example/a' to='romeo@x.example'/>\n"
		"b> <presence from='romeo@x.example/a' to='romeo@x.example'/>\n"
		"*> <presence from='romeo@x.example/a' to='both@x.example'/>\n"
		"*> <presence from='romeo@x.example/a' to='from@x.example'/>\n");
	presence_broadcast(b, packet_from("<presence from='romeo@x.example/b'><priority> +0 </priority></presence>"));
	assert_non_null(strstr(buf_str(&w.log), "b: catch up"));
	unbind_session(a);
	unbind_session(b);
	unbind_session(c);
}

static void
going_unavailable(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", true);

	(void)state;
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	presence_directed(a, packet_from("<presence from='romeo@x.example/a' to='stranger@x.example/s'/>"));
	presence_directed(a, packet_from("<presence from='romeo@x.example/a' to='other@x.example'/>"));
	presence_directed(a, packet_from("<presence from='romeo@x.example/a' to='both@x.example/r'/>"));
	presence_directed(a, packet_from("<presence from='romeo@x.example/a' to='stranger@x.example/s'/>"));
	presence_directed(a, packet_from("<presence type='unavailable' from='romeo@x.example/a' to='other@x.example'/>"));
	assert_int_equal(a->ndirected, 2);
	buf_clear(&w.log);
	presence_broadcast(a, packet_from("<presence type='unavailable' from='romeo@x.example/a'>"
		"<status>bye</status></presence>"));
	expect_log("a> <presence type='unavailable' from='romeo@x.example/a' to='romeo@x.example'><status>bye</status></presence>\n"
		"*> <presence type='unavailable' from='romeo@x.example/a' to='both@x.example'><status>bye</status></presence>\n"
		"*> <presence type='unavailable' from='romeo@x.example/a' to='from@x.example'><status>bye</status></presence>\n"
		"*> <presence type='unavailable' from='romeo@x.example/a' to='stranger@x.example/s'><status>bye</status></presence>\n");
	assert_string_equal(w.user.last_status, "bye");
	assert_false(session_is_available(a));
	/* Not available, so nobody hears of it again; who is told directly does. */
	presence_broadcast(a, packet_from("<presence type='unavailable' from='romeo@x.example/a'/>"));
	expect_log("");
	presence_directed(b, packet_from("<presence from='romeo@x.example/b' to='both@x.example'/>"));
	expect_log("*> <presence from='romeo@x.example/b' to='both@x.example'/>\n");
	unbind_session(b);
	expect_log("*> <presence from='romeo@x.example/b' type='unavailable' to='both@x.example'/>\n");
	unbind_session(a);
	expect_log("");
}

static void
sessions_that_end(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", true);

	(void)state;
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	presence_broadcast(b, packet_from("<presence from='romeo@x.example/b'/>"));
	buf_clear(&w.log);
	unbind_session(a);
	expect_log("b> <presence from='romeo@x.example/a' type='unavailable' to='romeo@x.example'/>\n"
		"*> <presence from='romeo@x.example/a' type='unavailable' to='both@x.example'/>\n"
		"*> <presence from='romeo@x.example/a' type='unavailable' to='from@x.example'/>\n");
	unbind_session(b);
}

/* What a session is sent may end it, and its end the next one, in the middle of a walk over them all. */
static void
sessions_that_end_each_other(void **state)
{
	struct session *s[4];

	(void)state;
	for (int i = 0; i < 4; i++) {
		s[i] = bind_session((const char *[]){ "a", "b", "c", "d" }[i], true);
		presence_broadcast(s[i], packet_from((const char *[]){ "<presence from='romeo@x.example/a'/>",
			"<presence from='romeo@x.example/b'/>", "<presence from='romeo@x.example/c'/>",
			"<presence from='romeo@x.example/d'/>" }[i]));
	}
	buf_clear(&w.log);
	w.slow = true;
	presence_broadcast(s[0], packet_from("<presence from='romeo@x.example/a'><show>dnd</show></presence>"));
	assert_true(list_is_empty(&w.user.sessions));
	/* Contacts heard that it is gone, and nothing that it is there after that. */
	assert_non_null(strstr(buf_str(&w.log), "from='romeo@x.example/a' type='unavailable' to='both@x.example'/>"));
	assert_null(strstr(buf_str(&w.log), "to='both@x.example'><show>dnd"));
	for (int i = 0; i < 4; i++) {
		assert_false(session_is_available(s[i]));
		unbind_session(s[i]);
	}
	/* The same by a push. */
	w.slow = false;
	s[0] = bind_session("a", true);
	s[1] = bind_session("b", true);
	assert_int_equal(call_iq(s[1], ROSTER_SET("<item jid='new@x.example'/>")), XERROR_NONE);
	w.slow = true;
	run_job(JOB_OK);
	assert_true(s[0]->closing && s[1]->closing);
	unbind_session(s[0]);
	unbind_session(s[1]);
}

static void
presence_refusals(void **state)
{
	static const struct {
		const char *xml, *error;
	} cases[] = {
		{ "<presence from='romeo@x.example/a'><priority>128</priority></presence>", "<bad-request" },
		{ "<presence from='romeo@x.example/a'><priority>-129</priority></presence>", "<bad-request" },
		{ "<presence from='romeo@x.example/a'><priority/></presence>", "<bad-request" },
		{ "<presence from='romeo@x.example/a'><priority>1 2</priority></presence>", "<bad-request" },
		{ "<presence from='romeo@x.example/a'><priority>+-2</priority></presence>", "<bad-request" },
		{ "<presence from='romeo@x.example/a'><priority>1</priority><priority>1</priority></presence>",
			"<bad-request" },
		{ "<presence from='romeo@x.example/a' type='probe'/>", "<bad-request" },
		{ "<presence from='romeo@x.example/a'><status>0123456789012345678901234567890123456789012345678901234567"
		  "890123456789012345678901234567890123456789</status></presence>", "<policy-violation" },
	};
	struct session *a = bind_session("a", true);

	(void)state;
	w.config.limits.presence_bytes = 120;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		presence_broadcast(a, packet_from(cases[i].xml));
		assert_int_equal(strncmp(buf_str(&w.log), "a> <presence type='error'", 12), 0);
		assert_non_null(strstr(buf_str(&w.log), cases[i].error));
		assert_null(strstr(buf_str(&w.log), "*>"));
		assert_false(session_is_available(a));
		buf_clear(&w.log);
	}
	w.config.limits.directed_presence = 1;
	presence_directed(a, packet_from("<presence from='romeo@x.example/a' to='x@x.example'/>"));
	buf_clear(&w.log);
	presence_directed(a, packet_from("<presence from='romeo@x.example/a' to='y@x.example'/>"));
	assert_non_null(strstr(buf_str(&w.log), "<resource-constraint"));
	assert_null(strstr(buf_str(&w.log), "*>"));
	unbind_session(a);
}

static void
arrive(const char *xml)
{
	struct packet *p = packet_from(xml);

	presence_inbound(&w.user, p);
	packet_unref(p);
}

/* §8.5.2.1.2, §8.5.3.1 */
static void
presence_arrives(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", true);

	(void)state;
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'><priority>-5</priority></presence>"));
	buf_clear(&w.log);
	arrive("<presence from='to@x.example/t' to='romeo@x.example'/>");
	expect_log("a> <presence from='to@x.example/t' to='romeo@x.example'/>\n");
	arrive("<presence from='to@x.example/t' to='romeo@x.example/b'/>");
	expect_log("b> <presence from='to@x.example/t' to='romeo@x.example/b'/>\n");
	arrive("<presence type='unavailable' from='to@x.example/t' to='romeo@x.example/gone'/>");
	expect_log("");
	arrive("<presence type='error' from='to@x.example' to='romeo@x.example'/>");
	expect_log("a> <presence type='error' from='to@x.example' to='romeo@x.example'/>\n"
		"b> <presence type='error' from='to@x.example' to='romeo@x.example'/>\n");
	unbind_session(a);
	unbind_session(b);
}

/* §4.3.2 */
static void
probes_are_answered(void **state)
{
	struct session *a = bind_session("a", true), *b = bind_session("b", true);

	(void)state;
	arrive("<presence type='probe' from='from@x.example/f' to='romeo@x.example'/>");
	expect_log("");
	/* Who gives it an id waits for an answer. */
	arrive("<presence type='probe' id='p' from='from@x.example/f' to='romeo@x.example'/>");
	expect_log("*> <presence from='romeo@x.example' type='unavailable' to='from@x.example/f'/>\n");
	arrive("<presence type='probe' id='p' from='to@x.example/f' to='romeo@x.example'/>");
	expect_log("*> <presence from='romeo@x.example' to='to@x.example' type='unsubscribed'/>\n");
	presence_broadcast(a, packet_from("<presence from='romeo@x.example/a'/>"));
	presence_broadcast(b, packet_from("<presence from='romeo@x.example/b'/>"));
	buf_clear(&w.log);
	arrive("<presence type='probe' from='from@x.example/f' to='romeo@x.example'/>");
	expect_log("*> <presence from='romeo@x.example/a' to='from@x.example/f'/>\n"
		"*> <presence from='romeo@x.example/b' to='from@x.example/f'/>\n");
	arrive("<presence type='probe' from='from@x.example/f' to='romeo@x.example/b'/>");
	expect_log("*> <presence from='romeo@x.example/b' to='from@x.example/f'/>\n");
	arrive("<presence type='probe' from='to@x.example/f' to='romeo@x.example'/>");
	expect_log("*> <presence from='romeo@x.example' to='to@x.example' type='unsubscribed'/>\n");
	arrive("<presence type='probe' from='to@x.example/f' to='romeo@x.example/a'/>");
	/* Its request waits: `unsubscribed` would be the answer to it. */
	arrive("<presence type='probe' from='asked@x.example/f' to='romeo@x.example'/>");
	expect_log("");
	unbind_session(a);
	unbind_session(b);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(set_is_written_then_told),
		TEST(set_keeps_the_state),
		TEST(bad_sets_are_refused),
		TEST(rosters_are_bounded),
		TEST(removal_unsubscribes),
		TEST(failed_writes_are_told),
		TEST(ends_meanwhile),
		TEST(changes_wait_for_each_other),
		TEST(gets_by_version),
		TEST(gets_what_changed),
		TEST(gets_without_database),
		TEST(subscribe_and_be_approved),
		TEST(requests_wait),
		TEST(requests_are_bounded),
		TEST(subscribed_is_granted_again),
		TEST(preapproval),
		TEST(cancelling),
		TEST(outbound_refusals),
		TEST(removed_accounts_say_goodbye),
		TEST(initial_presence),
		TEST(going_unavailable),
		TEST(sessions_that_end),
		TEST(sessions_that_end_each_other),
		TEST(presence_refusals),
		TEST(presence_arrives),
		TEST(probes_are_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
