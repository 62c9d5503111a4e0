/* Tests of base/text: RFC 4648 vectors, RFC 3629 edges, numbers at their bounds. */
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define UTF8(s) text_is_utf8((s), sizeof(s) - 1)

static void
base64_vectors(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"f", "Zg=="},
		{"fo", "Zm8="},
		{"foo", "Zm9v"},
		{"foob", "Zm9vYg=="},
		{"fooba", "Zm9vYmE="},
		{"foobar", "Zm9vYmFy"},
	};
	char out[32];
	ssize_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = (ssize_t)text_base64_encode(rows[i][0], strlen(rows[i][0]), out);
		assert_string_equal(out, rows[i][1]);
		assert_int_equal(n, strlen(rows[i][1]));
		assert_true((size_t)n < text_base64_size(strlen(rows[i][0])));
		n = text_base64_decode(rows[i][1], strlen(rows[i][1]), out);
		assert_int_equal(n, strlen(rows[i][0]));
		assert_memory_equal(out, rows[i][0], (size_t)n);
	}
}

static void
mended(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"all right: \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\t\n", "all right: \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\t\n"},
		{"cut \xe2\x82", "cut ??"},
		{"cut \xf0\x9f\x98, and on", "cut ???, and on"},
		{"\xff\xc0\xaf\x80", "????"},
		{"a\x01" "b\x1b[2Jc", "a?b?[2Jc"},
		{"\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd", "??????\xef\xbf\xbd"},
		{"\xed\xa0\x80", "???"},
	};
	char s[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		strcpy(s, rows[i][0]);
		text_mend(s);
		assert_string_equal(s, rows[i][1]);
		assert_true(text_is_utf8(s, strlen(s)));
	}
}

static void
base64_all_bytes(void **state)
{
	unsigned char in[256], back[258];
	char out[text_base64_size(256)];

	(void)state;
	for (int i = 0; i < 256; i++)
		in[i] = (unsigned char)i;
	for (size_t n = 0; n <= 256; n++) {
		size_t len = text_base64_encode(in, n, out);

		assert_int_equal(text_base64_decode(out, len, back), n);
		assert_memory_equal(back, in, n);
	}
}

static void
base64_in_lines(void **state)
{
	char out[32];

	(void)state;
	assert_int_equal(text_base64_decode_lines("\n\tZm9v\r\n YmE= \n", 15, out), 5);
	assert_memory_equal(out, "fooba", 5);
	assert_int_equal(text_base64_decode_lines(" \n", 2, out), 0);
	assert_int_equal(text_base64_decode_lines("Zm9vYg", 6, out), -1);
	assert_int_equal(text_base64_decode_lines("Zm9v!", 5, out), -1);
}

static void
base64_refuses(void **state)
{
	static const char *const bad[] = {
		"Z",
		"Zg",
		"Zg=",
		"Zh==",
		"Zm9=",
		"=Zg=",
		"====",
		"Z===",
		"Zg==Zg==",
		" Zg=",
		"Zg==\n",
		"Zm9v\n",
		"Zm 9",
		"Zm-_",
		"Zg=a",
		"Zm9vZ===",
		"\xc3\xa9\xc3\xa9",
	};
	char out[32];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_base64_decode(bad[i], strlen(bad[i]), out), -1);
	assert_int_equal(text_base64_decode("Zm\09v", 4, out), -1);
}

