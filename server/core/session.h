/*
 * session: a bound resource. It outlives its connection: c2s is the stream it has at the moment, and
 * resuming re-points that one pointer. Lives on the user's home.
 */
#ifndef CORE_SESSION_H
#define CORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/log.h"
#include "core/module/features.h"
#include "core/module/held.h"
#include "core/route/lane.h"
#include "core/route/packet.h"
#include "core/stream/resume.h"
#include "net/reactor.h"
#include "xmpp/xerror.h"

struct c2s;
struct user;

struct session {
	struct list of_user;     /* struct user.sessions */
	struct user *user;
	struct jid *jid;         /* full */
	struct c2s *stream;      /* NULL: detached, waiting to be resumed */
	struct lane *lane;
	struct resume sm;        /* stream management and what is unconfirmed */
	struct log log;
	/* presence (core/presence) */
	struct packet *presence; /* last broadcast available presence; NULL: not available */
	int priority;
	struct list directed;    /* core/presence's: addresses told directly (RFC 6121 §4.6) */
	unsigned ndirected;
	/* roster (core/roster) */
	bool interested;         /* has asked for the roster */
	bool closing, detached;
	bool leaving;            /* its client has gone for good: ends when the lane is empty */
	bool fetches;            /* takes the backlog itself (delivery_withhold) */
	struct announced announced; /* what its client supports */
	struct held held;        /* kept back by modules */
	void *kept;              /* what modules keep (core/module/keep) */
	/* what the census shows */
	int64_t since_us, active_us;
	char *address;           /* of the last stream */
	char *tls;
	const char *mechanism;
	int64_t device;          /* store/device; 0: not known */
	char *client;            /* software and device, as they say; NULL */
};

static inline bool
session_is_available(const struct session *s)
{
	return s->presence != NULL;
}

/* Binds `full` for a READY user; the caller has settled conflicts and limits. Takes over the stream. Modules hear of it by
 * session_announce, when the client has been told. */
struct session *session_new(struct user *u, struct jid *full, struct c2s *stream);
void session_announce(struct session *s);
/* Gives the session another stream (resumption); the old one, when still there, is told <conflict/>. */
void session_attach(struct session *s, struct c2s *stream);
/* Ends it: presence unavailable is broadcast, what was not confirmed goes to other resources or stays in the
 * record, memory goes at the end of the turn. The stream, when there is one, is told `e` (XSTREAM_NONE: closed
 * in the normal way). */
void session_close(struct session *s, enum xstream_error e, const char *text);
/* Gives it a stanza (keeps a reference where it must). */
void session_send(struct session *s, struct packet *p);
/* The same past HOOK_SESSION_SEND: what was held goes out this way. */
void session_write(struct session *s, struct packet *p);
/* An element beside stanzas that the core does not know. False: nobody does. */
bool session_nonza(struct session *s, const struct elem *e);
/* After resumption, when what the client had not confirmed has been sent again. */
void session_resumed(struct session *s);
/* A stanza came in on the session's stream. Takes the reference; it is not sealed yet. */
void session_received(struct session *s, struct stanza *st);
/* The stream died without </stream:stream>: detach when resumption is on, else leave. */
void session_stream_lost(struct session *s);
/* The client goes for good. The stream ends at once, the session too, unless the client has said something with its going (unavailable presence) that
 * is on its way to the record: then when the lane is empty, so that others hear it. */
void session_leave(struct session *s);
/* The lane has become empty. */
void session_lane_empty(struct session *s);
/* The lane has room again, or became full. */
void session_lane_changed(struct session *s);
/* One more stanza was handled in order (XEP-0198 h). */
void session_handled(struct session *s);

#endif
