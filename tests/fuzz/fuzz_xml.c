/*
 * fuzz_xml: a stream, cut in three ways, through the parser; what comes out, through serialize and
 * the parser again.
 *
 * The first byte of an input says how: bit 0 puts a usual header in front, the rest seeds the cuts.
 * What the owner is told must not depend on the cuts nor on pauses; a stanza that is written and
 * read again must be the same, and not be much larger than it was.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define GROWTH 4200 /* what parser.c allows beyond twice the size, and the root's namespace */

static const struct parser_limits limits = {
	.stanza_bytes = 8192,
	.token_bytes = 4096,
	.memory_bytes = 65536,
	.depth = 16,
	.attributes = 16,
	.namespaces = 16,
};

static const char header[] =
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
	"xmlns:stream='http://etherx.jabber.org/streams' to='example.com' version='1.0'>";

struct run {
	struct parser *p;
	struct buf told;
	uint32_t random;
	bool stops;
};

#define CHECK(what) \
	do { \
		if (!(what)) \
			abort(); \
	} while (0)

static uint32_t
next_random(struct run *r)
{
	r->random = r->random * 1664525U + 1013904223U;
	return r->random >> 16;
}

static bool
same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
check_same(const struct elem *a, const struct elem *b)
{
	const struct attr *x = a->attrs, *y = b->attrs;

	CHECK(same_string(a->name, b->name));
	CHECK(same_string(a->ns, b->ns));
	CHECK(a->text_len == b->text_len && same_string(a->text, b->text));
	for (; x != NULL && y != NULL; x = x->next, y = y->next)
		CHECK(same_string(x->ns, y->ns) && same_string(x->name, y->name) &&
		      same_string(x->value, y->value));
	CHECK(x == NULL && y == NULL);
}

static void
check_again(const struct stanza *st, const char *ns)
{
	struct buf once = {0}, twice = {0};
	const struct elem *a = st->root, *b;
	struct stanza *again;

	serialize_stanza(&once, st, ns, NULL);
	CHECK(buf_len(&once) == serialize_size(st->root, ns));
	CHECK(buf_len(&once) <= 2 * (size_t)st->size + GROWTH);
	again = parser_one(buf_data(&once), buf_len(&once), ns, NULL);
	CHECK(again != NULL);
	for (b = again->root; a != NULL && b != NULL;
	     a = elem_walk(st->root, a), b = elem_walk(again->root, b))
		check_same(a, b);
	CHECK(a == NULL && b == NULL);
	serialize_stanza(&twice, again, ns, NULL);
	CHECK(buf_len(&once) == buf_len(&twice) &&
	      memcmp(buf_data(&once), buf_data(&twice), buf_len(&once)) == 0);
	stanza_unref(again);
	buf_fini(&once);
	buf_fini(&twice);
}

static void
on_opened(void *owner, const struct parser_header *h)
{
	struct run *r = owner;

	buf_addf(&r->told, "[%s|%s|%s]", h->ns ? h->ns : "", h->to ? h->to : "",
		 h->lang ? h->lang : "");
	if (r->stops && next_random(r) % 2)
		parser_stop(r->p);
}

static void
on_stanza(void *owner, struct stanza *st)
{
	struct run *r = owner;
	struct stanza *copy = stanza_copy(st);

	CHECK(st->size > 0 && st->size <= limits.stanza_bytes);
	serialize_stanza(&r->told, copy, NS_CLIENT, NULL);
	stanza_unref(copy);
	if (!r->stops) {
		check_again(st, NULL);
		check_again(st, NS_CLIENT);
	} else if (next_random(r) % 2) {
		parser_stop(r->p);
	}
	if (elem_is(st->root, NULL, "auth"))
		parser_restart(r->p);
	stanza_unref(st);
}

static void
on_closed(void *owner)
{
	buf_adds(&((struct run *)owner)->told, "[/]");
}

static const struct parser_ops ops = {on_opened, on_stanza, on_closed};

/* most: bytes at once; 0: at random. */
static enum parser_error
run(struct run *r, const uint8_t *data, size_t n, size_t most)
{
	enum parser_error e = PARSER_OK;
	size_t at = 0, used;

	r->p = parser_new(&ops, r, &limits);
	if (r->random & 1) {
		e = parser_feed(r->p, header, strlen(header), &used);
		CHECK(e == PARSER_OK && used == strlen(header));
	}
	while (at < n && e == PARSER_OK) {
		size_t len =
			most > 0 ? most : 1 + next_random(r) % (next_random(r) % 4 ? 16 : 1500);
		char *piece;

		len = len < n - at ? len : n - at;
		piece = malloc(len);
		memcpy(piece, data + at, len);
		e = parser_feed(r->p, piece, len, &used);
		free(piece);
		CHECK(used <= len);
		CHECK(e != PARSER_OK || used > 0);
		at += used;
	}
	if (e == PARSER_OK) /* what a stop held back */
		e = parser_feed(r->p, "", 0, &used);
	parser_free(r->p);
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run whole = {0}, cut = {0}, bytes = {0};
	enum parser_error e[3];

	if (size == 0)
		return 0;
	whole.random = cut.random = bytes.random = data[0];
	cut.stops = true;
	e[0] = run(&whole, data + 1, size - 1, size);
	e[1] = run(&cut, data + 1, size - 1, 0);
	e[2] = run(&bytes, data + 1, size - 1, 1);
	CHECK(strcmp(buf_str(&whole.told), buf_str(&cut.told)) == 0);
	CHECK(strcmp(buf_str(&whole.told), buf_str(&bytes.told)) == 0);
	/* A long tag is held back for a while, and which of two errors comes first may depend on the cut. */
	if (size < 1000) {
		CHECK((e[0] == PARSER_OK) == (e[1] == PARSER_OK));
		CHECK((e[0] == PARSER_OK) == (e[2] == PARSER_OK));
	}
	buf_fini(&whole.told);
	buf_fini(&cut.told);
	buf_fini(&bytes.told);
	return 0;
}
