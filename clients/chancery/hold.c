/*
 * hold: legal holds, for compliance officers (server/archive/RETENTION.md).
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

static int
hold_add(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"hold", "Hold"},	  {"matter", "Matter"}, {"query_text", "Query"}, {"records", "Records so far"},
						      {"first", "First"}, {"last", "Last"},	{"unsearchable", "Not searchable"}, {NULL, NULL}};
	json_t *query;

	(void)argc, (void)argv;
	if (options_only(o, COMMAND_QUERY_OPTIONS " matter reason") != 0)
		return EXIT_USAGE;
	if (!options_has(o, "matter") || !options_has(o, "reason"))
		return missing("--matter and --reason say what it is for");
	query = command_query(o);
	if (json_object_size(query) == 0) {
		json_decref(query);
		return missing("what is to be held? For everything: --since with the day it begins");
	}
	return command_print_row(o, command_ask(o, "hold", "add", json_pack("{s:s, s:s, s:o}", "matter", options_value(o, "matter"), "reason",
								       options_value(o, "reason"), "query", query)), columns);
}

static int
hold_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"hold", "HOLD"}, {"state", "STATE"}, {"matter", "MATTER"}, {"set", "SET"},
						      {"by", "BY"},	{"query_text", "QUERY"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "all") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "hold", "list", json_pack("{s:b}", "all", options_has(o, "all")));
	return rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
}

static bool
read_id(const char *text, json_int_t *id)
{
	int64_t n;

	if (!text_i64(text, strlen(text), 1, INT64_MAX, &n)) {
		fprintf(stderr, "chancery: %s is not the number of a hold; see chancery hold list\n", text);
		return false;
	}
	*id = n;
	return true;
}

static int
hold_show(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"hold", "Hold"},		{"state", "State"},	  {"matter", "Matter"},
						      {"reason", "Reason"},	{"query_text", "Query"},  {"set", "Set"},
						      {"by", "By"},		{"records", "Records"},	  {"first", "First"},
						      {"last", "Last"},		{"unsearchable", "Not searchable"},
						      {"released", "Released"}, {"released_by", "Released by"},
						      {"release_reason", "Because"}, {"release_approved_by", "Approved by"}, {NULL, NULL}};
	json_int_t id;

	(void)argc;
	if (options_only(o, "") != 0 || !read_id(argv[0], &id))
		return EXIT_USAGE;
	return command_print_row(o, command_ask(o, "hold", "show", json_pack("{s:I}", "hold", id)), columns);
}

static int
hold_release(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"hold", "Hold"}, {"done", "Done"}, {NULL, NULL}};
	json_int_t id;
	json_t *rows;

	(void)argc;
	if (options_only(o, "reason") != 0 || !read_id(argv[0], &id))
		return EXIT_USAGE;
	if (!options_has(o, "reason"))
		return missing("why? --reason TEXT");
	rows = command_ask(o, "hold", "release", json_pack("{s:I, s:s}", "hold", id, "reason", options_value(o, "reason")));
	return command_print_outcome(o, rows, columns, "until then it is in force");
}

const struct command command_hold[] = {
	{"hold", "add", "--matter TEXT --reason TEXT", 0, 0, hold_add, "Holds what a query finds, now and later",
	 COMMAND_ABOUT_QUERY
	 "Nothing of it expires or is erased until the hold is released. What is end-to-end encrypted is held whatever --words says.\n"
	 "--audience is not for holds: name the rooms.\n"},
	{"hold", "list", "[--all]", 0, 0, hold_list, "Lists the holds in force; with --all those that were released, too", NULL},
	{"hold", "show", "HOLD", 1, 1, hold_show, "Shows a hold and how many records it covers", NULL},
	{"hold", "release", "HOLD --reason TEXT", 1, 1, hold_release, "Ends a hold",
	 "\nWhere four eyes are set, a second officer approves it. What it alone covered may expire and be erased from then on.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
