/*
 * Tests of net/conn on loopback, plain and TLS: echo, STARTTLS and injection, pausing, moving, slow
 * readers, shutting down, and peers that misbehave.
 */
#include "unit/net/serve.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/buf.h"

static struct testca *ca;
static struct testcert cert;

static int
make_certs(void **state)
{
	(void)state;
	ca = testca_new();
	cert = testca_issue(ca, "one.example", TESTCERT_EC, 365);
	return 0;
}

static int
drop_certs(void **state)
{
	(void)state;
	testca_free(ca);
	return 0;
}

static void
connect_tls(struct netpeer *p, int version)
{
	netpeer_connect(p, serve.port);
	assert_int_equal(netpeer_start_tls(p, &(struct netpeer_tls){.max = version}), 0);
}

static void
start_tls_server(unsigned reactors)
{
	serve.tls = serve_tls(cert, "one.example");
	serve_start(reactors);
}

/* A byte stream that shows loss, doubling and disorder. */
static char
byte_at(size_t i)
{
	return (char)((i * 2654435761u) >> 13);
}

static void
send_stream(struct netpeer *p, size_t from, size_t n)
{
	char chunk[5000];

	while (n > 0) {
		size_t k = n < sizeof(chunk) ? n : sizeof(chunk);

		for (size_t i = 0; i < k; i++)
			chunk[i] = byte_at(from + i);
		if (netpeer_write(p, chunk, k))
			fail_msg("write failed");
		from += k;
		n -= k;
	}
}

static void
check_stream(const char *p, size_t n, size_t at)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != byte_at(at + i))
			fail_msg("byte %zu is wrong", at + i);
}

static void
read_stream(struct netpeer *p, size_t n)
{
	char chunk[8192];
	size_t at = 0;

	while (at < n) {
		int r = netpeer_read(p, chunk, sizeof(chunk));

		if (r <= 0)
			fail_msg("ended at %zu of %zu", at, n);
		check_stream(chunk, (size_t)r, at);
		at += (size_t)r;
	}
}

/* Echo */

static void
plain_echo(void **state)
{
	struct netpeer p;

	(void)state;
	serve_start(1);
	netpeer_connect(&p, serve.port);
	expect_echo(&p, "hello");
	expect_echo(&p, "world");
	leave(&p);
	assert_int_equal(atomic_load(&serve.ended[CONN_EOF]), 1);
	serve_stop();
}

static void
tls_echo(void **state)
{
	struct netpeer p;

	(void)state;
	start_tls_server(2);
	for (int i = 0; i < 4; i++) {
		connect_tls(&p, i & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
		expect_echo(&p, "hello");
		SSL_shutdown(p.ssl);
		leave(&p);
	}
	assert_int_equal(atomic_load(&serve.ended[CONN_EOF]), 4);
	serve_stop();
}

#define MUCH ((size_t)6 << 20)

static void *
send_much(void *arg)
{
	send_stream(arg, 0, MUCH);
	return NULL;
}

/* More than socket buffers hold, both ways at once: the server must read and write in pieces. */
static void
much_both_ways(bool tls)
{
	pthread_t sender;
	struct netpeer p;

	serve.max_output = 64 << 20;
	if (tls)
		start_tls_server(1);
	else
		serve_start(1);
	netpeer_connect(&p, serve.port);
	if (tls)
		assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
	if (tls) {
		/* An SSL belongs to one thread at a time. */
		for (size_t at = 0; at < MUCH; at += 1 << 16)
			send_stream(&p, at, 1 << 16);
		read_stream(&p, MUCH);
	} else {
		pthread_create(&sender, NULL, send_much, &p);
		read_stream(&p, MUCH);
		pthread_join(sender, NULL);
	}
	leave(&p);
	serve_stop();
}

static void
much_plain(void **state)
{
	(void)state;
	much_both_ways(false);
}

static void
much_tls(void **state)
{
	(void)state;
	much_both_ways(true);
}

/* STARTTLS */

static void
starttls_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	if (conn_is_secure(c)) {
		conn_write(c, p, n);
		return;
	}
	assert_true(n >= 8 && !memcmp(p, "starttls", 8));
	conn_write(c, "proceed", 7);
	if (conn_start_tls(c, serve.tls, false, n - 8)) {
		conn_write(c, "refused", 7);
		conn_shutdown(c, 5000, true);
	}
}

