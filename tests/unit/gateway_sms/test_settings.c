/* settings: JSON to what the gateway works by, and what is refused of it. */
#include "gateway_sms/settings.h"

#include "octets.h"

static struct sms_settings *
read_settings(const char *text, struct err *e)
{
	json_t *j = json_loads(text, 0, NULL);
	struct sms_settings *s;

	assert_non_null(j);
	memset(e, 0, sizeof(*e));
	s = sms_settings_new(j, e);
	json_decref(j);
	return s;
}

#define NEEDED "\"host\": \"h\", \"system_id\": \"me\", \"sender\": \"+33612345678\""

static void
what_is_not_said_has_its_default(void **state)
{
	struct err e;
	struct sms_settings *s = read_settings("{" NEEDED "}", &e);

	(void)state;
	assert_non_null(s);
	assert_string_equal(s->host, "h");
	assert_int_equal(s->port, 3550);
	assert_int_equal(s->tls, TLS_ON);
	assert_int_equal(s->way.alphabet, CODING_GSM7);
	assert_int_equal(s->way.parts, 10);
	assert_true(s->receipts);
	assert_string_equal(s->source.digits, "33612345678");
	assert_int_equal(s->source.ton, TON_INTERNATIONAL);
	sms_settings_free(s);
	sms_settings_free(NULL);
}

static void
what_is_said_counts(void **state)
{
	struct err e;
	struct sms_settings *s = read_settings("{\"host\": \"h\", \"system_id\": \"me\", \"sender\": \"ACME\", \"sender_npi\": 9, \"tls\": \"off\", \"port\": 1,"
		"\"bind\": \"pair\", \"alphabet\": \"latin1\", \"long_messages\": \"sar\", \"latin1\": true, \"receipts\": false, \"country\": \"33\", \"trunk\": \"0\"}", &e);

	(void)state;
	assert_non_null(s);
	assert_string_equal(s->source.digits, "ACME");
	assert_int_equal(s->source.ton, TON_ALPHANUMERIC);
	assert_int_equal(s->source.npi, 9);
	assert_int_equal(s->tls, TLS_OFF);
	assert_int_equal(s->bind, BIND_AS_PAIR);
	assert_int_equal(s->way.alphabet, CODING_LATIN1);
	assert_int_equal(s->way.how, LONG_SAR);
	assert_true(s->way.latin1 && !s->receipts);
	assert_string_equal(s->plan.trunk, "0");
	sms_settings_free(s);
}

static void
what_is_wrong_is_named(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "{}", "host: is missing" },
		{ "[]", "must be an object" },
		{ "{\"host\": \"\", \"system_id\": \"me\", \"sender\": \"38123\"}", "host: must be a text" },
		{ "{" NEEDED ", \"hots\": 1}", "hots: no such setting" },
		{ "{" NEEDED ", \"port\": 0}", "port: must be a number from 1 to 65535" },
		{ "{" NEEDED ", \"port\": \"25\"}", "port: must be a number from 1 to 65535" },
		{ "{" NEEDED ", \"tls\": \"maybe\"}", "tls: must be one of: on off" },
		{ "{" NEEDED ", \"tls\": \"on off\"}", "tls: must be one of: on off" },
		{ "{" NEEDED ", \"receipts\": 1}", "receipts: must be true or false" },
		{ "{" NEEDED ", \"password\": \"123456789\"}", "password: more than 8 bytes" },
		{ "{" NEEDED ", \"country\": \"+33\"}", "country, trunk: digits only" },
		{ "{\"host\": \"h\", \"system_id\": \"me\", \"sender\": \"+0\"}", "sender: neither a number (+33612345678, 38123) nor a name" },
		{ "{\"host\": \"h\", \"system_id\": \"me\", \"sender\": \"A longer name\"}", "sender: a name has 11 characters at most" },
	};
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_null(read_settings(rows[i].text, &e));
		assert_string_equal(e.text, rows[i].why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_has_its_default),
		cmocka_unit_test(what_is_said_counts),
		cmocka_unit_test(what_is_wrong_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
