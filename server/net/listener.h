/*
 * listener: accepts on behalf of all reactors. The socket lives on reactor 0; accepted descriptors
 * are given round-robin to the reactors. Limits per source address and in all are kept here (a small
 * table under a mutex, as connections end on any reactor).
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct listener;
struct reactor;

/* Called on the reactor that shall own the connection. */
typedef void (*listener_fn)(int fd, const struct sockaddr *peer, void *arg);

/* `address`: "0.0.0.0:5222", "[::]:5222" (IPV6_V6ONLY is set) or "unix:/path". backlog 1024.
 * Binds and listens at once, in the calling thread, so that main can report errors and drop
 * privileges; accepting begins with listener_run. SO_REUSEADDR, never SO_REUSEPORT: a second server
 * on the same port must fail. */
struct listener *listener_new(const char *address, listener_fn fn, void *arg, struct err *e) MUST_CHECK;
void listener_run(struct listener *l);
/* The same, and all that is accepted goes to one reactor (a side one, say). */
void listener_run_on(struct listener *l, struct reactor *r);
/* The port it is bound to (":0" asks the system for one); 0 for a local socket, -1 on failure. For tests. */
int listener_port(const struct listener *l);
/* Stops accepting and closes the socket. From any thread. */
void listener_stop(struct listener *l);
/* At EMFILE/ENFILE accepting pauses for 100 ms and says so once a minute. */

/* Limits by source (conn_source text). False: over the limit, close it (counted and logged once a
 * minute per source). Pair each true with source_left. Thread-safe. */
struct source_limits {
	uint64_t connections, connections_per_address, unauthenticated_per_address;
};
void source_set_limits(const struct source_limits *l);
bool source_joined(const char *source);
/* The connection has authenticated: it no longer counts against the unauthenticated limit. */
void source_authenticated(const char *source);
void source_left(const char *source, bool authenticated);

#endif
