/*
 * server: the commands of sessions, of the server's state and settings, and of its schema. The last two
 * kinds work without a server.
 */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/config/config.h"
#include "store/version.h"

static int
session_list(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"jid", "ADDRESS"},  {"state", "STATE"},         {"priority", "PRIORITY"},
		{"since", "SINCE"},  {"active", "ACTIVE"},       {"unacked", "UNACKED"},
		{"address", "FROM"}, {"mechanism", "MECHANISM"}, {"tls", "TLS"},
		{"device", "DEVICE"}, {"client", "CLIENT"},      {NULL, NULL}};
	json_t *rows = command_ask(o, "session", "list",
				   json_pack("{s:s*}", "jid", argc > 0 ? argv[0] : NULL));

	return command_print_rows(o, rows, columns);
}

static void
say_closed(struct buf *out, json_t *rows, const void *arg)
{
	json_int_t closed = json_integer_value(json_object_get(json_array_get(rows, 0), "closed"));

	(void)arg;
	buf_addf(out, "%lld session%s closed\n", (long long)closed, closed == 1 ? "" : "s");
}

static int
session_close(const struct options *o, int argc, char **argv)
{
	(void)argc;
	return command_print_words(o, command_ask(o, "session", "close", json_pack("{s:s}", "jid", argv[0])), say_closed, NULL);
}

static void
say_sent(struct buf *out, json_t *rows, const void *arg)
{
	(void)arg;
	buf_addf(out, "sent to %lld\n",
		 (long long)json_integer_value(json_object_get(json_array_get(rows, 0), "sent")));
}

static int
announce(const struct options *o, int argc, char **argv)
{
	json_t *rows = command_ask(o, "announce", NULL, json_pack("{s:s, s:s*, s:s}", "text", argv[0], "subject",
		argc > 1 ? argv[1] : NULL, "to", o->online ? "online" : "all"));

	return command_print_words(o, rows, say_sent, NULL);
}

static int
status(const struct options *o, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{"state", "State"},
		{"version", "Version"},
		{"started", "Started"},
		{"uptime_seconds", "Uptime, seconds"},
		{"hosts", "Hosts"},
		{"connections", "Connections"},
		{"sessions", "Sessions"},
		{"detached", "Detached sessions"},
		{"users", "Users in memory"},
		{"archive", "Archive"},
		{"last_record", "Last record"},
		{"archive_waiting", "Messages waiting"},
		{"checkpoint", "Records under a signed checkpoint"},
		{"checkpoint_at", "Signed"},
		{"uncovered", "Records behind it"},
		{"log_key", "Key of the log"},
		{"verified", "Records verified"},
		{"search_lag_seconds", "Search behind, seconds"},
		{"retention", "Retention"},
		{"retention_last", "Last run of retention"},
		{"retention_held", "Expired, and held"},
		{"database", "Database"},
		{"jobs_waiting", "Jobs waiting"},
		{"federation", "Federation"},
		{"partners", "Partners"},
		{"partners_expiring", "Partners that expire soon"},
		{"partners_expired", "Partners that have expired"},
		{"s2s_streams_in", "Streams from other servers"},
		{"s2s_streams_out", "Streams to other servers"},
		{"scanner", "Scanner of files"},
		{"signatures_age_hours", "Virus signatures, hours old"},
		{"scans_waiting", "Files waiting to be scanned"},
		{"unsafe_durability", "Unsafe durability allowed"},
		{"config", "Settings"},
		{"needs_restart", "Settings that need a restart"},
		{NULL, NULL}};
	json_t *rows = command_ask(o, "status", NULL, NULL);
	const json_t *row = json_array_get(rows, 0);
	const char *state = json_string_value(json_object_get(row, "state"));
	struct buf out = {0};
	int rc;

	(void)argc, (void)argv;
	if (rows == NULL)
		return EXIT_REFUSED;
	rc = state != NULL && strcmp(state, "ok") == 0 ? EXIT_DONE : EXIT_REFUSED;
	if (rc != EXIT_DONE)
		fprintf(stderr, "chancery: %s\n",
			state != NULL ? state : "the server does not say how it is");
	if (o->json)
		table_print_json(rows, &out);
	else
		table_print_row(row, columns, &out);
	json_decref(rows);
	return command_print(&out) == EXIT_DONE ? rc : EXIT_REFUSED;
}

