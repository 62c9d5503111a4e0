/*
 * listener: a listening socket on reactor 0 that hands what it accepts to the reactors in turn.
 *
 * Bound by main before anything runs; freed by itself once stopped. What was accepted travels with
 * a copy of the callback, so that stopping does not strand it.
 */
#include "net/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/reactor.h"

#define BACKLOG 1024
/* Accepted in one turn, so that a flood of connects does not starve those who are in. */
#define ACCEPT_BATCH 64
#define EXHAUSTED_PAUSE_MS 100
#define SAY_EVERY_MS 60000

struct listener {
	int fd;
	listener_fn fn;
	void *arg;
	unsigned next;         /* reactor */
	struct reactor *owner; /* of all; NULL: in turn */
	bool running;
	int64_t said_ms;
	uv_poll_t poll;
	struct timer pause;
	struct log log;
	struct sockaddr_storage address;
	char name[];
};

struct accepted {
	struct mail mail;
	listener_fn fn;
	void *arg;
	int fd;
	struct sockaddr_storage peer;
};

/* Binding */

/* A socket that a killed server left behind is removed, one that answers is not. */
static void
remove_stale(const struct sockaddr_un *un)
{
	struct stat st;
	int fd;

	if (lstat(un->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)un, sizeof(*un)) && errno == ECONNREFUSED)
		(void)unlink(un->sun_path);
	close(fd);
}

static int
bind_to(int fd, const struct sockaddr_storage *sa, socklen_t len)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
	int on = 1;

	if (sa->ss_family != AF_UNIX) {
		if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
			return -1;
		if (sa->ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)))
			return -1;
		return bind(fd, (const struct sockaddr *)sa, len);
	}
	remove_stale(un);
	/* Nobody can connect before listen, so the mode is right from the first moment. */
	if (bind(fd, (const struct sockaddr *)sa, len))
		return -1;
	return chmod(un->sun_path, 0660);
}

static int
open_socket(const char *address, struct sockaddr_storage *sa, struct err *e)
{
	socklen_t len;
	int fd, code;

	if (address_parse(address, sa, &len, e))
		return -1;
	fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind_to(fd, sa, len) || listen(fd, BACKLOG)) {
		code = errno;
		if (fd >= 0)
			close(fd);
		err_set(e, code, "cannot listen on %s: %s", address, strerror(code));
		return -1;
	}
	return fd;
}

struct listener *
listener_new(const char *address, listener_fn fn, void *arg, struct err *e)
{
	struct sockaddr_storage sa;
	struct listener *l;
	int fd = open_socket(address, &sa, e);

	if (fd < 0)
		return NULL;
	l = mem_zalloc(sizeof(*l) + strlen(address) + 1);
	memcpy(l->name, address, strlen(address) + 1);
	l->fd = fd;
	l->fn = fn;
	l->arg = arg;
	l->address = sa;
	l->log = (struct log){.key = "listen", .value = l->name};
	return l;
}

int
listener_port(const struct listener *l)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);

	if (getsockname(l->fd, (struct sockaddr *)&sa, &len))
		return -1;
	if (sa.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&sa)->sin_port);
	if (sa.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&sa)->sin6_port);
	return 0;
}

/* Accepting, on reactor 0 */

static void on_readable(uv_poll_t *h, int status, int events);

static void
run_accepted(struct mail *m)
{
	struct accepted *a = (struct accepted *)m;

	a->fn(a->fd, (const struct sockaddr *)&a->peer, a->arg);
	free(a);
}

static void
accept_again(struct timer *t)
{
	struct listener *l = (struct listener *)((char *)t - offsetof(struct listener, pause));

	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

/* Out of descriptors or memory: the connection stays in the backlog, where polling would find it
 * again and again. */
static void
take_breath(struct listener *l, int code)
{
	int64_t now = reactor_now_ms(reactor_current());

	uv_poll_stop(&l->poll);
	timer_set(&l->pause, EXHAUSTED_PAUSE_MS, accept_again);
	if (l->said_ms && now - l->said_ms < SAY_EVERY_MS)
		return;
	l->said_ms = now;
	log_warning(&l->log, "accept-failed", "reason=%s", strerror(code));
}

static void
hand_over(struct listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct accepted *a = NEW(struct accepted);

	a->mail.run = run_accepted;
	a->fn = l->fn;
	a->arg = l->arg;
	a->fd = fd;
	a->peer = *peer;
	/* An unnamed peer of a local socket comes without a family. */
	if (l->address.ss_family == AF_UNIX)
		a->peer.ss_family = AF_UNIX;
	reactor_post(l->owner ? l->owner : reactor_at(l->next++ % reactor_count()), &a->mail);
}

static bool
is_exhaustion(int code)
{
	return code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM;
}

static void
accept_batch(struct listener *l)
{
	struct sockaddr_storage peer;
	socklen_t len;
	int fd;

	for (int n = 0; n < ACCEPT_BATCH; n++) {
		memset(&peer, 0, sizeof(peer));
		len = sizeof(peer);
		fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			hand_over(l, fd, &peer);
			continue;
		}
		if (is_exhaustion(errno)) {
			take_breath(l, errno);
			return;
		}
		/* Anything but an empty queue is about that one connection (accept(2)). */
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
	}
}

static void
on_readable(uv_poll_t *h, int status, int events)
{
	struct reactor *r = reactor_current();
	struct listener *l = h->data;

	(void)events;
	reactor_enter(r);
	if (status == 0) {
		accept_batch(l);
	} else {
		/* libuv has stopped the handle. */
		take_breath(l, -status);
	}
	reactor_leave(r, "accept");
}

/* Start and stop */

static void
start(void *p)
{
	struct listener *l = p;

	if (uv_poll_init(reactor_loop(reactor_current()), &l->poll, l->fd)) {
		log_error(&l->log, "listen-failed", "reason=%s", "the socket cannot be polled");
		return;
	}
	l->running = true;
	l->poll.data = l;
	uv_poll_start(&l->poll, UV_READABLE, on_readable);
}

void
listener_run(struct listener *l)
{
	reactor_call(reactor_at(0), start, l);
}

void
listener_run_on(struct listener *l, struct reactor *r)
{
	l->owner = r;
	listener_run(l);
}

static void
on_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
stop(void *p)
{
	struct listener *l = p;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&l->address;

	timer_clear(&l->pause);
	if (l->running)
		uv_close((uv_handle_t *)&l->poll, on_closed);
	close(l->fd);
	if (l->address.ss_family == AF_UNIX)
		(void)unlink(un->sun_path);
	if (!l->running)
		free(l);
}

void
listener_stop(struct listener *l)
{
	if (!l)
		return;
	if (reactor_count() == 0)
		stop(l);
	else
		reactor_call(reactor_at(0), stop, l);
}
