/*
 * room: rooms of the network as rooms here (XEP-0045): who from here is in them (seats), with which clients, and who else (occupants). For the framework's own files.
 */
#ifndef GATEWAY_ROOM_H
#define GATEWAY_ROOM_H

#include "gateway/priv.h"

struct occupant {
	UT_hash_handle hh;
	char *foreign, *status;
	bool op, voice, owner, admin, away;
	unsigned round;            /* of names, in which it was named */
	struct gateway_seat *seat; /* NULL: somebody of the network's */
	char nick[];
};

/* A client in a seat. */
struct room_client {
	UT_hash_handle hh;
	bool doubted; /* see clients.h */
	const char *to; /* jid as the value of an attribute is written; behind it */
	char jid[]; /* full */
};

struct gateway_room_kept {
	struct gateway_room r; /* first */
	UT_hash_handle hh;
	struct list seats;
	struct gateway_seat *ear;
	struct occupant *occupants;
	char *address, *local;
	char *topic, *topic_by;
	int64_t topic_us;
	unsigned round;
	bool naming;
	struct list lines;   /* what is said in it and has not been heard by all (room_line.c) */
	unsigned nheld;      /* of them, those that wait for the database */
};

struct gateway_seat_kept {
	struct gateway_seat s; /* first */
	struct list in_room, in_user;
	struct list asks;
	struct room_client *clients;
	char *nick, *wished, *password;
	bool asked;  /* room_join was called */
	bool shown;  /* its clients have been told that they are in */
};

#define ROOM_KEPT(r) ((struct gateway_room_kept *)(r))
#define SEAT_KEPT(s) ((struct gateway_seat_kept *)(s))

/* Stanzas */
void room_presence_came(struct gateway *g, const struct stanza *st, const char *type, struct jid *from, struct jid *to, const char *foreign);
bool room_iq_came(struct gateway *g, const struct stanza *st, const struct elem *e, struct jid *from, struct jid *to);
/* The seat in the room of this address, when the client is in it. */
struct gateway_seat *room_seat_of(struct gateway_user *u, const char *foreign, struct jid *client);
/* One of the seat's clients leaves; the seat ends with its last. */
void room_client_leaves(struct gateway_seat *s, struct room_client *c, const char *status);
/* It does not take what is sent to it. */
void room_client_gone(struct gateway *g, struct jid *client);
/* Of an error to what a room sent: does it say that the client is not there any more (XEP-0045 §7.14)? */
bool room_means_gone(enum xerror e);
void room_items(struct gateway *g, struct stanza *r, struct elem *query, const char *foreign);

/* What somebody there says: to all who are in it now. in->stored is told. `url` NULL: no file of ours; `name`: of the file. */
struct incoming_head;
void room_hear(struct gateway *g, const struct incoming_head *h, const struct gateway_incoming *in, const char *url, const char *name);
/* The account of the nth seat (from 0) that is in; NULL: there are not so many. Borrowed. */
const char *room_listener(struct gateway *g, const char *address, unsigned nth);

/* What was said from here is shown to all. */
void room_reflect(struct gateway_seat *s, const struct gateway_message *m);

/* Status codes of XEP-0045 §15.6. */
#define CODE_KICKED "307"
#define CODE_SHUTDOWN "332"
#define CODE_TROUBLE "333"

/* Users */
void seats_up(struct gateway_user *u);
void seats_down(struct gateway_user *u);
void seats_refused(struct gateway_user *u, enum xerror e, const char *text);
/* They leave all of them. `code`: of the status that clients are shown with `why`; both may be NULL. */
void seats_end(struct gateway_user *u, const char *code, const char *why);
/* Who was in rooms when the last program ended is in them again. */
void rooms_restore(struct gateway *g);
/* room_write.c */

struct room_news {
	const char *codes[6];    /* status codes, NULL behind the last */
	const char *new_nick;    /* 303 */
	const char *actor, *why;
	bool gone;
};

/* Presence of an occupant to all, or to the clients of `only`, or to one client. */
void room_show(struct gateway_room *r, const struct occupant *o, const struct room_news *news);
void room_show_to(struct gateway_seat *s, const struct occupant *o, const struct room_news *news, const char *client);
/* Everything that who enters is to see: occupants, oneself, topic. */
void room_show_all(struct gateway_seat *s, const char *client, bool renamed);
void room_show_topic(struct gateway_room *r, const char *client);
/* To who is not in (any more): presence of type error, or unavailable. */
void room_refuse(struct gateway_seat *s, enum xerror e, const char *text);

/* room_line.c */

/* Something that is said: what is in the message. Copied. */
struct room_words {
	const char *nick;  /* of who says it; NULL, "": the room itself */
	const char *id;    /* of the stanza */
	const struct buf *inner;
	bool dated;        /* it has <delay/> */
	const char *file;  /* it is a file of this name: who gets none is told so; NULL: it is none */
	/* As gateway_incoming's: told when all who are in the room have it. NULL: nobody wants to know. */
	void (*stored)(void *arg, enum xerror e, const char *text);
	void *arg;
};

/* To all who are in the room, or to one client. The latter says nothing to others that they miss. */
void room_say(struct gateway_room *r, const struct room_words *w, const char *client);
/* An error that came for what a client was sent. True: it is offered to them again, or they have been told that it was a file. */
bool room_line_refused(struct gateway *g, const char *address, const char *client, const char *id, enum xerror e, const char *text);
/* The room ends. */
void room_lines_end(struct gateway_room *r);
/* The program ends. */
void rooms_end(void);

/* room_admin.c */
void asks_fail(struct gateway_seat *s);
const char *room_role(const struct occupant *o);
const char *room_affiliation(const struct occupant *o);

#endif
