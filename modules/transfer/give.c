/*
 * give: see give.h. A judgement takes as long as it takes; meanwhile the stream may end, so its record waits for it (stream_judged).
 */
#include "give.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "jingle.h"
#include "module_service.h"
#include "socks.h"
#include "xmpp/ns.h"

#define RUN 8 /* messages (XEP-0047 §4) that are given before the recipient is asked whether it keeps up */

struct judging {
	struct stream *s;
	enum side from;
	struct hook_who who;
	struct judgement j;
};

static const struct jid *
end_of(const struct stream *s, enum side side)
{
	return side == OWN ? s->own : s->peer;
}

static const char *
groups_of_peer(const struct judging *g)
{
	return g->s->far || !g->who.groups ? "" : g->who.groups;
}

void
give_up(struct hook *h, struct stream *s, enum side from, enum xerror e, const char *type, const char *text)
{
	enum side to = other_side(from);

	stream_hold(s);
	stream_end(s);
	if (s->socks)
		socks_tell(h, s, from, text);
	else if (s->close_id)
		stream_error(h, s, from, s->close_id, e, type, text);
	else if (!s->closed[from])
		stream_close(h, s, from, NULL);
	if (!s->closed[to] && !s->socks)
		stream_close(h, s, to, NULL);
	jingle_failed(h, s, text);
	(void)stream_release(s);
}

/* Giving */

