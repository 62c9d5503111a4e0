/*
 * desk: where what an administrator's client asks for (hook_admin) is handed to server/admin, which core does not know.
 *
 * admin registers itself when it starts. An order is given back by mail, exactly once.
 */
#ifndef CORE_DESK_H
#define CORE_DESK_H

#include <stdbool.h>

#include "hook.h"
#include "net/mailbox.h"
#include "net/reactor.h"

struct desk_order {
	struct mail mail;          /* run at home when it has been carried out; set by who submits */
	struct desk_order *next;   /* the desk's */
	struct reactor *home;
	struct hook_admin *ask;
	struct arena *arena;       /* for what is found; nobody else uses it meanwhile */
	const char *who, *origin;  /* bare and full JID */
	bool ok;                   /* out: it was done or refused by the verb, not by the desk */
};

/* `take` keeps the order and later posts its mail, or says false: too many wait. NULL: nobody is there any more. */
void desk_set(bool (*take)(struct desk_order *o));
/* From a reactor. False: nobody takes it. */
bool desk_submit(struct desk_order *o);

#endif
