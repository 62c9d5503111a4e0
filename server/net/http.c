/*
 * http: connections and their requests. Called by its listener and by conn; calls the routes.
 *
 * A connection reads heads and bodies one after the other, and keeps its requests in a list, the oldest first. What the
 * oldest answers goes to the connection; what others answer waits in their own buffer until they are the oldest. A
 * request ends when it is answered and its body has been read; an answer that comes before the end of the body is the
 * last one on its connection, since nobody knows whether the rest is still wanted (RFC 9112 §9.3).
 */
#include "net/http.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/http_priv.h"
#include "net/listener.h"

#define PIPELINED_MAX 4
#define UNREAD_MAX 65536 /* bytes of answers that a client has not taken: no further request is read before */
#define LINGER_MS 2000

static _Thread_local struct http_here here;

static void on_data(struct conn *conn, void *owner, const char *p, size_t n);
static void on_secured(struct conn *conn, void *owner);
static void on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why);
static void on_flushed(struct conn *conn, void *owner, uint64_t upto);
static void on_timer(struct timer *t);
static void refuse_head(struct http_conn *c, int status);

static const struct conn_ops conn_ops = { on_data, on_secured, on_ended, on_flushed };

const struct http_settings *
http_settings(void)
{
	return here.settings;
}

/* Life */

static void
free_request(void *p)
{
	struct http_request *r = p;

	if (r->file >= 0)
		close(r->file);
	buf_fini(&r->out);
	buf_fini(&r->fields);
	free(r->text);
	free(r->address);
	free(r);
}

void
http_forget_body(struct http_request *r)
{
	if (!r->kept)
		return;
	list_remove(&r->keeps);
	here.kept -= r->kept;
	r->kept = 0;
	metric_set(METRIC_HTTP_BODIES, (int64_t)here.kept);
}

void
http_request_end(struct http_request *r)
{
	r->gone = true;
	http_forget_body(r);
	if (r->c->reading == r)
		r->c->reading = NULL;
	list_remove(&r->link);
	r->c->nrequests--;
	reactor_free_later(reactor_current(), free_request, r);
}

static void
leave_source(struct http_conn *c)
{
	if (c->counted)
		source_left(conn_source(c->conn), c->known);
	c->counted = false;
}

static void
forget(struct http_conn *c)
{
	c->closed = true;
	timer_clear(&c->timer);
	timer_clear(&c->pace);
	leave_source(c);
	buf_fini(&c->in);
	list_remove(&c->link);
	here.n--;
	metric_add(METRIC_HTTP_CONNECTIONS, -1);
	reactor_free_later(reactor_current(), free, c);
}

void
http_conn_release(struct http_conn *c, struct http_request *r)
{
	http_request_end(r);
	forget(c);
}

void
http_drop(struct http_conn *c)
{
	c->dropping = true;
	LIST_EACH(l, &c->requests) {
		struct http_request *r = LIST_ENTRY(l, struct http_request, link);

		if (!r->answered && r->route && r->route->gone)
			r->route->gone(r);
		http_request_end(r);
	}
	conn_close(c->conn);
	forget(c);
}

static bool
is_proxy(const char *address)
{
	for (size_t i = 0; i < here.settings->nproxies; i++)
		if (!strcmp(here.settings->proxies[i], address))
			return true;
	return false;
}

void
http_accept(int fd, const struct sockaddr *peer, void *unused)
{
	struct http_conn *c = NEW(struct http_conn);
	struct tls_set *tls;
	bool refused;

	(void)unused;
	list_init(&c->requests);
	c->conn = conn_new(fd, peer, &conn_ops, c, here.settings->output_bytes);
	list_append(&here.all, &c->link);
	here.n++;
	metric_add(METRIC_HTTP_CONNECTIONS, 1);
	c->proxy = is_proxy(conn_address(c->conn));
	c->counted = !c->proxy && source_joined(conn_source(c->conn));
	if (!c->counted && !c->proxy) {
		http_drop(c);
		return;
	}
	tls = here.settings->tls();
	refused = conn_start_tls(c->conn, tls, true, 0);
	tls_set_unref(tls);
	timer_set(&c->timer, here.settings->login_ms, on_timer);
	if (refused)
		http_drop(c);
}

static void
on_secured(struct conn *conn, void *owner)
{
	struct http_conn *c = owner;

	(void)conn;
	c->state = HTTP_READ_HEAD;
	timer_set(&c->timer, here.settings->head_ms, on_timer);
}

static void
on_ended(struct conn *conn, void *owner, enum conn_end how, const char *why)
{
	log_debug(conn_log(conn), "http-ended", "how=%d why=%s", how, why);
	http_drop(owner);
}

