/*
 * spool: a file while it is being collected, and until it is known what it is: unnamed on disk (O_TMPFILE in files.dir/incoming), so that
 * nothing of it is left after a crash, hashed on the way. Nobody gets a byte of a spool but the scanner, and whoever passes it
 * on once it has been judged (core/file/judge).
 *
 * A spool belongs to one thread at a time. Writing goes to the page cache and may have to wait for a disk: in larger pieces on the web's
 * reactor and on workers; a home writes what came in one stanza.
 */
#ifndef CORE_SPOOL_H
#define CORE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/crypt.h"
#include "base/err.h"

struct spool;

/* For at most `max` bytes. NULL: the disk, or all spools together (limits.spool_bytes), have no room for so many: `e` says why. Any thread. */
struct spool *spool_new(uint64_t max, struct err *e) MUST_CHECK;
/* From now on for at most `max` bytes, which is more than before. -1: there is no room for so many; it stays as it was. */
int spool_extend(struct spool *s, uint64_t max, struct err *e) MUST_CHECK;
/* Appends. -1: more than `max`, or the disk is full: it is of no use any more but to be freed. */
int spool_write(struct spool *s, const void *p, size_t n, struct err *e) MUST_CHECK;
uint64_t spool_size(const struct spool *s);
/* The SHA-256 of all that was written; nothing can be written behind it. */
const uint8_t *spool_sha256(struct spool *s);
/* A descriptor that can only be read (by pread), the spool's own: for the scanner and for passing on. */
int spool_fd(const struct spool *s);
/* Gives back what of `max` has not been used. */
void spool_free(struct spool *s);
/* Bytes that all spools may still grow to: for metrics. Any thread. */
uint64_t spool_total(void);

#endif
