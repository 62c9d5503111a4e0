/* Tests of net/network: ranges, and which addresses are of the public internet. */
#include "net/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct sockaddr_storage
at(const char *text)
{
	struct sockaddr_storage ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ss;
	struct sockaddr_in *in = (struct sockaddr_in *)&ss;

	memset(&ss, 0, sizeof(ss));
	ss.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	assert_int_equal(inet_pton(ss.ss_family, text, ss.ss_family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr), 1);
	return ss;
}

static bool
has(const char *network, const char *address)
{
	struct sockaddr_storage ss = at(address);
	struct network n;

	assert_true(network_parse(network, &n));
	return network_has(&n, (struct sockaddr *)&ss);
}

static bool
is_public(const char *address)
{
	struct sockaddr_storage ss = at(address);

	return network_is_public((struct sockaddr *)&ss);
}

static void
ranges(void **state)
{
	(void)state;
	assert_true(has("10.0.0.0/8", "10.255.255.255"));
	assert_false(has("10.0.0.0/8", "11.0.0.0"));
	assert_true(has("192.168.4.0/22", "192.168.7.255"));
	assert_false(has("192.168.4.0/22", "192.168.8.0"));
	assert_false(has("192.168.4.0/22", "192.168.3.255"));
	assert_true(has("192.0.2.7", "192.0.2.7"));
	assert_false(has("192.0.2.7", "192.0.2.6"));
	assert_true(has("0.0.0.0/0", "255.255.255.255"));
	assert_true(has("fd00::/8", "fdff::1"));
	assert_false(has("fd00::/8", "fc00::1"));
	assert_true(has("::1", "::1"));
	assert_true(has("::/0", "2a00::1"));
	assert_false(has("::/0", "10.0.0.1"));
	assert_false(has("0.0.0.0/0", "::ffff:10.0.0.1"));
	assert_false(has("127.0.0.0/8", "::ffff:127.0.0.1"));
	assert_true(has("::ffff:127.0.0.0/104", "::ffff:127.0.0.1"));
}

static void
no_ranges(void **state)
{
	static const char *const wrong[] = { "", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "10/8", "fd00::/129", "fd00::1/8", "fd00::/8/8",
		"10.0.0.0/-1", "10.0.0.0/+8", " 10.0.0.0/8", "10.0.0.0 /8", "localhost", "fe80::1%lo",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000/8", NULL };
	struct network n;

	(void)state;
	for (const char *const *w = wrong; *w; w++)
		assert_false(network_parse(*w, &n));
}

static void
not_public(void **state)
{
	static const char *const those[] = { "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254",
		"169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.0.170", "192.0.2.1", "192.88.99.1",
		"192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1",
		"255.255.255.255",
		/* IPv6 */
		"::", "::1", "::7f00:1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::7f00:1",
		"64:ff9b:1::1", "100::1", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1",
		"2002:7f00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "4000::1",
		"2a00::5efe:7f00:1", "2a00::200:5efe:a00:1", NULL };

	(void)state;
	for (const char *const *a = those; *a; a++)
		assert_false(is_public(*a));
}

static void
public(void **state)
{
	static const char *const those[] = { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.0.0.1", "128.0.0.1",
		"169.253.0.1", "172.15.255.255", "172.32.0.0", "192.0.1.1", "192.167.0.1", "192.169.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.254",
		"2001:4860:4860::8888", "2001:200::1", "2003::1", "2a00:1450::1", "2606:4700::1111", "3ffe::1", NULL };

	(void)state;
	for (const char *const *a = those; *a; a++)
		assert_true(is_public(*a));
}

/* Of neither family. */
static void
others(void **state)
{
	struct sockaddr_storage ss;
	struct network n;

	(void)state;
	memset(&ss, 0, sizeof(ss));
	ss.ss_family = AF_UNIX;
	assert_false(network_is_public((struct sockaddr *)&ss));
	assert_true(network_parse("0.0.0.0/0", &n));
	assert_false(network_has(&n, (struct sockaddr *)&ss));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges),
		cmocka_unit_test(no_ranges),
		cmocka_unit_test(not_public),
		cmocka_unit_test(public),
		cmocka_unit_test(others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
