/*
 * request: one line from a control connection: checked, dispatched to its verb, answered.
 *
 * A verb runs on the connection's thread and may wait: for the database (its own connection), for reactors
 * (core/census.h), for hashing. It returns 0 for {"done":true}, or -1 with call->err for {"error":…}.
 */
#ifndef ADMIN_REQUEST_H
#define ADMIN_REQUEST_H

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "admin/audit.h"
#include "base/err.h"
#include "store/sql.h"

struct config;

/* What verbs need to know of the server; unchanged while it runs. */
struct request_server {
	int (*reload)(struct err *e);
	const struct config *started_with;
	int64_t started_us;
	atomic_bool stopping; /* long verbs look at it and give up */
};

struct request {
	struct request_server *server;
	const struct audit_who *who;
	struct sql *db;
	json_t *args; /* an object */
	struct err err;
	/* Sends one line. -1: the peer is gone, or does not read. */
	int (*send)(void *arg, const char *line, size_t n);
	void *send_arg;
};

struct request_verb {
	const char *noun, *verb;
	int (*run)(struct request *r);
};

/* Tables of verbs, ended by a NULL noun. */
extern const struct request_verb request_user_verbs[], request_people_verbs[], request_device_verbs[], request_server_verbs[],
	request_announce_verbs[], request_invite_verbs[], request_room_verbs[], request_federation_verbs[], request_federation_look_verbs[],
	request_federation_test_verbs[], request_scanner_verbs[], request_files_verbs[];

/* Answers the line. -1: the connection is of no more use. Uses the server, who, db and send of `r`. */
int request_run(struct request *r, const char *line, size_t n);

/* For verbs. {"row":row}; takes the reference. -1 with err when the peer is gone. */
int request_row(struct request *r, json_t *row);
/* Takes the arguments as json_unpack does, and nothing more than these. -1 with err. */
int request_args(struct request *r, const char *fmt, ...);
/* Connects to the database when it is not connected. -1 with err. */
int request_db(struct request *r);
/* "2026-01-31T12:00:00.123Z", or null for 0. */
json_t *request_time(int64_t us);
/* Frees what json_dumps gave, wiped. NULL is fine. */
void request_text_free(char *text);
/* Call once, before threads: memory that JSON gives back is wiped, as passwords pass through it. */
void request_setup(void);

#endif
