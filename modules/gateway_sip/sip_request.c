/* sip_request: one request of ours. The library sends it again as its transport needs, and gives up after 32 seconds (RFC 3261 §17.1.2). */
#include "sip.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sofia-sip/auth_client.h>

#include "base/mem.h"

/* A first time, and once more with credentials; a stale nonce may cost another. */
#define TRIES 3

struct sip_request {
	struct list link; /* of struct sip */
	struct sip *sip;
	nta_outgoing_t *orq;
	su_home_t *home; /* of the authentication's state */
	auth_client_t *auc;
	unsigned tries;
	bool starting, failed; /* being handed over, and answered (with an error) before that was done */
	sip_answer_fn *fn;
	void *arg;
	struct sip_ask ask; /* copies, but the leg and the method's name */
};

static void
finish(struct sip_request *r)
{
	list_remove(&r->link);
	if (r->orq != NULL)
		nta_outgoing_destroy(r->orq);
	su_home_unref(r->home);
	free((char *)r->ask.from);
	free((char *)r->ask.to);
	free((char *)r->ask.call_id);
	free((char *)r->ask.uri);
	free((char *)r->ask.headers);
	free((char *)r->ask.type);
	free((void *)r->ask.body);
	free(r);
}

static int on_answer(void *magic, nta_outgoing_t *orq, const sip_t *sip);

/* -1: the library does not take it. */
static int
transmit(struct sip_request *r)
{
	const struct sip_ask *a = &r->ask;
	nta_agent_t *agent = r->sip->agent;
	msg_t *msg = nta_msg_create(agent, 0);
	sip_t *sip = sip_object(msg);
	su_home_t *home = msg_home(msg);
	sip_cseq_t *cseq = a->leg == NULL ? sip_cseq_create(home, a->cseq + r->tries + 1, a->method, a->method_name) : NULL;
	sip_payload_t *payload = a->body != NULL ? sip_payload_create(home, a->body, (isize_t)a->len) : NULL;

	r->tries++;
	r->starting = true;
	r->failed = false;
	if (sip_add_tl(msg, sip,
			TAG_IF(a->from != NULL, SIPTAG_FROM_STR(a->from)),
			TAG_IF(a->to != NULL, SIPTAG_TO_STR(a->to)),
			TAG_IF(a->call_id != NULL, SIPTAG_CALL_ID_STR(a->call_id)),
			TAG_IF(cseq != NULL, SIPTAG_CSEQ(cseq)),
			SIPTAG_MAX_FORWARDS_STR("70"),
			TAG_IF(a->headers != NULL, SIPTAG_HEADER_STR(a->headers)),
			TAG_IF(a->type != NULL, SIPTAG_CONTENT_TYPE_STR(a->type)),
			TAG_IF(payload != NULL, SIPTAG_PAYLOAD(payload)),
			TAG_END()) >= 0 &&
		nta_msg_request_complete(msg, a->leg != NULL ? a->leg : r->sip->leg, a->method, a->method_name,
			a->uri != NULL ? URL_STRING_MAKE(a->uri) : NULL) >= 0 &&
		(r->auc == NULL || auc_authorize(&r->auc, msg, sip) > 0))
		r->orq = nta_outgoing_mcreate(agent, on_answer, r, URL_STRING_MAKE(r->sip->set.proxy), msg, TAG_END());
	r->starting = false;
	if (r->orq == NULL)
		msg_destroy(msg);
	return r->orq != NULL && !r->failed ? 0 : -1;
}

/* Only digests: a password is not said to anybody (RFC 3261 §22). */
static bool
are_digests(const msg_auth_t *challenge)
{
	for (const msg_auth_t *c = challenge; c != NULL; c = c->au_next)
		if (c->au_scheme == NULL || strcasecmp(c->au_scheme, "Digest") != 0)
			return false;
	return challenge != NULL;
}

/* Sent again with credentials? */
static bool
authenticates(struct sip_request *r, int status, const sip_t *sip)
{
	const msg_auth_t *challenge = status == 401 ? sip->sip_www_authenticate : sip->sip_proxy_authenticate;
	const struct sip_settings *set = &r->sip->set;

	if (r->tries >= TRIES || set->password == NULL || !are_digests(challenge))
		return false;
	/* 0: the same question again, so the password was wrong. */
	if (auc_challenge(&r->auc, r->home, challenge, status == 401 ? sip_authorization_class : sip_proxy_authorization_class) <= 0 ||
		auc_all_credentials(&r->auc, NULL, NULL, set->user, set->password) <= 0)
		return false;
	nta_outgoing_destroy(r->orq);
	r->orq = NULL;
	return transmit(r) == 0;
}

static int
on_answer(void *magic, nta_outgoing_t *orq, const sip_t *sip)
{
	struct sip_request *r = magic;
	int status = nta_outgoing_status(orq);
	const char *phrase = sip != NULL && sip->sip_status != NULL ? sip->sip_status->st_phrase : NULL;
	sip_answer_fn *fn = r->fn;
	void *arg = r->arg;

	if (r->starting) {
		r->failed = true;
		return 0;
	}
	if (status < 200 || ((status == 401 || status == 407) && sip != NULL && authenticates(r, status, sip)))
		return 0;
	/* What is told may be all that holds the words. */
	fn(arg, status, phrase != NULL ? phrase : "", sip);
	finish(r);
	return 0;
}

static char *
copy(const char *s)
{
	return s != NULL ? mem_strdup(s) : NULL;
}

struct sip_request *
sip_request_send(struct sip *s, const struct sip_ask *a, sip_answer_fn *fn, void *arg)
{
	struct sip_request *r = NEW(struct sip_request);

	r->sip = s;
	list_append(&s->requests, &r->link);
	r->home = su_home_new(sizeof(*r->home));
	r->fn = fn;
	r->arg = arg;
	r->ask = (struct sip_ask){ .method = a->method, .method_name = a->method_name, .leg = a->leg, .cseq = a->cseq, .from = copy(a->from),
		.to = copy(a->to),
		.call_id = copy(a->call_id), .uri = copy(a->uri), .headers = copy(a->headers), .type = copy(a->type), .len = a->len };
	if (a->body != NULL)
		r->ask.body = memcpy(mem_alloc(a->len + 1), a->body, a->len);
	if (transmit(r) == 0)
		return r;
	finish(r);
	return NULL;
}

void
sip_request_cancel(struct sip_request *r)
{
	if (r != NULL)
		finish(r);
}

void
sip_request_stop(struct sip *s)
{
	while (!list_is_empty(&s->requests))
		finish(LIST_ENTRY(s->requests.next, struct sip_request, link));
}
