/*
 * network: what a network is to the framework: a table of functions, and the objects that they are given.
 *
 * A gateway program is `int main(…) { return gateway_main(&irc_network, argc, argv); }`. Everything happens on one thread, on one libuv loop
 * (gateway_loop): the framework calls the table, the network calls what gateway.h declares, from wherever it likes on that thread, also from inside a
 * call of the table. Nothing may wait; libuv's pool (uv_queue_work) is there for what must.
 *
 * Addresses. At the network somebody has a *foreign address*, plain UTF-8 text: `nick%libera`, `bob@partner.example`, `+33612345678`. The framework makes
 * the JID of it (XEP-0106 escaping, at the gateway's domain) and back; a network never sees or makes a JID of a foreign person.
 *
 * Text. Strings that a network hands up may be anything that a stranger sent: the framework makes them UTF-8 that XML can carry (text.h),
 * and cuts them at its limits. Strings that it hands down are well-formed UTF-8 and without control characters other than tab, line feed and carriage return.
 *
 * Memory. What the framework hands to a function of the table is valid during the call, except users, rooms, seats, messages and asks: these live until the
 * pair that ends them, named at each. What a network hands up is copied.
 */
#ifndef GATEWAY_NETWORK_H
#define GATEWAY_NETWORK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "xmpp/jid.h"
#include "xmpp/xerror.h"

struct gateway;      /* the program: one of them */

/* With the NUL. Longer foreign addresses do not exist. */
#define NETWORK_ADDRESS_MAX 511

/* What the network can do. For what it cannot the framework does without: a correction goes as a new text, typing goes nowhere. */
enum network_feature {
	NETWORK_ROOMS = 1 << 0,
	NETWORK_RECEIPTS = 1 << 1,    /* says when a message has arrived: gateway_receipt; takes MESSAGE_RECEIPT */
	NETWORK_CORRECTIONS = 1 << 2, /* takes messages with `replaces` */
	NETWORK_TYPING = 1 << 3,      /* takes MESSAGE_TYPING and MESSAGE_PAUSED */
	NETWORK_PRESENCE = 1 << 4,    /* people are there or not; else whoever is subscribed to is shown as available while the user is up */
	NETWORK_FILES = 1 << 5,       /* takes MESSAGE_FILE; else a file's address goes as text */
	NETWORK_ACCOUNTS = 1 << 6,    /* people can bring an account of their own: `fields` */
	NETWORK_SUBJECTS = 1 << 7,    /* a message's subject goes with it; else it is put before the text */
	NETWORK_LATE = 1 << 8,        /* says hours later, too, what became of a message: which one it is about outlives the program */
};

/* A field of the registration form (XEP-0077), by which people bring an account. */
struct network_field {
	const char *name;  /* key in the JSON of the credential: "nick", "password" */
	const char *label;
	bool secret;
	bool required;
};

enum network_address {
	NETWORK_NOBODY, /* not an address of this network */
	NETWORK_PERSON,
	NETWORK_ROOM,
	NETWORK_SERVER, /* something that is neither: shown in disco, not written to */
};

enum network_show { NETWORK_AVAILABLE, NETWORK_CHAT, NETWORK_AWAY, NETWORK_XA, NETWORK_DND, NETWORK_GONE };

/* Somebody here who uses the network. From user_open to user_close; between them `net` is the network's. */
struct gateway_user {
	struct gateway *gateway;
	struct jid *jid;   /* bare */
	bool own_account;  /* opened with the credential that the person gave; else in the organisation's name (relay) */
	bool up;           /* since gateway_user_up */
	void *net;
	struct gateway_user_kept *kept; /* the framework's */
};

/* A room of the network in which somebody from here is. From the first room_join to the last room_leave or gateway_room_left. */
struct gateway_room {
	struct gateway *gateway;
	const char *address; /* canonical foreign address */
	void *net;
	struct gateway_room_kept *kept;
};

/* A user in a room: from room_join to room_leave, gateway_room_refused or gateway_room_left. */
struct gateway_seat {
	struct gateway_user *user;
	struct gateway_room *room;
	const char *nick; /* wished for at first; then as gateway_room_joined and gateway_room_renamed said */
	bool in;          /* since gateway_room_joined */
	void *net;
	struct gateway_seat_kept *kept;
};

enum message_kind {
	MESSAGE_TEXT,    /* body; begins with "/me " when it is an action */
	MESSAGE_FILE,    /* data, size, name, type, url; body: what is said with it, or NULL */
	MESSAGE_TOPIC,   /* body: the room's new topic */
	MESSAGE_TYPING,
	MESSAGE_PAUSED,
	MESSAGE_RECEIPT, /* `replaces` names a message that had come in: it has arrived */
};

/* Something that a user says to the network. The network owes exactly one gateway_sent or gateway_failed for each (from inside send, or later), unless
 * the framework takes it back: by `forget`, by user_close, or because the network called gateway_user_down. Until then it stays valid. */
