/*
 * disco: what the gateway, its rooms and the people behind it are (XEP-0030).
 */
#include <string.h>

#include "gateway/address.h"
#include "gateway/command.h"
#include "gateway/priv.h"
#include "gateway/prompt.h"
#include "gateway/room.h"
#include "xmpp/discovery.h"
#include "xmpp/ns.h"

static void
add_info(struct gateway *g, struct stanza *r, struct elem *q, struct jid *to, enum network_address what)
{
	unsigned f = g->net->features;

	discovery_feature(r, q, NS_DISCO_INFO);
	discovery_feature(r, q, NS_DISCO_ITEMS);
	discovery_feature(r, q, NS_PING);
	if (!jid_local(to)) {
		discovery_identity(r, q, "gateway", g->net->identity, g->net->about);
		if (f & NETWORK_ROOMS)
			discovery_identity(r, q, "conference", "text", g->net->about);
		if (g->settings.account && (f & NETWORK_ACCOUNTS))
			discovery_feature(r, q, NS_REGISTER);
		discovery_feature(r, q, NS_COMMANDS);
		discovery_feature(r, q, NS_PROMPT);
	} else if (what == NETWORK_ROOM) {
		discovery_identity(r, q, "conference", "text", NULL);
		discovery_feature(r, q, NS_MUC);
		discovery_feature(r, q, "muc_open");
		discovery_feature(r, q, "muc_semianonymous");
		discovery_feature(r, q, "muc_public");
		discovery_feature(r, q, "muc_temporary");
		discovery_feature(r, q, "muc_unmoderated");
	} else {
		discovery_identity(r, q, "client", "phone", g->net->about);
		if (f & NETWORK_RECEIPTS)
			discovery_feature(r, q, NS_RECEIPTS);
		if (f & NETWORK_CORRECTIONS)
			discovery_feature(r, q, NS_CORRECT);
		if (f & NETWORK_TYPING)
			discovery_feature(r, q, NS_CHATSTATES);
	}
}

bool
disco_came(struct gateway *g, const struct stanza *st, const struct elem *query, struct jid *to)
{
	bool info = elem_is(query, NS_DISCO_INFO, "query"), items = elem_is(query, NS_DISCO_ITEMS, "query");
	char plain[NETWORK_ADDRESS_MAX], foreign[NETWORK_ADDRESS_MAX];
	enum network_address what = NETWORK_NOBODY;
	const char *node;
	struct stanza *r;
	struct elem *q;

	if (!info && !items)
		return false;
	if (jid_local(to) && g->running && !gateway_address_from_local(jid_local(to), plain))
		what = g->net->address(g, plain, foreign);
	if (jid_local(to) && what == NETWORK_NOBODY) {
		send_stanza(g, xerror_reply(st, XERROR_ITEM_NOT_FOUND, NULL, NULL));
		return true;
	}
	node = elem_get(query, "node");
	r = iq_result(st);
	q = elem_add(r, r->root, query->ns, "query");
	elem_set(r, q, "node", node);
	if (node && !jid_local(to) && !strcmp(node, NS_COMMANDS)) {
		command_items(g, r, q, info);
	} else if (node && !jid_local(to) && command_info(g, r, q, node, info)) {
		/* said */
	} else if (node) {
		stanza_unref(r);
		send_stanza(g, xerror_reply(st, XERROR_ITEM_NOT_FOUND, NULL, NULL));
		return true;
	} else if (info) {
		add_info(g, r, q, to, what);
	} else if (what == NETWORK_ROOM) {
		room_items(g, r, q, foreign);
	}
	send_stanza(g, r);
	return true;
}