/* No more requests; what is queued goes out. */
void
http_shut(struct http_conn *c)
{
	if (c->state == HTTP_SHUT)
		return;
	c->state = HTTP_SHUT;
	buf_fini(&c->in);
	conn_shutdown(c->conn, LINGER_MS, true);
	/* What a client still sends has to be taken, or it would not see the answer. */
	if (c->waiting)
		conn_resume(c->conn);
	c->waiting = false;
	timer_set(&c->timer, LINGER_MS * 10, on_timer);
}

/* Its body is not taken any further. */
static void
refuse_body(struct http_request *r, int status)
{
	metric_add(METRIC_HTTP_REFUSED, 1);
	if (r->route->gone)
		r->route->gone(r);
	if (status == 503)
		http_field(r, "Retry-After", "5");
	http_refuse(r, status);
}

/* Time */

static void
set_idle(struct http_conn *c)
{
	if (c->state == HTTP_READ_HEAD && !buf_len(&c->in)) {
		if (list_is_empty(&c->requests))
			timer_set(&c->timer, here.settings->idle_ms, on_timer);
		else
			timer_clear(&c->timer);
	}
}

static void
on_timer(struct timer *t)
{
	struct http_conn *c = LIST_ENTRY(t, struct http_conn, timer);
	struct http_request *r = c->reading;

	if (c->state == HTTP_READ_BODY && r && !r->answered && !r->begun) {
		log_info(conn_log(c->conn), "http-slow-body", "path=%s", r->route->path);
		refuse_body(r, 408);
		return;
	}
	if (c->state == HTTP_READ_HEAD && buf_len(&c->in)) {
		metric_add(METRIC_HTTP_REFUSED, 1);
		log_info(conn_log(c->conn), "http-slow-head", "bytes=%zu", buf_len(&c->in));
		refuse_head(c, 408);
		return;
	}
	http_drop(c);
}

/* Heads */

static const struct http_route *
find_route(const char *path)
{
	const struct http_route *below = NULL;
	size_t longest = 0;

	for (size_t i = 0; i < here.nroutes; i++) {
		const struct http_route *t = &here.routes[i];
		size_t n = strlen(t->path);

		if (!strcmp(t->path, path))
			return t;
		if (n > 1 && t->path[n - 1] == '/' && n > longest && !strncmp(t->path, path, n)) {
			below = t;
			longest = n;
		}
	}
	return below;
}

/* For the log: what follows a route that is a folder may be what lets people in. */
static const char *
path_shown(const char *path)
{
	const struct http_route *t = find_route(path);

	return t ? t->path : path;
}

static bool
allows(const struct http_route *t, enum http_method m)
{
	return t->methods & 1U << m || (m == HTTP_HEAD && t->methods & 1U << HTTP_GET);
}

static void
say_allowed(struct http_request *r)
{
	struct buf b = { 0 };

	for (int m = 0; m < HTTP_METHODS; m++)
		if (allows(r->route, (enum http_method)m))
			buf_addf(&b, "%s%s", buf_len(&b) ? ", " : "", http_method_name((enum http_method)m));
	http_field(r, "Allow", buf_str(&b));
	buf_fini(&b);
	http_refuse(r, 405);
}

static bool
has_body(const struct http_request *r)
{
	return r->head.chunked || r->head.length > 0;
}

/* The head is complete: to its route. False: the connection is no longer ours. */
static bool
dispatch(struct http_conn *c, struct http_request *r)
{
	r->route = find_route(r->head.path);
	if (!r->route) {
		http_refuse(r, 404);
	} else if (!allows(r->route, r->head.method)) {
		say_allowed(r);
	} else {
		r->route->begin(r);
		if (!c->closed && !r->gone && !r->answered && !r->begun && has_body(r) &&
		    (!r->route->body || r->head.length > r->body_max)) {
			if (r->route->gone)
				r->route->gone(r);
			http_refuse(r, 413);
		}
	}
	return !c->closed;
}

static void
body_ended(struct http_conn *c, struct http_request *r)
{
	http_forget_body(r);
	c->reading = NULL;
	c->state = HTTP_READ_HEAD;
	r->body_done = true;
	if (!r->answered && !r->begun && r->route->complete)
		r->route->complete(r);
}

/* "100 Continue" has its place behind the answers before it; a client that waits for it is not late until then. */
static void
body_may_come(struct http_conn *c, struct http_request *r)
{
	if (r->waits && c->requests.next != &r->link) {
		timer_clear(&c->timer);
		return;
	}
	if (r->waits)
		conn_write(c->conn, "HTTP/1.1 100 Continue\r\n\r\n", 25);
	r->waits = false;
	timer_set(&c->timer, here.settings->head_ms, on_timer);
}

void
http_body_may_come(struct http_conn *c, struct http_request *r)
{
	if (r->waits && !r->paused) {
		c->body_since_ms = reactor_now_ms(reactor_current());
		body_may_come(c, r);
	}
}

