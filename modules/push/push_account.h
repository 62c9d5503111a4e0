/*
 * push_account: the push services of an account as they are kept in memory, and what is on its way to each.
 */
#ifndef MODULES_PUSH_ACCOUNT_H
#define MODULES_PUSH_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "push_store.h"
#include "xmpp/jid.h"
#include "xmpp/stanza.h"

struct push_service {
	struct list link;
	uint64_t serial;        /* of this enabling: an answer to an older one says nothing about it */
	struct jid *jid;
	char *node;             /* "" when none */
	char *resource;         /* of the client that it is for */
	struct stanza *options; /* sealed <x/>; NULL: none */
	unsigned count;         /* messages since the client was last here */
	uint64_t upto;          /* the newest record counted */
	struct stanza *last;    /* that message */
	bool out;               /* a notification has not been answered yet */
	bool pending;           /* meanwhile there was another message */
	bool again;             /* the last notification was not taken, and shall be repeated */
	unsigned errors;        /* in a row */
	unsigned silences;      /* the same: no answer, or not now */
	int64_t quiet_until_ms; /* monotonic: it did not answer, and is left alone for a while */
	bool asleep;            /* a timer is set, of pause_ms: then what is pending is told, and what was not taken repeated */
	unsigned pause_ms;
};

struct push_account {
	struct list services;
	unsigned n;
	uint64_t serials;
};

/* For module_keep. */
void *push_account_make(const void *rows);
void push_account_free(void *account);

/* NULL: no such. `node` NULL: whatever node, the first. */
struct push_service *push_account_find(const struct push_account *a, const struct jid *jid, const char *node);
struct push_service *push_account_serial(const struct push_account *a, uint64_t serial);
/* Puts it in the place of the one with the same jid and node. NULL: the jid is malformed (a row that we did not write). */
struct push_service *push_account_put(struct push_account *a, const struct push_row *r);
void push_account_remove(struct push_account *a, struct push_service *s);
/* The client is here: nothing is unread any more. */
void push_service_seen(struct push_service *s);

#endif
