/*
 * conn_priv: what the files of conn share: conn (life, events, the end of a turn), conn_in (bytes to the owner), conn_out (bytes to the peer), conn_tls (the
 * handshake), conn_move (to another reactor).
 */
#ifndef NET_CONN_PRIV_H
#define NET_CONN_PRIV_H

#include "base/buf.h"
#include "net/conn.h"
#include "net/hello.h"
#include "net/wire.h"
#include "net/work.h"

enum conn_state { CONN_PLAIN, CONN_TLS_WAITS, CONN_HANDSHAKE, CONN_SECURE };

/* Why it is over. */
struct conn_farewell {
	enum conn_end how;
	char why[];
};

struct conn_moving {
	struct mail mail;
	struct conn *c;
	struct reactor *to;
	int64_t linger_due_ms;
	void (*arrived)(struct conn *c, void *owner);
};

/* A step of the handshake, elsewhere. */
struct conn_shaking {
	struct work work;
	struct conn *c;
	enum wire got;
	char why[WIRE_WHY];
};

struct conn {
	struct reactor *home;
	uv_poll_t *poll; /* of its own memory, since libuv takes its time to close it */
	const struct conn_ops *ops;
	void *owner;
	SSL *ssl;
	struct buf out;
	struct buf *kept; /* input that the owner has not taken; NULL: none */
	struct conn_farewell *end; /* NULL while it lives */
	struct conn_shaking *shaking; /* NULL: none. A closed connection stays until it is back */
	struct conn_moving *move; /* on its way; nothing is read and nobody called */
	struct deferred turn;  /* output, news and moves: conn.c's end_of_turn */
	struct deferred again; /* input that no event will announce */
	struct timer linger;
	struct log log;
	uint64_t sent; /* bytes of output that the kernel has taken */
	uint64_t told; /* the same, as flushed() was last told */
	size_t max_output;
	size_t plain_left; /* CONN_TLS_WAITS: output that belongs before the handshake */
	size_t bound;      /* what conn_wrote cuts ignored output back to */
	size_t used;       /* of the current data() call, when `keep` */
	struct hello hello;
	int fd;
	uint16_t pauses;
	uint8_t state;
	uint8_t armed; /* uv_poll's events */
	bool apart : 1; /* its handshake is worked on elsewhere */
	bool closed : 1;
	bool giving : 1;         /* data() is on the stack */
	bool keep : 1;           /* conn_keep_rest was called in it */
	bool out_waits : 1;      /* output goes on when writable */
	bool out_waits_read : 1; /* or, TLS only, when readable */
	bool in_waits_write : 1; /* TLS only: input or handshake goes on when writable */
	bool out_dead : 1;       /* the kernel takes no more */
	bool shutting : 1;       /* conn_shutdown */
	bool discard : 1;        /* input is thrown away */
	bool goodbye_said : 1;   /* nothing more will be sent */
	bool end_at_once : 1;    /* report even when paused */
	bool end_reported : 1;
	char *behind; /* conn_set_peer: address, NUL, source; NULL */
	const char *source, *address;
	char names[]; /* address, then the source where it differs */
};

/* conn */

/* It is over: the owner hears of it at the end of the turn. Output may still go to a peer that has only closed its own side. */
void conn_fail(struct conn *c, enum conn_end how, const char *why);
/* The same, also to an owner who pauses. */
void conn_fail_at_once(struct conn *c, enum conn_end how, const char *why);
/* After every event and turn: waits for what is needed next. */
void conn_arm(struct conn *c);
int conn_open_poll(struct conn *c) MUST_CHECK;
void conn_close_poll(struct conn *c);
void conn_linger_over(struct timer *t);
/* Of a closed connection that nobody else has a use for any more. */
void conn_give_up(struct conn *c);

/* conn_in */

bool conn_may_give(const struct conn *c);
/* Input that no event will announce: OpenSSL's, or what was kept. */
bool conn_has_input(const struct conn *c);
/* Reads and gives, as much as a turn may. */
void conn_input(struct conn *c);
void conn_read_again(struct deferred *d);
/* What reading or the handshake came to, where that was the end. */
void conn_take_end(struct conn *c, enum wire got, const char *why);
void conn_drop_kept(struct conn *c);

/* conn_out */

/* Hands the kernel what it takes. Calls nobody. */
void conn_flush(struct conn *c);
/* Once all output is out: tells the peer that there is no more. */
void conn_say_goodbye(struct conn *c);
void conn_drop_output(struct conn *c);

/* conn_tls */

/* The next step in CONN_HANDSHAKE, here or beside the reactor. */
void conn_shake_hands(struct conn *c);

/* conn_move */

/* To the reactor that conn_move has named, at the end of the turn; the connection is that one's from here on. */
void conn_leave(struct conn *c);
void conn_arrive(struct mail *mail);
/* Goes on after a pause or a move. */
void conn_kick(struct conn *c);

#endif
