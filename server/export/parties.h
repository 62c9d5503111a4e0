/*
 * parties: who takes part, counted by address. Of rooms elsewhere, where only nicknames are known, the room's address with the nickname.
 */
#ifndef EXPORT_PARTIES_H
#define EXPORT_PARTIES_H

#include "base/map.h"
#include "export/format.h"

struct party {
	char *address, *name;    /* name: as export_person */
	bool ours;
	uint64_t wrote, got;     /* records */
	UT_hash_handle hh;
};

struct parties;

/* At most so many; others are counted only. */
struct parties *parties_new(size_t most);
void parties_free(struct parties *p);
void parties_clear(struct parties *p);
/* Both ends of it, where they are persons. */
void parties_note(struct parties *p, const struct export_record *r);
size_t parties_count(const struct parties *p);
/* Records of which an end is nobody of the list, as that was full. */
uint64_t parties_others(const struct parties *p);
/* Who wrote most first, then by address. NULL behind the last one. */
const struct party *parties_first(struct parties *p);
const struct party *parties_next(const struct party *e);

#endif
