/*
 * nursery: see nursery.h.
 */
#include "scan/nursery.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/scan_wire.h"
#include "scan/engine.h"
#include "scan/folder.h"
#include "scan/room.h"
#include "scan/sandbox.h"
#include "scan/say.h"
#include "scan/type.h"
#include "scan/worker.h"

#define CHILDREN 256
#define LOOK_MS 1000 /* how often workers' folders are measured */

struct child {
	pid_t pid;
	int folder;
	bool had_room;  /* on the disc, when it began */
	char name[48];
};

struct nursery {
	const struct scan_options *options;
	struct engine engine;
	int sock, tmp;
	uint64_t number;
	struct child children[CHILDREN];
	size_t n;
};

static void
tell(struct nursery *y, struct nursery_word *word, int fd)
{
	if (scan_wire_send(y->sock, word, sizeof(*word), fd) && errno != EPIPE)
		say("a nursery cannot speak: %s", strerror(errno));
}

static void
tell_failed(struct nursery *y, uint32_t worker, const char *why)
{
	struct nursery_word word = { .kind = NURSERY_FAILED, .worker = worker };

	snprintf(word.text, sizeof(word.text), "%s", why);
	tell(y, &word, -1);
}

/* Loading: in a folder of its own, as databases are unpacked for it. */
static int
load(struct nursery *y, struct err *e)
{
	char name[48], path[4096];
	int folder, rc;

	snprintf(name, sizeof(name), "nursery-%llu", (unsigned long long)y->number);
	snprintf(path, sizeof(path), "%s/%s", y->options->tmp, name);
	y->tmp = open(y->options->tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (y->tmp < 0)
		return err_set(e, errno, "%s: %s", y->options->tmp, strerror(errno));
	folder = folder_new(y->tmp, name);
	if (folder < 0)
		return err_set(e, errno, "%s: %s", path, strerror(errno));
	room_leave_one(); /* the official signatures take half a minute */
	rc = type_load(e) || engine_load(&y->engine, y->options, path, e) ? -1 : 0;
	room_take_all();
	close(folder);
	if (folder_remove(y->tmp, name))
		say("%s cannot be removed", path);
	return rc;
}

static void
run_child(struct nursery *y, struct child *c, int sock)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", y->options->tmp, c->name);
	close(y->sock);
	close(y->tmp);
	for (size_t i = 0; i < y->n; i++)
		close(y->children[i].folder);
	worker_run(y->options, &y->engine, sock, c->folder, path);
}

static void
fork_worker(struct nursery *y, uint32_t worker, int sock)
{
	struct nursery_word word = { .kind = NURSERY_FORKED, .worker = worker };
	struct child *c = &y->children[y->n];
	int pidfd;

	if (y->n == CHILDREN) {
		tell_failed(y, worker, "too many workers");
		return;
	}
	snprintf(c->name, sizeof(c->name), "worker-%llu-%u", (unsigned long long)y->number, worker);
	c->folder = folder_new(y->tmp, c->name);
	if (c->folder < 0) {
		tell_failed(y, worker, strerror(errno));
		return;
	}
	c->had_room = !folder_is_short(y->tmp);
	c->pid = fork();
	if (!c->pid)
		run_child(y, c, sock);
	/* It is our child and not waited for: the number is still its own. */
	pidfd = c->pid > 0 ? (int)syscall(SYS_pidfd_open, c->pid, 0) : -1;
	if (pidfd < 0) {
		tell_failed(y, worker, strerror(errno));
		if (c->pid > 0) {
			kill(c->pid, SIGKILL);
			waitpid(c->pid, NULL, 0);
		}
		close(c->folder);
		(void)folder_remove(y->tmp, c->name);
		return;
	}
	y->n++;
	tell(y, &word, pidfd);
	close(pidfd);
}

static void
bury(struct nursery *y, size_t i, int status)
{
	struct child *c = &y->children[i];

	if (WIFSIGNALED(status))
		say("%s was ended by signal %d", c->name, WTERMSIG(status));
	else if (WEXITSTATUS(status))
		say("%s ended with %d", c->name, WEXITSTATUS(status));
	close(c->folder);
	if (folder_remove(y->tmp, c->name))
		say("%s cannot be removed", c->name);
	y->children[i] = y->children[--y->n];
}

static void
reap(struct nursery *y)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < y->n; i++)
			if (y->children[i].pid == pid) {
				bury(y, i, status);
				break;
			}
}

/* RLIMIT_FSIZE bounds each file of a worker; this, all of them. Those that have no name any more only show when the disc runs full: by
 * whom is not known, so all end that could have done it. */
static void
measure(struct nursery *y)
{
	bool full = folder_is_short(y->tmp);
	uint64_t quota = 4 * y->options->archive_bytes + y->options->file_bytes;

	for (size_t i = 0; i < y->n; i++)
		if (folder_bytes(y->children[i].folder, quota) > quota) {
			say("%s has filled its folder", y->children[i].name);
			kill(y->children[i].pid, SIGKILL);
		} else if (full && y->children[i].had_room) {
			say("the disc is full: %s ends", y->children[i].name);
			kill(y->children[i].pid, SIGKILL);
		}
}

/* One order; false at the end. */
static bool
obey(struct nursery *y)
{
	struct nursery_order order;
	int fd;
	long n = scan_wire_receive(y->sock, &order, sizeof(order), &fd);

	if (n == sizeof(order) && fd >= 0)
		fork_worker(y, order.worker, fd);
	if (fd >= 0)
		close(fd);
	return n == sizeof(order);
}

static void
end(struct nursery *y)
{
	for (size_t i = 0; i < y->n; i++)
		kill(y->children[i].pid, SIGKILL);
	while (y->n > 0) {
		int status = 0;

		waitpid(y->children[0].pid, &status, 0);
		bury(y, 0, 0);
	}
	_exit(0);
}

void
nursery_run(const struct scan_options *o, int sock, uint64_t number)
{
	static struct nursery y;
	struct nursery_word word = { .kind = NURSERY_READY };
	struct err e = { 0 };

	y.options = o;
	y.sock = sock;
	y.number = number;
	/* While it loads it hears nothing; later it ends in order, and removes its workers' folders. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || sandbox_nursery(o, &e) || load(&y, &e)) {
		word.kind = NURSERY_TROUBLE;
		finding_copy(word.text, sizeof(word.text), e.text);
		tell(&y, &word, -1);
		_exit(1);
	}
	(void)prctl(PR_SET_PDEATHSIG, 0);
	word.signatures = y.engine.signatures;
	word.newest_s = y.engine.newest_s;
	tell(&y, &word, -1);
	for (;;) {
		struct pollfd p = { .fd = sock, .events = POLLIN };

		if (poll(&p, 1, y.n ? LOOK_MS : -1) > 0 && !obey(&y))
			end(&y);
		reap(&y);
		measure(&y);
	}
}
