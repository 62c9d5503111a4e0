/*
 * upload: slots and uploads (XEP-0363) as HTTPS needs them: looked up by their tokens, finished, fetched, over. Statements only; on workers.
 *
 * A slot is OPEN until what was put into it has been judged: then it is KEPT, REFUSED by policy for ever, or HELD: infected, or not to be
 * scanned. What administrators release of those that are held is KEPT from then on (quarantine_store_released). When a kept one expires it is
 * OVER; its row stays. Who knows the database does not know the tokens.
 */
#ifndef STORE_UPLOAD_H
#define STORE_UPLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/crypt.h"
#include "base/err.h"
#include "store/file_store.h"
#include "store/sql.h"

#define UPLOAD_TOKEN 40 /* hex digits: 160 bits */

enum upload_state { UPLOAD_OPEN = 1, UPLOAD_KEPT, UPLOAD_REFUSED, UPLOAD_OVER, UPLOAD_HELD };

struct upload {
	int64_t id;
	const char *owner, *groups, *domain, *name, *type; /* type NULL: not declared */
	uint64_t size;
	enum upload_state state;
	int64_t left_us;              /* an open one may be used for so long */
	bool hidden, expires;
	int64_t expires_us;           /* in so much time, when it does */
	uint8_t sha256[SHA256_SIZE];  /* of a kept one */
	uint64_t record;
	/* Of its content, as far as it is known */
	enum file_state content;      /* 0: it is not */
	bool content_kept;
	const char *true_type;
};

/* Hex of a token as it is in the database. */
void upload_hash(const char *token, char out[2 * SHA256_SIZE + 1]);
/* Is this what a token looks like? */
bool upload_is_token(const char *s);

/* By the token that it is put by, or fetched by. NULL in *out: there is none, or (put) its owner is disabled. */
enum sql_status upload_find(struct sql *db, struct arena *a, const char *token, bool put, struct upload **out, struct err *e);

struct upload_end {
	int64_t id;
	enum upload_state state; /* KEPT, REFUSED or HELD */
	const char *type;      /* as declared by the PUT where the slot has none; NULL */
	const struct file_event *event; /* of its content and its record; added in any case */
	uint64_t keep_ms;      /* 0: for ever */
	/* Out */
	bool done;             /* false: it was not open any more, or (kept) its content is not there: the slot has not been changed */
};
/* One statement. In a transaction of the caller's, who has put the content, so that it is not swept away meanwhile (file_put, file_seen). */
enum sql_status upload_finish(struct sql *db, struct upload_end *u, struct err *e);

/* So long what was put in time may take to be judged: until then it may yet be kept, and counts. */
#define UPLOAD_JUDGED "interval '5 minutes'"

/* A kept upload without a slot: what was fetched from elsewhere for somebody. The content has been kept. */
struct upload_adopt {
	int64_t account;       /* 0: of nobody here; then `quota` is of all such ones of `sender`, and `own_quota` of those of `owner` */
	const char *sender;    /* the owner's domain */
	const char *owner, *groups, *domain, *name, *type; /* type NULL: not known */
	const char *put, *token; /* the former is nobody's to know */
	uint64_t size, quota, own_quota;
	const uint8_t *sha256;
	int64_t event;
	uint64_t record;
	uint64_t keep_ms;      /* 0: for ever */
	/* Out */
	enum { UPLOAD_ADOPTED, UPLOAD_ADOPT_QUOTA, UPLOAD_ADOPT_GONE } outcome; /* GONE: its content is not there any more */
};
enum sql_status upload_adopt(struct sql *db, struct upload_adopt *u, struct err *e);

/* How many bytes upload_adopt would take of them now. */
struct upload_room {
	int64_t account;       /* as above */
	const char *sender, *owner;
	uint64_t quota, own_quota;
	uint64_t bytes;        /* out */
};
enum sql_status upload_room(struct sql *db, struct upload_room *u, struct err *e);

/* Fetched once more, and noted with the content. */
struct upload_fetch {
	int64_t id;
	struct file_event event;
};
enum sql_status upload_fetched(struct sql *db, struct upload_fetch *f, struct err *e);

/* What is over becomes so, slots that nobody used are forgotten; *sha256 (n of them, at most `most`): contents that no upload refers to any more. */
enum sql_status upload_sweep(struct sql *db, struct arena *a, unsigned most, uint8_t (**sha256)[SHA256_SIZE], unsigned *n, struct err *e);
/* In a transaction of the caller's: does a legal hold cover the content? Then it is not found by upload_sweep for a day. */
enum sql_status upload_note_held(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool *held, struct err *e);
/* In a transaction of the caller's: the content is not kept any more, unless something has come to refer to it: *done. */
enum sql_status upload_unkeep(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool *done, struct err *e);

#endif
