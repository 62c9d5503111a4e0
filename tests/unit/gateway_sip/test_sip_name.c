/* sip_name: addresses of record, as SIP writes them and as we keep them. */
#include "gateway_sip/sip_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void
a_uri_gives_a_name(void **state)
{
	static const struct {
		const char *user, *host, *name;
	} good[] = {
		{ "bob", "partner.example", "bob@partner.example" },
		{ "bob", "PARTNER.example", "bob@partner.example" },
		{ "Bob", "partner.example", "bob@partner.example" },
		{ "%62ob", "partner.example", "bob@partner.example" },
		{ "b%c3%b6b", "partner.example", "b\xc3\xb6" "b@partner.example" },
		{ "a%40b", "partner.example", "a@b@partner.example" },
		{ "+4930123", "192.0.2.1", "+4930123@192.0.2.1" },
		{ "bob", "[2001:DB8::1]", "bob@[2001:db8::1]" },
	};
	char out[SIP_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(sip_name_from(good[i].user, good[i].host, out));
		assert_string_equal(out, good[i].name);
		/* And stays what it is when somebody of ours writes to it. */
		assert_true(sip_name_check(out, out));
		assert_string_equal(out, good[i].name);
	}
}

static void
what_names_nobody_is_refused(void **state)
{
	static const struct {
		const char *user, *host;
	} bad[] = {
		{ NULL, "partner.example" }, { "bob", NULL }, { "", "partner.example" }, { "bob", "" },
		{ "%", "partner.example" }, { "b%4", "partner.example" }, { "b%zz", "partner.example" }, { "b%00", "partner.example" },
		{ "b%0d%0aVia: x", "partner.example" }, { "b%ff", "partner.example" }, { "b%7f", "partner.example" },
		{ "bob", "partner example" }, { "bob", "partner..example" }, { "bob", ".example" }, { "bob", "example." }, { "bob", "-a.example" },
		{ "bob", "a.example:5060" }, { "bob", "[::1" }, { "bob", "[host]" }, { "bob", "b\xc3\xbc.example" },
	};
	char out[SIP_NAME_SIZE], text[SIP_NAME_SIZE + 64], user[SIP_NAME_SIZE + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sip_name_from(bad[i].user, bad[i].host, out));
	assert_false(sip_name_check("bob", out));
	assert_false(sip_name_check("@partner.example", out));
	assert_false(sip_name_check("bob@", out));
	for (size_t n = SIP_NAME_SIZE - 20; n < sizeof(user); n++) {
		memset(user, 'a', n);
		user[n] = '\0';
		(void)snprintf(text, sizeof(text), "%s@b.example", user);
		assert_int_equal(sip_name_from(user, "b.example", out), n + 10 < SIP_NAME_SIZE);
		assert_int_equal(sip_name_check(text, out), n + 10 < SIP_NAME_SIZE);
	}
}

static void
a_name_gives_a_uri(void **state)
{
	struct buf out = { 0 };

	(void)state;
	sip_name_uri(&out, "b\xc3\xb6" "b <x>@y@partner.example");
	assert_string_equal(buf_str(&out), "sip:b%C3%B6b%20%3Cx%3E%40y@partner.example");
	assert_string_equal(sip_name_host("a@b@c.example"), "c.example");
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uri_gives_a_name),
		cmocka_unit_test(what_names_nobody_is_refused),
		cmocka_unit_test(a_name_gives_a_uri),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
