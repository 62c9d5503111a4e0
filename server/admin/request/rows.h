/*
 * rows: what a query has found, as the rows that a verb answers.
 */
#ifndef ADMIN_ROWS_H
#define ADMIN_ROWS_H

#include <jansson.h>

#include "admin/request/request.h"
#include "store/sql.h"

/* Each row as `make` has it. Takes `rows`. -1 with err when the peer is gone. */
int rows_give(struct request *r, PGresult *rows, json_t *(*make)(const PGresult *rows, int i)) MUST_CHECK;
/* A column that may be NULL, which is null: a text; a time in µs since 1970. */
json_t *rows_text(const PGresult *rows, int i, int col);
json_t *rows_time(const PGresult *rows, int i, int col);

#endif
