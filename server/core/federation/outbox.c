/*
 * outbox: store/outgoing.h from the reactors' side. The state is written back by home 0, now and then; what was returned is
 * written by the home that returned it, as often as it takes.
 */
#include "core/federation/outbox.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/config/config.h"
#include "core/federation/federation.h"
#include "core/home.h"
#include "core/route/router.h"
#include "net/reactor.h"
#include "store/outgoing.h"
#include "store/pool.h"
#include "store/record.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define WRITE_MS 250   /* between two writings of the state: what was taken meanwhile may be sent twice after a crash */
#define WRITE_LONG_MS 1000 /* the same when much is on its way, as that is written each time */
#define MUCH 1000
#define AGAIN_MS 5000  /* the archive did not take a RETURNED record */
#define COMPANY_MS 20  /* which it waits for, as nobody waits for it: its sender has been told */
#define PAGE 100       /* rows read at once at the start */
#define START_MS 10000
#define WRITE_KEY 0x6f7574626f78 /* of the jobs: one after the other */

/* A RETURNED record under way. */
struct returned {
	struct list link;
	struct record_entry rec;
	struct packet *p;
	struct timer again;
};

struct outbox {
	struct list returned;
	struct timer timer; /* home 0 */
	bool writing, stopping;
};

static _Thread_local struct outbox *here;

void
outbox_settled(const struct packet *p)
{
	if (outbox_has(p))
		outgoing_settle(p->record_id);
}

/* Returned */

static void
free_returned(struct returned *r)
{
	timer_clear(&r->again);
	list_remove(&r->link);
	packet_unref(r->p);
	free(r);
}

static void
submit_again(struct timer *t)
{
	struct returned *r = LIST_ENTRY(t, struct returned, again);

	r->rec.accepted_ms = 0;
	record_submit(&r->rec);
}

static void
returned_recorded(struct mail *m)
{
	struct returned *r = LIST_ENTRY(LIST_ENTRY(m, struct record_entry, mail), struct returned, rec);

	if (r->rec.outcome == RECORD_COMMITTED) {
		outgoing_settle(r->rec.about);
		free_returned(r);
	} else if (here->stopping) {
		log_warning(NULL, "returned-unrecorded", "record=%" PRIu64 " why=%s", r->rec.about, r->rec.why);
		free_returned(r);
	} else {
		timer_set(&r->again, AGAIN_MS, submit_again);
	}
}

void
outbox_returned(struct packet *p)
{
	struct returned *r;

	if (!outbox_has(p))
		return;
	r = NEW(struct returned);
	r->p = packet_ref(p);
	r->rec.mail.run = returned_recorded;
	r->rec.home = reactor_current();
	r->rec.kind = RECORD_RETURNED;
	r->rec.direction = RECORD_OUT;
	r->rec.from_bare = jid_bare(p->from);
	r->rec.from_resource = jid_resource(p->from);
	r->rec.from_key = jid_hash(p->from);
	r->rec.to_bare = jid_bare(p->to);
	r->rec.to_resource = jid_resource(p->to);
	r->rec.to_key = jid_hash(p->to);
	r->rec.type = packet_type_name(p->kind, elem_get(p->st->root, "type"));
	r->rec.client_id = packet_id(p);
	r->rec.about = p->record_id;
	r->rec.may_wait_ms = COMPANY_MS;
	list_append(&here->returned, &r->link);
	record_submit(&r->rec);
}

/* The state */

static enum sql_status
write_work(struct job *j, struct sql *db)
{
	return outgoing_write(db, j->owner, &j->err);
}

static void
written(struct job *j)
{
	here->writing = false;
	if (j->status != JOB_OK) {
		outgoing_not_written();
		log_warning(NULL, "outbox-not-written", "why=%s", j->err.text);
	}
	outgoing_state_free(j->owner);
}

