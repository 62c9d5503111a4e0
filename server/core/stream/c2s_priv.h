/* c2s_priv: what the files of a client's stream share: c2s (the stream), c2s_input (what comes), c2s_home (all streams of a reactor),
 * c2s_login (what may be said when), c2s_features, c2s_sasl (authentication), c2s_noted (who logs in is recorded), c2s_bind (binding
 * and resuming), sasl2 and bind2 (both in one step). */
#ifndef CORE_C2S_PRIV_H
#define CORE_C2S_PRIV_H

#include "base/list.h"
#include "base/log.h"
#include "core/stream/c2s.h"
#include "core/stream/stream.h"
#include "core/host.h"
#include "core/user.h"
#include "net/conn.h"
#include "store/pool.h"
#include "xmpp/parser.h"
#include "xmpp/sasl.h"

struct c2s_frames;
struct sasl2;
struct c2s_stranger;

/* Where the negotiation stands. The stream header brings PLAIN (before TLS), AUTH (TLS, nobody yet) or BIND
 * (somebody, no resource). */
enum c2s_state {
	C2S_HEADER,     /* waiting for a stream header */
	C2S_PLAIN,      /* only <starttls/> is understood */
	C2S_HANDSHAKE,
	C2S_AUTH,       /* SASL offered */
	C2S_CHALLENGED, /* a SASL exchange is open */
	C2S_LOOKING_UP, /* a job or the user's loading is out; the parser stands still */
	C2S_BIND,       /* bind or resume */
	C2S_BOUND,
	C2S_CLOSING,    /* our end tag has been sent */
};

/* Of a login: is it in the record, or counted for one, and has not come to pass yet? */
enum c2s_noted { NOTED_NOT, NOTED_RECORDED, NOTED_COUNTED };

/* What an account's own password is not enough for. MISSING: it has to have a second factor, and has none. */
enum c2s_factor { FACTOR_NOT, FACTOR_NEEDED, FACTOR_MISSING };

/* What to do behind the element just parsed, when the parser has returned. HOME: SASL2 goes on at the user's home. */
enum c2s_turn { TURN_NONE, TURN_STARTTLS, TURN_RESTART, TURN_HOME };

struct c2s {
	struct list link;        /* all streams of this reactor */
	struct conn *conn;
	struct parser *parser;
	struct c2s_frames *frames; /* WebSocket (RFC 7395); NULL: one document (RFC 6120) */
	struct session *session; /* C2S_BOUND */
	const struct host *host; /* from the first header on */
	struct jid *claimed;     /* `from` of the header: who it says it is; NULL */
	struct jid *jid;         /* bare, once authenticated */
	struct sasl *sasl;
	char *last_word;         /* for <success/>, while the login is being recorded */
	struct sasl2 *sasl2;     /* an exchange of SASL2, until <success/> or <failure/> */
	struct job *job;         /* out; its owner pointer is cleared when we go */
	struct c2s_note *noting; /* the login's record, on its way; likewise */
	enum c2s_noted noted;
	uint64_t login_record;   /* NOTED_RECORDED */
	enum c2s_factor factor;  /* of the login under way */
	struct user_need *need;  /* a request that waits for the user; likewise */
	struct timer timer;      /* login deadline, then idle check, then linger */
	enum c2s_state state;
	enum c2s_turn turn;
	unsigned char tries;
	bool direct_tls, authenticated, opened, paused, pinged, source_counted, early,
		frames_said_bye,
		skip_space; /* the stream begins behind white space that trails the last SASL element */
	enum sasl_mechanism mechanism;
	sasl_set offered;        /* with passwords; tokens of SASL2 are offered beside them */
	uint64_t moment;         /* auth_moment, before keys or tokens were looked up */
	int64_t device;          /* store/device; 0: the client did not say. Before authentication: whose password it was, 0: the account's own */
	char *client;            /* "software, device" of a client that said; NULL */
	int64_t deadline_ms, input_ms;
	struct stream_rate rate; /* of stanzas without a body */
	struct timer throttle;   /* set: reading waits for it */
	char *lang;
	char *via;               /* TLS that ended in front of us, in words; NULL */
	struct c2s_stranger *stranger; /* an IQ before authentication that waits for a module */
	char *note;              /* what a module noted of it meanwhile (HOOK_STRANGER_IQ); NULL */
};

