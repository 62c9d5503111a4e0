/*
 * child: see child.h.
 */
#include "base/child.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t
pass(char *out[CHILD_ENVIRONMENT], size_t at, const char *const *names, size_t n)
{
	extern char **environ;

	for (char **v = environ; v && *v; v++)
		for (size_t i = 0; i < n; i++)
			if (at + 1 < CHILD_ENVIRONMENT && !strncmp(*v, names[i], strlen(names[i])))
				out[at++] = *v;
	return at;
}

size_t
child_environment(char *out[CHILD_ENVIRONMENT], const char *const *passed, size_t n)
{
	static const char *const fixed[] = { "PATH=/usr/bin:/bin", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC0" };
	static const char *const sanitizers[] = { "ASAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS=", "UBSAN_OPTIONS=" };
	size_t at = 0;

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		out[at++] = (char *)(uintptr_t)fixed[i];
	at = pass(out, at, sanitizers, sizeof(sanitizers) / sizeof(sanitizers[0]));
	at = pass(out, at, passed, n);
	out[at] = NULL;
	return at;
}

void
child_begin(pid_t parent)
{
	/* The parent may have ended before that was asked for. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(126);
}

void
child_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int
child_watch(pid_t pid, struct err *e)
{
	int fd;

	if (pid < 0)
		return err_set(e, errno, "fork: %s", strerror(errno));
	fd = pidfd_open(pid, 0);
	if (fd >= 0)
		return fd;
	err_set(e, errno, "pidfd_open: %s", strerror(errno));
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	return -1;
}
