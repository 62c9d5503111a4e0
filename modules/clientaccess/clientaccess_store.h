/*
 * clientaccess_store: an account's devices for the module: listing and revoking (store/device.h has the SQL, as logins
 * write the same tables). On workers.
 */
#ifndef CLIENTACCESS_STORE_H
#define CLIENTACCESS_STORE_H

#include "store/device.h"
#include "store/device_password.h"
#include "store/second_factor.h"

struct clientaccess_list {
	const char *bare;
	struct device_row *rows;
	size_t n;
};
enum sql_status clientaccess_store_list(struct sql *db, struct arena *a, void *data, struct err *e);

struct clientaccess_revoke {
	const char *bare, *by; /* by: the resource of who asks */
	int64_t id;
	bool found, password;
};
/* Recorded as what its owner does to an account is, before it is done. */
enum sql_status clientaccess_store_revoke(struct sql *db, struct arena *a, void *data, struct err *e);

/* A session that no device is known of: nothing is there to be changed. */
struct clientaccess_close {
	const char *bare, *by, *resource;
};
/* Likewise. */
enum sql_status clientaccess_store_close(struct sql *db, struct arena *a, void *data, struct err *e);

struct clientaccess_password {
	struct device_password password;
};
/* Likewise. */
enum sql_status clientaccess_store_password(struct sql *db, struct arena *a, void *data, struct err *e);

struct clientaccess_factor {
	struct second_factor factor;
};
/* A secret that waits to be confirmed, which changes nothing yet; and its confirmation, likewise recorded. */
enum sql_status clientaccess_store_factor(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status clientaccess_store_confirm(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
