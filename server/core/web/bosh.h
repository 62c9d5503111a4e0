/*
 * bosh: XMPP over held HTTP requests (XEP-0124, XEP-0206). The functions of its route, and its start and stop, all on the
 * reactor of HTTPS.
 */
#ifndef CORE_BOSH_H
#define CORE_BOSH_H

#include "net/http.h"

void bosh_begin(struct http_request *r);
void bosh_body(struct http_request *r, const char *p, size_t n);
void bosh_complete(struct http_request *r);
void bosh_gone(struct http_request *r);
void bosh_start(void);
/* When no request is left. */
void bosh_stop(void);

#endif
