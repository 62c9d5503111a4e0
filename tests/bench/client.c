/*
 * client: sessions, their way through a login, and the loop (see client.h).
 */
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "usage.h"

#define SASL "urn:ietf:params:xml:ns:xmpp-sasl"
/* We come from 127.0.0.1 and the addresses after it: a storm leaves ports behind in TIME_WAIT. */
#define SOURCES 32

struct load load = {
	.domain = "localhost", .prefix = "u", .password = "pw", .sessions = 200, .concurrency = 32};

static int epfd;
static SSL_CTX *tls;
static struct session **queue;
static int nqueued;

void
die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("bench: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void *
grow(void *p, size_t n)
{
	if (!(p = realloc(p, n ? n : 1)))
		die("out of memory");
	return p;
}

static void
bytes_add(struct bytes *b, const void *p, size_t n)
{
	if (b->len + n + 1 > b->cap)
		b->p = grow(b->p, b->cap = 2 * (b->len + n + 1));
	memcpy(b->p + b->len, p, n);
	b->p[b->len += n] = '\0';
}

/* ---- sessions ----------------------------------------------------------------------------- */

__attribute__((noreturn)) static void
fail(const struct session *s, const char *why, struct item it)
{
	die("%s%d, step %d: %s %.*s", load.prefix, s->index, s->step, why,
	    it.n > 500 ? 500 : (int)it.n, it.p);
}

void
say(struct session *s, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		die("a stanza is too long");
	bytes_add(&s->out, text, (size_t)n);
	if (!s->queued) {
		s->queued = true;
		queue[nqueued++] = s;
	}
}

void
session_close(struct session *s)
{
	if (s->step == UP)
		load.up--;
	else
		load.busy--;
	SSL_free(s->ssl);
	close(s->fd);
	free(s->in.p);
	free(s->out.p);
	s->in = s->out = (struct bytes){0};
	s->ssl = NULL;
	s->fd = -1;
	s->step = FREE;
}

static void
watch(struct session *s, bool out)
{
	struct epoll_event ev = {.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = s};

	if (s->wants_out == out)
		return;
	s->wants_out = out;
	epoll_ctl(epfd, EPOLL_CTL_MOD, s->fd, &ev);
}

static bool
is_at_peer(const struct session *s)
{
	return load.peer_domain && s->index % 2;
}

const char *
domain_of(const struct session *s)
{
	return is_at_peer(s) ? load.peer_domain : load.domain;
}

void
session_open(struct session *s)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(is_at_peer(s) ? load.peer_port : load.port))};
	struct sockaddr_in from = {.sin_family = AF_INET};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = s};
	static unsigned turn;
	int on = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % SOURCES);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		die("socket: %s", strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(s->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		die("bind: %s", strerror(errno));
	s->began = now_ns();
	s->step = CONNECT;
	s->wants_out = true;
	load.busy++;
	epoll_ctl(epfd, EPOLL_CTL_ADD, s->fd, &ev);
	if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		die("connect to port %d: %s", load.port, strerror(errno));
}

static void
stream_open(struct session *s, enum step next)
{
	s->step = next;
	say(s,
	    "<?xml version='1.0'?><stream:stream to='%s' version='1.0' xmlns='jabber:client'"
	    " xmlns:stream='http://etherx.jabber.org/streams'>",
	    domain_of(s));
}

void
session_end(struct session *s)
{
	if (s->step == UP) {
		load.up--;
		load.busy++;
	}
	s->step = ENDING;
	say(s, "</stream:stream>");
}

static void
flush(struct session *s)
{
	size_t done = 0;

	s->queued = false;
	while (s->step != FREE && done < s->out.len) {
		ssize_t n = s->ssl ? SSL_write(s->ssl, s->out.p + done, (int)(s->out.len - done)) :
				     send(s->fd, s->out.p + done, s->out.len - done, MSG_NOSIGNAL);

		if (n > 0)
			done += (size_t)n;
		else if (s->ssl ? SSL_get_error(s->ssl, (int)n) == SSL_ERROR_WANT_WRITE :
				  errno == EAGAIN)
			break;
		else if (s->step == ENDING)
			session_close(s);
		else
			fail(s, "cannot write", (struct item){"", 0});
	}
	if (s->step == FREE)
		return;
	memmove(s->out.p, s->out.p + done, s->out.len -= done);
	watch(s, s->out.len > 0);
}

static void
handshake(struct session *s)
{
	int r, why;

	ERR_clear_error();
	if ((r = SSL_connect(s->ssl)) == 1) {
		watch(s, false);
		stream_open(s, MECHANISMS);
		return;
	}
	why = SSL_get_error(s->ssl, r);
	if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
		die("TLS handshake: %s", ERR_reason_error_string(ERR_peek_error()));
	watch(s, why == SSL_ERROR_WANT_WRITE);
}
/* ---- the steps of a login ----------------------------------------------------------------- */

static void
on_features(struct session *s, struct item it)
{
	if (!item_has(it, "urn:ietf:params:xml:ns:xmpp-tls"))
		fail(s, "no STARTTLS:", it);
	s->step = PROCEED;
	say(s, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
}

static void
on_proceed(struct session *s, struct item it)
{
	if (!item_is(it, "proceed"))
		fail(s, "expected <proceed/>:", it);
	s->step = HANDSHAKE;
	s->ssl = SSL_new(tls);
	if (!s->ssl || !SSL_set_fd(s->ssl, s->fd) ||
	    !SSL_set_tlsext_host_name(s->ssl, domain_of(s)) || !SSL_set1_host(s->ssl, domain_of(s)))
		die("TLS cannot be set up");
	handshake(s);
}

static void
on_mechanisms(struct session *s, struct item it)
{
	char text[256];

	if (!item_has(it, ">SCRAM-SHA-256<"))
		fail(s, "no SCRAM-SHA-256:", it);
	snprintf(s->scram.user, sizeof(s->scram.user), "%s%d", load.prefix, s->index);
	scram_begin(&s->scram, text, sizeof(text));
	s->step = CHALLENGE;
	say(s, "<auth xmlns='" SASL "' mechanism='SCRAM-SHA-256'>%s</auth>", text);
}

static void
on_challenge(struct session *s, struct item it)
{
	char text[1024], answer[1024];

	item_between(it, ">", '<', text, sizeof(text));
	if (!item_is(it, "challenge") ||
	    !scram_answer(&s->scram, load.password, text, answer, sizeof(answer)))
		fail(s, "expected a challenge:", it);
	s->step = SUCCESS;
	say(s, "<response xmlns='" SASL "'>%s</response>", answer);
}

static void
on_success(struct session *s, struct item it)
{
	char text[1024];

	item_between(it, ">", '<', text, sizeof(text));
	if (!item_is(it, "success") || !scram_proven(&s->scram, text))
		fail(s, "expected success with the server's signature:", it);
	stream_open(s, BINDING);
}

static void
on_binding(struct session *s, struct item it)
{
	if (!item_has(it, "urn:ietf:params:xml:ns:xmpp-bind"))
		fail(s, "no resource binding:", it);
	s->step = BOUND;
	say(s, "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
	       "<resource>bench</resource></bind></iq>");
}

static void
on_bound(struct session *s, struct item it)
{
	item_between(it, "<jid>", '<', s->jid, sizeof(s->jid));
	if (!item_is(it, "iq") || !s->jid[0])
		fail(s, "expected a bound JID:", it);
	s->step = PRESENT;
	say(s, "<presence/>");
}

/* The login is complete when our own presence comes back (RFC 6121 §4.2.2). */
static void
on_present(struct session *s, struct item it)
{
	char from[160];

	if (!item_is(it, "presence") ||
	    strcmp(item_attribute(it, "from", from, sizeof(from)), s->jid) != 0)
		return;
	s->step = UP;
	load.busy--;
	load.up++;
	if (load.on_up)
		load.on_up(s);
}
static void
on_stanza(struct session *s, struct item it)
{
	char id[64], type[16];

	if (item_is(it, "message") && load.on_message)
		load.on_message(s, it);
	else if (item_is(it, "iq") &&
		 !strcmp(item_attribute(it, "type", type, sizeof(type)), "get"))
		say(s, "<iq type='result' id='%s'/>", item_attribute(it, "id", id, sizeof(id)));
}

static void
on_item(struct session *s, struct item it)
{
	static void (*const handler[])(struct session *, struct item) = {
		[FEATURES] = on_features,
		[PROCEED] = on_proceed,
		[MECHANISMS] = on_mechanisms,
		[CHALLENGE] = on_challenge,
		[SUCCESS] = on_success,
		[BINDING] = on_binding,
		[BOUND] = on_bound,
		[PRESENT] = on_present,
		[UP] = on_stanza,
		[ENDING] = NULL,
	};

	if (item_is(it, "/stream:stream") && s->step == ENDING)
		session_close(s);
	else if (item_is(it, "/stream:stream") || item_is(it, "stream:error"))
		fail(s, "the server ended the stream:", it);
	else if (handler[s->step] && it.p[1] != '?' && !item_is(it, "stream:stream"))
		handler[s->step](s, it);
}

/* ---- the loop ----------------------------------------------------------------------------- */

static void
consume(struct session *s)
{
	size_t done = 0, n = 1;

	while (n && done < s->in.len && s->step != HANDSHAKE) {
		if (strchr(" \t\r\n", s->in.p[done])) {
			done++;
			continue;
		}
		if ((n = item_length(s->in.p + done, s->in.len - done)))
			on_item(s, (struct item){s->in.p + done, n});
		if (s->step == FREE)
			return;
		done += n;
	}
	memmove(s->in.p, s->in.p + done, s->in.len -= done);
	if (s->in.len == 0) {
		free(s->in.p);
		s->in = (struct bytes){0};
	}
}

static void
readable(struct session *s)
{
	static char chunk[65536];

	do {
		ssize_t n = s->ssl ? SSL_read(s->ssl, chunk, sizeof(chunk)) :
				     recv(s->fd, chunk, sizeof(chunk), 0);

		if (n <= 0 && (s->ssl ? SSL_get_error(s->ssl, (int)n) == SSL_ERROR_WANT_READ :
					errno == EAGAIN))
			return;
		if (n <= 0 && s->step != ENDING)
			fail(s, "the connection broke", (struct item){"", 0});
		if (n <= 0) {
			session_close(s);
			return;
		}
		bytes_add(&s->in, chunk, (size_t)n);
		consume(s);
	} while (s->step != FREE && s->step != HANDSHAKE && s->ssl && SSL_has_pending(s->ssl));
}

static void
on_event(struct session *s, uint32_t events)
{
	ERR_clear_error();
	if (s->step == CONNECT) {
		if (events & (EPOLLERR | EPOLLHUP))
			die("nobody answers on port %d", load.port);
		watch(s, false);
		stream_open(s, FEATURES);
	} else if (s->step == HANDSHAKE) {
		handshake(s);
	} else if (s->step != FREE) {
		if (events & EPOLLOUT)
			flush(s);
		if (s->step != FREE && events & ~(uint32_t)EPOLLOUT)
			readable(s);
	}
}

bool
pump(double seconds, bool (*done)(void))
{
	struct epoll_event ev[256];
	uint64_t now = now_ns(), until = now + (uint64_t)(seconds * SECOND);

	while (!(done && done()) && now < until) {
		uint64_t wake = load.wake && load.wake < until ? load.wake : until;
		uint64_t wait = wake > now ? wake - now : 0;
		struct timespec t = {(time_t)(wait / SECOND), (long)(wait % SECOND)};
		struct pollfd p = {.fd = epfd, .events = POLLIN};
		int n;

		/* To the nanosecond, which epoll_wait cannot do: paced messages have their moments. */
		if (nqueued == 0)
			ppoll(&p, 1, &t, NULL);
		n = epoll_wait(epfd, ev, 256, 0);
		for (int i = 0; i < n; i++)
			on_event(ev[i].data.ptr, ev[i].events);
		now = now_ns();
		if (load.on_turn)
			load.on_turn(now);
		for (int i = 0; i < nqueued; i++)
			flush(queue[i]);
		nqueued = 0;
	}
	return now < until;
}

/* ---- start and end --------------------------------------------------------------------------- */

static void
allow_files(void)
{
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	if ((rlim_t)load.sessions + 16 > files.rlim_cur)
		die("%d sessions need as many open files (ulimit -n)", load.sessions);
}

void
client_start(void)
{
	size_t n = (size_t)load.sessions;

	allow_files();
	prctl(PR_SET_TIMERSLACK, 1);
	signal(SIGPIPE, SIG_IGN);
	tls = SSL_CTX_new(TLS_client_method());
	if (!tls || !SSL_CTX_load_verify_locations(tls, load.ca, NULL))
		die("%s: no certificate of an authority", load.ca);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	if ((epfd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		die("epoll: %s", strerror(errno));
	load.session = grow(NULL, n * sizeof(*load.session));
	memset(load.session, 0, n * sizeof(*load.session));
	for (int i = 0; i < load.sessions; i++)
		load.session[i].index = i;
	queue = grow(NULL, n * sizeof(struct session *));
}

void
client_stop(void)
{
	SSL_CTX_free(tls);
	close(epfd);
	free(load.session);
	free(queue);
}
