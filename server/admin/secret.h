/*
 * secret: from addresses and passwords as people give them to what is stored. No database, no I/O; hashing
 * is CPU-heavy and not for a reactor.
 */
#ifndef ADMIN_SECRET_H
#define ADMIN_SECRET_H

#include "base/err.h"
#include "store/account.h"

struct config;
struct jid;

#define SECRET_PASSWORD_MAX 1023 /* bytes, prepared */

/* The bare JID of an account here: local part and one of the hosts. NULL and `e`. */
struct jid *secret_account_jid(const struct config *c, const char *text, struct err *e) MUST_CHECK;
/* Keys of all mechanisms with new salts. 0, or -1 and `e`: the password is empty, too long, or has
 * characters that passwords may not have (RFC 8265 §4.2). */
int secret_make(struct account_secret *out, const char *password, uint32_t iterations,
		struct err *e) MUST_CHECK;
/* Only the check. */
int secret_check_password(const char *password, struct err *e) MUST_CHECK;

#endif
