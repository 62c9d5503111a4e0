/*
 * c2s_bind: from an authenticated stream to a bound resource, step by step: binding (RFC 6120 §7) and resumption (XEP-0198
 * §5). What waits here is a request whose user is not loaded yet, or whose session cannot be resumed yet.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "core/home.h"
#include "core/session.h"
#include "core/stream/auth.h"
#include "core/stream/c2s_priv.h"
#include "core/stream/resume.h"
#include "xmpp/ns.h"

#define STALE_MS 50 /* until it is asked again; limits.login_seconds bounds the whole */

struct user_need {
	struct user_wait wait;
	struct resume_wait later; /* a session that is not ready to be resumed */
	struct timer again;       /* the account has just changed, and what was known of it is still needed for a moment */
	struct c2s *c;            /* NULL: the stream has gone */
	struct stanza *st;
	const struct elem *resume;
	c2s_then_fn then;
};

static void
need_free(struct user_need *n)
{
	stanza_unref(n->st);
	free(n);
}

static void ask_when_forgotten(struct timer *t);

static void
user_ready(struct user_wait *w, struct user *u)
{
	struct user_need *n = LIST_ENTRY(w, struct user_need, wait);
	struct c2s *c = n->c;

	if (c && u && u->stale) {
		timer_set(&n->again, STALE_MS, ask_when_forgotten);
		return;
	}
	if (c && u && u->state == USER_READY && n->resume && resume_must_wait(u, n->resume, &n->later))
		return;
	if (c) {
		c->need = NULL;
		n->then(c, u, n->st);
		c2s_answered(c);
	}
	need_free(n);
}

static void
ask_for_user(struct user_need *n)
{
	struct c2s *c = n->c;

	if (c)
		user_is_known(c->jid);
	if (c && user_with(c->jid, &n->wait))
		return;
	need_free(n);
	if (!c)
		return;
	c->need = NULL;
	c2s_end(c, XSTREAM_RESOURCE_CONSTRAINT, NULL);
}

static void
ask_when_forgotten(struct timer *t)
{
	ask_for_user(LIST_ENTRY(t, struct user_need, again));
}

static void
ask_again(struct resume_wait *w)
{
	ask_for_user(LIST_ENTRY(w, struct user_need, later));
}

void
c2s_need_user(struct c2s *c, struct stanza *st, const struct elem *resume, c2s_then_fn then)
{
	struct user_need *n = NEW(struct user_need);

	n->c = c;
	n->st = stanza_ref(stanza_seal(st));
	n->resume = resume;
	n->then = then;
	n->wait.run = user_ready;
	n->later.run = ask_again;
	c->need = n;
	c2s_wait(c);
	ask_for_user(n);
}

void
c2s_need_fini(struct c2s *c)
{
	if (c->need)
		c->need->c = NULL;
	c->need = NULL;
}

bool
c2s_may_bind(const struct user *u)
{
	return u->state == USER_READY && !u->disabled && !u->stale;
}

bool
c2s_has_room(struct user *u)
{
	uint64_t most = home_config()->limits.sessions_per_account;

	if (u->nsessions < most)
		return true;
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (!s->detached)
			continue;
		session_close(s, XSTREAM_NONE, NULL);
		return true;
	}
	return false;
}

static void
bind_error(struct c2s *c, const struct stanza *st, enum xerror e, const char *type, const char *text)
{
	struct stanza *reply = xerror_reply(st, e, type, text);
	struct packet *p;

	c->state = C2S_BIND;
	if (!reply)
		return;
	p = packet_new(reply, NULL, NULL);
	c2s_send(c, p);
	packet_unref(p);
}

static struct jid *
wanted_resource(struct c2s *c, const struct elem *bind)
{
	const struct elem *r = elem_child(bind, NS_BIND, "resource");
	const char *text = r ? elem_text(r, reactor_scratch(reactor_current())) : "";
	char made[17];

	if (*text)
		return jid_with_resource(c->jid, text);
	crypt_random_hex(made, 8);
	return jid_with_resource(c->jid, made);
}

static void
send_bound(struct c2s *c, const struct stanza *st, const struct jid *full)
{
	struct stanza *reply = stanza_new(NS_CLIENT, "iq");
	struct elem *e;
	struct packet *p;

	elem_set(reply, reply->root, "type", "result");
	elem_set(reply, reply->root, "id", elem_get(st->root, "id"));
	e = elem_add(reply, elem_add(reply, reply->root, NS_BIND, "bind"), NS_BIND, "jid");
	elem_add_text(reply, e, jid_full(full), jid_full_len(full));
	p = packet_new(reply, NULL, NULL);
	c2s_send(c, p);
	packet_unref(p);
}

static void
bind_resource(struct c2s *c, struct user *u, const struct stanza *st)
{
	struct jid *full = wanted_resource(c, elem_first(st->root));
	struct session *old;

	if (!full) {
		bind_error(c, st, XERROR_BAD_REQUEST, NULL, "not a resource");
		return;
	}
	/* RFC 6120 §7.7.2.2, third way: the newer one wins. */
	old = user_session(u, jid_resource(full));
	if (old)
		session_close(old, XSTREAM_CONFLICT, "another stream bound this resource");
	if (!c2s_has_room(u)) {
		jid_unref(full);
		bind_error(c, st, XERROR_RESOURCE_CONSTRAINT, "wait", "too many sessions");
		return;
	}
	send_bound(c, st, full);
	session_announce(session_new(u, full, c));
	c2s_bound(c);
	jid_unref(full);
}

static void
with_user(struct c2s *c, struct user *u, struct stanza *st)
{
	bool resume = st->root->ns == NS_SM;

	if (!u && resume)
		c2s_end(c, XSTREAM_INTERNAL_SERVER_ERROR, "the database is not available");
	else if (!u)
		bind_error(c, st, XERROR_RESOURCE_CONSTRAINT, "wait", "the database is not available, try again later");
	else if (!c2s_may_bind(u))
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "no such account");
	else if (auth_revoked_since(jid_bare(c->jid), c->moment))
		/* Between the login and this, when there was no session that would have ended. Who still may comes again. */
		c2s_end(c, XSTREAM_RESET, "authenticate again: access was changed meanwhile");
	else if (!resume)
		bind_resource(c, u, st);
	else if (resume_try(c, u, st->root))
		c2s_bound(c);
	else
		c->state = C2S_BIND;
}

void
c2s_on_iq(struct c2s *c, struct stanza *st)
{
	const struct elem *child = elem_first(st->root);
	const char *type = elem_get(st->root, "type");

	if (type && !strcmp(type, "set") && elem_get(st->root, "id") && elem_is(child, NS_BIND, "bind"))
		c2s_need_user(c, st, NULL, with_user);
	else if (type && !strcmp(type, "set") && elem_is(child, NS_BIND, "bind"))
		bind_error(c, st, XERROR_BAD_REQUEST, NULL, NULL);
	else
		/* RFC 6120 §7.1: nothing else before binding. */
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "bind first");
}

void
c2s_on_nonza_sm(struct c2s *c, struct stanza *st)
{
	if (!strcmp(st->root->name, "resume"))
		c2s_need_user(c, st, st->root, with_user);
	else
		(void)resume_nonza(c, NULL, st->root);
}
