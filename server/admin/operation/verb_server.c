/*
 * verb_server: sessions, the state of the server, and its settings.
 */
#include "admin/request/request.h"

#include <pthread.h>
#include <string.h>

#include "admin/gateway/gateways.h"
#include "admin/retention/retention.h"
#include "archive/log/log.h"
#include "archive/search/search_indexer.h"
#include "archive/siem/siem.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/metric.h"
#include "core/census.h"
#include "core/config/config.h"
#include "core/file/scanner.h"
#include "store/pool.h"
#include "store/record.h"
#include "xmpp/jid.h"

/* One at a time: two reloads must not put their snapshots into force in the wrong order. */
static pthread_mutex_t reload_lock = PTHREAD_MUTEX_INITIALIZER;

/* -1 once the peer is gone: the rest of the census goes by unsaid. */
struct listing {
	struct request *r;
	int rc;
};

static void
list_session(void *arg, const struct census_session *s)
{
	struct listing *l = arg;

	if (l->rc != 0)
		return;
	l->rc = request_row(l->r, json_pack("{s:s, s:s, s:s?, s:s?, s:s?, s:o, s:o, s:i, s:I, s:s?, s:o}",
					    "jid", s->jid, "state",
					    s->detached  ? "detached" :
					    s->available ? "available" :
							   "connected",
					    "address", s->address, "tls", s->tls, "mechanism",
					    s->mechanism, "since", request_time(s->since_us),
					    "active", request_time(s->active_us), "priority",
					    s->priority, "unacked", (json_int_t)s->unacked, "client", s->client,
					    "device", s->device ? json_integer(s->device) : json_null()));
}

static int
session_list(struct request *r)
{
	struct listing l = {.r = r};
	const char *text = NULL;
	struct jid *j = NULL;

	if (request_args(r, "{s?s}", "jid", &text) != 0)
		return -1;
	if (text != NULL && ((j = jid_parse_z(text)) == NULL || !jid_is_bare(j))) {
		jid_unref(j);
		return err_set(&r->err, 0, "not an address: expected name@domain");
	}
	census_sessions(j != NULL ? jid_bare(j) : NULL, list_session, &l);
	jid_unref(j);
	return l.rc;
}

/* Before the action: without the row it does not happen. */
static int
audit_first(struct request *r, const char *action, const char *target)
{
	if (request_db(r) != 0 ||
	    audit_write(r->db, r->who, action, target, NULL, &r->err) != SQL_OK)
		return -1;
	return 0;
}

static int
session_close(struct request *r)
{
	const char *text;
	struct jid *j;
	unsigned closed;
	int rc;

	if (request_args(r, "{s:s}", "jid", &text) != 0)
		return -1;
	j = jid_parse_z(text);
	if (j == NULL || jid_local(j) == NULL) {
		jid_unref(j);
		return err_set(&r->err, 0,
			       "not an address: expected name@domain or name@domain/resource");
	}
	rc = audit_first(r, "session.close", jid_full(j));
	if (rc == 0) {
		/* RFC 6120 §4.9.3.14: what an administrator does to a stream is policy. */
		closed = census_close(jid_bare(j), jid_resource(j), "policy-violation",
				      "Closed by an administrator");
		if (closed > 0)
			audit_log(r->who, "session.close", jid_full(j));
		rc = closed > 0 ? request_row(r, json_pack("{s:s, s:i}", "jid", jid_full(j),
							   "closed", (int)closed)) :
				  err_set(&r->err, 0, "%s has no session", jid_full(j));
	}
	jid_unref(j);
	return rc;
}

static json_t *
host_names(const struct config *c)
{
	json_t *out = json_array();

	for (size_t i = 0; i < c->nhosts; i++)
		json_array_append_new(out, json_string(c->hosts[i].domain));
	return out;
}

static void
add_trouble(struct buf *out, const char *what)
{
	buf_adds(out, buf_len(out) > 0 ? "; " : "degraded: ");
	buf_adds(out, what);
}

static void
describe_scanner(struct buf *out)
{
	const char *why;

	if (scanner_condition() == SCANNER_OFF || scanner_condition() == SCANNER_ASLEEP)
		return;
	if (!scanner_is_open(&why))
		add_trouble(out, "no file passes (chancery files status)");
	else if (scanner_condition() == SCANNER_OLD)
		add_trouble(out, "files are scanned with old signatures (chancery files status)");
}

static void
describe_log(struct buf *out)
{
	struct log_state s;

	log_state(&s);
	if (s.trouble[0])
		add_trouble(out, s.trouble);
}

/* "ok", or what does not work, in words. */
static void
describe_state(struct buf *out)
{
	struct siem_state siem;

	if (!record_is_up())
		add_trouble(out, "the archive cannot be written; messages wait, then go back to their senders");
	if (!pool_is_up())
		add_trouble(out, "the database does not answer; nobody can log in");
	describe_log(out);
	describe_scanner(out);
	if (gateways_down() > 0)
		add_trouble(out, "a network's program does not run (chancery gateway list)");
	siem_state(&siem);
	if (siem.trouble[0] != '\0')
		add_trouble(out, "the SIEM is not reached; audit records wait for it in the record");
	if (buf_len(out) == 0)
		buf_adds(out, "ok");
}

