/*
 * line: the worked example of a network. Its server (server.py) speaks lines of text over TCP, a connection for each user:
 *
 *     we say                            it says
 *     LOGIN name                        WELCOME, or NO - why
 *     MSG id to text                    OK id, or NO id why;  GOT id (it has arrived);  MSG id from text
 *     FIX id to old text                OK id;  FIX id from old text (a correction)
 *     FILE id to name/content           OK id (also to a room);  LINK id from url name text (a file that is there);  SHARE id room nick url name text
 *     TYPING to on|off                  TYPING from on|off
 *     WATCH who on|off                  IS who available|away|gone words
 *     JOIN room nick                    NAME room nick (each), JOINED room nick, or BARRED room why
 *     NAMES room                        NAME room nick (each), NAMED room
 *     PART room                         IN room nick;  OUT room nick
 *     NICK room nick                    NICK room old now
 *     SAY id room text                  OK id, or NO id why;  SAY id room nick text
 *     TOPIC id room text                OK id;  TOPIC room nick text
 *                                       KICKED room nick why
 *
 * People are name@line, rooms #name. What libuv reads is cut into lines, and a line is one call upwards; nothing here waits.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "gateway/gateway.h"

#define LINE_BYTES 65536

/* What user->net is. It outlives the user until libuv has closed its socket. */
struct line {
	uv_tcp_t tcp;
	uv_connect_t connect;
	struct gateway_user *user;    /* NULL: given up */
	char *name;                   /* who logs in */
	struct buf in;
	struct gateway_message *sent; /* without an answer; m->net is the next */
};

static struct sockaddr_in server;

/* What we say */

static void
wrote(uv_write_t *req, int status)
{
	(void)status; /* a connection that breaks says so where it is read */
	free(req);
}

static void __attribute__((format(printf, 2, 3)))
say(struct line *l, const char *fmt, ...)
{
	uv_write_t *req;
	uv_buf_t out;
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	req = mem_alloc(sizeof(*req) + (size_t)n + 1);
	out = uv_buf_init((char *)(req + 1), (unsigned)n + 1);
	/* A text of several lines goes as one. */
	for (int i = 0; i < n; i++)
		out.base[i] = text[i] == '\n' || text[i] == '\r' ? ' ' : text[i];
	out.base[n] = '\n';
	free(text);
	if (uv_write(req, (uv_stream_t *)&l->tcp, &out, 1, wrote))
		free(req);
}

/* What it says */

static char *
word(char **rest)
{
	char *w = *rest, *end = w + strcspn(w, " ");

	*rest = *end ? end + 1 : end;
	*end = '\0';
	return w;
}

/* The message of this id, which is not waiting any more. */
static struct gateway_message *
take(struct line *l, const char *id)
{
	struct gateway_message *m = l->sent, *before = NULL;

	for (; m && strcmp(m->id, id); m = m->net)
		before = m;
	if (m && before)
		before->net = m->net;
	else if (m)
		l->sent = m->net;
	return m;
}

static void
on_room(struct line *l, const char *what, char *rest)
{
	struct gateway_seat *s = gateway_seat_find(l->user, word(&rest));
	struct gateway_room *r = s ? s->room : NULL;
	char *nick = word(&rest);

	if (!s)
		return;
	if (!strcmp(what, "NAMED") || !strcmp(what, "JOINED"))
		gateway_room_names_end(r, s);
	if (!strcmp(what, "NAME") || !strcmp(what, "IN"))
		gateway_room_occupant(r, s, &(struct gateway_occupant){ .nick = nick });
	else if (!strcmp(what, "JOINED"))
		gateway_room_joined(s, nick);
	else if (!strcmp(what, "BARRED"))
		gateway_room_refused(s, XERROR_FORBIDDEN, nick);
	else if (!strcmp(what, "OUT"))
		gateway_room_gone(r, s, nick, NULL);
	else if (!strcmp(what, "NICK"))
		gateway_room_renamed(r, s, nick, rest);
	else if (!strcmp(what, "TOPIC"))
		gateway_room_topic(r, s, rest, nick, 0);
	else if (!strcmp(what, "KICKED") && !strcmp(nick, s->nick))
		gateway_room_left(s, true, false, NULL, rest);
	else if (!strcmp(what, "KICKED"))
		gateway_room_kicked(r, s, nick, false, NULL, rest);
}

