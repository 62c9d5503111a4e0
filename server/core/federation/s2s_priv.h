/*
 * s2s_priv: what the files of a server's stream (RFC 6120, XEP-0178) share: s2s, s2s_read (the stream itself, both directions), s2s_in
 * (negotiation as the receiving entity), attempt and s2s_out (as the initiating one), s2s_stanza (what comes on it), s2s_sm (XEP-0198), bidi (XEP-0288),
 * dialback (XEP-0220), route (what goes).
 *
 * A stream begins on the reactor that accepted it, or at the home of its remote domain when we make it: then
 * with the connection, found and dialled by an attempt. Once it is authenticated it moves
 * home, and only there stanzas are taken. Until then: a small parser limit, a deadline, no memory worth mentioning; outgoing ones alike.
 */
#ifndef CORE_S2S_PRIV_H
#define CORE_S2S_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/federation/find.h"
#include "core/federation/partner.h"
#include "core/federation/trust.h"
#include "core/route/lane.h"
#include "core/stream/stream.h"
#include "net/conn.h"
#include "xmpp/jid.h"
#include "xmpp/parser.h"
#include "xmpp/xerror.h"

struct attempt;
struct route;
struct s2s_sm;
struct dialback;
struct peer_record;

enum s2s_state {
	S2S_HEADER,     /* their stream header comes next */
	S2S_FEATURES,   /* out: their features come next */
	S2S_PLAIN,      /* in: only <starttls/>; out: <proceed/> is waited for */
	S2S_HANDSHAKE,  /* TLS */
	S2S_JUDGING,    /* the certificate is looked at; nothing is read */
	S2S_AUTH,       /* SASL EXTERNAL, or dialback where the partner's entry allows it */
	S2S_MOVING,     /* on its way home; nothing is read */
	S2S_READY,      /* stanzas */
	S2S_CLOSING,    /* our end tag has been sent */
};

/* What is done behind the element just parsed, when the parser has returned; bytes that came behind it are refused.
 *  TLS      in: <proceed/> is written; both: the handshake begins (S2S_HANDSHAKE)
 *  RESTART  a new stream: in: when authenticated, it moves home and waits there for the header; out: our header is written */
enum s2s_turn { S2S_TURN_NONE, S2S_TURN_TLS, S2S_TURN_RESTART };

struct s2s {
	struct list link;        /* all streams of this reactor */
	struct conn *conn;
	struct parser *parser;
	enum s2s_state state;
	enum s2s_turn turn;
	bool initiator;          /* we made it */
	bool stranger;           /* in: is nobody yet (s2s_known) */
	bool direct_tls, opened, authenticated, source_counted;
	bool waits;              /* s2s_wait */
	bool paused;             /* nothing is read: it waits, its lane is full, or the server is stopping */
	bool skip_space;         /* a new stream begins behind white space that trails the last element of the old one */
	bool leaves;             /* s2s_left: it ends when its lane is empty */
	bool routed;             /* route_ready has taken it */
	bool undecided;          /* in, both ways: nothing is sent before the peer has said whether it resumes another one */
	bool broke;              /* it was READY, and ended without a word: it may be resumed */
	bool counted, withdrawn, freed; /* s2s.c's own */
	bool challenged;         /* in: <challenge/> has been sent */
	unsigned char tries;     /* of authentication */
	unsigned char questions; /* about dialback keys, before that */
	bool bidi;               /* XEP-0288: stanzas go both ways */
	bool sends, receives;    /* READY: stanzas may go out on it; come in on it */
	bool peer_has_dialback, peer_has_sm; /* out: from the features */
	struct jid *local;       /* a domain of ours: host, service or component; from the header on */
	struct jid *remote;      /* who it is, or says it is until `authenticated` */
	char id[33];             /* in: the stream's id, ours; */
	char *peer_id;           /* out: theirs (dialback's key is made of it) */
	const char *peer_error;  /* the condition of a stream error of theirs; static; NULL */
	struct cert_answer *cert; /* once judged; malloc'ed */
	struct trust *trust;     /* while that is under way */
	struct attempt *attempt; /* out, before READY: what it is part of */
	uint64_t partner_version, trust_version; /* of the entry, and of the authorities and revocation lists, that it was judged by */
	const char *how;         /* "EXTERNAL", "dialback"; static; once authenticated */
	uint64_t peer_record;    /* RECORD_PEER of this stream; 0: not yet */
	struct lane *lane;       /* receives */
	struct route *route;     /* sends */
	struct s2s_sm *sm;       /* XEP-0198; NULL: not enabled */
	struct s2s_sm *sm_awaits; /* it is to resume this one, as soon as what came on it has been counted */
	struct dialback *dialback;
	struct peer_record *recording; /* s2s_ready's */
	struct timer timer;      /* deadline, then idle, then linger */
	int64_t deadline_ms;     /* until READY */
	struct timer throttle;   /* set: reading waits for allowance */
	struct stream_rate rate;
	int64_t input_ms, stanza_ms; /* when the last bytes came; when the last stanza went or came (idle closing) */
	uint64_t output;         /* conn_mark at the last look: a stream that says nothing says a space (RFC 6120 §4.6.1) */
	unsigned long long stanzas_in, stanzas_out;
};

