/*
 * access: the commands of persons, their tokens, and what waits for a second person.
 *
 * A token is made here, and only its hash goes to the server: nobody else ever has it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/text.h"
#include "command.h"

#define TOKEN_PREFIX "cht_"
#define TOKEN_BYTES 32

static int
usage_error(const char *text)
{
	fprintf(stderr, "chancery: %s\n", text);
	return EXIT_USAGE;
}

/* All that were given of an option: an array, NULL when there are none. */
static json_t *
all_of(const struct options *o, const char *name)
{
	return json_incref(json_object_get(o->given, name));
}

static int
read_uid(const char *text, json_int_t *out)
{
	int64_t n;

	if (!text_i64(text, strlen(text), 0, INT64_MAX, &n))
		return usage_error("--uid: expected the number of an account");
	*out = n;
	return 0;
}

/* Persons */

static const struct table_column person_columns[] = {{"name", "Name"},	   {"roles", "Roles"},	 {"account", "Address"}, {"uid", "UID"}, {"disabled", "Disabled"},
						     {"created", "Since"}, {"tokens", "Tokens"}, {"seen", "Last seen"},	 {NULL, NULL}};

static json_t *
roles_of(int argc, char **argv)
{
	json_t *out = json_array();

	for (int i = 0; i < argc; i++)
		json_array_append_new(out, json_string(argv[i]));
	return out;
}

static int
person_add(const struct options *o, int argc, char **argv)
{
	json_t *args;
	json_int_t uid;

	if (options_only(o, "account uid") != 0)
		return EXIT_USAGE;
	args = json_pack("{s:s, s:o, s:s*}", "name", argv[0], "roles", roles_of(argc - 1, argv + 1), "account", options_value(o, "account"));
	if (options_has(o, "uid")) {
		if (read_uid(options_value(o, "uid"), &uid) != 0) {
			json_decref(args);
			return EXIT_USAGE;
		}
		json_object_set_new(args, "uid", json_integer(uid));
	}
	return command_print_outcome(o, command_ask(o, "person", "add", args), person_columns, NULL);
}

static int
person_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"name", "NAME"},	    {"roles", "ROLES"},	  {"disabled", "DISABLED"}, {"tokens", "TOKENS"},
						      {"seen", "LAST SEEN"}, {"account", "ADDRESS"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "person", "list", NULL);
	return command_print_rows(o, rows, columns);
}

static int
change_person(const struct options *o, const char *verb, const char *name)
{
	return options_only(o, "") != 0 ? EXIT_USAGE : command_print_outcome(o, command_ask(o, "person", verb, json_pack("{s:s}", "name", name)), person_columns, NULL);
}

static int
person_show(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change_person(o, "show", argv[0]);
}

static int
person_disable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change_person(o, "disable", argv[0]);
}

static int
person_enable(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return change_person(o, "enable", argv[0]);
}

static int
person_roles(const struct options *o, int argc, char **argv)
{
	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	return command_print_outcome(o, command_ask(o, "person", "roles", json_pack("{s:s, s:o}", "name", argv[0], "roles", roles_of(argc - 1, argv + 1))), person_columns, NULL);
}

static int
whoami(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"name", "Name"}, {"role", "Role"}, {"token", "Token"}, {NULL, NULL}};

	(void)argc, (void)argv;
	return command_print_outcome(o, command_ask(o, "whoami", NULL, NULL), columns, NULL);
}

/* Tokens */

/* The token is printed last, on a line of its own; with --json as `secret` of the row. */
static void
say_token(struct buf *out, json_t *rows, const void *token)
{
	static const struct table_column columns[] = {{"token", "Token"}, {"name", "Name"}, {"role", "Role"}, {"expires", "Expires"}, {NULL, NULL}};

	if (!command_add_waits(rows, out))
		table_print_row(json_array_get(rows, 0), columns, out);
	buf_addf(out, "\nThis is the token. It is shown once; keep it in a file that nobody else can read:\n\n%s\n", (const char *)token);
}

