/*
 * chancery: the command line of administrators.
 *
 * Reads options, noun and verb, finds the row of the command and runs it. Exit codes: 0 done, 1 refused or
 * failed with the reason on standard error, 2 wrong usage.
 */
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

#define DEFAULT_CONFIG "/etc/chancery/chancery.yaml"

#define ROW(name) command_##name,
static const struct command *const tables[] = { COMMAND_TABLES(ROW) };
#define NTABLES (sizeof tables / sizeof *tables)

static void
print_commands(FILE *f, const char *noun)
{
	for (size_t t = 0; t < NTABLES; t++) {
		for (const struct command *c = tables[t]; c->noun != NULL; c++) {
			char words[64];

			if (noun != NULL && strcmp(noun, c->noun) != 0)
				continue;
			snprintf(words, sizeof words, "%s%s%s%s%s", c->noun, c->verb[0] ? " " : "",
				 c->verb, c->args[0] ? " " : "", c->args);
			fprintf(f, "  %-34s %s\n", words, c->about);
		}
	}
}

static void
print_help(FILE *f)
{
	fputs("usage: chancery [--config FILE | --socket PATH | --server URL] [--json] NOUN VERB ...\n"
	      "\n"
	      "Administers a running chanceryd over its control socket.\n"
	      "\n",
	      f);
	print_commands(f, NULL);
	fputs("\n"
	      "options:\n"
	      "  --config FILE      the server's settings file, which names its socket (default:\n"
	      "                     $CHANCERY_CONFIG, else " DEFAULT_CONFIG ")\n"
	      "  --socket PATH      the socket itself\n"
	      "  --server URL       a server elsewhere, https://HOST:PORT, as the person of a token; --ca FILE: its authorities,\n"
	      "                     instead of the system's\n"
	      "  --token-file FILE  act as the person whose token is its first line (default: $CHANCERY_TOKEN; else as an administrator)\n"
	      "  --json             one JSON object a line, for scripts\n"
	      "  --password-stdin   read the password from the first line of standard input\n"
	      "  --owner CONNINFO   for migrate: PostgreSQL as the owner of the schema; for federation allow: a name\n"
	      "  --online           for announce: only those who are online\n"
	      "  --help             this text; behind a noun, or noun and verb, more about them\n"
	      "  --version\n"
	      "\n"
	      "Exit codes: 0 done, 1 refused or failed (reason on standard error), 2 wrong usage.\n",
	      f);
}

static const struct command *
find_command(const char *noun, const char *verb)
{
	for (size_t t = 0; t < NTABLES; t++)
		for (const struct command *c = tables[t]; c->noun != NULL; c++)
			if (strcmp(c->noun, noun) == 0 &&
			    (c->verb[0] == '\0' || (verb != NULL && strcmp(c->verb, verb) == 0)))
				return c;
	return NULL;
}

static bool
is_noun(const char *word)
{
	for (size_t t = 0; t < NTABLES; t++)
		for (const struct command *c = tables[t]; c->noun != NULL; c++)
			if (strcmp(c->noun, word) == 0)
				return true;
	return false;
}

static void
print_usage(FILE *f, const struct command *c)
{
	fprintf(f, "usage: chancery [options] %s%s%s%s%s\n", c->noun, c->verb[0] ? " " : "",
		c->verb, c->args[0] ? " " : "", c->args);
}

static int
wrong_usage(const char *noun, const char *verb)
{
	if (noun != NULL && is_noun(noun)) {
		if (verb != NULL)
			fprintf(stderr, "chancery: there is no \"%s %s\"; there is\n", noun, verb);
		else
			fprintf(stderr, "chancery: say what to do:\n");
		print_commands(stderr, noun);
	} else if (noun != NULL) {
		fprintf(stderr, "chancery: there is no \"%s\"; see chancery --help\n", noun);
	} else {
		print_help(stderr);
	}
	return EXIT_USAGE;
}

static int
show_help(const char *noun, const struct command *c)
{
	if (c != NULL) {
		print_usage(stdout, c);
		printf("\n%s.\n%s", c->about, c->more != NULL ? c->more : "");
	} else if (noun != NULL && is_noun(noun)) {
		printf("usage: chancery [options] %s VERB ...\n\n", noun);
		print_commands(stdout, noun);
	} else {
		print_help(stdout);
	}
	return EXIT_DONE;
}

enum { CONFIG = 256, SOCKET, SERVER, JSON, STDIN, OWNER, ONLINE, TOKEN, HELP, VERSION, FEDERATION };

