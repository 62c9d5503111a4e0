/*
 * priv: the program as its own files see it. Networks never include this.
 */
#ifndef GATEWAY_PRIV_H
#define GATEWAY_PRIV_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "gateway/again.h"
#include "gateway/gateway.h"
#include "gateway/ids.h"
#include "gateway/jids.h"
#include "gateway/ledger.h"
#include "gateway/link.h"
#include "gateway/question.h"
#include "gateway/seen.h"
#include "gateway/start.h"
#include "gateway/stats.h"
#include "xmpp/stanza.h"

#define NS_GATEWAY_TEXT "urn:chancery:gateway:0"

/* How often what has waited too long is looked for. */
#define TICK_MS 1000

struct gateway {
	const struct network *net;
	uv_loop_t *loop;
	uv_timer_t tick;
	uv_prepare_t turn;
	uv_signal_t terminate, interrupt;
	uv_pipe_t stdin_pipe;
	struct gateway_start start;
	struct gateway_settings settings;
	struct gateway_limits *limits; /* those of settings */
	int status;                    /* of main */
	bool reading;                  /* what it has to know of its last program is on its way (recall.h), */
	void (*recalled)(struct gateway *g); /* and this is called then */
	bool running;                  /* the network has been started */
	bool settled;                  /* and it is known who is registered, and who is in which room */
	bool ending;                   /* told to end: nothing more is begun, */
	uint64_t end_ms;               /* and what the network has is answered by then */
	bool stopping;
	bool off;                      /* chanceryd says that the network is switched off: nobody uses it, until the program ends */
	uint64_t now_ms;               /* uv_now: monotonic, once a turn */
	uint64_t turned_ns;            /* when the loop began to wait last */
	unsigned hurried;              /* turns in a row that came right behind another */

	struct link link;
	struct ledger ledger;
	struct questions questions;
	struct ids ids;
	struct stats stats;

	struct gateway_user *users; /* hash by bare JID */
	unsigned nusers;
	struct list opening;        /* users to be opened, as fast as is good for the network */
	struct list retrying;       /* users who are opened again, later */
	struct list falling;        /* users who are to be closed at the end of the turn */
	struct list idle;           /* users by when they last did something */
	double may_open;            /* tokens */

	struct list reviewing;      /* users of whom is to be asked whether they may still (policy.h) */
	unsigned asking_policy;     /* such questions without an answer */
	uint64_t policy_ms;         /* none before, after one that had none */
	struct registering *registering; /* whose registration is being changed, hash */

	struct list early;          /* what came before that was settled */
	unsigned nearly;
	struct list deadlines;      /* messages by when they are given back */
	unsigned nmessages, nrefetch; /* _refetch: with refetch_ms */
	struct seen_table seen;     /* what was given to the network lately */
	struct jids jids;

	struct gateway_room *rooms; /* hash by canonical address */
	unsigned nrooms;

	bool held_back;             /* gateway_takes said no */
	unsigned ncoming;           /* messages of the network's that chanceryd has not acknowledged */
	struct again again;         /* those of them that it could not take for now */
	unsigned again_copies;      /* of lines of rooms that wait there */

	struct list transfers;      /* files that are fetched or uploaded, and those that wait for that */
	unsigned ntransfers;        /* that have a thread */
	uint64_t spooled;           /* bytes on disk */
	struct list parcels;        /* what came with files, and behind such, in order */
	bool parcels_due;           /* something can be done about them */
};

/* A resource of a user that is present, or in a room. */
struct resource {
	UT_hash_handle hh;
	enum network_show show;
	int priority;
	bool doubted;  /* see clients.h */
	char *status;
	char name[];
};

enum user_state {
	USER_IDLE,     /* nobody has wanted the network yet */
	USER_QUEUED,   /* in opening */
	USER_ASKING,   /* its credential is being read */
	USER_OPEN,     /* user_open was called */
	USER_RETRYING, /* in retrying */
	USER_REFUSED,  /* the network does not take it */
};

