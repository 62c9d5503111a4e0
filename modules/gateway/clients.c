#include "gateway/clients.h"

#include <string.h>

#include "gateway/address.h"
#include "gateway/priv.h"
#include "gateway/room.h"

void
clients_doubt(struct gateway_user *u)
{
	for (struct resource *r = USER_KEPT(u)->resources; r; r = r->hh.next)
		r->doubted = true;
	LIST_EACH(pos, &USER_KEPT(u)->seats)
		for (struct room_client *c = LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->clients; c; c = c->hh.next)
			c->doubted = true;
}

/* An address at which a client is seen: of the gateway (`room` NULL), or of somebody in that room. */
static bool
is_at(struct gateway *g, const char *text, const struct gateway_room *room)
{
	char plain[NETWORK_ADDRESS_MAX], address[NETWORK_ADDRESS_MAX];
	struct jid *at = text ? jid_parse_z(text) : NULL;
	bool is = false;

	if (at && !room)
		is = jid_is_domain(at);
	else if (at && jid_local(at) && !gateway_address_from_local(jid_local(at), plain))
		is = g->net->address(g, plain, address) == NETWORK_ROOM && !strcmp(address, room->address);
	jid_unref(at);
	return is;
}

/* Who is registered has the gateway among their contacts, which sees them without being told directly. */
static bool
is_there(struct gateway_user *u, const struct elem *may, const char *resource, const struct gateway_room *room)
{
	for (const struct elem *e = elem_child(may, NULL, "client"); e; e = elem_next(e, NULL, "client")) {
		const char *name = elem_get(e, "resource"), *at = elem_get(e, "at");

		if (name && !strcmp(name, resource) && (at ? is_at(u->gateway, at, room) : !room && USER_KEPT(u)->registered))
			return true;
	}
	return false;
}

/* True: one has left a room, so that the lists are others. */
static bool
leave_one(struct gateway_user *u, const struct elem *may)
{
	LIST_EACH(pos, &USER_KEPT(u)->seats) {
		struct gateway_seat *s = &LIST_ENTRY(pos, struct gateway_seat_kept, in_user)->s;

		for (struct room_client *c = SEAT_KEPT(s)->clients; c; c = c->hh.next) {
			const char *slash = strchr(c->jid, '/');

			if (c->doubted && !is_there(u, may, slash ? slash + 1 : "", s->room)) {
				room_client_leaves(s, c, NULL);
				return true;
			}
			c->doubted = false;
		}
	}
	return false;
}

void
clients_known(struct gateway_user *u, const struct elem *may)
{
	const char *whole = may ? elem_get(may, "clients") : NULL;
	struct resource *r, *next;

	if (!whole || strcmp(whole, "true"))
		return;
	while (leave_one(u, may))
		;
	HASH_ITER(hh, USER_KEPT(u)->resources, r, next) {
		if (r->doubted && !is_there(u, may, r->name, NULL))
			user_resource(u, r->name, NETWORK_GONE, 0, NULL);
		else
			r->doubted = false;
	}
}
