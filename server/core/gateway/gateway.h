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
/* What its program is told, when it is connected (modules/gateway/README.md). Not on a reactor, but for gateway_account_removed and gateway_is_off. */
void gateway_tell_settings(const char *name);
/* Somebody (bare; NULL: anybody) may something else than before, at this network (NULL: at any). */
void gateway_tell_policy(const char *name, const char *bare);
/* Whoever gets the name next is somebody else. */
void gateway_account_removed(const char *bare);
/* It is being switched off: sessions and rooms end, with words. Waits up to wait_ms until the program says that it has told everybody (gateway_is_off). */
void gateway_tell_off(const char *name, unsigned wait_ms);
void gateway_is_off(const char *name);

/* Its program does not answer, and its stream has been ended: who starts programs (server/admin/gateway) is told. On a reactor, so fn waits for nothing;
 * NULL: nobody is. */
void gateway_on_silent(void (*fn)(const char *name));
void gateway_fell_silent(const char *domain);

#endif
