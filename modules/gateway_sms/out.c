/*
 * out: what people here write: gateway_message to outbox to submit_sm, and what became of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "gateway_sms/receipt.h"
#include "gateway_sms/sms.h"

/* A gateway_message's `net`. */
struct out {
	struct list link; /* of its user */
	struct gateway_message *m;
	struct outbox_message *box;
	char to[NUMBER_SIZE];
};

void
out_user_open(struct gateway_user *u)
{
	u->net = NEW(struct list);
	list_init(u->net);
	/* The provider knows one sender; messages wait for it in one queue, whoever wrote them. */
	gateway_user_up(u);
}

static void
drop(struct out *o)
{
	outbox_forget(sms.outbox, o->box);
	list_remove(&o->link);
	free(o);
}

void
out_user_close(struct gateway_user *u)
{
	struct list *outs = u->net;

	LIST_EACH(l, outs)
		drop(LIST_ENTRY(l, struct out, link));
	free(outs);
	u->net = NULL;
}

void
out_forget(struct gateway_message *m)
{
	drop(m->net);
	m->net = NULL;
}

/* ---- going ----------------------------------------------------------------------------------------------- */

/* §7.1.1: relative time, "YYMMDDhhmmss000R". */
static void
validity(struct pdu *p, unsigned minutes)
{
	if (minutes)
		snprintf(p->validity_period, sizeof(p->validity_period), "0000%02u%02u%02u00000R", minutes / 1440 % 100, minutes / 60 % 24, minutes % 60);
}

static void
queue(struct gateway_message *m, struct coding_text *text)
{
	struct pdu like = { .source = sms.settings->source, .registered_delivery = sms.settings->receipts };
	struct out *o = NEW(struct out);

	number_put(m->to, &like.destination);
	validity(&like, sms.settings->validity_minutes);
	o->m = m;
	snprintf(o->to, sizeof(o->to), "%s", m->to);
	o->box = outbox_add(sms.outbox, o, &like, text);
	if (!o->box) {
		free(o);
		gateway_failed(m, XERROR_RESOURCE_CONSTRAINT, "Too many messages wait for the provider.");
		return;
	}
	m->net = o;
	list_append(m->user->net, &o->link);
	out_pump();
}

void
out_send(struct gateway_message *m)
{
	struct coding_text text;
	struct err e;

	if (m->kind != MESSAGE_TEXT || !m->body) {
		gateway_failed(m, XERROR_FEATURE_NOT_IMPLEMENTED, NULL);
	} else if (number_kind(m->to) == NUMBER_NAME) {
		gateway_failed(m, XERROR_NOT_ALLOWED, "This sender has a name and no number: it cannot be answered.");
	} else if (coding_split(&text, &sms.settings->way, m->body, strlen(m->body), ++sms.reference, &e)) {
		char words[400];

		snprintf(words, sizeof(words), "The text is too long for SMS: %s.", e.text);
		gateway_failed(m, XERROR_NOT_ACCEPTABLE, words);
	} else {
		queue(m, &text);
	}
}

static void
pump_again(uv_timer_t *t)
{
	(void)t;
	out_pump();
	parts_tick();
}

void
out_pump(void)
{
	struct smpp *smpp = sms.transmitter ? session_smpp(sms.transmitter) : NULL;
	int64_t now = (int64_t)uv_now(gateway_loop(sms.g)), due, parts;

	if (smpp) {
		outbox_pump(sms.outbox, smpp, now);
		session_flush(sms.transmitter);
	}
	due = smpp ? outbox_due(sms.outbox, now) - now : INT64_MAX;
	parts = collect_due(sms.collect);
	if (parts != INT64_MAX) {
		parts -= clock_wall_us() / 1000;
		due = parts < due ? parts : due;
	}
	if (due == INT64_MAX)
		uv_timer_stop(sms.timer);
	else
		uv_timer_start(sms.timer, pump_again, due > 0 ? (uint64_t)due : 1, 0);
	gateway_level(sms.g, "queue", outbox_count(sms.outbox));
}

/* ---- its end --------------------------------------------------------------------------------------------- */

void
out_answered(uint64_t tag, uint32_t status, const char *message_id)
{
	int64_t now = (int64_t)uv_now(gateway_loop(sms.g));

	if (outbox_answered(sms.outbox, tag, status, message_id, now))
		gateway_count(sms.g, "throttled", 1);
	else if (status == ESME_ROK)
		gateway_count(sms.g, "parts_sent", 1);
	out_pump();
}

static void
taken(struct out *o, const struct outbox_end *end)
{
	struct gateway_message *m = o->m;
	/* The last part's is the message's: it is there when all are. */
	const char *id = end->ids[end->parts - 1];

	writers_note(sms.writers, o->to, jid_bare(m->user->jid));
	if (sms.settings->receipts && *id)
		receipts_expect(sms.receipts, end->ids, end->parts, jid_bare(m->user->jid), o->to, id);
	gateway_sent(m, sms.settings->receipts && *id ? id : NULL);
}

static void
refused(struct gateway_message *m, const struct outbox_end *end)
{
	char hex[11], words[200];
	enum xerror e = XERROR_NOT_ACCEPTABLE;
	int n;

	if (end->status == SMPP_NO_ANSWER) {
		e = XERROR_REMOTE_SERVER_TIMEOUT;
		n = snprintf(words, sizeof(words), "The SMS provider does not answer: the message may have been sent.");
	} else {
		if (end->status == ESME_RINVDSTADR)
			e = XERROR_ITEM_NOT_FOUND;
		else if (end->status == ESME_RSYSERR || end->status == ESME_RSUBMITFAIL)
			e = XERROR_REMOTE_SERVER_TIMEOUT;
		n = snprintf(words, sizeof(words), "The SMS provider refused the message: %s.", pdu_status_name(end->status, hex));
	}
	if (end->taken && n > 0 && (size_t)n < sizeof(words))
		snprintf(words + n, sizeof(words) - (size_t)n, " %u of its %u parts were taken.", end->taken, end->parts);
	gateway_failed(m, e, words);
}

static void
ended(void *owner, void *message, const struct outbox_end *end)
{
	struct out *o = message;
	struct gateway_message *m = o->m;

	(void)owner;
	list_remove(&o->link);
	m->net = NULL;
	if (end->status == ESME_ROK)
		taken(o, end);
	else
		refused(m, end);
	free(o);
}

const struct outbox_calls out_calls = { ended };
