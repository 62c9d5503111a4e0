/*
 * gateway_line: what the program of a gateway is told when it is started: one line of JSON, an object (modules/gateway/README.md).
 * For gateway_program.
 */
#ifndef ADMIN_GATEWAY_LINE_H
#define ADMIN_GATEWAY_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "core/config/config.h"
#include "core/gateway/gateway.h"

/* The line, with its end: the secret is in it, so the caller wipes it and frees it. NULL: components have no door on this machine, or memory ran out. */
char *gateway_line_make(const struct gateway *g, const struct config *c, size_t *n, struct err *e) MUST_CHECK;
/* Of what cannot change under a program that runs: kind, domain, secret. Settings can: it is told. */
uint64_t gateway_line_hash(const struct gateway *g);

#endif
