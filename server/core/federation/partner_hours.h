/*
 * partner_hours: the hours of a partner's entry: "Mon-Fri 08:00-18:00, Sat 09:00-12:00" to a bit for each hour of the week. Pure.
 */
#ifndef CORE_PARTNER_HOURS_H
#define CORE_PARTNER_HOURS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define PARTNER_HOURS 21 /* bytes: 168 bits, from Monday 0 h */

/* Days by the first three letters of their English names, one or from-to; whole hours; an end that is not behind its beginning is on the next
 * day. Items are separated by commas. -1 with `e`. */
int partner_hours_read(const char *text, unsigned char out[PARTNER_HOURS], struct err *e) MUST_CHECK;
/* The hour of the week in local time, from Monday 0 h. */
unsigned partner_hours_at(int64_t wall_us);
bool partner_hours_has(const unsigned char *hours, unsigned hour);

#endif