static int
print_token(const struct options *o, json_t *rows, const char *token)
{
	if (rows != NULL)
		json_object_set_new(json_array_get(rows, 0), "secret", json_string(token));
	return command_print_words(o, rows, say_token, token);
}

static int
token_new(const struct options *o, int argc, char **argv)
{
	char token[sizeof TOKEN_PREFIX + 2 * TOKEN_BYTES] = TOKEN_PREFIX, hash[2 * SHA256_SIZE + 1];
	uint8_t sum[SHA256_SIZE];
	int rc;

	(void)argc;
	if (options_only(o, "role expires scope") != 0)
		return EXIT_USAGE;
	if (!options_has(o, "role"))
		return usage_error("a token is for one role: --role admin, officer, auditor or dpo");
	crypt_random_hex(token + strlen(TOKEN_PREFIX), TOKEN_BYTES);
	crypt_sha256(token, strlen(token), sum);
	text_hex(sum, sizeof sum, hash);
	rc = print_token(o,
			 command_ask(o, "token", "new",
				     json_pack("{s:s, s:s, s:s*, s:o*, s:s}", "name", argv[0], "role", options_value(o, "role"), "expires",
					       options_value(o, "expires"), "scope", all_of(o, "scope"), "hash", hash)),
			 token);
	crypt_wipe(token, sizeof token);
	return rc;
}

static int
token_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"token", "TOKEN"},     {"name", "NAME"},	      {"role", "ROLE"},	 {"state", "STATE"},
						      {"expires", "EXPIRES"}, {"used", "LAST USED"}, {"used_from", "FROM"}, {"scope", "SCOPE"}, {NULL, NULL}};
	json_t *rows;

	if (options_only(o, "") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "token", "list", json_pack("{s:s*}", "name", argc > 0 ? argv[0] : NULL));
	return command_print_rows(o, rows, columns);
}

static int
token_revoke(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"token", "Token"}, {"name", "Name"}, {"state", "State"}, {NULL, NULL}};
	json_int_t id;

	(void)argc;
	if (options_only(o, "") != 0 || command_read_id(argv[0], "a token", "token list", &id) != 0)
		return EXIT_USAGE;
	return command_print_outcome(o, command_ask(o, "token", "revoke", json_pack("{s:I}", "id", id)), columns, NULL);
}

/* Approvals */

static int
approval_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"approval", "ID"}, {"state", "STATE"},	 {"verb", "WHAT"},	 {"asked_by", "ASKED BY"}, {"asked_at", "AT"},
						      {"expires", "EXPIRES"}, {"decided_by", "DECIDED BY"}, {"reason", "REASON"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "all") != 0)
		return EXIT_USAGE;
	rows = command_ask(o, "approval", "list", json_pack("{s:b}", "all", (int)options_has(o, "all")));
	return command_print_rows(o, rows, columns);
}

/* Arguments and outcome are JSON: shown as such. */
static void
add_json(struct buf *out, const char *head, const json_t *v)
{
	char *text = json_is_null(v) || v == NULL ? NULL : json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_ENSURE_ASCII);

	if (text != NULL)
		buf_addf(out, "%s %s\n", head, text);
	free(text);
}

static void
say_approval(struct buf *out, json_t *rows, const void *arg)
{
	static const struct table_column columns[] = {{"approval", "Request"}, {"state", "State"},     {"verb", "What"},		{"hash", "Hash"},
						      {"asked_by", "Asked by"}, {"role", "As"},	       {"asked_from", "From"},	{"asked_at", "At"},
						      {"expires", "Expires"},	{"decided_by", "Decided by"}, {"decided_at", "Decided"}, {"reason", "Reason"},
						      {NULL, NULL}};
	const json_t *row = json_array_get(rows, 0);

	(void)arg;
	table_print_row(row, columns, out);
	add_json(out, "Arguments: ", json_object_get(row, "args"));
	add_json(out, "Outcome:   ", json_object_get(row, "outcome"));
}

