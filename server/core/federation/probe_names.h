/*
 * probe_names: whom a certificate is for, as it says, for people: `chancery federation test` shows it. Whether that is so is net/cert's business.
 */
#ifndef CORE_PROBE_NAMES_H
#define CORE_PROBE_NAMES_H

#include <openssl/x509.h>

#include "base/arena.h"

/* Its subject alternative names that are about servers: DNS-IDs, SRV-IDs, XmppAddrs, addresses; "nobody" when there are none. Printable, cut. */
const char *probe_names(X509 *x, struct arena *a);

#endif
