/*
 * module_service: a domain of ours that a module answers for: rooms at conference.example, nodes at pubsub.example.
 *
 * A module that serves is asked about everything that is sent to LABEL.HOST and to every address there, for each host. Like every
 * account, each bare address has one home, and a record in memory there while it is needed: its place. What the module knows
 * of it is loaded by a job at first need; until then what is sent to it waits. An address that has no rows has a place all the
 * same: whether there is such a room is for the module to say.
 *
 * Messages reach a place when they are committed, as they reach an account (P1); only messages of type groupchat may come unrecorded
 * (`records`), so that the place records once what all its occupants will read, in the order in which they read it.
 */
#ifndef MODULE_SERVICE_H
#define MODULE_SERVICE_H

#include "module.h"

struct module_service {
	const char *label;     /* static: "conference" */
	const char *name;      /* static, for people: in disco#items of the host */
	const char *setting;   /* on-off, asked at start: no such domain while off; NULL: always */
	/* Messages of type groupchat to a bare address come before they are recorded. The sender's lane waits for each of them until the
	 * hook and its continuations have ended, by HANDLED when it is committed, by REJECT when nobody is to see it. Several of a sender
	 * to the same address are under way at once, in order. */
	bool records;
	/* These four are NULL where nothing is kept of addresses: then there is no module_place, and the domain itself stays in memory.
	 *
	 * On a worker: what the database has of `bare`, in `a`; NULL in *rows: nothing. */
	enum sql_status (*load)(struct sql *db, struct arena *a, const char *bare, void **rows, struct err *e);
	/* At home: what is kept in memory, of the rows or of NULL. */
	void *(*make)(const struct jid *bare, const void *rows);
	void (*free)(void *place);
	/* Must it stay in memory when nothing waits for it? What is not needed goes half a minute later. */
	bool (*is_needed)(const void *place);
	/* Stage HOOK_SERVICE: h->stanza of h->from has come to h->to; h->account is the bare address, h->payload an IQ's child. May wait.
	 * HANDLED: done; an IQ of type get or set has its answer by hook_reply, now or in a continuation. REJECT: the error goes back to
	 * the sender. NEXT: service-unavailable for what must have an answer (RFC 6120 §8.4). Answers to what the place itself
	 * has asked (hook_ask) do not come here; other results and errors do, and so does what comes back (type error). */
	hook_fn arrived;
	/* The server stops: streams are about to end, what is sent now still goes out, nothing is waited for. May be NULL. */
	void (*stopping)(void *place);
	/* An account (bare address) is no more: who gets its name inherits nothing of it. For each place in memory; may be NULL. What is
	 * in the database is a trigger's business. */
	void (*account_removed)(void *place, const char *bare);
	/* It has changed who of other servers may be met here (module_may_meet). For each place in memory, on its home; may be NULL. */
	void (*partners_changed)(void *place);
};

/* In attach. One service a module. */
void module_serve(struct module *m, const struct module_service *def);
/* What `make` returned for the address that h is about; NULL for other hooks, and where there is no `make`. */
void *module_place(const struct hook *h);
/* Until h and its continuations have ended nothing else arrives at this place (it waits, bounded), but for answers to its own
 * questions. For changes that must not overlap. Once for each hook. */
void module_place_hold(struct hook *h);
/* Is this an address at a service of whatever module? Any thread. */
bool module_is_service(const struct jid *j);
/* May they be in rooms here: people of ours, components', and those of partners with whom group chat is allowed, both ways, now? */
bool module_may_meet(const struct jid *j);
/* The n-th domain that the module serves; NULL behind the last. */
const char *module_service_domain(const struct module *m, unsigned n);

/* Who gets the same: full addresses, grouped by home. Belongs to the place whose module made it. */
struct audience;
struct audience *audience_new(void);
void audience_free(struct audience *a);
/* Nobody twice: the caller knows. */
void audience_add(struct audience *a, const struct jid *full);
/* False: was not in it. */
bool audience_remove(struct audience *a, const struct jid *full);
unsigned audience_size(const struct audience *a);
/* Gives it to each of them, in order with module_send: takes the stanza, whose `from` is set and whose `to` is written for each. It is
 * written as XML once, and crosses to each reactor once. Not recorded by this: whatever had to be recorded has been. */
void audience_tell(struct audience *a, struct stanza *st);

/* What another account's home says (hook_who) */
struct hook_who {
	const struct jid *who;    /* in hook_memory(h) as long as the question; a user of ours or not */
	const struct jid *to;     /* whose relation to `who` is asked; NULL: nobody's */
	const char *seen_at;      /* the domain at which its clients may be seen (`clients`); NULL: not asked */
	/* Out, in hook_memory(h) */
	bool exists;              /* it is an account of this server, not disabled */
	bool disabled;            /* it is one that is */
	bool admin;
	const char *groups;       /* of the organisation, a line each; "": none */
	enum module_relation relation; /* of `to`: may it see the presence of `who`? */
	bool listed;              /* `to` is in the roster of `who` */
	const char *roster_groups; /* the groups there that it is in, a line each */
	/* A line for each client that is available, its resource; and for each address at that domain that a client has shown itself to directly (RFC 6121 §4.6):
	 * resource, tab, address. NULL: too many, or not asked. */
	const char *clients;
};
/* Goes on with ok false when the database could not be asked. */
enum hook_verdict hook_who(struct hook *h, struct hook_who *w, void *data, hook_then_fn then);
/* For what waits for others of the module's own: goes on within hook_unpark(*parked), so that nothing that has just arrived goes before it. That is
 * called once, later, on the same home; not from the hook that parks, nor for its own place before it has parked. */
enum hook_verdict hook_park(struct hook *h, void **parked, void *data, hook_then_fn then);
void hook_unpark(void *parked);
/* Goes on after so many milliseconds; the account or place stays in memory meanwhile. Gone without a call when the server stops. */
enum hook_verdict hook_after(struct hook *h, unsigned ms, void *data, hook_then_fn then);

#endif
