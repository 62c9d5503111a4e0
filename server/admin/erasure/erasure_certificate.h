/*
 * erasure_certificate: says, signed with the log's key, what was erased of a request (server/archive/ERASURE.md has its form). It names no person and no
 * content: log indexes, leaf hashes, the records of the erasure, and the checkpoint that covers them.
 */
#ifndef ADMIN_ERASURE_CERTIFICATE_H
#define ADMIN_ERASURE_CERTIFICATE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "store/sql.h"

struct erasure_certificate {
	int64_t request;
	uint64_t decision, held;
};

/* Appends the signed note. `db` is as chancery_retention, `log` as chancery_server (checkpoints and keys). Waits for a checkpoint: not on a reactor. */
int erasure_certificate_make(struct sql *db, struct sql *log, const struct erasure_certificate *c, struct buf *out, struct err *e) MUST_CHECK;

#endif
