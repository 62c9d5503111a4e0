/*
 * export_process: fork and exec. Between the two only what may be called there is called: other threads may hold any lock.
 */
#include "admin/export/export_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/mem.h"

#define NAME "chancery-export"
#define PROGRAM_FD 3
#define GRACE_MS 5000

static struct {
	char path[PATH_MAX + 64];
	int fd;
} program = {.fd = -1};

void
export_process_prepare(void)
{
	static const char *const places[] = {"/../libexec/chancery/" NAME, "/" NAME};
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (program.path[0] != '\0')
		return;
	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/') != NULL)
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof places / sizeof *places && program.fd < 0; i++) {
		snprintf(program.path, sizeof program.path, "%s%s", self, places[i]);
		program.fd = open(program.path, O_PATH | O_CLOEXEC);
	}
}

static void child(int in, int out, char *const *envp, pid_t parent) __attribute__((noreturn));

static void
child(int in, int out, char *const *envp, pid_t parent)
{
	static char name[] = NAME;
	char *const argv[] = {name, NULL};
	int fd;

	child_begin(parent);
	in = fcntl(in, F_DUPFD, 10);
	out = fcntl(out, F_DUPFD, 10);
	fd = fcntl(program.fd, F_DUPFD, 10);
	if (in < 0 || out < 0 || fd < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup3(fd, PROGRAM_FD, O_CLOEXEC) < 0)
		_exit(126);
	(void)close_range(PROGRAM_FD + 1, ~0U, 0);
	child_signals();
	(void)execveat(PROGRAM_FD, "", argv, envp, AT_EMPTY_PATH);
	_exit(127);
}

static void
close_pair(int pair[2])
{
	for (int i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
}

int
export_process_start(struct export_process *p, struct err *e)
{
	/* Where PostgreSQL's passwords and certificates are. */
	static const char *const passed[] = {"HOME=", "PGPASSFILE=", "PGSSLROOTCERT=", "PGSSLCERT=", "PGSSLKEY=", "PGSERVICEFILE="};
	int to[2] = {-1, -1}, from[2] = {-1, -1};
	pid_t parent = getpid();
	char *envp[CHILD_ENVIRONMENT];

	if (program.fd < 0)
		return err_set(e, 0, "there is no " NAME " beside chanceryd, nor in ../libexec/chancery");
	child_environment(envp, passed, sizeof passed / sizeof *passed);
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0 || fcntl(from[0], F_SETFL, O_NONBLOCK) != 0) {
		err_set(e, errno, "no descriptors: %s", strerror(errno));
		goto fail;
	}
	p->pid = fork();
	if (p->pid == 0)
		child(to[0], from[1], envp, parent);
	p->pidfd = child_watch(p->pid, e);
	if (p->pidfd < 0)
		goto fail;
	close(to[0]);
	close(from[1]);
	p->to = to[1];
	p->from = from[0];
	return 0;
fail:
	close_pair(to);
	close_pair(from);
	return -1;
}

void
export_process_end(struct export_process *p, bool at_once, char *how, size_t size)
{
	struct pollfd ended = {.fd = p->pidfd, .events = POLLIN};
	int status = 0;

	/* It reads the end of its input. */
	close(p->to);
	if (at_once || poll(&ended, 1, GRACE_MS) != 1)
		(void)kill(p->pid, SIGKILL); /* until it is waited for, the number is its own */
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(p->pidfd);
	close(p->from);
	if (WIFSIGNALED(status))
		snprintf(how, size, "its program was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status) >= 126)
		snprintf(how, size, "its program cannot be executed");
	else
		snprintf(how, size, "its program ended with exit code %d", WEXITSTATUS(status));
}
