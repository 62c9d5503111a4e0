/*
 * Tests of core/federation/find against a real name server: SRV records of both kinds, priorities and weights, what there is without
 * them, DNSSEC and TLSA records, and what is bounded. Those that need the server are skipped where nsd or bind9-utils is missing.
 */
#include "core/federation/find.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "core/federation/find_order.h"
#include "lib/testdns.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/reactor.h"

#define DIGEST "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct testdns *server;

/* One look-up at a time. */
static struct {
	const char *domain;
	bool tlsa;
	struct find *find;
	unsigned calls;
	bool ok, no_such, by_srv;
	char why[400];
	size_t nhosts, ntargets;
	char host[16][80]; /* "x.a.test:5269", "x.a.test:5270 direct", with " secure" and " tlsa=2" behind */
	char target[32][80]; /* "192.0.2.1:5269" */
	unsigned target_host[32];
	sem_t told;
} result;

static const char plain[] =
	"_xmpp-server._tcp SRV 10 5 5269 x\n_xmpps-server._tcp SRV 5 5 5270 x\n_xmpp-server._tcp SRV 20 5 5271 y\n"
	"x A 192.0.2.1\nx AAAA 2001:db8::1\ny A 192.0.2.2\n"
	"@ A 192.0.2.9\n"
	"_xmpp-server._tcp.none SRV 0 0 0 .\nnone A 192.0.2.3\n"
	"_xmpp-server._tcp.direct SRV 0 0 0 .\n_xmpps-server._tcp.direct SRV 0 0 443 y\n"
	"_xmpps-server._tcp.nodirect SRV 0 0 0 .\nnodirect A 192.0.2.4\n"
	"bare A 192.0.2.5\nbare AAAA 2001:db8::5\n"
	"_xmpp-server._tcp.lost SRV 0 0 5269 nowhere\nlost A 192.0.2.6\n"
	"_xmpp-server._tcp.away SRV 0 0 5269 x.b.example.\n"
	"_xmpp-server._tcp.local SRV 0 0 15269 localhost.\n"
	"_xmpp-server._tcp.odd SRV 0 0 0 y\n_xmpp-server._tcp.odd SRV 0 0 5269 a\\032b\nodd A 192.0.2.7\n"
	"_xmpp-server._tcp.wide SRV 0 0 5269 wide\n"
	"_xmpp-server._tcp.zero SRV 0 0 5269 zero\nzero A 0.0.0.0\nzero AAAA ::\nzero A 224.0.0.1\n";

static const char signed_records[] =
	"_xmpp-server._tcp SRV 0 0 5269 x\n_xmpps-server._tcp SRV 1 0 5270 x\n_xmpp-server._tcp SRV 2 0 5269 y\n"
	"_xmpp-server._tcp SRV 3 0 5269 x.a.test.\n"
	"x A 192.0.2.1\ny A 192.0.2.2\n"
	"_5269._tcp.x TLSA 3 1 1 " DIGEST "\n_5269._tcp.x TLSA 2 0 1 " DIGEST "\n_5269._tcp.x TLSA 3 1 9 " DIGEST "\n"
	"_5269._tcp.x TLSA 3 1 1 e3b0\n_5270._tcp.x TLSA 3 1 1 " DIGEST "\n"
	"_5269._tcp.bare TLSA 3 1 1 " DIGEST "\nbare A 192.0.2.5\n"
	"_xmpp-server._tcp.lie SRV 77 0 5269 y\nlie A 192.0.2.6\n"
	"_xmpp-server._tcp.moved SRV 0 0 5269 moved\nmoved A 192.0.2.77\n"
	"_xmpp-server._tcp.cut SRV 0 0 5269 cut\n_xmpp-server._tcp.cut SRV 1 0 5269 y\ncut A 192.0.2.8\n"
	"_5269._tcp.cut TLSA 3 1 1 77" DIGEST "\n";

