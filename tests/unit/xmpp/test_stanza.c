/* Tests of xmpp/stanza: building, reading, copying, walking, counting. */
#include "xmpp/stanza.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

static void
assert_xml(const struct elem *e, const char *expected)
{
	struct buf b = {0};

	serialize_elem(&b, e, NS_CLIENT);
	assert_string_equal(buf_str(&b), expected);
	buf_fini(&b);
}

static struct stanza *
sample(void)
{
	struct stanza *st = stanza_new("jabber:client", "message");
	struct elem *body;

	elem_set(st, st->root, "to", "romeo@example.net");
	elem_set_ns(st, st->root, NS_XML, "lang", "en");
	body = elem_add(st, st->root, NULL, "body");
	elem_add_text(st, body, "Art thou", 8);
	elem_add_text(st, body, " not Romeo?", 11);
	elem_add(st, st->root, "urn:example:x", "unknown-name");
	elem_add(st, st->root, NS_RECEIPTS, "request");
	return st;
}

static void
known_names_are_interned(void **state)
{
	char ns[] = "jabber:client", name[] = "iq";
	struct stanza *st = stanza_new(ns, name);

	(void)state;
	assert_ptr_equal(st->root->ns, NS_CLIENT);
	assert_ptr_equal(st->root->name, ns_intern_name("iq"));
	assert_ptr_equal(elem_add(st, st->root, "jabber:iq:roster", "query")->ns, NS_ROSTER);
	stanza_unref(st);
}

static void
reading(void **state)
{
	struct stanza *st = sample();
	struct arena *a = arena_new(0);
	struct elem *body = elem_child(st->root, NS_CLIENT, "body");

	(void)state;
	assert_non_null(body);
	assert_string_equal(elem_text(body, a), "Art thou not Romeo?");
	assert_string_equal(elem_text(st->root, a), "");
	assert_string_equal(elem_lang(st->root), "en");
	assert_null(elem_lang(body));
	assert_null(elem_get(st->root, "lang"));
	assert_string_equal(elem_get(st->root, "to"), "romeo@example.net");
	assert_null(elem_get(st->root, "from"));
	assert_null(elem_child(st->root, NS_SERVER, "body"));
	assert_ptr_equal(elem_child(st->root, NULL, NULL), body);
	assert_ptr_equal(elem_next(body, NS_RECEIPTS, NULL), st->root->last);
	assert_null(elem_next(body, NULL, "body"));
	assert_true(elem_is(st->root, NS_CLIENT, "message"));
	assert_false(elem_is(st->root, NS_CLIENT, "iq"));
	assert_false(elem_is(body->first, NULL, NULL));
	assert_false(elem_is(NULL, NULL, NULL));
	assert_null(elem_first(body));
	assert_ptr_equal(elem_first(st->root), body);
	arena_free(a);
	stanza_unref(st);
}

static void
changing(void **state)
{
	struct stanza *st = sample();

	(void)state;
	elem_set(st, st->root, "to", "juliet@example.com");
	elem_set(st, st->root, "id", "1");
	elem_set(st, st->root, "lang", "de");
	assert_string_equal(elem_lang(st->root), "en");
	elem_set(st, st->root, "lang", NULL);
	elem_set(st, st->root, "absent", NULL);
	elem_set_ns(st, st->root, NS_XML, "lang", NULL);
	assert_xml(
		st->root,
		"<message to='juliet@example.com' id='1'><body>Art thou not Romeo?</body>"
		"<unknown-name xmlns='urn:example:x'/><request xmlns='urn:xmpp:receipts'/></message>");
	elem_remove(elem_child(st->root, NULL, "unknown-name"));
	elem_remove(elem_child(st->root, NULL, "request"));
	elem_add(st, st->root, NULL, "thread");
	elem_remove(elem_child(st->root, NULL, "body"));
	assert_xml(st->root, "<message to='juliet@example.com' id='1'><thread/></message>");
	elem_remove(elem_child(st->root, NULL, "thread"));
	elem_remove(st->root);
	assert_xml(st->root, "<message to='juliet@example.com' id='1'/>");
	stanza_unref(st);
}

