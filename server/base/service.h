/*
 * service: the text by which a setting names a service elsewhere: TYPE:HOST:PORT:TRANSPORT[:FILE].
 *
 *     stun:stun.example.org:3478:udp
 *     turn:[2001:db8::1]:3478:udp:/etc/chancery/turn.secret
 */
#ifndef BASE_SERVICE_H
#define BASE_SERVICE_H

#include <stdbool.h>

#define SERVICE_TEXT_MAX 1024

struct service {
	char text[SERVICE_TEXT_MAX]; /* what the others point into */
	const char *type, *host, *port, *transport;
	const char *file; /* absolute; NULL when none */
};

/* False: not of that form. The host is a name or an address; brackets are taken off. */
bool service_parse(const char *text, struct service *out);

#endif
