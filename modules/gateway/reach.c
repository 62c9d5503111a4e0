#include "gateway/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "net/network.h"

bool
reach_add(struct reach *r, const char *text)
{
	struct network n;

	if (r->nprivate == REACH_MAX || strlen(text) >= REACH_TEXT || !network_parse(text, &n))
		return false;
	strcpy(r->private[r->nprivate++], text);
	return true;
}

static unsigned
port_of(const struct sockaddr *sa)
{
	return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port : ((const struct sockaddr_in *)sa)->sin_port);
}

bool
reach_may(const struct reach *r, const struct sockaddr *sa)
{
	struct network n;
	bool may = false;

	if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
		return false;
	for (unsigned i = 0; i < r->nports; i++)
		may |= r->ports[i] == port_of(sa);
	if (!may || network_is_public(sa))
		return may;
	for (unsigned i = 0; i < r->nprivate; i++)
		if (network_parse(r->private[i], &n) && network_has(&n, sa))
			return true;
	return false;
}
