/*
 * jingle: see jingle.h.
 *
 * What is neither a call (XEP-0167) nor known to us is treated as a file: only transports that we see are let through for it. A content that
 * names no application (transport-replace, transport-info) is what its session says it is.
 *
 * There are clients that read elements by their names and do not look at namespaces: so do we, wherever something could be hidden by another one.
 */
#include "jingle.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/text.h"
#include "give.h"
#include "offer.h"
#include "proxy.h"
#include "xmpp/ns.h"

#define NS_FILE "urn:xmpp:jingle:apps:file-transfer:" /* and a version */
#define NS_RTP "urn:xmpp:jingle:apps:rtp:"
#define NS_T_IBB "urn:xmpp:jingle:transports:ibb:"
#define NS_T_S5B "urn:xmpp:jingle:transports:s5b:"
#define CONTENTS 16 /* files in one session */
#define SID_MAX 1024

struct content {
	struct list link;
	struct announced file; /* content is its name */
	char *socks;           /* the sid of its SOCKS5 transport; NULL: none */
};

struct jingle {
	struct list link;
	struct jid *own, *peer;
	char *sid;
	enum side initiator;
	struct list contents;
	unsigned n;
	struct stanza *last; /* its session-terminate, which waits until the file is there; NULL: none */
	enum side last_from;
	int64_t active_ms;
};

static bool
begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Sessions */

static void
content_free(struct content *c)
{
	list_remove(&c->link);
	announced_fini(&c->file);
	free(c->socks);
	free(c);
}

static void
jingle_free(struct transfers *t, struct jingle *j)
{
	while (!list_is_empty(&j->contents))
		content_free(LIST_ENTRY(j->contents.next, struct content, link));
	list_remove(&j->link);
	t->nsessions--;
	stanza_unref(j->last);
	jid_unref(j->own);
	jid_unref(j->peer);
	free(j->sid);
	free(j);
}

void
jingle_forget_all(struct transfers *t)
{
	while (!list_is_empty(&t->sessions))
		jingle_free(t, LIST_ENTRY(t->sessions.next, struct jingle, link));
}

static struct jingle *
find(const struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid)
{
	LIST_EACH(l, &t->sessions) {
		struct jingle *j = LIST_ENTRY(l, struct jingle, link);

		if (!strcmp(j->sid, sid) && jid_equal(j->peer, peer) && jid_equal(j->own, own))
			return j;
	}
	return NULL;
}

static struct jingle *
of_stream(const struct stream *s)
{
	return s->file.jingle ? find(s->of, s->own, s->peer, s->file.jingle) : NULL;
}

void
jingle_gone(struct hook *h, struct transfers *t)
{
	LIST_EACH(l, &t->sessions)
		if (!module_session(h, LIST_ENTRY(l, struct jingle, link)->own))
			jingle_free(t, LIST_ENTRY(l, struct jingle, link));
}

static bool
has_stream(const struct transfers *t, const struct jingle *j)
{
	LIST_EACH(l, &t->streams) {
		const struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (s->file.jingle && !strcmp(s->file.jingle, j->sid) && jid_equal(s->peer, j->peer) && jid_equal(s->own, j->own))
			return true;
	}
	return false;
}

void
jingle_forget_old(struct transfers *t, int64_t before_ms)
{
	LIST_EACH(l, &t->sessions) {
		struct jingle *j = LIST_ENTRY(l, struct jingle, link);

		if (j->active_ms < before_ms && !has_stream(t, j))
			jingle_free(t, j);
	}
}

/* Of those that have no stream, the one that has been silent for the longest. */
static bool
forget_oldest(struct transfers *t)
{
	struct jingle *oldest = NULL;

	LIST_EACH(l, &t->sessions) {
		struct jingle *j = LIST_ENTRY(l, struct jingle, link);

		if ((!oldest || j->active_ms < oldest->active_ms) && !has_stream(t, j))
			oldest = j;
	}
	if (!oldest)
		return false;
	jingle_free(t, oldest);
	return true;
}

