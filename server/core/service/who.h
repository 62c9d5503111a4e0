/* who: what the home of an account says about it to others (hook_who). */
#ifndef CORE_WHO_H
#define CORE_WHO_H

#include "core/user.h"
#include "net/mailbox.h"
#include "module_service.h"

struct asking {
	struct hook_who *ask;
	struct arena *arena;  /* of the answer; nobody else touches it meanwhile */
	/* who's own */
	struct mail mail;
	struct user_wait wait;
	struct reactor *home;
	void (*told)(struct asking *a, bool ok);
	bool ok;
};

/* Goes there and comes back, always by mail: `told` is called in a later turn. */
void who_ask(struct asking *a, void (*told)(struct asking *a, bool ok));

#endif
