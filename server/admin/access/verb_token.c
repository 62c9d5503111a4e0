/*
 * verb_token: tokens of the API. The server keeps the hash of a token. Whoever asks for one may make it and send the hash only (the command line does):
 * so the token goes over no wire, is in no row that waits for a second person, and is known to nobody but who has it.
 */
#include "admin/request/request.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/request/rows.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/config/config.h"

#define LIFETIME_MAX_US (INT64_C(366) * 86400 * 1000000)
#define SCOPE_MAX 32

struct order {
	const char *name;
	unsigned role;
	int64_t expires_us;
	uint8_t hash[SHA256_SIZE];
	bool hashed;
	struct buf scope; /* a literal of text[] */
};

static int
wrong(struct request *r, const char *text)
{
	r->status = 400;
	return err_set(&r->err, 0, "%s", text);
}

/* From now: "90d", "12h"; or a time. */
static int
read_expiry(struct request *r, const char *text, int64_t *out)
{
	struct config *c = config_get();
	int64_t now = clock_wall_us(), n = 0;
	size_t digits = text != NULL ? strspn(text, "0123456789") : 0;

	*out = now + (int64_t)c->compliance.token_ms * 1000;
	config_unref(c);
	if (text == NULL)
		return 0;
	if (digits > 0 && digits < 7 && strlen(text) == digits + 1 && strchr("hd", text[digits]) != NULL && text_i64(text, digits, 1, 999999, &n))
		*out = now + n * (text[digits] == 'd' ? INT64_C(86400) : INT64_C(3600)) * 1000000;
	else if (clock_parse(text, out) != 0)
		return wrong(r, "expires: expected 90d, 12h or a time such as 2027-01-31T00:00:00Z");
	if (*out <= now || *out > now + LIFETIME_MAX_US)
		return wrong(r, "expires: a token is good for 366 days at most, and not in the past");
	return 0;
}

static bool
is_scope(const char *word)
{
	const struct request_verb *v;
	size_t n = strcspn(word, ".");

	for (size_t i = 0; (v = request_verb_at(i)) != NULL; i++)
		if (strlen(v->noun) == n && memcmp(v->noun, word, n) == 0 && (word[n] == '\0' || strcmp(v->verb, word + n + 1) == 0))
			return true;
	return false;
}

/* A token that may do little makes none that may do more. */
static int
check_within(struct request *r, const char *word)
{
	char noun[160];
	size_t n = strcspn(word, ".");

	if (r->caller == NULL)
		return 0;
	snprintf(noun, sizeof noun, "%.*s", (int)n, word);
	if (access_in_scope(r->caller, noun, word[n] == '.' ? word + n + 1 : ""))
		return 0;
	r->status = 403;
	r->denied = true;
	return err_set(&r->err, 0, "not allowed: %.100s is not within the scope of your token", word);
}

static int
read_scope(struct request *r, const json_t *words, struct buf *out)
{
	const json_t *item;
	size_t i;

	buf_addc(out, '{');
	if (words != NULL && (!json_is_array(words) || json_array_size(words) > SCOPE_MAX))
		return wrong(r, "scope: expected a list of at most 32 nouns, or noun.verb");
	if (json_array_size(words) == 0 && r->caller != NULL && r->caller->scope[0] != '\0') {
		r->status = 403;
		r->denied = true;
		return err_set(&r->err, 0, "not allowed: your token has a scope, so the new one has to have one within it");
	}
	json_array_foreach(words, i, item) {
		const char *word = json_string_value(item);

		if (word == NULL || !is_scope(word)) {
			r->status = 400;
			return err_set(&r->err, 0, "scope: %.100s is no noun and no noun.verb of the API", word != NULL ? word : "this");
		}
		if (check_within(r, word) != 0)
			return -1;
		/* Names of verbs need no quotes. */
		buf_addf(out, "%s%s", i > 0 ? "," : "", word);
	}
	buf_addc(out, '}');
	return 0;
}

/* order's scope is freed by the caller in any case. */
static int
read_order(struct request *r, struct order *o)
{
	const char *role, *expires = NULL, *hash = NULL;
	json_t *scope = NULL;

	if (request_args(r, "{s:s, s:s, s?s, s?o, s?s}", "name", &o->name, "role", &role, "expires", &expires, "scope", &scope, "hash", &hash) != 0)
		return -1;
	o->role = access_role_read(role);
	if (o->role == 0)
		return wrong(r, "there is no such role: there are admin, officer, auditor and dpo");
	o->hashed = hash != NULL;
	if (hash != NULL && (strlen(hash) != 2 * SHA256_SIZE || text_unhex(hash, 2 * SHA256_SIZE, o->hash) != SHA256_SIZE))
		return wrong(r, "hash: expected the SHA-256 of the token, in hexadecimal digits");
	return read_expiry(r, expires, &o->expires_us) != 0 ? -1 : read_scope(r, scope, &o->scope);
}

