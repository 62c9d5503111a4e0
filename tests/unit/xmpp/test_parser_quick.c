/*
 * Tests of xmpp/parser_quick: what it takes and what it leaves to expat; and that both make the same of it: what is given whole may go either way, what is given byte by byte is
 * expat's alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/parser_state.h"
#include "xmpp/serialize.h"

#define OPEN "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"

static const struct parser_limits limits = {
	.stanza_bytes = 10000,
	.token_bytes = 3000,
	.memory_bytes = 80000,
	.depth = 8,
	.attributes = 8,
	.namespaces = 8,
};

struct told {
	struct buf text;
	size_t stanzas;
};

static void
opened(void *owner, const struct parser_header *h)
{
	(void)owner;
	(void)h;
}

static void
came(void *owner, struct stanza *st)
{
	struct told *t = owner;

	serialize_stanza(&t->text, st, NS_CLIENT, NULL);
	buf_addf(&t->text, "(%u)", st->size);
	t->stanzas++;
	stanza_unref(st);
}

static void
ended(void *owner)
{
	buf_adds(&((struct told *)owner)->text, "[/]");
}

static const struct parser_ops ops = {opened, came, ended};

static struct parser *
between_stanzas(struct told *t)
{
	struct parser *p = parser_new(&ops, t, &limits);
	size_t used;

	assert_int_equal(parser_feed(p, OPEN, strlen(OPEN), &used), PARSER_OK);
	return p;
}

/* How many bytes of the input are taken without expat. */
static size_t
quick(const char *in, const struct parser_limits *l)
{
	struct told t = {0};
	struct parser *p = between_stanzas(&t);
	size_t n = strlen(in), taken;
	char *copy = malloc(n ? n : 1);

	parser_set_limits(p, l);
	/* In a block of its own, so that reading beyond it is noticed. */
	memcpy(copy, in, n);
	taken = parser_quick(p, copy, n);
	free(copy);
	parser_free(p);
	buf_fini(&t.text);
	parser_pool_clear();
	return taken;
}

static void
check_taken(const char *in)
{
	if (quick(in, &limits) != strlen(in))
		fail_msg("left to expat: %s", in);
}

static void
check_left(const char *in)
{
	if (quick(in, &limits) != 0)
		fail_msg("taken: %s", in);
}

static void
ordinary_ones_are_taken(void **state)
{
	(void)state;
	check_taken("<presence/>");
	check_taken("<a/>");
	check_taken("<presence />");
	check_taken("<r xmlns='urn:xmpp:sm:3'/>");
	check_taken("<message from='romeo@x.example/a' to=\"juliet@x.example\" type='chat' id='1' xml:lang='en'><body>it is the east &amp; Juliet\n\tis the &lt;sun&gt; "
		    "[1]</body><stanza-id xmlns='urn:xmpp:sid:0' by='x.example' id='17'/></message>");
	check_taken("<message><body>\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbb\xbf</body></message>");
	check_taken("<iq type='get' id=''><query xmlns='jabber:iq:roster'></query></iq>");
	check_taken("<iq><x xmlns='http://example.com/unknown?a=b;c'><y z='&apos;&quot;\"'/></x></iq>");
	check_taken("<iq><html xmlns='http://www.w3.org/1999/xhtml'/></iq>");
	/* Only the first, whatever stands behind it. */
	assert_int_equal(quick("<a/><b/>", &limits), 4);
	assert_int_equal(quick("<a></a>\xff", &limits), 7);
}

static void
everything_else_is_left(void **state)
{
	static const char *const left[] = {
		"", " <a/>", "<", "<a", "<a/", "<a b", "<a b=", "<a b='", "<a b='c'", "<a>", "<a></", "<a></a", "<a>x", "<a>&am", "<a>\xe2\x82",
		"</a>", "<!-- --><a/>", "<?a?><a/>", "<a><!-- --></a>", "<a><![CDATA[x]]></a>", "<!DOCTYPE a><a/>",
		"<a:b/>", "<a x:b='c'/>", "<a xmlns:x='y'/>", "<a xml:space='preserve'/>", "<a xml:language='en'/>", "<\xc3\xa9/>", "<a \xc3\xa9='b'/>", "<1/>", "<-a/>",
		"<a b='c' b='d'/>", "<a xml:lang='a' xml:lang='b'/>", "<a xmlns='u' xmlns='v'/>", "<a xmlns=''/>", "<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
		"<a xmlns='http://www.w3.org/2000/xmlns/'/>", "<a xmlns='u v'/>", "<a xmlns='u&amp;v'/>", "<a xmlns=\"u'v\"/>", "<a xmlns='\xc3\xa9'/>",
		"<a b='c'd='e'/>", "<a b = 'c'/>", "<a\tb='c'/>", "<a\nb='c'/>", "<a b=c/>", "<a b/>", "<a b='<'/>", "<a b='\t'/>", "<a b='\n'/>", "<a b='\x01'/>", "<a / >",
		"<a></b>", "<a></ab>", "<ab></a>", "<a></a >", "<a><b></a></b>", "<a>&#65;</a>", "<a>&nbsp;</a>", "<a>&</a>", "<a b='&#65;'/>", "<a>]]></a>", "<a>]]</a>",
		"<a>\r\n</a>", "<a>\x01</a>", "<a>\xff</a>", "<a>\xc0\x80</a>", "<a>\xe0\x80\x80</a>", "<a>\xed\xa0\x80</a>", "<a>\xef\xbf\xbe</a>", "<a>\xef\xbf\xbf</a>",
		"<a>\xf0\x80\x80\x80</a>", "<a>\xf4\x90\x80\x80</a>", "<a>\xf5\x80\x80\x80</a>", "<a>\x80</a>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(left) / sizeof(*left); i++)
		check_left(left[i]);
}

/* What may be too much is for expat to judge. */
static void
bounds_are_left(void **state)
{
	struct parser_limits l = limits;
	struct buf b = {0};

	(void)state;
	l.depth = 2;
	assert_int_equal(quick("<a><b/></a>", &l), 11);
	assert_int_equal(quick("<a><b><c/></b></a>", &l), 0);
	l = limits;
	l.attributes = 1;
	assert_int_equal(quick("<a b='c'/>", &l), 10);
	assert_int_equal(quick("<a b='c' d='e'/>", &l), 0);
	l = limits;
	l.stanza_bytes = 7;
	assert_int_equal(quick("<a></a>", &l), 7);
	assert_int_equal(quick("<ab></ab>", &l), 0);
	l = limits;
	l.token_bytes = 10;
	assert_int_equal(quick("<a b='c'/>", &l), 10);
	assert_int_equal(quick("<a b='cd'/>", &l), 0);
	l = limits;
	l.namespaces = 0;
	assert_int_equal(quick("<a xmlns='u'/>", &l), 0);
	l = limits;
	l.memory_bytes = 1000;
	assert_int_equal(quick("<a/>", &l), 0);
	buf_adds(&b, "<a>");
	for (int i = 0; i < 200; i++)
		buf_adds(&b, "<b/>");
	buf_adds(&b, "</a>");
	check_left(buf_str(&b));
	buf_fini(&b);
}

/* ---- both the same ---- */

static uint32_t seed;

static unsigned
any(unsigned n)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 12) % n;
}

