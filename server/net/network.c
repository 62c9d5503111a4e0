/* network: see network.h. */
#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

/* https://www.iana.org/assignments/iana-ipv4-special-registry */
static const char *const special_v4[] = {
	"0.0.0.0/8",       /* RFC 791: this network */
	"10.0.0.0/8",      /* RFC 1918 */
	"100.64.0.0/10",   /* RFC 6598: shared behind carriers' NAT */
	"127.0.0.0/8",     /* RFC 1122: loopback */
	"169.254.0.0/16",  /* RFC 3927: link-local; where clouds keep their metadata */
	"172.16.0.0/12",   /* RFC 1918 */
	"192.0.0.0/24",    /* RFC 6890: protocol assignments */
	"192.0.2.0/24",    /* RFC 5737: documentation */
	"192.31.196.0/24", /* RFC 7535: AS112 */
	"192.52.193.0/24", /* RFC 7450: AMT */
	"192.88.99.0/24",  /* RFC 7526: 6to4 relays */
	"192.168.0.0/16",  /* RFC 1918 */
	"192.175.48.0/24", /* RFC 7534: AS112 */
	"198.18.0.0/15",   /* RFC 2544: benchmarks */
	"198.51.100.0/24", /* RFC 5737 */
	"203.0.113.0/24",  /* RFC 5737 */
	"224.0.0.0/3",     /* multicast, reserved, broadcast */
	NULL,
};

/* Of 2000::/3, which is all that has been given out: the rest is not public in any case. */
static const char *const special_v6[] = {
	"2001::/23",       /* RFC 2928: protocol assignments: Teredo, benchmarks, ORCHID, … */
	"2001:db8::/32",   /* RFC 3849: documentation */
	"2002::/16",       /* RFC 3056: 6to4 */
	"2620:4f:8000::/48", /* RFC 7534: AS112 */
	"3fff::/20",       /* RFC 9637: documentation */
	NULL,
};

static bool
is_zero_behind(const unsigned char *p, size_t n, unsigned bits)
{
	for (size_t i = 0; i < n * 8; i++)
		if (i >= bits && p[i / 8] & (0x80u >> i % 8))
			return false;
	return true;
}

bool
network_parse(const char *text, struct network *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;
	unsigned all;

	memset(out, 0, sizeof(*out));
	if (n >= sizeof(address))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	out->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(out->family, address, out->bytes) != 1)
		return false;
	all = out->family == AF_INET ? 32 : 128;
	bits = all;
	if (slash && !text_u64(slash + 1, strlen(slash + 1), 0, all, &bits))
		return false;
	out->bits = (unsigned)bits;
	return is_zero_behind(out->bytes, all / 8, out->bits);
}

static const unsigned char *
bytes_of(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr;
	return ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
}

bool
network_has(const struct network *n, const struct sockaddr *sa)
{
	const unsigned char *p;

	if (sa->sa_family != n->family || (n->family != AF_INET && n->family != AF_INET6))
		return false;
	p = bytes_of(sa);
	if (memcmp(p, n->bytes, n->bits / 8) != 0)
		return false;
	return n->bits % 8 == 0 || (p[n->bits / 8] ^ n->bytes[n->bits / 8]) >> (8 - n->bits % 8) == 0;
}

static bool
is_in(const char *const *list, const struct sockaddr *sa)
{
	struct network n;

	for (; *list; list++)
		if (network_parse(*list, &n) && network_has(&n, sa))
			return true;
	return false;
}

/* RFC 5214 §6.1: an interface's part 0000:5EFE or 0200:5EFE and an IPv4 address: a tunnel to that. */
static bool
is_isatap(const unsigned char *p)
{
	return (p[8] & ~2u) == 0 && p[9] == 0 && p[10] == 0x5e && p[11] == 0xfe;
}

bool
network_is_public(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return !is_in(special_v4, sa);
	if (sa->sa_family != AF_INET6)
		return false;
	return bytes_of(sa)[0] >> 5 == 1 && !is_isatap(bytes_of(sa)) && !is_in(special_v6, sa);
}
