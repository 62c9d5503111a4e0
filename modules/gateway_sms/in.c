/*
 * in: deliver_sm to text, and to whom. Who wrote to a number last gets what comes from it, for some time; then the inbox does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"
#include "gateway_sms/receipt.h"
#include "gateway_sms/sms.h"

/* A message on its way to chanceryd. */
struct arrival {
	struct list link; /* of struct sms */
	char from[NUMBER_SIZE], raw[NUMBER_SIZE];
	struct buf text;
	bool to_inbox;     /* there is nobody else left to try */
	bool given_up;     /* by in_end: nobody waits for it any more */
	in_done_fn *done;
	void *arg;
};

static void give(struct arrival *a, const char *jid);

static void
arrival_free(struct arrival *a)
{
	list_remove(&a->link);
	buf_fini(&a->text);
	free(a);
}

static void
finish(struct arrival *a, enum pdu_status status)
{
	in_done_fn *done = a->done;
	void *arg = a->arg;

	if (status)
		gateway_count(sms.g, status == ESME_RX_T_APPN ? "put_off" : "not_delivered", 1);
	arrival_free(a);
	done(arg, status);
}

/* The framework still has them: each goes when it is told about. */
void
in_end(void)
{
	LIST_EACH(l, &sms.arrivals)
		LIST_ENTRY(l, struct arrival, link)->given_up = true;
}

/* ---- to whom --------------------------------------------------------------------------------------------- */

static void
to_inbox(struct arrival *a)
{
	a->to_inbox = true;
	if (*sms.settings->inbox)
		give(a, sms.settings->inbox);
	else
		finish(a, ESME_RX_R_APPN);
}

static bool
is_for_later(enum xerror e)
{
	return e == XERROR_REMOTE_SERVER_TIMEOUT || e == XERROR_RESOURCE_CONSTRAINT || e == XERROR_INTERNAL_SERVER_ERROR;
}

static void
refused(struct arrival *a, enum xerror e, const char *text)
{
	if (is_for_later(e)) {
		finish(a, ESME_RX_T_APPN);
	} else if (!a->to_inbox) {
		/* Who wrote last is not here any more, or may not get this. */
		to_inbox(a);
	} else {
		log_warning(NULL, "sms-refused", "from=%s why=%s text=%s", a->from, xerror_name(e), text);
		finish(a, ESME_RX_R_APPN);
	}
}

static void
stored(void *arg, enum xerror e, const char *text)
{
	struct arrival *a = arg;

	if (a->given_up) {
		arrival_free(a);
	} else if (e != XERROR_NONE) {
		refused(a, e, text);
	} else {
		finish(a, ESME_ROK);
	}
}

static void
give(struct arrival *a, const char *jid)
{
	char id[33]; /* SMPP has none */
	struct gateway_user *u = gateway_user_get(sms.g, jid);
	struct gateway_incoming in = {
		.from = a->from, .foreign = a->raw, .id = id, .body = buf_str(&a->text), .final = true, .stored = stored, .arg = a,
	};
	const char *at = strchr(jid, '@');

	/* Too many users, or the program ends: later. Not an address of the host: never. */
	if (!u && at && !strcmp(at + 1, gateway_host(sms.g))) {
		finish(a, ESME_RX_T_APPN);
	} else if (!u && !a->to_inbox) {
		to_inbox(a);
	} else if (!u) {
		finish(a, ESME_RX_R_APPN);
	} else {
		crypt_random_hex(id, 16);
		if (gateway_receive(u, &in))
			finish(a, ESME_RX_T_APPN);
	}
}

static void
last_writer(void *arg, bool known, const char *jid)
{
	struct arrival *a = arg;

	if (a->given_up)
		arrival_free(a);
	else if (!known)
		finish(a, ESME_RX_T_APPN);
	else if (jid)
		give(a, jid);
	else
		to_inbox(a);
}

void
in_arrived(const char *from, const char *raw, struct buf *text, in_done_fn *done, void *arg)
{
	struct arrival *a = NEW(struct arrival);

	snprintf(a->from, sizeof(a->from), "%s", from);
	snprintf(a->raw, sizeof(a->raw), "%s", raw);
	a->text = *text;
	memset(text, 0, sizeof(*text));
	/* Without words there would be nothing to show, or to keep. */
	if (!buf_len(&a->text))
		buf_adds(&a->text, "[empty message]");
	a->done = done;
	a->arg = arg;
	list_append(&sms.arrivals, &a->link);
	if (sms.settings->reply_hours)
		writers_find(sms.writers, from, sms.settings->reply_hours, last_writer, a);
	else
		to_inbox(a);
}

/* ---- from the session ------------------------------------------------------------------------------------ */

void
in_answer(uint64_t life, uint32_t sequence, enum pdu_status status)
{
	if (sms.receiver)
		session_delivered(sms.receiver, life, sequence, status);
}

/* What a deliver_sm of a whole message waits for. */
struct answer {
	uint64_t life;
	uint32_t sequence;
};

static void
answer(void *arg, enum pdu_status status)
{
	struct answer *a = arg;

	in_answer(a->life, a->sequence, status);
	free(a);
}

static void
whole(uint64_t life, const struct pdu *p, const char *from, const struct coding_piece *piece)
{
	struct answer *a = NEW(struct answer);
	struct buf text = { 0 };

	*a = (struct answer){ life, p->sequence };
	coding_text(piece->coding, buf_data(&piece->units), buf_len(&piece->units), &text);
	in_arrived(from, p->source.digits, &text, answer, a);
}

static void
message(uint64_t life, const struct pdu *p)
{
	struct collect_key key = { 0 };
	struct coding_piece piece;
	uint32_t status = coding_read(p, sms.settings->way.alphabet, &piece);

	if (!status && !number_get(&sms.settings->plan, &p->source, key.from))
		status = ESME_RINVSRCADR;
	if (!status && piece.part && !number_get(&sms.settings->plan, &p->destination, key.to))
		status = ESME_RINVDSTADR;
	if (status) {
		gateway_count(sms.g, "not_read", 1);
		in_answer(life, p->sequence, (enum pdu_status)status);
	} else if (piece.part) {
		key.reference = piece.reference;
		key.total = piece.total;
		parts_came(life, p->sequence, &key, &piece);
	} else {
		whole(life, p, key.from, &piece);
	}
	buf_fini(&piece.units);
}

void
in_delivered(uint64_t life, const struct pdu *p)
{
	if (!receipt_is(p)) {
		message(life, p);
	} else {
		gateway_count(sms.g, receipts_came(sms.receipts, p) ? "receipts" : "receipts_of_nothing", 1);
		in_answer(life, p->sequence, ESME_ROK);
	}
	/* The framework is full: what is on its way was taken nevertheless, and no more is. */
	if (!sms.held && !gateway_takes(sms.g)) {
		sms.held = true;
		session_hold(sms.receiver, true);
	}
}
