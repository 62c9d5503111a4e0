/*
 * stream: bounds, rates and errors that all streams have in common.
 */
#include "core/stream/stream.h"

#include "core/home.h"
#include "net/reactor.h"
#include "xmpp/ns.h"

#define PLAIN_BYTES 4096 /* an element before TLS: a flood of connections must cost little */

static const struct {
	enum parser_error error;
	enum xstream_error condition;
} parser_errors[] = {
	{ PARSER_NOT_WELL_FORMED, XSTREAM_NOT_WELL_FORMED },
	{ PARSER_RESTRICTED, XSTREAM_RESTRICTED_XML },
	{ PARSER_BAD_NAMESPACE, XSTREAM_INVALID_NAMESPACE },
	{ PARSER_BAD_PREFIX, XSTREAM_NOT_WELL_FORMED },
	{ PARSER_BAD_FORMAT, XSTREAM_BAD_FORMAT },
	{ PARSER_TOO_BIG, XSTREAM_POLICY_VIOLATION },
	{ PARSER_BAD_ENCODING, XSTREAM_UNSUPPORTED_ENCODING },
};

enum xstream_error
stream_parser_error(enum parser_error e)
{
	for (size_t i = 0; i < sizeof(parser_errors) / sizeof(parser_errors[0]); i++)
		if (parser_errors[i].error == e)
			return parser_errors[i].condition;
	return XSTREAM_NOT_WELL_FORMED;
}

struct parser_limits
stream_limits_unauthenticated(bool secure)
{
	struct parser_limits l = home_parser_limits();

	l.stanza_bytes = home_config()->limits.stanza_bytes_unauthenticated;
	if (!secure && l.stanza_bytes > PLAIN_BYTES)
		l.stanza_bytes = PLAIN_BYTES;
	l.memory_bytes = l.stanza_bytes * 2;
	if (l.token_bytes > l.stanza_bytes)
		l.token_bytes = l.stanza_bytes;
	return l;
}

bool
stream_is_space(const char *p, size_t n)
{
	/* Not strspn: the bytes do not end in a NUL. */
	for (size_t i = 0; i < n; i++)
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
			return false;
	return true;
}

bool
stream_is_held_back(const struct elem *root)
{
	return elem_is(root, NS_CLIENT, "message") && elem_child(root, NS_CLIENT, "body");
}

void
stream_rate_init(struct stream_rate *r, uint64_t burst)
{
	r->allowance = (int64_t)burst * 1000;
	r->at_ms = reactor_now_ms(reactor_current());
}

bool
stream_rate_charge(struct stream_rate *r, uint64_t per_second, uint64_t burst)
{
	int64_t now = reactor_now_ms(reactor_current()), full = (int64_t)burst * 1000;

	r->allowance += (now - r->at_ms) * (int64_t)per_second;
	r->at_ms = now;
	if (r->allowance > full)
		r->allowance = full;
	r->allowance -= 1000;
	return r->allowance >= 0;
}
