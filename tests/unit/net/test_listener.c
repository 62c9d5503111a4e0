/* Tests of net/listener: addresses that work and that do not, local sockets, running out of descriptors. */
#include "unit/net/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char dir[] = "/tmp/test_listener-XXXXXX";

static int
make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
drop_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void
takes_turns(void **state)
{
	struct netpeer p[6];

	(void)state;
	serve_start(3);
	assert_true(serve.port > 0);
	for (int i = 0; i < 6; i++) {
		netpeer_connect(&p[i], serve.port);
		expect_echo(&p[i], "hello");
	}
	for (int i = 0; i < 6; i++)
		leave(&p[i]);
	serve_stop();
}

static void
tell_source(struct conn *c)
{
	conn_write(c, conn_source(c), strlen(conn_source(c)));
}

static void
ipv6(void **state)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct netpeer p = {.fd = socket(AF_INET6, SOCK_STREAM, 0)};
	char got[16] = "";

	(void)state;
	if (p.fd < 0 || bind(p.fd, (struct sockaddr *)&in6, sizeof(in6))) {
		/* This machine has no IPv6. */
		netpeer_close(&p);
		skip();
	}
	serve.born = tell_source;
	serve_start_at("[::]:0", 2);
	in6.sin6_port = htons((uint16_t)serve.port);
	assert_int_equal(connect(p.fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	assert_true(netpeer_read_exactly(&p, got, 5));
	assert_string_equal(got, "::/64");
	leave(&p);
	serve_stop();
}

static void
local_socket(void **state)
{
	char address[80], path[64];
	struct netpeer p;
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(address, sizeof(address), "unix:%s", path);
	/* The second start finds the socket of the first, which nobody serves any more. */
	for (int i = 0; i < 2; i++) {
		serve.born = tell_source;
		serve_start_at(address, 2);
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0660);
		netpeer_connect_unix(&p, path);
		expect_echo(&p, "unix");
		leave(&p);
		serve_stop();
		assert_int_equal(lstat(path, &st), -1);
		if (i == 0) {
			struct sockaddr_un un = {.sun_family = AF_UNIX};
			int fd = socket(AF_UNIX, SOCK_STREAM, 0);

			snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
			assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
			close(fd);
		}
	}
}

static void
refused_addresses(void **state)
{
	struct listener *a, *b;
	char text[64];
	struct err e;

	(void)state;
	a = listener_new("127.0.0.1:0", serve_accepted, NULL, &e);
	assert_non_null(a);
	snprintf(text, sizeof(text), "127.0.0.1:%d", listener_port(a));
	b = listener_new(text, serve_accepted, NULL, &e);
	assert_null(b);
	assert_int_equal(e.code, EADDRINUSE);
	assert_non_null(strstr(e.text, text));
	assert_null(listener_new("nonsense", serve_accepted, NULL, &e));
	assert_null(listener_new("192.0.2.1:1", serve_accepted, NULL, &e));
	assert_null(listener_new("unix:/nonexistent/socket", serve_accepted, NULL, &e));
	/* Without reactors it stops at once. */
	listener_stop(a);
	listener_stop(NULL);
}

/* A file, or a socket that is served, is not removed. */
static void
socket_in_use(void **state)
{
	char address[80], path[64];
	struct listener *a;
	struct err e;

	(void)state;
	snprintf(path, sizeof(path), "%s/s", dir);
	snprintf(address, sizeof(address), "unix:%s", path);
	a = listener_new(address, serve_accepted, NULL, &e);
	assert_non_null(a);
	assert_null(listener_new(address, serve_accepted, NULL, &e));
	assert_int_equal(e.code, EADDRINUSE);
	listener_stop(a);
	fclose(fopen(path, "w"));
	assert_null(listener_new(address, serve_accepted, NULL, &e));
	assert_int_equal(unlink(path), 0);
}

/* Without a descriptor to accept with, connections wait; nothing spins, nothing is lost. */
static void
out_of_descriptors(void **state)
{
	struct rlimit before, few;
	struct netpeer p;
	int fd;

	(void)state;
	serve_start(1);
	netpeer_connect(&p, serve.port);
	expect_echo(&p, "first");
	leave(&p);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	p = (struct netpeer){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	fd = dup(p.fd);
	assert_true(fd >= 0);
	close(fd);
	few = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	{
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)serve.port)};
		struct timespec ts = {.tv_nsec = 250000000};

		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		assert_int_equal(connect(p.fd, (struct sockaddr *)&in, sizeof(in)), 0);
		nanosleep(&ts, NULL);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_echo(&p, "second");
	leave(&p);
	serve_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_turns),
		cmocka_unit_test(ipv6),
		cmocka_unit_test(local_socket),
		cmocka_unit_test(refused_addresses),
		cmocka_unit_test(socket_in_use),
		cmocka_unit_test(out_of_descriptors),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