/* c2s_login */

/* The unauthenticated part of the protocol: an element in states PLAIN to BIND. Takes the reference. */
void c2s_negotiate(struct c2s *c, struct stanza *st);
/* Is somebody logging in here as this account? */
bool c2s_is_login_of(const struct c2s *c, const struct jid *bare);
/* Undoes what a login under way holds: job, sasl, waits. */
void c2s_login_fini(struct c2s *c);
/* Stands still until an answer comes. */
void c2s_wait(struct c2s *c);
/* The answer came outside a data callback: go on reading, begin the new stream, or go home. */
void c2s_answered(struct c2s *c);

/* c2s_stranger */

/* An IQ in state AUTH. Borrows st. */
void c2s_stranger_iq(struct c2s *c, struct stanza *st);
void c2s_stranger_fini(struct c2s *c);

/* c2s_features */

/* <stream:features/> for the state after a header. */
void c2s_write_features(struct c2s *c);
/* What this connection can bind to (RFC 9266, RFC 5929); true when anything. */
bool c2s_bindings(struct c2s *c, struct scram_binding *b);
/* The data themselves cost a hash or two: only for a mechanism that uses them. */
void c2s_fill_bindings(struct c2s *c, struct scram_binding *b);
/* Mechanisms with tokens (XEP-0484) that this connection can use. */
sasl_set c2s_token_mechanisms(struct c2s *c);

/* c2s_sasl */

/* An exchange begins; `initial` as in sasl_auth. c->sasl2 is set when it is one of SASL2. */
void c2s_sasl_begin(struct c2s *c, sasl_set offered, const char *mechanism, const char *initial);
void c2s_sasl_response(struct c2s *c, const char *text);
/* <failure/>: some more tries, then the stream ends. */
void c2s_sasl_refuse(struct c2s *c, enum sasl_failure why);
/* Too many failures of this account, or from there? */
bool c2s_sasl_throttled(struct c2s *c);
/* Who it is has been settled: counts it. */
void c2s_authenticated(struct c2s *c);
void c2s_sasl_fini(struct c2s *c);
/* The bare JID that is logging in, "" when not known. */
void c2s_login_name(const struct c2s *c, char out[2304]);

/* c2s_noted */

/* Records that c->jid logs in, then goes on outside a data callback; or refuses the login. One of many within a minute is counted for the next record. */
typedef void (*c2s_noted_fn)(struct c2s *c);
void c2s_note_login(struct c2s *c, c2s_noted_fn then);
void c2s_noted_fini(struct c2s *c);
/* What was recorded does not come to pass after all, if it was: that is recorded as well. */
void c2s_login_failed(struct c2s *c, const char *why);
/* Somebody who says to be `bare` has not become it. */
void c2s_note_refusal(const struct c2s *c, const char *bare, const char *why);

/* c2s_bind */

/* Runs then(c, u, st) when the user is loaded: `u` READY or ABSENT, NULL when the database could not be asked. `resume`, an
 * element of `st` or NULL: not before that session can be resumed. Takes a reference to `st`, which is sealed. */
typedef void (*c2s_then_fn)(struct c2s *c, struct user *u, struct stanza *st);
void c2s_need_user(struct c2s *c, struct stanza *st, const struct elem *resume, c2s_then_fn then);
void c2s_need_fini(struct c2s *c);
/* No longer, or not any more, may anybody bind here: the stream ends with this. */
bool c2s_may_bind(const struct user *u);
/* Makes room: the oldest detached session goes before a login is refused. */
bool c2s_has_room(struct user *u);
/* An IQ, and an element of stream management, in state BIND. */
void c2s_on_iq(struct c2s *c, struct stanza *st);
void c2s_on_nonza_sm(struct c2s *c, struct stanza *st);