static void
write_state(void)
{
	struct outgoing_state *s;
	struct job *j;

	if (here->writing || !(s = outgoing_take()))
		return;
	here->writing = true;
	j = job_new(0);
	j->work = write_work;
	j->done = written;
	j->owner = s;
	pool_submit(j, WRITE_KEY);
}

static void
tick(struct timer *t)
{
	write_state();
	timer_set(t, outgoing_count() < MUCH ? WRITE_MS : WRITE_LONG_MS, tick);
}

void
outbox_home_start(void)
{
	here = NEW(struct outbox);
	list_init(&here->returned);
	if (!reactor_index(reactor_current()))
		timer_set(&here->timer, WRITE_MS, tick);
}

void
outbox_home_flush(void)
{
	here->stopping = true;
	if (!reactor_index(reactor_current()))
		write_state();
}

void
outbox_home_stop(void)
{
	timer_clear(&here->timer);
	LIST_EACH(l, &here->returned)
		free_returned(LIST_ENTRY(l, struct returned, link));
	free(here);
	here = NULL;
}

/* After a crash */

static struct packet *
packet_of_row(const struct outgoing_row *r)
{
	struct stanza *st = parser_one(r->stanza, r->stanza_len, NS_CLIENT, NULL);
	const char *f = st ? elem_get(st->root, "from") : NULL, *t = st ? elem_get(st->root, "to") : NULL;
	struct jid *from = f ? jid_parse_z(f) : NULL, *to = t ? jid_parse_z(t) : NULL;
	struct packet *p = NULL;

	if (from && to) {
		p = packet_new(st, from, to);
		p->xml = mem_strndup(r->stanza, r->stanza_len);
		p->xml_len = r->stanza_len;
		p->record_id = r->id;
		p->at_us = r->at_us;
		p->about = r->peer;
		p->deliverable = p->delayed = true;
	} else {
		log_error(NULL, "record-unreadable", "id=%" PRIu64, r->id);
		stanza_unref(st);
	}
	jid_unref(from);
	jid_unref(to);
	return p;
}

struct page {
	struct outgoing_row *row;
	size_t n;
};

/* What is for other servers while there is no federation stays where it is. */
static void
send_again(struct packet *p)
{
	if (!federation_is_remote(p->to))
		router_send(p);
	else if (home_config()->federation.on)
		federation_deliver(p);
	else
		packet_unref(p);
}

/* On home 0: from there they go to the homes of their domains, in order. */
static void
send_page(void *arg)
{
	const struct page *g = arg;

	for (size_t i = 0; i < g->n; i++) {
		struct packet *p = packet_of_row(&g->row[i]);

		outgoing_open(g->row[i].id);
		if (p)
			send_again(p);
		else
			outgoing_settle(g->row[i].id);
	}
}

static enum sql_status
send_all(struct sql *db, struct err *e)
{
	struct outgoing_state s = { 0 };
	uint64_t upto = record_last_id(), after = 0, total = 0;
	struct page g = { .n = PAGE };
	enum sql_status st = outgoing_read_state(db, &s, e);

	outgoing_upto(upto);
	while (st == SQL_OK && g.n == PAGE) {
		struct arena *a = arena_new(64 * 1024);

		st = outgoing_page(db, a, &s, after, upto, PAGE, &g.row, &g.n, e);
		if (st == SQL_OK && g.n) {
			after = g.row[g.n - 1].id;
			total += g.n;
			home_call(0, send_page, &g);
		}
		arena_free(a);
	}
	if (total)
		log_info(NULL, "outbox-sent-again", "records=%" PRIu64, total);
	free(s.mark);
	free(s.open);
	return st;
}

int
outbox_start(const struct config *c, struct err *e)
{
	struct sql *db = sql_new(c->database.conninfo, "chanceryd start");
	enum sql_status st = sql_connect(db, START_MS, e);

	if (st == SQL_OK)
		st = send_all(db, e);
	sql_free(db);
	return st == SQL_OK ? 0 : err_prefix(e, "outbox");
}
