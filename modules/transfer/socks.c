/*
 * socks: see socks.h. The bytes are core/file/bytestream's; each step here is an order to it, and the account stays in memory till it is done.
 */
#include "socks.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/text.h"
#include "give.h"
#include "jingle.h"
#include "module_service.h"
#include "offer.h"
#include "proxy.h"
#include "xmpp/ns.h"

#define SID_MAX 1024

struct step {
	struct stream *s;
	enum side from;
	bool made;               /* the stream is there for this activation only: of a Jingle session's file */
	struct hook_who who;
	struct bytestream_order order;
};

static bool
is_sid(const char *sid)
{
	return sid && *sid && strlen(sid) <= SID_MAX;
}

/* Offers */

static enum hook_verdict
refuse(struct hook *h, const char *why, const char *text)
{
	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	log_info(NULL, "transfer-refused", "from=%s to=%s why=%s", jid_full(h->from), jid_full(h->to), why);
	return hook_reject(h, XERROR_NOT_ACCEPTABLE, text);
}

enum hook_verdict
socks_offered(struct hook *h, struct transfers *t, enum side from, const struct elem *query)
{
	const char *sid = elem_get(query, "sid"), *mode = elem_get(query, "mode"), *id = elem_get(h->stanza->root, "id"), *text = NULL;
	struct stream *s;
	struct stanza *st;
	bool closed;

	if (from == PEER && !module_session(h, h->to))
		return HOOK_NEXT;
	if (!is_sid(sid) || (!elem_child(query, NS_BYTESTREAMS, "streamhost") && !elem_child(query, NS_BYTESTREAMS, "activate")))
		return hook_reject(h, XERROR_BAD_REQUEST, "a bytestream needs a sid and a streamhost");
	if (!proxy_is_between(h->from, h->to))
		return refuse(h, "service", "in rooms and at services files pass by in-band bytestreams (XEP-0047) only");
	if (mode && strcmp(mode, "tcp") != 0)
		return refuse(h, "udp", "files pass through this server by TCP");
	st = stanza_copy(h->stanza);
	if (!proxy_keep_streamhosts(h, st, elem_first(st->root))) {
		stanza_unref(st);
		return refuse(h, "socks5", "files pass through this server, where they are scanned: its own proxy, or in-band bytestreams (XEP-0047)");
	}
	s = stream_find(t, from == OWN ? h->from : h->to, from == OWN ? h->to : h->from, sid);
	if (!s && !offer_is_allowed(h, from, true, 0, NULL, &text, &closed)) {
		stanza_unref(st);
		h->error_type = closed ? "wait" : "cancel";
		return hook_reject(h, closed ? XERROR_RESOURCE_CONSTRAINT : XERROR_FORBIDDEN, text);
	}
	/* The requester's home has to know whether it is accepted. */
	if (!s && from == OWN && !(s = stream_new(h, t, h->from, h->to, sid, OWN))) {
		stanza_unref(st);
		return HOOK_REJECT;
	}
	/* The last one counts. */
	if (s && s->state == STREAM_OFFERED && (!s->question || s->asked_socks))
		stream_ask(s, from, id, true);
	if (offer_is_ours(h, from))
		return offer_goes_on(h, from, st);
	stanza_unref(st);
	return HOOK_NEXT;
}

/* §6.3.3. The same id may be that of another question: only words about the streamhost count. */
static bool
is_accepted(const struct hook *h)
{
	const struct elem *root = h->stanza->root, *query = elem_child(root, NS_BYTESTREAMS, "query");

	return !strcmp(elem_get(root, "type"), "result") && query && elem_child(query, NS_BYTESTREAMS, "streamhost-used");
}

/* From here on it is minded at the requester's home. */
void
socks_answered(const struct hook *h, struct stream *s, enum side from)
{
	bool accepted = is_accepted(h);

	stream_asked(s);
	if (from == PEER)
		s->file.accepted |= accepted;
	/* Of what was offered before, other ways may be tried. */
	if (from == OWN ? accepted : !accepted && !s->file.known)
		stream_end(s);
}

/* Activation (XEP-0065 §6.3.5) */

static void
order(struct step *p, enum bytestream_act act)
{
	p->order = (struct bytestream_order){ .act = act, .number = p->s->socks };
	memcpy(p->order.address, p->s->address, sizeof(p->order.address));
}

/* §6.3.2: the addresses as they are prepared. */
static void
write_address(struct hook *h, struct stream *s)
{
	const char *text = arena_printf(h->arena, "%s%s%s", s->sid, jid_full(s->own), jid_full(s->peer));
	uint8_t sum[DIGEST_MAX];
	size_t n = digest_named("sha-1", text, strlen(text), sum);

	text_hex(sum, n, s->address);
}

/* There is no bytestream; what was offered is still there. */
static void
fail(struct step *p)
{
	struct stream *s = p->s;

	if (!stream_release(s))
		return;
	if (p->made)
		stream_end(s);
	else
		s->state = STREAM_OFFERED;
}

static enum hook_verdict begin(struct hook *h, void *data, bool ok);

