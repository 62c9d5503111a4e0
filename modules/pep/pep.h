/*
 * pep: what the files of this module share. A request is a struct pep_call in the memory of its hook; from parsing to the answer
 * it goes through jobs (pep_store) and, when it changes something, the record.
 */
#ifndef PEP_H
#define PEP_H

#include "module.h"
#include "pep_config.h"
#include "pep_store.h"

struct pep_call {
	struct pep_op op; /* first: jobs get a pointer to it */
	module_work_fn work;
	const char *body;  /* for the record: what people can read in it; NULL: nothing */
	void (*tell)(struct hook *h, struct pep_call *c);                 /* subscribers; NULL: nobody */
	enum hook_verdict (*answer)(struct hook *h, struct pep_call *c);  /* NULL: an empty result */
	struct session *to; /* last items */
};

/* A request of h->from about h->account, in hook_memory(h). */
struct pep_call *pep_begin(struct hook *h);
/* The node that `e` names goes into c->op.name. False: h says what is wrong with it. */
bool pep_take_node(struct hook *h, struct pep_call *c, const struct elem *e);
/* Refuses by the outcome. */
enum hook_verdict pep_refuse(struct hook *h, const struct pep_call *c);
/* The error `e` with a condition of pubsub#errors. */
enum hook_verdict pep_error(struct hook *h, enum xerror e, const char *name);
enum hook_verdict pep_unsupported(struct hook *h, const char *feature);
/* Runs c->work, then c->answer: nothing changes that has to be recorded. */
enum hook_verdict pep_ask(struct hook *h, struct pep_call *c);
/* Checks, records, changes, tells, answers. */
enum hook_verdict pep_change(struct hook *h, struct pep_call *c);
/* A result with an element of the question's namespace. */
struct elem *pep_result(struct hook *h, const char *name);
/* Reads a submitted form; *out NULL: `x` is NULL. False: it is malformed, or of another type than `form_type`. */
bool pep_form(const struct elem *x, const char *form_type, struct arena *a, struct form **out);
struct pep_bounds pep_bounds(void);

/* pep_item.c: publish, retract, items */
enum hook_verdict pep_on_publish(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_retract(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_items(struct hook *h, const struct elem *e);
/* Adds <item/> with or without its payload. */
void pep_add_item(struct stanza *st, struct elem *items, const struct pep_item *i, bool payload);

/* pep_node.c: what owners do with nodes */
enum hook_verdict pep_on_create(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_configure_get(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_configure_set(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_default(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_delete(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_purge(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_affiliations_get(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_affiliations_set(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_own_affiliations(struct hook *h, const struct elem *e);

/* pep_subscribe.c */
enum hook_verdict pep_on_subscribe(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_unsubscribe(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_subscriptions(struct hook *h, const struct elem *e);
enum hook_verdict pep_on_node_subscriptions(struct hook *h, const struct elem *e);

/* pep_event.c: telling */

/* The id of the subscriptions that were asked for, as opposed to those that come with presence. */
#define PEP_SUBID "explicit"
/* A message about an event at the node; *event is to be filled. */
struct stanza *pep_event(const struct hook *h, const struct pep_node *n, struct elem **event);
/* To all that may see the node and have subscribed to it, by presence or by request, and to oneself. Takes it. `replyto`:
 * contacts are told which resource it was (XEP-0163 §4.3.1). */
void pep_tell(struct hook *h, const struct pep_call *c, struct stanza *st, bool replyto);
/* Stages */
enum hook_verdict pep_on_deliver(struct hook *h);

/* pep_last.c: last items, to those who come */
struct pep_told {
	uint64_t *node; /* hashes of the nodes that the session's client announces: their last items have been sent */
	unsigned n;
	unsigned reading; /* queries for last items that are under way */
	uint64_t *newer;  /* meanwhile: hashes of the contacts and nodes whose events the session has heard */
	unsigned nnewer;
};

void pep_told_fini(void *data);
/* The session hears an event of that node: a last item that was read before is not to come after it. */
void pep_heard(struct pep_told *t, const char *owner, const char *node);
enum hook_verdict pep_on_caps(struct hook *h);
enum hook_verdict pep_on_presence(struct hook *h);
enum hook_verdict pep_on_contact(struct hook *h);
/* The last item as a message of its own. */
struct stanza *pep_last_message(const char *owner, const char *node, const struct pep_item *i, bool payloads, bool normal);

/* pep_disco.c */
void pep_announce(struct module *m);
enum hook_verdict pep_on_disco_info(struct hook *h);
enum hook_verdict pep_on_disco_items(struct hook *h);

#endif
