/*
 * siem: the thread, what waits in memory until it has it, and pages of messages (see siem.h for what it promises).
 */
#include "archive/siem/siem.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "archive/audit_read.h"
#include "archive/siem/siem_link.h"
#include "archive/siem/siem_spool.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "store/record.h"

#define TICK_MS 200
#define PAGE 500
#define CONNECT_MS 3000
#define AGAIN_MS 500
#define AGAIN_MAX_MS 30000
#define NOTES_BYTES (16 * 1024 * 1024) /* of events in memory, until the thread has put them away */
#define EVENT_MAX 16384
#define FACILITY 13    /* RFC 5424 §6.2.1: log audit */

struct note {
	struct note *next;
	int64_t at_us;
	int severity;
	char *name, *json;
};

static struct {
	pthread_t thread;
	bool running;
	atomic_bool on, stopping;
	struct sql *db;
	struct siem_link *link;
	struct siem_spool *spool;
	bool unspooled;      /* it could not be written, which has been said */
	char *host_name;
	uint64_t events_max, position, read_upto; /* taken; no audit record is between there and here */
	bool known;          /* position has been read */
	int64_t again_ms, pause_ms;

	pthread_mutex_t lock;
	struct note *first, **last;
	unsigned lost;
	size_t bytes;
	struct siem_state state;
} siem = {.lock = PTHREAD_MUTEX_INITIALIZER, .last = &siem.first};

/* Events, from anywhere */

static size_t
note_bytes(const struct note *n)
{
	return sizeof *n + strlen(n->name) + strlen(n->json);
}

/* An event that is not in the record. `json` is an object on one line. From any thread, a reactor's too: it never waits. */
static void
siem_event(int severity, const char *name, const char *json)
{
	struct note *n;
	bool kept;

	if (!atomic_load(&siem.on) || strlen(json) > EVENT_MAX)
		return;
	n = NEW(struct note);
	*n = (struct note){.at_us = clock_wall_us(), .severity = severity, .name = mem_strdup(name), .json = mem_strdup(json)};
	pthread_mutex_lock(&siem.lock);
	kept = siem.bytes + note_bytes(n) <= NOTES_BYTES;
	if (kept) {
		siem.bytes += note_bytes(n);
		*siem.last = n;
		siem.last = &n->next;
	} else {
		siem.lost++;
	}
	pthread_mutex_unlock(&siem.lock);
	if (kept)
		return;
	metric_add(METRIC_SIEM_LOST, 1);
	free(n->name);
	free(n->json);
	free(n);
}

static void
add_string(struct buf *out, const char *s)
{
	buf_addc(out, '"');
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x20 || *s == '"' || *s == '\\')
			buf_addf(out, "\\u%04x", (unsigned char)*s);
		else
			buf_addc(out, *s);
	}
	buf_addc(out, '"');
}

void
siem_send_checkpoint(void *arg, uint64_t size, const char *note)
{
	struct buf b = {0};

	(void)arg;
	buf_addf(&b, "{\"size\":%" PRIu64 ",\"note\":", size);
	add_string(&b, note);
	buf_addc(&b, '}');
	siem_event(5, "checkpoint", buf_str(&b));
	buf_fini(&b);
}

/* Into the table */

static struct note *
take_notes(void)
{
	struct note *list;
	unsigned lost;

	pthread_mutex_lock(&siem.lock);
	list = siem.first;
	lost = siem.lost;
	siem.first = NULL;
	siem.last = &siem.first;
	siem.lost = 0;
	siem.bytes = 0;
	pthread_mutex_unlock(&siem.lock);
	if (lost > 0)
		log_warning(NULL, "siem-events-lost", "n=%u", lost);
	return list;
}

static enum sql_status
store_note(const struct note *n, uint64_t most, struct err *e)
{
	char at[24], severity[8], max[24];
	bool kept = true;
	enum sql_status st;

	snprintf(at, sizeof at, "%" PRId64, n->at_us);
	snprintf(severity, sizeof severity, "%d", n->severity);
	snprintf(max, sizeof max, "%" PRIu64, most);
	/* Ids follow each other: their span bounds their number. */
	st = sql_query_bool(siem.db, e, &kept,
		"INSERT INTO chancery.siem_event (at, severity, name, text)"
		" SELECT timestamptz 'epoch' + $1::bigint * interval '1 microsecond', $2::smallint, $3, $4"
		" WHERE (SELECT coalesce(max(id) - min(id), 0) FROM chancery.siem_event) < $5::bigint RETURNING true",
		5, at, severity, n->name, n->json, max);
	if (st == SQL_OK && !kept)
		metric_add(METRIC_SIEM_LOST, 1);
	return st;
}

static void
note_free(struct note *n)
{
	free(n->name);
	free(n->json);
	free(n);
}