static void
starttls_secured(struct conn *c, void *owner)
{
	(void)owner;
	conn_write(c, "secured", 7);
}

static const struct conn_ops starttls_ops = {
	.data = starttls_data,
	.secured = starttls_secured,
	.ended = serve_ended,
};

static void
starttls_accepted(int fd, const struct sockaddr *peer, void *arg)
{
	(void)arg;
	conn_new(fd, peer, &starttls_ops, NULL, 1 << 20);
}

/* As serve_start, but TLS only on demand. */
static void
start_starttls(void)
{
	struct err e;

	serve.ops = &starttls_ops;
	serve_start(1);
	serve.tls = serve_tls(cert, "one.example");
	listener_stop(serve.listener);
	serve.listener = listener_new("127.0.0.1:0", starttls_accepted, NULL, &e);
	assert_non_null(serve.listener);
	serve.port = listener_port(serve.listener);
	listener_run(serve.listener);
}

static void
starttls(void **state)
{
	struct netpeer p;
	char got[16] = "";

	(void)state;
	start_starttls();
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_write(&p, "starttls", 8), 0);
	assert_true(netpeer_read_exactly(&p, got, 7));
	assert_string_equal(got, "proceed");
	assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
	assert_true(netpeer_read_exactly(&p, got, 7));
	assert_string_equal(got, "secured");
	expect_echo(&p, "inside");
	leave(&p);
	serve_stop();
}

/* Plaintext behind the request: in the same packet it is refused, later it breaks the handshake; it
 * never comes out as data. */
static void
injection_behind_starttls(void **state)
{
	struct netpeer p;
	char got[64] = "";
	int n;

	(void)state;
	start_starttls();
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_write(&p, "starttls<message/>", 18), 0);
	assert_true(netpeer_read_exactly(&p, got, 14));
	assert_string_equal(got, "proceedrefused");
	assert_int_equal(netpeer_read(&p, got, sizeof(got)), 0);
	leave(&p);
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_write(&p, "starttls", 8), 0);
	assert_true(netpeer_read_exactly(&p, got, 7));
	assert_int_equal(netpeer_write(&p, "<message>text</message>", 23), 0);
	/* At most a TLS alert comes back. */
	while ((n = netpeer_read(&p, got, sizeof(got))) > 0)
		assert_int_equal(got[0], 21);
	assert_int_equal(n, 0);
	leave(&p);
	assert_int_equal(atomic_load(&serve.ended[CONN_ERROR]), 1);
	serve_stop();
}

static void
garbage_and_half_handshakes(void **state)
{
	int64_t failed = metric_get(METRIC_TLS_FAILED);
	struct netpeer p[4];
	char byte = 22;

	(void)state;
	start_tls_server(1);
	for (int i = 0; i < 4; i++)
		netpeer_connect(&p[i], serve.port);
	assert_int_equal(netpeer_write(&p[0], "GET / HTTP/1.1\r\n\r\n", 18), 0);
	assert_int_equal(netpeer_write(&p[1], &byte, 1), 0);
	wait_for(&serve.closed);
	assert_int_equal(atomic_load(&serve.ended[CONN_ERROR]), 1);
	/* The other three are just waited for; who leaves is noticed. */
	netpeer_close(&p[0]);
	leave(&p[1]);
	leave(&p[2]);
	assert_int_equal(netpeer_start_tls(&p[3], &(struct netpeer_tls){0}), 0);
	expect_echo(&p[3], "not disturbed");
	leave(&p[3]);
	assert_int_equal(metric_get(METRIC_TLS_FAILED), failed + 3);
	serve_stop();
}

