/*
 * conn: a connection's life on its reactor. Made by the streams, which are called back through
 * struct conn_ops; the bytes themselves go through wire.c.
 *
 * A handshake between servers, with a certificate from both ends and a chain to read, costs up to two milliseconds in one piece. So its steps are taken on a
 * thread beside the reactor (net/work), which meanwhile leaves socket and SSL object alone (`shaking`).
 *
 * The way of the state, forward only:
 *
 *     PLAIN ── conn_start_tls, conn_connect_tls ──▶ TLS_WAITS ── <proceed/> is out ──▶ HANDSHAKE ──▶ SECURE
 *
 * Plain bytes are read in PLAIN only. Once TLS has been asked for, whatever is in the kernel's buffer
 * goes to the handshake, so that bytes injected behind <starttls/> can at most make it fail.
 *
 * All output and all bad news go through the end of the turn (end_of_turn): first what the owner
 * wrote is flushed, then it is told, then a move leaves. So no function that an owner calls ever
 * calls the owner back.
 *
 * Input is never dropped while the owner may still want it: an end of file or a failed socket is
 * reported only when all that was read before has been given (a client that sends ten messages and
 * hangs up has sent ten messages), and a failed write ends nothing by itself: the reading side runs
 * into the same trouble once it has given what is left.
 *
 * A paused connection stays registered with epoll until the first event that nobody wants: lanes
 * fill and empty often, and most pauses end before more bytes arrive.
 */
#include "net/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/metric.h"
#include "net/address.h"
#include "net/hello.h"
#include "net/tcp.h"
#include "net/wire.h"
#include "net/work.h"

/* One data() call, and what one connection may read in a turn. */
#define PIECE 16384
#define TURN_BYTES 65536

enum state { PLAIN, TLS_WAITS, HANDSHAKE, SECURE };

/* Why it is over. */
struct farewell {
	enum conn_end how;
	char why[];
};

struct move {
	struct mail mail;
	struct conn *c;
	struct reactor *to;
	int64_t linger_due_ms;
	void (*arrived)(struct conn *c, void *owner);
};

/* A step of the handshake, elsewhere. */
struct shaking {
	struct work work;
	struct conn *c;
	enum wire got;
	char why[WIRE_WHY];
};

struct conn {
	struct reactor *home;
	uv_poll_t *poll; /* of its own memory, since libuv takes its time to close it */
	const struct conn_ops *ops;
	void *owner;
	SSL *ssl;
	struct buf out;
	struct buf *kept;      /* input that the owner has not taken; NULL: none */
	struct farewell *end;  /* NULL while it lives */
	struct shaking *shaking; /* NULL: none. A closed connection stays until it is back */
	struct move *move;     /* on its way; nothing is read and nobody called */
	struct deferred turn;  /* for end_of_turn */
	struct deferred again; /* input that no event will announce */
	struct timer linger;
	struct log log;
	uint64_t sent; /* bytes of output that the kernel has taken */
	uint64_t told; /* the same, as flushed() was last told */
	size_t max_output;
	size_t plain_left; /* TLS_WAITS: output that belongs before the handshake */
	size_t bound;      /* what conn_wrote cuts ignored output back to */
	size_t used;       /* of the current data() call, when `keep` */
	struct hello hello;
	int fd;
	uint16_t pauses;
	uint8_t state;
	uint8_t armed; /* uv_poll's events */
	bool apart : 1; /* its handshake is worked on elsewhere */
	bool closed : 1;
	bool giving : 1;         /* data() is on the stack */
	bool keep : 1;           /* conn_keep_rest was called in it */
	bool out_waits : 1;      /* output goes on when writable */
	bool out_waits_read : 1; /* or, TLS only, when readable */
	bool in_waits_write : 1; /* TLS only: input or handshake goes on when writable */
	bool out_dead : 1;       /* the kernel takes no more */
	bool shutting : 1;       /* conn_shutdown */
	bool discard : 1;        /* input is thrown away */
	bool goodbye_said : 1;   /* nothing more will be sent */
	bool end_at_once : 1;    /* report even when paused */
	bool end_reported : 1;
	char *behind; /* conn_set_peer: address, NUL, source; NULL */
	const char *source, *address;
	char names[]; /* address, then the source where it differs */
};

