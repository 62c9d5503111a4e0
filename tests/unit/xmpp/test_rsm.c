/* Tests of xmpp/rsm: XEP-0059. */
#include "xmpp/rsm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define SET(inner) "<query xmlns='urn:example'><set xmlns='http://jabber.org/protocol/rsm'>" inner "</set></query>"

static bool
parse(const char *xml, struct arena *a, struct rsm *out)
{
	struct stanza *st = parser_one(xml, strlen(xml), NS_CLIENT, NULL);
	bool ok;

	assert_non_null(st);
	ok = rsm_parse(st->root, a, out);
	stanza_unref(st);
	return ok;
}

static void
requests(void **state)
{
	struct arena *a = arena_new(0);
	struct rsm r;

	(void)state;
	assert_true(parse("<query xmlns='urn:example'/>", a, &r));
	assert_false(r.given);
	assert_true(parse(SET("<max>10</max>"), a, &r));
	assert_true(r.given && r.has_max && !r.after && !r.before && !r.has_index);
	assert_int_equal(r.max, 10);
	assert_true(parse(SET("<max> 0\n</max><after>peterpan@neverland.lit</after>"), a, &r));
	assert_true(r.has_max);
	assert_int_equal(r.max, 0);
	assert_string_equal(r.after, "peterpan@neverland.lit");
	assert_true(parse(SET("<before/>"), a, &r));
	assert_string_equal(r.before, "");
	assert_true(parse(SET("<after/>"), a, &r));
	assert_null(r.after);
	assert_true(parse(SET("<index>371</index>"), a, &r));
	assert_true(r.has_index);
	assert_int_equal(r.index, 371);
	arena_free(a);
}

static void
malformed(void **state)
{
	static const char *const bad[] = {
		SET("<max>ten</max>"), SET("<max>-1</max>"), SET("<max/>"), SET("<max>1 0</max>"),
		SET("<max>99999999999999999999</max>"), SET("<index>x</index>"),
		SET("<after>a</after><before>b</before>"),
	};
	struct arena *a = arena_new(0);
	struct rsm r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(parse(bad[i], a, &r));
	arena_free(a);
}

static void
assert_written(const char *first, int64_t index, const char *last, int64_t count, const char *expected)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	struct buf b = { 0 };

	rsm_write(st, st->root, first, index, last, count);
	serialize_elem(&b, elem_first(st->root), NS_RSM);
	assert_string_equal(buf_str(&b), expected);
	buf_fini(&b);
	stanza_unref(st);
}

static void
answers(void **state)
{
	(void)state;
	assert_written("a", 0, "b", 800, "<set><first index='0'>a</first><last>b</last><count>800</count></set>");
	assert_written("a", -1, "b", -1, "<set><first>a</first><last>b</last></set>");
	assert_written(NULL, -1, NULL, 790, "<set><count>790</count></set>");
	assert_written(NULL, 0, NULL, -1, "<set/>");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests), cmocka_unit_test(malformed), cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
