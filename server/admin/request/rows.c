/*
 * rows: see rows.h.
 */
#include "admin/request/rows.h"

int
rows_give(struct request *r, PGresult *rows, json_t *(*make)(const PGresult *rows, int i))
{
	int rc = 0;

	for (int i = 0; i < PQntuples(rows) && rc == 0; i++)
		rc = request_row(r, make(rows, i));
	PQclear(rows);
	return rc;
}

json_t *
rows_text(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) ? json_null() : json_string(sql_text(rows, i, col));
}

json_t *
rows_time(const PGresult *rows, int i, int col)
{
	return sql_is_null(rows, i, col) ? json_null() : request_time(sql_i64(rows, i, col));
}
