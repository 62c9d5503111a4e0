/*
 * gateway: what a network calls. See network.h for the objects, README.md for how it goes together.
 *
 * All of it on the loop's thread. Nothing here fails unless it says so; what makes no sense any more (a user who is closing) is ignored.
 */
#ifndef GATEWAY_GATEWAY_H
#define GATEWAY_GATEWAY_H

#include "gateway/network.h"

/* The program: reads its start line or file (README.md, "How a program is started"), connects, runs until it is told to end. Returns main's value. */
int gateway_main(const struct network *n, int argc, char **argv);

uv_loop_t *gateway_loop(struct gateway *g);
const char *gateway_host(const struct gateway *g);   /* example.org: whose people it serves */
/* A counter or a level of the network's own, shown by `chancery gateway show` and in /metrics. `name` is static, [a-z_]; at most 32 of them. */
void gateway_count(struct gateway *g, const char *name, int64_t add);
void gateway_level(struct gateway *g, const char *name, int64_t value);
/* How long to wait before the n-th try (from 1): from a second to five minutes, doubled, and spread at random so that a thousand do not come together. */
uint64_t gateway_backoff_ms(unsigned n);

/*
 * Users
 */

/* The user of this bare address, begun when need be (user_open is called): for what comes in for an address of the host. Borrowed. NULL: not an address of the
 * host, or too many users.
 * Whether such an account exists, and whether it may be written to, chanceryd says: gateway_receive's `stored` is told. */
struct gateway_user *gateway_user_get(struct gateway *g, const char *bare_jid);
/* Each user; `fn` must not close any. */
void gateway_user_each(struct gateway *g, void (*fn)(struct gateway_user *u, void *arg), void *arg);

/* It works: what waited is sent now. */
void gateway_user_up(struct gateway_user *u);

enum gateway_why {
	GATEWAY_LOST,    /* tried again, after gateway_backoff_ms, by closing and opening the user; what was not answered is sent again then */
	GATEWAY_REFUSED, /* the network does not take this login: not tried again until the person logs in anew, and the person is told `text` */
};
/* It does not work, or not any more. The framework takes all messages of u back, empties its seats and calls user_close, from inside or soon. Rooms are joined again when it is up again. */
void gateway_user_down(struct gateway_user *u, enum gateway_why why, const char *text);
/* What chanceryd says to it: XERROR_NONE when it is committed. XERROR_REMOTE_SERVER_TIMEOUT, _RESOURCE_CONSTRAINT and _INTERNAL_SERVER_ERROR: come again later. Told once,
 * also from inside; not when the program ends before. */
typedef void gateway_told_fn(void *arg, enum xerror e, const char *text);
/* A line from the gateway itself to the person (a notice of the server, a bounce that belongs to no message). `told` may be NULL: what chanceryd cannot take for now is offered again. */
void gateway_tell(struct gateway_user *u, const char *text, gateway_told_fn *told, void *arg);

/*
 * Out: what became of a message
 */

/* The network has taken it (mail: 250; SMS: submit_sm_resp; SIP: 202; IRC: written, and a PONG behind it). `foreign_id`: its id there, for
 * receipts and corrections; NULL: none. m is not valid any more. */
void gateway_sent(struct gateway_message *m, const char *foreign_id);
/* The sender gets it back with this error and these words (may be NULL). m is not valid any more. */
void gateway_failed(struct gateway_message *m, enum xerror e, const char *text);
/* The network says that the message of this foreign id has arrived: told to who asked for it (XEP-0184). `from` NULL: whomever it was to, where ids are such that nobody
 * guesses them. Ids that are not known any more are ignored. */
void gateway_receipt(struct gateway_user *u, const char *from, const char *foreign_id);
/* It was taken, and did not arrive all the same (a bounce): the client that wrote it gets it back with the error; where it is not there any more the gateway says
 * so in words. False: the id is not known any more, and nothing will be told. */
