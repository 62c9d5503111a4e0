/*
 * bundle_zip: the ZIP of a bundle, read in the one form that BUNDLE.md describes.
 *
 * What the file should be is made anew from what its directory says and compared byte by byte: nothing in it is left over, nothing is said
 * twice in two ways, no two programs can see different files in it. Contents are read as a stream, never whole; names are kept (64 MiB at
 * the very most). Several streams may be open. One thread.
 */
#ifndef PROOF_BUNDLE_ZIP_H
#define PROOF_BUNDLE_ZIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/crypt.h"
#include "base/err.h"

struct bundle_member {
	const char *name;       /* safe (bundle.h) */
	uint64_t at, size, packed; /* where its local header is; bytes of the content; of that in the ZIP */
	uint32_t crc;
	bool deflated;
};

struct bundle_zip;
/* Takes the descriptor of a regular file, also when it fails. NULL: it is no such ZIP, or cannot be read (then e->code is an errno). */
struct bundle_zip *bundle_zip_open(int fd, struct err *e) MUST_CHECK;
/* NULL is fine. Streams are closed before. */
void bundle_zip_close(struct bundle_zip *z);

/* In the order of the file. */
size_t bundle_zip_members(const struct bundle_zip *z);
const struct bundle_member *bundle_zip_member(const struct bundle_zip *z, size_t i);
/* NULL: there is none of this name. */
const struct bundle_member *bundle_zip_find(const struct bundle_zip *z, const char *name);
/* Bytes of the file; of all contents. */
uint64_t bundle_zip_bytes(const struct bundle_zip *z);
uint64_t bundle_zip_content(const struct bundle_zip *z);

struct bundle_stream;
struct bundle_stream *bundle_stream_open(struct bundle_zip *z, const struct bundle_member *m);
/* NULL is fine. */
void bundle_stream_close(struct bundle_stream *s);
/* Up to n bytes, at least one but at the end. 0: the end, and size and CRC are those of the directory. -1: they are not, or the content cannot be
 * unpacked; it never gives more than the size that the directory says. */
ssize_t bundle_stream_read(struct bundle_stream *s, void *p, size_t n, struct err *e) MUST_CHECK;
/* The hash of all that was read. Once, after the end. */
void bundle_stream_sha256(struct bundle_stream *s, uint8_t out[SHA256_SIZE]);

#endif