/* What cannot be put away goes back to the head. */
static void
give_back(struct note *list)
{
	struct note **end;
	size_t bytes = 0;

	if (list == NULL)
		return;
	pthread_mutex_lock(&siem.lock);
	for (end = &list; *end != NULL; end = &(*end)->next)
		bytes += note_bytes(*end);
	*end = siem.first;
	if (siem.first == NULL)
		siem.last = end;
	siem.first = list;
	siem.bytes += bytes;
	pthread_mutex_unlock(&siem.lock);
}

static int
store_notes(struct err *e)
{
	struct note *list = take_notes(), *next;

	for (; list != NULL; list = next) {
		next = list->next;
		if (store_note(list, siem.events_max, e) == SQL_UNAVAILABLE)
			break;
		note_free(list);
	}
	give_back(list);
	return list == NULL ? 0 : -1;
}

/* The database is away. What finds no room is lost; where nothing can be written it stays in memory. */
static void
spool_notes(void)
{
	struct note *list = take_notes(), *next;
	struct err e = {0};
	int rc = 1;

	if (list == NULL)
		return;
	for (; list != NULL; list = next) {
		struct siem_spooled one = {list->at_us, list->severity, list->name, list->json};

		next = list->next;
		rc = siem_spool_put(siem.spool, &one, &e);
		if (rc < 0)
			break;
		metric_add(rc > 0 ? METRIC_SIEM_SPOOLED : METRIC_SIEM_LOST, 1);
		note_free(list);
	}
	if (rc >= 0 && siem_spool_sync(siem.spool, &e) != 0)
		rc = -1;
	if (rc < 0 && !siem.unspooled)
		log_warning(NULL, "siem-not-spooled", "why=%s effect=%s", e.text, "events stay in memory");
	siem.unspooled = rc < 0;
	give_back(list);
}

/* arg: is it all or nothing? Else what PostgreSQL refuses is left out, as it is of those that come from memory. */
static int
store_spooled(void *arg, const struct siem_spooled *s, struct err *e)
{
	const struct note n = {.at_us = s->at_us, .severity = s->severity, .name = (char *)(uintptr_t)s->name, .json = (char *)(uintptr_t)s->json};
	enum sql_status st;

	/* They may be many; what is not stored is there at the next start. */
	if (*(const bool *)arg && atomic_load(&siem.stopping))
		return err_set(e, ECANCELED, "the server stops");
	st = store_note(&n, siem.events_max, e);
	return st == SQL_UNAVAILABLE || (st != SQL_OK && *(const bool *)arg) ? -1 : 0;
}

/* In one transaction: when that is cut off, it is all still there. */
static int
store_at_once(struct err *e)
{
	bool all = true;

	if (sql_begin(siem.db, e) == SQL_OK && siem_spool_each(siem.spool, store_spooled, &all, e) == 0 && sql_commit(siem.db, e) == SQL_OK)
		return 0;
	sql_rollback(siem.db);
	return -1;
}

/* Before what came later. */
static int
store_spool(struct err *e)
{
	uint64_t n = siem_spool_waiting(siem.spool);
	bool all = false;

	if (n == 0)
		return 0;
	if (store_at_once(e) != 0 && (!sql_is_connected(siem.db) || atomic_load(&siem.stopping) || siem_spool_each(siem.spool, store_spooled, &all, e) != 0))
		return -1;
	log_info(NULL, "siem-spool-stored", "events=%" PRIu64, n);
	return siem_spool_clear(siem.spool, e);
}

/* Messages */

/* RFC 5424 §6.2.7: printable ASCII, 32 at most. */
static void
add_word(struct buf *out, const char *s, size_t most)
{
	size_t n = 0;

	for (; *s != '\0' && n < most; s++, n++)
		buf_addc(out, *s > ' ' && *s < 0x7f ? *s : '_');
	if (n == 0)
		buf_addc(out, '-');
}

/* RFC 5425 §4.3: the length in front. `data` and `text` are of ASCII. */
static void
add_message(struct buf *out, int severity, const char *at, const char *name, const char *data, const char *text)
{
	struct buf m = {0};

	buf_addf(&m, "<%d>1 %s ", FACILITY * 8 + severity, at);
	add_word(&m, siem.host_name, 255);
	buf_adds(&m, " chanceryd - ");
	add_word(&m, name, 32);
	buf_addf(&m, " %s %s", data, text);
	buf_addf(out, "%zu ", buf_len(&m));
	buf_add(out, buf_data(&m), buf_len(&m));
	buf_fini(&m);
}