static void end_of_turn(struct deferred *d);
static void read_again(struct deferred *d);
static void on_event(uv_poll_t *h, int status, int events);
static void fail(struct conn *c, enum conn_end how, const char *why);
static void give_up(struct conn *c);

/* Polling */

static void
set_events(struct conn *c, int events)
{
	if (!c->poll || events == c->armed)
		return;
	c->armed = (uint8_t)events;
	if (!events)
		uv_poll_stop(c->poll);
	else if (uv_poll_start(c->poll, events, on_event))
		fail(c, CONN_ERROR, "cannot be polled");
}

static bool
wants_readable(const struct conn *c)
{
	if (c->discard || c->out_waits_read)
		return true;
	switch ((enum state)c->state) {
	case TLS_WAITS:
		return false;
	case HANDSHAKE:
		return !c->in_waits_write;
	default:
		return !c->pauses && !c->in_waits_write;
	}
}

/* After every event and turn: waits for what is needed next. */
static void
arm(struct conn *c)
{
	int events = 0;

	if (c->closed || c->move)
		return;
	if (c->shaking) {
		events = 0;
	} else if (!c->end) {
		if (wants_readable(c))
			events |= UV_READABLE;
		if (c->out_waits || c->in_waits_write)
			events |= UV_WRITABLE;
	} else if (c->end->how == CONN_EOF && c->out_waits) {
		events = UV_WRITABLE;
	}
	set_events(c, events);
}

static int
open_poll(struct conn *c)
{
	uv_poll_t *h = NEW(uv_poll_t);

	if (uv_poll_init(reactor_loop(c->home), h, c->fd)) {
		free(h);
		return -1;
	}
	h->data = c;
	c->poll = h;
	return 0;
}

static void
on_poll_closed(uv_handle_t *h)
{
	free(h);
}

static void
close_poll(struct conn *c)
{
	if (c->poll)
		uv_close((uv_handle_t *)c->poll, on_poll_closed);
	c->poll = NULL;
	c->armed = 0;
}

/* The end */

static void
drop_output(struct conn *c)
{
	buf_fini(&c->out);
	c->plain_left = 0;
	c->out_waits = c->out_waits_read = false;
}

static void
drop_kept(struct conn *c)
{
	if (c->kept) {
		buf_fini(c->kept);
		free(c->kept);
	}
	c->kept = NULL;
}

/* The owner hears of it at the end of the turn. Output may still go to a peer that has only closed
 * its own side. */
static void
fail(struct conn *c, enum conn_end how, const char *why)
{
	size_t n = strlen(why) + 1;

	if (c->end || c->closed)
		return;
	c->end = mem_alloc(sizeof(*c->end) + n);
	c->end->how = how;
	memcpy(c->end->why, why, n);
	if (how != CONN_EOF) {
		c->out_dead = true;
		drop_output(c);
	}
	reactor_defer(c->home, &c->turn);
}

static void
fail_at_once(struct conn *c, enum conn_end how, const char *why)
{
	c->end_at_once = true;
	fail(c, how, why);
	/* It may have been over already and waited for a paused owner. */
	reactor_defer(c->home, &c->turn);
}

static void
report_end(struct conn *c)
{
	if (c->end_reported || (!c->end_at_once && (c->pauses || c->kept)))
		return;
	c->end_reported = true;
	c->ops->ended(c, c->owner, c->end->how, c->end->why);
}

/* Output */

static size_t
sendable(const struct conn *c)
{
	switch ((enum state)c->state) {
	case TLS_WAITS:
		return c->plain_left;
	case HANDSHAKE:
		return 0;
	default:
		return buf_len(&c->out);
	}
}

static void
note_sent(struct conn *c, size_t n)
{
	buf_consume(&c->out, n);
	c->sent += n;
	if (c->state == TLS_WAITS)
		c->plain_left -= n;
}

/* Hands the kernel what it takes. Calls nobody. */
static void
flush(struct conn *c)
{
	SSL *ssl = c->state == SECURE ? c->ssl : NULL;
	enum wire got = WIRE_MORE;
	char why[WIRE_WHY];
	size_t n;

	while (got == WIRE_MORE && sendable(c) > 0) {
		got = wire_write(c->fd, ssl, buf_data(&c->out), sendable(c), &n, why);
		note_sent(c, n);
	}
	c->out_waits = got == WIRE_WAIT_WRITE;
	c->out_waits_read = got == WIRE_WAIT_READ;
	if (got == WIRE_BROKEN) {
		fail(c, CONN_ERROR, why);
		return;
	}
	if (got == WIRE_EOF || got == WIRE_LOST) {
		c->out_dead = true;
		drop_output(c);
	}
	if (!buf_len(&c->out))
		buf_fini(&c->out);
	if (c->state == TLS_WAITS && !c->plain_left) {
		c->state = HANDSHAKE;
		/* A client has the first word: as soon as the socket is writable. */
		c->in_waits_write = !SSL_is_server(c->ssl);
	}
}