static int
start_server(void **state)
{
	static char records[32768];
	size_t n = (size_t)snprintf(records, sizeof(records), "%s", plain);
	static const char *const spoilt[][2] = {
		{"77 0 5269", "78 0 5269"}, {"192.0.2.77", "192.0.2.78"}, {"77E3B0C442", "78E3B0C442"}, {NULL, NULL}};
	struct testdns_zone zones[] = {
		{.name = "a.test", .records = records},
		{.name = "secure.test", .records = signed_records, .is_signed = true},
		{.name = "lies.test", .records = signed_records, .is_signed = true, .spoil = spoilt},
		{.name = "xn--bcher-kva.test", .records = "_xmpp-server._tcp SRV 0 0 5269 x\nx A 192.0.2.1\n"},
	};

	(void)state;
	if (!testdns_available()) {
		print_message("skipped: nsd or bind9-utils is missing\n");
		return 0;
	}
	for (int i = 0; i < 100; i++)
		n += (size_t)snprintf(records + n, sizeof(records) - n, "wide A 198.51.100.%d\nwide AAAA 2001:db8:1::%x\n"
			"_xmpp-server._tcp.many SRV %d 0 5269 m%d\nm%d A 203.0.113.%d\n", i, i + 1, i, i, i, i);
	server = testdns_start(zones, 4);
	return 0;
}

static int
stop_server(void **state)
{
	(void)state;
	if (server)
		testdns_stop(server);
	return 0;
}

static void
wait_for(sem_t *s)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 30;
	if (sem_timedwait(s, &ts))
		fail_msg("waited in vain");
}

static void
on_found(void *owner, const struct found *f)
{
	assert_ptr_equal(owner, &result);
	result.calls++;
	result.ok = f->ok;
	result.no_such = f->no_such;
	result.by_srv = f->by_srv;
	snprintf(result.why, sizeof(result.why), "%s", f->why);
	result.nhosts = f->nhosts;
	result.ntargets = f->ntargets;
	assert_true(f->nhosts <= 16 && f->ntargets <= 32);
	for (size_t i = 0; i < f->nhosts; i++) {
		const struct find_host *h = &f->host[i];
		char tlsa[32] = "";

		if (h->ntlsa)
			snprintf(tlsa, sizeof(tlsa), " tlsa=%zu", h->ntlsa);
		snprintf(result.host[i], 80, "%s:%u%s%s%s", h->name, h->port, h->direct_tls ? " direct" : "",
			h->secure ? " secure" : "", tlsa);
	}
	for (size_t i = 0; i < f->ntargets; i++) {
		const struct dial_target *t = &f->target[i];
		char text[ADDRESS_TEXT];

		address_text((const struct sockaddr *)&t->address, text);
		snprintf(result.target[i], 80, "%s:%u", text, ntohs(((const struct sockaddr_in *)&t->address)->sin_port));
		result.target_host[i] = t->host;
		assert_true(t->host < f->nhosts);
		assert_int_equal(t->direct_tls, f->host[t->host].direct_tls);
	}
	sem_post(&result.told);
}

static void
start_find(void *arg)
{
	(void)arg;
	result.find = find_new(result.domain, result.tlsa, on_found, &result);
	assert_int_equal(result.calls, 0);
}

static void
start_dns(bool anchors)
{
	struct dns_settings s = {.timeout_ms = 10000, .waiting = 200};
	struct err e;

	if (!server)
		skip();
	s.servers = testdns_server(server);
	s.anchors = anchors ? testdns_anchors(server) : "";
	assert_int_equal(reactor_start_all(1), 0);
	if (dns_start(&s, &e))
		fail_msg("%s", e.text);
}

static void
stop_dns(void)
{
	dns_stop();
	reactor_stop_all();
}

static void
look_up(const char *domain, bool tlsa)
{
	memset(&result, 0, sizeof(result));
	result.domain = domain;
	result.tlsa = tlsa;
	sem_init(&result.told, 0, 0);
	reactor_call(reactor_at(0), start_find, NULL);
	wait_for(&result.told);
	assert_int_equal(result.calls, 1);
}

static void
expect_hosts(const char *first, const char *second, const char *third)
{
	const char *const said[] = {first, second, third};
	size_t n = 0;

	if (!result.ok)
		fail_msg("%s: %s", result.domain, result.why);
	for (; n < 3 && said[n]; n++)
		assert_string_equal(result.host[n], said[n]);
	if (n < 3)
		assert_int_equal(result.nhosts, n);
}

static void
expect_targets(const char *first, const char *second, const char *third)
{
	const char *const said[] = {first, second, third};
	size_t n = 0;

	for (; n < 3 && said[n]; n++)
		assert_string_equal(result.target[n], said[n]);
	if (n < 3)
		assert_int_equal(result.ntargets, n);
}

