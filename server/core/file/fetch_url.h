/*
 * fetch_url: the address of a file as somebody wrote it, taken apart for core/file/fetch by libcurl, so that nobody reads it in two ways. Pure.
 */
#ifndef CORE_FETCH_URL_H
#define CORE_FETCH_URL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/arena.h"

struct fetch_url {
	const char *url;                 /* written anew, without fragment */
	const char *host;                /* a name in A-labels, or an IP address without brackets */
	uint16_t port;
	bool literal;                    /* it is an address: `address`, with the port */
	struct sockaddr_storage address;
	const char *name;                /* the last part of the path, decoded, of valid UTF-8; NULL: there is none */
};

/* https without user name and password; `text` is seen from `base` (NULL: it stands by itself). False: anything else. What is out is in `a`. */
bool fetch_url_read(struct arena *a, const char *base, const char *text, struct fetch_url *out);

#endif