static bool
takes_output(const struct conn *c)
{
	return !c->closed && !c->shutting && !c->out_dead;
}

struct buf *
conn_out(struct conn *c)
{
	c->bound = buf_len(&c->out);
	return &c->out;
}

struct buf *
conn_out_again(struct conn *c)
{
	return &c->out;
}

void
conn_wrote(struct conn *c)
{
	if (!takes_output(c)) {
		/* The length, as the bytes may have been moved to close a hole. */
		c->out.len = c->out.off + c->bound;
		if (!c->bound)
			buf_fini(&c->out);
		return;
	}
	if (buf_len(&c->out) > c->max_output) {
		/* The owner may have written much in one turn to a peer that does read. */
		flush(c);
		if (buf_len(&c->out) > c->max_output) {
			metric_add(METRIC_SLOW_READERS, 1);
			fail_at_once(c, CONN_SLOW, "the peer does not read what it is sent");
		}
	}
	reactor_defer(c->home, &c->turn);
}

void
conn_write(struct conn *c, const void *p, size_t n)
{
	if (!n || !takes_output(c))
		return;
	buf_add(conn_out(c), p, n);
	conn_wrote(c);
}

uint64_t
conn_mark(const struct conn *c)
{
	return c->sent + buf_len(&c->out);
}

uint64_t
conn_flushed(const struct conn *c)
{
	return c->sent;
}

/* Once all output is out: tells the peer that there is no more. */
static void
say_goodbye(struct conn *c)
{
	if (c->goodbye_said || sendable(c) > 0)
		return;
	if (c->state == SECURE && !c->out_dead && wire_goodbye(c->ssl) == WIRE_WAIT_WRITE) {
		c->out_waits = true;
		return;
	}
	c->goodbye_said = true;
	c->out_waits = false;
	(void)shutdown(c->fd, SHUT_WR);
}

/* Input */

static bool
may_give(const struct conn *c)
{
	return !c->closed && !c->move && !c->pauses && !c->discard;
}

static bool
may_read(const struct conn *c)
{
	return may_give(c) && !c->end && !c->kept && (c->state == PLAIN || c->state == SECURE);
}

/* Gives one piece; what the owner leaves is kept. */
static void
give(struct conn *c, const char *p, size_t n)
{
	bool keep;

	c->giving = true;
	c->ops->data(c, c->owner, p, n);
	keep = c->keep;
	c->giving = c->keep = false;
	if (!keep || c->closed || c->discard || c->used >= n)
		return;
	c->kept = NEW(struct buf);
	buf_add(c->kept, p + c->used, n - c->used);
}

static void
give_kept(struct conn *c)
{
	struct buf *kept = c->kept;

	c->kept = NULL;
	give(c, buf_data(kept), buf_len(kept));
	buf_fini(kept);
	free(kept);
}

/* Input that no event will announce: OpenSSL's, or what was kept. */
static bool
has_input(const struct conn *c)
{
	return c->kept || (c->state == SECURE && !c->end && SSL_has_pending(c->ssl));
}

static void
take_end(struct conn *c, enum wire got, const char *why)
{
	if (got == WIRE_EOF)
		fail(c, CONN_EOF, why);
	else if (got == WIRE_LOST || got == WIRE_BROKEN)
		fail(c, CONN_ERROR, why);
}

/* After conn_shutdown: below TLS, as nobody will look at it. */
static void
throw_away(struct conn *c, char *piece)
{
	enum wire got = WIRE_MORE;
	char why[WIRE_WHY];
	size_t n;

	for (size_t budget = TURN_BYTES; got == WIRE_MORE && budget >= PIECE; budget -= PIECE)
		got = wire_read(c->fd, NULL, piece, PIECE, &n, why);
	c->end_at_once = true;
	take_end(c, got, why);
}

