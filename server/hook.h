/*
 * hook: the stages at which modules see stanzas and events, and what they may answer.
 *
 * Order inside a stage is the order of the table in core/module/modules.c. A hook borrows everything it is given; what it
 * wants to keep it references or copies. It runs on the home of the address it is about and must not block.
 *
 * Who needs the database, the record or somebody else's answer says HOOK_WAIT and goes on in a function of its own
 * (hook_job, hook_record, hook_ask): the same struct hook comes back there, with a fresh scratch arena. That is
 * possible where the table below says "may wait"; the sender's later stanzas wait meanwhile when the question was for its own
 * account (P8). In the other stages a started job or question runs beside the stanza, which does not wait.
 */
#ifndef HOOK_H
#define HOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "store/record_kind.h"
#include "store/sql.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"
#include "xmpp/xerror.h"

struct hook_chain;
struct session;
struct user;

enum hook_stage {
	HOOK_SEND_CHECK,       /* sender's home, before the record: policy may refuse, or alter by hook_replace; HANDLED: taken over (an IQ may
	                          have its answer by hook_reply); may wait: what the sender sends then waits unchecked behind it */
	HOOK_SEND_COPY,        /* sender's home, after the commit: copies of a message that I sent */
	HOOK_RECV_CHECK,       /* recipient's home: block lists. Also for what comes from the backlog */
	HOOK_RECV_REFUSED,     /* recipient's home: RECV_CHECK let this message not pass */
	HOOK_RECV_DELIVER,     /* recipient's home: somebody else takes the delivery of a message over */
	HOOK_RECV_GIVEN,       /* recipient's home: a message was given to sessions (module_was_given): copies for the others */
	HOOK_RECV_AWAY,        /* recipient's home: what a room said has been put into the queue of h->bound, which has no stream now */
	HOOK_RECV_MISSED,      /* recipient's home: nobody was there; it stays in the record for later. HANDLED: it shall
	                          not come later */
	HOOK_SESSION_SEND,     /* a stanza is about to be written to h->bound, which asked for this stage (module_session_watch).
	                          HANDLED: it is held in the session's queue until module_session_release */
	HOOK_NONZA,            /* h->payload: an element beside stanzas that the core does not know, on a bound stream */
	HOOK_STRANGER_IQ,      /* an IQ get or set under TLS before authentication: h->domain, h->note; may wait. NEXT: the stream ends */
	HOOK_STREAM_FEATURES,  /* adds to <stream:features/>: h->features */
	HOOK_BIND_FEATURES,    /* adds to <inline/> of Bind 2: h->features */
	HOOK_BIND_INLINE,      /* Bind 2: h->bound has just been bound, h->payload is the <bind/>; adds to <bound/>: h->features */
	HOOK_SESSION_BOUND,
	HOOK_SESSION_DETACHED,
	HOOK_SESSION_RESUMED,
	HOOK_SESSION_CLOSED,
	HOOK_PRESENCE_CHANGED, /* a session's availability or priority; h->stanza is its presence */
	HOOK_PRESENCE_TO,      /* the account's presence (of any kind) is about to go to h->to. HANDLED: it does not */
	HOOK_CAPS_KNOWN,       /* what h->bound supports has become known, or has changed: module_session_supports */
	HOOK_ELSEWHERE_CAPS,   /* what h->from supports, a contact's client at another server that is there, has become known, or has changed:
	                          module_elsewhere_supports */
	HOOK_CONTACT_CHANGED,  /* the subscription of contact h->from (bare) has changed: module_relation */
	HOOK_SERVER_INFO,      /* adds extension forms to the server's disco#info: h->reply, h->query. When settings change */
	HOOK_DISCO_INFO,       /* disco#info of an account (or of its h->node), or of a node of the server (h->account NULL), by
	                          somebody who may ask: adds to h->query of h->reply; may wait. HANDLED: h->node is known
	                          here; without a node NEXT lets others add, too */
	HOOK_DISCO_ITEMS,      /* the same for disco#items, of the server without a node, too */
	HOOK_CONFIG_CHANGED,
	HOOK_IQ,               /* the call of an IQ handler; may wait */
	HOOK_SERVICE,          /* a stanza has come to an address at a module's service (module_service.h); may wait */
	HOOK_STAGES
};

enum hook_verdict {
	HOOK_NEXT,    /* nothing to say */
	HOOK_HANDLED, /* answered or taken over: stop here */
	HOOK_REJECT,  /* stop; h->error goes back to the sender */
	HOOK_WAIT,    /* a continuation has been set: it decides */
};

