/*
 * ask: IQs put to the handlers of core and modules, without streams, router and database.
 *
 * Include it in one file of a test program: it stands in for core/router and keeps what would have been sent. Handlers
 * run on a real reactor, as they use its memory. The account asked is `ask_user`, which the test furnishes.
 */
#ifndef TESTS_LIB_ASK_H
#define TESTS_LIB_ASK_H

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "core/module/disco.h"
#include "core/home.h"
#include "core/route/iq.h"
#include "core/module/modules.h"
#include "core/roster/roster.h"
#include "core/route/router.h"
#include "core/session.h"
#include "core/user.h"
#include "net/reactor.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define ASK_SETTINGS "hosts:\n  - domain: capulet.lit\n    certificate: c.pem\n    key: k.pem\ndatabase:\n  conninfo: dbname=x\n"
#define ASK_OWNER "juliet@capulet.lit"

/* The router's place. */

static struct buf ask_sent;    /* what was sent, one after another */
static unsigned ask_sent_n;

void
router_send(struct packet *p)
{
	serialize_stanza(&ask_sent, p->st, NS_CLIENT, NULL);
	ask_sent_n++;
	packet_unref(p);
}

void
router_arrive(struct packet *p)
{
	router_send(p);
}

void
router_reply(struct packet *p)
{
	if (p)
		router_send(p);
}

void
router_refuse(const struct packet *p, enum xerror e, const char *type, const char *text)
{
	router_reply(packet_error(p, e, type, text));
}

void
router_leave_lane(struct session *s, struct packet *p)
{
	(void)s;
	router_send(p);
}

void
router_leave_delegated(struct user *u, struct packet *p)
{
	(void)u;
	router_send(p);
}

void
router_give(struct user *u, struct packet *p)
{
	(void)u;
	(void)p;
}

void
router_tell_given(struct user *u, struct packet *p)
{
	(void)u;
	(void)p;
}

bool
router_is_clogged(const struct user *u)
{
	(void)u;
	return false;
}

void
router_tell_away(struct session *s, const struct packet *p)
{
	(void)s;
	(void)p;
}

bool
router_may_arrive(struct user *u, struct packet *p)
{
	(void)u;
	(void)p;
	return true;
}

bool
router_is_for_us(const struct packet *p)
{
	return p->kind == PACKET_IQ && !p->to;
}

/* Juliet: Romeo may see her presence, she may see Paris's. */

static struct user ask_user;
static struct session ask_session;

static inline void
ask_user_init(void)
{
	struct roster_row rows[] = {
		{ .jid = "romeo@montague.lit", .subscription = SUB_FROM, .listed = true, .version = 1 },
		{ .jid = "paris@capulet.lit", .subscription = SUB_TO, .listed = true, .version = 1 },
	};
	struct roster_rows all = { .version = 1, .rows = rows, .n = 2 };

	memset(&ask_user, 0, sizeof(ask_user));
	memset(&ask_session, 0, sizeof(ask_session));
	ask_user.jid = jid_parse_z(ASK_OWNER);
	ask_user.state = USER_READY;
	ask_user.roster = roster_new(&all);
	list_init(&ask_user.sessions);
	list_init(&ask_user.idle);
	ask_session.user = &ask_user;
	ask_session.jid = jid_parse_z(ASK_OWNER "/balcony");
}

static inline void
ask_user_arrives(void)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence");

	list_append(&ask_user.sessions, &ask_session.of_user);
	ask_user.nsessions = 1;
	ask_session.presence = packet_new(st, ask_session.jid, NULL);
}

static inline void
ask_user_leaves(void)
{
	if (!ask_user.nsessions)
		return;
	list_remove(&ask_session.of_user);
	ask_user.nsessions = 0;
	packet_unref(ask_session.presence);
	ask_session.presence = NULL;
}

static inline void
ask_user_fini(void)
{
	ask_user_leaves();
	roster_free(ask_user.roster);
	jid_unref(ask_user.jid);
	jid_unref(ask_session.jid);
}

/* Start and stop */

static inline void
ask_settings(const char *more)
{
	struct err e = { 0 };
	char *text = mem_alloc(strlen(ASK_SETTINGS) + strlen(more) + 1);
	struct config *c;

	strcpy(text, ASK_SETTINGS);
	strcat(text, more);
	c = config_parse("c.yaml", text, strlen(text), &e);
	if (!c)
		fail_msg("%s", e.text);
	config_set(c);
	free(text);
}

/* `defs` NULL: the server's own modules, and disco. */
static inline void
ask_start(const struct module_def *const *defs)
{
	ask_settings("");
	assert_int_equal(defs ? modules_start_table(defs) : modules_start(), 0);
	disco_start();
	assert_int_equal(reactor_start_all(1), 0);
	home_start_all();
	ask_user_init();
}

static inline void
ask_stop(void)
{
	ask_user_fini();
	home_stop_all();
	reactor_stop_all();
	disco_stop();
	modules_stop();
	iq_forget_all();
	config_set(NULL);
	buf_fini(&ask_sent);
}

/* Asking */

struct ask {
	const char *from, *to; /* to NULL: none */
	const char *type;
	const char *payload;
	bool nobody; /* the account does not exist */
	sem_t done;
};

static inline struct packet *
ask_packet(const struct ask *a)
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct buf xml = { 0 };
	struct jid *from = jid_parse_z(a->from), *to = a->to ? jid_parse_z(a->to) : NULL;
	struct stanza *st;
	struct packet *p;

	buf_addf(&xml, "<iq id='1' type='%s' from='%s'", a->type, a->from);
	if (a->to)
		buf_addf(&xml, " to='%s'", a->to);
	buf_addf(&xml, ">%s</iq>", a->payload);
	st = parser_one(buf_str(&xml), buf_len(&xml), NS_CLIENT, &l);
	assert_non_null(st);
	p = packet_new(st, from, to);
	jid_unref(from);
	jid_unref(to);
	buf_fini(&xml);
	return p;
}

static inline void
ask_here(void *arg)
{
	struct ask *a = arg;
	struct packet *p = ask_packet(a);
	bool server = p->to && jid_is_domain(p->to);
	struct user nobody = { .jid = ask_user.jid, .state = USER_ABSENT };

	list_init(&nobody.sessions);
	iq_dispatch(p, NULL, server ? NULL : a->nobody ? &nobody : &ask_user);
	packet_unref(p);
	sem_post(&a->done);
}

static inline const char *
ask_with(struct ask a)
{
	buf_clear(&ask_sent);
	ask_sent_n = 0;
	sem_init(&a.done, 0, 0);
	reactor_call(reactor_at(0), ask_here, &a);
	sem_wait(&a.done);
	sem_destroy(&a.done);
	assert_int_equal(ask_sent_n, 1);
	return buf_str(&ask_sent);
}

/* The answer to an IQ get, as it would be written. */
static inline const char *
ask(const char *from, const char *to, const char *payload)
{
	return ask_with((struct ask){ .from = from, .to = to, .type = "get", .payload = payload });
}

/* The same from somebody who asks an account that does not exist. */
static inline const char *
ask_nobody(const char *from, const char *payload)
{
	return ask_with((struct ask){ .from = from, .to = ASK_OWNER, .type = "get", .payload = payload, .nobody = true });
}

static inline void
assert_has(const char *answer, const char *what)
{
	if (!strstr(answer, what))
		fail_msg("%s\nhas no %s", answer, what);
}

static inline void
assert_lacks(const char *answer, const char *what)
{
	if (strstr(answer, what))
		fail_msg("%s\nhas %s", answer, what);
}

#endif
