/*
 * room_store: the tables of rooms (schema/0016_room.sql). On workers; plain values in and out.
 */
#ifndef MUC_ROOM_STORE_H
#define MUC_ROOM_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "affiliation.h"
#include "base/arena.h"
#include "config.h"
#include "store/sql.h"

struct room_row_affiliate {
	const char *jid, *nick, *reason; /* nick, reason: NULL when none */
	enum affiliation affiliation;
};

/* Everything that lasts. */
struct room_row {
	int64_t id, run, created_us;
	const char *jid, *domain, *creator;
	bool locked;
	unsigned char secret[32];
	struct room_config config;   /* texts in the arena */
	struct room_subject subject; /* the same */
	const char *photos;          /* of its vCard (avatar.h); NULL: none */
	struct room_row_affiliate *affiliate;
	size_t naffiliates;
};

/* module_service.load: rows is a struct room_row, or NULL. */
enum sql_status room_store_load(struct sql *db, struct arena *a, const char *bare, void **rows, struct err *e);

/* Jobs: `data` is what is named. A new room: sets id and created_us. An older one of that name, which was there for as long as
 * somebody was inside, goes. */
enum sql_status room_store_create(struct sql *db, struct arena *a, void *row, struct err *e);

/* config, locked, and these affiliates of row->id, together. */
enum sql_status room_store_configure(struct sql *db, struct arena *a, void *row, struct err *e);

/* subject of row->id. */
enum sql_status room_store_subject(struct sql *db, struct arena *a, void *row, struct err *e);

/* These affiliates of row->id: NONE without a nickname has no row; nick NULL: none. */
enum sql_status room_store_affiliates(struct sql *db, struct arena *a, void *row, struct err *e);

enum sql_status room_store_destroy(struct sql *db, struct arena *a, void *row, struct err *e);

/* The last messages that the room's history shows, oldest first. */
struct room_past {
	int64_t id, run;             /* of the room; run is noted */
	const char *jid;
	uint64_t upto;               /* module_record_settled */
	unsigned limit;
	struct room_past_message {
		uint64_t id;
		int64_t at_us;
		const char *xml;
	} *message;
	size_t n;
};
enum sql_status room_store_open(struct sql *db, struct arena *a, void *past, struct err *e);

#endif
