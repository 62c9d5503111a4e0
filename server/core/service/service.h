/*
 * service: which domains modules answer for, and the way of a stanza to them (module_service.h, DESIGN.md "Services").
 *
 * The table is made by attach, before the reactors start, and read only from then on: any thread.
 */
#ifndef CORE_SERVICE_H
#define CORE_SERVICE_H

#include <stdbool.h>

#include "core/route/packet.h"
#include "module_service.h"

struct user;

struct service {
	const struct module_service *def;
	struct module *module;
	const char *host;       /* of which it is the service */
	struct jid *domain;     /* label.host */
};

/* The service an address is at; NULL: none. */
const struct service *service_of(const struct jid *j);
/* Is it a message that the service records itself? */
bool service_records(const struct packet *p);
/* At the address's home, where its place is READY. Borrows p. */
void service_deliver(struct user *u, struct packet *p);
/* What becomes of a stanza that waits for no answer, by the verdict of HOOK_SERVICE. Takes h->reply. */
void service_settle(const struct packet *p, struct hook *h, enum hook_verdict v);
/* The services of a host. */
void service_each(const char *host, void (*fn)(void *arg, const char *domain, const char *name), void *arg);
/* Tells the places of this home that the server stops. */
void service_home_stopping(void);
/* The account is no more, which is committed: every place of every home forgets it. Any thread. */
void service_account_removed(const char *bare);
/* On each home, when partners have changed: every place there looks who may still be there. */
void service_partners_changed(void);
/* Part of modules_stop. */
void service_stop(void);

#endif
