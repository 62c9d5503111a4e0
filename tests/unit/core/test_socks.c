/* Tests of core/file/socks: what a client of the proxy says first, and what it is told. */
#include "core/file/socks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define HASH "0123456789abcdef0123456789abcdef01234567"
#define GREETING "\5\1\0"
#define CONNECT "\5\1\0\3\x28"
#define WHOLE GREETING CONNECT HASH "\0\0"

static struct buf out;
static struct socks s;

/* Says all of it anew, in pieces of so many bytes; how much of it was taken. */
static size_t
say(const char *p, size_t n, size_t piece)
{
	size_t used = 0;

	buf_fini(&out);
	s = (struct socks){ 0 };
	while (used < n && s.state < SOCKS_ASKED)
		used += socks_take(&s, p + used, n - used < piece ? n - used : piece, &out);
	return used;
}

static void
told(const char *p, size_t n)
{
	assert_int_equal(buf_len(&out), n);
	assert_memory_equal(buf_str(&out), p, n);
}

/* `text` is a literal, which may have zeros in it. */
#define SAY(text, piece) say(text, sizeof(text) - 1, piece)
#define TOLD(text) told(text, sizeof(text) - 1)

static void
asked(void **unused)
{
	static const size_t pieces[] = { 1, 2, 3, 5, 46, 1000 };

	(void)unused;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		assert_int_equal(SAY(WHOLE, pieces[i]), sizeof(WHOLE) - 1);
		assert_int_equal(s.state, SOCKS_ASKED);
		assert_string_equal(s.address, HASH);
		TOLD("\5\0");
		socks_answer(&s, SOCKS_SUCCEEDED, &out);
		TOLD("\5\0" "\5\0\0\3\x28" HASH "\0\0");
	}
	buf_fini(&out);
	socks_answer(&s, SOCKS_NOT_ALLOWED, &out);
	TOLD("\5\2\0\3\x28" HASH "\0\0");
}

/* It is named alike whoever writes it; the answer is in the words of who asked (XEP-0065 §6.3.2). */
static void
capitals(void **unused)
{
	(void)unused;
	SAY(GREETING CONNECT "0123456789ABCDEF0123456789ABCDEF01234567\0\1", 1000);
	assert_string_equal(s.address, HASH);
	socks_answer(&s, SOCKS_SUCCEEDED, &out);
	TOLD("\5\0" "\5\0\0\3\x28" "0123456789ABCDEF0123456789ABCDEF01234567\0\1");
}

static void
behind_it(void **unused)
{
	(void)unused;
	assert_int_equal(SAY(WHOLE "a file", 1000), sizeof(WHOLE) - 1);
	assert_int_equal(SAY("\5\1\2" "more", 1000), 3);
}

static void
refused(const char *p, size_t n, const char *why, const char *reply, size_t size)
{
	for (size_t piece = 1; piece <= n; piece++) {
		(void)say(p, n, piece);
		assert_int_equal(s.state, SOCKS_REFUSED);
		assert_string_equal(s.why, why);
		told(reply, size);
		assert_int_equal(socks_take(&s, "x", 1, &out), 0);
	}
}

#define REFUSED(text, why, reply) refused(text, sizeof(text) - 1, why, reply, sizeof(reply) - 1)
#define NOWHERE "\0\1\0\0\0\0\0\0"

static void
not_ours(void **unused)
{
	char name[300] = GREETING "\5\1\0\3\xff";

	(void)unused;
	REFUSED("GET / HTTP/1.1", "no-socks5", "");
	REFUSED("\4\1\0\x50", "no-socks5", "");
	REFUSED("\5\0", "authentication", "\5\xff");
	REFUSED("\5\2\1\2", "authentication", "\5\xff");
	REFUSED(GREETING "\4", "no-socks5", "\5\0");
	REFUSED(GREETING "\5\2\0\3", "command", "\5\0" "\5\7" NOWHERE);
	REFUSED(GREETING "\5\3\0\3\x28", "command", "\5\0" "\5\7" NOWHERE);
	REFUSED(GREETING "\5\1\0\1\x7f\0\0\1\0\0", "address-type", "\5\0" "\5\10" NOWHERE);
	REFUSED(GREETING "\5\1\0\4", "address-type", "\5\0" "\5\10" NOWHERE);
	REFUSED(GREETING "\5\1\0\3\0\0\0", "address", "\5\0" "\5\2\0\3\0\0\0");
	REFUSED(GREETING CONNECT "0123456789abcdef0123456789abcdef0123456g\0\0", "address",
		"\5\0" "\5\2\0\3\x28" "0123456789abcdef0123456789abcdef0123456g\0\0");
	/* The longest that there is. */
	memset(name + 8, 'a', 255);
	(void)say(name, 8 + 255 + 2, 1000);
	assert_int_equal(s.state, SOCKS_REFUSED);
	assert_string_equal(s.why, "address");
	assert_int_equal(buf_len(&out), 2 + 5 + 255 + 2);
}

static void
not_yet(void **unused)
{
	(void)unused;
	for (size_t n = 0; n < sizeof(WHOLE) - 1; n++) {
		assert_int_equal(say(WHOLE, n, 1000), n);
		assert_true(s.state < SOCKS_ASKED);
		assert_int_equal(buf_len(&out), n < sizeof(GREETING) - 1 ? 0 : 2);
	}
}

static int
tear_down(void **unused)
{
	(void)unused;
	buf_fini(&out);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asked),
		cmocka_unit_test(capitals),
		cmocka_unit_test(behind_it),
		cmocka_unit_test(not_ours),
		cmocka_unit_test(not_yet),
	};

	return cmocka_run_group_tests_name("socks", tests, NULL, tear_down);
}
