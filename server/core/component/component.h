/*
 * component: external services on domains of their own (XEP-0114): gateways, push services, bots.
 *
 * `components.domains` names each domain with the file that holds its secret; who knows the secret speaks for the domain and
 * for every address there. One stream at a time for a domain. Its home is one reactor, by the hash of the domain.
 * Nothing is encrypted on the way, so it listens on loopback addresses only.
 *
 * P1 holds both ways: what is sent to a component left its sender's lane after its commit, and what a component sends passes
 * a lane of its own. When a component is not connected, or does not keep up, whoever waits for an answer is told so (wait).
 */
#ifndef CORE_COMPONENT_H
#define CORE_COMPONENT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "core/config/config.h"
#include "xmpp/jid.h"

struct packet;

/* Reads domains and secrets; at start and for a reload. On failure the old ones stay. */
int component_load(const struct config *c, struct err *e) MUST_CHECK;
void component_stop(void);

/* Is this an address at a component's domain, connected or not? Any thread. */
bool component_is(const struct jid *j);
/* Towards the component; from any home. Takes the reference. */
void component_deliver(struct packet *p);
/* The domains that are connected; any thread. fn must not call back. */
void component_each(void (*fn)(void *arg, const char *domain), void *arg);

/* listener_fn */
void component_accept(int fd, const struct sockaddr *peer, void *arg);
/* On each reactor, like those of c2s. */
void component_home_start(void);
/* Ends the streams of domains that a reload took away. */
void component_home_reload(void);
void component_home_quiet(void);
unsigned component_home_shutdown(void);
void component_home_stop(void);

#endif
