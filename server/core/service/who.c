/*
 * who: a question about an account, asked at its home (module_service.h, hook_who).
 */
#include "core/service/who.h"

#include <string.h>

#include "base/buf.h"
#include "core/host.h"
#include "core/module/modules.h"
#include "core/roster/presence.h"
#include "core/roster/roster.h"
#include "core/session.h"

#define CLIENTS_BYTES 65536 /* of the lines about them: they go into one stanza */

static void
came_back(struct mail *m)
{
	struct asking *a = LIST_ENTRY(m, struct asking, mail);

	a->told(a, a->ok);
}

static void
go_back(struct asking *a, bool ok)
{
	a->ok = ok;
	a->mail.run = came_back;
	reactor_post(a->home, &a->mail);
}

static const char *
join_lines(struct arena *a, const struct roster_item *i)
{
	size_t n = 1;
	char *s, *end;

	for (unsigned g = 0; g < i->ngroups; g++)
		n += strlen(i->groups[g]) + 1;
	s = end = arena_alloc(a, n);
	for (unsigned g = 0; g < i->ngroups; g++) {
		size_t len = strlen(i->groups[g]);

		memcpy(end, i->groups[g], len);
		end[len] = '\n';
		end += len + 1;
	}
	*end = '\0';
	return s;
}

static void
describe_relation(struct asking *a, const struct user *u)
{
	struct hook_who *w = a->ask;
	const struct roster_item *i = roster_find(u->roster, w->to);

	w->relation = modules_relation(u, w->to);
	if (!i || !i->listed)
		return;
	w->listed = true;
	w->roster_groups = join_lines(a->arena, i);
}

struct showing {
	const struct session *s;
	struct buf lines;
};

static void
add_address(void *arg, const struct jid *to)
{
	struct showing *w = arg;

	buf_addf(&w->lines, "%s\t%s\n", jid_resource(w->s->jid), jid_full(to));
}

static void
describe_clients(struct asking *a, const struct user *u)
{
	struct showing w = { 0 };

	LIST_EACH(l, &u->sessions) {
		w.s = LIST_ENTRY(l, struct session, of_user);
		if (session_is_available(w.s))
			buf_addf(&w.lines, "%s\n", jid_resource(w.s->jid));
		presence_each_directed(w.s, a->ask->seen_at, add_address, &w);
	}
	if (buf_len(&w.lines) <= CLIENTS_BYTES)
		a->ask->clients = arena_strdup(a->arena, buf_str(&w.lines));
	buf_fini(&w.lines);
}

static void
describe(struct user_wait *wait, struct user *u)
{
	struct asking *a = LIST_ENTRY(wait, struct asking, wait);
	struct hook_who *w = a->ask;

	if (u && u->state == USER_READY && !u->service) {
		w->disabled = u->disabled;
		w->exists = !u->disabled;
	}
	if (w->exists) {
		w->admin = u->admin;
		w->groups = arena_strdup(a->arena, u->groups ? u->groups : "");
		if (w->to && u->roster)
			describe_relation(a, u);
		if (w->seen_at)
			describe_clients(a, u);
	}
	/* Of one that has just been changed the old state is not told. */
	go_back(a, u && !u->stale);
}

static void
arrived(struct mail *m)
{
	struct asking *a = LIST_ENTRY(m, struct asking, mail);

	a->wait.run = describe;
	a->wait.bytes = sizeof(*a);
	if (!user_with(a->ask->who, &a->wait))
		go_back(a, false);
}

void
who_ask(struct asking *a, void (*told)(struct asking *a, bool ok))
{
	struct hook_who *w = a->ask;

	a->home = reactor_current();
	a->told = told;
	w->exists = w->disabled = w->admin = w->listed = false;
	w->groups = w->roster_groups = "";
	w->clients = NULL;
	w->relation = MODULE_STRANGER;
	if (!jid_local(w->who) || !host_is_local(w->who)) {
		go_back(a, true);
		return;
	}
	a->mail.run = arrived;
	reactor_post(home_of(w->who), &a->mail);
}
