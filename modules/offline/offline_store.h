/*
 * offline_store: what waits for an account, read from the record, and what its owner took out of it. On workers.
 */
#ifndef MODULES_OFFLINE_STORE_H
#define MODULES_OFFLINE_STORE_H

#include "store/sql.h"

struct offline_row {
	uint64_t id;
	int64_t at_us;
	const char *from;   /* the sender's full address; of offline_list */
	const char *stanza; /* of offline_read and offline_read_some */
	size_t len;
};

struct offline_query {
	/* In */
	int64_t account;
	const char *bare;
	uint64_t after, upto;
	const char *given;  /* ids that are not waiting, as an array's text */
	const char *ids;    /* those that are meant, likewise */
	size_t nids;
	unsigned limit;     /* rows */
	struct arena *page; /* where offline_read and offline_read_some leave them */
	/* Out */
	uint64_t count;
	struct offline_row *row;
	size_t n;
};

/* module_work_fn: `data` is a struct offline_query */
enum sql_status offline_count(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status offline_list(struct sql *db, struct arena *a, void *data, struct err *e);
/* All of them; those in `ids`. */
enum sql_status offline_read(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status offline_read_some(struct sql *db, struct arena *a, void *data, struct err *e);
/* How many of `ids` there are. */
enum sql_status offline_find(struct sql *db, struct arena *a, void *data, struct err *e);
/* Takes out `ids`, when there are all of them; all that wait. `count`: how many there were. */
enum sql_status offline_remove(struct sql *db, struct arena *a, void *data, struct err *e);
enum sql_status offline_purge(struct sql *db, struct arena *a, void *data, struct err *e);

#endif
