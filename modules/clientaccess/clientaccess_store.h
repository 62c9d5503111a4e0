/*
 * clientaccess_store: an account's devices for the module: listing and revoking (store/device.h has the SQL, as logins
 * write the same tables). On workers.
 */
#ifndef CLIENTACCESS_STORE_H
#define CLIENTACCESS_STORE_H

#include "store/device.h"

struct clientaccess_list {
	const char *bare;
	struct device_row *rows;
	size_t n;
};
enum sql_status clientaccess_store_list(struct sql *db, struct arena *a, void *data, struct err *e);

struct clientaccess_revoke {
	const char *bare;
	int64_t id;
	bool found, password;
};
enum sql_status clientaccess_store_revoke(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
