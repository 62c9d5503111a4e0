/*
 * ready: which of the connections of a network have something to be read, or room for more. A list of the kernel's (epoll) that the loop sees as one thing, edge-triggered: a
 * socket is looked at once for what came, and not a second time to hear that there is no more, as libuv's own would. So who is told reads until there is no more, or asks again.
 */
#ifndef GATEWAY_IRC_READY_H
#define GATEWAY_IRC_READY_H

#include <stdint.h>
#include <sys/epoll.h>
#include <uv.h>

#include "base/list.h"

/* EPOLLIN and so on (epoll_ctl(2)). May open and close any. */
typedef void (*ready_fn)(void *arg, uint32_t events);

struct ready_socket {
	int fd;
	uint32_t events; /* that it is looked at for */
	/* From here on ready.c's. */
	ready_fn fn; /* NULL: closed */
	void *arg;
	struct list closed;
};

struct ready;

/* NULL, and errno says why. */
struct ready *ready_new(uv_loop_t *loop);
/* All its sockets have been closed. NULL is fine. */
void ready_free(struct ready *r);
/* `fd` is its own from then on. NULL, and errno says why: it is the caller's. */
struct ready_socket *ready_open(struct ready *r, int fd, uint32_t events, ready_fn fn, void *arg);
/* When that is another set of events than before, what is so already is told, too. */
void ready_watch(struct ready *r, struct ready_socket *s, uint32_t events);
/* What is so still, of what was told, is told once more, in a later turn. */
void ready_again(struct ready *r, struct ready_socket *s);
/* With its fd; nothing more is told of it. */
void ready_close(struct ready *r, struct ready_socket *s);

#endif
