/*
 * The metrics page: what of HTTP it takes and what it refuses; slow, silent and too many clients.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "admin/metrics.h"
#include "base/metric.h"

static char address[32];
static uint16_t port;

static void
expect(const char *request, const char *status)
{
	struct buf out = {0};
	char start[64];

	metrics_answer(request, strlen(request), &out);
	snprintf(start, sizeof start, "HTTP/1.1 %s\r\n", status);
	if (strncmp(buf_str(&out), start, strlen(start)) != 0)
		fail_msg("%s\nwas answered %s", request, buf_str(&out));
	assert_non_null(strstr(buf_str(&out), "\r\nConnection: close\r\n"));
	buf_fini(&out);
}

static void
requests(void **state)
{
	(void)state;
	expect("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");
	expect("GET /metrics HTTP/1.1\r\nhOST:\r\nAccept: */*\r\n\r\n", "200 OK");
	expect("GET /metrics HTTP/1.0\r\n\r\n", "200 OK");
	expect("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK");
	expect("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found");
	expect("GET /metrics/ HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found");
	expect("GET /metrics?a=b HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found");
	expect("GET /./metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found");
	expect("GET http://x/metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found");
	expect("POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed");
	expect("get /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed");
	expect("TRACE /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed");
}

static void
bad_requests(void **state)
{
	static const char nul[] = "GET /metrics HTTP/1.1\r\nHost: x\0y\r\n\r\n";
	struct buf out = {0};

	(void)state;
	expect("GET /metrics HTTP/1.1\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\nHost : x\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\n: x\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1\r\nHost\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/2.0\r\nHost: x\r\n\r\n", "400 Bad Request");
	expect("GET /metrics\r\n\r\n", "400 Bad Request");
	expect("GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "400 Bad Request");
	expect("GET /metrics HTTP/1.1 x\r\nHost: x\r\n\r\n", "400 Bad Request");
	expect(" \r\n\r\n", "400 Bad Request");
	expect("\r\n\r\n", "400 Bad Request");
	expect("", "400 Bad Request");
	metrics_answer(nul, sizeof nul - 1, &out);
	assert_int_equal(strncmp(buf_str(&out), "HTTP/1.1 400 ", 13), 0);
	buf_fini(&out);
}

static int
connect_page(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	return fd;
}

static void
receive(int fd, struct buf *out)
{
	ssize_t n;

	while ((n = recv(fd, buf_reserve(out, 4096), 4096, 0)) > 0)
		buf_added(out, (size_t)n);
	assert_int_equal(n, 0);
}

static void
over_a_socket(void **state)
{
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = connect_page();
	struct buf out = {0};

	(void)state;
	metric_add(METRIC_STANZAS_IN, 7);
	/* In pieces, and with something behind it that must not take the answer away. */
	for (size_t i = 0; i < sizeof request - 1; i++)
		assert_int_equal(send(fd, request + i, 1, 0), 1);
	send(fd, "GET /metrics HTTP/1.1\r\n", 23, MSG_NOSIGNAL);
	receive(fd, &out);
	assert_non_null(strstr(buf_str(&out), "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(buf_str(&out), "\nchancery_stanzas_in_total 7\n"));
	close(fd);
	buf_fini(&out);
}

static void
head_only(void **state)
{
	int fd = connect_page();
	struct buf out = {0};

	(void)state;
	send(fd, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 35, 0);
	receive(fd, &out);
	assert_non_null(strstr(buf_str(&out), "Content-Length: "));
	assert_null(strstr(buf_str(&out), "chancery_stanzas"));
	close(fd);
	buf_fini(&out);
}

static void
too_long(void **state)
{
	int fd = connect_page();
	struct buf out = {0};
	char junk[METRICS_REQUEST_MAX];

	(void)state;
	memset(junk, 'a', sizeof junk);
	send(fd, "GET /metrics HTTP/1.1\r\nA: ", 26, 0);
	send(fd, junk, sizeof junk, MSG_NOSIGNAL);
	receive(fd, &out);
	assert_int_equal(strncmp(buf_str(&out), "HTTP/1.1 431 ", 13), 0);
	close(fd);
	buf_fini(&out);
}

/* Those who say nothing keep all places, until their time is over; then the next one is served. */
static void
silent_clients(void **state)
{
	int silent[12], fd;
	struct buf out = {0};

	(void)state;
	for (int i = 0; i < 12; i++)
		silent[i] = connect_page();
	fd = connect_page();
	send(fd, "GET /metrics HTTP/1.0\r\n\r\n", 25, 0);
	receive(fd, &out);
	assert_int_equal(strncmp(buf_str(&out), "HTTP/1.1 200 ", 13), 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(recv(silent[i], address, 1, 0), 0);
	for (int i = 0; i < 12; i++)
		close(silent[i]);
	close(fd);
	buf_fini(&out);
}

static void
taken(void **state)
{
	const char *item[] = {address};
	struct config_list list = {item, 1};
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof sa;
	struct err e = {0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	metrics_stop();
	metrics_stop();
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(sa.sin_port));
	assert_int_equal(metrics_start(&list, &e), -1);
	assert_non_null(strstr(e.text, "listen.metrics: 127.0.0.1:"));
	close(fd);
	list.n = 0;
	assert_int_equal(metrics_start(&list, &e), 0);
	metrics_stop();
}

/* A port that was free a moment ago. */
static int
start(void **state)
{
	const char *item[] = {address};
	struct config_list list = {item, 1};
	struct err e = {0};

	(void)state;
	for (int tries = 0; tries < 20; tries++) {
		struct sockaddr_in sa = {.sin_family = AF_INET};
		socklen_t len = sizeof sa;
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0 ||
		    getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
			return -1;
		close(fd);
		port = ntohs(sa.sin_port);
		snprintf(address, sizeof address, "127.0.0.1:%u", port);
		if (metrics_start(&list, &e) == 0)
			return 0;
	}
	fprintf(stderr, "%s\n", e.text);
	return -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),      cmocka_unit_test(bad_requests),
		cmocka_unit_test(over_a_socket), cmocka_unit_test(head_only),
		cmocka_unit_test(too_long),      cmocka_unit_test(silent_clients),
		cmocka_unit_test(taken),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
