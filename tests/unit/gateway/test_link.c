/*
 * Tests of gateway/link: a stanza to several clients, on a stream that is acknowledged in part and lost. The rest of the program is stood in for; chanceryd is the test at the other end
 * of a socket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/priv.h"

static struct gateway *g;
static uv_loop_t loop;
static char path[64];
static int listener, peer; /* peer: chanceryd's end; -1: none */
static struct buf heard;   /* by it, on this stream, behind <enable/> */
static unsigned told;
static char order[8];      /* whose `fn` was told */

/* What link calls. */

void
dispatch(struct gateway *gw, struct stanza *st, struct ticket *t)
{
	(void)gw;
	(void)t;
	stanza_unref(st);
}

void
program_stream_up(struct gateway *gw)
{
	(void)gw;
}

void
program_all_arrived(struct gateway *gw)
{
	(void)gw;
}

void
program_end(struct gateway *gw, int status)
{
	(void)gw;
	(void)status;
	fail();
}

void
questions_again(struct gateway *gw)
{
	(void)gw;
}

void
stats_count(struct stats *s, const char *name, int64_t add)
{
	(void)s;
	(void)name;
	(void)add;
}

uint64_t
gateway_backoff_ms(unsigned n)
{
	(void)n;
	return 0;
}

static void
stored(void *arg)
{
	order[told++] = *(const char *)arg;
}

/* The other end */

static void
say(const char *xml)
{
	assert_int_equal(send(peer, xml, strlen(xml), MSG_NOSIGNAL), strlen(xml));
}

/* The loop runs until this has been heard. */
static void
until(const char *want)
{
	char bytes[4096];
	ssize_t n;

	while (!strstr(buf_str(&heard), want)) {
		uv_run(&loop, UV_RUN_NOWAIT);
		link_turn(g);
		n = recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT);
		assert_true(n > 0 || (n < 0 && errno == EAGAIN));
		if (n > 0)
			buf_add(&heard, bytes, (size_t)n);
		else
			usleep(1000);
	}
}

static void
open_stream(void)
{
	buf_clear(&heard);
	while ((peer = accept(listener, NULL, NULL)) < 0) {
		assert_int_equal(errno, EAGAIN);
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(1000);
	}
	until("<stream:stream");
	say("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='irc.x.example'>");
	until("</handshake>");
	say("<handshake/>");
	until("<enable ");
	buf_clear(&heard);
	say("<enabled xmlns='urn:xmpp:sm:3'/>");
	while (g->link.state != LINK_OPEN)
		uv_run(&loop, UV_RUN_NOWAIT);
	link_turn(g);
}

static void
acknowledge(unsigned n)
{
	char xml[64];

	snprintf(xml, sizeof(xml), "<a xmlns='urn:xmpp:sm:3' h='%u'/>", n);
	say(xml);
	while (g->link.acked != n)
		uv_run(&loop, UV_RUN_ONCE);
}

static int
setup(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct err err = { 0 };

	(void)state;
	strcpy(path, "/tmp/chancery-link-XXXXXX");
	assert_non_null(mkdtemp(path));
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/s", path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(listener, 4), 0);
	uv_loop_init(&loop);
	g = NEW(struct gateway);
	g->loop = &loop;
	g->start.server = mem_alloc(strlen(a.sun_path) + 6);
	sprintf(g->start.server, "unix:%s", a.sun_path);
	g->start.domain = mem_strdup("irc.x.example");
	g->start.secret = mem_strdup("s");
	assert_int_equal(gateway_limits_read(&g->settings.limits, NULL, &err), 0);
	g->limits = &g->settings.limits;
	ledger_init(&g->ledger);
	told = 0;
	memset(order, 0, sizeof(order));
	peer = -1;
	link_init(g);
	link_start(g);
	return 0;
}

static int
teardown(void **state)
{
	char file[80];

	(void)state;
	g->stopping = true;
	link_stop(g);
	while (uv_run(&loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&loop), 0);
	close(peer);
	close(listener);
	snprintf(file, sizeof(file), "%s/s", path);
	unlink(file);
	rmdir(path);
	buf_fini(&heard);
	ledger_reset(&g->ledger);
	free(g->start.server);
	free(g->start.domain);
	free(g->start.secret);
	free(g);
	parser_pool_clear();
	return 0;
}

/* To a, b and c; and to d alone. */
static void
send_all(void)
{
	static const char to[] = "a\0b&amp;\0c";
	struct buf head = { 0 }, tail = { 0 }, all = { 0 };

	buf_adds(&head, "<message to='");
	buf_adds(&tail, "'><body>x</body></message>");
	buf_add(&all, to, sizeof(to));
	link_send_copies(g, &(struct link_copies){ .head = &head, .tail = &tail, .to = &all, .n = 3 }, stored, (void *)"3");
	link_send(g, "<message to='d'/>", 17, stored, (void *)"1");
	assert_int_equal(g->link.waiting, 4);
	assert_int_equal(g->link.waiting_bytes, 3 * (buf_len(&head) + buf_len(&tail)) + 1 + 6 + 1 + 17);
	buf_fini(&head);
	buf_fini(&tail);
	buf_fini(&all);
}

static void
check_all_gone(void)
{
	assert_int_equal(g->link.waiting, 0);
	assert_int_equal(g->link.waiting_bytes, 0);
	assert_true(list_is_empty(&g->link.sent));
}

#define A "<message to='a'><body>x</body></message>"
#define B "<message to='b&amp;'><body>x</body></message>"
#define C "<message to='c'><body>x</body></message>"
#define D "<message to='d'/>"

static void
copies(void **state)
{
	(void)state;
	open_stream();
	send_all();
	until("<r ");
	assert_memory_equal(buf_data(&heard), A B C D, strlen(A B C D));
	acknowledge(2);
	assert_int_equal(told, 0);
	acknowledge(4);
	assert_int_equal(told, 2);
	assert_string_equal(order, "31");
	check_all_gone();
}

/* What was sent while there was no stream goes first when there is one; what the last stream had acknowledged does not come again. */
static void
stream_lost(void **state)
{
	(void)state;
	send_all();
	open_stream();
	until("<r ");
	assert_memory_equal(buf_data(&heard), A B C D, strlen(A B C D));
	acknowledge(2);
	close(peer);
	while (g->link.state == LINK_OPEN)
		uv_run(&loop, UV_RUN_ONCE);
	open_stream();
	until("<r ");
	assert_memory_equal(buf_data(&heard), C D, strlen(C D));
	assert_int_equal(told, 0);
	acknowledge(1);
	assert_int_equal(told, 1);
	acknowledge(2);
	assert_int_equal(told, 2);
	assert_string_equal(order, "31");
	check_all_gone();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copies, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_lost, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
