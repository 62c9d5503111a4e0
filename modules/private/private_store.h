/*
 * private_store: the SQL of private XML (schema/0008_profile.sql). On workers.
 */
#ifndef PRIVATE_STORE_H
#define PRIVATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

struct private_element {
	const char *ns, *name;
	const char *xml; /* NULL: there is none */
};

struct private_job {
	int64_t account;
	struct private_element *element;
	size_t n;
	/* For changes */
	uint64_t most_bytes, most_elements; /* of the account in all, afterwards */
	bool too_much;                      /* out: that would be exceeded; nothing was written */
};

/* Fills in the xml of the elements. */
enum sql_status private_store_get(struct sql *db, struct arena *a, void *data, struct err *e);
/* Would private_store_put be too much? No element comes twice. */
enum sql_status private_store_check(struct sql *db, struct arena *a, void *data, struct err *e);
/* Writes the elements, all or none. */
enum sql_status private_store_put(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