/* Before it waits for a second person: a token that the server made would have to be kept until then, and told to both. */
static int
check_new(struct request *r)
{
	struct order o = {0};
	int rc = read_order(r, &o);

	if (rc == 0 && !o.hashed)
		rc = wrong(r, "with compliance.four_eyes who asks makes the token, and sends its SHA-256 as hash (chancery token new does)");
	buf_fini(&o.scope);
	return rc;
}

static enum sql_status
insert(struct request *r, const struct order *o, PGresult **rows)
{
	struct config *c = config_get();
	char role[8], at[32], most[24], hash[2 * SHA256_SIZE + 3] = "\\x", prefix[2 * 8 + 3] = "\\x";

	text_hex(o->hash, SHA256_SIZE, hash + 2);
	text_hex(o->hash, 8, prefix + 2);
	snprintf(role, sizeof role, "%u", o->role);
	snprintf(most, sizeof most, "%" PRIu64, (uint64_t)c->limits.tokens_per_person);
	config_unref(c);
	return sql_query(r->db, &r->err, rows,
			 "INSERT INTO compliance.token (person, prefix, hash, role, scope, expires_at)"
			 " SELECT p.id, $2::bytea, $3::bytea, $4::smallint, $5::text[], $6::timestamptz FROM compliance.person p"
			 " WHERE p.name = $1 AND NOT p.disabled AND p.roles & $4::smallint <> 0 AND (SELECT count(*) FROM compliance.token t"
			 " WHERE t.person = p.id AND t.revoked_at IS NULL AND t.expires_at > now()) < $7::bigint RETURNING id",
			 7, o->name, prefix, hash, role, buf_data(&o->scope), clock_format(o->expires_us, at), most);
}

static int
make(struct request *r, struct order *o, const char *secret)
{
	PGresult *rows = NULL;
	json_t *detail = NULL;
	int64_t id;
	int rc = -1;

	(void)buf_str(&o->scope);
	if (request_db(r) != 0 || sql_begin(r->db, &r->err) != SQL_OK || insert(r, o, &rows) != SQL_OK)
		goto out;
	if (PQntuples(rows) == 0) {
		err_set(&r->err, 0, "%.100s is not a person who may act as %s, or has as many tokens as one may have (limits.tokens_per_person)", o->name,
			access_role_name(o->role));
		goto out;
	}
	id = sql_i64(rows, 0, 0);
	detail = json_pack("{s:I, s:s, s:s, s:o}", "token", (json_int_t)id, "role", access_role_name(o->role), "scope", buf_str(&o->scope), "expires",
			   request_time(o->expires_us));
	if (audit_write(r->db, r->who, "token.new", o->name, detail, &r->err) != SQL_OK || sql_commit(r->db, &r->err) != SQL_OK)
		goto out;
	audit_log(r->who, "token.new", o->name);
	rc = request_row(r, json_pack("{s:I, s:s, s:s, s:o, s:s*}", "token", (json_int_t)id, "name", o->name, "role", access_role_name(o->role), "expires",
				      request_time(o->expires_us), "secret", secret));
out:
	json_decref(detail);
	PQclear(rows);
	sql_rollback(r->db);
	return rc;
}

static int
token_new(struct request *r)
{
	struct order o = {0};
	char secret[ACCESS_TOKEN_TEXT] = "";
	int rc = read_order(r, &o);

	if (rc == 0 && !o.hashed) {
		access_token_make(secret);
		access_token_hash(secret, o.hash);
	}
	if (rc == 0)
		rc = make(r, &o, secret[0] != '\0' ? secret : NULL);
	crypt_wipe(secret, sizeof secret);
	buf_fini(&o.scope);
	return rc;
}

/* Whose tokens are one's own: an administrator's without a token are everybody's, as an administrator's with one. */
static const char *
own(const struct request *r, char out[24])
{
	snprintf(out, 24, "%" PRId64, r->role == ACCESS_ADMIN ? INT64_C(0) : r->person);
	return out;
}

/* For all roles: as the server, since nobody else may read the table. */
static struct sql *
server_db(struct request *r)
{
	struct sql *db = access_db_as(r->dbs, ACCESS_ADMIN);

	if (sql_connect(db, 3000, &r->err) == SQL_OK)
		return db;
	r->status = 503;
	err_prefix(&r->err, "the database is not available");
	return NULL;
}