const struct announced *
jingle_announced(const struct transfers *t, const struct jid *own, const struct jid *peer, const char *sid)
{
	LIST_EACH(l, &t->sessions) {
		struct jingle *j = LIST_ENTRY(l, struct jingle, link);

		if (!jid_equal(j->peer, peer) || !jid_equal(j->own, own))
			continue;
		LIST_EACH(k, &j->contents) {
			struct content *c = LIST_ENTRY(k, struct content, link);

			if (c->socks && !strcmp(c->socks, sid))
				return &c->file;
		}
	}
	return NULL;
}

/* Each side names what it adds: creator and name together are the key (XEP-0166 §7.3). */
static struct content *
content_of(const struct jingle *j, const char *name, bool by_responder)
{
	LIST_EACH(l, &j->contents) {
		struct content *c = LIST_ENTRY(l, struct content, link);

		if (name && !strcmp(c->file.content, name) && c->file.by_responder == by_responder)
			return c;
	}
	return NULL;
}

static bool
is_by_responder(const struct elem *e)
{
	const char *creator = elem_get(e, "creator");

	return creator && !strcmp(creator, "responder");
}

/* The one that an element names. Without its creator, who is the initiator then, it may be meant for the other's by those who forget that. */
static struct content *
content_find(const struct jingle *j, const struct elem *e)
{
	struct content *c = content_of(j, elem_get(e, "name"), is_by_responder(e));

	return c || elem_get(e, "creator") ? c : content_of(j, elem_get(e, "name"), true);
}

/* Saying something in the other's name */

static struct elem *
say_begin(struct stanza **st, const char *action, const char *sid)
{
	struct elem *e;

	*st = stream_question(NULL);
	e = elem_add(*st, (*st)->root, NS_JINGLE, "jingle");
	elem_set(*st, e, "action", action);
	elem_set(*st, e, "sid", sid);
	return e;
}

static void
add_reason(struct stanza *st, struct elem *jingle, const char *condition, const char *text)
{
	struct elem *reason = elem_add(st, jingle, NULL, "reason");

	elem_add(st, reason, NULL, condition);
	if (text && *text)
		elem_add_text(st, elem_add(st, reason, NULL, "text"), text, strlen(text));
}

/* To whom the hook's stanza is from, as if whom it is to had said it. */
static void
say_back(struct hook *h, enum side from, struct stanza *st)
{
	struct session *s;

	if (from == PEER) {
		module_send(st, h->to, h->from);
		return;
	}
	s = module_session(h, h->from);
	if (!s || module_session_is_over(s)) {
		stanza_unref(st);
		return;
	}
	elem_set(st, st->root, "from", jid_full(h->to));
	module_session_give(s, st, 0);
}

static void
acknowledge(struct hook *h, enum side from)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");

	elem_set(st, st->root, "type", "result");
	elem_set(st, st->root, "id", elem_get(h->stanza->root, "id"));
	say_back(h, from, st);
}

/* §6.3, §7.2.8, §7.2.14: what is not wanted is acknowledged, and then refused by an action. */
static enum hook_verdict
refuse(struct hook *h, enum side from, const struct elem *jingle, const char *condition, const char *text)
{
	const char *action = elem_get(jingle, "action");
	bool add = !strcmp(action, "content-add"), replace = !strcmp(action, "transport-replace");
	struct stanza *st;
	struct elem *e;

	metric_add(METRIC_TRANSFERS_REFUSED, 1);
	log_info(NULL, "transfer-refused", "from=%s to=%s why=%s", jid_full(h->from), jid_full(h->to), condition);
	acknowledge(h, from);
	e = say_begin(&st, add ? "content-reject" : replace ? "transport-reject" : "session-terminate", elem_get(jingle, "sid"));
	if (add || replace)
		for (const struct elem *c = elem_child(jingle, NULL, "content"); c; c = elem_next(c, NULL, "content"))
			elem_add_copy(st, e, c);
	add_reason(st, e, condition, text);
	say_back(h, from, st);
	return HOOK_HANDLED;
}

/* Its sender thinks that all is there, but it has not been given yet. */
static bool
is_on_its_way(const struct stream *s, enum side from, bool success)
{
	const struct flow *f = &s->flow[from];

	if (s->state != STREAM_OPEN || s->file.sender != from || !stream_minds(s, from))
		return false;
	return f->state == FLOW_JUDGE || f->state == FLOW_GIVE || (f->state == FLOW_COLLECT && (f->spool || s->socks) && success);
}

