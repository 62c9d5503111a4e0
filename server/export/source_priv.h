/*
 * source_priv: for source.c (groups and pages), source_row.c (a row becomes a record), source_target.c (what it is about) and source_order.c (orders).
 */
#ifndef EXPORT_SOURCE_PRIV_H
#define EXPORT_SOURCE_PRIV_H

#include "base/map.h"
#include "export/export_store.h"
#include "export/source.h"
#include "export/source_ahead.h"

struct source_name {
	char *bare, *name;     /* name NULL: it has none */
	UT_hash_handle hh;
};

struct source_file {
	uint8_t sha256[SHA256_SIZE];
	char *path;
	const char *why;
	UT_hash_handle hh;
};

/* What a record is about, once somebody has looked for it: the next format does not look again. */
struct source_about {
	uint64_t id, target;   /* target 0: nothing is there */
	UT_hash_handle hh;
};

struct export_source {
	struct source_settings set;
	int selection;         /* descriptor */
	uint64_t records, erased;
	enum source_want want;
	struct source_ahead *ahead;
	int order;             /* the order that is read now; -1 */
	uint64_t norder;
	struct source_page page;
	int tile;              /* of tiles: its first row that has not been given yet */
	struct source_aims *aims; /* of the page; NULL: nobody has asked */
	struct source_name *names;
	struct source_file *files;
	struct source_about *about;
	struct arena *turn;    /* of one record */
	struct export_record record;
};

/* The group that formats see, and where it is in the order. */
struct source_group {
	struct export_group group;
	struct export_source *source;
	uint64_t from, at;     /* entries */
	struct arena *arena;   /* its texts */
};

/* Is this address of one of our accounts' domains? */
bool source_is_ours(const struct export_source *s, const char *bare);
/* "a@x b@y" in order, or the room, in `a`; "" without addresses. */
const char *source_conversation(const struct export_source *s, struct arena *a, int kind, int direction, const char *type, const char *from,
	const char *to, enum export_place *place);
/* Names of people on the page that are not known yet. */
int source_learn_names(struct export_source *s, struct err *e) MUST_CHECK;
void source_forget_names(struct export_source *s);
/* Fills s->record from entry `i` of the page. */
int source_fill(struct export_source *s, size_t i, struct err *e) MUST_CHECK;
/* What those of the page are about, and all that was found. */
void source_forget_aims(struct export_source *s);
void source_forget_targets(struct export_source *s);
/* The order's file, made from the selection when there is none yet. -1. */
int source_order(struct export_source *s, enum export_order order, uint64_t *n, struct err *e) MUST_CHECK;

#endif
