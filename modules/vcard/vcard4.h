/*
 * vcard4: vCards from vcard-temp (XEP-0054) to vCard4 (RFC 6351) and back, as XEP-0292 §8 maps them.
 *
 * What either side cannot say is not carried over: see the table in vcard4.c. Photos are not part of it: a picture goes by
 * XEP-0398. Empty properties, which forms like to leave behind, are left out.
 */
#ifndef VCARD4_H
#define VCARD4_H

#include <stdbool.h>

#include "xmpp/stanza.h"

/* Adds to `vcard4` (a <vcard/> of `st`) what <vCard/> says. */
void vcard4_from_temp(struct stanza *st, struct elem *vcard4, const struct elem *temp);
/* Adds to `temp` (a <vCard/> of `st`) what <vcard/> says. */
void vcard4_to_temp(struct stanza *st, struct elem *temp, const struct elem *vcard4);
/* Is this child of a <vCard/> one that vCard4 can say too? */
bool vcard4_knows(const struct elem *property);

#endif
