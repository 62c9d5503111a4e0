/*
 * access: see access.h. Called by request.c on the threads of control connections and of the API.
 *
 * Tries of wrong tokens are counted by source in a small table under a mutex: who has had enough of them in a minute is not looked up any more, unless
 * the token has been right a moment ago, so that nobody is locked out by a neighbour behind the same address. That is logged once in the minute.
 */
#include "admin/access/access.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"
#include "store/refusal.h"

#define CONNECT_MS 3000
#define TOKEN_PREFIX "cht_"
#define TOKEN_BYTES 32
#define WINDOW_MS 60000
#define SOURCES 4096
#define GOOD 512

/* Roles */

static const struct {
	unsigned role;
	const char *name, *database;
} roles[ACCESS_ROLES] = {
	{ACCESS_ADMIN, "admin", NULL},
	{ACCESS_OFFICER, "officer", "chancery_officer"},
	{ACCESS_AUDITOR, "auditor", "chancery_auditor"},
	{ACCESS_DPO, "dpo", "chancery_retention"},
};

const char *
access_role_name(unsigned role)
{
	for (size_t i = 0; i < ACCESS_ROLES; i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "nobody";
}

unsigned
access_role_read(const char *name)
{
	for (size_t i = 0; i < ACCESS_ROLES; i++)
		if (strcmp(roles[i].name, name) == 0)
			return roles[i].role;
	return 0;
}

bool
access_roles_agree(unsigned r)
{
	if (r & ACCESS_ADMIN || r & ACCESS_AUDITOR)
		return (r & (r - 1)) == 0;
	return true;
}

/* Connections */

struct access_db {
	char *conninfo, *app;
	const atomic_bool *stop;
	struct sql *as[ACCESS_ROLES];
};

struct access_db *
access_db_new(const char *conninfo, const char *application_name)
{
	struct access_db *d = NEW(struct access_db);

	d->conninfo = mem_strdup(conninfo);
	d->app = mem_strdup(application_name);
	return d;
}

void
access_db_free(struct access_db *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < ACCESS_ROLES; i++)
		sql_free(d->as[i]);
	crypt_wipe(d->conninfo, strlen(d->conninfo));
	free(d->conninfo);
	free(d->app);
	free(d);
}

struct sql *
access_db_as(struct access_db *d, unsigned role)
{
	size_t i = 0;

	while (i + 1 < ACCESS_ROLES && roles[i].role != role)
		i++;
	/* A role that is none is a mistake of ours, and gets the least. */
	if (roles[i].role != role)
		i = 2;
	if (d->as[i] == NULL) {
		d->as[i] = roles[i].database != NULL ? sql_new_as(d->conninfo, roles[i].database, d->app) : sql_new(d->conninfo, d->app);
		sql_set_stop(d->as[i], d->stop);
	}
	return d->as[i];
}

const atomic_bool *
access_db_set_stop(struct access_db *d, const atomic_bool *stop)
{
	const atomic_bool *before = d->stop;

	d->stop = stop;
	for (size_t i = 0; i < ACCESS_ROLES; i++)
		if (d->as[i] != NULL)
			sql_set_stop(d->as[i], stop);
	return before;
}

/* Tries */

static struct {
	pthread_mutex_t lock;
	struct {
		uint64_t key;
		int64_t since_ms;
		unsigned failures;
		bool told; /* that it has had enough of them */
	} sources[SOURCES];
	uint64_t good[GOOD]; /* keyed hashes of tokens that were right lately; only a hint */
} tries = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t
tries_most(void)
{
	struct config *c = config_get();
	uint64_t most = c->limits.auth_failures_per_address;

	config_unref(c);
	return most;
}

/* *tell: this is the first one in the window that is refused. */
static bool
may_try(const char *source, const uint8_t hash[SHA256_SIZE], bool *tell)
{
	uint64_t key, good = crypt_hash(hash, SHA256_SIZE), most = tries_most();
	bool may;

	*tell = false;
	if (source == NULL)
		return true;
	key = crypt_hash(source, strlen(source));
	pthread_mutex_lock(&tries.lock);
	may = tries.good[good % GOOD] == good || tries.sources[key % SOURCES].key != key ||
		clock_mono_ms() - tries.sources[key % SOURCES].since_ms >= WINDOW_MS || tries.sources[key % SOURCES].failures < most;
	if (!may) {
		*tell = !tries.sources[key % SOURCES].told;
		tries.sources[key % SOURCES].told = true;
	}
	pthread_mutex_unlock(&tries.lock);
	return may;
}

