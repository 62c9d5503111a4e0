/*
 * everyone: the sessions of a user at this moment, to walk over while giving them stanzas.
 *
 * session_send may end a session that does not read, and its end may end others: a walk over the list itself could
 * step on one that has just left it. This one is over a copy; a session that ended in between says `closing`, and its
 * memory stays until the end of the turn, as does the copy.
 */
#ifndef CORE_EVERYONE_H
#define CORE_EVERYONE_H

#include "base/err.h"
#include "core/session.h"
#include "core/user.h"
#include "net/reactor.h"

struct everyone {
	struct session **session;
	unsigned n;
};

static inline struct everyone
everyone(const struct user *u)
{
	struct everyone e = { .session = arena_alloc(reactor_scratch(reactor_current()),
				      (u->nsessions + 1) * sizeof(struct session *)) };

	LIST_EACH(l, &u->sessions)
		if (e.n < u->nsessions)
			e.session[e.n++] = LIST_ENTRY(l, struct session, of_user);
	return e;
}

#endif
