/* Tests of net/hello: lengths over the bound are found however the bytes are cut. */
#include "net/hello.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool
passes(const unsigned char *p, size_t n, size_t step, bool chains)
{
	struct hello h = {.chains = chains};

	for (size_t at = 0; at < n; at += step)
		if (!hello_passes(&h, p + at, n - at < step ? n - at : step))
			return false;
	return true;
}

static void
expect_as(bool pass, const unsigned char *p, size_t n, bool chains)
{
	for (size_t step = 1; step <= n; step++)
		if (passes(p, n, step, chains) != pass)
			fail_msg("wrong in steps of %zu", step);
}

static void
expect(bool pass, const unsigned char *p, size_t n)
{
	expect_as(pass, p, n, false);
}

static void
lengths(void **state)
{
	static const unsigned char fits[] = {22, 3, 1, 0, 8, 1, 0, 0x40, 0, 'a', 'b', 'c', 'd'};
	static const unsigned char over[] = {22, 3, 1, 0, 8, 1, 0, 0x40, 1, 'a', 'b', 'c', 'd'};
	static const unsigned char huge[] = {22, 3, 1, 0, 4, 1, 2, 0, 0};
	/* The message's header in two records, a short message before it. */
	static const unsigned char cut[] = {22, 3, 1, 0, 7, 1, 0, 0, 1, 'x', 1, 0, 22, 3, 1, 0, 2, 0x80, 0};
	/* A second hello behind the meaningless change of ciphers of TLS 1.3. */
	static const unsigned char second[] = {22, 3, 1, 0, 5, 1, 0, 0, 1, 'x', 20, 3, 3, 0, 1, 1, 22, 3, 3, 0, 4, 1,
		1, 0, 0};
	/* TLS 1.2: two messages, the change, and then what looks like a long one is encrypted. */
	static const unsigned char sealed[] = {22, 3, 3, 0, 5, 1, 0, 0, 1, 'x', 22, 3, 3, 0, 5, 16, 0, 0, 1, 'y', 20, 3,
		3, 0, 1, 1, 22, 3, 3, 0, 4, 255, 255, 255, 255};
	static const unsigned char data[] = {22, 3, 3, 0, 5, 1, 0, 0, 1, 'x', 23, 3, 3, 0, 4, 255, 255, 255, 255, 22, 3,
		3, 0, 4, 255, 255, 255, 255};
	static const unsigned char empty[] = {22, 3, 1, 0, 0, 22, 3, 1, 0, 4, 1, 255, 0, 0};

	(void)state;
	expect(true, fits, sizeof(fits));
	expect(false, over, sizeof(over));
	expect(false, huge, sizeof(huge));
	expect(false, cut, sizeof(cut));
	expect(false, second, sizeof(second));
	expect(true, sealed, sizeof(sealed));
	expect(true, data, sizeof(data));
	expect(false, empty, sizeof(empty));
}

/* Between servers: what carries certificates may be longer, and nothing else. */
static void
chains(void **state)
{
	static const unsigned char kinds[] = {11, 13, 22};
	unsigned char record[] = {22, 3, 3, 0, 4, 0, 1, 0, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		record[5] = kinds[i];
		record[8] = 0; /* 65,536 */
		expect_as(true, record, sizeof(record), true);
		expect_as(false, record, sizeof(record), false);
		record[8] = 1;
		expect_as(false, record, sizeof(record), true);
	}
	for (int kind = 0; kind < 256; kind++) {
		record[5] = (unsigned char)kind;
		record[6] = 0, record[7] = 0x40, record[8] = 1; /* 16,385 */
		expect_as(kind == 11 || kind == 13 || kind == 22, record, sizeof(record), true);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