/* What a hook is told. Members that a stage does not have are NULL. */
struct hook {
	enum hook_stage stage;
	struct arena *arena;          /* scratch: gone when the hook returns */
	struct module *module;        /* whose hook runs */
	struct user *user;            /* the core's record of the account: for module_* only */
	const struct stanza *stanza;
	const struct elem *payload;   /* HOOK_IQ: the child of the IQ; HOOK_NONZA, HOOK_BIND_INLINE: see there */
	const struct jid *from, *to;
	const struct jid *account;    /* the local account it is about (bare); HOOK_SEND_CHECK: the sender's, NULL for a component's stanza */
	int64_t account_id;           /* 0: none, or no such account */
	int64_t from_account;         /* HOOK_SERVICE: the id of h->from's account, when a session of ours has sent it; else 0 */
	const struct jid *session;    /* full JID of the local session it is about */
	struct session *bound;        /* that session; NULL when it has ended meanwhile */
	uint64_t record_id;           /* of h->stanza; 0: not in the record */
	int64_t record_us;            /* its time there, µs since 1970 */
	bool delayed;                 /* RECV_*: it comes from the backlog */
	struct buf *features;         /* XML to append */
	bool authenticated;           /* HOOK_STREAM_FEATURES: after SASL */
	const char *domain;           /* HOOK_STRANGER_IQ: the host that the stream is to */
	const char *note;             /* HOOK_STRANGER_IQ: what a module noted of the stream; set: notes something else (static, or
	                                 in hook_memory) */
	const char *node;             /* HOOK_DISCO_*: NULL when none */
	struct elem *query;           /* HOOK_DISCO_*, HOOK_SERVER_INFO: in reply */
	const struct stanza *answer;  /* in the continuation of hook_ask: type result or error */
	/* Out */
	enum xerror error;            /* HOOK_REJECT */
	const char *error_type;       /* "wait", …; NULL: the condition's usual one */
	const char *error_text;       /* static or from h->arena */
	const char *error_ns, *error_name; /* application-specific condition (RFC 6120 §8.3.4); static */
	const char *error_feature;    /* its attribute `feature` (XEP-0060's <unsupported/>); static */
	struct stanza *reply;         /* hook_reply; HOOK_DISCO_*: to add to */
	bool passed_on;               /* hook_passed_on */
	struct stanza *replacement;   /* hook_replace */
	struct hook_chain *chain;     /* the core's */
	size_t listener;              /* the core's: which of the stage's runs */
	struct session *given_only;   /* the core's: module_was_given */
	int given_lowest;
	bool holding;                 /* the core's: module_place_hold */
};

/* Answers an IQ: takes the (unsealed) stanza. */
void hook_reply(struct hook *h, struct stanza *reply);
/* The empty result of h->stanza, to add to. */
struct stanza *hook_result(const struct hook *h);
/* hook_reply(h, hook_result(h)) */
enum hook_verdict hook_done(struct hook *h);
/* An IQ went on to somebody whose answer will be sent back as it comes: HANDLED without a reply. */
static inline enum hook_verdict
hook_passed_on(struct hook *h)
{
	h->passed_on = true;
	return HOOK_HANDLED;
}
static inline enum hook_verdict
hook_reject(struct hook *h, enum xerror e, const char *text)
{
	h->error = e;
	h->error_text = text;
	return HOOK_REJECT;
}
/* The same with an application-specific condition. */
static inline enum hook_verdict
hook_reject_with(struct hook *h, enum xerror e, const char *ns, const char *name)
{
	h->error = e;
	h->error_ns = ns;
	h->error_name = name;
	return HOOK_REJECT;
}
/* The database (or the archive) is away: resource-constraint, type wait. */
enum hook_verdict hook_unavailable(struct hook *h);
/* HOOK_SEND_CHECK: the stanza goes on as this one, an altered stanza_copy. Takes it. */
void hook_replace(struct hook *h, struct stanza *st);

/* Continuations */

/* `ok` false: the database or the archive was not available, or nobody answered. Verdict as of the hook itself; HOOK_WAIT
 * again after another hook_job, hook_record or hook_ask. Where nobody waits for the verdict it means nothing. */
typedef enum hook_verdict (*hook_then_fn)(struct hook *h, void *data, bool ok);
/* Runs on a worker: plain values in `data`, plain values out, memory from `a`. It lives in the module's *_store.c and
 * sees no hook, user or session. Statement texts are literals (sql.h). */
typedef enum sql_status (*module_work_fn)(struct sql *db, struct arena *a, void *data, struct err *e);

/* Memory that lasts as long as the continuations of this hook follow one another. */
struct arena *hook_memory(struct hook *h);
/* Runs work(data) on a worker, in order with the other jobs of the account, then then(h, data, ok). `data` is in
 * hook_memory(h), or NULL; nobody else touches it meanwhile. Returns HOOK_WAIT. */
