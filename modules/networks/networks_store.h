/*
 * networks_store: what the programs of gateways keep here (schema/0048): registrations, credentials, small values. Plain values in, plain values out.
 */
#ifndef NETWORKS_STORE_H
#define NETWORKS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

struct networks_row {
	const char *key;   /* of users: their address */
	const char *mode;  /* of users */
	const char *value;
};

struct networks_job {
	const char *gateway, *domain;  /* its name; who asks */
	const char *jid;               /* of a user: bare; of a value: whose it is, NULL: the program's own */
	const char *key, *value, *mode;
	const char *prefix, *after;    /* a page: of keys that begin so, behind this one; "" */
	unsigned page;                 /* rows of it, at most */
	uint64_t most;                 /* rows that there may be in all */
	/* Out */
	bool found, full, lost;        /* full: there are too many; lost: it is there, and cannot be read (its key has gone) */
	bool nobody;                   /* there is no account `jid` (any more) */
	bool more;
	struct networks_row *row;
	unsigned n;
};

/* module_work_fn; `data` is a struct networks_job. */
enum sql_status networks_store_users(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_put_user(struct sql *db, struct arena *a, void *data, struct err *e);
/* With the credential. */
enum sql_status networks_store_remove_user(struct sql *db, struct arena *a, void *data, struct err *e);
/* Each is an audit record before it is answered. `value` is wiped by who asked. */
enum sql_status networks_store_credential(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_put_credential(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_remove_credential(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_value(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_values(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_put_value(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status networks_store_remove_value(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
