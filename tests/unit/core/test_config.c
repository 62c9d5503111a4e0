/*
 * Settings: what is accepted, what is refused and where the message points, the reference page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/config/config.h"
#include "core/config/config_table.h"

#define HOSTS "hosts:\n  - domain: Example.ORG\n    certificate: tls/c.pem\n    key: /k.pem\n"
#define DATABASE "database:\n  conninfo: dbname=x\n"

static struct config *
parse(const char *text, struct err *e)
{
	return config_parse("/etc/chancery/c.yaml", text, strlen(text), e);
}

static struct config *
accept(const char *text)
{
	struct err e = {0};
	struct config *c = parse(text, &e);

	if (c == NULL)
		fail_msg("%s", e.text);
	return c;
}

/* `where` and `what` must be in the message. */
static void
refuse(const char *text, const char *where, const char *what)
{
	struct err e = {0};
	struct config *c = parse(text, &e);
	char start[64];

	if (c != NULL)
		fail_msg("accepted: %s", text);
	snprintf(start, sizeof start, "/etc/chancery/c.yaml:%s: ", where);
	if (strncmp(e.text, start, strlen(start)) != 0 || strstr(e.text, what) == NULL)
		fail_msg("\"%s\" is not at %s or does not say \"%s\"", e.text, where, what);
}

static void
defaults(void **state)
{
	struct config *c = accept(HOSTS DATABASE);

	(void)state;
	assert_int_equal(c->nhosts, 1);
	assert_string_equal(c->hosts[0].domain, "example.org");
	assert_string_equal(c->hosts[0].certificate, "/etc/chancery/tls/c.pem");
	assert_string_equal(c->hosts[0].key, "/k.pem");
	assert_int_equal(c->listen.c2s.n, 2);
	assert_string_equal(c->listen.c2s.item[0], "0.0.0.0:5222");
	assert_string_equal(c->listen.c2s.item[1], "[::]:5222");
	assert_int_equal(c->listen.metrics.n, 1);
	assert_string_equal(c->listen.control, "/run/chancery/control");
	assert_string_equal(c->process.user, "");
	assert_string_equal(c->process.pid_file, "");
	assert_string_equal(c->database.owner_conninfo, "");
	assert_int_equal(c->database.patience_ms, 8000);
	assert_int_equal(c->archive.patience_ms, 20000);
	assert_int_equal(c->auth.iterations, 10000);
	assert_true(c->auth.channel_binding);
	assert_false(c->auth.plain);
	assert_int_equal(c->stream.resume_ms, 600000);
	assert_int_equal(c->log.level, LOG_INFO);
	assert_int_equal(c->log.format, LOG_TEXT);
#define SAME(name, def, min, max, help) assert_int_equal(c->limits.name, def);
	LIMITS_TABLE(SAME)
#undef SAME
	config_unref(c);
}

static void
every_type(void **state)
{
	struct config *c =
		accept(HOSTS DATABASE
		       "  workers: 7\n"
		       "  patience: 500ms\n"
		       "listen:\n  metrics: []\n  c2s: [\"127.0.0.1:1\"]\n  control: run/control\n"
		       "archive: {patience: 1m, typing: true}\n"
		       "stream: {resume: 2d, ping: 0, ping_timeout: 1h}\n"
		       "log: {level: debug, format: json}\n"
		       "limits: {stanza_bytes: 1m, output_bytes: 128k, connections: 5}\n"
		       "modules:\n");

	(void)state;
	assert_int_equal(c->database.workers, 7);
	assert_int_equal(c->database.patience_ms, 500);
	assert_int_equal(c->listen.metrics.n, 0);
	assert_int_equal(c->listen.c2s.n, 1);
	assert_string_equal(c->listen.control, "/etc/chancery/run/control");
	assert_int_equal(c->archive.patience_ms, 60000);
	assert_true(c->archive.typing);
	assert_int_equal(c->stream.resume_ms, 172800000);
	assert_int_equal(c->stream.ping_ms, 0);
	assert_int_equal(c->stream.ping_timeout_ms, 3600000);
	assert_int_equal(c->log.level, LOG_DEBUG);
	assert_int_equal(c->log.format, LOG_JSON);
	assert_int_equal(c->limits.stanza_bytes, 1048576);
	assert_int_equal(c->limits.output_bytes, 131072);
	assert_int_equal(c->limits.connections, 5);
	assert_true(c->modules.version);
	config_unref(c);
}

