/*
 * api: the verbs for persons with a token, over HTTPS (core/web/api.h has the HTTP). For scripts, for `chancery --server`, and for a web console.
 *
 *     POST /api/v1/NOUN/VERB    {"name": …}, the arguments      Authorization: Bearer TOKEN
 *     POST /api/v1/NOUN         where the noun stands alone
 *     GET  /api/v1/exports/ID   a finished export, whole or in part (RFC 9110 §14)
 *     GET  /api/v1/openapi.json what there is, who may, which arguments (no token needed)
 *
 * The answer is {"rows":[…],"next":…}; with Accept: application/x-ndjson the lines of the control socket, as they come: {"row":…}, {"next":…}, at the
 * end {"done":true} or {"error":"text","status":N}. What is refused before the first row is application/problem+json (RFC 9457).
 *
 * limits.api_at_once threads, each with connections of its own; orders wait their turn, limits.api_waiting of them.
 */
#ifndef ADMIN_API_H
#define ADMIN_API_H

#include <jansson.h>

#include "base/err.h"

/* After control_start. 0 or -1. */
int admin_api_start(const char *conninfo, struct err *e) MUST_CHECK;
/* Before control_stop: what is under way is told that its client has gone, what waits is refused; joins the threads. Reactors must still run. */
void admin_api_stop(void);
/* api_describe.c: OpenAPI 3.1 of the tables of verbs. */
json_t *admin_api_describe(void);

#endif
