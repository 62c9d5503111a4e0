/*
 * link: a connection to a server by libstrophe.
 */
#include "link.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define TURN_MS 50
#define GOODBYE_MS 3000

struct ping {
	struct link *link;
	void (*answered)(struct link *l);
};

/* The only link of the process: libstrophe gives its certificate handler no pointer of ours. */
static struct link *the_link;

/* libstrophe says only here why a connection or a login failed: the event that follows carries no reason. */
static void
on_log(void *userdata, xmpp_log_level_t level, const char *area, const char *msg)
{
	struct link *l = userdata;

	if (strncmp(msg, "SASL ", 5) == 0 && strstr(msg, "auth failed") != NULL)
		l->refused_login = true;
	(void)sscanf(msg, "connection failed, error %d", &l->connect_error);
	if (l->set->verbose)
		fprintf(stderr, "%s: %s\n", area, msg);
	(void)level;
}

/* 0 refuses. There is no way to go on with a certificate that does not hold. */
static int
on_bad_certificate(const xmpp_tlscert_t *cert, const char *const errormsg)
{
	(void)cert;
	the_link->refused_certificate = true;
	err_set(&the_link->why, 0, "the server's certificate is not accepted: %s%s", errormsg,
		the_link->set->ca != NULL ? "" : " (--ca FILE names the authority to trust)");
	return 0;
}

void
link_finish(struct link *l, int result, const char *why)
{
	if (l->done)
		return;
	l->done = true;
	l->result = result;
	if (why != NULL)
		err_set(&l->why, 0, "%s", why);
	xmpp_disconnect(l->conn);
}

/* The name of a stream error's condition is its first child. */
static void
stream_error(struct link *l, const xmpp_stream_error_t *e)
{
	xmpp_stanza_t *condition = e->stanza != NULL ? xmpp_stanza_get_children(e->stanza) : NULL;
	const char *name = condition != NULL ? xmpp_stanza_get_name(condition) : NULL;

	err_set(&l->why, 0, "the server closed the stream: %s%s%s", name != NULL ? name : "no reason given",
		e->text != NULL ? ": " : "", e->text != NULL ? e->text : "");
}

static void
explain_end(struct link *l, const xmpp_stream_error_t *e)
{
	if (l->refused_certificate)
		return;
	if (l->refused_login && !l->bound)
		err_set(&l->why, 0, "the server does not accept this address with this password");
	else if (e != NULL)
		stream_error(l, e);
	else if (l->connect_error > 0)
		err_set(&l->why, l->connect_error, "cannot connect: %s", strerror(l->connect_error));
	else
		err_set(&l->why, 0, "%s", l->bound ? "the connection ended" :
			"no TLS, or no way to log in that both sides know (--verbose shows more)");
}

static void
on_event(xmpp_conn_t *conn, xmpp_conn_event_t event, int error, xmpp_stream_error_t *e, void *userdata)
{
	struct link *l = userdata;

	(void)error;
	if (event == XMPP_CONN_CONNECT) {
		if (!xmpp_conn_is_secured(conn)) {
			link_finish(l, EXIT_REFUSED, "the server offers no TLS");
			return;
		}
		l->bound = true;
		l->ready(l);
	} else if (event == XMPP_CONN_DISCONNECT || event == XMPP_CONN_FAIL) {
		l->gone = true;
		if (l->done)
			return;
		l->done = true;
		l->result = EXIT_REFUSED;
		explain_end(l, e);
	}
}

static int
on_pong(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
	struct ping *p = userdata;

	(void)conn;
	(void)stanza;
	p->answered(p->link);
	free(p);
	return 0;
}

void
link_ping(struct link *l, const char *to, void (*answered)(struct link *l))
{
	struct ping *p = malloc(sizeof *p);
	char *id = xmpp_uuid_gen(l->ctx);
	xmpp_stanza_t *iq = xmpp_iq_new(l->ctx, "get", id), *child = xmpp_stanza_new(l->ctx);

	if (p == NULL || id == NULL)
		abort();
	*p = (struct ping){ .link = l, .answered = answered };
	xmpp_stanza_set_name(child, "ping");
	xmpp_stanza_set_ns(child, "urn:xmpp:ping");
	xmpp_stanza_add_child(iq, child);
	xmpp_stanza_release(child);
	if (to != NULL)
		xmpp_stanza_set_to(iq, to);
	xmpp_id_handler_add(l->conn, on_pong, id, p);
	xmpp_send(l->conn, iq);
	xmpp_stanza_release(iq);
	xmpp_free(l->ctx, id);
}

static int
prepare(struct link *l)
{
	long flags = XMPP_CONN_FLAG_MANDATORY_TLS;

	xmpp_initialize();
	l->log = (xmpp_log_t){ .handler = on_log, .userdata = l };
	l->ctx = xmpp_ctx_new(NULL, &l->log);
	l->conn = l->ctx != NULL ? xmpp_conn_new(l->ctx) : NULL;
	if (l->conn == NULL)
		return err_set(&l->why, 0, "libstrophe does not start");
	if (l->set->direct_tls)
		flags = XMPP_CONN_FLAG_LEGACY_SSL;
	xmpp_conn_set_flags(l->conn, flags);
	xmpp_conn_set_jid(l->conn, l->set->jid);
	xmpp_conn_set_pass(l->conn, l->set->password);
	xmpp_conn_set_certfail_handler(l->conn, on_bad_certificate);
	if (l->set->ca != NULL)
		xmpp_conn_set_cafile(l->conn, l->set->ca);
	return 0;
}

/* Until the work is done, or the time is over. */
static void
run(struct link *l)
{
	int64_t end = clock_mono_ms() + (int64_t)l->set->timeout_s * 1000;

	while (!l->done) {
		xmpp_run_once(l->ctx, TURN_MS);
		if (l->set->timeout_s > 0 && clock_mono_ms() > end && !l->done) {
			l->timed_out = true;
			link_finish(l, EXIT_REFUSED, l->bound ? "nothing came within the time limit" :
				"cannot log in within the time limit");
		}
	}
	/* </stream:stream> goes out and comes back, so that the session ends and does not wait for us. */
	end = clock_mono_ms() + GOODBYE_MS;
	while (!l->gone && clock_mono_ms() < end)
		xmpp_run_once(l->ctx, TURN_MS);
}

int
link_run(struct link *l, const struct link_settings *set, void (*ready)(struct link *l), void *owner)
{
	unsigned short port = set->port;

	*l = (struct link){ .set = set, .ready = ready, .owner = owner, .result = EXIT_REFUSED };
	the_link = l;
	if (prepare(l) == 0) {
		if (port == 0 && set->host != NULL)
			port = set->direct_tls ? 5223 : 5222;
		if (xmpp_connect_client(l->conn, set->host, port, on_event, l) == XMPP_EOK)
			run(l);
		else
			err_set(&l->why, 0, "cannot connect to %s: no such host, or it cannot be reached",
				set->host != NULL ? set->host : "the server of this address");
	}
	if (l->conn != NULL)
		xmpp_conn_release(l->conn);
	if (l->ctx != NULL)
		xmpp_ctx_free(l->ctx);
	xmpp_shutdown();
	return l->result;
}
