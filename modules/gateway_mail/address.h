/*
 * address: addresses of mail: which are ones we take, what a user's is, and tokens, by which an answer shows that it is one. Pure.
 *
 * A user's address is USER@DOMAIN; with a token USER+TOKEN@DOMAIN, where the token is a MAC over the user and whoever was written to. It is in
 * Reply-To and in the envelope of what leaves, so answers and bounces come to it, and nobody else knows it.
 */
#ifndef GATEWAY_MAIL_ADDRESS_H
#define GATEWAY_MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

#define ADDRESS_LOCAL_MAX 64   /* RFC 5321 §4.5.3.1 */
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_KEY 32
#define TOKEN_CHARS 26         /* 128 bits in base32 */

/* The address as it is compared and shown: a dot-atom, lower case, at a domain of letters, digits and hyphens with a dot in it. NULL: quoted local
 * parts, literals, what is not ASCII, what is too long. Systems that tell upper from lower case in a local part are not known any more. */
const char *address_clean(struct arena *a, const char *address);

/* The local part of a JID as one of mail, "=hh" for what mail cannot say, and for '+' and '='; and back. NULL: too long; or not one of ours. */
const char *address_of_user(struct arena *a, const char *user);
const char *address_user(struct arena *a, const char *local, size_t n);

/* Lower-case base32 of a MAC over these texts. `key` has ADDRESS_KEY bytes. */
void address_token(const uint8_t *key, const char *what, const char *one, const char *two, char out[TOKEN_CHARS + 1]);

/* Of an address in an envelope, at `domain`: whose it is, and its token ("": none). -1: it is at another domain, or not of that form. */
int address_read(struct arena *a, const char *address, const char *domain, const char **user, const char **token);

/* "a.b.example" is "b.example" or below it. */
bool address_is_below(const char *domain, const char *parent);

#endif
