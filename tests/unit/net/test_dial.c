/*
 * Tests of net/dial on loopback: who answers, refuses or keeps silent (a listener whose queue is full), the order, the deadline, and
 * that no descriptor is left.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "net/dial.h"

#define FILL 16

/* What was told. */
static struct {
	int fd;
	struct dial_target which;
	char why[200];
	unsigned calls;
	sem_t called;
} told;

static struct {
	struct dial_target target[8];
	size_t n;
	unsigned deadline_ms;
	struct dial *dial;
} order;

/* Listeners. */

static struct dial_target
at_address(const char *address, int port, unsigned host)
{
	struct dial_target t = {.host = host};
	struct sockaddr_in *in = (struct sockaddr_in *)&t.address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&t.address;

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
	}
	in->sin_port = htons((uint16_t)port);
	return t;
}

/* A socket bound to a free port; `backlog` -1: nobody listens. Returns it, and the target in *t. */
static int
stand(const char *address, int backlog, unsigned host, struct dial_target *t)
{
	socklen_t len = sizeof(t->address);
	int fd;

	*t = at_address(address, 0, host);
	fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&t->address, t->address.ss_family == AF_INET ? sizeof(struct sockaddr_in)
										      : sizeof(struct sockaddr_in6))) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&t->address, &len);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

