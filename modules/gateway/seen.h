/*
 * seen: which messages were given to the network lately, or were to be. Each message asks, so little is looked at: a hash of what names it, of 128 bits under keys of this
 * process, in an entry that is used again by the one that takes its place.
 */
#ifndef GATEWAY_SEEN_H
#define GATEWAY_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct gateway_message_kept;

struct seen {
	struct list link;
	struct seen *next;              /* of the same bucket */
	struct gateway_message_kept *m; /* the caller's. NULL: its outcome is known */
	uint64_t hash[2];
};

struct seen_table {
	struct list order, slabs; /* entries, the oldest first; the memory that they are in */
	struct seen **buckets;
	size_t nbuckets, n;       /* n: entries */
	size_t spare;             /* of the newest slab, that were never used */
	uint8_t key[16];
};

void seen_init(struct seen_table *t);
/* The one of this name: new (`fresh`), or as it was. Of those that are there, when they are `most`, the oldest is forgotten whose outcome is known. */
struct seen *seen_take(struct seen_table *t, const void *name, size_t n, size_t most, bool *fresh);
void seen_free(struct seen_table *t);

#endif
