/* Tests of gateway/address: XEP-0106, its examples, and what no localpart can say. */
#include "gateway/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "xmpp/jid.h"

static void
both_ways(void **state)
{
	static const char *const rows[][2] = {
		{ "bob@partner.example", "bob\\40partner.example" },
		{ "space cadet", "space\\20cadet" },
		{ "call me \"ishmael\"", "call\\20me\\20\\22ishmael\\22" },
		{ "at&t guy", "at\\26t\\20guy" },
		{ "d'artagnan", "d\\27artagnan" },
		{ "/.fanboy", "\\2f.fanboy" },
		{ "::foo::", "\\3a\\3afoo\\3a\\3a" },
		{ "<foo>", "\\3cfoo\\3e" },
		{ "c:\\net", "c\\3a\\net" },
		{ "c:\\5commas", "c\\3a\\5c5commas" },
		{ "c:\\cool", "c\\3a\\cool" },
		{ "nick%irc.libera.chat", "nick%irc.libera.chat" },
		{ "#verona%libera", "#verona%libera" },
		{ "+33612345678", "+33612345678" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char local[ADDRESS_LOCAL_MAX], foreign[NETWORK_ADDRESS_MAX];

		assert_int_equal(gateway_address_to_local(rows[i][0], local), 0);
		/* XEP-0106 §2.3 escapes a backslash only before what would be read as an escape: "\5c" is one. */
		assert_string_equal(local, rows[i][1]);
		assert_int_equal(gateway_address_from_local(local, foreign), 0);
		assert_string_equal(foreign, rows[i][0]);
	}
}

/* Symbols are not for localparts (RFC 8265); the address is there all the same, and what it is made of is a JID. */
static void
in_hexadecimal(void **state)
{
	static const char *const rows[] = { "\xe2\x98\x85star", "=x41", "=x", "\xf0\x9f\x8c\xb9", "\xd7\x90" "a1" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char local[ADDRESS_LOCAL_MAX], foreign[NETWORK_ADDRESS_MAX];
		struct jid *jid;

		assert_int_equal(gateway_address_to_local(rows[i], local), 0);
		assert_true(!strncmp(local, "=x", 2));
		jid = jid_new(local, "gw.example", NULL);
		assert_non_null(jid);
		assert_string_equal(jid_local(jid), local);
		jid_unref(jid);
		assert_int_equal(gateway_address_from_local(local, foreign), 0);
		assert_string_equal(foreign, rows[i]);
	}
}

static void
refused(void **state)
{
	char local[ADDRESS_LOCAL_MAX], foreign[NETWORK_ADDRESS_MAX], large[NETWORK_ADDRESS_MAX + 1];

	(void)state;
	memset(large, 'a', sizeof(large));
	large[NETWORK_ADDRESS_MAX] = '\0';
	assert_int_equal(gateway_address_to_local("", local), -1);
	assert_int_equal(gateway_address_to_local(large, local), -1);
	assert_int_equal(gateway_address_from_local("", foreign), -1);
	assert_int_equal(gateway_address_from_local(large, foreign), -1);
	assert_int_equal(gateway_address_from_local("=x", foreign), -1);
	assert_int_equal(gateway_address_from_local("=x4", foreign), -1);
	assert_int_equal(gateway_address_from_local("=xff", foreign), -1);
	assert_int_equal(gateway_address_from_local("=x00", foreign), -1);
	large[NETWORK_ADDRESS_MAX - 1] = '\0';
	assert_int_equal(gateway_address_to_local(large, local), 0);
	/* All escaped, or in hexadecimal: the longest that there is. */
	memset(large, '@', NETWORK_ADDRESS_MAX - 1);
	assert_int_equal(gateway_address_to_local(large, local), 0);
	assert_int_equal(gateway_address_from_local(local, foreign), 0);
	assert_string_equal(foreign, large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(in_hexadecimal),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
