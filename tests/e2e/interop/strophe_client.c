/*
 * strophe_client: a client on libstrophe for scenarios to steer.
 *
 *     strophe_client JID HOST PORT CA [direct]      the password is in CHANCERY_PASSWORD
 *
 * Lines on standard input: a stanza to send, or "quit". Lines on standard output: "online JID", "offline", "end", or a stanza
 * that came. When the connection breaks it comes back by itself with what libstrophe remembers of the session (XEP-0198 §5).
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strophe.h>
#include <unistd.h>

#define TURN_MS 10
#define AGAIN_MS 100

struct client {
	const char *jid, *host, *ca;
	unsigned short port;
	bool direct, leaving, gone, online, was_online;
	xmpp_ctx_t *ctx;
	xmpp_conn_t *conn;
	char line[65536];
	size_t n;
};

static int
on_stanza(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
	char *text;
	size_t n;

	(void)conn;
	(void)userdata;
	if (xmpp_stanza_to_text(stanza, &text, &n) != XMPP_EOK)
		return 1;
	for (size_t i = 0; i < n; i++)
		putchar(text[i] == '\n' ? ' ' : text[i]);
	putchar('\n');
	fflush(stdout);
	xmpp_free(xmpp_conn_get_context(conn), text);
	return 1;
}

static void
on_event(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *e, void *userdata)
{
	struct client *c = userdata;

	(void)error;
	(void)e;
	if (event == XMPP_CONN_CONNECT) {
		c->online = c->was_online = true;
		printf("online %s\n", xmpp_conn_get_bound_jid(conn));
	} else {
		c->gone = true;
		c->online = false;
		puts("offline");
	}
	fflush(stdout);
}

/* With the session of the connection that broke, when there is one. */
static bool
begin(struct client *c)
{
	xmpp_sm_state_t *sm = c->conn ? xmpp_conn_get_sm_state(c->conn) : NULL;

	if (c->conn)
		xmpp_conn_release(c->conn);
	c->conn = xmpp_conn_new(c->ctx);
	xmpp_conn_set_flags(c->conn, c->direct ? XMPP_CONN_FLAG_LEGACY_SSL : XMPP_CONN_FLAG_MANDATORY_TLS);
	xmpp_conn_set_jid(c->conn, c->jid);
	xmpp_conn_set_pass(c->conn, getenv("CHANCERY_PASSWORD"));
	xmpp_conn_set_cafile(c->conn, c->ca);
	if (sm)
		xmpp_conn_set_sm_state(c->conn, sm);
	c->gone = false;
	xmpp_handler_add(c->conn, on_stanza, NULL, NULL, NULL, c);
	return xmpp_connect_client(c->conn, c->host, c->port, on_event, c) == XMPP_EOK;
}

static void
obey(struct client *c, const char *line)
{
	xmpp_stanza_t *stanza;

	if (strcmp(line, "quit") == 0) {
		c->leaving = true;
		xmpp_disconnect(c->conn);
		return;
	}
	stanza = xmpp_stanza_new_from_string(c->ctx, line);
	if (!stanza) {
		fprintf(stderr, "not a stanza: %s\n", line);
		return;
	}
	xmpp_send(c->conn, stanza);
	xmpp_stanza_release(stanza);
}

/* What has come on standard input, without waiting; its end means quit. libstrophe drops what it is given while it is not
 * connected. */
static void
listen_to_master(struct client *c)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got;
	char *end;

	while (!c->leaving && c->online && poll(&in, 1, 0) == 1) {
		got = read(STDIN_FILENO, c->line + c->n, sizeof c->line - 1 - c->n);
		if (got <= 0) {
			obey(c, "quit");
			return;
		}
		c->n += (size_t)got;
		while ((end = memchr(c->line, '\n', c->n)) != NULL) {
			*end = '\0';
			obey(c, c->line);
			c->n -= (size_t)(end + 1 - c->line);
			memmove(c->line, end + 1, c->n);
		}
	}
}

static int
run(struct client *c)
{
	if (!begin(c))
		return 1;
	while (!c->leaving || !c->gone) {
		xmpp_run_once(c->ctx, TURN_MS);
		if (c->gone && !c->leaving) {
			/* One that never logged in is refused for good. */
			if (!c->was_online)
				return 1;
			usleep(AGAIN_MS * 1000);
			if (!begin(c))
				return 1;
		}
		listen_to_master(c);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	xmpp_log_t *quiet = xmpp_get_default_logger(XMPP_LEVEL_ERROR);
	struct client c = { 0 };
	int rc;

	if (argc < 5 || !getenv("CHANCERY_PASSWORD"))
		return 2;
	c.jid = argv[1];
	c.host = argv[2];
	c.port = (unsigned short)strtoul(argv[3], NULL, 10);
	c.ca = argv[4];
	c.direct = argc > 5 && strcmp(argv[5], "direct") == 0;
	xmpp_initialize();
	c.ctx = xmpp_ctx_new(NULL, quiet);
	rc = run(&c);
	puts("end");
	xmpp_conn_release(c.conn);
	xmpp_ctx_free(c.ctx);
	xmpp_shutdown();
	return rc;
}