/* The same whenever it is sent. */
static void
add_record(struct buf *out, const json_t *row)
{
	const char *action = json_string_value(json_object_get(row, "action")), *at = json_string_value(json_object_get(row, "at"));
	char *text = json_dumps(row, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_SORT_KEYS), data[160];

	snprintf(data, sizeof data, "[audit@32473 record=\"%" JSON_INTEGER_FORMAT "\" index=\"%" JSON_INTEGER_FORMAT "\"]",
		 json_integer_value(json_object_get(row, "record")), json_integer_value(json_object_get(row, "index")));
	add_message(out, 5, at, action, data, text);
	free(text);
}

static void
add_event(struct buf *out, const PGresult *r, int i)
{
	json_t *text = json_loads(sql_text(r, i, 4), 0, NULL);
	char *ascii = json_dumps(text != NULL ? text : json_null(), JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY), data[64], at[32];

	snprintf(data, sizeof data, "[event@32473 id=\"%s\"]", sql_text(r, i, 0));
	add_message(out, (int)sql_i64(r, i, 2), clock_format(sql_i64(r, i, 1), at), sql_text(r, i, 3), data, ascii);
	free(ascii);
	json_decref(text);
}

/* Sending */

static int
read_position(struct err *e)
{
	PGresult *r;

	if (siem.known)
		return 0;
	if (sql_query(siem.db, e, &r, "SELECT record FROM chancery.siem", 0) != SQL_OK)
		return -1;
	siem.position = siem.read_upto = PQntuples(r) > 0 ? (uint64_t)sql_i64(r, 0, 0) : 0;
	siem.known = true;
	PQclear(r);
	return 0;
}

static int
move_position(uint64_t record, struct err *e)
{
	char id[24];

	snprintf(id, sizeof id, "%" PRIu64, record);
	if (sql_do(siem.db, e, "UPDATE chancery.siem SET record = $1::bigint", 1, id) != SQL_OK)
		return -1;
	siem.position = siem.read_upto = record;
	return 0;
}

static void
note_waiting(size_t n)
{
	pthread_mutex_lock(&siem.lock);
	siem.state.waiting = (int64_t)n;
	pthread_mutex_unlock(&siem.lock);
	metric_set(METRIC_SIEM_WAITING, (int64_t)n);
}

/* A page of what is behind the position and settled: a record that may still be taken back waits for its outcome. 1: there was one. */
static int
send_records(struct err *e)
{
	struct audit_query q = {.after = siem.read_upto, .until = record_settled_id() + 1, .limit = PAGE};
	uint64_t last = 0;
	bool more = false;
	struct buf out = {0};
	json_t *rows = NULL, *row;
	size_t i, n;
	int rc = 0;

	if (q.after + 1 >= q.until)
		return 0;
	if (audit_read(siem.db, &q, &rows, &last, &more, e) != SQL_OK)
		return -1;
	n = json_array_size(rows);
	note_waiting(n);
	json_array_foreach(rows, i, row)
		add_record(&out, row);
	json_decref(rows);
	if (n == 0) {
		siem.read_upto = q.until - 1;
		return 0;
	}
	rc = siem_link_is_open(siem.link) ? siem_link_deliver(siem.link, buf_data(&out), buf_len(&out), e) : -2;
	buf_fini(&out);
	if (rc != 0)
		return rc == -2 ? 0 : -1;
	if (move_position(last, e) != 0)
		return -1;
	metric_add(METRIC_SIEM_SENT, (int64_t)n);
	note_waiting(0);
	return 1;
}

static int
send_events(struct err *e)
{
	struct buf out = {0};
	char last[24];
	PGresult *r;
	int n, rc = 0;

	if (sql_query(siem.db, e, &r, "SELECT id, (extract(epoch FROM at) * 1000000)::bigint, severity, name, text FROM chancery.siem_event"
		" ORDER BY id LIMIT 500", 0) != SQL_OK)
		return -1;
	n = PQntuples(r);
	for (int i = 0; i < n; i++)
		add_event(&out, r, i);
	snprintf(last, sizeof last, "%s", n > 0 ? sql_text(r, n - 1, 0) : "0");
	PQclear(r);
	if (n > 0) {
		rc = siem_link_deliver(siem.link, buf_data(&out), buf_len(&out), e);
		if (rc == 0 && sql_do(siem.db, e, "DELETE FROM chancery.siem_event WHERE id <= $1::bigint", 1, last) != SQL_OK)
			rc = -1;
		if (rc == 0)
			metric_add(METRIC_SIEM_SENT, n);
	}
	buf_fini(&out);
	return rc != 0 ? -1 : n > 0;
}

/* The thread */

static void
say(bool connected, const char *trouble)
{
	bool changed;

	pthread_mutex_lock(&siem.lock);
	changed = siem.state.connected != connected || (trouble[0] != '\0') != (siem.state.trouble[0] != '\0');
	siem.state.connected = connected;
	snprintf(siem.state.trouble, sizeof siem.state.trouble, "%.150s", trouble);
	pthread_mutex_unlock(&siem.lock);
	metric_set(METRIC_SIEM_CONNECTED, connected);
	if (changed && trouble[0] != '\0')
		log_error(NULL, "siem-down", "why=%s", trouble);
	else if (changed && connected)
		log_info(NULL, "siem-up", "position=%" PRIu64, siem.position);
}

