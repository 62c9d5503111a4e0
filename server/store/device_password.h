/*
 * device_password: passwords beside the account's own, each made by the server for one client, shown once, and ended by revoking the device it stands
 * for (device_revoke). For clients that cannot do what the account's own password asks for, and for programs. On workers and in control threads.
 *
 * Such a password is a row of chancery.device with keys (schema/0069): it is listed, noted as used and revoked as any device is, and its sessions are that
 * device's. It goes when the account's own password is changed.
 */
#ifndef STORE_DEVICE_PASSWORD_H
#define STORE_DEVICE_PASSWORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

#define DEVICE_PASSWORD_SIZE 35   /* seven groups of four characters, 140 bits, with the NUL */
#define DEVICE_PASSWORD_NAME 128  /* bytes of a name at most */

struct device_password {
	const char *bare, *name;
	int64_t by;      /* the device whose session asks for it; 0: none that is known */
	uint64_t most;   /* an account has */
	/* Out */
	enum device_password_how {
		DEVICE_PASSWORD_MADE,
		DEVICE_PASSWORD_NOBODY,   /* no such account, or one without a password */
		DEVICE_PASSWORD_TOO_MANY,
		DEVICE_PASSWORD_BY_ITSELF, /* who asks came in by such a password */
	} how;
	int64_t id;
	char text[DEVICE_PASSWORD_SIZE]; /* to be wiped */
};
/* Empty, too long, or with control characters: not to be shown in a list. */
bool device_password_is_name(const char *name);
/* In a transaction of the caller, who records it before the commit. Hashes: takes as long as three logins do. */
enum sql_status device_password_make(struct sql *db, struct device_password *p, struct err *e);
/* Is it the device of such a password? */
enum sql_status device_password_is(struct sql *db, int64_t device, bool *is, struct err *e);

#endif