static size_t
read_piece(const struct stream *s, const struct flow *f, void *p)
{
	uint64_t left = spool_size(f->spool) - f->given - f->under_way;
	size_t n = left < s->block_size ? (size_t)left : s->block_size, done = 0;

	while (done < n) {
		ssize_t got = pread(spool_fd(f->spool), (char *)p + done, n - done, (off_t)(f->given + f->under_way + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return 0;
		done += (size_t)got;
	}
	return n;
}

static void
add_piece(struct hook *h, struct stream *s, struct flow *f, struct stanza *st, const void *p, size_t n)
{
	struct elem *data = elem_add(st, st->root, NS_IBB, "data");
	char *text = arena_alloc(h->arena, text_base64_size(n));

	elem_set(st, data, "sid", s->sid);
	elem_set(st, data, "seq", arena_printf(h->arena, "%u", f->give_seq++));
	elem_add_text(st, data, text, text_base64_encode(p, n, text));
	f->under_way += n;
}

static bool
give_iq(struct hook *h, struct stream *s, enum side from, void *piece)
{
	struct flow *f = &s->flow[from];
	size_t n = read_piece(s, f, piece);
	struct stanza *st;

	if (!n)
		return false;
	st = stream_question(f->id);
	add_piece(h, s, f, st, piece, n);
	stream_say(h, s, other_side(from), st);
	return true;
}

/* Messages have no answers: a ping behind some of them has. */
static bool
give_messages(struct hook *h, struct stream *s, enum side from, void *piece)
{
	struct flow *f = &s->flow[from];
	struct stanza *ping = stream_question(f->id);

	for (int i = 0; i < RUN && f->given + f->under_way < spool_size(f->spool); i++) {
		size_t n = read_piece(s, f, piece);
		struct stanza *st;

		if (!n) {
			stanza_unref(ping);
			return false;
		}
		st = stanza_new(NS_CLIENT, "message");
		elem_set(st, st->root, "id", f->id);
		add_piece(h, s, f, st, piece, n);
		stream_say(h, s, other_side(from), st);
	}
	elem_set(ping, ping->root, "type", "get");
	elem_add(ping, ping->root, NS_PING, "ping");
	stream_say(h, s, other_side(from), ping);
	return true;
}

void
give_close(struct hook *h, struct stream *s, enum side from)
{
	stream_close(h, s, other_side(from), s->flow[from].id);
}

void
give_arrived(struct hook *h, struct stream *s, enum side from)
{
	struct flow *f = &s->flow[from];

	f->state = FLOW_GIVEN;
	metric_add(METRIC_TRANSFERS_GIVEN, 1);
	log_info(NULL, "transfer-given", "from=%s to=%s bytes=%llu", jid_full(end_of(s, from)), jid_full(end_of(s, other_side(from))),
		(unsigned long long)spool_size(f->spool));
	spool_free(f->spool);
	f->spool = NULL;
	if (s->closed[from])
		give_close(h, s, from);
	jingle_given(h, s);
	if (s->socks)
		stream_end(s);
}

static void
give_next(struct hook *h, struct stream *s, enum side from)
{
	struct flow *f = &s->flow[from];
	void *piece;

	f->id[0] = 0;
	f->under_way = 0;
	s->active_ms = clock_mono_ms();
	if (f->given == spool_size(f->spool)) {
		give_arrived(h, s, from);
		return;
	}
	piece = arena_alloc(h->arena, s->block_size);
	if (s->by_message ? give_messages(h, s, from, piece) : give_iq(h, s, from, piece))
		return;
	log_error(NULL, "transfer-not-read", "from=%s to=%s", jid_full(s->own), jid_full(s->peer));
	give_up(h, s, from, XERROR_INTERNAL_SERVER_ERROR, NULL, "the server could not read the file");
}

void
give_answered(struct hook *h, struct stream *s, enum side from, bool ok)
{
	struct flow *f = &s->flow[from];

	f->id[0] = 0;
	if (f->state == FLOW_GIVEN) {
		stream_end(s); /* that was the answer to <close/> */
		return;
	}
	/* Who does not know pings answers messages with an error. */
	if (!ok && !s->by_message) {
		metric_add(METRIC_TRANSFERS_BROKEN, 1);
		give_up(h, s, from, XERROR_RECIPIENT_UNAVAILABLE, NULL, "the recipient did not take the file");
		return;
	}
	f->given += f->under_way;
	give_next(h, s, from);
}

/* Judging */

static bool
hash_is_right(struct stream *s, enum side from)
{
	struct announced *a = &s->file;
	uint8_t sum[DIGEST_MAX];
	size_t n;

	if (!a->known || a->sender != from || !a->sum)
		return true;
	n = digest_sum_end(a->sum, sum);
	a->sum = NULL;
	return !a->hash_size || (n == a->hash_size && !memcmp(sum, a->hash, n));
}

static void
begin_giving(struct hook *h, struct stream *s, enum side from)
{
	stream_result(h, s, from, s->close_id);
	free(s->close_id);
	s->close_id = NULL;
	s->flow[from].state = FLOW_GIVE;
	if (s->socks)
		socks_give(h, s, from);
	else
		give_next(h, s, from);
}

static enum hook_verdict
noted(struct hook *h, void *data, bool ok)
{
	struct judging *g = data;
	struct stream *s = g->s;

	if (!stream_release(s))
		return HOOK_HANDLED;
	s->active_ms = clock_mono_ms();
	if (!ok)
		give_up(h, s, g->from, XERROR_RESOURCE_CONSTRAINT, "wait", "files cannot be recorded at the moment, try again later");
	else if (s->gone && g->from == PEER)
		give_up(h, s, g->from, XERROR_RECIPIENT_UNAVAILABLE, NULL, "the recipient has gone");
	else
		begin_giving(h, s, g->from);
	return HOOK_HANDLED;
}

/* The record says who gets it before they get a byte of it, as it does of downloads. */
static enum hook_verdict
note_given(struct hook *h, struct judging *g)
{
	struct stream *s = g->s;
	struct spool *spool = s->flow[g->from].spool;
	const struct jid *to = end_of(s, other_side(g->from));
	const char *name = s->file.known && s->file.sender == g->from ? s->file.name : NULL;
	struct stanza *st = stanza_new("urn:chancery:file:0", "file");
	char sha256[2 * SHA256_SIZE + 1];
	enum hook_verdict v;

	text_hex(spool_sha256(spool), SHA256_SIZE, sha256);
	elem_set(st, st->root, "name", name);
	elem_set(st, st->root, "size", arena_printf(h->arena, "%llu", (unsigned long long)spool_size(spool)));
	elem_set(st, st->root, "sha-256", sha256);
	stream_hold(s);
	v = hook_record_stanza(h, RECORD_FILE_FETCHED, st, to, end_of(s, g->from), arena_printf(h->arena, "File %s (%llu bytes) was given to %s",
		name ? name : "without a name", (unsigned long long)spool_size(spool), jid_full(to)), g, noted);
	stanza_unref(st);
	return v;
}

/* Whose connection sends nobody can tell (socks.h): what this one may send, as it turns out to be, the other one has to be allowed, too. NULL: it is. */
static const char *
why_not_from_other(struct hook *h, const struct judging *g)
{
	const struct stream *s = g->s;
	enum side other = other_side(g->from);
	const char *why;

	if (!s->socks)
		return NULL;
	why = judge_sent(h->arena, end_of(s, other), other == OWN ? module_account_groups(h) : groups_of_peer(g), end_of(s, g->from),
		spool_size(s->flow[g->from].spool), g->j.true_type, false);
	if (why) {
		metric_add(METRIC_TRANSFERS_REFUSED, 1);
		log_info(NULL, "transfer-refused", "from=%s to=%s why=policy", jid_full(end_of(s, other)), jid_full(end_of(s, g->from)));
	}
	return why;
}

static enum hook_verdict
judged(struct hook *h, void *data, bool ok)
{
	struct judging *g = data;
	struct stream *s = g->s;
	const char *why;

	if (!stream_release(s))
		return HOOK_HANDLED;
	s->active_ms = clock_mono_ms();
	s->told = ok && g->j.verdict == JUDGE_INFECTED; /* by the judge */
	if (!ok || g->j.verdict == JUDGE_CLOSED) {
		give_up(h, s, g->from, XERROR_RESOURCE_CONSTRAINT, "wait", ok ? g->j.text : "files cannot be checked at the moment, try again later");
	} else if (g->j.verdict != JUDGE_PASS) {
		give_up(h, s, g->from, XERROR_POLICY_VIOLATION, "cancel", g->j.text);
	} else if ((why = why_not_from_other(h, g))) {
		give_up(h, s, g->from, XERROR_POLICY_VIOLATION, "cancel", why);
	} else if (!hash_is_right(s, g->from)) {
		metric_add(METRIC_TRANSFERS_BROKEN, 1);
		give_up(h, s, g->from, XERROR_NOT_ACCEPTABLE, "cancel", "The file is not the one that was announced: its hash is another.");
	} else if (s->gone && g->from == PEER) {
		give_up(h, s, g->from, XERROR_RECIPIENT_UNAVAILABLE, NULL, "the recipient has gone");
	} else {
		return note_given(h, g);
	}
	return HOOK_HANDLED;
}

static enum hook_verdict
sender_known(struct hook *h, void *data, bool ok)
{
	struct judging *g = data;

	if (!ok)
		return judged(h, g, false);
	if (g->from == PEER)
		g->j.groups = groups_of_peer(g);
	return hook_judge(h, &g->j, g, judged);
}

static enum hook_verdict
judge(struct hook *h, void *data, bool ok)
{
	struct judging *g = arena_zalloc(hook_memory(h), sizeof(*g));
	struct stream *s;

	(void)ok;
	*g = *(const struct judging *)data;
	s = g->s;
	g->j.spool = s->flow[g->from].spool;
	g->j.path = s->socks ? JUDGE_S5B : JUDGE_IBB;
	g->j.from = end_of(s, g->from);
	g->j.to = end_of(s, other_side(g->from));
	if (s->file.known && s->file.sender == g->from) {
		g->j.name = s->file.name;
		g->j.type = s->file.type;
	}
	if (g->from == PEER)
		g->j.groups = "";
	if (s->far || (g->from == OWN && !s->socks))
		return hook_judge(h, &g->j, g, judged);
	g->who.who = s->peer;
	return hook_who(h, &g->who, g, sender_known);
}

void
give_judge(struct hook *h, struct stream *s, enum side from)
{
	struct flow *f = &s->flow[from];
	struct judging g = { .s = s, .from = from };
	struct err e;

	if (!f->spool)
		f->spool = spool_new(0, &e);
	if (!f->spool) {
		log_warning(NULL, "transfer-not-stored", "why=%s", e.text);
		give_up(h, s, from, XERROR_RESOURCE_CONSTRAINT, "wait", "the server has no room for files at the moment, try again later");
		return;
	}
	f->state = FLOW_JUDGE;
	stream_hold(s);
	hook_aside(h, judge, &g);
}
