/*
 * metrics: an HTTP/1.1 responder for one page.
 *
 * A thread polls the listening sockets and at most METRICS_CLIENTS connections. A connection is read until
 * its head is complete, answered, and closed once the peer has closed: closing earlier, with bytes still
 * unread, would make the kernel reset the connection and take the answer with it. Whatever happens, it is
 * over after METRICS_DEADLINE_MS. While all places are taken, others wait in the backlog.
 */
#include "admin/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config_table.h"
#include "core/gateway/gateway_stats.h"

#define METRICS_CLIENTS 8
#define METRICS_DEADLINE_MS 5000

struct scraper {
	int fd;        /* -1: the place is free */
	bool answered; /* out is being written, then the rest of the input thrown away */
	int64_t deadline_ms;
	struct buf in, out;
};

static struct {
	pthread_t thread;
	bool running;
	int wake;
	int listen[CONFIG_LIST_MAX];
	size_t nlisten;
	struct scraper client[METRICS_CLIENTS];
} page;

static void
respond(struct buf *out, const char *status, const char *extra, const char *body, size_t n,
	bool with_body)
{
	buf_addf(out,
		 "HTTP/1.1 %s\r\n"
		 "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		 "Content-Length: %zu\r\n"
		 "X-Content-Type-Options: nosniff\r\n"
		 "Cache-Control: no-store\r\n"
		 "%sConnection: close\r\n\r\n",
		 status, n, extra);
	if (with_body)
		buf_add(out, body, n);
}

static void
respond_text(struct buf *out, const char *status, const char *extra)
{
	/* The code's words are all there is to say. */
	respond(out, status, extra, status + 4, strlen(status + 4), true);
}

/* The length of the line at s, which must end in CR LF and hold nothing that is not text. -1: it does not. */
static ssize_t
line_length(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\r')
			return i + 1 < n && s[i + 1] == '\n' ? (ssize_t)i : -1;
		if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
			return -1;
	}
	return -1;
}

/* RFC 9112 §5: NAME ":" …, no folding; exactly one Host (§3.2) in HTTP/1.1. */
static bool
fields_are_valid(const char *s, size_t n, bool need_host)
{
	static const char token[] =
		"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned hosts = 0;

	for (;;) {
		ssize_t len = line_length(s, n);
		size_t name = 0;

		if (len < 0)
			return false;
		if (len == 0)
			return n == 2 && (need_host ? hosts == 1 : hosts <= 1);
		while (name < (size_t)len && strchr(token, s[name]) != NULL)
			name++;
		if (name == 0 || name == (size_t)len || s[name] != ':')
			return false;
		if (name == 4 && strncasecmp(s, "Host", 4) == 0)
			hosts++;
		s += len + 2;
		n -= (size_t)len + 2;
	}
}

/* METHOD SP TARGET SP VERSION (RFC 9112 §3), each without a space. */
static bool
split_request_line(const char *s, size_t n, size_t len[3], const char *part[3])
{
	for (int i = 0; i < 3; i++) {
		const char *end = i < 2 ? memchr(s, ' ', n) : s + n;

		if (end == NULL || end == s)
			return false;
		part[i] = s;
		len[i] = (size_t)(end - s);
		if (i < 2) {
			n -= len[i] + 1;
			s = end + 1;
		}
	}
	return memchr(part[2], ' ', len[2]) == NULL;
}

static bool
part_is(const char *part, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(part, what, len) == 0;
}

void
metrics_answer(const char *head, size_t n, struct buf *out)
{
	ssize_t first = line_length(head, n);
	const char *part[3];
	size_t len[3];
	bool http11;

	if (first < 0 || !split_request_line(head, (size_t)first, len, part)) {
		respond_text(out, "400 Bad Request", "");
		return;
	}
	http11 = part_is(part[2], len[2], "HTTP/1.1");
	if ((!http11 && !part_is(part[2], len[2], "HTTP/1.0")) ||
	    !fields_are_valid(head + first + 2, n - (size_t)first - 2, http11)) {
		respond_text(out, "400 Bad Request", "");
	} else if (!part_is(part[1], len[1], "/metrics")) {
		respond_text(out, "404 Not Found", "");
	} else if (!part_is(part[0], len[0], "GET") && !part_is(part[0], len[0], "HEAD")) {
		respond_text(out, "405 Method Not Allowed", "Allow: GET, HEAD\r\n");
	} else {
		struct buf body = {0};

		metric_print(&body);
		gateway_stats_print(&body);
		respond(out, "200 OK", "", buf_str(&body), buf_len(&body), len[0] == 3);
		buf_fini(&body);
	}
}

static void
scraper_close(struct scraper *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->answered = false;
	buf_fini(&s->in);
	buf_fini(&s->out);
}

static void
scraper_answer(struct scraper *s)
{
	const char *end = memmem(buf_data(&s->in), buf_len(&s->in), "\r\n\r\n", 4);

	if (end != NULL)
		metrics_answer(buf_data(&s->in), (size_t)(end - buf_data(&s->in)) + 4, &s->out);
	else if (buf_len(&s->in) >= METRICS_REQUEST_MAX)
		respond_text(&s->out, "431 Request Header Fields Too Large", "");
	else
		return;
	s->answered = true;
}

/* After the answer, what still comes is thrown away. */
static void
scraper_read(struct scraper *s)
{
	char *p = buf_reserve(&s->in, METRICS_REQUEST_MAX);
	ssize_t n = recv(s->fd, p, METRICS_REQUEST_MAX - (s->answered ? 0 : buf_len(&s->in)),
			 MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		scraper_close(s);
		return;
	}
	if (s->answered)
		return;
	buf_added(&s->in, (size_t)n);
	scraper_answer(s);
}

