/*
 * dns_data: the data of DNS records: bytes in, plain values out.
 */
#include "net/dns_data.h"

#include <netinet/in.h>
#include <string.h>

#define LABEL_MAX 63

static uint16_t
read_u16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* 0: no character of a host's name. */
static char
host_char(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c + ('a' - 'A'));
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ? (char)c : 0;
}

/* A name that is not compressed and fills the n bytes (RFC 1035 §3.1, §4.1.4). */
static bool
read_name(const unsigned char *p, size_t n, char out[DNS_NAME_MAX])
{
	size_t at = 0, len = 0;

	while (at < n && p[at]) {
		size_t label = p[at++];

		if (label > LABEL_MAX || label >= n - at || len + label + 2 > DNS_NAME_MAX)
			return false;
		if (len)
			out[len++] = '.';
		for (; label > 0; label--)
			if (!(out[len++] = host_char(p[at++])))
				return false;
	}
	out[len] = '\0';
	return at + 1 == n;
}

bool
dns_read_srv(const unsigned char *p, size_t n, struct dns_srv *out)
{
	if (n < 7)
		return false;
	out->priority = read_u16(p);
	out->weight = read_u16(p + 2);
	out->port = read_u16(p + 4);
	return read_name(p + 6, n - 6, out->target);
}

bool
dns_read_tlsa(const unsigned char *p, size_t n, struct dns_tlsa *out)
{
	static const size_t lengths[] = {0, 32, 64}; /* any, SHA-256, SHA-512 */

	if (n < 4 || p[0] > 3 || p[1] > 1 || p[2] > 2 || (p[2] && n - 3 != lengths[p[2]]))
		return false;
	*out = (struct dns_tlsa){p[0], p[1], p[2], p + 3, n - 3};
	return true;
}

bool
dns_read_address(const unsigned char *p, size_t n, uint16_t port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (n == 4 && p[0] && p[0] < 224) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, p, 4);
		return true;
	}
	if (n != 16 || p[0] == 0xff)
		return false;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, p, 16);
	return !IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
}
