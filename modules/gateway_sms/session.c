/*
 * session: see session.h.
 */
#include "gateway_sms/session.h"

#include <stdlib.h>

#include "base/crypt.h"
#include "base/log.h"
#include "base/mem.h"

#define OUTPUT_BYTES (1u << 20) /* that the provider has not read */

struct session {
	struct gateway *g;
	const struct sms_settings *settings;
	const struct wire_trust *trust;
	const struct session_calls *calls;
	void *owner;
	enum pdu_command bind;
	struct wire *wire;
	struct smpp *smpp;   /* while there is a wire that is open */
	struct smpp_counts told;
	uv_timer_t *timer;   /* of smpp, or until the next try */
	uint64_t life;
	unsigned tries;
	bool hold;
	bool inside;         /* smpp is calling: what it lives in must not go */
};

static void open_again(struct session *s);

static int64_t
now(const struct session *s)
{
	return (int64_t)uv_now(gateway_loop(s->g));
}

/* ---- its state ------------------------------------------------------------------------------------------- */

static void
tell_counts(struct session *s)
{
	const struct smpp_counts *c = smpp_counts(s->smpp);

	gateway_count(s->g, "stray_answers", (int64_t)(c->stray - s->told.stray));
	gateway_count(s->g, "bad_pdus", (int64_t)(c->refused - s->told.refused));
	gateway_count(s->g, "repeated_pdus", (int64_t)(c->repeated - s->told.repeated));
	gateway_count(s->g, "put_off", (int64_t)(c->full - s->told.full));
	s->told = *c;
}

static void
ticked(uv_timer_t *t)
{
	struct session *s = t->data;

	if (!s->smpp)
		open_again(s);
	else
		session_flush(s);
}

static void
wait_ms(struct session *s, uint64_t ms)
{
	uv_timer_start(s->timer, ticked, ms, 0);
}

static void
ended(struct session *s, const char *why)
{
	struct wire *wire = s->wire;
	struct smpp *smpp = s->smpp;
	uint32_t refused = smpp ? smpp_bind_status(smpp) : 0;

	s->wire = NULL;
	s->smpp = NULL;
	wire_close(wire);
	gateway_level(s->g, s->bind == BIND_RECEIVER ? "bound_receiver" : "bound", 0);
	wait_ms(s, gateway_backoff_ms(++s->tries));
	if (refused)
		log_error(NULL, "smpp-refused", "host=%s system_id=%s why=%s", s->settings->host, s->settings->system_id, why);
	else
		log_warning(NULL, "smpp-ended", "host=%s why=%s", s->settings->host, why);
	if (smpp) {
		smpp_closed(smpp);
		smpp_free(smpp);
	}
}

/* After whatever happened: what is to be said, and when to look again. */
void
session_flush(struct session *s)
{
	int64_t due;
	int rc;

	if (s->inside || !s->smpp || smpp_state(s->smpp) == SMPP_CLOSED)
		return;
	s->inside = true;
	rc = smpp_tick(s->smpp, now(s));
	s->inside = false;
	if (rc) {
		wire_write(s->wire, smpp_output(s->smpp));
		ended(s, smpp_why(s->smpp));
		return;
	}
	tell_counts(s);
	wire_write(s->wire, smpp_output(s->smpp));
	if (wire_unwritten(s->wire) > OUTPUT_BYTES) {
		ended(s, "the provider does not read");
		return;
	}
	due = smpp_due(s->smpp) - now(s);
	wait_ms(s, due > 0 ? (uint64_t)due : 0);
}

/* ---- from the wire --------------------------------------------------------------------------------------- */

static void
wire_opened(void *owner)
{
	struct session *s = owner;

	smpp_connected(s->smpp, now(s));
	session_flush(s);
}

