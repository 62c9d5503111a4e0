/*
 * ibb: see ibb.h. What is sent through a stream is answered here, piece by piece, in the recipient's name, and kept; the recipient hears of
 * <open/> at once, and of everything else when the whole has been judged (give.c).
 *
 * Nobody corrects a broken stream (§2.2): a piece that is out of order, too long or no base64 ends it for both.
 */
#include "ibb.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "give.h"
#include "xmpp/ns.h"

#define NS_TRANSFER "urn:chancery:transfer:0" /* between homes: <aborted/> in a <close/> */
#define SID_MAX 256
#define FIRST_ROOM (1u << 20) /* a spool for nobody knows how much begins with this, and doubles */

static const struct jid *
own_of(const struct hook *h, enum side from)
{
	return from == OWN ? h->from : h->to;
}

static const struct jid *
peer_of(const struct hook *h, enum side from)
{
	return from == OWN ? h->to : h->from;
}

/* Not one that goes over SOCKS5. */
static struct stream *
find(const struct hook *h, const struct transfers *t, enum side from, const char *sid)
{
	struct stream *s = stream_find(t, own_of(h, from), peer_of(h, from), sid);

	return s && s->socks ? NULL : s;
}

/* The text of an error says what was wrong; its type is XEP-0047's. */
static enum hook_verdict
refuse(struct hook *h, enum xerror e, const char *type, const char *text)
{
	h->error_type = type;
	return hook_reject(h, e, text);
}

static enum hook_verdict
unknown(struct hook *h)
{
	return refuse(h, XERROR_ITEM_NOT_FOUND, "cancel", "there is no such bytestream");
}

/* <open/> (§2.1) */

/* An NMTOKEN; what is beyond ASCII the parser has checked. */
static bool
is_sid(const char *sid)
{
	size_t n = sid ? strlen(sid) : 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)sid[i];

		if (c < 0x80 && !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:", c))
			return false;
	}
	return n && n <= SID_MAX;
}

static bool
read_open(const struct elem *open, uint16_t *block_size, bool *by_message)
{
	const char *size = elem_get(open, "block-size"), *stanza = elem_get(open, "stanza");
	uint64_t n;

	if (!size || !text_u64(size, strlen(size), 1, 65535, &n) || !is_sid(elem_get(open, "sid")))
		return false;
	if (stanza && strcmp(stanza, "iq") && strcmp(stanza, "message"))
		return false;
	*block_size = (uint16_t)n;
	*by_message = stanza && !strcmp(stanza, "message");
	return true;
}

/* Who may send files at all is asked where the sender's groups are known, and of others here. */
static bool
may_open(struct hook *h, enum side from)
{
	const char *text = NULL;
	enum judge_verdict v;

	if (from == PEER && module_is_local(h->from))
		return true;
	v = judge_ahead(h->arena, h->from, from == OWN ? module_account_groups(h) : "", h->to, 0, NULL, &text);
	if (v == JUDGE_PASS)
		return true;
	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	if (v == JUDGE_CLOSED)
		(void)refuse(h, XERROR_SERVICE_UNAVAILABLE, "wait", text);
	else
		(void)refuse(h, XERROR_NOT_ACCEPTABLE, "cancel", text);
	return false;
}

enum hook_verdict
ibb_open(struct hook *h, struct transfers *t, enum side from, const struct elem *open)
{
	const struct jid *own = own_of(h, from), *peer = peer_of(h, from);
	const char *id = elem_get(h->stanza->root, "id");
	struct stream *s;
	uint16_t block_size;
	bool by_message;

	if (!read_open(open, &block_size, &by_message))
		return refuse(h, XERROR_BAD_REQUEST, "cancel", "<open/> needs a block-size from 1 to 65535, and a sid that is a token");
	if (from == PEER && !module_session(h, own))
		return HOOK_NEXT;
	s = stream_find(t, own, peer, elem_get(open, "sid"));
	/* Who opens it does not wait for an answer about SOCKS5 any more. */
	if (s && (s->state != STREAM_OFFERED || (s->question && !s->asked_socks)))
		return refuse(h, XERROR_NOT_ACCEPTABLE, "cancel", "there is a bytestream of this name already");
	if (!s && !may_open(h, from))
		return HOOK_REJECT;
	if (!s)
		s = stream_new(h, t, own, peer, elem_get(open, "sid"), from);
	if (!s)
		return HOOK_REJECT;
	s->state = STREAM_OPENING;
	stream_ask(s, from, id, false);
	s->block_size = block_size;
	s->by_message = by_message;
	s->active_ms = clock_mono_ms();
	return HOOK_NEXT;
}

