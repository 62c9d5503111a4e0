/*
 * c2s_stranger: an IQ before authentication, under TLS: some module's affair (HOOK_STRANGER_IQ), which is registration. It costs
 * the address it comes from one of a few attempts a minute; where no module wants it the stream ends, as RFC 6120 §7.1 has it.
 *
 * While a module waits for the database the parser stands still; the answer finds the stream by a pointer that is
 * cleared when the stream goes first.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "core/module/chain.h"
#include "core/module/modules.h"
#include "core/stream/auth.h"
#include "core/stream/c2s_priv.h"

/* A stranger's IQ that waits. */
struct c2s_stranger {
	struct c2s *c; /* NULL: the stream has gone */
	struct stanza *st;
};

static void
answer(struct c2s *c, struct stanza *reply)
{
	struct packet *p;

	if (!reply)
		return;
	p = packet_new(reply, NULL, NULL);
	c2s_send(c, p);
	packet_unref(p);
}

static void
note(struct c2s *c, const char *text)
{
	char *copy = text ? mem_strdup(text) : NULL;

	free(c->note);
	c->note = copy;
}

/* Takes h->reply. */
static void
settle(struct c2s *c, const struct stanza *st, struct hook *h, enum hook_verdict v)
{
	struct stanza *reply = h->reply;

	h->reply = NULL;
	note(c, h->note);
	if (v == HOOK_HANDLED) {
		answer(c, reply);
		return;
	}
	stanza_unref(reply);
	if (v == HOOK_REJECT)
		answer(c, xerror_reply(st, h->error, h->error_type, h->error_text));
	else
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "authenticate first");
}

static void
told(void *arg, struct hook *h, enum hook_verdict v)
{
	struct c2s_stranger *w = arg;
	struct c2s *c = w->c;

	if (c) {
		c->stranger = NULL;
		c->state = C2S_AUTH;
		settle(c, w->st, h, v);
		c2s_answered(c);
	} else {
		stanza_unref(h->reply);
	}
	h->reply = NULL;
	stanza_unref(w->st);
	free(w);
}

static void
wait_for(struct c2s *c, struct stanza *st, struct hook *h)
{
	struct c2s_stranger *w = NEW(struct c2s_stranger);

	w->c = c;
	w->st = stanza_ref(st);
	c->stranger = w;
	c2s_wait(c);
	chain_start_for(h, told, w);
}

static bool
is_question(const struct elem *e)
{
	const char *type = elem_get(e, "type");

	return elem_get(e, "id") && type && (!strcmp(type, "get") || !strcmp(type, "set")) && elem_first(e) &&
		!elem_next(elem_first(e), NULL, NULL);
}

void
c2s_stranger_iq(struct c2s *c, struct stanza *st)
{
	struct hook h = { .stage = HOOK_STRANGER_IQ, .stanza = stanza_seal(st), .payload = elem_first(st->root),
		.domain = c->host->domain, .note = c->note };
	enum hook_verdict v;

	if (!is_question(st->root) || !modules_want(HOOK_STRANGER_IQ)) {
		c2s_end(c, XSTREAM_NOT_AUTHORIZED, "authenticate first");
		return;
	}
	if (!auth_may_register(conn_source(c->conn))) {
		metric_add(METRIC_RATE_REFUSED, 1);
		answer(c, xerror_reply(st, XERROR_RESOURCE_CONSTRAINT, "wait", "too many attempts, try again later"));
		return;
	}
	v = modules_run(&h, NULL);
	if (v == HOOK_WAIT)
		wait_for(c, st, &h);
	else
		settle(c, st, &h, v);
}

void
c2s_stranger_fini(struct c2s *c)
{
	if (c->stranger)
		c->stranger->c = NULL;
	c->stranger = NULL;
	free(c->note);
	c->note = NULL;
}
