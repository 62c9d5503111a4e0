/* gsm7: the alphabet of 3GPP TS 23.038 in both directions, and its packing. */
#include "gateway_sms/gsm7.h"

#include "octets.h"

static void
assert_packs(const char *text, const char *hex)
{
	struct buf septets = { 0 }, packed = { 0 }, back = { 0 }, again = { 0 };

	assert_true(gsm7_encode(text, strlen(text), &septets));
	gsm7_pack((const uint8_t *)buf_data(&septets), buf_len(&septets), 0, &packed);
	assert_octets(&packed, hex);
	gsm7_unpack((const uint8_t *)buf_data(&packed), buf_len(&packed), 0, &back);
	gsm7_decode((const uint8_t *)buf_data(&back), buf_len(&back), &again);
	assert_string_equal(buf_str(&again), text);
	buf_fini(&septets);
	buf_fini(&packed);
	buf_fini(&back);
	buf_fini(&again);
}

static void
packing_is_as_the_standard_has_it(void **state)
{
	(void)state;
	assert_packs("hellohello", "e8329bfd4697d9ec37");
	assert_packs("A", "41");
	/* Seven septets leave seven bits: a carriage return, and not "@". */
	assert_packs("1234567", "31d98c56b3dd1a");
	assert_packs("12345678", "31d98c56b3dd70");
	assert_packs("", "");
	assert_packs("@@", "0000");
	assert_packs("€", "9b32");
}

static void
every_septet_comes_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 128; i++) {
		uint8_t in = (uint8_t)i;
		struct buf text = { 0 }, out = { 0 };

		if (in == GSM7_ESCAPE)
			continue;
		gsm7_decode(&in, 1, &text);
		assert_true(text_is_utf8(buf_str(&text), buf_len(&text)));
		assert_true(gsm7_encode(buf_str(&text), buf_len(&text), &out));
		assert_int_equal(buf_len(&out), 1);
		assert_int_equal((uint8_t)out.data[0], in);
		buf_fini(&text);
		buf_fini(&out);
	}
}

static void
what_the_alphabet_lacks_is_refused_whole(void **state)
{
	struct buf out = { 0 };

	(void)state;
	buf_adds(&out, "x");
	assert_false(gsm7_encode("abc`", 4, &out));
	assert_false(gsm7_encode("ê", 2, &out));
	assert_false(gsm7_encode("\xf0\x9f\x98\x80", 4, &out));
	assert_string_equal(buf_str(&out), "x");
	assert_true(gsm7_encode("Ω[é]€", strlen("Ω[é]€"), &out));
	assert_int_equal(buf_len(&out), 1 + 8);
	buf_fini(&out);
}

static void
decode(const char *hex, const char *want)
{
	struct buf in = octets(hex), out = { 0 };

	gsm7_decode((const uint8_t *)buf_data(&in), buf_len(&in), &out);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&in);
	buf_fini(&out);
}

static void
escapes_that_mean_nothing_are_shown(void **state)
{
	(void)state;
	decode("1b65", "€");
	decode("1b41", "A");    /* not in the extension: what the alphabet has there */
	decode("611b", "a ");   /* nothing behind it */
	decode("1b1b61", " a"); /* of another table */
	decode("80ff61", "\xef\xbf\xbd\xef\xbf\xbd" "a");
	decode("1b0a", "\n");
}

static void
an_at_sign_at_the_end_of_a_full_part_stays(void **state)
{
	struct buf septets = { 0 }, packed = { 0 }, back = { 0 };

	(void)state;
	for (unsigned i = 0; i < 152; i++)
		buf_addc(&septets, 'x');
	buf_addc(&septets, 0);
	/* A header of six octets: one bit to the next septet's border, and then 153 septets to the end. */
	gsm7_pack((const uint8_t *)buf_data(&septets), 153, 1, &packed);
	assert_int_equal(buf_len(&packed), 134);
	gsm7_unpack((const uint8_t *)buf_data(&packed), 134, 1, &back);
	assert_int_equal(buf_len(&back), 153);
	assert_memory_equal(buf_data(&back), buf_data(&septets), 153);
	buf_fini(&septets);
	buf_fini(&packed);
	buf_fini(&back);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packing_is_as_the_standard_has_it),
		cmocka_unit_test(every_septet_comes_back),
		cmocka_unit_test(what_the_alphabet_lacks_is_refused_whole),
		cmocka_unit_test(escapes_that_mean_nothing_are_shown),
		cmocka_unit_test(an_at_sign_at_the_end_of_a_full_part_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