bool gateway_bounced(struct gateway_user *u, const char *from, const char *foreign_id, enum xerror e, const char *text, gateway_told_fn *told, void *arg);

/*
 * In
 */

/* It is uploaded to our upload service, scanned there, and said as a message of its own behind the text. What is not let through is named in the text; `stored` is then
 * told XERROR_NOT_ACCEPTABLE, with the reason, when the text is in the record. Without `stored` nobody can be told to come again: the file is named, and lost. */
struct gateway_file {
	const char *name, *type;  /* NULL: not known */
	const char *url;          /* where it is (https, on the public internet: transfer.h), or NULL: */
	const void *data;         /* its bytes */
	size_t len;
	const char *refused;      /* the framework's */
};

struct gateway_incoming {
	const char *from;     /* foreign address of who says it; for a room: NULL */
	const char *foreign;  /* as the network shows who it is, for the record: "nick!user@host"; NULL: from */
	const char *network;  /* which network, where the program has several: "libera"; NULL: as the administrator called it */
	const char *id;       /* the network's id of it; NULL: none. The same id is the same message: it is not delivered twice */
	const char *replaces; /* the network's id of the message that this corrects; NULL: none */
	int64_t at_us;        /* when it was said, 0: now. What is older than some seconds gets <delay/> */
	const char *body, *subject, *thread; /* NULL: none */
	const char *note;     /* what else the record shall say of it, shown with it: "dkim=pass spf=pass"; NULL: nothing */
	const struct gateway_file *files;
	unsigned nfiles;
	bool wants_receipt;   /* MESSAGE_RECEIPT comes when the person's client has it */
	bool final;           /* where the network is told for good: `stored` waits until the person's account has had it, too, and says so when there is none */
	/* Told once: chanceryd has it (committed: acknowledge it at the network now) or has refused it, with the error; XERROR_NONE means it has it.
	 * XERROR_REMOTE_SERVER_TIMEOUT, _RESOURCE_CONSTRAINT and _INTERNAL_SERVER_ERROR: come again later. Not told when the program ends before. NULL: the network cannot
	 * say it again: what chanceryd cannot take for now is kept, and offered to it again. */
	void (*stored)(void *arg, enum xerror e, const char *text);
	void *arg;
};

/* May more come in? No: hold your sockets back until `drain`. gateway_receive takes it all the same, up to a hard bound. */
bool gateway_takes(struct gateway *g);
/* Somebody says something to u. -1: above the hard bound (nothing is kept, `stored` is not told). */
int gateway_receive(struct gateway_user *u, const struct gateway_incoming *in);
/* `from` is writing, or has stopped. */
void gateway_typing(struct gateway_user *u, const char *from, bool on);
/* With NETWORK_PRESENCE. */
void gateway_presence(struct gateway_user *u, const char *from, enum network_show show, const char *status);

/*
 * Rooms
 *
 * Who is in a room is kept once for all who are in it from here. Where each user has a connection of its own, all of them see the same: so one seat is the
 * room's *ear*, the first that is in. What is told with `by` another seat than the ear is dropped, so a network may simply tell everything, or
 * ask gateway_seat_is_ear first and save the work. `by` NULL is always believed: a connection that all share. When the ear leaves another
 * seat becomes it, and room_names asks it to say who is there.
 *
 * What people from here say in a room is not to be told back: the framework shows it to all when gateway_sent says that the room has it (what a
 * nick of ours says, when told, is dropped).
 */

struct gateway_occupant {
	const char *nick;
	const char *foreign;     /* "nick!user@host"; NULL: not known */
	bool op, voice;          /* moderator; participant, else visitor where `moderated` */
	bool owner, admin;       /* affiliation; op without either is admin's */
	bool away;
	const char *status;
};