static int
approval_show(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (options_only(o, "") != 0 || command_read_id(argv[0], "a request", "approval list", &id) != 0)
		return EXIT_USAGE;
	return command_print_words(o, command_ask(o, "approval", "show", json_pack("{s:I}", "id", id)), say_approval, NULL);
}

static void
say_decision(struct buf *out, json_t *rows, const void *arg)
{
	const json_t *row = json_array_get(rows, 0);

	(void)arg;
	buf_addf(out, "request %lld: ", (long long)json_integer_value(json_object_get(row, "approval")));
	table_value(json_object_get(row, "state"), out);
	buf_addc(out, '\n');
	add_json(out, "outcome:", json_object_get(row, "outcome"));
}

static int
print_decision(const struct options *o, json_t *rows)
{
	return command_print_words(o, rows, say_decision, NULL);
}

static int
approval_approve(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (options_only(o, "hash") != 0 || command_read_id(argv[0], "a request", "approval list", &id) != 0)
		return EXIT_USAGE;
	return print_decision(o, command_ask(o, "approval", "approve", json_pack("{s:I, s:s*}", "id", id, "hash", options_value(o, "hash"))));
}

static int
approval_deny(const struct options *o, int argc, char **argv)
{
	json_int_t id;

	(void)argc;
	if (options_only(o, "reason") != 0 || command_read_id(argv[0], "a request", "approval list", &id) != 0)
		return EXIT_USAGE;
	return print_decision(o, command_ask(o, "approval", "deny", json_pack("{s:I, s:s*}", "id", id, "reason", options_value(o, "reason"))));
}

const struct command command_access[] = {
	{"person", "add", "NAME ROLE...", 2, 6, person_add, "Adds a person of the compliance desk",
	 "\nROLE is admin, officer, auditor or dpo (data protection officer). admin and auditor go with no other role: an\n"
	 "administrator reads no content, and an auditor audits others. --account ADDRESS and --uid N say who it is among the\n"
	 "accounts here and of the operating system, so that nobody is two persons.\n"},
	{"person", "list", "", 0, 0, person_list, "Lists these persons", NULL},
	{"person", "show", "NAME", 1, 1, person_show, "Shows such a person", NULL},
	{"person", "roles", "NAME ROLE...", 1, 6, person_roles, "Sets a person's roles",
	 "\nRoles that are not named are taken away, at once: tokens for them open nothing any more.\n"},
	{"person", "disable", "NAME", 1, 1, person_disable, "Bars a person, at once", NULL},
	{"person", "enable", "NAME", 1, 1, person_enable, "Lets a barred person in again", NULL},
	{"token", "new", "NAME", 1, 1, token_new, "Makes a token for a person",
	 "\nWants --role ROLE. --expires 90d, 12h or a time; --scope NOUN or NOUN.VERB (as often as you like) lets it do no more than that.\n"
	 "The token is made by this program and shown once; the server gets and keeps its SHA-256.\n"},
	{"token", "list", "[NAME]", 0, 1, token_list, "Lists tokens: your own, an administrator all", NULL},
	{"token", "revoke", "TOKEN", 1, 1, token_revoke, "Ends a token, at once", NULL},
	{"approval", "list", "", 0, 0, approval_list, "Lists what waits for a second person",
	 "\n--all: what has been decided, too.\n"},
	{"approval", "show", "ID", 1, 1, approval_show, "Shows such a request, and what became of it", NULL},
	{"approval", "approve", "ID", 1, 1, approval_approve, "Approves it: it is done at once",
	 "\nBy another person than the one who asked, of a role that may do it. With --hash HASH only what has that hash.\n"},
	{"approval", "deny", "ID", 1, 1, approval_deny, "Denies it; who asked withdraws it so", "\n--reason TEXT is kept with it.\n"},
	{"whoami", "", "", 0, 0, whoami, "Tells as whom you are known, in which role", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