enum hook_verdict hook_job(struct hook *h, void *data, module_work_fn work, hook_then_fn then);
/* Runs fn(own, data, true) at once, with a hook of its own that is told the same: for several questions or jobs side by side.
 * What fn begins nobody waits for. */
void hook_aside(const struct hook *h, hook_then_fn fn, void *data);
/* Puts h->stanza into the record as `kind`, from h->from to `to` (NULL: the account), and goes on when that is committed
 * (P1: nobody sees what is not archived): then h->record_id says where. `body` is the readable text of it, or NULL. */
enum hook_verdict hook_record(struct hook *h, enum record_kind kind, const struct jid *to, const char *body, void *data,
	hook_then_fn then);
/* The same for a stanza that a module made (an announcement). Takes a reference. */
enum hook_verdict hook_record_stanza(struct hook *h, enum record_kind kind, struct stanza *st, const struct jid *from,
	const struct jid *to, const char *body, void *data, hook_then_fn then);
/* Whose history (XEP-0313) a record is part of. RECIPIENT: of the address it is to, a room's or a node's, whoever sent it. */
enum hook_history { HOOK_HISTORY_NONE, HOOK_HISTORY_RECIPIENT, HOOK_HISTORY_BOTH };
/* After hook_record or hook_record_stanza of a <message/>, before HOOK_WAIT is returned: it becomes the record that it would be between
 * users: its kind (correction, retraction, reaction, …; unless another than RECORD_MESSAGE was given) and what it refers to, its body where
 * none was given; and it is shown, in the history of `who`, if it is worth it and its hints (XEP-0334) allow. Is it? */
bool hook_record_message(struct hook *h, enum hook_history who);
/* After hook_record_stanza of a <message/> with `from` and `to`: by its commit it goes to whom it is addressed, as what a user sends does,
 * with the record's id as its stanza id: now, or, to an account of ours, when somebody is there to take it. */
void hook_record_sends(struct hook *h);
/* Asks `to` in the name of the account (its bare JID), or of the server where there is none. Takes `iq` (unsealed, get or set;
 * from, to and id are set here) and goes on with h->answer; ok false after timeout_ms (0: 30 s) without one. What
 * is asked of the account itself is answered by its IQ handlers as if its owner had asked. */
enum hook_verdict hook_ask(struct hook *h, const struct jid *to, struct stanza *iq, unsigned timeout_ms, void *data,
	hook_then_fn then);

/* What administrators do by `chancery NOUN VERB` (server/admin), done for an administrator's client: on a thread of its own, one after
 * the other, audited in h->from's name. The rows of the answer come back as texts. */
struct hook_admin {
	const char *noun, *verb;
	struct hook_admin_arg {
		const char *name, *value; /* value NULL: not given */
	} arg[6];                         /* ended by a NULL name, or full */
	/* Out, in hook_memory(h) */
	const char *refusal;              /* why it was not done; NULL: it was */
	struct hook_admin_row {
		const char **name, **value; /* n of them; lists one value a line */
		unsigned n;
	} *row;
	unsigned nrows;
};
/* `a` is in hook_memory(h). Goes on with ok false when h->from is not (or no longer) an administrator, too many wait, or the server
 * stops: a->refusal says so. */
enum hook_verdict hook_admin(struct hook *h, struct hook_admin *a, void *data, hook_then_fn then);
/* A value of a row; "" when there is none. */
const char *hook_admin_value(const struct hook_admin_row *row, const char *name);

/* What its owner does to the account that h is about, or (ACCOUNT_ADD) somebody who may register one. After a new password all sessions
 * but h->bound end, after ACCOUNT_REMOVE all of them once h->bound has its answer; what was being logged in elsewhere ends too. */
struct hook_account {
	enum account_act { ACCOUNT_ADD, ACCOUNT_PASSWORD, ACCOUNT_REMOVE } act;
	const struct jid *jid;  /* bare; it lasts as long as hook_memory(h) */
	char *password;         /* as typed, in hook_memory(h): it is wiped; not for ACCOUNT_REMOVE */
	module_work_fn also;    /* ACCOUNT_ADD: in the same transaction; or NULL. SQL_FAILED: there is no account */
	void *also_data;
	enum account_outcome {
		ACCOUNT_DONE,
		ACCOUNT_CONFLICT,   /* ACCOUNT_ADD: there is one already; else: there is none */
		ACCOUNT_BAD_PASSWORD, /* RFC 8265 does not allow it */
		ACCOUNT_FORBIDDEN,    /* h->bound came in by a device's password, which is for using the account, not for taking it over */
	} outcome;
};
enum hook_verdict hook_account(struct hook *h, struct hook_account *a, void *data, hook_then_fn then);

#endif