/* A hello that claims to be long is not waited for: OpenSSL would keep room for all of it. */
static void
oversized_hello(void **state)
{
	static const char head[] = "\x16\x03\x01\x40\x00\x01\x01\x00\x00\x03\x03";
	struct netpeer p;
	char byte;

	(void)state;
	start_tls_server(1);
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_write(&p, head, sizeof(head) - 1), 0);
	assert_int_equal(netpeer_read(&p, &byte, 1), 0);
	leave(&p);
	/* No common group at first: HelloRetryRequest and a second hello, all of it in order. */
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){.groups = "X448:P-384"}), 0);
	expect_echo(&p, "second try");
	leave(&p);
	serve_stop();
}

/* Pausing: the owner takes a few bytes a call and pauses at will. */

struct eater {
	struct conn *c;
	size_t at;
	bool paused, done;
	unsigned dice;
	struct timer timer;
	atomic_uint moves;
	unsigned calls;
};

static struct eater eater;
static size_t eater_total;

static unsigned
throw_dice(struct eater *e)
{
	e->dice = e->dice * 1103515245u + 12345u;
	return e->dice >> 16;
}

static void
eater_resume(struct timer *t)
{
	struct eater *e = (struct eater *)((char *)t - offsetof(struct eater, timer));

	e->paused = false;
	conn_resume(e->c);
}

static void
eat(struct eater *e, const char *p, size_t n)
{
	check_stream(p, n, e->at);
	e->at += n;
	if (e->at == eater_total)
		conn_write(e->c, "all", 3);
}

static void
eater_data(struct conn *c, void *owner, const char *p, size_t n)
{
	struct eater *e = owner;
	size_t used = n;

	assert_ptr_equal(e->c, c);
	assert_false(e->paused);
	if (throw_dice(e) % 3) {
		used = throw_dice(e) % (n + 1);
		conn_pause(c);
		conn_pause(c);
		conn_keep_rest(c, used);
		if (throw_dice(e) % 8) {
			/* At once, while data() is still on the stack. */
			conn_resume(c);
		} else {
			e->paused = true;
			timer_set(&e->timer, throw_dice(e) % 2, eater_resume);
		}
		conn_resume(c);
	}
	eat(e, p, used);
}

static void
eater_ended(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	struct eater *e = owner;

	e->done = true;
	timer_clear(&e->timer);
	serve_ended(c, owner, how, why);
}

static const struct conn_ops eater_ops = {
	.data = eater_data,
	.secured = serve_secured,
	.ended = eater_ended,
};

static void
eater_born(struct conn *c)
{
	eater = (struct eater){.c = c, .dice = 42};
	conn_set_owner(c, serve.ops, &eater);
}

static void
start_eater(bool tls)
{
	serve.ops = &eater_ops;
	serve.born = eater_born;
	eater_total = 1 << 20;
	if (tls)
		start_tls_server(1);
	else
		serve_start(1);
}

static void
pause_and_keep(bool tls)
{
	struct netpeer p;
	char got[4] = "";

	start_eater(tls);
	netpeer_connect(&p, serve.port);
	if (tls)
		assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
	send_stream(&p, 0, eater_total);
	assert_true(netpeer_read_exactly(&p, got, 3));
	assert_string_equal(got, "all");
	leave(&p);
	assert_int_equal(eater.at, eater_total);
	serve_stop();
}

static void
pause_plain(void **state)
{
	(void)state;
	pause_and_keep(false);
}

static void
pause_tls(void **state)
{
	(void)state;
	pause_and_keep(true);
}