static void
input(struct conn *c)
{
	static _Thread_local char piece[PIECE];
	enum wire got = WIRE_MORE;
	char why[WIRE_WHY];
	size_t n, budget = TURN_BYTES;

	if (c->discard) {
		throw_away(c, piece);
		return;
	}
	if (c->kept && may_give(c))
		give_kept(c);
	while (got == WIRE_MORE && budget > 0 && may_read(c)) {
		got = wire_read(c->fd, c->ssl, piece, PIECE, &n, why);
		c->in_waits_write = got == WIRE_WAIT_WRITE;
		budget -= n < budget ? n : budget;
		take_end(c, got, why);
		if (n > 0)
			give(c, piece, n);
	}
	/* Not for half a record in OpenSSL's buffer: its other half makes an event. */
	if (may_give(c) && has_input(c) && (c->kept || got == WIRE_MORE))
		reactor_next_turn(c->home, &c->again);
	else if (c->end && !c->closed)
		reactor_defer(c->home, &c->turn);
}

/* On the socket's BIO during the handshake. */
static long
watch_hello(BIO *bio, int oper, const char *p, size_t len, int argi, long argl, int ret, size_t *n)
{
	struct conn *c = (struct conn *)BIO_get_callback_arg(bio);

	(void)len;
	(void)argi;
	(void)argl;
	if (oper != (BIO_CB_READ | BIO_CB_RETURN) || ret <= 0)
		return ret;
	if (hello_passes(&c->hello, (const unsigned char *)p, *n))
		return ret;
	errno = EMSGSIZE;
	return -1;
}

static void
watch(struct conn *c)
{
	BIO_set_callback_ex(SSL_get_rbio(c->ssl), watch_hello);
	BIO_set_callback_arg(SSL_get_rbio(c->ssl), (char *)c);
}

/* A step has been taken. */
static void
take_step(struct conn *c, enum wire got, const char *why)
{
	char words[96];

	c->in_waits_write = got == WIRE_WAIT_WRITE;
	if (got == WIRE_WAIT_READ || got == WIRE_WAIT_WRITE)
		return;
	if (got == WIRE_MORE) {
		c->state = SECURE;
		BIO_set_callback_ex(SSL_get_rbio(c->ssl), NULL);
		log_debug(&c->log, "tls", "with=%s", tls_describe(c->ssl, words));
		c->ops->secured(c, c->owner);
		if (!c->closed)
			reactor_defer(c->home, &c->turn);
		return;
	}
	metric_add(METRIC_TLS_FAILED, 1);
	log_info(&c->log, "tls-failed", "reason=%s", why);
	take_end(c, got, why);
}

static void
shake(struct work *w)
{
	struct shaking *k = LIST_ENTRY(w, struct shaking, work);

	k->got = wire_handshake(k->c->ssl, k->why);
}

static void
shaken(struct work *w)
{
	struct shaking *k = LIST_ENTRY(w, struct shaking, work);
	struct conn *c = k->c;

	c->shaking = NULL;
	if (c->closed)
		give_up(c);
	else if (!c->discard && !c->end)
		take_step(c, k->got, k->why);
	/* OpenSSL may have read on behind the handshake. */
	if (c->state == SECURE && !c->closed)
		input(c);
	arm(c);
	free(k);
}

static void
shake_hands(struct conn *c)
{
	char why[WIRE_WHY];
	enum wire got;

	if (c->apart) {
		c->shaking = NEW(struct shaking);
		c->shaking->c = c;
		c->shaking->work.run = shake;
		c->shaking->work.done = shaken;
		/* What our people wait for goes before whoever knocks. */
		work_begin(&c->shaking->work, !SSL_is_server(c->ssl));
		return;
	}
	got = wire_handshake(c->ssl, why);
	take_step(c, got, why);
}

/* Events */

static void
go_on(struct conn *c, int events)
{
	if (c->closed || c->move || c->shaking)
		return;
	if ((events & UV_WRITABLE) || c->out_waits_read)
		reactor_defer(c->home, &c->turn);
	if (c->end)
		return;
	if (c->state == HANDSHAKE && !c->discard) {
		shake_hands(c);
		/* OpenSSL may have read on behind the handshake. */
		if (c->state == SECURE && !c->closed)
			input(c);
	} else if ((events & UV_READABLE) || c->in_waits_write) {
		input(c);
	}
	arm(c);
}

