/*
 * pep_config: how a node is configured: defaults, the forms of XEP-0060 §8.2 and §16.4.4, and what a form asks for. Pure.
 */
#ifndef PEP_CONFIG_H
#define PEP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "xmpp/form.h"
#include "xmpp/stanza.h"

/* Stored: numbers never change meaning. */
enum pep_access { PEP_OPEN = 1, PEP_PRESENCE = 2, PEP_ROSTER = 3, PEP_WHITELIST = 4 };
enum pep_last { PEP_NEVER = 0, PEP_ON_SUB = 1, PEP_ON_SUB_AND_PRESENCE = 2 };

struct pep_list {
	const char **item;
	unsigned n;
};

struct pep_config {
	enum pep_access access;
	enum pep_last send_last;
	uint32_t max_items;   /* 0: as many as the server allows ("max") */
	uint32_t max_payload; /* 0: what the server allows */
	bool persist, payloads, notify, notify_retract, notify_delete, notify_config, normal;
	struct pep_list groups, members;
	const char *title, *description, *type, *language; /* NULL when none */
};

/* What a form asks for. */
struct pep_wish {
	uint64_t given;          /* bits: rows of the table of fields */
	struct pep_config value;
	bool unknown;            /* it has fields that we do not know */
	bool impossible;         /* a field has a value that no node of ours can have */
	bool bad_access;         /* ... the access model */
};

struct pep_bounds {
	uint32_t items, payload; /* limits.pep_items, pep_item_bytes */
	uint32_t list;           /* limits.pep_members: groups allowed */
	uint32_t text;           /* limits.pep_name_bytes: titles and the like */
};

extern const struct pep_config pep_config_default;

/* Strings stay the form's. */
void pep_wish_read(const struct form *f, const struct pep_bounds *b, struct pep_wish *out);
/* Has the node all that is wished? */
bool pep_config_meets(const struct pep_config *c, const struct pep_wish *w);
void pep_config_apply(struct pep_config *c, const struct pep_wish *w);
/* The whole configuration as a form of `type`. */
void pep_config_write(struct stanza *st, struct elem *parent, const char *type, const struct pep_config *c, struct arena *a);
/* pubsub#meta-data (§5.4). */
void pep_config_write_metadata(struct stanza *st, struct elem *parent, const struct pep_config *c, const char *owner,
	const char *created, struct arena *a);

#endif
