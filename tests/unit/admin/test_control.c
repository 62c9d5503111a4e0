/*
 * The control socket with a real database, driven by the program `chancery` and by hand. Live sessions and the
 * archive are stood in for below, so that the test says what they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/audit/audit.h"
#include "admin/control.h"
#include "base/buf.h"
#include "base/log.h"
#include "core/announce.h"
#include "core/census.h"
#include "core/component/component.h"
#include "core/component/component_rules.h"
#include "core/config/config.h"
#include "core/federation/partner.h"
#include "core/federation/probe.h"
#include "core/federation/s2s_list.h"
#include "core/file/notice.h"
#include "core/gateway/gateway.h"
#include "core/host.h"
#include "core/route/errand.h"
#include "core/service/service.h"
#include "lib/pg.h"
#include "store/pool.h"
#include "store/record.h"

#define CLIENTS 4

static struct pg *pg;
static char dir[] = "/tmp/test_control.XXXXXX", path[64], settings[64];
static struct buf output; /* of the last program run */

static struct {
	atomic_uint nsessions;
	atomic_bool archive_up, database_up;
	pthread_mutex_t lock;
	char heard[512]; /* of what census_* was last asked to do; under lock */
	char leaving[256];
	struct buf record;
} stand_in = {.archive_up = true, .database_up = true, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Was that what was heard? Forgets it. */
static void
expect_heard(const char *text)
{
	pthread_mutex_lock(&stand_in.lock);
	assert_string_equal(stand_in.heard, text);
	stand_in.heard[0] = '\0';
	pthread_mutex_unlock(&stand_in.lock);
}

void
census_sessions(const char *bare, void (*each)(void *, const struct census_session *), void *arg)
{
	for (unsigned i = 0; i < stand_in.nsessions; i++) {
		char jid[64];
		struct census_session s = {
			.jid = jid,
			.address = "192.0.2.1",
			.tls = "TLSv1.3 X",
			.mechanism = "SCRAM-SHA-256-PLUS",
			.since_us = 1700000000000000,
			.active_us = 1700000001000000,
			.available = true,
			.priority = 5,
		};

		snprintf(jid, sizeof jid, "%s/r%u", bare != NULL ? bare : "romeo@example.org", i);
		each(arg, &s);
	}
}

unsigned
census_close(const char *bare, const char *resource, const char *condition, const char *text)
{
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "close %s|%s|%s|%s", bare,
		 resource ? resource : "-", condition, text);
	pthread_mutex_unlock(&stand_in.lock);
	return stand_in.nsessions;
}

unsigned
census_device_revoked(const char *bare, int64_t device, const char *text)
{
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "revoked %s|%lld|%s", bare, (long long)device, text);
	pthread_mutex_unlock(&stand_in.lock);
	return stand_in.nsessions;
}

unsigned
census_account_changed(const char *bare, const char *text)
{
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "changed %s: %s", bare, text);
	pthread_mutex_unlock(&stand_in.lock);
	return stand_in.nsessions;
}

void
census_account_leaving(const char *bare)
{
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.leaving, sizeof stand_in.leaving, "%s", bare);
	pthread_mutex_unlock(&stand_in.lock);
}

void
service_account_removed(const char *bare)
{
	(void)bare;
}

int
announce_send(const struct announcement *a, const char *const *bare, size_t n, unsigned *sent, struct err *e)
{
	(void)e;
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "announce %s to %zu from %s", a->text, n, bare[0]);
	pthread_mutex_unlock(&stand_in.lock);
	*sent += (unsigned)n;
	return 0;
}

int
errand_run(struct jid *to, struct stanza *iq, struct err *e)
{
	(void)e;
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "errand to %s", jid_full(to));
	pthread_mutex_unlock(&stand_in.lock);
	stanza_unref(iq);
	return 0;
}

bool
host_is_local(const struct jid *j)
{
	return strcmp(jid_domain(j), "example.org") == 0;
}

const struct service *
service_of(const struct jid *j)
{
	(void)j;
	return NULL;
}

bool
component_is(const struct jid *j)
{
	(void)j;
	return false;
}

int
component_changed(struct err *e)
{
	(void)e;
	return 0;
}

