/* What people say on IRC: encodings, formatting, CTCP, long messages, nicks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway_irc/text.h"

static void
check_decode(const char *line, const char *charset, const char *want)
{
	struct buf scratch = { 0 };
	char *copy = strdup(line);

	assert_string_equal(irc_text_decode(copy, charset, &scratch), want);
	buf_fini(&scratch);
	free(copy);
}

static void
test_decode(void **state)
{
	char line[600], want[600];

	(void)state;
	check_decode("PRIVMSG #a :gr\xc3\xbc\xc3\x9f", NULL, "PRIVMSG #a :gr\xc3\xbc\xc3\x9f");
	check_decode("PRIVMSG #a :gr\xfc\xdf", NULL, "PRIVMSG #a :gr\xc3\xbc\xc3\x9f");
	check_decode("PRIVMSG #a :\xcf\xf0\xe8\xe2\xe5\xf2", "CP1251", "PRIVMSG #a :\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
	/* UTF-8 is that in whatever network. */
	check_decode("gr\xc3\xbc", "CP1251", "gr\xc3\xbc");
	/* A character that was cut off with the line. */
	memset(line, 'x', 500);
	memcpy(line + 500, "\xc3\xbc\xf0\x9f\x98", 6);
	snprintf(want, sizeof(want), "%.502s", line);
	check_decode(line, NULL, want);
	check_decode("caf\xe9", NULL, "caf\xc3\xa9");
	/* One that iconv does not know, one that has no such byte. */
	check_decode("a\xfc", "no-such-charset", "a\xc3\xbc");
	check_decode("a\x80z", "ASCII", "a?z");
	assert_true(irc_charset_is_known("ISO-8859-15"));
	assert_false(irc_charset_is_known("no-such-charset"));
}

static void
test_encode(void **state)
{
	struct buf out = { 0 };

	(void)state;
	irc_text_encode("gr\xc3\xbc\xc3\x9f", 6, "ISO-8859-1", &out);
	assert_string_equal(buf_str(&out), "gr\xfc\xdf");
	buf_clear(&out);
	irc_text_encode("a\xe2\x98\x83z", 5, "ISO-8859-1", &out);
	assert_int_equal(buf_str(&out)[0], 'a');
	assert_int_equal(buf_data(&out)[buf_len(&out) - 1], 'z');
	buf_clear(&out);
	irc_text_encode("gr\xc3\xbc", 4, NULL, &out);
	assert_string_equal(buf_str(&out), "gr\xc3\xbc");
	buf_fini(&out);
}

static void
check_plain(const char *s, const char *want)
{
	char copy[128];

	strcpy(copy, s);
	irc_text_plain(copy);
	assert_string_equal(copy, want);
}

static void
test_plain(void **state)
{
	(void)state;
	check_plain("\x02" "bold\x02 and \x1dslanted\x0f", "bold and slanted");
	check_plain("\x03" "04,12red\x03 plain", "red plain");
	check_plain("\x03" "4,red", ",red");
	check_plain("\x03" "123", "3");
	check_plain("\x04" "ff0000,00ff00red", "red");
	check_plain("a\x01\x07\x1b[31m\tb\x7f", "a[31m\tb");
	check_plain("", "");
	check_plain("\x03", "");
	check_plain("\x04,", ",");
	/* No character of XML 1.0. */
	check_plain("a\xef\xbf\xbe", "a???");
}

static void
test_ctcp(void **state)
{
	const char *command;
	char action[] = "\x01" "ACTION waves his hand\x01", open[] = "\x01VERSION", empty[] = "\x01\x01", none[] = "x\x01" "ACTION y\x01";

	(void)state;
	assert_string_equal(irc_text_ctcp(action, &command), "waves his hand");
	assert_string_equal(command, "ACTION");
	assert_string_equal(irc_text_ctcp(open, &command), "");
	assert_string_equal(command, "VERSION");
	assert_string_equal(irc_text_ctcp(empty, &command), "");
	assert_string_equal(command, "");
	assert_null(irc_text_ctcp(none, &command));
}

static void
check_cut(const char *s, size_t max, size_t want, size_t want_skip)
{
	size_t skip, got = irc_text_cut(s, strlen(s), max, &skip);

	assert_int_equal(got, want);
	assert_int_equal(skip, want_skip);
}

static void
test_cut(void **state)
{
	char text[200];

	(void)state;
	check_cut("short", 10, 5, 0);
	check_cut("exactly ten", 11, 11, 0);
	check_cut("some words here", 10, 10, 1);
	check_cut("some words here", 12, 10, 1);
	check_cut("unbrokenword", 5, 5, 0);
	/* Never within a character. */
	check_cut("aa\xe2\x82\xac\xe2\x82\xac", 6, 5, 0);
	check_cut("aa\xe2\x82\xac\xe2\x82\xac", 4, 2, 0);
	check_cut("\xf0\x9f\x98\x80\xf0\x9f\x98\x80", 2, 4, 0);
	/* A space that is far away is not worth a short line. */
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	text[10] = ' ';
	check_cut(text, 150, 150, 0);
	text[100] = ' ';
	check_cut(text, 150, 100, 1);
}

static void
check_nick(const char *name, size_t max, const char *want)
{
	char nick[64];

	irc_nick_make(name, nick, max);
	assert_string_equal(nick, want);
}

static void
test_nick(void **state)
{
	(void)state;
	check_nick("romeo", 30, "romeo");
	check_nick("romeo.montague", 30, "romeo_montague");
	check_nick("romeo.montague", 9, "romeo_mon");
	check_nick("007", 30, "_007");
	check_nick("-x", 30, "_-x");
	check_nick("7", 1, "_");
	check_nick("J\xc3\xbclia", 30, "Jlia");
	check_nick("\xd0\x9f\xd1\x80", 30, "user");
	check_nick("\xd0\x9f\xd1\x80", 3, "use");
	check_nick("a b#c,d:e!f@g*h", 30, "a_bcdefgh");
	assert_true(irc_name_is_sane("#garden"));
	assert_false(irc_name_is_sane(""));
	assert_false(irc_name_is_sane("a b"));
	assert_false(irc_name_is_sane("a\rb"));
	assert_false(irc_name_is_sane(":a"));
}

static void
test_join(void **state)
{
	char out[8];

	(void)state;
	assert_true(irc_text_join(out, sizeof(out), "nick", '@', "ab"));
	assert_string_equal(out, "nick@ab");
	assert_false(irc_text_join(out, sizeof(out), "nick", '@', "abc"));
	assert_string_equal(out, "nick@ab");
	assert_false(irc_text_join(out, sizeof(out), "sevenup", '@', ""));
	assert_string_equal(out, "sevenup");
	assert_false(irc_text_join(out, sizeof(out), "more than that", '!', "x"));
	assert_string_equal(out, "more th");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_encode),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_ctcp),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_nick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