/* Those of everybody, then federation's, numbered from FEDERATION on. */
static const struct option *
all_options(void)
{
	static struct option all[128];
	static const struct option known[] = {{"config", required_argument, NULL, CONFIG},
					      {"socket", required_argument, NULL, SOCKET},
					      {"server", required_argument, NULL, SERVER},
					      {"json", no_argument, NULL, JSON},
					      {"password-stdin", no_argument, NULL, STDIN},
					      {"owner", required_argument, NULL, OWNER},
					      {"online", no_argument, NULL, ONLINE},
					      {"token-file", required_argument, NULL, TOKEN},
					      {"help", no_argument, NULL, HELP},
					      {"version", no_argument, NULL, VERSION}};
	size_t n = sizeof known / sizeof *known;

	memcpy(all, known, sizeof known);
	for (size_t i = 0; federation_options[i].name != NULL && n + 1 < sizeof all / sizeof *all; i++) {
		all[n] = federation_options[i];
		all[n++].val = FEDERATION + (int)i;
	}
	return all;
}

static void
keep_option(struct options *o, const char *name, const char *value)
{
	json_t *list = json_object_get(o->given, name);

	if (list == NULL) {
		list = json_array();
		json_object_set_new(o->given, name, list);
	}
	/* NULL: not UTF-8; the values have to be, as the arguments have. */
	if (json_array_append_new(list, value != NULL ? json_string(value) : json_null()) != 0) {
		fputs("chancery: the arguments are not UTF-8\n", stderr);
		exit(EXIT_USAGE);
	}
}

/* Options may stand anywhere. 0, or an exit code + 1. */
static int
read_options(struct options *o, int argc, char **argv)
{
	const struct option *known = all_options();
	int ch;

	while ((ch = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (ch >= FEDERATION) {
			keep_option(o, federation_options[ch - FEDERATION].name, optarg);
			continue;
		}
		switch (ch) {
		case CONFIG:
			o->config = optarg;
			break;
		case SOCKET:
			o->socket = optarg;
			break;
		case SERVER:
			o->server = optarg;
			break;
		case JSON:
			o->json = true;
			break;
		case STDIN:
			o->password_stdin = true;
			break;
		case OWNER:
			o->owner = optarg;
			break;
		case ONLINE:
			o->online = true;
			break;
		case TOKEN:
			o->token_file = optarg;
			break;
		case HELP:
		case 'h':
			o->help = true;
			break;
		case VERSION:
			puts("chancery " CHANCERY_VERSION);
			return EXIT_DONE + 1;
		default:
			fputs("see chancery --help\n", stderr);
			return EXIT_USAGE + 1;
		}
	}
	return 0;
}

/* These look themselves whether an option is for them. */
static bool
takes_options(const char *noun)
{
	static const char *const nouns[] = {
		"federation", "component", "gateway", "quarantine",
		"person", "token", "approval",
		"archive", "log", "export",
		"audit",
		"hold", "retention",
		"erasure",
	};

	for (size_t i = 0; i < sizeof nouns / sizeof *nouns; i++)
		if (strcmp(noun, nouns[i]) == 0)
			return true;
	return false;
}

/* --ca is whose certificates are believed: of a partner (federation allow), else of --server. */
static void
take_ca(struct options *o, const char *noun)
{
	if (o->server == NULL || noun == NULL || strcmp(noun, "federation") == 0)
		return;
	o->ca = options_value(o, "ca");
	if (o->ca != NULL)
		o->kept = json_incref(json_object_get(o->given, "ca"));
	json_object_del(o->given, "ca");
}

static int
perform(struct options *o, int argc, char **argv)
{
	const struct command *c = NULL;
	const char *noun, *verb;
	int used, rc;

	setlocale(LC_CTYPE, "");
	rc = read_options(o, argc, argv);
	if (rc != 0)
		return rc - 1;
	argc -= optind;
	argv += optind;
	for (int i = 0; i < argc; i++) {
		if (!text_is_utf8(argv[i], strlen(argv[i]))) {
			fputs("chancery: the arguments are not UTF-8\n", stderr);
			return EXIT_USAGE;
		}
	}
	noun = argc > 0 ? argv[0] : NULL;
	take_ca(o, noun);
	verb = argc > 1 ? argv[1] : NULL;
	if (noun != NULL)
		c = find_command(noun, verb);
	if (o->help)
		return show_help(noun, c);
	if (c == NULL)
		return wrong_usage(noun, verb);
	if (json_object_size(o->given) > 0 && !takes_options(c->noun)) {
		fprintf(stderr, "chancery: --%s is not for this command\n", json_object_iter_key(json_object_iter(o->given)));
		return EXIT_USAGE;
	}
	used = c->verb[0] != '\0' ? 2 : 1;
	if (argc - used < c->min || argc - used > c->max) {
		print_usage(stderr, c);
		return EXIT_USAGE;
	}
	return c->run(o, argc - used, argv + used);
}

int
main(int argc, char **argv)
{
	const char *env = getenv("CHANCERY_CONFIG");
	struct options o = {.config = env != NULL && env[0] ? env : DEFAULT_CONFIG, .given = json_object()};
	int rc = perform(&o, argc, argv);

	json_decref(o.given);
	json_decref(o.kept);
	return rc;
}
