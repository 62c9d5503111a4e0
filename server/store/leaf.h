/*
 * leaf: the row of a record as COPY BINARY takes it, and INSERT with binary parameters, with its leaf hash.
 *
 * The canonical form (proof/canonical.h) is the row's own binary form in PostgreSQL, so a row is encoded
 * once: the bytes that are hashed are the bytes that are sent. Used by the writer's thread.
 */
#ifndef STORE_LEAF_H
#define STORE_LEAF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "proof/canonical.h"

#define LEAF_SALT CANONICAL_SALT
#define LEAF_COLUMNS 23
#define LEAF_COPY_HEAD 19 /* bytes before the first row */

struct leaf_record {
	struct canonical is;
	size_t stanza_len; /* the other texts end with a NUL */
	/* Not in the canonical form, like the numbers of the addresses that go with it (address.h): who has it in their history. */
	bool shown;
	uint64_t from_key, to_key; /* crypt_hash of the bare addresses; 0: computed here */
	bool recipient_only; /* without the number of its sender */
};

struct leaf_hasher;
struct leaf_hasher *leaf_hasher_new(void);
void leaf_hasher_free(struct leaf_hasher *h);
/* Rows that were made may not be in the record, or somebody else's are: every conversation opens a new span (address.h). So it does behind a record of an
 * erasure, by itself: what opened a span before may be among what is wiped. */
void leaf_forget_spans(struct leaf_hasher *h);

/* The COPY statement these rows are for. */
extern const char leaf_copy_sql[];
/* A COPY BINARY stream: begin, rows, end. `leaf` receives the row's hash. */
void leaf_copy_begin(struct buf *out);
void leaf_copy_row(struct leaf_hasher *h, struct buf *out, const struct leaf_record *r,
		   const uint8_t salt[LEAF_SALT], uint8_t leaf[SHA256_SIZE]);
void leaf_copy_end(struct buf *out);

/* The same as one statement with parameters, all of them binary. Its text for so many rows; the caller frees it. */
char *leaf_insert_sql(size_t rows);
/* The parameters, LEAF_COLUMNS for each row of the stream, which they borrow; NULL is NULL. */
void leaf_insert_params(const struct buf *stream, size_t rows, const char **value, int *len);

#endif