void
component_each(void (*fn)(void *arg, const char *domain), void *arg)
{
	(void)fn, (void)arg;
}

struct component_rules *
component_rules_get(const char *domain)
{
	(void)domain;
	return NULL;
}

void
component_rules_unref(struct component_rules *r)
{
	(void)r;
}

int
gateway_changed(const char *conninfo, struct err *e)
{
	(void)conninfo, (void)e;
	return 0;
}

void
gateway_tell_settings(const char *name)
{
	(void)name;
}

void
gateway_tell_policy(const char *name, const char *bare)
{
	(void)name, (void)bare;
}

void
gateway_account_removed(const char *bare)
{
	(void)bare;
}

void
gateway_tell_off(const char *name, unsigned wait_ms)
{
	(void)name, (void)wait_ms;
}

void
gateway_is_off(const char *name)
{
	(void)name;
}

void
gateway_on_silent(void (*fn)(const char *name))
{
	(void)fn;
}

const struct host *
gateway_host(const char *domain)
{
	static const struct host h = {.domain = "example.org"};

	(void)domain;
	return &h;
}

int
probe_run(const char *domain, bool stream, const atomic_bool *stop, struct arena *a, struct probe_answer *out)
{
	(void)domain, (void)stream, (void)stop, (void)a;
	*out = (struct probe_answer){.find_why = "nobody asked"};
	return 0;
}

void
s2s_list(const char *domain, void (*each)(void *arg, const struct s2s_seen *s), void *arg)
{
	(void)domain, (void)each, (void)arg;
}

void
partner_account_removed(const char *bare)
{
	(void)bare;
}

int
partner_load(struct err *e)
{
	(void)e;
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "partners");
	pthread_mutex_unlock(&stand_in.lock);
	return 0;
}

void
census_account_rights(const char *bare, bool admin, const char *groups)
{
	pthread_mutex_lock(&stand_in.lock);
	snprintf(stand_in.heard, sizeof stand_in.heard, "rights %s %s %s", bare, admin ? "admin" : "-", groups);
	pthread_mutex_unlock(&stand_in.lock);
}

void
census_totals(struct census_totals *out)
{
	*out = (struct census_totals){.connections = 3, .sessions = stand_in.nsessions};
}

void
notice_send(const struct jid *to, const char *text)
{
	(void)to;
	(void)text;
}

bool
record_is_up(void)
{
	return stand_in.archive_up;
}

unsigned
record_patience_ms(void)
{
	return 1000;
}

/* What goes into the record: the kind, and the words. */
void
record_submit(struct record_entry *e)
{
	static atomic_uint_fast64_t last = 1700000000000000;

	assert_int_equal(e->kind, RECORD_AUDIT);
	assert_true(!e->deliverable && !e->shown && e->recipient_only && e->to_bare == NULL);
	e->outcome = stand_in.archive_up ? RECORD_COMMITTED : RECORD_REFUSED;
	e->why = "the archive did not take it in time";
	e->id = atomic_fetch_add(&last, 1);
	if (stand_in.archive_up) {
		pthread_mutex_lock(&stand_in.lock);
		buf_addf(&stand_in.record, "%s\n%s\n", e->body, e->stanza);
		pthread_mutex_unlock(&stand_in.lock);
	}
	e->mail.run(&e->mail);
}

uint64_t
record_settled_id(void)
{
	return 1700000000123456;
}

uint64_t
record_last_id(void)
{
	return 1700000000123456;
}

int
pool_is_up(void)
{
	return stand_in.database_up;
}

static void
write_settings(const char *more)
{
	FILE *f = fopen(settings, "w");

	fprintf(f,
		"hosts:\n- {domain: example.org, certificate: c, key: k}\n"
		"database: {conninfo: x}\nlimits: {control_clients: %d}\n%s",
		CLIENTS, more);
	fclose(f);
}

static int
reload(struct sql *db, const struct audit_who *who, struct err *e)
{
	struct config *c = config_load(settings, e);

	if (c == NULL)
		return -1;
	if (audit_write(db, who, "config.reload", settings, NULL, e) != SQL_OK) {
		config_unref(c);
		return -1;
	}
	config_set(c);
	audit_log(who, "config.reload", settings);
	return 0;
}

