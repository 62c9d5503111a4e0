/*
 * search: finds records by who, where, when and what was said, in bounded memory, by an index that is filled behind the archive
 * writer (search_indexer.h; schema/0031_search.sql).
 *
 * A search is opened over a connection and read row by row; rows come in the order of the log, oldest or newest first, with all that the
 * record has. It sees what has been indexed when it gets there; who needs to be sure that all up to some index is seen asks
 * search_state first, and bounds the query by `before_index`. Nothing that other people wrote becomes part of a statement:
 * words are parsed here, and the rest are values.
 *
 * What is found by words: the text of messages in whatever element it is, subjects, what a vCard or a published item says, reactions, reasons
 * and names of files; folded (case and accents do not matter) and by their stem in English and French. What is end-to-end encrypted is not
 * there to be found: such records are found by everything else, and say that they are encrypted.
 *
 * Addresses are looked up by 64 bits of their SHA-256, as the record's own indexes do.
 */
#ifndef ARCHIVE_SEARCH_H
#define ARCHIVE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "proof/canonical.h"
#include "store/sql.h"

#define SEARCH_FORM 1 /* of what the index holds: raised when words or marks are made in another way */

/* All that is given has to hold. Everything is borrowed until search_open returns. */
struct search_query {
	const char *const *person;  /* bare addresses: one of them sent it, or was sent it */
	size_t npersons;
	bool audience;              /* or could read it: it was said in a room in which one of them was at that moment */
	const char *between[2];     /* a conversation: from one of the two to the other; NULL: any */
	const char *const *room;    /* bare addresses: one of them is the room, of private messages in it too */
	size_t nrooms;
	const char *const *domain;  /* one of them is the domain of either end: hosts, gateways, other servers */
	size_t ndomains;
	const char *const *foreign; /* addresses at other networks, through gateways: one of them is that of either end; small letters */
	size_t nforeign;
	const char *partner;        /* as `domain`, and it came from another server or went there */
	bool federated;             /* it came from another server or went there, whichever */
	uint64_t kinds;             /* bits 1 << enum record_kind; 0: all */
	int64_t since_us, until_us; /* of the record's time, the second exclusive; 0: no bound */
	const char *words;          /* search_words.h says how they are written; NULL: none */
	const char *file_name;      /* words of it, the last may be the beginning of one; NULL */
	const char *file_hash;      /* SHA-256 in hexadecimal, eight digits of it at least; NULL */
	bool has_file;              /* a file, or the address of one */
	bool encrypted;             /* end-to-end */
	uint64_t refers_record;     /* what says something of this record by its number (returned, fetched); 0: any */
	const char *refers_to;      /* what corrects, retracts, reacts to or confirms a message with this id; NULL */
	uint64_t first_index;       /* of the log: from there on */
	uint64_t before_index;      /* and below; 0: to the end */
	bool newest_first;
};

/* Of what bounds a search (limits.search_…) and of who wants it. */
struct search_limits {
	unsigned words, word_bytes, seconds, events; /* 0: that of SEARCH_DEFAULT */
	unsigned page;              /* so many are wanted, and then perhaps no more: little beyond them is read; 0: all are wanted */
	bool (*gone)(void *arg);    /* asked now and then: is there nobody any more who wants it? NULL */
	void *gone_arg;
};

/* A record. Text is NUL-terminated or NULL, and lives until the next call. */
struct search_row {
	struct canonical is;
	size_t len[CANONICAL_TEXTS];
	uint8_t salt[CANONICAL_SALT], leaf[SHA256_SIZE];
	bool erased;                /* its content is gone: no salt */
};

struct search;

/* NULL and `e`: the query makes no sense (e->code 0), or the database is not there. Uses `db` until it is closed. */
struct search *search_open(struct sql *db, const struct search_query *q, const struct search_limits *l, struct err *e) MUST_CHECK;
/* 1 and a row; 0: there are no more; -1 and `e`: the time was over, whoever asked has gone, the database does not answer. */
int search_next(struct search *s, struct search_row *row, struct err *e) MUST_CHECK;
/* The same without the record, when that is not needed. */
int search_next_id(struct search *s, uint64_t *id, uint64_t *log_index, struct err *e) MUST_CHECK;
void search_close(struct search *s);

/* A record by its id. 1, 0: there is none, -1 and `e`. `*s` owns what the row holds: close it. */
int search_record(struct sql *db, uint64_t id, struct search **s, struct search_row *row, struct err *e) MUST_CHECK;

/* Who was in a room when the record with this index was made, in `a`: clients, in the order of their addresses. Nobody: it may be no room.
 * 0; -1 and `e`, as search_next. */
struct search_occupant {
	const char *jid, *nick;     /* full address, and the nickname it came with (NULL) */
	int64_t since_us;
};
int search_audience(struct sql *db, struct arena *a, const char *room, uint64_t log_index, const struct search_limits *l,
	struct search_occupant **out, size_t *n, struct err *e) MUST_CHECK;

/* What the index is asked for a query, as texts for PostgreSQL, in `a`: for who keeps a question and asks it of documents as they come
 * (compliance.hold of the schema). */
struct search_question {
	const char *marks, *words;  /* tsquery: everything but what was said, and that; NULL: any */
	const char *has, *lacks;    /* arrays of phrases */
	const char *since, *until;  /* µs since 1970, the second exclusive */
};
/* 0; -1 and what makes no sense. Of the limits words and word_bytes count, which are not 0. */
int search_question(const struct search_query *q, const struct search_limits *l, struct arena *a, struct search_question *out, struct err *e) MUST_CHECK;

/* How far the index is: all records below `log_index` are in it, the newest of them is `id`. */
struct search_state {
	uint64_t log_index, id;
};
enum sql_status search_state(struct sql *db, struct search_state *out, struct err *e);

/* Records that are being erased are not found any more. In the caller's transaction, by a role that may: in SQL, search.forget(ids). */

/* People by what they are called (search.people of the schema), in `a`. */
struct search_person {
	const char *jid, *name, *source;
};
enum sql_status search_people(struct sql *db, struct arena *a, const char *called, unsigned most, struct search_person **out, size_t *n, struct err *e);

#endif
