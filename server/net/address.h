/*
 * address: socket addresses as text and back. Pure functions; used by conn and listener.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"

/* Holds any address or source text with its NUL. */
#define ADDRESS_TEXT 64

/* "192.0.2.1", "2001:db8::1", "unix" for local sockets, "unknown" for NULL and other families. An
 * IPv4 address mapped into IPv6 is written as IPv4. */
void address_text(const struct sockaddr *sa, char out[ADDRESS_TEXT]);
/* What counts as one peer: the IPv4 address, or the IPv6 network: "2001:db8:1:2::/64". */
void address_source(const struct sockaddr *sa, char out[ADDRESS_TEXT]);
/* "192.0.2.1:5222", "[::]:5222" or "unix:/path". Numbers only: no name is looked up. */
int address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len, struct err *e) MUST_CHECK;

#endif
