/*
 * component_alive: is anybody still there at the other end of a component's stream? A program that hangs keeps its socket: what is for its people would wait for ever.
 *
 * Whoever says nothing for a while is asked: by XEP-0198 where the stream counts, which has to be answered; else by a ping (XEP-0199), which components may leave unanswered.
 * Who has answered none on this stream is not judged by its silence. Looks are counted, not time: a server that was itself stopped for long blames nobody for it.
 *
 * Of others it is stream.ping and stream.ping_timeout, as of clients. Of programs of our own it is gateways.silence, and who starts them is told (core/gateway).
 */
#include <string.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/metric.h"
#include "core/component/component_priv.h"
#include "core/component/component_way.h"
#include "core/gateway/gateway.h"
#include "core/home.h"
#include "core/host.h"
#include "core/route/packet.h"
#include "net/conn.h"
#include "xmpp/ns.h"

#define GATEWAY_LOOKS 4   /* in gateways.silence */
#define NOT_ASKED_MS 60000 /* stream.ping is 0: that may change */

static void look(struct timer *t);

static void
look_again(struct component *c)
{
	const struct config *cf = home_config();
	uint64_t ms = c->alive.silent ? cf->stream.ping_timeout_ms : cf->stream.ping_ms ? cf->stream.ping_ms : NOT_ASKED_MS;

	timer_set(&c->alive.timer, (int64_t)(c->gateway ? cf->gateways.silence_ms / GATEWAY_LOOKS : ms), look);
}

static void
ping(struct component *c)
{
	const struct host *h = gateway_host(jid_domain(c->jid));
	struct stanza *st = stanza_new(NS_CLIENT, "iq");

	elem_set(st, st->root, "type", "get");
	elem_set(st, st->root, "id", c->alive.id);
	elem_set(st, st->root, "from", h->domain);
	elem_set(st, st->root, "to", jid_domain(c->jid));
	elem_add(st, st->root, NS_PING, "ping");
	component_way_tell(c, packet_new(st, h->jid, c->jid));
}

static void
ask(struct component *c)
{
	if (!c->gateway && !home_config()->stream.ping_ms)
		return;
	if (!c->sm.on)
		ping(c);
	else if (!c->sm.asked)
		component_sm_ask(c);
}

static void
lost(struct component *c)
{
	log_warning(conn_log(c->conn), "component-silent", "domain=%s", jid_domain(c->jid));
	metric_add(METRIC_COMPONENT_SILENT, 1);
	component_stream_end(c, XSTREAM_CONNECTION_TIMEOUT, "you do not answer");
	if (c->gateway)
		gateway_fell_silent(jid_domain(c->jid));
}

static void
look(struct timer *t)
{
	struct component *c = LIST_ENTRY(t, struct component, alive.timer);
	unsigned most = c->gateway ? GATEWAY_LOOKS : 2;

	/* It may have said something: it is we who do not read. */
	if (c->alive.heard || c->paused || timer_is_set(&c->throttle))
		c->alive.silent = 0;
	else
		c->alive.silent++;
	c->alive.heard = false;
	if (c->alive.silent == most && (c->sm.on || c->alive.answers)) {
		lost(c);
		return;
	}
	if (c->alive.silent == 1)
		ask(c);
	c->alive.silent %= most;
	look_again(c);
}

void
component_alive_start(struct component *c)
{
	crypt_random_hex(c->alive.id, sizeof(c->alive.id) / 2);
	look_again(c);
}

void
component_alive_heard(struct component *c)
{
	c->alive.heard = true;
}

bool
component_alive_is_silent(const struct component *c)
{
	return c->alive.silent && !c->alive.heard;
}

void
component_alive_take(struct component *c, const struct elem *root)
{
	const char *id = elem_get(root, "id");

	if (id && !strcmp(id, c->alive.id) && !strcmp(root->name, "iq"))
		c->alive.answers = true;
}

void
component_alive_stop(struct component *c)
{
	timer_clear(&c->alive.timer);
}
