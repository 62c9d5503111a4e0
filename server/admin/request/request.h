/*
 * request: one line from a control connection: checked, dispatched to its verb, answered.
 *
 * A verb runs on the connection's thread and may wait: for the database (its own connection), for reactors
 * (core/census.h), for hashing. It returns 0 for {"done":true}, or -1 with call->err for {"error":…}.
 *
 * {"verb":[…],"args":{…},"token":"…"} makes the caller the person of the token, in its role (admin/access/access.h). Who may what is in the tables of verbs
 * and nowhere else; that the database serves each role as a role of its own is the second line.
 */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "admin/access/access.h"
#include "admin/audit/audit.h"
#include "base/err.h"
#include "store/sql.h"

struct config;

/* What verbs need to know of the server; unchanged while it runs. */
struct request_server {
	int (*reload)(struct sql *db, const struct audit_who *who, struct err *e);
	const struct config *started_with;
	int64_t started_us;
	atomic_bool stopping; /* long verbs look at it and give up */
};

struct request {
	struct request_server *server;
	const struct audit_who *who;  /* who asks; the person, where a token was shown */
	struct access_db *dbs;        /* connections of the thread, one for each role */
	struct sql *db;               /* of the caller's role; for verbs, behind request_db */
	json_t *args;                 /* an object */
	int64_t person;               /* compliance.person; 0: an administrator without a token */
	unsigned role;                /* enum access_role; 0: ACCESS_ADMIN */
	const struct access_caller *caller; /* whose token it is; NULL: none was shown */
	int64_t approval;             /* compliance.approval by which it runs; 0: none was needed */
	const char *approved_by;      /* the second person; NULL */
	bool db_used;                 /* request_db has succeeded */
	bool denied;                  /* it failed as it is not for who asks, which the audit trail is told; verbs may set it */
	int status;                   /* of a failure, as HTTP has it; verbs may set it, 422 is what is understood and refused */
	struct err err;
	/* Sends one line. -1: the peer is gone, or does not read. */
	int (*send)(void *arg, const char *line, size_t n);
	void *send_arg;
	/* Takes a file as the answer, see request_file. NULL: the caller cannot; it gets rows. Uses send_arg. */
	int (*file)(void *arg, int fd, uint64_t size, const char *name, const char *tag);
	/* With send_arg: is nobody there any more who waits for the answer? Long verbs ask now and then. NULL: not known. */
	bool (*gone)(void *arg);
};

/* A row of a table of verbs. What is behind `run` may be left out (write rows with designators then, or the compiler asks for the rest). */
struct request_verb {
	const char *noun, *verb; /* verb "" where the noun stands alone */
	int (*run)(struct request *r);
	unsigned roles;          /* who may: enum access_role, together; 0: administrators only */
	unsigned flags;          /* enum access_flag */
	const char *about;       /* a line, for the description of the API */
	const char *args;        /* the same: "jid:string since:string? ids:integer[]?"; NULL: none */
	/* With ACCESS_FOUR_EYES: are these arguments worth a second person's time? 0 or -1 with err. It changes nothing. May be NULL. */
	int (*check)(struct request *r);
};

/* The tables of verbs, ended by a NULL noun: request_NAME_verbs. In this order they are described. */
#define REQUEST_TABLES(X) \
	X(component) X(gateway) X(user) X(people) X(device) X(mfa) X(server) X(announce) X(invite) X(room) X(federation) X(federation_look) X(federation_test) \
	X(scanner) X(files) X(access) X(token) X(approval) X(log) X(export) X(erasure) X(archive) X(audit) X(hold) X(retention)
#define REQUEST_DECLARE(name) extern const struct request_verb request_##name##_verbs[];
REQUEST_TABLES(REQUEST_DECLARE)

/* Answers the line. -1: the connection is of no more use. Uses the server, who, dbs and send of `r`. */
int request_run(struct request *r, const char *line, size_t n);
/* For those who have taken a request apart themselves, and answer themselves (admin/api.c): r->caller, or an administrator where it is NULL, asks.
 * `args` is an object or NULL, and stays the caller's. Rows go to r->send. -1 with err and status. */
int request_call(struct request *r, const char *noun, const char *verb, json_t *args);
/* The verb itself, for who may: as r->role, with an approval or without one that is needed (then it waits). As request_call otherwise. */
int request_perform(struct request *r, const struct request_verb *v, json_t *args);
/* All verbs there are, for those who describe them: n from 0; NULL behind the last. */
const struct request_verb *request_verb_at(size_t n);
const struct request_verb *request_verb_find(const char *noun, const char *verb);
/* Who may: v->roles, or administrators. */
unsigned request_verb_roles(const struct request_verb *v);

/* For verbs. {"row":row}; takes the reference. -1 with err when the peer is gone. */
int request_row(struct request *r, json_t *row);
/* Where a further page begins, for a verb that has not given all: opaque to the caller, who gives it back as the argument `cursor`. Behind the rows. */
int request_next(struct request *r, const char *cursor);
/* Can the answer be a file? Then it is all of the answer: `size` bytes, to be saved as `name` (plain ASCII), `tag` is a strong entity tag with its quotes.
 * Takes the descriptor. -1 with err. */
bool request_takes_file(const struct request *r);
int request_file(struct request *r, int fd, uint64_t size, const char *name, const char *tag);
/* Takes the arguments as json_unpack does, and nothing more than these. -1 with err. */
int request_args(struct request *r, const char *fmt, ...);
/* Connects to the database, as the caller's role (r->db), when it is not connected. -1 with err. */
int request_db(struct request *r);
/* As the server and not as who asks: for what verbs have to know and do not show. NULL with err. */
struct sql *request_server_db(struct request *r);
/* Does `count`, a literal that counts what there is, give less than `most`? -1 with err, "`most` `full`". */
int request_has_room(struct request *r, const char *count, uint64_t most, const char *full);
/* "2026-01-31T12:00:00.123Z", or null for 0. */
json_t *request_time(int64_t us);
/* The JSON library parses by recursion: is this, whatever it is, shallow enough for it? */
bool request_is_shallow(const char *text, size_t n);
/* Frees what json_dumps gave, wiped. NULL is fine. */
void request_text_free(char *text);
/* Call once, before threads: memory that JSON gives back is wiped, as passwords pass through it. */
void request_setup(void);

#endif
