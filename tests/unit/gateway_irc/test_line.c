/* Lines of IRC: taken apart, written, cut out of a stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway_irc/isupport.h"
#include "gateway_irc/line.h"

/* As "time|msgid|nick|user|host|COMMAND|param|param", or "bad". */
static void
check_parse(const char *text, const char *want)
{
	char *copy = strdup(text);
	struct buf got = { 0 };
	struct irc_line l;

	if (irc_line_parse(&l, copy)) {
		assert_string_equal(want, "bad");
		free(copy);
		return;
	}
	const char *fields[] = { l.time, l.msgid, l.from.nick, l.from.user, l.from.host, l.command };

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		buf_adds(&got, i ? "|" : "");
		buf_adds(&got, fields[i] ? fields[i] : "-");
	}
	for (unsigned i = 0; i < l.nparams; i++) {
		buf_addc(&got, '|');
		buf_adds(&got, l.params[i]);
	}
	assert_string_equal(buf_str(&got), want);
	buf_fini(&got);
	free(copy);
}

static void
test_parse(void **state)
{
	(void)state;
	check_parse("PING", "-|-|-|-|-|PING");
	check_parse("PING :a b", "-|-|-|-|-|PING|a b");
	check_parse(":irc.example.org 001 romeo :Welcome", "-|-|irc.example.org|-|-|001|romeo|Welcome");
	check_parse(":juliet!~j@host.example PRIVMSG #garden ::-)", "-|-|juliet|~j|host.example|PRIVMSG|#garden|:-)");
	check_parse(":juliet@host PART #garden", "-|-|juliet|-|host|PART|#garden");
	check_parse("@time=2026-01-31T12:00:00.000Z;msgid=a\\:b\\sc\\\\;x/y=z;flag :n!u@h PRIVMSG  x   :",
		    "2026-01-31T12:00:00.000Z|a;b c\\|n|u|h|PRIVMSG|x|");
	check_parse("@msgid=;time= :n QUIT", "-|-|n|-|-|QUIT");
	check_parse("@msgid=a\\ PING", "-|a|-|-|-|PING");
	check_parse("MODE #x +ov  a b ", "-|-|-|-|-|MODE|#x|+ov|a|b");
	/* The fifteenth takes the rest (RFC 2812 §2.3.1). */
	check_parse("X 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "-|-|-|-|-|X|1|2|3|4|5|6|7|8|9|10|11|12|13|14|15 16");
}

static void
test_parse_bad(void **state)
{
	(void)state;
	check_parse("", "bad");
	check_parse(" ", "bad");
	check_parse(":only.a.source", "bad");
	check_parse(": PING", "bad");
	check_parse("@only=tags", "bad");
	check_parse("PRIV-MSG x", "bad");
	check_parse("01 x", "bad");
	check_parse("\xff\xfe", "bad");
	check_parse("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI x", "bad");
}

static void
test_write(void **state)
{
	struct buf out = { 0 };

	(void)state;
	assert_int_equal(irc_line_write(&out, "JOIN", "#a", NULL), 0);
	assert_int_equal(irc_line_write(&out, "PRIVMSG", "#a", "b c", NULL), 0);
	assert_int_equal(irc_line_write(&out, "TOPIC", "#a", "", NULL), 0);
	assert_int_equal(irc_line_write(&out, "AWAY", NULL), 0);
	assert_int_equal(irc_line_write(&out, "X", ":-)", NULL), 0);
	assert_string_equal(buf_str(&out), "JOIN #a\r\nPRIVMSG #a :b c\r\nTOPIC #a :\r\nAWAY\r\nX ::-)\r\n");
	buf_clear(&out);
	/* What would be a line of its own, or another parameter. */
	assert_int_equal(irc_line_write(&out, "JOIN", "#a\r\nQUIT", NULL), -1);
	assert_int_equal(irc_line_write(&out, "KICK", "#a b", "c", NULL), -1);
	assert_int_equal(irc_line_write(&out, "KICK", "", "c", NULL), -1);
	assert_int_equal(irc_line_write(&out, "KICK", ":a", "c", NULL), -1);
	assert_int_equal(irc_line_write(&out, "NICK", "a\nb", NULL), -1);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

/* All lines of a text that comes `step` bytes at a time, with "|" between. */
static void
check_reader(const char *text, size_t size, size_t limit, size_t step, const char *want, unsigned too_long)
{
	struct irc_reader r = { .limit = limit };
	struct buf got = { 0 };
	char *copy = malloc(size + 1);

	memcpy(copy, text, size);
	for (size_t at = 0; at < size; at += step) {
		char *p = copy + at, *line;
		size_t n = size - at < step ? size - at : step;

		while ((line = irc_reader_next(&r, &p, &n))) {
			buf_adds(&got, line);
			buf_addc(&got, '|');
		}
	}
	assert_string_equal(buf_str(&got), want);
	assert_int_equal(r.too_long, too_long);
	irc_reader_fini(&r);
	buf_fini(&got);
	free(copy);
}

static void
test_reader(void **state)
{
	static const char text[] = "one\r\ntwo\n\r\n\nthree three three\r\nfo\0ur\r\nfive\r\nrest";
	static const size_t steps[] = { 1, 2, 3, 5, 8, 1000 };

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		check_reader(text, sizeof(text) - 1, 100, steps[i], "one|two|three three three|five|", 0);
		check_reader(text, sizeof(text) - 1, 8, steps[i], "one|two|five|", 1);
	}
}

static void
test_reader_endless_line(void **state)
{
	struct irc_reader r = { .limit = 512 };
	char piece[4096];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		char *p = piece;
		size_t n = sizeof(piece);

		memset(piece, 'x', sizeof(piece));
		assert_null(irc_reader_next(&r, &p, &n));
		assert_true(r.held.cap <= 8192);
	}
	char *p = strcpy(piece, "\nPING\n"), *line;
	size_t n = 6;

	line = irc_reader_next(&r, &p, &n);
	assert_non_null(line);
	assert_string_equal(line, "PING");
	assert_int_equal(r.too_long, 1);
	irc_reader_fini(&r);
}