bool gateway_seat_is_ear(const struct gateway_seat *s);
/* The room of that address when somebody from here is in it, else NULL. Borrowed. */
struct gateway_room *gateway_room_find(struct gateway *g, const char *address);
/* The user's seat in that room, in it or on the way; NULL: none. */
struct gateway_seat *gateway_seat_find(struct gateway_user *u, const char *address);

/* Who is there: names first (all of them, then _end: whoever was not named is gone), then the changes. Before gateway_room_joined of the first seat, names may simply be told
 * by gateway_room_occupant. */
void gateway_room_names(struct gateway_room *r, struct gateway_seat *by);
void gateway_room_occupant(struct gateway_room *r, struct gateway_seat *by, const struct gateway_occupant *o); /* new, or changed */
void gateway_room_names_end(struct gateway_room *r, struct gateway_seat *by);
void gateway_room_gone(struct gateway_room *r, struct gateway_seat *by, const char *nick, const char *why);
void gateway_room_kicked(struct gateway_room *r, struct gateway_seat *by, const char *nick, bool banned, const char *actor, const char *why);
/* Also of a seat's own nick: then s->nick changes. */
void gateway_room_renamed(struct gateway_room *r, struct gateway_seat *by, const char *old, const char *now);
/* `who` NULL: not known. at_us 0: now. */
void gateway_room_topic(struct gateway_room *r, struct gateway_seat *by, const char *topic, const char *who, int64_t at_us);
/* in->from is not looked at; `nick` says it ("": the room itself). `stored` is told when all who are in it have it, and the files that may be passed on. */
int gateway_room_receive(struct gateway_room *r, struct gateway_seat *by, const char *nick, const struct gateway_incoming *in);

/* The user is in, under this nick. Believed of every seat. */
void gateway_room_joined(struct gateway_seat *s, const char *nick);
/* Not: CONFLICT nick in use, FORBIDDEN banned, REGISTRATION_REQUIRED members only, NOT_AUTHORIZED password, SERVICE_UNAVAILABLE full, … s is not valid any more. */
void gateway_room_refused(struct gateway_seat *s, enum xerror e, const char *text);
void gateway_room_nick_refused(struct gateway_seat *s, enum xerror e, const char *text);
/* The user is out of it without having asked (kick, ban, the room ended). s is not valid any more. */
void gateway_room_left(struct gateway_seat *s, bool kicked, bool banned, const char *actor, const char *why);

void gateway_ask_done(struct gateway_ask *a);
void gateway_ask_failed(struct gateway_ask *a, enum xerror e, const char *text);

/*
 * What outlives the program: small values at chanceryd
 */

typedef void gateway_data_fn(void *arg, const char *value); /* NULL: there is none. What cannot be had now is asked for again until it can */
void gateway_data_get(struct gateway *g, const char *key, gateway_data_fn *fn, void *arg);
/* value NULL removes it. In order with what was set before; kept while chanceryd is away. Key 1 to 255 bytes, value up to 65,536. */
void gateway_data_set(struct gateway *g, const char *key, const char *value);
/* The same of what belongs to somebody here (bare): it goes with their account. */
void gateway_data_set_of(struct gateway *g, const char *jid, const char *key, const char *value);
/* The same for who must know: told once, also from inside, when it is committed, or that it will not be. Not told when the program ends before. */
typedef void gateway_kept_fn(void *arg, bool kept);
void gateway_data_keep(struct gateway *g, const char *key, const char *value, gateway_kept_fn *fn, void *arg);
/* The same, asked once, for who can say to its own side that it shall come again. `known` false: it cannot be had now. */
typedef void gateway_look_fn(void *arg, bool known, const char *value);
void gateway_data_look(struct gateway *g, const char *key, gateway_look_fn *fn, void *arg);
/* All whose key begins so, in order, then fn(arg, NULL, NULL). */
typedef void gateway_data_each_fn(void *arg, const char *key, const char *value);
void gateway_data_each(struct gateway *g, const char *prefix, gateway_data_each_fn *fn, void *arg);

#endif