static void
tried(const char *source, const uint8_t hash[SHA256_SIZE], bool right)
{
	uint64_t key = source != NULL ? crypt_hash(source, strlen(source)) : 0, good = crypt_hash(hash, SHA256_SIZE);
	int64_t now = clock_mono_ms();
	size_t at = key % SOURCES;

	pthread_mutex_lock(&tries.lock);
	if (right) {
		tries.good[good % GOOD] = good;
	} else {
		if (tries.good[good % GOOD] == good)
			tries.good[good % GOOD] = 0;
		if (source != NULL && (tries.sources[at].key != key || now - tries.sources[at].since_ms >= WINDOW_MS)) {
			tries.sources[at].key = key;
			tries.sources[at].since_ms = now;
			tries.sources[at].failures = 0;
			tries.sources[at].told = false;
		}
		if (source != NULL)
			tries.sources[at].failures++;
	}
	pthread_mutex_unlock(&tries.lock);
}

/* Tokens */

void
access_token_make(char out[ACCESS_TOKEN_TEXT])
{
	memcpy(out, TOKEN_PREFIX, sizeof TOKEN_PREFIX);
	crypt_random_hex(out + strlen(TOKEN_PREFIX), TOKEN_BYTES);
}

void
access_token_hash(const char *token, uint8_t out[SHA256_SIZE])
{
	crypt_sha256(token, strlen(token), out);
}

void
access_caller_fini(struct access_caller *c)
{
	free(c->scope);
	memset(c, 0, sizeof *c);
}

bool
access_in_scope(const struct access_caller *c, const char *noun, const char *verb)
{
	char word[160];

	if (c->scope[0] == '\0')
		return true;
	snprintf(word, sizeof word, " %s ", noun);
	if (strstr(c->scope, word) != NULL)
		return true;
	snprintf(word, sizeof word, " %s.%s ", noun, verb);
	return strstr(c->scope, word) != NULL;
}

/* What is known of a token, in the order of the columns below. */
enum { HASH, TOKEN, PERSON, NAME, ROLE, ROLES, SCOPE, EXPIRED, REVOKED, DISABLED, RECENT };

static enum sql_status
find(struct sql *db, const uint8_t hash[SHA256_SIZE], const char *from, PGresult **out, struct err *e)
{
	char prefix[2 * 8 + 3] = "\\x";

	text_hex(hash, 8, prefix + 2);
	return sql_query(db, e, out,
			 "SELECT encode(t.hash, 'hex'), t.id, p.id, p.name, t.role, p.roles, array_to_string(t.scope, ' '), t.expires_at <= now(),"
			 " t.revoked_at IS NOT NULL, p.disabled, coalesce(t.used_from = $2 AND t.used_at > now() - interval '15 minutes', false)"
			 " FROM compliance.token t JOIN compliance.person p ON p.id = t.person WHERE t.prefix = $1::bytea",
			 2, prefix, from);
}

/* The row whose hash it is; -1. All of them are compared, whatever was found before. */
static int
matching(const PGresult *r, const uint8_t hash[SHA256_SIZE])
{
	char hex[2 * SHA256_SIZE + 1];
	int found = -1;

	text_hex(hash, SHA256_SIZE, hex);
	for (int i = 0; i < PQntuples(r); i++)
		if (PQgetlength(r, i, HASH) == 2 * SHA256_SIZE && crypt_equal(sql_text(r, i, HASH), hex, 2 * SHA256_SIZE))
			found = i;
	return found;
}

/* Why it opens nothing; NULL: it does. */
static const char *
trouble(const PGresult *r, int row)
{
	if (row < 0)
		return "the token is not known here";
	if (sql_bool(r, row, REVOKED))
		return "the token has been revoked";
	if (sql_bool(r, row, EXPIRED))
		return "the token has expired";
	if (sql_bool(r, row, DISABLED))
		return "the person has been disabled";
	if (!(sql_i64(r, row, ROLE) & sql_i64(r, row, ROLES)))
		return "the person has no longer the role of the token";
	return NULL;
}

