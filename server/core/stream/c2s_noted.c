/*
 * c2s_noted: a login is an audit record before it happens: who, by which mechanism, from where. The stream stands still until that is committed. One
 * that cannot be recorded within archive.patience, or database.patience where that is less (so long its keys were waited for, too), is refused with
 * temporary-auth-failure: nobody comes in unseen. What is refused is counted, and recorded in bounded numbers (store/refusal.h).
 */
#include <stdlib.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "core/stream/c2s_priv.h"
#include "net/listener.h"
#include "store/audit.h"
#include "store/refusal.h"

struct c2s_note {
	struct audit_entry entry;
	struct c2s *c;    /* NULL: the stream has gone */
	c2s_noted_fn then;
};

static void
noted(struct mail *m)
{
	struct c2s_note *n = LIST_ENTRY(m, struct c2s_note, entry.rec.mail);
	bool done = n->entry.rec.outcome == RECORD_COMMITTED;
	c2s_noted_fn then = n->then;
	struct c2s *c = n->c;

	metric_add(done ? METRIC_AUDIT_RECORDS : METRIC_AUDIT_REFUSED, 1);
	if (c)
		c->noting = NULL;
	if (c && done)
		then(c);
	if (c && !done) {
		log_warning(conn_log(c->conn), "login-not-recorded", "jid=%s why=%s", jid_bare(c->jid), n->entry.rec.why);
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		c2s_answered(c);
	}
	audit_entry_fini(&n->entry);
	free(n);
}

static const char *
origin_of(const struct c2s *c)
{
	return arena_printf(reactor_scratch(reactor_current()), "client %s", conn_address(c->conn));
}

void
c2s_note_login(struct c2s *c, c2s_noted_fn then)
{
	struct buf detail = { 0 };
	struct audit_event v = { .person = jid_bare(c->jid), .uid = -1, .login = -1, .origin = origin_of(c), .action = "login",
		.target = jid_bare(c->jid), .within_ms = (unsigned)home_config()->database.patience_ms };
	struct c2s_note *n = NEW(struct c2s_note);

	buf_addf(&detail, "{\"mechanism\":\"%s\"}", c2s_mechanism(c));
	v.detail = buf_str(&detail);
	audit_entry_init(&n->entry, &v);
	buf_fini(&detail);
	n->entry.rec.home = reactor_current();
	n->entry.rec.mail.run = noted;
	n->c = c;
	n->then = then;
	c->noting = n;
	c2s_wait(c);
	record_submit(&n->entry.rec);
}

void
c2s_noted_fini(struct c2s *c)
{
	if (c->noting)
		c->noting->c = NULL;
	c->noting = NULL;
}

void
c2s_note_refusal(const struct c2s *c, const char *bare, const char *why)
{
	refusal_note(&(struct refusal){ .action = "login.refused", .uid = -1, .login = -1, .source = conn_source(c->conn), .origin = origin_of(c),
		.target = bare, .why = why });
}