/* Of a session that has been ended: another file that its end waits for. */
static bool
waits_for_another(const struct jingle *j, const struct stream *than)
{
	LIST_EACH(l, &than->of->streams) {
		const struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (s != than && of_stream(s) == j && is_on_its_way(s, j->last_from, true))
			return true;
	}
	return false;
}

void
jingle_given(struct hook *h, struct stream *s)
{
	struct jingle *j = of_stream(s);
	char id[TRANSFER_ID_SIZE];
	struct stanza *st;
	enum side to;

	if (!j || !j->last || waits_for_another(j, s))
		return;
	/* It was acknowledged when it came: the answer is ours. */
	transfer_id(id);
	st = stanza_copy(j->last);
	elem_set(st, st->root, "id", id);
	to = other_side(j->last_from);
	jingle_free(s->of, j);
	stream_say(h, s, to, st);
}

/* Everything is looked up before anything is said: what is said may end the session that it is said to. */
void
jingle_failed(struct hook *h, struct stream *s, const char *text)
{
	struct jingle *j = of_stream(s);
	struct content *c = j ? content_of(j, s->file.content, s->file.by_responder) : NULL;
	bool last = j && (j->n < 2 || (j->last && !waits_for_another(j, s))), ended[2] = { false, false };

	if (!j)
		return;
	if (j->last)
		ended[j->last_from] = true;
	if (last) {
		jingle_free(s->of, j);
	} else if (c) {
		content_free(c);
		j->n--;
	}
	for (enum side to = PEER; to <= OWN; to++) {
		struct stanza *st;
		struct elem *e, *content;

		if (last && ended[to])
			continue; /* has ended it itself */
		e = say_begin(&st, last ? "session-terminate" : "content-remove", s->file.jingle);
		if (!last) {
			content = elem_add(st, e, NULL, "content");
			elem_set(st, content, "creator", s->file.by_responder ? "responder" : "initiator");
			elem_set(st, content, "name", s->file.content);
		}
		add_reason(st, e, "media-error", text);
		stream_say(h, s, to, st);
	}
}

/* Reading */

static bool
is_call(const struct elem *content)
{
	const struct elem *d = elem_child(content, NULL, "description");

	for (const struct elem *e = d; e; e = elem_next(e, NULL, "description"))
		if (!begins(e->ns, NS_RTP))
			return false;
	return d != NULL;
}

static bool
is_seen(const struct elem *transport)
{
	return begins(transport->ns, NS_T_IBB) || begins(transport->ns, NS_T_S5B);
}

bool
jingle_is_about_files(const struct elem *jingle)
{
	for (const struct elem *c = elem_child(jingle, NULL, "content"); c; c = elem_next(c, NULL, "content"))
		if (elem_child(c, NULL, "description") ? !is_call(c) : elem_child(c, NULL, "transport") && is_seen(elem_child(c, NULL, "transport")))
			return true;
	return false;
}

/* Is this content something else than a call, and does it go by a way that we do not see? One without a description is what its session says
 * it is, of whichever creator, as there may be clients that read its name only; with a new way nobody relies on that we still know. */
static bool
goes_unseen(const struct jingle *j, const struct elem *content, bool replaces)
{
	const struct elem *t = elem_child(content, NULL, "transport");
	const char *name = elem_get(content, "name");

	while (t && is_seen(t))
		t = elem_next(t, NULL, "transport");
	if (!t || is_call(content))
		return false;
	return replaces || elem_child(content, NULL, "description") || (j && (content_of(j, name, false) || content_of(j, name, true)));
}

static void
read_hashes(struct announced *a, const struct elem *file, struct arena *m)
{
	const char *algorithm;

	for (const struct elem *e = elem_child(file, NS_HASHES, NULL); e; e = elem_next(e, NS_HASHES, NULL)) {
		const char *text = elem_text(e, m);
		uint8_t *bytes = arena_alloc(m, strlen(text) + 1);
		ssize_t n = text_base64_decode_lines(text, strlen(text), bytes);

		algorithm = elem_get(e, "algo");
		if (algorithm && n >= 0)
			announced_hash(a, algorithm, bytes, (size_t)n);
	}
}

