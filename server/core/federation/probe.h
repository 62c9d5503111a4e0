/*
 * probe: what `chancery federation test` and `pin` do: finds the servers of a domain, connects to one after the other, and looks at what they show, as a
 * stream of ours would, up to the point where stanzas could go. Nothing is sent, and nothing is trusted by it.
 *
 * Called from control threads (never from a reactor); it works on the first reactor.
 */
#ifndef CORE_PROBE_H
#define CORE_PROBE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "core/federation/partner.h"
#include "net/cert.h"

struct probe_try {
	const char *host;     /* SRV target, or the domain */
	const char *address;  /* with its port */
	bool direct_tls;
	const char *failed;   /* why not; NULL: all went well */
};

struct probe_answer {
	/* The entry, now; in words why it refuses, NULL: it does not */
	bool listed;
	unsigned direction, pass;
	bool for_some;             /* of our users only */
	const char *not_in, *not_out;
	/* Name servers */
	bool found, by_srv;
	const char *find_why;      /* not found: in words */
	/* What was tried, in that order; the last one is the one that the rest is about */
	struct probe_try *tries;
	size_t ntries;
	/* The last one that got as far as TLS */
	bool secured;
	const char *tls;           /* "TLSv1.3 …" */
	struct cert_answer cert;   /* judged by the entry; without one, by the public CAs */
	const char *names;         /* whom the certificate is for, as it says */
	bool external, dialback;   /* what its server would take from us as a proof */
	bool let_in;               /* it did take it */
	bool works;                /* stanzas could go out */
};

/* `domain` prepared; `stream`: not only up to the certificate: what its server takes from us, and, where the entry has us send, whether it
 * lets us in. `a` keeps what the answer points to. Takes up to thrice federation.connect. -1: `stop` became true before there was an
 * answer. */
int probe_run(const char *domain, bool stream, const atomic_bool *stop, struct arena *a, struct probe_answer *out);

#endif
