/*
 * job: the order of things.
 *
 *     selection → files → what is missing → formats → proof → manifest, signed → the zip's directory, and its name
 *
 * Each of the middle ones is a part (bundle_out.h). A job that is run again finds the selection and the finished parts, and goes on.
 *
 * A record may be erased while all this goes on. Each part notes how many it found erased; when these numbers differ, or are not what the
 * record says at the end, everything but the selection is made again: no part shows what another says is erased.
 */
#include "export/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/query.h"
#include "base/clock.h"
#include "export/channel.h"
#include "export/export_store.h"
#include "export/job_priv.h"

#define TELL_MS 250
#define TICKS 64         /* records between two looks at the clock */
#define CONNECT_MS 30000
#define STATEMENT_MS 120000
#define TIMES 5          /* that it is made, while records are being erased under it */

/* Progress */

static int
look(struct job *j, struct err *e)
{
	int64_t now = clock_mono_ms();

	if (j->until_ms && now > j->until_ms)
		return err_set(e, 0, "it takes longer than limits.export_seconds allows");
	if (now - j->told_ms < TELL_MS)
		return 0;
	j->told_ms = now;
	return channel_write(json_pack("{s:{s:s,s:I,s:I,s:I}}", "progress", "stage", j->stage, "done", (json_int_t)j->done, "records",
				       (json_int_t)j->info.records, "bytes", (json_int_t)(j->out ? bundle_bytes(j->out) : 0)),
			     e);
}

int
job_progress(struct job *j, struct err *e)
{
	if (!j->failed && look(j, &j->why))
		j->failed = true;
	if (j->failed)
		*e = j->why;
	return j->failed ? -1 : 0;
}

/* What fails here is told by whoever asks next: formats do not have to look. */
static void
tick(void *arg)
{
	struct job *j = arg;

	if (++j->done % TICKS == 0 && !j->failed && look(j, &j->why))
		j->failed = true;
}

static void
set_stage(struct job *j, const char *stage)
{
	j->stage = stage;
	j->done = 0;
	j->told_ms = 0;
}

/* Parts */

static int
run_group(void *arg, struct export_group *g, struct err *e)
{
	void **with = arg;
	struct job *j = with[0];
	const struct export_format *f = with[1];
	int rc = f->group ? f->group(&j->context, with[2], g, e) : 0;

	arena_reset(j->turn);
	return rc ? rc : job_progress(j, e);
}

static int
run_format(struct job *j, const struct export_format *f, struct err *e)
{
	void *state = NULL;
	int rc = f->open ? f->open(&j->context, &state, e) : 0;

	arena_reset(j->turn);
	if (!rc) {
		void *with[3] = { j, (void *)(uintptr_t)f, state };

		rc = source_each(j->source, f->order, run_group, with, e);
	}
	if (!rc && f->close)
		rc = f->close(&j->context, state, e);
	if (f->free)
		f->free(state);
	arena_reset(j->turn);
	return rc;
}

/* A format, or with NULL the function. In the order of the log each record was read once: so many were erased. Elsewhere that says nothing. */
static int
run_part(struct job *j, const char *name, const struct export_format *f, int (*fn)(struct job *j, struct err *e), struct err *e)
{
	char note[24];
	int rc;

	if (!bundle_part_begin(j->out, name))
		return 0;
	set_stage(j, name);
	source_count_anew(j->source);
	source_set_want(j->source, f ? SOURCE_FORMATS : fn == job_put_files ? SOURCE_FILES : SOURCE_PROOF);
	rc = f ? run_format(j, f, e) : fn(j, e);
	if (rc)
		return err_prefix(e, "%s", name);
	if (f && f->order != EXPORT_BY_LOG)
		snprintf(note, sizeof(note), "-");
	else
		snprintf(note, sizeof(note), "%llu", (unsigned long long)source_erased(j->source));
	return bundle_part_end(j->out, note, e);
}

static int
run_parts(struct job *j, struct err *e)
{
	job_note_files(j);
	if (run_part(j, "files", NULL, job_put_files, e))
		return -1;
	if (run_part(j, "missing", NULL, job_put_missing, e))
		return -1;
	for (size_t i = 0; i < j->nformats; i++)
		if (run_part(j, j->format[i]->name, j->format[i], NULL, e))
			return -1;
	return run_part(j, "proof", NULL, job_put_proof, e);
}

