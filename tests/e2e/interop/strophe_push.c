/*
 * strophe_push: a push service (XEP-0357 §4) as a component (XEP-0114) on libstrophe, for scenarios to steer.
 *
 *     strophe_push DOMAIN HOST PORT      the secret is in CHANCERY_COMPONENT_SECRET
 *
 * Lines on standard input: how notifications are answered from now on: "answer", "silent", "error CONDITION TYPE",
 * "slow MILLISECONDS"; or "quit". Lines on standard output: "online", "offline", "end", or "push FROM NODE COUNT TEXT".
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <unistd.h>

#define TURN_MS 10
#define NS_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"

struct service {
	xmpp_ctx_t *ctx;
	xmpp_conn_t *conn;
	bool online, gone, leaving, silent, fails;
	char condition[64], type[16];
	unsigned slow_ms;
	char line[512];
	size_t n;
};

static void
on_dummy(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *e, void *userdata)
{
	(void)conn;
	(void)error;
	(void)e;
	if (event != XMPP_CONN_CONNECT)
		*(bool *)userdata = true;
}

/* A component of libstrophe 0.12 has no state of stream management and crashes with its first stanza. A client has one: a
 * client's connection to a port where nobody listens leaves it behind. */
static xmpp_sm_state_t *
make_state(xmpp_ctx_t *ctx)
{
	xmpp_conn_t *dummy = xmpp_conn_new(ctx);
	xmpp_sm_state_t *sm;
	bool over = false;

	xmpp_conn_set_jid(dummy, "nobody@localhost");
	xmpp_conn_set_pass(dummy, "x");
	if (xmpp_connect_client(dummy, "127.0.0.1", 1, on_dummy, &over) == XMPP_EOK)
		while (!over)
			xmpp_run_once(ctx, TURN_MS);
	sm = xmpp_conn_get_sm_state(dummy);
	xmpp_conn_release(dummy);
	return sm;
}

static xmpp_stanza_t *
child(xmpp_stanza_t *st, const char *name)
{
	return st ? xmpp_stanza_get_child_by_name(st, name) : NULL;
}

/* The value of a field of the summary, to be freed; NULL when there is none. */
static char *
field(xmpp_stanza_t *form, const char *var)
{
	for (xmpp_stanza_t *f = form ? xmpp_stanza_get_children(form) : NULL; f; f = xmpp_stanza_get_next(f)) {
		const char *v = xmpp_stanza_get_attribute(f, "var");

		if (v && !strcmp(v, var))
			return child(f, "value") ? xmpp_stanza_get_text(child(f, "value")) : NULL;
	}
	return NULL;
}

static void
say(struct service *s, xmpp_stanza_t *iq, xmpp_stanza_t *publish)
{
	xmpp_stanza_t *form = child(child(child(publish, "item"), "notification"), "x");
	const char *node = xmpp_stanza_get_attribute(publish, "node");
	char *count = field(form, "message-count"), *text = field(form, "last-message-body");

	printf("push %s %s %s %s\n", xmpp_stanza_get_from(iq), node ? node : "-", count ? count : "-", text ? text : "-");
	fflush(stdout);
	xmpp_free(s->ctx, count);
	xmpp_free(s->ctx, text);
}

static void
answer(struct service *s, xmpp_stanza_t *iq)
{
	xmpp_stanza_t *reply = xmpp_stanza_reply(iq), *error, *condition;

	/* xmpp_stanza_reply leaves `from` to the server: a component has to say it. */
	xmpp_stanza_set_from(reply, xmpp_stanza_get_to(iq));
	xmpp_stanza_set_type(reply, s->fails ? "error" : "result");
	if (s->fails) {
		error = xmpp_stanza_new(s->ctx);
		xmpp_stanza_set_name(error, "error");
		xmpp_stanza_set_type(error, s->type);
		condition = xmpp_stanza_new(s->ctx);
		xmpp_stanza_set_name(condition, s->condition);
		xmpp_stanza_set_ns(condition, NS_ERRORS);
		xmpp_stanza_add_child(error, condition);
		xmpp_stanza_add_child(reply, error);
		xmpp_stanza_release(condition);
		xmpp_stanza_release(error);
	}
	xmpp_send(s->conn, reply);
	xmpp_stanza_release(reply);
}

static int
on_iq(xmpp_conn_t *conn, xmpp_stanza_t *iq, void *userdata)
{
	struct service *s = userdata;
	const char *type = xmpp_stanza_get_type(iq);
	xmpp_stanza_t *publish = child(child(iq, "pubsub"), "publish");

	(void)conn;
	if (!type || strcmp(type, "set") || !publish)
		return 1;
	say(s, iq, publish);
	if (s->slow_ms)
		usleep(s->slow_ms * 1000);
	if (!s->silent)
		answer(s, iq);
	return 1;
}

static void
on_event(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *e, void *userdata)
{
	struct service *s = userdata;

	(void)error;
	(void)e;
	s->online = event == XMPP_CONN_CONNECT;
	s->gone = !s->online;
	if (s->online)
		xmpp_handler_add(conn, on_iq, NULL, "iq", NULL, s);
	puts(s->online ? "online" : "offline");
	fflush(stdout);
}

static void
obey(struct service *s, const char *line)
{
	s->silent = strcmp(line, "silent") == 0;
	s->fails = sscanf(line, "error %63s %15s", s->condition, s->type) == 2;
	s->slow_ms = strncmp(line, "slow ", 5) == 0 ? (unsigned)strtoul(line + 5, NULL, 10) : 0;
	if (strcmp(line, "quit") == 0) {
		s->leaving = true;
		xmpp_disconnect(s->conn);
	} else {
		puts("ok");
		fflush(stdout);
	}
}

static void
listen_to_master(struct service *s)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got;
	char *end;

	while (!s->leaving && s->online && poll(&in, 1, 0) == 1) {
		got = read(STDIN_FILENO, s->line + s->n, sizeof s->line - 1 - s->n);
		if (got <= 0) {
			obey(s, "quit");
			return;
		}
		s->n += (size_t)got;
		while ((end = memchr(s->line, '\n', s->n)) != NULL) {
			*end = '\0';
			obey(s, s->line);
			s->n -= (size_t)(end + 1 - s->line);
			memmove(s->line, end + 1, s->n);
		}
	}
}

int
main(int argc, char **argv)
{
	const char *secret = getenv("CHANCERY_COMPONENT_SECRET");
	struct service s = { 0 };

	if (argc != 4 || !secret)
		return 2;
	xmpp_initialize();
	s.ctx = xmpp_ctx_new(NULL, NULL);
	s.conn = xmpp_conn_new(s.ctx);
	xmpp_conn_set_sm_state(s.conn, make_state(s.ctx));
	xmpp_conn_set_jid(s.conn, argv[1]);
	xmpp_conn_set_pass(s.conn, secret);
	if (xmpp_connect_component(s.conn, argv[2], (unsigned short)strtoul(argv[3], NULL, 10), on_event, &s) != XMPP_EOK)
		return 1;
	while (!s.gone) {
		xmpp_run_once(s.ctx, TURN_MS);
		listen_to_master(&s);
	}
	puts("end");
	xmpp_conn_release(s.conn);
	xmpp_ctx_free(s.ctx);
	xmpp_shutdown();
	return 0;
}
