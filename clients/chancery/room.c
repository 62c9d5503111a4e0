/*
 * room: the commands for rooms.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"

static int
room_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"room", "ROOM"},      {"name", "NAME"},	       {"public", "PUBLIC"},	 {"members_only", "MEMBERS ONLY"},
		{"creator", "CREATOR"}, {"affiliations", "AFFILIATIONS"}, {"created", "CREATED"}, {NULL, NULL}};
	json_t *rows = command_ask(o, "room", "list", json_object());

	(void)argc;
	(void)argv;
	return command_print_rows(o, rows, columns);
}

static void
print_value(struct buf *out, const char *key, const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		buf_addf(out, "%-15s %s\n", key, json_string_value(value));
	else if (json_is_boolean(value))
		buf_addf(out, "%-15s %s\n", key, json_is_true(value) ? "yes" : "no");
	else if (json_is_integer(value))
		buf_addf(out, "%-15s %lld\n", key, (long long)json_integer_value(value));
	else
		json_array_foreach(value, i, item)
			buf_addf(out, "%-15s %s\n", i == 0 ? key : "", json_string_value(item));
}

static void
say_room(struct buf *out, json_t *rows, const void *arg)
{
	const char *key;
	json_t *value;

	(void)arg;
	json_object_foreach(json_array_get(rows, 0), key, value)
		print_value(out, key, value);
}

static int
room_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command_print_words(o, command_ask(o, "room", "show", json_pack("{s:s}", "room", argv[0])), say_room, NULL);
}

static int
room_create(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command_print_done(o, command_ask(o, "room", "create", json_pack("{s:s, s:s}", "room", argv[0], "owner", argv[1])), "created");
}

static int
room_affiliation(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command_print_done(o, command_ask(o, "room", "affiliation", json_pack("{s:s, s:s, s:s}", "room", argv[0], "jid", argv[1], "affiliation",
										 argv[2])), "changed");
}

static int
room_destroy(const struct options *o, int argc, char **argv)
{
	return command_print_done(o, command_ask(o, "room", "destroy", json_pack("{s:s, s:s*}", "room", argv[0], "reason", argc > 1 ? argv[1] : NULL)),
				  "destroyed");
}

const struct command command_room[] = {
	{"room", "list", "", 0, 0, room_list, "Lists the rooms, hidden ones too", NULL},
	{"room", "show", "ROOM", 1, 1, room_show, "Shows a room's configuration, and who is what to it", NULL},
	{"room", "create", "ROOM OWNER", 2, 2, room_create, "Makes a room that is open at once",
	 "\nROOM is name@conference.DOMAIN, OWNER the address of who runs it.\n"},
	{"room", "affiliation", "ROOM ADDRESS AFFILIATION", 3, 3, room_affiliation, "Changes what somebody is to a room",
	 "\nAFFILIATION is owner, admin, member, none or outcast. Those inside see it at once.\n"},
	{"room", "destroy", "ROOM [REASON]", 1, 2, room_destroy, "Ends a room; what was said in it stays in the record", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
