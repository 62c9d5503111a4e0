/*
 * send: one message, and waiting until the server has taken it.
 *
 * Taken means: committed, or bounced. A ping to the recipient's address goes behind the message; as stanzas for one
 * address keep their order, its answer, whatever it says, comes when the message has been dealt with, and after the
 * error that the message may have caused. No presence is sent: who only sends is not to be given messages that
 * wait for somebody to read them.
 */
#include "send.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

struct sending {
	const char *to, *text;
	char *ping_to;         /* bare form of `to`; NULL: our own full JID */
	char id[40];
	bool bounced;
};

/* The text of an <error/>, else the name of its condition. */
static void
bounce_reason(xmpp_ctx_t *ctx, xmpp_stanza_t *message, char *out, size_t size)
{
	xmpp_stanza_t *error = xmpp_stanza_get_child_by_name(message, "error");
	xmpp_stanza_t *text = error != NULL ? xmpp_stanza_get_child_by_name(error, "text") : NULL;
	xmpp_stanza_t *condition = error != NULL ? xmpp_stanza_get_children(error) : NULL;
	const char *name = condition != NULL ? xmpp_stanza_get_name(condition) : NULL;
	char *words = text != NULL ? xmpp_stanza_get_text(text) : NULL;

	snprintf(out, size, "the message came back: %s%s%s%s", name != NULL ? name : "error", words != NULL ? " (" : "",
		words != NULL ? words : "", words != NULL ? ")" : "");
	if (words != NULL)
		xmpp_free(ctx, words);
}

static int
on_message(xmpp_conn_t *conn, xmpp_stanza_t *stanza, void *userdata)
{
	struct link *l = userdata;
	struct sending *s = l->owner;
	const char *type = xmpp_stanza_get_type(stanza), *id = xmpp_stanza_get_id(stanza);
	char why[300];

	if (type != NULL && strcmp(type, "error") == 0 && id != NULL && strcmp(id, s->id) == 0) {
		bounce_reason(xmpp_conn_get_context(conn), stanza, why, sizeof why);
		link_finish(l, EXIT_REFUSED, why);
	}
	return 1;
}

static void
on_taken(struct link *l)
{
	link_finish(l, EXIT_DONE, NULL);
}

static void
on_ready(struct link *l)
{
	struct sending *s = l->owner;
	char *id = xmpp_uuid_gen(l->ctx);
	xmpp_stanza_t *message;

	snprintf(s->id, sizeof s->id, "%s", id);
	xmpp_free(l->ctx, id);
	message = xmpp_message_new(l->ctx, "chat", s->to, s->id);
	xmpp_message_set_body(message, s->text);
	xmpp_handler_add(l->conn, on_message, NULL, "message", NULL, l);
	xmpp_send(l->conn, message);
	xmpp_stanza_release(message);
	link_ping(l, s->ping_to != NULL ? s->ping_to : xmpp_conn_get_bound_jid(l->conn), on_taken);
}

/* The server answers a ping to one's own account at once, before the message is committed; one
 * to our own full JID takes the same way as the message. */
static char *
ping_address(const char *to, const char *jid)
{
	size_t n = strcspn(to, "/");

	if (n == strcspn(jid, "/") && strncasecmp(to, jid, n) == 0)
		return NULL;
	return strndup(to, n);
}

int
send_message(const struct link_settings *set, const char *to, const char *text)
{
	struct sending s = { .to = to, .text = text, .ping_to = ping_address(to, set->jid) };
	struct link l;
	int rc = link_run(&l, set, on_ready, &s);

	free(s.ping_to);
	if (rc != EXIT_DONE)
		fprintf(stderr, "chancery-send: %s\n", l.why.text);
	return rc;
}
