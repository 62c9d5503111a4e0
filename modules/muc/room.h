/*
 * room: a room of XEP-0045 in the memory of its home: configuration, affiliations, who is inside.
 *
 * A room is the place (module_service.h) of its bare address. Everybody's place is there whether there is such a room or not: `id` tells.
 * What people would want to know later is in the record before it takes effect (P1); what lasts is in the database (room_store)
 * behind the record and before it takes effect in memory. So every change goes
 *
 *     check → record → (store) → in memory → told to those inside
 *
 * and while it waits in the middle others may come. These rules keep the order:
 *
 *   - The record commits in the order of submission. Messages, private messages, entering and leaving of different people are
 *     submitted as they come and take effect when they are committed.
 *   - Entering and leaving are noted as `crossing` until then. Whatever else comes from that address or for that nickname waits for
 *     it (room_crossing).
 *   - Everything else (nicknames, roles, affiliations, configuration, subject, creation, destruction) begins with room_alone: then
 *     nobody is crossing and nothing new arrives until it has ended. Messages may still be on their way into the record;
 *     they were sent before.
 *
 * All of it is called on the room's home.
 */
#ifndef MUC_ROOM_H
#define MUC_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "affiliation.h"
#include "base/list.h"
#include "base/map.h"
#include "config.h"
#include "module_service.h"

/* Affiliations: whoever is not AFFILIATION_NONE, or has a reserved nickname. By bare address, or a domain. */
struct room_affiliate {
	UT_hash_handle hh;
	enum affiliation affiliation;
	char *nick;                  /* reserved (§7.10); NULL: none */
	char *key;                   /* of the nickname, as room_nick_key makes it */
	char *reason;                /* NULL: none */
	char jid[];
};

/* Occupants */

struct room_occupant;

/* So many in a span of time. */
struct room_count {
	unsigned n;
	int64_t since_us;
};

/* A bucket that fills with time. */
struct room_rate {
	double left;
	int64_t at_us;               /* 0: full */
};

/* A session that is inside: an occupant has one for each of its clients (§7.2.8). */
struct room_seat {
	UT_hash_handle hh;           /* in room.seats, by full address */
	struct list link;            /* in occupant.seats, in the order of coming */
	struct room_occupant *occupant;
	struct jid *full;
	struct stanza *presence;     /* what its client said last, with our words taken out; sealed */
	int64_t whispered_us;        /* when it last got a private message; 0: never */
};

struct room_occupant {
	UT_hash_handle hh;           /* in room.occupants, by nickname */
	UT_hash_handle by_key;       /* in room.keys */
	struct room *room;
	struct jid *jid;             /* room@service/nick */
	struct jid *bare;            /* who it is */
	int64_t account;             /* the same, among those who have had the address; 0: somebody of elsewhere */
	enum affiliation affiliation;
	enum role role;
	struct list seats;
	unsigned nseats;
	struct room_seat *speaker;   /* whose presence stands for the occupant */
	struct stanza *seen[2];      /* its presence as others get it: [1] with the real address; NULL: to be made. Sealed */
	struct room_rate rate;       /* of its messages */
	struct room_count requests;  /* for voice */
	unsigned saying;             /* messages on their way into the record */
	char *key;                   /* of its nickname: no two that look alike */
};

/* Hooks that wait for the same thing, in order. */
struct room_gate {
	struct list list;
	unsigned n;
};

/* Who is entering or leaving, until it is committed. */
struct room_crossing {
	struct list link;            /* in room.crossing */
	struct jid *full;
	char *key;                   /* of the nickname */
	bool enters;
	struct room_gate gate;
};

/* The room */

struct history;

struct room {
	struct jid *jid;             /* bare */
	int64_t id;                  /* chancery.room; 0: there is no such room */
	bool locked;                 /* §10.1.3: its owner has not configured it yet; nobody else gets in */
	bool open;                   /* its record says that it is used in this run of the server, and `history` is there */
	int64_t run;                 /* the run of the server in which somebody last was inside (module_run) */
	struct room_config config;
	struct room_subject subject;
	char *creator;               /* bare address */
	int64_t created_us;
	unsigned char secret[32];    /* for occupant ids (XEP-0421) */
	char *photos;                /* SHA-1 of the photos of its vCard (XEP-0486), a line each; NULL: none */
	bool counting;               /* how many are inside is to be noted for searches (census_changed) */
	struct room_affiliate *affiliates;
	unsigned noccupants, nseats;
	struct room_occupant *occupants; /* by nickname */
	struct room_occupant *keys;      /* the same by key */
	struct room_seat *seats;
	/* Everybody's seat; of these, those who see real addresses, and those who do not. NULL: nobody. */
	struct audience *all, *seeing, *blind;
	struct history *history;
	uint64_t erasures;           /* when that was read (module_erasures): since then something in it may have been erased */
	uint64_t said;               /* the newest message that was told here */
	struct list crossing;
	unsigned entering;           /* of these */
	struct room_gate quiet;      /* those who wait for nobody to be crossing, and nobody else to be alone */
	struct room_alone *alone;    /* who is; NULL: nobody */
	struct room_rate joins, messages;
	struct room_count registrations;
	struct invites *invites;     /* invite.c's; NULL: none */
};

struct invites;
struct room_row;
/* What lasts, of a room that is none yet. */
void room_take_row(struct room *r, const struct room_row *row);

/* Of the hook of stage HOOK_SERVICE; NULL for an address without a localpart: the service itself. */
struct room *room_of(const struct hook *h);

