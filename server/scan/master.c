/*
 * master: see master.h.
 */
#include "scan/master.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "scan/crew.h"
#include "scan/engine.h"
#include "scan/folder.h"
#include "scan/sandbox.h"
#include "scan/say.h"
#include "scan/watch.h"

#define STATE_MS 10000
#define WAITING_MAX 512        /* chanceryd keeps fewer here */
#define PATIENCE_MAX_MS 3600000
#define RETRY_MS 60000         /* signatures that could not be loaded, when nothing is in force; else ten times as long */

struct reply {
	struct list link;
	struct scan_answer answer;
};

struct master {
	const struct scan_options *options;
	struct crew crew;
	struct watch watch;
	struct list waiting;  /* of struct job */
	struct list replies;  /* that the socket has not taken yet */
	uint32_t nwaiting;
	bool tell, ended;
	int64_t state_ms, retry_ms;
};

/* To chanceryd */

static void
reply_now(struct master *m, const struct scan_answer *a)
{
	struct reply *r;

	if (list_is_empty(&m->replies) && scan_wire_send(m->options->sock, a, sizeof(*a), -1) == 0)
		return;
	r = NEW(struct reply);
	r->answer = *a;
	list_append(&m->replies, &r->link);
}

static void
replies_flush(struct master *m)
{
	LIST_EACH (l, &m->replies) {
		struct reply *r = LIST_ENTRY(l, struct reply, link);

		if (scan_wire_send(m->options->sock, &r->answer, sizeof(r->answer), -1)) {
			if (errno != EAGAIN)
				m->ended = true;
			return;
		}
		list_remove(l);
		free(r);
	}
}

static void
job_end(struct master *m, struct job *job, struct scan_answer a)
{
	int64_t took = clock_mono_ms() - job->came_ms;

	a.kind = SCAN_ANSWER;
	a.version = SCAN_WIRE_VERSION;
	a.id = job->id;
	a.took_ms = (uint32_t)took;
	close(job->fd);
	free(job);
	reply_now(m, &a);
}

static void
job_fail(struct master *m, struct job *job, const char *why)
{
	struct scan_answer a = { .verdict = SCAN_ERROR };

	snprintf(a.text, sizeof(a.text), "%s", why);
	job_end(m, job, a);
}

static void
on_answer(void *arg, struct job *job, const struct scan_answer *a)
{
	job_end(arg, job, *a);
}

static void
on_changed(void *arg)
{
	((struct master *)arg)->tell = true;
}

/* The state, as far as it can be sent now: the next one says it again. */
static void
tell_state(struct master *m)
{
	const struct crew *c = &m->crew;
	struct scan_state s = { .kind = SCAN_STATE, .version = SCAN_WIRE_VERSION, .generation = c->generation, .waiting = m->nwaiting,
		.busy = c->busy, .lost = c->lost };

	if (c->force) {
		s.signatures = c->force->signatures;
		s.set = c->force->set;
		s.newest_s = c->force->newest_s;
		s.workers = c->force->workers;
	}
	snprintf(s.engine, sizeof(s.engine), "%s", engine_version());
	snprintf(s.trouble, sizeof(s.trouble), "%s", c->trouble);
	(void)scan_wire_send(m->options->sock, &s, sizeof(s), -1);
	m->tell = false;
	m->state_ms = clock_mono_ms() + STATE_MS;
}

/* Requests */

/* Why nothing can be scanned now; NULL: it can, or soon. */
static const char *
closed(const struct master *m)
{
	if (m->crew.generation)
		return NULL;
	return m->crew.trouble[0] ? m->crew.trouble : "the signatures are being loaded";
}

static void
take_request(struct master *m, const struct scan_request *q, int fd)
{
	struct job *job = NEW(struct job);
	const char *why = closed(m);
	int64_t patience = q->patience_ms < PATIENCE_MAX_MS ? q->patience_ms : PATIENCE_MAX_MS;

	job->id = q->id;
	job->size = q->size;
	job->fd = fd;
	job->came_ms = clock_mono_ms();
	job->due_ms = job->came_ms + patience;
	if (why) {
		job_fail(m, job, why);
	} else if (m->nwaiting >= WAITING_MAX) {
		job_fail(m, job, "too many files wait to be scanned");
	} else {
		list_append(&m->waiting, &job->link);
		m->nwaiting++;
	}
}

static void
listen_once(struct master *m)
{
	struct scan_request q;
	int fd;
	long n = scan_wire_receive(m->options->sock, &q, sizeof(q), &fd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == sizeof(q) && fd >= 0 && q.kind == SCAN_REQUEST && q.version == SCAN_WIRE_VERSION) {
		take_request(m, &q, fd);
		return;
	}
	/* The end; or another build of chanceryd, with which there is nothing to talk about. */
	if (fd >= 0)
		close(fd);
	if (n != 0)
		say("chanceryd says what chancery-scan does not understand");
	m->ended = true;
}

