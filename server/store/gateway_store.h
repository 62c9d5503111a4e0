/*
 * gateway_store: the SQL of gateways that administrators need (schema/0048); what their programs keep is modules/networks/networks_store's.
 * A gateway is a component, too, of the same name: that is component_store's.
 */
#ifndef STORE_GATEWAY_STORE_H
#define STORE_GATEWAY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/sql.h"

enum gateway_column {
	GATEWAY_NAME, GATEWAY_KIND, GATEWAY_SETTINGS, GATEWAY_DOMAIN, GATEWAY_ENABLED, GATEWAY_SECRET, GATEWAY_PER_SECOND,
	GATEWAY_RULES,        /* a line each: ALLOWED(t or f) RIGHTS PER_MINUTE GROUP */
	GATEWAY_USERS,        /* how many have registered */
	GATEWAY_CHANGED_US, GATEWAY_CHANGED_BY,
};

/* By name; `name` NULL: all. Columns as above. */
enum sql_status gateway_store_read(struct sql *db, const char *name, PGresult **rows, struct err *e);
/* Is there one of this name? */
enum sql_status gateway_store_is(struct sql *db, const char *name, bool *is, struct err *e);
/* Its component is there already, in this transaction. */
enum sql_status gateway_store_add(struct sql *db, const char *name, const char *kind, const char *settings, const char *who,
	struct err *e);
enum sql_status gateway_store_set(struct sql *db, const char *name, const char *settings, const char *who, bool *found, struct err *e);

struct gateway_rule_row {
	const char *gateway, *group, *who;
	bool allowed;
	int64_t rights, per_minute;
};
/* In place of the one for the same group. *why: what stands against it, NULL when it was put. */
enum sql_status gateway_store_rule(struct sql *db, const struct gateway_rule_row *r, uint64_t most, const char **why, struct err *e);
enum sql_status gateway_store_forget(struct sql *db, const char *name, const char *group, bool *found, struct err *e);
/* Those who have registered behind `after`: jid, mode, since in µs, has a credential. */
enum sql_status gateway_store_users(struct sql *db, const char *name, const char *after, unsigned most, PGresult **rows, struct err *e);
/* The domains that a gateway or a component of this name has, or has had. */
enum sql_status gateway_store_domains(struct sql *db, const char *name, PGresult **rows, struct err *e);

/* Credentials, to be sealed anew: gateway, jid, key id, nonce and what is sealed in hexadecimal; those of other keys than `key_id`, a page. In a
 * transaction: until its end nobody else writes one. Those of gateway "" are accounts' second factors (store/second_factor), which are sealed under the same keys. */
enum sql_status gateway_store_lock_credentials(struct sql *db, struct err *e);
enum sql_status gateway_store_stale_credentials(struct sql *db, unsigned key_id, unsigned most, PGresult **rows, struct err *e);
/* The ids of the keys under which something is sealed. */
enum sql_status gateway_store_key_ids(struct sql *db, PGresult **rows, struct err *e);
enum sql_status gateway_store_reseal(struct sql *db, const char *gateway, const char *jid, unsigned key_id, const char *nonce, const char *sealed,
	struct err *e);

#endif
