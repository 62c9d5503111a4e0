/*
 * chancery-scan: the program that looks into files. Started by chanceryd (core/file/scanner), spoken to over a socket
 * (base/scan_wire.h). Arguments only; the rest is master.c.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "scan/engine.h"
#include "scan/master.h"
#include "scan/room.h"
#include "scan/sandbox.h"
#include "scan/say.h"
#include "scan/selftest.h"

static const char usage[] = "usage: chancery-scan --socket FD --signatures DIR --tmp DIR [--workers N] [--file-bytes N] [--memory BYTES]\n"
	"         [--archive-bytes N] [--archive-members N] [--archive-depth N] [--archive-ratio N]\n"
	"       chancery-scan --check --signatures DIR --tmp DIR      load the signatures, say what they are\n"
	"       chancery-scan --self-test [SOCKET] --signatures DIR --tmp DIR      try to get out of the sandbox\n";

enum { OPT_SOCKET = 256, OPT_SIGNATURES, OPT_TMP, OPT_NUMBERS };

static const struct {
	const char *name;
	uint64_t min, max, usual;
} numbers[] = {
	{ "workers", 1, 64, 2 },
	{ "file-bytes", 1, SCAN_ENGINE_MAX, 104857600 },
	{ "memory", 64 << 20, (uint64_t)1 << 40, (uint64_t)4 << 30 },
	{ "archive-bytes", 1, (uint64_t)1 << 40, 1073741824 },
	{ "archive-members", 1, 1000000, 10000 },
	{ "archive-depth", 1, 64, 16 },
	{ "archive-ratio", 1, 1000000, 250 },
};
#define NNUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static int
wrong(const char *what, const char *value)
{
	fprintf(stderr, "chancery-scan: %s%s%s\n%s", what, value ? ": " : "", value ? value : "", usage);
	return 2;
}

/* Loads them as a nursery would. */
static int
check(const struct scan_options *o)
{
	struct engine g;
	struct err e = { 0 };

	if (sandbox_master(o, &e) || engine_load(&g, o, o->tmp, &e)) {
		say("%s", e.text);
		return 1;
	}
	printf("engine %s\nsignatures %llu\nnewest %lld\n", engine_version(), (unsigned long long)g.signatures, (long long)g.newest_s);
	return 0;
}

/* The folders by their full path: libclamav is given it. */
static int
resolve(struct scan_options *o)
{
	static char tmp[PATH_MAX], signatures[PATH_MAX];

	if (!realpath(o->tmp, tmp)) {
		say("%s: %s", o->tmp, strerror(errno));
		return -1;
	}
	o->tmp = tmp;
	/* It may come later. */
	if (realpath(o->signatures, signatures))
		o->signatures = signatures;
	return 0;
}

static void
fill(struct scan_options *o, const uint64_t *v)
{
	o->workers = (unsigned)v[0];
	o->file_bytes = v[1];
	o->memory = v[2];
	o->archive_bytes = v[3];
	o->archive_members = (unsigned)v[4];
	o->archive_depth = (unsigned)v[5];
	o->archive_ratio = (unsigned)v[6];
}

int
main(int argc, char **argv)
{
	struct option options[NNUMBERS + 6] = { { "socket", required_argument, NULL, OPT_SOCKET },
		{ "signatures", required_argument, NULL, OPT_SIGNATURES }, { "tmp", required_argument, NULL, OPT_TMP },
		{ "check", no_argument, NULL, 'c' }, { "self-test", optional_argument, NULL, 's' } };
	struct scan_options o = { .sock = -1 };
	uint64_t values[NNUMBERS], n;
	bool only_check = false, self_test = false;
	const char *socket_path = NULL;
	struct err e = { 0 };
	int opt, rc;

	for (size_t i = 0; i < NNUMBERS; i++) {
		options[5 + i] = (struct option){ numbers[i].name, required_argument, NULL, OPT_NUMBERS + (int)i };
		values[i] = numbers[i].usual;
	}
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == OPT_SOCKET) {
			if (!text_u64(optarg, strlen(optarg), 0, 1023, &n))
				return wrong("--socket", optarg);
			o.sock = (int)n;
		} else if (opt == OPT_SIGNATURES) {
			o.signatures = optarg;
		} else if (opt == OPT_TMP) {
			o.tmp = optarg;
		} else if (opt == 'c') {
			only_check = true;
		} else if (opt == 's') {
			self_test = true;
			socket_path = optarg;
		} else if (opt >= OPT_NUMBERS) {
			size_t i = (size_t)(opt - OPT_NUMBERS);

			if (!text_u64(optarg, strlen(optarg), numbers[i].min, numbers[i].max, &values[i]))
				return wrong(numbers[i].name, optarg);
		} else {
			return wrong("what is that?", NULL);
		}
	}
	if (optind != argc || !o.signatures || !o.tmp || (o.sock < 0 && !only_check && !self_test))
		return wrong("something is missing, or too much", NULL);
	fill(&o, values);
	if (resolve(&o))
		return 1;
	room_init();
	if (engine_init(&e)) {
		say("%s", e.text);
		return 1;
	}
	rc = only_check ? check(&o) : self_test ? selftest_run(&o, socket_path) : master_run(&o);
	fflush(stdout);
	/* No destructors: what the libraries do at exit is more than the sandbox allows. */
	_exit(rc);
}
