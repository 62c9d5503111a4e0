/*
 * sip_out: what our people say. Between the same two people one MESSAGE is under way at a time (RFC 3428 §8), so that what is said arrives in its order; what
 * waits behind it waits here, within the framework's bounds.
 *
 * 2xx means taken. Anything else goes back to who said it. Call-ID and tag are made of the message's id: what is sent again after a crash is
 * known by them to be the same.
 */
#include "sip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/map.h"
#include "base/mem.h"
#include "sip_body.h"

/* With whom a user has spoken lately; the oldest idle one is forgotten for a new one. */
#define CONVERSATIONS_MAX 20000
#define ID_SIZE 33

struct sip_conversation {
	UT_hash_handle hh;
	struct sip *sip;
	struct gateway_user *user;
	struct list sayings;
	struct sip_request *request; /* of the first */
	bool deaf;                   /* does not take notifications of typing */
	char *to;
	char key[];
};

struct saying {
	struct list link;
	struct sip_conversation *conversation;
	struct gateway_message *m; /* NULL: nobody waits for the answer */
	const char *type;
	bool reported;             /* what becomes of it is told later */
	struct buf body;
	char id[ID_SIZE];
};

static void start(struct sip_conversation *c);

/* ---- conversations ---------------------------------------------------------------------------------------- */

static void
free_saying(struct saying *y)
{
	list_remove(&y->link);
	if (y->m != NULL)
		y->m->net = NULL;
	buf_fini(&y->body);
	free(y);
}

static void
end_conversation(struct sip_conversation *c)
{
	struct sip *s = c->sip;

	sip_request_cancel(c->request);
	LIST_EACH(l, &c->sayings)
		free_saying(LIST_ENTRY(l, struct saying, link));
	HASH_DEL(s->conversations, c);
	free(c->to);
	free(c);
}

static void
make_room(struct sip *s)
{
	struct sip_conversation *c, *next;

	if (HASH_COUNT(s->conversations) < CONVERSATIONS_MAX)
		return;
	HASH_ITER(hh, s->conversations, c, next)
		if (list_is_empty(&c->sayings)) {
			end_conversation(c);
			return;
		}
}

static void
conversation_key(struct buf *key, const struct gateway_user *u, const char *to)
{
	buf_addf(key, "%s %s", jid_bare(u->jid), to);
}

static struct sip_conversation *
conversation_of(struct sip *s, struct gateway_user *u, const char *to)
{
	struct buf key = { 0 };
	struct sip_conversation *c;

	conversation_key(&key, u, to);
	HASH_FIND(hh, s->conversations, buf_data(&key), buf_len(&key), c);
	if (c == NULL) {
		make_room(s);
		c = mem_zalloc(sizeof(*c) + buf_len(&key) + 1);
		memcpy(c->key, buf_data(&key), buf_len(&key));
		c->sip = s;
		c->user = u;
		c->to = mem_strdup(to);
		list_init(&c->sayings);
		HASH_ADD(hh, s->conversations, key, buf_len(&key), c);
	}
	buf_fini(&key);
	return c;
}

/* ---- answers ---------------------------------------------------------------------------------------------- */

static const struct {
	int status;
	enum xerror e;
} errors[] = {
	{ 400, XERROR_BAD_REQUEST }, { 401, XERROR_NOT_AUTHORIZED }, { 403, XERROR_FORBIDDEN }, { 404, XERROR_ITEM_NOT_FOUND }, { 405, XERROR_FEATURE_NOT_IMPLEMENTED },
	{ 406, XERROR_NOT_ACCEPTABLE }, { 407, XERROR_NOT_AUTHORIZED }, { 408, XERROR_REMOTE_SERVER_TIMEOUT }, { 410, XERROR_GONE }, { 413, XERROR_POLICY_VIOLATION },
	{ 415, XERROR_NOT_ACCEPTABLE }, { 416, XERROR_ITEM_NOT_FOUND }, { 420, XERROR_FEATURE_NOT_IMPLEMENTED }, { 480, XERROR_RECIPIENT_UNAVAILABLE },
	{ 483, XERROR_REMOTE_SERVER_NOT_FOUND }, { 484, XERROR_ITEM_NOT_FOUND }, { 486, XERROR_RECIPIENT_UNAVAILABLE }, { 488, XERROR_NOT_ACCEPTABLE },
	{ 500, XERROR_SERVICE_UNAVAILABLE }, { 501, XERROR_FEATURE_NOT_IMPLEMENTED }, { 503, XERROR_REMOTE_SERVER_TIMEOUT }, { 504, XERROR_REMOTE_SERVER_TIMEOUT },
	{ 513, XERROR_POLICY_VIOLATION }, { 600, XERROR_RECIPIENT_UNAVAILABLE }, { 603, XERROR_FORBIDDEN }, { 604, XERROR_ITEM_NOT_FOUND }, { 606, XERROR_NOT_ACCEPTABLE },
};

