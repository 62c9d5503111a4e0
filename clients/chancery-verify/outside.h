/*
 * outside: checkpoints that were kept elsewhere, compared with the tree while it grows.
 */
#ifndef VERIFY_OUTSIDE_H
#define VERIFY_OUTSIDE_H

#include "base/err.h"
#include "proof/merkle.h"

struct verify;
struct outside;

/* All checkpoints in a file of signed notes, one behind the other; torn ones are passed over. NULL and `e`: it cannot be read. */
struct outside *outside_open(const char *file, struct err *e) MUST_CHECK;
/* NULL is fine. */
void outside_close(struct outside *o);
/* The tree has come to this size: those of this size must have its root. Sizes only grow. */
void outside_compare(struct outside *o, struct verify *v, struct hasher *h, const struct merkle_frontier *tree);
/* At the end: what was compared. */
void outside_tell(struct outside *o, struct verify *v);

#endif