struct room_occupant *room_occupant(const struct room *r, const char *nick);
/* Whoever has this nickname or one that looks like it. */
struct room_occupant *room_occupant_like(const struct room *r, const char *nick);
struct room_seat *room_seat(const struct room *r, const struct jid *full);
/* The next occupant that is this person; `after` NULL: the first. */
struct room_occupant *room_occupant_of(const struct room *r, const struct jid *bare, const struct room_occupant *after);
const char *room_nick(const struct room_occupant *o);
#define ROOM_EACH_OCCUPANT(o, r) \
	for (struct room_occupant *o = (r)->occupants, *o##_next; o && (o##_next = o->hh.next, true); o = o##_next)
/* For LIST_EACH(l, &o->seats). */
#define ROOM_SEAT(l) LIST_ENTRY(l, struct room_seat, link)

/* Affiliations in memory. By full or bare address; a domain's counts for those who have none of their own. */
enum affiliation room_affiliation(const struct room *r, const struct jid *j);
const struct room_affiliate *room_affiliate(const struct room *r, const char *bare);
unsigned room_owners(const struct room *r);
/* Whose reserved nickname is it, or one that looks like it? NULL: nobody's. */
const struct room_affiliate *room_reserved(const struct room *r, const char *nick);
/* Sets it in memory and nothing else. nick NULL leaves the reserved nickname, "" takes it away. */
void room_set_affiliate(struct room *r, const char *bare, enum affiliation a, const char *nick, const char *reason);
/* Two nicknames of the same key are taken for the same (rooms.lookalikes): heap. */
char *room_nick_key(const char *nick);

/* Order */

/* Is `full` (or NULL), or somebody of a nickname with this key (or NULL), on the way in or out? */
struct room_crossing *room_crossing(struct room *r, const struct jid *full, const char *key);
/* Goes on with then(h, data, true) when that is over. Everything has to be looked up again there. REJECT when too many wait. */
enum hook_verdict room_wait(struct hook *h, struct room_gate *g, void *data, hook_then_fn then);
struct room_crossing *room_crossing_begin(struct room *r, const struct jid *full, const char *nick, bool enters);
/* At the end of what the hook has to do: those who wait go on before this returns. */
void room_crossing_end(struct room *r, struct room_crossing *c);
/* Goes on when nobody is crossing, at once if so; from then on until h has ended nothing new arrives at the room. For everything but
 * messages, entering and leaving; to begin with. Once for each hook. */
enum hook_verdict room_alone(struct hook *h, struct room *r, void *data, hook_then_fn then);

/* One more: false when there were `most` in this span already. */
bool room_count_take(struct room_count *c, int64_t span_us, uint64_t most);
/* Takes one of a bucket that holds `burst` and gets `rate` a second. False: there is none. */
bool room_rate_take(struct room_rate *b, uint64_t rate, uint64_t burst);

/* The record
 *
 * hook_record_stanza(h, kind, st, from, r->jid, …): from is the full address of who did it. Of each event there is one record, so it
 * is recorded whole or not at all. Who is inside can be told from them: RECORD_ROOM_ENTER with <item jid=FULL/> takes FULL in; an
 * <item jid=FULL role='none'/> in any record of the room, its destruction, and RECORD_ROOM_CONFIG with status 332 (the server was
 * started: everybody) take out. */

/* Why something happens to an occupant, as it is told (§7.2 to §10.9). Members may be NULL or 0. */
struct room_why {
	const struct room_occupant *actor;
	const char *reason;
	unsigned status[4];          /* besides what the event itself carries (110, 303) */
	const char *nick;            /* the new one (303) */
	const struct elem *destroy;  /* <destroy/> to copy (§10.9) */
	const struct stanza *said;   /* the client's own unavailable presence, for its <status/> */
	const char *id;              /* … and its id, for the answer to it */
};
/* <message from='room'><x xmlns='…muc#user'/></message>, to put what follows into: its <x/> in *x. */
struct stanza *room_note(struct room *r, struct elem **x);
/* <item/>; jid, nick and why may be NULL. */
struct elem *room_note_item(struct stanza *st, struct elem *x, const char *jid, const char *nick, enum affiliation a, enum role role,
	const struct room_why *why);
void room_note_status(struct stanza *st, struct elem *x, unsigned code);
/* An item for each seat of the occupant. */
void room_note_occupant(struct stanza *st, struct elem *x, const struct room_occupant *o, enum affiliation a, enum role role,
	const struct room_why *why);

/* Effects: in memory, and told to those inside. What they do is in the record. */

/* The occupant's affiliation and role are these now: everybody gets its presence (§8 to §10). Sends no messages to who is not
 * inside (absent.h). */
void room_change_occupant(struct room *r, struct room_occupant *o, enum affiliation a, enum role role, const struct room_why *why);
/* The seat leaves, is kicked (307), banned (301), … The occupant with its last seat: it may be gone after that. */
void room_remove_seat(struct room *r, struct room_seat *s, const struct room_why *why);
void room_remove_occupant(struct room *r, struct room_occupant *o, const struct room_why *why);
/* Everybody: each is told of its own leaving only. */
void room_remove_all(struct room *r, const struct room_why *why);
/* Whether real addresses are seen has changed: who is in which audience follows from r->config. */
void room_sort_audiences(struct room *r);
/* Tells everybody inside: takes st; `from`, the room or an occupant, is set by this unless st is sealed. */
void room_tell(struct room *r, struct stanza *st, const struct jid *from);
/* To one address; takes st. */
void room_send(struct room *r, struct stanza *st, const struct jid *from, const struct jid *to);
/* The room is no more: memory as of an address without a room; whoever was inside has been removed. */
void room_forget(struct room *r);

/* Its memory (the module's place) */

void *room_make(const struct jid *bare, const void *rows);
void room_free(void *place);
bool room_is_needed(const void *place);

#endif
