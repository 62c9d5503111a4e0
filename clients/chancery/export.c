/*
 * export: what the record says, as a bundle to hand over (server/export/README.md).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"
#include "command.h"
#include "common/control_client.h"

#define POLL_NS 200000000L
#define SPLIT_MAX 32

static int
wrong(const char *text)
{
	fprintf(stderr, "chancery: %s\n", text);
	return EXIT_USAGE;
}

/* What is asked for */

/* "csv,html" */
static json_t *
split(const char *s)
{
	json_t *out = json_array();

	while (*s != '\0' && json_array_size(out) < SPLIT_MAX) {
		size_t n = strcspn(s, ",");

		if (n > 0)
			json_array_append_new(out, json_stringn(s, n));
		s += n + (s[n] == ',');
	}
	return out;
}

/* Progress */

static void
show_progress(const json_t *row, uint64_t *before, int64_t *at_ms)
{
	json_int_t done = json_integer_value(json_object_get(row, "done")), records = json_integer_value(json_object_get(row, "records"));
	const char *stage = json_string_value(json_object_get(row, "stage"));
	struct timespec t;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &t);
	now = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
	fprintf(stderr, "\r\033[K%s %s", json_string_value(json_object_get(row, "state")), stage != NULL ? stage : "");
	if (records > 0)
		fprintf(stderr, " %3d %%", (int)(done >= records ? 100 : done * 100 / records));
	if (*at_ms != 0 && now > *at_ms && (uint64_t)done > *before)
		fprintf(stderr, ", %" PRIu64 " records/s", ((uint64_t)done - *before) * 1000 / (uint64_t)(now - *at_ms));
	fprintf(stderr, ", %.1f MiB", (double)json_integer_value(json_object_get(row, "bytes")) / (1 << 20));
	fflush(stderr);
	*before = (uint64_t)done;
	*at_ms = now;
}

static bool
is_state(const json_t *row, const char *state)
{
	const char *s = json_string_value(json_object_get(row, "state"));

	return s != NULL && strcmp(s, state) == 0;
}

/* Its row when it is over; NULL: said why. */
static json_t *
wait_for(struct control_client *c, json_int_t id)
{
	bool terminal = isatty(STDERR_FILENO);
	uint64_t before = 0;
	int64_t at_ms = 0;
	struct err e = {0};

	for (;;) {
		json_t *rows = control_client_ask(c, "export", "show", json_pack("{s:I}", "export", id), &e), *row = json_array_get(rows, 0);

		if (rows == NULL) {
			command_fail(&e);
			return NULL;
		}
		if (terminal)
			show_progress(row, &before, &at_ms);
		if (!is_state(row, "waiting") && !is_state(row, "running")) {
			if (terminal)
				fputs("\r\033[K", stderr);
			json_incref(row);
			json_decref(rows);
			return row;
		}
		json_decref(rows);
		(void)nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
	}
}

/* The bundle */

/* A piece; its size in *n, the bundle's in *size. NULL: said why. */
static char *
fetch_piece(struct control_client *c, json_int_t id, uint64_t at, size_t *n, uint64_t *size)
{
	struct err e = {0};
	json_t *rows = control_client_ask(c, "export", "fetch", json_pack("{s:I, s:I}", "export", id, "offset", (json_int_t)at), &e);
	const char *text = json_string_value(json_object_get(json_array_get(rows, 0), "data"));
	char *raw = NULL;
	ssize_t len = -1;

	if (rows == NULL) {
		command_fail(&e);
		return NULL;
	}
	*size = (uint64_t)json_integer_value(json_object_get(json_array_get(rows, 0), "size"));
	if (text != NULL && (raw = malloc(strlen(text) / 4 * 3 + 1)) != NULL)
		len = text_base64_decode(text, strlen(text), raw);
	json_decref(rows);
	if (len < 0 || (len == 0 && at < *size)) {
		fputs("chancery: the server's answer cannot be read\n", stderr);
		free(raw);
		return NULL;
	}
	*n = (size_t)len;
	return raw;
}

static int
fetch_all(struct control_client *c, json_int_t id, FILE *f, uint64_t *size)
{
	uint64_t at = 0;
	size_t n;

	do {
		char *piece = fetch_piece(c, id, at, &n, size);
		bool written = piece != NULL && fwrite(piece, 1, n, f) == n;

		if (piece != NULL && !written)
			perror("chancery: the bundle cannot be written");
		free(piece);
		if (!written)
			return EXIT_REFUSED;
		at += n;
	} while (at < *size);
	return EXIT_DONE;
}

