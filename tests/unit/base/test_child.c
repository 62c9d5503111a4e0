/* Tests of base/child: what a program of ours gets to see of us, and how its end is told. */
#include "base/child.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static bool
has(char *const *envp, const char *variable)
{
	for (; *envp; envp++)
		if (!strcmp(*envp, variable))
			return true;
	return false;
}

static void
environment(void **state)
{
	static const char *const passed[] = { "CHANCERY_TEST=" };
	char *envp[CHILD_ENVIRONMENT];
	size_t n;

	(void)state;
	setenv("CHANCERY_TEST", "is passed", 1);
	setenv("CHANCERY_TEST_SECRET", "is not", 1);
	setenv("UBSAN_OPTIONS", "print_stacktrace=1", 1);
	n = child_environment(envp, passed, 1);
	assert_null(envp[n]);
	assert_true(has(envp, "PATH=/usr/bin:/bin"));
	assert_true(has(envp, "TZ=UTC0"));
	assert_true(has(envp, "CHANCERY_TEST=is passed"));
	assert_true(has(envp, "UBSAN_OPTIONS=print_stacktrace=1"));
	assert_false(has(envp, "CHANCERY_TEST_SECRET=is not"));
	n = child_environment(envp, NULL, 0);
	assert_null(envp[n]);
	assert_false(has(envp, "CHANCERY_TEST=is passed"));
}

/* More than there is room for: the rest is left out. */
static void
full_environment(void **state)
{
	static const char *const passed[] = { "MANY_" };
	char *envp[CHILD_ENVIRONMENT], name[] = "MANY_A";

	(void)state;
	for (char c = 'A'; c <= 'Z'; c++) {
		name[sizeof(name) - 2] = c;
		setenv(name, "1", 1);
	}
	assert_int_equal(child_environment(envp, passed, 1), CHILD_ENVIRONMENT - 1);
	assert_null(envp[CHILD_ENVIRONMENT - 1]);
}

static void
its_end_is_told(void **state)
{
	struct pollfd ended = { .events = POLLIN };
	pid_t parent = getpid(), pid;
	struct err e;
	int status;

	(void)state;
	signal(SIGUSR1, SIG_IGN);
	pid = fork();
	if (!pid) {
		child_begin(parent);
		child_signals();
		raise(SIGUSR1); /* is not ignored any more */
		_exit(0);
	}
	ended.fd = child_watch(pid, &e);
	assert_true(ended.fd >= 0);
	assert_int_equal(poll(&ended, 1, 60000), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
	close(ended.fd);
}

/* Whose parent has gone before it could say whose child it is. */
static void
orphan(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		child_begin(getpid());
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 126);
}

static void
no_child(void **state)
{
	struct err e;

	(void)state;
	errno = EAGAIN;
	assert_int_equal(child_watch(-1, &e), -1);
	assert_non_null(strstr(e.text, "fork"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(environment),
		cmocka_unit_test(full_environment),
		cmocka_unit_test(its_end_is_told),
		cmocka_unit_test(orphan),
		cmocka_unit_test(no_child),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
