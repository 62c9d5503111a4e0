/*
 * gateway_process: fork and exec. Between the two only what may be called there is called: other threads may hold any lock.
 */
#include "admin/gateway/gateway_process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"

#define NAME "chancery-gateway-"
#define PIPE_BYTES 262144 /* the line fits: nobody waits for who reads it */

static int
find_program(const char *programs, const char *kind, char *out, size_t size, struct err *e)
{
	static const char *const places[] = {"/../libexec/chancery", ""};
	char self[PATH_MAX];
	ssize_t n;

	if (*programs != '\0') {
		snprintf(out, size, "%s/" NAME "%s", programs, kind);
		return access(out, X_OK) == 0 ? 0 : err_set(e, errno, "%s: %s", out, strerror(errno));
	}
	n = readlink("/proc/self/exe", self, sizeof self - 1);
	self[n > 0 ? n : 0] = '\0';
	if (strrchr(self, '/') != NULL)
		*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(out, size, "%s%s/" NAME "%s", self, places[i], kind);
		if (access(out, X_OK) == 0)
			return 0;
	}
	return err_set(e, ENOENT, "there is no " NAME "%s beside chanceryd, nor in ../libexec/chancery", kind);
}

static void child(const char *path, int in, char *const *argv, char *const *envp, pid_t parent) __attribute__((noreturn));

static void
child(const char *path, int in, char *const *argv, char *const *envp, pid_t parent)
{
	child_begin(parent);
	if (dup2(in, 0) < 0 || dup2(2, 1) < 0)
		_exit(126);
	(void)close_range(3, ~0U, 0);
	child_signals();
	(void)execve(path, argv, envp);
	_exit(127);
}

/* A pipe with the line in it. */
static int
make_input(int pipes[2], const char *line, size_t n, struct err *e)
{
	if (pipe2(pipes, O_CLOEXEC) != 0)
		return err_set(e, errno, "no descriptors: %s", strerror(errno));
	if ((n > 4096 && fcntl(pipes[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) || fcntl(pipes[1], F_SETFL, O_NONBLOCK) != 0 ||
	    write(pipes[1], line, n) != (ssize_t)n) {
		err_set(e, errno, "its settings cannot be handed over: %s", strerror(errno));
		close(pipes[0]);
		close(pipes[1]);
		return -1;
	}
	return 0;
}

int
gateway_process_start(struct gateway_process *p, const char *programs, const char *kind, const char *line, size_t n, struct err *e)
{
	static const char *const passed[] = {"JOURNAL_STREAM="};
	static char settings[] = "--settings", standard[] = "-";
	char path[PATH_MAX + 64], name[64];
	char *argv[] = {name, settings, standard, NULL}, *envp[CHILD_ENVIRONMENT];
	pid_t parent = getpid();
	int in[2];

	if (find_program(programs, kind, path, sizeof path, e) != 0 || make_input(in, line, n, e) != 0)
		return -1;
	snprintf(name, sizeof name, NAME "%s", kind);
	child_environment(envp, passed, sizeof passed / sizeof *passed);
	p->pid = fork();
	if (p->pid == 0)
		child(path, in[0], argv, envp, parent);
	p->pidfd = child_watch(p->pid, e);
	close(in[0]);
	if (p->pidfd < 0) {
		close(in[1]);
		return -1;
	}
	p->to = in[1];
	return 0;
}

void
gateway_process_ask(struct gateway_process *p)
{
	if (p->to >= 0)
		close(p->to);
	p->to = -1;
}

void
gateway_process_kill(struct gateway_process *p)
{
	(void)kill(p->pid, SIGKILL); /* until it is waited for, the number is its own */
}

int
gateway_process_reap(struct gateway_process *p, char *how, size_t size)
{
	int status = 0;

	gateway_process_ask(p);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(p->pidfd);
	if (WIFSIGNALED(status)) {
		snprintf(how, size, "its program was killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
		return -1;
	}
	if (WEXITSTATUS(status) >= 126) {
		snprintf(how, size, "its program cannot be executed");
		return -1;
	}
	snprintf(how, size, "its program ended with exit code %d", WEXITSTATUS(status));
	return WEXITSTATUS(status);
}
