/*
 * account: hash → write → what is live. A password is wiped as soon as its keys are there, and these as soon as they are stored.
 *
 * What its owner does to an account is recorded before it is done, as what administrators do (store/audit.h). The end of an account is recorded
 * before contacts hear of it; the rest in the job that writes it.
 */
#include "core/module/account.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/everyone.h"
#include "core/home.h"
#include "core/roster/roster.h"
#include "core/federation/partner.h"
#include "core/gateway/gateway.h"
#include "core/service/service.h"
#include "core/session.h"
#include "core/stream/auth.h"
#include "core/stream/c2s.h"
#include "core/user.h"
#include "store/account.h"
#include "store/audit.h"
#include "store/device_password.h"
#include "store/password.h"
#include "store/pool.h"

struct work {
	const char *bare;
	char *password;
	uint32_t iterations;
	struct account_secret secret;
	bool bad_password, done, forbidden;
	int64_t by;      /* device of the session that asks */
	uint64_t record; /* of a removal */
};

/* What is live */

/* To every reactor: whoever is logging in there with what was true before has to begin anew. */
struct notice {
	struct mail mail;
	struct jid *jid;
	const char *text;
};

static void
end_logins(struct mail *m)
{
	struct notice *n = LIST_ENTRY(m, struct notice, mail);

	(void)c2s_close_logins(n->jid, XSTREAM_NOT_AUTHORIZED, n->text);
	jid_unref(n->jid);
	free(n);
}

static void
end_logins_everywhere(struct jid *j, const char *text)
{
	auth_revoked(jid_bare(j));
	for (unsigned i = 0; i < reactor_count(); i++) {
		struct notice *n = NEW(struct notice);

		n->jid = jid_ref(j);
		n->text = text;
		n->mail.run = end_logins;
		reactor_post(reactor_at(i), &n->mail);
	}
}

static void
end_sessions(struct user *u, const struct session *but, const char *text)
{
	struct everyone all;

	user_hold(u);
	all = everyone(u);
	for (unsigned i = 0; i < all.n; i++)
		if (all.session[i] != but && !all.session[i]->closing)
			session_close(all.session[i], XSTREAM_NOT_AUTHORIZED, text);
	user_release(u);
}

static const char removed_text[] = "The account was removed";
static const char changed_text[] = "The password was changed";

/* The account is gone; its sessions follow when the one that asked has its answer, which is posted behind this mail: so the mail
 * posts itself once more. */
struct farewell {
	struct mail mail;
	struct user *user; /* pinned */
	bool again;
};

static void
say_farewell(struct mail *m)
{
	struct farewell *f = LIST_ENTRY(m, struct farewell, mail);

	if (!f->again) {
		f->again = true;
		reactor_post(reactor_current(), &f->mail);
		return;
	}
	end_sessions(f->user, NULL, removed_text);
	f->user->stale = true;
	user_unpin(f->user);
	free(f);
}

static void
follow(struct account_order *o)
{
	struct farewell *f;

	switch (o->ask->act) {
	case ACCOUNT_ADD:
		log_info(NULL, "account-registered", "jid=%s", jid_bare(o->ask->jid));
		break;
	case ACCOUNT_PASSWORD:
		log_info(NULL, "password-changed", "jid=%s by=owner", jid_bare(o->ask->jid));
		end_logins_everywhere((struct jid *)o->ask->jid, changed_text);
		end_sessions(o->user, o->bound ? o->bound(o, o->arg) : NULL, changed_text);
		break;
	case ACCOUNT_REMOVE:
		log_info(NULL, "account-removed", "jid=%s by=owner", jid_bare(o->ask->jid));
		service_account_removed(jid_bare(o->ask->jid));
		partner_account_removed(jid_bare(o->ask->jid));
		gateway_account_removed(jid_bare(o->ask->jid));
		end_logins_everywhere((struct jid *)o->ask->jid, removed_text);
		f = NEW(struct farewell);
		f->user = o->user;
		f->mail.run = say_farewell;
		user_pin(f->user);
		reactor_post(reactor_current(), &f->mail);
		break;
	}
}

/* The database */

/* Less than a job has for all of it. */
#define AUDIT_MS 4000

static struct audit_event
event_of(const struct account_order *o, const char *bare)
{
	static const char *const action[] = { [ACCOUNT_ADD] = "account.register", [ACCOUNT_PASSWORD] = "account.password",
		[ACCOUNT_REMOVE] = "account.remove" };

	return (struct audit_event){ .person = bare, .uid = -1, .login = -1, .origin = "owner", .action = action[o->ask->act], .target = bare,
		.within_ms = AUDIT_MS };
}

/* It was recorded, and PostgreSQL did not do it, or does not say. */
static void
record_failure(struct sql *db, const struct account_order *o, const char *bare, uint64_t record, const struct err *why)
{
	struct audit_event v = event_of(o, bare);
	char action[64];
	struct err e = { 0 };

	snprintf(action, sizeof(action), "%s.failed", v.action);
	v.action = action;
	v.about = record;
	if (audit_record(&v, &record, &e) != SQL_OK)
		log_error(NULL, "audit-failure-not-recorded", "action=%s target=%s why=%s", action, bare, e.text);
	else if (sql_is_connected(db) && audit_row(db, &v, record, &e) != SQL_OK)
		log_warning(NULL, "audit-row-missing", "action=%s target=%s why=%s", action, bare, why->text);
}