/* Fills the queue of a listener so that it answers no more; `extra` holds FILL descriptors. */
static void
silence(const struct dial_target *t, int *extra)
{
	for (int i = 0; i < FILL; i++) {
		extra[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(extra[i], (const struct sockaddr *)&t->address, sizeof(struct sockaddr_in));
	}
}

static void
close_all(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

static size_t
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Dialling */

static void
on_dialled(void *owner, int fd, const struct dial_target *which, const char *why)
{
	assert_ptr_equal(owner, &told);
	told.fd = fd;
	told.calls++;
	if (which)
		told.which = *which;
	snprintf(told.why, sizeof(told.why), "%s", why ? why : "");
	sem_post(&told.called);
}

static void
start_dial(void *arg)
{
	unsigned before = told.calls;

	(void)arg;
	order.dial = dial_new(order.target, order.n, order.deadline_ms, on_dialled, &told);
	/* Not within the call. */
	assert_int_equal(told.calls, before);
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
dial(const struct dial_target *t, size_t n, unsigned deadline_ms)
{
	memset(&told, 0, sizeof(told));
	sem_init(&told.called, 0, 0);
	memcpy(order.target, t, n * sizeof(*t));
	order.n = n;
	order.deadline_ms = deadline_ms;
	assert_int_equal(reactor_start_all(1), 0);
	reactor_call(reactor_at(0), start_dial, NULL);
	wait_for(&told.called);
	reactor_stop_all();
	assert_int_equal(told.calls, 1);
}

static void
expect_reached(const struct dial_target *t)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	assert_true(told.fd >= 0);
	assert_memory_equal(&told.which, t, sizeof(*t));
	assert_int_equal(getpeername(told.fd, (struct sockaddr *)&peer, &len), 0);
	assert_int_equal(((struct sockaddr_in *)&peer)->sin_port, ((const struct sockaddr_in *)&t->address)->sin_port);
	close(told.fd);
}

static void
first_and_second(void **state)
{
	struct dial_target t[2];
	int fds[2] = {stand("127.0.0.2", 4, 0, &t[0]), stand("127.0.0.3", 4, 0, &t[1])};

	(void)state;
	t[1].direct_tls = true;
	dial(t, 2, 10000);
	expect_reached(&t[0]);
	close(fds[0]);
	/* Now it refuses. */
	dial(t, 2, 10000);
	expect_reached(&t[1]);
	close(fds[1]);
	dial(t, 2, 10000);
	assert_int_equal(told.fd, -1);
	assert_non_null(strstr(told.why, "127.0.0.3 port "));
	assert_non_null(strstr(told.why, ": Connection refused"));
	dial(t, 0, 10000);
	assert_int_equal(told.fd, -1);
	assert_string_equal(told.why, "no address");
}

static void
silent_ones(void **state)
{
	struct dial_target t[2];
	int extra[FILL], fds[2] = {stand("127.0.0.2", 0, 0, &t[0]), stand("127.0.0.3", 4, 0, &t[1])};
	size_t before;

	(void)state;
	silence(&t[0], extra);
	before = open_descriptors();
	dial(t, 2, 10000);
	expect_reached(&t[1]);
	dial(t, 1, 50);
	assert_int_equal(told.fd, -1);
	assert_non_null(strstr(told.why, "127.0.0.2 port "));
	assert_non_null(strstr(told.why, "no answer in time"));
	assert_int_equal(open_descriptors(), before);
	close_all(extra, FILL);
	close_all(fds, 2);
}

/* A slow one is not given up while the next is tried. */
static void *
make_room(void *arg)
{
	int *fd = arg;

	for (;;) {
		int got = accept(*fd, NULL, NULL);

		if (got < 0)
			return NULL;
		close(got);
	}
}

static void
slow_one_wins(void **state)
{
	struct dial_target t[2];
	int extra[FILL], more[FILL], fds[2] = {stand("127.0.0.2", 0, 0, &t[0]), stand("127.0.0.3", 0, 0, &t[1])};
	pthread_t thread;

	(void)state;
	silence(&t[0], extra);
	silence(&t[1], more);
	pthread_create(&thread, NULL, make_room, &fds[0]);
	dial(t, 2, 20000);
	expect_reached(&t[0]);
	shutdown(fds[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	close_all(extra, FILL);
	close_all(more, FILL);
	close_all(fds, 2);
}

static void
families_take_turns(void **state)
{
	struct dial_target t[3];
	int fds[3] = {stand("127.0.0.2", -1, 0, &t[0]), stand("127.0.0.3", 4, 0, &t[1]), stand("::1", 4, 0, &t[2])};

	(void)state;
	if (fds[2] < 0) {
		print_message("skipped: no IPv6 here\n");
		close_all(fds, 2);
		skip();
	}
	dial(t, 3, 10000);
	expect_reached(&t[2]);
	/* But another host's come behind, whatever they are. */
	t[2].host = 1;
	dial(t, 3, 10000);
	expect_reached(&t[1]);
	close_all(fds, 3);
}

static void
cancel(void *arg)
{
	start_dial(NULL);
	dial_cancel(order.dial);
	start_dial(NULL);
	(void)arg;
}

static void
cancel_now(void *arg)
{
	dial_cancel(order.dial);
	dial_cancel(NULL);
	sem_post(arg);
}

/* Behind the deferred work of this turn: the first attempt has begun. */
static void
cancel_later(void *arg)
{
	reactor_call(reactor_at(0), cancel_now, arg);
}

static void
cancelled(void **state)
{
	struct dial_target t[2];
	int extra[FILL], fds[2] = {stand("127.0.0.2", 0, 0, &t[0]), stand("127.0.0.3", 0, 0, &t[1])}, more[FILL];
	size_t before;
	sem_t done;

	(void)state;
	silence(&t[0], extra);
	silence(&t[1], more);
	memset(&told, 0, sizeof(told));
	sem_init(&told.called, 0, 0);
	sem_init(&done, 0, 0);
	memcpy(order.target, t, sizeof(t));
	order.n = 2;
	order.deadline_ms = 10000;
	before = open_descriptors();
	assert_int_equal(reactor_start_all(1), 0);
	/* Before it has begun, and while it waits. */
	reactor_call(reactor_at(0), cancel, NULL);
	reactor_call(reactor_at(0), cancel_later, &done);
	wait_for(&done);
	reactor_stop_all();
	assert_int_equal(told.calls, 0);
	assert_int_equal(open_descriptors(), before);
	close_all(extra, FILL);
	close_all(more, FILL);
	close_all(fds, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_and_second),
		cmocka_unit_test(silent_ones),
		cmocka_unit_test(slow_one_wins),
		cmocka_unit_test(families_take_turns),
		cmocka_unit_test(cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
