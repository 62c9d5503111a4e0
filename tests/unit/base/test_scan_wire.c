/*
 * scan_wire: packets with and without a descriptor; what is not a right answer or state.
 */
#include "base/scan_wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

static int pair[2];

static int
setup(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair);
}

static int
teardown(void **state)
{
	(void)state;
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void
packets(void **state)
{
	char out[64];
	int pipes[2], fd = -7;

	(void)state;
	assert_int_equal(scan_wire_receive(pair[1], out, sizeof(out), &fd), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fd, -1);
	assert_int_equal(scan_wire_send(pair[0], "abc", 3, -1), 0);
	assert_int_equal(scan_wire_receive(pair[1], out, sizeof(out), &fd), 3);
	assert_memory_equal(out, "abc", 3);
	assert_int_equal(fd, -1);

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(scan_wire_send(pair[0], "d", 1, pipes[1]), 0);
	assert_int_equal(scan_wire_receive(pair[1], out, sizeof(out), &fd), 1);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(read(pipes[0], out, 1), 1);
	close(fd);

	/* Longer than there is room: refused, and its descriptor is not left open. */
	assert_int_equal(scan_wire_send(pair[0], "0123456789", 10, pipes[1]), 0);
	assert_int_equal(scan_wire_receive(pair[1], out, 4, &fd), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(fd, -1);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], out, 1), 0);
	close(pipes[0]);
}

/* Sends two descriptors in one packet, which scan_wire_send cannot. */
static void
two_descriptors(void **state)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int pipes[2], fd, two[2];
	char out[8];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	two[0] = two[1] = pipes[1];
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(two));
	memcpy(CMSG_DATA(c), two, sizeof(two));
	assert_int_equal(sendmsg(pair[0], &m, 0), 1);
	assert_int_equal(scan_wire_receive(pair[1], out, sizeof(out), &fd), -1);
	assert_int_equal(errno, EBADMSG);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], out, 1), 0); /* both have been closed */
	close(pipes[0]);
}

static void
closed(void **state)
{
	char out[8];
	int fd;

	(void)state;
	shutdown(pair[0], SHUT_RDWR);
	assert_int_equal(scan_wire_receive(pair[1], out, sizeof(out), &fd), 0);
	assert_int_equal(scan_wire_send(pair[1], "x", 1, -1), -1); /* without a signal */
}

static struct scan_answer
good_answer(void)
{
	return (struct scan_answer){ .kind = SCAN_ANSWER, .version = SCAN_WIRE_VERSION, .id = 7, .verdict = SCAN_INFECTED,
		.text = "Eicar-Test-Signature", .type = "application/zip", .signatures = 1 };
}

static void
answers(void **state)
{
	struct scan_answer a = good_answer();

	(void)state;
	assert_true(scan_wire_answer_is_right(&a, sizeof(a)));
	assert_false(scan_wire_answer_is_right(&a, sizeof(a) - 1));
#define WRONG(change) \
	do { \
		a = good_answer(); \
		change; \
		assert_false(scan_wire_answer_is_right(&a, sizeof(a))); \
	} while (0)
	WRONG(a.kind = SCAN_STATE);
	WRONG(a.version++);
	WRONG(a.verdict = 0);
	WRONG(a.verdict = SCAN_ERROR + 1);
	WRONG(a.why = SCAN_WHY_LIMIT);
	WRONG(a.text[0] = '\0');
	WRONG(memset(a.text, 'a', sizeof(a.text)));
	WRONG(memset(a.type, 'a', sizeof(a.type)));
	WRONG(a.text[3] = '\n');
	WRONG(a.text[3] = '\xff');
	WRONG(a.signatures = 0);
	WRONG(a.verdict = SCAN_UNSCANNABLE);
	WRONG((a.verdict = SCAN_UNSCANNABLE, a.why = SCAN_WHY_DAMAGED + 1));
#undef WRONG
	a = good_answer();
	a.verdict = SCAN_CLEAN;
	a.text[0] = '\0';
	assert_true(scan_wire_answer_is_right(&a, sizeof(a)));
	a.verdict = SCAN_UNSCANNABLE;
	a.why = SCAN_WHY_ENCRYPTED;
	strcpy(a.text, "a member is encrypted");
	assert_true(scan_wire_answer_is_right(&a, sizeof(a)));
}

static void
states(void **state)
{
	struct scan_state s = { .kind = SCAN_STATE, .version = SCAN_WIRE_VERSION, .engine = "1.4.6" };

	(void)state;
	assert_true(scan_wire_state_is_right(&s, sizeof(s)));
	assert_false(scan_wire_state_is_right(&s, sizeof(s) + 1));
	s.newest_s = SCAN_TIME_MAX;
	assert_true(scan_wire_state_is_right(&s, sizeof(s)));
	s.newest_s++;
	assert_false(scan_wire_state_is_right(&s, sizeof(s)));
	s.newest_s = -1;
	assert_false(scan_wire_state_is_right(&s, sizeof(s)));
	s.newest_s = 0;
	memset(s.trouble, 'x', sizeof(s.trouble));
	assert_false(scan_wire_state_is_right(&s, sizeof(s)));
	s.trouble[5] = '\0';
	assert_true(scan_wire_state_is_right(&s, sizeof(s)));
	s.version = 0;
	assert_false(scan_wire_state_is_right(&s, sizeof(s)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(packets, setup, teardown),
		cmocka_unit_test_setup_teardown(two_descriptors, setup, teardown), cmocka_unit_test_setup_teardown(closed, setup, teardown),
		cmocka_unit_test(answers), cmocka_unit_test(states) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
