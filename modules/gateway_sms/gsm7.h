/*
 * gsm7: the GSM 7 bit default alphabet with its extension table (3GPP TS 23.038 §6.2.1), and its packing into octets (§6.1.2). No I/O.
 *
 * Text here is septets, one in each byte; what SMPP carries is either that, or the same packed.
 */
#ifndef GATEWAY_SMS_GSM7_H
#define GATEWAY_SMS_GSM7_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define GSM7_ESCAPE 0x1b

/* Well-formed UTF-8 as septets, behind what is in `out`. False, and nothing added, when a character is not in the alphabet. */
bool gsm7_encode(const char *s, size_t n, struct buf *out);
/* Septets as UTF-8. An escape before something that the extension does not have shows what the alphabet has there (§6.2.1.1); bytes above 127 are U+FFFD. */
void gsm7_decode(const uint8_t *septets, size_t n, struct buf *out);

/* Packs behind `fill` zero bits (0 to 6), which bring text that follows a header to a septet's border. Seven bits that are left over at the end are
 * a carriage return, so that they are not read as "@" (§6.1.2.3.1). */
void gsm7_pack(const uint8_t *septets, size_t n, unsigned fill, struct buf *out);
/* The septets of `n` octets, without such an end. */
void gsm7_unpack(const uint8_t *p, size_t n, unsigned fill, struct buf *out);

#endif
