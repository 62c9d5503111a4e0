/*
 * retention: the thread that lets go what has expired (server/archive/RETENTION.md).
 *
 * Once in compliance.retention_every, and when somebody asks (retention run), it looks through the record from its beginning, a page at a time (retention_page.h), and has wiped what
 * the classes let go and no hold covers (store/erasure.h): recorded first, then wiped, at most limits.retention_per_second. Where it is, is in
 * compliance.retention_run: what is interrupted goes on from there. It asks the database as chancery_retention, which reads no content.
 */
#ifndef ADMIN_RETENTION_H
#define ADMIN_RETENTION_H

#include <jansson.h>

#include "base/err.h"

/* A run: who has asked for it (NULL: nobody), what the server's clock says (µs). The time that counts is the earlier of its and the database's. */
#define RETENTION_BEGIN \
	"INSERT INTO compliance.retention_run (asked_by, now_at) VALUES ($1, least(now(), to_timestamp($2::bigint / 1000000.0))) RETURNING id"

int retention_start(const char *conninfo, struct err *e) MUST_CHECK;
/* A run under way goes on after the next start. */
void retention_stop(void);
/* Somebody has begun a run. Any thread. */
void retention_wake(void);
/* For status: {"retention": "idle", "running" or why it fails, "retention_last": when the last run ended, "retention_held": what it found held}. */
json_t *retention_row(void);

#endif
