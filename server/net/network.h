/*
 * network: ranges of addresses: those that an administrator names, and those that are not of the public internet. Pure functions; any thread.
 */
#ifndef NET_NETWORK_H
#define NET_NETWORK_H

#include <stdbool.h>
#include <sys/socket.h>

struct network {
	int family;              /* AF_INET, AF_INET6 */
	unsigned char bytes[16]; /* the first 4 or 16 */
	unsigned bits;           /* that count */
};

/* "10.0.0.0/8", "fd00::/8", or one address. Bits behind the prefix must be zero. False: it is none. */
bool network_parse(const char *text, struct network *out);
/* Families are never mixed: 10.0.0.0/8 does not have ::ffff:10.0.0.1. */
bool network_has(const struct network *n, const struct sockaddr *sa);
/* Is it an address that somebody on the internet may have as a host of its own, by the registries of special addresses (RFC 6890 and what followed)?
 * Not: private and shared ones, loopback, link-local, documentation, multicast, what is reserved; and of IPv6 nothing that has an IPv4 address in
 * it (mapped, compatible, NAT64, 6to4, Teredo, ISATAP), which leads elsewhere than it seems. */
bool network_is_public(const struct sockaddr *sa);

#endif
