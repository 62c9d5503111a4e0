/*
 * links: within a group, which records are about which: corrections, retractions, reactions, moderation, replies. Made by reading the group once;
 * then pages can say at a message what became of it.
 *
 * Bounded: LINKS_MAX of them are kept, and LINKS_TEXT bytes of what they are about; what is beyond is asked for again when it is its turn, and
 * is not told at the message that it is about.
 */
#ifndef EXPORT_LINKS_H
#define EXPORT_LINKS_H

#include "export/format.h"

#define LINKS_MAX 50000
#define LINKS_TEXT (32u << 20)

/* Something that was done about a record. */
struct link {
	uint64_t about, by;       /* log indexes */
	int64_t at_us;            /* when it was done */
	enum record_kind kind;    /* of what was done; RECORD_MESSAGE: a reply */
	const char *what;         /* reactions, as they are shown; "" */
};

struct links;

/* Reads all of `g` (export_group_next), which is not rewound behind it. NULL and `e`. */
struct links *links_read(struct export_group *g, struct err *e) MUST_CHECK;
void links_free(struct links *l);
/* What `r`, just read from `g`, is about; as export_group_target, but mostly without asking. */
int links_target(struct links *l, struct export_group *g, const struct export_record *r, const struct export_target **t, struct err *e) MUST_CHECK;
/* The record of the group with this id, that a reply names: its log index. False: there is none. */
bool links_find(const struct links *l, const char *id, uint64_t *log_index);
/* All that was done about a record later, in the order of the log. */
const struct link *links_about(const struct links *l, uint64_t log_index, size_t *n);

#endif
