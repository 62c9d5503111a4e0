/*
 * exports: the thread that runs the jobs.
 *
 *     waiting ── pinned to a checkpoint, program started ──▶ running ── {"sign"}: audited, signed ── {"done"} ──▶ done
 *        ▲                                                      │
 *        └──────────── crashed, or the server stopped ──────────┤── {"error"} ──▶ failed        (cancelled: by a verb, in the table)
 */
#include "admin/export/exports.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/audit/audit.h"
#include "admin/export/export_process.h"
#include "admin/export/exports_store.h"
#include "archive/log/log.h"
#include "archive/log/log_signer.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"
#include "proof/bundle.h"

#define RUNS_MAX 16
#define CRASHES_MAX 3
#define AGAIN_MAX 20        /* attempts besides crashes: of a program that has lost its connection and can go on, or that could not be begun for that */
#define LINE_MAX_BYTES 65536
#define CONNECT_MS 3000
#define COVER_MS 15000      /* for a checkpoint that has all there is */
#define REST_MS 5000        /* after the database was away for a program, before another begins */
#define LOOK_MS 2000        /* at the table, when nobody has said that it changed */
#define TELL_MS 500         /* progress into the table */
#define TIDY_MS 600000
#define ROLE "chancery_export"

struct run {
	int64_t id;             /* 0: free */
	struct export_process process;
	struct buf in;
	char stage[32], asked_by[256], error[320];
	uint64_t done, records, bytes;
	int attempts, crashes;
	bool changed, finished, again; /* progress; it said done; it said that another attempt may help */
	int64_t told_ms;
	const char *query;      /* JSON, owned */
	char vkey[NOTE_VKEY_MAX]; /* that has signed the checkpoint */
};

static struct {
	pthread_t thread;
	bool running;
	atomic_bool stopping, untidy;
	int wake;
	char *conninfo, dir[PATH_MAX];
	struct sql *db;
	struct run run[RUNS_MAX];
	bool recovered;
	int64_t looked_ms, tidied_ms, rest_ms;
} exports = {.wake = -1};

const char *
export_state_name(int64_t state)
{
	static const char *const names[] = {[EXPORT_WAITING] = "waiting", [EXPORT_RUNNING] = "running", [EXPORT_DONE] = "done",
					    [EXPORT_FAILED] = "failed",	  [EXPORT_CANCELLED] = "cancelled", [EXPORT_REMOVED] = "removed"};

	return state >= EXPORT_WAITING && state <= EXPORT_REMOVED ? names[state] : "?";
}

/* Folders */

static void
folder_of(int64_t id, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%.4000s/%" PRId64, exports.dir, id);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	(void)remove(path);
	return 0;
}

