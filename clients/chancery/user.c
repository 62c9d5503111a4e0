/*
 * user: the commands of accounts. Passwords come from the terminal or from standard input.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "command.h"
#include "common/control_client.h"
#include "common/prompt.h"
#include "import.h"

#define PASSWORD_MAX 1024

/* "ADDRESS WORD", and how many sessions ended. */
static void
say_change(struct buf *out, json_t *rows, const void *word)
{
	const json_t *row = json_array_get(rows, 0);
	json_int_t closed = json_integer_value(json_object_get(row, "closed"));

	table_value(json_object_get(row, "jid"), out);
	buf_addf(out, " %s", (const char *)word);
	if (closed > 0)
		buf_addf(out, "; %lld session%s ended", (long long)closed,
			 closed == 1 ? "" : "s");
	buf_addc(out, '\n');
}

static int
change(const struct options *o, const char *verb, const char *jid, const char *word)
{
	return command_print_words(o, command_ask(o, "user", verb, json_pack("{s:s}", "jid", jid)), say_change, word);
}

static int
change_with_password(const struct options *o, const char *verb, const char *jid, const char *word)
{
	char password[PASSWORD_MAX];
	struct err e = {0};
	json_t *args;
	int rc;

	if (o->password_stdin)
		rc = prompt_first_line(stdin, password, sizeof password, &e);
	else
		rc = prompt_password("Password", 1, password, sizeof password, &e);
	if (rc != 0)
		return command_fail(&e);
	args = json_pack("{s:s, s:s}", "jid", jid, "password", password);
	crypt_wipe(password, sizeof password);
	if (args == NULL) {
		fputs("chancery: the address or the password is not UTF-8\n", stderr);
		return EXIT_REFUSED;
	}
	return command_print_words(o, command_ask(o, "user", verb, args), say_change, word);
}

static int
user_add(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change_with_password(o, "add", argv[0], "added");
}

static int
user_password(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change_with_password(o, "password", argv[0], "has a new password");
}

static int
user_disable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change(o, "disable", argv[0], "disabled");
}

static int
user_enable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change(o, "enable", argv[0], "enabled");
}

static int
user_delete(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change(o, "delete", argv[0], "deleted");
}

static int
user_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"jid", "ADDRESS"},
						      {"state", "STATE"},
						      {"created", "CREATED"},
						      {"last_seen", "LAST SEEN"},
						      {NULL, NULL}};
	json_t *rows = command_ask(o, "user", "list",
				   json_pack("{s:s*}", "pattern", argc > 0 ? argv[0] : NULL));

	return command_print_rows(o, rows, columns);
}

static int
user_count(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"registered", "Registered"}, {"disabled", "Disabled"}, {"online", "Online"},
						      {"active", "Active"},         {"idle", "Idle"},         {NULL, NULL}};
	json_t *rows = command_ask(o, "user", "count", NULL);

	(void)argc, (void)argv;
	return command_print_row(o, rows, columns);
}

static int
user_show(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"jid", "Address"},         {"id", "Id"},
		{"state", "State"},         {"admin", "Admin"},
		{"groups", "Groups"},       {"created", "Created"},
		{"last_seen", "Last seen"}, {"last_status", "Last status"},
		{"sessions", "Sessions"},   {NULL, NULL}};
	json_t *rows = command_ask(o, "user", "show", json_pack("{s:s}", "jid", argv[0]));

	(void)argc;
	return command_print_row(o, rows, columns);
}

/* admin=yes, admin=no, group+=NAME, group-=NAME. */
static int
read_right(json_t *args, const char *word)
{
	static const struct {
		const char *prefix, *list;
	} changes[] = {{"group+=", "add"}, {"group-=", "remove"}};

	if (strcmp(word, "admin=yes") == 0 || strcmp(word, "admin=no") == 0)
		return json_object_set_new(args, "admin", json_boolean(word[6] == 'y'));
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(changes[i].prefix);
		json_t *list;

		if (strncmp(word, changes[i].prefix, n) != 0)
			continue;
		list = json_object_get(args, changes[i].list);
		if (list == NULL) {
			list = json_array();
			json_object_set_new(args, changes[i].list, list);
		}
		return json_array_append_new(list, json_string(word + n));
	}
	fprintf(stderr, "chancery: not understood: %s; expected admin=yes, admin=no, group+=NAME or group-=NAME\n", word);
	return -1;
}

static int
user_set(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"jid", "Address"}, {"admin", "Admin"}, {"groups", "Groups"}, {NULL, NULL}};
	json_t *args = json_pack("{s:s}", "jid", argv[0]), *rows;

	for (int i = 1; i < argc; i++) {
		if (read_right(args, argv[i]) != 0) {
			json_decref(args);
			return EXIT_USAGE;
		}
	}
	rows = command_ask(o, "user", "set", args);
	return command_print_row(o, rows, columns);
}

static int
user_import(const struct options *o, int argc, char **argv)
{
	bool from_stdin = argc == 0 || strcmp(argv[0], "-") == 0;
	FILE *f = from_stdin ? stdin : fopen(argv[0], "re");
	struct control_client *c;
	int rc;

	if (f == NULL) {
		fprintf(stderr, "chancery: ");
		perror(argv[0]);
		return EXIT_REFUSED;
	}
	c = command_connect(o);
	rc = c != NULL ? import_run(o, c, f) : EXIT_REFUSED;
	control_client_free(c);
	if (!from_stdin)
		fclose(f);
	return rc;
}

static const char password_help[] =
	"\nAsks for the password, or reads it from the first line of standard input with\n"
	"--password-stdin. It is never taken from the command line, where others can see it.\n";

const struct command command_user[] = {
	{"user", "add", "ADDRESS", 1, 1, user_add, "Adds an account", password_help},
	{"user", "import", "[FILE]", 0, 1, user_import, "Adds many accounts",
	 "\nReads lines of address, TAB, password from FILE or standard input. Accounts that exist are left\n"
	 "alone. Lines that are refused are reported with their number, the others are taken; the exit\n"
	 "code is then 1. It may be run again.\n"},
	{"user", "list", "[PATTERN]", 0, 1, user_list, "Lists accounts",
	 "\nPATTERN may hold * for any text and ? for one character: chancery user list '*@example.org'\n"},
	{"user", "show", "ADDRESS", 1, 1, user_show, "Shows an account", NULL},
	{"user", "count", "", 0, 0, user_count, "Counts accounts, and those online",
	 "\nActive are those online who have sent something in the last ten minutes.\n"},
	{"user", "password", "ADDRESS", 1, 1, user_password, "Sets a password; sessions end",
	 password_help},
	{"user", "disable", "ADDRESS", 1, 1, user_disable, "Bars an account; its sessions end",
	 "\nNothing of it is lost: messages to it are kept until it is enabled again.\n"},
	{"user", "enable", "ADDRESS", 1, 1, user_enable, "Lets a disabled account in again", NULL},
	{"user", "delete", "ADDRESS", 1, 1, user_delete, "Removes an account for good",
	 "\nIts contacts and keys go, its sessions end. What it said stays in the record. Whoever gets the\n"
	 "name later is somebody else and inherits nothing.\n"},
	{"user", "set", "ADDRESS CHANGE...", 2, 64, user_set, "Gives or takes rights and groups",
	 "\nCHANGE is one of\n"
	 "  admin=yes      the account may administer the service from a client (XEP-0050, XEP-0133)\n"
	 "  admin=no       it may not\n"
	 "  group+=NAME    it belongs to this group of the organisation; policies go by groups\n"
	 "  group-=NAME    it does not\n"
	 "It takes effect at once; sessions go on.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