/* MSG id from text; FIX id from old text; LINK id from url name text; SAY id room nick text; SHARE id room nick url name text. */
static void
on_said(struct line *l, const char *what, char *rest)
{
	struct gateway_file file;
	bool share = !strcmp(what, "SHARE");
	struct gateway_incoming in = { .id = word(&rest), .wants_receipt = true, .files = &file, .nfiles = share || *what == 'L' };
	struct gateway_seat *s;
	char *who;

	in.from = word(&rest);
	who = *what != 'M' ? word(&rest) : NULL;
	file = (struct gateway_file){ .url = share ? word(&rest) : who };
	file.name = in.nfiles ? word(&rest) : NULL;
	in.body = rest;
	in.replaces = *what == 'F' ? who : NULL;
	if (*what != 'S')
		gateway_receive(l->user, &in);
	else if ((s = gateway_seat_find(l->user, in.from)))
		gateway_room_receive(s->room, s, who, &in);
}

static void
on_line(struct line *l, char *rest)
{
	char *what = word(&rest), *first;
	struct gateway_message *m;

	if (!strcmp(what, "MSG") || !strcmp(what, "FIX") || !strcmp(what, "LINK") || !strcmp(what, "SAY") || !strcmp(what, "SHARE")) {
		on_said(l, what, rest);
	} else if (!strcmp(what, "WELCOME")) {
		gateway_user_up(l->user);
	} else if (!strcmp(what, "OK")) {
		if ((m = take(l, rest)))
			gateway_sent(m, m->id);
	} else if (!strcmp(what, "NO")) {
		first = word(&rest);
		if (!strcmp(first, "-"))
			gateway_user_down(l->user, GATEWAY_REFUSED, rest);
		else if ((m = take(l, first)))
			gateway_failed(m, XERROR_RECIPIENT_UNAVAILABLE, rest);
	} else if (!strcmp(what, "GOT")) {
		first = word(&rest);
		gateway_receipt(l->user, rest, first);
	} else if (!strcmp(what, "TYPING")) {
		first = word(&rest);
		gateway_typing(l->user, first, !strcmp(rest, "on"));
	} else if (!strcmp(what, "IS")) {
		first = word(&rest);
		what = word(&rest);
		gateway_presence(l->user, first, !strcmp(what, "gone") ? NETWORK_GONE : !strcmp(what, "away") ? NETWORK_AWAY : NETWORK_AVAILABLE, rest);
	} else {
		on_room(l, what, rest);
	}
}

static void
allocate(uv_handle_t *h, size_t wished, uv_buf_t *b)
{
	struct line *l = h->data;

	(void)wished;
	*b = uv_buf_init(buf_reserve(&l->in, 4096), 4096);
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct line *l = stream->data;
	char *end;

	(void)b;
	if (!l->user)
		return;
	if (n > 0)
		buf_added(&l->in, (size_t)n);
	if (n < 0 || buf_len(&l->in) > LINE_BYTES) {
		gateway_user_down(l->user, GATEWAY_LOST, n < 0 ? uv_strerror((int)n) : "a line that does not end");
		uv_read_stop(stream);
		return;
	}
	while (l->user && buf_len(&l->in) && (end = memchr(buf_data(&l->in), '\n', buf_len(&l->in)))) {
		char *line = (char *)buf_data(&l->in);

		*end = '\0';
		on_line(l, line);
		buf_consume(&l->in, (size_t)(end - line) + 1);
	}
}

static void
connected(uv_connect_t *req, int status)
{
	struct line *l = req->data;

	if (!l->user)
		return;
	if (status) {
		gateway_user_down(l->user, GATEWAY_LOST, uv_strerror(status));
		return;
	}
	uv_read_start((uv_stream_t *)&l->tcp, allocate, on_read);
	say(l, "LOGIN %s", l->name);
}

/* The table */

static int
start(struct gateway *g, const json_t *settings, struct err *err)
{
	(void)g;
	if (uv_ip4_addr("127.0.0.1", (int)json_integer_value(json_object_get(settings, "port")), &server))
		return err_set(err, 0, "port: a number is needed");
	return 0;
}

static void
stop(struct gateway *g)
{
	(void)g; /* the users' connections have been closed */
}