/* s2s */

/* On the current reactor: it is in its list, and its deadline runs (out: federation.connect; in: limits.login_seconds). Takes new
 * references; an incoming one has neither yet. s2s_take follows. NULL: limits.s2s_streams, or the server is stopping. */
struct s2s *s2s_new(bool initiator, struct jid *local, struct jid *remote);
/* The connection is there: callbacks are set, the parser is made. s->direct_tls is set before. Out: s2s_start_tls or s2s_write_header comes
 * next. Takes over fd. False: too many from there, it is gone. */
bool s2s_take(struct s2s *s, int fd, const struct sockaddr *peer);
/* At once, without a word; gives back what was on its way. Allowed inside its own callbacks: its memory stays until the end of the turn. */
void s2s_free(struct s2s *s);
/* TLS begins, by role; `unread`: bytes of the current data() call that nobody has looked at. It ends the stream when that cannot be. */
void s2s_start_tls(struct s2s *s, size_t unread);
/* Nothing is read until s2s_wait(s, false): for an answer from elsewhere. In a callback of the parser nothing more of it is parsed either. */
void s2s_wait(struct s2s *s, bool wait);
/* Its rate; when it is used up, reading stops for a while. */
void s2s_charge(struct s2s *s);
/* Writes our stream header (its attributes by role and state: xmlns jabber:server, db where dialback is possible, from, to, id, version). */
void s2s_write_header(struct s2s *s);
/* Says why, closes, and gives back what was on its way (route_lost, or attempt_broke when it was not READY). XSTREAM_NONE: the normal end.
 * `text`: NULL, or borrowed. */
void s2s_end(struct s2s *s, enum xstream_error e, const char *text);
/* They have closed it: nothing more goes on it; what came on it is confirmed (XEP-0198 §4) before we do the same, as they would take it for lost. */
void s2s_left(struct s2s *s);
/* Refused before it was anybody: the same, and counted and noted (partner_refused) under `why` (static). */
void s2s_refuse(struct s2s *s, enum xstream_error e, const char *why, const char *text);
/* READY, at home: s->authenticated, s->how, s->sends and s->receives are set, and for an outgoing one s->route. Makes the record of the
 * peer (peer_record.h); then what may be done on the stream: the lane, XEP-0198 (out), the route. Until then nothing is read. */
void s2s_ready(struct s2s *s);
/* "certificate:expired" and the like, for s2s_refuse. */
const char *s2s_certificate_why(enum cert_verdict v);
/* READY and recorded: what waits for this pair of domains goes on it, if it may (route_ready). */
void s2s_route(struct s2s *s);
/* In: authenticated, outside of its parser: moves home, and is READY there without a new stream (s2s_in_arrived). */
void s2s_go_home(struct s2s *s);
/* The streams of this reactor. */
struct list *s2s_all(void);
/* It has been authenticated: it does not count as a stranger's any more. */
void s2s_known(struct s2s *s);
/* It is one of them from here on, until its deadline. */
void s2s_enlist(struct s2s *s);
/* s2s_free; `why` in words, for who waits for it. */
void s2s_free_with(struct s2s *s, const char *why);
/* "-" before its header. */
const char *s2s_remote_name(const struct s2s *s);
/* On each reactor: see federation.h. */
void s2s_home_start(void);
void s2s_home_quiet(void);
unsigned s2s_home_shutdown(void);
void s2s_home_stop(void);

/* s2s_read */

extern const struct conn_ops s2s_conn_ops;
extern const struct parser_ops s2s_parser_ops;

/* s2s_in, s2s_out: called by s2s_read, by role */

