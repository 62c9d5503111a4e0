/* blocking_store: the SQL of block lists (schema/0009_contacts.sql). On workers. */
#ifndef MODULES_BLOCKING_STORE_H
#define MODULES_BLOCKING_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

struct blocking_rows {
	const char **jid;
	size_t n;
};

/* Addresses that come or go. */
struct blocking_change {
	int64_t account;
	const char *jids; /* prepared, a newline between two (no address has one); NULL: all there are */
	uint64_t most;    /* addresses in a list */
	bool full;        /* out, of blocking_add: there would be more, nothing was added */
};

/* *rows: a struct blocking_rows, or NULL when the list is empty. */
enum sql_status blocking_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e);
/* `data`: a struct blocking_change. What is there already, or is not, changes nothing. */
enum sql_status blocking_add(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status blocking_remove(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
