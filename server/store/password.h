/*
 * password: from a password as people type it to what is stored of it. No database, no I/O; hashing is CPU-heavy and not
 * for a reactor.
 */
#ifndef STORE_PASSWORD_H
#define STORE_PASSWORD_H

#include "base/err.h"
#include "store/account.h"

#define PASSWORD_BYTES_MAX 1023 /* prepared */

/* -1 and `e`: empty, too long, or with characters that passwords may not have (RFC 8265 §4.2). */
int password_check(const char *password, struct err *e) MUST_CHECK;
/* Keys of all mechanisms with new salts. The same refusals. */
int password_keys(struct account_secret *out, const char *password, uint32_t iterations, struct err *e) MUST_CHECK;

#endif