/* Who sends and hangs up at once has sent: the end comes behind the data, however slow the owner. */
static void
nothing_lost_at_the_end(bool tls, bool reset)
{
	struct linger hard = {.l_onoff = 1};
	struct netpeer p;

	start_eater(tls);
	eater_total = 60000;
	netpeer_connect(&p, serve.port);
	if (tls)
		assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
	send_stream(&p, 0, eater_total);
	if (tls)
		SSL_shutdown(p.ssl);
	if (reset)
		setsockopt(p.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	leave(&p);
	/* A reset may overtake what it resets, so only the orderly end promises all. */
	if (!reset)
		assert_int_equal(eater.at, eater_total);
	serve_stop();
}

static void
end_behind_the_data(void **state)
{
	(void)state;
	nothing_lost_at_the_end(false, false);
	nothing_lost_at_the_end(true, false);
	nothing_lost_at_the_end(false, true);
	nothing_lost_at_the_end(true, true);
}

/* A failed write must not hide input that came before. */
static sem_t moving, gone;
static atomic_size_t taken;

static void
late_data(struct conn *c, void *owner, const char *p, size_t n)
{
	struct eater *e = owner;

	(void)p;
	atomic_fetch_add(&taken, n);
	conn_write(c, "into the void", 13);
	conn_pause(c);
	timer_set(&e->timer, 20, eater_resume);
}

static const struct conn_ops late_ops = {
	.data = late_data,
	.secured = serve_secured,
	.ended = eater_ended,
};

static void
failed_write_does_not_hide_input(void **state)
{
	char chunk[64000] = "";
	struct netpeer p;

	(void)state;
	serve.ops = &late_ops;
	serve.born = eater_born;
	atomic_store(&taken, 0);
	serve_start(1);
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_write(&p, chunk, sizeof(chunk)), 0);
	leave(&p);
	assert_int_equal(atomic_load(&taken), sizeof(chunk));
	serve_stop();
}

/* Moving */

static void
mover_arrived(struct conn *c, void *owner)
{
	struct eater *e = owner;

	assert_ptr_equal(e->c, c);
	atomic_fetch_add(&e->moves, 1);
	e->paused = false;
	conn_resume(c);
}

static void
mover_data(struct conn *c, void *owner, const char *p, size_t n)
{
	struct eater *e = owner;
	unsigned here = reactor_index(reactor_current());
	size_t used = n;

	assert_false(e->paused);
	if (++e->calls % 3 == 0) {
		used = throw_dice(e) % (n + 1);
		e->paused = true;
		conn_pause(c);
		conn_keep_rest(c, used);
	}
	conn_write(c, p, used);
	check_stream(p, used, e->at);
	e->at += used;
	/* Every third time to the same reactor. */
	if (e->paused)
		conn_move(c, reactor_at((here + (e->calls % 9 ? 1 : 0)) % reactor_count()), mover_arrived);
}

static const struct conn_ops mover_ops = {
	.data = mover_data,
	.secured = serve_secured,
	.ended = serve_ended,
};

static void
move_while_sending(bool tls)
{
	pthread_t sender;
	struct netpeer p;

	serve.ops = &mover_ops;
	serve.born = eater_born;
	serve.max_output = 64 << 20;
	if (tls)
		start_tls_server(2);
	else
		serve_start(2);
	netpeer_connect(&p, serve.port);
	if (tls) {
		assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
		send_stream(&p, 0, MUCH);
		read_stream(&p, MUCH);
	} else {
		pthread_create(&sender, NULL, send_much, &p);
		read_stream(&p, MUCH);
		pthread_join(sender, NULL);
	}
	leave(&p);
	assert_true(atomic_load(&eater.moves) > 5);
	serve_stop();
}

static void
move_plain(void **state)
{
	(void)state;
	move_while_sending(false);
}

static void
move_tls(void **state)
{
	(void)state;
	move_while_sending(true);
}

/* The peer goes while the connection is between two homes: the new home hears of it. */
static struct reactor *ended_on;

static void
flight_ended(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	ended_on = reactor_current();
	serve_ended(c, owner, how, why);
}

static void
flight_arrived(struct conn *c, void *owner)
{
	(void)c;
	(void)owner;
	assert_ptr_equal(reactor_current(), reactor_at(1));
	/* Nobody was called before. */
	assert_null(ended_on);
}

static void
flight_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	(void)p;
	(void)n;
	conn_move(c, reactor_at(1), flight_arrived);
	/* The peer closes now, as far as this reactor is concerned. */
	sem_post(&moving);
	wait_for(&gone);
}

static const struct conn_ops flight_ops = {
	.data = flight_data,
	.secured = serve_secured,
	.ended = flight_ended,
};

