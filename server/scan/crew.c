/*
 * crew: see crew.h.
 *
 * A worker that ends, hangs, or says anything but one right answer to what it was asked costs the file that it had. It is ended by
 * its pidfd, so that nobody else can be meant.
 */
#include "scan/crew.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scan/folder.h"
#include "scan/nursery.h"
#include "scan/say.h"

#define FILES_OF_A_WORKER 1000   /* then a fresh one: what libraries leak does not add up */
#define LOADING_MOST_MS 900000   /* the official signatures take half a minute on a slow machine */
#define PAUSE_MS 100             /* after a worker that ended before it did anything; doubles */
#define PAUSE_MOST_MS 5000
#define END_MOST_MS 3000
#define REAP_MS 500              /* how often those that are to end are looked after */
#define LOSSES 3                 /* nurseries lost in LOSSES_MS are replaced at once; then only after a pause (master.c) */
#define LOSSES_MS 60000

#define NURSERY_OF(l) LIST_ENTRY(l, struct nursery_seat, link)
#define WORKER_OF(l) LIST_ENTRY(l, struct worker_seat, link)

void
crew_init(struct crew *c, const struct scan_options *o)
{
	memset(c, 0, sizeof(*c));
	c->options = o;
	list_init(&c->nurseries);
	list_init(&c->workers);
	list_init(&c->leaving);
	c->pause_ms = PAUSE_MS;
}

/* Nurseries */