static void
expect_failure(const char *domain, bool tlsa, bool no_such, const char *why)
{
	look_up(domain, tlsa);
	assert_false(result.ok);
	if (result.no_such != no_such || !strstr(result.why, why))
		fail_msg("%s: no_such=%d, '%s'", domain, result.no_such, result.why);
}

/* XEP-0368 §3: both kinds are one set, by priority. */
static void
by_srv(void **state)
{
	(void)state;
	start_dns(false);
	look_up("a.test", false);
	assert_true(result.by_srv);
	expect_hosts("x.a.test:5270 direct", "x.a.test:5269", "y.a.test:5271");
	assert_int_equal(result.nhosts, 3);
	expect_targets("2001:db8::1:5270", "192.0.2.1:5270", "2001:db8::1:5269");
	assert_string_equal(result.target[3], "192.0.2.1:5269");
	assert_string_equal(result.target[4], "192.0.2.2:5271");
	assert_int_equal(result.target_host[4], 2);
	assert_int_equal(result.ntargets, 5);
	look_up("direct.a.test", false);
	expect_hosts("y.a.test:443 direct", NULL, NULL);
	look_up("b\xc3\xbc" "cher.test", false);
	expect_hosts("x.xn--bcher-kva.test:5269", NULL, NULL);
	look_up("local.a.test", false);
	expect_hosts("localhost:15269", NULL, NULL);
	expect_targets("::1:15269", "127.0.0.1:15269", NULL);
	stop_dns();
}

static void
without_srv(void **state)
{
	(void)state;
	start_dns(false);
	look_up("bare.a.test", true);
	assert_false(result.by_srv);
	expect_hosts("bare.a.test:5269", NULL, NULL);
	expect_targets("2001:db8::5:5269", "192.0.2.5:5269", NULL);
	look_up("nodirect.a.test", false);
	expect_hosts("nodirect.a.test:5269", NULL, NULL);
	look_up("localhost", false);
	expect_hosts("localhost:5269", NULL, NULL);
	expect_targets("::1:5269", "127.0.0.1:5269", NULL);
	look_up("192.0.2.44", true);
	expect_hosts("192.0.2.44:5269", NULL, NULL);
	expect_targets("192.0.2.44:5269", NULL, NULL);
	look_up("[2001:db8::44]", false);
	expect_targets("2001:db8::44:5269", NULL, NULL);
	expect_failure("0.0.0.0", false, true, "nobody's address");
	stop_dns();
}

static void
not_found(void **state)
{
	static char longest[250];

	(void)state;
	start_dns(false);
	expect_failure("none.a.test", false, true, "none.a.test says that it has no XMPP server");
	expect_failure("nobody.a.test", false, true, "nobody.a.test has neither SRV records nor an address");
	expect_failure("lost.a.test", false, true, "have no addresses");
	expect_failure("odd.a.test", false, true, "cannot be used");
	expect_failure("zero.a.test", false, true, "have no addresses");
	/* It may exist: nobody could say. */
	expect_failure("b.example", false, false, "nothing is known about _xmpp-server._tcp.b.example");
	expect_failure("away.a.test", false, false, "nothing is known about x.b.example");
	/* With the service's name before it, it is longer than a name may be. */
	for (size_t i = 0; i + 7 < sizeof(longest) - 1; i++)
		longest[i] = i % 60 == 59 ? '.' : 'a';
	memcpy(longest + sizeof(longest) - 8, ".a.test", 8);
	expect_failure(longest, false, true, "neither SRV records nor an address");
	stop_dns();
}

static void
bounds(void **state)
{
	size_t six = 0;

	(void)state;
	start_dns(false);
	look_up("wide.a.test", false);
	assert_int_equal(result.ntargets, 8);
	for (size_t i = 0; i < 8; i++)
		six += strncmp(result.target[i], "2001:", 5) == 0;
	assert_int_equal(six, 4);
	look_up("many.a.test", false);
	assert_int_equal(result.nhosts, 16);
	assert_int_equal(result.ntargets, 16);
	stop_dns();
}

