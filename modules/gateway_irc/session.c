#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"

#define OUTPUT_BYTES 262144 /* a server that does not read what it asks for */
#define LATE_MS 200         /* a turn comes ten times a second: several may be due in it */
#define NOT_AGAIN_MS 300000 /* at least, when the server has refused us for good */

static void stir(struct irc_session *s);
static void stir_later(struct irc_session *s);
static void on_timer(uv_timer_t *t);

/* The timer goes off then, whatever it was set to before. */
static void
set_timer(struct irc_session *s, int64_t due, int64_t now)
{
	s->due = due;
	uv_timer_start(s->timer, on_timer, due > now ? (uint64_t)(due - now) : 0, 0);
}

static void
begun(struct irc_session *s)
{
	if (s->beginning)
		s->server->beginning--;
	s->beginning = false;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

static void
retry(struct irc_session *s, bool forever)
{
	uint64_t ms = gateway_backoff_ms(++s->tries);
	int64_t now;

	s->state = IRC_SESSION_RETRYING;
	if (forever && ms < NOT_AGAIN_MS)
		ms = NOT_AGAIN_MS;
	now = clock_mono_ms();
	set_timer(s, now + (int64_t)ms, now);
	gateway_count(s->gateway, "connections_lost", 1);
}

/* The end of a connection, from whatever side; the client has told or is told. */
static void
ended(struct irc_session *s, const char *why)
{
	struct irc_conn *conn = s->conn;

	s->conn = NULL;
	begun(s);
	list_remove(&s->turn);
	if (why != s->why)
		snprintf(s->why, sizeof(s->why), "%s", why);
	irc_client_lost(s->client, s->why, clock_mono_ms());
	irc_conn_close(conn);
}

static void
on_event(void *arg, const struct irc_event *e)
{
	struct irc_session *s = arg;

	if (s->closing)
		return;
	if (e->kind == IRC_UP) {
		s->tries = 0;
		begun(s);
	} else if (e->kind == IRC_CLOSED) {
		if (e->text != s->why)
			snprintf(s->why, sizeof(s->why), "%s", e->text);
		log_info(NULL, "irc-closed", "network=%s user=%s why=%s", s->server->name, s->user ? jid_bare(s->user->jid) : "-", e->text);
		retry(s, e->forever);
	}
	s->fn(s, e);
}

static void
conn_lost(void *arg, const char *why)
{
	struct irc_session *s = arg;
	struct irc_event e = { .kind = IRC_CLOSED, .text = s->why };

	bool open = s->state == IRC_SESSION_OPEN;

	ended(s, why);
	/* It had not come to a login: the client knows nothing of it. */
	if (!open)
		on_event(s, &e);
}

static void
conn_open(void *arg)
{
	struct irc_session *s = arg;

	s->state = IRC_SESSION_OPEN;
	irc_client_connected(s->client, s->server->tls.ctx != NULL, clock_mono_ms());
	stir(s);
}

static void
conn_data(void *arg, char *p, size_t n)
{
	struct irc_session *s = arg;
	unsigned bad;

	s->in_client = true;
	irc_client_input(s->client, p, n, clock_mono_ms());
	s->in_client = false;
	bad = irc_client_bad_lines(s->client);
	if (bad)
		gateway_count(s->gateway, "bad_lines", bad);
	stir(s);
}

static const struct irc_conn_events conn_events = { conn_open, conn_data, conn_lost };

static void
begin(struct irc_session *s)
{
	struct irc_server *server = s->server;

	s->state = IRC_SESSION_CONNECTING;
	s->beginning = true;
	server->beginning++;
	s->connect_by = clock_mono_ms() + server->set.login_ms;
	if (!server->ready)
		server->ready = ready_new(gateway_loop(s->gateway));
	s->conn = irc_conn_new(gateway_loop(s->gateway), server->ready, server->host, server->port, server->address_ms, &server->tls, s->certificate,
			       &conn_events, s);
	if (s->held)
		irc_conn_pause(s->conn, true);
	gateway_count(s->gateway, "connections_begun", 1);
	stir_later(s);
}

void
irc_session_turns(struct irc_server *server)
{
	int64_t now = clock_mono_ms();

	/* Who was waited for is not made up for. */
	if (server->next_begin < now - LATE_MS)
		server->next_begin = now;
	while (!list_is_empty(&server->waiting) && server->beginning < server->logins && now >= server->next_begin) {
		server->next_begin += server->connect_ms;
		begin(LIST_ENTRY(list_pop(&server->waiting), struct irc_session, turn));
	}
}

static void
on_timer(uv_timer_t *t)
{
	struct irc_session *s = t->data;
	int64_t now = clock_mono_ms();

	s->due = 0;
	switch (s->state) {
	case IRC_SESSION_RETRYING:
		s->state = IRC_SESSION_IDLE;
		irc_session_want(s);
		break;
	case IRC_SESSION_CONNECTING:
		if (now >= s->connect_by)
			conn_lost(s, "it does not answer");
		else
			stir_later(s);
		break;
	case IRC_SESSION_OPEN:
		stir(s);
		break;
	default:
		break;
	}
}

/* A timer that is set to an earlier time stays: it finds that it is too early, and is set anew. That is once in a while, and every line moves what is due. */
static void
stir_later(struct irc_session *s)
{
	int64_t due = s->state == IRC_SESSION_CONNECTING ? s->connect_by : irc_client_due(s->client);

	if (due != INT64_MAX && (!s->due || due < s->due))
		set_timer(s, due, clock_mono_ms());
}

static void
stir(struct irc_session *s)
{
	struct buf *out = irc_client_output(s->client);

	/* From inside an event the caller of the client does it. */
	if (s->in_client || s->state != IRC_SESSION_OPEN)
		goto over;
	s->in_client = true;
	irc_client_tick(s->client, clock_mono_ms());
	s->in_client = false;
	if (s->conn)
		irc_conn_write(s->conn, out);
	if (buf_len(out) > OUTPUT_BYTES)
		ended(s, "the server does not read");
	else if (s->state == IRC_SESSION_OPEN && s->conn)
		stir_later(s);
over:
	/* The client has ended it: on_event has set when the next one begins. */
	if (!s->in_client && irc_client_is_over(s->client) && s->conn)
		ended(s, s->why);
}

/* Those who are stirred meanwhile are for the next turn. */
static void
on_soon(uv_timer_t *t)
{
	struct irc_server *server = t->data;
	struct list now, *l;

	list_init(&now);
	while ((l = list_pop(&server->stirred)))
		list_append(&now, l);
	while ((l = list_pop(&now)))
		stir(LIST_ENTRY(l, struct irc_session, stirred));
}

void
irc_session_stir(struct irc_session *s)
{
	/* In the next turn: what a server has to say may end things that the caller is still looking at. */
	if (s->state != IRC_SESSION_OPEN || s->in_client || !list_is_empty(&s->stirred))
		return;
	if (list_is_empty(&s->server->stirred))
		uv_timer_start(s->server->soon, on_soon, 0, 0);
	list_append(&s->server->stirred, &s->stirred);
}

void
irc_session_want(struct irc_session *s)
{
	if (s->state != IRC_SESSION_IDLE)
		return;
	list_append(&s->server->waiting, &s->turn);
	s->state = IRC_SESSION_WAITING;
	irc_session_turns(s->server);
}

void
irc_session_hold(struct irc_session *s, bool hold)
{
	s->held = hold;
	irc_client_hold(s->client, hold, clock_mono_ms());
	if (s->conn)
		irc_conn_pause(s->conn, hold);
	if (!hold)
		irc_session_stir(s);
}

/* As bouncers take it: whose, and which; a server that has one password for all is told that alone. */
static char *
pass_of(const char *account, const char *password)
{
	size_t n = (account ? strlen(account) + 1 : 0) + strlen(password) + 1;
	char *pass = mem_alloc(n);

	snprintf(pass, n, "%s%s%s", account ? account : "", account ? ":" : "", password);
	return pass;
}

static void
free_secret(char *secret)
{
	if (secret)
		crypt_wipe(secret, strlen(secret));
	free(secret);
}

/* With what it logs in, and by what way. */
static void
identify(struct irc_session *s, const struct irc_login *login)
{
	const struct irc_server *server = s->server;

	s->who = (struct irc_identity){ .nick = s->nick, .user = server->user, .realname = server->realname };
	if (login) {
		s->account = login->account ? mem_strdup(login->account) : NULL;
		s->password = login->password ? mem_strdup(login->password) : NULL;
		s->certificate = login->certificate;
	}
	if (s->password && server->pass_login) {
		s->pass = pass_of(s->account, s->password);
		s->who.pass = s->pass;
	} else if (s->password || s->certificate) {
		s->who.sasl = s->certificate ? IRC_SASL_EXTERNAL : IRC_SASL_PLAIN;
		s->who.account = s->account ? s->account : s->nick;
		s->who.password = s->password;
	} else if (!s->user) {
		s->who.sasl = server->sasl;
		s->who.account = server->account;
		s->who.password = server->password;
		s->certificate = server->certificate;
	}
}

struct irc_session *
irc_session_new(struct gateway *g, struct irc_server *server, struct gateway_user *user, const char *nick, const struct irc_login *login, irc_session_fn *fn)
{
	struct irc_session *s = NEW(struct irc_session);

	s->fn = fn;
	s->gateway = g;
	s->server = server;
	s->user = user;
	list_init(&s->turn);
	list_init(&s->of_user);
	list_init(&s->messages);
	list_init(&s->contacts);
	list_init(&s->stirred);
	if (!server->soon) {
		server->soon = NEW(uv_timer_t);
		uv_timer_init(gateway_loop(g), server->soon);
		server->soon->data = server;
	}
	list_append(&server->sessions, &s->link);
	s->nick = mem_strdup(nick);
	identify(s, login);
	s->client = irc_client_new(&server->set, &s->who, server->people, on_event, s);
	s->timer = mem_zalloc(sizeof(*s->timer));
	uv_timer_init(gateway_loop(g), s->timer);
	s->timer->data = s;
	return s;
}

void
irc_session_close(struct irc_session *s, const char *why)
{
	s->closing = true;
	begun(s);
	list_remove(&s->turn);
	list_remove(&s->stirred);
	list_remove(&s->of_user);
	list_remove(&s->link);
	if (s->server->shared == s)
		s->server->shared = NULL;
	if (s->state == IRC_SESSION_OPEN) {
		irc_client_quit(s->client, why);
		if (s->conn)
			irc_conn_write(s->conn, irc_client_output(s->client));
	}
	irc_conn_close(s->conn);
	irc_client_free(s->client);
	uv_close((uv_handle_t *)s->timer, timer_closed);
	free(s->nick);
	free(s->account);
	free_secret(s->password);
	free_secret(s->pass);
	free(s);
}