static void
refused_values(void **state)
{
	(void)state;
	refuse(HOSTS DATABASE "log:\n  level: loud\n", "8:10",
	       "log.level: expected error, warning");
	refuse(HOSTS DATABASE "auth:\n  plain: yes\n", "8:10",
	       "auth.plain: expected true or false");
	refuse(HOSTS DATABASE "auth:\n  scram_iterations: 9999\n", "8:21", "from 10000 to");
	refuse(HOSTS DATABASE "auth:\n  scram_iterations: 64k\n", "8:21", "expected a number");
	refuse(HOSTS DATABASE "auth:\n  scram_iterations: -1\n", "8:21", "expected a number");
	refuse(HOSTS DATABASE "stream:\n  resume: 10\n", "8:11", "expected a duration");
	refuse(HOSTS DATABASE "stream:\n  resume: 8d\n", "8:11", "from 1s to 7d");
	refuse(HOSTS DATABASE "stream:\n  resume: 0\n", "8:11", "from 1s to 7d");
	refuse(HOSTS DATABASE "stream:\n  resume: 300000000000000000d\n", "8:11", "duration");
	refuse(HOSTS DATABASE "stream:\n  resume: 99999999999999999999d\n", "8:11", "duration");
	refuse(HOSTS DATABASE "stream:\n  resume: [1s]\n", "8:11", "duration");
	refuse(HOSTS DATABASE "limits:\n  stanza_bytes: 17m\n", "8:17", "from 10000 to 16m");
	refuse(HOSTS DATABASE "limits:\n  connections: 1k\n", "8:16", "expected a number");
	refuse(HOSTS DATABASE "listen:\n  c2s: 127.0.0.1:1\n", "8:8", "expected a list");
	refuse(HOSTS DATABASE "listen:\n  c2s: [localhost:1]\n", "8:9", "addresses");
	refuse(HOSTS DATABASE "listen:\n  c2s: [\"127.0.0.1:0\"]\n", "8:9", "addresses");
	refuse(HOSTS DATABASE "listen:\n  c2s: [\"::1:80\"]\n", "8:9", "addresses");
	refuse(HOSTS DATABASE "listen:\n  c2s: [\"127.0.0.1:1\", \"127.0.0.1:1\"]\n", "8:24",
	       "different");
	refuse(HOSTS DATABASE "listen:\n  control:\n", "8:11", "expected a file name");
	refuse(HOSTS DATABASE "process:\n  user: \"a\\nb\"\n", "8:9", "expected a text");
	refuse(HOSTS DATABASE "process:\n  user: \"a\\0b\"\n", "8:9", "expected a text");
}

static void
refused_keys(void **state)
{
	(void)state;
	refuse(HOSTS DATABASE "colour: blue\n", "7:1", "colour: no such setting");
	refuse(HOSTS DATABASE "log:\n  colour: blue\n", "8:3", "log.colour: no such setting");
	refuse(HOSTS DATABASE "lis: {c2s: []}\n", "7:1", "no such setting");
	refuse(HOSTS DATABASE "log: {level: info, level: info}\n", "7:20",
	       "log.level: given twice");
	refuse(HOSTS DATABASE "log:\nlog:\n", "8:1", "log: given twice");
	refuse(HOSTS HOSTS DATABASE, "5:1", "hosts: given twice");
	refuse(HOSTS DATABASE "log: info\n", "7:6", "log: expected settings");
	refuse(HOSTS DATABASE "log: [level]\n", "7:6", "log: expected settings");
	refuse(HOSTS DATABASE "\"a\\nb\": 1\n", "7:1", "name of a setting");
	refuse(HOSTS DATABASE "? [a]\n: b\n", "7:3", "name of a setting");
	refuse("- a\n", "1:1", "expected sections");
	refuse("text", "1:1", "expected sections");
	refuse("", "1:1", "no settings");
	refuse("# nothing\n", "2:1", "no settings");
}

