/* Migrations: applied once, and refused when they are not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "lib/pg.h"
#include "store/schema.h"
#include "store/version.h"

static struct pg *pg;

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, false);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	pg_free(pg);
	return 0;
}

static void
empty_database_needs_migration(void **state)
{
	bool needs = false;
	struct err e;

	(void)state;
	assert_int_equal(version_check(pg_conninfo(pg, "chancery_server"), &needs, &e), -1);
	assert_true(needs);
}

static void
migrates_once(void **state)
{
	unsigned n;
	bool needs = true;
	struct err e;

	(void)state;
	if (version_migrate(pg_conninfo(pg, "chancery_owner"), &n, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(n, schema_files_n);
	assert_int_equal(version_migrate(pg_conninfo(pg, "chancery_owner"), &n, &e), 0);
	assert_int_equal(n, 0);
	if (version_check(pg_conninfo(pg, "chancery_server"), &needs, &e) != 0)
		fail_msg("%s", e.text);
	assert_false(needs);
}

static void
older_is_reported(void **state)
{
	bool needs = false;
	struct err e;

	(void)state;
	pg_exec(pg,
		"CREATE TEMP TABLE kept AS SELECT * FROM chancery.migration ORDER BY name DESC LIMIT 1;"
		"DELETE FROM chancery.migration WHERE name IN (SELECT name FROM kept)");
	assert_int_equal(version_check(pg_conninfo(pg, "chancery_server"), &needs, &e), -1);
	assert_true(needs);
	assert_non_null(strstr(e.text, "older"));
	pg_exec(pg, "INSERT INTO chancery.migration SELECT * FROM kept");
}

static void
run(struct pg *p, const struct schema_file *f)
{
	static const char frame[] = "BEGIN; SET LOCAL ROLE chancery_owner; %s\n; INSERT INTO chancery.migration VALUES ('%s', '%s'); COMMIT";
	uint8_t sum[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	size_t size = f->len + sizeof(frame) + 200;
	char *sql = malloc(size);

	crypt_sha256(f->text, f->len, sum);
	text_hex(sum, sizeof(sum), hex);
	snprintf(sql, size, frame, f->text, f->name, hex);
	pg_exec(p, sql);
	free(sql);
}

/* As a database was in November 2026, before there were holds, erasure and retention, whose files have lower numbers than its newest. */
static void
gaps_are_filled(void **state)
{
	struct pg *p = pg_new(NULL, false);
	bool needs = false;
	unsigned n, left = 0;
	struct err e;

	(void)state;
	pg_exec(p, "CREATE SCHEMA chancery AUTHORIZATION chancery_owner; GRANT USAGE ON SCHEMA chancery TO chancery_server;"
		"CREATE TABLE chancery.migration (name text COLLATE \"C\" PRIMARY KEY, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"
		"ALTER TABLE chancery.migration OWNER TO chancery_owner; GRANT SELECT ON chancery.migration TO chancery_server");
	for (size_t i = 0; i < schema_files_n; i++) {
		int number = atoi(schema_files[i].name);

		if (number == 34 || (number >= 36 && number <= 39) || number > 45)
			left++;
		else
			run(p, &schema_files[i]);
	}
	assert_true(left >= 5);
	assert_int_equal(version_check(pg_conninfo(p, "chancery_server"), &needs, &e), -1);
	assert_true(needs);
	assert_non_null(strstr(e.text, "0034_hold.sql"));
	if (version_migrate(pg_conninfo(p, "chancery_owner"), &n, &e) != 0)
		fail_msg("%s", e.text);
	assert_int_equal(n, left);
	if (version_check(pg_conninfo(p, "chancery_server"), &needs, &e) != 0)
		fail_msg("%s", e.text);
	pg_free(p);
}

static void
refused(const char *expected)
{
	unsigned n;
	bool needs = true;
	struct err e;

	assert_int_equal(version_check(pg_conninfo(pg, "chancery_server"), &needs, &e), -1);
	assert_false(needs);
	assert_non_null(strstr(e.text, expected));
	assert_int_equal(version_migrate(pg_conninfo(pg, "chancery_owner"), &n, &e), -1);
	assert_int_equal(n, 0);
	assert_non_null(strstr(e.text, expected));
}

static void
newer_is_refused(void **state)
{
	(void)state;
	pg_exec(pg, "INSERT INTO chancery.migration VALUES ('9999_future.sql', 'x')");
	refused("newer than this program");
	pg_exec(pg, "DELETE FROM chancery.migration WHERE name = '9999_future.sql'");
}

static void
unknown_is_refused(void **state)
{
	(void)state;
	pg_exec(pg, "INSERT INTO chancery.migration VALUES ('0001_aaa.sql', 'x')");
	refused("0001_aaa.sql");
	pg_exec(pg, "DELETE FROM chancery.migration WHERE name = '0001_aaa.sql'");
}

static void
changed_is_refused(void **state)
{
	(void)state;
	pg_exec(pg,
		"UPDATE chancery.migration SET sha256 = reverse(sha256) WHERE name LIKE '0002%'");
	refused("was changed after it had been applied");
	pg_exec(pg,
		"UPDATE chancery.migration SET sha256 = reverse(sha256) WHERE name LIKE '0002%'");
}

static void
roles_are_idempotent(void **state)
{
	(void)state;
	pg_exec(pg, schema_roles.text);
	pg_exec(pg, schema_roles.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_database_needs_migration),
		cmocka_unit_test(migrates_once),
		cmocka_unit_test(older_is_reported),
		cmocka_unit_test(gaps_are_filled),
		cmocka_unit_test(newer_is_refused),
		cmocka_unit_test(unknown_is_refused),
		cmocka_unit_test(changed_is_refused),
		cmocka_unit_test(roles_are_idempotent),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