static json_t *
token_row(const PGresult *rows, int i)
{
	json_t *row = json_pack("{s:I, s:s, s:s, s:s, s:o, s:o, s:o}", "token", (json_int_t)sql_i64(rows, i, 0), "name", sql_text(rows, i, 1), "role",
				access_role_name((unsigned)sql_i64(rows, i, 2)), "state", sql_text(rows, i, 3), "created",
				request_time(sql_i64(rows, i, 4)), "expires", request_time(sql_i64(rows, i, 5)), "used", request_time(sql_i64(rows, i, 6)));

	json_object_set_new(row, "used_from", sql_is_null(rows, i, 7) ? json_null() : json_string(sql_text(rows, i, 7)));
	json_object_set_new(row, "scope", json_string(sql_text(rows, i, 8)));
	return row;
}

static int
token_list(struct request *r)
{
	const char *name = NULL;
	char person[24];
	PGresult *rows;
	struct sql *db;

	if (request_args(r, "{s?s}", "name", &name) != 0 || (db = server_db(r)) == NULL ||
	    sql_query(db, &r->err, &rows,
		      "SELECT t.id, p.name, t.role, CASE WHEN t.revoked_at IS NOT NULL THEN 'revoked' WHEN t.expires_at <= now() THEN 'expired'"
		      " WHEN p.disabled OR p.roles & t.role = 0 THEN 'barred' ELSE 'good' END, (extract(epoch FROM t.created_at) * 1000000)::bigint,"
		      " (extract(epoch FROM t.expires_at) * 1000000)::bigint, coalesce((extract(epoch FROM t.used_at) * 1000000)::bigint, 0), t.used_from,"
		      " array_to_string(t.scope, ' ') FROM compliance.token t JOIN compliance.person p ON p.id = t.person"
		      " WHERE ($1::bigint = 0 OR p.id = $1::bigint) AND ($2::text IS NULL OR p.name = $2) ORDER BY t.id",
		      2, own(r, person), name) != SQL_OK)
		return -1;
	return rows_give(r, rows, token_row);
}

static int
token_revoke(struct request *r)
{
	char id[24], person[24];
	PGresult *rows = NULL;
	json_t *detail = NULL;
	struct sql *db;
	json_int_t token;
	int rc = -1;

	if (request_args(r, "{s:I}", "id", &token) != 0 || (db = server_db(r)) == NULL)
		return -1;
	snprintf(id, sizeof id, "%lld", (long long)token);
	if (sql_begin(db, &r->err) != SQL_OK ||
	    sql_query(db, &r->err, &rows,
		      "UPDATE compliance.token t SET revoked_at = coalesce(revoked_at, now()) FROM compliance.person p"
		      " WHERE t.id = $1::bigint AND p.id = t.person AND ($2::bigint = 0 OR p.id = $2::bigint) RETURNING p.name",
		      2, id, own(r, person)) != SQL_OK)
		goto out;
	if (PQntuples(rows) == 0) {
		/* A number that is nobody's is a mistake. */
		if (sql_query_bool(db, &r->err, &r->denied, "SELECT EXISTS (SELECT FROM compliance.token WHERE id = $1::bigint)", 1, id) != SQL_OK)
			goto out;
		r->status = 404;
		err_set(&r->err, 0, "there is no token %s of yours", id);
		goto out;
	}
	detail = json_pack("{s:I}", "token", token);
	if (audit_write(db, r->who, "token.revoke", sql_text(rows, 0, 0), detail, &r->err) != SQL_OK || sql_commit(db, &r->err) != SQL_OK)
		goto out;
	audit_log(r->who, "token.revoke", sql_text(rows, 0, 0));
	rc = request_row(r, json_pack("{s:I, s:s, s:s}", "token", token, "name", sql_text(rows, 0, 0), "state", "revoked"));
out:
	json_decref(detail);
	PQclear(rows);
	sql_rollback(db);
	return rc;
}

const struct request_verb request_token_verbs[] = {
	{"token", "new", token_new, .flags = ACCESS_FOUR_EYES, .check = check_new, .about = "Makes a token for a person in one of the roles",
	 .args = "name:string role:string expires:string? scope:string[]? hash:string?"},
	{"token", "list", token_list, .roles = ACCESS_ANY, .about = "Lists tokens: one's own, an administrator all", .args = "name:string?"},
	{"token", "revoke", token_revoke, .roles = ACCESS_ANY, .about = "Ends a token, at once", .args = "id:integer"},
	{.noun = NULL},
};
