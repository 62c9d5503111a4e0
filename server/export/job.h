/*
 * job: one export from beginning to end, or from where an earlier run has ended (README.md).
 *
 * What is to be done is a JSON object from the server (channel.h):
 *
 *     job id  dir path  conninfo text  role text  vault path  hosts [domain]  query object  query_text text  formats [name]
 *     asked_by, approved_by, reason text or null  asked_us, started_us µs  csv_bom bool
 *     size n, checkpoint text  the tree that it is proved against, by its signed checkpoint
 *     keys [{vkey, since, handover}]  limits {bytes, files, records, seconds, memory, statements, wait_ms}
 *
 * `dir` is the job's own folder. In it: selection and orders (order.h), the zip and its journal (bundle_out.h).
 */
#ifndef EXPORT_JOB_H
#define EXPORT_JOB_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* All of it; the answer to the server is the caller's. *done: what it is told. -1: why not, and whether another run may go on where this has ended. */
int job_run(const json_t *what, json_t **done, bool *again, struct err *e) MUST_CHECK;

#endif
