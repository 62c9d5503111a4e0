/* Tests of net/address: what is parsed and what is refused; sources. */
#include "net/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <cmocka.h>

static void
round_trip(const char *text, const char *address, const char *source)
{
	char out[ADDRESS_TEXT];
	struct sockaddr_storage sa;
	socklen_t len;
	struct err e;

	assert_int_equal(address_parse(text, &sa, &len, &e), 0);
	address_text((struct sockaddr *)&sa, out);
	assert_string_equal(out, address);
	address_source((struct sockaddr *)&sa, out);
	assert_string_equal(out, source);
}

static void
good(void **state)
{
	(void)state;
	round_trip("192.0.2.1:5222", "192.0.2.1", "192.0.2.1");
	round_trip("0.0.0.0:0", "0.0.0.0", "0.0.0.0");
	round_trip("[::]:5222", "::", "::/64");
	round_trip("[2001:db8:1:2:3:4:5:6]:65535", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
	round_trip("[::ffff:192.0.2.7]:1", "192.0.2.7", "192.0.2.7");
	round_trip("unix:/run/x", "unix", "unix");
}

static void
bad(void **state)
{
	static const char *const texts[] = {"", ":", "5222", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536",
		"192.0.2.1:-1", "192.0.2.1: 1", "192.0.2.256:1", "::1:5222", "[::1]", "[::1]5222", "[192.0.2.1]:1",
		"[::1:5222", "localhost:1", "unix:", "[]:1",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:1"};
	struct sockaddr_storage sa;
	char path[200] = "unix:";
	socklen_t len;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		e.text[0] = '\0';
		if (address_parse(texts[i], &sa, &len, &e) == 0)
			fail_msg("'%s' was taken", texts[i]);
		assert_string_not_equal(e.text, "");
	}
	memset(path + 5, 'p', 108);
	assert_int_equal(address_parse(path, &sa, &len, &e), -1);
	path[5 + 107] = '\0';
	assert_int_equal(address_parse(path, &sa, &len, &e), 0);
}

static void
without_an_address(void **state)
{
	struct sockaddr_storage sa = {.ss_family = AF_APPLETALK};
	char out[ADDRESS_TEXT];

	(void)state;
	address_text(NULL, out);
	assert_string_equal(out, "unknown");
	address_source((struct sockaddr *)&sa, out);
	assert_string_equal(out, "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(without_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