/* Did all of them see the same as is there now? The first part was begun before the others, so between them nothing was missed. */
static int
is_steady(struct job *j, uint64_t *erased, bool *steady, struct err *e)
{
	const char *first = bundle_part_note(j->out, "files"), *last = bundle_part_note(j->out, "proof");
	char now[24];

	if (source_count_erased(j->source, erased, e))
		return -1;
	snprintf(now, sizeof(now), "%llu", (unsigned long long)*erased);
	*steady = first && last && !strcmp(first, now) && !strcmp(last, now);
	return 0;
}

static int
make_bundle(struct job *j, struct err *e)
{
	uint64_t erased = 0;
	bool steady = false;

	for (int times = 0; times < TIMES && !bundle_part_note(j->out, "manifest"); times++) {
		if (run_parts(j, e) || is_steady(j, &erased, &steady, e))
			return -1;
		if (!steady) {
			if (bundle_out_reset(j->out, e))
				return -1;
			source_forget_files(j->source);
			continue;
		}
		set_stage(j, "manifest");
		if (!bundle_part_begin(j->out, "manifest"))
			break;
		if (job_put_manifest(j, erased, e) || bundle_part_end(j->out, "", e))
			return err_prefix(e, "manifest");
	}
	if (!bundle_part_note(j->out, "manifest"))
		return err_set(e, 0, "records are being erased while they are exported: ask for it again when that is over");
	return bundle_out_finish(j->out, e);
}

/* The order */

static uint64_t
limit(const json_t *what, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(json_object_get(what, "limits"), name));
}

static int
read_formats(struct job *j, const json_t *list, struct err *e)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *name = json_string_value(item);
		const struct export_format *f = name ? export_format_find(name, strlen(name)) : NULL;

		if (!f || j->nformats == JOB_FORMATS)
			return err_set(e, 0, "there is no format %.40s", name ? name : "");
		j->format[j->nformats++] = f;
	}
	return 0;
}

static int
read_hosts(struct job *j, const json_t *list, struct err *e)
{
	const json_t *item;
	size_t i;

	j->hosts = arena_zalloc(j->arena, (json_array_size(list) + 1) * sizeof(*j->hosts));
	json_array_foreach(list, i, item)
		if (json_is_string(item))
			j->hosts[j->nhosts++] = json_string_value(item);
	if (!j->nhosts)
		return err_set(e, 0, "the job names no domain");
	j->info.domain = j->hosts[0];
	return 0;
}

static struct sql *
new_connection(const char *conninfo, const char *role)
{
	struct sql *db = sql_new_as(conninfo, role, "chancery-export");

	sql_skip_durability(db);
	sql_set_deadline(db, STATEMENT_MS);
	(void)sql_take_turns(db, true); /* nobody waits for any of them */
	return db;
}

static int
read_job(struct job *j, const json_t *what, struct err *e)
{
	json_int_t id, asked, started, size;
	json_t *hosts, *query, *formats, *keys, *limits;
	const char *dir, *conninfo, *role;
	json_error_t why;
	char *text;
	int bom;

	j->what = what;
	if (json_unpack_ex((json_t *)(uintptr_t)what, &why, 0,
			   "{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:I, s:I, s:b, s:I, s:s, s:o, s:o}", "id", &id, "dir", &dir,
			   "conninfo", &conninfo, "role", &role, "vault", &j->vault, "hosts", &hosts, "query", &query, "query_text",
			   &j->info.query_text, "formats", &formats, "asked_by", &j->info.asked_by, "asked_us", &asked, "started_us", &started, "csv_bom", &bom, "size", &size, "checkpoint",
			   &j->checkpoint, "keys", &keys, "limits", &limits))
		return err_set(e, 0, "the job cannot be read: %s", why.text);
	j->info.job = (uint64_t)id;
	j->info.approved_by = json_string_value(json_object_get(what, "approved_by"));
	j->info.reason = json_string_value(json_object_get(what, "reason"));
	j->info.asked_us = asked;
	j->info.started_us = started;
	j->info.tree_size = (uint64_t)size;
	j->info.csv_bom = bom;
	j->keys = keys;
	j->limit_records = limit(what, "records");
	sql_set_turns((unsigned)limit(what, "statements"), (unsigned)limit(what, "wait_ms"), (unsigned)limit(what, "reads"));
	j->until_ms = limit(what, "seconds") ? clock_mono_ms() + (int64_t)limit(what, "seconds") * 1000 : 0;
	text = json_dumps(query, JSON_COMPACT | JSON_SORT_KEYS);
	j->info.query = arena_strdup(j->arena, text ? text : "{}");
	free(text);
	if (query_read(query, j->arena, &j->query, e) || read_formats(j, formats, e) || read_hosts(j, hosts, e))
		return -1;
	j->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir < 0)
		return err_set(e, errno, "%s: %s", dir, strerror(errno));
	j->db = new_connection(conninfo, role);
	j->ahead = new_connection(conninfo, role);
	return 0;
}

