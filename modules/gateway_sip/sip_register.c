/*
 * sip_register: registrations at the proxy (RFC 3261 §10), one for each of our people who uses the gateway, so that a registrar that knows nothing of
 * our domain knows where they are reached. Without the setting everybody is up at once: the proxy sends what is for our domain here by itself.
 */
#include "sip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypt.h"
#include "base/mem.h"

#define EXPIRES 600
#define EXPIRES_LEAST 30
/* The tries of one request use numbers of their own. */
#define CSEQ_STEP 10

struct registration {
	struct sip *sip;
	struct gateway_user *user;
	struct sip_request *request;
	unsigned cseq;
	bool registered;
	char id[33];
	uv_timer_t timer;
};

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

static struct sip_request *
ask(struct registration *r, unsigned expires, sip_answer_fn *fn, void *arg)
{
	struct sip *s = r->sip;
	struct buf own = { 0 }, from = { 0 }, to = { 0 }, uri = { 0 }, call = { 0 }, headers = { 0 };
	struct sip_ask a = { SIP_METHOD_REGISTER, .cseq = r->cseq };
	struct sip_request *q;

	r->cseq += CSEQ_STEP;
	sip_own_uri(s, &own, r->user->jid);
	buf_addf(&to, "<%s>", buf_str(&own));
	buf_addf(&from, "%s;tag=%.16s", buf_str(&to), r->id);
	buf_addf(&uri, "sip:%s", s->set.domain);
	buf_addf(&call, "%s@%s", r->id, s->set.domain);
	/* Our contact, with the user in it: by it we know for whom a request is. */
	buf_addf(&headers, "Contact: <%.*s@%s\r\nExpires: %u\r\n", (int)(strrchr(buf_str(&own), '@') - buf_str(&own)), buf_str(&own),
		s->contact + strlen("<sip:"), expires);
	a.from = buf_str(&from);
	a.to = buf_str(&to);
	a.uri = buf_str(&uri);
	a.call_id = buf_str(&call);
	a.headers = buf_str(&headers);
	q = sip_request_send(s, &a, fn, arg);
	buf_fini(&own);
	buf_fini(&from);
	buf_fini(&to);
	buf_fini(&uri);
	buf_fini(&call);
	buf_fini(&headers);
	return q;
}

static void on_timer(uv_timer_t *t);

/* How long it holds: as the answer says of our contact, or of all. */
static uint64_t
granted(const sip_t *sip)
{
	unsigned long seconds = EXPIRES;

	if (sip != NULL && sip->sip_contact != NULL && sip->sip_contact->m_expires != NULL)
		seconds = strtoul(sip->sip_contact->m_expires, NULL, 10);
	else if (sip != NULL && sip->sip_expires != NULL)
		seconds = sip->sip_expires->ex_delta;
	return seconds < EXPIRES_LEAST ? EXPIRES_LEAST : seconds > EXPIRES ? EXPIRES : seconds;
}

static void
on_answer(void *arg, int status, const char *phrase, const sip_t *sip)
{
	struct registration *r = arg;
	char words[160];

	r->request = NULL;
	r->registered = status < 300;
	if (r->registered) {
		uv_timer_start(&r->timer, on_timer, granted(sip) * 750, 0);
		if (!r->user->up)
			gateway_user_up(r->user);
		return;
	}
	(void)snprintf(words, sizeof(words), "SIP %d %s", status, phrase);
	log_warning(NULL, "sip-register", "jid=%s status=%d", jid_bare(r->user->jid), status);
	gateway_count(r->sip->gateway, "sip_register_failed", 1);
	gateway_user_down(r->user, status >= 400 && status < 500 && status != 408 && status != 480 ? GATEWAY_REFUSED : GATEWAY_LOST, words);
}

static void
renew(struct registration *r)
{
	r->request = ask(r, EXPIRES, on_answer, r);
	if (r->request == NULL)
		gateway_user_down(r->user, GATEWAY_LOST, "SIP: cannot register");
}

static void
on_timer(uv_timer_t *t)
{
	renew(t->data);
}

void
sip_register_open(struct sip *s, struct gateway_user *u)
{
	struct registration *r;

	if (!s->set.registers) {
		gateway_user_up(u);
		return;
	}
	u->net = r = NEW(struct registration);
	r->sip = s;
	r->user = u;
	crypt_random_hex(r->id, sizeof(r->id) / 2);
	uv_timer_init(gateway_loop(s->gateway), &r->timer);
	r->timer.data = r;
	renew(r);
}

static void
on_goodbye(void *arg, int status, const char *phrase, const sip_t *sip)
{
	(void)arg; /* whatever it is: what is registered ends by itself */
	(void)status;
	(void)phrase;
	(void)sip;
}

void
sip_register_close(struct sip *s, struct gateway_user *u)
{
	struct registration *r = u->net;

	(void)s;
	u->net = NULL;
	if (r == NULL)
		return;
	sip_request_cancel(r->request);
	if (r->registered)
		(void)ask(r, 0, on_goodbye, NULL);
	uv_close((uv_handle_t *)&r->timer, on_closed);
}