static void
end_in_flight(void **state)
{
	struct netpeer p;

	(void)state;
	sem_init(&moving, 0, 0);
	sem_init(&gone, 0, 0);
	ended_on = NULL;
	serve.ops = &flight_ops;
	serve_start(2);
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_write(&p, "x", 1), 0);
	wait_for(&moving);
	netpeer_close(&p);
	sem_post(&gone);
	wait_for(&serve.closed);
	assert_ptr_equal(ended_on, reactor_at(1));
	serve_stop();
}

/* Output */

static void
flood(struct conn *c)
{
	char chunk[16384] = "";

	for (int i = 0; i < 80; i++)
		conn_write(c, chunk, sizeof(chunk));
}

static void
flood_again(struct conn *c, void *owner, uint64_t upto)
{
	(void)owner;
	(void)upto;
	flood(c);
}

static void
flood_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	(void)p;
	(void)n;
	flood(c);
}

static const struct conn_ops flood_ops = {
	.data = flood_data,
	.secured = serve_secured,
	.ended = serve_ended,
	.flushed = flood_again,
};

static void
slow_reader(void **state)
{
	int64_t slow = metric_get(METRIC_SLOW_READERS);
	struct netpeer p;

	(void)state;
	serve.ops = &flood_ops;
	serve.max_output = 1 << 20;
	start_tls_server(1);
	connect_tls(&p, 0);
	assert_int_equal(netpeer_write(&p, "x", 1), 0);
	/* Never reads. */
	wait_for(&serve.closed);
	assert_int_equal(atomic_load(&serve.ended[CONN_SLOW]), 1);
	assert_int_equal(metric_get(METRIC_SLOW_READERS), slow + 1);
	netpeer_close(&p);
	serve_stop();
}

static uint64_t marks[2];

static void
marks_flushed(struct conn *c, void *owner, uint64_t upto)
{
	(void)owner;
	assert_int_equal(conn_flushed(c), upto);
	assert_true(upto > marks[1] && upto <= conn_mark(c));
	marks[1] = upto;
}

static void
marks_data(struct conn *c, void *owner, const char *p, size_t n)
{
	struct buf *out;

	(void)owner;
	assert_int_equal(conn_mark(c), marks[0]);
	out = conn_out(c);
	buf_add(out, p, n);
	conn_wrote(c);
	conn_write(c, "!", 1);
	marks[0] += n + 1;
	assert_int_equal(conn_mark(c), marks[0]);
	/* Nothing goes out before the end of the turn. */
	assert_int_equal(conn_flushed(c), marks[1]);
}

static const struct conn_ops marks_ops = {
	.data = marks_data,
	.secured = serve_secured,
	.ended = serve_ended,
	.flushed = marks_flushed,
};

static void
marks_count_plaintext(void **state)
{
	struct netpeer p;
	char got[8];

	(void)state;
	marks[0] = marks[1] = 0;
	serve.ops = &marks_ops;
	start_tls_server(1);
	connect_tls(&p, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(netpeer_write(&p, "abc", 3), 0);
		assert_true(netpeer_read_exactly(&p, got, 4));
		assert_memory_equal(got, "abc!", 4);
	}
	leave(&p);
	assert_int_equal(marks[0], 12);
	assert_int_equal(marks[1], 12);
	serve_stop();
}

/* A peer that has closed its own side, and reads on */

#define AFTER_END ((size_t)16 << 20)

static void
say_much(struct conn *c, void *owner, enum conn_end how, const char *why)
{
	char *all = malloc(AFTER_END);

	(void)owner, (void)why;
	assert_int_equal(how, CONN_EOF);
	for (size_t i = 0; i < AFTER_END; i++)
		all[i] = byte_at(i);
	conn_write(c, all, AFTER_END);
	free(all);
}

static void
close_when_said(struct conn *c, void *owner, uint64_t upto)
{
	(void)owner;
	if (upto >= AFTER_END)
		serve_close(c);
}

static const struct conn_ops after_end_ops = {
	.data = serve_echo,
	.secured = serve_secured,
	.ended = say_much,
	.flushed = close_when_said,
};

