/*
 * verify: `archive verify`: by the server, or here, over a connection to a database: a standby, on another machine than the server's best of all.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/verify/log_verify.h"
#include "base/clock.h"
#include "base/text.h"
#include "command.h"
#include "common/prompt.h"

#define KEYS_MAX 16
#define KEY_TEXT 512
#define BAR 30

static atomic_bool stop;

static void
on_signal(int sig)
{
	(void)sig;
	atomic_store(&stop, true);
}

/* What is said */

struct screen {
	bool json, bar;
	int64_t began_ms, drawn_ms;
};

static void
clear_bar(const struct screen *s)
{
	if (s->bar)
		fputs("\r\033[K", stderr);
}

static json_t *
finding_row(const struct log_finding *f)
{
	return json_pack("{s:s, s:I, s:I, s:s}", "finding", f->kind, "log_index", (json_int_t)f->index, "record", (json_int_t)f->record, "text", f->text);
}

static void
print_json(json_t *row)
{
	struct buf out = {0};
	json_t *rows = json_pack("[o]", row);

	table_print_json(rows, &out);
	json_decref(rows);
	fputs(buf_str(&out), stdout);
	buf_fini(&out);
}

static void
show_finding(void *arg, const struct log_finding *f)
{
	const struct screen *s = arg;

	clear_bar(s);
	if (s->json)
		print_json(finding_row(f));
	else
		printf("%s: %s\n", f->kind, f->text);
	fflush(stdout);
}

static void
show_progress(void *arg, uint64_t done, uint64_t total)
{
	struct screen *s = arg;
	int64_t now = clock_mono_ms();
	unsigned filled = total ? (unsigned)(done * BAR / total) : BAR;
	uint64_t rate = now > s->began_ms ? done * 1000 / (uint64_t)(now - s->began_ms) : 0;

	if (!s->bar || (now - s->drawn_ms < 100 && done < total))
		return;
	s->drawn_ms = now;
	fprintf(stderr, "\r[%.*s%*s] %3u %%  %" PRIu64 " of %" PRIu64 " records, %" PRIu64 " a second\033[K", (int)filled, "##############################",
		(int)(BAR - filled), "", total ? (unsigned)(done * 100 / total) : 100, done, total, rate);
}

static json_int_t
number(const json_t *row, const char *key)
{
	return json_integer_value(json_object_get(row, key));
}

/* The same from here and from the server. */
static int
conclude(const struct options *o, const json_t *sum, bool trusted)
{
	json_int_t findings = number(sum, "findings");

	if (!o->json) {
		if (number(sum, "first") > 0)
			printf("log indexes %lld to %lld: ", (long long)number(sum, "first"), (long long)number(sum, "size") - 1);
		printf("%lld records, of which %lld were erased; ", (long long)number(sum, "records"), (long long)number(sum, "erased"));
		if (number(sum, "dropped") > 0)
			printf("%lld more that were erased are there as leaves only; ", (long long)number(sum, "dropped"));
		printf("%lld checkpoints, of which %lld are of the file outside: ", (long long)number(sum, "checkpoints"), (long long)number(sum, "outside"));
		printf(findings ? "%lld findings\n" : "everything is as it was recorded\n", (long long)findings);
		if (!trusted && number(sum, "checkpoints"))
			fputs("chancery: the signatures were checked with the keys that the database itself names; --key says which to trust\n", stderr);
	}
	return findings ? EXIT_REFUSED : EXIT_DONE;
}

/* By the server */

static int
verify_there(const struct options *o)
{
	json_t *rows = command_ask(o, "archive", "verify", json_pack("{s:b}", "all", (int)options_has(o, "all"))), *row;
	size_t i;
	int rc = EXIT_REFUSED;

	if (rows == NULL)
		return EXIT_REFUSED;
	json_array_foreach(rows, i, row) {
		if (o->json)
			print_json(json_incref(row));
		else if (i + 1 < json_array_size(rows))
			printf("%s: %s\n", json_string_value(json_object_get(row, "finding")), json_string_value(json_object_get(row, "text")));
	}
	row = json_array_get(rows, json_array_size(rows) - 1);
	rc = conclude(o, row, json_is_true(json_object_get(row, "trusted")));
	json_decref(rows);
	return rc;
}

/* Here */

