/*
 * occupant_id: see occupant_id.h.
 */
#include "occupant_id.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

#define BYTES ((OCCUPANT_ID_SIZE - 1) / 2)

static void
make(const struct room_occupant *o, char out[OCCUPANT_ID_SIZE])
{
	char account[24];
	struct digest_part part[] = { { jid_bare(o->bare), jid_bare_len(o->bare) }, { account, 0 } };
	uint8_t sum[SCRAM_MAX];

	/* Behind a slash: no bare address has one. */
	if (o->account)
		part[1].n = (size_t)snprintf(account, sizeof(account), "/%" PRId64, o->account);
	digest_hmac(SCRAM_SHA256, o->room->secret, sizeof(o->room->secret), part, 2, sum);
	text_hex(sum, BYTES, out);
}

void
occupant_id_add(struct stanza *st, struct elem *e, const struct room_occupant *o)
{
	char id[OCCUPANT_ID_SIZE];
	struct elem *old;

	while ((old = elem_child(e, NS_OCCUPANT_ID, NULL)))
		elem_remove(old);
	make(o, id);
	elem_set(st, elem_add(st, e, NS_OCCUPANT_ID, "occupant-id"), "id", id);
}
