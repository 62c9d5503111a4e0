/*
 * stream: the list of an account's streams, its bounds, and what is said in the names of both ends.
 */
#include "stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypt.h"
#include "base/mem.h"
#include "base/metric.h"
#include "jingle.h"
#include "offer.h"
#include "xmpp/ns.h"

#define ACCOUNTS 8 /* so many senders, with all that one of them may have, before offers of others make room */

struct transfers *
transfers_new(void)
{
	struct transfers *t = NEW(struct transfers);

	list_init(&t->streams);
	list_init(&t->sessions);
	return t;
}

static void
stream_free(struct stream *s)
{
	for (int i = 0; i < 2; i++)
		spool_free(s->flow[i].spool);
	announced_fini(&s->file);
	free(s->question);
	free(s->close_id);
	free(s->sid);
	jid_unref(s->own);
	jid_unref(s->peer);
	metric_add(METRIC_TRANSFERS, -1);
	free(s);
}

void
stream_end(struct stream *s)
{
	list_remove(&s->link);
	s->of->n--;
	s->over = true;
	if (s->socks)
		bytestream_end(s->address, s->socks);
	if (!s->holds)
		stream_free(s);
}

void
stream_asked(struct stream *s)
{
	free(s->question);
	s->question = NULL;
	s->asked_socks = false;
	s->active_ms = clock_mono_ms();
}

void
stream_ask(struct stream *s, enum side from, const char *id, bool about_socks)
{
	stream_asked(s);
	s->opener = from;
	s->question = mem_strdup(id ? id : "");
	s->asked_socks = about_socks;
}

void
stream_hold(struct stream *s)
{
	s->holds++;
}

bool
stream_release(struct stream *s)
{
	bool over = s->over;

	if (!--s->holds && over)
		stream_free(s);
	return !over;
}

void
stream_drop(struct hook *h, struct stream *s, const char *text)
{
	stream_hold(s);
	stream_end(s);
	stream_error(h, s, s->closed[PEER] ? PEER : OWN, s->close_id, XERROR_NOT_ACCEPTABLE, "cancel", text);
	(void)stream_release(s);
}

void
transfers_free(void *data)
{
	struct transfers *t = data;

	if (!t)
		return;
	while (!list_is_empty(&t->streams))
		stream_end(LIST_ENTRY(t->streams.next, struct stream, link));
	jingle_forget_all(t);
	free(t);
}

struct stream *
stream_find(const struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid)
{
	if (!t || !sid)
		return NULL;
	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (!strcmp(s->sid, sid) && jid_equal(s->peer, peer) && jid_equal(s->own, own))
			return s;
	}
	return NULL;
}

static unsigned
count_of(const struct transfers *t, const struct jid *peer, enum side opener)
{
	unsigned n = 0;

	LIST_EACH(l, &t->streams) {
		const struct stream *s = LIST_ENTRY(l, struct stream, link);

		n += s->opener == opener && (opener == OWN || jid_equal_bare(s->peer, peer));
	}
	return n;
}

/* What nobody has taken up makes room for what somebody begins. */
static bool
make_room(struct transfers *t)
{
	if (t->n < module_limits()->file_transfers * ACCOUNTS)
		return true;
	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (s->state == STREAM_OPEN)
			continue;
		stream_end(s);
		return true;
	}
	return false;
}

struct stream *
stream_new(struct hook *h, struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid, enum side opener)
{
	struct stream *s;

	if (count_of(t, peer, opener) >= module_limits()->file_transfers || !make_room(t)) {
		metric_add(METRIC_QUOTA_REFUSED, 1);
		h->error_type = "wait";
		(void)hook_reject(h, XERROR_RESOURCE_CONSTRAINT, "too many files are on their way, wait until one of them has arrived");
		return NULL;
	}
	s = NEW(struct stream);
	s->of = t;
	s->own = jid_ref((struct jid *)own);
	s->peer = jid_ref((struct jid *)peer);
	s->sid = mem_strdup(sid);
	s->far = !module_is_local(peer);
	s->opener = opener;
	s->active_ms = clock_mono_ms();
	list_append(&t->streams, &s->link);
	t->n++;
	metric_add(METRIC_TRANSFERS, 1);
	return s;
}

/* Saying something */

void
stream_say(struct hook *h, const struct stream *s, enum side to, struct stanza *st)
{
	struct session *session;

	if (to == PEER) {
		module_send(st, s->own, s->peer);
		return;
	}
	session = s->gone ? NULL : module_session(h, s->own); /* another may have its name by now */
	if (!session || module_session_is_over(session)) {
		stanza_unref(st);
		return;
	}
	elem_set(st, st->root, "from", jid_full(s->peer));
	module_session_give(session, st, 0);
}

static struct stanza *
iq(const char *type, const char *id)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");

	elem_set(st, st->root, "type", type);
	elem_set(st, st->root, "id", id);
	return st;
}

void
stream_result(struct hook *h, const struct stream *s, enum side to, const char *id)
{
	if (id)
		stream_say(h, s, to, iq("result", id));
}

void
stream_error(struct hook *h, const struct stream *s, enum side to, const char *id, enum xerror e, const char *type, const char *text)
{
	struct stanza *asked;

	if (!id)
		return;
	asked = iq("set", id);
	stream_say(h, s, to, xerror_reply(asked, e, type, text));
	stanza_unref(asked);
}

/* Without the digits. */
static char prefix[TRANSFER_ID_SIZE];

void
transfer_id_begin(void)
{
	memcpy(prefix, TRANSFER_ID, sizeof(TRANSFER_ID));
	crypt_random_hex(prefix + strlen(TRANSFER_ID), TRANSFER_ID_RUN / 2);
}

void
transfer_id(char id[TRANSFER_ID_SIZE])
{
	memcpy(id, prefix, strlen(prefix));
	crypt_random_hex(id + strlen(prefix), TRANSFER_ID_DIGITS / 2);
}

bool
transfer_id_is_ours(const char *id)
{
	size_t n = strlen(prefix);

	return !strncmp(id, prefix, n) && strspn(id + n, "0123456789abcdef") == TRANSFER_ID_DIGITS && !id[n + TRANSFER_ID_DIGITS];
}

struct stanza *
stream_question(char id[TRANSFER_ID_SIZE])
{
	char own[TRANSFER_ID_SIZE];

	if (!id)
		id = own;
	transfer_id(id);
	return iq("set", id);
}

void
stream_close(struct hook *h, const struct stream *s, enum side to, char id[TRANSFER_ID_SIZE])
{
	struct stanza *st = stream_question(id);

	elem_set(st, elem_add(st, st->root, NS_IBB, "close"), "sid", s->sid);
	stream_say(h, s, to, st);
}
