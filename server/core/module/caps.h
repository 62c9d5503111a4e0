/*
 * caps: the hashes of entity capabilities (XEP-0115, XEP-0390). Pure functions of a disco#info <query/>: for what we
 * announce ourselves, and to check what others announce.
 */
#ifndef CORE_CAPS_H
#define CORE_CAPS_H

#include <stdbool.h>

#include "base/arena.h"
#include "xmpp/stanza.h"

#define CAPS_VER_SIZE 29    /* SHA-1 in base64, and the NUL */
#define CAPS_SHA256_SIZE 45 /* the same of SHA-256 */
#define CAPS_NODE_MAX 3072  /* bytes of a node#ver that we ask for */

/* The ver of `query` under hash='sha-1' (§5.1). False: ill-formed by §5.4 steps 3.3 to 3.5. */
bool caps_ver(const struct elem *query, char out[CAPS_VER_SIZE]);
/* The hash of `query` by XEP-0390 §4 under sha-256. False: ill-formed. */
bool caps_sha256(const struct elem *query, char out[CAPS_SHA256_SIZE]);

/* What a presence announces. */
enum caps_form {
	CAPS_NONE,
	CAPS_PLAIN,  /* no hash that we can check: what is learnt says something about this one client only */
	CAPS_115,
	CAPS_390,
};

struct caps {
	enum caps_form form;
	const char *algo, *value; /* the hash; "" with CAPS_PLAIN */
	const char *node;         /* to ask for; NULL: without a node */
};

/* Reads <c/> of a presence: the best hash that we know. Strings are in `a` or the presence. */
struct caps caps_of(const struct elem *presence, struct arena *a);
/* Is this the <query/> whose hash was announced? Always false for CAPS_PLAIN. */
bool caps_fits(const struct caps *c, const struct elem *query);

#endif
