/* sip_loop: sofia-sip's event loop inside ours. */
#include "sip_loop.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* Nothing of the library's is due later than that, whatever it says. */
#define LONGEST_MS 60000
#define FLUSH_TURNS 50

#define FDS 1024

struct sip_loop {
	su_root_t *root;
	uv_poll_t ready;     /* the library's epoll */
	uv_prepare_t before; /* our loop is about to sleep */
	uv_timer_t due;
	unsigned handles;
};

/* ---- the descriptor --------------------------------------------------------------------------------------- */

/* Which of our descriptors are epolls. */
static int
epolls(bool found[FDS], struct err *e)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *entry;

	if (d == NULL)
		return err_set(e, 0, "cannot look at /proc/self/fd");
	memset(found, 0, FDS * sizeof(*found));
	while ((entry = readdir(d)) != NULL) {
		long fd = strtol(entry->d_name, NULL, 10);
		char path[64], what[64];
		ssize_t n;

		if (entry->d_name[0] == '.' || fd < 0 || fd >= FDS)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
		n = readlink(path, what, sizeof(what) - 1);
		if (n > 0) {
			what[n] = '\0';
			found[fd] = strcmp(what, "anon_inode:[eventpoll]") == 0;
		}
	}
	closedir(d);
	return 0;
}

/* A root, and the one epoll that came with it. */
static int
make_root(struct sip_loop *l, struct err *e)
{
	bool before[FDS], now[FDS];
	int fd = -1;

	if (epolls(before, e) < 0)
		return -1;
	if ((l->root = su_root_create(NULL)) == NULL)
		return err_set(e, 0, "sofia-sip does not start");
	if (epolls(now, e) < 0)
		return -1;
	for (int i = 0; i < FDS; i++)
		if (now[i] && !before[i]) {
			if (fd >= 0)
				return err_set(e, 0, "sofia-sip waits in more ways than one");
			fd = i;
		}
	if (fd < 0)
		return err_set(e, 0, "sofia-sip waits in another way than by epoll");
	return fd;
}

/* ---- waiting ---------------------------------------------------------------------------------------------- */

static void
on_due(uv_timer_t *t)
{
	(void)t; /* awake: on_before comes */
}

static void
on_ready(uv_poll_t *p, int status, int events)
{
	(void)p; /* the same */
	(void)status;
	(void)events;
}

static void
on_before(uv_prepare_t *p)
{
	struct sip_loop *l = p->data;
	su_duration_t ms = su_root_step(l->root, 0);

	uv_timer_start(&l->due, on_due, ms < 0 || ms > LONGEST_MS ? LONGEST_MS : (uint64_t)ms, 0);
}

struct sip_loop *
sip_loop_start(uv_loop_t *loop, struct err *e)
{
	struct sip_loop *l = NEW(struct sip_loop);
	int fd = make_root(l, e);

	if (fd < 0) {
		if (l->root != NULL)
			su_root_destroy(l->root);
		free(l);
		return NULL;
	}
	/* One thread: what the library starts on its behalf runs in the same. */
	su_root_threading(l->root, 0);
	uv_poll_init(loop, &l->ready, fd);
	uv_prepare_init(loop, &l->before);
	uv_timer_init(loop, &l->due);
	l->ready.data = l->before.data = l->due.data = l;
	l->handles = 3;
	uv_poll_start(&l->ready, UV_READABLE, on_ready);
	uv_prepare_start(&l->before, on_before);
	return l;
}

su_root_t *
sip_loop_root(struct sip_loop *l)
{
	return l->root;
}

void
sip_loop_flush(struct sip_loop *l)
{
	for (unsigned i = 0; i < FLUSH_TURNS && su_root_step(l->root, 0) == 0; i++)
		;
}

static void
on_closed(uv_handle_t *h)
{
	struct sip_loop *l = h->data;

	if (--l->handles == 0)
		free(l);
}

void
sip_loop_stop(struct sip_loop *l)
{
	if (l == NULL)
		return;
	uv_close((uv_handle_t *)&l->ready, on_closed);
	uv_close((uv_handle_t *)&l->before, on_closed);
	uv_close((uv_handle_t *)&l->due, on_closed);
	su_root_destroy(l->root);
	l->root = NULL;
}
