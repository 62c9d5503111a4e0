/*
 * siem_link: a TLS connection of a thread that may wait: connect, write, and know that it was taken. Every wait is bounded.
 */
#ifndef ARCHIVE_SIEM_LINK_H
#define ARCHIVE_SIEM_LINK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct siem_link;

/* The certificates are read here. NULL and `e`. `stop` ends every wait. Texts are borrowed for as long as it lives. */
struct siem_link *siem_link_new(const char *address, const char *ca_file, const char *certificate, const char *key, const atomic_bool *stop,
	struct err *e) MUST_CHECK;
void siem_link_free(struct siem_link *l);
bool siem_link_is_open(const struct siem_link *l);
/* Names by getaddrinfo, which may take as long as resolv.conf says. The certificate has to be for the host (RFC 5425 §5.2; never by its CN). */
int siem_link_open(struct siem_link *l, struct err *e) MUST_CHECK;
/* Sends all of it, and waits until the other end's kernel has it and the connection has held behind that. -1: closed, and nobody knows what was read. */
int siem_link_deliver(struct siem_link *l, const void *p, size_t n, struct err *e) MUST_CHECK;
/* Is it still there? Closes it when not. */
void siem_link_look(struct siem_link *l);
/* With close_notify (RFC 5425 §4.4). */
void siem_link_close(struct siem_link *l);

#endif