static json_t *
log_row(void)
{
	struct log_state s;

	log_state(&s);
	return json_pack("{s:I, s:o, s:I, s:b, s:I}", "checkpoint", (json_int_t)s.size, "checkpoint_at", request_time(s.at_us), "uncovered",
		(json_int_t)(s.records - s.size), "log_key", (int)s.has_key, "verified", (json_int_t)s.verified);
}

static json_t *
signatures_age(void)
{
	struct scan_state st;

	scanner_state(&st);
	return st.generation ? json_integer(metric_get(METRIC_SIGNATURES_AGE) / 3600) : json_null();
}

static json_t *
status_row(struct request *r, const struct config *c)
{
	struct census_totals t;
	struct buf state = {0}, restart = {0};
	json_t *row;

	census_totals(&t);
	describe_state(&state);
	config_needs_restart(r->server->started_with, c, &restart);
	row = json_pack("{s:s, s:s, s:o, s:I, s:o, s:i, s:i, s:i, s:i}", "state", buf_str(&state),
			"version", CHANCERY_VERSION, "started", request_time(r->server->started_us),
			"uptime_seconds",
			(json_int_t)((clock_wall_us() - r->server->started_us) / 1000000), "hosts",
			host_names(c), "connections", (int)t.connections, "sessions",
			(int)t.sessions, "detached", (int)t.detached, "users", (int)t.users);
	/* A record's id is its time in microseconds (store/record.h). */
	json_object_update_new(row,
			       json_pack("{s:s, s:o, s:I, s:s, s:I, s:b, s:s, s:s}", "archive",
					 record_is_up() ? "up" : "down", "last_record",
					 request_time((int64_t)record_last_id()), "archive_waiting",
					 (json_int_t)metric_get(METRIC_ARCHIVE_WAITING), "database",
					 pool_is_up() ? "up" : "down", "jobs_waiting",
					 (json_int_t)metric_get(METRIC_JOBS_WAITING),
					 "unsafe_durability", (int)c->database.allow_unsafe,
					 "config", c->file, "needs_restart", buf_str(&restart)));
	json_object_update_new(row, json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "federation", (int)c->federation.on, "partners",
					      (json_int_t)metric_get(METRIC_PARTNERS), "partners_expiring",
					      (json_int_t)metric_get(METRIC_PARTNERS_EXPIRING), "partners_expired",
					      (json_int_t)metric_get(METRIC_PARTNERS_EXPIRED), "s2s_streams_in",
					      (json_int_t)metric_get(METRIC_S2S_STREAMS_IN), "s2s_streams_out",
					      (json_int_t)metric_get(METRIC_S2S_STREAMS_OUT)));
	json_object_update_new(row, json_pack("{s:s, s:o, s:I}", "scanner", scanner_condition_name(scanner_condition()), "signatures_age_hours",
					      signatures_age(), "scans_waiting", (json_int_t)metric_get(METRIC_SCANS_WAITING)));
	json_object_update_new(row, log_row());
	json_object_update_new(row, retention_row());
	json_object_set_new(row, "search_lag_seconds", json_integer((json_int_t)search_indexer_lag()));
	buf_fini(&state);
	buf_fini(&restart);
	return row;
}

static int
status(struct request *r)
{
	struct config *c;
	int rc;

	if (request_args(r, "{}") != 0)
		return -1;
	c = config_get();
	rc = request_row(r, status_row(r, c));
	config_unref(c);
	return rc;
}

static int
report_config(struct request *r, const struct config *c)
{
	struct buf restart = {0};
	int rc;

	config_needs_restart(r->server->started_with, c, &restart);
	rc = request_row(
		r, json_pack("{s:s, s:s}", "config", c->file, "needs_restart", buf_str(&restart)));
	buf_fini(&restart);
	return rc;
}

static int
config_check(struct request *r)
{
	struct config *now, *c;
	int rc = -1;

	if (request_args(r, "{}") != 0)
		return -1;
	now = config_get();
	c = config_load(now->file, &r->err);
	if (c != NULL)
		rc = report_config(r, c);
	config_unref(c);
	config_unref(now);
	return rc;
}

static int
config_reload(struct request *r)
{
	struct config *now;
	int rc;

	if (request_args(r, "{}") != 0)
		return -1;
	if (request_db(r) != 0)
		return -1;
	pthread_mutex_lock(&reload_lock);
	rc = r->server->reload(r->db, r->who, &r->err);
	pthread_mutex_unlock(&reload_lock);
	if (rc != 0)
		return -1;
	now = config_get();
	rc = report_config(r, now);
	config_unref(now);
	return rc;
}

const struct request_verb request_server_verbs[] = {
	{"session", "list", session_list, .about = "Lists sessions, of all or of one account", .args = "jid:string?"},
	{"session", "close", session_close, .about = "Ends one session, or all of an account", .args = "jid:string"},
	{"status", "", status, .about = "Tells how the server is"},
	{"config", "check", config_check, .about = "Checks the server's settings file"},
	{"config", "reload", config_reload, .about = "Puts the changed settings file into force"},
	{.noun = NULL},
};
