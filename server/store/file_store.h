/*
 * file_store: what the database knows of files: contents (chancery.file), transfers (chancery.file_event), and the quarantine.
 *
 * A content is known by its SHA-256: size, true type, the last verdict and with which signatures. An event is one transfer: when, by which
 * path, who, to whom, under which name, the verdict then, and the record that says so. Who fetched it is an event, too. Statements only;
 * on workers.
 */
#ifndef STORE_FILE_STORE_H
#define STORE_FILE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/crypt.h"
#include "base/err.h"
#include "store/sql.h"

/* chancery.file.state */
enum file_state { FILE_CLEAN = 1, FILE_INFECTED, FILE_UNSCANNABLE, FILE_WITHDRAWN /* was clean until newer signatures */, FILE_RELEASED /* by people, in spite of it */ };

struct file_row {
	uint8_t sha256[SHA256_SIZE];
	uint64_t size;
	const char *type;       /* true type; "" */
	enum file_state state;
	const char *found;      /* signature, or why it is unscannable; "" */
	int64_t scanned_us;
	int64_t signatures_s;   /* when the newest signatures of that scan were made, how many there were, and which: the same three numbers are */
	uint64_t signatures_n, signatures_set; /* the same signatures. 0: not known */
	bool kept, quarantined; /* where the content is */
};

/* NULL in *out: not known. */
enum sql_status file_find(struct sql *db, struct arena *a, const uint8_t sha256[SHA256_SIZE], struct file_row **out, struct err *e);
/* Adds, or updates when what is there was scanned earlier; older signatures find nothing clean again. What people have released stays so, and so does
 * what is kept when it can no longer be scanned: limits are not signatures. `kept`, `quarantined`: since now, it is; a content that is not clean
 * is not kept any more, and WITHDRAWN where it was. In a transaction of the caller's: locks the row; *state: what is true
 * now; *was_kept: `f` is not clean, and its content was kept until now. */
enum sql_status file_put(struct sql *db, const struct file_row *f, enum file_state *state, bool *was_kept, struct err *e);
/* It was judged again without a scan; `keep`: it is kept since now, if its state allows. The same lock, and *state (0: not known). */
enum sql_status file_seen(struct sql *db, const uint8_t sha256[SHA256_SIZE], bool keep, enum file_state *state, struct err *e);

/* The next one that is kept and has not been scanned with these signatures: the one that was scanned longest ago, behind the place `after`
 * (that of the last one; zeros at first). NULL: there is none. */
struct file_place {
	int64_t scanned_us;
	uint8_t sha256[SHA256_SIZE];
};
enum sql_status file_to_rescan(struct sql *db, struct arena *a, int64_t signatures_s, uint64_t signatures_n, uint64_t signatures_set,
	const struct file_place *after, struct file_row **out, struct err *e);
/* Of these (n), those that are (quarantined false) kept, or else in the quarantine: known[i]. */
enum sql_status file_known(struct sql *db, bool quarantined, const uint8_t (*sha256)[SHA256_SIZE], size_t n, bool *known, struct err *e);

struct file_event {
	int64_t id;             /* out */
	const char *path;       /* "upload", "ibb", …: it was judged; "link": its address was sent; "download"; "rescan"; "quarantine" */
	const uint8_t *sha256;
	const char *from, *to;  /* bare addresses; to NULL. Of a download, from: who has fetched it, as far as that is known */
	const char *name, *declared; /* NULL when none */
	const char *verdict, *text;  /* text NULL: none */
	uint64_t record_id;     /* 0: none */
};

#define FILE_EVENT_COLUMNS "path, sha256, from_bare, to_bare, name, declared, verdict, text, record" /* for statements that add one by the way */
enum sql_status file_event_add(struct sql *db, struct file_event *v, struct err *e);

/* Hex behind "\\x": a SHA-256 as a parameter of a statement. */
#define FILE_HASH_SIZE (2 * SHA256_SIZE + 3)
const char *file_hash(const uint8_t sha256[SHA256_SIZE], char out[FILE_HASH_SIZE]);

#endif