static void
remove_folder(int64_t id)
{
	char path[PATH_MAX];

	folder_of(id, path);
	(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* Of a finished job only the bundle stays. */
static void
trim_folder(int64_t id)
{
	static const char *const names[] = {"selection", "order-conversation", "order-person", "journal"};
	char path[PATH_MAX];
	int fd;

	folder_of(id, path);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		(void)unlinkat(fd, names[i], 0);
	close(fd);
}

int
exports_open(int64_t id, uint64_t *size, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;
	int fd;

	folder_of(id, path);
	if (strlen(path) + sizeof "/bundle.zip" > sizeof path)
		return err_set(e, ENAMETOOLONG, "compliance.export_dir is too long");
	strcat(path, "/bundle.zip");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return err_set(e, errno, "the bundle of export %" PRId64 " is not there: %s", id, strerror(errno));
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

/* The table and the folder fit together: bundles that are over go, and folders that nobody knows of. */
static void
tidy(void)
{
	DIR *d = opendir(exports.dir);
	struct dirent *at;
	struct err e;
	int64_t id;

	while (exports_store_expired(exports.db, &id, &e) == SQL_OK && id != 0) {
		remove_folder(id);
		log_info(NULL, "export-expired", "export=%" PRId64, id);
	}
	while (d != NULL && (at = readdir(d)) != NULL) {
		bool keeps = true;

		if (text_i64(at->d_name, strlen(at->d_name), 1, INT64_MAX, &id) && exports_store_keeps(exports.db, id, &keeps, &e) == SQL_OK &&
		    !keeps)
			remove_folder(id);
	}
	if (d != NULL)
		closedir(d);
}

/* The end of a run */

static unsigned
count_runs(void)
{
	unsigned n = 0;

	for (size_t i = 0; i < RUNS_MAX; i++)
		n += exports.run[i].id != 0;
	return n;
}

static void
free_run(struct run *r)
{
	buf_fini(&r->in);
	free((char *)(uintptr_t)r->query);
	*r = (struct run){0};
	metric_set(METRIC_EXPORTS_RUNNING, count_runs());
}

static void
note_done(struct run *r)
{
	struct config *c = config_get();
	uint64_t keep_ms = c->exports.keep_ms;
	struct err e;

	config_unref(c);
	if (exports_store_done(exports.db, r->id, r->bytes, r->records, keep_ms, &e) != SQL_OK) {
		/* The bundle is there, and will be found to be complete when it runs again. */
		log_error(NULL, "export-not-noted", "export=%" PRId64 " why=%s", r->id, e.text);
		exports.recovered = false;
		return;
	}
	trim_folder(r->id);
	metric_add(METRIC_EXPORTS_DONE, 1);
	log_info(NULL, "export-done", "export=%" PRId64 " records=%" PRIu64 " bytes=%" PRIu64, r->id, r->records, r->bytes);
}

static void
note_failed(struct run *r, bool again)
{
	struct err e;

	log_event(again ? LOG_WARNING : LOG_ERROR, NULL, again ? "export-interrupted" : "export-failed", "export=%" PRId64 " attempt=%d why=%s", r->id,
		  r->attempts, r->error);
	if (!again) {
		metric_add(METRIC_EXPORTS_FAILED, 1);
		remove_folder(r->id);
	}
	text_mend(r->error);
	if (exports_store_failed(exports.db, r->id, r->crashes, again, r->error, &e) != SQL_OK) {
		log_error(NULL, "export-not-noted", "export=%" PRId64 " why=%s", r->id, e.text);
		exports.recovered = false;
	}
}

/* Its program has ended, or is to: stopped by us without a word of its own it goes on later. */
static void
end_run(struct run *r, bool at_once)
{
	char how[128];

	export_process_end(&r->process, at_once, how, sizeof how);
	if (r->finished)
		note_done(r);
	else if (r->error[0] != '\0') {
		if (r->again)
			exports.rest_ms = clock_mono_ms() + REST_MS;
		note_failed(r, r->again && r->attempts - r->crashes < AGAIN_MAX);
	} else {
		snprintf(r->error, sizeof r->error, "%s", how);
		r->crashes++;
		note_failed(r, r->crashes < CRASHES_MAX);
	}
	free_run(r);
}

static void
cancel_run(struct run *r)
{
	char how[128];

	export_process_end(&r->process, true, how, sizeof how);
	remove_folder(r->id);
	log_info(NULL, "export-cancelled", "export=%" PRId64, r->id);
	free_run(r);
}

/* What programs say */

static void
reply(struct run *r, json_t *line)
{
	char *text = json_dumps(line, JSON_COMPACT);
	size_t n = text != NULL ? strlen(text) : 0;

	json_decref(line);
	if (text == NULL)
		return;
	text[n] = '\n';
	/* Less than a pipe takes at once. */
	if (write(r->process.to, text, n + 1) != (ssize_t)(n + 1))
		log_error(NULL, "export-reply", "export=%" PRId64 " errno=%d", r->id, errno);
	free(text);
}

/* With the key that has signed the checkpoint: who verifies the one by it verifies the other by it. */
static int
sign_with_key(const struct run *r, const uint8_t sha256[SHA256_SIZE], struct buf *note, struct err *e)
{
	struct config *c = config_get();
	struct note_signer *s = log_signer_load(c->log.key_file, e);
	struct buf text = {0};
	char vkey[NOTE_VKEY_MAX];
	int rc = -1;

	config_unref(c);
	if (s == NULL)
		return err_prefix(e, "it cannot be signed");
	note_key_text(note_signer_key(s), vkey);
	if (strcmp(vkey, r->vkey) != 0) {
		err_set(e, 0, "it cannot be signed: the log has got another key since this export began; ask for it again");
	} else {
		bundle_statement(&text, note_signer_key(s)->name, sha256, clock_wall_us() / 1000000);
		rc = note_sign(s, buf_data(&text), buf_len(&text), note, e);
	}
	buf_fini(&text);
	note_signer_free(s);
	return rc;
}

/* In the audit trail first (P6): a signed bundle that nobody knows of there cannot be. */
static int
sign(struct run *r, const char *hex, struct buf *note, struct err *e)
{
	struct audit_who who = {.uid = -1, .login = -1, .name = r->asked_by, .origin = "export"};
	uint8_t sha256[SHA256_SIZE];
	char target[32];
	json_t *detail;
	enum sql_status st;

	if (strlen(hex) != 2 * SHA256_SIZE || text_unhex(hex, strlen(hex), sha256) != SHA256_SIZE)
		return err_set(e, 0, "that is no SHA-256");
	snprintf(target, sizeof target, "export %" PRId64, r->id);
	detail = json_pack("{s:I, s:s, s:I, s:s}", "export", (json_int_t)r->id, "manifest", hex, "records", (json_int_t)r->records, "query", r->query);
	st = audit_write(exports.db, &who, "export.finished", target, detail, e);
	json_decref(detail);
	if (st != SQL_OK || exports_store_manifest(exports.db, r->id, hex, e) != SQL_OK)
		return -1;
	audit_log(&who, "export.finished", target);
	return sign_with_key(r, sha256, note, e);
}

static void
take_sign(struct run *r, const char *hex)
{
	struct buf note = {0};
	struct err e = {0};

	if (sql_connect(exports.db, CONNECT_MS, &e) == SQL_OK && sign(r, hex, &note, &e) == 0)
		reply(r, json_pack("{s:s}", "note", buf_str(&note)));
	else
		reply(r, json_pack("{s:s}", "error", e.text));
	buf_fini(&note);
}

static void
take_progress(struct run *r, const json_t *p)
{
	const char *stage = json_string_value(json_object_get(p, "stage"));

	snprintf(r->stage, sizeof r->stage, "%s", stage != NULL ? stage : "");
	r->done = (uint64_t)json_integer_value(json_object_get(p, "done"));
	r->records = (uint64_t)json_integer_value(json_object_get(p, "records"));
	r->bytes = (uint64_t)json_integer_value(json_object_get(p, "bytes"));
	r->changed = true;
}

static void
take_altered(struct run *r, const json_t *p)
{
	uint64_t n = (uint64_t)json_integer_value(json_object_get(p, "records"));
	struct err e;

	metric_add(METRIC_EXPORTS_ALTERED, n);
	log_error(NULL, "export-altered-records", "export=%" PRId64 " records=%" PRIu64 " first=%lld effect=%s", r->id, n,
		  (long long)json_integer_value(json_object_get(p, "first")), "they do not have their leaf: see chancery archive verify");
	if (exports_store_altered(exports.db, r->id, n, &e) != SQL_OK)
		log_error(NULL, "export-not-noted", "export=%" PRId64 " why=%s", r->id, e.text);
}

static void
take_missing(struct run *r, const json_t *p)
{
	uint64_t n = (uint64_t)json_integer_value(json_object_get(p, "records"));
	struct err e;

	log_error(NULL, "export-missing-records", "export=%" PRId64 " records=%" PRIu64 " first_index=%lld effect=%s", r->id, n,
		  (long long)json_integer_value(json_object_get(p, "first")), "the log has them, the database has not: see chancery archive verify");
	if (exports_store_missing(exports.db, r->id, n, &e) != SQL_OK)
		log_error(NULL, "export-not-noted", "export=%" PRId64 " why=%s", r->id, e.text);
}

static void
take_line(struct run *r, const char *text, size_t n)
{
	json_t *line = json_loadb(text, n, 0, NULL), *v;
	const char *s;

	if ((v = json_object_get(line, "progress")) != NULL) {
		take_progress(r, v);
	} else if ((s = json_string_value(json_object_get(line, "sign"))) != NULL) {
		take_sign(r, s);
	} else if ((v = json_object_get(line, "altered")) != NULL) {
		take_altered(r, v);
	} else if ((v = json_object_get(line, "missing")) != NULL) {
		take_missing(r, v);
	} else if ((v = json_object_get(line, "done")) != NULL) {
		r->finished = true;
		r->bytes = (uint64_t)json_integer_value(json_object_get(v, "bytes"));
		r->records = (uint64_t)json_integer_value(json_object_get(v, "records"));
	} else if ((s = json_string_value(json_object_get(line, "error"))) != NULL) {
		snprintf(r->error, sizeof r->error, "%s", *s != '\0' ? s : "it failed");
		r->again = json_is_true(json_object_get(line, "again"));
	}
	json_decref(line);
}

/* False: it says nothing more. */
static bool
listen_to(struct run *r)
{
	const char *end;
	ssize_t n;

	n = read(r->process.from, buf_reserve(&r->in, 4096), 4096);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	buf_added(&r->in, (size_t)n);
	while (buf_len(&r->in) > 0 && (end = memchr(buf_data(&r->in), '\n', buf_len(&r->in))) != NULL) {
		size_t len = (size_t)(end - buf_data(&r->in));

		take_line(r, buf_data(&r->in), len);
		buf_consume(&r->in, len + 1);
	}
	return buf_len(&r->in) < LINE_MAX_BYTES;
}

static void
tell_progress(struct run *r, int64_t now)
{
	struct err e;

	if (!r->changed || now - r->told_ms < TELL_MS)
		return;
	r->told_ms = now;
	r->changed = false;
	(void)!exports_store_progress(exports.db, r->id, r->stage, r->done, r->records, r->bytes, &e);
}

/* The beginning of a run */

/* Everything that is recorded by now is in it, and a checkpoint covers that: it stays so whenever the job runs again. */
static int
pin(struct exports_job *j, struct arena *a, struct err *e)
{
	struct log_checkpoint c = {0};
	struct log_state st;

	if (j->checkpoint != NULL)
		return 0;
	log_state(&st);
	if (st.records > st.size && log_cover(st.records, COVER_MS, e) != 0)
		return err_prefix(e, "there is no checkpoint to prove it by");
	if (log_newest(exports.db, a, &c, e) != SQL_OK)
		return -1;
	if (c.size == 0)
		return err_set(e, 0, "there is no checkpoint to prove it by: the log has no key, or nothing is recorded yet");
	j->size = c.size;
	j->checkpoint = c.note;
	return exports_store_pin(exports.db, j->id, c.size, c.note, &j->started_us, e) == SQL_OK ? 0 : -1;
}

static bool
has_signed(const char *vkey, const char *checkpoint)
{
	struct note_key key;
	struct note note;
	struct err e;

	return note_key_parse(vkey, &key, &e) == 0 && note_parse(checkpoint, strlen(checkpoint), &note, &e) == 0 &&
	       note_verify(&note, &key) == NOTE_SIGNED;
}

/* The log's keys, up to the one that has signed the checkpoint, which is noted in the run. */
static json_t *
keys_json(struct run *r, struct arena *a, const char *checkpoint, struct err *e)
{
	struct log_key_row *keys;
	json_t *out;
	size_t n;

	if (log_keys(exports.db, a, &keys, &n, e) != SQL_OK)
		return NULL;
	out = json_array();
	for (size_t i = 0; i < n && r->vkey[0] == '\0'; i++) {
		json_array_append_new(out, json_pack("{s:s, s:s?}", "vkey", keys[i].vkey, "handover", keys[i].handover));
		if (has_signed(keys[i].vkey, checkpoint))
			snprintf(r->vkey, sizeof r->vkey, "%s", keys[i].vkey);
	}
	if (r->vkey[0] != '\0')
		return out;
	json_decref(out);
	err_set(e, 0, "the checkpoint is signed by none of the log's keys");
	return NULL;
}

static json_t *
limits_json(const struct limits *l)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "bytes", (json_int_t)l->export_bytes, "files", (json_int_t)l->export_files, "records",
			 (json_int_t)l->export_records, "seconds", (json_int_t)l->export_seconds, "memory", (json_int_t)l->export_memory,
			 "statements", (json_int_t)l->desk_statements, "wait_ms", (json_int_t)l->desk_wait_ms, "reads", (json_int_t)l->desk_reads);
}

static json_t *
job_json(const struct exports_job *j, const char *dir, json_t *keys, const struct config *c)
{
	json_t *hosts = json_array(), *out;
	char vault[PATH_MAX];

	snprintf(vault, sizeof vault, "%.4000s/content", c->files.dir);
	for (size_t i = 0; i < c->nhosts; i++)
		json_array_append_new(hosts, json_string(c->hosts[i].domain));
	out = json_pack("{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:s}", "id", (json_int_t)j->id, "dir", dir, "conninfo", exports.conninfo, "role",
			ROLE, "vault", vault, "hosts", hosts, "query", json_loads(j->query, 0, NULL), "query_text", j->query_text, "formats",
			json_loads(j->formats, 0, NULL), "asked_by", j->asked_by);
	if (out == NULL)
		return NULL;
	json_object_update_new(out, json_pack("{s:s?, s:s?, s:I, s:I, s:b, s:I, s:s, s:O, s:o}", "approved_by", j->approved_by, "reason", j->reason,
					      "asked_us", (json_int_t)j->asked_us, "started_us", (json_int_t)j->started_us, "csv_bom", j->csv_bom,
					      "size", (json_int_t)j->size, "checkpoint", j->checkpoint, "keys", keys, "limits",
					      limits_json(&c->limits)));
	return out;
}

static int
send_job(struct run *r, const struct exports_job *j, const char *dir, json_t *keys, struct err *e)
{
	struct config *c = config_get();
	json_t *job = job_json(j, dir, keys, c);
	char *text = job != NULL ? json_dumps(job, JSON_COMPACT) : NULL;
	size_t n = text != NULL ? strlen(text) : 0, at = 0;

	config_unref(c);
	json_decref(job);
	if (text == NULL)
		return err_set(e, 0, "the job cannot be written as JSON");
	text[n++] = '\n';
	for (ssize_t done; at < n; at += done > 0 ? (size_t)done : 0) {
		done = write(r->process.to, text + at, n - at);
		if (done < 0 && errno != EINTR)
			break;
	}
	explicit_bzero(text, n);
	free(text);
	return at == n ? 0 : err_set(e, errno, "its program does not listen: %s", strerror(errno));
}

static int
start_run(struct run *r, struct exports_job *j, struct arena *a, struct err *e)
{
	char dir[PATH_MAX];
	json_t *keys;
	int rc;

	folder_of(j->id, dir);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_set(e, errno, "%.200s: %s", dir, strerror(errno));
	if (pin(j, a, e) != 0)
		return -1;
	keys = keys_json(r, a, j->checkpoint, e);
	if (keys == NULL)
		return -1;
	rc = export_process_start(&r->process, e);
	if (rc == 0) {
		r->id = j->id;
		rc = send_job(r, j, dir, keys, e);
	}
	json_decref(keys);
	return rc;
}

static struct run *
free_place(void)
{
	struct config *c = config_get();
	uint64_t most = c->limits.exports_at_once;

	config_unref(c);
	if (count_runs() >= most)
		return NULL;
	for (size_t i = 0; i < RUNS_MAX; i++)
		if (exports.run[i].id == 0)
			return &exports.run[i];
	return NULL;
}

/* False: none waits, or the database does not answer. */
static bool
begin_one(struct run *r, struct arena *a)
{
	struct exports_job j;
	struct err e = {0};

	if (exports_store_next(exports.db, a, &j, &e) != SQL_OK || j.id == 0 || exports_store_run(exports.db, &j, &e) != SQL_OK)
		return false;
	if (j.id == 0)
		return true;
	*r = (struct run){.attempts = j.attempts, .crashes = j.crashes, .query = mem_strdup(j.query)};
	snprintf(r->asked_by, sizeof r->asked_by, "%s", j.asked_by);
	if (start_run(r, &j, a, &e) == 0) {
		log_info(NULL, "export-started", "export=%" PRId64 " attempt=%d pid=%d size=%" PRIu64, j.id, j.attempts, (int)r->process.pid, j.size);
		metric_set(METRIC_EXPORTS_RUNNING, count_runs());
		return true;
	}
	snprintf(r->error, sizeof r->error, "%s", e.text);
	if (r->id != 0) {
		end_run(r, true);
		return true;
	}
	r->id = j.id;
	note_failed(r, !sql_is_connected(exports.db) && j.attempts - j.crashes < AGAIN_MAX);
	free_run(r);
	return true;
}

static void
begin_waiting(void)
{
	struct run *r;

	while (!atomic_load(&exports.stopping) && (r = free_place()) != NULL) {
		struct arena *a = arena_new(0);
		bool more = begin_one(r, a);

		arena_free(a);
		if (!more)
			return;
	}
}

/* The thread */

static void
look_at_table(int64_t now)
{
	struct err e;

	exports.looked_ms = now;
	if (sql_connect(exports.db, CONNECT_MS, &e) != SQL_OK)
		return;
	if (!exports.recovered) {
		/* Those that we run ourselves are known here. */
		if (count_runs() > 0 || exports_store_recover(exports.db, &e) != SQL_OK)
			return;
		exports.recovered = true;
	}
	for (size_t i = 0; i < RUNS_MAX; i++) {
		struct run *r = &exports.run[i];
		bool wanted = true;

		if (r->id != 0 && exports_store_is_wanted(exports.db, r->id, &wanted, &e) == SQL_OK && !wanted)
			cancel_run(r);
	}
	if (atomic_exchange(&exports.untidy, false) || now - exports.tidied_ms > TIDY_MS) {
		exports.tidied_ms = now;
		tidy();
	}
	if (now >= exports.rest_ms)
		begin_waiting();
}

static void
wait_for_news(void)
{
	struct pollfd p[RUNS_MAX + 1] = {{.fd = exports.wake, .events = POLLIN}};
	struct run *who[RUNS_MAX + 1];
	nfds_t n = 1;
	uint64_t drained;

	for (size_t i = 0; i < RUNS_MAX; i++) {
		if (exports.run[i].id == 0)
			continue;
		who[n] = &exports.run[i];
		p[n++] = (struct pollfd){.fd = exports.run[i].process.from, .events = POLLIN};
	}
	if (poll(p, n, n > 1 ? TELL_MS : LOOK_MS) < 0)
		return;
	if (p[0].revents != 0 && read(exports.wake, &drained, sizeof drained) == sizeof drained)
		exports.looked_ms = 0;
	for (nfds_t i = 1; i < n; i++) {
		if (p[i].revents != 0 && !listen_to(who[i])) {
			end_run(who[i], false);
			exports.looked_ms = 0;
		}
	}
}

static void *
run_thread(void *arg)
{
	(void)arg;
	while (!atomic_load(&exports.stopping)) {
		int64_t now = clock_mono_ms();

		if (exports.looked_ms == 0 || now - exports.looked_ms >= LOOK_MS)
			look_at_table(now);
		for (size_t i = 0; i < RUNS_MAX; i++)
			if (exports.run[i].id != 0)
				tell_progress(&exports.run[i], now);
		wait_for_news();
	}
	/* They go on where they are when the server is there again. */
	for (size_t i = 0; i < RUNS_MAX; i++) {
		struct run *r = &exports.run[i];
		char how[128];

		if (r->id == 0)
			continue;
		if (r->finished) {
			end_run(r, false);
			continue;
		}
		export_process_end(&r->process, true, how, sizeof how);
		free_run(r);
	}
	return NULL;
}

void
exports_prepare(void)
{
	export_process_prepare();
}

void
exports_wake(void)
{
	uint64_t one = 1;

	if (exports.running && write(exports.wake, &one, sizeof one) != sizeof one)
		log_debug(NULL, "exports-wake", "errno=%d", errno);
}

void
exports_tidy(void)
{
	atomic_store(&exports.untidy, true);
	exports_wake();
}

int
exports_start(const char *conninfo, struct err *e)
{
	struct config *c = config_get();
	int rc;

	rc = snprintf(exports.dir, sizeof exports.dir, "%s", c->exports.dir);
	config_unref(c);
	if (rc >= PATH_MAX - 64)
		return err_set(e, ENAMETOOLONG, "compliance.export_dir is too long");
	if (mkdir(exports.dir, 0700) != 0 && errno != EEXIST)
		return err_set(e, errno, "compliance.export_dir: %.200s: %s", exports.dir, strerror(errno));
	exports_prepare();
	exports.conninfo = mem_strdup(conninfo);
	exports.db = sql_new(conninfo, "chanceryd exports");
	exports.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&exports.stopping, false);
	exports.recovered = false;
	exports.looked_ms = 0;
	atomic_store(&exports.untidy, true);
	if (exports.wake < 0 || pthread_create(&exports.thread, NULL, run_thread, NULL) != 0)
		return err_set(e, EAGAIN, "the thread of the exports could not be started");
	exports.running = true;
	return 0;
}

void
exports_stop(void)
{
	if (!exports.running)
		return;
	atomic_store(&exports.stopping, true);
	exports_wake();
	exports.running = false;
	pthread_join(exports.thread, NULL);
	sql_free(exports.db);
	close(exports.wake);
	explicit_bzero(exports.conninfo, strlen(exports.conninfo));
	free(exports.conninfo);
}
