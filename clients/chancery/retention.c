/*
 * retention: how long what is kept, for data protection officers (server/archive/RETENTION.md).
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "command.h"

static int
missing(const char *text)
{
	fprintf(stderr, "chancery: %s\n", text);
	return EXIT_USAGE;
}

/* What was done, or waits for somebody else. */
static int
print_done(const struct options *o, json_t *rows)
{
	static const struct table_column done[] = {{"name", "Class"}, {"done", "Done"}, {NULL, NULL}};

	return command_print_outcome(o, rows, done, "until then nothing changes");
}

static int
retention_set(const struct options *o, int argc, char **argv)
{
	static const char *const lists[][2] = {{"group", "groups"}, {"room", "rooms"}, {"domain", "domains"}, {"kind", "kinds"}};
	const char *days = options_value(o, "days");
	json_t *args;
	int64_t n = 0;

	(void)argc;
	if (options_only(o, "days reason group room domain kind") != 0)
		return EXIT_USAGE;
	if (days == NULL || !options_has(o, "reason"))
		return missing("how long, and why? --days N (or: forever) --reason TEXT");
	if (strcmp(days, "forever") != 0 && !text_i64(days, strlen(days), 1, 36500, &n))
		return missing("--days: expected a number from 1 to 36500, or forever");
	args = json_pack("{s:s, s:I, s:s}", "name", argv[0], "days", (json_int_t)n, "reason", options_value(o, "reason"));
	for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
		if (options_has(o, lists[i][0]))
			json_object_set(args, lists[i][1], json_object_get(o->given, lists[i][0]));
	return print_done(o, command_ask(o, "retention", "set", args));
}

static int
retention_remove(const struct options *o, int argc, char **argv)
{
	(void)argc;
	if (options_only(o, "reason") != 0)
		return EXIT_USAGE;
	if (!options_has(o, "reason"))
		return missing("why? --reason TEXT");
	return print_done(o, command_ask(o, "retention", "remove", json_pack("{s:s, s:s}", "name", argv[0], "reason", options_value(o, "reason"))));
}

static int
show_rows(const struct options *o, const char *verb, json_t *args, const struct table_column *columns)
{
	json_t *rows = command_ask(o, "retention", verb, args);

	return rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
}

static int
retention_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"name", "CLASS"}, {"days", "DAYS"}, {"groups", "GROUPS"}, {"rooms", "ROOMS"}, {"domains", "DOMAINS"},
						      {"kinds", "KINDS"}, {"set", "SET"}, {"by", "BY"}, {"removed", "REMOVED"}, {"reason", "REASON"},
						      {NULL, NULL}};

	(void)argc, (void)argv;
	return options_only(o, "all") != 0 ? EXIT_USAGE : show_rows(o, "list", json_pack("{s:b}", "all", options_has(o, "all")), columns);
}

static int
retention_preview(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"class", "CLASS"}, {"month", "MONTH"}, {"goes", "GOES"}, {"held", "HELD"}, {"first", "FIRST"},
						      {"last", "LAST"}, {NULL, NULL}};
	json_t *args = json_object();

	(void)argc, (void)argv;
	if (options_only(o, "at") != 0) {
		json_decref(args);
		return EXIT_USAGE;
	}
	if (options_has(o, "at"))
		json_object_set_new(args, "at", json_string(options_value(o, "at")));
	return show_rows(o, "preview", args, columns);
}

static int
retention_run(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"run", "RUN"}, {"state", "STATE"}, {NULL, NULL}};

	(void)argc, (void)argv;
	return options_only(o, "") != 0 ? EXIT_USAGE : show_rows(o, "run", NULL, columns);
}

static int
retention_runs(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"run", "RUN"}, {"started", "STARTED"}, {"by", "BY"}, {"state", "STATE"}, {"finished", "FINISHED"},
						      {"looked", "LOOKED"}, {"erased", "ERASED"}, {"held", "HELD"}, {"dropped", "DROPPED"}, {NULL, NULL}};

	(void)argc, (void)argv;
	return options_only(o, "") != 0 ? EXIT_USAGE : show_rows(o, "runs", NULL, columns);
}

const struct command command_retention[] = {
	{"retention", "set", "NAME --days N --reason TEXT", 1, 1, retention_set, "Sets how long what belongs to a class is kept",
	 "\nWhat belongs to it: all of these that are given, each may be given several times (any of them)\n"
	 "  --group NAME  who sent it or was sent it has ever been in that group   --room ADDRESS\n"
	 "  --domain DOMAIN  of either end                                        --kind KIND  message, receipt, typing, file, ...\n"
	 "Of several classes the longest counts; one without any of these is for what belongs to no other. What belongs to none is kept\n"
	 "for ever, and so is what --days forever says.\n"},
	{"retention", "remove", "NAME --reason TEXT", 1, 1, retention_remove, "Removes a class", NULL},
	{"retention", "list", "[--all]", 0, 0, retention_list, "Lists the classes; with --all those that were removed, too", NULL},
	{"retention", "preview", "[--at TIME]", 0, 0, retention_preview, "Counts what would go now, or by some time; no content", NULL},
	{"retention", "run", "", 0, 0, retention_run, "Begins a run now", NULL},
	{"retention", "runs", "", 0, 0, retention_runs, "Lists the runs and what they erased", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
