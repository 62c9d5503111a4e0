/* kept: parts as they are kept, and read again by the next program. */
#include "gateway_sms/kept.h"

#include "octets.h"

static void
comes_back(const char *from, const char *to)
{
	struct collect_key key = { .reference = 0x10007, .total = 3 }, back;
	struct coding_piece piece = { .coding = CODING_UCS2 }, again;
	struct buf text = { 0 };
	char name[KEPT_KEY];
	int64_t at;

	strcpy(key.from, from);
	strcpy(key.to, to);
	buf_add(&piece.units, "\0H\0i", 4);
	kept_key(name, &key, 2);
	kept_text(&text, &piece, 1780000000123);
	assert_int_equal(kept_read(name, buf_str(&text), &back, &again, &at), 0);
	assert_memory_equal(&back, &key, sizeof(key));
	assert_int_equal(again.number, 2);
	assert_int_equal(again.coding, CODING_UCS2);
	assert_int_equal(at, 1780000000123);
	assert_int_equal(buf_len(&again.units), 4);
	assert_memory_equal(buf_data(&again.units), "\0H\0i", 4);
	buf_fini(&again.units);
	buf_fini(&piece.units);
	buf_fini(&text);
}

/* Who somebody is does not change by a restart, whatever is in a name. */
static void
senders_stay_who_they_are(void **state)
{
	char longest[NUMBER_SIZE];

	(void)state;
	comes_back("+33612345678", "38123");
	comes_back("+33612345678/1", "38123");
	comes_back("+33612345678/38123", "38123");
	comes_back("/", "a/b");
	comes_back("a/12/b", "");
	memset(longest, '/', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	comes_back(longest, longest);
}

static void
what_is_no_part_is_not_read(void **state)
{
	static const char *const keys[] = { "", "part/", "writer/7/3/2/5/+3361/38123", "part/7/3/2/+33612345678/38123", "part/7/3/2/6/+3361/38123", "part/7/3/0/5/+3361/38123",
		"part/7/3/4/5/+3361/38123", "part/7/1/1/5/+3361/38123", "part/7/256/1/5/+3361/38123", "part/-7/3/2/5/+3361/38123", "part/7/3/2/64/+3361/38123",
		"part/7/3/2/4294967296/+3361/38123", "part/7/3/2/5/+3361", NULL };
	static const char *const texts[] = { "", "1", "1 9 4869", "x 0 4869", "1 0 486", "1 0 48zz", NULL };
	struct coding_piece piece;
	struct collect_key key;
	int64_t at;

	(void)state;
	for (size_t i = 0; keys[i]; i++)
		assert_int_equal(kept_read(keys[i], "1 0 4869", &key, &piece, &at), -1);
	for (size_t i = 0; texts[i]; i++)
		assert_int_equal(kept_read("part/7/3/2/5/+3361/38123", texts[i], &key, &piece, &at), -1);
	assert_int_equal(kept_read("part/7/3/2/5/+3361/38123", "1 0 4869", &key, &piece, &at), 0);
	buf_fini(&piece.units);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(senders_stay_who_they_are),
		cmocka_unit_test(what_is_no_part_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
