/*
 * form: XEP-0004 §3: what a submission says, what is malformed, and what we write.
 */
#include "xmpp/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

static struct arena *arena;

static int
start(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

/* The form outlives the stanza it was read from: everything is in the arena. */
static struct form *
parse(const char *type, const char *fields)
{
	struct parser_limits l = { .stanza_bytes = 1 << 20, .token_bytes = 65536, .memory_bytes = 1 << 26, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct buf b = { 0 };
	struct stanza *st;
	struct form *f;

	buf_addf(&b, "<x%s%s%s>%s</x>", type ? " type='" : "", type ? type : "", type ? "'" : "", fields);
	st = parser_one(buf_str(&b), buf_len(&b), NS_DATA, &l);
	assert_non_null(st);
	f = form_parse(st->root, arena);
	stanza_unref(st);
	buf_fini(&b);
	return f;
}

#define V(s) "<value>" s "</value>"
#define F(var, values) "<field var='" var "'>" values "</field>"

static void
submission(void **state)
{
	struct form *f = parse("submit", F("FORM_TYPE", V("urn:example:x")) F("one", V("a&amp;b")) F("many", V("1") V("") V("3"))
		F("none", ""));

	(void)state;
	assert_non_null(f);
	assert_string_equal(f->type, "submit");
	assert_string_equal(f->form_type, "urn:example:x");
	assert_string_equal(form_value(f, "one"), "a&b");
	assert_int_equal(form_find(f, "many")->n, 3);
	assert_string_equal(form_find(f, "many")->value[1], "");
	assert_string_equal(form_find(f, "many")->value[2], "3");
	assert_non_null(form_find(f, "none"));
	assert_null(form_value(f, "none"));
	assert_null(form_find(f, "missing"));
	assert_null(form_value(f, "missing"));
	assert_null(form_find(f, "FORM_TYPE"));
	assert_string_equal(f->first->var, "one");
	assert_string_equal(f->first->next->next->var, "none");
}

static void
malformed(void **state)
{
	(void)state;
	assert_null(parse(NULL, ""));
	assert_null(parse("", ""));
	assert_null(parse("surprise", ""));
	assert_null(parse("submit", "<field>" V("1") "</field>"));
	assert_null(parse("submit", F("a", V("1")) F("b", "") F("a", V("2"))));
	assert_null(parse("submit", F("FORM_TYPE", V("x")) F("FORM_TYPE", V("y"))));
	/* A fixed text of a form has no name (§3.3). */
	assert_non_null(parse("form", "<field type='fixed'>" V("read this") "</field>" F("a", "")));
	assert_non_null(parse("cancel", ""));
}

static void
of_another_namespace(void **state)
{
	struct form *f = parse("submit", "<field xmlns='urn:x' var='a'/>" F("a", "<value xmlns='urn:x'>no</value>" V("yes")));
	struct stanza *st = stanza_new(NS_CLIENT, "x");

	(void)state;
	assert_non_null(f);
	assert_string_equal(form_value(f, "a"), "yes");
	elem_set(st, st->root, "type", "submit");
	assert_null(form_parse(st->root, arena));
	assert_null(form_parse(NULL, arena));
	stanza_unref(st);
}

static void
many_fields(void **state)
{
	struct buf b = { 0 };
	struct form *f;

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		buf_addf(&b, "<field var='f%u'><value>%u</value></field>", i, i);
	f = parse("submit", buf_str(&b));
	assert_non_null(f);
	assert_string_equal(form_value(f, "f9999"), "9999");
	buf_fini(&b);
}

static void
typed_values(void **state)
{
	struct form *f = parse("submit", F("t", V("true")) F("1", V("1")) F("f", V("false")) F("0", V("0")) F("x", V("yes")) F("e", "")
		F("n", V("17")) F("big", V("99999999999999999999")) F("neg", V("-1")) F("two", V("1") V("1")));
	bool b = true;
	uint64_t n = 5;

	(void)state;
	assert_true(form_bool(f, "f", &b) && !b);
	assert_true(form_bool(f, "t", &b) && b);
	assert_true(form_bool(f, "0", &b) && !b);
	assert_true(form_bool(f, "1", &b) && b);
	assert_true(form_bool(f, "missing", &b) && b);
	assert_false(form_bool(f, "x", &b));
	assert_false(form_bool(f, "e", &b));
	assert_false(form_bool(f, "two", &b));
	assert_true(form_number(f, "missing", 0, 100, &n) && n == 5);
	assert_true(form_number(f, "n", 0, 100, &n) && n == 17);
	assert_false(form_number(f, "n", 18, 100, &n));
	assert_false(form_number(f, "n", 0, 16, &n));
	assert_false(form_number(f, "big", 0, UINT64_MAX, &n));
	assert_false(form_number(f, "neg", 0, 100, &n));
	assert_false(form_number(f, "e", 0, 100, &n));
	assert_false(form_number(f, "two", 0, 100, &n));
}

static void
written(void **state)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	struct elem *x = form_new(st, st->root, "form", "urn:example:x"), *field;
	struct buf b = { 0 };
	struct form *f;

	(void)state;
	form_title(st, x, "A title", "Fill in <this>");
	field = form_add(st, x, "list-single", "pick", "Pick one", "b");
	form_add_option(st, field, "First", "a");
	form_add_option(st, field, NULL, "b");
	form_require(st, field);
	form_add(st, x, NULL, "bare", NULL, NULL);
	serialize_elem(&b, x, NS_CLIENT);
	assert_string_equal(buf_str(&b),
		"<x xmlns='jabber:x:data' type='form'><field type='hidden' var='FORM_TYPE'><value>urn:example:x</value></field>"
		"<title>A title</title><instructions>Fill in &lt;this></instructions>"
		"<field type='list-single' var='pick' label='Pick one'><value>b</value><option label='First'><value>a</value></option>"
		"<option><value>b</value></option><required/></field><field var='bare'/></x>");
	f = form_parse(x, arena);
	assert_non_null(f);
	assert_string_equal(form_value(f, "pick"), "b");
	assert_int_equal(form_find(f, "pick")->n, 1);
	buf_fini(&b);
	stanza_unref(st);
}

int
main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(submission), TEST(malformed), TEST(of_another_namespace), TEST(many_fields), TEST(typed_values), TEST(written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
