/* Tests of xmpp/serialize: namespaces by scope, prefixes, overlay, escaping, size. */
#include "xmpp/serialize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "xmpp/ns.h"
#include "xmpp/parser.h"

static void
assert_stanza(const struct stanza *st, const char *ns, const struct overlay *o,
	      const char *expected)
{
	struct buf b = {0};

	buf_adds(&b, "before ");
	serialize_stanza(&b, st, ns, o);
	assert_string_equal(buf_str(&b) + 7, expected);
	if (o == NULL)
		assert_int_equal(serialize_size(st->root, ns), strlen(expected));
	buf_fini(&b);
}

/* Parses `in` as a client's and writes it to a client. */
static void
assert_round(const char *in, const char *expected)
{
	struct stanza *st = parser_one(in, strlen(in), NS_CLIENT, NULL);

	assert_non_null(st);
	assert_stanza(st, NS_CLIENT, NULL, expected);
	stanza_unref(st);
}

static void
stream_namespace_is_left_out(void **state)
{
	struct stanza *st = stanza_new(NS_CLIENT, "iq");
	struct elem *query = elem_add(st, st->root, NS_ROSTER, "query");

	(void)state;
	elem_add(st, query, NULL, "item");
	elem_add(st, query, NS_CLIENT, "odd");
	elem_add(st, query, "", "none");
	assert_stanza(st, NS_CLIENT, NULL,
		      "<iq><query xmlns='jabber:iq:roster'><item/>"
		      "<odd xmlns='jabber:client'/><none xmlns=''/></query></iq>");
	assert_stanza(st, NULL, NULL,
		      "<iq xmlns='jabber:client'><query xmlns='jabber:iq:roster'><item/>"
		      "<odd xmlns='jabber:client'/><none xmlns=''/></query></iq>");
	assert_stanza(st, NS_SERVER, NULL,
		      "<iq xmlns='jabber:client'><query xmlns='jabber:iq:roster'><item/>"
		      "<odd xmlns='jabber:client'/><none xmlns=''/></query></iq>");
	stanza_unref(st);
}

static void
no_prefix_survives(void **state)
{
	(void)state;
	assert_round("<message xmlns:x='urn:x' xmlns:y='urn:y'><x:a><x:b/><y:c/></x:a></message>",
		     "<message><a xmlns='urn:x'><b/><c xmlns='urn:y'/></a></message>");
	assert_round(
		"<a xmlns:x='urn:x' xmlns:y='urn:y' x:k='1' k='2' y:k='3' xml:lang='de'/>",
		"<a xmlns:n0='urn:x' n0:k='1' k='2' xmlns:n1='urn:y' n1:k='3' xml:lang='de'/>");
	assert_round("<stream:features/>", "<features xmlns='http://etherx.jabber.org/streams'/>");
}

/* Its namespace must not be declared, as the default one neither: what did would end the stream of who reads it. */
static void
prefix_xml_is_kept(void **state)
{
	(void)state;
	assert_round("<message><xml:a/></message>", "<message><xml:a/></message>");
	assert_round("<a><xml:b xml:lang='de'>x<xml:c/><d/><e xmlns='urn:e'/></xml:b><f/></a>",
		     "<a><xml:b xml:lang='de'>x<xml:c/><d xmlns='jabber:client'/><e xmlns='urn:e'/></xml:b><f/></a>");
	assert_round("<xml:a>b</xml:a>", "<xml:a>b</xml:a>");
}

static void
text_is_escaped(void **state)
{
	(void)state;
	assert_round("<a>&lt;b&gt; &amp; 'c' \"d\"&#13;\n\t</a>",
		     "<a>&lt;b> &amp; 'c' \"d\"&#13;\n\t</a>");
	assert_round("<a>]]&gt;</a>", "<a>]]&gt;</a>");
	assert_round("<a>]&gt;]]]&gt;&gt;</a>", "<a>]>]]]&gt;></a>");
	assert_round("<a><![CDATA[]]]]><![CDATA[>]]></a>", "<a>]]&gt;</a>");
	assert_round("<a><b/>&gt;</a>", "<a><b/>></a>");
	assert_round("<a><![CDATA[<&'>]]></a>", "<a>&lt;&amp;'></a>");
	assert_round("<a>\xf0\x9f\x98\x80</a>", "<a>\xf0\x9f\x98\x80</a>");
}

