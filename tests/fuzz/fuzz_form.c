/*
 * fuzz_form: the fields of a form as a client sends them. What is accepted and written again must be read as the same;
 * the typed readers must not fail on any of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "xmpp/form.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct parser_limits limits = {
	.stanza_bytes = 65536,
	.token_bytes = 16384,
	.memory_bytes = 1 << 20,
	.depth = 16,
	.attributes = 16,
	.namespaces = 16,
};

#define CHECK(what) \
	do { \
		if (!(what)) \
			abort(); \
	} while (0)

static struct stanza *
write_again(const struct form *f)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	struct elem *x = form_new(st, st->root, f->type, f->form_type);

	for (const struct form_field *i = f->first; i; i = i->next) {
		struct elem *e = form_add(st, x, i->type, i->var, NULL, NULL);

		for (unsigned v = 0; v < i->n; v++)
			form_add_value(st, e, i->value[v]);
	}
	return st;
}

static void
compare(const struct form *a, const struct form *b)
{
	const struct form_field *x = a->first, *y = b->first;

	CHECK(!strcmp(a->type, b->type) && !a->form_type == !b->form_type);
	CHECK(!a->form_type || !strcmp(a->form_type, b->form_type));
	for (; x && y; x = x->next, y = y->next) {
		CHECK(!strcmp(x->var, y->var) && x->n == y->n);
		for (unsigned v = 0; v < x->n; v++)
			CHECK(!strcmp(x->value[v], y->value[v]));
	}
	CHECK(!x && !y);
}

static void
read_all(const struct form *f)
{
	for (const struct form_field *i = f->first; i; i = i->next) {
		uint64_t n = 7;
		bool b = false;

		CHECK(form_find(f, i->var));
		(void)form_bool(f, i->var, &b);
		CHECK(!form_number(f, i->var, 3, 9, &n) || (n >= 3 && n <= 9));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stanza *st = parser_one((const char *)data, size, NS_DATA, &limits), *again;
	struct arena *a = arena_new(0);
	struct form *f = st ? form_parse(st->root, a) : NULL;

	stanza_unref(st);
	if (f) {
		read_all(f);
		again = write_again(f);
		compare(f, form_parse(elem_first(again->root), a));
		stanza_unref(again);
	}
	arena_free(a);
	return 0;
}
