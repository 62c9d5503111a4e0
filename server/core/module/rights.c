/*
 * rights: who may administer, and which groups of the organisation an account is in (module.h). What is in memory
 * follows the database (core/census: census_account_rights), so a right that is taken is gone at the next question.
 */
#include "core/host.h"
#include "core/module/modules.h"
#include "core/user.h"
#include "module.h"
#include "net/reactor.h"

bool
module_account_is_admin(const struct hook *h)
{
	return h->user && h->user->state == USER_READY && h->user->admin && !h->user->disabled && !h->user->stale;
}

bool
module_account_in_group(const struct hook *h, const char *group)
{
	return h->user && h->user->state == USER_READY && user_in_group(h->user, group);
}

/* Where a handler of the server runs, there the sender lives; what comes from elsewhere names nobody of ours. */
bool
module_sender_is_admin(const struct hook *h)
{
	const struct user *u;

	if (!h->from || !jid_local(h->from) || home_of(h->from) != reactor_current() || !host_is_local(h->from))
		return false;
	u = user_find(h->from);
	return u && u->admin && !u->disabled && !u->stale;
}