static enum xerror
error_of(int status)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].status == status)
			return errors[i].e;
	return status < 400 ? XERROR_REDIRECT : XERROR_SERVICE_UNAVAILABLE;
}

static void
on_answer(void *arg, int status, const char *phrase, const sip_t *sip)
{
	struct saying *y = arg;
	struct sip_conversation *c = y->conversation;
	struct gateway_message *m = y->m;
	char id[ID_SIZE], words[160];
	bool reported = y->reported;

	(void)sip;
	memcpy(id, y->id, sizeof(id));
	c->request = NULL;
	if (m == NULL && status == 415)
		c->deaf = true;
	free_saying(y);
	/* What is behind it goes first: the answer may end the user, and the conversation with it. */
	start(c);
	if (m == NULL)
		return;
	if (status < 300) {
		gateway_sent(m, reported ? id : NULL);
		return;
	}
	(void)snprintf(words, sizeof(words), "SIP %d %s", status, phrase);
	gateway_failed(m, error_of(status), words);
}

/* ---- sending ---------------------------------------------------------------------------------------------- */

static bool
transmit(struct saying *y)
{
	struct sip_conversation *c = y->conversation;
	struct buf from = { 0 }, to = { 0 }, call = { 0 };
	struct sip_ask ask = { SIP_METHOD_MESSAGE, .type = y->type, .body = buf_data(&y->body), .len = buf_len(&y->body) };

	buf_addc(&from, '<');
	sip_own_uri(c->sip, &from, c->user->jid);
	buf_addf(&from, ">;tag=%.16s", y->id);
	sip_name_uri(&to, c->to);
	ask.uri = mem_strdup(buf_str(&to));
	buf_clear(&to);
	buf_addc(&to, '<');
	sip_name_uri(&to, c->to);
	buf_addc(&to, '>');
	buf_addf(&call, "%s@%s", y->id, c->sip->set.domain);
	ask.from = buf_str(&from);
	ask.to = buf_str(&to);
	ask.call_id = buf_str(&call);
	c->request = sip_request_send(c->sip, &ask, on_answer, y);
	free((char *)ask.uri);
	buf_fini(&from);
	buf_fini(&to);
	buf_fini(&call);
	return c->request != NULL;
}

/* The next one, if none is under way. */
static void
start(struct sip_conversation *c)
{
	while (c->request == NULL && !list_is_empty(&c->sayings)) {
		struct saying *y = LIST_ENTRY(c->sayings.next, struct saying, link);
		struct gateway_message *m = y->m;

		if (m == NULL && c->deaf) {
			free_saying(y);
		} else if (!transmit(y)) {
			free_saying(y);
			if (m != NULL)
				gateway_failed(m, XERROR_BAD_REQUEST, "this cannot be sent by SIP");
			return;
		}
	}
}

static struct saying *
add(struct sip_conversation *c, struct gateway_message *m, const char *type)
{
	struct saying *y = NEW(struct saying);

	y->conversation = c;
	y->m = m;
	y->type = type;
	crypt_random_hex(y->id, sizeof(y->id) / 2);
	list_append(&c->sayings, &y->link);
	return y;
}