static void
refused_hosts(void **state)
{
	(void)state;
	refuse(DATABASE, "1:1", "hosts: missing");
	refuse(HOSTS, "1:1", "database.conninfo: missing");
	refuse(HOSTS "database:\n  conninfo: ''\n", "6:13", "database.conninfo");
	refuse(DATABASE "hosts: []\n", "3:8", "one host at least");
	refuse(DATABASE "hosts: example.org\n", "3:8", "expected a list");
	refuse(DATABASE "hosts: [example.org]\n", "3:9", "expected domain, certificate and key");
	refuse(DATABASE "hosts: [{domain: a, key: k}]\n", "3:9", "certificate is missing");
	refuse(DATABASE "hosts: [{domain: a, domain: b}]\n", "3:21", "domain given twice");
	refuse(DATABASE "hosts: [{domain: a, colour: b}]\n", "3:21", "no such setting: colour");
	refuse(DATABASE "hosts: [{domain: 'a b'}]\n", "3:18", "expected a domain name");
	refuse(DATABASE "hosts: [{domain: a@b}]\n", "3:18", "expected a domain name");
	refuse(DATABASE HOSTS "  - domain: example.org\n", "7:13", "given twice");
}

static void
refused_yaml(void **state)
{
	struct buf big = {0};
	struct err e = {0};

	(void)state;
	refuse("a: &x 1\n", "1:1", "no such setting");
	refuse(HOSTS DATABASE "log: &x {level: info}\n", "7:6", "anchors");
	refuse(HOSTS DATABASE "log: {level: *x}\n", "7:14", "aliases");
	refuse(HOSTS DATABASE "log: {level: !!str info}\n", "7:14", "tags");
	refuse(HOSTS DATABASE "---\nlog: {}\n", "7:1", "second document");
	refuse(HOSTS DATABASE "log: {level: info\n", "8:1", "expected ',' or '}'");
	refuse(HOSTS DATABASE "\tlog: {}\n", "7:1", "tab");
	refuse(HOSTS DATABASE "# \xff\n", "7:3", "UTF-8");
	refuse("\xff\xfeh\0o\0", "1:1", "UTF-8");
	buf_adds(&big, HOSTS DATABASE "log: ");
	for (int i = 0; i < 500000; i++)
		buf_addc(&big, '[');
	refuse(buf_str(&big), "7:6", "expected settings");
	while (buf_len(&big) < (1 << 20) + 1)
		buf_addc(&big, '#');
	assert_null(config_parse("c.yaml", buf_data(&big), buf_len(&big), &e));
	assert_string_equal(e.text, "c.yaml:1:1: larger than 1048576 bytes");
	buf_fini(&big);
}

static void
many_hosts(void **state)
{
	struct buf b = {0};
	struct config *c;

	(void)state;
	buf_adds(&b, DATABASE "hosts:\n");
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "- {domain: h%d.example, certificate: c, key: k%d}\n", i, i);
	c = accept(buf_str(&b));
	assert_int_equal(c->nhosts, 1000);
	assert_string_equal(c->hosts[517].domain, "h517.example");
	assert_string_equal(c->hosts[517].key, "/etc/chancery/k517");
	config_unref(c);
	buf_adds(&b, "- {domain: more.example, certificate: c, key: k}\n");
	refuse(buf_str(&b), "1004:3", "more than 1000");
	buf_fini(&b);
}

static void
files(void **state)
{
	char dir[] = "/tmp/test_config.XXXXXX", name[64];
	struct err e = {0};
	struct config *c;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_null(config_load(dir, &e));
	assert_non_null(strstr(e.text, "not a regular file"));
	snprintf(name, sizeof name, "%s/c.yaml", dir);
	assert_null(config_load(name, &e));
	assert_non_null(strstr(e.text, "No such file"));
	assert_int_equal(mkfifo(name, 0600), 0);
	assert_null(config_load(name, &e));
	unlink(name);
	f = fopen(name, "w");
	fputs(HOSTS DATABASE, f);
	fclose(f);
	assert_int_equal(chdir(dir), 0);
	c = config_load("c.yaml", &e);
	assert_non_null(c);
	assert_string_equal(c->file, name);
	snprintf(name, sizeof name, "%s/tls/c.pem", dir);
	assert_string_equal(c->hosts[0].certificate, name);
	config_unref(c);
	unlink("c.yaml");
	assert_int_equal(chdir("/"), 0);
	rmdir(dir);
}

