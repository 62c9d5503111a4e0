/*
 * address: socket addresses as text and back.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/text.h"

static const unsigned char *
in6_bytes(const struct sockaddr *sa)
{
	return ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
}

static bool
is_mapped(const struct sockaddr *sa)
{
	return IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

void
address_text(const struct sockaddr *sa, char out[ADDRESS_TEXT])
{
	snprintf(out, ADDRESS_TEXT, "unknown");
	if (!sa)
		return;
	if (sa->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)sa)->sin_addr, out, ADDRESS_TEXT);
	else if (sa->sa_family == AF_INET6 && is_mapped(sa))
		inet_ntop(AF_INET, in6_bytes(sa) + 12, out, ADDRESS_TEXT);
	else if (sa->sa_family == AF_INET6)
		inet_ntop(AF_INET6, in6_bytes(sa), out, ADDRESS_TEXT);
	else if (sa->sa_family == AF_UNIX)
		snprintf(out, ADDRESS_TEXT, "unix");
}

void
address_source(const struct sockaddr *sa, char out[ADDRESS_TEXT])
{
	unsigned char net[16] = {0};
	size_t len;

	if (!sa || sa->sa_family != AF_INET6 || is_mapped(sa)) {
		address_text(sa, out);
		return;
	}
	/* Whoever has one address of a /64 has them all. */
	memcpy(net, in6_bytes(sa), 8);
	inet_ntop(AF_INET6, net, out, ADDRESS_TEXT);
	len = strlen(out);
	snprintf(out + len, ADDRESS_TEXT - len, "/64");
}

static int
parse_unix(const char *path, struct sockaddr_storage *out, socklen_t *len, struct err *e)
{
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(un->sun_path))
		return err_set(e, EINVAL, "unix:%s: the path must have 1 to %zu bytes", path, sizeof(un->sun_path) - 1);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n + 1);
	*len = sizeof(*un);
	return 0;
}

/* Cuts "HOST:PORT" or "[HOST]:PORT" into `host` and the port. */
static int
split_port(const char *text, char host[ADDRESS_TEXT], bool *bracketed, uint64_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t n;

	if (!colon || !text_u64(colon + 1, strlen(colon + 1), 0, 65535, port))
		return -1;
	n = (size_t)(colon - text);
	*bracketed = n >= 2 && text[0] == '[' && text[n - 1] == ']';
	if (*bracketed) {
		text++;
		n -= 2;
	}
	if (n >= ADDRESS_TEXT)
		return -1;
	memcpy(host, text, n);
	host[n] = '\0';
	return 0;
}

int
address_parse(const char *text, struct sockaddr_storage *out, socklen_t *len, struct err *e)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	char host[ADDRESS_TEXT];
	uint64_t port;
	bool bracketed;

	memset(out, 0, sizeof(*out));
	if (!strncmp(text, "unix:", 5))
		return parse_unix(text + 5, out, len, e);
	if (split_port(text, host, &bracketed, &port))
		return err_set(e, EINVAL, "%s: expected ADDRESS:PORT, [IPV6]:PORT or unix:/PATH", text);
	if (bracketed && inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		*len = sizeof(*in6);
		return 0;
	}
	if (!bracketed && inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		*len = sizeof(*in);
		return 0;
	}
	return err_set(e, EINVAL, "%s: not an IPv4 address nor an IPv6 address in brackets", text);
}
