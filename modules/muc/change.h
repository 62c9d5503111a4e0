/*
 * change: affiliations and roles that change, together or not at all (XEP-0045 §8 to §10). Who asks for them gathers and checks
 * (admin.c, owner.c, register.c, invite.c, voice.c); here they are recorded, stored, put in force, and told.
 *
 * Under room_alone, so that nobody comes or goes until the end. All memory is hook_memory(h).
 */
#ifndef MUC_CHANGE_H
#define MUC_CHANGE_H

#include "room.h"

/* One affiliation, or one role. */
struct change_item {
	struct change_item *next;
	const char *jid;             /* whose affiliation: bare address or domain; NULL: it is about a role */
	enum affiliation affiliation;
	const char *reserve;         /* nickname to reserve; "": none any more; NULL: as it is */
	struct room_occupant *occupant; /* whose role */
	enum role role;
	const char *reason;          /* NULL: none */
	bool invite;                 /* for who asks: to be told afterwards */
	struct jid *absent;          /* to be told, when it takes effect: nobody inside */
};

/* What comes of the items for an occupant. */
struct change_step {
	struct room_occupant *occupant;
	enum affiliation affiliation;
	enum role role;              /* ROLE_NONE: out of the room */
	struct room_why why;
};

struct change {
	struct room *room;
	const struct room_occupant *actor; /* NULL: somebody who is not inside */
	enum record_kind kind;
	struct stanza *note;         /* for the record; whoever has more to say adds it */
	struct elem *x;              /* its <x/> */
	const char *body;            /* the same as text, or NULL */
	struct change_item *first, **last;
	unsigned n;
	/* Takes the place of the room's own, which also unlocks it; the change's (config_clear by its memory) until then. */
	bool configures;
	struct room_config config;
	struct change_step *step;
	unsigned nsteps;
	void *data;
	hook_then_fn then;
};

struct change *change_new(struct hook *h, struct room *r, enum record_kind kind);
/* Add what is wanted. Texts are to last as long as hook_memory(h). */
struct change_item *change_affiliation(struct hook *h, struct change *c, const char *jid, enum affiliation a, const char *reason);
struct change_item *change_role(struct hook *h, struct change *c, struct room_occupant *o, enum role role, const char *reason);
/* What is wanted of it already; NULL: nothing. */
const struct change_item *change_find(const struct change *c, const char *jid, const struct room_occupant *o);
/* Owners that there will be. */
unsigned change_owners(const struct change *c);
/* Would there be more people of whom something is kept than limits.room_affiliations? */
bool change_is_too_long(const struct change *c);
/* Records, stores, puts in force and tells, then goes on with then(h, data, ok). ok false: the record or the database is away,
 * and nothing has changed. */
enum hook_verdict change_run(struct hook *h, struct change *c, void *data, hook_then_fn then);

#endif
