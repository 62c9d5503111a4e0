/*
 * format: what an export can be written as, and what a format is given to write with.
 *
 * A format is a row of export_formats (format.c). The job (job.c) calls open once, group for each group of records in the format's
 * order, close once when all was well, and free in any case. Each writes files into the bundle through bundle_out.h, one open at a time;
 * whatever has to be known for all of it (an index) is written by close, or kept beside in a scratch file: memory is bounded whatever the
 * number of records is. A format that fails returns -1 with `e`; the job fails with these words.
 *
 * A group is read by pulling, as often as is needed (participants first, then their words):
 *
 *     const struct export_record *r;
 *     int rc;
 *
 *     export_group_rewind(g);
 *     while ((rc = export_group_next(g, &r, e)) > 0)
 *             …
 *
 * What is in records was written by others: any XML text in any place, marks that turn the direction of writing round, a name that looks like
 * another. It is UTF-8 without NUL and without what XML cannot carry; nothing else is sure. Times are microseconds since 1970, UTC.
 * One thread; nothing is ever to be freed by a format but what it allocates itself.
 */
#ifndef EXPORT_FORMAT_H
#define EXPORT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/crypt.h"
#include "base/err.h"
#include "export/bundle_out.h"
#include "store/record_kind.h"
#include "xmpp/stanza.h"

enum export_order {
	EXPORT_BY_LOG,          /* one group: everything, in the order of the log */
	EXPORT_BY_CONVERSATION, /* a group for each conversation and day (UTC), conversations nearly in the order of their names, days in order */
	EXPORT_BY_PERSON,       /* a group for each person of ours; a record is in those of all of ours who sent it or whom it was sent to */
};

enum export_place {
	EXPORT_PAIR,  /* two addresses, or one with itself */
	EXPORT_ROOM,  /* what was said or has happened in a room */
};

/* An address, as it is to be shown. */
struct export_person {
	const char *bare;     /* NULL: none, or erased */
	const char *resource; /* NULL: none */
	const char *name;     /* as the vCard of an account says; else, in rooms, the nickname; else the address. Never NULL unless bare is */
	bool ours;            /* an address at a domain of this server, a room or a service of it, or itself */
};

/* A file that a record is about, or whose address is in it. */
struct export_file {
	uint8_t sha256[SHA256_SIZE];
	uint64_t size;
	const char *name;     /* as its sender calls it; never NULL; no path */
	const char *type;     /* true media type; "" */
	const char *path;     /* in the bundle: "files/…"; NULL: it is not there */
	const char *why;      /* why not, in words: "infected", "not kept any more"…; NULL with a path */
};

/* What a correction, retraction, reaction or moderation is about. */
struct export_target {
	uint64_t id, log_index;
	int64_t at_us;
	const char *body;     /* as it was; NULL: none, or erased */
	bool erased;
};

/* Somebody was in a room: a client by its full address, with the nickname it came with (NULL). */
struct export_presence {
	const char *jid, *nick;
	int64_t from_us, until_us;    /* 0: since the day before; to the day after */
};

/* Valid until the next export_group_next of the same group. */
struct export_record {
	/* The canonical form (schema/README.md). Texts are NULL where the record has none; erased: all but numbers and time may be. */
	uint64_t id, log_index, refers_record; /* refers_record 0: none */
	int64_t at_us;
	enum record_kind kind;
	int direction;        /* enum record_direction */
	bool deliverable, erased;
	const char *from_bare, *from_resource, *to_bare, *to_resource, *type, *client_id, *refers_to, *body, *xml;
	size_t xml_len;
	uint8_t salt[16], leaf[SHA256_SIZE]; /* the salt of an erased one is zeros */
	/* What is read off it. */
	const struct elem *stanza;    /* `xml` parsed; NULL: there is none, or it cannot be */
	struct export_person from, to;
	enum export_place place;
	const char *conversation;     /* "a@x b@y" in order, or the room's address; "" when erased */
	const struct export_file *files;
	size_t nfiles;
	bool encrypted;               /* end to end: the words are not there */
	const char *kind_name;        /* "message", "correction"… */
};

/* Why something is there, and for whom. Unchanged during a job. */
struct export_info {
	uint64_t job;
	const char *domain;           /* of this server, the first */
	const char *query;            /* JSON, as it was asked */
	const char *query_text;       /* the same in words */
	const char *asked_by, *approved_by, *reason; /* approved_by, reason NULL: none */
	int64_t asked_us, started_us; /* started_us: what files are dated with, the same after a resumption */
	uint64_t records;             /* how many there are in all */
	uint64_t tree_size;           /* of the log that it is proved against */
	bool csv_bom;                 /* messages.csv begins with a byte-order mark, by which Excel knows UTF-8 */
};

struct export_context {
	const struct export_info *info;
	struct bundle_out *out;
	struct arena *turn;           /* emptied after each call of the format's functions */
	struct export_source *source; /* where records come from; formats do not look inside */
};

struct export_group {
	enum export_order order;
	enum export_place place;      /* by conversation */
	const char *conversation;     /* as in the records; "" by log, and where all is erased; by person: who */
	const char *day;              /* "2026-01-31"; "" in other orders */
	const char *stem;             /* for names of files: [a-z0-9._-] only, of its own among all groups of the order, at most 100 bytes */
	uint64_t records;
	uint64_t first_index;         /* of the log */
};

void export_group_rewind(struct export_group *g);
/* The next one is the `number`th, counted from 0; at most `records`. */
void export_group_seek(struct export_group *g, uint64_t number);
/* 1 and the next one, 0 at the end, -1. */
int export_group_next(struct export_group *g, const struct export_record **r, struct err *e) MUST_CHECK;
/* What `r`, just read from `g`, is about; *t NULL: nothing, or that is not in the record. Valid as long as `r`. It asks the database. */
int export_group_target(struct export_group *g, const struct export_record *r, const struct export_target **t, struct err *e) MUST_CHECK;
/* Is the record with this log index in the export? */
int export_is_selected(struct export_context *x, uint64_t log_index, bool *selected, struct err *e) MUST_CHECK;
/* Who was in the room of `g` on its day, and could read what was said meanwhile: in the order in which they came, in `a`. *n is 0 of what is no
 * room, or one elsewhere. *why, where it cannot be told (too many come and go): in words; else NULL. It asks the database. */
int export_group_audience(struct export_group *g, struct arena *a, struct export_presence **out, size_t *n, const char **why, struct err *e) MUST_CHECK;
/* The content of a file that has a path: read only, at its beginning. -1: it is gone meanwhile, or an error. The caller closes it. */
int export_file_open(struct export_context *x, const struct export_file *f, struct err *e) MUST_CHECK;
/* An unnamed file beside the bundle, for what has to be kept until the end: "w+". NULL. The caller closes it. */
FILE *export_scratch(struct export_context *x, struct err *e) MUST_CHECK;
/* "2026-01-31T12:00:00Z"; `out` holds 32 bytes. */
char *export_time(int64_t us, char out[32]);

struct export_format {
	const char *name;             /* as in --format */
	const char *about;            /* one line */
	enum export_order order;
	/* Any of these but group may be NULL. *state is NULL before open. */
	int (*open)(struct export_context *x, void **state, struct err *e);
	int (*group)(struct export_context *x, void *state, struct export_group *g, struct err *e);
	int (*close)(struct export_context *x, void *state, struct err *e);
	void (*free)(void *state);
};

/* All there are, ended by a NULL name. Adding one is a line in format.c. */
extern const struct export_format *const export_formats[];
/* NULL: there is none of that name. */
const struct export_format *export_format_find(const char *name, size_t n);

#endif
