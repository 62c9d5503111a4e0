/*
 * metrics: the page that Prometheus reads, on listen.metrics.
 *
 * Read-only and meant for the local machine: GET and HEAD of /metrics, one request a connection, nothing
 * else of HTTP. One thread, a few connections at once, each with a deadline.
 */
#ifndef ADMIN_METRICS_H
#define ADMIN_METRICS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "core/config/config.h"

#define METRICS_REQUEST_MAX 8192

/* Binds all addresses and starts the thread; with an empty list does nothing. 0 or -1. */
int metrics_start(const struct config_list *addresses, struct err *e) MUST_CHECK;
void metrics_stop(void);

/* Answers a request head (up to and with the empty line) into `out`. For the thread, and for tests. */
void metrics_answer(const char *head, size_t n, struct buf *out);

#endif
