/*
 * config: the configuration of a room (§10.2), and what else of it lasts (room_store).
 */
#ifndef MUC_CONFIG_H
#define MUC_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum room_pm { ROOM_PM_ANYONE, ROOM_PM_PARTICIPANTS, ROOM_PM_MODERATORS, ROOM_PM_NONE };

/* What owners set (§10.2), one column each in chancery.room. Texts are the room's (heap), NULL: none. */
struct room_config {
	char *name, *description, *lang, *password;
	char *contacts;              /* addresses, a line each */
	bool persistent, listed, members_only, moderated;
	bool whois_anyone;           /* non-anonymous; else semi-anonymous */
	bool change_subject;         /* participants may, too */
	bool invites;                /* whoever is in a members-only room may invite, too */
	bool voice_requests;
	bool history_for_all;        /* the archive of an open room may be asked by who is not inside */
	enum room_pm pm;
	unsigned broadcast;          /* roles whose presence others see (ROLE_BIT) */
	unsigned member_list;        /* roles that may get the lists of members, admins and owners */
	unsigned max_users;          /* 0: only limits.room_occupants */
	unsigned history;            /* messages shown on entering, at most */
};

struct room_subject {
	char *text;                  /* NULL: there never was one; "": taken away */
	char *nick;                  /* who set it */
	int64_t at_us;
};

/* c is zero or empty. By the settings in force on this reactor. */
void config_set_defaults(struct room_config *c);
/* Frees its texts and leaves it zero. */
void config_clear(struct room_config *c);
/* `to` is zero or empty: texts of its own. */
void config_copy(struct room_config *to, const struct room_config *from);

#endif
