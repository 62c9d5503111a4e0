/*
 * vcard_photo: base64 to a hash. What kind of picture it is does not matter here: <TYPE/> is a hint that receivers
 * check (XEP-0153 §5).
 */
#include "vcard_photo.h"

#include <string.h>

#include "base/text.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

#define SHA1_SIZE 20

static enum vcard_photo_is
read_binval(const char *text, struct arena *a, struct vcard_photo *out)
{
	size_t len = strlen(text);
	char *bytes = arena_alloc(a, len + 1);
	ssize_t n = text_base64_decode_lines(text, len, bytes);
	uint8_t sum[SCRAM_MAX];
	char *base64;

	if (n < 0)
		return VCARD_PHOTO_BAD;
	if (n == 0)
		return VCARD_PHOTO_NONE;
	digest_hash(SCRAM_SHA1, bytes, (size_t)n, sum);
	text_hex(sum, SHA1_SIZE, out->sha1);
	base64 = arena_alloc(a, text_base64_size((size_t)n));
	text_base64_encode(bytes, (size_t)n, base64);
	out->base64 = base64;
	return VCARD_PHOTO_GOOD;
}

enum vcard_photo_is
vcard_photo_read(const struct elem *vcard, struct arena *a, struct vcard_photo *out)
{
	enum vcard_photo_is is = VCARD_PHOTO_NONE;

	*out = (struct vcard_photo){ 0 };
	for (const struct elem *e = elem_child(vcard, NS_VCARD, "PHOTO"); e && is == VCARD_PHOTO_NONE;
		e = elem_next(e, NS_VCARD, "PHOTO")) {
		const struct elem *binval = elem_child(e, NS_VCARD, "BINVAL");

		if (binval)
			is = read_binval(elem_text(binval, a), a, out);
		if (is == VCARD_PHOTO_GOOD)
			out->photo = e;
	}
	return is;
}
