/*
 * log_copy: reads many rows as PostgreSQL has them (COPY … TO STDOUT BINARY), one at a time, in no memory to speak of. Of a record, the first
 * columns in this form are its canonical form (proof/canonical.h): they are hashed as they come.
 */
#ifndef ARCHIVE_LOG_COPY_H
#define ARCHIVE_LOG_COPY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

/* A column: where its bytes are, or n is -1 for NULL. */
struct log_field {
	const char *at; /* of its length; the bytes are behind it */
	int32_t n;
};

#define LOG_FIELDS_MAX 24

/* A row, borrowed for the call. */
typedef void (*log_row_fn)(void *arg, const struct log_field *f);

/* Runs "COPY (…) TO STDOUT BINARY", whose rows have `columns` fields. The statement is text of ours with numbers in it and nothing else. Stops when
 * *stop becomes true. */
enum sql_status log_copy(struct sql *db, const char *statement, unsigned columns, log_row_fn row, void *arg, const atomic_bool *stop, struct err *e);

/* The value of an integer column of 2 or 8 bytes; 0 when it is none. */
int64_t log_field_integer(const struct log_field *f);

#endif
