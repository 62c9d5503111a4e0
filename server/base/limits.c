/*
 * limits: the defaults, made from the table.
 */
#include "base/limits.h"

const struct limits limits_default = {
#define LIMITS_DEFAULT(name, def, min, max, help) .name = def,
	LIMITS_TABLE(LIMITS_DEFAULT)
#undef LIMITS_DEFAULT
};

#define LIMITS_CHECK(name, def, min, max, help) \
	_Static_assert((def) >= (min) && (def) <= (max), "limit " #name " is out of its own range");
LIMITS_TABLE(LIMITS_CHECK)
#undef LIMITS_CHECK