/* There whole, readable for who fetched it alone, or not at all. */
static int
fetch_to(struct control_client *c, json_int_t id, const char *path, uint64_t *size)
{
	char *tmp = NULL;
	FILE *f;
	int fd, rc;

	if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
		return EXIT_REFUSED;
	fd = mkstemp(tmp);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f == NULL) {
		fprintf(stderr, "chancery: %s: %s\n", tmp, strerror(errno));
		free(tmp);
		return EXIT_REFUSED;
	}
	rc = fetch_all(c, id, f, size);
	if (rc == EXIT_DONE && (fflush(f) != 0 || fsync(fd) != 0)) {
		fprintf(stderr, "chancery: %s: %s\n", path, strerror(errno));
		rc = EXIT_REFUSED;
	}
	(void)fclose(f);
	if (rc == EXIT_DONE && rename(tmp, path) != 0) {
		fprintf(stderr, "chancery: %s: %s\n", path, strerror(errno));
		rc = EXIT_REFUSED;
	}
	if (rc != EXIT_DONE)
		(void)unlink(tmp);
	free(tmp);
	return rc;
}

static int
print_one(const struct options *o, const json_t *row, const char *path, uint64_t size)
{
	const char *manifest = json_string_value(json_object_get(row, "manifest"));
	struct buf out = {0};

	if (o->json) {
		json_t *rows = json_pack("[O]", row);

		table_print_json(rows, &out);
		json_decref(rows);
	} else {
		buf_addf(&out, "export %lld: %lld records, %" PRIu64 " bytes in %s\n", (long long)json_integer_value(json_object_get(row, "export")),
			 (long long)json_integer_value(json_object_get(row, "records")), size, path);
		buf_addf(&out, "SHA-256 of its manifest: %s\nCheck it with: chancery-verify %s\n", manifest != NULL ? manifest : "-", path);
		if (json_integer_value(json_object_get(row, "altered")) > 0)
			buf_addf(&out, "WARNING: %lld records are not what the log says: see chancery archive verify\n",
				 (long long)json_integer_value(json_object_get(row, "altered")));
		if (json_integer_value(json_object_get(row, "missing")) > 0)
			buf_addf(&out, "WARNING: %lld records are in the log and not in the database any more: missing.jsonl names them; see chancery archive verify\n",
				 (long long)json_integer_value(json_object_get(row, "missing")));
	}
	return command_print(&out);
}

static int
wait_and_fetch(const struct options *o, json_int_t id, const char *path)
{
	struct control_client *c = command_connect(o);
	uint64_t size = 0;
	json_t *row;
	int rc = EXIT_REFUSED;

	if (c == NULL)
		return EXIT_REFUSED;
	row = wait_for(c, id);
	if (row != NULL && is_state(row, "done"))
		rc = fetch_to(c, id, path, &size);
	else if (row != NULL)
		fprintf(stderr, "chancery: export %lld: %s%s%s\n", (long long)id, json_string_value(json_object_get(row, "state")),
			json_is_string(json_object_get(row, "error")) ? ": " : "",
			json_is_string(json_object_get(row, "error")) ? json_string_value(json_object_get(row, "error")) : "");
	if (rc == EXIT_DONE)
		rc = print_one(o, row, path, size);
	json_decref(row);
	control_client_free(c);
	return rc;
}

/* Commands */

static json_t *
export_args(const struct options *o)
{
	json_t *args = json_pack("{s:o, s:b}", "formats", split(options_has(o, "format") ? options_value(o, "format") : "jsonl,csv"), "csv_bom",
				 options_has(o, "bom"));

	if (options_has(o, "subject"))
		json_object_set_new(args, "subject", json_string(options_value(o, "subject")));
	else
		json_object_set_new(args, "query", command_query(o));
	if (options_has(o, "reason"))
		json_object_set_new(args, "reason", json_string(options_value(o, "reason")));
	return args;
}

static int
archive_export(const struct options *o, int argc, char **argv)
{
	json_int_t id;
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, COMMAND_QUERY_OPTIONS " subject format out bom reason") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "archive", "export", export_args(o));
	if (rows == NULL)
		return EXIT_REFUSED;
	id = json_integer_value(json_object_get(json_array_get(rows, 0), "export"));
	if (id == 0) {
		static const struct table_column columns[] = {{"state", "State"}, {NULL, NULL}};

		return command_print_outcome(o, rows, columns, "then: chancery export list, chancery export fetch EXPORT --out FILE");
	}
	if (!options_has(o, "out")) {
		static const struct table_column columns[] = {{"export", "Export"}, {"state", "State"}, {"query", "Query"}, {NULL, NULL}};

		return command_print_rows(o, rows, columns);
	}
	json_decref(rows);
	return wait_and_fetch(o, id, options_value(o, "out"));
}