struct gateway_user_kept {
	struct gateway_user u; /* first */
	UT_hash_handle hh;
	struct list link;      /* in opening, retrying */
	struct list fall;      /* in falling */
	struct list active;    /* in idle */
	enum user_state state;
	unsigned tries;
	uint64_t retry_ms, active_ms;
	struct list review;    /* in reviewing */
	bool registered;
	bool barred;           /* policy does not let it use the network (so) any more */
	bool announced;        /* contacts are shown as there */
	enum gateway_why why;
	char *text;            /* of the last trouble */
	struct list waiting;   /* messages */
	struct list given;     /* messages that the network has */
	unsigned nmessages, nfetching; /* _fetching: whose file is not here yet */
	struct list seats;
	unsigned nseats;
	struct resource *resources;
	bool presence_told; /* by a client, ever */
	struct contact *contacts; /* hash */
};

#define USER_KEPT(u) ((struct gateway_user_kept *)(u))

struct gateway_message_kept {
	struct gateway_message m; /* first */
	struct list link;      /* in waiting or given */
	struct list deadline;
	struct arena *arena;   /* it is in here itself */
	struct ticket *ticket; /* NULL: its stream is gone */
	struct seen *seen;     /* NULL: no way to know it again */
	struct jid *from;      /* full */
	const char *local;     /* localpart of `to` */
	bool receipt;          /* it is asked for (XEP-0184) */
	const char *origin;    /* its sender's own id (XEP-0359), by which they know it again in a room; NULL: none */
	uint64_t deadline_ms;
	bool given;
	struct transfer *transfer; /* its file is being fetched: it waits, and so does what follows to the same address */
	uint64_t refetch_ms;   /* it could not be, and will be again then: the same; 0: not */
	const char *why;       /* it could not be; NULL */
	struct spool *file;
};

#define MESSAGE_KEPT(m) ((struct gateway_message_kept *)(m))

/* stanzas that came (dispatch.c and the files named) */

/* A stanza of chanceryd's. */
void dispatch(struct gateway *g, struct stanza *st, struct ticket *t);
/* What came before it was settled who is who; or forgets it, when it never was. */
void dispatch_early(struct gateway *g);
/* The error for `st` to its sender, if it may be answered, and the ticket is done. */
void refuse(struct gateway *g, const struct stanza *st, struct ticket *t, enum xerror e, const char *text);
/* True: it has taken the ticket. */
void message_came(struct gateway *g, struct stanza *st, struct ticket *t, struct jid *from, struct jid *to);
bool disco_came(struct gateway *g, const struct stanza *st, const struct elem *query, struct jid *to);

/* What is written */

/* The first half of a start tag: <name from='LOCAL@DOMAIN/RESOURCE'. LOCAL and RESOURCE may be NULL. */
void write_from(struct gateway *g, struct buf *b, const char *name, const char *local, const char *resource);
/* Starts a stanza in the scratch buffer: <name from='LOCAL@DOMAIN/RESOURCE' to='…' type='…' id='…'>. Any may be NULL; `to` is not. */
struct buf *write_start(struct gateway *g, const char *name, const char *local, const char *resource, const char *to, const char *type, const char *id);
void write_chars(struct buf *b, const char *text);
void write_text(struct buf *b, const char *name, const char *ns, const char *text);
void write_attr(struct buf *b, const char *name, const char *value);
void write_attr_cut(struct buf *b, const char *name, const char *value, size_t max);
/* Ends it, "</NAME>", and sends it. */
void write_send(struct gateway *g, const char *name, link_stored_fn *fn, void *arg);
/* The tree, sent and freed. NULL is fine. */
void send_stanza(struct gateway *g, struct stanza *st);
void write_end(void); /* frees the scratch buffer */
struct stanza *iq_result(const struct stanza *iq);
void write_foreign(struct gateway *g, struct buf *b, const struct gateway_incoming *in, const char *id);
/* An id of 32 characters that nobody can guess. For messages, not for keys. */
void random_id(char out[33]);
/* An id of 32 characters that is always the same for these parts (NULL: none). */
void stable_id(char out[40], const char *a, const char *b, const char *c);

/* user.c */

