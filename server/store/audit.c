/*
 * audit: one entry of the archive writer, waited for; and the row beside it.
 */
#include "store/audit.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "net/reactor.h"
#include "store/record.h"
#include "xmpp/serialize.h"

#define WAIT_MS 25000 /* less than IDLE_IN_TRANSACTION_MS of sql.c */

struct waiting {
	struct audit_entry entry;
	pthread_mutex_t lock;
	pthread_cond_t back;
	bool done;
};

/* On the writer's thread, or at once on the submitter's. */
static void
came_back(struct mail *m)
{
	struct waiting *w = LIST_ENTRY(m, struct waiting, entry.rec.mail);

	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->back);
	pthread_mutex_unlock(&w->lock);
}

/* The writer gives every entry back, so this ends. */
static void
submit_and_wait(struct waiting *w)
{
	w->entry.rec.mail.run = came_back;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->back, NULL);
	record_submit(&w->entry.rec);
	pthread_mutex_lock(&w->lock);
	while (!w->done)
		pthread_cond_wait(&w->back, &w->lock);
	pthread_mutex_unlock(&w->lock);
	pthread_cond_destroy(&w->back);
	pthread_mutex_destroy(&w->lock);
}

void
audit_add_string(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			buf_addf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			buf_addf(out, "\\u%04x", c);
		else
			buf_addc(out, (char)c);
	}
	buf_addc(out, '"');
}

static void
add_member(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_addf(out, "%s\"%s\":", buf_len(out) > 1 ? "," : "", name);
	audit_add_string(out, value);
}

static void
add_number(struct buf *out, const char *name, long value)
{
	if (value >= 0)
		buf_addf(out, "%s\"%s\":%ld", buf_len(out) > 1 ? "," : "", name, value);
}

/* In <audit/>; what XML cannot carry has become '?', which within JSON can only stand in a string. */
static void
write_stanza(struct buf *out, const struct audit_event *v)
{
	struct buf json = {0};
	struct stanza *st;
	char *text;

	buf_addc(&json, '{');
	add_member(&json, "who", v->person);
	add_member(&json, "role", v->role);
	add_number(&json, "uid", v->uid);
	add_number(&json, "login", v->login);
	add_member(&json, "origin", v->origin);
	add_member(&json, "action", v->action);
	add_member(&json, "target", v->target);
	if (v->detail != NULL)
		buf_addf(&json, ",\"detail\":%s", v->detail);
	buf_adds(&json, "}");
	buf_str(&json);
	text = json.data; /* nothing was consumed */
	text_mend(text);
	st = stanza_new("urn:chancery:audit:0", "audit");
	elem_add_text(st, st->root, text, strlen(text));
	serialize_stanza(out, st, NULL, NULL);
	stanza_unref(st);
	buf_fini(&json);
}

static void
write_body(struct buf *out, const struct audit_event *v)
{
	buf_addf(out, "%s", v->person);
	if (v->role != NULL)
		buf_addf(out, " (%s)", v->role);
	buf_addf(out, ": %s", v->action);
	if (v->target != NULL)
		buf_addf(out, " %s", v->target);
	buf_str(out);
	text_mend(out->data);
}

static char *
mended(struct buf *b, const char *s)
{
	buf_adds(b, s);
	buf_str(b);
	text_mend(b->data);
	return b->data;
}

/* How long the writer may take over it, from now: it counts patience from accepted_ms. */
static void
wait_within(struct audit_entry *n, unsigned within_ms)
{
	unsigned patience = record_patience_ms();

	n->rec.accepted_ms = clock_mono_ms() - (int64_t)(within_ms < patience ? patience - within_ms : 0);
}

void
audit_entry_init(struct audit_entry *n, const struct audit_event *v)
{
	*n = (struct audit_entry){.rec = {.kind = v->erased != NULL ? RECORD_ERASURE : RECORD_AUDIT, .direction = RECORD_LOCAL, .type = "audit", .about = v->about, .recipient_only = true}};
	write_stanza(&n->stanza, v);
	if (v->erased != NULL)
		buf_adds(&n->body, v->erased);
	else
		write_body(&n->body, v);
	n->rec.from_bare = mended(&n->person, v->person);
	n->rec.from_resource = mended(&n->origin, v->origin);
	n->rec.body = buf_str(&n->body);
	n->rec.stanza = buf_str(&n->stanza);
	n->rec.stanza_len = buf_len(&n->stanza);
	wait_within(n, v->within_ms > 0 && v->within_ms < WAIT_MS ? v->within_ms : WAIT_MS);
}

void
audit_entry_fini(struct audit_entry *n)
{
	buf_fini(&n->stanza);
	buf_fini(&n->body);
	buf_fini(&n->person);
	buf_fini(&n->origin);
}

int
audit_submit(const struct audit_event *v, uint64_t *id, const char **why)
{
	struct waiting w;

	assert(reactor_current() == NULL);
	audit_entry_init(&w.entry, v);
	w.done = false;
	submit_and_wait(&w);
	audit_entry_fini(&w.entry);
	*id = w.entry.rec.id;
	*why = w.entry.rec.why;
	if (w.entry.rec.outcome != RECORD_COMMITTED)
		return -1;
	metric_add(METRIC_AUDIT_RECORDS, 1);
	return 0;
}

enum sql_status
audit_record(const struct audit_event *v, uint64_t *id, struct err *e)
{
	const char *why;

	if (audit_submit(v, id, &why) == 0)
		return SQL_OK;
	metric_add(METRIC_AUDIT_REFUSED, 1);
	log_error(NULL, "audit-not-recorded", "action=%s target=%s who=%s why=%s", v->action, v->target, v->person, why);
	err_set(e, EAGAIN, "it cannot be recorded, so it was not done: %s", why);
	return SQL_UNAVAILABLE;
}

enum sql_status
audit_row(struct sql *db, const struct audit_event *v, uint64_t record, struct err *e)
{
	char uid[24], id[24];
	enum sql_status st;

	snprintf(uid, sizeof uid, "%ld", v->uid);
	snprintf(id, sizeof id, "%" PRIu64, record);
	st = sql_do(db, e,
		"INSERT INTO chancery.audit (who_uid, who_name, who_role, origin, action, target, detail, record)"
		" VALUES ($1::int8::int, $2, $3, $4, $5, $6, $7::jsonb, $8::int8)",
		8, v->uid < 0 ? NULL : uid, v->person, v->role, v->origin, v->action, v->target, v->detail, id);
	if (st != SQL_OK)
		err_prefix(e, "cannot write the audit row");
	return st;
}

enum sql_status
audit_put(struct sql *db, const struct audit_event *v, uint64_t *id, struct err *e)
{
	enum sql_status st = audit_record(v, id, e);

	return st == SQL_OK ? audit_row(db, v, *id, e) : st;
}