static void
copies_are_deep(void **state)
{
	struct stanza *st = sample(), *copy;
	struct elem *under;

	(void)state;
	copy = stanza_copy(stanza_seal(st));
	assert_false(copy->sealed);
	stanza_unref(st);
	assert_xml(
		copy->root,
		"<message to='romeo@example.net' xml:lang='en'><body>Art thou not Romeo?</body>"
		"<unknown-name xmlns='urn:example:x'/><request xmlns='urn:xmpp:receipts'/></message>");
	/* An element may even be copied below itself. */
	under = elem_add_copy(copy, elem_child(copy->root, NULL, "body"), copy->root);
	assert_ptr_equal(under->parent, elem_child(copy->root, NULL, "body"));
	assert_xml(
		copy->root,
		"<message to='romeo@example.net' xml:lang='en'><body>Art thou not Romeo?"
		"<message to='romeo@example.net' xml:lang='en'><body>Art thou not Romeo?</body>"
		"<unknown-name xmlns='urn:example:x'/><request xmlns='urn:xmpp:receipts'/></message></body>"
		"<unknown-name xmlns='urn:example:x'/><request xmlns='urn:xmpp:receipts'/></message>");
	stanza_unref(copy);
}

/* First letters of the elements below root, " for text, in the order of the walk. */
static const char *
walked(const struct elem *root, char seen[64])
{
	size_t n = 0;

	for (const struct elem *e = root; e != NULL && n < 63; e = elem_walk(root, e))
		seen[n++] = e->name != NULL ? e->name[0] : '"';
	seen[n] = '\0';
	return seen;
}

static void
walk_sees_all_in_order(void **state)
{
	struct stanza *st = sample();
	char seen[64];

	(void)state;
	assert_string_equal(walked(st->root, seen), "mb\"\"ur");
	assert_string_equal(walked(st->root->first, seen), "b\"\"");
	assert_string_equal(walked(st->root->last, seen), "r");
	stanza_unref(st);
}

/* A hundred thousand levels: nothing here may recurse. */
static void
depth_costs_no_stack(void **state)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message"), *copy;
	struct elem *e = st->root;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100000; i++)
		e = elem_add(st, e, i % 2 ? NS_CLIENT : "urn:example:x", "a");
	copy = stanza_copy(st);
	for (const struct elem *w = copy->root; w != NULL; w = elem_walk(copy->root, w))
		n++;
	assert_int_equal(n, 100001);
	assert_int_equal(serialize_size(copy->root, NS_CLIENT),
			 serialize_size(st->root, NS_CLIENT));
	stanza_unref(st);
	stanza_unref(copy);
}

static void *
ref_and_unref(void *arg)
{
	for (int i = 0; i < 10000; i++) {
		struct stanza *st = stanza_ref(arg);

		assert_string_equal(st->root->name, "message");
		stanza_unref(st);
	}
	stanza_unref(arg);
	return NULL;
}

static void
sealed_stanzas_are_shared(void **state)
{
	struct stanza *st = stanza_seal(sample());
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, ref_and_unref, stanza_ref(st)), 0);
	stanza_unref(st);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	stanza_unref(NULL);
}

/* What is kept for long takes what it needs: not the block that it was parsed into, nor what was taken out of it. */
static void
packed_is_small_and_the_same(void **state)
{
	struct stanza *st = stanza_new(NS_CLIENT, "presence"), *packed;
	struct elem *show = elem_add(st, st->root, NULL, "show"), *big = elem_add(st, st->root, NULL, "x");
	struct buf before = { 0 }, after = { 0 };
	char text[3000];

	(void)state;
	memset(text, 'x', sizeof(text));
	elem_add_text(st, show, "away", 4);
	elem_add_text(st, big, text, sizeof(text));
	elem_remove(big);
	elem_set(st, st->root, "to", "juliet@example.org");
	serialize_stanza(&before, st, NS_CLIENT, NULL);
	assert_true(arena_bytes(st->arena) > sizeof(text));
	packed = stanza_pack(st);
	assert_true(packed->sealed);
	assert_true(arena_bytes(packed->arena) < 600);
	serialize_stanza(&after, packed, NS_CLIENT, NULL);
	assert_string_equal(buf_str(&before), buf_str(&after));
	buf_fini(&before);
	buf_fini(&after);
	stanza_unref(packed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_names_are_interned),
		cmocka_unit_test(reading),
		cmocka_unit_test(changing),
		cmocka_unit_test(copies_are_deep),
		cmocka_unit_test(walk_sees_all_in_order),
		cmocka_unit_test(depth_costs_no_stack),
		cmocka_unit_test(sealed_stanzas_are_shared),
		cmocka_unit_test(packed_is_small_and_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
