/*
 * order: which records, and in which order: files of entries, sorted outside memory.
 *
 * The selection is what the search found, in the order of the log; it is made once, and what a job exports from then on. Other orders are
 * sorted from it. All are files in the job's folder that are there whole or not at all.
 */
#ifndef EXPORT_ORDER_H
#define EXPORT_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* One record in one group; as it is in the files, which nobody but this machine reads. Entries with the same key are a group. */
struct order_entry {
	char prefix[16];   /* of the name that it is sorted by, padded with zeros */
	uint8_t hash[8];   /* of all of it */
	uint32_t day;      /* since 1970, big-endian: 0 where days make no groups */
	uint32_t unused;
	uint64_t log_index, id;
};

/* The key: prefix, hash, day. */
bool order_same_group(const struct order_entry *a, const struct order_entry *b);
/* Fills the key from a name; `day` in days since 1970. */
void order_set_key(struct order_entry *x, const char *name, uint32_t day);

struct order;
/* A new one, to be called `name` in the folder once it is complete. NULL. */
struct order *order_new(int dir, const char *name, struct err *e) MUST_CHECK;
int order_add(struct order *o, const struct order_entry *x, struct err *e) MUST_CHECK;
/* Entries as they were added, or sorted by key and log index; durable under its name. Frees it in any case. */
int order_end(struct order *o, bool sort, struct err *e) MUST_CHECK;
/* Gives it up. NULL is fine. */
void order_free(struct order *o);

/* A complete one, for reading: its descriptor, and how many there are in it. -1 with e->code ENOENT when there is none. */
int order_open(int dir, const char *name, uint64_t *n, struct err *e) MUST_CHECK;
/* Up to `max` entries from the one numbered `from`: how many, or -1. */
long order_read(int fd, uint64_t from, struct order_entry *out, size_t max, struct err *e) MUST_CHECK;

#endif
