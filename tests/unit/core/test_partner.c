/*
 * Partners: which entry is a domain's, when it rests, whom of ours it is for, and the hours.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "core/federation/partner_priv.h"

#define COLUMNS 18 /* of partner_store_all */

/* 2026-01-05 was a Monday. */
#define MONDAY INT64_C(1767571200000000)
#define HOUR INT64_C(3600000000)

static void
set(PGresult *r, int row, int col, const char *text)
{
	char copy[512];

	snprintf(copy, sizeof copy, "%s", text);
	assert_int_equal(PQsetvalue(r, row, col, copy, (int)strlen(copy)), 1);
}

/* As the database would give them: domain, direction, pins, who, hours, expires. NULL ends the list. */
static PGresult *
rows_of(const char *const (*given)[6])
{
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	static char names[COLUMNS][16];
	PGresAttDesc attrs[COLUMNS];

	memset(attrs, 0, sizeof attrs);
	for (int i = 0; i < COLUMNS; i++) {
		snprintf(names[i], sizeof names[i], "c%d", i);
		attrs[i].name = names[i];
	}
	assert_int_equal(PQsetResultAttrs(r, COLUMNS, attrs), 1);
	for (int i = 0; given[i][0] != NULL; i++) {
		static const int at[] = {1, 2, 6, 8, 11, 14};
		static const char *const rest[COLUMNS] = {"1", "", "", "63", "0", NULL, "", "f", "", "60", "6", NULL, "owner", "reason", NULL, "1", "x", "1"};

		for (int c = 0; c < COLUMNS; c++)
			if (rest[c] != NULL)
				set(r, i, c, rest[c]);
			else
				assert_int_equal(PQsetvalue(r, i, c, NULL, -1), 1);
		for (size_t k = 0; k < 6; k++)
			if (given[i][k] != NULL)
				set(r, i, at[k], given[i][k]);
	}
	return r;
}

static struct partners *
snapshot(const char *const (*given)[6])
{
	PGresult *r = rows_of(given);
	struct partners *s = partners_new(r, NULL);

	PQclear(r);
	return s;
}

static const char *
found(const struct partners *s, const char *domain)
{
	const struct partner_row *r = partners_find(s, domain);
	static char text[300];

	if (r == NULL)
		return "-";
	snprintf(text, sizeof text, "%s%s", r->p.below ? "*." : "", r->p.domain);
	return text;
}

static void
look_up(void **state)
{
	static const char *const given[][6] = {
		{"example.org", "3"}, {"*.example.org", "3"}, {"*.deep.example.org", "3"}, {"*.com", "3"}, {"192.0.2.7", "3"}, {"[2001:db8::7]", "3"},
		{NULL}};
	struct partners *s = snapshot(given);

	(void)state;
	assert_int_equal(s->n, 6);
	assert_string_equal(found(s, "example.org"), "example.org");
	assert_string_equal(found(s, "a.example.org"), "*.example.org");
	assert_string_equal(found(s, "b.a.example.org"), "*.example.org");
	assert_string_equal(found(s, "deep.example.org"), "*.example.org");
	assert_string_equal(found(s, "x.deep.example.org"), "*.deep.example.org");
	assert_string_equal(found(s, "a.com"), "*.com");
	assert_string_equal(found(s, "com"), "-");
	assert_string_equal(found(s, "org"), "-");
	assert_string_equal(found(s, "badexample.org"), "-");
	assert_string_equal(found(s, "example.org.evil"), "-");
	assert_string_equal(found(s, "192.0.2.7"), "192.0.2.7");
	assert_string_equal(found(s, "1.192.0.2.7"), "-");
	assert_string_equal(found(s, "[2001:db8::7]"), "[2001:db8::7]");
	assert_string_equal(found(s, ""), "-");
	assert_string_equal(found(s, "..."), "-");
	partners_unref(s);
}

static void
ten_thousand(void **state)
{
	static char names[10001][32];
	static const char *given[10001][6];
	struct partners *s;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(names[i], sizeof names[i], "%sp%d.example", i % 2 ? "*." : "", i);
		given[i][0] = names[i];
		given[i][1] = "3";
	}
	s = snapshot((const char *const (*)[6])given);
	assert_int_equal(s->n, 10000);
	assert_string_equal(found(s, "p5000.example"), "p5000.example");
	assert_string_equal(found(s, "x.p5001.example"), "*.p5001.example");
	assert_string_equal(found(s, "p5001.example"), "-");
	partners_unref(s);
}

static void
unusable_ones_are_left_out(void **state)
{
	static const char *const given[][6] = {{"a.example", "3", "sha256/short"}, {"b.example", "3", NULL, NULL, "never"}, {"c.example", "3"}, {NULL}};
	struct partners *s = snapshot(given);

	(void)state;
	assert_int_equal(s->n, 1);
	assert_string_equal(found(s, "a.example"), "-");
	assert_string_equal(found(s, "c.example"), "c.example");
	partners_unref(s);
}

