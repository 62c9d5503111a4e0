/*
 * stream: what every kind of stream does alike, whoever is at the other end: a client (c2s), a component, another server (s2s).
 */
#ifndef CORE_STREAM_H
#define CORE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xmpp/parser.h"
#include "xmpp/stanza.h"
#include "xmpp/xerror.h"

/* The stream error for what a parser did not take (RFC 6120 §4.9.3, §11). */
enum xstream_error stream_parser_error(enum parser_error e);
/* Bounds before authentication; `secure`: under TLS. Nothing but a stream header and <starttls/> is due in the clear. */
struct parser_limits stream_limits_unauthenticated(bool secure);
/* White space only: allowed between elements. */
bool stream_is_space(const char *p, size_t n);

/* Does the lane hold back whoever sends such a thing, until it is in the record? Only of a message the body says so. */
bool stream_is_held_back(const struct elem *root);

/* A token bucket for what no lane holds back: presence, requests, typing. An empty one is no error, it only makes us read more slowly (P7). */
struct stream_rate {
	int64_t allowance; /* in thousandths of a stanza */
	int64_t at_ms;     /* when that was so */
};
void stream_rate_init(struct stream_rate *r, uint64_t burst);
/* One more; false: read no more for a while. */
bool stream_rate_charge(struct stream_rate *r, uint64_t per_second, uint64_t burst);
#define STREAM_THROTTLE_MS 100 /* who is over its rate is read ten times a second */

#endif
