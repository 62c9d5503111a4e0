/*
 * networks_store: see networks_store.h. What a person's registration or password is concerned with is audited in the same transaction.
 */
#include "networks_store.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/metric.h"
#include "store/audit.h"
#include "store/sealed.h"

#define PAGE_BYTES 262144 /* of a page, escaped */
#define ROW_BYTES 64      /* of an element around what is in it */

/* `person`: who does it; NULL: the gateway. */
static enum sql_status
audit(struct sql *db, const struct networks_job *j, const char *person, const char *action, struct err *e)
{
	struct audit_event v = { .person = person ? person : j->domain, .uid = -1, .login = -1, .action = action, .target = j->jid };
	struct buf origin = { 0 }, detail = { 0 };
	enum sql_status st;
	uint64_t id;

	buf_addf(&origin, "gateway %s", j->gateway);
	buf_adds(&detail, "{\"gateway\":");
	audit_add_string(&detail, j->gateway);
	buf_addc(&detail, '}');
	v.origin = buf_str(&origin);
	v.detail = buf_str(&detail);
	st = audit_put(db, &v, &id, e);
	buf_fini(&origin);
	buf_fini(&detail);
	return st;
}

/* The end of a transaction. */
static enum sql_status
finish(struct sql *db, enum sql_status st, struct err *e)
{
	if (st == SQL_OK)
		return sql_commit(db, e);
	if (sql_in_transaction(db))
		sql_rollback(db);
	return st;
}

/* In XML. */
static size_t
written_bytes(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '"' || *s == '\'' ? 6 : *s == '&' ? 5 : *s == '<' || *s == '>' ? 4 : 1;
	return n;
}

/* How many of them a page has: at least one, and no more bytes than its reader's parser takes as a stanza. */
static unsigned
page_of(const struct networks_job *j, const PGresult *r)
{
	unsigned most = (unsigned)PQntuples(r) < j->page ? (unsigned)PQntuples(r) : j->page, n = 0;
	size_t bytes = 0;

	for (; n < most; n++) {
		bytes += written_bytes(sql_text(r, (int)n, 0)) + written_bytes(sql_text(r, (int)n, 1)) + ROW_BYTES;
		if (n > 0 && bytes > PAGE_BYTES)
			break;
	}
	return n;
}

/* What is somebody's goes with their account: there is none any more, or it stays until the end of the transaction. */
static enum sql_status
hold_account(struct sql *db, struct networks_job *j, struct err *e)
{
	bool is = false;
	enum sql_status st = sql_query_bool(db, e, &is, "SELECT true FROM chancery.account WHERE bare = $1 FOR KEY SHARE", 1, j->jid);

	j->nobody = !is;
	return st;
}

/* A page: key, mode (of users), value. One more than wanted says that there are more. */
static void
take_rows(struct networks_job *j, struct arena *a, PGresult *r, bool modes)
{
	j->n = page_of(j, r);
	j->more = (unsigned)PQntuples(r) > j->n;
	j->row = arena_zalloc(a, (j->n + 1) * sizeof(*j->row));
	for (unsigned i = 0; i < j->n; i++) {
		j->row[i].key = arena_strdup(a, sql_text(r, (int)i, 0));
		j->row[i].value = arena_strdup(a, sql_text(r, (int)i, 1));
		if (modes)
			j->row[i].mode = arena_strdup(a, sql_text(r, (int)i, 2));
	}
	PQclear(r);
}

/* Users */

enum sql_status
networks_store_users(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct networks_job *j = data;
	char n[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT jid, data, mode FROM chancery.gateway_user WHERE gateway = $1 AND jid > $2 ORDER BY jid LIMIT $3::bigint", 3, j->gateway, j->after,
		sql_number(n, (int64_t)(j->page + 1)));

	if (st == SQL_OK)
		take_rows(j, a, r, true);
	return st;
}

