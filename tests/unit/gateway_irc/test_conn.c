/* Connections whose host has several addresses. The addresses are the test's: they are ports here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "gateway_irc/conn.h"

static struct sockaddr_in addresses[3];
static struct addrinfo infos[3];
static unsigned naddresses;
static uv_getaddrinfo_t *asked;
static uv_getaddrinfo_cb answer;
static uv_loop_t loop;
static struct irc_tls plain;
static const char *lost_why;
static bool is_open;

static void
found(uv_timer_t *t)
{
	uv_close((uv_handle_t *)t, NULL);
	for (unsigned i = 0; i < naddresses; i++)
		infos[i] = (struct addrinfo){ .ai_family = AF_INET, .ai_addr = (struct sockaddr *)&addresses[i], .ai_addrlen = sizeof(addresses[i]),
					      .ai_next = i + 1 < naddresses ? &infos[i + 1] : NULL };
	answer(asked, 0, infos);
}

/* In libuv's place. */
int
uv_getaddrinfo(uv_loop_t *l, uv_getaddrinfo_t *req, uv_getaddrinfo_cb cb, const char *node, const char *service, const struct addrinfo *hints)
{
	static uv_timer_t timer;

	(void)node;
	(void)service;
	(void)hints;
	asked = req;
	answer = cb;
	uv_timer_init(l, &timer);
	uv_timer_start(&timer, found, 0, 0);
	return 0;
}

void
uv_freeaddrinfo(struct addrinfo *info)
{
	(void)info;
}

static void
on_open(void *arg)
{
	(void)arg;
	is_open = true;
	uv_stop(&loop);
}

static void
on_data(void *arg, char *p, size_t n)
{
	(void)arg;
	(void)p;
	(void)n;
}

static void
on_lost(void *arg, const char *why)
{
	(void)arg;
	lost_why = strdup(why);
	uv_stop(&loop);
}

static int
listener(int backlog)
{
	struct sockaddr_in *a = &addresses[naddresses++];
	socklen_t n = sizeof(*a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(fd, (struct sockaddr *)a, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)a, &n), 0);
	return fd;
}

/* One that answers nothing: its queue of connections is full. `fds` keep it so. */
static void
nowhere(int fds[4])
{
	fds[0] = listener(0);
	for (int i = 1; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&addresses[naddresses - 1], sizeof(addresses[0]));
	}
}

static void
run(unsigned address_ms)
{
	static const struct irc_conn_events events = { on_open, on_data, on_lost };
	struct irc_conn *c;

	uv_loop_init(&loop);
	is_open = false;
	c = irc_conn_new(&loop, "irc.example.org", 6667, address_ms, &plain, NULL, &events, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	irc_conn_close(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	naddresses = 0;
}

static void
test_one_refuses(void **state)
{
	int gone = listener(1), good;

	(void)state;
	close(gone);
	good = listener(1);
	run(60000);
	assert_true(is_open);
	close(good);
}

static void
test_one_leads_nowhere(void **state)
{
	int fds[4], good;

	(void)state;
	nowhere(fds);
	good = listener(1);
	run(50);
	assert_true(is_open);
	close(good);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

/* The last one is waited for as long as whoever asked likes; what became of those before is told when it refuses. */
static void
test_all_fail(void **state)
{
	int fds[4], gone;

	(void)state;
	nowhere(fds);
	gone = listener(1);
	close(gone);
	run(50);
	assert_false(is_open);
	assert_string_equal(lost_why, strerror(ECONNREFUSED));
	free((char *)lost_why);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_one_refuses), cmocka_unit_test(test_one_leads_nowhere), cmocka_unit_test(test_all_fail) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