static void
on_event(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;
	struct reactor *r = c->home;

	reactor_enter(r);
	if (status < 0) {
		/* The socket has failed, and libuv has stopped the handle; reading tells why. */
		c->armed = 0;
		events = UV_READABLE | UV_WRITABLE;
	}
	go_on(c, events);
	reactor_leave(r, "connection");
}

static void
read_again(struct deferred *d)
{
	struct conn *c = LIST_ENTRY(d, struct conn, again);

	if (c->closed || c->move)
		return;
	input(c);
	arm(c);
}

static void
leave(struct conn *c)
{
	struct move *m = c->move;

	assert(!c->shaking); /* its TLS is another thread's for now: moves follow the handshake */
	reactor_undefer(c->home, &c->again);
	m->linger_due_ms = timer_is_set(&c->linger) ? c->linger.due_ms : 0;
	timer_clear(&c->linger);
	close_poll(c);
	c->home = m->to;
	/* From here on it belongs to the other thread. */
	reactor_post(m->to, &m->mail);
}

/* Goes on after a pause or a move. */
static void
kick(struct conn *c)
{
	if (may_give(c) && has_input(c))
		reactor_next_turn(c->home, &c->again);
	reactor_defer(c->home, &c->turn);
}

static void
linger_over(struct timer *t)
{
	fail_at_once(LIST_ENTRY(t, struct conn, linger), CONN_EOF, "the peer did not close in time");
}

static void
arrive(struct mail *mail)
{
	struct move *m = (struct move *)mail;
	struct conn *c = m->c;

	c->move = NULL;
	if (!c->poll && open_poll(c))
		fail(c, CONN_ERROR, "cannot be polled");
	if (m->linger_due_ms)
		timer_set(&c->linger, m->linger_due_ms - reactor_now_ms(c->home), linger_over);
	m->arrived(c, c->owner);
	free(m);
	if (!c->closed)
		kick(c);
}

static void
end_of_turn(struct deferred *d)
{
	struct conn *c = LIST_ENTRY(d, struct conn, turn);

	if (c->closed)
		return;
	flush(c);
	if (c->shutting)
		say_goodbye(c);
	if (c->move && c->move->to != c->home) {
		leave(c);
		return;
	}
	if (c->move) {
		arrive(&c->move->mail);
		return;
	}
	if (c->told != c->sent && c->ops->flushed) {
		c->told = c->sent;
		c->ops->flushed(c, c->owner, c->sent);
	}
	if (c->end && !c->closed)
		report_end(c);
	arm(c);
}

/* Life */

struct conn *
conn_new(int fd, const struct sockaddr *peer, const struct conn_ops *ops, void *owner, size_t max_output)
{
	char address[ADDRESS_TEXT], source[ADDRESS_TEXT];
	size_t n, more;
	struct conn *c;

	address_text(peer, address);
	address_source(peer, source);
	n = strlen(address) + 1;
	more = strcmp(address, source) ? strlen(source) + 1 : 0;
	c = mem_zalloc(sizeof(*c) + n + more);
	c->source = c->address = memcpy(c->names, address, n);
	if (more)
		c->source = memcpy(c->names + n, source, more);
	c->home = reactor_current();
	assert(c->home);
	c->fd = fd;
	c->ops = ops;
	c->owner = owner;
	c->max_output = max_output;
	c->turn.run = end_of_turn;
	c->again.run = read_again;
	c->log = (struct log){.key = "peer", .value = c->address};
	wire_setup(fd, peer ? peer->sa_family : AF_UNSPEC);
	metric_add(METRIC_CONNECTIONS_OPENED, 1);
	metric_add(METRIC_CONNECTIONS, 1);
	if (open_poll(c))
		fail(c, CONN_ERROR, "cannot be polled");
	arm(c);
	return c;
}

void
conn_set_owner(struct conn *c, const struct conn_ops *ops, void *owner)
{
	c->ops = ops;
	c->owner = owner;
}

static bool
may_start_tls(const struct conn *c, size_t unread)
{
	return !unread && !c->keep && !c->kept && c->state == PLAIN && !c->end && !c->shutting && !c->closed;
}

/* `ssl` from here on; what is in the output goes before it. */
static void
begin_tls(struct conn *c, SSL *ssl)
{
	c->ssl = ssl;
	if (SSL_set_fd(ssl, c->fd) != 1)
		mem_exhausted(0);
	c->hello.chains = !SSL_is_server(ssl);
	c->apart = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE; /* of a mutual set */
	watch(c);
	c->plain_left = buf_len(&c->out);
	c->state = TLS_WAITS;
	flush(c);
	reactor_defer(c->home, &c->turn);
}