static void
scraper_write(struct scraper *s)
{
	ssize_t n = send(s->fd, buf_data(&s->out), buf_len(&s->out), MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		scraper_close(s);
		return;
	}
	buf_consume(&s->out, (size_t)n);
	if (buf_len(&s->out) == 0)
		shutdown(s->fd, SHUT_WR);
}

static void
accept_scraper(int listener)
{
	struct scraper *s = page.client;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		/* Out of descriptors: do not spin. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
			usleep(100000);
		return;
	}
	while (s < page.client + METRICS_CLIENTS && s->fd >= 0)
		s++;
	if (s == page.client + METRICS_CLIENTS) {
		close(fd);
		return;
	}
	s->fd = fd;
	s->deadline_ms = clock_mono_ms() + METRICS_DEADLINE_MS;
}

/* Fills `p` and returns how long to wait: until the next deadline. */
static int
prepare_poll(struct pollfd *p, bool *is_full)
{
	int64_t now = clock_mono_ms(), wait = INT32_MAX;

	*is_full = true;
	for (size_t i = 0; i < METRICS_CLIENTS; i++) {
		struct scraper *s = &page.client[i];

		if (s->fd >= 0 && s->deadline_ms <= now)
			scraper_close(s);
		if (s->fd < 0)
			*is_full = false;
		else if (s->deadline_ms - now < wait)
			wait = s->deadline_ms - now;
		p[i].fd = s->fd;
		p[i].events = buf_len(&s->out) > 0 ? POLLOUT : POLLIN;
	}
	return wait == INT32_MAX ? -1 : (int)wait;
}

static void *
metrics_run(void *arg)
{
	struct pollfd p[METRICS_CLIENTS + CONFIG_LIST_MAX + 1];

	(void)arg;
	for (;;) {
		size_t n = METRICS_CLIENTS;
		bool is_full;
		int wait = prepare_poll(p, &is_full);

		p[n++] = (struct pollfd){.fd = page.wake, .events = POLLIN};
		for (size_t i = 0; i < page.nlisten && !is_full; i++)
			p[n++] = (struct pollfd){.fd = page.listen[i], .events = POLLIN};
		if (poll(p, n, wait) <= 0)
			continue;
		if (p[METRICS_CLIENTS].revents != 0)
			return NULL;
		for (size_t i = 0; i < METRICS_CLIENTS; i++) {
			if (p[i].fd < 0 || p[i].revents == 0)
				continue;
			if (buf_len(&page.client[i].out) > 0)
				scraper_write(&page.client[i]);
			else
				scraper_read(&page.client[i]);
		}
		for (size_t i = METRICS_CLIENTS + 1; i < n; i++)
			if (p[i].revents != 0)
				accept_scraper(p[i].fd);
	}
}

/* "127.0.0.1:9280" or "[::1]:9280", as the table of settings has checked. */
static int
listen_on(const char *address, struct err *e)
{
	const char *colon = strrchr(address, ':');
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	bool is_v6 = address[0] == '[';
	char host[INET6_ADDRSTRLEN + 2] = "";
	int fd, on = 1;
	uint64_t port;

	if (colon == NULL || !text_u64(colon + 1, strlen(colon + 1), 1, 65535, &port) ||
	    (size_t)(colon - address) >= sizeof host)
		return err_set(e, EINVAL, "listen.metrics: %s: not an address", address);
	memcpy(host, address + is_v6, (size_t)(colon - address) - 2 * is_v6);
	v4.sin_port = v6.sin6_port = htons((uint16_t)port);
	if (inet_pton(is_v6 ? AF_INET6 : AF_INET, host,
		      is_v6 ? (void *)&v6.sin6_addr : (void *)&v4.sin_addr) != 1)
		return err_set(e, EINVAL, "listen.metrics: %s: not an address", address);
	fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, errno, "listen.metrics: %s: %s", address, strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (is_v6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, is_v6 ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4,
		 is_v6 ? sizeof v6 : sizeof v4) != 0 ||
	    listen(fd, 16) != 0) {
		err_set(e, errno, "listen.metrics: %s: %s", address, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

static void
close_listeners(void)
{
	while (page.nlisten > 0)
		close(page.listen[--page.nlisten]);
}

int
metrics_start(const struct config_list *addresses, struct err *e)
{
	if (addresses->n == 0)
		return 0;
	for (size_t i = 0; i < METRICS_CLIENTS; i++)
		page.client[i].fd = -1;
	for (size_t i = 0; i < addresses->n && i < CONFIG_LIST_MAX; i++) {
		int fd = listen_on(addresses->item[i], e);

		if (fd < 0) {
			close_listeners();
			return -1;
		}
		page.listen[page.nlisten++] = fd;
	}
	page.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (page.wake < 0 || pthread_create(&page.thread, NULL, metrics_run, NULL) != 0) {
		close_listeners();
		return err_set(e, errno, "listen.metrics: cannot start a thread");
	}
	page.running = true;
	return 0;
}

void
metrics_stop(void)
{
	uint64_t one = 1;

	if (!page.running)
		return;
	if (write(page.wake, &one, sizeof one) != sizeof one)
		log_error(NULL, "metrics-stop", "errno=%d", errno);
	pthread_join(page.thread, NULL);
	for (size_t i = 0; i < METRICS_CLIENTS; i++)
		scraper_close(&page.client[i]);
	close_listeners();
	close(page.wake);
	page.running = false;
}
