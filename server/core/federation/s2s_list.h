/*
 * s2s_list: the streams with other servers at this moment, for administrators. Called from control threads (never from a reactor); asks every home
 * through its mailbox and returns when all have answered.
 */
#ifndef CORE_S2S_LIST_H
#define CORE_S2S_LIST_H

#include <stdbool.h>
#include <stdint.h>

struct s2s_seen {
	const char *local, *remote; /* domains; "" where nobody has said so yet */
	const char *state;          /* "ready", "negotiating", "closing" */
	bool made_here;             /* by us; else by the other server */
	bool sends, receives;       /* stanzas go out on it; come in on it */
	bool resumable;             /* XEP-0198 */
	const char *how;            /* "EXTERNAL", "dialback"; "" */
	const char *fingerprint, *address, *tls;
	unsigned long long in, out; /* stanzas */
};

/* Those with this domain, or with those below it ("*.domain"), in the calling thread. Strings live during the call. */
void s2s_list(const char *domain, void (*each)(void *arg, const struct s2s_seen *s), void *arg);

#endif