static int
open_all(struct job *j, const char *dir, struct err *e)
{
	struct bundle_limits limits = { .bytes = limit(j->what, "bytes"), .files = limit(j->what, "files") };
	struct source_settings set = { .db = j->db, .ahead = j->ahead, .dir = j->dir, .vault = j->vault, .hosts = j->hosts, .nhosts = j->nhosts, .leaves = j->log,
		.tick = tick, .tick_arg = j };

	j->source = source_new(&set, e);
	if (!j->source)
		return -1;
	j->info.records = source_records(j->source);
	j->out = bundle_out_open(dir, j->info.started_us, &limits, e);
	if (!j->out)
		return -1;
	j->context = (struct export_context){ .info = &j->info, .out = j->out, .turn = j->turn, .source = j->source };
	return 0;
}

static void
close_all(struct job *j)
{
	source_free(j->source);
	bundle_out_free(j->out);
	log_reader_free(j->log);
	sql_free(j->ahead);
	sql_free(j->db);
	if (j->dir >= 0)
		(void)close(j->dir);
	arena_free(j->turn);
	arena_free(j->arena);
}

/* The server says what is to be exported; the database has to say the same. */
static int
check_allowed(struct job *j, struct err *e)
{
	char *formats = json_dumps(json_object_get(j->what, "formats"), JSON_COMPACT);
	bool allowed = false;
	int rc = 0;

	if (export_store_is_allowed(j->db, (int64_t)j->info.job, j->info.query, formats ? formats : "[]", &allowed, e) != SQL_OK)
		rc = -1;
	else if (!allowed)
		rc = err_set(e, 0, "the database knows of no such export that runs and has the approval that it needs (compliance.four_eyes)");
	free(formats);
	return rc;
}

/* Made by a run whose end nobody has noted: it has its name once it is whole and on disk. */
static int
find_finished(struct job *j, struct stat *bundle, uint64_t *records, struct err *e)
{
	int fd;

	if (fstatat(j->dir, "bundle.zip", bundle, AT_SYMLINK_NOFOLLOW))
		return 0;
	fd = order_open(j->dir, SOURCE_SELECTION, records, e);
	if (fd < 0)
		return -1;
	(void)close(fd);
	return 1;
}

/* Pages of records lie where they like: what the disk has is asked for some at a time (sql_turn.h), and not one by one, as an index scan does. */
static enum sql_status
connect_both(struct job *j, struct err *e)
{
	enum sql_status st = sql_connect(j->db, CONNECT_MS, e);

	if (st == SQL_OK)
		st = sql_connect(j->ahead, CONNECT_MS, e);
	if (st == SQL_OK)
		st = sql_script(j->ahead, e, "SET enable_indexscan = off");
	return st;
}

static int
make(struct job *j, const char *dir, json_t **done, struct err *e)
{
	if (connect_both(j, e) != SQL_OK) {
		j->again = true;
		return err_prefix(e, "the database is not available");
	}
	j->log = log_reader_new(j->db, j->info.tree_size);
	if (check_allowed(j, e) || job_select(j, e) || open_all(j, dir, e) || make_bundle(j, e)) {
		j->again = !sql_is_connected(j->db) || (j->source && source_is_lost(j->source));
		return -1;
	}
	*done = json_pack("{s:I,s:I}", "bytes", (json_int_t)bundle_bytes(j->out), "records", (json_int_t)j->info.records);
	return 0;
}

int
job_run(const json_t *what, json_t **done, bool *again, struct err *e)
{
	struct job j = { .arena = arena_new(0), .turn = arena_new(0), .dir = -1, .stage = "search" };
	const char *dir = json_string_value(json_object_get(what, "dir"));
	struct stat bundle;
	uint64_t records = 0;
	int rc = read_job(&j, what, e), there = rc ? -1 : find_finished(&j, &bundle, &records, e);

	if (there > 0)
		*done = json_pack("{s:I,s:I}", "bytes", (json_int_t)bundle.st_size, "records", (json_int_t)records);
	else
		rc = there < 0 ? -1 : make(&j, dir, done, e);
	*again = j.again;
	close_all(&j);
	return rc;
}