/* Runs `chancery` with these arguments; its exit code, with what it said in `output`. */
static int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int
run(const char *fmt, ...)
{
	struct buf cmd = {0};
	char args[1024];
	va_list ap;
	FILE *f;
	size_t n;
	int rc;

	va_start(ap, fmt);
	vsnprintf(args, sizeof args, fmt, ap);
	va_end(ap);
	buf_addf(&cmd, "exec 2>&1; C='%s/chancery --socket %s'; %s", TEST_BIN, path, args);
	f = popen(buf_str(&cmd), "r");
	buf_clear(&output);
	while ((n = fread(buf_reserve(&output, 4096), 1, 4096, f)) > 0)
		buf_added(&output, n);
	rc = pclose(f);
	buf_fini(&cmd);
	return WIFEXITED(rc) ? WEXITSTATUS(rc) : -1;
}

static void
says(const char *text)
{
	if (strstr(buf_str(&output), text) == NULL)
		fail_msg("\"%s\" is not in: %s", text, buf_str(&output));
}

static long
audited(const char *action, const char *target)
{
	char sql[256];

	snprintf(sql, sizeof sql,
		 "SELECT count(*) FROM chancery.audit WHERE action = '%s' AND target = '%s'"
		 " AND who_uid = %u AND who_name <> '' AND origin LIKE 'control pid=%%'",
		 action, target, (unsigned)getuid());
	return pg_number(pg, sql);
}

static void
accounts(void **state)
{
	(void)state;
	assert_int_equal(run("echo secret | $C user add Romeo@Example.org --password-stdin"), 0);
	says("romeo@example.org added");
	assert_int_equal(
		pg_number(pg, "SELECT count(*) FROM chancery.account_key WHERE iterations = 10000"),
		3);
	assert_int_equal(audited("user.add", "romeo@example.org"), 1);
	assert_int_equal(run("echo secret | $C user add romeo@example.org --password-stdin"), 1);
	says("romeo@example.org exists already");
	assert_int_equal(audited("user.add", "romeo@example.org"), 1);
	assert_int_equal(run("$C user show romeo@example.org"), 0);
	says("State:     enabled");
	stand_in.nsessions = 2;
	assert_int_equal(run("echo other | $C user password romeo@example.org --password-stdin"),
			 0);
	says("romeo@example.org has a new password; 2 sessions ended");
	expect_heard("changed romeo@example.org: The password was changed");
	assert_int_equal(audited("user.password", "romeo@example.org"), 1);
	assert_int_equal(run("$C user disable romeo@example.org"), 0);
	expect_heard("changed romeo@example.org: The account was disabled");
	assert_int_equal(run("$C user list"), 0);
	says("romeo@example.org  disabled");
	assert_int_equal(run("$C user enable romeo@example.org"), 0);
	expect_heard("changed romeo@example.org: The account was enabled");
	assert_int_equal(run("$C user list 'r?meo@*' --json"), 0);
	says("\"state\":\"enabled\"");
	assert_int_equal(run("$C user list 'r%%@*' --json"), 0);
	assert_string_equal(buf_str(&output), "");
	expect_heard("");
	assert_int_equal(run("$C user delete romeo@example.org"), 0);
	expect_heard("changed romeo@example.org: The account was deleted");
	assert_string_equal(stand_in.leaving, "romeo@example.org");
	stand_in.nsessions = 0;
	assert_int_equal(run("$C user show romeo@example.org"), 1);
	says("does not exist");
	assert_int_equal(audited("user.disable", "romeo@example.org"), 1);
	assert_int_equal(audited("user.enable", "romeo@example.org"), 1);
	assert_int_equal(audited("user.delete", "romeo@example.org"), 1);
}

