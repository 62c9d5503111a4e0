/*
 * auth: throttling of logins, and the secret behind fake salts. Any reactor; a mutex held for some
 * table look-ups.
 *
 * Failures are counted for a minute per (account, address) and per address. Over the first limit that address
 * cannot try that account (its owner can, from elsewhere); over the second, the address can try no account
 * except those that have logged in from it before.
 */
#ifndef CORE_AUTH_H
#define CORE_AUTH_H

#include <stdbool.h>
#include <stdint.h>

/* `bare` need not exist; `source` as conn_source. */
bool auth_may_try(const char *bare, const char *source);
void auth_failed(const char *bare, const char *source);
void auth_succeeded(const char *bare, const char *source);

/* Rights that end while a login is under way: it notes the moment before it looks anything up, and asks at the end. The
 * last few hundred revocations are known; who began before them is told to try again. */
uint64_t auth_moment(void);
void auth_revoked(const char *bare);
bool auth_revoked_since(const char *bare, uint64_t moment);

/* One more attempt to register an account from there: false when there were too many in the last minute. */
bool auth_may_register(const char *source);

/* 32 bytes kept in the database, for scram_keys_fake: set once at start. */
void auth_set_secret(const uint8_t secret[32]);
const uint8_t *auth_secret(void);
void auth_stop(void);

#endif
