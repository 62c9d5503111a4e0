/*
 * audit: who did what, for auditors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "common/control_client.h"

/* Of the options that were given; NULL values are left out. */
static json_t *
make_args(const struct options *o, const char *cursor)
{
	json_t *args = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*, s:s*}", "since", options_value(o, "since"), "until", options_value(o, "until"), "who",
		options_value(o, "who"), "action", options_value(o, "action"), "limit", options_value(o, "limit"), "cursor", cursor);

	if (options_has(o, "newest"))
		json_object_set_new(args, "newest", json_true());
	return args;
}

/* A page; NULL: refused, and said so. */
static json_t *
print_page(const struct options *o, struct control_client *c, const char *cursor)
{
	struct err e = {0};
	json_t *rows = control_client_ask(c, "audit", "list", make_args(o, cursor), &e);

	if (rows == NULL)
		command_fail(&e);
	return rows;
}

/* Without --limit all of it, page by page: each is printed when it is there. */
static int
audit_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"at", "AT"},	    {"who", "WHO"},   {"role", "ROLE"}, {"action", "ACTION"}, {"target", "TARGET"},
						      {"origin", "FROM"},   {"record", "RECORD"}, {NULL, NULL}};
	const char *cursor = options_value(o, "cursor");
	struct control_client *c;
	int rc = EXIT_DONE;

	(void)argc, (void)argv;
	if (options_only(o, "since until who action newest limit cursor") != 0)
		return EXIT_USAGE;
	c = command_connect(o);
	if (c == NULL)
		return EXIT_REFUSED;
	do {
		char *from = cursor != NULL ? strdup(cursor) : NULL;
		json_t *rows = print_page(o, c, from);

		free(from);
		rc = rows != NULL ? command_print_rows(o, rows, columns) : EXIT_REFUSED;
		cursor = control_client_next(c);
	} while (rc == EXIT_DONE && cursor != NULL && !options_has(o, "limit"));
	if (rc == EXIT_DONE && cursor != NULL)
		fprintf(stderr, "chancery: there is more: --cursor %s\n", cursor);
	control_client_free(c);
	return rc;
}

const struct command command_audit[] = {
	{"audit", "list", "", 0, 0, audit_list, "Lists who did what, from the record",
	 "\nIn the order of the log, oldest first. --since TIME, --until TIME, --who NAME, --action ACTION (user: all of user; user.add: that), --newest:\n"
	 "newest first, --limit N, --cursor C: where a page before has ended. For auditors (--token-file); officers see what they have done\n"
	 "themselves. Looking is recorded, too.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