static enum hook_verdict
activated(struct hook *h, void *data, bool ok)
{
	struct step *p = data;
	struct stream *s = p->s;

	(void)ok;
	switch (p->order.outcome) {
	case BYTESTREAM_DONE:
		break;
	case BYTESTREAM_NOBODY:
		fail(p);
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, "nobody is connected for this bytestream");
	case BYTESTREAM_ONE_END:
		fail(p);
		return hook_reject(h, XERROR_NOT_ALLOWED, "only one of you is connected for this bytestream");
	case BYTESTREAM_TAKEN:
		fail(p);
		return hook_reject(h, XERROR_CONFLICT, "this bytestream is active already");
	default:
		fail(p);
		return hook_unavailable(h);
	}
	if (s->over || s->gone) {
		bytestream_end(p->order.address, p->order.number);
		fail(p);
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	}
	s->socks = p->order.number;
	s->state = STREAM_OPEN;
	s->opener = OWN;
	hook_aside(h, begin, s);
	return hook_done(h);
}

/* Who may send what to whom. */
static bool
may_send(struct hook *h, const struct step *p, enum side from, enum judge_verdict *v, const char **text)
{
	const struct stream *s = p->s;
	const char *groups = from == OWN ? module_account_groups(h) : s->far || !p->who.groups ? "" : p->who.groups;

	*v = judge_ahead(h->arena, from == OWN ? s->own : s->peer, groups, from == OWN ? s->peer : s->own,
		s->file.known && s->file.sized ? s->file.size : 0, s->file.known ? s->file.type : NULL, text);
	return *v == JUDGE_PASS;
}

static enum hook_verdict
who_known(struct hook *h, void *data, bool ok)
{
	struct step *p = data;
	struct stream *s = p->s;
	uint64_t most = module_limits()->file_bytes;
	const char *text = NULL;
	enum judge_verdict v;

	if (!ok) {
		fail(p);
		return hook_unavailable(h);
	}
	if (!s->far && !p->who.exists) {
		fail(p);
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, NULL);
	}
	/* Both: whose connection sends shows too late, whatever was announced. */
	if (!may_send(h, p, OWN, &v, &text) || !may_send(h, p, PEER, &v, &text)) {
		metric_add(METRIC_TRANSFERS_REFUSED, 1);
		log_info(NULL, "transfer-refused", "from=%s to=%s why=policy", jid_full(s->own), jid_full(s->peer));
		fail(p);
		h->error_type = v == JUDGE_CLOSED ? "wait" : NULL;
		return hook_reject(h, v == JUDGE_CLOSED ? XERROR_RESOURCE_CONSTRAINT : XERROR_FORBIDDEN, text);
	}
	write_address(h, s);
	order(p, BYTESTREAM_ACTIVATE);
	p->order.idle_ms = (unsigned)module_limits()->file_idle_seconds * 1000;
	p->order.pace_bytes = module_limits()->file_pace_bytes;
	p->order.announced = s->file.known && s->file.sized && s->file.size <= most;
	p->order.max_bytes = p->order.announced ? s->file.size : most;
	return hook_bytestream(h, &p->order, p, activated);
}

static enum hook_verdict
activate(struct hook *h, struct transfers *t, const struct jid *target, const char *sid)
{
	struct step *p = arena_zalloc(hook_memory(h), sizeof(*p));
	const struct announced *file = jingle_announced(t, h->from, target, sid);
	struct stream *s = stream_find(t, h->from, target, sid);

	if (!proxy_is_between(h->from, target))
		return refuse(h, "service", "in rooms and at services files pass by in-band bytestreams (XEP-0047) only");
	if (!module_may_exchange_files(h, target)) {
		metric_add(METRIC_TRANSFERS_REFUSED, 1);
		log_info(NULL, "transfer-refused", "from=%s to=%s why=partner", jid_full(h->from), jid_full(target));
		return hook_reject(h, XERROR_FORBIDDEN, "files are not exchanged with this address");
	}
	if (s && s->state != STREAM_OFFERED)
		return hook_reject(h, XERROR_CONFLICT, "there is a bytestream of this name already");
	if (!(s && s->file.accepted && (!s->question || s->asked_socks)) && !(file && file->accepted))
		return hook_reject(h, XERROR_ITEM_NOT_FOUND, "the other side has not accepted a bytestream of this name");
	p->made = !s;
	if (!s)
		s = stream_new(h, t, h->from, target, sid, OWN);
	if (!s)
		return HOOK_REJECT;
	if (p->made && file)
		announced_copy(&s->file, file);
	/* What is still asked has been answered by that. */
	stream_asked(s);
	s->state = STREAM_OPENING;
	stream_hold(s);
	p->s = s;
	p->who.who = s->peer;
	return s->far ? who_known(h, p, true) : hook_who(h, &p->who, p, who_known);
}