static char *
text_of(const struct elem *file, const char *name, struct arena *m)
{
	const struct elem *e = elem_child(file, NULL, name);
	const char *text = e ? elem_text(e, m) : "";

	return *text ? mem_strdup(text) : NULL;
}

static void
read_file(struct announced *a, const struct elem *description, struct arena *m)
{
	const struct elem *file = elem_child(description, NULL, "file"), *size;

	if (!file) /* version 3 */
		file = elem_child(description, NULL, "offer") ? elem_child(elem_child(description, NULL, "offer"), NULL, "file") : NULL;
	if (!file)
		return;
	size = elem_child(file, NULL, "size");
	a->name = text_of(file, "name", m);
	a->type = text_of(file, "media-type", m);
	a->sized = size && text_u64(elem_text(size, m), strlen(elem_text(size, m)), 0, INT64_MAX, &a->size);
	read_hashes(a, file, m);
}

static bool
is_part(const struct elem *content)
{
	const struct elem *d = elem_child(content, NULL, "description");
	const struct elem *file = d ? elem_child(d, NULL, "file") : NULL, *range = file ? elem_child(file, NULL, "range") : NULL;
	const char *offset = range ? elem_get(range, "offset") : NULL;

	return range && ((offset && strcmp(offset, "0")) || elem_get(range, "length"));
}

static bool
remove_all(struct elem *parent, const char *name)
{
	struct elem *e, *next;
	bool any = false;

	for (e = elem_child(parent, NULL, name); e; e = next) {
		next = elem_next(e, NULL, name);
		elem_remove(e);
		any = true;
	}
	return any;
}

/* Of an element that may be altered: without what leads past the server, and without ranges. Has that changed anything? */
static bool
purge(const struct hook *h, struct stanza *st)
{
	const struct elem *jingle = elem_child(st->root, NS_JINGLE, "jingle");
	bool changed = false;

	for (struct elem *c = elem_child(jingle, NULL, "content"); c; c = elem_next(c, NULL, "content"))
		for (struct elem *e = elem_first(c); e; e = elem_next(e, NULL, NULL)) {
			struct elem *file = begins(e->ns, NS_FILE) ? elem_child(e, NULL, "file") : NULL;

			if (begins(e->ns, NS_T_S5B))
				changed |= proxy_keep_candidates(h, st, e);
			for (; file; file = elem_next(file, NULL, "file"))
				changed |= remove_all(file, "range");
		}
	return changed;
}

static enum hook_verdict
go_on(struct hook *h, enum side from)
{
	struct stanza *st;

	if (!offer_is_ours(h, from))
		return HOOK_NEXT;
	st = stanza_copy(h->stanza);
	if (purge(h, st))
		return offer_goes_on(h, from, st);
	stanza_unref(st);
	return HOOK_NEXT;
}

/* Noting */

static struct jingle *
session_of(struct hook *h, struct transfers *t, enum side from, const struct elem *jingle)
{
	const struct jid *own = from == OWN ? h->from : h->to, *peer = from == OWN ? h->to : h->from;
	const char *sid = elem_get(jingle, "sid");
	struct jingle *j = sid ? find(t, own, peer, sid) : NULL;

	if (j)
		j->active_ms = clock_mono_ms();
	return j;
}

static struct jingle *
session_new(struct hook *h, struct transfers *t, enum side from, const char *sid)
{
	struct jingle *j;

	/* Bounded as streams are. */
	if (t->nsessions >= module_limits()->file_transfers * 8 && !forget_oldest(t))
		return NULL;
	j = NEW(struct jingle);
	j->own = jid_ref((struct jid *)(from == OWN ? h->from : h->to));
	j->peer = jid_ref((struct jid *)(from == OWN ? h->to : h->from));
	j->sid = mem_strdup(sid);
	j->initiator = from;
	j->active_ms = clock_mono_ms();
	list_init(&j->contents);
	list_append(&t->sessions, &j->link);
	t->nsessions++;
	return j;
}

