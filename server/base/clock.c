/*
 * clock: wall time and monotonic time, and XEP-0082's way to write the first.
 *
 * Both can be held still by a test. The held values are atomics because reactors and workers
 * read them from their own threads.
 */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#define SECOND_US INT64_C(1000000)

static atomic_bool fake;
static _Atomic int64_t fake_wall, fake_mono;

static int64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * SECOND_US + ts.tv_nsec / 1000;
}

int64_t
clock_wall_us(void)
{
	if (atomic_load_explicit(&fake, memory_order_acquire))
		return atomic_load_explicit(&fake_wall, memory_order_relaxed);
	return clock_read(CLOCK_REALTIME);
}

int64_t
clock_mono_us(void)
{
	if (atomic_load_explicit(&fake, memory_order_acquire))
		return atomic_load_explicit(&fake_mono, memory_order_relaxed);
	return clock_read(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

void
clock_fake(int64_t wall_us, int64_t mono_us)
{
	bool on = wall_us >= 0 && mono_us >= 0;

	if (on) {
		atomic_store_explicit(&fake_wall, wall_us, memory_order_relaxed);
		atomic_store_explicit(&fake_mono, mono_us, memory_order_relaxed);
	}
	atomic_store_explicit(&fake, on, memory_order_release);
}

char *
clock_format(int64_t wall_us, char out[32])
{
	int64_t us = wall_us % SECOND_US;
	time_t seconds = (time_t)(wall_us / SECOND_US);
	struct tm tm;

	if (us < 0) {
		us += SECOND_US;
		seconds--;
	}
	gmtime_r(&seconds, &tm);
	/* The remainders tell the compiler what gmtime_r promises: it all fits. */
	snprintf(out, 32, "%04d-%02u-%02uT%02u:%02u:%02u.%03uZ", tm.tm_year + 1900,
		 (unsigned)(tm.tm_mon + 1) % 100, (unsigned)tm.tm_mday % 100,
		 (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100,
		 (unsigned)(us / 1000) % 1000);
	return out;
}

/* Exactly `n` digits, then the character `end` (0: whatever follows), both stepped over. */
static bool
take(const char **s, int n, char end, int *out)
{
	const char *p = *s;

	*out = 0;
	for (; n > 0; n--, p++) {
		if (*p < '0' || *p > '9')
			return false;
		*out = *out * 10 + (*p - '0');
	}
	if (end && *p++ != end)
		return false;
	*s = p;
	return true;
}

static int
days_in_month(int year, int month)
{
	static const signed char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool
take_date_and_time(const char **s, struct tm *tm)
{
	int year, month, day;

	if (!take(s, 4, '-', &year) || !take(s, 2, '-', &month) || !take(s, 2, 'T', &day) ||
	    !take(s, 2, ':', &tm->tm_hour) || !take(s, 2, ':', &tm->tm_min) ||
	    !take(s, 2, 0, &tm->tm_sec))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
		return false;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return tm->tm_hour <= 23 && tm->tm_min <= 59 && tm->tm_sec <= 59;
}

/* ".123…": any number of digits, of which six count. */
static bool
take_fraction(const char **s, int64_t *us)
{
	const char *p = *s;
	int64_t unit = SECOND_US / 10;

	*us = 0;
	if (*p != '.')
		return true;
	for (p++; *p >= '0' && *p <= '9'; p++, unit /= 10)
		*us += (*p - '0') * unit;
	if (p == *s + 1)
		return false;
	*s = p;
	return true;
}

/* "Z" or "+hh:mm", to the end of the string. */
static bool
take_zone(const char *s, int64_t *offset)
{
	int hours, minutes;
	char sign = *s++;

	*offset = 0;
	if (sign == 'Z')
		return *s == '\0';
	if ((sign != '+' && sign != '-') || !take(&s, 2, ':', &hours) || !take(&s, 2, 0, &minutes))
		return false;
	if (hours > 14 || minutes > 59 || *s)
		return false;
	*offset = (hours * 60 + minutes) * 60 * (sign == '-' ? -1 : 1);
	return true;
}

int
clock_parse(const char *s, int64_t *wall_us)
{
	struct tm tm = {0};
	int64_t us, offset;

	if (!take_date_and_time(&s, &tm) || !take_fraction(&s, &us) || !take_zone(s, &offset))
		return -1;
	*wall_us = ((int64_t)timegm(&tm) - offset) * SECOND_US + us;
	return 0;
}
