/* Tests of net/dns_data: what is taken from records, and what is not (tests/fuzz/fuzz_dns.c has the bounds). */
#include "net/dns_data.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define BYTES(s) (const unsigned char *)(s), sizeof(s) - 1

static void
srv(void **state)
{
	unsigned char longest[6 + 255] = {0};
	struct dns_srv s;

	(void)state;
	assert_true(dns_read_srv(BYTES("\0\5\0\12\x14\x95\4XMPP\3a-b\4test\0"), &s));
	assert_int_equal(s.priority, 5);
	assert_int_equal(s.weight, 10);
	assert_int_equal(s.port, 5269);
	assert_string_equal(s.target, "xmpp.a-b.test");
	assert_true(dns_read_srv(BYTES("\0\0\0\0\0\0\0"), &s));
	assert_string_equal(s.target, "");
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0"), &s));
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\4test"), &s));     /* no end */
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\5test\0"), &s));   /* beyond its end */
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\4test\0x"), &s));  /* more behind it */
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\1a\xc0\14"), &s)); /* compressed (RFC 2782 "Target") */
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\3a.b\0"), &s));
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\3a\0b\0"), &s));
	assert_false(dns_read_srv(BYTES("\0\0\0\0\0\0\3a b\0"), &s));
	/* 255 bytes on the wire are 253 in text. */
	for (size_t i = 6; i < sizeof(longest) - 1; i++)
		longest[i] = (i - 6) % 64 ? 'a' : i < 6 + 192 ? 63 : 61;
	assert_true(dns_read_srv(longest, sizeof(longest), &s));
	assert_int_equal(strlen(s.target), 253);
}

static void
tlsa(void **state)
{
	unsigned char p[3 + 64] = {3, 1, 1};
	struct dns_tlsa t;

	(void)state;
	assert_true(dns_read_tlsa(p, 3 + 32, &t));
	assert_int_equal(t.len, 32);
	assert_ptr_equal(t.data, p + 3);
	assert_false(dns_read_tlsa(p, 3 + 33, &t));
	assert_false(dns_read_tlsa(p, 3, &t));
	p[2] = 2;
	assert_true(dns_read_tlsa(p, 3 + 64, &t));
	assert_false(dns_read_tlsa(p, 3 + 32, &t));
	p[2] = 0;
	assert_true(dns_read_tlsa(p, 3 + 1, &t));
	assert_false(dns_read_tlsa(p, 3, &t));
	p[2] = 3;
	assert_false(dns_read_tlsa(p, 3 + 64, &t));
	p[2] = 1, p[1] = 2;
	assert_false(dns_read_tlsa(p, 3 + 32, &t));
	p[1] = 1, p[0] = 4;
	assert_false(dns_read_tlsa(p, 3 + 32, &t));
}

static void
addresses(void **state)
{
	struct sockaddr_storage at;

	(void)state;
	assert_true(dns_read_address(BYTES("\x7f\0\0\1"), 5269, &at));
	assert_int_equal(at.ss_family, AF_INET);
	assert_int_equal(ntohs(((struct sockaddr_in *)&at)->sin_port), 5269);
	assert_false(dns_read_address(BYTES("\0\0\0\0"), 5269, &at));
	assert_false(dns_read_address(BYTES("\xe0\0\0\1"), 5269, &at));
	assert_false(dns_read_address(BYTES("\xff\xff\xff\xff"), 5269, &at));
	assert_false(dns_read_address(BYTES("\1\2\3\4\5"), 5269, &at));
	assert_true(dns_read_address(BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), 5269, &at));
	assert_int_equal(at.ss_family, AF_INET6);
	assert_false(dns_read_address(BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), 5269, &at));
	assert_false(dns_read_address(BYTES("\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1"), 5269, &at));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(srv),
		cmocka_unit_test(tlsa),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
