/*
 * access: persons of the compliance desk: their roles, the tokens they show, and as which role of the database they are served.
 *
 * A caller is in one role at a time: that of the token, or administrator where there is none (the local socket, a client of an administrator). A
 * token is 32 random bytes, of which the server keeps the SHA-256 (compliance.token).
 */
#ifndef ADMIN_ACCESS_H
#define ADMIN_ACCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "admin/audit/audit.h"
#include "base/crypt.h"
#include "base/err.h"
#include "store/sql.h"

/* Kept in the database: numbers do not change. */
enum access_role {
	ACCESS_ADMIN = 1,   /* accounts, federation, settings; reads no content */
	ACCESS_OFFICER = 2, /* search, export, hold; changes no settings */
	ACCESS_AUDITOR = 4, /* reads the audit trail, and nothing else */
	ACCESS_DPO = 8,     /* erasure, subject access; reads no content */
};
#define ACCESS_ANY 15u
#define ACCESS_ROLES 4

enum access_flag {
	ACCESS_FOUR_EYES = 1, /* waits for a second person where compliance.four_eyes is on (admin/access/approval.h) */
};

#define ACCESS_NAME 65
#define ACCESS_ORIGIN 192

/* "admin", "officer", "auditor", "dpo" */
const char *access_role_name(unsigned role);
/* 0: there is no such role. */
unsigned access_role_read(const char *name);
/* May one person have these? An administrator reads no content, and an auditor audits others. */
bool access_roles_agree(unsigned roles);

/* Connections to the database of one thread: one for each role that was asked for. */
struct access_db;
struct access_db *access_db_new(const char *conninfo, const char *application_name);
void access_db_free(struct access_db *d);
/* Never NULL, and not connected yet the first time. It stays the table's. */
struct sql *access_db_as(struct access_db *d, unsigned role);
/* For all of them, see sql_set_stop. Returns what was set before. */
const atomic_bool *access_db_set_stop(struct access_db *d, const atomic_bool *stop);

/* Who shows a token. */
struct access_caller {
	int64_t person, token;
	unsigned role;
	char name[ACCESS_NAME];
	char origin[ACCESS_ORIGIN];
	struct audit_who who;   /* points into this: do not copy */
	char *scope;            /* " noun noun.verb "; "": all that the role may */
};

/* Forgets; may be used again. */
void access_caller_fini(struct access_caller *c);
/* Fills `c` with whom the token belongs to. `shown_by`: who is at the other end, as far as known without it. `source`: for the bound on tries,
 * NULL: none. A person who comes from elsewhere, or after a while, is noted in the audit trail first. As chancery_server, in no transaction.
 * 0; -1 with *status, as HTTP has it (401, 429, 503), and `e`. Wrong tokens are logged and counted here. */
int access_identify(struct sql *db, const char *token, const struct audit_who *shown_by, const char *source, struct access_caller *c, int *status,
		    struct err *e) MUST_CHECK;
bool access_in_scope(const struct access_caller *c, const char *noun, const char *verb);

/* A new token: its text, and the hash of a text. */
#define ACCESS_TOKEN_TEXT 72
void access_token_make(char out[ACCESS_TOKEN_TEXT]);
void access_token_hash(const char *token, uint8_t out[SHA256_SIZE]);

#endif
