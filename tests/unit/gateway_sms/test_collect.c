/* collect: long messages out of parts in any order, and what ends those that stay incomplete. */
#include "gateway_sms/collect.h"

#include "octets.h"

#define WAIT_MS 1000

static struct collect *c;
static struct collect_message *m;

static int
begin(void **state)
{
	(void)state;
	c = collect_new(3, 100000, WAIT_MS);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	collect_free(c);
	return 0;
}

static enum collect_result
add(const char *from, uint32_t reference, unsigned total, unsigned number, enum coding coding, const char *units, int64_t at)
{
	struct collect_key key = { .from = "", .to = "38123", .reference = reference, .total = total };
	struct coding_piece piece = { .coding = coding, .part = true, .reference = reference, .total = total, .number = number };
	enum collect_result r;

	strcpy(key.from, from);
	/* What is behind the strings does not count. */
	key.to[10] = (char)at;
	buf_adds(&piece.units, units);
	r = collect_add(c, &key, &piece, at, &m);
	buf_fini(&piece.units);
	return r;
}

static void
says(const char *want)
{
	struct buf text = { 0 };

	collect_text(m, &text);
	assert_string_equal(buf_str(&text), want);
	buf_fini(&text);
}

static void
parts_come_in_any_order(void **state)
{
	(void)state;
	assert_int_equal(add("+331", 1, 3, 3, CODING_LATIN1, "c", 10), COLLECT_KEPT);
	assert_int_equal(add("+331", 1, 3, 1, CODING_LATIN1, "a", 11), COLLECT_KEPT);
	assert_int_equal(add("+331", 1, 3, 1, CODING_LATIN1, "a", 12), COLLECT_REPEATED);
	assert_int_equal(collect_missing(m), 1);
	assert_true(collect_has(m, 3) && !collect_has(m, 2));
	assert_int_equal(add("+331", 1, 3, 2, CODING_LATIN1, "b", 13), COLLECT_WHOLE);
	says("abc");
	collect_end(c, m);
	assert_true(collect_due(c) == INT64_MAX);
}

static void
messages_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(add("+331", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
	assert_int_equal(add("+332", 1, 2, 2, CODING_LATIN1, "b", 10), COLLECT_KEPT);
	assert_int_equal(add("+331", 2, 2, 2, CODING_LATIN1, "b", 10), COLLECT_KEPT);
	assert_int_equal(add("+331", 1, 2, 2, CODING_LATIN1, "z", 10), COLLECT_WHOLE);
	says("az");
}

static void
an_old_reference_is_a_new_message(void **state)
{
	(void)state;
	assert_int_equal(add("+331", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
	assert_int_equal(add("+331", 1, 2, 1, CODING_LATIN1, "b", 11), COLLECT_REUSED);
	says("a[…]");
	collect_end(c, m);
	assert_int_equal(add("+331", 1, 2, 1, CODING_LATIN1, "b", 11), COLLECT_KEPT);
}

static void
time_ends_what_is_incomplete(void **state)
{
	(void)state;
	/* Read again after a start: not in the order in which they came. */
	assert_int_equal(add("+332", 1, 4, 3, CODING_LATIN1, "b", 50), COLLECT_KEPT);
	assert_int_equal(add("+331", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
	assert_int_equal(collect_due(c), 10 + WAIT_MS);
	assert_null(collect_expired(c, 10 + WAIT_MS - 1));
	m = collect_expired(c, 10 + WAIT_MS);
	says("a[…]");
	collect_end(c, m);
	m = collect_expired(c, 50 + WAIT_MS);
	says("[…]b[…]");
}

static void
there_is_a_bound(void **state)
{
	char much[3000];
	unsigned i = 0;

	(void)state;
	assert_int_equal(add("+331", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
	assert_int_equal(add("+332", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
	assert_int_equal(add("+333", 1, 255, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
	assert_int_equal(add("+334", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_FULL);
	memset(much, 'x', sizeof(much));
	much[sizeof(much) - 1] = 0;
	while (add("+333", 1, 255, i + 2, CODING_LATIN1, much, 10) == COLLECT_KEPT)
		i++;
	assert_in_range(i, 20, 33);
	/* What is taken out again makes room. */
	collect_drop(c, m, 2);
	assert_int_equal(add("+333", 1, 255, 200, CODING_LATIN1, much, 10), COLLECT_KEPT);
	assert_int_equal(add("+331", 1, 2, 2, CODING_LATIN1, "b", 10), COLLECT_WHOLE);
	collect_drop(c, m, 2);
	collect_drop(c, m, 2);
	collect_drop(c, m, 1);
	assert_int_equal(add("+334", 1, 2, 1, CODING_LATIN1, "a", 10), COLLECT_KEPT);
}

static void
characters_go_over_the_border(void **state)
{
	struct collect_key key = { .from = "+331", .to = "38123", .reference = 1, .total = 3 };
	struct coding_piece piece = { .coding = CODING_UCS2, .part = true, .total = 3 };

	(void)state;
	piece.number = 1;
	piece.units = octets("0041 d83d");
	assert_int_equal(collect_add(c, &key, &piece, 1, &m), COLLECT_KEPT);
	buf_fini(&piece.units);
	piece.number = 2;
	piece.units = octets("de00 0042");
	assert_int_equal(collect_add(c, &key, &piece, 1, &m), COLLECT_KEPT);
	buf_fini(&piece.units);
	/* A part without anything, in another alphabet. */
	piece.number = 3;
	piece.coding = CODING_GSM7;
	assert_int_equal(collect_add(c, &key, &piece, 1, &m), COLLECT_WHOLE);
	says("A\xf0\x9f\x98\x80" "B");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(parts_come_in_any_order),
		TEST(messages_are_told_apart),
		TEST(an_old_reference_is_a_new_message),
		TEST(time_ends_what_is_incomplete),
		TEST(there_is_a_bound),
		TEST(characters_go_over_the_border),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