enum hook_verdict
socks_asked(struct hook *h, struct transfers *t, const struct elem *query)
{
	const struct elem *e = elem_child(query, NS_BYTESTREAMS, "activate");
	const char *sid = elem_get(query, "sid"), *text = e ? elem_text(e, h->arena) : "";
	struct jid *target = *text ? jid_parse(text, strlen(text)) : NULL;
	enum hook_verdict v;

	if (!target || !is_sid(sid) || elem_next(e, NS_BYTESTREAMS, "activate")) {
		jid_unref(target);
		return hook_reject(h, XERROR_BAD_REQUEST, "an activation needs a sid and the target's address");
	}
	v = activate(h, t, target, sid);
	jid_unref(target);
	return v;
}

/* Collecting */

static const char *
why_not(enum bytestream_outcome o, const struct stream *s, enum xerror *e)
{
	*e = XERROR_NOT_ACCEPTABLE;
	switch (o) {
	case BYTESTREAM_IDLE:
		*e = XERROR_REMOTE_SERVER_TIMEOUT;
		return "the file did not arrive in time";
	case BYTESTREAM_TOO_LARGE:
		return s->file.known && s->file.sized ? "more was sent than was announced" : "files may not be as large as this";
	case BYTESTREAM_BOTH_SEND:
		return "files go one way at a time";
	case BYTESTREAM_NO_ROOM:
		*e = XERROR_RESOURCE_CONSTRAINT;
		return "the server has no room for files at the moment, try again later";
	case BYTESTREAM_ENDED:
		return "the bytestream was ended";
	default:
		return "the connection was lost";
	}
}

static void
broken(struct hook *h, struct stream *s, enum side from, enum bytestream_outcome o)
{
	enum xerror e;
	const char *text = why_not(o, s, &e);

	log_info(NULL, "transfer-broken", "from=%s to=%s why=%s", jid_full(from == OWN ? s->own : s->peer),
		jid_full(from == OWN ? s->peer : s->own), text);
	metric_add(METRIC_TRANSFERS_BROKEN, 1);
	give_up(h, s, from, e, NULL, text);
}

static enum hook_verdict
collected(struct hook *h, void *data, bool ok)
{
	struct step *p = data;
	struct stream *s = p->s;
	enum side from = s->file.known ? s->file.sender : p->order.outcome == BYTESTREAM_DONE && p->order.first_sent ? PEER : OWN;

	(void)ok;
	if (s->file.sum != p->order.sum)
		digest_sum_end(s->file.sum, NULL);
	s->file.sum = p->order.sum;
	s->flow[from].spool = p->order.spool;
	if (!stream_release(s))
		return HOOK_HANDLED;
	s->active_ms = clock_mono_ms();
	if (p->order.outcome != BYTESTREAM_DONE) {
		broken(h, s, from, p->order.outcome);
	} else if (s->file.known && s->file.sized && (p->order.spool ? spool_size(p->order.spool) : 0) < s->file.size) {
		log_info(NULL, "transfer-cut-short", "from=%s to=%s", jid_full(s->own), jid_full(s->peer));
		broken(h, s, from, BYTESTREAM_BROKEN);
	} else {
		give_judge(h, s, from);
	}
	return HOOK_HANDLED;
}

static enum hook_verdict
begin(struct hook *h, void *data, bool ok)
{
	struct step *p = arena_zalloc(hook_memory(h), sizeof(*p));

	(void)ok;
	p->s = data;
	order(p, BYTESTREAM_COLLECT);
	p->order.first_sent = p->s->file.known && p->s->file.sender == PEER;
	p->order.sum = p->s->file.sum;
	p->s->file.sum = NULL;
	return hook_bytestream(h, &p->order, p, collected);
}

/* Giving */

static enum hook_verdict
given(struct hook *h, void *data, bool ok)
{
	struct step *p = data;
	struct stream *s = p->s;

	(void)ok;
	if (!stream_release(s))
		return HOOK_HANDLED;
	if (p->order.outcome == BYTESTREAM_DONE) {
		give_arrived(h, s, p->from);
		return HOOK_HANDLED;
	}
	metric_add(METRIC_TRANSFERS_BROKEN, 1);
	log_info(NULL, "transfer-broken", "from=%s to=%s why=%s", jid_full(s->own), jid_full(s->peer), "not-taken");
	give_up(h, s, p->from, XERROR_RECIPIENT_UNAVAILABLE, NULL, "the recipient did not take the file");
	return HOOK_HANDLED;
}

static enum hook_verdict
give(struct hook *h, void *data, bool ok)
{
	const struct step *asked = data;
	struct step *p = arena_zalloc(hook_memory(h), sizeof(*p));
	struct spool *spool = asked->s->flow[asked->from].spool;

	(void)ok;
	p->s = asked->s;
	p->from = asked->from;
	order(p, BYTESTREAM_GIVE);
	p->order.file = spool_fd(spool);
	p->order.size = spool_size(spool);
	return hook_bytestream(h, &p->order, p, given);
}

void
socks_give(struct hook *h, struct stream *s, enum side from)
{
	struct step p = { .s = s, .from = from };

	stream_hold(s);
	hook_aside(h, give, &p);
}

void
socks_tell(struct hook *h, const struct stream *s, enum side from, const char *text)
{
	if (!s->file.jingle && !s->told)
		module_notice(from == OWN ? s->own : s->peer, arena_printf(h->arena, "A file of yours did not arrive: %s", text));
}