static enum sql_status
change(struct sql *db, struct account_order *o, struct work *w, struct err *e)
{
	enum sql_status st = SQL_FAILED;

	switch (o->ask->act) {
	case ACCOUNT_ADD:
		st = account_add(db, w->bare, &w->secret, &w->done, e);
		/* An account and what comes with it are there together, or neither is. */
		return st == SQL_OK && w->done && o->ask->also ? o->ask->also(db, o->arena, o->ask->also_data, e) : st;
	case ACCOUNT_PASSWORD:
		return account_set_secret(db, w->bare, &w->secret, &w->done, e);
	case ACCOUNT_REMOVE:
		return account_delete(db, w->bare, &w->done, e);
	}
	return st;
}

static enum sql_status
write_work(struct job *j, struct sql *db)
{
	struct account_order *o = j->owner;
	struct work *w = j->data;
	struct audit_event v = event_of(o, w->bare);
	enum sql_status st = sql_begin(db, &j->err);

	if (st == SQL_OK && w->by && !w->record)
		st = device_password_is(db, w->by, &w->forbidden, &j->err);
	if (w->forbidden) {
		sql_rollback(db);
		return st;
	}
	if (st == SQL_OK)
		st = change(db, o, w, &j->err);
	if (st == SQL_OK && !w->done)
		err_set(&j->err, 0, "%s", "it was not there, or there already");
	else if (st == SQL_OK && !w->record)
		st = audit_record(&v, &w->record, &j->err);
	if (st == SQL_OK && w->done)
		st = audit_row(db, &v, w->record, &j->err);
	if (st == SQL_OK && w->done)
		st = sql_commit(db, &j->err);
	else
		sql_rollback(db);
	if ((st != SQL_OK || !w->done) && w->record)
		record_failure(db, o, w->bare, w->record, &j->err);
	return st;
}

static enum sql_status
record_work(struct job *j, struct sql *db)
{
	struct work *w = j->data;
	struct audit_event v = event_of(j->owner, w->bare);
	enum sql_status st = w->by ? device_password_is(db, w->by, &w->forbidden, &j->err) : SQL_OK;

	if (st != SQL_OK || w->forbidden)
		return st;
	return audit_record(&v, &w->record, &j->err);
}

static void
finish(struct account_order *o, bool ok, enum account_outcome outcome)
{
	o->ok = ok;
	o->ask->outcome = outcome;
	if (ok && outcome == ACCOUNT_DONE)
		follow(o);
	o->done(o, o->arg);
}

static void
write_done(struct job *j)
{
	struct account_order *o = j->owner;
	struct work *w = j->data;

	crypt_wipe(&w->secret, sizeof(w->secret));
	if (j->status != JOB_OK)
		log_warning(NULL, "account-not-changed", "jid=%s why=%s", jid_bare(o->ask->jid), j->err.text);
	finish(o, j->status == JOB_OK, w->forbidden ? ACCOUNT_FORBIDDEN : w->done ? ACCOUNT_DONE : ACCOUNT_CONFLICT);
}

static struct job *
job_for(struct account_order *o)
{
	struct job *j = job_new(sizeof(struct work));
	struct work *w = j->data;

	struct session *by = o->bound ? o->bound(o, o->arg) : NULL;

	w->bare = arena_strdup(j->arena, jid_bare(o->ask->jid));
	w->by = by ? by->device : 0;
	j->owner = o;
	return j;
}

static void
submit_write(struct account_order *o, const struct account_secret *secret, uint64_t record)
{
	struct job *j = job_for(o);
	struct work *w = j->data;

	if (secret)
		w->secret = *secret;
	w->record = record;
	j->work = write_work;
	j->done = write_done;
	pool_submit(j, jid_hash(o->ask->jid));
}

/* The end of an account */

static void
record_done(struct job *j)
{
	struct account_order *o = j->owner;
	struct work *w = j->data;

	if (j->status != JOB_OK) {
		log_warning(NULL, "account-not-changed", "jid=%s why=%s", jid_bare(o->ask->jid), j->err.text);
		finish(o, false, ACCOUNT_CONFLICT);
		return;
	}
	if (w->forbidden) {
		finish(o, true, ACCOUNT_FORBIDDEN);
		return;
	}
	/* While it still has a roster: contacts do not wait for somebody who is gone (RFC 6121 §2.5, §3.3). */
	roster_account_removed(o->user);
	submit_write(o, NULL, w->record);
}

static void
submit_record(struct account_order *o)
{
	struct job *j = job_for(o);

	j->work = record_work;
	j->done = record_done;
	pool_submit(j, jid_hash(o->ask->jid));
}

/* Hashing */

static enum sql_status
hash_work(struct job *j, struct sql *db)
{
	struct work *w = j->data;

	(void)db;
	w->bad_password = password_keys(&w->secret, w->password, w->iterations, &j->err) != 0;
	crypt_wipe(w->password, strlen(w->password));
	return SQL_OK;
}

static void
hash_done(struct job *j)
{
	struct account_order *o = j->owner;
	struct work *w = j->data;

	if (j->status != JOB_OK || w->bad_password)
		finish(o, j->status == JOB_OK, ACCOUNT_BAD_PASSWORD);
	else
		submit_write(o, &w->secret, 0);
	crypt_wipe(&w->secret, sizeof(w->secret));
}

void
account_submit(struct account_order *o)
{
	struct job *j;
	struct work *w;

	if (o->ask->act == ACCOUNT_REMOVE) {
		submit_record(o);
		return;
	}
	j = job_for(o);
	w = j->data;
	w->password = o->ask->password;
	w->iterations = (uint32_t)home_config()->auth.iterations;
	j->work = hash_work;
	j->done = hash_done;
	pool_submit_cpu(j);
}