static void
utf8_accepts(void **state)
{
	(void)state;
	assert_true(text_is_utf8("", 0));
	assert_true(text_is_utf8(NULL, 0));
	assert_true(UTF8("plain text that is longer than a word"));
	assert_true(UTF8("\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
	assert_true(UTF8("\xed\x9f\xbf\xee\x80\x80")); /* around the surrogates */
	assert_true(UTF8("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
}

static void
utf8_refuses(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xc2",
		"\xc2\x41",
		"\xe0\x9f\xbf",
		"\xe1\x80",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf0\x90\x80",
		"\xff",
		"\xfe",
		"12345678\x80",
		"1234567\xc3",
		"1234567\xc3\x28",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_is_utf8(bad[i], strlen(bad[i])));
	/* NUL at each place of a word, where the fast path looks. */
	for (size_t i = 0; i < 16; i++) {
		char s[16];

		memset(s, 'a', sizeof(s));
		s[i] = '\0';
		assert_false(text_is_utf8(s, sizeof(s)));
	}
	/* A sequence that is cut by the length, not by the string. */
	assert_false(text_is_utf8("\xe2\x82\xac", 2));
}

static void
hex_both_ways(void **state)
{
	unsigned char out[8];
	char hex[16];

	(void)state;
	text_hex("\x00\x0f\xf0\xff", 4, hex);
	assert_string_equal(hex, "000ff0ff");
	assert_int_equal(text_unhex("000fF0fF", 8, out), 4);
	assert_memory_equal(out, "\x00\x0f\xf0\xff", 4);
	assert_int_equal(text_unhex("", 0, out), 0);
	assert_int_equal(text_unhex("0", 1, out), -1);
	assert_int_equal(text_unhex("0g", 2, out), -1);
	assert_int_equal(text_unhex("0x", 2, out), -1);
}

static bool
u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	return text_u64(s, strlen(s), min, max, out);
}

static bool
i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
	return text_i64(s, strlen(s), min, max, out);
}

static void
unsigned_numbers(void **state)
{
	uint64_t v = 7;

	(void)state;
	assert_true(u64("0", 0, 10, &v) && v == 0);
	assert_true(u64("0010", 0, 10, &v) && v == 10);
	assert_true(u64("18446744073709551615", 0, UINT64_MAX, &v) && v == UINT64_MAX);
	v = 7;
	assert_false(u64("18446744073709551616", 0, UINT64_MAX, &v));
	assert_false(u64("99999999999999999999999999", 0, UINT64_MAX, &v));
	assert_false(u64("11", 0, 10, &v) || u64("1", 2, 10, &v));
	assert_false(u64("", 0, 10, &v) || u64(" 1", 0, 10, &v) || u64("1 ", 0, 10, &v));
	assert_false(u64("+1", 0, 10, &v) || u64("-0", 0, 10, &v) || u64("0x1", 0, 10, &v));
	assert_false(text_u64("1\0", 2, 0, 10, &v));
	assert_int_equal(v, 7);
}

static void
signed_numbers(void **state)
{
	int64_t v = 7;

	(void)state;
	assert_true(i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v) && v == INT64_MIN);
	assert_true(i64("9223372036854775807", INT64_MIN, INT64_MAX, &v) && v == INT64_MAX);
	assert_true(i64("-128", -128, 127, &v) && v == -128);
	assert_true(i64("-0", -128, 127, &v) && v == 0);
	assert_false(i64("9223372036854775808", INT64_MIN, INT64_MAX, &v));
	assert_false(i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v));
	assert_false(i64("-129", -128, 127, &v) || i64("128", -128, 127, &v));
	assert_false(i64("", -1, 1, &v) || i64("-", -1, 1, &v) || i64("--1", -1, 1, &v));
	assert_false(i64("+1", -1, 1, &v) || i64("1-", -1, 1, &v));
}

static void
equal_nocase(void **state)
{
	(void)state;
	assert_true(text_equal_nocase("UTF-8", "utf-8") && text_equal_nocase("", ""));
	assert_false(text_equal_nocase("utf-8", "utf-80") || text_equal_nocase("utf-80", "utf-8"));
	/* Neighbours of the letters, and letters outside ASCII, are not folded. */
	assert_false(text_equal_nocase("@", "`") || text_equal_nocase("[", "{"));
	assert_false(text_equal_nocase("\xc3\x89", "\xc3\xa9"));
}

static void
percent(void **state)
{
	struct buf b = { 0 };

	(void)state;
	text_percent(&b, "tr\xc3\xa8s cool-1_2.~jpg");
	assert_string_equal(buf_str(&b), "tr%C3%A8s%20cool-1_2.~jpg");
	buf_clear(&b);
	text_percent(&b, "/?#%&'\"\r\n\x7f");
	assert_string_equal(buf_str(&b), "%2F%3F%23%25%26%27%22%0D%0A%7F");
	buf_fini(&b);
}

static void
media_types(void **state)
{
	static const char *const good[] = { "image/jpeg", "text/plain; charset=utf-8", "application/vnd.ms-excel.sheet.macroEnabled.12", "a/b ;c=\"d\"" };
	static const char *const bad[] = { "", "image", "image/", "/jpeg", "image/jpeg\r\nX: y", "image/jpeg  X: y", "image/jp eg/x\n", "im age/jpeg", "image/\xc3\xa8", "a/b;\x7f",
		"a/b/c", "<a>/b" };
	char many[200];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(text_is_media_type(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(text_is_media_type(bad[i]));
	memset(many, 'a', sizeof(many));
	many[5] = '/';
	many[127] = '\0';
	assert_true(text_is_media_type(many));
	many[127] = 'a';
	many[128] = '\0';
	assert_false(text_is_media_type(many));
}

static void
lines(void **state)
{
	(void)state;
	assert_true(text_is_line("why", 3));
	assert_true(text_is_line(" why", 4));
	assert_false(text_is_line("whys", 3));
	assert_false(text_is_line("", 3));
	assert_false(text_is_line(" \t ", 3));
	assert_false(text_is_line("a\nb", 3));
	assert_false(text_is_line("a\r", 3));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mended),
		cmocka_unit_test(base64_vectors),   cmocka_unit_test(base64_all_bytes),
		cmocka_unit_test(base64_in_lines),
		cmocka_unit_test(base64_refuses),   cmocka_unit_test(utf8_accepts),
		cmocka_unit_test(utf8_refuses),     cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(unsigned_numbers), cmocka_unit_test(signed_numbers),
		cmocka_unit_test(equal_nocase),
		cmocka_unit_test(percent),
		cmocka_unit_test(media_types),
		cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
