/*
 * trust: the certificate of a connection, judged by the partner's entry. Looks up TLSA records where the entry says DANE.
 */
#ifndef CORE_TRUST_H
#define CORE_TRUST_H

#include <openssl/ssl.h>

#include "core/federation/find.h"
#include "core/federation/partner.h"
#include "net/cert.h"

struct trust;
typedef void (*trust_fn)(void *owner, const struct cert_answer *a);
/* `found`: on an outgoing connection what was found, with the index of the host that we are connected to; NULL (incoming): looked up when
 * needed. The answer may come within this call: then NULL is returned. A good certificate of a domain is the business of this function
 * only; that the domain is allowed has been asked before. */
struct trust *trust_new(SSL *ssl, const struct partner *p, const char *domain, const struct found *found, unsigned host, trust_fn fn, void *owner);
void trust_cancel(struct trust *t);

/* The public CAs and the revocation lists (federation.ca_file, federation.crl_file): at start, for a reload, and when the files change. */
int trust_load(struct err *e) MUST_CHECK;
void trust_stop(void);
/* New reference. */
struct cert_store *trust_public(void);

#endif
