/*
 * sip_pidf: presence documents (PIDF, RFC 3863; activities of RPID, RFC 4480) and what XMPP says of the same (RFC 8048 §5 and §6).
 */
#ifndef GATEWAY_SIP_SIP_PIDF_H
#define GATEWAY_SIP_SIP_PIDF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

struct sip_pidf {
	bool open;      /* can be reached: at least one tuple says so */
	char show[8];   /* "", away, chat, dnd, xa */
	char note[512]; /* words of their own, or "" */
};

/* False: no such document. */
bool sip_pidf_read(struct sip_pidf *d, const char *p, size_t n);
/* Cut to what it holds. */
void sip_pidf_set_note(struct sip_pidf *d, const char *note);
/* entity: a URI. */
void sip_pidf_write(struct buf *out, const char *entity, const struct sip_pidf *d);

#endif