/* Two text nodes side by side can only be ours; their border must not make "]]>". */
static void
joined_text_is_safe(void **state)
{
	struct stanza *st = stanza_new(NS_CLIENT, "a");

	(void)state;
	elem_add_text(st, st->root, "]]", 2);
	elem_add_text(st, st->root, ">", 1);
	elem_add_text(st, st->root, "]>", 2);
	assert_stanza(st, NS_CLIENT, NULL, "<a>]]&gt;]&gt;</a>");
	stanza_unref(st);
}

static void
attributes_are_escaped(void **state)
{
	(void)state;
	assert_round("<a b='&lt;&gt;&amp;&#9;&#10;&#13;\n'/>",
		     "<a b='&lt;>&amp;&#9;&#10;&#13; '/>");
	assert_round("<a b=\"it's\"/>", "<a b=\"it's\"/>");
	assert_round("<a b='\"'/>", "<a b='\"'/>");
	assert_round("<a b=\"'&quot;'\"/>", "<a b=\"'&#34;'\"/>");
	assert_round("<a b='\"&apos;\"'/>", "<a b='\"&#39;\"'/>");
	assert_round("<a xmlns='&lt;\"&apos;&gt;'/>", "<a xmlns='&lt;\"&#39;>'/>");
}

static void
overlay_replaces_and_adds(void **state)
{
	struct stanza *st =
		parser_one("<message to='a' type='chat'><body/></message>", 45, NS_CLIENT, NULL);
	struct stanza *empty = stanza_new(NS_CLIENT, "message");
	struct overlay o = {.to = "b'c", .from = "d", .append = "<x/>", .append_len = 4};
	struct overlay type = {.type = "error", .id = "1"};

	(void)state;
	assert_stanza(stanza_seal(st), NS_CLIENT, &o,
		      "<message to=\"b'c\" type='chat' from='d'><body/><x/></message>");
	assert_stanza(st, NS_CLIENT, &type,
		      "<message to='a' type='error' id='1'><body/></message>");
	assert_stanza(empty, NS_CLIENT, &o, "<message to=\"b'c\" from='d'><x/></message>");
	assert_stanza(st, NS_CLIENT, NULL, "<message to='a' type='chat'><body/></message>");
	stanza_unref(st);
	stanza_unref(empty);
}

static void
raw_escaping(void **state)
{
	struct buf b = {0};

	(void)state;
	serialize_text(&b, "a<b>&'\"\r\n\t", 10);
	assert_string_equal(buf_str(&b), "a&lt;b&gt;&amp;&#39;&#34;&#13;\n\t");
	buf_clear(&b);
	serialize_attr(&b, "a<b>&'\"\r\n\t", 10);
	assert_string_equal(buf_str(&b), "a&lt;b&gt;&amp;&#39;&#34;&#13;&#10;&#9;");
	buf_fini(&b);
}

/* Larger than what is reserved at first. */
static void
long_output(void **state)
{
	struct stanza *st = stanza_new(NS_CLIENT, "message");
	char *text = malloc(100001);
	struct buf b = {0};

	(void)state;
	memset(text, '&', 100000);
	text[100000] = '\0';
	elem_set(st, st->root, "id", text);
	elem_add_text(st, elem_add(st, st->root, NULL, "body"), text, 100000);
	serialize_stanza(&b, st, NS_CLIENT, NULL);
	assert_int_equal(buf_len(&b), 1000000 + strlen("<message id=''><body></body></message>"));
	assert_int_equal(serialize_size(st->root, NS_CLIENT), buf_len(&b));
	buf_fini(&b);
	free(text);
	stanza_unref(st);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_namespace_is_left_out),
		cmocka_unit_test(no_prefix_survives),
		cmocka_unit_test(prefix_xml_is_kept),
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(joined_text_is_safe),
		cmocka_unit_test(attributes_are_escaped),
		cmocka_unit_test(overlay_replaces_and_adds),
		cmocka_unit_test(raw_escaping),
		cmocka_unit_test(long_output),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