static void
take(struct access_caller *c, const PGresult *r, int row, const struct audit_who *shown_by)
{
	const char *scope = sql_text(r, row, SCOPE);
	size_t n = strlen(scope);

	c->token = sql_i64(r, row, TOKEN);
	c->person = sql_i64(r, row, PERSON);
	c->role = (unsigned)sql_i64(r, row, ROLE);
	snprintf(c->name, sizeof c->name, "%s", sql_text(r, row, NAME));
	snprintf(c->origin, sizeof c->origin, "%.120s role=%s token=%" PRId64, shown_by->origin, access_role_name(c->role), c->token);
	c->who = (struct audit_who){.uid = shown_by->uid, .login = shown_by->login, .name = c->name, .origin = c->origin,
		.role = access_role_name(c->role)};
	c->scope = mem_zalloc(n + 3);
	if (n > 0)
		snprintf(c->scope, n + 3, " %s ", scope);
}

/* A person has come: once for as long as they stay. */
static int
note(struct sql *db, const struct access_caller *c, const char *from, struct err *e)
{
	char id[24];

	snprintf(id, sizeof id, "%" PRId64, c->token);
	if (sql_begin(db, e) == SQL_OK && audit_write(db, &c->who, "access.login", c->name, NULL, e) == SQL_OK &&
	    sql_do(db, e, "UPDATE compliance.token SET used_at = now(), used_from = $2 WHERE id = $1::bigint", 2, id, from) == SQL_OK &&
	    sql_commit(db, e) == SQL_OK) {
		audit_log(&c->who, "access.login", c->name);
		return 0;
	}
	sql_rollback(db);
	return -1;
}

/* Who shows a token that opens nothing is nobody yet: on the local socket the account of the operating system, elsewhere an address. */
static void
note_refusal(const struct audit_who *shown_by, const char *source, int64_t token, const char *why)
{
	char target[32] = "";

	if (token != 0)
		snprintf(target, sizeof target, "token %" PRId64, token);
	refusal_note(&(struct refusal){.action = "access.refused", .person = source == NULL ? shown_by->name : NULL, .uid = shown_by->uid,
		.login = shown_by->login, .source = source != NULL ? source : "local", .origin = shown_by->origin, .target = token != 0 ? target : NULL,
		.why = why});
}

static int
refuse(const char *why, const struct audit_who *shown_by, const char *source, int64_t token, int *status, struct err *e)
{
	metric_add(METRIC_ACCESS_REFUSED, 1);
	log_warning(NULL, "token-refused", "why=%s from=%s token=%" PRId64, why, shown_by->origin, token);
	note_refusal(shown_by, source, token, why);
	*status = 401;
	return err_set(e, 0, "%s", why);
}

static int
throttle(const struct audit_who *shown_by, const char *source, bool tell, int *status, struct err *e)
{
	metric_add(METRIC_ACCESS_THROTTLED, 1);
	if (tell)
		log_warning(NULL, "token-throttled", "from=%s limit=auth_failures_per_address", shown_by->origin);
	note_refusal(shown_by, source, 0, "too many wrong tokens");
	*status = 429;
	return err_set(e, 0, "too many wrong tokens from your address: wait a minute");
}

int
access_identify(struct sql *db, const char *token, const struct audit_who *shown_by, const char *source, struct access_caller *c, int *status,
		struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	const char *from = source != NULL ? source : "local", *why;
	PGresult *r = NULL;
	bool tell;
	int row, rc = 0;

	access_token_hash(token, hash);
	if (!may_try(source, hash, &tell))
		return throttle(shown_by, source, tell, status, e);
	*status = 503;
	if (sql_connect(db, CONNECT_MS, e) != SQL_OK || find(db, hash, from, &r, e) != SQL_OK)
		return err_prefix(e, "the database is not available");
	row = matching(r, hash);
	why = trouble(r, row);
	tried(source, hash, why == NULL);
	if (why != NULL) {
		rc = refuse(why, shown_by, source, row < 0 ? 0 : sql_i64(r, row, TOKEN), status, e);
	} else {
		take(c, r, row, shown_by);
		if (!sql_bool(r, row, RECENT))
			rc = note(db, c, from, e);
		if (rc != 0)
			access_caller_fini(c);
	}
	PQclear(r);
	return rc;
}
