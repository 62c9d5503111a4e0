/*
 * last_use: when devices were used last, written for many at once a while later (XEP-0494 shows it). Per reactor.
 */
#ifndef CORE_LAST_USE_H
#define CORE_LAST_USE_H

#include <stdint.h>

/* `address` may be NULL: unchanged. */
void last_use_note(int64_t device, int64_t at_us, const char *address);
/* Writes what has been noted: at the end, before the database goes. */
void last_use_flush(void);
void last_use_home_start(void);
void last_use_home_stop(void);

#endif
