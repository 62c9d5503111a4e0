/*
 * chancery-verify: checks an export of the archive (server/proof/BUNDLE.md), or a certificate of erasure, without the server.
 *
 * Exit codes: 0 the bundle verifies, 1 it does not, 2 wrong usage, or a file that cannot be read.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "verify.h"

#define EXIT_USAGE 2

struct options {
	const char *bundle, *key, *checkpoints;
	bool json;
};

static const char help[] =
	"chancery-verify BUNDLE.zip [--key VKEY] [--checkpoint FILE] [--json]\n"
	"chancery-verify CERTIFICATE --key VKEY [--json]        a certificate of erasure\n"
	"\n"
	"  --key VKEY         the log's public key, NAME+ID+KEY, as its owner gave it to you; @FILE: in the first line of FILE.\n"
	"                     Without it a bundle can only be shown to agree with itself.\n"
	"  --checkpoint FILE  signed checkpoints of the log that were kept elsewhere, to be compared with the bundle\n"
	"  --json             one JSON object\n"
	"\n"
	"Needs no server and no network. Exit codes: 0 the bundle verifies, 1 it does not, 2 wrong usage or unreadable.\n";

static int
usage(const char *what)
{
	fprintf(stderr, "chancery-verify: %s\nTry chancery-verify --help.\n", what);
	return EXIT_USAGE;
}

/* -1: go on; else the exit code. */
static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = {
		{ "key", required_argument, NULL, 'k' }, { "checkpoint", required_argument, NULL, 'c' }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'v' }, { 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
		switch (c) {
		case 'k':
			o->key = optarg;
			break;
		case 'c':
			o->checkpoints = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_SUCCESS;
		case 'v':
			puts("chancery-verify " CHANCERY_VERSION);
			return EXIT_SUCCESS;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind + 1 != argc)
		return usage(optind == argc ? "which bundle?" : "one bundle at a time");
	o->bundle = argv[optind];
	return -1;
}

/* VKEY, or @FILE. */
static int
read_key(const char *s, struct note_key *k, struct err *e)
{
	char line[NOTE_VKEY_MAX + 2] = "";
	FILE *f;

	if (*s != '@')
		return note_key_parse(s, k, e);
	f = fopen(s + 1, "re");
	if (!f)
		return err_set(e, errno, "%s: %s", s + 1, strerror(errno));
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	line[strcspn(line, "\r\n")] = '\0';
	return note_key_parse(line, k, e);
}

/* 0; else the exit code. */
static int
prepare(const struct options *o, struct verify *v, struct note_key *key)
{
	struct err e = { 0 };
	int fd;

	if (o->key && read_key(o->key, key, &e) != 0) {
		fprintf(stderr, "chancery-verify: --key: %s\n", e.text);
		return EXIT_USAGE;
	}
	v->trusted = o->key ? key : NULL;
	if (certificate_is(o->bundle))
		return 0;
	if (o->checkpoints && !(v->outside = outside_open(o->checkpoints, &e))) {
		fprintf(stderr, "chancery-verify: %s\n", e.text);
		return EXIT_USAGE;
	}
	fd = open(o->bundle, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		fprintf(stderr, "chancery-verify: %s: %s\n", o->bundle, strerror(errno));
		return EXIT_USAGE;
	}
	v->zip = bundle_zip_open(fd, &e);
	if (!v->zip && e.code) {
		fprintf(stderr, "chancery-verify: %s: %s\n", o->bundle, e.text);
		return EXIT_USAGE;
	}
	if (!v->zip)
		report_found(v->report, CHECK_ZIP, "%s", e.text);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	struct report report = { 0 };
	struct verify v = { .report = &report };
	struct note_key key;
	struct buf out = { 0 };
	int rc = parse_options(argc, argv, &o);

	if (rc >= 0)
		return rc;
	setlocale(LC_CTYPE, "");
	report.file = o.bundle;
	rc = prepare(&o, &v, &key);
	if (!rc && certificate_is(o.bundle)) {
		rc = certificate_verify(o.bundle, v.trusted, o.json);
	} else if (!rc) {
		if (v.zip)
			verify_run(&v);
		if (o.json)
			report_print_json(&report, &out);
		else
			report_print(&report, &out);
		rc = report_verified(&report) ? EXIT_SUCCESS : EXIT_FAILURE;
		if (fwrite(buf_data(&out), 1, buf_len(&out), stdout) != buf_len(&out) || fflush(stdout) != 0) {
			fprintf(stderr, "chancery-verify: the report cannot be written: %s\n", strerror(errno));
			rc = EXIT_USAGE;
		}
	}
	buf_fini(&out);
	verify_fini(&v);
	report_fini(&report);
	return rc;
}
