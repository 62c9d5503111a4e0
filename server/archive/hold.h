/*
 * hold: legal holds (compliance.hold, schema/0034_hold.sql): a query that is asked of whatever is to go. What archive.held asks of the index is kept
 * with each hold in the form that the index had (SEARCH_FORM); when a release changes that form, all in the time of the hold is held until it has
 * been put into the new one.
 */
#ifndef ARCHIVE_HOLD_H
#define ARCHIVE_HOLD_H

#include "archive/search/search.h"

/* Puts holds in force into the present form. As chancery_officer, on a thread that may wait. */
enum sql_status hold_renew(struct sql *db, const struct search_limits *l, struct err *e) MUST_CHECK;

#endif
