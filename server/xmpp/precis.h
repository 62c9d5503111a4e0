/*
 * precis: the two string profiles that XMPP uses, UsernameCaseMapped and OpaqueString (RFC
 * 8264, 8265), on ICU's character data. Used by jid.c and domain.c only; thread-safe, keeps no
 * state.
 */
#ifndef XMPP_PRECIS_H
#define XMPP_PRECIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longer input is refused before any work: in bytes, and in UTF-16 units at each step. */
#define PRECIS_MAX 4096

/* Each writes the enforced string with a NUL into out, which holds `max` bytes, and returns its
 * length, or -1 when the profile refuses the input, it is not UTF-8, or it does not fit. What
 * was worked on is wiped, as it may be a password. */
int precis_username(const char *s, size_t n, char *out, size_t max);
int precis_opaque(const char *s, size_t n, char *out, size_t max);

/* Is the text UTF-8 without absurdly long runs of combining marks? Normalisation sorts each
 * run, in a time that grows with its square: 4 KB of marks would cost milliseconds. The bound
 * is that of the Stream-Safe Text Format (UAX #15 §13), far beyond what any language writes.
 * */
bool precis_is_stream_safe(const char *s, size_t n);

/* May the code point stand in an IdentifierClass string, context rules aside (RFC 8264 §8)? */
bool precis_in_identifier(int32_t cp);

#endif