/* A bytestream that this content will go over (XEP-0261), or may go over (XEP-0260). */
static bool
note_stream(struct hook *h, struct transfers *t, struct jingle *j, enum side from, struct content *c, const struct elem *transport)
{
	const char *sid = elem_get(transport, "sid");
	struct stream *s;

	if (begins(transport->ns, NS_T_S5B) && sid && strlen(sid) <= SID_MAX) {
		if (c->socks && strcmp(c->socks, sid))
			c->file.accepted = false;
		free(c->socks);
		c->socks = mem_strdup(sid);
		c->file.accepted |= from == PEER && elem_child(transport, NULL, "candidate-used");
	}
	if (!begins(transport->ns, NS_T_IBB) || !sid || strlen(sid) > 256 || stream_find(t, j->own, j->peer, sid))
		return true;
	s = stream_new(h, t, j->own, j->peer, sid, from);
	if (!s)
		return false;
	announced_copy(&s->file, &c->file);
	return true;
}

static bool
note_streams(struct hook *h, struct transfers *t, struct jingle *j, enum side from, struct content *c, const struct elem *content)
{
	for (const struct elem *e = elem_child(content, NULL, "transport"); e; e = elem_next(e, NULL, "transport"))
		if (!note_stream(h, t, j, from, c, e))
			return false;
	return true;
}

static void
note_content(struct hook *h, struct jingle *j, enum side from, const struct elem *content, struct content **out)
{
	const char *name = elem_get(content, "name"), *senders = elem_get(content, "senders");
	const struct elem *d = elem_child(content, NULL, "description");
	struct content *c = content_find(j, content);

	*out = c;
	if (c || !name || !d || j->n == CONTENTS)
		return;
	c = NEW(struct content);
	c->file.known = true;
	c->file.by_responder = is_by_responder(content);
	c->file.sender = senders && !strcmp(senders, "responder") ? other_side(j->initiator) :
		senders && !strcmp(senders, "initiator") ? j->initiator : from;
	c->file.content = mem_strdup(name);
	c->file.jingle = mem_strdup(j->sid);
	if (begins(d->ns, NS_FILE))
		read_file(&c->file, d, h->arena);
	list_append(&j->contents, &c->link);
	j->n++;
	*out = c;
}

/* session-initiate and content-add, of files; and a new way for one of them. */
static enum hook_verdict
offered(struct hook *h, struct transfers *t, enum side from, const struct elem *jingle, struct jingle *j)
{
	const char *text = NULL;
	bool closed, files = false;

	for (const struct elem *c = elem_child(jingle, NULL, "content"); c; c = elem_next(c, NULL, "content"))
		files |= !is_call(c) && elem_child(c, NULL, "description");
	if (files && !j)
		j = session_new(h, t, from, elem_get(jingle, "sid"));
	if (files && !j)
		return refuse(h, from, jingle, "failed-application", "too many sessions are open");
	for (const struct elem *c = elem_child(jingle, NULL, "content"); j && c; c = elem_next(c, NULL, "content")) {
		struct content *noted;

		if (is_call(c))
			continue;
		note_content(h, j, from, c, &noted);
		if (!noted && elem_child(c, NULL, "description"))
			return refuse(h, from, jingle, "failed-application", "every file needs a name of its own, and a session has sixteen at most");
		if (!noted)
			continue;
		if (!offer_is_allowed(h, from, noted->file.sender == from, noted->file.size, noted->file.type, &text, &closed) ||
			!note_streams(h, t, j, from, noted, c))
			return refuse(h, from, jingle, "failed-application", text ? text : h->error_text);
	}
	return go_on(h, from);
}

/* The peer takes part. */
static void
accepted(const struct jingle *j, const struct elem *jingle)
{
	for (const struct elem *e = elem_child(jingle, NULL, "content"); e; e = elem_next(e, NULL, "content")) {
		struct content *c = content_find(j, e);

		if (c && c->socks)
			c->file.accepted = true;
	}
}

/* Ending */

static bool
is_success(const struct elem *jingle)
{
	const struct elem *reason = elem_child(jingle, NULL, "reason");

	return reason && elem_child(reason, NULL, "success");
}

