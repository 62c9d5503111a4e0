/*
 * partner_entry: a partner's entry between the arguments of `chancery federation`, the JSON that the database keeps (store/partner_store.h), and what
 * people read. For the verbs of verb_federation.c and verb_federation_look.c.
 */
#ifndef ADMIN_PARTNER_ENTRY_H
#define ADMIN_PARTNER_ENTRY_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"

struct config;

#define PARTNER_DOMAIN 1030 /* "*." and a prepared domain, with the NUL */

/* As it is stored: prepared, perhaps behind "*.". -1: is no domain. */
int partner_entry_domain(const char *text, char out[PARTNER_DOMAIN], struct err *e) MUST_CHECK;
/* Is it one that may be a partner: not a host, service or component of ours? */
int partner_entry_foreign(const char *domain, struct err *e) MUST_CHECK;
/* What the arguments make of `was` (NULL: a new entry), as a new object; those that are not given stay. NULL: they are wrong, or what comes out
 * is not a whole entry. Arguments: direction ("in", "out", "both"); trust ("ca", "pins", "dane") with ca (PEM; none: the public ones), pins;
 * dialback; pass (an object of names and booleans); who; per_minute, user_per_minute; hours ("always": any); expires ("never", 30d, a date, a time);
 * owner, reason;
 * force (true: a new *.DOMAIN under which anybody can have a name, as *.com, is meant). */
json_t *partner_entry_merge(const struct config *c, const char *domain, const json_t *was, const json_t *args, struct err *e) MUST_CHECK;
/* For people and scripts: a new object. */
json_t *partner_entry_show(const struct config *c, const json_t *entry);
/* Without what fills pages; for audit rows. */
json_t *partner_entry_brief(const json_t *entry);
/* "7d", "2026-01-31", "2026-01-31T12:00:00Z" as a moment in the past. -1. */
int partner_entry_since(const char *text, int64_t *us, struct err *e) MUST_CHECK;
/* The bits, as their names. */
json_t *partner_entry_pass(unsigned pass);

#endif
