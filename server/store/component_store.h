/*
 * component_store: the SQL of components (schema/0046). A component is known by its name. Lists are texts with a line for each item.
 */
#ifndef STORE_COMPONENT_STORE_H
#define STORE_COMPONENT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sql.h"

enum component_column {
	COMPONENT_NAME, COMPONENT_SECRET, COMPONENT_ENABLED, COMPONENT_KINDS, COMPONENT_PER_SECOND, COMPONENT_KEEP,
	COMPONENT_DOMAINS,    /* a line each */
	COMPONENT_GRANTS,     /* a line each: PRIVILEGE ACCESS, and for iq the namespace */
	COMPONENT_CREATED_US, COMPONENT_CHANGED_US, COMPONENT_CHANGED_BY,
};

struct component_row {
	const char *name, *secret, *domains, *who;
	int64_t kinds, per_second;
	bool keep;
};

/* By name; `name` NULL: all. Columns as above. */
enum sql_status component_store_read(struct sql *db, const char *name, PGresult **rows, struct err *e);
/* Changes of components follow each other in the transaction that is under way. */
enum sql_status component_store_lock(struct sql *db, struct err *e);
/* The name stands for these domains for ever (gateway_store_domains). *why: what stands against it, NULL when it was added. */
enum sql_status component_store_add(struct sql *db, const struct component_row *r, uint64_t most, const char **why, struct err *e);
/* What is NULL or negative stays as it is. `keep`, `enabled`: 1, 0. */
struct component_change {
	const char *secret;
	int64_t kinds, per_second;
	int keep, enabled;
};
#define COMPONENT_UNCHANGED { .kinds = -1, .per_second = -1, .keep = -1, .enabled = -1 }
enum sql_status component_store_change(struct sql *db, const char *name, const struct component_change *c, const char *who, bool *found, struct err *e);
/* Privileges: `ns` "" but for iq. A grant replaces the one of the same kind. *why as above; *found: there was one. */
struct component_grant {
	const char *name, *privilege, *ns, *access, *who;
};
enum sql_status component_store_grant(struct sql *db, const struct component_grant *g, uint64_t most, const char **why, struct err *e);
enum sql_status component_store_revoke(struct sql *db, const struct component_grant *g, bool *found, struct err *e);
enum sql_status component_store_remove(struct sql *db, const char *name, bool *found, struct err *e);

#endif