static void
begin_body(struct http_conn *c, struct http_request *r)
{
	if (r->gone || r->answered || c->state == HTTP_SHUT)
		return;
	if (!has_body(r)) {
		body_ended(c, r);
		return;
	}
	c->reading = r;
	c->state = HTTP_READ_BODY;
	c->body_since_ms = reactor_now_ms(reactor_current());
	r->waits = r->head.proceed;
	if (r->paused)
		timer_clear(&c->timer);
	else
		body_may_come(c, r);
}

static struct http_request *
new_request(struct http_conn *c)
{
	struct http_request *r = NEW(struct http_request);

	r->c = c;
	r->file = -1;
	list_append(&c->requests, &r->link);
	c->nrequests++;
	return r;
}

static void
refuse_head(struct http_conn *c, int status)
{
	struct http_request *r = new_request(c);

	metric_add(METRIC_HTTP_REFUSED, 1);
	log_info(conn_log(c->conn), "http-refused", "status=%d", status);
	buf_fini(&c->in);
	c->state = HTTP_CLOSING;
	http_refuse(r, status);
}

static bool
take_request(struct http_conn *c)
{
	struct http_request *r = new_request(c);
	int status;

	r->text_len = buf_len(&c->in);
	r->text = mem_strndup(buf_data(&c->in), r->text_len);
	buf_fini(&c->in);
	status = http_head_parse(r->text, r->text_len, &r->head);
	metric_add(METRIC_HTTP_REQUESTS, 1);
	if (status) {
		metric_add(METRIC_HTTP_REFUSED, 1);
		log_info(conn_log(c->conn), "http-refused", "status=%d", status);
		c->state = HTTP_CLOSING;
		http_refuse(r, status);
		return !c->closed;
	}
	log_debug(conn_log(c->conn), "http-request", "method=%s path=%s", http_method_name(r->head.method), path_shown(r->head.path));
	if (!c->known && c->counted)
		source_authenticated(conn_source(c->conn));
	c->known = true;
	r->body_done = !has_body(r);
	if (!dispatch(c, r))
		return false;
	begin_body(c, r);
	return !c->closed;
}

/* Up to the empty line; returns how many bytes of p were taken. */
static size_t
gather_head(struct http_conn *c, const char *p, size_t n, bool *complete)
{
	size_t had = buf_len(&c->in), skip = 0, from;
	const char *end;

	*complete = false;
	/* RFC 9112 §2.2: an empty line too many behind the last request. */
	while (!had && skip < n && (p[skip] == '\r' || p[skip] == '\n') && c->blank < 2) {
		skip++;
		c->blank++;
	}
	if (skip == n)
		return n;
	if (!had)
		timer_set(&c->timer, here.settings->head_ms, on_timer);
	buf_add(&c->in, p + skip, n - skip);
	from = had > 3 ? had - 3 : 0;
	end = memmem(buf_data(&c->in) + from, buf_len(&c->in) - from, "\r\n\r\n", 4);
	if (!end)
		return n;
	*complete = true;
	c->blank = 0;
	n = (size_t)(end - buf_data(&c->in)) + 4;
	c->in.len = c->in.off + n;
	return skip + n - had;
}

/* Bodies */

/* Whoever has nothing to show yet may send a body. What is on its way is bounded for all of them together, and what has been for longest goes: who
 * keeps bodies coming that never end keeps nobody out. False: it is this one. */
static bool
keep_body(struct http_request *r, size_t n)
{
	if (!r->route->keeps_body || !n)
		return true;
	if (!r->kept)
		list_append(&here.keeping, &r->keeps);
	r->kept += n;
	here.kept += n;
	while (here.kept > here.settings->bodies_bytes) {
		struct http_request *oldest = LIST_ENTRY(here.keeping.next, struct http_request, keeps);

		log_info(http_log(oldest), "http-bodies-full", "path=%s bytes=%llu", oldest->route->path, (unsigned long long)oldest->kept);
		refuse_body(oldest, 503);
	}
	metric_set(METRIC_HTTP_BODIES, (int64_t)here.kept);
	return !r->answered;
}

/* A piece of it; returns how many bytes were taken. False in *go: the connection is not ours any more, or not read. */
static size_t
take_body(struct http_conn *c, struct http_request *r, const char *p, size_t n, bool *go)
{
	const char *data = p;
	size_t len = n;
	ptrdiff_t used;
	bool done;

	if (r->head.chunked) {
		used = http_chunks_take(&r->chunks, p, n, &data, &len, &done);
	} else {
		len = n < r->head.length - r->received ? n : (size_t)(r->head.length - r->received);
		used = (ptrdiff_t)len;
		done = r->received + len == r->head.length;
	}
	r->received += len;
	if (r->waits) /* it has not waited */
		c->body_since_ms = reactor_now_ms(reactor_current());
	r->waits = false;
	if (used < 0 || r->received > r->body_max) {
		refuse_body(r, used < 0 ? 400 : 413);
	} else if (keep_body(r, len)) {
		if (len)
			r->route->body(r, data, len);
		if (!c->closed && done && !r->gone && c->state == HTTP_READ_BODY)
			body_ended(c, r);
	}
	*go = !c->closed;
	return used < 0 ? n : (size_t)used;
}