static void
take(struct irc_isupport *is, const char *tokens)
{
	char text[512];
	struct irc_line l;

	snprintf(text, sizeof(text), ":s 005 romeo %s :are supported", tokens);
	assert_int_equal(irc_line_parse(&l, text), 0);
	irc_isupport_take(is, &l);
}

static void
test_isupport(void **state)
{
	struct irc_isupport is;
	const char *nick = "@+romeo";

	(void)state;
	irc_isupport_init(&is);
	assert_true(irc_same(is.casemapping, "A[]\\^", "a{}|~"));
	assert_int_equal(irc_ranks_of(&is, &nick), 3);
	assert_string_equal(nick, "romeo");

	take(&is, "CASEMAPPING=ascii CHANTYPES=# PREFIX=(qaohv)~&@%+ NICKLEN=31 NETWORK=Verona LINELEN=1024 CHANMODES=IXbegw,k,FHJLfjl,ABC STATUSMSG=@+");
	assert_false(irc_same(is.casemapping, "a[", "a{"));
	assert_true(irc_same(is.casemapping, "ROMEO", "romeo"));
	assert_true(irc_is_channel(&is, "#a"));
	assert_false(irc_is_channel(&is, "&a"));
	assert_false(irc_is_channel(&is, "#"));
	assert_false(irc_is_channel(&is, ""));
	assert_int_equal(is.nicklen, 31);
	assert_int_equal(is.linelen, 1024);
	assert_string_equal(is.network, "Verona");
	assert_int_equal(irc_rank_of_mode(&is, 'o'), 4);
	assert_int_equal(irc_rank_of_mode(&is, 'x'), 0);
	assert_true(irc_mode_has_param(&is, 'l', true));
	assert_false(irc_mode_has_param(&is, 'l', false));
	assert_true(irc_mode_has_param(&is, 'k', false));
	assert_true(irc_mode_has_param(&is, 'b', false));
	assert_false(irc_mode_has_param(&is, 'A', true));
}

/* What cannot be is not taken over. */
static void
test_isupport_lies(void **state)
{
	struct irc_isupport is, before;

	(void)state;
	irc_isupport_init(&is);
	before = is;
	take(&is, "CHANTYPES=abc PREFIX=(ov)@ NICKLEN=0 LINELEN=99999999 NICKLEN=-1 NICKLEN= PREFIX=ov)@+ PREFIX=(abcdefghij)!!!!!!!!!! CHANTYPES=#&!+.-?=/$");
	assert_memory_equal(&is, &before, sizeof(is));
	take(&is, "PREFIX=");
	assert_string_equal(is.rank_signs, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_reader_endless_line),
		cmocka_unit_test(test_isupport),
		cmocka_unit_test(test_isupport_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