static void
give_out(struct master *m)
{
	int64_t now = clock_mono_ms();
	const char *why = closed(m);

	LIST_EACH (l, &m->waiting) {
		struct job *job = LIST_ENTRY(l, struct job, link);
		bool late = now >= job->due_ms;

		if (why || late) {
			list_remove(l);
			m->nwaiting--;
			job_fail(m, job, why ? why : "out of time");
		}
	}
	while (!list_is_empty(&m->waiting)) {
		struct job *job = LIST_ENTRY(m->waiting.next, struct job, link);

		if (!crew_give(&m->crew, job))
			return;
		list_remove(&job->link);
		m->nwaiting--;
	}
}

/* Signatures */

/* What is there now is what will be loaded; what changes while it is, will be seen again. */
static void
take_set(struct master *m)
{
	watch_take(&m->watch);
	m->crew.set = m->watch.mark & INT64_MAX;
}

static void
tend_signatures(struct master *m)
{
	int64_t now = clock_mono_ms();
	bool retry = m->crew.trouble[0] && now >= m->retry_ms;

	if (m->crew.loading)
		return;
	if (!watch_is_due(&m->watch) && !retry)
		return;
	if (watch_is_another(&m->watch)) {
		say("%s is another folder now: starting anew", m->options->signatures);
		m->ended = true;
		return;
	}
	take_set(m);
	m->retry_ms = now + (m->crew.force ? 10 : 1) * RETRY_MS;
	crew_load(&m->crew);
}

/* What was in force and could not be loaded again is in force no more. */
static void
tend_generation(struct master *m)
{
	if (!m->crew.force && !m->crew.loading && m->crew.generation) {
		m->crew.generation = 0;
		m->tell = true;
	}
}

/* All of it */

/* What an earlier run has left. Only names of ours: the folder may hold more. */
static void
sweep(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if ((!strncmp(d->d_name, "worker-", 7) || !strncmp(d->d_name, "nursery-", 8)) && folder_remove(dirfd(dir), d->d_name))
			say("%s/%s cannot be removed", path, d->d_name);
	if (dir)
		closedir(dir);
}

static int
until_next(const struct master *m)
{
	int64_t now = clock_mono_ms(), next = m->state_ms, other = crew_next_ms(&m->crew);

	next = other < next ? other : next;
	other = m->crew.loading ? INT64_MAX : watch_next_ms(&m->watch);
	next = other < next ? other : next;
	LIST_EACH (l, &m->waiting) {
		other = LIST_ENTRY(l, struct job, link)->due_ms;
		next = other < next ? other : next;
	}
	return next <= now ? 0 : (int)(next - now);
}

static void
turn(struct master *m)
{
	struct pollfd p[CREW_POLLS + 2];
	size_t n = 2;

	/* While answers wait nothing new is taken: there are never more of them than chanceryd has asked. */
	p[0] = (struct pollfd){ .fd = m->options->sock, .events = list_is_empty(&m->replies) ? POLLIN : POLLOUT };
	p[1] = (struct pollfd){ .fd = m->watch.fd, .events = POLLIN };
	n += crew_polls(&m->crew, p + 2, CREW_POLLS);
	if (poll(p, n, until_next(m)) > 0) {
		for (size_t i = 2; i < n; i++)
			if (p[i].revents)
				crew_heard(&m->crew, &p[i]);
		if (p[1].revents)
			watch_read(&m->watch);
		if (p[0].revents & POLLOUT)
			replies_flush(m);
		else if (p[0].revents)
			listen_once(m);
	}
	tend_signatures(m);
	tend_generation(m);
	crew_tend(&m->crew);
	give_out(m);
	if (m->tell || clock_mono_ms() >= m->state_ms)
		tell_state(m);
}

int
master_run(const struct scan_options *o)
{
	static struct master m;
	struct err e = { 0 };

	m.options = o;
	list_init(&m.waiting);
	list_init(&m.replies);
	watch_identify(&m.watch, o->signatures);
	if (fcntl(o->sock, F_SETFL, O_NONBLOCK) || fcntl(o->sock, F_SETFD, FD_CLOEXEC)) {
		say("--socket %d: %s", o->sock, strerror(errno));
		return 1;
	}
	if (sandbox_master(o, &e)) {
		say("%s", e.text);
		return 1;
	}
	sweep(o->tmp);
	crew_init(&m.crew, o);
	m.crew.arg = &m;
	m.crew.on_answer = on_answer;
	m.crew.on_changed = on_changed;
	watch_start(&m.watch);
	take_set(&m);
	crew_load(&m.crew);
	m.retry_ms = clock_mono_ms() + RETRY_MS;
	tell_state(&m);
	while (!m.ended)
		turn(&m);
	crew_end(&m.crew);
	sweep(o->tmp);
	return 0;
}
