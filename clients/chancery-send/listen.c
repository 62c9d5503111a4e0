/*
 * listen: becomes available and prints the messages that come.
 *
 * Before it ends it asks the server once for an answer: by then libstrophe has acknowledged (XEP-0198) what was printed, so
 * that the server does not give it to the next one who logs in.
 */
#include "listen.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "common/table.h"

struct listening {
	const struct listen_settings *how;
	unsigned printed;
	bool enough;
};

/* XEP-0203: when it was said, if that was earlier. */
static void
time_of(xmpp_stanza_t *message, char out[32])
{
	xmpp_stanza_t *delay = xmpp_stanza_get_child_by_name_and_ns(message, "delay", "urn:xmpp:delay");
	const char *stamp = delay != NULL ? xmpp_stanza_get_attribute(delay, "stamp") : NULL;
	int64_t at;

	if (stamp == NULL || clock_parse(stamp, &at) != 0)
		at = clock_wall_us();
	clock_format(at, out);
}

static json_t *
text_or_null(const char *s)
{
	json_t *v = s != NULL ? json_string(s) : NULL;

	return v != NULL ? v : json_null();
}

static void
print_json(xmpp_stanza_t *message, const char *when, const char *body)
{
	json_t *row = json_object();
	char *line;

	json_object_set_new(row, "time", json_string(when));
	json_object_set_new(row, "from", text_or_null(xmpp_stanza_get_from(message)));
	json_object_set_new(row, "to", text_or_null(xmpp_stanza_get_to(message)));
	json_object_set_new(row, "type", text_or_null(xmpp_stanza_get_type(message)));
	json_object_set_new(row, "id", text_or_null(xmpp_stanza_get_id(message)));
	json_object_set_new(row, "body", text_or_null(body));
	line = json_dumps(row, JSON_COMPACT);
	json_decref(row);
	if (line == NULL)
		return;
	puts(line);
	free(line);
}

/* For people: control characters in what others say must not reach the terminal. */
static void
print_text(xmpp_stanza_t *message, const char *when, const char *body)
{
	json_t *from = text_or_null(xmpp_stanza_get_from(message)), *said = text_or_null(body);
	struct buf line = { 0 };

	buf_addf(&line, "%s ", when);
	table_value(from, &line);
	buf_adds(&line, ": ");
	table_value(said, &line);
	puts(buf_str(&line));
	buf_fini(&line);
	json_decref(from);
	json_decref(said);
}

static void
on_last_answer(struct link *l)
{
	link_finish(l, EXIT_DONE, NULL);
}

/* A message without a body (a receipt, somebody typing) is nothing to read; a bounced one is no message. */
static int
on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
	struct link *l = userdata;
	struct listening *s = l->owner;
	const char *type = xmpp_stanza_get_type(stanza);
	xmpp_stanza_t *child = xmpp_stanza_get_child_by_name(stanza, "body");
	char *body = child != NULL ? xmpp_stanza_get_text(child) : NULL;
	char when[32];

	if (body != NULL && !s->enough && (type == NULL || strcmp(type, "error") != 0)) {
		time_of(stanza, when);
		(s->how->json ? print_json : print_text)(stanza, when, body);
		fflush(stdout);
		s->enough = ++s->printed == s->how->count;
		if (s->enough)
			link_ping(l, NULL, on_last_answer);
	}
	if (body != NULL)
		xmpp_free(xmpp_conn_get_context(conn), body);
	return 1;
}

static void
on_ready(struct link *l)
{
	xmpp_stanza_t *presence = xmpp_presence_new(l->ctx);

	xmpp_handler_add(l->conn, on_message, NULL, "message", NULL, l);
	xmpp_send(l->conn, presence);
	xmpp_stanza_release(presence);
}

int
listen_messages(const struct link_settings *set, const struct listen_settings *how)
{
	struct listening s = { .how = how };
	struct link l;
	int rc = link_run(&l, set, on_ready, &s);

	/* The time limit is the normal end when nobody said how many to wait for. */
	if (rc != EXIT_DONE && l.timed_out && l.bound && how->count == 0)
		return EXIT_DONE;
	if (rc != EXIT_DONE)
		fprintf(stderr, "chancery-send: %s\n", l.why.text);
	return rc;
}
