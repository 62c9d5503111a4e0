/*
 * dial: attempts side by side, the first that is connected wins (RFC 8305 §5).
 *
 * Each attempt is a socket with a connect(2) under way, a uv_poll and a timer. `next` starts one more: at once when the last one
 * has failed, else after DIAL_NEXT_MS. The end, good or bad, is told once, at the end of a turn or in an event, and frees everything.
 */
#include "net/dial.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "base/mem.h"
#include "net/address.h"

struct attempt {
	struct dial *dial;
	uv_poll_t *poll; /* of its own memory, since libuv takes its time to close it */
	struct timer timer;
	int fd;          /* -1: not begun, or over */
};

struct dial {
	struct reactor *home;
	dial_fn fn;
	void *owner;
	struct timer next, deadline;
	struct deferred begin; /* nothing is told from within dial_new */
	size_t n, started, running;
	struct dial_target *target;
	struct attempt *attempt; /* one for each */
	char why[DIAL_WHY];
};

static void go_on(struct dial *d);

/* The order: within a run of addresses of one host families take turns, beginning with that of the first. */

static size_t
next_of(const struct dial_target *t, size_t n, size_t from, int family)
{
	while (from < n && t[from].address.ss_family != family)
		from++;
	return from;
}

static void
take_turns(struct dial_target *out, const struct dial_target *t, size_t n)
{
	int first = t[0].address.ss_family, second = first == AF_INET6 ? AF_INET : AF_INET6;
	size_t a = next_of(t, n, 0, first), b = next_of(t, n, 0, second);

	for (size_t i = 0; i < n; i++) {
		size_t *from = (i % 2 == 0 && a < n) || b >= n ? &a : &b;

		out[i] = t[*from];
		*from = next_of(t, n, *from + 1, from == &a ? first : second);
	}
}

static void
order(struct dial_target *out, const struct dial_target *t, size_t n)
{
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && t[end].host == t[i].host && t[end].direct_tls == t[i].direct_tls; end++)
			;
		take_turns(out + i, t + i, end - i);
	}
}

/* Attempts */

static void
on_poll_closed(uv_handle_t *h)
{
	free(h);
}

/* Gives up its descriptor; the caller closes it or has a use for it. */
static int
end_attempt(struct attempt *a)
{
	int fd = a->fd;

	timer_clear(&a->timer);
	if (a->poll)
		uv_close((uv_handle_t *)a->poll, on_poll_closed);
	a->poll = NULL;
	a->fd = -1;
	a->dial->running--;
	return fd;
}

static void
failed(struct attempt *a, const char *reason)
{
	struct dial *d = a->dial;
	const struct dial_target *t = &d->target[a - d->attempt];
	char text[ADDRESS_TEXT];

	address_text((const struct sockaddr *)&t->address, text);
	/* The port is at the same place in both families. */
	snprintf(d->why, sizeof(d->why), "%s port %u: %s", text, ntohs(((const struct sockaddr_in *)&t->address)->sin_port), reason);
	if (a->fd >= 0)
		close(end_attempt(a));
}

static void
release(void *p)
{
	struct dial *d = p;

	free(d->target);
	free(d->attempt);
	free(d);
}

void
dial_cancel(struct dial *d)
{
	if (!d)
		return;
	timer_clear(&d->next);
	timer_clear(&d->deadline);
	reactor_undefer(d->home, &d->begin);
	for (size_t i = 0; i < d->started; i++)
		if (d->attempt[i].fd >= 0)
			close(end_attempt(&d->attempt[i]));
	reactor_free_later(d->home, release, d);
}

static void
tell_failure(struct dial *d)
{
	dial_cancel(d);
	/* Its memory is there until the end of the turn. */
	d->fn(d->owner, -1, NULL, d->why);
}

static void
tell_success(struct attempt *a)
{
	struct dial *d = a->dial;
	int fd = end_attempt(a);

	dial_cancel(d);
	d->fn(d->owner, fd, &d->target[a - d->attempt], NULL);
}

/* An event: connected or not. */
static void
connected(struct attempt *a)
{
	struct dial *d = a->dial;
	int code = 0;
	socklen_t len = sizeof(code);

	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &code, &len))
		code = errno;
	if (!code) {
		tell_success(a);
		return;
	}
	failed(a, strerror(code));
	go_on(d);
}

static void
on_event(uv_poll_t *h, int status, int events)
{
	struct attempt *a = h->data;
	struct reactor *r = a->dial->home;

	(void)status;
	(void)events;
	reactor_enter(r);
	connected(a);
	reactor_leave(r, "dial");
}

static void
silent(struct timer *t)
{
	struct attempt *a = LIST_ENTRY(t, struct attempt, timer);
	struct dial *d = a->dial;

	failed(a, "no answer");
	go_on(d);
}

static int
watch(struct attempt *a)
{
	uv_poll_t *h = NEW(uv_poll_t);

	if (uv_poll_init(reactor_loop(a->dial->home), h, a->fd)) {
		free(h);
		return -1;
	}
	h->data = a;
	a->poll = h;
	return uv_poll_start(h, UV_WRITABLE, on_event);
}

static socklen_t
length_of(const struct sockaddr_storage *s)
{
	return s->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

/* False when it has failed already. */
static bool
start(struct attempt *a)
{
	const struct sockaddr_storage *to = &a->dial->target[a - a->dial->attempt].address;

	a->fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0) {
		failed(a, strerror(errno));
		return false;
	}
	a->dial->running++;
	if (connect(a->fd, (const struct sockaddr *)to, length_of(to)) && errno != EINPROGRESS) {
		failed(a, strerror(errno));
		return false;
	}
	/* On loopback it may be connected already: the event comes all the same. */
	if (watch(a)) {
		failed(a, "cannot be polled");
		return false;
	}
	timer_set(&a->timer, DIAL_EACH_MS, silent);
	return true;
}

static void
on_next(struct timer *t)
{
	go_on(LIST_ENTRY(t, struct dial, next));
}

/* One more, or the end. */
static void
go_on(struct dial *d)
{
	timer_clear(&d->next);
	while (d->started < d->n) {
		if (!start(&d->attempt[d->started++]))
			continue;
		if (d->started < d->n)
			timer_set(&d->next, DIAL_NEXT_MS, on_next);
		return;
	}
	if (!d->running)
		tell_failure(d);
}

static void
on_begin(struct deferred *begin)
{
	go_on(LIST_ENTRY(begin, struct dial, begin));
}

static void
on_deadline(struct timer *t)
{
	struct dial *d = LIST_ENTRY(t, struct dial, deadline);

	for (size_t i = 0; i < d->started; i++)
		if (d->attempt[i].fd >= 0)
			failed(&d->attempt[i], "no answer in time");
	tell_failure(d);
}

struct dial *
dial_new(const struct dial_target *targets, size_t n, unsigned deadline_ms, dial_fn fn, void *owner)
{
	struct dial *d = NEW(struct dial);

	d->home = reactor_current();
	assert(d->home);
	d->fn = fn;
	d->owner = owner;
	d->n = n;
	d->target = mem_zalloc((n + 1) * sizeof(*d->target));
	d->attempt = mem_zalloc((n + 1) * sizeof(*d->attempt));
	order(d->target, targets, n);
	for (size_t i = 0; i < n; i++) {
		d->attempt[i].dial = d;
		d->attempt[i].fd = -1;
	}
	snprintf(d->why, sizeof(d->why), "no address");
	d->begin.run = on_begin;
	reactor_defer(d->home, &d->begin);
	timer_set(&d->deadline, deadline_ms, on_deadline);
	return d;
}