static void
refused_accounts(void **state)
{
	(void)state;
	assert_int_equal(run("echo x | $C user add romeo@elsewhere.org --password-stdin"), 1);
	says("no host elsewhere.org");
	assert_int_equal(run("echo x | $C user add example.org --password-stdin"), 1);
	says("expected name@domain");
	assert_int_equal(run("echo x | $C user add romeo@example.org/r --password-stdin"), 1);
	assert_int_equal(run("echo x | $C user add 'ro meo@example.org' --password-stdin"), 1);
	assert_int_equal(run("echo | $C user add romeo@example.org --password-stdin"), 1);
	says("no password");
	assert_int_equal(
		run("printf 'a\\001b\\n' | $C user add romeo@example.org --password-stdin"), 1);
	says("not allowed");
	assert_int_equal(run("printf '\\377\\n' | $C user add romeo@example.org --password-stdin"),
			 1);
	assert_int_equal(run("printf '%%2000d' 7 | $C user add romeo@example.org --password-stdin"),
			 1);
	assert_int_equal(run("$C user add romeo@example.org </dev/null --password-stdin"), 1);
	assert_int_equal(run("$C user disable nobody@example.org"), 1);
	says("nobody@example.org does not exist");
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.account"), 0);
}

/* How often the text stands in what was given to the archive writer. */
static int
recorded(const char *text)
{
	int n = 0;

	pthread_mutex_lock(&stand_in.lock);
	for (const char *s = buf_str(&stand_in.record); (s = strstr(s, text)) != NULL; s++)
		n++;
	pthread_mutex_unlock(&stand_in.lock);
	return n;
}

static void
forget_record(void)
{
	pthread_mutex_lock(&stand_in.lock);
	buf_clear(&stand_in.record);
	pthread_mutex_unlock(&stand_in.lock);
}

/* A record for each action, and a row that refers to it; what failed behind it is said in another one. */
static void
records(void **state)
{
	(void)state;
	forget_record();
	assert_int_equal(run("echo x | $C user add 'a<&>b@example.org' --password-stdin"), 1);
	assert_int_equal(recorded("urn:chancery:audit:0"), 0);
	assert_int_equal(run("echo x | $C user add r1@example.org --password-stdin"), 0);
	assert_int_equal(recorded(": user.add r1@example.org\n<audit xmlns='urn:chancery:audit:0'>{\"who\":"), 1);
	assert_int_equal(recorded("urn:chancery:audit:0"), 1);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.audit WHERE target = 'r1@example.org' AND record >= 1700000000000000"), 1);
	assert_int_equal(run("$C user set r1@example.org 'group+=R&D \"<x>\"'"), 0);
	assert_int_equal(recorded("[\"R&amp;D \\\"&lt;x"), 1);
	/* Recorded, then not done: nobody has a session. */
	forget_record();
	stand_in.nsessions = 0;
	assert_int_equal(run("$C session close r1@example.org"), 1);
	assert_int_equal(recorded("session.close r1@example.org\n"), 1);
	assert_int_equal(recorded("session.close.failed r1@example.org\n"), 1);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.audit WHERE action = 'session.close.failed' AND detail->>'why' LIKE '%has no session'"), 1);
	expect_heard("close r1@example.org|-|policy-violation|Closed by an administrator");
	/* Looking at what changes nothing leaves nothing. */
	forget_record();
	assert_int_equal(run("$C user list"), 0);
	assert_int_equal(recorded("audit"), 0);
	assert_int_equal(run("$C user delete r1@example.org"), 0);
	expect_heard("changed r1@example.org: The account was deleted");
}

/* The archive is away: nothing happens, and nobody hears of it. */
static void
no_record_no_change(void **state)
{
	(void)state;
	assert_int_equal(run("echo x | $C user add gone@example.org --password-stdin"), 0);
	forget_record();
	stand_in.nsessions = 1;
	stand_in.leaving[0] = '\0';
	stand_in.archive_up = false;
	assert_int_equal(run("echo x | $C user add other@example.org --password-stdin"), 1);
	says("it cannot be recorded, so it was not done: the archive did not take it in time");
	assert_int_equal(run("$C user delete gone@example.org"), 1);
	assert_string_equal(stand_in.leaving, "");
	assert_int_equal(run("printf 'b@example.org\\tx\\n' | $C user import"), 1);
	assert_int_equal(run("$C session close gone@example.org"), 1);
	assert_int_equal(run("$C announce hello"), 1);
	assert_int_equal(run("$C config reload"), 1);
	expect_heard("");
	stand_in.archive_up = true;
	assert_int_equal(recorded("audit"), 0);
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.account"), 1);
	assert_int_equal(run("$C user delete gone@example.org"), 0);
	expect_heard("changed gone@example.org: The account was deleted");
	stand_in.nsessions = 0;
}

