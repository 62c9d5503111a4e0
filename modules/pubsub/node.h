/*
 * node: the engine of publish-subscribe (XEP-0060): nodes, items, subscriptions, affiliations, for whoever has nodes. modules/pubsub has
 * them at a service, modules/pep at accounts (XEP-0163); what differs between the two is a struct node_kind.
 *
 * A request is a struct node_call in the memory of its hook; from parsing to the answer it goes through jobs (node_store) and,
 * when it changes something that people can read, the record. Nodes live in the database only.
 */
#ifndef NODE_H
#define NODE_H

#include "module.h"
#include "node_config.h"
#include "node_store.h"

struct node_call;

struct node_kind {
	bool personal;
	const struct node_config *standard; /* of new nodes */
	/* host, owner, relation of the asker to it */
	void (*identify)(struct hook *h, struct node_op *op);
	struct node_quota (*quota)(void);
	/* An event to all that are to hear of it: c->op.subscriptions, and whoever else the kind tells. Takes it. `replyto`: contacts are
	 * told which resource it was (XEP-0163 §4.3.1). */
	void (*tell)(struct hook *h, const struct node_call *c, struct stanza *st, bool replyto);
	/* May the asker create nodes? Goes on with `go`, now or later. */
	enum hook_verdict (*admit)(struct hook *h, struct node_call *c, hook_then_fn go);
};

struct node_call {
	struct node_op op; /* first: jobs get a pointer to it */
	const struct node_kind *kind;
	module_work_fn work;
	const char *body;  /* for the record: what people can read in it; NULL: nothing */
	void (*tell)(struct hook *h, struct node_call *c);                /* NULL: nobody */
	enum hook_verdict (*answer)(struct hook *h, struct node_call *c); /* NULL: an empty result */
	void *of;          /* the module's */
};

/* A request of h->from about h->account, in hook_memory(h). */
struct node_call *node_begin(struct hook *h, const struct node_kind *kind);
/* An IQ with <pubsub/> of either namespace. */
enum hook_verdict node_request(struct hook *h, const struct node_kind *kind);
/* h->stanza is a message: an owner's decision on a subscription (§8.6)? NEXT: no. */
enum hook_verdict node_decision(struct hook *h, const struct node_kind *kind);

/* What the files of the engine share */

/* The node that `e` names goes into c->op.name. False: h says what is wrong with it. */
bool node_take_name(struct hook *h, struct node_call *c, const struct elem *e);
/* Refuses by the outcome. */
enum hook_verdict node_refuse(struct hook *h, const struct node_call *c);
/* The error `e` with a condition of pubsub#errors. */
enum hook_verdict node_error(struct hook *h, enum xerror e, const char *name);
enum hook_verdict node_unsupported(struct hook *h, const char *feature);
/* Runs c->work, then c->answer: nothing changes that has to be recorded. */
enum hook_verdict node_ask(struct hook *h, struct node_call *c);
/* Checks, records, changes, tells, answers. */
enum hook_verdict node_change(struct hook *h, struct node_call *c);
/* A result with an element of the question's namespace. */
struct elem *node_result(struct hook *h, const char *name);
/* not-acceptable, with an element to say what stays as it is (§8.8.2.4). */
struct elem *node_not_acceptable(struct hook *h, const char *name);
/* Reads a submitted form; *out NULL: `x` is NULL. False: it is malformed, or of another type than `form_type`. */
bool node_form(const struct elem *x, const char *form_type, struct arena *a, struct form **out);
struct node_bounds node_bounds(const struct node_call *c);

typedef enum hook_verdict (*node_request_fn)(struct hook *h, struct node_call *c, const struct elem *e);

/* node_item.c: publish, retract, items */
enum hook_verdict node_on_publish(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_retract(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_items(struct hook *h, struct node_call *c, const struct elem *e);
/* Adds <item/> with or without its payload and who published it. */
void node_add_item(struct stanza *st, struct elem *items, const struct node_item *i, bool payload, bool publisher);

/* node_manage.c: what owners do with nodes */
enum hook_verdict node_on_create(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_configure_get(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_configure_set(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_default(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_delete(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_purge(struct hook *h, struct node_call *c, const struct elem *e);

/* node_affiliation.c */
enum hook_verdict node_on_affiliations_get(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_affiliations_set(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_own_affiliations(struct hook *h, struct node_call *c, const struct elem *e);

/* node_subscribe.c */
enum hook_verdict node_on_subscribe(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_unsubscribe(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_subscriptions(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_options_get(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_options_set(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_default_options(struct hook *h, struct node_call *c, const struct elem *e);

/* node_subscriber.c: as owners manage them */
enum hook_verdict node_on_subscribers_get(struct hook *h, struct node_call *c, const struct elem *e);
enum hook_verdict node_on_subscribers_set(struct hook *h, struct node_call *c, const struct elem *e);
/* Owners are asked whether s may subscribe (§8.6). */
void node_ask_owners(struct hook *h, const struct node_call *c, const struct node_subscription *s);
struct stanza *node_question(const char *from, const char *node, const char *jid, const char *subid);

/* node_event.c: telling */

/* The id of subscriptions at accounts, as opposed to those that come with presence. */
#define NODE_SUBID "explicit"
/* A message about an event of c->op.node; *event is to be filled. */
struct stanza *node_event(const struct node_call *c, struct elem **event);
/* The last item as a message of its own. */
struct stanza *node_last_message(const struct node_item *i);
/* To one subscribed address. Takes it. */
void node_tell_one(struct hook *h, const struct node_call *c, struct stanza *st, const char *jid);
/* Says that this is for who subscribed, whatever its client announces (§7.1.2.5). */
void node_add_subid(struct stanza *st);
/* What the subscription has become (§12.9). */
void node_tell_state(struct hook *h, const struct node_call *c, const char *jid, enum node_state state);
/* The last item of c->op.items, to a new subscriber (§6.1.7). */
void node_tell_last(struct hook *h, const struct node_call *c, const char *jid);
/* Owners that want it hear of it (notify_sub). */
void node_tell_owners(struct hook *h, const struct node_call *c, const char *jid, enum node_state state);
const char *node_state_name(enum node_state state);
/* Calls fn for each owner: c->op.affiliates, or the account. */
void node_each_owner(const struct node_call *c, void (*fn)(void *arg, const char *owner), void *arg);

#endif
