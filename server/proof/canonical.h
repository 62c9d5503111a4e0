/*
 * canonical: the canonical form of a record, and its leaf hash (schema/README.md, "Leaf hash").
 *
 * The form is the row's own binary form in PostgreSQL's COPY: the archive writer encodes a row once, and the bytes that are hashed are
 * the bytes that are sent. Who verifies makes the same bytes from what an export or a row says.
 */
#ifndef PROOF_CANONICAL_H
#define PROOF_CANONICAL_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "proof/hasher.h"

#define CANONICAL_SALT 16
#define CANONICAL_FORM 1
/* PostgreSQL counts its time from 2000-01-01. */
#define CANONICAL_EPOCH_US INT64_C(946684800000000)

/* The text columns, in their order. */
enum canonical_text {
	CANONICAL_FROM_BARE,
	CANONICAL_FROM_RESOURCE,
	CANONICAL_TO_BARE,
	CANONICAL_TO_RESOURCE,
	CANONICAL_TYPE,
	CANONICAL_CLIENT_ID,
	CANONICAL_REFERS_TO,
	CANONICAL_BODY,
	CANONICAL_STANZA,
	CANONICAL_TEXTS
};

/* Borrows its texts. */
struct canonical {
	uint64_t id, log_index;
	int64_t at_us;          /* since 1970 */
	uint64_t refers_record; /* 0: NULL */
	int kind, direction;    /* those of PostgreSQL's smallint */
	bool deliverable;
	const char *text[CANONICAL_TEXTS]; /* NULL: NULL */
};

/* Bytes of the form but for the texts themselves: seven fixed columns and nine lengths. */
#define CANONICAL_FIXED (4 * 12 + 2 * 6 + 5 + 4 * CANONICAL_TEXTS)

/* Fields as COPY BINARY has them, for the form and for the columns behind it: a length in four bytes, big-endian, and the bytes. NULL
 * is the length -1. Each returns where the next goes. */

static inline char *
canonical_put32(char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static inline char *
canonical_null(char *p)
{
	return canonical_put32(p, UINT32_MAX);
}

static inline char *
canonical_field16(char *p, int v)
{
	uint16_t be = htobe16((uint16_t)v);

	p = canonical_put32(p, 2);
	memcpy(p, &be, 2);
	return p + 2;
}

static inline char *
canonical_field64(char *p, uint64_t v)
{
	p = canonical_put32(p, 8);
	v = htobe64(v);
	memcpy(p, &v, 8);
	return p + 8;
}

static inline char *
canonical_field(char *p, const void *s, size_t n)
{
	p = canonical_put32(p, (uint32_t)n);
	if (n > 0)
		memcpy(p, s, n);
	return p + n;
}

/* Writes the form at `p`, where CANONICAL_FIXED bytes and those of the texts have room; len[i] are the bytes of text[i]. Returns its end. */
char *canonical_write(char *p, const struct canonical *r, const size_t len[CANONICAL_TEXTS]);
/* SHA-256(0x00 || salt || form number || canonical form). */
void canonical_leaf(struct hasher *h, const uint8_t salt[CANONICAL_SALT], const char *form, size_t n, uint8_t leaf[SHA256_SIZE]);

#endif
