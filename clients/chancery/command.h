/*
 * command: what the files of this program share: a row per command, and how a command reaches the server.
 */
#ifndef CHANCERY_COMMAND_H
#define CHANCERY_COMMAND_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "common/table.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct options {
	const char *config; /* --config, or the default */
	const char *socket; /* --socket; NULL: listen.control of the settings file */
	const char *owner;  /* --owner */
	const char *server; /* --server; NULL: the local socket */
	const char *ca;     /* --ca, with --server; NULL: the system's */
	const char *token_file; /* --token-file; NULL: $CHANCERY_TOKEN, if that is set */
	json_t *kept;       /* what `ca` points into */
	json_t *given;      /* options of federation_options: the values of each, in an array */
	bool json, password_stdin, online, help;
};

/* Returns an exit code. argv holds the arguments behind noun and verb. */
typedef int (*command_fn)(const struct options *o, int argc, char **argv);

struct command {
	const char *noun, *verb; /* verb "" where the noun stands alone */
	const char *args;        /* for the usage line */
	int min, max;            /* arguments */
	command_fn run;
	const char *about; /* one line */
	const char *more;  /* for --help; may be NULL */
};

/* The tables of commands, ended by a NULL noun: command_NAME. In this order --help has them. */
#define COMMAND_TABLES(X) \
	X(user) X(device) X(mfa) X(invite) X(room) X(component) X(gateway) \
	X(federation) X(files) X(quarantine) X(access) X(log) X(verify) \
	X(archive) X(export) X(audit) X(hold) X(retention) X(erasure) X(server)
#define COMMAND_DECLARE(name) extern const struct command command_##name[];
COMMAND_TABLES(COMMAND_DECLARE)

/* Options that some nouns take (main.c, takes_options), each of its commands some of them; ended by a NULL name. */
extern const struct option federation_options[];
bool options_has(const struct options *o, const char *name);
/* The last one given; NULL. */
const char *options_value(const struct options *o, const char *name);
/* Were none given but those that the command takes (names with spaces between)? Others would be forgotten in silence. -1: said so. */
int options_only(const struct options *o, const char *names);

/* Says why on standard error; returns EXIT_REFUSED. */
int command_fail(const struct err *e);
/* Connects. NULL when that failed, which has been said. */
struct control_client *command_connect(const struct options *o);
/* One request on a connection of its own; takes the reference to `args`. NULL: refused, and said so. */
json_t *command_ask(const struct options *o, const char *noun, const char *verb, json_t *args);
/* Prints what has been gathered and frees it. EXIT_DONE, or EXIT_REFUSED when it cannot be written. */
int command_print(struct buf *out);
/* An answer in words of the command's own; `arg` is the caller's. */
typedef void (*command_words_fn)(struct buf *out, json_t *rows, const void *arg);
/* The rows as `say` has them, or as JSON where that was asked for; drops the reference. NULL: EXIT_REFUSED, as command_ask has said why. */
int command_print_words(const struct options *o, json_t *rows, command_words_fn say, const void *arg);
/* The same as a table. */
int command_print_rows(const struct options *o, json_t *rows, const struct table_column *columns);
/* The query that the options of a command make; these are its options, and what --help says of them. */
json_t *command_query(const struct options *o);
#define COMMAND_QUERY_OPTIONS \
	"person room domain foreign between partner federated audience kind since until words file file-hash has-file encrypted"
#define COMMAND_ABOUT_QUERY \
	"\nWhat is meant (all of it together; nothing: everything):\n" \
	"  --person JID, --room JID, --domain NAME, --foreign ADDRESS (at a gateway's network), --kind NAME   several of each may be given: one of them\n" \
	"  --between JID --between JID, --partner NAME, --federated, --audience\n" \
	"  --since T, --until T   2026-01-31 or 2026-01-31T12:00:00Z\n" \
	"  --words TEXT, --file NAME, --file-hash SHA256, --has-file, --encrypted\n"
/* The same of an answer of one row, by lines. */
int command_print_row(const struct options *o, json_t *rows, const struct table_column *columns);
/* The same of an answer that says no more than that it is done: `what` ("removed") is said of it. */
int command_print_done(const struct options *o, json_t *rows, const char *what);
/* The same of what may have to be approved by a second person (compliance.four_eyes): then how that is done, and `meanwhile` on a line (NULL: none). */
int command_print_outcome(const struct options *o, json_t *rows, const struct table_column *columns, const char *meanwhile);
/* Does it wait for one? Then `out` has got how. */
bool command_add_waits(const json_t *rows, struct buf *out);
/* An id given as an argument: "an export", "export list". -1: said what is wrong. */
int command_read_id(const char *text, const char *of_what, const char *list, json_int_t *id);

#endif
