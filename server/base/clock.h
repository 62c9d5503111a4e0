/*
 * clock: the only place that reads time. Tests may hold and move it.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Microseconds since 1970-01-01T00:00:00Z. */
int64_t clock_wall_us(void);
/* Milliseconds of a clock that never goes back. */
int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
/* XEP-0082 DateTime in UTC with milliseconds: 2026-01-31T12:00:00.123Z. `out` holds 32 bytes. */
char *clock_format(int64_t wall_us, char out[32]);
/* XEP-0082 DateTime (any offset) to microseconds. 0 or -1. */
int clock_parse(const char *s, int64_t *wall_us);
/* Tests only: both clocks stand still at these values until moved; negative lets them run. */
void clock_fake(int64_t wall_us, int64_t mono_us);

#endif
