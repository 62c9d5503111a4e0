/*
 * pubsub: requests to a publish-subscribe service (XEP-0060) and what its answers hold, for modules that keep their
 * data at nodes of the account (XEP-0163) and ask for it there.
 */
#ifndef XMPP_PUBSUB_H
#define XMPP_PUBSUB_H

#include <stdbool.h>

#include "base/arena.h"
#include "xmpp/stanza.h"

/* How a node is to be configured; members that are NULL say nothing. */
struct pubsub_config {
	const char *access_model;             /* open, presence, whitelist… */
	const char *max_items;
	const char *send_last_published_item;
};

/* §6.5: the items of a node; `id` NULL: all of them; `max` 0: no bound. */
struct stanza *pubsub_items_get(const char *node, const char *id, unsigned max);
/* §7.1: an item to publish. *item gets its payload. `id` NULL: the service gives one. */
struct stanza *pubsub_publish(const char *node, const char *id, struct elem **item);
/* §7.1.5: adds what the node must be configured as, or is created with. Items persist. */
void pubsub_publish_options(struct stanza *iq, const struct pubsub_config *c);
/* §7.2, with notifications. */
struct stanza *pubsub_retract(const char *node, const char *id);
/* §8.2: configures a node as its owner; c NULL: asks how it is configured. */
struct stanza *pubsub_configure(const char *node, const struct pubsub_config *c);

/* Of an answer: the first <item/>, or NULL; elem_next finds the others. */
const struct elem *pubsub_first_item(const struct stanza *answer);
/* The access model in an answer to pubsub_configure(node, NULL); NULL: it does not say. */
const char *pubsub_access_model(const struct stanza *answer, struct arena *a);
/* §7.1.5: is the answer an error because the node is configured differently? */
bool pubsub_is_precondition(const struct stanza *answer);
/* Is it a result? */
bool pubsub_is_result(const struct stanza *answer);
/* The node that an event (§7.1.2.1 and on) of a <message/> is about; NULL: no event. */
const char *pubsub_event_node(const struct stanza *message);

#endif