static void
snapshots(void **state)
{
	struct config *a = accept(HOSTS DATABASE), *b, *got;
	struct buf out = {0};

	(void)state;
	assert_null(config_get());
	config_set(a);
	got = config_get();
	assert_ptr_equal(got, a);
	b = accept(HOSTS DATABASE "  workers: 5\nlisten: {metrics: []}\nlog: {level: debug}\n"
				  "limits: {jobs_waiting: 100, connections: 7}\n");
	assert_int_equal(config_needs_restart(a, b, &out), 3);
	assert_string_equal(buf_str(&out), "listen.metrics database.workers limits.jobs_waiting");
	buf_clear(&out);
	assert_int_equal(config_needs_restart(a, a, &out), 0);
	config_set(b);
	assert_int_equal(got->database.workers, 4); /* still ours to read */
	config_unref(got);
	config_set(NULL);
	assert_null(config_get());
	buf_fini(&out);
}

/* Every row: the default is what the row itself accepts, and the path says where. */
static void
table(void **state)
{
	struct config *c = accept(HOSTS DATABASE);

	(void)state;
	for (size_t i = 0; i < config_nrows; i++) {
		const struct config_row *row = &config_rows[i];

		assert_ptr_equal(config_row_find(row->path), row);
		assert_non_null(strchr(row->path, '.'));
		assert_true(row->help[strlen(row->help) - 1] != '.');
		if (!config_row_is_list(row) && row->def[0] != '\0' &&
		    !config_row_put(c, row, row->def))
			fail_msg("%s does not take its default", row->path);
	}
	config_unref(c);
}

static void
read_whole(const char *name, struct buf *out)
{
	FILE *f = fopen(name, "r");
	size_t n;

	if (f == NULL)
		fail_msg("%s is missing", name);
	do {
		n = fread(buf_reserve(out, 4096), 1, 4096, f);
		buf_added(out, n);
	} while (n > 0);
	fclose(f);
}

static void
reference_page(void **state)
{
	struct buf file = {0}, page = {0};

	(void)state;
	read_whole(TEST_SOURCE "/deploy/settings.md", &file);
	config_reference(&page);
	if (strcmp(buf_str(&file), buf_str(&page)) != 0)
		fail_msg("deploy/settings.md is not what `chanceryd --print-settings` prints");
	for (size_t i = 0; i < config_nrows; i++)
		assert_non_null(strstr(buf_str(&page), config_rows[i].help));
	buf_fini(&file);
	buf_fini(&page);
}

static void
sample(void **state)
{
	struct err e = {0};
	struct config *c = config_load(TEST_SOURCE "/deploy/chancery.yaml", &e);

	(void)state;
	if (c == NULL)
		fail_msg("%s", e.text);
	config_unref(c);
}

/* A domain that no address has would never match: a rule that denies would let pass. */
static void
domains_in_rules_are_as_in_addresses(void **state)
{
	static const char *const good[] = { "partner.lit", "Partner.LIT", "*.partner.lit", "m\xc3\xbcnchen.lit", "*.m\xc3\xbcnchen.lit", "local", "remote", "[::1]",
		"192.0.2.1" };
	static const char *const bad[] = { "M\xc3\x9cNCHEN.lit", "mu\xcc\x88nchen.lit", "*.stra\xc3\x9f" "e.M\xc3\x9cNCHEN", "\xef\xbd\x81.lit",
		"a\xe3\x80\x82lit", "a..lit", "[0::1]", "-a.lit" };
	char text[512];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(text, sizeof(text), HOSTS DATABASE "files:\n  rules: [\"deny to=%s\", \"deny from=%s\"]\n", good[i], good[i]);
		config_unref(accept(text));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text), HOSTS DATABASE "files:\n  rules: [\"deny to=%s\"]\n", bad[i]);
		refuse(text, "8:11", "domains as in addresses");
		snprintf(text, sizeof(text), HOSTS DATABASE "files:\n  rules: [\"deny encrypted from=%s\"]\n", bad[i]);
		refuse(text, "8:11", "domains as in addresses");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),       cmocka_unit_test(every_type),
		cmocka_unit_test(refused_values), cmocka_unit_test(refused_keys),
		cmocka_unit_test(refused_hosts),  cmocka_unit_test(refused_yaml),
		cmocka_unit_test(many_hosts),     cmocka_unit_test(files),
		cmocka_unit_test(snapshots),      cmocka_unit_test(table),
		cmocka_unit_test(reference_page), cmocka_unit_test(sample),
		cmocka_unit_test(domains_in_rules_are_as_in_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
