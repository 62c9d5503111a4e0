/*
 * The proof that the server cannot change the record: every way to do it that PostgreSQL has, tried as
 * the server's role, is refused; what it needs works. 42501 is "insufficient privilege".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/pg.h"

static struct pg *pg;
static char part[64]; /* the current month's partition */

static int
start(void **state)
{
	(void)state;
	pg = pg_new(NULL, true);
	pg_exec(pg, "SELECT archive.make_partitions(1)");
	pg_exec(pg,
		"INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, leaf_hash)"
		" VALUES ((extract(epoch FROM now()) * 1000000)::bigint, 0, now(), 1, 0, true,"
		" sha256('x'))");
	snprintf(part, sizeof(part), "%s",
		 pg_value(pg, "SELECT tableoid::regclass FROM archive.record"));
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
expect(const char *role, const char *sql, const char *state)
{
	const char *got = pg_try(pg, role, sql);

	if (strcmp(got, state) != 0)
		fail_msg("%s: %s: got '%s', expected '%s'", role, sql, got, state);
}

/* `sql` with %s for the partition. */
static void
denied(const char *role, const char *sql)
{
	char text[600];
	const char *p = strstr(sql, "%s");

	if (p)
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(p - sql), sql, part, p + 2);
	else
		snprintf(text, sizeof(text), "%s", sql);
	expect(role, text, "42501");
}

static const char *const record_changes[] = {
	"UPDATE archive.record SET body = 'never said'",
	"UPDATE archive.record SET leaf_hash = leaf_hash WHERE false",
	"DELETE FROM archive.record",
	"DELETE FROM archive.record WHERE false",
	"TRUNCATE archive.record",
	"TRUNCATE %s",
	"UPDATE %s SET body = 'never said'",
	"DELETE FROM %s",
	"INSERT INTO archive.record SELECT * FROM archive.record ON CONFLICT (id) DO UPDATE SET body = ''",
	"MERGE INTO archive.record r USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
	"SELECT * FROM archive.record FOR UPDATE",
	"BEGIN; LOCK TABLE archive.record IN ACCESS EXCLUSIVE MODE",
	"DROP TABLE archive.record",
	"DROP TABLE %s",
	"DROP SCHEMA archive CASCADE",
	"DROP FUNCTION archive.make_partitions(int)",
	"DROP INDEX archive.record_to",
	"ALTER TABLE archive.record DETACH PARTITION %s",
	"ALTER TABLE archive.record ADD COLUMN x int",
	"ALTER TABLE archive.record DROP COLUMN salt",
	"ALTER TABLE archive.record ALTER COLUMN body SET DEFAULT 'x'",
	"ALTER TABLE archive.record DISABLE TRIGGER ALL",
	"ALTER TABLE archive.record OWNER TO chancery_server",
	"ALTER TABLE archive.record RENAME TO gone",
	"ALTER TABLE %s ADD CHECK (false)",
	"ALTER SCHEMA archive RENAME TO gone",
	"CREATE TRIGGER t BEFORE INSERT ON archive.record EXECUTE FUNCTION unique_key_recheck()",
	"CREATE RULE r AS ON INSERT TO archive.record DO INSTEAD NOTHING",
	"CREATE TABLE archive.mine (x int)",
	"CREATE TABLE archive.mine PARTITION OF archive.record FOR VALUES FROM (0) TO (1)",
	"CREATE VIEW archive.mine AS SELECT 1",
	"CREATE FUNCTION archive.make_partitions(months bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
	"CREATE OR REPLACE FUNCTION archive.leaf(r archive.record) RETURNS bytea LANGUAGE sql AS 'SELECT NULL'",
	"CREATE INDEX ON archive.record (body)",
	"CREATE POLICY p ON archive.record USING (false)",
	"ALTER TABLE archive.record ENABLE ROW LEVEL SECURITY",
	"CREATE SCHEMA mine",
	"CREATE TABLE public.mine (x int)",
	"CREATE TEMP TABLE record (x int)",
	"SET session_replication_role = replica",
	"SET ROLE chancery_owner",
	"SET SESSION AUTHORIZATION chancery_owner",
	"ALTER ROLE chancery_server SUPERUSER",
	"CREATE ROLE more SUPERUSER",
	"COPY archive.record TO PROGRAM 'cat'",
	"COPY archive.record TO '/tmp/chancery-leak'",
	"ALTER SYSTEM SET fsync = off",
	"ALTER TABLE chancery.migration ADD COLUMN x int",
	"INSERT INTO chancery.migration VALUES ('x', 'y')",
};

