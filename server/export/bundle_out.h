/*
 * bundle_out: the zip of an export while it is being written, part by part.
 *
 * Files are added one after another, each written as it comes: nothing is kept but their names, sizes and hashes. The zip grows in
 * DIR/bundle.tmp; when a part (a format) is finished, bundle_part_end makes it durable and notes it in DIR/journal. bundle_out_open finds both
 * again after a crash: what is behind the last finished part is cut off, and those parts are not written again (bundle_part_begin says
 * so). bundle_out_finish writes the directory and gives the file its name.
 *
 * ZIP as APPNOTE 6.3.3: deflate, sizes in the local heads (no data descriptors), ZIP64 in every local head and where it is needed in the
 * directory; names in UTF-8; one time for all, so that the same records make the same bytes.
 *
 * One thread. Errors (disk full, a limit) are in `e` and final: everything after one fails with it.
 */
#ifndef EXPORT_BUNDLE_OUT_H
#define EXPORT_BUNDLE_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"

struct bundle_out;

/* A member of the zip that is complete. */
struct bundle_entry {
	const char *name;
	uint64_t offset, size, packed; /* of the local head; of the content; of that in the zip */
	uint32_t crc;
	bool deflated;
	uint8_t sha256[SHA256_SIZE];
};

struct bundle_limits {
	uint64_t bytes;   /* of the zip */
	uint64_t files;
};

/* `dir` is there and the caller's alone; `at_us` dates all members. *out NULL: the reason is in `e`. */
struct bundle_out *bundle_out_open(const char *dir, int64_t at_us, const struct bundle_limits *limits, struct err *e) MUST_CHECK;
/* Closes; what is not finished stays for the next bundle_out_open. NULL is fine. */
void bundle_out_free(struct bundle_out *b);

/* False: this part is in it already, as it was in an earlier run; its note is at bundle_part_note. */
bool bundle_part_begin(struct bundle_out *b, const char *part);
/* Durable with all that was added since bundle_part_begin, and with `note`, a line of text of the caller's. */
int bundle_part_end(struct bundle_out *b, const char *note, struct err *e) MUST_CHECK;
/* NULL: no such part is finished. */
const char *bundle_part_note(const struct bundle_out *b, const char *part);
/* Everything is to be written anew. */
int bundle_out_reset(struct bundle_out *b, struct err *e) MUST_CHECK;

/* Begins a member, which is the one that is open. Its name is one that bundle_name_is_safe (proof/bundle.h) takes, each once (ASCII case does
 * not count). `stored`: not deflated, as it is packed already. */
int bundle_open(struct bundle_out *b, const char *name, bool stored, struct err *e) MUST_CHECK;
/* What is deflated is gathered first: that the disk is full may be said by a later call, bundle_close at the latest. */
int bundle_write(struct bundle_out *b, const void *p, size_t n, struct err *e) MUST_CHECK;
int bundle_puts(struct bundle_out *b, const char *s, struct err *e) MUST_CHECK;
int bundle_printf(struct bundle_out *b, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4))) MUST_CHECK;
/* Ends it. -1 also when any of the writes failed. */
int bundle_close(struct bundle_out *b, struct err *e) MUST_CHECK;
/* All of one from memory. */
int bundle_add(struct bundle_out *b, const char *name, const void *p, size_t n, struct err *e) MUST_CHECK;
/* Would this name be taken now? */
bool bundle_has(const struct bundle_out *b, const char *name);

/* Those that are complete, in their order. */
size_t bundle_entries(const struct bundle_out *b);
const struct bundle_entry *bundle_entry_at(const struct bundle_out *b, size_t i);
uint64_t bundle_bytes(const struct bundle_out *b);

/* Writes the directory, makes all durable, and names it DIR/bundle.zip. */
int bundle_out_finish(struct bundle_out *b, struct err *e) MUST_CHECK;

#endif
