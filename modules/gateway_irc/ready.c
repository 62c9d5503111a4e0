#include "ready.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define EVENTS_PER_TURN 512 /* the rest is for the next one */

struct ready {
	uv_poll_t poll;
	int fd;
	bool telling;
	struct list closed; /* meanwhile: what is still to be told may be about them */
};

static void
on_poll(uv_poll_t *p, int status, int events)
{
	struct epoll_event came[EVENTS_PER_TURN];
	struct ready *r = p->data;
	struct list *l;
	int n = epoll_wait(r->fd, came, EVENTS_PER_TURN, 0);

	(void)status;
	(void)events;
	r->telling = true;
	for (int i = 0; i < n; i++) {
		struct ready_socket *s = came[i].data.ptr;

		if (s->fn)
			s->fn(s->arg, came[i].events);
	}
	r->telling = false;
	while ((l = list_pop(&r->closed)))
		free(LIST_ENTRY(l, struct ready_socket, closed));
}

struct ready *
ready_new(uv_loop_t *loop)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);
	struct ready *r;

	if (fd < 0)
		return NULL;
	r = NEW(struct ready);
	r->fd = fd;
	list_init(&r->closed);
	uv_poll_init(loop, &r->poll, fd);
	r->poll.data = r;
	uv_poll_start(&r->poll, UV_READABLE, on_poll);
	return r;
}

/* Nothing is being told. */
static void
poll_closed(uv_handle_t *h)
{
	struct ready *r = h->data;

	close(r->fd);
	free(r);
}

void
ready_free(struct ready *r)
{
	if (r)
		uv_close((uv_handle_t *)&r->poll, poll_closed);
}

static int
tell_kernel(const struct ready *r, int what, struct ready_socket *s)
{
	struct epoll_event e = { .events = s->events | EPOLLET, .data.ptr = s };

	return epoll_ctl(r->fd, what, s->fd, &e);
}

struct ready_socket *
ready_open(struct ready *r, int fd, uint32_t events, ready_fn fn, void *arg)
{
	struct ready_socket *s = NEW(struct ready_socket);

	*s = (struct ready_socket){ .fd = fd, .events = events, .fn = fn, .arg = arg };
	list_init(&s->closed);
	if (!tell_kernel(r, EPOLL_CTL_ADD, s))
		return s;
	free(s);
	return NULL;
}

void
ready_watch(struct ready *r, struct ready_socket *s, uint32_t events)
{
	if (s->events == events)
		return;
	s->events = events;
	ready_again(r, s);
}

void
ready_again(struct ready *r, struct ready_socket *s)
{
	/* The kernel looks at it in this very call. It needs no memory for that, and so does not fail. */
	(void)tell_kernel(r, EPOLL_CTL_MOD, s);
}

void
ready_close(struct ready *r, struct ready_socket *s)
{
	s->fn = NULL;
	/* A child that has just been forked may still have it: closing it would not be enough (epoll(7)). */
	(void)tell_kernel(r, EPOLL_CTL_DEL, s);
	close(s->fd);
	if (r->telling)
		list_append(&r->closed, &s->closed);
	else
		free(s);
}
