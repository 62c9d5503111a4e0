/*
 * main: arguments, the settings' check, the order of start and stop; nothing else.
 *
 * Start: settings, listening sockets, privileges, certificates, schema, modules, reactors, workers, archive
 * writer and the log's keeper, doors open. Stop is graceful and the same in reverse: doors close, what was read is recorded and
 * delivered, streams are told system-shutdown, marks are written, and only then do threads end.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "admin/access/approval.h"
#include "admin/admin.h"
#include "admin/audit/audit.h"
#include "admin/audit/audit_life.h"
#include "admin/export/exports.h"
#include "admin/gateway/gateways.h"
#include "archive/log/log.h"
#include "archive/search/search_indexer.h"
#include "archive/siem/siem.h"
#include "base/crypt.h"
#include "base/log.h"
#include "core/component/component.h"
#include "core/component/component_doors.h"
#include "core/component/component_rules.h"
#include "core/federation/federation.h"
#include "core/file/aftercare.h"
#include "core/file/bytestream.h"
#include "core/file/fetch.h"
#include "core/file/scanner.h"
#include "core/file/vault.h"
#include "core/gateway/gateway_rules.h"
#include "core/gateway/gateway_stats.h"
#include "core/home.h"
#include "core/host.h"
#include "core/module/chain.h"
#include "core/module/disco.h"
#include "core/module/features.h"
#include "core/module/modules.h"
#include "core/roster/roster.h"
#include "core/route/delivery.h"
#include "core/route/iq.h"
#include "core/route/lane.h"
#include "core/service/service.h"
#include "core/stream/auth.h"
#include "core/stream/c2s.h"
#include "core/stream/fast.h"
#include "core/stream/last_use.h"
#include "core/stream/rounds.h"
#include "core/web/web.h"
#include "net/listener.h"
#include "net/reactor.h"
#include "net/work.h"
#include "store/account.h"
#include "store/pool.h"
#include "store/record.h"
#include "store/refusal.h"
#include "store/sealed.h"
#include "store/version.h"

#define MAX_LISTENERS 64
#define DRAIN_MS 25000   /* lanes, when the database is slow: patience and some */
#define CONFIRM_MS 1000  /* clients that do not say what they have received */
#define GOODBYE_MS 5000  /* streams that do not answer our end tag */
#define POLL_MS 20
#define RELOAD_MS 3000   /* for a connection to PostgreSQL */

static struct listener *listeners[MAX_LISTENERS];
static size_t nlisteners, nweb, nproxy; /* those of HTTPS come first, then those of the proxy */
static bool plain = false, direct = true;
static pthread_mutex_t reloading = PTHREAD_MUTEX_INITIALIZER;
static const char *settings_file;
static siginfo_t signalled; /* the last one */

/* Settings */

static void
apply(const struct config *c)
{
	const struct limits *l = &c->limits;
	struct source_limits sources = { l->connections, l->connections_per_address, l->unauthenticated_per_address };

	log_setup(c->log.level, c->log.format);
	source_set_limits(&sources);
	work_set_most((unsigned)l->s2s_handshakes);
	sql_set_turns((unsigned)l->desk_statements, (unsigned)l->desk_wait_ms, (unsigned)l->desk_reads);
}

static void
log_settings_of(const struct config *c, struct log_settings *out)
{
	*out = (struct log_settings){ .conninfo = c->database.conninfo, .name = c->hosts[0].domain, .key_file = c->log.key_file,
		.every_ms = c->log.checkpoint_every_ms, .checkpoint_file = c->log.checkpoint_file, .timestamp_url = c->log.timestamp_url,
		.timestamp_every_ms = c->log.timestamp_every_ms, .verify_every_ms = c->log.verify_every_ms };
}

/* At the start, or when files are switched on later. files.dir stays what it is. */
static int
start_vault(const struct config *c, struct err *e)
{
	static bool started;

	if (!c->modules.files.on || started)
		return 0;
	started = !vault_start(e);
	return started ? 0 : -1;
}

static void
reload_streams(void *arg)
{
	(void)arg;
	component_home_reload();
	federation_home_reload();
}

