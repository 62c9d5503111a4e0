/* number: what people write, and what PDUs name. */
#include "gateway_sms/number.h"

#include "octets.h"

static const struct number_plan france = { "33", "0" }, nowhere = { "", "" };

static void
parses(const struct number_plan *plan, const char *s, enum number_kind kind, const char *want)
{
	char out[NUMBER_SIZE] = "";

	assert_int_equal(number_parse(plan, s, out), kind);
	if (kind) {
		assert_string_equal(out, want);
		assert_int_equal(number_kind(out), kind);
		/* One spelling. */
		assert_int_equal(number_parse(plan, want, out), kind);
		assert_string_equal(out, want);
	}
}

static void
numbers_are_checked(void **state)
{
	(void)state;
	parses(&nowhere, "+33612345678", NUMBER_INTERNATIONAL, "+33612345678");
	parses(&nowhere, "0033612345678", NUMBER_INTERNATIONAL, "+33612345678");
	parses(&nowhere, "+999999999999999", NUMBER_INTERNATIONAL, "+999999999999999");
	parses(&nowhere, "+9999999999999999", NUMBER_NONE, NULL);
	parses(&nowhere, "+123456", NUMBER_NONE, NULL);
	parses(&nowhere, "+0612345678", NUMBER_NONE, NULL);
	parses(&nowhere, "+33 612345678", NUMBER_NONE, NULL);
	parses(&nowhere, "+33x12345678", NUMBER_NONE, NULL);
	parses(&nowhere, "+", NUMBER_NONE, NULL);
	parses(&nowhere, "", NUMBER_NONE, NULL);
	parses(&nowhere, "38123", NUMBER_SHORT, "38123");
	parses(&nowhere, "12", NUMBER_NONE, NULL);
	parses(&nowhere, "1234567", NUMBER_NONE, NULL);
	parses(&nowhere, "0612345678", NUMBER_NONE, NULL);
	parses(&france, "0612345678", NUMBER_INTERNATIONAL, "+33612345678");
	parses(&france, "06123456789012345", NUMBER_NONE, NULL);
	parses(&france, "acme", NUMBER_NAME, "acme");
	parses(&france, "#123", NUMBER_NAME, "#123");
	parses(&france, "a name that is much too long", NUMBER_NONE, NULL);
	parses(&france, "a\nb", NUMBER_NONE, NULL);
}

static void
names(const struct number_plan *plan, uint8_t ton, const char *digits, enum number_kind kind, const char *want)
{
	struct pdu_address a = { .ton = ton };
	char out[NUMBER_SIZE] = "";

	strcpy(a.digits, digits);
	assert_int_equal(number_get(plan, &a, out), kind);
	if (kind)
		assert_string_equal(out, want);
}

static void
addresses_are_read_by_their_type(void **state)
{
	(void)state;
	names(&nowhere, TON_INTERNATIONAL, "33612345678", NUMBER_INTERNATIONAL, "+33612345678");
	names(&nowhere, TON_INTERNATIONAL, "+33612345678", NUMBER_INTERNATIONAL, "+33612345678");
	names(&nowhere, TON_UNKNOWN, "33612345678", NUMBER_INTERNATIONAL, "+33612345678");
	names(&nowhere, TON_UNKNOWN, "0033612345678", NUMBER_INTERNATIONAL, "+33612345678");
	names(&france, TON_UNKNOWN, "0612345678", NUMBER_INTERNATIONAL, "+33612345678");
	names(&france, TON_NATIONAL, "612345678", NUMBER_INTERNATIONAL, "+33612345678");
	/* Another person's number would be "+2125551234". */
	names(&nowhere, TON_NATIONAL, "2125551234", NUMBER_NONE, "");
	names(&nowhere, TON_NATIONAL, "38123", NUMBER_SHORT, "38123");
	names(&france, TON_NATIONAL, "38123", NUMBER_SHORT, "38123");
	names(&france, TON_NATIONAL, "61234567812345", NUMBER_NONE, "");
	names(&nowhere, TON_NATIONAL, "+33612345678", NUMBER_INTERNATIONAL, "+33612345678");
	names(&nowhere, TON_NETWORK, "38123", NUMBER_SHORT, "38123");
	names(&nowhere, TON_INTERNATIONAL, "38123", NUMBER_SHORT, "38123");
	names(&nowhere, TON_ALPHANUMERIC, "ACME", NUMBER_NAME, "acme");
	names(&nowhere, TON_UNKNOWN, "ACME", NUMBER_NAME, "acme");
	names(&nowhere, TON_ALPHANUMERIC, "38123", NUMBER_NAME, "#38123");
	names(&nowhere, TON_UNKNOWN, "12345678901234567890", NUMBER_NAME, "#12345678901234567890");
	names(&nowhere, TON_ALPHANUMERIC, "\x7b!", NUMBER_NAME, "ä!");
	names(&nowhere, TON_UNKNOWN, "", NUMBER_NONE, "");
	names(&nowhere, TON_ALPHANUMERIC, " ", NUMBER_NONE, "");
	names(&nowhere, TON_ALPHANUMERIC, "a\nb", NUMBER_NONE, "");
}

static void
addresses_are_written(void **state)
{
	struct pdu_address a = { 0 };

	(void)state;
	number_put("+33612345678", &a);
	assert_string_equal(a.digits, "33612345678");
	assert_int_equal(a.ton, TON_INTERNATIONAL);
	assert_int_equal(a.npi, NPI_ISDN);
	number_put("38123", &a);
	assert_string_equal(a.digits, "38123");
	assert_int_equal(a.ton, TON_UNKNOWN);
	number_put("acme", &a);
	assert_int_equal(a.ton, TON_ALPHANUMERIC);
	assert_int_equal(a.npi, NPI_UNKNOWN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_checked),
		cmocka_unit_test(addresses_are_read_by_their_type),
		cmocka_unit_test(addresses_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
