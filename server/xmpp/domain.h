/*
 * domain: domainparts by RFC 7622 §3.2: host names by IDNA2008 with the mapping of UTS 46, or
 * IP literals. Used by jid.c; thread-safe.
 */
#ifndef XMPP_DOMAIN_H
#define XMPP_DOMAIN_H

#include <stddef.h>

/* Writes the prepared form with a NUL into out, which holds `max` bytes, and returns its
 * length, or -1 when malformed. Names come out as lower-case U-labels without a final dot,
 * IPv6 addresses in brackets in the form of RFC 5952: equal domains have equal bytes. */
int domain_prepare(const char *s, size_t n, char *out, size_t max);

/* A prepared name as DNS and TLS have it: A-labels. Length or -1; what is ASCII stays as it is. */
int domain_to_ascii(const char *prepared, char *out, size_t max);

#endif
