/* c2s_priv: what c2s.c and c2s_login.c share. */
#ifndef CORE_C2S_PRIV_H
#define CORE_C2S_PRIV_H

#include "base/list.h"
#include "base/log.h"
#include "core/stream/c2s.h"
#include "core/host.h"
#include "core/user.h"
#include "net/conn.h"
#include "store/pool.h"
#include "xmpp/parser.h"
#include "xmpp/sasl.h"

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

/* What to do behind the element just parsed, when the parser has returned. */
enum c2s_turn { TURN_NONE, TURN_STARTTLS, TURN_RESTART };

struct c2s {
	struct list link;        /* all streams of this reactor */
	struct conn *conn;
	struct parser *parser;
	struct session *session; /* C2S_BOUND */
	const struct host *host; /* from the first header on */
	struct jid *jid;         /* bare, once authenticated */
	struct sasl *sasl;
	struct job *job;         /* out; its owner pointer is cleared when we go */
	struct bind_wait *wait;  /* a bind or resume request that waits for the user; likewise */
	struct timer timer;      /* login deadline, then idle check, then linger */
	enum c2s_state state;
	enum c2s_turn turn;
	unsigned char tries;
	bool direct_tls, authenticated, opened, paused, pinged, source_counted, early,
		skip_space; /* the stream begins behind white space that trails the last SASL element */
	enum sasl_mechanism mechanism;
	sasl_set offered;
	int64_t deadline_ms, input_ms;
	int64_t allowance;       /* stanzas without a body it may still send now, in thousandths */
	int64_t allowance_ms;    /* when that was so */
	struct timer throttle;   /* set: reading waits for allowance */
	char *lang;
};

/* The unauthenticated part of the protocol: an element in states PLAIN to BIND. Takes the reference. */
void c2s_negotiate(struct c2s *c, struct stanza *st);
/* <stream:features/> for the state after a header. */
void c2s_write_features(struct c2s *c);
/* Is somebody logging in here as this account? */
bool c2s_is_login_of(const struct c2s *c, const struct jid *bare);
/* Undoes what a login under way holds: job, sasl, waits. */
void c2s_login_fini(struct c2s *c);
/* A new stream header comes next, on the user's home. From a job; inside a data callback c->turn says so. */
void c2s_restart(struct c2s *c);
void c2s_move_home(struct c2s *c);
/* The stream leaves this reactor's list, or enters it. */
void c2s_moved(struct c2s *c, bool away);
/* Bound or resumed: the login deadline gives way to the idle check. */
void c2s_bound(struct c2s *c);

#endif
