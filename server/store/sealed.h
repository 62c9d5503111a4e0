/*
 * sealed: secrets that the database keeps, of others and of second factors, encrypted under a key that it does not have: AES-256-GCM, with a nonce of its own for each, bound to
 * what it belongs to. The key is in a file of mode 0600, for the server alone (gateways.key_file). It holds several keys while they are being exchanged, a
 * line each, "ID KEY" in hexadecimal, the one in force first. Whoever loses it has lost what is sealed. Any thread.
 */
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"

#define SEALED_TEXT_MAX 65536 /* bytes */
#define SEALED_KEYS_MAX 16    /* in the file */

struct sealed {
	unsigned key_id;
	const char *nonce, *text; /* in hexadecimal */
};

/* Reads the file. When it is not there, nothing can be sealed or opened until sealed_make. -1: it is there, and wrong. */
int sealed_start(const char *file, struct err *e) MUST_CHECK;
void sealed_stop(void);
/* Is there a key? */
bool sealed_has_key(void);
/* Makes the file with a first key, unless there is a key by now. */
int sealed_make(struct err *e) MUST_CHECK;
/* A new key in front of the others, on disk when it returns; what is sealed from then on is sealed under it. *id: its. */
int sealed_new_key(unsigned *id, struct err *e) MUST_CHECK;
/* Forgets all keys but the one in force and these: under the others nothing is sealed any more. */
int sealed_keep_only(const unsigned *ids, unsigned n, struct err *e) MUST_CHECK;
unsigned sealed_key_id(void);
/* Is the key of this id here? */
bool sealed_has(unsigned id);

/* `owner`: what it is bound to, n bytes. In `a`. */
int sealed_seal(struct arena *a, const char *owner, size_t n, const char *text, struct sealed *out, struct err *e) MUST_CHECK;
/* The text, in `a`, to be wiped by the caller; NULL: it is not what was sealed for this owner, or its key is not here. */
char *sealed_open(struct arena *a, const char *owner, size_t n, const struct sealed *s, struct err *e) MUST_CHECK;

#endif
