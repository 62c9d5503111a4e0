/*
 * pep: what the files of this module share. Requests are the engine's (modules/pubsub/node.h); what is personal is here: who is told,
 * last items to those who come, discovery.
 */
#ifndef PEP_H
#define PEP_H

#include "../pubsub/node.h"
#include "pep_last_store.h"

extern const struct node_kind pep_kind;

/* pep_event.c: telling */

/* To all that may see the node and have subscribed to it, by presence or by request, and to oneself (struct node_kind). */
void pep_tell(struct hook *h, const struct node_call *c, struct stanza *st, bool replyto);
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
enum hook_verdict pep_on_elsewhere(struct hook *h);

/* pep_disco.c */
void pep_announce(struct module *m);
enum hook_verdict pep_on_disco_info(struct hook *h);
enum hook_verdict pep_on_disco_items(struct hook *h);

#endif