/* P6: what cannot be written down does not happen. */
static void
no_audit_no_change(void **state)
{
	(void)state;
	forget_record();
	pg_exec(pg, "ALTER TABLE chancery.audit RENAME TO audit_away");
	stand_in.nsessions = 1;
	assert_int_equal(run("echo x | $C user add romeo@example.org --password-stdin"), 1);
	says("cannot write the audit row");
	assert_int_equal(run("printf 'a@example.org\\tx\\n' | $C user import"), 1);
	assert_int_equal(run("$C session close romeo@example.org"), 1);
	assert_int_equal(run("$C config reload"), 1);
	expect_heard("");
	/* The record has each attempt, and that it came to nothing. */
	assert_int_equal(recorded("user.add romeo@example.org\n"), 1);
	assert_int_equal(recorded("user.add.failed romeo@example.org\n"), 1);
	assert_int_equal(recorded("user.import.failed a@example.org\n"), 2); /* with its batch, then alone */
	assert_int_equal(recorded("session.close.failed romeo@example.org\n"), 1);
	assert_int_equal(recorded(": config.reload.failed "), 1);
	pg_exec(pg, "ALTER TABLE chancery.audit_away RENAME TO audit");
	stand_in.nsessions = 0;
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.account"), 0);
}

static void
imports(void **state)
{
	(void)state;
	assert_int_equal(
		run("for i in $(seq 40); do printf 'u%%d@example.org\\tpw%%d\\r\\n' $i $i; done | $C user import"),
		0);
	says("added 40, existing 0, refused 0");
	assert_int_equal(pg_number(pg, "SELECT count(*) FROM chancery.account_key"), 120);
	assert_int_equal(
		pg_number(pg, "SELECT count(*) FROM chancery.audit WHERE action = 'user.import'"),
		40);
	assert_int_equal(
		run("printf 'u1@example.org\\tother\\n\\nv1@example.org\\tx\\nV1@example.org\\ty\\n"
		    "no tab\\nv2@nowhere\\tx\\nv3@example.org\\t\\n\\377@example.org\\tx\\nv\\0004@example.org\\tx\\n"
		    "v5@example.org\\t%%6000d\\n@example.org\\tx\\nv6@example.org\\tlast' 7 > %s/in; $C user import %s/in",
		    dir, dir),
		1);
	says("line 5: expected address, TAB, password\n");
	says("line 6: this server has no host nowhere\n");
	says("line 7: the password is empty\n");
	says("line 8: not UTF-8\n");
	says("line 9: holds a NUL byte\n");
	says("line 10: too long\n");
	says("line 11: not an account's address");
	says("added 2, existing 2, refused 7\n");
	assert_int_equal(run("$C user list 'v*'"), 0);
	says("v1@example.org");
	says("v6@example.org");
	assert_int_equal(run("$C --json user import < %s/in", dir), 1);
	says("{\"line\":11,\"refused\":");
	says("{\"added\":0,\"existing\":4,\"refused\":7}");
	assert_int_equal(run("$C user import %s/not-there", dir), 1);
	pg_exec(pg, "DELETE FROM chancery.account");
}

static void
sessions(void **state)
{
	(void)state;
	assert_int_equal(run("$C session list"), 0);
	assert_string_equal(buf_str(&output), "");
	stand_in.nsessions = 2;
	assert_int_equal(run("$C session list juliet@example.org"), 0);
	says("juliet@example.org/r1  available  5         2023-11-14T22:13:20Z");
	assert_int_equal(run("$C session list juliet@example.org/r"), 1);
	assert_int_equal(run("$C session close juliet@example.org/balcony"), 0);
	expect_heard(
		"close juliet@example.org|balcony|policy-violation|Closed by an administrator");
	assert_int_equal(audited("session.close", "juliet@example.org/balcony"), 1);
	stand_in.nsessions = 0;
	assert_int_equal(run("$C session close juliet@example.org"), 1);
	says("has no session");
}

