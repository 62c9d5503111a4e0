/*
 * type: the true media type of a file, by libmagic.
 */
#ifndef SCAN_TYPE_H
#define SCAN_TYPE_H

#include <stddef.h>

#include "base/err.h"
#include "scan/source.h"

/* Once in the nursery: the workers share what has been loaded. 0 or -1. */
int type_load(struct err *e) MUST_CHECK;
/* Of a source that is mapped. "" when it was not found out. */
void type_of(const struct source *s, char *out, size_t size);

#endif
