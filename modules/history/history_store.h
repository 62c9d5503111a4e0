/*
 * history_store: the SQL of what users see of the record. Runs on workers: plain values in, plain values out.
 *
 * An account's archive is the records from it and to it that are `shown` and lie between `floor` and `upto`, less those
 * hidden by the account's preferences and those that went back to their sender.
 */
#ifndef HISTORY_STORE_H
#define HISTORY_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "store/sql.h"

/* A row of an archive. The stanza is the text as recorded, in a jabber:client stream. */
struct history_row {
	uint64_t id;
	const char *stanza;
	size_t len;
	bool mine_to_get;          /* deliverable, and for the owner of the archive */
	bool retracted;
	uint64_t retracted_by;     /* the retraction's record */
	const char *retracted_id;  /* and its id attribute; NULL */
};

struct history_query {
	/* In */
	int64_t account;
	const char *owner;          /* bare JID */
	uint64_t floor, upto;       /* the archive, both inclusive */
	const char *with_bare, *with_resource; /* NULL: whoever; whatever resource */
	uint64_t first, last;       /* only these, both inclusive */
	const uint64_t *must_exist; /* else `missing` */
	size_t nmust_exist;
	bool by_ids;                /* only the must_exist ones */
	bool backwards;             /* the last of what matches, not the first */
	bool count;                 /* only how many there are */
	unsigned max;
	uint64_t max_bytes;         /* of stanzas; one row always fits */
	/* Out */
	void **row;                 /* struct history_row, in chronological order */
	size_t n;
	bool missing, complete;
	int64_t total;              /* count */
};

/* `data` is a struct history_query. */
enum sql_status history_store_page(struct sql *db, struct arena *a, void *data, struct err *e);

/* The first and the last record of the archive; 0: it is empty. */
struct history_extent {
	int64_t account;
	const char *owner;
	uint64_t floor, upto;
	uint64_t first, last;
};
enum sql_status history_store_extent(struct sql *db, struct arena *a, void *data, struct err *e);

/* XEP-0441. Addresses are prepared. */
struct history_prefs {
	const char *preset;        /* always, never, roster */
	const char **always, **never;
	size_t nalways, nnever;
};
enum sql_status history_store_load(struct sql *db, struct arena *a, int64_t account, const char *bare, void **rows, struct err *e);
struct history_set {
	int64_t account;
	struct history_prefs prefs;
};
enum sql_status history_store_set(struct sql *db, struct arena *a, void *data, struct err *e);

/* The message `id` of `from` to `to`, looked for among the `depth` records that `from` sent before `by`, was retracted
 * by it. Nobody else's message matches (XEP-0424 §5). */
struct history_retract {
	const char *from, *to, *id;
	uint64_t by;
	const char *by_id;         /* NULL when it has none */
	const char *origin;        /* how <origin-id/> says `id`: " id='…'" */
	unsigned depth;
};

/* What a message leaves behind as it passes. */
struct history_passed {
	int64_t account;
	uint64_t record;
	bool hide;                              /* the account does not see it */
	const struct history_retract *retract;  /* NULL: it retracts nothing */
};
enum sql_status history_store_passed(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