/* c2s_framed */

/* Whatever goes out: one complete element between these two, in a frame of its own where there are frames. */
struct buf *c2s_out(struct c2s *c);
void c2s_wrote(struct c2s *c);
void c2s_frames_fini(struct c2s *c);
/* The stream's opening and closing element; the limits of what comes. */
void c2s_framed_open(struct c2s *c, const char *id);
void c2s_framed_close(struct c2s *c);
void c2s_framed_limit(struct c2s *c, size_t bytes);
void c2s_framed_data(struct c2s *c, const char *p, size_t n);
/* Our end tag has been sent: the peer's is waited for, then the WebSocket is closed. */
void c2s_framed_closing(struct c2s *c);
void c2s_framed_bye(struct c2s *c);
/* An element of the framing itself? Then it has been dealt with. */
bool c2s_framed_element(struct c2s *c, const struct stanza *st);

/* c2s */

#define C2S_LINGER_MS 3000

/* Under TLS, also when somebody else has ended it for us. */
bool c2s_is_secure(const struct c2s *c);
/* Takes over conn and frames (NULL: none). NULL when there are too many from there: then both are gone. */
struct c2s *c2s_new(struct conn *conn, bool secure, struct c2s_frames *frames);
void c2s_free(struct c2s *c);
/* Whose stream this is; while nobody has said that, and where nobody is called that, the server's (RFC 6120 §4.9.1.3). */
const char *c2s_host_name(const struct c2s *c);
/* Our stream header. */
void c2s_write_header(struct c2s *c);
/* Our own reason to end a stream that may carry a session: the session ends with it. */
void c2s_refuse(struct c2s *c, enum xstream_error e, const char *text);
/* The connection is as good as gone: the session waits to be resumed. What is left is to close it. */
void c2s_lost(struct c2s *c);
/* How long that may take. */
void c2s_linger(struct c2s *c);
/* Something came that no lane holds back: above its rate a bound client is read more slowly. */
void c2s_charge(struct c2s *c);
/* No longer, whatever it is owed. */
void c2s_end_throttle(struct c2s *c);
/* Is nothing read at the moment? */
bool c2s_stands_still(const struct c2s *c);
/* The stream leaves this reactor's list, or enters it. */
void c2s_moved(struct c2s *c, bool away);
/* The login may take as long from now on. */
void c2s_login_within(struct c2s *c, uint64_t seconds);
/* Bound or resumed: the login deadline gives way to the idle check. */
void c2s_bound(struct c2s *c);

/* c2s_input */

extern const struct conn_ops c2s_conn_ops;
extern const struct parser_ops c2s_parser_ops;

/* False: the stream has ended over these bytes (with frames: of one of them). */
bool c2s_parsed(struct c2s *c, const char *p, size_t n, size_t *used);
void c2s_on_opened(struct c2s *c, const struct parser_header *h);
void c2s_on_closed(struct c2s *c);
/* c->turn, behind the last byte of an element. */
void c2s_take_turn(struct c2s *c);
/* A new stream header comes next, on the user's home. From a job; inside a data callback c->turn says so. */
void c2s_restart(struct c2s *c);
/* To the user's home, where SASL2 goes on or a new stream begins. */
void c2s_move_home(struct c2s *c);
/* At home: takes what authenticated clients may send. */
void c2s_full_limits(struct c2s *c);

/* c2s_home */

/* The reactor's list of streams. */
void c2s_home_join(struct c2s *c);
void c2s_home_leave(struct c2s *c);
/* Not once the server is stopping: what arrives from another thread may come too late. */
bool c2s_takes_streams(void);
/* Stanzas are not taken any more (c2s_home_confirm). */
bool c2s_home_is_deaf(void);

#endif
