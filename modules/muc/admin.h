/*
 * admin: what moderators, admins and owners do to others by IQ (XEP-0045 §8, §9, §10.3 to §10.8): roles, affiliations, their lists.
 */
#ifndef MUC_ADMIN_H
#define MUC_ADMIN_H

#include "room.h"

enum hook_verdict admin_on_get(struct hook *h, struct room *r);
enum hook_verdict admin_on_set(struct hook *h, struct room *r);

/* Our own hosts speak for the administrators of the server (`chancery room`). */
bool admin_is_server(const struct jid *from);
/* What somebody is to the room who asks it for something. */
struct admin_actor {
	enum affiliation affiliation;
	enum role role;              /* the highest of the occupants that it is; ROLE_NONE: not inside */
	bool server;                 /* admin_is_server: an owner of every room */
};
void admin_actor(const struct hook *h, const struct room *r, struct admin_actor *out);

/* May the actor make `subject` an `to`? XERROR_NONE, or how it is refused. Losing the last owner is not looked at. Pure. */
enum xerror admin_affiliation_refusal(enum affiliation actor, bool self, enum affiliation from, enum affiliation to);
/* The same for roles of occupants; `rank` is the subject's affiliation. */
enum xerror admin_role_refusal(const struct admin_actor *actor, enum affiliation rank, enum role from, enum role to);

#endif
