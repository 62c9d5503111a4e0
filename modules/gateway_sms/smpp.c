/*
 * smpp: see smpp.h.
 */
#include "gateway_sms/smpp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"

struct submitted {
	uint32_t sequence; /* 0: free */
	uint64_t tag;
	int64_t due;
};

struct incoming {
	bool open;
	uint32_t sequence;
	uint64_t words; /* a hash of its body */
};

struct smpp {
	struct smpp_settings settings;
	const struct smpp_calls *calls;
	void *owner;
	enum smpp_state state;
	uint32_t sequence, bind_sequence, bind_status;
	struct buf in, out;
	struct submitted *submitted;
	unsigned submitted_count;
	struct incoming *incoming;
	unsigned incoming_count;
	int64_t heard;    /* when the last bytes came */
	int64_t answer;   /* until when a bind, unbind or enquire_link is answered; 0: none is open */
	bool over, hold;
	char why[96];
	struct smpp_counts counts;
};

struct smpp *
smpp_new(const struct smpp_settings *settings, const struct smpp_calls *calls, void *owner)
{
	struct smpp *s = NEW(struct smpp);

	s->settings = *settings;
	s->calls = calls;
	s->owner = owner;
	s->submitted = mem_zalloc(settings->window * sizeof(*s->submitted));
	s->incoming = mem_zalloc(settings->incoming * sizeof(*s->incoming));
	return s;
}

void
smpp_free(struct smpp *s)
{
	if (!s)
		return;
	buf_fini(&s->in);
	/* The bind may still be in there, with the password. */
	if (s->out.data)
		crypt_wipe(s->out.data, s->out.cap);
	buf_fini(&s->out);
	free(s->submitted);
	free(s->incoming);
	free(s);
}

/* ---- saying ---------------------------------------------------------------------------------------------- */

static uint32_t
next_sequence(struct smpp *s)
{
	s->sequence = s->sequence == PDU_SEQUENCE_LAST ? 1 : s->sequence + 1;
	return s->sequence;
}

static void
say(struct smpp *s, uint32_t command, uint32_t status, uint32_t sequence)
{
	struct pdu p = { .command = command, .status = status, .sequence = sequence };

	pdu_write(&p, &s->out);
}

static int
end(struct smpp *s, const char *why)
{
	s->over = true;
	s->state = SMPP_CLOSED;
	snprintf(s->why, sizeof(s->why), "%s", why);
	return -1;
}

void
smpp_connected(struct smpp *s, int64_t now)
{
	struct pdu p = { .command = s->settings.bind, .interface_version = SMPP_VERSION };

	p.sequence = s->bind_sequence = next_sequence(s);
	snprintf(p.system_id, sizeof(p.system_id), "%s", s->settings.system_id);
	snprintf(p.password, sizeof(p.password), "%s", s->settings.password);
	snprintf(p.system_type, sizeof(p.system_type), "%s", s->settings.system_type);
	snprintf(p.address_range, sizeof(p.address_range), "%s", s->settings.address_range);
	p.addr_ton = s->settings.addr_ton;
	p.addr_npi = s->settings.addr_npi;
	pdu_write(&p, &s->out);
	crypt_wipe(p.password, sizeof(p.password));
	s->state = SMPP_BINDING;
	s->heard = now;
	s->answer = now + s->settings.answer_ms;
}

void
smpp_unbind(struct smpp *s, int64_t now)
{
	if (s->state != SMPP_BOUND)
		return;
	say(s, UNBIND, ESME_ROK, next_sequence(s));
	s->state = SMPP_UNBINDING;
	s->answer = now + s->settings.answer_ms;
}

unsigned
smpp_room(const struct smpp *s)
{
	if (s->state != SMPP_BOUND || s->settings.bind == BIND_RECEIVER)
		return 0;
	return s->settings.window - s->submitted_count;
}

void
smpp_submit(struct smpp *s, struct pdu *submit_sm, uint64_t tag, int64_t now)
{
	struct submitted *free_slot = s->submitted;

	while (free_slot->sequence)
		free_slot++;
	submit_sm->command = SUBMIT_SM;
	submit_sm->status = ESME_ROK;
	submit_sm->sequence = next_sequence(s);
	*free_slot = (struct submitted){ submit_sm->sequence, tag, now + s->settings.answer_ms };
	s->submitted_count++;
	pdu_write(submit_sm, &s->out);
}

void
smpp_hold(struct smpp *s, bool hold)
{
	s->hold = hold;
}