static void
state_of_the_server(void **state)
{
	(void)state;
	assert_int_equal(run("$C status"), 0);
	says("State:                             ok\n");
	says("Last record:                       2023-11-14T22:13:20Z\n");
	stand_in.archive_up = false;
	assert_int_equal(run("$C status"), 1);
	says("degraded: the archive cannot be written");
	stand_in.archive_up = true;
	stand_in.database_up = false;
	assert_int_equal(run("$C status --json"), 1);
	says("\"database\":\"down\"");
	stand_in.database_up = true;
}

static void
settings_file(void **state)
{
	(void)state;
	assert_int_equal(run("$C config check"), 0);
	says(": good\n");
	write_settings("auth: {plain: maybe}\n");
	assert_int_equal(run("$C config check"), 1);
	says(":5:15: auth.plain: expected true or false");
	assert_int_equal(run("$C config reload"), 1);
	says(":5:15: auth.plain: expected true or false");
	assert_int_equal(run("$C config check %s", settings), 1);
	write_settings("auth: {plain: true}\nprocess: {reactors: 3}\n");
	assert_int_equal(run("$C config reload"), 0);
	says("these changes need a restart: process.reactors");
	assert_int_equal(run("$C status"), 0);
	says("Settings that need a restart:      process.reactors");
	write_settings("");
	assert_int_equal(run("$C config reload"), 0);
	assert_null(strstr(buf_str(&output), "restart"));
}

