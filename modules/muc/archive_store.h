/*
 * archive_store: what rooms show of the record (XEP-0313 §6.1.2): the groupchat messages that they have reflected. On workers.
 */
#ifndef MUC_ARCHIVE_STORE_H
#define MUC_ARCHIVE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "store/sql.h"

struct archive_row {
	uint64_t id;
	const char *stanza;         /* as reflected, in a stream of jabber:client, without `to` */
	size_t len;
	const char *from_bare, *from_resource; /* who said it; resource NULL: none */
	uint64_t retracted_by;      /* the record that took it back; 0: none did */
	const char *retraction;     /* its stanza; NULL: erased */
};

struct archive_query {
	/* In */
	const char *room;           /* bare */
	uint64_t floor, upto;       /* the archive, both inclusive */
	const char *with_bare, *with_resource; /* who said it, really; NULL: whoever */
	const char *with_tag;       /* in the stanza's tag; NULL: whatever */
	uint64_t first, last;       /* only these, both inclusive */
	const uint64_t *must_exist; /* else `missing` */
	size_t nmust_exist;
	bool by_ids, backwards, count;
	unsigned max;
	uint64_t max_bytes;
	/* Out */
	void **row;                 /* struct archive_row, in chronological order */
	size_t n;
	bool missing, complete;
	int64_t total;              /* count */
};
/* `data` is a struct archive_query. */
enum sql_status archive_store_page(struct sql *db, struct arena *a, void *data, struct err *e);

/* The first and the last message of the archive; 0: it is empty. */
struct archive_extent {
	const char *room;
	uint64_t floor, upto;
	uint64_t first, last;
};
enum sql_status archive_store_extent(struct sql *db, struct arena *a, void *data, struct err *e);

/* Messages taken back. */
struct archive_retract {
	const char *room;
	uint64_t floor;
	uint64_t id;                /* of the message */
	const char *by_bare;        /* only if they said it; NULL: whoever did */
	uint64_t by_record;
	const char *by_id;          /* the retraction's id attribute; NULL */
	/* Out */
	bool found;                 /* there is such a message in the archive, and it is not a retraction */
	bool already;               /* it had been taken back */
};
/* Is there such a message? Looks only. */
enum sql_status archive_store_find(struct sql *db, struct arena *a, void *data, struct err *e);
/* Notes it. */
enum sql_status archive_store_retract(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
