/*
 * chain: what is left to do of a hook that waits: a database job, a record, a question, one after the other.
 *
 * A chain belongs to the reactor of its hook. It keeps what the hook was told (references, the account pinned in memory) and
 * brings it back for each continuation. When somebody waits for the verdict, a chain also keeps the IQ to be answered
 * and holds the sender's lane, so that what was sent behind it stays behind it (P8). At HOOK_SEND_CHECK it is the lane itself that waits.
 */
#ifndef CORE_CHAIN_H
#define CORE_CHAIN_H

#include "core/route/packet.h"
#include "hook.h"

struct session;

/* After a hook has run. Without a step begun its memory goes. With one: `p`, when not NULL, is the IQ that waits for the
 * verdict (v is HOOK_WAIT), and `s` the session whose lane is held, or NULL; else it runs by itself. h->chain is NULL then. */
void chain_start(struct hook *h, enum hook_verdict v, struct packet *p, struct session *s);
/* The same for somebody else who waits (HOOK_WAIT): told the verdict once, with the reply, which is theirs, and with what the stanza has been
 * replaced by, which they may take (NULL is left in its place). HOOK_REJECT without an error: the server stops, and there will be no verdict. */
typedef void (*chain_tell_fn)(void *arg, struct hook *h, enum hook_verdict v);
void chain_start_for(struct hook *h, chain_tell_fn tell, void *arg);
/* A step of a kind that chain.c does not know: begin(c, arg) when the hook has returned; chain_step_done later, once, on the same home.
 * Returns HOOK_WAIT. */
typedef void (*chain_begin_fn)(struct hook_chain *c, void *arg);
enum hook_verdict chain_step(struct hook *h, chain_begin_fn begin, void *arg, void *data, hook_then_fn then);
void chain_step_done(struct hook_chain *c, bool ok);
/* hook_memory, and the account that the hook is about (NULL: none), which stays in memory. */
struct arena *chain_memory(struct hook_chain *c);
const struct user *chain_user(const struct hook_chain *c);
/* Answers `p` by the verdict (or service_settle); HOOK_WAIT is not one. Takes h->reply. */
void chain_answer(const struct packet *p, struct hook *h, enum hook_verdict v);
/* Sends the error that a hook has set to the sender of `p`. */
void chain_refuse(const struct packet *p, const struct hook *h);
/* In this process: main waits for 0 when it stops. Those that wait for somebody's answer are not counted. */
unsigned chain_total(void);
/* The timers of a home end without a call of their continuations; whoever waits is told (chain_start_for). */
void chain_home_stop(void);

#endif
