/*
 * auth_results: what our mail system found out about who sent a mail (RFC 8601), and what follows from it. Pure.
 *
 * Anybody may write such a header into a mail: believed is only one that names our mail system, and stands above the line that it put there when it
 * took the mail in (its Received), which is the caller's to see to.
 */
#ifndef GATEWAY_MAIL_AUTH_RESULTS_H
#define GATEWAY_MAIL_AUTH_RESULTS_H

#include <stdbool.h>

enum sender_proof {
	SENDER_UNKNOWN, /* nothing was checked that says something about the address in From */
	SENDER_PROVEN,  /* the domain in From has sent it: DMARC, or DKIM or SPF for that domain */
	SENDER_FORGED,  /* that domain says that it has not: DMARC failed, or SPF for that domain did and nothing passed */
};

struct auth_results {
	const char *dkim, *spf, *dmarc; /* "pass", "fail"…, of static text; "none" when there was none. The best of several */
	bool passed, failed;            /* a check for the domain in From */
};

#define AUTH_RESULTS_NONE { "none", "none", "none", false, false }

/* Adds what one header's value says, if it is of `authserv_id`; `domain` is the one in From. Of what is not understood nothing is taken. */
void auth_results_add(struct auth_results *r, const char *value, const char *authserv_id, const char *domain);
enum sender_proof auth_results_proof(const struct auth_results *r);

#endif
