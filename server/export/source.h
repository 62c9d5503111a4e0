/*
 * source: the records of a job, read page by page from the database, with what a format wants to know of each (format.h).
 *
 * Which they are says the selection (order.h), made once; orders are made from it when the first format asks for one. One thread uses it; pages are
 * read ahead by another (source_ahead.h).
 */
#ifndef EXPORT_SOURCE_H
#define EXPORT_SOURCE_H

#include "archive/log/log.h"
#include "export/format.h"
#include "export/order.h"
#include "store/sql.h"

#define SOURCE_PAGE 128  /* records read at once */
#define SOURCE_SELECTION "selection"
#define SOURCE_NOT_HERE "it is not part of this export" /* why, of what is clean and kept */

struct source_settings {
	struct sql *db, *ahead;       /* two connections, as chancery_export; the caller's, the second not to be used until source_free */
	int dir;                      /* the job's folder; the caller's */
	const char *vault;            /* the folder of contents by their hash; "": there is none */
	const char *const *hosts;     /* our domains */
	size_t nhosts;
	struct log_reader *leaves;    /* for records of which only the leaf is left */
	void (*tick)(void *arg);      /* called for each record that is read: for progress */
	void *tick_arg;
};

struct export_source;

/* The selection has to be there. NULL and `e`. What `s` points to stays the caller's. */
struct export_source *source_new(const struct source_settings *s, struct err *e) MUST_CHECK;
void source_free(struct export_source *s);
/* How many records are selected. */
uint64_t source_records(const struct export_source *s);
/* How many of those that were read since source_count_anew were erased or gone. */
uint64_t source_erased(const struct export_source *s);
void source_count_anew(struct export_source *s);
/* All that are erased or gone now. */
int source_count_erased(struct export_source *s, uint64_t *erased, struct err *e) MUST_CHECK;

/* What who reads wants of each record: formats all of it, as names, places and the stanza taken apart cost as much as the record; the proof what was
 * recorded; who gathers contents only whether it is erased, and its files. Formats at first. */
enum source_want { SOURCE_FORMATS, SOURCE_PROOF, SOURCE_FILES, SOURCE_TILES };
void source_set_want(struct export_source *s, enum source_want want);
/* Has a connection been lost? What failed may be tried again by another. */
bool source_is_lost(const struct export_source *s);
/* Calls fn for each group of the order. */
int source_each(struct export_source *s, enum export_order order, int (*fn)(void *arg, struct export_group *g, struct err *e), void *arg,
	struct err *e) MUST_CHECK;

/* For who goes through the selection, and reads nodes of a tree of `tree_size` leaves between its records: hands the reader the tile that record `number` lies in,
 * `log_index` is its place. Tiles are read ahead by the second connection, some tens at a time; those that are not full the reader asks for itself. Not within
 * source_each. */
int source_give_tile(struct export_source *s, struct log_reader *log, uint64_t number, uint64_t log_index, uint64_t tree_size, struct err *e) MUST_CHECK;
/* After the last one, or when it is given up. */
void source_end_tiles(struct export_source *s);

/* Where a content is in the bundle: noted by the part that puts it there (files.c). `path` is kept as a copy; NULL with `why`, static text,
 * when it cannot be. */
void source_note_file(struct export_source *s, const uint8_t sha256[SHA256_SIZE], const char *path, const char *why);
/* The zip is made anew. */
void source_forget_files(struct export_source *s);
bool source_knows_file(const struct export_source *s, const uint8_t sha256[SHA256_SIZE]);
/* Its content in the vault. -1: it is not there. */
int source_open_content(struct export_source *s, const uint8_t sha256[SHA256_SIZE]);
FILE *source_scratch(struct export_source *s, struct err *e);

#endif
