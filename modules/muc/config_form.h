/*
 * config_form: the configuration of a room as its owners see it (XEP-0045 §10.1.3, §10.2, §15.5.3): the form, and what one that they
 * submit asks for. Pure: knows nothing of occupants. What follows from a change is owner.c's.
 */
#ifndef MUC_CONFIG_FORM_H
#define MUC_CONFIG_FORM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "config.h"
#include "xmpp/form.h"

/* The most that a form may ask for. */
struct config_bounds {
	uint64_t text;      /* bytes of a text */
	uint64_t users;     /* occupants of a room */
	uint64_t history;
};

/* What a form changes. */
struct config_wish {
	struct room_config value;             /* to be finished by config_clear */
	const struct form_field *admins, *owners; /* full lists; NULL: not said */
	const char *why;                     /* not acceptable, for people; NULL: all is fine */
};
/* Applies the form to a copy of `now`. Fields that nobody knows are passed over, as other services do: forms are made for many. */
void config_form_read(struct config_wish *w, const struct form *f, const struct room_config *now, const struct config_bounds *b);

/* The status codes (§10.2.1) of a change, privacy first, 0 at the end; at least one if anything has changed. */
#define CONFIG_CHANGES_MAX 4
void config_changes(const struct room_config *was, const struct room_config *is, unsigned code[CONFIG_CHANGES_MAX]);

/* Who has an affiliation, a bare JID each. */
struct config_names {
	const char **name;
	unsigned n;
};
/* The form with these as values, to be filled in; or for the record (type result), which does not have the password. */
void config_form_write(struct stanza *st, struct elem *parent, const char *type, const char *room, const struct room_config *c,
	const struct config_names *admins, const struct config_names *owners, const struct config_bounds *b, struct arena *a);

#endif
