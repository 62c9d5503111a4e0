/*
 * occupant_id: see occupant_id.h.
 */
#include "occupant_id.h"

#include "base/text.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

#define BYTES ((OCCUPANT_ID_SIZE - 1) / 2)

void
occupant_id(const struct room *r, const struct jid *real, char out[OCCUPANT_ID_SIZE])
{
	struct digest_part part = { jid_bare(real), jid_bare_len(real) };
	uint8_t sum[SCRAM_MAX];

	digest_hmac(SCRAM_SHA256, r->secret, sizeof(r->secret), &part, 1, sum);
	text_hex(sum, BYTES, out);
}

void
occupant_id_add(struct stanza *st, struct elem *e, const struct room *r, const struct jid *real)
{
	char id[OCCUPANT_ID_SIZE];
	struct elem *old;

	while ((old = elem_child(e, NS_OCCUPANT_ID, NULL)))
		elem_remove(old);
	occupant_id(r, real, id);
	elem_set(st, elem_add(st, e, NS_OCCUPANT_ID, "occupant-id"), "id", id);
}
