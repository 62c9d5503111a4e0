/*
 * hasher: many SHA-256 one after the other, cheaply: the algorithm is looked up once and the context is kept. Looking it up
 * costs more than hashing a short record.
 *
 * One thread at a time. Nothing here can fail: without SHA-256 the process ends, as no leaf may lack its hash.
 */
#ifndef PROOF_HASHER_H
#define PROOF_HASHER_H

#include <stddef.h>
#include <stdint.h>

#include "base/crypt.h"

struct hasher;
struct hasher *hasher_new(void);
/* NULL is fine. */
void hasher_free(struct hasher *h);

/* begin, any number of add, end: again and again. */
void hasher_begin(struct hasher *h);
void hasher_add(struct hasher *h, const void *p, size_t n);
void hasher_end(struct hasher *h, uint8_t out[SHA256_SIZE]);

#endif