static const struct table_column list_columns[] = {{"export", "EXPORT"}, {"asked", "ASKED"},     {"by", "BY"},	     {"state", "STATE"},
						   {"records", "RECORDS"}, {"bytes", "BYTES"},   {"formats", "FORMATS"}, {"expires", "EXPIRES"},
						   {"query_text", "QUERY"}, {NULL, NULL}};

static int
export_list(const struct options *o, int argc, char **argv)
{
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "export", "list", NULL);
	return command_print_rows(o, rows, list_columns);
}

static int
export_show(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"export", "Export"},	{"state", "State"},	      {"query_text", "Query"}, {"formats", "Formats"},
						      {"asked", "Asked"},	{"by", "By"},		      {"approved_by", "Approved by"},
						      {"reason", "Reason"},	{"stage", "Stage"},	      {"done", "Done"},	       {"records", "Records"},
						      {"altered", "Altered"},	{"missing", "Missing"},	{"bytes", "Bytes"},	      {"log_size", "Log"},     {"manifest", "Manifest"},
						      {"finished", "Finished"}, {"expires", "Expires"},	      {"fetched", "Fetched"},  {"error", "Error"},
						      {NULL, NULL}};
	json_int_t id;
	json_t *rows;

	(void)argc;
	if (options_only(o, "") != 0 || command_read_id(argv[0], "an export", "export list", &id) != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "export", "show", json_pack("{s:I}", "export", id));
	return command_print_row(o, rows, columns);
}

static int
export_fetch(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (options_only(o, "out") != 0 || command_read_id(argv[0], "an export", "export list", &id) != 0)
		return EXIT_USAGE;
	if (!options_has(o, "out"))
		return wrong("where to? --out FILE.zip");
	return wait_and_fetch(o, id, options_value(o, "out"));
}

static int
act(const struct options *o, const char *verb, const char *text)
{
	static const struct table_column columns[] = {{"export", "Export"}, {"done", "Done"}, {NULL, NULL}};
	json_int_t id;
	json_t *rows;

	if (options_only(o, "") != 0 || command_read_id(text, "an export", "export list", &id) != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "export", verb, json_pack("{s:I}", "export", id));
	return command_print_rows(o, rows, columns);
}

static int
export_cancel(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return act(o, "cancel", argv[0]);
}

static int
export_remove(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return act(o, "remove", argv[0]);
}

static void
say_preview(struct buf *out, json_t *rows, const void *arg)
{
	static const struct table_column columns[] = {{"query", "Query"}, {"records", "Records"}, {"erased", "Erased"}, {"bytes", "Bytes"},
						      {"first", "First"}, {"last", "Last"},	  {"addresses", "Addresses"}, {NULL, NULL}};
	static const struct table_column people[] = {{"records", "RECORDS"}, {"address", "ADDRESS"}, {NULL, NULL}};
	const json_t *row = json_array_get(rows, 0);
	const char *kind;
	json_t *n;

	(void)arg;
	table_print_row(row, columns, out);
	json_object_foreach(json_object_get(row, "kinds"), kind, n)
		buf_addf(out, "  %s: %lld\n", kind, (long long)json_integer_value(n));
	buf_adds(out, "\n");
	table_print(json_object_get(row, "people"), people, out);
}

static int
export_preview(const struct options *o, int argc, char **argv)
{
	(void)argc, (void)argv;
	if (options_only(o, COMMAND_QUERY_OPTIONS) != 0)
		return EXIT_USAGE;
	return command_print_words(o, command_ask(o, "export", "preview", json_pack("{s:o}", "query", command_query(o))), say_preview, NULL);
}

const struct command command_export[] = {
	{"archive", "export", "[--out FILE.zip]", 0, 0, archive_export, "Makes a bundle of what the record says, with proofs",
	 COMMAND_ABOUT_QUERY
	 "How: --format F[,F...] (jsonl, csv, eml, rsmf, html, pdf, xep0227; default jsonl,csv), --bom (for Excel), --reason TEXT, --out FILE.zip.\n"
	 "  --subject JID in place of all of the above query: what there is of one person (GDPR article 15).\n"
	 "With --out it is waited for and fetched; without, see chancery export show. chancery-verify FILE.zip checks it.\n"},
	{"export", "list", "", 0, 0, export_list, "Lists exports, the newest first", NULL},
	{"export", "show", "EXPORT", 1, 1, export_show, "Shows an export and how far it is", NULL},
	{"export", "fetch", "EXPORT --out FILE.zip", 1, 1, export_fetch, "Waits for an export and fetches its bundle", NULL},
	{"export", "preview", "", 0, 0, export_preview, "Counts what an export would have, without any content", COMMAND_ABOUT_QUERY},
	{"export", "cancel", "EXPORT", 1, 1, export_cancel, "Ends an export that is not finished", NULL},
	{"export", "remove", "EXPORT", 1, 1, export_remove, "Removes the bundle of a finished export", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