static enum network_address
address(struct gateway *g, const char *foreign, char *canonical)
{
	size_t n = strlen(foreign);

	(void)g;
	memcpy(canonical, foreign, n + 1);
	return foreign[0] == '#' && n > 1 ? NETWORK_ROOM : n > 5 && !strcmp(foreign + n - 5, "@line") && !strchr(foreign, ' ') ? NETWORK_PERSON : NETWORK_NOBODY;
}

static void
user_open(struct gateway_user *u, const json_t *login)
{
	const char *name = json_string_value(json_object_get(login, "name"));
	struct line *l = NEW(struct line);

	l->name = mem_strdup(name ? name : jid_local(u->jid));
	uv_tcp_init(gateway_loop(u->gateway), &l->tcp);
	l->tcp.data = l->connect.data = u->net = l;
	l->user = u;
	if (uv_tcp_connect(&l->connect, &l->tcp, (const struct sockaddr *)&server, connected))
		gateway_user_down(u, GATEWAY_LOST, "no connection");
}

static void
closed(uv_handle_t *h)
{
	struct line *l = h->data;

	buf_fini(&l->in);
	free(l->name);
	free(l);
}

static void
user_close(struct gateway_user *u)
{
	struct line *l = u->net;

	l->user = NULL;
	uv_close((uv_handle_t *)&l->tcp, closed);
}

static void
send_out(struct gateway_message *m)
{
	struct line *l = m->user->net;

	if (m->kind == MESSAGE_TYPING || m->kind == MESSAGE_PAUSED || m->kind == MESSAGE_RECEIPT) {
		if (m->kind != MESSAGE_RECEIPT)
			say(l, "TYPING %s %s", m->to, m->kind == MESSAGE_TYPING ? "on" : "off");
		else if (m->replaces)
			say(l, "GOT %s %s", m->replaces, m->to);
		gateway_sent(m, NULL); /* nobody answers these */
		return;
	}
	m->net = l->sent;
	l->sent = m;
	if (m->kind == MESSAGE_TOPIC)
		say(l, "TOPIC %s %s %s", m->id, m->to, m->body);
	else if (m->kind == MESSAGE_FILE)
		say(l, "FILE %s %s%s %s/%.*s", m->id, m->nick ? m->nick : m->to, m->nick ? "@line" : "", m->name, (int)m->size, (const char *)m->data);
	else if (m->seat && !m->nick)
		say(l, "SAY %s %s %s", m->id, m->to, m->body);
	else if (m->replaces)
		say(l, "FIX %s %s %s %s", m->id, m->to, m->replaces, m->body);
	else
		say(l, "MSG %s %s%s %s", m->id, m->nick ? m->nick : m->to, m->nick ? "@line" : "", m->body);
}

static void
forget(struct gateway_message *m)
{
	take(m->user->net, m->id);
}

static void
subscribe(struct gateway_user *u, const char *foreign, bool on)
{
	say(u->net, "WATCH %s %s", foreign, on ? "on" : "off");
}

static void
room_join(struct gateway_seat *s, const char *password)
{
	(void)password;
	gateway_room_names(s->room, s);
	say(s->user->net, "JOIN %s %s", s->room->address, s->nick);
}

static void
room_leave(struct gateway_seat *s, const char *status)
{
	(void)status;
	say(s->user->net, "PART %s", s->room->address);
}

static void
room_nick(struct gateway_seat *s, const char *nick)
{
	say(s->user->net, "NICK %s %s", s->room->address, nick);
}

static void
room_names(struct gateway_seat *s)
{
	gateway_room_names(s->room, s);
	say(s->user->net, "NAMES %s", s->room->address);
}

static const struct network_field fields[] = { { "name", "Name", false, true }, { NULL } };

static const struct network line_network = {
	.kind = "line", .about = "Line", .identity = "line",
	.features = NETWORK_ROOMS | NETWORK_RECEIPTS | NETWORK_CORRECTIONS | NETWORK_TYPING | NETWORK_PRESENCE | NETWORK_ACCOUNTS | NETWORK_FILES,
	.fields = fields,
	.start = start, .stop = stop, .address = address, .user_open = user_open, .user_close = user_close, .send = send_out, .forget = forget,
	.subscribe = subscribe, .room_join = room_join, .room_leave = room_leave, .room_nick = room_nick, .room_names = room_names,
};

int
main(int argc, char **argv)
{
	return gateway_main(&line_network, argc, argv);
}
