/*
 * door: sockets around lmtp. A connection whose mail waits is not read, nor is one that does not read what it was answered.
 */
#include "door.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"

#define BACKLOG 64
#define LINE_BYTES 2048
#define ERRORS_MAX 20
#define PIECE 65536
#define UNREAD_BYTES 65536  /* answers: of who has so many waiting no more commands are read */
#define GOODBYE_SECONDS 10  /* for reading the last one */

struct door {
	uv_loop_t *loop;
	const struct mail_settings *settings;
	const struct door_calls *calls;
	void *owner;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} listener;
	char *path; /* of a local socket */
	struct list connections, deliveries;
	unsigned nconnections;
	uint64_t bytes; /* of mails that wait */
	char piece[PIECE];
};

struct connection {
	struct list in;
	struct door *door;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} socket;
	uv_timer_t timer;
	unsigned closing;
	bool reading, closed;
	struct lmtp *lmtp;
	struct delivery *delivery;
};

struct delivery {
	struct list in;
	struct door *door;    /* NULL: it has gone */
	struct connection *c; /* the same */
	struct lmtp_mail mail; /* its texts are ours: the connection's end with it */
	bool *answered;
	size_t left;
	char *data;
};

static void flush(struct connection *c);
static void read_on(struct connection *c);

/* Deliveries */

static void
free_delivery(struct delivery *d)
{
	list_remove(&d->in);
	if (d->door)
		d->door->bytes -= d->mail.n;
	for (size_t i = 0; i < d->mail.nto; i++)
		free((char *)d->mail.to[i]);
	free((void *)d->mail.to);
	free((char *)d->mail.from);
	free(d->data);
	free(d->answered);
	free(d);
}

static struct delivery *
new_delivery(struct connection *c, const struct lmtp_mail *m)
{
	struct delivery *d = NEW(struct delivery);
	const char **to = mem_alloc(m->nto * sizeof(*to));

	d->door = c->door;
	d->c = c;
	d->left = m->nto;
	d->answered = mem_zalloc(m->nto * sizeof(*d->answered));
	for (size_t i = 0; i < m->nto; i++)
		to[i] = mem_strdup(m->to[i]);
	d->data = mem_strndup("", 0);
	if (m->n) {
		d->data = mem_realloc(d->data, m->n);
		memcpy(d->data, m->data, m->n);
	}
	d->mail = (struct lmtp_mail){ .from = mem_strdup(m->from), .to = to, .nto = m->nto, .data = d->data, .n = m->n };
	list_append(&c->door->deliveries, &d->in);
	c->door->bytes += m->n;
	c->delivery = d;
	return d;
}

void
delivery_answer(struct delivery *d, size_t recipient, const char *reply)
{
	struct connection *c = d->c;

	if (d->answered[recipient])
		return;
	d->answered[recipient] = true;
	if (!--d->left) {
		if (c)
			c->delivery = NULL;
		free_delivery(d);
	}
	if (!c)
		return;
	lmtp_answer(c->lmtp, recipient, reply);
	flush(c);
}

/* The mail system waits no longer. What comes of it is not told any more, and when the mail comes again it is seen to be the same. */
static void
abandon(struct connection *c)
{
	struct delivery *d = c->delivery;

	if (!d)
		return;
	c->delivery = NULL;
	d->c = NULL;
}

static const char *
on_recipient(void *owner, const char *to)
{
	struct connection *c = owner;

	return c->door->calls->recipient(c->door->owner, to);
}

static void
on_mail(void *owner, const struct lmtp_mail *m)
{
	struct connection *c = owner;
	struct door *x = c->door;
	struct delivery *d;

	if (x->bytes + m->n > x->settings->limits.waiting_bytes) {
		log_warning(NULL, "mail-too-many", "bytes=%" PRIu64, x->bytes);
		for (size_t i = m->nto; i-- > 0;)
			lmtp_answer(c->lmtp, i, "451 4.3.1 too many mails wait; come again");
		return;
	}
	d = new_delivery(c, m);
	x->calls->mail(x->owner, d, &d->mail);
}

static const struct lmtp_calls lmtp_calls = { on_recipient, on_mail };

