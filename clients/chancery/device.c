/*
 * device: the commands for the devices of an account.
 */
#include <string.h>

#include "command.h"

static int
device_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"id", "ID"},		  {"software", "SOFTWARE"}, {"device", "DEVICE"}, {"access", "ACCESS"},
		{"connected", "CONNECTED"}, {"first", "FIRST"},	    {"last", "LAST"},	  {"address", "FROM"},
		{NULL, NULL}};
	json_t *rows = command_ask(o, "device", "list", json_pack("{s:s}", "jid", argv[0]));

	(void)argc;
	return command_print_rows(o, rows, columns);
}

static void
say_revoked(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0);
	json_int_t closed = json_integer_value(json_object_get(row, "closed"));

	(void)arg;
	buf_addf(out, "revoked; %lld session%s closed\n", (long long)closed, closed == 1 ? "" : "s");
	if (json_is_true(json_object_get(row, "knows_password")))
		buf_adds(out, "It has logged in with the password: change that, too (chancery user password).\n");
}

static int
device_revoke(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (command_read_id(argv[1], "a device", "device list", &id) != 0)
		return EXIT_USAGE;
	return command_print_words(o, command_ask(o, "device", "revoke", json_pack("{s:s, s:I}", "jid", argv[0], "id", id)), say_revoked, NULL);
}

static void
say_password(struct buf *out, json_t *rows, const void *jid)
{
	const json_t *row = json_array_get(rows, 0);

	buf_addf(out, "%s\nIt is shown this once. The client uses it in place of the account's; `chancery device revoke %s %lld` ends it.\n",
		 json_string_value(json_object_get(row, "password")), (const char *)jid,
		 (long long)json_integer_value(json_object_get(row, "id")));
}

static int
device_password(const struct options *o, int argc, char **argv)
{
	json_t *rows = command_ask(o, "device", "password", json_pack("{s:s, s:s}", "jid", argv[0], "name", argv[1]));

	(void)argc;
	return command_print_words(o, rows, say_password, argv[0]);
}

const struct command command_device[] = {
	{"device", "password", "ADDRESS NAME", 2, 2, device_password, "Makes a password for one client of an account",
	 "\nNAME says whose it is, in `device list`. It goes when the account's password is changed.\n"},
	{"device", "list", "ADDRESS", 1, 1, device_list, "Lists the devices of an account, and what access they have",
	 "\nA device is known when its client says at login which one it is (XEP-0388).\n"},
	{"device", "revoke", "ADDRESS ID", 2, 2, device_revoke, "Ends a device's sessions and tokens",
	 "\nA device that knows the password may come back until that is changed, too.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
