/*
 * files: the commands about files and their scanner.
 */
#include "command.h"

#include <stdio.h>

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
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
