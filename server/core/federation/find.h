/*
 * find: where the server of a domain is: SRV records _xmpps-server and _xmpp-server (RFC 6120 §3.2, RFC 2782, XEP-0368), their
 * addresses, and TLSA records (RFC 6698, RFC 7673) when asked for. Without SRV records: the domain itself at 5269 (RFC 6120 §3.2.2);
 * a single target "." means that there is no such service.
 *
 * Addresses of one family are not waited for long when those of the other are there. Bounded: 16 hosts, 8 addresses of each, 32 in all.
 * With `tlsa` a host whose TLSA records cannot be learnt (bogus, no answer) stays in the list, but has no targets (RFC 7673 §3.3).
 */
#ifndef CORE_FIND_H
#define CORE_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "net/cert.h"
#include "net/dial.h"

struct find_host {
	const char *name;         /* SRV target (A-labels), or the domain itself */
	unsigned short port;
	bool direct_tls;
	bool secure;              /* SRV and address by DNSSEC */
	struct cert_tlsa *tlsa;   /* secure ones only */
	size_t ntlsa;
};

struct found {
	bool ok;
	bool no_such;             /* not ok: there is no such domain or no such service (remote-server-not-found); else it could
	                             not be learnt now (remote-server-timeout) */
	char why[400];            /* not ok: in words */
	bool by_srv;
	struct find_host *host;
	size_t nhosts;
	struct dial_target *target; /* in the order to be tried: priority, weight by chance, families */
	size_t ntargets;
};

struct find;
/* `f` and what is in it are valid during the call only. */
typedef void (*find_fn)(void *owner, const struct found *f);
/* On the current reactor; never calls back within this call. `domain` prepared; an address literal is its own address. */
struct find *find_new(const char *domain, bool tlsa, find_fn fn, void *owner);
void find_cancel(struct find *f);

#endif
