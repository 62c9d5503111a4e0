/*
 * files: the commands about files and their scanner.
 */
#include "command.h"

#include <stdio.h>
#include <string.h>

/* Looking */

static const struct table_column event_columns[] = {{"at", "AT"},	    {"path", "WAY"},	 {"from", "FROM"},     {"to", "TO"},
						    {"name", "NAME"},	    {"verdict", "VERDICT"}, {"text", "WHY"}, {"record", "RECORD"},
						    {NULL, NULL}};

static int
files_find(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"at", "AT"},	      {"path", "WAY"},	    {"from", "FROM"},	  {"to", "TO"},
						      {"name", "NAME"},	      {"verdict", "VERDICT"}, {"state", "NOW"},   {"where", "WHERE"},
						      {"sha256", "SHA-256"}, {NULL, NULL}};
	json_t *rows = command_ask(o, "files", "find", json_pack("{s:s}", "what", argv[0]));

	(void)argc;
	if (rows != NULL && json_array_size(rows) == 0 && !o->json)
		fprintf(stderr, "chancery: nothing is known of that\n");
	return command_print_rows(o, rows, columns);
}

static void
say_file(struct buf *out, json_t *rows, const void *arg)
{
	static const struct table_column columns[] = {{"sha256", "SHA-256"}, {"size", "Bytes"},	    {"type", "Type"},
						      {"state", "State"},    {"found", "Found"},    {"where", "Content"},
						      {"scanned", "Scanned"}, {"signatures", "With signatures of"}, {NULL, NULL}};
	const json_t *row = json_array_get(rows, 0);

	(void)arg;
	table_print_row(row, columns, out);
	buf_adds(out, "\n");
	table_print(json_object_get(row, "events"), event_columns, out);
}

static int
show(const struct options *o, const char *noun, const char *sha256)
{
	return command_print_words(o, command_ask(o, noun, "show", json_pack("{s:s}", "sha256", sha256)), say_file, NULL);
}

static int
files_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return show(o, "files", argv[0]);
}

/* The quarantine */

static int
quarantine_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"at", "AT"},	    {"found", "FOUND"},	  {"name", "NAME"},	{"size", "BYTES"},
						      {"type", "TYPE"},	    {"from", "FROM"},	  {"to", "TO"},		{"release", "RELEASE WAITS"},
						      {"sha256", "SHA-256"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "quarantine", "list", NULL);
	return command_print_rows(o, rows, columns);
}

static int
quarantine_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return options_only(o, "") != 0 ? EXIT_USAGE : show(o, "quarantine", argv[0]);
}

/* Says what was done; drops the rows. */
static void
say_outcome(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0), *release = json_object_get(row, "release");

	(void)arg;
	table_value(json_object_get(row, "sha256"), out);
	buf_adds(out, ": ");
	table_value(json_object_get(row, "done"), out);
	buf_addc(out, '\n');
	if (json_is_integer(release))
		buf_addf(out, "It stays where it is until another administrator says `chancery quarantine approve %lld`\n",
			 (long long)json_integer_value(release));
}

static int
say(const struct options *o, json_t *rows)
{
	return command_print_words(o, rows, say_outcome, NULL);
}

static int
act(const struct options *o, const char *verb, const char *sha256)
{
	if (options_only(o, "reason") != 0)
		return EXIT_USAGE;
	if (!options_has(o, "reason")) {
		fprintf(stderr, "chancery: a reason is needed: --reason TEXT\n");
		return EXIT_USAGE;
	}
	return say(o, command_ask(o, "quarantine", verb, json_pack("{s:s, s:s}", "sha256", sha256, "reason", options_value(o, "reason"))));
}

static int
quarantine_release(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return act(o, "release", argv[0]);
}

static int
quarantine_delete(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return act(o, "delete", argv[0]);
}

static int
act_on_release(const struct options *o, const char *verb, const char *text)
{
	json_int_t id;

	if (options_only(o, "") != 0 || command_read_id(text, "a release", "quarantine list", &id) != 0)
		return EXIT_USAGE;
	return say(o, command_ask(o, "quarantine", verb, json_pack("{s:I}", "id", id)));
}

static int
quarantine_approve(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return act_on_release(o, "approve", argv[0]);
}

static int
quarantine_withdraw(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return act_on_release(o, "withdraw", argv[0]);
}

/* The scanner */

static int
files_status(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"scanner", "Scanner"},
		{"open", "Files pass"},
		{"why", "Why not"},
		{"engine", "Engine"},
		{"signatures", "Signatures"},
		{"newest", "Newest"},
		{"age_hours", "Age, hours"},
		{"folder", "Folder"},
		{"trouble", "Trouble"},
		{"workers", "Workers"},
		{"busy", "Busy"},
		{"waiting", "Files waiting"},
		{"under_way", "Being scanned"},
		{"clean", "Clean"},
		{"infected", "Infected"},
		{"unscannable", "Unscannable"},
		{"error", "Not scanned"},
		{"workers_lost", "Workers lost"},
		{"starts", "Starts of the scanner"},
		{NULL, NULL}};
	json_t *rows = command_ask(o, "files", "status", NULL);
	const json_t *row = json_array_get(rows, 0);
	struct buf out = {0};
	int rc;

	(void)argc, (void)argv;
	if (rows == NULL)
		return EXIT_REFUSED;
	rc = json_is_true(json_object_get(row, "open")) ? EXIT_DONE : EXIT_REFUSED;
	if (rc != EXIT_DONE)
		fprintf(stderr, "chancery: no file passes\n");
	if (o->json)
		table_print_json(rows, &out);
	else
		table_print_row(row, columns, &out);
	json_decref(rows);
	return command_print(&out) == EXIT_DONE ? rc : EXIT_REFUSED;
}

const struct command command_files[] = {
	{"files", "status", "", 0, 0, files_status, "Tells how the scanner of files is; exit code 1 when no file passes",
	 "\nCounts are since the start of the server. SIGNATURES are those in force; what could not be loaded is TROUBLE.\n"},
	{"files", "find", "SHA256|NAME", 1, 1, files_find, "Lists who sent a file, to whom, and who fetched it",
	 "\nBy the name (* stands for anything) or by eight digits of its SHA-256 at least, newest first. Searches are audited.\n"},
	{"files", "show", "SHA256", 1, 1, files_show, "Shows a file and all that happened to it", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};

const struct command command_quarantine[] = {
	{"quarantine", "list", "", 0, 0, quarantine_list, "Lists the files that are held back", NULL},
	{"quarantine", "show", "SHA256", 1, 1, quarantine_show, "Shows such a file and all that happened to it", NULL},
	{"quarantine", "release", "SHA256", 1, 1, quarantine_release, "Lets it pass from now on, in spite of what was found",
	 "\nWants --reason TEXT. Whoever sent it may send it again; an upload that was withdrawn can be fetched again. They are told.\n"
	 "Where files.two_persons is set, it waits until another administrator approves it.\n"},
	{"quarantine", "approve", "ID", 1, 1, quarantine_approve, "Puts a release into force",
	 "\nBy another administrator than the one who proposed it, where files.two_persons is set.\n"},
	{"quarantine", "withdraw", "ID", 1, 1, quarantine_withdraw, "Drops a release that waits", NULL},
	{"quarantine", "delete", "SHA256", 1, 1, quarantine_delete, "Deletes its content for good",
	 "\nWants --reason TEXT. What is known of it stays: it is refused again when it comes again.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
