/*
 * version: applies and checks the migrations of schema/ (see version.h). Called at start, by
 * `chancery migrate` and by tests.
 *
 * What was applied is kept in chancery.migration, by file name with the SHA-256 of the file. All of it must be among ours, hash by hash: a database
 * that knows more is newer than this program, or was made by another. What is missing is applied in order, also before what is there already: work that
 * was begun earlier may be done later, and its file says what it needs by its number only.
 */
#include "store/version.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/schema.h"

#define MIGRATION_MS 600000
#define CONNECT_MS 10000
/* One migration at a time: the first number is ours (schema/README.md), the second says for what. */
#define MIGRATION_LOCK "SELECT pg_advisory_lock(4841263, 3)"

static const char bootstrap[] = "CREATE SCHEMA IF NOT EXISTS chancery;"
				"REVOKE ALL ON SCHEMA chancery FROM PUBLIC;"
				"GRANT USAGE ON SCHEMA chancery TO chancery_server;"
				"CREATE TABLE IF NOT EXISTS chancery.migration ("
				" name text COLLATE \"C\" PRIMARY KEY,"
				" sha256 text NOT NULL,"
				" applied_at timestamptz NOT NULL DEFAULT now());"
				"GRANT SELECT ON chancery.migration TO chancery_server;";

static void
hash_of(const struct schema_file *f, char hex[2 * SHA256_SIZE + 1])
{
	uint8_t sum[SHA256_SIZE];

	crypt_sha256(f->text, f->len, sum);
	text_hex(sum, sizeof(sum), hex);
}

/* Its number among ours; schema_files_n when it is not. */
static size_t
find(const char *name)
{
	size_t i = 0;

	while (i < schema_files_n && strcmp(schema_files[i].name, name) != 0)
		i++;
	return i;
}

/* Compares what the database has with what we have. known[i]: it has ours of number i. 0 or -1. */
static int
compare(const PGresult *r, bool *known, struct err *e)
{
	for (int i = 0; i < PQntuples(r); i++) {
		char hex[2 * SHA256_SIZE + 1];
		const char *name = sql_text(r, i, 0);
		size_t k = find(name);

		if (k == schema_files_n)
			return err_set(e, 0, "the database is newer than this program, or another's: it has migration %s", name);
		hash_of(&schema_files[k], hex);
		if (strcmp(sql_text(r, i, 1), hex) != 0)
			return err_set(e, 0, "migration %s was changed after it had been applied",
				       name);
		known[k] = true;
	}
	return 0;
}

/* `known` has schema_files_n places; freed by the caller, also after -1. */
static int
read_known(struct sql *db, bool **known, struct err *e)
{
	PGresult *r;
	int rc;

	*known = mem_zalloc(schema_files_n * sizeof(**known));
	if (sql_query(db, e, &r, "SELECT name, sha256 FROM chancery.migration ORDER BY name", 0) !=
	    SQL_OK)
		return -1;
	rc = compare(r, *known, e);
	PQclear(r);
	return rc;
}

static size_t
first_missing(const bool *known)
{
	size_t i = 0;

	while (i < schema_files_n && known[i])
		i++;
	return i;
}

static int
apply(struct sql *db, const struct schema_file *f, struct err *e)
{
	char hex[2 * SHA256_SIZE + 1];

	hash_of(f, hex);
	if (sql_begin(db, e) == SQL_OK && sql_script(db, e, f->text) == SQL_OK &&
	    sql_do(db, e, "INSERT INTO chancery.migration (name, sha256) VALUES ($1, $2)", 2,
		   f->name, hex) == SQL_OK &&
	    sql_commit(db, e) == SQL_OK) {
		log_info(NULL, "migration-applied", "name=%s", f->name);
		return 0;
	}
	sql_rollback(db);
	return err_prefix(e, "migration %s", f->name);
}

static int
migrate(struct sql *db, unsigned *applied, struct err *e)
{
	bool *known = NULL;
	int rc = 0;

	if (sql_connect(db, CONNECT_MS, e) != SQL_OK ||
	    sql_script(db, e, MIGRATION_LOCK) != SQL_OK || sql_script(db, e, bootstrap) != SQL_OK ||
	    read_known(db, &known, e) != 0)
		rc = -1;
	for (size_t i = 0; i < schema_files_n && !rc; i++) {
		if (known[i])
			continue;
		rc = apply(db, &schema_files[i], e);
		*applied += !rc;
	}
	free(known);
	return rc;
}

int
version_migrate(const char *owner_conninfo, unsigned *applied, struct err *e)
{
	struct sql *db = sql_new(owner_conninfo, "chancery migrate");
	int rc;

	*applied = 0;
	/* Durability is the server's to check; a migration that is lost is made again. */
	sql_skip_durability(db);
	sql_set_deadline(db, MIGRATION_MS);
	rc = migrate(db, applied, e);
	sql_free(db);
	return rc;
}

/* 42P01 no such table, 3F000 no such schema: nothing was ever applied. */
static bool
is_empty_database(const struct sql *db)
{
	return !strcmp(sql_state(db), "42P01") || !strcmp(sql_state(db), "3F000");
}

int
version_check(const char *conninfo, bool *needs_migration, struct err *e)
{
	struct sql *db = sql_new(conninfo, "chancery version");
	bool *known = NULL;
	size_t missing;
	int rc = -1;

	*needs_migration = false;
	sql_skip_durability(db);
	if (sql_connect(db, CONNECT_MS, e) != SQL_OK)
		goto out;
	rc = read_known(db, &known, e);
	if (rc != 0) {
		*needs_migration = is_empty_database(db);
		if (*needs_migration)
			err_set(e, 0,
				"the database has no schema of this program yet: run `chancery migrate`");
	} else if ((missing = first_missing(known)) < schema_files_n) {
		*needs_migration = true;
		rc = err_set(e, 0,
			     "the database is older than this program, migration %s is missing: "
			     "run `chancery migrate`",
			     schema_files[missing].name);
	}
out:
	free(known);
	sql_free(db);
	return rc;
}
