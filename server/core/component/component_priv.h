/* component_priv: what the files of component streams (component_stream, component_take, component_sm, component_alive, component_way) share and nobody else needs. */
#ifndef CORE_COMPONENT_PRIV_H
#define CORE_COMPONENT_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "core/component/component.h"
#include "core/stream/stream.h"
#include "net/reactor.h"
#include "xmpp/xerror.h"

struct component_rules;
struct conn;
struct elem;
struct lane;
struct parser;
struct stanza;
struct way;

enum component_state {
	STATE_HEADER,
	STATE_HANDSHAKE,
	STATE_MOVING,  /* on its way home */
	STATE_OPEN,
	STATE_CLOSING,
};

struct component {
	struct list link; /* of this reactor */
	struct conn *conn;
	struct parser *parser;
	struct jid *jid;  /* the domain, from the header on */
	struct component_rules *rules; /* with it; as they are now */
	struct lane *lane; /* STATE_OPEN */
	struct way *way;   /* from its joining on until it ends */
	enum component_state state;
	bool gateway;      /* it is one of our own (core/gateway): settled when it joins */
	bool watches;      /* the presence of all accounts */
	bool opened, paused, source_counted, authenticated;
	char id[33];
	struct timer timer;    /* handshake, then linger */
	struct timer throttle; /* set: reading waits for allowance */
	struct stream_rate rate;
	struct {
		bool on;
		bool asked;         /* we wait for <a/> */
		bool owes;          /* they do: when so many have been handled */
		uint32_t owes_at;
		uint32_t early;     /* in the lane since before counting began */
		uint32_t in;        /* handled of what came behind these (modulo 2^32) */
		uint32_t out, acked; /* sent; confirmed of it */
		uint32_t ahead;     /* sent before counting began, and not confirmed: the first <a/> comes behind them */
		struct timer timer; /* an answer is due, or the next question is */
		struct list answers; /* on their way */
	} sm;
	struct {
		struct timer timer;
		bool heard;      /* anything, since the last look */
		unsigned silent; /* so many looks in a row found nothing */
		bool answers;    /* a ping, at least once */
		char id[17];     /* of our pings: an answer that is late is one */
	} alive;
};

struct reactor *component_home(const char *domain);

/* component_stream.c. Writes a stanza; where it ends in the output. */
uint64_t component_stream_write(struct component *c, struct packet *p);
void component_stream_end(struct component *c, enum xstream_error e, const char *text);

/* component_take.c. At STATE_OPEN: a stanza (taken), something else; reading goes on at once. */
bool component_is_stanza(const struct elem *e);
void component_take_stanza(struct component *c, struct stanza *st);
void component_take_other(struct component *c, const struct elem *e);
void component_throttle_end(struct component *c);

/* component_sm.c. An element between stanzas; false: it is none of stream management. */
bool component_sm_take(struct component *c, const struct elem *e);
/* The answer to what was asked? */
bool component_sm_is_due(const struct component *c, const struct elem *e);
/* Asks, once more where it has been asked; a stanza was written; one has left the lane; the stream ends: the last that was handled is acknowledged. */
void component_sm_ask(struct component *c);
void component_sm_sent(struct component *c);
void component_sm_handled(struct component *c);
void component_sm_goodbye(struct component *c);
void component_sm_fini(struct component *c);

/* component_alive.c. At STATE_OPEN: something came; this stanza did. */
void component_alive_start(struct component *c);
void component_alive_heard(struct component *c);
void component_alive_take(struct component *c, const struct elem *root);
/* It has been asked, and nothing has come since. */
bool component_alive_is_silent(const struct component *c);
void component_alive_stop(struct component *c);

#endif
