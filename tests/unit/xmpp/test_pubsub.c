/* pubsub: requests as XEP-0060 writes them, and what is read from answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/pubsub.h"
#include "xmpp/serialize.h"

#define P "http://jabber.org/protocol/pubsub"

static void
is_written(struct stanza *st, const char *xml)
{
	struct buf b = { 0 };

	serialize_stanza(&b, st, NS_CLIENT, NULL);
	assert_string_equal(buf_str(&b), xml);
	buf_fini(&b);
	stanza_unref(st);
}

static struct stanza *
read_xml(const char *xml)
{
	struct stanza *st = parser_one(xml, strlen(xml), NS_CLIENT, NULL);

	assert_non_null(st);
	return st;
}

static void
requests(void **state)
{
	static const struct pubsub_config c = { .access_model = "whitelist", .max_items = "max" };
	struct stanza *st;
	struct elem *item;

	(void)state;
	is_written(pubsub_items_get("n", NULL, 1), "<iq type='get'><pubsub xmlns='" P "'><items node='n' max_items='1'/></pubsub></iq>");
	is_written(pubsub_items_get("n", "i", 0),
		"<iq type='get'><pubsub xmlns='" P "'><items node='n'><item id='i'/></items></pubsub></iq>");
	is_written(pubsub_retract("n", "i"),
		"<iq type='set'><pubsub xmlns='" P "'><retract node='n' notify='true'><item id='i'/></retract></pubsub></iq>");
	is_written(pubsub_configure("n", NULL),
		"<iq type='get'><pubsub xmlns='" P "#owner'><configure node='n'/></pubsub></iq>");
	st = pubsub_publish("n", "i", &item);
	elem_add(st, item, "urn:example:x", "x");
	pubsub_publish_options(st, &c);
	is_written(st, "<iq type='set'><pubsub xmlns='" P "'><publish node='n'><item id='i'><x xmlns='urn:example:x'/></item></publish>"
		"<publish-options><x xmlns='jabber:x:data' type='submit'><field type='hidden' var='FORM_TYPE'><value>" P
		"#publish-options</value></field><field var='pubsub#persist_items'><value>true</value></field>"
		"<field var='pubsub#access_model'><value>whitelist</value></field>"
		"<field var='pubsub#max_items'><value>max</value></field></x></publish-options></pubsub></iq>");
}

static void
items(void **state)
{
	struct stanza *st = read_xml("<iq type='result'><pubsub xmlns='" P "'><items node='n'><item id='a'/><item id='b'/></items></pubsub></iq>");
	const struct elem *i = pubsub_first_item(st);

	(void)state;
	assert_string_equal(elem_get(i, "id"), "a");
	assert_string_equal(elem_get(elem_next(i, NS_PUBSUB, "item"), "id"), "b");
	stanza_unref(st);
	/* A request that comes back with its error is not an answer. */
	st = read_xml("<iq type='error'><pubsub xmlns='" P "'><items node='n'><item id='a'/></items></pubsub></iq>");
	assert_null(pubsub_first_item(st));
	assert_false(pubsub_is_result(st));
	stanza_unref(st);
}

static void
configuration(void **state)
{
	struct arena *a = arena_new(0);
	struct stanza *st = read_xml("<iq type='result'><pubsub xmlns='" P "#owner'><configure node='n'><x xmlns='jabber:x:data' type='form'>"
		"<field var='pubsub#access_model' type='list-single'><option><value>presence</value></option>"
		"<value>open</value></field></x></configure></pubsub></iq>");

	(void)state;
	assert_string_equal(pubsub_access_model(st, a), "open");
	stanza_unref(st);
	st = read_xml("<iq type='result'/>");
	assert_null(pubsub_access_model(st, a));
	stanza_unref(st);
	arena_free(a);
}

static void
errors_and_events(void **state)
{
	struct stanza *st = read_xml("<iq type='error'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
		"<precondition-not-met xmlns='" P "#errors'/></error></iq>");

	(void)state;
	assert_true(pubsub_is_precondition(st));
	stanza_unref(st);
	st = read_xml("<message><event xmlns='" P "#event'><purge node='n'/></event></message>");
	assert_string_equal(pubsub_event_node(st), "n");
	assert_false(pubsub_is_precondition(st));
	stanza_unref(st);
	st = read_xml("<message><event xmlns='" P "#event'/></message>");
	assert_null(pubsub_event_node(st));
	stanza_unref(st);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests),
		cmocka_unit_test(items),
		cmocka_unit_test(configuration),
		cmocka_unit_test(errors_and_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
