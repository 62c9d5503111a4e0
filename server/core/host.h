/*
 * host: the virtual hosts of this server, and whether an address is ours.
 * Immutable after start but for certificates; any thread.
 */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include <stdbool.h>

#include "core/config/config.h"
#include "net/tls.h"
#include "xmpp/jid.h"

struct host {
	struct jid *jid;        /* the domain as a JID: the server's own address there */
	const char *domain;
};

int host_start(const struct config *c, struct err *e) MUST_CHECK;
void host_stop(void);
/* The n-th, in the order of the settings; NULL behind the last. The first speaks for the server as a whole. */
const struct host *host_at(unsigned n);
/* NULL when it is not ours. `domain` prepared. */
const struct host *host_find(const char *domain);
bool host_is_local(const struct jid *j);
/* Certificates in force; a new reference. */
struct tls_set *host_tls(void);
/* The same for HTTPS, which is another protocol in ALPN. */
struct tls_set *host_https(void);
/* The same for servers' streams, both ways (tls_set_new_mutual). */
struct tls_set *host_s2s_tls(void);
/* Reads them again; on failure the old ones stay. */
int host_reload_tls(const struct config *c, struct err *e) MUST_CHECK;

#endif
