/*
 * network: SMS by SMPP 3.4 as the framework sees it.
 */
#include "gateway_sms/sms_network.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "gateway_sms/sms.h"

#define PAUSE_MS 1000
#define PAUSE_MOST_MS 60000
#define WRITERS 20000 /* numbers of which it is known here who wrote to them */

struct sms sms;

/* ---- sessions -------------------------------------------------------------------------------------------- */

static void
session_up(void *owner, struct session *s)
{
	(void)owner;
	(void)s;
	out_pump();
}

static void
session_answered(void *owner, uint64_t tag, uint32_t status, const char *message_id)
{
	(void)owner;
	out_answered(tag, status, message_id);
}

static void
session_delivers(void *owner, uint64_t life, const struct pdu *p)
{
	(void)owner;
	in_delivered(life, p);
}

static const struct session_calls session_calls = { session_up, session_answered, session_delivers };

static void
connect_provider(void)
{
	static const enum pdu_command binds[] = { BIND_TRANSCEIVER, BIND_TRANSMITTER, BIND_TRANSMITTER };
	unsigned bind = sms.settings->bind;

	/* Stopped, or told to begin by settings that came meanwhile. */
	if (sms.transmitter || !sms.settings)
		return;
	sms.transmitter = session_new(sms.g, sms.settings, sms.trust, binds[bind], &session_calls, NULL);
	if (bind == BIND_AS_TRANSCEIVER)
		sms.receiver = sms.transmitter;
	else if (bind == BIND_AS_PAIR)
		sms.receiver = session_new(sms.g, sms.settings, sms.trust, BIND_RECEIVER, &session_calls, NULL);
	if (sms.held && sms.receiver)
		session_hold(sms.receiver, true);
}

static void
disconnect_provider(void)
{
	struct session *out = sms.transmitter, *in = sms.receiver;

	sms.transmitter = sms.receiver = NULL;
	session_free(out);
	if (in != out)
		session_free(in);
}

/* ---- beginning and end ----------------------------------------------------------------------------------- */

static struct outbox_settings
outbox_bounds(const struct sms_settings *s)
{
	return (struct outbox_settings){ .messages = s->queue, .rate = s->rate, .pause_ms = PAUSE_MS, .pause_most_ms = PAUSE_MOST_MS };
}

/* Reads settings and what TLS needs. -1: nothing has changed. */
static int
take_settings(const json_t *network, struct err *e)
{
	struct sms_settings *s = sms_settings_new(network, e);
	struct wire_trust *trust = NULL;

	if (!s)
		return -1;
	if (s->tls == TLS_ON) {
		trust = wire_trust_new(*s->ca_file ? s->ca_file : NULL, *s->certificate ? s->certificate : NULL, *s->key ? s->key : NULL, e);
		if (!trust) {
			sms_settings_free(s);
			return -1;
		}
	}
	disconnect_provider();
	sms_settings_free(sms.settings);
	wire_trust_free(sms.trust);
	sms.settings = s;
	sms.trust = trust;
	return 0;
}

/* Receipts may be the first that the provider says. */
static void
read_receipts(void)
{
	receipts_read(sms.receipts, connect_provider);
}

static int
sms_start(struct gateway *g, const json_t *network, struct err *e)
{
	struct outbox_settings bounds;

	sms.g = g;
	list_init(&sms.arrivals);
	list_init(&sms.keeping);
	if (take_settings(network, e))
		return -1;
	bounds = outbox_bounds(sms.settings);
	sms.outbox = outbox_new(&bounds, &out_calls, NULL);
	sms.collect = collect_new(sms.settings->part_messages, sms.settings->part_bytes, sms.settings->part_seconds * 1000LL);
	sms.receipts = receipts_new(sms.settings->remembered, sms.settings->remembered_kept, sms.settings->remembered_hours * 3600LL);
	sms.writers = writers_new(WRITERS);
	crypt_random(&sms.reference, sizeof(sms.reference));
	sms.timer = NEW(uv_timer_t);
	uv_timer_init(gateway_loop(g), sms.timer);
	parts_read(read_receipts);
	return 0;
}

static int
sms_change(struct gateway *g, const json_t *network, struct err *e)
{
	struct outbox_settings bounds;

	(void)g;
	if (take_settings(network, e))
		return -1;
	bounds = outbox_bounds(sms.settings);
	outbox_set(sms.outbox, &bounds);
	connect_provider();
	return 0;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

static void
sms_stop(struct gateway *g)
{
	(void)g;
	in_end();
	parts_end();
	disconnect_provider();
	uv_close((uv_handle_t *)sms.timer, timer_closed);
	outbox_free(sms.outbox);
	collect_free(sms.collect);
	receipts_free(sms.receipts);
	writers_free(sms.writers);
	sms_settings_free(sms.settings);
	wire_trust_free(sms.trust);
	sms.settings = NULL;
}

/* ---- the rest -------------------------------------------------------------------------------------------- */

static enum network_address
sms_address(struct gateway *g, const char *foreign, char *canonical)
{
	(void)g;
	return number_parse(&sms.settings->plan, foreign, canonical) == NUMBER_NONE ? NETWORK_NOBODY : NETWORK_PERSON;
}

static void
sms_user_open(struct gateway_user *u, const json_t *login)
{
	(void)login;
	out_user_open(u);
}

/* The provider has been told that it is here. */
static void
sms_returned(struct gateway_user *u, const char *foreign, const char *foreign_id, enum xerror e, const char *text)
{
	(void)foreign_id;
	log_warning(NULL, "sms-returned", "from=%s to=%s error=%s text=%s", foreign, jid_bare(u->jid), xerror_name(e), text);
	gateway_count(sms.g, "returned", 1);
}

static void
sms_drain(struct gateway *g)
{
	(void)g;
	sms.held = false;
	if (sms.receiver)
		session_hold(sms.receiver, false);
}

const struct network sms_network = {
	.kind = "sms",
	.about = "SMS",
	.identity = "sms",
	.prompt = "Phone number",
	.features = NETWORK_RECEIPTS | NETWORK_LATE,
	.start = sms_start,
	.change = sms_change,
	.stop = sms_stop,
	.address = sms_address,
	.user_open = sms_user_open,
	.user_close = out_user_close,
	.send = out_send,
	.forget = out_forget,
	.returned = sms_returned,
	.drain = sms_drain,
};
