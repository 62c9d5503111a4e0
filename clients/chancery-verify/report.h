/*
 * report: what was checked, what was found, in words for people or as JSON.
 */
#ifndef VERIFY_REPORT_H
#define VERIFY_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/* In the order in which they are done and told. */
#define CHECKS(X) \
	X(ZIP, "zip", "the ZIP") \
	X(KEY, "key", "the key") \
	X(MANIFEST, "manifest", "the manifest") \
	X(FILES, "files", "the files") \
	X(CHECKPOINT, "checkpoint", "the checkpoint") \
	X(RECORDS, "records", "the records") \
	X(TREE, "tree", "the tree") \
	X(OUTSIDE, "outside", "from elsewhere")

enum check {
#define CHECK_NAME(id, name, title) CHECK_##id,
	CHECKS(CHECK_NAME)
#undef CHECK_NAME
	CHECK_COUNT
};

#define REPORT_FINDINGS 40 /* of one check are told; the others are counted */

struct report {
	const char *file;
	char *key;            /* vkey that signed, and was not told from elsewhere unless `trusted` */
	bool trusted;
	char *about;          /* JSON of the manifest's export; NULL */
	uint64_t exported, erased, size;
	struct report_check {
		char *right;  /* what was found to be so; NULL: not checked to the end */
		uint64_t n;
		char *found[REPORT_FINDINGS];
	} check[CHECK_COUNT];
};

void report_fini(struct report *r);
/* The check was done: this is so. Told only when nothing was found. Texts of others are made harmless. */
void report_right(struct report *r, enum check c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Something is not as it must be. */
void report_found(struct report *r, enum check c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Has this check found nothing so far? */
bool report_is_clean(const struct report *r, enum check c);
/* All checks that there are to do were done, and found nothing. (OUTSIDE is done where it was asked for.) */
bool report_verified(const struct report *r);

void report_print(const struct report *r, struct buf *out);
void report_print_json(const struct report *r, struct buf *out);

#endif
