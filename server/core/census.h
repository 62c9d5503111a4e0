/*
 * census: what administration sees of, and does to, live sessions. Called from control threads (never from a
 * reactor); each call asks every home through its mailbox and returns when all have answered.
 */
#ifndef CORE_CENSUS_H
#define CORE_CENSUS_H

#include <stdbool.h>
#include <stdint.h>

struct census_session {
	const char *jid;        /* full */
	const char *address;    /* of the peer; the last one when detached */
	const char *tls;        /* "TLSv1.3 TLS_AES_256_GCM_SHA384" */
	const char *mechanism;  /* SASL mechanism */
	int64_t device;         /* store/device; 0: not known */
	const char *client;     /* what it says it is; NULL */
	int64_t since_us;       /* bound at */
	int64_t active_us;      /* last stanza received */
	bool detached;          /* waiting to be resumed */
	bool available;
	int priority;
	unsigned unacked;
};

/* Calls `each` for every session of `bare` (NULL: all), unordered, in the calling thread. Strings live during the call. */
void census_sessions(const char *bare, void (*each)(void *arg, const struct census_session *s), void *arg);
/* Ends the sessions of a bare JID, or of one full JID when `resource` is given, with this stream error
 * condition ("not-authorized", "policy-violation", "reset"…). Returns how many. */
unsigned census_close(const char *bare, const char *resource, const char *condition, const char *text);
/* A device's access has been revoked, which is committed: its sessions end (not-authorized), logins under way fail. Returns how
 * many sessions ended. */
unsigned census_device_revoked(const char *bare, int64_t device, const char *text);
/* The account was disabled, deleted or given another password: sessions end (not-authorized), what is kept in memory goes, and
 * logins under way fail. Returns how many sessions ended. */
unsigned census_account_changed(const char *bare, const char *text);

/* What the account may do has changed: what is in memory of it follows at once, before this returns or, while it is being loaded, as
 * soon as that is done. `groups`: a line each. */
void census_account_rights(const char *bare, bool admin, const char *groups);

/* The account is about to be deleted: its subscriptions end, so that contacts do not wait for it (RFC 6121 §2.5, §3.3).
 * Returns when that is on its way, or the database could not be asked. */
void census_account_leaving(const char *bare);

struct census_totals {
	unsigned connections, sessions, detached, users;
};
void census_totals(struct census_totals *out);

#endif
