/*
 * give: stanzas that a module has written as text, many at once, to one session (module.h).
 */
#include <stdlib.h>

#include "base/mem.h"
#include "core/home.h"
#include "core/session.h"
#include "core/stream/c2s.h"
#include "core/user.h"
#include "module.h"
#include "store/erasure.h"
#include "store/record.h"

uint64_t
module_record_settled(void)
{
	return record_settled_id();
}

uint64_t
module_erasures(void)
{
	return erasure_rounds();
}

void
module_session_give_text(struct session *s, struct stanza *head, const char *xml, size_t n, uint64_t has)
{
	struct packet *p = packet_new(head, s->user->jid, s->jid);

	p->xml = mem_strndup(xml, n);
	p->xml_len = n;
	p->fetched = has;
	session_send(s, p);
	packet_unref(p);
}

static size_t
less(size_t a, size_t b)
{
	return a > b ? a - b : 0;
}

/* Half of what would end it: the other half is for those who do not ask first. */
unsigned
module_session_room(const struct session *s, size_t *bytes)
{
	const struct limits *m = &home_config()->limits;
	size_t queue = less(m->sm_queue_bytes / 2, s->sm.bytes);
	size_t output = less(m->output_bytes / 2, s->stream ? c2s_unsent(s->stream) : 0);

	*bytes = queue < output ? queue : output;
	return (unsigned)less(m->sm_queue_stanzas / 2, s->sm.n);
}
