/*
 * fuzz_vcard: a vCard of either kind as a client sets it. Converted there and back it must stay what it has become, and
 * photos must be read or refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/module/modules.h" /* modules are linked with it */
#include "modules/vcard/vcard4.h"
#include "modules/vcard/vcard_photo.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct parser_limits limits = { .stanza_bytes = 65536, .token_bytes = 16384, .memory_bytes = 1 << 20, .depth = 16,
	.attributes = 16, .namespaces = 16 };

static struct stanza *
read_as(const char *ns, const char *name, const uint8_t *data, size_t size)
{
	struct buf b = { 0 };
	struct stanza *st;

	buf_addf(&b, "<%s xmlns='%s'>", name, ns);
	buf_add(&b, data, size);
	buf_addf(&b, "</%s>", name);
	st = parser_one(buf_str(&b), buf_len(&b), NULL, &limits);
	buf_fini(&b);
	return st;
}

static struct stanza *
to_v4(const struct stanza *temp)
{
	struct stanza *st = stanza_new(NS_VCARD4, "vcard");

	vcard4_from_temp(st, st->root, temp->root);
	return st;
}

static struct stanza *
to_temp(const struct stanza *v4)
{
	struct stanza *st = stanza_new(NS_VCARD, "vCard");

	vcard4_to_temp(st, st->root, v4->root);
	return st;
}

/* Takes v4. */
static void
stays(struct stanza *v4)
{
	struct stanza *temp = to_temp(v4), *again = to_v4(temp), *temp_again = to_temp(again), *last = to_v4(temp_again);
	struct buf a = { 0 }, b = { 0 };

	serialize_elem(&a, again->root, NULL);
	serialize_elem(&b, last->root, NULL);
	if (strcmp(buf_str(&a), buf_str(&b)))
		abort();
	buf_fini(&a);
	buf_fini(&b);
	stanza_unref(v4);
	stanza_unref(temp);
	stanza_unref(again);
	stanza_unref(temp_again);
	stanza_unref(last);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stanza *temp = read_as(NS_VCARD, "vCard", data, size), *v4 = read_as(NS_VCARD4, "vcard", data, size);
	struct vcard_photo photo;
	struct arena *a;

	if (v4)
		stays(v4);
	if (!temp)
		return 0;
	a = arena_new(0);
	stays(to_v4(temp));
	if (vcard_photo_read(temp->root, a, &photo) == VCARD_PHOTO_GOOD && strlen(photo.sha1) != 40)
		abort();
	arena_free(a);
	stanza_unref(temp);
	return 0;
}