/* Says whether it is there, and whether there is room for one more. One after the other. */
static enum sql_status
look_for_user(struct sql *db, struct networks_job *j, struct err *e)
{
	char n[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT FROM chancery.gateway WHERE name = $1 FOR NO KEY UPDATE", 1, j->gateway);

	if (st != SQL_OK)
		return st;
	PQclear(r);
	st = sql_query_bool(db, e, &j->found, "SELECT true FROM chancery.gateway_user WHERE gateway = $1 AND jid = $2", 2, j->gateway, j->jid);
	if (st == SQL_OK && !j->found)
		st = sql_query_bool(db, e, &j->full, "SELECT count(*) >= $2::bigint FROM chancery.gateway_user WHERE gateway = $1", 2, j->gateway,
			sql_number(n, (int64_t)j->most));
	return st;
}

static enum sql_status
put_user(struct sql *db, struct networks_job *j, struct err *e)
{
	enum sql_status st = hold_account(db, j, e);

	if (st == SQL_OK && !j->nobody)
		st = look_for_user(db, j, e);
	if (st != SQL_OK || j->nobody || j->full)
		return st;
	st = sql_do(db, e,
		"INSERT INTO chancery.gateway_user (gateway, jid, mode, data) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (gateway, jid) DO UPDATE SET mode = excluded.mode, data = excluded.data",
		4, j->gateway, j->jid, j->mode, j->value);
	return st == SQL_OK && !j->found ? audit(db, j, j->jid, "gateway.register", e) : st;
}

enum sql_status
networks_store_put_user(struct sql *db, struct arena *a, void *data, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = put_user(db, data, e);
	return finish(db, st, e);
}

static enum sql_status
remove_user(struct sql *db, struct networks_job *j, struct err *e)
{
	enum sql_status st = sql_do(db, e, "DELETE FROM chancery.gateway_credential WHERE gateway = $1 AND jid = $2", 2, j->gateway, j->jid);

	if (st == SQL_OK)
		st = sql_query_bool(db, e, &j->found, "DELETE FROM chancery.gateway_user WHERE gateway = $1 AND jid = $2 RETURNING true", 2, j->gateway,
			j->jid);
	return st == SQL_OK && j->found ? audit(db, j, j->jid, "gateway.unregister", e) : st;
}

enum sql_status
networks_store_remove_user(struct sql *db, struct arena *a, void *data, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = remove_user(db, data, e);
	return finish(db, st, e);
}

/* Credentials */

/* What one is bound to: neither another gateway's nor another person's can be put in its place. */
static size_t
owner_of(struct arena *a, const struct networks_job *j, const char **owner)
{
	size_t n = strlen(j->gateway) + 1 + strlen(j->jid);
	char *s = arena_alloc(a, n + 1);

	snprintf(s, n + 1, "%s", j->gateway);
	strcpy(s + strlen(j->gateway) + 1, j->jid);
	*owner = s;
	return n;
}

static void
open_sealed(struct networks_job *j, struct arena *a, PGresult *r)
{
	struct sealed s = { .key_id = (unsigned)sql_i64(r, 0, 0), .nonce = sql_text(r, 0, 1), .text = sql_text(r, 0, 2) };
	const char *owner;
	size_t n = owner_of(a, j, &owner);
	struct err e = { 0 };

	j->value = sealed_open(a, owner, n, &s, &e);
	j->lost = !j->value;
	if (j->lost)
		log_error(NULL, "gateway-credential-lost", "network=%s jid=%s why=%s", j->gateway, j->jid, e.text);
}

static enum sql_status
read_sealed(struct sql *db, struct networks_job *j, PGresult **r, struct err *e)
{
	enum sql_status st = sql_query(db, e, r,
		"SELECT key_id, encode(nonce, 'hex'), encode(sealed, 'hex') FROM chancery.gateway_credential WHERE gateway = $1 AND jid = $2", 2,
		j->gateway, j->jid);

	j->found = st == SQL_OK && PQntuples(*r) > 0;
	return st;
}

/* The key may have been exchanged since it was read: then it is there under the new one. */
static enum sql_status
open_again(struct sql *db, struct networks_job *j, struct arena *a, struct err *e)
{
	PGresult *r = NULL;
	enum sql_status st = read_sealed(db, j, &r, e);

	if (j->found)
		open_sealed(j, a, r);
	PQclear(r);
	return st;
}

/* The record first: nobody is given a password that the trail does not tell of. */
enum sql_status
networks_store_credential(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct networks_job *j = data;
	PGresult *r = NULL;
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = read_sealed(db, j, &r, e);
	if (j->found)
		st = audit(db, j, NULL, "gateway.credential.read", e);
	st = finish(db, st, e);
	if (st == SQL_OK && j->found) {
		metric_add(METRIC_CREDENTIALS_READ, 1);
		open_sealed(j, a, r);
		if (j->lost && !sealed_has((unsigned)sql_i64(r, 0, 0)))
			st = open_again(db, j, a, e);
	}
	PQclear(r);
	return st;
}

/* A first key, but not in the place of one that is lost. */
static enum sql_status
make_key(struct sql *db, struct networks_job *j, struct err *e)
{
	struct err why = { 0 };
	enum sql_status st;

	if (sealed_has_key())
		return SQL_OK;
	st = sql_query_bool(db, e, &j->lost, "SELECT EXISTS (SELECT FROM chancery.gateway_credential) OR EXISTS (SELECT FROM chancery.second_factor)", 0);
	if (st != SQL_OK)
		return st;
	if (!j->lost && sealed_make(&why))
		j->lost = true;
	if (j->lost)
		log_error(NULL, "gateway-key-missing", "network=%s why=%s", j->gateway,
			*why.text ? why.text : "there are secrets sealed, and gateways.key_file is not there");
	return SQL_OK;
}

static enum sql_status
put_sealed(struct sql *db, struct networks_job *j, struct arena *a, struct err *e)
{
	char id[SQL_NUMBER], n[SQL_NUMBER];
	struct sealed s;
	const char *owner;
	size_t len = owner_of(a, j, &owner);
	enum sql_status st = sql_query_bool(db, e, &j->full,
		"SELECT count(*) >= $3::bigint FROM chancery.gateway_credential WHERE gateway = $1 AND jid <> $2", 3, j->gateway, j->jid,
		sql_number(n, (int64_t)j->most));

	if (st != SQL_OK || j->full)
		return st;
	if (sealed_seal(a, owner, len, j->value, &s, e))
		return SQL_FAILED;
	st = sql_do(db, e,
		"INSERT INTO chancery.gateway_credential (gateway, jid, key_id, nonce, sealed) VALUES ($1, $2, $3::int, decode($4, 'hex'), decode($5, 'hex'))"
		" ON CONFLICT (gateway, jid) DO UPDATE SET key_id = excluded.key_id, nonce = excluded.nonce, sealed = excluded.sealed, changed_at = now()",
		5, j->gateway, j->jid, sql_number(id, s.key_id), s.nonce, s.text);
	return st == SQL_OK ? audit(db, j, j->jid, "gateway.credential.set", e) : st;
}

/* While keys are exchanged (store/gateway_store.c) none is written: it would be under the old one. */
static enum sql_status
put_credential(struct sql *db, struct networks_job *j, struct arena *a, struct err *e)
{
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT pg_advisory_xact_lock_shared(4841263, 48)", 0);

	if (st != SQL_OK)
		return st;
	PQclear(r);
	st = hold_account(db, j, e);
	if (st == SQL_OK && !j->nobody)
		st = make_key(db, j, e);
	return st == SQL_OK && !j->nobody && !j->lost ? put_sealed(db, j, a, e) : st;
}

enum sql_status
networks_store_put_credential(struct sql *db, struct arena *a, void *data, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	if (st == SQL_OK)
		st = put_credential(db, data, a, e);
	return finish(db, st, e);
}

static enum sql_status
remove_credential(struct sql *db, struct networks_job *j, struct err *e)
{
	enum sql_status st = sql_query_bool(db, e, &j->found,
		"DELETE FROM chancery.gateway_credential WHERE gateway = $1 AND jid = $2 RETURNING true", 2, j->gateway, j->jid);

	return st == SQL_OK && j->found ? audit(db, j, j->jid, "gateway.credential.remove", e) : st;
}

enum sql_status
networks_store_remove_credential(struct sql *db, struct arena *a, void *data, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = remove_credential(db, data, e);
	return finish(db, st, e);
}

/* Values */

enum sql_status
networks_store_value(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct networks_job *j = data;
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r, "SELECT value FROM chancery.gateway_data WHERE gateway = $1 AND key = $2", 2, j->gateway, j->key);

	if (st != SQL_OK)
		return st;
	j->found = PQntuples(r) > 0;
	j->value = j->found ? arena_strdup(a, sql_text(r, 0, 0)) : NULL;
	PQclear(r);
	return SQL_OK;
}

