/*
 * image: what kind of picture some bytes are, and how large, by their first bytes: what peers say of them is a hint.
 */
#ifndef BASE_IMAGE_H
#define BASE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>

struct image {
	const char *type;       /* image/png, image/gif, image/jpeg, image/webp; static */
	unsigned width, height; /* 0: not known */
};

/* False: none of these. Nothing is decoded: the rest may be whatever it likes. */
bool image_read(const void *p, size_t n, struct image *out);

#endif