/* A smaller block size may be tried after an offer (§2.1). */
void
ibb_answered(struct stream *s, bool accepted)
{
	bool offered = s->state == STREAM_OPENING && s->file.known;

	stream_asked(s);
	if (accepted)
		s->state = s->state == STREAM_OPENING ? STREAM_OPEN : STREAM_OFFERED;
	else if (offered)
		s->state = STREAM_OFFERED;
	else
		stream_end(s);
}

/* <data/> (§2.2) */

/* Its sender's error, then the end for both. */
static enum hook_verdict
spoil(struct hook *h, struct stream *s, enum side from, enum xerror e, const char *type, const char *text)
{
	bool iq = elem_is(h->stanza->root, NS_CLIENT, "iq");

	log_info(NULL, "transfer-broken", "from=%s to=%s why=%s", jid_full(h->from), jid_full(h->to), xerror_name(e));
	metric_add(METRIC_TRANSFERS_BROKEN, 1);
	if (iq)
		stream_error(h, s, from, elem_get(h->stanza->root, "id"), e, type, text);
	give_up(h, s, from, e, type, text);
	return iq ? HOOK_HANDLED : refuse(h, e, type, text);
}

/* What is collected may become so large: as was announced, or as any file may be. */
static uint64_t
bound_of(const struct stream *s, enum side from)
{
	uint64_t most = module_limits()->file_bytes;

	return s->file.known && s->file.sender == from && s->file.sized && s->file.size < most ? s->file.size : most;
}

static bool
make_room(struct stream *s, enum side from, size_t n, struct err *e)
{
	struct flow *f = &s->flow[from];
	uint64_t bound = bound_of(s, from), need = (f->spool ? spool_size(f->spool) : 0) + n, room;

	if (f->spool && need <= f->room)
		return true;
	room = s->file.known && s->file.sender == from && s->file.sized ? bound : f->room ? f->room * 2 : FIRST_ROOM;
	if (room > bound)
		room = bound;
	if (!f->spool)
		f->spool = spool_new(room, e);
	else if (spool_extend(f->spool, room, e))
		return false;
	f->room = room;
	return f->spool != NULL;
}

static bool
is_whole(const struct stream *s, enum side from)
{
	const struct announced *a = &s->file;

	return a->known && a->sender == from && a->sized && a->size && s->flow[from].spool && spool_size(s->flow[from].spool) == a->size;
}

static enum hook_verdict
take(struct hook *h, struct stream *s, enum side from, const void *p, size_t n)
{
	struct flow *f = &s->flow[from];
	struct err e = { 0 };

	if (n > bound_of(s, from) - (f->spool ? spool_size(f->spool) : 0))
		return spoil(h, s, from, XERROR_NOT_ACCEPTABLE, "cancel", s->file.known && s->file.sized ?
			"more was sent than was announced" : "files may not be as large as this");
	if (!make_room(s, from, n, &e) || spool_write(f->spool, p, n, &e)) {
		log_warning(NULL, "transfer-not-stored", "why=%s", e.text);
		return spoil(h, s, from, XERROR_RESOURCE_CONSTRAINT, "wait", "the server has no room for files at the moment, try again later");
	}
	if (s->file.sum && s->file.sender == from)
		digest_sum_add(s->file.sum, p, n);
	f->seq++;
	if (elem_is(h->stanza->root, NS_CLIENT, "iq"))
		stream_result(h, s, from, elem_get(h->stanza->root, "id"));
	if (is_whole(s, from))
		give_judge(h, s, from);
	return HOOK_HANDLED;
}

static enum hook_verdict
collect(struct hook *h, struct stream *s, enum side from, const struct elem *data)
{
	struct flow *f = &s->flow[from];
	const char *seq = elem_get(data, "seq"), *text = elem_text(data, h->arena);
	size_t len = strlen(text);
	void *bytes = arena_alloc(h->arena, len + 1);
	ssize_t n = text_base64_decode_lines(text, len, bytes);
	uint64_t number;

	if (!seq || !text_u64(seq, strlen(seq), 0, 65535, &number))
		return spoil(h, s, from, XERROR_BAD_REQUEST, "cancel", "<data/> needs a seq from 0 to 65535");
	if (n < 0 || elem_first(data))
		return spoil(h, s, from, XERROR_BAD_REQUEST, "cancel", "this is not base64 (RFC 4648 section 4)");
	if (number != f->seq)
		return spoil(h, s, from, XERROR_UNEXPECTED_REQUEST, "cancel", "this is not the next piece of the bytestream");
	if ((size_t)n > s->block_size)
		return spoil(h, s, from, XERROR_BAD_REQUEST, "cancel", "this is more than the block-size");
	if (f->state != FLOW_COLLECT)
		return spoil(h, s, from, XERROR_NOT_ACCEPTABLE, "cancel", "more was sent than was announced");
	return take(h, s, from, bytes, (size_t)n);
}

