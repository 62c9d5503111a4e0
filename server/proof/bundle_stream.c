/*
 * bundle_stream: the content of a file in a bundle, unpacked piece by piece (see bundle_zip.h).
 */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "proof/bundle_zip_priv.h"

#define PIECE 65536
#define RAW_DEFLATE (-15)

struct bundle_stream {
	struct bundle_zip *zip;
	const struct bundle_member *is;
	uint64_t at, left;      /* of the packed bytes */
	uint64_t given;         /* of the content */
	uint32_t crc;
	struct crypt_hasher *hasher;
	bool ended;             /* deflate says so */
	z_stream z;
	unsigned char piece[PIECE];
};

struct bundle_stream *
bundle_stream_open(struct bundle_zip *z, const struct bundle_member *m)
{
	struct bundle_stream *s = NEW(struct bundle_stream);

	s->zip = z;
	s->is = m;
	s->at = bundle_zip_data(m);
	s->left = m->packed;
	s->crc = (uint32_t)crc32(0, NULL, 0);
	s->hasher = crypt_hasher_new();
	if (m->deflated && inflateInit2(&s->z, RAW_DEFLATE) != Z_OK)
		mem_exhausted(PIECE);
	return s;
}

void
bundle_stream_close(struct bundle_stream *s)
{
	if (!s)
		return;
	if (s->is->deflated)
		(void)inflateEnd(&s->z);
	crypt_hasher_end(s->hasher, NULL);
	free(s);
}

static int
fill(struct bundle_stream *s, size_t *n, struct err *e)
{
	*n = s->left < PIECE ? (size_t)s->left : PIECE;
	if (bundle_zip_pread(s->zip, s->piece, *n, s->at, e) != 0)
		return -1;
	s->at += *n;
	s->left -= *n;
	return 0;
}

static ssize_t
read_stored(struct bundle_stream *s, void *p, size_t n, struct err *e)
{
	if (n > s->left)
		n = (size_t)s->left;
	if (n && bundle_zip_pread(s->zip, p, n, s->at, e) != 0)
		return -1;
	s->at += n;
	s->left -= n;
	return (ssize_t)n;
}

static ssize_t
read_deflated(struct bundle_stream *s, void *p, size_t n, struct err *e)
{
	size_t more;
	int rc;

	s->z.next_out = p;
	s->z.avail_out = (uInt)n;
	while (s->z.avail_out == n && !s->ended) {
		if (!s->z.avail_in) {
			if (fill(s, &more, e) != 0)
				return -1;
			s->z.next_in = s->piece;
			s->z.avail_in = (uInt)more;
		}
		rc = inflate(&s->z, Z_NO_FLUSH);
		s->ended = rc == Z_STREAM_END;
		if (rc != Z_OK && !s->ended)
			return err_set(e, 0, "%.100s cannot be unpacked: it is damaged", s->is->name);
	}
	return (ssize_t)(n - s->z.avail_out);
}

/* At the end: nothing is left, nothing is missing. */
static ssize_t
finish(const struct bundle_stream *s, struct err *e)
{
	bool right = s->given == s->is->size && s->crc == s->is->crc && !s->left;

	if (s->is->deflated)
		right = right && s->ended && !s->z.avail_in;
	return right ? 0 : err_set(e, 0, "%.100s has not the size or the checksum that the ZIP says", s->is->name);
}

ssize_t
bundle_stream_read(struct bundle_stream *s, void *p, size_t n, struct err *e)
{
	unsigned char beyond;
	ssize_t got;

	if (n > PIECE)
		n = PIECE;
	if (s->given == s->is->size) {
		/* A deflated one may have its end still to come; a byte more than there may be is one too many. */
		got = s->is->deflated ? read_deflated(s, &beyond, 1, e) : 0;
		if (got > 0)
			return err_set(e, 0, "%.100s unpacks to more than the ZIP says", s->is->name);
		return got < 0 ? -1 : finish(s, e);
	}
	if (n > s->is->size - s->given)
		n = (size_t)(s->is->size - s->given);
	got = s->is->deflated ? read_deflated(s, p, n, e) : read_stored(s, p, n, e);
	if (got < 0)
		return -1;
	if (!got)
		return finish(s, e);
	s->given += (uint64_t)got;
	s->crc = (uint32_t)crc32(s->crc, p, (uInt)got);
	crypt_hasher_add(s->hasher, p, (size_t)got);
	return got;
}

void
bundle_stream_sha256(struct bundle_stream *s, uint8_t out[SHA256_SIZE])
{
	crypt_hasher_end(s->hasher, out);
	s->hasher = NULL;
}