static void
put_in_force(struct config *c)
{
	struct config *old = config_get();
	struct log_settings log;
	struct buf late = { 0 };

	if (config_needs_restart(old, c, &late))
		log_warning(NULL, "restart-needed", "settings=%s", buf_str(&late));
	buf_fini(&late);
	config_unref(old);
	apply(c);
	record_set_limits((unsigned)c->archive.patience_ms, (unsigned)c->archive.batch_max);
	log_settings_of(c, &log);
	log_configure(&log);
	config_set(c);
	rounds_forget();
	home_reload_all();
	home_call_each(reload_streams, NULL);
	scanner_reload();
	if (nweb)
		web_reload();
	log_info(NULL, "reloaded", "file=%s", settings_file);
}

/* SIGHUP and `chancery config reload`: everything or nothing. */
static int
reload(struct sql *db, const struct audit_who *who, struct err *e)
{
	struct config *c;
	int rc = -1;

	pthread_mutex_lock(&reloading);
	c = config_load(settings_file, e);
	if (c && !audit_reload(c, db, who, e) && !start_vault(c, e) && !fetch_check(c, e) && !component_load(c, e) && !host_reload_tls(c, e) &&
		!federation_reload(c, e) && !approval_tell_policy(db, c, e)) {
		put_in_force(c);
		audit_log(who, "config.reload", c->file);
		rc = 0;
	} else {
		config_unref(c);
	}
	pthread_mutex_unlock(&reloading);
	return rc;
}

static void
reload_by_signal(const siginfo_t *from)
{
	char name[AUDIT_NAME], origin[AUDIT_NAME];
	struct audit_who who = audit_signaller(from->si_uid, from->si_pid, name, origin);
	struct config *c = config_get();
	struct sql *db = sql_new(c->database.conninfo, "chanceryd reload");
	struct err e = { 0 };
	size_t begun = audit_begin();
	int rc = sql_connect(db, RELOAD_MS, &e) == SQL_OK ? reload(db, &who, &e) : -1;

	audit_end(begun, db, &who, rc ? &e : NULL);
	if (rc)
		log_error(NULL, "reload-failed", "why=%s", e.text);
	sql_free(db);
	config_unref(c);
}

/* Process */