struct gateway_message {
	struct gateway_user *user;
	enum message_kind kind;
	const char *to;            /* canonical foreign address of a person, or of the room */
	struct gateway_seat *seat; /* where it was said, else NULL; NULL again when the user has left meanwhile */
	const char *nick;          /* for an occupant of the seat's room alone; else NULL */
	const char *body;          /* NULL for kinds without */
	const char *subject, *thread; /* NULL: none */
	const char *id;            /* of the message here; never NULL, stable over repetitions: make the network's id of it where it lets you */
	const char *replaces;      /* the id that gateway_sent gave for the message that this corrects, or that came in; NULL: none */
	bool wants_receipt;        /* XEP-0184; only with NETWORK_RECEIPTS */
	const char *url, *name, *type; /* of a file that was uploaded here; type NULL when not known */
	const void *data;          /* all of it: scanned, and found clean */
	uint64_t size;
	int64_t at_us;             /* when it was written (base/clock) */
	void *net;                 /* the network's, NULL at first */
	struct gateway_message_kept *kept;
};

/* A request that waits for the network: owes one gateway_ask_done or gateway_ask_failed. Gone with its seat. */
struct gateway_ask;

/* What a user wants of a room. */
enum room_change {
	ROOM_KICK,         /* nick */
	ROOM_BAN,          /* nick or address */
	ROOM_UNBAN,        /* address */
	ROOM_VOICE, ROOM_DEVOICE, /* participant, visitor: nick */
	ROOM_OP, ROOM_DEOP,       /* moderator or not: nick */
};

struct network {
	const char *kind;      /* "irc": in the record, and in the program's name */
	const char *about;     /* "IRC": in service discovery */
	const char *identity;  /* type of disco's category gateway: "irc", "sms", "smtp", "simple", … */
	const char *prompt;    /* what somebody's address is called there, for clients that ask for one: "E-mail address"; NULL: "Address" */
	unsigned features;     /* of network_feature */
	unsigned turn_us;      /* while much comes, the loop turns once in so long, and takes what came meanwhile together; 0: as often as anything comes */
	const struct network_field *fields; /* ends with a name of NULL; NULL: none */

	/* Once, before anything else: `settings` is the object "network" of the settings (borrowed). -1: they are refused, the program ends with the
	 * reason. `change`: they are others now; -1: the old ones stay in force. */
	int (*start)(struct gateway *g, const json_t *settings, struct err *err);
	int (*change)(struct gateway *g, const json_t *settings, struct err *err);
	/* All users have been closed; stop everything, close all handles (they may finish after the call). Not called when start failed. */
	void (*stop)(struct gateway *g);

	/* What is `foreign`, as somebody here wrote it (prepared as JIDs are: lower case)? `canonical` holds NETWORK_ADDRESS_MAX bytes and gets the one
	 * spelling that compares by strcmp. Pure: called very often. */
	enum network_address (*address)(struct gateway *g, const char *foreign, char *canonical);

	/* Somebody begins. The network answers by gateway_user_up (may be from inside) or gateway_user_down. `login`: the credential, an object of the
	 * fields' names, or NULL in the organisation's name; secret: use it during the call, keep no copy that you do not need. */
	void (*user_open)(struct gateway_user *u, const json_t *login);
	/* Ends it, at once: nothing more is called up for u; its seats and messages are gone with it. */
	void (*user_close)(struct gateway_user *u);

	/* With NETWORK_ACCOUNTS: a certificate by which the network knows the person, kept in the credential beside the fields. `certificate`: what they are told of the one in
	 * `login`, malloced; NULL: there is none. `certificate_change` makes one, in place of any that is there, or takes it away; -1: it does not, and why. Both
	 * NULL: the network knows no such thing. */
	char *(*certificate)(const json_t *login);
	int (*certificate_change)(json_t *login, bool make, struct err *err);

	/* Only while u is up. */
	void (*send)(struct gateway_message *m);
	/* The framework has given up on m, its user left, or was told that it takes too long: m is not valid any more. May be NULL when send always answers from inside. */
	void (*forget)(struct gateway_message *m);

	/* What came in was taken, and its recipient's account refused it later (`stored` had said XERROR_NONE): there is no such account, or policy says no. NULL: of no
	 * interest. Only for what has an id. */
	void (*returned)(struct gateway_user *u, const char *foreign, const char *foreign_id, enum xerror e, const char *text);

	/* Presence of the user here, all clients together. NULL: of no interest. Also called behind gateway_user_up. */
	void (*presence)(struct gateway_user *u, enum network_show show, const char *status);
	/* With NETWORK_PRESENCE: the user wants to see `foreign`, or not any more. Answer by gateway_presence now and whenever it changes. */
	void (*subscribe)(struct gateway_user *u, const char *foreign, bool on);

	/* With NETWORK_ROOMS. The network answers by gateway_room_joined or gateway_room_refused. `password` NULL: none. */
	void (*room_join)(struct gateway_seat *s, const char *password);
	/* The user leaves; the seat is not valid any more behind the call. */
	void (*room_leave)(struct gateway_seat *s, const char *status);
	/* Another nick. Answered by gateway_room_renamed, or gateway_room_nick_refused. */
	void (*room_nick)(struct gateway_seat *s, const char *nick);
	/* The seat is now the one whose view of the room counts (gateway.h, Rooms): say who is there, between gateway_room_names and gateway_room_names_end. */
	void (*room_names)(struct gateway_seat *s);
	/* NULL: not implemented. `who`: nick, or address where the comment says so. */
	void (*room_change)(struct gateway_seat *s, enum room_change what, const char *who, const char *reason, struct gateway_ask *ask);

	/* gateway_take said no before: there is room again. NULL when it is never asked. */
	void (*drain)(struct gateway *g);
};

#endif