void users_init(struct gateway *g);
struct gateway_user *user_find(struct gateway *g, const char *bare);
struct gateway_user *user_get(struct gateway *g, struct jid *bare);
/* It is wanted: opened when it is not. */
void user_want(struct gateway_user *u);
void user_touch(struct gateway_user *u);
/* Its session ends, and the next begins when something is said or somebody comes. Who is registered stays so. */
void user_log_out(struct gateway_user *u);
/* Policy does not let it use the network (so) any more: its session and its rooms end, with these words; and it does again. */
void user_bar(struct gateway_user *u, const char *text);
void user_unbar(struct gateway_user *u);
/* The network is switched off: everybody is told, and all ends. */
void users_off(struct gateway *g);
/* Other settings: modes that are not allowed any more end. */
void users_review(struct gateway *g);
/* Its session ends, and begins anew. */
void user_again(struct gateway_user *u);
/* Ends it and frees it. */
void user_end(struct gateway_user *u);
/* Those who wait for it, as fast as is good for the network. */
void users_open(struct gateway *g);
void users_turn(struct gateway *g);
void users_tick(struct gateway *g);
void users_end(struct gateway *g);
/* Is that client here, as far as is known? */
bool user_has(struct gateway_user *u, const char *resource);
/* A client's presence: its show changes what the network sees. NETWORK_GONE forgets the client. */
void user_resource(struct gateway_user *u, const char *resource, enum network_show show, int priority, const char *status);
enum network_show user_show(struct gateway_user *u, const char **status);

/* message.c */

struct gateway_message *message_new(struct gateway_user *u, enum message_kind kind, const char *to, const char *local, const struct stanza *st, struct jid *from);
/* Queues it; the ticket is done when its outcome is known. */
void message_queue(struct gateway_message *m, struct ticket *t, struct seen *s);
/* All that wait, in order. */
void messages_give(struct gateway_user *u);
/* What the network has is to be given to it again. */
/* Is there one that the network has, and has not answered? */
bool messages_are_given(struct gateway *g);
void messages_take_back(struct gateway_user *u);
void messages_fail(struct gateway_user *u, enum xerror e, const char *text);
/* Those of a seat that ends. */
void messages_of_seat(struct gateway_seat *s, enum xerror e, const char *text);
void messages_tick(struct gateway *g);
/* A message of type error to a client, from where its message was to: LOCAL@DOMAIN/RESOURCE, the latter may be NULL. `fn` as link_send has it. */
struct message_error {
	const char *local, *resource, *to, *id, *text;
	enum xerror e;
};
void message_error(struct gateway *g, const struct message_error *m, link_stored_fn *fn, void *arg);
/* NULL: not known. `fresh`: it was not. */
struct seen *seen_get(struct gateway *g, const struct stanza *st, bool *fresh);
bool seen_again(struct gateway *g, struct seen *s, struct ticket *t);

/* incoming.c */

/* An error that came for what we sent. True: it was something that somebody at the network had said. */
bool incoming_refused(struct gateway *g, struct jid *from, struct jid *to, const char *id, enum xerror e, const char *text);
/* Above the hard bound. */
bool incoming_is_over(struct gateway *g);
/* An error after which the same may be said again later. */
bool incoming_is_for_now(enum xerror e);
/* What is older than some seconds says when it was said: <delay/>, nothing for what is not. */
bool incoming_is_late(int64_t at_us);
void incoming_write_delay(struct gateway *g, struct buf *b, int64_t at_us);
/* Body, subject, thread, link and delay of one. `url` NULL: no file. */
void incoming_write_text(struct gateway *g, struct buf *b, const struct gateway_incoming *in, const char *url);
/* A line from the gateway itself to a user (bare JID), in the record as what people say is. `told` as in gateway.h; without it, it is offered until
 * chanceryd has it. */
void incoming_tell(struct gateway *g, const char *user, const char *text, gateway_told_fn *told, void *arg);
void incoming_end(struct gateway *g);

/* contact.c */

/* Does the user still see somebody's presence? */
bool contacts_wanted(struct gateway_user *u);

void contact_presence_came(struct gateway *g, const struct stanza *st, const char *type, struct jid *from, const char *foreign, const char *local);
void contact_said(struct gateway_user *u, const char *foreign, bool *first);
void contacts_up(struct gateway_user *u);
void contacts_down(struct gateway_user *u);
void contacts_free(struct gateway_user *u);

/* program.c */

void program_end(struct gateway *g, int status);
/* Behind program_end: chanceryd has acknowledged everything, or is gone. */
void program_all_arrived(struct gateway *g);
void program_stream_up(struct gateway *g);
/* It is known who is registered, and who is in which room. */
void program_settled(struct gateway *g);
/* Others: -1 with the reason, the old ones stay. */
int program_settings(struct gateway *g, const char *json, struct err *err);

#endif
