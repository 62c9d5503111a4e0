/* What the record says of an IQ between clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/route/exchange.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

static struct stanza *
request(void)
{
	static const char xml[] = "<iq id='i1'><x xmlns='urn:example:x'>words</x></iq>";
	struct stanza *st = parser_one(xml, sizeof(xml) - 1, NS_CLIENT, NULL);

	assert_non_null(st);
	return st;
}

static void
described(void **state)
{
	static const struct {
		enum packet_type type;
		const char *name;
	} types[] = { { TYPE_GET, "get" }, { TYPE_SET, "set" }, { TYPE_RESULT, "result" }, { TYPE_ERROR, "error" } };

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct packet p = { .kind = PACKET_IQ, .type = types[i].type, .st = request() };
		struct record_entry e = { .shown = true };

		exchange_describe(&p, &e);
		assert_int_equal(e.kind, RECORD_REQUEST);
		assert_string_equal(e.type, types[i].name);
		assert_string_equal(e.client_id, "i1");
		assert_null(e.body);
		assert_false(e.shown);
		stanza_unref(p.st);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(described),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
