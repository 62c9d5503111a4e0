/*
 * selftest: see selftest.h. A way that is open exits with 0; one that is closed ends the process (seccomp) or comes to an error
 * (Landlock, limits).
 */
#include "scan/selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scan/folder.h"
#include "scan/sandbox.h"
#include "scan/say.h"

#define FOLDER "worker-self-test"
#define OPEN 0
#define CLOSED 1
#define BROKEN 3
#define BY_SECCOMP (128 + SIGSYS)

static const struct scan_options *options;
static const char *socket_path;

static int
try_internet(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(5432), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	/* Nobody need be listening: to be refused by the other side is to have been out. */
	return fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == ECONNREFUSED) ? OPEN : CLOSED;
}

static int
try_udp(void)
{
	return socket(AF_INET6, SOCK_DGRAM, 0) >= 0 ? OPEN : CLOSED;
}

/* The database's, where the test gives it. */
static int
try_unix_socket(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", socket_path ? socket_path : "/var/run/postgresql/.s.PGSQL.5432");
	return fd >= 0 && (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == ECONNREFUSED || errno == ENOENT) ? OPEN : CLOSED;
}

static int
try_passwd(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0 ? OPEN : CLOSED;
}

static int
try_signatures(void)
{
	return open(options->signatures, O_RDONLY | O_DIRECTORY) >= 0 ? OPEN : CLOSED;
}

static int
try_folder_above(void)
{
	return open(options->tmp, O_RDONLY | O_DIRECTORY) >= 0 ? OPEN : CLOSED;
}

static int
try_proc(void)
{
	return open("/proc/self/mem", O_RDWR) >= 0 ? OPEN : CLOSED;
}

static int
try_write_elsewhere(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/escaped", options->tmp);
	return open(path, O_WRONLY | O_CREAT, 0600) >= 0 ? OPEN : CLOSED;
}

static int
try_remove_elsewhere(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/" FOLDER, options->tmp);
	return rmdir(path) == 0 ? OPEN : CLOSED;
}

static int
try_exec(void)
{
	char *argv[] = { (char *)"true", NULL };

	execv("/bin/true", argv);
	return CLOSED;
}

static int
try_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	return pid > 0 ? OPEN : CLOSED;
}

static int
try_signal(void)
{
	return kill(getppid(), 0) == 0 ? OPEN : CLOSED;
}

static int
try_trace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? OPEN : CLOSED;
}

static int
try_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? OPEN : CLOSED;
}

static int
try_link(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/" FOLDER "/link", options->tmp);
	return symlink("/etc/passwd", path) == 0 ? OPEN : CLOSED;
}

static int
try_namespace(void)
{
	return syscall(SYS_unshare, 0x10000000) == 0 ? OPEN : CLOSED; /* CLONE_NEWUSER */
}

static int
try_memory(void)
{
	size_t n = (size_t)options->memory + (256u << 20);

	return mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? OPEN : CLOSED;
}

static int
try_large_file(void)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/" FOLDER "/large", options->tmp);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0)
		return BROKEN; /* its own folder must be open to it */
	return pwrite(fd, "x", 1, (off_t)scan_options_largest(options) + 1) == 1 ? OPEN : CLOSED;
}

static const struct {
	const char *name;
	int (*attempt)(void);
	int not_sanitized; /* sanitizers need it */
} ways[] = {
	{ "connect to the internet", try_internet, 0 },
	{ "make a datagram socket", try_udp, 0 },
	{ "connect to the database", try_unix_socket, 0 },
	{ "read /etc/passwd", try_passwd, 0 },
	{ "read the signatures", try_signatures, 0 },
	{ "read the folder above", try_folder_above, 0 },
	{ "open its own memory", try_proc, 0 },
	{ "write elsewhere", try_write_elsewhere, 0 },
	{ "remove elsewhere", try_remove_elsewhere, 0 },
	{ "execute a program", try_exec, 0 },
	{ "fork", try_fork, 0 },
	{ "send a signal", try_signal, 0 },
	{ "trace", try_trace, 0 },
	{ "make memory executable", try_code, 1 },
	{ "make a link", try_link, 0 },
	{ "make a namespace", try_namespace, 0 },
	{ "take more memory", try_memory, 1 },
	{ "write a larger file", try_large_file, 0 },
};

static void
in_worker(int tmp, int (*attempt)(void))
{
	struct err e = { 0 };

	if (sandbox_worker(options, tmp, &e)) {
		say("%s", e.text);
		_exit(BROKEN);
	}
	_exit(attempt());
}

int
selftest_run(const struct scan_options *o, const char *path)
{
	struct err e = { 0 };
	int at, tmp, failed = 0;

	options = o;
	socket_path = path;
	at = open(o->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0 || sandbox_master(o, &e)) {
		say("%s", at < 0 ? strerror(errno) : e.text);
		return 1;
	}
	(void)folder_remove(at, FOLDER);
	tmp = folder_new(at, FOLDER);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && tmp >= 0; i++) {
		int status = 0, code;
		pid_t pid;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
		if (ways[i].not_sanitized)
			continue;
#endif
		pid = fork();
		if (!pid)
			in_worker(tmp, ways[i].attempt);
		waitpid(pid, &status, 0);
		code = WIFEXITED(status) ? WEXITSTATUS(status) : BROKEN;
		printf("%s: %s\n", ways[i].name, code == BY_SECCOMP ? "closed by seccomp" : code == CLOSED ? "closed" : code == OPEN ? "OPEN" : "broken");
		failed |= code != BY_SECCOMP && code != CLOSED;
	}
	fflush(stdout);
	return tmp < 0 || folder_remove(at, FOLDER) || failed ? 1 : 0;
}