/* It goes to the other home by itself: in the lane it would become a message in the record, and part of its readers' history. */
static enum hook_verdict
pass_on(struct hook *h, struct stream *s)
{
	if (elem_is(h->stanza->root, NS_CLIENT, "iq"))
		return HOOK_NEXT;
	if (!s)
		return unknown(h);
	module_send(stanza_ref((struct stanza *)h->stanza), h->from, h->to);
	return HOOK_HANDLED;
}

enum hook_verdict
ibb_data(struct hook *h, struct transfers *t, enum side from, const struct elem *data)
{
	struct stream *s = find(h, t, from, elem_get(data, "sid"));

	if (s)
		s->active_ms = clock_mono_ms();
	if (elem_child(h->stanza->root, NS_CLIENT, "body"))
		return refuse(h, XERROR_BAD_REQUEST, "cancel", "a piece of a bytestream comes alone");
	if (from == OWN && module_is_local(h->to))
		return pass_on(h, s);
	if (!s || s->state != STREAM_OPEN || s->closed[from])
		return unknown(h);
	if (s->gone && from == PEER)
		return refuse(h, XERROR_RECIPIENT_UNAVAILABLE, "wait", NULL);
	return collect(h, s, from, data);
}

/* <close/> (§2.3) */

/* Less than was announced, or its sender went: what has come is no file. */
static bool
is_cut_short(const struct stream *s, enum side from, const struct elem *close)
{
	const struct announced *a = &s->file;
	uint64_t size = s->flow[from].spool ? spool_size(s->flow[from].spool) : 0;

	return elem_child(close, NS_TRANSFER, "aborted") || (a->known && a->sender == from && a->sized && size < a->size);
}

/* Nothing was sent this way, and it was not for that that the stream was opened. */
static bool
is_idle(const struct stream *s, enum side from)
{
	return !s->flow[from].spool && s->opener != from && !(s->file.known && s->file.sender == from);
}

static void
cut_short(struct hook *h, struct stream *s, enum side from)
{
	log_info(NULL, "transfer-cut-short", "from=%s to=%s", jid_full(h->from), jid_full(h->to));
	metric_add(METRIC_TRANSFERS_BROKEN, 1);
	stream_hold(s);
	stream_end(s);
	stream_result(h, s, from, elem_get(h->stanza->root, "id"));
	stream_close(h, s, other_side(from), NULL);
	(void)stream_release(s);
}

/* The sender of a flow that is minded here has said that this was all. */
static enum hook_verdict
close_flow(struct hook *h, struct stream *s, enum side from, const struct elem *close)
{
	struct flow *f = &s->flow[from];
	const char *id = elem_get(h->stanza->root, "id");

	if (f->state == FLOW_COLLECT && is_cut_short(s, from, close)) {
		cut_short(h, s, from);
		return HOOK_HANDLED;
	}
	s->closed[from] = true;
	if (f->state == FLOW_GIVE || f->state == FLOW_GIVEN) {
		stream_result(h, s, from, id);
		if (f->state == FLOW_GIVEN)
			give_close(h, s, from);
		return HOOK_HANDLED;
	}
	s->close_id = mem_strdup(id ? id : "");
	if (f->state == FLOW_COLLECT)
		give_judge(h, s, from);
	return HOOK_HANDLED;
}

enum hook_verdict
ibb_close(struct hook *h, struct transfers *t, enum side from, const struct elem *close)
{
	struct stream *s = find(h, t, from, elem_get(close, "sid"));

	if (!s)
		return HOOK_NEXT; /* a client may know of it from before a restart of ours, and its peer, too */
	if (s->closed[other_side(from)]) {
		/* The other one is through with it already: what is on its way to this one is not wanted. */
		stream_result(h, s, from, elem_get(h->stanza->root, "id"));
		stream_drop(h, s, "the recipient has closed the bytestream");
		return HOOK_HANDLED;
	}
	if (s->state == STREAM_OPEN && !s->closed[from] && stream_minds(s, from) && !is_idle(s, from))
		return close_flow(h, s, from, close);
	if (s->closed[from])
		return unknown(h);
	stream_end(s);
	return HOOK_NEXT;
}

void
ibb_abort(struct hook *h, const struct stream *s)
{
	struct stanza *st = stream_question(NULL);
	struct elem *close = elem_add(st, st->root, NS_IBB, "close");

	elem_set(st, close, "sid", s->sid);
	if (!s->far)
		elem_add(st, close, NS_TRANSFER, "aborted");
	stream_say(h, s, PEER, st);
}
