/*
 * record_backlog: what a user has not received yet, read from the record (see record.h). Runs on workers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/address.h"
#include "store/record.h"

/* A RETURNED record comes after the one it is about: older partitions need not be looked at for it. */
enum sql_status
record_backlog(struct sql *db, struct arena *a, const char *to_bare, uint64_t after, uint64_t upto,
	       unsigned limit, struct record_row **rows, size_t *n, struct err *e)
{
	char hash[24], from[24], to[24], max[12];
	PGresult *r;
	struct record_row *row;
	enum sql_status st;

	*rows = NULL;
	*n = 0;
	snprintf(hash, sizeof(hash), "%" PRId64, address_hash(to_bare));
	snprintf(from, sizeof(from), "%" PRIu64, after);
	snprintf(to, sizeof(to), "%" PRIu64, upto);
	snprintf(max, sizeof(max), "%u", limit);
	st = sql_query(
		db, e, &r,
		"SELECT r.id, (extract(epoch FROM r.at) * 1000000)::bigint, r.stanza FROM archive.record r"
		" WHERE " RECORD_BACKLOG_ROWS
		" ORDER BY r.id LIMIT $4::bigint",
		5, to_bare, from, to, max, hash);
	if (st != SQL_OK)
		return st;
	row = arena_alloc(a, ((size_t)PQntuples(r) + 1) * sizeof(*row));
	for (int i = 0; i < PQntuples(r); i++) {
		row[i].id = (uint64_t)sql_i64(r, i, 0);
		row[i].at_us = sql_i64(r, i, 1);
		row[i].stanza_len = (size_t)PQgetlength(r, i, 2);
		row[i].stanza = arena_strndup(a, sql_text(r, i, 2), row[i].stanza_len);
	}
	*rows = row;
	*n = (size_t)PQntuples(r);
	PQclear(r);
	return SQL_OK;
}
