/* image: kinds and sizes, and headers that end too early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/image.h"

static const uint8_t png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x40\0\0\0\x20\x08\x06";
static const uint8_t gif[] = "GIF89a\x05\x01\x02\0\x80";
/* APP0 of 16 bytes, then SOF2: 48 high, 300 wide. */
static const uint8_t jpeg[] = "\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xc2\0\x11\x08\0\x30\x01\x2c\3";
static const uint8_t webp[] = "RIFF\x10\0\0\0WEBPVP8 ";

static void
check(const void *p, size_t n, const char *type, unsigned width, unsigned height)
{
	struct image i;

	assert_true(image_read(p, n, &i));
	assert_string_equal(i.type, type);
	assert_int_equal(i.width, width);
	assert_int_equal(i.height, height);
}

static void
kinds(void **state)
{
	(void)state;
	check(png, sizeof(png) - 1, "image/png", 64, 32);
	check(gif, sizeof(gif) - 1, "image/gif", 261, 2);
	check(jpeg, sizeof(jpeg) - 1, "image/jpeg", 300, 48);
	check(webp, sizeof(webp) - 1, "image/webp", 0, 0);
}

static void
others(void **state)
{
	struct image i;

	(void)state;
	assert_false(image_read("<svg/>", 6, &i));
	assert_false(image_read("", 0, &i));
	assert_false(image_read("RIFF\x10\0\0\0WAVE", 12, &i));
}

/* Each beginning in memory of its own size, for the sanitizer. */
static void
cut_off(void **state)
{
	static const struct {
		const uint8_t *p;
		size_t n;
	} all[] = { { png, sizeof(png) - 1 }, { gif, sizeof(gif) - 1 }, { jpeg, sizeof(jpeg) - 1 }, { webp, sizeof(webp) - 1 } };
	struct image out;

	(void)state;
	for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++)
		for (size_t n = 1; n < all[k].n; n++) {
			uint8_t *p = malloc(n);

			memcpy(p, all[k].p, n);
			if (image_read(p, n, &out))
				assert_true(out.width <= 300 && out.height <= 64);
			free(p);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(others),
		cmocka_unit_test(cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