static void
server_cannot_change_the_record(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(record_changes) / sizeof(record_changes[0]); i++)
		denied("chancery_server", record_changes[i]);
}

/* Without the right to pass a right on, GRANT is a warning and does nothing. */
static void
server_cannot_grant(void **state)
{
	(void)state;
	expect("chancery_server",
	       "GRANT UPDATE, DELETE, TRUNCATE ON archive.record TO chancery_server, PUBLIC", "");
	assert_string_equal(
		pg_value(pg, "SELECT has_table_privilege('chancery_server', 'archive.record',"
			     " 'UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')"),
		"f");
	assert_string_equal(
		pg_value(pg, "SELECT has_schema_privilege('chancery_server', 'archive', 'CREATE')"),
		"f");
	assert_string_equal(
		pg_value(pg, "SELECT pg_has_role('chancery_server', 'chancery_owner', 'MEMBER')"),
		"f");
}

static void
server_can_do_its_work(void **state)
{
	(void)state;
	expect("chancery_server", "SELECT * FROM archive.record", "");
	expect("chancery_server", "SELECT archive.make_partitions(3)", "");
	expect("chancery_server",
	       "INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, leaf_hash)"
	       " VALUES ((extract(epoch FROM now()) * 1000000)::bigint, 1, now(), 1, 0, true, sha256('y'))",
	       "");
	expect("chancery_server", "INSERT INTO chancery.account (bare) VALUES ('a@example.org')",
	       "");
	expect("chancery_server", "UPDATE chancery.account SET disabled = true", "");
	expect("chancery_server", "DELETE FROM chancery.account", "");
}

static void
a_leaf_has_32_bytes(void **state)
{
	(void)state;
	expect("chancery_server",
	       "INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, leaf_hash)"
	       " VALUES ((extract(epoch FROM now()) * 1000000)::bigint, 2, now(), 1, 0, true, 'short')",
	       "23514");
	expect("chancery_server",
	       "INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable)"
	       " VALUES ((extract(epoch FROM now()) * 1000000)::bigint, 2, now(), 1, 0, true)",
	       "23502");
}

static void
an_index_is_used_once(void **state)
{
	(void)state;
	expect("chancery_server",
	       "INSERT INTO archive.record (id, log_index, at, kind, direction, deliverable, leaf_hash)"
	       " VALUES ((extract(epoch FROM now()) * 1000000)::bigint, 0, now(), 1, 0, true, sha256('z'))",
	       "23505");
}

static void
audit_only_grows(void **state)
{
	(void)state;
	expect("chancery_server",
	       "INSERT INTO chancery.audit (who_uid, who_name, origin, action, target, detail)"
	       " VALUES (0, 'root', 'socket', 'user-add', 'a@example.org', '{}')",
	       "");
	expect("chancery_server", "SELECT * FROM chancery.audit", "");
	denied("chancery_server", "UPDATE chancery.audit SET action = 'nothing'");
	denied("chancery_server", "DELETE FROM chancery.audit");
	denied("chancery_server", "TRUNCATE chancery.audit");
	denied("chancery_server",
	       "INSERT INTO chancery.audit (at, origin, action) VALUES (now(), 'x', 'y')");
	denied("chancery_server", "UPDATE chancery.secret SET value = 'x'");
}

