#include "gateway/limits.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct row {
	const char *name;
	uint64_t def, min, max;
	size_t at;
} rows[] = {
#define ROW(name, def, min, max, help) { #name, def, min, max, offsetof(struct gateway_limits, name) },
	GATEWAY_LIMITS_TABLE(ROW)
#undef ROW
};
#define ROWS (sizeof(rows) / sizeof(*rows))

static int
set(struct gateway_limits *l, const char *name, const json_t *value, struct err *err)
{
	for (size_t i = 0; i < ROWS; i++) {
		json_int_t v;

		if (strcmp(rows[i].name, name))
			continue;
		v = json_integer_value(value);
		if (!json_is_integer(value) || v < 0 || (uint64_t)v < rows[i].min || (uint64_t)v > rows[i].max)
			return err_set(err, 0, "limits.%s: a number from %" PRIu64 " to %" PRIu64, name, rows[i].min, rows[i].max);
		*(uint64_t *)((char *)l + rows[i].at) = (uint64_t)v;
		return 0;
	}
	return err_set(err, 0, "limits.%s: there is no such limit", name);
}

int
gateway_limits_read(struct gateway_limits *l, const json_t *o, struct err *err)
{
	struct gateway_limits now;
	const char *name;
	json_t *value;

	for (size_t i = 0; i < ROWS; i++)
		*(uint64_t *)((char *)&now + rows[i].at) = rows[i].def;
	if (o && !json_is_object(o))
		return err_set(err, 0, "limits: an object");
	json_object_foreach((json_t *)o, name, value) {
		if (set(&now, name, value, err))
			return -1;
	}
	/* None would ever have room: each would wait for it, and be given up. */
	if (now.files_bytes < now.file_bytes)
		return err_set(err, 0, "limits.files_bytes: not less than limits.file_bytes (%" PRIu64 "), or no file of that size is ever fetched", now.file_bytes);
	*l = now;
	return 0;
}
