/*
 * rights: who may administer, and which groups of the organisation an account is in (module.h). What is in memory
 * follows the database (core/census: census_account_rights), so a right that is taken is gone at the next question.
 */
#include "core/host.h"
#include "core/module/modules.h"
#include "core/session.h"
#include "core/user.h"
#include "module.h"
#include "net/reactor.h"

bool
module_account_in_group(const struct hook *h, const char *group)
{
	return h->user && h->user->state == USER_READY && user_in_group(h->user, group);
}

const char *
module_account_groups(const struct hook *h)
{
	return h->user && h->user->state == USER_READY && h->user->groups ? h->user->groups : "";
}

/* Where a handler of the server runs, there the sender lives; what comes from elsewhere names nobody of ours. */
static struct user *
sender_of(const struct hook *h)
{
	if (!h->from || !jid_local(h->from) || home_of(h->from) != reactor_current() || !host_is_local(h->from))
		return NULL;
	return user_find(h->from);
}

bool
module_sender_is_admin(const struct hook *h)
{
	const struct user *u = sender_of(h);

	return u && u->admin && !u->disabled && !u->stale;
}

struct session *
module_sender(const struct hook *h)
{
	const struct user *u = sender_of(h);
	struct session *s = u && jid_resource(h->from) ? user_session(u, jid_resource(h->from)) : NULL;

	return s && !s->closing ? s : NULL;
}
