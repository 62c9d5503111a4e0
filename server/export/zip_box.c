/*
 * zip_box: each member's head is written twice: to make room, and when its size is known.
 */
#include "export/zip_box.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "export/zip.h"

#define PIECE 65536
#define LEVEL 6
#define RAW_DEFLATE (-15)

struct zip_box {
	FILE *to;
	uint32_t time;
	uint64_t at;             /* where the next byte goes */
	uint64_t n;
	struct buf directory;
	uint8_t piece[PIECE], packed[PIECE];
};

struct zip_box *
zip_box_new(FILE *to, int64_t at_us)
{
	struct zip_box *z = NEW(struct zip_box);

	z->to = to;
	z->time = zip_time(at_us);
	return z;
}

void
zip_box_free(struct zip_box *z)
{
	if (!z)
		return;
	buf_fini(&z->directory);
	free(z);
}

static int
put(struct zip_box *z, const void *p, size_t n, struct err *e)
{
	if (n > 0 && fwrite(p, n, 1, z->to) != 1)
		return err_set(e, errno, "what is kept beside the export cannot be written: %s", strerror(errno));
	z->at += n;
	return 0;
}

static int
put_head(struct zip_box *z, const struct bundle_entry *m, struct err *e)
{
	struct buf head = {0};
	int rc;

	zip_local(&head, m, z->time);
	rc = put(z, buf_data(&head), buf_len(&head), e);
	buf_fini(&head);
	return rc;
}

/* The sizes, in front of what is there by now. */
static int
finish_head(struct zip_box *z, const struct bundle_entry *m, struct err *e)
{
	uint64_t end = z->at;

	if (fseek(z->to, (long)m->offset, SEEK_SET) || put_head(z, m, e) || fseek(z->to, 0, SEEK_END))
		return err_set(e, errno, "what is kept beside the export cannot be written: %s", strerror(errno));
	z->at = end;
	zip_central(&z->directory, m, z->time);
	z->n++;
	return 0;
}

static int
deflate_piece(struct zip_box *z, z_stream *s, size_t n, int flush, struct err *e)
{
	s->next_in = z->piece;
	s->avail_in = (uInt)n;
	do {
		s->next_out = z->packed;
		s->avail_out = PIECE;
		(void)deflate(s, flush);
		if (put(z, z->packed, PIECE - s->avail_out, e))
			return -1;
	} while (s->avail_out == 0);
	return 0;
}

static int
copy(struct zip_box *z, struct bundle_entry *m, FILE *from, z_stream *s, struct err *e)
{
	size_t n;

	while ((n = fread(z->piece, 1, PIECE, from)) > 0) {
		m->crc = (uint32_t)crc32(m->crc, z->piece, (uInt)n);
		m->size += n;
		if (s ? deflate_piece(z, s, n, Z_NO_FLUSH, e) : put(z, z->piece, n, e))
			return -1;
	}
	if (ferror(from))
		return err_set(e, EIO, "a file that is exported cannot be read");
	return s ? deflate_piece(z, s, 0, Z_FINISH, e) : 0;
}

int
zip_box_add(struct zip_box *z, const char *name, FILE *from, bool packed, struct err *e)
{
	struct bundle_entry m = { .name = name, .offset = z->at, .deflated = packed };
	uint64_t begin;
	z_stream s = {0};
	int rc;

	if (fseek(from, 0, SEEK_SET))
		return err_set(e, errno, "a file that is exported cannot be read: %s", strerror(errno));
	if (packed && deflateInit2(&s, LEVEL, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		mem_exhausted(PIECE);
	rc = put_head(z, &m, e);
	begin = z->at;
	if (!rc)
		rc = copy(z, &m, from, packed ? &s : NULL, e);
	if (packed)
		(void)deflateEnd(&s);
	m.packed = z->at - begin;
	return rc ? -1 : finish_head(z, &m, e);
}

int
zip_box_end(struct zip_box *z, struct err *e)
{
	uint64_t begin = z->at;
	struct buf end = {0};
	int rc = put(z, buf_data(&z->directory), buf_len(&z->directory), e);

	zip_end(&end, z->n, z->at - begin, begin);
	if (!rc)
		rc = put(z, buf_data(&end), buf_len(&end), e);
	if (!rc && fflush(z->to))
		rc = err_set(e, errno, "what is kept beside the export cannot be written: %s", strerror(errno));
	buf_fini(&end);
	return rc;
}