enum sql_status
networks_store_values(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct networks_job *j = data;
	char n[SQL_NUMBER];
	PGresult *r;
	enum sql_status st = sql_query(db, e, &r,
		"SELECT key, value FROM chancery.gateway_data WHERE gateway = $1 AND key > $2 AND key >= $3 AND starts_with(key, $3)"
		" ORDER BY key LIMIT $4::bigint",
		4, j->gateway, j->after, j->prefix, sql_number(n, (int64_t)(j->page + 1)));

	if (st == SQL_OK)
		take_rows(j, a, r, false);
	return st;
}

static enum sql_status
put_value(struct sql *db, struct networks_job *j, struct err *e)
{
	char n[SQL_NUMBER];
	enum sql_status st = j->jid ? hold_account(db, j, e) : SQL_OK;

	if (st == SQL_OK && !j->nobody)
		st = sql_query_bool(db, e, &j->full,
			"SELECT count(*) >= $3::bigint FROM chancery.gateway_data WHERE gateway = $1 AND NOT EXISTS"
			" (SELECT FROM chancery.gateway_data WHERE gateway = $1 AND key = $2)", 3, j->gateway, j->key, sql_number(n, (int64_t)j->most));
	if (st != SQL_OK || j->full || j->nobody)
		return st;
	return sql_do(db, e,
		"INSERT INTO chancery.gateway_data (gateway, key, value, jid) VALUES ($1, $2, $3, $4)"
		" ON CONFLICT (gateway, key) DO UPDATE SET value = excluded.value, jid = excluded.jid, changed_at = now()", 4, j->gateway, j->key, j->value,
		j->jid);
}

enum sql_status
networks_store_put_value(struct sql *db, struct arena *a, void *data, struct err *e)
{
	enum sql_status st = sql_begin(db, e);

	(void)a;
	if (st == SQL_OK)
		st = put_value(db, data, e);
	return finish(db, st, e);
}

enum sql_status
networks_store_remove_value(struct sql *db, struct arena *a, void *data, struct err *e)
{
	struct networks_job *j = data;

	(void)a;
	return sql_do(db, e, "DELETE FROM chancery.gateway_data WHERE gateway = $1 AND key = $2", 2, j->gateway, j->key);
}
