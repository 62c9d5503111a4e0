/*
 * trust: puts the question together that net/cert answers: what the handshake has shown, what the partner's entry says, what DNS says.
 *
 * TLSA records are for servers (RFC 6698). Who connects to us shows the certificate that it has as a server; it is measured by the records
 * of all its servers, as we cannot know which one it is.
 */
#include "core/federation/trust.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/home.h"
#include "xmpp/domain.h"
#include "xmpp/jid.h"

#define HOSTS_MAX 16

/* Waiting for TLSA records. */
struct trust {
	X509 *leaf;
	STACK_OF(X509) *chain;
	struct cert_store *store;
	char *domain;
	struct find *find;
	trust_fn fn;
	void *owner;
};

static void
judge(struct cert_question *q, struct cert_store *own, trust_fn fn, void *owner)
{
	struct cert_store *common = trust_public();
	struct cert_answer a;
	char ascii[1024];

	if (domain_to_ascii(q->domain, ascii, sizeof(ascii)) > 0)
		q->ascii = ascii;
	q->prepare = jid_prepare_domain;
	q->store = own ? own : common;
	q->lists = common;
	q->revocation = (enum cert_revocation)home_config()->federation.revocation;
	q->now = clock_wall_us() / 1000000;
	cert_judge(q, &a);
	cert_store_unref(common);
	if (a.verdict != CERT_GOOD)
		metric_error("certificate", cert_verdict_name(a.verdict));
	fn(owner, &a);
}

/* With the records of hosts [from, to), and their names, which DNSSEC vouches for too (RFC 7673 §4.2). */
static void
judge_by_hosts(struct cert_question *q, struct cert_store *own, const struct found *f, size_t from, size_t to, trust_fn fn, void *owner)
{
	struct arena *a = arena_new(0);
	const char *also[HOSTS_MAX];
	struct cert_tlsa *tlsa;
	size_t n = 0;

	for (size_t i = from; i < to; i++)
		n += f->host[i].secure ? f->host[i].ntlsa : 0;
	tlsa = arena_alloc(a, (n + 1) * sizeof(*tlsa));
	for (size_t i = from; i < to; i++) {
		const struct find_host *h = &f->host[i];

		if (!h->secure || h->ntlsa == 0)
			continue;
		memcpy(tlsa + q->ntlsa, h->tlsa, h->ntlsa * sizeof(*tlsa));
		q->ntlsa += h->ntlsa;
		if (q->nalso < HOSTS_MAX)
			also[q->nalso++] = h->name;
	}
	q->tlsa = tlsa;
	q->also = also;
	judge(q, own, fn, owner);
	arena_free(a);
}

/* Waiting */

static void
trust_free(struct trust *t)
{
	X509_free(t->leaf);
	sk_X509_pop_free(t->chain, X509_free);
	cert_store_unref(t->store);
	free(t->domain);
	free(t);
}

static void
on_found(void *owner, const struct found *f)
{
	struct trust *t = owner;
	struct cert_question q = { .leaf = t->leaf, .chain = t->chain, .domain = t->domain, .trust = CERT_BY_DANE,
		.tlsa_why = f->ok ? NULL : f->why };

	t->find = NULL;
	judge_by_hosts(&q, t->store, f, 0, f->ok ? f->nhosts : 0, t->fn, t->owner);
	trust_free(t);
}

static struct trust *
look_up(const struct cert_question *q, struct cert_store *own, trust_fn fn, void *owner)
{
	struct trust *t = NEW(struct trust);

	if (X509_up_ref(q->leaf) != 1)
		mem_exhausted(0);
	t->leaf = q->leaf;
	t->chain = q->chain ? X509_chain_up_ref(q->chain) : NULL;
	t->store = cert_store_ref(own);
	t->domain = mem_strdup(q->domain);
	t->fn = fn;
	t->owner = owner;
	t->find = find_new(q->domain, true, on_found, t);
	return t;
}

void
trust_cancel(struct trust *t)
{
	if (!t)
		return;
	if (t->find)
		find_cancel(t->find);
	trust_free(t);
}

struct trust *
trust_new(SSL *ssl, const struct partner *p, const char *domain, const struct found *found, unsigned host, trust_fn fn, void *owner)
{
	struct cert_question q = { .leaf = SSL_get0_peer_certificate(ssl), .chain = SSL_get_peer_cert_chain(ssl), .domain = domain,
		.trust = p->trust, .pins = p->pins, .npins = p->npins };
	const unsigned char *ocsp = NULL;
	long n;

	if (p->trust == CERT_BY_DANE && q.leaf && !found)
		return look_up(&q, p->store, fn, owner);
	n = SSL_is_server(ssl) ? 0 : SSL_get_tlsext_status_ocsp_resp(ssl, &ocsp);
	if (n > 0 && ocsp) {
		q.ocsp = ocsp;
		q.ocsp_len = (size_t)n;
	}
	if (p->trust == CERT_BY_DANE && found)
		judge_by_hosts(&q, p->store, found, host, host < found->nhosts ? host + 1 : host, fn, owner);
	else
		judge(&q, p->store, fn, owner);
	return NULL;
}
