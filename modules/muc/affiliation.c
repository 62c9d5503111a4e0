/* affiliation: see affiliation.h. */
#include "affiliation.h"

#include <string.h>

static const char *const affiliations[] = { "outcast", "none", "member", "admin", "owner" };
static const char *const roles[] = { "none", "visitor", "participant", "moderator" };

const char *
affiliation_name(enum affiliation a)
{
	return affiliations[a];
}

const char *
role_name(enum role r)
{
	return roles[r];
}

static bool
find(const char *const *names, unsigned n, const char *s, unsigned *out)
{
	for (*out = 0; *out < n; ++*out)
		if (!strcmp(names[*out], s))
			return true;
	return false;
}

bool
affiliation_parse(const char *s, enum affiliation *out)
{
	unsigned i;

	if (!s || !find(affiliations, sizeof(affiliations) / sizeof(affiliations[0]), s, &i))
		return false;
	*out = i;
	return true;
}

bool
role_parse(const char *s, enum role *out)
{
	unsigned i;

	if (!s || !find(roles, sizeof(roles) / sizeof(roles[0]), s, &i))
		return false;
	*out = i;
	return true;
}

enum role
affiliation_role(enum affiliation a, bool moderated)
{
	switch (a) {
	case AFFILIATION_OWNER:
	case AFFILIATION_ADMIN:
		return ROLE_MODERATOR;
	case AFFILIATION_MEMBER:
		return ROLE_PARTICIPANT;
	case AFFILIATION_NONE:
		return moderated ? ROLE_VISITOR : ROLE_PARTICIPANT;
	case AFFILIATION_OUTCAST:
		break;
	}
	return ROLE_NONE;
}
