/*
 * settings: what an administrator says of a mail gateway: the object `network` of its settings (README.md). Pure.
 */
#ifndef GATEWAY_MAIL_SETTINGS_H
#define GATEWAY_MAIL_SETTINGS_H

#include <jansson.h>

#include "base/arena.h"
#include "base/err.h"
#include "read.h"

/* name, default, lowest, highest, help */
#define MAIL_LIMITS_TABLE(X) \
	X(mail_bytes, 10485760, 65536, 1073741824, "A mail that comes in") \
	X(waiting_bytes, 67108864, 65536, 4294967296, "Mails that have come in and are not answered yet, in all; the mail system is told to come again") \
	X(recipients, 50, 1, 1000, "Recipients of a mail") \
	X(connections, 20, 1, 1000, "Connections of the mail system to us") \
	X(idle_seconds, 300, 1, 3600, "Between two commands, or pieces of a mail (RFC 5321 §4.5.3.2)") \
	X(submissions, 4, 1, 100, "Connections to the mail system, for what leaves") \
	X(submit_seconds, 30, 1, 3600, "For handing over one mail") \
	X(thread_seconds, 10, 1, 300, "For reading what a pair has written before; then the mail system is told to come again") \
	X(retry_seconds, 45, 0, 3600, "A mail system that is away, or says that it is too early, is tried again for so long; then the sender is told")

struct mail_limits {
#define MAIL_LIMITS_FIELD(name, def, min, max, help) uint64_t name;
	MAIL_LIMITS_TABLE(MAIL_LIMITS_FIELD)
#undef MAIL_LIMITS_FIELD
};

struct mail_settings {
	struct arena *arena;
	const char *domain;    /* of users' addresses */
	const char *from_name; /* with "{user}" */
	const char *subject;   /* the same: of the first mail */
	const char *relay;     /* smtp:// or smtps:// */
	bool relay_plain;      /* without TLS: a loopback address only */
	const char *ca_file;   /* NULL: the system's */
	const char *user, *password; /* NULL: the mail system asks for none */
	const char *helo;
	const char *listen;    /* "unix:/path" or "127.0.0.1:2003" */
	const char *authserv_id; /* NULL: nothing is checked */
	unsigned trusted_hops;
	bool refuse_forged;
	bool tokens;           /* only answers are taken */
	enum read_automatic automatic;
	bool keep_quotes;
	struct mail_limits limits;
	struct read_limits read;
};

/* `host`: the default of the domain. NULL: refused, with the reason. */
struct mail_settings *mail_settings_new(const json_t *object, const char *host, struct err *e);
/* Wipes the password. NULL is fine. */
void mail_settings_free(struct mail_settings *s);
/* The text with each "{user}" replaced. */
const char *mail_settings_fill(struct arena *a, const char *text, const char *user);

#endif