void
smpp_delivered(struct smpp *s, uint32_t sequence, enum pdu_status status)
{
	for (unsigned i = 0; i < s->settings.incoming; i++) {
		if (!s->incoming[i].open || s->incoming[i].sequence != sequence)
			continue;
		s->incoming[i].open = false;
		s->incoming_count--;
		if (!s->over)
			say(s, DELIVER_SM | PDU_RESPONSE, status, sequence);
		return;
	}
}

/* ---- hearing: answers ------------------------------------------------------------------------------------ */

static void
answered(struct smpp *s, struct submitted *slot, uint32_t status, const char *message_id)
{
	uint64_t tag = slot->tag;

	slot->sequence = 0;
	s->submitted_count--;
	s->calls->answered(s->owner, tag, status, message_id);
}

static struct submitted *
find_submitted(struct smpp *s, uint32_t sequence)
{
	for (unsigned i = 0; sequence && i < s->settings.window; i++)
		if (s->submitted[i].sequence == sequence)
			return &s->submitted[i];
	return NULL;
}

static int
bind_answered(struct smpp *s, const struct pdu *p)
{
	char hex[11], why[96];

	if (s->state != SMPP_BINDING || p->sequence != s->bind_sequence) {
		s->counts.stray++;
		return 0;
	}
	if (p->status) {
		s->bind_status = p->status;
		snprintf(why, sizeof(why), "bind refused: %s", pdu_status_name(p->status, hex));
		return end(s, why);
	}
	s->state = SMPP_BOUND;
	s->answer = 0;
	s->calls->bound(s->owner, p->system_id);
	return 0;
}

/* `wrong`: what is wrong with the answer itself. What was asked is answered nevertheless: as an error, when it was not one already. */
static int
take_answer(struct smpp *s, const struct pdu *p, uint32_t wrong)
{
	struct submitted *slot = find_submitted(s, p->sequence);
	struct pdu checked = *p;

	if (wrong && !checked.status)
		checked.status = wrong;
	if (p->command == GENERIC_NACK) {
		if (!checked.status)
			checked.status = ESME_RUNKNOWNERR;
		if (slot)
			answered(s, slot, checked.status, "");
		else
			return bind_answered(s, &checked);
	} else if (p->command == ((uint32_t)s->settings.bind | PDU_RESPONSE)) {
		return bind_answered(s, &checked);
	} else if (p->command == (SUBMIT_SM | PDU_RESPONSE) && slot) {
		answered(s, slot, checked.status, checked.message_id);
	} else if (p->command == (UNBIND | PDU_RESPONSE) && s->state == SMPP_UNBINDING) {
		return end(s, "unbound");
	} else if (p->command == (ENQUIRE_LINK | PDU_RESPONSE) && s->state == SMPP_BOUND && s->answer) {
		s->answer = 0;
	} else {
		s->counts.stray++;
	}
	return 0;
}

/* ---- hearing: requests ----------------------------------------------------------------------------------- */

static void
refuse(struct smpp *s, const struct pdu *p, uint32_t status)
{
	bool known = status != ESME_RINVCMDID || p->command == DATA_SM;

	s->counts.refused++;
	/* §4.3.1: what is not known has no answer of its own. */
	say(s, known ? p->command | PDU_RESPONSE : GENERIC_NACK, status, p->sequence);
}

static int
take_deliver(struct smpp *s, const struct pdu *p, uint64_t words)
{
	struct incoming *free_slot = NULL;

	for (unsigned i = 0; i < s->settings.incoming; i++) {
		struct incoming *in = &s->incoming[i];

		if (!in->open) {
			free_slot = free_slot ? free_slot : in;
		} else if (in->sequence == p->sequence) {
			if (in->words != words)
				return end(s, "the number of a deliver_sm that is not answered came again with another one");
			s->counts.repeated++;
			return 0;
		}
	}
	if (!free_slot || s->hold) {
		s->counts.full++;
		say(s, DELIVER_SM | PDU_RESPONSE, ESME_RMSGQFUL, p->sequence);
		return 0;
	}
	*free_slot = (struct incoming){ true, p->sequence, words };
	s->incoming_count++;
	s->calls->delivered(s->owner, p);
	return 0;
}

