/* Migrations: applied once, and refused when they are not ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

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
		cmocka_unit_test(newer_is_refused),
		cmocka_unit_test(unknown_is_refused),
		cmocka_unit_test(changed_is_refused),
		cmocka_unit_test(roles_are_idempotent),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
