/*
 * intake: for clients (core/session), components (core/component) and other servers (core/federation).
 */
#include "core/route/intake.h"

#include "core/federation/federation.h"
#include "core/federation/pass.h"
#include "core/host.h"
#include "core/service/service.h"
#include "xmpp/ns.h"

static bool
names_us(const char *address)
{
	struct jid *j = address ? jid_parse_z(address) : NULL;
	bool ours = j && (host_is_local(j) || service_of(j));

	jid_unref(j);
	return ours;
}

/* XEP-0203; XEP-0091, which clients still read, and so believe. */
static bool
is_delay(const struct elem *e)
{
	return elem_is(e, NS_DELAY, "delay") || elem_is(e, "jabber:x:delay", "x");
}

void
intake_strip_forged(struct elem *root)
{
	struct elem *next;

	for (struct elem *e = elem_first(root); e; e = next) {
		next = elem_next(e, NULL, NULL);
		if ((elem_is(e, NS_SID, "stanza-id") && names_us(elem_get(e, "by"))) ||
			(is_delay(e) && names_us(elem_get(e, "from"))) || e->ns == NS_DELEGATED ||
			elem_is(e, NS_GATEWAY, "foreign"))
			elem_remove(e);
	}
	pass_strip_marks(root);
}

static bool
iq_is_right(const struct packet *p)
{
	const struct elem *child = elem_first(p->st->root);

	if (!packet_id(p))
		return false;
	if (p->type == TYPE_GET || p->type == TYPE_SET)
		return child && !elem_next(child, NULL, NULL);
	return true;
}

/* Elements of the servers' own namespace would turn into the stanza's own when a room, say, passes them on to another server. To another
 * server itself: federation_may_leave says it in words. */
static bool
pretends(const struct packet *p)
{
	for (const struct elem *e = p->st->root; e; e = elem_walk(p->st->root, e))
		if (e->ns == NS_SERVER)
			return !p->to || !federation_is_remote(p->to);
	return false;
}

bool
intake_is_right(const struct packet *p)
{
	return p->type != TYPE_UNKNOWN && (p->kind != PACKET_IQ || iq_is_right(p)) && !pretends(p);
}