static void
output_after_the_end(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct netpeer p;
		char got[8];

		serve.ops = &after_end_ops;
		serve.max_output = 2 * AFTER_END;
		if (tls)
			start_tls_server(1);
		else
			serve_start(1);
		netpeer_connect(&p, serve.port);
		if (tls)
			assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
		expect_echo(&p, "hello");
		if (tls)
			SSL_shutdown(p.ssl);
		else
			assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
		read_stream(&p, AFTER_END);
		assert_int_equal(netpeer_read(&p, got, sizeof(got)), 0);
		wait_for(&serve.closed);
		netpeer_close(&p);
		serve_stop();
	}
}

/* Shutting down */

static bool shut_discards;
static unsigned shut_linger_ms;

static void
shut_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	(void)p;
	atomic_fetch_add(&taken, n);
	conn_write(c, "bye", 3);
	conn_shutdown(c, shut_linger_ms, shut_discards);
	/* Ignored from here on. */
	conn_write(c, "more", 4);
	buf_add(conn_out(c), "more", 4);
	conn_wrote(c);
}

static const struct conn_ops shut_ops = {
	.data = shut_data,
	.secured = serve_secured,
	.ended = serve_ended,
};

static void
shut_down(bool tls, bool discard)
{
	struct netpeer p;
	char got[16];

	serve.ops = &shut_ops;
	shut_discards = discard;
	shut_linger_ms = 60000;
	atomic_store(&taken, 0);
	if (tls)
		start_tls_server(1);
	else
		serve_start(1);
	netpeer_connect(&p, serve.port);
	if (tls)
		assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
	assert_int_equal(netpeer_write(&p, "1", 1), 0);
	assert_true(netpeer_read_exactly(&p, got, 3));
	assert_memory_equal(got, "bye", 3);
	assert_int_equal(netpeer_read(&p, got, sizeof(got)), 0);
	if (tls)
		assert_int_equal(SSL_get_shutdown(p.ssl) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
	/* The way to the server is still open. */
	assert_int_equal(netpeer_write(&p, "2", 1), 0);
	if (tls)
		SSL_shutdown(p.ssl);
	leave(&p);
	assert_int_equal(atomic_load(&taken), discard ? 1 : 2);
	assert_int_equal(atomic_load(&serve.ended[CONN_EOF]), 1);
	serve_stop();
}

static void
shutdown_handshake(void **state)
{
	(void)state;
	shut_down(false, false);
	shut_down(false, true);
	shut_down(true, false);
	shut_down(true, true);
}

static void
shutdown_of_a_peer_that_stays(void **state)
{
	struct netpeer p;

	(void)state;
	serve.ops = &shut_ops;
	shut_discards = false;
	shut_linger_ms = 30;
	start_tls_server(1);
	connect_tls(&p, 0);
	assert_int_equal(netpeer_write(&p, "1", 1), 0);
	wait_for(&serve.closed);
	assert_int_equal(atomic_load(&serve.ended[CONN_EOF]), 1);
	netpeer_close(&p);
	serve_stop();
}

static void
shut_early(struct conn *c)
{
	conn_shutdown(c, 60000, false);
}

static void
shutdown_before_the_handshake(void **state)
{
	struct netpeer p;
	char byte;

	(void)state;
	serve.born = shut_early;
	start_tls_server(1);
	netpeer_connect(&p, serve.port);
	assert_int_equal(netpeer_read(&p, &byte, 1), 0);
	assert_int_equal(netpeer_write(&p, "whatever", 8), 0);
	leave(&p);
	serve_stop();
}

/* Closing inside callbacks */

static void
close_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	(void)p;
	(void)n;
	conn_write(c, "last", 4);
	serve_close(c);
	/* Still there until the end of the turn. */
	conn_write(c, "nothing", 7);
	assert_string_equal(conn_address(c), "127.0.0.1");
	assert_string_equal(conn_source(c), "127.0.0.1");
	conn_close(c);
}

/* Of what was queued before, nothing comes behind it. */
static void
reset_data(struct conn *c, void *owner, const char *p, size_t n)
{
	(void)owner;
	(void)p;
	(void)n;
	conn_write(c, "a part", 6);
	conn_reset(c);
	conn_write(c, "nothing", 7);
	conn_reset(c);
	serve_close(c);
}

