/*
 * attached: which contents go into a mail: each once, and no more than a mail carries. What does not is in the bundle's files/ all the same.
 */
#ifndef EXPORT_ATTACHED_H
#define EXPORT_ATTACHED_H

#include "export/format.h"

#define ATTACHED_MAX 200
#define ATTACHED_BYTES (UINT64_C(64) << 20)

enum attached_how {
	ATTACHED_NOT,    /* it is not in the bundle, has gone meanwhile, or is too much */
	ATTACHED_NOW,    /* *fd is the caller's */
	ATTACHED_BEFORE, /* it is attached already */
};

struct attached;

struct attached *attached_new(void);
void attached_free(struct attached *a);
enum attached_how attached_take(struct attached *a, struct export_context *x, const struct export_file *f, int *fd);

#endif
