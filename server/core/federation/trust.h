/*
 * trust: the certificate of a connection, judged by the partner's entry. Looks up TLSA records where the entry says DANE.
 *
 * Whom we trust in general (federation.ca_file) and what has been revoked (federation.crl_file) is read at start, for a reload, and again
 * within seconds when one of the files has changed; streams are then looked at again. A file that cannot be used changes nothing.
 */
#ifndef CORE_TRUST_H
#define CORE_TRUST_H

#include <openssl/ssl.h>

#include "core/federation/find.h"
#include "core/federation/partner.h"
#include "net/cert.h"

struct config;
struct trust;
typedef void (*trust_fn)(void *owner, const struct cert_answer *a);
/* `found`: on an outgoing connection what was found, with the index of the host that we are connected to; NULL (incoming): looked up when
 * needed. The answer may come within this call: then NULL is returned. A good certificate of a domain is the business of this function
 * only; that the domain is allowed has been asked before. Nothing of `p` and `found` is needed after the call. */
struct trust *trust_new(SSL *ssl, const struct partner *p, const char *domain, const struct found *found, unsigned host, trust_fn fn, void *owner);
void trust_cancel(struct trust *t);

/* The files that `c` names. From any thread but a reactor. -1: what was there stays. */
int trust_load(const struct config *c, struct err *e) MUST_CHECK;
void trust_stop(void);
/* New reference; with the revocation lists, which are for everybody. */
struct cert_store *trust_public(void);
/* Another number when what trust_public gives is another one, or federation.revocation: who was let in before may have been revoked. On a home. */
uint64_t trust_version(void);

/* Each reactor: the first one watches the files. */
void trust_home_start(void);
void trust_home_stop(void);

#endif
