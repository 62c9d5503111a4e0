/*
 * zip: heads of members, the directory, its end; all numbers little-endian.
 */
#include "export/zip.h"

#include <string.h>
#include <time.h>

#define LOCAL 0x04034b50
#define CENTRAL 0x02014b50
#define END 0x06054b50
#define END64 0x06064b50
#define LOCATOR64 0x07064b50
#define VERSION 45          /* 4.5: ZIP64 */
#define MADE_BY (3 << 8 | VERSION) /* Unix: the mode is in the external attributes */
#define MODE (0100644u << 16)
#define UTF8 0x0800         /* general purpose bit 11 */
#define EXTRA64 0x0001

static void
put16(struct buf *b, unsigned v)
{
	buf_addc(b, (char)(v & 0xff));
	buf_addc(b, (char)(v >> 8 & 0xff));
}

static void
put32(struct buf *b, uint32_t v)
{
	put16(b, v & 0xffff);
	put16(b, v >> 16);
}

static void
put64(struct buf *b, uint64_t v)
{
	put32(b, (uint32_t)v);
	put32(b, (uint32_t)(v >> 32));
}

/* Too large for the old field: that says where to look. */
static uint32_t
short32(uint64_t v)
{
	return v >= UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

uint32_t
zip_time(int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	struct tm tm;

	if (us < 0 || !gmtime_r(&t, &tm) || tm.tm_year < 80)
		return 1u << 21 | 1u << 16;
	if (tm.tm_year > 207)
		return 127u << 25 | 12u << 21 | 31u << 16 | 23u << 11 | 59u << 5 | 29u;
	return (uint32_t)(tm.tm_year - 80) << 25 | (uint32_t)(tm.tm_mon + 1) << 21 | (uint32_t)tm.tm_mday << 16 | (uint32_t)tm.tm_hour << 11 |
	       (uint32_t)tm.tm_min << 5 | (uint32_t)tm.tm_sec / 2;
}

static void
put_common(struct buf *b, const struct bundle_entry *e, uint32_t time)
{
	put16(b, VERSION);
	put16(b, UTF8);
	put16(b, e->deflated ? 8 : 0);
	put32(b, time);
	put32(b, e->crc);
}

/* How large it will be is not known when this is written first, so there is always room for the long sizes (§4.5.3). */
void
zip_local(struct buf *out, const struct bundle_entry *e, uint32_t time)
{
	put32(out, LOCAL);
	put_common(out, e, time);
	put32(out, UINT32_MAX);
	put32(out, UINT32_MAX);
	put16(out, (unsigned)strlen(e->name));
	put16(out, 20);
	buf_adds(out, e->name);
	put16(out, EXTRA64);
	put16(out, 16);
	put64(out, e->size);
	put64(out, e->packed);
}

void
zip_central(struct buf *out, const struct bundle_entry *e, uint32_t time)
{
	unsigned n = (e->size >= UINT32_MAX) + (e->packed >= UINT32_MAX) + (e->offset >= UINT32_MAX);

	put32(out, CENTRAL);
	put16(out, MADE_BY);
	put_common(out, e, time);
	put32(out, short32(e->packed));
	put32(out, short32(e->size));
	put16(out, (unsigned)strlen(e->name));
	put16(out, n ? 4 + 8 * n : 0);
	put16(out, 0); /* comment */
	put16(out, 0); /* disk */
	put16(out, 0); /* internal attributes */
	put32(out, MODE);
	put32(out, short32(e->offset));
	buf_adds(out, e->name);
	if (!n)
		return;
	put16(out, EXTRA64);
	put16(out, 8 * n);
	if (e->size >= UINT32_MAX)
		put64(out, e->size);
	if (e->packed >= UINT32_MAX)
		put64(out, e->packed);
	if (e->offset >= UINT32_MAX)
		put64(out, e->offset);
}

static void
put_end64(struct buf *out, uint64_t n, uint64_t bytes, uint64_t offset)
{
	put32(out, END64);
	put64(out, 44);
	put16(out, MADE_BY);
	put16(out, VERSION);
	put32(out, 0);
	put32(out, 0);
	put64(out, n);
	put64(out, n);
	put64(out, bytes);
	put64(out, offset);
	put32(out, LOCATOR64);
	put32(out, 0);
	put64(out, offset + bytes);
	put32(out, 1);
}

void
zip_end(struct buf *out, uint64_t n, uint64_t bytes, uint64_t offset)
{
	if (n >= UINT16_MAX || bytes >= UINT32_MAX || offset >= UINT32_MAX)
		put_end64(out, n, bytes, offset);
	put32(out, END);
	put16(out, 0);
	put16(out, 0);
	put16(out, n >= UINT16_MAX ? UINT16_MAX : (unsigned)n);
	put16(out, n >= UINT16_MAX ? UINT16_MAX : (unsigned)n);
	put32(out, short32(bytes));
	put32(out, short32(offset));
	put16(out, 0);
}
