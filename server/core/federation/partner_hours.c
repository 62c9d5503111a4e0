/* partner_hours: see partner_hours.h. */
#include "core/federation/partner_hours.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define WEEK 168

/* 0 to 6 from Monday; -1: is none. Moves *s behind it. */
static int
read_day(const char **s)
{
	static const char names[] = "MonTueWedThuFriSatSun";

	for (int i = 0; i < 7; i++) {
		if (strncasecmp(*s, names + 3L * i, 3) == 0) {
			*s += 3;
			return i;
		}
	}
	return -1;
}

/* "08:00", 0 to 24. */
static int
read_hour(const char **s)
{
	const char *p = *s;
	int h;

	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9' || strncmp(p + 2, ":00", 3) != 0)
		return -1;
	h = (p[0] - '0') * 10 + p[1] - '0';
	*s += 5;
	return h <= 24 ? h : -1;
}

static void
skip_spaces(const char **s)
{
	*s += strspn(*s, " ");
}

static void
set_hours(unsigned char *out, int day, int from, int to)
{
	int n = to > from ? to - from : to + 24 - from;

	for (int k = 0; k < n; k++) {
		int hour = (day * 24 + from + k) % WEEK;

		out[hour / 8] |= (unsigned char)(1 << hour % 8);
	}
}

static int
read_item(const char **s, unsigned char *out)
{
	int first, last, from, to;

	skip_spaces(s);
	first = last = read_day(s);
	if (first >= 0 && **s == '-') {
		++*s;
		last = read_day(s);
	}
	if (first < 0 || last < 0 || **s != ' ')
		return -1;
	skip_spaces(s);
	from = read_hour(s);
	if (from < 0 || from == 24 || **s != '-')
		return -1;
	++*s;
	to = read_hour(s);
	if (to < 0 || to == from)
		return -1;
	for (int day = first;; day = (day + 1) % 7) {
		set_hours(out, day, from, to);
		if (day == last)
			break;
	}
	skip_spaces(s);
	return 0;
}

int
partner_hours_read(const char *text, unsigned char out[PARTNER_HOURS], struct err *e)
{
	const char *s = text;

	memset(out, 0, PARTNER_HOURS);
	for (;;) {
		if (read_item(&s, out) != 0 || (*s != '\0' && *s != ','))
			return err_set(e, 0, "hours are like \"Mon-Fri 08:00-18:00, Sat 09:00-12:00\", in whole hours");
		if (*s == '\0')
			return 0;
		s++;
	}
}

unsigned
partner_hours_at(int64_t wall_us)
{
	time_t t = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (localtime_r(&t, &tm) == NULL)
		return 0;
	return (unsigned)((tm.tm_wday + 6) % 7 * 24 + tm.tm_hour);
}

bool
partner_hours_has(const unsigned char *hours, unsigned hour)
{
	return hour < WEEK && (hours[hour / 8] >> hour % 8 & 1) != 0;
}
