/* config: see config.h. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "affiliation.h"
#include "base/mem.h"
#include "module.h"

#define ALL_ROLES (ROLE_BIT(ROLE_VISITOR) | ROLE_BIT(ROLE_PARTICIPANT) | ROLE_BIT(ROLE_MODERATOR))

void
config_set_defaults(struct room_config *c)
{
	*c = (struct room_config){
		.persistent = true,
		.listed = true,
		/* .invites = false: XEP-0045 §9.5, and as ejabberd and Prosody have it: who may enter is for admins to say */
		.voice_requests = true,
		.pm = ROOM_PM_ANYONE,
		.broadcast = ALL_ROLES,
		.member_list = ALL_ROLES,
		.history = module_settings()->rooms.history,
	};
}

/* The texts, for those who walk over them. */
static char **
text_at(struct room_config *c, unsigned i)
{
	char **const texts[] = { &c->name, &c->description, &c->lang, &c->password, &c->contacts };

	return i < sizeof(texts) / sizeof(texts[0]) ? texts[i] : NULL;
}

void
config_clear(struct room_config *c)
{
	for (unsigned i = 0; text_at(c, i); i++)
		free(*text_at(c, i));
	memset(c, 0, sizeof(*c));
}

void
config_copy(struct room_config *to, const struct room_config *from)
{
	*to = *from;
	for (unsigned i = 0; text_at(to, i); i++)
		if (*text_at(to, i))
			*text_at(to, i) = mem_strdup(*text_at(to, i));
}