static void
dnssec(void **state)
{
	(void)state;
	start_dns(true);
	look_up("secure.test", true);
	expect_hosts("x.secure.test:5269 secure tlsa=2", "x.secure.test:5270 direct secure tlsa=1", "y.secure.test:5269 secure");
	/* The target is in a zone that is not signed. */
	assert_string_equal(result.host[3], "x.a.test:5269");
	look_up("secure.test", false);
	expect_hosts("x.secure.test:5269 secure", "x.secure.test:5270 direct secure", "y.secure.test:5269 secure");
	look_up("bare.secure.test", true);
	expect_hosts("bare.secure.test:5269 secure tlsa=1", NULL, NULL);
	look_up("bare.a.test", true);
	expect_hosts("bare.a.test:5269", NULL, NULL);
	stop_dns();
	/* Without anchors nothing is secure. */
	start_dns(false);
	look_up("secure.test", true);
	expect_hosts("x.secure.test:5269", "x.secure.test:5270 direct", "y.secure.test:5269");
	stop_dns();
}

static void
lies(void **state)
{
	(void)state;
	start_dns(true);
	expect_failure("lie.lies.test", false, false, "the answer about _xmpp-server._tcp.lie.lies.test is bogus");
	expect_failure("moved.lies.test", false, false, "the answer about moved.lies.test is bogus");
	/* Whether it has TLSA records cannot be learnt: only the other one is tried. */
	look_up("cut.lies.test", true);
	expect_hosts("cut.lies.test:5269 secure", "y.lies.test:5269 secure", NULL);
	expect_targets("192.0.2.2:5269", NULL, NULL);
	/* Which does not matter to who does not ask. */
	look_up("cut.lies.test", false);
	expect_targets("192.0.2.8:5269", "192.0.2.2:5269", NULL);
	stop_dns();
}

/* Cancelling */

static void
cancel_at_once(void *arg)
{
	static const char *const domains[] = {"a.test", "localhost", "bare.a.test"};

	for (size_t i = 0; i < 3; i++)
		find_cancel(find_new(domains[i], true, on_found, &result));
	find_cancel(NULL);
	sem_post(arg);
}

static void
cancelled(void **state)
{
	sem_t done;

	(void)state;
	start_dns(false);
	memset(&result, 0, sizeof(result));
	sem_init(&done, 0, 0);
	reactor_call(reactor_at(0), cancel_at_once, &done);
	wait_for(&done);
	stop_dns();
	assert_int_equal(result.calls, 0);
}

static void
stopped(void **state)
{
	(void)state;
	assert_int_equal(reactor_start_all(1), 0);
	expect_failure("a.test", false, false, "there is no resolver");
	reactor_stop_all();
}

/* Order */

static void
priorities(void **state)
{
	struct find_choice c[6];

	(void)state;
	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 6; i++)
			c[i] = (struct find_choice){.srv = {.priority = (uint16_t)(5 - i / 2), .weight = (uint16_t)(100 * i),
							     .port = (uint16_t)i}};
		find_order(c, 6);
		for (int i = 0; i < 6; i++)
			assert_int_equal(c[i].srv.priority, 3 + i / 2);
	}
	find_order(c, 0);
}

/* 1 : 3, and an idle one that hardly ever comes first; with no weights, each in its turn. */
static void
weights(void **state)
{
	unsigned first[3] = {0}, equal[3] = {0};

	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct find_choice c[3] = {
			{.srv = {.weight = 10000, .port = 0}}, {.srv = {.weight = 30000, .port = 1}}, {.srv = {.weight = 0, .port = 2}}};
		struct find_choice d[3] = {{.srv = {.port = 0}}, {.srv = {.port = 1}}, {.srv = {.port = 2}}};

		find_order(c, 3);
		find_order(d, 3);
		first[c[0].srv.port]++;
		equal[d[0].srv.port]++;
		assert_int_equal(c[0].srv.port + c[1].srv.port + c[2].srv.port, 3);
	}
	/* Seven standard deviations. */
	assert_in_range(first[0], 800, 1200);
	assert_true(first[2] < 10);
	for (int i = 0; i < 3; i++)
		assert_in_range(equal[i], 1120, 1550);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_srv),
		cmocka_unit_test(without_srv),
		cmocka_unit_test(not_found),
		cmocka_unit_test(bounds),
		cmocka_unit_test(dnssec),
		cmocka_unit_test(lies),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(stopped),
		cmocka_unit_test(priorities),
		cmocka_unit_test(weights),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
