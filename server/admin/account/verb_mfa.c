/*
 * verb_mfa: second factors of accounts, for administrators: making one for somebody, seeing whether there is one, taking one away that was lost. Each change
 * and its audit row are one transaction; sessions end behind it.
 */
#include "admin/request/request.h"

#include <string.h>

#include "admin/account/account_name.h"
#include "base/arena.h"
#include "base/crypt.h"
#include "core/census.h"
#include "core/config/config.h"
#include "store/second_factor.h"
#include "xmpp/jid.h"

/* The account that the only argument names, and a connection. NULL with err. */
static struct jid *
begin(struct request *r)
{
	struct config *c;
	const char *text;
	struct jid *j;

	if (request_args(r, "{s:s}", "jid", &text) != 0)
		return NULL;
	c = config_get();
	j = account_name_parse(c, text, &r->err);
	config_unref(c);
	if (j != NULL && request_db(r) != 0) {
		jid_unref(j);
		return NULL;
	}
	return j;
}

/* Recorded, then committed; or undone. */
static int
end(struct request *r, enum sql_status st, const char *action, const char *bare)
{
	if (st == SQL_OK)
		st = audit_write(r->db, r->who, action, bare, NULL, &r->err);
	if (st == SQL_OK)
		st = sql_commit(r->db, &r->err);
	else
		sql_rollback(r->db);
	if (st == SQL_OK)
		audit_log(r->who, action, bare);
	return st == SQL_OK ? 0 : -1;
}

static int
mfa_make(struct request *r)
{
	struct second_factor f = {.how = SECOND_FACTOR_NONE};
	struct jid *j = begin(r);
	enum sql_status st;
	struct arena *a;
	unsigned closed = 0;
	int rc = -1;

	if (j == NULL)
		return -1;
	a = arena_new(0);
	f.bare = jid_bare(j);
	st = sql_begin(r->db, &r->err);
	if (st == SQL_OK)
		st = second_factor_make(r->db, a, &f, true, &r->err);
	if (st == SQL_OK && f.how != SECOND_FACTOR_DONE) {
		sql_rollback(r->db);
		err_set(&r->err, 0, "%s does not exist", f.bare);
	} else {
		rc = end(r, st, "mfa.make", f.bare);
	}
	if (rc == 0 || !sql_is_connected(r->db))
		closed = census_account_changed(f.bare, "The account has another second factor");
	if (rc == 0)
		rc = request_row(r, json_pack("{s:s, s:s, s:i}", "jid", f.bare, "uri", f.uri, "closed", (int)closed));
	if (f.uri != NULL)
		crypt_wipe((char *)f.uri, strlen(f.uri));
	arena_free(a);
	jid_unref(j);
	return rc;
}

static int
mfa_show(struct request *r)
{
	struct jid *j = begin(r);
	int64_t since = 0;
	bool found = false;
	int rc = -1;

	if (j == NULL)
		return -1;
	if (second_factor_look(r->db, jid_bare(j), &found, &since, &r->err) == SQL_OK)
		rc = found ? request_row(r, json_pack("{s:s, s:b, s:o}", "jid", jid_bare(j), "second_factor", since != 0, "since", request_time(since))) :
			err_set(&r->err, 0, "%s does not exist", jid_bare(j));
	jid_unref(j);
	return rc;
}

static int
mfa_reset(struct request *r)
{
	struct jid *j = begin(r);
	enum sql_status st;
	unsigned closed = 0;
	bool had = false;
	int rc = -1;

	if (j == NULL)
		return -1;
	st = sql_begin(r->db, &r->err);
	if (st == SQL_OK)
		st = second_factor_drop(r->db, jid_bare(j), &had, &r->err);
	if (st == SQL_OK && !had) {
		sql_rollback(r->db);
		err_set(&r->err, 0, "%s has no second factor", jid_bare(j));
	} else {
		rc = end(r, st, "mfa.reset", jid_bare(j));
	}
	if (rc == 0 || !sql_is_connected(r->db))
		closed = census_account_changed(jid_bare(j), "The account's second factor was taken away");
	if (rc == 0)
		rc = request_row(r, json_pack("{s:s, s:i}", "jid", jid_bare(j), "closed", (int)closed));
	jid_unref(j);
	return rc;
}

const struct request_verb request_mfa_verbs[] = {
	{"mfa", "make", mfa_make, .about = "Gives an account a second factor, in place of any other", .args = "jid:string"},
	{"mfa", "show", mfa_show, .about = "Says whether an account has a second factor", .args = "jid:string"},
	{"mfa", "reset", mfa_reset, .about = "Takes an account's second factor away", .args = "jid:string"},
	{.noun = NULL},
};
