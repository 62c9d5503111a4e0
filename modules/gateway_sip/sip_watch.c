/*
 * sip_watch: presence of others, for who of ours has them in their contacts (RFC 3856, mapped as RFC 8048 §5 says): a subscription each, which
 * is a dialog, renewed before it ends. What it says of them is in the NOTIFYs.
 */
#include "sip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/crypt.h"
#include "base/map.h"
#include "base/mem.h"
#include "sip_pidf.h"

#define EXPIRES 1800
#define EXPIRES_LEAST 60
/* Who does not tell now is asked again. */
#define REFUSED_MS 3600000

struct sip_watch {
	UT_hash_handle hh;
	struct sip *sip;
	struct gateway_user *user;
	char *foreign;
	nta_leg_t *leg; /* the dialog; NULL: none */
	struct sip_request *request;
	unsigned tries; /* without success */
	bool shown;     /* something has been told of them */
	uv_timer_t timer;
	char key[];
};

static void subscribe(struct sip_watch *w);

static void
on_closed(uv_handle_t *h)
{
	struct sip_watch *w = h->data;

	free(w->foreign);
	free(w);
}

static void
on_timer(uv_timer_t *t)
{
	subscribe(t->data);
}

static void
later(struct sip_watch *w, uint64_t ms)
{
	uv_timer_start(&w->timer, on_timer, ms, 0);
}

static void
show(struct sip_watch *w, enum network_show what, const char *status)
{
	w->shown = what != NETWORK_GONE;
	gateway_presence(w->user, w->foreign, what, status);
}

/* The dialog is over; a new one later. */
static void
end_dialog(struct sip_watch *w, uint64_t ms)
{
	if (w->leg != NULL)
		nta_leg_destroy(w->leg);
	w->leg = NULL;
	later(w, ms);
	if (w->shown)
		show(w, NETWORK_GONE, NULL);
}

/* ---- what they say ---------------------------------------------------------------------------------------- */

static void
take_document(struct sip_watch *w, const sip_t *sip)
{
	static const struct {
		const char *show;
		enum network_show what;
	} shows[] = { { "away", NETWORK_AWAY }, { "chat", NETWORK_CHAT }, { "dnd", NETWORK_DND }, { "xa", NETWORK_XA } };
	enum network_show what = NETWORK_AVAILABLE;
	struct sip_pidf d;

	if (sip->sip_payload == NULL || sip->sip_payload->pl_len == 0)
		return;
	if (sip->sip_content_type == NULL || strcasecmp(sip->sip_content_type->c_type, "application/pidf+xml") != 0 ||
		!sip_pidf_read(&d, sip->sip_payload->pl_data, sip->sip_payload->pl_len)) {
		gateway_count(w->sip->gateway, "sip_refused", 1);
		log_warning(NULL, "sip-presence-refused", "from=%s", w->foreign);
		return;
	}
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++)
		if (!strcmp(d.show, shows[i].show))
			what = shows[i].what;
	show(w, d.open ? what : NETWORK_GONE, d.note[0] != '\0' ? d.note : NULL);
}

static bool
is_state(const sip_t *sip, const char *state)
{
	return sip->sip_subscription_state != NULL && sip->sip_subscription_state->ss_substate != NULL &&
		!strcasecmp(sip->sip_subscription_state->ss_substate, state);
}

/* In the dialog. */
static int
on_request(void *magic, nta_leg_t *leg, nta_incoming_t *irq, const sip_t *sip)
{
	struct sip_watch *w = magic;
	char source[ADDRESS_TEXT];
	const char *reason;

	(void)leg;
	if (!sip_from_peer(w->sip, irq, sip, source))
		return 403;
	if (sip->sip_request->rq_method != sip_method_notify)
		return sip_refused(w->sip, source, sip, 405, "a method that is not served");
	if (sip->sip_event == NULL || strcasecmp(sip->sip_event->o_type, "presence") != 0)
		return sip_refused(w->sip, source, sip, 489, "an event that was not asked for");
	nta_incoming_treply(irq, SIP_200_OK, TAG_END());
	if (!is_state(sip, "terminated")) {
		take_document(w, sip);
		return 200;
	}
	reason = sip->sip_subscription_state->ss_reason;
	sip_request_cancel(w->request);
	w->request = NULL;
	end_dialog(w, reason != NULL && (!strcasecmp(reason, "rejected") || !strcasecmp(reason, "noresource")) ? REFUSED_MS : gateway_backoff_ms(++w->tries));
	return 200;
}

/* ---- asking ----------------------------------------------------------------------------------------------- */

