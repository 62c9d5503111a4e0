/* reach: where a stranger's files may be fetched from, and where not (SSRF); which addresses are files of ours. */
#include "gateway/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gateway/priv.h"
#include "gateway/transfer.h"

static bool
may(const struct reach *r, const char *address, unsigned port)
{
	struct sockaddr_storage ss = { 0 };
	struct sockaddr_in *four = (struct sockaddr_in *)&ss;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&ss;

	if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
		ss.ss_family = AF_INET;
		four->sin_port = htons((uint16_t)port);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &six->sin6_addr), 1);
		ss.ss_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
	}
	return reach_may(r, (struct sockaddr *)&ss);
}

static void
test_inward(void **state)
{
	static const char *const inner[] = { "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
		"255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "64:ff9b::a00:1", "2002:a00:1::" };
	struct reach r = { .ports = { 443 }, .nports = 1 };

	(void)state;
	for (size_t i = 0; i < sizeof(inner) / sizeof(*inner); i++)
		assert_false(may(&r, inner[i], 443));
	assert_true(may(&r, "93.184.216.34", 443));
	assert_true(may(&r, "2606:2800:220:1::1", 443));
	assert_false(may(&r, "93.184.216.34", 22));
	assert_false(reach_may(&r, &(struct sockaddr){ .sa_family = AF_UNIX }));
}

static void
test_private(void **state)
{
	struct reach r = { .ports = { 443, 8443 }, .nports = 2 };

	(void)state;
	assert_true(reach_add(&r, "10.1.0.0/16"));
	assert_false(reach_add(&r, "10.1.0.1/16"));
	assert_false(reach_add(&r, "files.example"));
	assert_true(may(&r, "10.1.2.3", 8443));
	assert_false(may(&r, "10.2.2.3", 8443));
	assert_false(may(&r, "10.1.2.3", 80));
	assert_false(may(&r, "::ffff:10.1.2.3", 443));
	for (unsigned i = r.nprivate; i < REACH_MAX; i++)
		assert_true(reach_add(&r, "fd00::/8"));
	assert_false(reach_add(&r, "fd00::/8"));
}

static void
test_ours(void **state)
{
	static const char base[] = "https://example.org:5280/upload/", token[] = "0123456789abcdef0123456789abcdef01234567";
	static const struct {
		const char *base, *rest;
		bool ours;
	} rows[] = { { base, "/a.txt", true }, { base, "/a%20b.txt", true }, { base, "", false }, { base, "/", false }, { base, "/../../api", false },
		{ base, "/a.txt?x=1", false }, { base, "/a.txt#x", false }, { base, "/a b", false }, { base, "/a\\b", false },
		{ "https://example.org.evil.example/upload/", "/a.txt", false }, { "https://example.org@evil.example/upload/", "/a.txt", false },
		{ "http://example.org:5280/upload/", "/a.txt", false }, { "see https://example.org:5280/upload/", "/a.txt", false } };
	struct gateway g = { .settings.upload_url = (char *)(uintptr_t)base };
	char url[300];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(url, sizeof(url), "%s%s%s", rows[i].base, token, rows[i].rest);
		assert_int_equal(transfer_is_ours(&g, url), rows[i].ours);
	}
	snprintf(url, sizeof(url), "%s%.39s/a.txt", base, token);
	assert_false(transfer_is_ours(&g, url));
	g.settings.upload_url = NULL;
	assert_false(transfer_is_ours(&g, "https://example.org:5280/upload/x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_inward),
		cmocka_unit_test(test_private),
		cmocka_unit_test(test_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
