/*
 * sql_value: values between C and the text format of parameters and rows.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "store/sql.h"

const char *
sql_number(char out[SQL_NUMBER], int64_t n)
{
	snprintf(out, SQL_NUMBER, "%" PRId64, n);
	return out;
}

const char *
sql_text(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col);
}

int64_t
sql_i64(const PGresult *r, int row, int col)
{
	int64_t v = 0;
	const char *s = PQgetvalue(r, row, col);

	return text_i64(s, strlen(s), INT64_MIN, INT64_MAX, &v) ? v : 0;
}

bool
sql_bool(const PGresult *r, int row, int col)
{
	return PQgetvalue(r, row, col)[0] == 't';
}

bool
sql_is_null(const PGresult *r, int row, int col)
{
	return PQgetisnull(r, row, col) != 0;
}
