/*
 * hook: the stages at which modules see stanzas and events, and what they may answer.
 *
 * Order inside a stage is the order of the table in core/module/modules.c. A hook borrows everything it is given; what it
 * wants to keep it references or copies. It runs on the home of the address it is about and must not block.
 */
#ifndef HOOK_H
#define HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"
#include "xmpp/xerror.h"

struct user;

enum hook_stage {
	HOOK_SEND_CHECK,       /* sender's home, before the record: policy may refuse or alter */
	HOOK_SEND_COPY,        /* sender's home, after the commit: copies of what I sent */
	HOOK_RECV_CHECK,       /* recipient's home: block lists */
	HOOK_RECV_DELIVER,     /* recipient's home: somebody else takes the delivery over */
	HOOK_RECV_MISSED,      /* recipient's home: nobody was there; it stays in the record */
	HOOK_STREAM_FEATURES,  /* adds to <stream:features/>: h->features */
	HOOK_SESSION_BOUND,
	HOOK_SESSION_DETACHED,
	HOOK_SESSION_RESUMED,
	HOOK_SESSION_CLOSED,
	HOOK_PRESENCE_CHANGED, /* a session's availability or priority */
	HOOK_CONFIG_CHANGED,
	HOOK_IQ,               /* the call of an IQ handler */
	HOOK_STAGES
};

enum hook_verdict {
	HOOK_NEXT,    /* nothing to say */
	HOOK_HANDLED, /* answered or taken over: stop here */
	HOOK_REJECT,  /* stop; h->error goes back to the sender */
};

/* What a hook is told. Members that a stage does not have are NULL. */
struct hook {
	enum hook_stage stage;
	struct arena *arena;          /* scratch: gone when the hook returns */
	struct module *module;        /* whose hook runs */
	const struct user *user;      /* the core's record of the account: for module_* only */
	const struct stanza *stanza;
	const struct elem *payload;   /* HOOK_IQ: the child of the IQ */
	const struct jid *from, *to;
	const struct jid *account;    /* the local account it is about */
	const struct jid *session;    /* full JID of the local session it is about */
	uint64_t record_id;
	struct buf *features;         /* HOOK_STREAM_FEATURES: XML to append */
	bool authenticated;           /* HOOK_STREAM_FEATURES: after SASL */
	/* Out */
	enum xerror error;            /* HOOK_REJECT */
	const char *error_text;       /* static or from h->arena */
	struct stanza *reply;         /* hook_reply */
};

/* Answers an IQ: takes the (unsealed) stanza. */
void hook_reply(struct hook *h, struct stanza *reply);
/* The empty result of h->stanza, to add to. */
struct stanza *hook_result(const struct hook *h);
static inline enum hook_verdict
hook_reject(struct hook *h, enum xerror e, const char *text)
{
	h->error = e;
	h->error_text = text;
	return HOOK_REJECT;
}

#endif
