/*
 * session: what a bound resource does with a stanza that came in, with one that goes out, and how it ends.
 */
#include "core/session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"
#include "core/stream/c2s.h"
#include "core/stream/last_use.h"
#include "core/home.h"
#include "core/module/keep.h"
#include "core/module/modules.h"
#include "core/roster/presence.h"
#include "core/route/intake.h"
#include "core/route/router.h"
#include "core/user.h"
#include "xmpp/ns.h"

static void
tell(enum hook_stage stage, struct session *s)
{
	struct hook h = { .stage = stage, .account = s->user->jid, .session = s->jid, .bound = s };

	if (modules_want(stage))
		(void)modules_run(&h, s->user);
}

static void
note_stream(struct session *s)
{
	char tls[96];

	free(s->address);
	free(s->tls);
	free(s->client);
	s->device = c2s_device(s->stream);
	s->client = c2s_client(s->stream) ? mem_strdup(c2s_client(s->stream)) : NULL;
	s->address = mem_strdup(c2s_address(s->stream));
	s->tls = mem_strdup(c2s_tls(s->stream, tls));
	s->mechanism = c2s_mechanism(s->stream);
	s->active_us = clock_wall_us();
}

struct session *
session_new(struct user *u, struct jid *full, struct c2s *stream)
{
	struct session *s = NEW(struct session);

	s->user = u;
	s->jid = jid_ref(full);
	s->log = (struct log){ .key = "jid", .value = jid_full(s->jid) };
	s->lane = lane_new(s);
	s->kept = keep_session_new();
	resume_init(&s->sm);
	list_init(&s->directed);
	list_append(&u->sessions, &s->of_user);
	u->nsessions++;
	s->since_us = clock_wall_us();
	s->stream = stream;
	c2s_set_session(stream, s);
	note_stream(s);
	metric_add(METRIC_SESSIONS, 1);
	log_info(&s->log, "bound", "address=%s tls=%s mechanism=%s", s->address, s->tls, s->mechanism);
	return s;
}

void
session_announce(struct session *s)
{
	tell(HOOK_SESSION_BOUND, s);
}

static void
set_detached(struct session *s, bool detached)
{
	int n = detached ? 1 : -1;

	if (s->detached == detached)
		return;
	s->detached = detached;
	s->user->ndetached = (unsigned)((int)s->user->ndetached + n);
	metric_add(METRIC_SESSIONS_DETACHED, n);
}

void
session_attach(struct session *s, struct c2s *stream)
{
	struct c2s *old = s->stream;

	if (old) {
		c2s_set_session(old, NULL);
		c2s_end(old, XSTREAM_CONFLICT, "resumed by another stream");
	}
	set_detached(s, false);
	s->stream = stream;
	c2s_set_session(stream, s);
	note_stream(s);
	if (lane_is_full(s->lane))
		c2s_pause(stream);
}

void
session_resumed(struct session *s)
{
	held_release(s); /* a new stream begins with nothing held back (XEP-0352 §5.2) */
	tell(HOOK_SESSION_RESUMED, s);
}

/* The oldest detached session makes room for a newer one. */
static void
bound_detached(struct user *u)
{
	if (u->ndetached <= home_config()->limits.detached_per_account)
		return;
	LIST_EACH(l, &u->sessions) {
		struct session *s = LIST_ENTRY(l, struct session, of_user);

		if (s->stream || s->closing)
			continue;
		session_close(s, XSTREAM_NONE, NULL);
		return;
	}
}

void
session_stream_lost(struct session *s)
{
	s->stream = NULL;
	if (!s->sm.resumable || s->closing) {
		session_leave(s);
		return;
	}
	set_detached(s, true);
	resume_detach(s);
	log_info(&s->log, "detached", "unacked=%u", s->sm.n);
	tell(HOOK_SESSION_DETACHED, s);
	bound_detached(s->user);
}

/* Ending */

/* No client has confirmed it: another one may get it, or it stays in the record (XEP-0198 §5). */
static void
left_over(struct session *s, struct packet *p)
{
	if (p->deliverable && !delivery_taken_back(s->user, p->record_id))
		return; /* another session has it, or had it */
	if (p->deliverable) {
		p->delayed = true;
		router_give(s->user, p);
	} else if (p->kind == PACKET_IQ && (p->type == TYPE_GET || p->type == TYPE_SET)) {
		router_refuse(p, XERROR_RECIPIENT_UNAVAILABLE, NULL, NULL);
	}
}

static void
session_free(void *arg)
{
	struct session *s = arg;

	keep_session_free(s->kept);
	jid_unref(s->jid);
	features_forget(s);
	free(s->address);
	free(s->tls);
	free(s->client);
	free(s);
}

void
session_close(struct session *s, enum xstream_error e, const char *text)
{
	struct user *u = s->user;
	struct c2s *stream = s->stream;

	if (s->closing)
		return;
	s->closing = true;
	if (stream) {
		s->stream = NULL;
		c2s_set_session(stream, NULL);
		c2s_end(stream, e, text);
	}
	set_detached(s, false);
	user_hold(u);
	presence_session_closed(s);
	list_remove(&s->of_user);
	u->nsessions--;
	resume_ends(s);
	lane_orphan(s->lane);
	s->lane = NULL;
	resume_fini(s, left_over);
	held_fini(s, left_over);
	delivery_continue(u); /* its pages may have waited for this session */
	if (s->fetches)
		delivery_let_come(u);
	tell(HOOK_SESSION_CLOSED, s);
	last_use_note(s->device, s->active_us, NULL);
	metric_add(METRIC_SESSIONS, -1);
	log_info(&s->log, "unbound", "error=%s", e == XSTREAM_NONE ? "none" : xstream_error_name(e));
	reactor_free_later(reactor_current(), session_free, s);
	user_release(u);
}

