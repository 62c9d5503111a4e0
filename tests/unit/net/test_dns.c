/*
 * Tests of net/dns against a real name server: what is found and what is not, DNSSEC, long answers, servers that are silent or lie,
 * bounds, and stopping. Skipped where nsd or bind9-utils is missing.
 */
#include "net/dns.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/metric.h"
#include "lib/testdns.h"
#include "net/dns_data.h"

#define LONG_ANSWER 200

static struct testdns *server;

/* One question at a time, except where a test says otherwise. */
struct asked {
	struct dns_question q;
	sem_t answered;
	unsigned calls;
};

static int
start_server(void **state)
{
	static char plain[16384] =
		"_xmpp-server._tcp SRV 5 10 5269 x\n_xmpp-server._tcp SRV 10 0 5270 y.elsewhere.test.\n"
		"x A 192.0.2.1\nx A 192.0.2.2\nx AAAA 2001:db8::1\nalias CNAME x\n_xmpps-server._tcp SRV 0 0 0 .\n"
		"_5269._tcp.x TLSA 3 1 1 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
	static const char records[] = "x A 192.0.2.3\nlie A 192.0.2.4\nalias CNAME x\n";
	static const char *const spoilt[][2] = {{"192.0.2.4", "192.0.2.66"}, {NULL, NULL}};
	struct testdns_zone zones[] = {
		{.name = "a.test", .records = plain},
		{.name = "secure.test", .records = records, .is_signed = true, .spoil = spoilt},
	};
	size_t n = strlen(plain);

	(void)state;
	if (!testdns_available()) {
		print_message("skipped: nsd or bind9-utils is missing\n");
		return 0;
	}
	for (int i = 0; i < LONG_ANSWER; i++)
		n += (size_t)snprintf(plain + n, sizeof(plain) - n, "long A 198.51.100.%d\n", i);
	server = testdns_start(zones, 2);
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
need_server(void)
{
	if (!server)
		skip();
}

static void
start_as(const char *servers, const char *anchors, unsigned timeout_ms, unsigned waiting)
{
	struct dns_settings s = {.servers = servers, .anchors = anchors, .timeout_ms = timeout_ms, .waiting = waiting};
	struct err e;

	assert_int_equal(reactor_start_all(1), 0);
	if (dns_start(&s, &e))
		fail_msg("%s", e.text);
}

static void
start(bool anchors)
{
	need_server();
	start_as(testdns_server(server), anchors ? testdns_anchors(server) : "", 10000, 100);
}

static void
stop(void)
{
	dns_stop();
	reactor_stop_all();
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
on_answered(struct dns_question *q)
{
	struct asked *a = (struct asked *)q;

	assert_ptr_equal(reactor_current(), reactor_at(0));
	a->calls++;
	sem_post(&a->answered);
}

static void
post_question(void *arg)
{
	dns_ask(arg);
}

static void
ask(struct asked *a, const char *name, enum dns_type type)
{
	memset(a, 0, sizeof(*a));
	a->q.name = name;
	a->q.type = type;
	a->q.done = on_answered;
	a->q.arena = arena_new(0);
	sem_init(&a->answered, 0, 0);
	reactor_call(reactor_at(0), post_question, &a->q);
}

/* Frees the answer; look at it before. */
static void
expect(struct asked *a, enum dns_status status, size_t n, bool secure)
{
	wait_for(&a->answered);
	if (a->q.status != status || a->q.n != n || a->q.secure != secure)
		fail_msg("%s: %s, %zu records, %s (%s)", a->q.name, dns_status_name(a->q.status), a->q.n,
			a->q.secure ? "secure" : "insecure", a->q.why);
	assert_int_equal(a->calls, 1);
}

static void
forget(struct asked *a)
{
	arena_free(a->q.arena);
}

static void
ask_and_expect(const char *name, enum dns_type type, enum dns_status status, size_t n, bool secure)
{
	struct asked a;

	ask(&a, name, type);
	expect(&a, status, n, secure);
	forget(&a);
}

static void
found_or_not(void **state)
{
	struct sockaddr_storage at;
	struct dns_srv srv;
	struct dns_tlsa tlsa;
	struct asked a;

	(void)state;
	start(false);
	ask(&a, "_xmpp-server._tcp.a.test", DNS_SRV);
	expect(&a, DNS_FOUND, 2, false);
	assert_int_equal(a.q.ttl, 60);
	for (size_t i = 0; i < 2; i++) {
		assert_true(dns_read_srv(a.q.record[i].data, a.q.record[i].len, &srv));
		assert_string_equal(srv.target, srv.port == 5269 ? "x.a.test" : "y.elsewhere.test");
		assert_int_equal(srv.priority, srv.port == 5269 ? 5 : 10);
		assert_int_equal(srv.weight, srv.port == 5269 ? 10 : 0);
	}
	forget(&a);
	ask(&a, "_xmpps-server._tcp.a.test", DNS_SRV);
	expect(&a, DNS_FOUND, 1, false);
	assert_true(dns_read_srv(a.q.record[0].data, a.q.record[0].len, &srv));
	assert_string_equal(srv.target, "");
	forget(&a);
	ask_and_expect("x.a.test", DNS_A, DNS_FOUND, 2, false);
	ask(&a, "alias.a.test", DNS_AAAA);
	expect(&a, DNS_FOUND, 1, false);
	assert_true(dns_read_address(a.q.record[0].data, a.q.record[0].len, 5269, &at));
	assert_int_equal(at.ss_family, AF_INET6);
	forget(&a);
	ask(&a, "_5269._tcp.x.a.test", DNS_TLSA);
	expect(&a, DNS_FOUND, 1, false);
	assert_true(dns_read_tlsa(a.q.record[0].data, a.q.record[0].len, &tlsa));
	assert_int_equal(tlsa.usage * 100 + tlsa.selector * 10 + tlsa.matching, 311);
	forget(&a);
	/* No such name; no such record; no name at all. */
	ask_and_expect("nobody.a.test", DNS_A, DNS_NONE, 0, false);
	ask_and_expect("x.a.test", DNS_SRV, DNS_NONE, 0, false);
	ask_and_expect("a-label-that-has-far-more-than-the-sixty-three-bytes-that-one-may-have.a.test", DNS_A, DNS_NONE, 0, false);
	ask_and_expect("x..a.test", DNS_A, DNS_NONE, 0, false);
	/* A zone that this server does not have: it refuses. */
	ask_and_expect("b.example", DNS_A, DNS_FAILED, 0, false);
	stop();
}

static void
long_answer(void **state)
{
	(void)state;
	start(false);
	ask_and_expect("long.a.test", DNS_A, DNS_FOUND, DNS_RECORDS, false);
	stop();
}

static void
dnssec(void **state)
{
	uint64_t bogus = (uint64_t)metric_get(METRIC_DNS_BOGUS);
	struct asked a;

	(void)state;
	start(true);
	ask_and_expect("x.secure.test", DNS_A, DNS_FOUND, 1, true);
	ask_and_expect("alias.secure.test", DNS_A, DNS_FOUND, 1, true);
	ask_and_expect("nobody.secure.test", DNS_A, DNS_NONE, 0, true);
	ask_and_expect("x.secure.test", DNS_AAAA, DNS_NONE, 0, true);
	ask_and_expect("x.a.test", DNS_A, DNS_FOUND, 2, false);
	ask(&a, "lie.secure.test", DNS_A);
	expect(&a, DNS_BOGUS, 0, false);
	assert_true(strlen(a.q.why) > 0);
	forget(&a);
	assert_int_equal(metric_get(METRIC_DNS_BOGUS), bogus + 1);
	stop();
	/* Without anchors nobody can tell. */
	start(false);
	ask_and_expect("lie.secure.test", DNS_A, DNS_FOUND, 1, false);
	stop();
}

/* Servers of another kind */

static int
udp_socket(char name[32])
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	getsockname(fd, (struct sockaddr *)&at, &len);
	snprintf(name, 32, "127.0.0.1@%u", ntohs(at.sin_port));
	return fd;
}

static void
silent(void **state)
{
	struct asked a, b;
	char name[32];
	int fd = udp_socket(name);

	(void)state;
	start_as(name, "", 100, 1);
	ask(&a, "x.a.test", DNS_A);
	ask(&b, "y.a.test", DNS_A);
	expect(&b, DNS_FAILED, 0, false);
	assert_string_equal(b.q.why, "too many questions wait for the name servers");
	expect(&a, DNS_FAILED, 0, false);
	assert_string_equal(a.q.why, "no answer in time");
	forget(&a);
	forget(&b);
	/* There is room again; then, for more. */
	dns_set_waiting(2);
	ask(&a, "x.a.test", DNS_A);
	ask(&b, "y.a.test", DNS_A);
	expect(&b, DNS_FAILED, 0, false);
	assert_string_equal(b.q.why, "no answer in time");
	forget(&b);
	expect(&a, DNS_FAILED, 0, false);
	assert_string_equal(a.q.why, "no answer in time");
	forget(&a);
	stop();
	close(fd);
}

static void
stopped_meanwhile(void **state)
{
	struct asked a, b;
	char name[32];
	int fd = udp_socket(name);

	(void)state;
	start_as(name, "", 60000, 10);
	ask(&a, "x.a.test", DNS_A);
	ask(&b, "x.a.test", DNS_A);
	/* The question is out. */
	assert_true(recv(fd, &(char){0}, 1, 0) > 0);
	dns_stop();
	expect(&a, DNS_FAILED, 0, false);
	expect(&b, DNS_FAILED, 0, false);
	assert_string_equal(a.q.why, "the server is being stopped");
	forget(&a);
	forget(&b);
	ask(&a, "x.a.test", DNS_A);
	expect(&a, DNS_FAILED, 0, false);
	assert_string_equal(a.q.why, "there is no resolver");
	forget(&a);
	reactor_stop_all();
	close(fd);
}

/* Answers each question wrongly, in turn: of another id, about another name, a loop, rubbish, cut. */

static size_t
lie_to(unsigned char *p, size_t n, unsigned turn)
{
	/* CNAME to the name asked for; then the same with a pointer to itself */
	static const unsigned char loop[] = {0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12};
	static const unsigned char self[] = {0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 0xff};

	p[2] |= 0x80;
	p[3] = 0;
	switch (turn % 6) {
	case 0:
		p[0] ^= 0x55;
		return n;
	case 1:
		p[13] ^= 1;
		return n;
	case 2:
	case 3:
		p[7] = 1;
		p[11] = 0; /* drops the EDNS record of the question */
		n -= 11;
		memcpy(p + n, turn % 6 == 2 ? loop : self, sizeof(loop));
		return n + sizeof(loop);
	case 4:
		memset(p + 2, 0xff, n - 2);
		return n;
	default:
		return 11;
	}
}

static void *
liar_main(void *arg)
{
	int fd = *(int *)arg;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	unsigned char p[1024];
	ssize_t n;

	for (unsigned turn = 0; (n = recvfrom(fd, p, 512, 0, (struct sockaddr *)&from, &len)) > 1; turn++)
		sendto(fd, p, lie_to(p, (size_t)n, turn), 0, (struct sockaddr *)&from, len);
	return NULL;
}

static void
liar(void **state)
{
	pthread_t thread;
	struct asked a;
	char name[32];
	int fd = udp_socket(name);
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	(void)state;
	pthread_create(&thread, NULL, liar_main, &fd);
	start_as(name, "", 700, 10);
	for (char first = 'a'; first < 'g'; first++) {
		char asked[] = "?.a.test";

		asked[0] = first;
		ask(&a, asked, DNS_A);
		wait_for(&a.answered);
		assert_true(a.q.status != DNS_FOUND && a.q.n == 0 && !a.q.secure);
		forget(&a);
	}
	stop();
	getsockname(fd, (struct sockaddr *)&at, &len);
	assert_int_equal(sendto(fd, "", 1, 0, (struct sockaddr *)&at, len), 1);
	pthread_join(thread, NULL);
	close(fd);
}

/* Settings */

static void
refused(const char *servers, const char *anchors, const char *said)
{
	struct dns_settings s = {.servers = servers, .anchors = anchors, .timeout_ms = 1000, .waiting = 10};
	struct err e = {0};

	assert_int_equal(dns_start(&s, &e), -1);
	if (!strstr(e.text, said))
		fail_msg("'%s' does not tell of '%s'", e.text, said);
	dns_stop();
}

static void
bad_settings(void **state)
{
	char garbage[] = "/tmp/test-dns-XXXXXX";
	int fd = mkstemp(garbage);

	(void)state;
	assert_true(write(fd, "this is no record\n", 18) == 18);
	close(fd);
	refused("localhost", "", "localhost");
	refused("127.0.0.1@5353 127.0.0.1@nonsense", "", "127.0.0.1@nonsense");
	refused("127.0.0.1", "/nonexistent/anchors", "/nonexistent/anchors");
	refused("127.0.0.1", garbage, garbage);
	unlink(garbage);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_or_not),
		cmocka_unit_test(long_answer),
		cmocka_unit_test(dnssec),
		cmocka_unit_test(silent),
		cmocka_unit_test(stopped_meanwhile),
		cmocka_unit_test(liar),
		cmocka_unit_test(bad_settings),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