static enum hook_verdict
terminated(struct hook *h, struct transfers *t, enum side from, const struct elem *jingle, struct jingle *j)
{
	bool success = is_success(jingle), waits = false;

	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		if (of_stream(s) != j)
			continue;
		if (!is_on_its_way(s, from, success)) {
			/* A stream that has been given may still be waiting for its <close/>; the proxy's recipient may know before us that it has. */
			if (s->flow[s->file.sender].state != FLOW_GIVEN && !(s->socks && success && s->flow[s->file.sender].state == FLOW_GIVE))
				stream_drop(h, s, "the session was ended");
			continue;
		}
		waits = true;
	}
	if (!waits) {
		jingle_free(t, j);
		return HOOK_NEXT;
	}
	acknowledge(h, from);
	if (!j->last) {
		j->last = stanza_ref((struct stanza *)h->stanza);
		j->last_from = from;
	}
	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		/* Without a <close/>, but it says that it was all. */
		if (of_stream(s) == j && !s->socks && s->flow[from].state == FLOW_COLLECT && is_on_its_way(s, from, true)) {
			s->closed[from] = true;
			give_judge(h, s, from);
		}
	}
	return HOOK_HANDLED;
}

/* The hash of what is on its way, from its sender (XEP-0234 §8.2). */
static void
checksum(struct hook *h, struct transfers *t, enum side from, const struct elem *jingle, struct jingle *j)
{
	const struct elem *sum = elem_child(jingle, NULL, "checksum"), *file = sum ? elem_child(sum, NULL, "file") : NULL;
	struct content *c = file ? content_find(j, sum) : NULL;

	if (!file || !begins(sum->ns, NS_FILE) || elem_child(file, NULL, "range"))
		return;
	if (c && c->file.sender == from)
		read_hashes(&c->file, file, h->arena);
	LIST_EACH(l, &t->streams) {
		struct stream *s = LIST_ENTRY(l, struct stream, link);

		/* A sum that did not run along from the first byte is none. */
		if (of_stream(s) == j && s->file.sender == from && (s->file.sum || (s->socks && s->file.algorithm)) && c && !strcmp(s->file.content, c->file.content) &&
			s->file.by_responder == c->file.by_responder)
			read_hashes(&s->file, file, h->arena);
	}
}

enum hook_verdict
jingle_said(struct hook *h, struct transfers *t, enum side from, const struct elem *jingle)
{
	const char *action = elem_get(jingle, "action"), *sid = elem_get(jingle, "sid");
	struct jingle *j;
	bool offers, replaces;

	if (from == PEER && !module_session(h, h->to))
		return HOOK_NEXT;
	/* Some clients go on without them, and what we cannot name we cannot see. */
	if (!action || !sid || strlen(sid) > SID_MAX)
		return hook_reject(h, XERROR_BAD_REQUEST, "<jingle/> needs an action and a sid, which may not be longer than 1024 bytes");
	j = session_of(h, t, from, jingle);
	replaces = !strcmp(action, "transport-replace");
	offers = replaces || !strcmp(action, "session-initiate") || !strcmp(action, "content-add");
	for (const struct elem *c = elem_child(jingle, NULL, "content"); c; c = elem_next(c, NULL, "content")) {
		if (offers && goes_unseen(j, c, replaces))
			return refuse(h, from, jingle, "unsupported-transports", "files pass through this server, where they are scanned");
		if (goes_unseen(j, c, false))
			return hook_reject(h, XERROR_NOT_ACCEPTABLE, "files pass through this server, where they are scanned");
		if (offers && is_part(c))
			return refuse(h, from, jingle, "failed-application", "parts of files cannot be scanned: send it whole");
	}
	if (offers || !strcmp(action, "transport-info"))
		return offered(h, t, from, jingle, j);
	if (j && !strcmp(action, "session-terminate"))
		return terminated(h, t, from, jingle, j);
	if (j && !strcmp(action, "session-info"))
		checksum(h, t, from, jingle, j);
	if (j && from == PEER && (!strcmp(action, "session-accept") || !strcmp(action, "content-accept") || !strcmp(action, "transport-accept")))
		accepted(j, jingle);
	return go_on(h, from);
}