/* Keys may be given as they are, or as files that hold one. */
static int
read_keys(const struct options *o, char text[][KEY_TEXT], const char **key, size_t *n)
{
	const json_t *list = json_object_get(o->given, "key"), *v;
	struct err e = {0};
	size_t i;

	*n = 0;
	json_array_foreach(list, i, v) {
		const char *s = json_string_value(v);
		FILE *f;

		if (*n == KEYS_MAX) {
			fprintf(stderr, "chancery: --key: more than %d\n", KEYS_MAX);
			return EXIT_USAGE;
		}
		snprintf(text[*n], KEY_TEXT, "%s", s);
		if (strchr(s, '+') == NULL || access(s, F_OK) == 0) {
			f = fopen(s, "re");
			if (f == NULL || prompt_first_line(f, text[*n], KEY_TEXT, &e) != 0) {
				fprintf(stderr, "chancery: %s holds no key\n", s);
				if (f != NULL)
					fclose(f);
				return EXIT_REFUSED;
			}
			fclose(f);
		}
		key[*n] = text[*n];
		++*n;
	}
	return 0;
}

static int
read_number(const struct options *o, const char *name, uint64_t max, uint64_t *out)
{
	const char *s = options_value(o, name);

	if (s == NULL || text_u64(s, strlen(s), 1, max, out))
		return 0;
	fprintf(stderr, "chancery: --%s: expected a number from 1 to %" PRIu64 "\n", name, max);
	return EXIT_USAGE;
}

static int
verify_here(const struct options *o)
{
	static char text[KEYS_MAX][KEY_TEXT];
	const struct sigaction end = {.sa_handler = on_signal};
	const char *key[KEYS_MAX];
	struct screen s = {.json = o->json, .bar = isatty(STDERR_FILENO), .began_ms = clock_mono_ms()};
	struct log_verify v = {.conninfo = options_value(o, "conninfo"), .checkpoint_file = options_value(o, "checkpoint-file"),
		.resume_file = options_value(o, "resume"), .key = key, .stop = &stop, .finding = show_finding, .progress = show_progress, .arg = &s};
	uint64_t threads = 0;
	struct err e = {0};
	json_t *sum;
	int rc = read_keys(o, text, key, &v.nkeys);

	if (rc == 0)
		rc = read_number(o, "since-checkpoint", INT64_MAX, &v.since);
	if (rc == 0)
		rc = read_number(o, "threads", 8, &threads);
	if (rc != 0)
		return rc;
	v.threads = (unsigned)threads;
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	rc = log_verify(&v, &e);
	clear_bar(&s);
	if (rc != 0)
		return command_fail(&e);
	sum = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:f}", "first", (json_int_t)v.first, "size", (json_int_t)v.size, "records",
		(json_int_t)v.records, "erased", (json_int_t)v.erased, "dropped", (json_int_t)v.dropped, "checkpoints", (json_int_t)v.checkpoints, "outside", (json_int_t)v.outside, "findings",
		(json_int_t)v.findings, "resumed", (json_int_t)v.resumed, "trusted", (int)v.trusted, "seconds",
		(double)(clock_mono_ms() - s.began_ms) / 1000.0);
	if (o->json)
		print_json(json_incref(sum));
	rc = conclude(o, sum, v.trusted);
	json_decref(sum);
	return fflush(stdout) == 0 ? rc : EXIT_REFUSED;
}

static int
archive_verify(const struct options *o, int argc, char **argv)
{
	(void)argc, (void)argv;
	if (options_has(o, "conninfo")) {
		if (options_only(o, "all conninfo since-checkpoint checkpoint-file resume key threads"))
			return EXIT_USAGE;
		return verify_here(o);
	}
	return options_only(o, "all") ? EXIT_USAGE : verify_there(o);
}

const struct command command_verify[] = {
	{"archive", "verify", "[--all | --conninfo C …]", 0, 0, archive_verify, "Recomputes the signed log from the record, and tells what does not fit",
	 "\nWithout options the server looks at what was recorded since its own last look; --all: at everything.\n"
	 "\n"
	 "  --conninfo CONNINFO      look from here, over this connection, which only reads: a standby will do. Needs no server\n"
	 "  --key VKEY               the log's public key, or a file that holds it: without one the signatures are checked with the\n"
	 "                           keys that the database names, which shows nothing to who mistrusts the database. May be given several times\n"
	 "  --checkpoint-file FILE   a copy of log.checkpoint_file: who can change the database cannot change that\n"
	 "  --since-checkpoint SIZE  what is below this size has been verified before\n"
	 "  --resume FILE            note here how far it is; go on from there when it was interrupted\n"
	 "  --threads N              connections at a time; as many as there are processors when it is left out\n"
	 "\n"
	 "Each line is a finding. Exit code 1 when there is one. server/archive/LOG.md says what they mean.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
