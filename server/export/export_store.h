/*
 * export_store: what an export reads from the database, as the role chancery_export. Statements only.
 */
#ifndef EXPORT_EXPORT_STORE_H
#define EXPORT_EXPORT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/sql.h"

/* Is this job, with this query (JSON) and these formats (JSON), one that the database knows, that runs, and that has the approval it needs? */
enum sql_status export_store_is_allowed(struct sql *db, int64_t id, const char *query, const char *formats, bool *allowed, struct err *e);

/* Columns of export_store_records. */
enum {
	ROW_ID, ROW_LOG_INDEX, ROW_AT, ROW_REFERS, ROW_KIND, ROW_DIRECTION, ROW_DELIVERABLE, ROW_FROM, ROW_FROM_RESOURCE, ROW_TO,
	ROW_TO_RESOURCE, ROW_TYPE, ROW_CLIENT_ID, ROW_REFERS_TO, ROW_BODY, ROW_STANZA, ROW_SALT, ROW_LEAF
};
/* Of these ids those that are there, in their order; not ones that are none. Salt and leaf in hexadecimal. */
enum sql_status export_store_records(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e);

/* The same, their ids only. */
enum sql_status export_store_there(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e);

/* The same, and whether they have their salt: what was erased has none. */
enum { PRESENCE_ID, PRESENCE_WHOLE };
enum sql_status export_store_presence(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e);

/* What an order is made from; columns as above, up to ROW_TO, and ROW_BRIEF_TYPE. */
enum { BRIEF_ID, BRIEF_AT, BRIEF_KIND, BRIEF_DIRECTION, BRIEF_FROM, BRIEF_TO, BRIEF_TYPE };
enum sql_status export_store_brief(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e);

/* Of these tiles of the log's lowest level those that are there, in their order: index, hashes in hexadecimal. */
enum { TILE_INDEX, TILE_HASHES };
enum sql_status export_store_tiles(struct sql *db, const uint64_t *indexes, size_t n, PGresult **rows, struct err *e);

/* Files of these records, in the order of the records: record, sha256 (hex), name, size, type, state, kept, quarantined. */
enum { FILE_RECORD, FILE_SHA256, FILE_NAME, FILE_SIZE, FILE_TYPE, FILE_STATE, FILE_KEPT, FILE_QUARANTINED };
enum sql_status export_store_files(struct sql *db, const uint64_t *ids, size_t n, PGresult **rows, struct err *e);

/* Of these addresses those that have a vCard: bare, vcard. */
enum sql_status export_store_names(struct sql *db, const char *const *bare, size_t n, PGresult **rows, struct err *e);

/* What records are about. By the number of what that is (`target`), or by the name that its sender's client gave it. */
struct export_aim {
	uint64_t id;                    /* the record that is about something */
	uint64_t target;                /* 0: not known */
	const char *from, *to, *client_id;
	int64_t from_hash, to_hash;     /* address_hash of the two */
	bool own;                       /* what it is about was said by its own sender: a correction, a retraction */
};

/* Columns of the following: id is the record's that is about something, the others are those of what it is about. */
enum { TARGET_OF, TARGET_ID, TARGET_LOG_INDEX, TARGET_AT, TARGET_BODY, TARGET_ERASED };
/* By numbers: those that are older than what is about them, and to or from the same address. */
enum sql_status export_store_said_ids(struct sql *db, const struct export_aim *const *aims, size_t n, PGresult **rows, struct err *e);
/* By names: the newest before it, among the newest few records to one of the two ends: in the first `round` the one where it is to be expected, in the
 * second the other. */
enum sql_status export_store_said_near(struct sql *db, const struct export_aim *const *aims, size_t n, int round, PGresult **rows, struct err *e);
/* One of them, among many more. */
enum sql_status export_store_said_far(struct sql *db, const struct export_aim *aim, PGresult **rows, struct err *e);

/* The first log index that no record before `us` (since 1970) has; the log index of the first record from then on: *index stays where there is none. */
enum sql_status export_store_index_before(struct sql *db, int64_t us, uint64_t *index, struct err *e);
enum sql_status export_store_index_from(struct sql *db, int64_t us, uint64_t *index, struct err *e);
/* Of the log indexes [from, end): how many have a record; and those that have none, by runs: the first, and the one behind the last. */
enum sql_status export_store_count(struct sql *db, uint64_t from, uint64_t end, uint64_t *n, struct err *e);
enum sql_status export_store_holes(struct sql *db, uint64_t from, uint64_t end, PGresult **rows, struct err *e);

/* How many of these are erased or gone. */
enum sql_status export_store_erased(struct sql *db, const uint64_t *ids, size_t n, uint64_t *erased, struct err *e);

#endif
