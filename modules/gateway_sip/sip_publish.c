/*
 * sip_publish: presence of our people, told to the proxy (RFC 3903), which tells who has subscribed to it there. What is published ends by its time, and is
 * renewed before, but for that somebody is offline. A proxy that does not take it is not asked again before REFUSED_MS have passed.
 */
#include "sip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/map.h"
#include "base/mem.h"
#include "sip_pidf.h"

#define EXPIRES 1800
#define EXPIRES_LEAST 60
#define REFUSED_MS 3600000
#define CSEQ_STEP 10 /* the tries of one request use numbers of their own */

struct sip_publication {
	UT_hash_handle hh;
	struct sip *sip;
	struct gateway_user *user; /* the key */
	struct sip_request *request;
	struct sip_pidf now;
	bool told;      /* `now` has been published, or is under way */
	char *etag;     /* of what is there; NULL: nothing is */
	unsigned cseq, tries;
	char id[33];
	uv_timer_t timer;
};

static void tell(struct sip_publication *p);

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
on_timer(uv_timer_t *t)
{
	tell(t->data);
}

/* `expires` 0: it ends. With a document, or what is there is renewed. */
static struct sip_request *
ask(struct sip_publication *p, unsigned expires, bool document, sip_answer_fn *fn, void *arg)
{
	struct sip *s = p->sip;
	struct buf own = { 0 }, from = { 0 }, to = { 0 }, call = { 0 }, headers = { 0 }, body = { 0 };
	struct sip_ask a = { SIP_METHOD_PUBLISH, .cseq = p->cseq };
	struct sip_request *r;

	p->cseq += CSEQ_STEP;
	sip_own_uri(s, &own, p->user->jid);
	buf_addf(&to, "<%s>", buf_str(&own));
	buf_addf(&from, "%s;tag=%.16s", buf_str(&to), p->id);
	buf_addf(&call, "%s@%s", p->id, s->set.domain);
	buf_addf(&headers, "Event: presence\r\nExpires: %u\r\n", expires);
	if (p->etag != NULL)
		buf_addf(&headers, "SIP-If-Match: %s\r\n", p->etag);
	if (document) {
		sip_pidf_write(&body, buf_str(&own), &p->now);
		a.type = "application/pidf+xml";
		a.body = buf_data(&body);
		a.len = buf_len(&body);
	}
	a.from = buf_str(&from);
	a.to = buf_str(&to);
	a.uri = buf_str(&own);
	a.call_id = buf_str(&call);
	a.headers = buf_str(&headers);
	r = sip_request_send(s, &a, fn, arg);
	buf_fini(&own);
	buf_fini(&from);
	buf_fini(&to);
	buf_fini(&call);
	buf_fini(&headers);
	buf_fini(&body);
	return r;
}

static void
set_etag(struct sip_publication *p, const char *etag)
{
	free(p->etag);
	p->etag = etag != NULL ? mem_strdup(etag) : NULL;
}

/* For good, rather than for now. */
static bool
is_refusal(int status)
{
	return status == 501 || (status >= 400 && status < 500 && status != 408 && status != 412 && status != 423 && status != 480);
}

static void
refused(struct sip *s, int status)
{
	/* Once: what others have under way is answered the same. */
	if (s->publish_ms <= clock_mono_ms())
		log_warning(NULL, "sip-publish-refused", "status=%d", status);
	s->publish_ms = clock_mono_ms() + REFUSED_MS;
}

static uint64_t
granted_ms(const sip_t *sip)
{
	unsigned long seconds = sip->sip_expires != NULL ? sip->sip_expires->ex_delta : EXPIRES;

	return (seconds < EXPIRES_LEAST ? EXPIRES_LEAST : seconds > EXPIRES ? EXPIRES : seconds) * 750;
}

static void
on_answer(void *arg, int status, const char *phrase, const sip_t *sip)
{
	struct sip_publication *p = arg;

	(void)phrase;
	p->request = NULL;
	if (status < 300 && sip != NULL) {
		p->tries = 0;
		set_etag(p, sip->sip_etag != NULL ? sip->sip_etag->g_string : NULL);
		/* Something else by now. */
		if (!p->told)
			tell(p);
		else if (p->now.open)
			uv_timer_start(&p->timer, on_timer, granted_ms(sip), 0);
		return;
	}
	/* 412: what was published is forgotten there. */
	set_etag(p, NULL);
	p->told = false;
	if (is_refusal(status))
		refused(p->sip, status);
	if (is_refusal(status))
		tell(p);
	else
		uv_timer_start(&p->timer, on_timer, gateway_backoff_ms(++p->tries), 0);
}

static void
tell(struct sip_publication *p)
{
	bool document = !p->told || p->etag == NULL;
	int64_t wait_ms = p->sip->publish_ms - clock_mono_ms();

	uv_timer_stop(&p->timer);
	if (p->request != NULL || !p->sip->set.publish)
		return;
	if (wait_ms > 0) {
		uv_timer_start(&p->timer, on_timer, (uint64_t)wait_ms, 0);
		return;
	}
	p->told = true;
	/* Who is offline, and nothing else is said of them there. */
	if (!p->now.open && p->etag == NULL)
		return;
	p->request = ask(p, EXPIRES, document, on_answer, p);
	if (p->request == NULL)
		uv_timer_start(&p->timer, on_timer, gateway_backoff_ms(++p->tries), 0);
}

static struct sip_publication *
publication_of(struct sip *s, struct gateway_user *u)
{
	struct sip_publication *p;

	HASH_FIND_PTR(s->publications, &u, p);
	if (p != NULL)
		return p;
	p = NEW(struct sip_publication);
	p->sip = s;
	p->user = u;
	crypt_random_hex(p->id, sizeof(p->id) / 2);
	uv_timer_init(gateway_loop(s->gateway), &p->timer);
	p->timer.data = p;
	HASH_ADD_PTR(s->publications, user, p);
	return p;
}

void
sip_publish_set(struct sip *s, struct gateway_user *u, enum network_show show, const char *status)
{
	static const char *const shows[] = { [NETWORK_CHAT] = "chat", [NETWORK_AWAY] = "away", [NETWORK_XA] = "xa", [NETWORK_DND] = "dnd" };
	struct sip_publication *p;

	if (!s->set.publish)
		return;
	p = publication_of(s, u);
	memset(&p->now, 0, sizeof(p->now));
	p->now.open = show != NETWORK_GONE;
	if (p->now.open && show != NETWORK_AVAILABLE)
		(void)snprintf(p->now.show, sizeof(p->now.show), "%s", shows[show]);
	sip_pidf_set_note(&p->now, status != NULL ? status : "");
	p->told = false;
	tell(p);
}

static void
on_goodbye(void *arg, int status, const char *phrase, const sip_t *sip)
{
	(void)arg; /* whatever it is: what is published ends by itself */
	(void)status;
	(void)phrase;
	(void)sip;
}

void
sip_publish_close(struct sip *s, struct gateway_user *u)
{
	struct sip_publication *p;

	HASH_FIND_PTR(s->publications, &u, p);
	if (p == NULL)
		return;
	sip_request_cancel(p->request);
	if (p->etag != NULL)
		(void)ask(p, 0, false, on_goodbye, NULL);
	set_etag(p, NULL);
	HASH_DEL(s->publications, p);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}