void
session_leave(struct session *s)
{
	struct c2s *stream = s->stream;

	if (s->closing || !lane_says_farewell(s->lane)) {
		session_close(s, XSTREAM_NONE, NULL);
		return;
	}
	s->leaving = true;
	set_detached(s, true);
	s->stream = NULL;
	if (stream) {
		c2s_set_session(stream, NULL);
		c2s_end(stream, XSTREAM_NONE, NULL);
	}
}

void
session_lane_empty(struct session *s)
{
	resume_lane_empty(s);
	if (s->leaving && !s->closing && !lane_depth(s->lane))
		session_close(s, XSTREAM_NONE, NULL);
}

/* Going out */

void
session_send(struct session *s, struct packet *p)
{
	if (s->closing || (s->held.watched && held_take(s, p)))
		return;
	session_write(s, p);
}

void
session_write(struct session *s, struct packet *p)
{
	uint64_t upto = 0;

	if (s->closing)
		return;
	metric_add(METRIC_STANZAS_OUT, 1);
	if (s->stream) {
		c2s_send(s->stream, p);
		upto = c2s_mark(s->stream);
	}
	if (!resume_sent(s, p, upto)) {
		log_warning(&s->log, "unacked-queue-full", "stanzas=%u bytes=%zu", s->sm.n, s->sm.bytes);
		session_close(s, XSTREAM_POLICY_VIOLATION, "too many stanzas were not acknowledged");
	}
}

/* Coming in */

void
session_handled(struct session *s)
{
	resume_handled(s);
}

void
session_lane_changed(struct session *s)
{
	if (!s->stream)
		return;
	if (lane_is_full(s->lane))
		c2s_pause(s->stream);
	else
		c2s_resume_reading(s->stream);
}

bool
session_nonza(struct session *s, const struct elem *e)
{
	struct hook h = { .stage = HOOK_NONZA, .account = s->user->jid, .session = s->jid, .bound = s, .payload = e };

	return modules_want(HOOK_NONZA) && modules_run(&h, s->user) == HOOK_HANDLED;
}

/* RFC 6120 §8.1.2.1: a client may name itself, by full or bare JID, and nobody else. */
static bool
from_is_right(const struct session *s, const char *from)
{
	struct jid *j;
	bool right;

	if (!from || !strcmp(from, jid_full(s->jid)) || !strcmp(from, jid_bare(s->jid)))
		return true;
	j = jid_parse_z(from);
	right = j && (jid_equal(j, s->jid) || (jid_is_bare(j) && jid_equal_bare(j, s->jid)));
	jid_unref(j);
	return right;
}

/* The subscription's addresses are bare (RFC 6121 §3.1.2). */
static bool
is_subscription(const char *type)
{
	return type && (!strcmp(type, "subscribe") || !strcmp(type, "subscribed") || !strcmp(type, "unsubscribe") ||
		!strcmp(type, "unsubscribed"));
}

static void
stamp(struct session *s, struct stanza *st)
{
	struct elem *root = st->root;
	bool bare = !strcmp(root->name, "presence") && is_subscription(elem_get(root, "type"));
	const char *lang = c2s_lang(s->stream);

	elem_set(st, root, "from", bare ? jid_bare(s->jid) : jid_full(s->jid));
	/* RFC 6120 §8.1.5 */
	if (lang && !elem_lang(root))
		elem_set_ns(st, root, NS_XML, "lang", lang);
	intake_strip_forged(root);
}

static struct packet *
packet_of(struct session *s, struct stanza *st, bool *malformed)
{
	const char *to = elem_get(st->root, "to"), *from = elem_get(st->root, "from");
	struct jid *tj = to ? jid_parse_z(to) : NULL;
	struct jid *fj = strcmp(from, jid_full(s->jid)) ? jid_to_bare(s->jid) : jid_ref(s->jid);
	struct packet *p = packet_new(st, fj, tj);

	p->account = s->user->account;
	*malformed = to && !tj;
	jid_unref(tj);
	jid_unref(fj);
	return p;
}

void
session_received(struct session *s, struct stanza *st)
{
	struct packet *p;
	bool malformed;

	s->active_us = clock_wall_us();
	metric_add(METRIC_STANZAS_IN, 1);
	if (!from_is_right(s, elem_get(st->root, "from"))) {
		stanza_unref(st);
		session_close(s, XSTREAM_INVALID_FROM, NULL);
		return;
	}
	stamp(s, st);
	p = packet_of(s, st, &malformed);
	if (malformed)
		lane_push_refused(s->lane, p, XERROR_JID_MALFORMED, NULL);
	else if (!intake_is_right(p))
		lane_push_refused(s->lane, p, XERROR_BAD_REQUEST, NULL);
	else
		lane_push(s->lane, p);
}
