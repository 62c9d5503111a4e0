/*
 * zip_box: a small zip in a scratch file, for what is a zip within a file of the bundle. One thread; an error is final.
 */
#ifndef EXPORT_ZIP_BOX_H
#define EXPORT_ZIP_BOX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

struct zip_box;

/* `to` is empty and stays the caller's; `at_us` dates all members. */
struct zip_box *zip_box_new(FILE *to, int64_t at_us);
void zip_box_free(struct zip_box *z);
/* All of `from`, from its beginning. `packed`: deflated. The name is UTF-8 and none that is in it already. */
int zip_box_add(struct zip_box *z, const char *name, FILE *from, bool packed, struct err *e) MUST_CHECK;
/* The directory. Nothing can be added afterwards. */
int zip_box_end(struct zip_box *z, struct err *e) MUST_CHECK;

#endif
