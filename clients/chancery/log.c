/*
 * log: the commands of the record's Merkle log. `log key` works without a server.
 */
#include <stdio.h>
#include <string.h>

#include "archive/log/log_signer.h"
#include "base/text.h"
#include "command.h"
#include "core/config/config.h"

static int
wrong(const char *text)
{
	fprintf(stderr, "chancery: %s\n", text);
	return EXIT_USAGE;
}

static int
archive_status(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"archive", "Archive"},		  {"log", "Log"},
		{"records", "Records"},		  {"checkpoint", "Records under a signed checkpoint"},
		{"checkpoint_at", "Signed"},	  {"uncovered", "Records behind it"},
		{"key", "Key"},			  {"verified", "Records verified"},
		{"verified_at", "Verified"},	  {"findings", "Findings"},
		{NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, ""))
		return EXIT_USAGE;
	rows = command_ask(o, "archive", "status", NULL);
	return command_print_row(o, rows, columns);
}

/* What a program reads: one JSON object. */
static int
print_object(json_t *rows)
{
	struct buf out = {0};

	if (rows == NULL)
		return EXIT_REFUSED;
	table_print_json(rows, &out);
	json_decref(rows);
	return command_print(&out);
}

static int
archive_prove(const struct options *o, int argc, char **argv)
{
	(void)argc;
	if (options_only(o, ""))
		return EXIT_USAGE;
	return print_object(command_ask(o, "archive", "prove", json_pack("{s:s}", "record", argv[0])));
}

static int
log_consistency(const struct options *o, int argc, char **argv)
{
	uint64_t from, to = 0;

	if (options_only(o, ""))
		return EXIT_USAGE;
	if (!text_u64(argv[0], strlen(argv[0]), 1, INT64_MAX, &from) || (argc > 1 && !text_u64(argv[1], strlen(argv[1]), 1, INT64_MAX, &to)))
		return wrong("expected the sizes of two checkpoints");
	return print_object(command_ask(o, "log", "consistency", json_pack("{s:I, s:I}", "from", (json_int_t)from, "to", (json_int_t)to)));
}

static int
log_checkpoint(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"size", "RECORDS"}, {"at", "SIGNED"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, ""))
		return EXIT_USAGE;
	rows = command_ask(o, "log", "checkpoint", NULL);
	return command_print_rows(o, rows, columns);
}

static int
log_keys(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"number", "NUMBER"}, {"since", "SINCE RECORD"}, {"at", "AT"}, {"lost", "LOST THE ONE BEFORE"}, {"vkey", "KEY"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, ""))
		return EXIT_USAGE;
	rows = command_ask(o, "log", "keys", NULL);
	return command_print_rows(o, rows, columns);
}

static int
log_rotate(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {{"vkey", "NEW KEY"}, {NULL, NULL}};
	json_t *rows;

	(void)argc, (void)argv;
	if (options_only(o, "lost"))
		return EXIT_USAGE;
	rows = command_ask(o, "log", "rotate", json_pack("{s:b}", "lost", (int)options_has(o, "lost")));
	return command_print_rows(o, rows, columns);
}

static int
print_key(const struct options *o, const struct note_signer *s)
{
	char vkey[NOTE_VKEY_MAX];

	note_key_text(note_signer_key(s), vkey);
	printf(o->json ? "{\"vkey\":\"%s\"}\n" : "%s\n", vkey);
	return EXIT_DONE;
}

/* The name of a new key: what was given, else the server's first domain. NULL: said why there is none. */
static const char *
key_name(const struct options *o, const char *given, struct config **c)
{
	struct err e = {0};

	if (given != NULL)
		return given;
	*c = config_load(o->config, &e);
	if (*c != NULL)
		return (*c)->hosts[0].domain;
	command_fail(&e);
	return NULL;
}

static int
make_key(const struct options *o, const char *file, const char *given)
{
	struct note_signer *s = NULL;
	struct config *c = NULL;
	struct err e = {0};
	const char *name = key_name(o, given, &c);
	int rc = EXIT_REFUSED;

	if (name != NULL) {
		s = note_signer_new(name, &e);
		rc = s != NULL && log_signer_save(file, s, &e) == 0 ? print_key(o, s) : command_fail(&e);
	}
	note_signer_free(s);
	config_unref(c);
	return rc;
}

static int
log_key(const struct options *o, int argc, char **argv)
{
	struct note_signer *s;
	struct err e = {0};
	int rc;

	if (options_only(o, ""))
		return EXIT_USAGE;
	if (strcmp(argv[0], "new") == 0)
		return make_key(o, argv[1], argc > 2 ? argv[2] : NULL);
	if (strcmp(argv[0], "show") != 0 || argc > 2)
		return wrong("expected: log key new FILE [NAME], or log key show FILE");
	s = log_signer_load(argv[1], &e);
	rc = s != NULL ? print_key(o, s) : command_fail(&e);
	note_signer_free(s);
	return rc;
}

const struct command command_log[] = {
	{"archive", "status", "", 0, 0, archive_status, "Tells how the record and its signed log are", NULL},
	{"archive", "prove", "RECORD", 1, 1, archive_prove, "Proves that a record is in the signed log",
	 "\nOne JSON object: the record's leaf, the signed checkpoint, and the hashes between the two (RFC 9162 §2.1.3).\n"},
	{"log", "key", "new|show FILE [NAME]", 2, 3, log_key, "Makes the key that signs checkpoints, or shows its public half",
	 "\nNeeds no server. NAME is what the log is called in its checkpoints; without it the first domain of the settings file. Give the\n"
	 "public half to those who will verify exports: with it they need to trust nobody here.\n"},
	{"log", "keys", "", 0, 0, log_keys, "Lists the keys that have signed the log", NULL},
	{"log", "rotate", "[--lost]", 0, 0, log_rotate, "Signs with a new key from here on",
	 "\nThe old key signs the hand-over. --lost: it is gone, and who has trusted it has to be told of the new one in another way.\n"},
	{"log", "consistency", "FROM [TO]", 1, 2, log_consistency, "Proves that one checkpoint goes on from another",
	 "\nBy their sizes; TO is the newest when it is left out. One JSON object (RFC 9162 §2.1.4).\n"},
	{"log", "checkpoint", "", 0, 0, log_checkpoint, "Signs a checkpoint now", NULL},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