static void
push_deadline(struct http_conn *c)
{
	int64_t now = reactor_now_ms(reactor_current()), spent = now - c->body_since_ms;
	int64_t bought = (int64_t)(c->reading->received / HTTP_BYTES_PER_MS), left = here.settings->head_ms + bought - spent;

	timer_set(&c->timer, left < (int64_t)here.settings->head_ms ? left : (int64_t)here.settings->head_ms, on_timer);
}

/* A head that has begun is read to its end. */
static bool
must_wait(const struct http_conn *c)
{
	if (c->state != HTTP_READ_HEAD)
		return c->reading && c->reading->paused;
	return c->nrequests >= PIPELINED_MAX || (!buf_len(&c->in) && conn_mark(c->conn) - conn_flushed(c->conn) > UNREAD_MAX);
}

static void
wait_here(struct http_conn *c, size_t used)
{
	if (!c->waiting)
		conn_pause(c->conn);
	c->waiting = true;
	conn_keep_rest(c->conn, used);
}

static void
on_data(struct conn *conn, void *owner, const char *p, size_t n)
{
	struct http_conn *c = owner;
	size_t at = 0, used;
	bool complete, go = true;

	while (go && at < n && (c->state == HTTP_READ_HEAD || c->state == HTTP_READ_BODY)) {
		if (must_wait(c)) {
			wait_here(c, at);
			set_idle(c);
			return;
		}
		if (c->state == HTTP_READ_BODY) {
			at += take_body(c, c->reading, p + at, n - at, &go);
			continue;
		}
		used = gather_head(c, p + at, n - at, &complete);
		at += used;
		if (buf_len(&c->in) > here.settings->head_bytes) {
			refuse_head(c, 431);
		} else if (complete) {
			/* For whoever takes the connection over. */
			if (at < n)
				conn_keep_rest(conn, at);
			go = take_request(c);
			if (go && at < n)
				conn_keep_rest(conn, n);
		}
	}
	if (!go || c->closed)
		return;
	if (c->state == HTTP_READ_BODY && !c->reading->paused)
		push_deadline(c);
	else if (c->state != HTTP_READ_BODY)
		set_idle(c);
}

/* A place has become free, or the oldest request is another one. */
void
http_go_on(struct http_conn *c)
{
	if (c->closed || c->state == HTTP_SHUT)
		return;
	if (c->waiting && !must_wait(c)) {
		c->waiting = false;
		conn_resume(c->conn);
	}
	set_idle(c);
}

void
http_pause(struct http_request *r)
{
	if (r->paused)
		return;
	r->paused = true;
	r->paused_ms = reactor_now_ms(reactor_current());
	if (r->c->reading == r)
		timer_clear(&r->c->timer);
}

void
http_resume(struct http_request *r)
{
	struct http_conn *c = r->c;

	if (!r->paused)
		return;
	r->paused = false;
	if (c->reading == r) {
		c->body_since_ms += reactor_now_ms(reactor_current()) - r->paused_ms;
		body_may_come(c, r);
	}
	http_go_on(c);
}

static void
on_flushed(struct conn *conn, void *owner, uint64_t upto)
{
	struct http_conn *c = owner;

	(void)conn;
	(void)upto;
	if (c->state != HTTP_SHUT)
		http_pump(c);
	if (!c->closed)
		http_ask_more(c);
	http_go_on(c);
}

/* Start and stop */

void
http_start(const struct http_route *routes, size_t n, const struct http_settings *s)
{
	list_init(&here.all);
	list_init(&here.keeping);
	here.kept = 0;
	here.n = 0;
	here.routes = routes;
	here.nroutes = n;
	here.settings = s;
}

void
http_set(const struct http_settings *s)
{
	here.settings = s;
}

unsigned
http_quiet(void)
{
	here.quiet = true;
	LIST_EACH(l, &here.all) {
		struct http_conn *c = LIST_ENTRY(l, struct http_conn, link);

		if (list_is_empty(&c->requests) && c->state != HTTP_SHUT)
			http_drop(c);
	}
	return here.n;
}

bool
http_is_quiet(void)
{
	return here.quiet;
}

void
http_stop(void)
{
	LIST_EACH(l, &here.all)
		http_drop(LIST_ENTRY(l, struct http_conn, link));
}