static void
reader_reads(void **state)
{
	static const char *const no[] = {
		"SET ROLE chancery_reader; UPDATE archive.record SET body = 'x'",
		"SET ROLE chancery_reader; DELETE FROM archive.record",
		"SET ROLE chancery_reader; INSERT INTO archive.record (id) VALUES (1)",
		"SET ROLE chancery_reader; SELECT archive.make_partitions(1)",
		"SET ROLE chancery_reader; SELECT * FROM chancery.account",
		"SET ROLE chancery_retention; SELECT * FROM archive.record",
		"SET ROLE chancery_retention; DELETE FROM compliance.retention_note",
		"SET ROLE chancery_server; SELECT * FROM compliance.retention_note",
		"SET ROLE chancery_officer; UPDATE compliance.retention_note SET due = 'infinity'",
		"SET ROLE chancery_retention; DELETE FROM archive.record",
		"SET ROLE chancery_retention; DELETE FROM archive.dropped",
		"SET ROLE chancery_retention; INSERT INTO archive.dropped SELECT * FROM archive.dropped",
		"SET ROLE chancery_retention; SELECT archive.drop_month('2026-01', 1)",
		"SET ROLE chancery_retention; SELECT archive.erased_among(0, 1)",
		"SET ROLE chancery_server; SELECT archive.drop_rows(1, 1)",
		"SET ROLE chancery_officer; SELECT archive.drop_month('2026-01', 1)",
		"SET ROLE chancery_officer; UPDATE archive.record SET body = 'x'",
		"SET ROLE chancery_officer; DELETE FROM archive.record",
		"SET ROLE chancery_officer; SELECT * FROM chancery.account",
		"SET ROLE chancery_officer; SELECT * FROM chancery.audit",
		"SET ROLE chancery_officer; SELECT * FROM compliance.token",
		"SET ROLE chancery_officer; UPDATE compliance.person SET roles = 1",
		"SET ROLE chancery_auditor; SELECT * FROM archive.record",
		"SET ROLE chancery_auditor; DELETE FROM chancery.audit",
		"SET ROLE chancery_auditor; SELECT * FROM compliance.person",
		"SET ROLE chancery_auditor; SELECT * FROM compliance.approval",
		"SET ROLE chancery_server; DELETE FROM compliance.person",
		"SET ROLE chancery_server; UPDATE compliance.token SET hash = hash",
		"SET ROLE chancery_server; UPDATE compliance.approval SET args = '{}'",
	};

	(void)state;
	expect("postgres", "SET ROLE chancery_reader; SELECT archive.leaf(r) FROM archive.record r",
	       "");
	expect("postgres", "SET ROLE chancery_officer; SELECT archive.leaf(r) FROM archive.record r", "");
	expect("postgres", "SET ROLE chancery_auditor; SELECT * FROM chancery.audit", "");
	expect("postgres", "SET ROLE chancery_officer; INSERT INTO chancery.audit (origin, action) VALUES ('x', 'y')", "");
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		expect("postgres", no[i], "42501");
}

static void
strangers_stay_out(void **state)
{
	(void)state;
	pg_exec(pg, "CREATE ROLE stranger LOGIN");
	assert_string_equal(
		pg_value(pg, "SELECT has_database_privilege('stranger', 'chancery', 'CONNECT')"),
		"f");
	expect("postgres", "SET ROLE stranger; SELECT * FROM archive.record", "42501");
	expect("postgres", "SET ROLE stranger; SELECT archive.make_partitions(1)", "42501");
	expect("postgres", "SET ROLE stranger; CREATE TABLE public.x (x int)", "42501");
}

/* Partitions are reached through their parent; new ones get no grants to anybody. */
static void
partitions_have_no_grants(void **state)
{
	(void)state;
	assert_int_equal(
		pg_number(
			pg,
			"SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
			" WHERE i.inhparent = 'archive.record'::regclass AND relacl IS NOT NULL AND EXISTS"
			" (SELECT FROM aclexplode(relacl) WHERE grantee <> relowner)"),
		0);
	assert_true(pg_number(pg, "SELECT count(*) FROM pg_inherits WHERE inhparent ="
				  " 'archive.record'::regclass") >= 4);
	assert_int_equal(
		pg_number(
			pg,
			"SELECT count(*) FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
			" WHERE i.inhparent = 'archive.record'::regclass AND pg_get_userbyid(relowner) <>"
			" 'chancery_owner'"),
		0);
}

/* Nothing in the schemas can be executed by everybody, and what runs with the owner's rights has a
 * fixed search path. */
static void
functions_are_closed(void **state)
{
	(void)state;
	assert_int_equal(
		pg_number(
			pg,
			"SELECT count(*) FROM pg_proc p WHERE pronamespace IN"
			" ('archive'::regnamespace, 'chancery'::regnamespace) AND"
			" (proacl IS NULL OR EXISTS (SELECT FROM aclexplode(proacl) WHERE grantee = 0))"),
		0);
	assert_int_equal(
		pg_number(
			pg,
			"SELECT count(*) FROM pg_proc WHERE pronamespace ="
			" 'archive'::regnamespace AND prosecdef AND NOT 'search_path=pg_catalog, pg_temp' = ANY (proconfig)"),
		0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_cannot_change_the_record),
		cmocka_unit_test(server_cannot_grant),
		cmocka_unit_test(server_can_do_its_work),
		cmocka_unit_test(a_leaf_has_32_bytes),
		cmocka_unit_test(an_index_is_used_once),
		cmocka_unit_test(audit_only_grows),
		cmocka_unit_test(reader_reads),
		cmocka_unit_test(strangers_stay_out),
		cmocka_unit_test(partitions_have_no_grants),
		cmocka_unit_test(functions_are_closed),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
