/*
 * gateway: what a gateway's stream has beyond other components': the mark in its messages that says who said it at the network, and settings that are
 * told to it when they change.
 */
#ifndef CORE_GATEWAY_H
#define CORE_GATEWAY_H

#include "base/err.h"
#include "core/gateway/gateway_rules.h"
#include "xmpp/stanza.h"

struct host;

/* <foreign xmlns='urn:chancery:gateway:0'/> is believed, as nobody else can send it (core/route/intake). Before that looks at the stanza: the element, taken
 * out, when it comes from the domain of a gateway; NULL: it does not, or has none. Then it is put back, with what we know better: kind and name. */
struct elem *gateway_take_foreign(struct stanza *st, const char *domain);
void gateway_put_foreign(struct stanza *st, struct elem *foreign, const char *domain);

/* The host of ours whose people it serves: the one that its domain is below; else the first. */
const struct host *gateway_host(const char *domain);

/* What the database has about gateways has been changed: it is so everywhere when this returns. Not on a reactor. */
int gateway_changed(const char *conninfo, struct err *e) MUST_CHECK;
/* Its settings have been changed: it is told, when it is connected. */
void gateway_tell_settings(const char *name);

#endif