static void
on_answer(void *arg, int status, const char *phrase, const sip_t *sip)
{
	struct sip_watch *w = arg;
	unsigned long seconds = EXPIRES;

	(void)phrase;
	w->request = NULL;
	if ((status == 405 || status == 489 || status == 501) && !w->sip->watch_refused) {
		w->sip->watch_refused = true;
		log_warning(NULL, "sip-subscribe-refused", "status=%d of=%s", status, w->foreign);
	}
	if (status >= 300 || sip == NULL) {
		/* 481: the dialog was forgotten, and a new one is wanted now. */
		end_dialog(w, status == 501 || (status >= 400 && status < 500 && status != 408 && status != 480 && status != 481) ? REFUSED_MS : gateway_backoff_ms(++w->tries));
		return;
	}
	w->tries = 0;
	w->sip->watch_refused = false;
	nta_leg_rtag(w->leg, sip->sip_to->a_tag);
	nta_leg_client_route(w->leg, sip->sip_record_route, sip->sip_contact);
	if (sip->sip_expires != NULL)
		seconds = sip->sip_expires->ex_delta;
	later(w, (seconds < EXPIRES_LEAST ? EXPIRES_LEAST : seconds > EXPIRES ? EXPIRES : seconds) * 750);
}

static struct sip_request *
ask(struct sip_watch *w, unsigned expires, const char *uri, sip_answer_fn *fn)
{
	struct buf headers = { 0 };
	struct sip_ask a = { SIP_METHOD_SUBSCRIBE, .leg = w->leg, .uri = uri };
	struct sip_request *r;

	buf_addf(&headers, "Event: presence\r\nAccept: application/pidf+xml\r\nExpires: %u\r\nContact: %s\r\n", expires, w->sip->contact);
	a.headers = buf_str(&headers);
	r = sip_request_send(w->sip, &a, fn, w);
	buf_fini(&headers);
	return r;
}

static void
subscribe(struct sip_watch *w)
{
	struct buf uri = { 0 }, from = { 0 }, to = { 0 }, call = { 0 };
	bool fresh = w->leg == NULL;
	char id[33];

	if (w->request != NULL)
		return;
	sip_name_uri(&uri, w->foreign);
	if (fresh) {
		crypt_random_hex(id, sizeof(id) / 2);
		buf_addc(&from, '<');
		sip_own_uri(w->sip, &from, w->user->jid);
		buf_addc(&from, '>');
		buf_addf(&to, "<%s>", buf_str(&uri));
		buf_addf(&call, "%s@%s", id, w->sip->set.domain);
		w->leg = nta_leg_tcreate(w->sip->agent, on_request, w, SIPTAG_CALL_ID_STR(buf_str(&call)), SIPTAG_FROM_STR(buf_str(&from)),
			SIPTAG_TO_STR(buf_str(&to)), TAG_END());
		if (w->leg != NULL)
			nta_leg_tag(w->leg, NULL);
	}
	if (w->leg == NULL || (w->request = ask(w, EXPIRES, fresh ? buf_str(&uri) : NULL, on_answer)) == NULL)
		end_dialog(w, gateway_backoff_ms(++w->tries));
	buf_fini(&uri);
	buf_fini(&from);
	buf_fini(&to);
	buf_fini(&call);
}

/* ---- who watches whom ------------------------------------------------------------------------------------- */

static struct sip_watch *
find(struct sip *s, const struct gateway_user *u, const char *foreign)
{
	struct buf key = { 0 };
	struct sip_watch *w;

	buf_addf(&key, "%s %s", jid_bare(u->jid), foreign);
	HASH_FIND(hh, s->watches, buf_data(&key), buf_len(&key), w);
	buf_fini(&key);
	return w;
}

static void
end(struct sip_watch *w)
{
	struct sip *s = w->sip;

	sip_request_cancel(w->request);
	w->request = NULL;
	/* What the other side still has of the subscription ends by its time: its NOTIFYs get 481. */
	if (w->leg != NULL)
		nta_leg_destroy(w->leg);
	HASH_DEL(s->watches, w);
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

void
sip_watch_set(struct sip *s, struct gateway_user *u, const char *foreign, bool on)
{
	struct sip_watch *w = find(s, u, foreign);
	size_t n = strlen(jid_bare(u->jid)) + 1 + strlen(foreign);

	if (!on && w != NULL)
		end(w);
	if (!on || w != NULL)
		return;
	w = mem_zalloc(sizeof(*w) + n + 1);
	(void)snprintf(w->key, n + 1, "%s %s", jid_bare(u->jid), foreign);
	w->sip = s;
	w->user = u;
	w->foreign = mem_strdup(foreign);
	uv_timer_init(gateway_loop(s->gateway), &w->timer);
	w->timer.data = w;
	HASH_ADD(hh, s->watches, key, n, w);
	subscribe(w);
}

void
sip_watch_close(struct sip *s, const struct gateway_user *u)
{
	struct sip_watch *w, *next;

	HASH_ITER(hh, s->watches, w, next)
		if (w->user == u)
			end(w);
}
