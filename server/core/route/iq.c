/*
 * iq: a table of handlers, filled at start, read by every reactor.
 */
#include "core/route/iq.h"

#include <string.h>

#include "base/log.h"
#include "core/route/router.h"
#include "core/user.h"

#define MOST 128

static struct handler {
	enum packet_type type;
	const char *ns, *name;
	unsigned targets;
	iq_fn fn;
	void *arg;
} handlers[MOST];
static unsigned n;

void
iq_handle(enum packet_type type, const char *ns, const char *name, unsigned targets, iq_fn fn, void *arg)
{
	if (n == MOST) {
		log_error(NULL, "too-many-iq-handlers", "ns=%s", ns);
		return;
	}
	handlers[n++] = (struct handler){ type, ns, name, targets, fn, arg };
}

void
iq_forget_all(void)
{
	n = 0;
}

static const struct handler *
find(enum packet_type type, const struct elem *payload, unsigned target)
{
	for (unsigned i = 0; i < n; i++)
		if (handlers[i].type == type && handlers[i].targets & target &&
			elem_is(payload, handlers[i].ns, handlers[i].name))
			return &handlers[i];
	return NULL;
}

void
iq_dispatch(struct packet *p, struct session *s, struct user *u)
{
	struct iq_call c = { .p = p, .session = s, .user = u, .payload = elem_first(p->st->root) };
	const struct handler *h;
	enum xerror e;

	if (p->type != TYPE_GET && p->type != TYPE_SET)
		return;
	h = c.payload ? find(p->type, c.payload, u ? IQ_TO_ACCOUNT : IQ_TO_SERVER) : NULL;
	if (h)
		c.arg = h->arg;
	/* RFC 6120 §8.4: a namespace we do not understand. */
	e = h ? h->fn(&c) : XERROR_SERVICE_UNAVAILABLE;
	if (e != XERROR_NONE)
		router_refuse(p, e, NULL, NULL);
}
