/*
 * siem_spool: events for the SIEM on the disk, while the database that keeps them is away. A line each, in order, appended only; gone when the database has
 * all of them. One thread.
 */
#ifndef ARCHIVE_SIEM_SPOOL_H
#define ARCHIVE_SIEM_SPOOL_H

#include <stdint.h>

#include "base/err.h"

struct siem_spool;

struct siem_spooled {
	int64_t at_us;
	int severity;
	const char *name, *json; /* neither has a line break, the name no space */
};

/* Of at most so many events; what an earlier run has left counts. "": none can be put away. */
struct siem_spool *siem_spool_new(const char *file, uint64_t events_max);
void siem_spool_free(struct siem_spool *s);
/* How many wait there. */
uint64_t siem_spool_waiting(const struct siem_spool *s);
/* 1: it is there; 0: it is full; -1: it cannot be written, and as much is there as was. */
int siem_spool_put(struct siem_spool *s, const struct siem_spooled *e, struct err *err) MUST_CHECK;
/* What has been put is on the disk when this returns 0. */
int siem_spool_sync(struct siem_spool *s, struct err *err) MUST_CHECK;
/* All of it, oldest first, until `take` gives something other than 0, which is returned. -1 as well: it cannot be read. A line that is none is left out. */
typedef int (*siem_spool_fn)(void *arg, const struct siem_spooled *e, struct err *err);
int siem_spool_each(struct siem_spool *s, siem_spool_fn take, void *arg, struct err *err) MUST_CHECK;
/* All of it is elsewhere. */
int siem_spool_clear(struct siem_spool *s, struct err *err) MUST_CHECK;

#endif
