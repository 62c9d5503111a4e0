/*
 * component: external services on domains of their own (XEP-0114): gateways, push services, bots.
 *
 * Each has a secret and one domain or several (component_rules.h); who knows the secret speaks for the domain that its stream is for, and
 * for every address there. One stream at a time for a domain. Its home is one reactor, by the hash of the domain.
 *
 * P1 holds both ways: what is sent to a component left its sender's lane after its commit, and what a component sends passes
 * a lane of its own. What becomes of what a component does not take is component_way.h's.
 */
#ifndef CORE_COMPONENT_H
#define CORE_COMPONENT_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "core/config/config.h"
#include "xmpp/jid.h"

struct packet;

/* Reads domains and secrets of the settings; at start and for a reload. On failure the old ones stay. */
int component_load(const struct config *c, struct err *e) MUST_CHECK;
/* What the database has about components has been changed: when this returns it is so on every reactor, and there is a door. Not on a reactor. */
int component_changed(struct err *e) MUST_CHECK;
void component_stop(void);

/* Is this an address at a component's domain, connected or not? Any thread. */
bool component_is(const struct jid *j);
/* And do messages for it wait while it is down? Then they are in the record as on their way (core/federation/outbox). */
bool component_keeps(const struct jid *j);
/* Towards the component; from any home. Takes the reference. */
void component_deliver(struct packet *p);
/* The domains that are connected; any thread. fn must not call back. */
void component_each(void (*fn)(void *arg, const char *domain), void *arg);

/* listener_fn; arg: bool *, TLS from the first byte */
void component_accept(int fd, const struct sockaddr *peer, void *arg);
/* On each reactor, like those of c2s. */
void component_home_start(void);
/* Ends the streams of those who may not be there any more, or not with that secret. */
void component_home_reload(void);
void component_home_quiet(void);
/* The server stops, and lanes are empty: components that acknowledge are asked what they have, and may say it. How many owe an answer. */
unsigned component_home_confirm(void);
/* Ends the streams; what has not arrived goes back, or stays in the record as on its way. How many there still are. */
unsigned component_home_shutdown(void);
void component_home_stop(void);

#endif
