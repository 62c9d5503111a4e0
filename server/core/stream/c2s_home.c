/*
 * c2s_home: the streams of a reactor: one list, and what is done with all of them, above all when the server stops.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/everyone.h"
#include "core/session.h"
#include "core/stream/c2s_priv.h"

struct streams {
	struct list all;
	unsigned n;
	bool quiet; /* the server is stopping: nothing more is read */
	bool deaf;  /* … but what clients confirm; their stanzas are not taken, and not counted */
};

static _Thread_local struct streams *here;

void
c2s_home_join(struct c2s *c)
{
	list_append(&here->all, &c->link);
	here->n++;
}

void
c2s_home_leave(struct c2s *c)
{
	list_remove(&c->link);
	here->n--;
}

bool
c2s_takes_streams(void)
{
	return here && !here->quiet;
}

bool
c2s_home_is_deaf(void)
{
	return here->deaf;
}

unsigned
c2s_count(void)
{
	return here->n;
}

unsigned
c2s_close_logins(const struct jid *bare, enum xstream_error e, const char *text)
{
	unsigned n = 0;

	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (!c2s_is_login_of(c, bare))
			continue;
		c2s_end(c, e, text);
		n++;
	}
	return n;
}

void
c2s_home_quiet(void)
{
	here->quiet = true;
	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (c->state != C2S_CLOSING)
			c2s_pause(c);
	}
}

/* Nobody can resume them after a restart: what they hold stays in the record. */
static void
end_detached(struct user *u, void *arg)
{
	struct everyone all = everyone(u);

	(void)arg;
	user_hold(u);
	for (unsigned i = 0; i < all.n; i++)
		if (!all.session[i]->stream)
			session_close(all.session[i], XSTREAM_NONE, NULL);
	user_release(u);
}

static bool
owes_confirmation(const struct c2s *c)
{
	return c->state == C2S_BOUND && c->session && c->session->sm.enabled && c->session->sm.n;
}

unsigned
c2s_home_confirm(void)
{
	bool first = !here->deaf;
	unsigned n = 0;

	here->deaf = true;
	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (!owes_confirmation(c))
			continue;
		n++;
		if (!first)
			continue;
		c2s_ask_ack(c);
		c->paused = false;
		conn_resume(c->conn);
		c2s_end_throttle(c);
	}
	return n;
}

unsigned
c2s_home_shutdown(void)
{
	LIST_EACH(l, &here->all) {
		struct c2s *c = LIST_ENTRY(l, struct c2s, link);

		if (c->state == C2S_CLOSING)
			continue;
		/* So that the client knows what need not be sent again. */
		if (c->session && c->session->sm.enabled)
			c2s_writef(c, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", c->session->sm.in);
		c2s_refuse(c, XSTREAM_SYSTEM_SHUTDOWN, NULL);
	}
	user_each(end_detached, NULL);
	return here->n;
}

void
c2s_home_start(void)
{
	here = NEW(struct streams);
	list_init(&here->all);
}

void
c2s_home_stop(void)
{
	LIST_EACH(l, &here->all)
		c2s_free(LIST_ENTRY(l, struct c2s, link));
	free(here);
	here = NULL;
}
