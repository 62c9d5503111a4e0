/* turns: a process that nobody waits for stands behind all others, not only behind those of its session. */
#include "base/turns.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define FILE_NAME "/proc/self/autogroup"

/* "/autogroup-42 nice 10" */
static int
nice_of_session(void)
{
	FILE *f = fopen(FILE_NAME, "re");
	int nice = -100;

	if (f != NULL) {
		if (fscanf(f, "/autogroup-%*d nice %d", &nice) != 1)
			nice = -100;
		(void)fclose(f);
	}
	return nice;
}

static int
in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(getpriority(PRIO_PROCESS, 0) != 10 ? 1 : getsid(0) != getpid() ? 2 : nice_of_session() != 10 ? 3 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
apart(void)
{
	turns_apart(10);
}

/* As a shell starts programs: it leads a group, and may not leave its session, whose nice value is others' as well. */
static void
leading_a_group(void)
{
	(void)setpgid(0, 0);
	turns_apart(10);
}

static void
test_apart(void **state)
{
	int fd = open(FILE_NAME, O_WRONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	(void)close(fd);
	assert_int_equal(in_child(apart), 0);
}

static void
test_leading_a_group(void **state)
{
	int before = nice_of_session();

	(void)state;
	assert_int_equal(in_child(leading_a_group), 2);
	assert_int_equal(nice_of_session(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apart),
		cmocka_unit_test(test_leading_a_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
