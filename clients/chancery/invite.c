/*
 * invite: the commands for invitations.
 */
#include <string.h>

#include "command.h"

static void
say_created(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0);
	const char *page = json_string_value(json_object_get(row, "page"));

	(void)arg;
	buf_addf(out, "%s\n%s%sgood until %s\n", json_string_value(json_object_get(row, "uri")), page != NULL ? page : "",
		 page != NULL ? "\n" : "", json_string_value(json_object_get(row, "expires")));
}

static int
invite_create(const struct options *o, int argc, char **argv)
{
	json_t *rows = command_ask(o, "invite", "create", json_pack("{s:s*, s:s*}", "jid", argc > 0 ? argv[0] : NULL, "uses",
								      argc > 1 ? argv[1] : NULL));

	return command_print_words(o, rows, say_created, NULL);
}

static int
invite_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"id", "ID"},	      {"for", "FOR"},	  {"address", "ADDRESS"},
						      {"inviter", "INVITER"}, {"uses", "USES"},	  {"used", "USED"},
						      {"created", "CREATED"}, {"expires", "EXPIRES"}, {"by", "BY"},
						      {NULL, NULL}};
	json_t *rows = command_ask(o, "invite", "list", json_object());

	(void)argc;
	(void)argv;
	return command_print_rows(o, rows, columns);
}

static int
invite_revoke(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (command_read_id(argv[0], "an invitation", "invite list", &id) != 0)
		return EXIT_USAGE;
	return command_print_done(o, command_ask(o, "invite", "revoke", json_pack("{s:I}", "id", id)), "revoked");
}

const struct command command_invite[] = {
	{"invite", "create", "[ADDRESS [USES]]", 0, 2, invite_create, "Makes a link by which an account is registered",
	 "\nADDRESS is name@domain, which is reserved, or a domain, where the invited one chooses a name\n"
	 "(default: the first domain of the server). The link is shown once; who has it may use it.\n"},
	{"invite", "list", "", 0, 0, invite_list, "Lists invitations, those of users too, and who used them", NULL},
	{"invite", "revoke", "ID", 1, 1, invite_revoke, "Ends an invitation", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
