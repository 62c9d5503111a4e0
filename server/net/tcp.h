/*
 * tcp: how far a connection has got, as the kernel knows it. A file of its own, as linux/tcp.h and netinet/tcp.h do not go together.
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include <stdint.h>

#include "base/err.h"

/* See conn_tcp_progress. */
int tcp_progress(int fd, uint64_t *given, uint64_t *acknowledged) MUST_CHECK;

#endif
