/*
 * node_config: how a node is configured: defaults, the forms of XEP-0060 §8.2 and §16.4.4, and what a form asks for; and the
 * options of a subscription (§6.3). Pure.
 */
#ifndef NODE_CONFIG_H
#define NODE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "xmpp/form.h"
#include "xmpp/stanza.h"

/* Stored: numbers never change meaning. */
enum node_access { ACCESS_OPEN = 1, ACCESS_PRESENCE = 2, ACCESS_ROSTER = 3, ACCESS_WHITELIST = 4, ACCESS_AUTHORIZE = 5 };
enum node_last { LAST_NEVER = 0, LAST_ON_SUB = 1, LAST_ON_SUB_AND_PRESENCE = 2 };
enum node_publish { PUBLISH_PUBLISHERS = 1, PUBLISH_SUBSCRIBERS = 2, PUBLISH_OPEN = 3 };
enum node_full { FULL_RETRACT = 1, FULL_DISCARD = 2, FULL_REJECT = 3 };
enum node_reply { REPLY_NONE = 0, REPLY_PUBLISHER = 1 };

struct node_list {
	const char **item;
	unsigned n;
};

struct node_config {
	int access, send_last, publish, full, reply; /* of the enums above */
	uint32_t max_items;   /* 0: as many as the server allows ("max") */
	uint32_t max_payload; /* 0: what the server allows */
	uint32_t expire;      /* seconds that items live; 0: no bound ("max") */
	bool persist, payloads, notify, notify_retract, notify_delete, notify_config, notify_sub, normal;
	bool available_only;  /* presence_based_delivery */
	bool subscribe;       /* subscriptions are taken */
	struct node_list groups;
	const char *title, *description, *type, *language; /* NULL when none */
};

/* What a form asks for. */
struct node_wish {
	uint64_t given;          /* bits: rows of the table of fields */
	struct node_config value;
	bool unknown;            /* it has fields that we do not know */
	bool impossible;         /* a field has a value that no node of ours can have */
	bool bad_access;         /* ... the access model */
};

struct node_bounds {
	uint32_t items, payload; /* at most, of a node */
	uint32_t list;           /* groups allowed */
	uint32_t text;           /* titles and the like */
	bool personal;           /* nodes of an account: told to who is available, whatever is wished */
};

/* Of accounts' nodes (XEP-0163 §5); of a service's. */
extern const struct node_config node_config_personal, node_config_service;

/* Strings stay the form's. */
void node_wish_read(const struct form *f, const struct node_bounds *b, struct node_wish *out);
/* Has the node all that is wished? */
bool node_config_meets(const struct node_config *c, const struct node_wish *w);
void node_config_apply(struct node_config *c, const struct node_wish *w);
/* The whole configuration as a form of `type`. */
void node_config_write(struct stanza *st, struct elem *parent, const char *type, const struct node_config *c, struct arena *a);
/* pubsub#meta-data (§5.4): of a node with so many subscribers, made by `creator`. Owners are its JIDs. */
void node_config_write_metadata(struct stanza *st, struct elem *parent, const struct node_config *c, const char *creator,
	const struct node_list *owners, const char *created, unsigned subscribers, struct arena *a);

/* Subscriptions (§6.3) */

enum node_show { SHOW_AWAY = 1, SHOW_CHAT = 2, SHOW_DND = 4, SHOW_ONLINE = 8, SHOW_XA = 16, SHOW_ANY = 0 };
struct node_options {
	bool deliver;
	unsigned shows;   /* enum node_show */
	int64_t until_us; /* the end of the lease; 0: none */
};

extern const struct node_options node_options_default;

/* Alters *o by what a form says. False: it asks for what there is not. */
bool node_options_read(const struct form *f, struct node_options *o);
void node_options_write(struct stanza *st, struct elem *parent, const char *type, const struct node_options *o);
/* The bit of a presence's <show/> ("" or NULL: none); 0 when it is no such value. */
unsigned node_show_of(const char *show);
/* The values of `shows`, separated by spaces. */
const char *node_show_names(unsigned shows, struct arena *a);

#endif