/* The same message has the same id, whoever sends it again. */
static void
make_id(char out[ID_SIZE], const struct gateway_message *m)
{
	struct crypt_hasher *h = crypt_hasher_new();
	uint8_t hash[SHA256_SIZE];
	const char *user = jid_bare(m->user->jid);

	crypt_hasher_add(h, user, strlen(user) + 1);
	crypt_hasher_add(h, m->to, strlen(m->to) + 1);
	crypt_hasher_add(h, m->id, strlen(m->id));
	crypt_hasher_end(h, hash);
	for (int i = 0; i < 16; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

static void
say(struct sip *s, struct sip_conversation *c, struct gateway_message *m)
{
	struct saying *y = add(c, m, SIP_BODY_TYPE_TEXT);

	m->net = y;
	make_id(y->id, m);
	if (s->set.reports && m->wants_receipt) {
		struct buf from = { 0 }, to = { 0 };
		char at[32];

		y->type = SIP_BODY_TYPE_CPIM;
		y->reported = true;
		sip_own_uri(s, &from, m->user->jid);
		sip_name_uri(&to, m->to);
		sip_body_write_cpim(&y->body, buf_str(&from), buf_str(&to), y->id, clock_format(m->at_us, at), m->body);
		buf_fini(&from);
		buf_fini(&to);
	} else {
		buf_adds(&y->body, m->body);
	}
}

/* What nobody waits for. */
static void
tell_typing(struct sip *s, struct sip_conversation *c, bool typing)
{
	if (s->set.typing && !c->deaf)
		sip_body_write_typing(&add(c, NULL, SIP_BODY_TYPE_TYPING)->body, typing);
}

void
sip_out_report(struct sip *s, struct gateway_user *u, const char *to, const char *id, bool delivered)
{
	struct sip_conversation *c = conversation_of(s, u, to);
	struct saying *y = add(c, NULL, SIP_BODY_TYPE_CPIM);
	struct buf from = { 0 }, uri = { 0 };
	char at[32];

	sip_own_uri(s, &from, u->jid);
	sip_name_uri(&uri, to);
	sip_body_write_report(&y->body, buf_str(&from), buf_str(&uri), y->id, id, clock_format(clock_wall_us(), at), delivered);
	buf_fini(&from);
	buf_fini(&uri);
	start(c);
}

void
sip_out_reported(struct sip *s, const struct gateway_user *u, const char *to, const char *id)
{
	struct buf key = { 0 };
	struct sip_conversation *c;
	struct saying *y;

	conversation_key(&key, u, to);
	HASH_FIND(hh, s->conversations, buf_data(&key), buf_len(&key), c);
	buf_fini(&key);
	if (c == NULL || c->request == NULL)
		return;
	y = LIST_ENTRY(c->sayings.next, struct saying, link);
	if (y->m == NULL || strcmp(y->id, id) != 0)
		return;
	sip_request_cancel(c->request);
	on_answer(y, 200, "reported", NULL);
}

void
sip_out_send(struct sip *s, struct gateway_message *m)
{
	struct sip_conversation *c = conversation_of(s, m->user, m->to);

	switch (m->kind) {
	case MESSAGE_TEXT:
	case MESSAGE_FILE:
		say(s, c, m);
		break;
	case MESSAGE_RECEIPT:
		sip_out_report(s, m->user, m->to, m->replaces, true);
		gateway_sent(m, NULL);
		return;
	case MESSAGE_TYPING:
	case MESSAGE_PAUSED:
		tell_typing(s, c, m->kind == MESSAGE_TYPING);
		gateway_sent(m, NULL);
		break;
	case MESSAGE_TOPIC:
		gateway_failed(m, XERROR_FEATURE_NOT_IMPLEMENTED, NULL);
		return;
	}
	start(c);
}

void
sip_out_forget(struct sip *s, struct gateway_message *m)
{
	struct saying *y = m->net;
	struct sip_conversation *c;

	(void)s;
	if (y == NULL)
		return;
	c = y->conversation;
	if (c->sayings.next == &y->link) {
		sip_request_cancel(c->request);
		c->request = NULL;
	}
	free_saying(y);
	start(c);
}

void
sip_out_close(struct sip *s, const struct gateway_user *u)
{
	struct sip_conversation *c, *next;

	HASH_ITER(hh, s->conversations, c, next)
		if (u == NULL || c->user == u)
			end_conversation(c);
}
