/*
 * pubsub: what the files of the service share. Nodes are the engine's (node.h).
 */
#ifndef PUBSUB_H
#define PUBSUB_H

#include "module_service.h"
#include "node.h"

extern const struct node_kind pubsub_kind;

/* pubsub_event.c: telling subscribers (struct node_kind), and what happens where they are */
void pubsub_tell(struct hook *h, const struct node_call *c, struct stanza *st, bool replyto);
enum hook_verdict pubsub_on_deliver(struct hook *h);
/* A message came back: the subscription ends where XEP-0060 §12.4 says so. */
enum hook_verdict pubsub_on_bounce(struct hook *h);

/* pubsub_coming.c: last items, and requests to decide, to who comes */
struct pubsub_told;
struct pubsub_session {
	bool here;                /* it has been available, and told */
	unsigned reading;         /* last items on their way to it */
	struct pubsub_told *told; /* meanwhile */
	unsigned ntold;
};
void pubsub_session_fini(void *data);
enum hook_verdict pubsub_on_presence(struct hook *h);
/* h->stanza, an event of a service, goes to the session: a last item that was read before is older. */
void pubsub_note_told(struct hook *h, struct session *s, const struct elem *event);

/* pubsub_disco.c: disco#info and disco#items of the service and its nodes */
enum hook_verdict pubsub_on_info(struct hook *h);
enum hook_verdict pubsub_on_items(struct hook *h);

#endif