int
conn_start_tls(struct conn *c, struct tls_set *tls, bool alpn_required, size_t unread)
{
	if (!may_start_tls(c, unread))
		return -1;
	begin_tls(c, tls_accept_new(tls, alpn_required));
	return 0;
}

int
conn_connect_tls(struct conn *c, SSL *ssl, size_t unread)
{
	if (!may_start_tls(c, unread)) {
		SSL_free(ssl);
		return -1;
	}
	begin_tls(c, ssl);
	return 0;
}

int
conn_tcp_progress(const struct conn *c, uint64_t *given, uint64_t *acknowledged)
{
	return tcp_progress(c->fd, given, acknowledged);
}

bool
conn_is_secure(const struct conn *c)
{
	return c->state == SECURE;
}

SSL *
conn_ssl(const struct conn *c)
{
	return c->ssl;
}

void
conn_pause(struct conn *c)
{
	assert(c->pauses < UINT16_MAX);
	c->pauses++;
}

void
conn_resume(struct conn *c)
{
	assert(c->pauses > 0);
	if (--c->pauses || c->closed || c->move)
		return;
	/* What is kept from a data() call on the stack is seen when that returns. */
	if (c->end || has_input(c))
		kick(c);
	else
		arm(c);
}

void
conn_keep_rest(struct conn *c, size_t used)
{
	assert(c->giving);
	c->keep = true;
	c->used = used;
}

void
conn_shutdown(struct conn *c, unsigned linger_ms, bool discard_input)
{
	if (c->closed || c->shutting)
		return;
	c->shutting = true;
	/* A handshake that has not finished will not be. */
	if (discard_input || c->state == TLS_WAITS || c->state == HANDSHAKE) {
		c->discard = true;
		c->end_at_once = true;
		drop_kept(c);
	}
	timer_set(&c->linger, linger_ms, linger_over);
	reactor_defer(c->home, &c->turn);
}

static void
release(void *p)
{
	struct conn *c = p;

	SSL_free(c->ssl);
	drop_output(c);
	drop_kept(c);
	free(c->end);
	free(c->behind);
	free(c);
}

/* Nobody else has a use for it any more. */
static void
give_up(struct conn *c)
{
	close(c->fd);
	reactor_free_later(c->home, release, c);
}

void
conn_close(struct conn *c)
{
	if (!c || c->closed)
		return;
	flush(c);
	if (!c->goodbye_said && c->state == SECURE && !c->out_dead && !buf_len(&c->out))
		(void)wire_goodbye(c->ssl);
	c->closed = true;
	reactor_undefer(c->home, &c->turn);
	reactor_undefer(c->home, &c->again);
	timer_clear(&c->linger);
	close_poll(c);
	free(c->move);
	c->move = NULL;
	metric_add(METRIC_CONNECTIONS, -1);
	if (c->shaking && !work_cancel(&c->shaking->work))
		return; /* shaken() does the rest */
	free(c->shaking);
	give_up(c);
}

void
conn_reset(struct conn *c)
{
	const struct linger none = { .l_onoff = 1 };

	if (!c || c->closed)
		return;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	c->out_dead = true;
	drop_output(c);
	conn_close(c);
}

void
conn_move(struct conn *c, struct reactor *to, void (*arrived)(struct conn *c, void *owner))
{
	assert(!c->move && !c->closed);
	c->move = NEW(struct move);
	c->move->mail.run = arrive;
	c->move->c = c;
	c->move->to = to;
	c->move->arrived = arrived;
	reactor_defer(c->home, &c->turn);
}

const char *
conn_address(const struct conn *c)
{
	return c->address;
}

const char *
conn_source(const struct conn *c)
{
	return c->source;
}

void
conn_set_peer(struct conn *c, const char *address, const char *source)
{
	size_t n = strlen(address) + 1, m = strlen(source) + 1;
	char *both = mem_alloc(n + m);

	c->address = memcpy(both, address, n);
	c->source = memcpy(both + n, source, m);
	c->log.value = c->address;
	free(c->behind);
	c->behind = both;
}

struct log *
conn_log(struct conn *c)
{
	return &c->log;
}
