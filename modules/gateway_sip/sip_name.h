/*
 * sip_name: an address of record as the text `user@host` by which the rest of the gateway knows somebody (RFC 3261 §19.1).
 *
 * The user is what percent-encoding stands for, and all of it is in lower case, as the JID is that is made of it (SIP tells users apart by case, registrars seldom do);
 * what a URI has besides (port, parameters, headers, password) names no
 * other person and is not part of it. As a user may have an @ of its own, the last one divides.
 */
#ifndef GATEWAY_SIP_SIP_NAME_H
#define GATEWAY_SIP_SIP_NAME_H

#include <stdbool.h>

#include "base/buf.h"

#define SIP_NAME_SIZE 512

/* From a URI's user as it is written there, and its host. False: no address that we take (no user, not UTF-8, control characters, too long). */
bool sip_name_from(const char *user, const char *host, char out[SIP_NAME_SIZE]);
/* Is this one, as somebody of ours wrote it? Then out is how it is kept. */
bool sip_name_check(const char *text, char out[SIP_NAME_SIZE]);
/* `sip:user@host`, with what needs it percent-encoded; of a name that one of the above gave. */
void sip_name_uri(struct buf *out, const char *name);
/* The part behind the last @. */
const char *sip_name_host(const char *name);

#endif