/* What `config check` and `config reload` say alike. */
static void
say_config(struct buf *out, json_t *rows, const void *word)
{
	const json_t *row = json_array_get(rows, 0);
	const char *restart = json_string_value(json_object_get(row, "needs_restart"));

	table_value(json_object_get(row, "config"), out);
	buf_addf(out, ": %s\n", (const char *)word);
	if (restart != NULL && restart[0] != '\0')
		buf_addf(out, "these changes need a restart: %s\n", restart);
}

static int
print_config(const struct options *o, json_t *rows, const char *word)
{
	return command_print_words(o, rows, say_config, word);
}

/* A file, with or without a server; or what the server at --socket would read. */
static int
config_check(const struct options *o, int argc, char **argv)
{
	struct config *c;
	struct err e = {0};
	json_t *rows;

	if (argc == 0 && o->socket != NULL)
		return print_config(o, command_ask(o, "config", "check", NULL), "good");
	c = config_load(argc > 0 ? argv[0] : o->config, &e);
	if (c == NULL)
		return command_fail(&e);
	rows = json_pack("[{s:s}]", "config", c->file);
	config_unref(c);
	return print_config(o, rows, "good");
}

static int
config_reload(const struct options *o, int argc, char **argv)
{
	(void)argc, (void)argv;
	return print_config(o, command_ask(o, "config", "reload", NULL), "in force");
}

static int
migrate(const struct options *o, int argc, char **argv)
{
	struct config *c = NULL;
	const char *owner = o->owner;
	struct err e = {0};
	unsigned applied;
	int rc;

	(void)argc, (void)argv;
	if (owner == NULL) {
		c = config_load(o->config, &e);
		if (c == NULL)
			return command_fail(&e);
		owner = c->database.owner_conninfo;
	}
	if (owner[0] == '\0') {
		fputs("chancery: neither database.owner_conninfo nor --owner says how to reach PostgreSQL as the "
		      "owner of the schema\n",
		      stderr);
		config_unref(c);
		return EXIT_REFUSED;
	}
	rc = version_migrate(owner, &applied, &e);
	config_unref(c);
	if (rc != 0)
		return command_fail(&e);
	if (o->json)
		printf("{\"applied\":%u}\n", applied);
	else if (applied == 0)
		puts("the schema is up to date");
	else
		printf("%u migration%s applied\n", applied, applied == 1 ? "" : "s");
	return EXIT_DONE;
}

const struct command command_server[] = {
	{"session", "list", "[ADDRESS]", 0, 1, session_list,
	 "Lists sessions, of all or of one account",
	 "\nUNACKED is how many stanzas its client has not acknowledged yet (XEP-0198).\n"},
	{"session", "close", "ADDRESS[/RESOURCE]", 1, 1, session_close,
	 "Ends one session, or all of an account",
	 "\nThe client may log in again; `chancery user disable` keeps it out.\n"},
	{"announce", "", "TEXT [SUBJECT]", 1, 2, announce, "Sends a message to all accounts",
	 "\nEach gets a message of its own, recorded before it is delivered; who is offline gets it at the next login. With\n"
	 "--online only those who are online get it. Accounts that are disabled get none.\n"},
	{"status", "", "", 0, 0, status, "Tells how the server is; exit code 1 when degraded",
	 NULL},
	{"config", "check", "[FILE]", 0, 1, config_check, "Checks a settings file",
	 "\nFILE, or that of --config; needs no server. With --socket and no FILE: what the server would\n"
	 "read. Certificates are not opened; `chanceryd --config FILE --check` does that too.\n"},
	{"config", "reload", "", 0, 0, config_reload, "Puts the changed settings file into force",
	 "\nA file with a mistake changes nothing. Settings that need a restart are named.\n"},
	{"migrate", "", "", 0, 0, migrate, "Brings the database's schema up to date",
	 "\nReaches PostgreSQL as the schema's owner: database.owner_conninfo of the settings file, or\n"
	 "--owner CONNINFO. Needs no server. Keep a password out of CONNINFO, in PGPASSFILE.\n"},
	{NULL, NULL, NULL, 0, 0, NULL, NULL, NULL},
};
