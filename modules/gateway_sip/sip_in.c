/*
 * sip_in: what comes. A MESSAGE with text is answered when chanceryd has it in the record, or has refused it; until then its transaction stays open, and its sender
 * repeats it if its transport needs that, which the library takes for what it is. Who does not get an answer sends it anew: it has the same
 * id then, by which it is known.
 */
#include "sip.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "sip_body.h"

#define RETRY_AFTER "30"
#define ID_MAX 512
/* A Date before that is of a clock that is wrong. */
#define OLDEST_US (7 * INT64_C(86400000000))

/* A MESSAGE that waits for chanceryd. */
struct incoming {
	struct list link; /* of struct sip */
	nta_incoming_t *irq;
};

/* ---- who -------------------------------------------------------------------------------------------------- */

static bool
is_sip(const url_t *url)
{
	return url->url_type == url_sip || url->url_type == url_sips || url->url_type == url_im || url->url_type == url_pres;
}

/* P-Asserted-Identity, by who is believed because the peer says so: one person, beside whom there may be a number (RFC 3325 §9.1). */
static bool
take_asserted(const sip_t *sip, char from[SIP_NAME_SIZE])
{
	su_home_t *home = su_home_new(sizeof(*home));
	unsigned persons = 0, others = 0;

	for (const sip_unknown_t *h = sip->sip_unknown; h != NULL; h = h->un_next) {
		const sip_p_asserted_identity_t *a = NULL;

		if (strcasecmp(h->un_name, "P-Asserted-Identity") != 0)
			continue;
		if (h->un_value != NULL)
			a = (sip_p_asserted_identity_t *)sip_header_make(home, sip_p_asserted_identity_class, h->un_value);
		if (a == NULL)
			others++;
		for (; a != NULL; a = a->paid_next) {
			if (is_sip(a->paid_url) && sip_name_from(a->paid_url->url_user, a->paid_url->url_host, from))
				persons++;
			else if (a->paid_url->url_type != url_tel)
				others++;
		}
	}
	su_home_unref(home);
	return persons == 1 && others == 0;
}

/* Ours by name, or reached by our address (a request that followed our registration). */
static bool
is_for_us(const struct sip *s, const url_t *url)
{
	return url->url_host != NULL && (!strcasecmp(url->url_host, s->set.domain) || !strcmp(url->url_host, s->set.address));
}