/* A pair of sockets: ours does not block. */
static int
make_pair(int pair[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -1;
	return fcntl(pair[0], F_SETFL, O_NONBLOCK);
}

static void
run_nursery(const struct scan_options *o, int sock, uint64_t number)
{
	/* Nothing of the master's: else its sockets would not close when it does. */
	if (sock != 3)
		dup2(sock, 3);
	close_range(4, ~0U, 0);
	nursery_run(o, 3, number);
}

void
crew_load(struct crew *c)
{
	struct nursery_seat *y;
	int pair[2];

	if (c->loading)
		return;
	/* With trouble the master tries again, later. */
	if (make_pair(pair)) {
		snprintf(c->trouble, sizeof(c->trouble), "no socket for the signatures: %s", strerror(errno));
		say("%s", c->trouble);
		c->on_changed(c->arg);
		return;
	}
	y = NEW(struct nursery_seat);
	y->number = ++c->numbers;
	y->set = c->set;
	y->sock = pair[0];
	y->since_ms = clock_mono_ms();
	y->pid = fork();
	if (!y->pid)
		run_nursery(c->options, pair[1], y->number);
	close(pair[1]);
	if (y->pid < 0) {
		snprintf(c->trouble, sizeof(c->trouble), "no process for the signatures: %s", strerror(errno));
		c->on_changed(c->arg);
		close(pair[0]);
		free(y);
		return;
	}
	/* Not waited for yet: the number is its own. */
	y->pidfd = (int)syscall(SYS_pidfd_open, y->pid, 0);
	list_append(&c->nurseries, &y->link);
	c->loading = y;
}

static void
end_process(int pidfd)
{
	if (pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

/* Is this a folder of a nursery that is no more, or of its workers? */
static bool
is_left(const struct crew *c, const char *name)
{
	unsigned long long number;

	if (sscanf(name, "nursery-%llu", &number) != 1 && sscanf(name, "worker-%llu-", &number) != 1)
		return false;
	LIST_EACH (l, &c->nurseries)
		if (NURSERY_OF(l)->number == number)
			return false;
	LIST_EACH (l, &c->leaving)
		if (NURSERY_OF(l)->number == number)
			return false;
	return true;
}

/* A nursery removes what is its own and its workers'; one that was killed could not. */
static void
sweep(const struct crew *c)
{
	DIR *dir = opendir(c->options->tmp);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (is_left(c, d->d_name) && folder_remove(dirfd(dir), d->d_name))
			say("%s/%s cannot be removed", c->options->tmp, d->d_name);
	if (dir)
		closedir(dir);
}

static void
reap(struct crew *c)
{
	bool some = false;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		LIST_EACH (l, &c->nurseries)
			NURSERY_OF(l)->gone = NURSERY_OF(l)->gone || NURSERY_OF(l)->pid == pid;
		LIST_EACH (l, &c->leaving)
			if (NURSERY_OF(l)->pid == pid) {
				list_remove(l);
				free(NURSERY_OF(l));
				some = true;
			}
	}
	if (some)
		sweep(c);
}

/* It is gone, or ends by itself when its socket is closed. */
static void
nursery_drop(struct crew *c, struct nursery_seat *y)
{
	if (c->force == y)
		c->force = NULL;
	if (c->loading == y)
		c->loading = NULL;
	close(y->sock);
	if (y->pidfd >= 0)
		close(y->pidfd);
	list_remove(&y->link);
	if (!y->gone) {
		list_append(&c->leaving, &y->link);
		return;
	}
	free(y);
	sweep(c);
}

static void
nursery_retire(struct crew *c, struct nursery_seat *y)
{
	y->retired = true;
	if (!y->workers)
		nursery_drop(c, y);
}

/* Workers */

static void
worker_free(struct crew *c, struct worker_seat *w)
{
	struct nursery_seat *y = w->nursery;

	close(w->sock);
	if (w->pidfd >= 0)
		close(w->pidfd);
	list_remove(&w->link);
	free(w);
	if (!y)
		return;
	y->workers--;
	if (y->retired)
		nursery_retire(c, y);
}

static void
worker_answer(struct crew *c, struct worker_seat *w, const struct scan_answer *a)
{
	struct job *job = w->job;

	w->job = NULL;
	c->busy--;
	c->on_answer(c->arg, job, a);
}

/* It does not work any more: what it had is not known. */
static void
worker_lose(struct crew *c, struct worker_seat *w, const char *why)
{
	struct scan_answer a = { .verdict = SCAN_ERROR };

	c->lost++;
	end_process(w->pidfd);
	say("a worker is lost: %s", why);
	/* One that could not even begin will not do better at once. A file that ends workers must not make others wait. */
	if (w->job) {
		snprintf(a.text, sizeof(a.text), "%s", why);
		worker_answer(c, w, &a);
	} else if (!w->files) {
		c->pause_until_ms = clock_mono_ms() + c->pause_ms;
		c->pause_ms = c->pause_ms * 2 < PAUSE_MOST_MS ? c->pause_ms * 2 : PAUSE_MOST_MS;
	}
	worker_free(c, w);
	c->on_changed(c->arg);
}

static void
worker_order(struct crew *c)
{
	struct nursery_order order = { .worker = ++c->worker_numbers };
	struct worker_seat *w;
	int pair[2];

	if (make_pair(pair)) {
		c->pause_until_ms = clock_mono_ms() + PAUSE_MOST_MS;
		say("no socket for a worker: %s", strerror(errno));
		return;
	}
	if (scan_wire_send(c->force->sock, &order, sizeof(order), pair[1])) {
		c->pause_until_ms = clock_mono_ms() + PAUSE_MS;
		close(pair[0]);
	} else {
		w = NEW(struct worker_seat);
		w->nursery = c->force;
		w->number = order.worker;
		w->sock = pair[0];
		w->pidfd = -1;
		c->force->workers++;
		list_append(&c->workers, &w->link);
	}
	close(pair[1]);
}

bool
crew_give(struct crew *c, struct job *job)
{
	struct scan_request q = { .kind = SCAN_REQUEST, .version = SCAN_WIRE_VERSION, .id = job->id, .size = job->size };
	int64_t left = job->due_ms - clock_mono_ms();

	q.patience_ms = left > 1 ? (uint32_t)left : 1;
	LIST_EACH (l, &c->workers) {
		struct worker_seat *w = WORKER_OF(l);

		if (w->job || w->pidfd < 0 || !w->nursery || w->nursery != c->force)
			continue;
		if (scan_wire_send(w->sock, &q, sizeof(q), job->fd)) {
			worker_lose(c, w, "it cannot be spoken to");
			continue;
		}
		w->job = job;
		c->busy++;
		return true;
	}
	return false;
}

/* An answer from a worker, or its end. */
static void
worker_heard(struct crew *c, struct worker_seat *w)
{
	struct scan_answer a;
	int fd;
	long n = scan_wire_receive(w->sock, &a, sizeof(a), &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (fd >= 0)
		close(fd);
	if (n <= 0 && (n == 0 || errno == ECONNRESET)) {
		worker_lose(c, w, "the process that looked at it ended");
	} else if (n < 0 || fd >= 0 || !w->job || a.id != w->job->id || !scan_wire_answer_is_right(&a, (size_t)n)) {
		worker_lose(c, w, "the process that looked at it answered nonsense");
	} else {
		a.signatures = a.verdict == SCAN_ERROR ? 0 : w->nursery->generation;
		w->files++;
		c->pause_ms = PAUSE_MS;
		worker_answer(c, w, &a);
		/* What was not clean may have left something in it that is kind to the next. */
		if (w->nursery != c->force || w->files >= FILES_OF_A_WORKER || a.verdict != SCAN_CLEAN)
			worker_free(c, w);
	}
}

static struct worker_seat *
worker_by_number(struct crew *c, const struct nursery_seat *y, uint32_t number)
{
	LIST_EACH (l, &c->workers)
		if (WORKER_OF(l)->nursery == y && WORKER_OF(l)->number == number)
			return WORKER_OF(l);
	return NULL;
}

/* Nurseries speak */

/* Those of another set who have nothing to do go, the others when they are done. */
static void
change_over(struct crew *c, struct nursery_seat *y)
{
	struct nursery_seat *before = c->force;

	c->force = y;
	c->loading = NULL;
	y->generation = c->generation = ++c->generations;
	c->trouble[0] = '\0';
	c->pause_until_ms = 0;
	c->pause_ms = PAUSE_MS;
	if (before) {
		LIST_EACH (l, &c->workers)
			if (WORKER_OF(l)->nursery == before && !WORKER_OF(l)->job)
				worker_free(c, WORKER_OF(l));
		nursery_retire(c, before);
	}
	c->on_changed(c->arg);
}

/* Is what was in force to be loaded again at once? Not when it is lost over and over. */
static bool
may_load_again(struct crew *c)
{
	int64_t now = clock_mono_ms();

	if (now - c->losses_since_ms > LOSSES_MS) {
		c->losses_since_ms = now;
		c->losses = 0;
	}
	return ++c->losses <= LOSSES;
}

static void
nursery_lose(struct crew *c, struct nursery_seat *y, const char *why)
{
	bool again = y == c->force && may_load_again(c);

	if (y == c->loading || y == c->force)
		snprintf(c->trouble, sizeof(c->trouble), "%s", why);
	say("%s", why);
	end_process(y->pidfd);
	/* Its workers go with it. It is not forgotten before the last of them. */
	LIST_EACH (l, &c->workers)
		if (WORKER_OF(l)->nursery == y) {
			y->workers++;
			worker_lose(c, WORKER_OF(l), "the process that looked at it ended");
			y->workers--;
		}
	nursery_drop(c, y);
	if (again)
		crew_load(c);
	c->on_changed(c->arg);
}

static void
nursery_heard(struct crew *c, struct nursery_seat *y)
{
	struct nursery_word word;
	struct worker_seat *w;
	int fd;
	long n = scan_wire_receive(y->sock, &word, sizeof(word), &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	word.text[sizeof(word.text) - 1] = '\0';
	if (n != sizeof(word)) {
		nursery_lose(c, y, "the process that holds the signatures ended");
	} else if (word.kind == NURSERY_READY && y == c->loading) {
		y->signatures = word.signatures;
		y->newest_s = word.newest_s;
		change_over(c, y);
	} else if (word.kind == NURSERY_TROUBLE && y == c->loading) {
		nursery_lose(c, y, word.text);
	} else {
		w = worker_by_number(c, y, word.worker);
		if (w && word.kind == NURSERY_FORKED && fd >= 0 && w->pidfd < 0) {
			w->pidfd = fd;
			fd = -1;
		} else if (w && word.kind == NURSERY_FAILED) {
			worker_lose(c, w, word.text);
		}
	}
	if (fd >= 0)
		close(fd);
}

/* What the master calls */

static void
end_the_late(struct crew *c, int64_t now)
{
	LIST_EACH (l, &c->workers)
		if (WORKER_OF(l)->job && now >= WORKER_OF(l)->job->due_ms)
			worker_lose(c, WORKER_OF(l), "out of time");
	if (c->loading && now - c->loading->since_ms > LOADING_MOST_MS)
		nursery_lose(c, c->loading, "the signatures have not been loaded in a quarter of an hour");
}

void
crew_tend(struct crew *c)
{
	int64_t now = clock_mono_ms();

	end_the_late(c, now);
	reap(c);
	while (c->force && c->force->workers < c->options->workers && now >= c->pause_until_ms)
		worker_order(c);
}

int64_t
crew_next_ms(const struct crew *c)
{
	int64_t next = INT64_MAX;

	LIST_EACH (l, &c->workers)
		if (WORKER_OF(l)->job && WORKER_OF(l)->job->due_ms < next)
			next = WORKER_OF(l)->job->due_ms;
	if (c->loading && c->loading->since_ms + LOADING_MOST_MS < next)
		next = c->loading->since_ms + LOADING_MOST_MS;
	if (c->force && c->force->workers < c->options->workers && c->pause_until_ms < next)
		next = c->pause_until_ms;
	if (!list_is_empty(&c->leaving) && clock_mono_ms() + REAP_MS < next)
		next = clock_mono_ms() + REAP_MS;
	return next;
}

size_t
crew_polls(const struct crew *c, struct pollfd *p, size_t max)
{
	size_t n = 0;

	LIST_EACH (l, &c->nurseries)
		if (n < max)
			p[n++] = (struct pollfd){ .fd = NURSERY_OF(l)->sock, .events = POLLIN };
	LIST_EACH (l, &c->workers)
		if (n < max)
			p[n++] = (struct pollfd){ .fd = WORKER_OF(l)->sock, .events = POLLIN };
	return n;
}

void
crew_heard(struct crew *c, const struct pollfd *p)
{
	/* By descriptor: whoever had it may be gone since. */
	LIST_EACH (l, &c->nurseries)
		if (NURSERY_OF(l)->sock == p->fd) {
			nursery_heard(c, NURSERY_OF(l));
			return;
		}
	LIST_EACH (l, &c->workers)
		if (WORKER_OF(l)->sock == p->fd) {
			worker_heard(c, WORKER_OF(l));
			return;
		}
}

void
crew_end(struct crew *c)
{
	int64_t until = clock_mono_ms() + END_MOST_MS;

	/* One that loads hears nothing. */
	if (c->loading)
		end_process(c->loading->pidfd);
	LIST_EACH (l, &c->nurseries)
		close(NURSERY_OF(l)->sock);
	while (clock_mono_ms() < until && (waitpid(-1, NULL, WNOHANG) >= 0 || errno == EINTR))
		poll(NULL, 0, 10);
	LIST_EACH (l, &c->nurseries)
		end_process(NURSERY_OF(l)->pidfd);
}
