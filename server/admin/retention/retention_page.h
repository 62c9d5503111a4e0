/*
 * retention_page: the part of the record that a run of retention looks at together (server/archive/RETENTION.md, "Runs").
 *
 * archive.retention_from() passes over what notes say nothing expires of yet; archive.expired() says what of the next page has. Whoever has had that wiped
 * notes what was looked at, and until when it need not be looked at again.
 */
#ifndef ADMIN_RETENTION_PAGE_H
#define ADMIN_RETENTION_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

struct retention_page {
	uint64_t *id;       /* what has expired, by class */
	int64_t *class;
	size_t n;
	int64_t upto;       /* looked at up to here */
	int64_t classes;    /* what retention_classes() said then */
	bool more;          /* false: all of the record has been looked at */
	PGresult *rows;
};

/* `db` is as chancery_retention. The page behind `after` of what this run has to look at. retention_page_fini in any case. */
enum sql_status retention_page_read(struct retention_page *p, struct sql *db, int64_t run, int64_t after, struct err *e);
/* All of it that has expired was erased but `stayed`. */
enum sql_status retention_page_note(const struct retention_page *p, struct sql *db, int64_t run, uint64_t stayed, struct err *e);
void retention_page_fini(struct retention_page *p);
/* Another number than before says that classes have been set or removed. */
enum sql_status retention_classes(struct sql *db, int64_t *version, struct err *e);

#endif
