/*
 * scanner_process: the child. Its end is told by a pidfd, as SIGCHLD belongs to nobody in a process of many threads; its socket and its
 * output end before or after that, in any order.
 *
 * Between fork and exec only what may be called there is called: other threads may hold any lock.
 */
#include "core/file/scanner_process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/child.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/scan_wire.h"
#include "base/turns.h"
#include "net/reactor.h"

#define SOCKET_FD 3
#define GRACE_MS 2000
#define LINE_MAX_BYTES 400
#define LINES_MAX 40       /* of the log, in LINES_MS; the rest is counted */
#define LINES_MS 10000
#define PACKETS_A_TURN 64
#define LAST_READS 64
#define NICE 10            /* people's messages go first */
#define OOM_SCORE "500"    /* and so they do when memory runs out */

struct scanner_process {
	const struct scanner_process_face *face;
	void *arg;
	pid_t pid;
	int pidfd, sock, out;
	uv_poll_t on_end, on_sock, on_out;
	unsigned handles;          /* libuv's, not closed yet */
	struct timer grace;
	bool silent;               /* its owner hears nothing more but `gone` */
	bool ended;                /* and that is on its way */
	bool writing;
	char how[96];
	char line[LINE_MAX_BYTES];
	size_t line_n;
	int64_t lines_since_ms;
	unsigned lines, lines_lost;
};

/* The child */

struct child {
	const char *path;
	int fd, sock, out, null;
	char *const *argv, *const *envp;
	pid_t parent;
};

static void child_run(const struct child *c) __attribute__((noreturn));

/* What it gets must not lie where it is put: all of them are moved above first. */
static int
child_descriptors(const struct child *c)
{
	int sock = fcntl(c->sock, F_DUPFD, 10), out = fcntl(c->out, F_DUPFD, 10), null = fcntl(c->null, F_DUPFD, 10);
	int fd = c->fd >= 0 ? fcntl(c->fd, F_DUPFD_CLOEXEC, 10) : -1;

	if (sock < 0 || out < 0 || null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(sock, SOCKET_FD) < 0)
		_exit(126);
	if (fd >= 0) {
		/* By its descriptor a program is executed that no path leads to any more, or for us. */
		if (dup3(fd, SOCKET_FD + 1, O_CLOEXEC) < 0)
			_exit(126);
		fd = SOCKET_FD + 1;
	}
	if (close_range(SOCKET_FD + (fd >= 0 ? 2 : 1), ~0U, 0))
		_exit(126);
	return fd;
}

static void
child_humble(void)
{
	int f = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (f >= 0) {
		if (write(f, OOM_SCORE, sizeof(OOM_SCORE) - 1) < 0) {
			/* It is a wish. */
		}
		close(f);
	}
	turns_apart(NICE);
}

static void
child_run(const struct child *c)
{
	static const char failed[] = "chancery-scan cannot be executed\n";
	int fd;

	child_begin(c->parent);
	fd = child_descriptors(c);
	child_humble();
	child_signals();
	execve(c->path, c->argv, c->envp);
	if (fd >= 0)
		(void)execveat(fd, "", c->argv, c->envp, AT_EMPTY_PATH);
	if (write(2, failed, sizeof(failed) - 1) < 0) {
		/* Its end says so, too. */
	}
	_exit(127);
}

/* What it says in words: a line of the log for each of its lines */

static void
say_line(struct scanner_process *p)
{
	int64_t now = reactor_now_ms(reactor_current());

	while (p->line_n && p->line[p->line_n - 1] == '\r')
		p->line_n--;
	if (!p->line_n)
		return;
	if (now - p->lines_since_ms >= LINES_MS) {
		if (p->lines_lost)
			log_warning(NULL, "scanner-says-much", "pid=%d lines=%u", (int)p->pid, p->lines_lost);
		p->lines_since_ms = now;
		p->lines = p->lines_lost = 0;
	}
	if (++p->lines > LINES_MAX)
		p->lines_lost++;
	else
		log_info(NULL, "scanner-says", "pid=%d text=%.*s", (int)p->pid, (int)p->line_n, p->line);
	p->line_n = 0;
}

