/* push_store: the SQL of push services (schema/0006_push.sql). On workers. */
#ifndef MODULES_PUSH_STORE_H
#define MODULES_PUSH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

struct push_row {
	const char *jid, *node, *resource;
	const char *options; /* NULL: none */
};

struct push_rows {
	struct push_row *row;
	size_t n;
};

struct push_change {
	int64_t account;
	struct push_row row; /* push_store_remove: node NULL: all of the jid */
	uint64_t most;       /* services an account may have */
	bool full;           /* out, of push_store_put */
};

/* *rows: a struct push_rows, or NULL when there is none. */
enum sql_status push_store_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e);
/* `data`: a struct push_change. */
enum sql_status push_store_put(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status push_store_remove(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
