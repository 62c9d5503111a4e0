/*
 * bundle: the parts of an export that prove something, written and read (BUNDLE.md says what they are, for others who read them).
 *
 * Writing (chancery-export): proof/records.jsonl a line for each record, in the order of the log; proof/tree.jsonl the subtrees between
 * them; proof/keys.json; manifest.json; and the statement over its hash that the log's key signs as manifest.sig. Everything is appended
 * to a buffer that the caller empties into the zip: nothing is kept.
 *
 * Reading (chancery-verify): each part from bytes that anybody may have made. What is not exactly in the form is refused, with why; memory
 * is bounded by the limits below whatever is in it.
 */
#ifndef PROOF_BUNDLE_H
#define PROOF_BUNDLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/crypt.h"
#include "base/err.h"
#include "proof/canonical.h"
#include "proof/merkle.h"

#define BUNDLE_FORMAT "chancery-bundle/1"
#define BUNDLE_MANIFEST "manifest.json"
#define BUNDLE_SIGNATURE "manifest.sig"
#define BUNDLE_RECORDS "proof/records.jsonl"
#define BUNDLE_TREE "proof/tree.jsonl"
#define BUNDLE_CHECKPOINT "proof/checkpoint.txt"
#define BUNDLE_KEYS "proof/keys.json"

#define BUNDLE_NAME_MAX 255            /* bytes of a file's name with its folders */
#define BUNDLE_FILES_MAX 200000        /* files in a bundle */
#define BUNDLE_MANIFEST_MAX (64u << 20)
#define BUNDLE_KEYS_MAX (1u << 20)
#define BUNDLE_HANDOVERS_MAX 1000
#define BUNDLE_LINE_MAX (80u << 20)    /* a record: stanzas have 16 MiB at most, and a byte may take six (\u001f) */

/* May be the name of a file in a bundle: UTF-8, 1 to 255 bytes, relative, parts with '/' between them, none of them empty, "." or "..", or with
 * a space or dot at its end; no control characters, none of \ : * ? " < > |, no marks that turn the direction of writing. Safe to unpack
 * anywhere. (No two in a bundle are the same but for the case of ASCII letters.) */
bool bundle_name_is_safe(const char *name, size_t n);

/* ---- writing ---- */

/* Text as a string of JSON, quotes and all. */
void bundle_string(struct buf *out, const char *s, size_t n);

/* A line of proof/records.jsonl. The texts of `r` are UTF-8 without NUL, as PostgreSQL has them. */
void bundle_record_line(struct buf *out, const struct canonical *r, const size_t len[CANONICAL_TEXTS], const uint8_t salt[CANONICAL_SALT],
	const uint8_t leaf[MERKLE_HASH]);
/* A record whose content has been erased. */
void bundle_erased_line(struct buf *out, uint64_t log_index, const uint8_t leaf[MERKLE_HASH]);
/* Lines of proof/tree.jsonl (at most 126) for the leaves [from, to) that are not exported: call it before each record with where the one before
 * ended, and at last with the tree's size. -1: the reader failed. */
int bundle_tree_lines(struct buf *out, uint64_t from, uint64_t to, merkle_node_fn node, void *arg) MUST_CHECK;
/* proof/keys.json: the key that signed the checkpoint and signs the manifest, and the signed notes by which keys have handed over, oldest first. */
void bundle_keys(struct buf *out, const char *vkey, const char *const *handovers, size_t n);

/* What the manifest says besides the files. Texts are UTF-8; NULL is null where it says so. */
struct bundle_about {
	const char *origin;            /* the log's name, as in the checkpoint */
	uint64_t size;                 /* the checkpoint's */
	const uint8_t *root;           /* likewise, MERKLE_HASH bytes */
	const char *program;           /* that made it, with its version */
	uint64_t job;
	const char *query;             /* a JSON object, as it was asked; it is copied as it is */
	const char *query_text;        /* the same in words */
	const char *asked_by, *approved_by, *reason; /* approved_by, reason: or NULL */
	int64_t asked_us, finished_us; /* since 1970 */
	const char *const *formats;
	size_t nformats;
	uint64_t exported, erased;     /* lines of proof/records.jsonl, and how many of them say erased */
	uint64_t first, last;          /* log indexes of the first and the last of them; where there is one */
};

/* manifest.json: begin, each file of the bundle but manifest.json and manifest.sig, end. */
void bundle_manifest_begin(struct buf *out, const struct bundle_about *a);
void bundle_manifest_file(struct buf *out, bool first, const char *name, uint64_t size, const uint8_t sha256[SHA256_SIZE]);
void bundle_manifest_end(struct buf *out);
/* The text that is signed (note_sign) and is then manifest.sig. `sha256`: of all bytes of manifest.json. */
void bundle_statement(struct buf *out, const char *origin, const uint8_t sha256[SHA256_SIZE], int64_t time);

/* ---- reading ---- */

struct bundle_file {
	const char *name;              /* safe */
	uint64_t size;
	uint8_t sha256[SHA256_SIZE];
};

struct bundle_manifest {
	struct bundle_about about;     /* formats and query are not filled: they are in `json` */
	uint8_t root[MERKLE_HASH];
	struct bundle_file *file;
	size_t nfiles;
	json_t *json;                  /* owns the texts */
};

int bundle_manifest_parse(const char *p, size_t n, struct bundle_manifest *m, struct err *e) MUST_CHECK;
/* Also after a parse that failed. */
void bundle_manifest_fini(struct bundle_manifest *m);
/* The text of manifest.sig: of this log, over this hash. */
int bundle_statement_parse(const char *text, size_t n, const char *origin, const uint8_t sha256[SHA256_SIZE], int64_t *time, struct err *e)
	MUST_CHECK;

struct bundle_key_chain {
	const char *vkey;
	const char *handover[BUNDLE_HANDOVERS_MAX];
	size_t n;
	json_t *json;                  /* owns them */
};
int bundle_keys_parse(const char *p, size_t n, struct bundle_key_chain *k, struct err *e) MUST_CHECK;
void bundle_keys_fini(struct bundle_key_chain *k);

/* A line of proof/records.jsonl. */
struct bundle_record {
	bool erased;                   /* then only log_index and leaf are filled */
	struct canonical is;
	size_t len[CANONICAL_TEXTS];
	uint8_t salt[CANONICAL_SALT], leaf[MERKLE_HASH];
	json_t *json;                  /* owns the texts */
};
/* Without the newline. */
int bundle_record_parse(const char *p, size_t n, struct bundle_record *r, struct err *e) MUST_CHECK;
void bundle_record_fini(struct bundle_record *r);
/* Does its content have this leaf? (Of an erased one nobody can tell: false.) `scratch` is used and kept for the next. */
bool bundle_record_matches(struct hasher *h, const struct bundle_record *r, struct buf *scratch);

/* A line of proof/tree.jsonl. */
int bundle_node_parse(const char *p, size_t n, int *level, uint64_t *index, uint8_t hash[MERKLE_HASH], struct err *e) MUST_CHECK;

#endif