/* Connections */

static void
on_closed(uv_handle_t *h)
{
	struct connection *c = h->data;

	if (--c->closing)
		return;
	lmtp_free(c->lmtp);
	free(c);
}

static void
close_connection(struct connection *c)
{
	if (c->closed)
		return;
	c->closed = true;
	abandon(c);
	list_remove(&c->in);
	c->door->nconnections--;
	c->closing = 2;
	uv_close(&c->socket.handle, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void
on_idle(uv_timer_t *timer)
{
	struct connection *c = timer->data;

	/* It does not read what it is told: nobody else comes in while it stays. */
	if (lmtp_is_over(c->lmtp) || c->socket.stream.write_queue_size > 0) {
		close_connection(c);
		return;
	}
	if (c->delivery) {
		struct delivery *d = c->delivery;
		size_t n = d->mail.nto;

		/* Nobody knows yet: the mail system keeps it. */
		abandon(c);
		for (size_t i = 0; i < n && lmtp_is_waiting(c->lmtp); i++)
			if (!d->answered[i])
				lmtp_answer(c->lmtp, i, "451 4.3.2 not archived yet; come again");
	} else {
		lmtp_end(c->lmtp, "4.4.2 too long without a word");
	}
	flush(c);
}

static void
start_timer(struct connection *c)
{
	uint64_t seconds = c->door->settings->limits.idle_seconds;

	if (lmtp_is_over(c->lmtp) && seconds > GOODBYE_SECONDS)
		seconds = GOODBYE_SECONDS;
	(void)uv_timer_start(&c->timer, on_idle, seconds * 1000, 0);
}

static void
on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
	struct connection *c = h->data;

	(void)suggested;
	*b = uv_buf_init(c->door->piece, PIECE);
}

static void
on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
	struct connection *c = s->data;

	if (n < 0) {
		close_connection(c);
		return;
	}
	start_timer(c);
	lmtp_take(c->lmtp, b->base, (size_t)n);
	flush(c);
}

struct write {
	uv_write_t request;
	struct buf bytes;
	bool last;
};

static void
on_written(uv_write_t *request, int status)
{
	struct write *w = request->data;
	struct connection *c = request->handle->data;
	bool last = w->last;

	buf_fini(&w->bytes);
	free(w);
	if (status < 0 || last)
		close_connection(c);
	else
		read_on(c);
}

/* Reads on, or not. */
static void
read_on(struct connection *c)
{
	bool wants = lmtp_wants(c->lmtp) && c->socket.stream.write_queue_size <= UNREAD_BYTES;

	if (c->closed || wants == c->reading)
		return;
	c->reading = wants;
	if (wants)
		(void)uv_read_start(&c->socket.stream, on_alloc, on_read);
	else
		(void)uv_read_stop(&c->socket.stream);
	start_timer(c);
}

/* Writes what there is. */
static void
flush(struct connection *c)
{
	struct buf *out = lmtp_out(c->lmtp);
	struct write *w;
	uv_buf_t b;

	if (c->closed)
		return;
	if (!buf_len(out)) {
		read_on(c);
		return;
	}
	w = NEW(struct write);
	w->bytes = *out;
	*out = (struct buf){ 0 };
	w->last = lmtp_is_over(c->lmtp);
	w->request.data = w;
	if (w->last)
		start_timer(c);
	b = uv_buf_init((char *)buf_data(&w->bytes), (unsigned)buf_len(&w->bytes));
	if (uv_write(&w->request, &c->socket.stream, &b, 1, on_written)) {
		buf_fini(&w->bytes);
		free(w);
		close_connection(c);
		return;
	}
	read_on(c);
}

