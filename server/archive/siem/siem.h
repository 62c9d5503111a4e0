/*
 * siem: the audit trail, and security events, as a stream to somebody else's log (RFC 5424 over TLS, RFC 5425), so that who can change the database here
 * cannot make it unsaid.
 *
 * One thread, with a connection of its own to the database. Audit records are read from the record itself, in the order of the log, behind a position
 * that is kept in chancery.siem: there is no second copy that could be lost. What is not in the record (alarms, failed logins, refused
 * partners, infected files, checkpoints) is put into chancery.siem_event first and goes from there; at most limits.siem_events of them. While the database is
 * away it is put into a file (siem_spool.h), as many at most, and from there into the table before what came later.
 *
 * Syslog has no acknowledgement. A page counts as taken when the other end's kernel has acknowledged it and the connection has held for a moment
 * behind that; only then the position moves. So nothing is lost when either end dies; what was under way then is sent again, the same byte for byte, and
 * known by its record number (RFC 5424 has no other way).
 */
#ifndef ARCHIVE_SIEM_H
#define ARCHIVE_SIEM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct siem_settings {
	const char *conninfo;
	const char *address;     /* HOST:PORT; "": there is none, and nothing is kept for it */
	const char *host_name;   /* ours, in each message */
	const char *ca_file;     /* "": the system's authorities */
	const char *certificate; /* and its key, in PEM; "": none of our own */
	const char *key;
	const char *spool;       /* a file for events while the database is away; "": they stay in memory */
	uint64_t events_max;
};

/* Behind record_start. 0 or -1: the files cannot be read. */
int siem_start(const struct siem_settings *s, struct err *e) MUST_CHECK;
/* Before record_stop. What has not been sent is sent after the next start. */
void siem_stop(void);
/* A signed checkpoint (log_listen): what is outside the database then. */
void siem_send_checkpoint(void *arg, uint64_t size, const char *note);

struct siem_state {
	bool on, connected;
	int64_t waiting;   /* audit records behind the position, as last counted */
	char trouble[160]; /* "" when there is none */
};
void siem_state(struct siem_state *out);

#endif
