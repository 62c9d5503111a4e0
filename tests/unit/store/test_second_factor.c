/* second_factor: which codes are good when (RFC 6238 appendix B, its values cut to six digits). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/second_factor.h"

static const uint8_t secret[] = "12345678901234567890";

static uint64_t
at(const char *code, int64_t seconds, uint64_t steps)
{
	return second_factor_step(secret, sizeof(secret) - 1, code, seconds * 1000000, steps);
}

static void
vectors(void **state)
{
	static const struct {
		int64_t seconds;
		const char *code;
	} v[] = {{59, "287082"}, {1111111109, "081804"}, {1111111111, "050471"}, {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};

	(void)state;
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		assert_int_equal(at(v[i].code, v[i].seconds, 0), (uint64_t)v[i].seconds / 30);
}

static void
window(void **state)
{
	const char code[] = "005924"; /* step 41152263: from 1234567890 to 1234567919 */

	(void)state;
	assert_int_equal(at(code, 1234567919, 0), 41152263);
	assert_int_equal(at(code, 1234567889, 0), 0);
	assert_int_equal(at(code, 1234567920, 0), 0);
	assert_int_equal(at(code, 1234567860, 1), 41152263);
	assert_int_equal(at(code, 1234567859, 1), 0);
	assert_int_equal(at(code, 1234567949, 1), 41152263);
	assert_int_equal(at(code, 1234567950, 1), 0);
	assert_int_equal(at(code, 1234567979, 2), 41152263);
}

static void
no_codes(void **state)
{
	(void)state;
	assert_int_equal(at("", 1234567890, 1), 0);
	assert_int_equal(at("05924", 1234567890, 1), 0);
	assert_int_equal(at("0059240", 1234567890, 1), 0);
	assert_int_equal(at("005925", 1234567890, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(vectors), cmocka_unit_test(window), cmocka_unit_test(no_codes)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