static void
on_connection(uv_stream_t *listener, int status)
{
	struct door *x = listener->data;
	struct connection *c;
	struct lmtp_limits limits = { .line_bytes = LINE_BYTES, .errors = ERRORS_MAX };

	if (status < 0)
		return;
	limits.mail_bytes = x->settings->limits.mail_bytes;
	limits.recipients = x->settings->limits.recipients;
	c = NEW(struct connection);
	c->door = x;
	if (x->path)
		(void)uv_pipe_init(x->loop, &c->socket.pipe, 0);
	else
		(void)uv_tcp_init(x->loop, &c->socket.tcp);
	(void)uv_timer_init(x->loop, &c->timer);
	c->socket.handle.data = c->timer.data = c;
	c->lmtp = lmtp_new(x->settings->domain, &limits, &lmtp_calls, c);
	list_append(&x->connections, &c->in);
	x->nconnections++;
	if (uv_accept(listener, &c->socket.stream)) {
		close_connection(c);
		return;
	}
	if (x->nconnections > x->settings->limits.connections)
		lmtp_end(c->lmtp, "4.3.2 too many connections");
	flush(c);
}

/* The listener */

static bool
is_loopback(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)sa)->sin6_addr);
}

static int
listen_tcp(struct door *x, const char *where, struct err *e)
{
	const char *colon = strrchr(where, ':');
	struct sockaddr_storage sa = { 0 };
	char *host = colon ? mem_strndup(where, (size_t)(colon - where)) : NULL;
	uint64_t port = 0;
	size_t n = host ? strlen(host) : 0;
	int rc = UV_EINVAL;

	if (host && text_u64(colon + 1, strlen(colon + 1), 1, 65535, &port)) {
		if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
			host[n - 1] = '\0';
			rc = uv_ip6_addr(host + 1, (int)port, (struct sockaddr_in6 *)&sa);
		} else {
			rc = uv_ip4_addr(host, (int)port, (struct sockaddr_in *)&sa);
		}
	}
	free(host);
	if (rc || !is_loopback(&sa))
		return err_set(e, EINVAL, "listen: %s is no loopback address with a port", where);
	rc = uv_tcp_bind(&x->listener.tcp, (struct sockaddr *)&sa, 0);
	if (!rc)
		rc = uv_listen(&x->listener.stream, BACKLOG, on_connection);
	return rc ? err_set(e, -rc, "listen: %s: %s", where, uv_strerror(rc)) : 0;
}

static int
listen_unix(struct door *x, struct err *e)
{
	struct stat st;
	int rc;

	/* What a program before us has left. */
	if (!lstat(x->path, &st) && S_ISSOCK(st.st_mode))
		(void)unlink(x->path);
	rc = uv_pipe_bind(&x->listener.pipe, x->path);
	if (!rc && chmod(x->path, 0660))
		rc = -errno;
	if (!rc)
		rc = uv_listen(&x->listener.stream, BACKLOG, on_connection);
	return rc ? err_set(e, -rc, "listen: %s: %s", x->path, uv_strerror(rc)) : 0;
}

static void
on_listener_closed(uv_handle_t *h)
{
	struct door *x = h->data;

	free(x->path);
	free(x);
}

struct door *
door_new(uv_loop_t *loop, const struct mail_settings *s, const struct door_calls *calls, void *owner, struct err *e)
{
	struct door *x = NEW(struct door);

	x->loop = loop;
	x->settings = s;
	x->calls = calls;
	x->owner = owner;
	list_init(&x->connections);
	list_init(&x->deliveries);
	if (!strncmp(s->listen, "unix:", 5)) {
		x->path = mem_strdup(s->listen + 5);
		(void)uv_pipe_init(loop, &x->listener.pipe, 0);
	} else {
		(void)uv_tcp_init(loop, &x->listener.tcp);
	}
	x->listener.handle.data = x;
	if (!(x->path ? listen_unix(x, e) : listen_tcp(x, s->listen, e)))
		return x;
	door_free(x);
	return NULL;
}

void
door_change(struct door *x, const struct mail_settings *s)
{
	x->settings = s;
}

void
door_free(struct door *x)
{
	if (!x)
		return;
	LIST_EACH(l, &x->connections)
		close_connection(LIST_ENTRY(l, struct connection, in));
	/* They end when they are answered. */
	LIST_EACH(l, &x->deliveries)
	{
		LIST_ENTRY(l, struct delivery, in)->door = NULL;
		list_remove(l);
	}
	uv_close(&x->listener.handle, on_listener_closed);
}
