/*
 * image: signatures, and the fields of the headers behind them.
 */
#include "base/image.h"

#include <stdint.h>
#include <string.h>

static unsigned
big16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static bool
begins(const uint8_t *p, size_t n, const char *sign, size_t len)
{
	return n >= len && !memcmp(p, sign, len);
}

/* IHDR is the first chunk; sizes above 65535 are nobody's avatar. */
static void
png_size(const uint8_t *p, size_t n, struct image *out)
{
	if (n < 24 || memcmp(p + 12, "IHDR", 4) || big16(p + 16) || big16(p + 20))
		return;
	out->width = big16(p + 18);
	out->height = big16(p + 22);
}

static void
gif_size(const uint8_t *p, size_t n, struct image *out)
{
	if (n < 10)
		return;
	out->width = p[6] | (unsigned)p[7] << 8;
	out->height = p[8] | (unsigned)p[9] << 8;
}

/* Segments up to the first start of frame (SOF0 to SOF15 but DHT, JPG, DAC). */
static void
jpeg_size(const uint8_t *p, size_t n, struct image *out)
{
	size_t i = 2;

	while (i + 9 <= n && p[i] == 0xff) {
		unsigned marker = p[i + 1];

		if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
			out->height = big16(p + i + 5);
			out->width = big16(p + i + 7);
			return;
		}
		if (marker == 0xda || big16(p + i + 2) < 2)
			return;
		i += 2 + big16(p + i + 2);
	}
}

bool
image_read(const void *bytes, size_t n, struct image *out)
{
	const uint8_t *p = bytes;

	*out = (struct image){ 0 };
	if (begins(p, n, "\x89PNG\r\n\x1a\n", 8)) {
		out->type = "image/png";
		png_size(p, n, out);
	} else if (begins(p, n, "GIF87a", 6) || begins(p, n, "GIF89a", 6)) {
		out->type = "image/gif";
		gif_size(p, n, out);
	} else if (begins(p, n, "\xff\xd8\xff", 3)) {
		out->type = "image/jpeg";
		jpeg_size(p, n, out);
	} else if (n >= 12 && begins(p, n, "RIFF", 4) && !memcmp(p + 8, "WEBP", 4))
		out->type = "image/webp";
	return out->type != NULL;
}