static void
take_output(struct scanner_process *p, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\n' || p->line_n == sizeof(p->line))
			say_line(p);
		if (s[i] != '\n')
			p->line[p->line_n++] = s[i];
	}
}

/* False: there is nothing more. */
static bool
read_output(struct scanner_process *p)
{
	char text[4096];
	ssize_t n = read(p->out, text, sizeof(text));

	if (n > 0)
		take_output(p, text, (size_t)n);
	return n > 0;
}

static void
on_output(uv_poll_t *h, int status, int events)
{
	struct scanner_process *p = h->data;

	(void)events;
	reactor_enter(reactor_current());
	if (status < 0 || (!read_output(p) && errno != EAGAIN && errno != EINTR))
		uv_poll_stop(h);
	reactor_leave(reactor_current(), "scanner-output");
}

/* Packets */

static void
stop_listening(struct scanner_process *p)
{
	p->silent = true;
	uv_poll_stop(&p->on_sock);
}

static void
broken(struct scanner_process *p, const char *why)
{
	stop_listening(p);
	p->face->broken(p->arg, why);
}

/* False: nothing there, or it is over. */
static bool
read_packet(struct scanner_process *p)
{
	union {
		struct scan_answer answer;
		struct scan_state state;
		char room[1024];
	} u;
	int fd = -1;
	long n = scan_wire_receive(p->sock, &u, sizeof(u), &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (fd >= 0) {
		close(fd);
		broken(p, "it sent a descriptor");
	} else if (n == 0) {
		broken(p, "it closed its socket");
	} else if (n < 0) {
		broken(p, strerror(errno));
	} else {
		p->face->said(p->arg, &u, (size_t)n);
	}
	return !p->silent;
}

static void
listen_for(struct scanner_process *p);

static void
on_socket(uv_poll_t *h, int status, int events)
{
	struct scanner_process *p = h->data;

	reactor_enter(reactor_current());
	if (status < 0)
		broken(p, uv_strerror(status));
	if (!p->silent && events & UV_WRITABLE && p->writing) {
		p->writing = false;
		listen_for(p);
		p->face->writable(p->arg);
	}
	if (events & (UV_READABLE | UV_DISCONNECT))
		for (int i = 0; i < PACKETS_A_TURN && !p->silent && read_packet(p); i++)
			;
	reactor_leave(reactor_current(), "scanner");
}

static void
listen_for(struct scanner_process *p)
{
	uv_poll_start(&p->on_sock, UV_READABLE | UV_DISCONNECT | (p->writing ? UV_WRITABLE : 0), on_socket);
}

int
scanner_process_send(struct scanner_process *p, const void *packet, size_t n, int fd)
{
	if (p->silent)
		return -1;
	if (!scan_wire_send(p->sock, packet, n, fd))
		return 0;
	if (errno != EAGAIN && errno != ENOBUFS && errno != EINTR && errno != ETOOMANYREFS)
		return -1;
	p->writing = true;
	listen_for(p);
	return 1;
}

/* The end */

static void
on_closed(uv_handle_t *h)
{
	struct scanner_process *p = h->data;

	if (--p->handles)
		return;
	close(p->pidfd);
	close(p->out);
	if (p->sock >= 0)
		close(p->sock);
	p->face->gone(p->arg, p->how);
	free(p);
}

static void
describe_end(struct scanner_process *p, int status)
{
	if (WIFSIGNALED(status))
		snprintf(p->how, sizeof(p->how), "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		snprintf(p->how, sizeof(p->how), "it could not be executed");
	else
		snprintf(p->how, sizeof(p->how), "exit code %d", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

static void
on_end(uv_poll_t *h, int status, int events)
{
	struct scanner_process *p = h->data;
	int code = 0;
	pid_t r;

	(void)status;
	(void)events;
	reactor_enter(reactor_current());
	/* What was below it does not outlive it. Until it has been waited for, nobody else has its number. */
	(void)kill(-p->pid, SIGKILL);
	r = waitpid(p->pid, &code, WNOHANG);
	if (r == p->pid || (r < 0 && errno == ECHILD)) {
		describe_end(p, code);
		for (int i = 0; i < LAST_READS && read_output(p); i++)
			;
		say_line(p);
		timer_clear(&p->grace);
		stop_listening(p);
		p->ended = true;
		uv_close((uv_handle_t *)&p->on_end, on_closed);
		uv_close((uv_handle_t *)&p->on_sock, on_closed);
		uv_close((uv_handle_t *)&p->on_out, on_closed);
	}
	reactor_leave(reactor_current(), "scanner-end");
}

static void
kill_all(struct timer *t)
{
	struct scanner_process *p = LIST_ENTRY(t, struct scanner_process, grace);

	/* Until it is waited for, the number is its own. */
	(void)kill(-p->pid, SIGKILL);
	(void)kill(p->pid, SIGKILL);
}

void
scanner_process_end(struct scanner_process *p, bool at_once)
{
	if (p->ended)
		return;
	stop_listening(p);
	/* Only shut down: libuv may still look at the descriptor. */
	(void)shutdown(p->sock, SHUT_RDWR);
	if (at_once)
		kill_all(&p->grace);
	else
		timer_set(&p->grace, GRACE_MS, kill_all);
}

pid_t
scanner_process_id(const struct scanner_process *p)
{
	return p->pid;
}

/* The start */

static int
make_channels(int pair[2], int out[2], int *null, struct err *e)
{
	pair[0] = pair[1] = out[0] = out[1] = -1;
	*null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (*null < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) || pipe2(out, O_CLOEXEC) ||
		fcntl(pair[0], F_SETFL, O_NONBLOCK) || fcntl(out[0], F_SETFL, O_NONBLOCK))
		return err_set(e, errno, "no descriptors: %s", strerror(errno));
	return 0;
}

static void
close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void
watch(struct scanner_process *p)
{
	uv_loop_t *loop = reactor_loop(reactor_current());

	p->on_end.data = p->on_sock.data = p->on_out.data = p;
	/* These fail only for descriptors that cannot be polled. */
	if (uv_poll_init(loop, &p->on_end, p->pidfd) || uv_poll_init(loop, &p->on_sock, p->sock) || uv_poll_init(loop, &p->on_out, p->out))
		abort();
	p->handles = 3;
	uv_poll_start(&p->on_end, UV_READABLE, on_end);
	uv_poll_start(&p->on_out, UV_READABLE, on_output);
	listen_for(p);
}

static pid_t
make_child(const char *path, int fd, char *const argv[], int sock, int out, int null)
{
	static char home[] = "HOME=/";
	char *envp[CHILD_ENVIRONMENT + 1];
	struct child c = {.path = path, .fd = fd, .sock = sock, .out = out, .null = null, .argv = argv, .envp = envp, .parent = getpid()};
	size_t n = child_environment(envp, NULL, 0);
	pid_t pid;

	envp[n] = home;
	envp[n + 1] = NULL;
	pid = fork();
	if (pid == 0)
		child_run(&c);
	return pid;
}

struct scanner_process *
scanner_process_start(const char *path, int fd, char *const argv[], const struct scanner_process_face *face, void *arg, struct err *e)
{
	struct scanner_process *p = NEW(struct scanner_process);
	int pair[2], out[2], null;

	assert(reactor_current());
	p->face = face;
	p->arg = arg;
	if (make_channels(pair, out, &null, e))
		goto fail;
	p->pid = make_child(path, fd, argv, pair[1], out[1], null);
	p->pidfd = child_watch(p->pid, e);
	if (p->pidfd < 0)
		goto fail;
	p->sock = pair[0];
	p->out = out[0];
	close(pair[1]);
	close(out[1]);
	close(null);
	watch(p);
	return p;
fail:
	close_fd(pair[0]);
	close_fd(pair[1]);
	close_fd(out[0]);
	close_fd(out[1]);
	close_fd(null);
	free(p);
	return NULL;
}