static int
connect_once(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The next line, with its end, in static memory; "" at the end. */
static const char *
answer(int fd)
{
	static char line[4096];
	size_t n = 0;

	while (n + 1 < sizeof line && recv(fd, line + n, 1, 0) == 1)
		if (line[n++] == '\n')
			break;
	line[n] = '\0';
	return line;
}

static const char *
ask(int fd, const char *request)
{
	send(fd, request, strlen(request), MSG_NOSIGNAL);
	return answer(fd);
}

/* Threads of connections that were closed a moment ago may still count. */
static int
connect_control(void)
{
	for (int i = 0; i < 500; i++) {
		int fd = connect_once();

		if (fd >= 0 &&
		    strstr(ask(fd, "{\"verb\":[\"nothing\"]}\n"), "no such verb") != NULL)
			return fd;
		close(fd);
		usleep(10000);
	}
	fail_msg("no connection to the control socket");
	return -1;
}

static void
expect_error(int fd, const char *request, const char *why)
{
	const char *got = ask(fd, request);

	if (strncmp(got, "{\"error\":\"", 10) != 0 || strstr(got, why) == NULL)
		fail_msg("%s was answered %s", request, got);
}

static void
bad_requests(void **state)
{
	int fd = connect_control();
	struct buf big = {0};

	(void)state;
	expect_error(fd, "\n", "expected one JSON object");
	expect_error(fd, "hello\n", "expected one JSON object");
	expect_error(fd, "[]\n", "not a request");
	expect_error(fd, "{}\n", "not a request");
	expect_error(fd, "{\"verb\":[]}\n", "not a request");
	expect_error(fd, "{\"verb\":[1]}\n", "not a request");
	expect_error(fd, "{\"verb\":[\"user\",null]}\n", "not a request");
	expect_error(fd, "{\"verb\":[\"user\",\"list\",\"x\"]}\n", "not a request");
	expect_error(fd, "{\"verb\":[\"user\",\"list\"],\"args\":[]}\n", "not a request");
	expect_error(fd, "{\"verb\":[\"user\",\"list\"],\"more\":1}\n", "not a request");
	expect_error(fd, "{\"verb\":[\"user\",\"list\"],\"verb\":[\"status\"]}\n",
		     "expected one JSON object");
	expect_error(fd, "{\"verb\":[\"user\",\"fly\"]}\n", "no such verb");
	expect_error(fd, "{\"verb\":[\"user\",\"show\"]}\n", "wrong arguments");
	expect_error(fd, "{\"verb\":[\"user\",\"show\"],\"args\":{\"jid\":7}}\n",
		     "wrong arguments");
	expect_error(fd, "{\"verb\":[\"user\",\"show\"],\"args\":{\"jid\":\"a@b\",\"x\":1}}\n",
		     "wrong arguments");
	expect_error(fd, "{\"verb\":[\"user\",\"import\"],\"args\":{\"accounts\":7}}\n",
		     "wrong arguments");
	expect_error(fd, "{\"verb\":[\"user\",\"show\"],\"args\":{\"jid\":\"a\\u0000b\"}}\n",
		     "expected one JSON");
	expect_error(fd, "{\"verb\":[\"user\",\"show\"],\"args\":{\"jid\":\"\xff\"}}\n",
		     "expected one JSON");
	for (int i = 0; i < 100000; i++)
		buf_addc(&big, '[');
	buf_addc(&big, '\n');
	expect_error(fd, buf_str(&big), "expected one JSON");
	/* Two at once, then the connection is still good. */
	assert_non_null(strstr(ask(fd, "{\"verb\":[\"status\"]}\n{\"verb\":[\"nothing\"]}\n"),
			       "\"state\":\"ok\""));
	assert_string_equal(answer(fd), "{\"done\":true}\n");
	assert_non_null(strstr(answer(fd), "no such verb"));
	buf_clear(&big);
	while (buf_len(&big) < 2 * CONTROL_LINE_MAX)
		buf_addc(&big, ' ');
	expect_error(fd, buf_str(&big), "too long");
	close(fd);
	buf_fini(&big);
}

static void
many_accounts_at_once(void **state)
{
	struct buf b = {0};
	int fd = connect_control();

	(void)state;
	buf_adds(&b, "{\"verb\":[\"user\",\"import\"],\"args\":{\"accounts\":[");
	for (int i = 0; i < 1001; i++)
		buf_addf(&b, "%s{\"line\":1,\"jid\":\"a@b\",\"password\":\"x\"}", i > 0 ? "," : "");
	buf_adds(&b, "]}}\n");
	expect_error(fd, buf_str(&b), "more than 1000");
	assert_non_null(strstr(
		ask(fd,
		    "{\"verb\":[\"user\",\"import\"],\"args\":{\"accounts\":[{\"line\":3},7]}}\n"),
		"\"refused\":\"expected line, jid and password\""));
	assert_non_null(strstr(answer(fd), "\"line\":0"));
	assert_non_null(strstr(answer(fd), "{\"added\":0,\"existing\":0,\"refused\":2}"));
	close(fd);
	buf_fini(&b);
}

static void
too_many_clients(void **state)
{
	int fd[CLIENTS + 1];

	(void)state;
	for (int i = 0; i < CLIENTS; i++)
		fd[i] = connect_control();
	fd[CLIENTS] = connect_once();
	assert_non_null(strstr(answer(fd[CLIENTS]), "too many control connections"));
	assert_string_equal(answer(fd[CLIENTS]), "");
	assert_int_equal(run("$C status"), 1);
	says("too many control connections");
	for (int i = 0; i <= CLIENTS; i++)
		close(fd[i]);
	/* Their threads need a moment to notice. */
	for (int i = 0; i < 200 && run("$C status") != 0; i++)
		usleep(10000);
	assert_int_equal(run("$C status"), 0);
}

/* Somebody else, in these groups, through a socket whose file would let everybody in. */
static void
connect_as_nobody(gid_t group, const char *expected)
{
	pid_t child = fork();
	int rc, fd;

	if (child == 0) {
		if (setgroups(1, &group) != 0 || setresgid(65534, 65534, 65534) != 0 ||
		    setresuid(65534, 65534, 65534) != 0 || (fd = connect_once()) < 0)
			_exit(2);
		_exit(strstr(ask(fd, "{\"verb\":[\"nothing\"]}\n"), expected) != NULL ? 0 : 1);
	}
	waitpid(child, &rc, 0);
	assert_true(WIFEXITED(rc));
	assert_int_equal(WEXITSTATUS(rc), 0);
}

static void
strangers(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	connect_as_nobody(65534, "not allowed");
	connect_as_nobody(st.st_gid, "no such verb");
	assert_int_equal(chmod(path, 0660), 0);
	assert_int_equal(chmod(dir, 0700), 0);
}

/* Without a database the socket still answers; when it is back, an old connection works again. */
static void
database_away(void **state)
{
	int fd = connect_control();

	(void)state;
	assert_non_null(strstr(ask(fd, "{\"verb\":[\"user\",\"list\"]}\n"), "\"done\":true"));
	pg_kill(pg);
	/* The first one may still find out by losing the connection. */
	expect_error(fd, "{\"verb\":[\"user\",\"list\"]}\n", "");
	expect_error(fd, "{\"verb\":[\"user\",\"list\"]}\n", "the database is not available");
	assert_int_equal(run("$C user disable a@example.org"), 1);
	assert_int_equal(run("$C status"), 0);
	pg_start(pg, true);
	assert_non_null(strstr(ask(fd, "{\"verb\":[\"user\",\"list\"]}\n"), "\"done\":true"));
	close(fd);
}

static int
start_control(struct err *e)
{
	struct control_settings s = {
		.path = path, .conninfo = pg_conninfo(pg, "chancery_server"), .reload = reload};

	return control_start(&s, e);
}

static void
start_and_stop(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct err e = {0};
	int fd = connect_control(), stale;

	(void)state;
	control_stop();
	assert_string_equal(answer(fd), "");
	close(fd);
	assert_int_equal(run("$C status"), 1);
	says("is chanceryd running?");
	/* What a killed server leaves behind is taken away; a server that lives is not. */
	stale = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	assert_int_equal(bind(stale, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(stale, 1), 0);
	assert_int_equal(start_control(&e), -1);
	assert_non_null(strstr(e.text, "in use by another server"));
	close(stale);
	assert_int_equal(start_control(&e), 0);
	assert_int_equal(run("$C status"), 0);
	control_stop();
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(start_control(&e), -1);
	assert_non_null(strstr(e.text, "not a socket"));
	unlink(path);
}

static int
start(void **state)
{
	struct err e = {0};

	(void)state;
	log_set_fd(open("/dev/null", O_WRONLY | O_CLOEXEC));
	pg = pg_new(NULL, true);
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/control", dir);
	snprintf(settings, sizeof settings, "%s/c.yaml", dir);
	write_settings("");
	config_set(config_load(settings, &e));
	if (start_control(&e) != 0) {
		fprintf(stderr, "%s\n", e.text);
		return -1;
	}
	return 0;
}

static int
stop(void **state)
{
	char in[64];

	(void)state;
	control_stop();
	config_set(NULL);
	pg_free(pg);
	buf_fini(&output);
	snprintf(in, sizeof in, "%s/in", dir);
	unlink(in);
	unlink(settings);
	return rmdir(dir);
}

/* Rules that want two persons: who has become root is who has logged in; where that is hidden, it is nobody. */
static void
test_persons(void **state)
{
	const struct audit_who root = {.uid = 0, .login = 1001}, service = {.uid = 7, .login = -1}, client = {.uid = -1, .login = -1},
			       hidden = {.uid = 0, .login = AUDIT_HIDDEN};
	struct err e = {0};

	(void)state;
	assert_int_equal(audit_person(&root), 1001);
	assert_int_equal(audit_person(&service), 7);
	assert_int_equal(audit_person(&client), -1);
	assert_int_equal(audit_person_known(&root, &e), 0);
	assert_int_equal(audit_person_known(&service, &e), 0);
	assert_int_equal(audit_person_known(&client, &e), 0);
	assert_int_equal(audit_person_known(&hidden, &e), -1);
	assert_non_null(strstr(e.text, "cannot be seen"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_persons),
		cmocka_unit_test(accounts),
		cmocka_unit_test(refused_accounts),
		cmocka_unit_test(records), cmocka_unit_test(no_record_no_change), cmocka_unit_test(no_audit_no_change),
		cmocka_unit_test(imports),
		cmocka_unit_test(sessions),
		cmocka_unit_test(state_of_the_server),
		cmocka_unit_test(settings_file),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(many_accounts_at_once),
		cmocka_unit_test(too_many_clients),
		cmocka_unit_test(strangers),
		cmocka_unit_test(database_away),
		cmocka_unit_test(start_and_stop),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