#define ANY(table) table[any(sizeof(table) / sizeof(*table))]

static void
add_element(struct buf *b, unsigned depth)
{
	static const char *const names[] = {"a", "body", "message", "x-y.z", "_1", "iq"};
	static const char *const attributes[] = {" to='a'", " id=\"b'\"", " xml:lang='de'", " xmlns='jabber:client'", " xmlns='urn:unknown'", " type=''", " k='&lt;&gt;&quot;\xc3\xa9'",
						 "  l='>/]]>'", " xmlns='urn:xmpp:sid:0'"};
	static const char *const texts[] = {"x", " ", "&amp;", "\n", "\xe2\x82\xac", "]", "]>", "\t&apos;", "a b"};
	const char *name = ANY(names);

	buf_addf(b, "<%s", name);
	for (unsigned n = any(4); n; n--)
		buf_adds(b, ANY(attributes));
	if (!any(4)) {
		buf_adds(b, any(3) ? "/>" : " />");
		return;
	}
	buf_addc(b, '>');
	for (unsigned n = any(5); n; n--) {
		if (depth < 7 && any(2))
			add_element(b, depth + 1);
		else
			buf_adds(b, ANY(texts));
	}
	buf_addf(b, "</%s>", name);
}

/* Now and then a byte is another, is missing, or is there twice. */
static void
spoil(struct buf *b)
{
	static const char bytes[] = "<>/&;'\" =]:!?-x\x01\t\r\n\x80\xc3\xe2\xef\xff";
	size_t at = any((unsigned)buf_len(b));
	char *p = (char *)buf_data(b) + at;

	switch (any(6)) {
	case 0:
		*p = bytes[any(sizeof(bytes) - 1)];
		break;
	case 1:
		memmove(p, p + 1, buf_len(b) - at - 1);
		p[buf_len(b) - at - 1] = ' ';
		break;
	case 2:
		if (at)
			*p = p[-1];
		break;
	default:
		break;
	}
}

static enum parser_error
feed(struct told *t, const struct buf *b, size_t each)
{
	struct parser *p = between_stanzas(t);
	enum parser_error e = PARSER_OK;
	size_t used;

	for (size_t at = 0; at < buf_len(b) && e == PARSER_OK; at += each) {
		size_t n = buf_len(b) - at < each ? buf_len(b) - at : each;
		char *copy = malloc(n);

		memcpy(copy, (const char *)buf_data(b) + at, n);
		e = parser_feed(p, copy, n, &used);
		free(copy);
	}
	parser_free(p);
	return e;
}

static void
same_as_expat(void **state)
{
	size_t stanzas = 0, errors = 0;

	(void)state;
	for (seed = 1; seed != 0 && stanzas + errors < 3000;) {
		struct told whole = {0}, bytes = {0};
		struct buf b = {0};
		enum parser_error e;
		uint32_t began = seed;

		for (unsigned n = 1 + any(3); n; n--)
			add_element(&b, 1);
		if (any(2))
			spoil(&b);
		e = feed(&whole, &b, buf_len(&b));
		if (feed(&bytes, &b, 1) != e || strcmp(buf_str(&whole.text), buf_str(&bytes.text)) != 0)
			fail_msg("seed %u: %s\nwhole %s\nbytes %s", began, buf_str(&b), buf_str(&whole.text), buf_str(&bytes.text));
		stanzas += whole.stanzas;
		errors += e != PARSER_OK;
		buf_fini(&whole.text);
		buf_fini(&bytes.text);
		buf_fini(&b);
	}
	assert_in_range(stanzas, 1000, 3000);
	assert_in_range(errors, 100, 3000);
	parser_pool_clear();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_ones_are_taken),
		cmocka_unit_test(everything_else_is_left),
		cmocka_unit_test(bounds_are_left),
		cmocka_unit_test(same_as_expat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
