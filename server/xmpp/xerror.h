/*
 * xerror: stanza and stream errors, one table (RFC 6120 §4.9.3 and §8.3.3).
 */
#ifndef XMPP_XERROR_H
#define XMPP_XERROR_H

#include "base/buf.h"
#include "xmpp/stanza.h"

/* id, element name, default type (auth, cancel, continue, modify, wait) */
#define XERROR_TABLE(X) \
	X(BAD_REQUEST, "bad-request", "modify") \
	X(CONFLICT, "conflict", "cancel") \
	X(FEATURE_NOT_IMPLEMENTED, "feature-not-implemented", "cancel") \
	X(FORBIDDEN, "forbidden", "auth") \
	X(GONE, "gone", "cancel") \
	X(INTERNAL_SERVER_ERROR, "internal-server-error", "cancel") \
	X(ITEM_NOT_FOUND, "item-not-found", "cancel") \
	X(JID_MALFORMED, "jid-malformed", "modify") \
	X(NOT_ACCEPTABLE, "not-acceptable", "modify") \
	X(NOT_ALLOWED, "not-allowed", "cancel") \
	X(NOT_AUTHORIZED, "not-authorized", "auth") \
	X(POLICY_VIOLATION, "policy-violation", "modify") \
	X(RECIPIENT_UNAVAILABLE, "recipient-unavailable", "wait") \
	X(REDIRECT, "redirect", "modify") \
	X(REGISTRATION_REQUIRED, "registration-required", "auth") \
	X(REMOTE_SERVER_NOT_FOUND, "remote-server-not-found", "cancel") \
	X(REMOTE_SERVER_TIMEOUT, "remote-server-timeout", "wait") \
	X(RESOURCE_CONSTRAINT, "resource-constraint", "wait") \
	X(SERVICE_UNAVAILABLE, "service-unavailable", "cancel") \
	X(SUBSCRIPTION_REQUIRED, "subscription-required", "auth") \
	X(UNDEFINED_CONDITION, "undefined-condition", "cancel") \
	X(UNEXPECTED_REQUEST, "unexpected-request", "wait")

/* id, element name */
#define XSTREAM_TABLE(X) \
	X(BAD_FORMAT, "bad-format") \
	X(BAD_NAMESPACE_PREFIX, "bad-namespace-prefix") \
	X(CONFLICT, "conflict") \
	X(CONNECTION_TIMEOUT, "connection-timeout") \
	X(HOST_GONE, "host-gone") \
	X(HOST_UNKNOWN, "host-unknown") \
	X(IMPROPER_ADDRESSING, "improper-addressing") \
	X(INTERNAL_SERVER_ERROR, "internal-server-error") \
	X(INVALID_FROM, "invalid-from") \
	X(INVALID_NAMESPACE, "invalid-namespace") \
	X(INVALID_XML, "invalid-xml") \
	X(NOT_AUTHORIZED, "not-authorized") \
	X(NOT_WELL_FORMED, "not-well-formed") \
	X(POLICY_VIOLATION, "policy-violation") \
	X(REMOTE_CONNECTION_FAILED, "remote-connection-failed") \
	X(RESET, "reset") \
	X(RESOURCE_CONSTRAINT, "resource-constraint") \
	X(RESTRICTED_XML, "restricted-xml") \
	X(SEE_OTHER_HOST, "see-other-host") \
	X(SYSTEM_SHUTDOWN, "system-shutdown") \
	X(UNDEFINED_CONDITION, "undefined-condition") \
	X(UNSUPPORTED_ENCODING, "unsupported-encoding") \
	X(UNSUPPORTED_FEATURE, "unsupported-feature") \
	X(UNSUPPORTED_STANZA_TYPE, "unsupported-stanza-type") \
	X(UNSUPPORTED_VERSION, "unsupported-version")

enum xerror {
	XERROR_NONE,
#define XERROR_ID(id, name, type) XERROR_##id,
	XERROR_TABLE(XERROR_ID)
#undef XERROR_ID
};

enum xstream_error {
	XSTREAM_NONE,
#define XSTREAM_ID(id, name) XSTREAM_##id,
	XSTREAM_TABLE(XSTREAM_ID)
#undef XSTREAM_ID
};

const char *xerror_name(enum xerror e);
const char *xerror_type(enum xerror e);
const char *xstream_error_name(enum xstream_error e);
/* The error of a stored or received stanza by its element; XERROR_NONE when it has none. */
enum xerror xerror_of(const struct elem *stanza);

/* The reply to `st` with type='error': same kind and id, addresses swapped, <error/> of the default
 * type (or `type`), `text` when not NULL. NULL when `st` must not be answered: it is itself an error,
 * or an IQ result. Unsealed; the caller owns it. The original payload is not included. Counts. */
struct stanza *xerror_reply(const struct stanza *st, enum xerror e, const char *type, const char *text);
/* <stream:error>…</stream:error> into out. `text` may be NULL. Counts. */
void xstream_error_write(struct buf *out, enum xstream_error e, const char *text);

#endif
