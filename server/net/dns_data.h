/*
 * dns_data: the data of DNS records, which comes from whoever answered. Pure functions; used by core/federation/find.c.
 */
#ifndef NET_DNS_DATA_H
#define NET_DNS_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define DNS_NAME_MAX 254 /* in text, without a final dot, with its NUL */

/* RFC 2782 */
struct dns_srv {
	uint16_t priority, weight, port;
	char target[DNS_NAME_MAX]; /* lower case; "": the root, which means that there is no such service */
};

/* Names of letters, digits, "-" and "_" only: others are no host's, and would have to be escaped. */
bool dns_read_srv(const unsigned char *p, size_t n, struct dns_srv *out);

/* RFC 6698 §2.1; `data` points into p. */
struct dns_tlsa {
	uint8_t usage, selector, matching;
	const unsigned char *data;
	size_t len;
};

/* False also for kinds that nobody knows, and for hashes of a wrong length: they are unusable (RFC 7671 §4.1). */
bool dns_read_tlsa(const unsigned char *p, size_t n, struct dns_tlsa *out);

/* The data of an A (4 bytes) or AAAA record (16) as a socket address. False for what is nobody's: 0.0.0.0/8, ::, multicast, broadcast. */
bool dns_read_address(const unsigned char *p, size_t n, uint16_t port, struct sockaddr_storage *out);

#endif
