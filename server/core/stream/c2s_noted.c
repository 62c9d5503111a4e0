/*
 * c2s_noted: a login is an audit record before it happens: who, by which mechanism, from where. The stream stands still until that is committed. One
 * that cannot be recorded within archive.patience, or database.patience where that is less (so long its keys were waited for, too), is refused with
 * temporary-auth-failure: nobody comes in unseen. Of an account whose logins were recorded ONE_BY_ONE times within the minute further ones are counted for
 * one more record, while the archive is there: a client that comes and goes does not fill it. What was recorded and then does not come to pass is followed by login.failed. What is
 * refused is counted, and recorded in bounded numbers (store/refusal.h).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/seldom.h"
#include "core/home.h"
#include "core/stream/c2s_priv.h"
#include "store/audit.h"
#include "store/record.h"
#include "store/refusal.h"

#define MINUTE_MS 60000
#define ONE_BY_ONE 3

struct c2s_note {
	struct audit_entry entry;
	struct c2s *c;    /* NULL: the stream has gone */
	c2s_noted_fn then;
};

/* Accounts whose logins were recorded lately. */
static struct seldom lately = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* What comes to nothing */

static void
failure_noted(struct mail *m)
{
	struct c2s_note *n = LIST_ENTRY(m, struct c2s_note, entry.rec.mail);

	if (n->entry.rec.outcome != RECORD_COMMITTED)
		log_warning(NULL, "login-failure-not-recorded", "jid=%s why=%s", n->entry.rec.from_bare, n->entry.rec.why);
	metric_add(n->entry.rec.outcome == RECORD_COMMITTED ? METRIC_AUDIT_RECORDS : METRIC_AUDIT_REFUSED, 1);
	audit_entry_fini(&n->entry);
	free(n);
}

/* Nobody waits for it: back on whatever thread. */
static void
record_failure(const char *bare, const char *origin, uint64_t login, const char *why)
{
	struct buf detail = { 0 };
	struct audit_event v = { .person = bare, .uid = -1, .login = -1, .origin = origin, .action = "login.failed", .target = bare, .about = login };
	struct c2s_note *n = NEW(struct c2s_note);

	buf_adds(&detail, "{\"why\":");
	audit_add_string(&detail, why);
	buf_addf(&detail, ",\"record\":%" PRIu64 "}", login);
	v.detail = buf_str(&detail);
	audit_entry_init(&n->entry, &v);
	buf_fini(&detail);
	n->entry.rec.mail.run = failure_noted;
	record_submit(&n->entry.rec);
}

static const char *
origin_of(const struct c2s *c)
{
	return arena_printf(reactor_scratch(reactor_current()), "client %s", conn_address(c->conn));
}

/* Counted with others of the account. */
static void
count(const struct c2s *c, const char *action, const char *why)
{
	refusal_note(&(struct refusal){ .action = action, .person = jid_bare(c->jid), .uid = -1, .login = -1, .source = "account", .origin = origin_of(c),
		.target = jid_bare(c->jid), .why = why });
}

void
c2s_login_failed(struct c2s *c, const char *why)
{
	enum c2s_noted noted = c->noted;

	c->noted = NOTED_NOT;
	if (noted == NOTED_RECORDED)
		record_failure(jid_bare(c->jid), origin_of(c), c->login_record, why);
	else if (noted == NOTED_COUNTED)
		count(c, "login.failed", why);
}

/* What is to happen */

static uint64_t
key_of(const struct c2s *c)
{
	return crypt_hash(jid_bare(c->jid), jid_bare_len(c->jid));
}

static void
noted(struct mail *m)
{
	struct c2s_note *n = LIST_ENTRY(m, struct c2s_note, entry.rec.mail);
	bool done = n->entry.rec.outcome == RECORD_COMMITTED;
	c2s_noted_fn then = n->then;
	struct c2s *c = n->c;

	metric_add(done ? METRIC_AUDIT_RECORDS : METRIC_AUDIT_REFUSED, 1);
	if (done && !c)
		record_failure(n->entry.rec.from_bare, n->entry.rec.from_resource, n->entry.rec.id, "the stream has ended");
	if (c)
		c->noting = NULL;
	if (c && done) {
		(void)seldom_may(&lately, key_of(c), ONE_BY_ONE, MINUTE_MS, clock_mono_ms());
		c->noted = NOTED_RECORDED;
		c->login_record = n->entry.rec.id;
		then(c);
	}
	if (c && !done) {
		log_warning(conn_log(c->conn), "login-not-recorded", "jid=%s why=%s", jid_bare(c->jid), n->entry.rec.why);
		c2s_sasl_refuse(c, SASL_TEMPORARY_AUTH_FAILURE);
		c2s_answered(c);
	}
	audit_entry_fini(&n->entry);
	free(n);
}

/* As above, in a turn of its own: the caller may be in a data callback. */
static void
counted(struct mail *m)
{
	struct c2s_note *n = LIST_ENTRY(m, struct c2s_note, entry.rec.mail);
	c2s_noted_fn then = n->then;
	struct c2s *c = n->c;

	if (c) {
		c->noting = NULL;
		c->noted = NOTED_COUNTED;
		count(c, "login", c2s_mechanism(c));
		then(c);
	}
	free(n);
}

void
c2s_note_login(struct c2s *c, c2s_noted_fn then)
{
	struct buf detail = { 0 };
	struct audit_event v = { .person = jid_bare(c->jid), .uid = -1, .login = -1, .origin = origin_of(c), .action = "login",
		.target = jid_bare(c->jid), .within_ms = (unsigned)home_config()->database.patience_ms };
	struct c2s_note *n = NEW(struct c2s_note);

	n->c = c;
	n->then = then;
	c->noting = n;
	c2s_wait(c);
	if (record_is_up() && !seldom_might(&lately, key_of(c), ONE_BY_ONE, clock_mono_ms())) {
		n->entry.rec.mail.run = counted;
		reactor_post(reactor_current(), &n->entry.rec.mail);
		return;
	}
	buf_addf(&detail, "{\"mechanism\":\"%s\"", c2s_mechanism(c));
	if (c->device)
		buf_addf(&detail, ",\"device_password\":%" PRId64, c->device);
	if (c->factor == FACTOR_NEEDED)
		buf_adds(&detail, ",\"second_factor\":true");
	buf_adds(&detail, "}");
	v.detail = buf_str(&detail);
	audit_entry_init(&n->entry, &v);
	buf_fini(&detail);
	n->entry.rec.home = reactor_current();
	n->entry.rec.mail.run = noted;
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