static void
raise_limits(void)
{
	struct rlimit r;

	if (!getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

/* The server never runs as root: started so, it becomes process.user once its ports are bound. */
static int
drop_privileges(const char *name, struct err *e)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return 0;
	if (!name || !*name)
		return err_set(e, 0, "started as root: process.user must name an account to run as");
	pw = getpwnam(name);
	if (!pw || !pw->pw_uid)
		return err_set(e, 0, "process.user: %s is not an account to run as", name);
	if (initgroups(name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		return err_set(e, errno, "cannot become %s: %s", name, strerror(errno));
	(void)prctl(PR_SET_DUMPABLE, 0);
	return 0;
}

static int
write_pid(const char *file, struct err *e)
{
	FILE *f;

	if (!file || !*file)
		return 0;
	f = fopen(file, "w");
	if (!f)
		return err_set(e, errno, "process.pid_file %s: %s", file, strerror(errno));
	fprintf(f, "%ld\n", (long)getpid());
	return fclose(f) ? err_set(e, errno, "process.pid_file %s: %s", file, strerror(errno)) : 0;
}

/* Doors */

static int
listen_on(const struct config_list *addresses, listener_fn fn, bool *tls, struct err *e)
{
	for (size_t i = 0; i < addresses->n; i++) {
		if (nlisteners == MAX_LISTENERS)
			return err_set(e, 0, "listen: more than %d addresses", MAX_LISTENERS);
		listeners[nlisteners] = listener_new(addresses->item[i], fn, tls, e);
		if (!listeners[nlisteners])
			return -1;
		nlisteners++;
	}
	return 0;
}

static void
close_doors(void)
{
	while (nlisteners)
		listener_stop(listeners[--nlisteners]);
	component_doors_close();
}

/* Start */

static int
prepare_schema(const struct config *c, struct err *e)
{
	bool old = false;
	unsigned applied;

	if (!version_check(c->database.conninfo, &old, e))
		return 0;
	if (!old || !*c->database.owner_conninfo)
		return -1;
	if (version_migrate(c->database.owner_conninfo, &applied, e))
		return -1;
	log_info(NULL, "migrated", "applied=%u", applied);
	return version_check(c->database.conninfo, &old, e);
}

/* auth.token_key: mixed with the secret of the database, so that neither alone makes tokens. */
static int
mix_token_key(const char *file, uint8_t key[SHA256_SIZE], struct err *e)
{
	uint8_t text[SHA256_SIZE + 4096];
	FILE *f = fopen(file, "rb");
	size_t n = f ? fread(text + SHA256_SIZE, 1, sizeof(text) - SHA256_SIZE, f) : 0;
	int rc = 0;

	if (!f)
		rc = err_set(e, errno, "auth.token_key: %s cannot be read", file);
	else if (n < 32)
		rc = err_set(e, 0, "auth.token_key: %s holds less than 32 bytes", file);
	if (f)
		(void)fclose(f);
	memcpy(text, key, SHA256_SIZE);
	if (!rc)
		crypt_sha256(text, SHA256_SIZE + n, key);
	crypt_wipe(text, sizeof(text));
	return rc;
}

static int
read_token_key(const struct config *c, struct sql *db, struct err *e)
{
	uint8_t key[SHA256_SIZE];
	int rc = account_token_secret(db, key, e) == SQL_OK ? 0 : -1;

	if (!rc && *c->auth.token_key)
		rc = mix_token_key(c->auth.token_key, key, e);
	if (!rc)
		fast_set_key(key);
	crypt_wipe(key, sizeof(key));
	return rc;
}

static int
read_secret(const struct config *c, struct err *e)
{
	struct sql *db = sql_new(c->database.conninfo, "chanceryd start");
	uint8_t secret[32];
	enum sql_status st = sql_connect(db, 10000, e);

	if (st == SQL_OK && c->database.allow_unsafe)
		log_warning(NULL, "durability-not-required", "setting=database.allow_unsafe_durability");
	if (st == SQL_OK)
		st = account_server_secret(db, secret, e);
	if (st == SQL_OK)
		auth_set_secret(secret);
	if (st == SQL_OK)
		st = rounds_look(db, e);
	if (st == SQL_OK && read_token_key(c, db, e))
		st = SQL_FAILED;
	crypt_wipe(secret, sizeof(secret));
	sql_free(db);
	return st == SQL_OK ? 0 : -1;
}

static unsigned
reactors_wanted(const struct config *c)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->process.reactors)
		return (unsigned)c->process.reactors;
	return cores > 2 ? (unsigned)cores - 1 : 1;
}

static void
start_streams(void *arg)
{
	(void)arg;
	c2s_home_start();
	component_home_start();
	federation_home_start();
	aftercare_home_start();
}

static int
start_siem(const struct config *c, struct err *e)
{
	struct siem_settings s = { .conninfo = c->database.conninfo, .address = c->siem.address, .host_name = c->hosts[0].domain,
		.ca_file = c->siem.ca_file, .certificate = c->siem.certificate, .key = c->siem.key, .spool = c->siem.spool, .events_max = c->limits.siem_events };

	return siem_start(&s, e);
}

static int
start_store(const struct config *c, struct err *e)
{
	struct record_settings r = { .conninfo = c->database.conninfo,
		.patience_ms = (unsigned)c->archive.patience_ms,
		.batch_max = (unsigned)c->archive.batch_max,
		.waiting_max = c->limits.archive_waiting,
		.waiting_bytes_max = c->limits.archive_waiting_bytes,
		.allow_unsafe = c->database.allow_unsafe,
		.leaves = log_committed };
	struct log_settings log;

	log_settings_of(c, &log);
	if (*c->siem.address)
		log_listen(siem_send_checkpoint, NULL);
	if (pool_start(c->database.conninfo, (unsigned)c->database.workers, (unsigned)c->database.patience_ms,
			(unsigned)c->limits.jobs_waiting, e))
		return -1;
	return log_start(&log, e) || record_start(&r, e) ? -1 : 0;
}

static int
start(struct config *c, struct err *e)
{
	struct admin_settings admin = { .control = c->listen.control, .metrics = &c->listen.metrics,
		.conninfo = c->database.conninfo, .reload = reload };

	if (listen_on(&c->listen.https, web_accept, NULL, e))
		return -1;
	nweb = nlisteners;
	if (c->modules.files.on && listen_on(&c->listen.proxy65, bytestream_accept, NULL, e))
		return -1;
	nproxy = nlisteners - nweb;
	if (listen_on(&c->listen.c2s, c2s_accept, &plain, e) || listen_on(&c->listen.c2s_tls, c2s_accept, &direct, e))
		return -1;
	if (c->federation.on && (listen_on(&c->listen.s2s, federation_accept, &plain, e) || listen_on(&c->listen.s2s_tls, federation_accept, &direct, e)))
		return -1;
	/* No door without anybody who may come in; those who are in the database are read later. */
	if (c->components.domains.n && component_doors_open(c, e))
		return -1;
	sql_allow_unsafe(c->database.allow_unsafe);
	scanner_prepare(c);
	exports_prepare();
	if (drop_privileges(c->process.user, e) || host_start(c, e) || component_load(c, e) || prepare_schema(c, e) || read_secret(c, e))
		return -1;
	if (sealed_start(c->gateways.key_file, e) || gateway_rules_read(c->database.conninfo, e))
		return -1;
	if (start_vault(c, e) || fetch_check(c, e))
		return -1;
	c2s_start();
	roster_start();
	if (modules_start())
		return err_set(e, 0, "a module did not start");
	/* Behind the services, whose domains are no component's. */
	if (component_rules_read_stored(c->database.conninfo, e) || component_doors_open(c, e))
		return -1;
	disco_start();
	if (reactor_start_all(reactors_wanted(c)))
		return err_set(e, 0, "threads could not be started");
	home_start_all();
	home_call_each(start_streams, NULL);
	aftercare_prepare();
	if (scanner_start())
		return err_set(e, 0, "the thread of the scanner could not be started");
	if (fetch_start())
		return err_set(e, 0, "the thread that fetches files could not be started");
	if (start_store(c, e) || start_siem(c, e) || refusal_start(c->limits.refusal_sources, e) || audit_started(c, reactor_count(), e) || search_indexer_start(c->database.conninfo, e) || federation_start(c, e) || admin_start(&admin, e) || write_pid(c->process.pid_file, e))
		return -1;
	if (nweb && web_start())
		return err_set(e, 0, "the thread of HTTPS could not be started");
	for (size_t i = 0; i < nweb; i++)
		web_listen(listeners[i]);
	if (nproxy && bytestream_start())
		return err_set(e, 0, "the thread of the proxy could not be started");
	for (size_t i = nweb; i < nweb + nproxy; i++)
		bytestream_listen(listeners[i]);
	for (size_t i = nweb + nproxy; i < nlisteners; i++)
		listener_run(listeners[i]);
	component_doors_run();
	return gateways_start(e);
}

/* Stop */

static void
quiet_here(void *arg)
{
	(void)arg;
	c2s_home_quiet();
	component_home_quiet();
	federation_home_quiet();
}

static void
places_here(void *arg)
{
	(void)arg;
	service_home_stopping();
}

static void
goodbye_here(void *arg)
{
	*(unsigned *)arg += c2s_home_shutdown() + component_home_shutdown() + federation_home_shutdown();
}

static void
confirm_here(void *arg)
{
	*(unsigned *)arg += c2s_home_confirm() + component_home_confirm();
}

static void
end_components_here(void *arg)
{
	(void)arg;
	(void)component_home_shutdown();
}

static void
flush_here(void *arg)
{
	(void)arg;
	delivery_flush();
	last_use_flush();
	federation_home_flush();
}

static void
stop_streams(void *arg)
{
	(void)arg;
	c2s_home_stop();
	component_home_stop();
	federation_home_stop();
	aftercare_home_stop();
}

static void
nap(void)
{
	struct timespec t = { .tv_nsec = POLL_MS * 1000000L };

	(void)nanosleep(&t, NULL);
}

static void
drain(void)
{
	for (int waited = 0; (lane_total() || chain_total()) && waited < DRAIN_MS; waited += POLL_MS)
		nap();
	if (lane_total())
		log_warning(NULL, "stop-undelivered", "stanzas=%u", lane_total());
}

static void
take_confirmations(void)
{
	unsigned left = 1;

	for (int waited = 0; left && waited < CONFIRM_MS; waited += POLL_MS) {
		left = 0;
		home_call_each(confirm_here, &left);
		if (left)
			nap();
	}
}

static void
say_goodbye(void)
{
	unsigned left = 1;

	for (int waited = 0; left && waited < GOODBYE_MS; waited += POLL_MS) {
		left = 0;
		home_call_each(goodbye_here, &left);
		if (left)
			nap();
	}
}

static void
stop(const struct config *c)
{
	sd_notify(0, "STOPPING=1");
	log_info(NULL, "stopping", "");
	close_doors();
	admin_stop();
	gateways_quiet();
	/* What was read is recorded, delivered and acknowledged before streams end: nothing has to be sent twice. */
	if (nweb)
		web_quiet();
	bytestream_quiet();
	home_call_each(quiet_here, NULL);
	/* Who waits for a file from elsewhere is told to come again. */
	fetch_quiet();
	drain();
	/* Files that are still being scanned go back to their senders. */
	scanner_stop();
	drain();
	take_confirmations();
	home_call_each(places_here, NULL);
	/* Before those of people, who are told what a component has not taken. */
	home_call_each(end_components_here, NULL);
	say_goodbye();
	gateways_stop();
	drain();
	home_call_each(flush_here, NULL);
	search_indexer_stop();
	refusal_stop();
	audit_stopping(c, signalled.si_uid, signalled.si_pid);
	siem_stop();
	record_stop();
	log_stop();
	pool_stop();
	drain();
	home_call_each(stop_streams, NULL);
	federation_stop();
	fetch_stop();
	if (nweb)
		web_stop();
	bytestream_stop();
	home_stop_all();
	reactor_stop_all();
	disco_stop();
	features_stop();
	modules_stop();
	iq_forget_all();
	auth_stop();
	component_stop();
	gateway_rules_forget();
	gateway_stats_forget();
	sealed_stop();
	host_stop();
	if (*c->process.pid_file)
		(void)unlink(c->process.pid_file);
	log_info(NULL, "stopped", "");
}

/* Signals are taken here and nowhere else; the wait doubles as the service manager's watchdog. */
static void
serve(const sigset_t *signals)
{
	uint64_t watchdog_us = 0;
	struct timespec t = { .tv_sec = 10 };

	if (sd_watchdog_enabled(0, &watchdog_us) > 0)
		t = (struct timespec){ .tv_sec = (time_t)(watchdog_us / 2000000), .tv_nsec = (long)(watchdog_us / 2 % 1000000) * 1000 };
	sd_notify(0, "READY=1");
	for (;;) {
		int sig = sigtimedwait(signals, &signalled, &t);

		if (sig == SIGTERM || sig == SIGINT)
			return;
		if (sig == SIGHUP)
			reload_by_signal(&signalled);
		if (sig < 0)
			sd_notify(0, "WATCHDOG=1");
	}
}

/* --check: what a start would read from files, certificates included. */
static int
check_only(struct config *c)
{
	struct err e;
	int rc = host_start(c, &e) || component_load(c, &e) || fetch_check(c, &e);

	if (rc)
		fprintf(stderr, "chanceryd: %s: %s\n", c->file, e.text);
	else
		puts("ok");
	component_stop();
	host_stop();
	config_unref(c);
	return rc ? 1 : 0;
}

static int
usage(int code)
{
	fputs("usage: chanceryd --config FILE [--check]\n"
	      "       chanceryd --print-settings\n"
	      "       chanceryd --version\n", code ? stderr : stdout);
	return code;
}

static int
print_settings(void)
{
	struct buf b = { 0 };

	config_reference(&b);
	fputs(buf_str(&b), stdout);
	buf_fini(&b);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'k' },
		{ "print-settings", no_argument, NULL, 'p' }, { "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	bool check = false;
	struct config *c;
	struct err e = { 0 };
	sigset_t signals;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'c': settings_file = optarg; break;
		case 'k': check = true; break;
		case 'p': return print_settings();
		case 'v': puts("chanceryd " CHANCERY_VERSION); return 0;
		case 'h': return usage(0);
		default: return usage(2);
		}
	}
	if (!settings_file || optind != argc)
		return usage(2);
	c = config_load(settings_file, &e);
	if (!c) {
		fprintf(stderr, "chanceryd: %s\n", e.text);
		return 1;
	}
	if (check)
		return check_only(c);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of write */
	raise_limits();
	apply(c);
	config_set(config_ref(c));
	if (start(c, &e)) {
		log_error(NULL, "start-failed", "why=%s", e.text);
		fprintf(stderr, "chanceryd: %s\n", e.text);
		_exit(1);
	}
	log_info(NULL, "started", "version=%s reactors=%u hosts=%zu", CHANCERY_VERSION, reactor_count(), c->nhosts);
	serve(&signals);
	stop(c);
	config_unref(c);
	config_set(NULL);
	return 0;
}