static int
take_request(struct smpp *s, const struct pdu *p, uint32_t wrong, uint64_t words)
{
	if (p->command == OUTBIND || p->command == ALERT_NOTIFICATION)
		return 0; /* Neither has an answer; we are bound already, and do not wait for anybody's telephone. */
	if (wrong) {
		refuse(s, p, wrong);
		return 0;
	}
	switch (p->command) {
	case ENQUIRE_LINK:
		say(s, ENQUIRE_LINK | PDU_RESPONSE, ESME_ROK, p->sequence);
		return 0;
	case UNBIND:
		say(s, UNBIND | PDU_RESPONSE, ESME_ROK, p->sequence);
		return end(s, "the other side unbound");
	case DELIVER_SM:
		if (s->state == SMPP_BOUND && s->settings.bind != BIND_TRANSMITTER)
			return take_deliver(s, p, words);
		refuse(s, p, s->state == SMPP_UNBINDING ? ESME_RX_T_APPN : ESME_RINVBNDSTS);
		return 0;
	case DATA_SM:
		refuse(s, p, ESME_RINVCMDID);
		return 0;
	default: /* What only we may ask for. */
		refuse(s, p, ESME_RINVBNDSTS);
		return 0;
	}
}

int
smpp_take(struct smpp *s, const void *p, size_t n, int64_t now)
{
	int rc = 0;

	if (s->over)
		return -1;
	s->heard = now;
	buf_add(&s->in, p, n);
	while (!rc && buf_len(&s->in) >= 4) {
		const uint8_t *begin = (const uint8_t *)buf_data(&s->in);
		uint32_t length = pdu_length(begin), wrong;
		struct pdu pdu;

		if (length < PDU_HEADER || length > s->settings.pdu_bytes) {
			/* Nobody knows where the next one begins. */
			say(s, GENERIC_NACK, ESME_RINVCMDLEN, 0);
			s->counts.refused++;
			return end(s, "a length that no PDU has");
		}
		if (buf_len(&s->in) < length)
			break;
		wrong = pdu_read(begin, length, &pdu);
		if (pdu.command & PDU_RESPONSE)
			rc = take_answer(s, &pdu, wrong);
		else
			rc = take_request(s, &pdu, wrong, crypt_hash(begin + PDU_HEADER, length - PDU_HEADER));
		buf_consume(&s->in, length);
		if (!rc && buf_len(&s->out) > s->settings.output_bytes)
			rc = end(s, "the other side asks, and does not read the answers");
	}
	if (!buf_len(&s->in))
		buf_fini(&s->in);
	return rc;
}

/* ---- time ------------------------------------------------------------------------------------------------ */

int64_t
smpp_due(const struct smpp *s)
{
	int64_t due = s->answer ? s->answer : s->heard + s->settings.enquire_ms;

	for (unsigned i = 0; i < s->settings.window; i++)
		if (s->submitted[i].sequence && s->submitted[i].due < due)
			due = s->submitted[i].due;
	return due;
}

int
smpp_tick(struct smpp *s, int64_t now)
{
	if (s->over)
		return -1;
	for (unsigned i = 0; i < s->settings.window; i++)
		if (s->submitted[i].sequence && s->submitted[i].due <= now)
			answered(s, &s->submitted[i], SMPP_NO_ANSWER, "");
	if (s->answer && s->answer <= now)
		return end(s, s->state == SMPP_BINDING ? "no answer to the bind" :
			s->state == SMPP_UNBINDING ? "no answer to the unbind" : "no answer to enquire_link");
	if (!s->answer && s->state == SMPP_BOUND && s->heard + s->settings.enquire_ms <= now) {
		say(s, ENQUIRE_LINK, ESME_ROK, next_sequence(s));
		s->answer = now + s->settings.answer_ms;
	}
	return 0;
}

void
smpp_closed(struct smpp *s)
{
	s->over = true;
	s->state = SMPP_CLOSED;
	/* By their numbers, which is the order in which they went. */
	while (s->submitted_count) {
		struct submitted *oldest = NULL;

		for (unsigned i = 0; i < s->settings.window; i++) {
			struct submitted *it = &s->submitted[i];

			if (it->sequence && (!oldest || it->sequence < oldest->sequence))
				oldest = it;
		}
		answered(s, oldest, SMPP_LOST, "");
	}
}

enum smpp_state
smpp_state(const struct smpp *s)
{
	return s->state;
}

struct buf *
smpp_output(struct smpp *s)
{
	return &s->out;
}

const char *
smpp_why(const struct smpp *s)
{
	return s->why;
}

uint32_t
smpp_bind_status(const struct smpp *s)
{
	return s->bind_status;
}

const struct smpp_counts *
smpp_counts(const struct smpp *s)
{
	return &s->counts;
}