/* Whose request is this, and for whom? The foreign name, and an address of the host (jid_unref); or a status that refuses it, with `why`. */
static int
sip_in_who(struct sip *s, const sip_t *sip, char from[SIP_NAME_SIZE], struct jid **to, const char **why)
{
	const url_t *url = sip->sip_request->rq_url;
	const url_t *who = sip->sip_from->a_url;
	char name[SIP_NAME_SIZE];
	const char *at;
	char *local;

	*to = NULL;
	if (s->set.identity == SIP_IDENTITY_ASSERTED ? !take_asserted(sip, from) : !is_sip(who) || !sip_name_from(who->url_user, who->url_host, from)) {
		*why = "nobody is said to have sent it";
		return 403;
	}
	/* Our own people do not come from there: a loop, or a forged identity. */
	if (!strcmp(sip_name_host(from), s->set.domain) || !strcasecmp(sip_name_host(from), s->set.address)) {
		*why = "it claims to be of ours";
		return 403;
	}
	if (!is_sip(url) || !is_for_us(s, url) || !sip_name_from(url->url_user, url->url_host, name)) {
		*why = "nobody of ours";
		return 404;
	}
	at = strrchr(name, '@');
	local = mem_strndup(name, (size_t)(at - name));
	*to = jid_new(local, gateway_host(s->gateway), NULL);
	free(local);
	if (*to == NULL || jid_local(*to) == NULL) {
		jid_unref(*to);
		*why = "nobody of ours";
		return 404;
	}
	return 0;
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

static const struct {
	enum xerror e;
	int status;
	const char *phrase;
} answers[] = {
	{ XERROR_NONE, SIP_200_OK },
	{ XERROR_ITEM_NOT_FOUND, SIP_404_NOT_FOUND },
	{ XERROR_JID_MALFORMED, SIP_404_NOT_FOUND },
	{ XERROR_GONE, SIP_404_NOT_FOUND },
	{ XERROR_FORBIDDEN, SIP_403_FORBIDDEN },
	{ XERROR_NOT_ALLOWED, SIP_403_FORBIDDEN },
	{ XERROR_NOT_AUTHORIZED, SIP_403_FORBIDDEN },
	{ XERROR_POLICY_VIOLATION, SIP_403_FORBIDDEN },
	{ XERROR_REGISTRATION_REQUIRED, SIP_403_FORBIDDEN },
	{ XERROR_NOT_ACCEPTABLE, SIP_488_NOT_ACCEPTABLE },
	{ XERROR_BAD_REQUEST, SIP_400_BAD_REQUEST },
	{ XERROR_SERVICE_UNAVAILABLE, SIP_480_TEMPORARILY_UNAVAILABLE },
	{ XERROR_RECIPIENT_UNAVAILABLE, SIP_480_TEMPORARILY_UNAVAILABLE },
};

/* Come again. Not 503, for which proxies would think that nothing of ours works, and which they hand on as 500 (RFC 3261 §16.7). */
static void
answer_later(nta_incoming_t *irq)
{
	nta_incoming_treply(irq, SIP_480_TEMPORARILY_UNAVAILABLE, SIPTAG_RETRY_AFTER_STR(RETRY_AFTER), TAG_END());
}

/* What is not in the table is trouble of ours. */
static void
answer(nta_incoming_t *irq, enum xerror e)
{
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		if (answers[i].e == e) {
			nta_incoming_treply(irq, answers[i].status, answers[i].phrase, TAG_END());
			return;
		}
	answer_later(irq);
}

static int
come_again(struct sip *s, nta_incoming_t *irq)
{
	gateway_count(s->gateway, "sip_busy", 1);
	answer_later(irq);
	return 480;
}

static void
finish(struct incoming *in, enum xerror e)
{
	answer(in->irq, e);
	nta_incoming_destroy(in->irq);
	list_remove(&in->link);
	free(in);
}

static void
on_stored(void *arg, enum xerror e, const char *text)
{
	(void)text;
	finish(arg, e);
}

/* ---- messages --------------------------------------------------------------------------------------------- */

/* What stays the same when it is sent anew because no answer came: the CPIM wrapper's id, or the request's. */
static void
make_id(struct buf *out, const sip_t *sip, const struct sip_body *b)
{
	if (b->id[0] != '\0')
		buf_adds(out, b->id);
	else
		buf_addf(out, "%.*s %u %.64s", ID_MAX, sip->sip_call_id->i_id, sip->sip_cseq->cs_seq, sip->sip_from->a_tag != NULL ? sip->sip_from->a_tag : "");
}

/* When it was said, if that can be believed: of what waited somewhere for our proxy. Else now. */
static int64_t
said_at(const sip_t *sip)
{
	int64_t now = clock_wall_us(), at;

	if (sip->sip_date == NULL)
		return 0;
	at = ((int64_t)sip->sip_date->d_time - (int64_t)SU_TIME_EPOCH) * INT64_C(1000000);
	return at < now && at > now - OLDEST_US ? at : 0;
}

static int
take_text(struct sip *s, nta_incoming_t *irq, const sip_t *sip, struct gateway_user *u, const char *from, struct sip_body *b)
{
	struct incoming *in;
	struct buf id = { 0 };
	struct gateway_incoming message = { .from = from, .body = buf_str(&b->text), .wants_receipt = b->wants_report && b->id[0] != '\0', .final = true,
		.stored = on_stored };
	int rc;

	if (sip->sip_subject != NULL)
		message.subject = sip->sip_subject->g_string;
	message.at_us = said_at(sip);
	make_id(&id, sip, b);
	message.id = buf_str(&id);
	in = NEW(struct incoming);
	in->irq = irq;
	list_append(&s->incoming, &in->link);
	message.arg = in;
	rc = gateway_receive(u, &message);
	buf_fini(&id);
	if (rc == 0)
		return 0;
	list_remove(&in->link);
	free(in);
	return come_again(s, irq);
}

/* The header's value, put together again. */
static void
read_body(struct sip_body *b, const sip_t *sip)
{
	const sip_content_type_t *c = sip->sip_content_type;
	const sip_payload_t *p = sip->sip_payload;
	struct buf type = { 0 };

	if (c != NULL) {
		buf_adds(&type, c->c_type);
		for (const msg_param_t *param = c->c_params; param != NULL && *param != NULL; param++)
			buf_addf(&type, ";%s", *param);
	}
	sip_body_read(b, c != NULL ? buf_str(&type) : NULL, p != NULL ? p->pl_data : "", p != NULL ? p->pl_len : 0);
	buf_fini(&type);
}

static int
take_body(struct sip *s, nta_incoming_t *irq, const sip_t *sip, const char *source, struct gateway_user *u, const char *from, struct sip_body *b)
{
	switch (b->kind) {
	case SIP_BODY_TEXT:
		return take_text(s, irq, sip, u, from, b);
	case SIP_BODY_TYPING:
		gateway_typing(u, from, b->typing);
		return 200;
	case SIP_BODY_REPORT:
		if (b->report == SIP_REPORT_DELIVERED || b->report == SIP_REPORT_DISPLAYED) {
			sip_out_reported(s, u, from, b->id);
			gateway_receipt(u, from, b->id);
		} else if (b->report == SIP_REPORT_FAILED)
			(void)gateway_bounced(u, from, b->id, XERROR_RECIPIENT_UNAVAILABLE, "SIP: not delivered", NULL, NULL);
		return 200;
	case SIP_BODY_UNSUPPORTED:
		nta_incoming_treply(irq, SIP_415_UNSUPPORTED_MEDIA, SIPTAG_ACCEPT_STR(SIP_BODY_ACCEPTED), TAG_END());
		return sip_refused(s, source, sip, 415, b->why);
	case SIP_BODY_BAD:
		break;
	}
	return sip_refused(s, source, sip, 400, b->why);
}

int
sip_in_message(struct sip *s, nta_incoming_t *irq, const sip_t *sip, const char *source)
{
	char from[SIP_NAME_SIZE];
	const char *why;
	struct gateway_user *u;
	struct sip_body b;
	struct jid *to;
	int status = sip_in_who(s, sip, from, &to, &why);

	if (status != 0)
		return sip_refused(s, source, sip, status, why);
	if (sip->sip_content_encoding != NULL) {
		jid_unref(to);
		nta_incoming_treply(irq, SIP_415_UNSUPPORTED_MEDIA, SIPTAG_ACCEPT_ENCODING_STR("identity"), TAG_END());
		return sip_refused(s, source, sip, 415, "its content is encoded");
	}
	if (!gateway_takes(s->gateway)) {
		jid_unref(to);
		return come_again(s, irq);
	}
	u = gateway_user_get(s->gateway, jid_bare(to));
	jid_unref(to);
	if (u == NULL)
		return sip_refused(s, source, sip, 404, "nobody of ours");
	read_body(&b, sip);
	status = take_body(s, irq, sip, source, u, from, &b);
	sip_body_fini(&b);
	return status;
}

void
sip_in_stop(struct sip *s)
{
	while (!list_is_empty(&s->incoming))
		finish(LIST_ENTRY(s->incoming.next, struct incoming, link), XERROR_INTERNAL_SERVER_ERROR);
}
