/*
 * affiliation: what somebody is to a room for good (XEP-0045 §5.2), and what an occupant may do while inside (§5.1).
 *
 * Pure tables. Both enums are in rising order: compare with <.
 */
#ifndef MUC_AFFILIATION_H
#define MUC_AFFILIATION_H

#include <stdbool.h>

/* Stored by number in chancery.room_affiliation: they never change meaning. */
enum affiliation {
	AFFILIATION_OUTCAST = 0,
	AFFILIATION_NONE = 1,
	AFFILIATION_MEMBER = 2,
	AFFILIATION_ADMIN = 3,
	AFFILIATION_OWNER = 4,
};

enum role { ROLE_NONE, ROLE_VISITOR, ROLE_PARTICIPANT, ROLE_MODERATOR };
/* A set of roles: bit for each. */
#define ROLE_BIT(role) (1u << (role))

const char *affiliation_name(enum affiliation a);
const char *role_name(enum role r);
/* False: there is no such word. */
bool affiliation_parse(const char *s, enum affiliation *out);
bool role_parse(const char *s, enum role *out);

/* The role that comes with an affiliation on entering (§5.1.2). */
enum role affiliation_role(enum affiliation a, bool moderated);

#endif
