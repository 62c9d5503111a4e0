/*
 * zip: the bytes of a ZIP file's heads (APPNOTE 6.3.3, ISO/IEC 21320-1). Pure: buffers in, buffers out.
 */
#ifndef EXPORT_ZIP_H
#define EXPORT_ZIP_H

#include <stdint.h>

#include "base/buf.h"
#include "export/bundle_out.h"

/* MS-DOS date and time of a moment, UTC; what is before 1980 or after 2107 is the nearest that can be said. */
uint32_t zip_time(int64_t us);
/* The head of a member, in front of its content; as long before sizes and hash are known as afterwards. */
void zip_local(struct buf *out, const struct bundle_entry *e, uint32_t time);
/* Its row in the directory. */
void zip_central(struct buf *out, const struct bundle_entry *e, uint32_t time);
/* The end: `n` rows of `bytes` in all, which begin at `offset`. */
void zip_end(struct buf *out, uint64_t n, uint64_t bytes, uint64_t offset);

#endif