static void
fail(const struct err *e)
{
	metric_add(METRIC_SIEM_FAILURES, 1);
	say(siem_link_is_open(siem.link), e->text);
	siem.again_ms = clock_mono_ms() + siem.pause_ms;
	siem.pause_ms = siem.pause_ms * 2 > AGAIN_MAX_MS ? AGAIN_MAX_MS : siem.pause_ms * 2;
}

/* 1: there may be more at once. */
static int
turn(struct err *e)
{
	int records, events;

	if (sql_connect(siem.db, CONNECT_MS, e) != SQL_OK || read_position(e) != 0 || store_spool(e) != 0 || store_notes(e) != 0) {
		spool_notes();
		return -1;
	}
	siem_link_look(siem.link);
	if (!siem_link_is_open(siem.link)) {
		if (clock_mono_ms() < siem.again_ms)
			return send_records(e) < 0 ? -1 : 0; /* counts what waits */
		if (siem_link_open(siem.link, e) != 0)
			return -1;
		say(true, "");
	}
	records = send_records(e);
	events = records < 0 ? -1 : send_events(e);
	if (events < 0)
		return -1;
	siem.pause_ms = AGAIN_MS;
	say(true, "");
	return records > 0 || events > 0;
}

static void *
run(void *arg)
{
	struct timespec nap = {.tv_nsec = TICK_MS * 1000000L};

	(void)arg;
	while (!atomic_load(&siem.stopping)) {
		struct err e = {0};
		int rc = turn(&e);

		if (rc < 0 && !atomic_load(&siem.stopping))
			fail(&e);
		if (rc <= 0)
			(void)nanosleep(&nap, NULL);
	}
	return NULL;
}

/* What of the log is told: alarms, and what somebody tried who may not. By name; every error is an alarm. */
static bool
is_event(enum log_level level, const char *name)
{
	static const char *const names[] = {"auth-failed", "token-refused", "token-throttled", "access-denied", "control-refused", "federation-refused",
					    "federation-refused-more", "component-refused", "starttls-injection", "carbon-forged",
					    "origin-refused", "connection-refused", "fetch-inward", "file-refused", "file-withdrawn", "abuse-reported",
					    "certificate-expires", "durability-not-required", "gateway-hung", "dialback-unsolicited", "partner-expired"};

	if (level == LOG_ERROR)
		return strcmp(name, "siem-down") != 0; /* not of itself: it could not be told, and would be told for ever */
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void
on_log(enum log_level level, const char *name, const char *json)
{
	siem_event(level == LOG_ERROR ? 3 : level == LOG_WARNING ? 4 : 5, name, json);
}

int
siem_start(const struct siem_settings *s, struct err *e)
{
	sigset_t all, old;
	int rc;

	if (s->address[0] == '\0')
		return 0;
	siem.spool = siem_spool_new(s->spool, s->events_max);
	siem.link = siem_link_new(s->address, s->ca_file, s->certificate, s->key, &siem.stopping, e);
	if (siem.link == NULL) {
		siem_spool_free(siem.spool);
		return -1;
	}
	siem.db = sql_new(s->conninfo, "chanceryd siem");
	siem.host_name = mem_strdup(s->host_name);
	siem.events_max = s->events_max;
	siem.pause_ms = AGAIN_MS;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&siem.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc != 0)
		return err_set(e, rc, "siem: no thread");
	siem.running = siem.state.on = true;
	atomic_store(&siem.on, true);
	log_set_tap(is_event, on_log);
	return 0;
}

void
siem_stop(void)
{
	struct note *n, *next;
	struct err e = {0};

	if (!siem.running)
		return;
	log_set_tap(NULL, NULL);
	atomic_store(&siem.on, false);
	atomic_store(&siem.stopping, true);
	pthread_join(siem.thread, NULL);
	/* For the next start. */
	if (!sql_is_connected(siem.db) || store_notes(&e) != 0)
		spool_notes();
	for (n = take_notes(); n != NULL; n = next) {
		next = n->next;
		log_warning(NULL, "siem-event-lost", "event=%s", n->name);
		note_free(n);
	}
	siem_link_free(siem.link);
	siem_spool_free(siem.spool);
	sql_free(siem.db);
	free(siem.host_name);
	siem.running = false;
}

void
siem_state(struct siem_state *out)
{
	pthread_mutex_lock(&siem.lock);
	*out = siem.state;
	pthread_mutex_unlock(&siem.lock);
}
