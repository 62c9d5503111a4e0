/*
 * caps: the verification string of entity capabilities (XEP-0115). A pure function of a disco#info <query/>: for
 * what we announce ourselves, and to check what others announce.
 */
#ifndef CORE_CAPS_H
#define CORE_CAPS_H

#include <stdbool.h>

#include "xmpp/stanza.h"

#define CAPS_VER_SIZE 29 /* SHA-1 in base64, and the NUL */

/* The ver of `query` under hash='sha-1' (§5.1). False: ill-formed by §5.4 steps 3.3 to 3.5. */
bool caps_ver(const struct elem *query, char out[CAPS_VER_SIZE]);

#endif