static void
wire_data(void *owner, const void *p, size_t n)
{
	struct session *s = owner;
	int rc;

	s->inside = true;
	rc = smpp_take(s->smpp, p, n, now(s));
	s->inside = false;
	if (rc) {
		tell_counts(s);
		wire_write(s->wire, smpp_output(s->smpp));
		ended(s, smpp_why(s->smpp));
		return;
	}
	session_flush(s);
}

static void
wire_closed(void *owner, const char *why)
{
	struct session *s = owner;

	s->wire = NULL;
	ended(s, why);
}

static const struct wire_calls wire_calls = { wire_opened, wire_data, wire_closed };

/* ---- from smpp ------------------------------------------------------------------------------------------- */

static void
smpp_is_bound(void *owner, const char *smsc)
{
	struct session *s = owner;

	s->tries = 0;
	log_info(NULL, "smpp-bound", "host=%s smsc=%s", s->settings->host, smsc);
	gateway_level(s->g, s->bind == BIND_RECEIVER ? "bound_receiver" : "bound", 1);
	s->calls->up(s->owner, s);
}

static void
smpp_answered(void *owner, uint64_t tag, uint32_t status, const char *message_id)
{
	struct session *s = owner;

	s->calls->answered(s->owner, tag, status, message_id);
}

static void
smpp_delivers(void *owner, const struct pdu *p)
{
	struct session *s = owner;

	s->calls->delivered(s->owner, s->life, p);
}

static const struct smpp_calls smpp_calls = { smpp_is_bound, smpp_answered, smpp_delivers };

/* ---- its life -------------------------------------------------------------------------------------------- */

static void
open_again(struct session *s)
{
	const struct sms_settings *set = s->settings;
	struct smpp_settings smpp = {
		.bind = s->bind, .system_id = set->system_id, .password = set->password, .system_type = set->system_type,
		.address_range = set->address_range, .window = set->window, .incoming = set->incoming, .pdu_bytes = set->pdu_bytes,
		.output_bytes = OUTPUT_BYTES, .answer_ms = set->answer_seconds * 1000, .enquire_ms = set->enquire_seconds * 1000,
	};

	crypt_random(&s->life, sizeof(s->life));
	s->smpp = smpp_new(&smpp, &smpp_calls, s);
	s->told = (struct smpp_counts){ 0 };
	s->wire = wire_open(gateway_loop(s->g), set->host, (uint16_t)set->port, s->trust, set->answer_seconds * 1000, &wire_calls, s);
	smpp_hold(s->smpp, s->hold);
}

struct session *
session_new(struct gateway *g, const struct sms_settings *settings, const struct wire_trust *trust, enum pdu_command bind,
	const struct session_calls *calls, void *owner)
{
	struct session *s = NEW(struct session);

	s->g = g;
	s->settings = settings;
	s->trust = trust;
	s->bind = bind;
	s->calls = calls;
	s->owner = owner;
	s->timer = NEW(uv_timer_t);
	uv_timer_init(gateway_loop(g), s->timer);
	s->timer->data = s;
	open_again(s);
	return s;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

void
session_free(struct session *s)
{
	if (!s)
		return;
	if (s->smpp) {
		smpp_unbind(s->smpp, now(s));
		wire_write(s->wire, smpp_output(s->smpp));
		smpp_closed(s->smpp);
		smpp_free(s->smpp);
	}
	wire_close(s->wire);
	uv_close((uv_handle_t *)s->timer, timer_closed);
	free(s);
}

struct smpp *
session_smpp(struct session *s)
{
	return s->smpp && smpp_state(s->smpp) == SMPP_BOUND ? s->smpp : NULL;
}

void
session_delivered(struct session *s, uint64_t life, uint32_t sequence, enum pdu_status status)
{
	if (!s->smpp || s->life != life)
		return;
	smpp_delivered(s->smpp, sequence, status);
	session_flush(s);
}

void
session_hold(struct session *s, bool hold)
{
	s->hold = hold;
	if (s->smpp)
		smpp_hold(s->smpp, hold);
}