static void
a_reset_is_no_end(void **state)
{
	static const struct conn_ops ops = {.data = reset_data, .secured = serve_secured, .ended = serve_ended};

	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct netpeer p;
		char got[4096];
		ssize_t n;

		serve.ops = &ops;
		if (tls)
			start_tls_server(1);
		else
			serve_start(1);
		netpeer_connect(&p, serve.port);
		if (tls)
			assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
		assert_int_equal(netpeer_write(&p, "hello", 5), 0);
		wait_for(&serve.closed);
		/* TLS may have said something by itself. */
		while ((n = recv(p.fd, got, sizeof(got), 0)) > 0)
			assert_true(tls);
		assert_true(n < 0 && errno == ECONNRESET);
		netpeer_close(&p);
		serve_stop();
	}
}

static void
close_secured(struct conn *c, void *owner)
{
	(void)owner;
	if (owner == NULL)
		serve_close(c);
}

static void
closing_in_callbacks(void **state)
{
	static const struct conn_ops in_data = {.data = close_data, .secured = serve_secured, .ended = serve_ended};
	static const struct conn_ops in_secured = {
		.data = close_data, .secured = close_secured, .ended = serve_ended};
	struct netpeer p;
	char got[8];

	(void)state;
	serve.ops = &in_data;
	start_tls_server(1);
	connect_tls(&p, 0);
	assert_int_equal(netpeer_write(&p, "x", 1), 0);
	assert_true(netpeer_read_exactly(&p, got, 4));
	assert_memory_equal(got, "last", 4);
	assert_int_equal(netpeer_read(&p, got, 1), 0);
	leave(&p);
	serve_stop();
	serve.ops = &in_secured;
	start_tls_server(1);
	connect_tls(&p, TLS1_2_VERSION);
	assert_int_equal(netpeer_read(&p, got, 1), 0);
	leave(&p);
	serve_stop();
}

/* Many */

#define COMERS 1000

static void
come_and_go(void **state)
{
	struct netpeer p;

	(void)state;
	start_tls_server(2);
	for (int i = 0; i < COMERS; i++) {
		netpeer_connect(&p, serve.port);
		/* Some say nothing, some half a handshake, some a whole one. */
		if (i % 10 == 0) {
			assert_int_equal(netpeer_start_tls(&p, &(struct netpeer_tls){0}), 0);
			expect_echo(&p, "hello");
		} else if (i % 3 == 0) {
			assert_int_equal(netpeer_write(&p, "\x16\x03\x01", 3), 0);
		}
		netpeer_close(&p);
	}
	for (int i = 0; i < COMERS; i++)
		wait_for(&serve.closed);
	serve_stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_echo),
		cmocka_unit_test(tls_echo),
		cmocka_unit_test(much_plain),
		cmocka_unit_test(much_tls),
		cmocka_unit_test(starttls),
		cmocka_unit_test(injection_behind_starttls),
		cmocka_unit_test(garbage_and_half_handshakes),
		cmocka_unit_test(oversized_hello),
		cmocka_unit_test(pause_plain),
		cmocka_unit_test(pause_tls),
		cmocka_unit_test(end_behind_the_data),
		cmocka_unit_test(failed_write_does_not_hide_input),
		cmocka_unit_test(move_plain),
		cmocka_unit_test(move_tls),
		cmocka_unit_test(end_in_flight),
		cmocka_unit_test(slow_reader),
		cmocka_unit_test(marks_count_plaintext),
		cmocka_unit_test(output_after_the_end),
		cmocka_unit_test(shutdown_handshake),
		cmocka_unit_test(shutdown_of_a_peer_that_stays),
		cmocka_unit_test(shutdown_before_the_handshake),
		cmocka_unit_test(closing_in_callbacks),
		cmocka_unit_test(a_reset_is_no_end),
		cmocka_unit_test(come_and_go),
	};

	return cmocka_run_group_tests(tests, make_certs, drop_certs);
}