static void
rests(void **state)
{
	static const char *const given[][6] = {{"a.example", "3", NULL, NULL, NULL, "1767571200000000"},
					       {"b.example", "3", NULL, NULL, "Mon 08:00-09:00"},
					       {NULL}};
	struct partners *s = snapshot(given);
	const struct partner_row *a = partners_find(s, "a.example"), *b = partners_find(s, "b.example");

	(void)state;
	assert_null(partner_row_rests(a, MONDAY - 1, 0));
	assert_string_equal(partner_row_rests(a, MONDAY, 0), "its entry has expired");
	assert_null(partner_row_rests(b, MONDAY, 8));
	assert_non_null(partner_row_rests(b, MONDAY, 9));
	assert_non_null(partner_row_rests(b, MONDAY, 7));
	partners_unref(s);
}

static void
who(void **state)
{
	static const char *const given[][6] = {{"a.example", "3", NULL, "romeo@example.org\ngroup:Sales\namy@example.org\ngroup:sales, north"},
					       {"b.example", "3"},
					       {NULL}};
	struct partners *s = snapshot(given);
	const struct partner *a = &partners_find(s, "a.example")->p, *b = &partners_find(s, "b.example")->p;

	(void)state;
	assert_int_equal(a->nwho, 4);
	assert_true(partner_is_for(a, "romeo@example.org", NULL));
	assert_true(partner_is_for(a, "amy@example.org", ""));
	assert_false(partner_is_for(a, "juliet@example.org", NULL));
	assert_true(partner_is_for(a, "juliet@example.org", "staff\nSales"));
	assert_true(partner_is_for(a, "juliet@example.org", "sales, north\n"));
	assert_false(partner_is_for(a, "juliet@example.org", "Sales, south\nsales"));
	assert_false(partner_is_for(a, "romeo@example.or", NULL));
	assert_true(partner_is_for(b, "juliet@example.org", NULL));
	partners_unref(s);
}

static unsigned
count(const unsigned char *bits)
{
	unsigned n = 0;

	for (unsigned h = 0; h < 168; h++)
		n += partner_hours_has(bits, h);
	return n;
}

static void
hours(void **state)
{
	static const char *const wrong[] = {"", "Mon", "Mon 08:00", "Mon 08:00-", "Mon 8:00-9:00", "Mon 08:00-18:30", "Mon 24:00-08:00", "Mon 08:00-08:00",
					    "Mon 08:00-18:00,", ",", "Mun 08:00-09:00", "Mon- 08:00-09:00", "Mon-Fri08:00-09:00", "Mon 08:00-25:00",
					    "Mon 08:00-09:00 Tue 08:00-09:00", "Mon 08:00-09:00;", "Mon 0x:00-09:00"};
	unsigned char b[PARTNER_HOURS];
	struct err e;

	(void)state;
	assert_int_equal(partner_hours_read("Mon-Fri 08:00-18:00, Sat 09:00-12:00", b, &e), 0);
	assert_int_equal(count(b), 53);
	assert_true(partner_hours_has(b, 8) && partner_hours_has(b, 17) && !partner_hours_has(b, 7) && !partner_hours_has(b, 18));
	assert_true(partner_hours_has(b, 5 * 24 + 11) && !partner_hours_has(b, 5 * 24 + 12) && !partner_hours_has(b, 6 * 24 + 9));
	assert_int_equal(partner_hours_read("sun 22:00-06:00", b, &e), 0);
	assert_int_equal(count(b), 8);
	assert_true(partner_hours_has(b, 167) && partner_hours_has(b, 0) && partner_hours_has(b, 5) && !partner_hours_has(b, 6));
	assert_int_equal(partner_hours_read("Sat-Mon 00:00-24:00", b, &e), 0);
	assert_int_equal(count(b), 72);
	assert_int_equal(partner_hours_read("Mon-Sun 00:00-24:00", b, &e), 0);
	assert_int_equal(count(b), 168);
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
		if (partner_hours_read(wrong[i], b, &e) == 0)
			fail_msg("taken: %s", wrong[i]);
	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(partner_hours_at(MONDAY), 0);
	assert_int_equal(partner_hours_at(MONDAY + 30 * HOUR), 30);
	assert_int_equal(partner_hours_at(MONDAY - 1), 167);
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	assert_int_equal(partner_hours_at(MONDAY + 30 * HOUR), 31);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(look_up), cmocka_unit_test(ten_thousand), cmocka_unit_test(unusable_ones_are_left_out),
		cmocka_unit_test(rests),   cmocka_unit_test(who),	   cmocka_unit_test(hours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