void s2s_in_opened(struct s2s *s, const struct parser_header *h);
void s2s_in_element(struct s2s *s, struct stanza *st); /* before READY; takes the reference */
void s2s_in_secured(struct s2s *s);
/* Who it is has been proven; `how` static. The turn (RESTART, HOME) is set by the caller. */
void s2s_in_authenticated(struct s2s *s, const char *how);
/* It has come home without a new stream (dialback). */
void s2s_in_arrived(struct s2s *s);
void s2s_out_opened(struct s2s *s, const struct parser_header *h);
void s2s_out_element(struct s2s *s, struct stanza *st);
void s2s_out_secured(struct s2s *s);
/* They have answered, and it is no: the same would happen again. What senders get, and the words. */
void s2s_out_not_let_in(struct s2s *s, enum xerror e, const char *words);

/* attempt */

/* What is under way to make one: finds, dials, makes a stream to one target after the other (`s->attempt`), up to READY (route_ready) or
 * route_failed. At home. */
struct attempt *attempt_new(struct route *r, struct jid *local, struct jid *remote);
/* The same on any reactor, to ask about a dialback key; it ends in dialback_ask, or in dialback_not_asked. */
struct attempt *attempt_to_ask(struct dialback *d, struct jid *local, struct jid *remote);
struct dialback *attempt_asks(const struct attempt *a); /* NULL: it is for a route */
/* No call follows; its stream, if there is one, ends. */
void attempt_cancel(struct attempt *a);
/* Its stream is ready: forgotten without it. */
void attempt_done(struct attempt *a);
/* It ended before it was READY (the parser, the connection, the deadline, an error of theirs or ours): the next address is tried, or the route is
 * told. By s2s.c, once, when such a stream ends or is freed; it must not be freed here, s->route and s->attempt are forgotten afterwards. `why`
 * in words, borrowed; NULL: they are known already. */
void attempt_broke(struct s2s *s, const char *why);

/* s2s_review: after a change of the partners, all streams of this reactor. */

void s2s_review(void);
/* Each reactor: and every few seconds, for certificates that have expired. */
void s2s_review_start(void);
void s2s_review_stop(void);

/* s2s_stanza */

/* READY, a stanza that came: addresses (RFC 6120 §8.1.1.2, §8.1.2.2), policy (pass.h), marks, the lane. Takes the reference. */
void s2s_stanza(struct s2s *s, struct stanza *st);
/* Writes p as a stanza of jabber:server; returns the position in the output behind it. */
uint64_t s2s_write(struct s2s *s, struct packet *p);

/* s2s_sm */

/* READY; true when the element was its business. */
bool s2s_sm_element(struct s2s *s, const struct elem *e);
/* <sm/> in the features that an authenticated peer gets. */
void s2s_sm_features(struct s2s *s, struct buf *out);
/* Out, READY: asks for it when the peer has it, or to resume the stream between the two domains that broke last: then false, and it calls
 * s2s_route when that is answered. */
bool s2s_sm_begin(struct s2s *s);
/* With s->sm: a stanza was written; one has left the lane. */
void s2s_sm_sent(struct s2s *s);
void s2s_sm_handled(struct s2s *s);
/* It ends in good order: what has been handled is said (§4). */
void s2s_sm_last_word(struct s2s *s);
/* With s->sm: the end, or it is kept to be resumed, and then the lane too. */
void s2s_sm_free(struct s2s *s);
/* In: the peer may resume a stream on this one (s->undecided); s2s_route follows when it has done so, or something else. */
bool s2s_sm_is_awaited(struct s2s *s);
/* When the connection breaks: the peer, who made it, can resume it. */
bool s2s_sm_may_return(const struct s2s *s);
/* It has begun with a stanza. */
void s2s_sm_decided(struct s2s *s);
/* With s->sm_awaits: it does not wait any more. */
void s2s_sm_forget(struct s2s *s);
/* On each reactor: by s2s_home_start and s2s_home_stop. */
void s2s_sm_home_start(void);
void s2s_sm_home_stop(void);

/* dialback. Only ever for partners whose entry allows it, with a certificate that is good. */

/* True when the element was its business. */
bool dialback_element(struct s2s *s, const struct stanza *st);
/* Out: the partner's entry allows it and the peer offers nothing better. */
void dialback_begin(struct s2s *s);
/* With s->dialback. */
void dialback_free(struct s2s *s);
/* The attempt that was made to ask about a key (attempt_to_ask): there is a stream, with a good certificate; or there will be none. */
void dialback_ask(struct dialback *d, struct s2s *asker);
void dialback_not_asked(struct dialback *d, bool no_such);

#endif
