/*
 * Tests of xmpp/parser. Each input is given in one piece, byte by byte, and cut in two at every place:
 * what the owner is told must be the same. The pool is emptied between tests, so that the leak
 * checker sees every parser.
 */
#include "xmpp/parser.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "xmpp/ns.h"
#include "xmpp/serialize.h"

#define DECL "<?xml version='1.0'?>"
#define OPEN \
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' " \
	"to='example.com' version='1.0' xml:lang='en'>"
#define CLOSE "</stream:stream>"

static const struct parser_limits limits = {
	.stanza_bytes = 10000,
	.token_bytes = 3000,
	.memory_bytes = 80000,
	.depth = 8,
	.attributes = 8,
	.namespaces = 8,
};

/* What the owner was told: [header] stanzas [/]. */
struct seen {
	struct parser *p;
	struct buf text;
	enum { GO, STOP, RESTART, FREE } at_stanza, at_open;
	size_t stanzas, last_size;
};

static void
act(struct seen *s, int what)
{
	if (what == STOP)
		parser_stop(s->p);
	else if (what == RESTART)
		parser_restart(s->p);
	else if (what == FREE)
		parser_free(s->p);
}

static void
opened(void *owner, const struct parser_header *h)
{
	struct seen *s = owner;

	buf_addf(&s->text, "[%s %s %s %s %s %s]", h->ns ? h->ns : "-", h->to ? h->to : "-",
		 h->from ? h->from : "-", h->id ? h->id : "-", h->version ? h->version : "-",
		 h->lang ? h->lang : "-");
	act(s, s->at_open);
}

static void
stanza(void *owner, struct stanza *st)
{
	struct seen *s = owner;

	serialize_stanza(&s->text, st, NS_CLIENT, NULL);
	s->stanzas++;
	s->last_size = st->size;
	stanza_unref(st);
	act(s, s->at_stanza);
}

static void
closed(void *owner)
{
	buf_adds(&((struct seen *)owner)->text, "[/]");
}

static const struct parser_ops ops = {opened, stanza, closed};

static enum parser_error
feed(struct seen *s, const char *data, size_t n, size_t *used)
{
	/* In a block of its own, so that reading beyond it is noticed. */
	char *copy = malloc(n > 0 ? n : 1);
	enum parser_error e;

	memcpy(copy, data, n);
	e = parser_feed(s->p, copy, n, used);
	free(copy);
	return e;
}

/* Gives `in` in pieces: the first of `first` bytes, the others of `each`. */
static enum parser_error
feed_cut(struct seen *s, const char *in, size_t n, size_t first, size_t each)
{
	enum parser_error e = PARSER_OK;
	size_t at = 0, used;

	while (at < n && e == PARSER_OK) {
		size_t len = at == 0 ? first : each;

		if (len > n - at)
			len = n - at;
		e = feed(s, in + at, len, &used);
		if (e == PARSER_OK)
			assert_int_equal(used, len);
		at += len;
	}
	return e;
}

static void
check_cut(const char *in, size_t n, size_t first, size_t each, enum parser_error error,
	  const char *expected)
{
	struct seen s = {0};
	enum parser_error e;

	s.p = parser_new(&ops, &s, &limits);
	e = feed_cut(&s, in, n, first, each);
	if (e != error || (expected != NULL && strcmp(buf_str(&s.text), expected) != 0))
		fail_msg("cut %zu, %zu of <<%s>>: %s, told %s", first, each, in,
			 parser_error_text(e), buf_str(&s.text));
	parser_free(s.p);
	buf_fini(&s.text);
}

static void
check_n(const char *in, size_t n, enum parser_error error, const char *expected)
{
	check_cut(in, n, n, n, error, expected);
	check_cut(in, n, 1, 1, error, expected);
	check_cut(in, n, 3, 7, error, expected);
	for (size_t i = 1; i < n && i < 400; i++)
		check_cut(in, n, i, n, error, expected);
}

static void
check(const char *in, enum parser_error error, const char *expected)
{
	check_n(in, strlen(in), error, expected);
}

/* The same behind a usual header, whose part of what is told is left out. */
static void
check_in(const char *in, enum parser_error error, const char *expected)
{
	struct buf all = {0}, told = {0};

	buf_addf(&all, "%s%s", OPEN, in);
	buf_addf(&told, "[jabber:client example.com - - 1.0 en]%s", expected);
	check(buf_str(&all), error, buf_str(&told));
	buf_fini(&all);
	buf_fini(&told);
}

static int
teardown(void **state)
{
	(void)state;
	parser_pool_clear();
	return 0;
}

static void
streams(void **state)
{
	(void)state;
	check(DECL OPEN "<presence/><message to='a'><body>Hi</body></message><iq/>" CLOSE,
	      PARSER_OK,
	      "[jabber:client example.com - - 1.0 en]<presence/><message to='a'><body>Hi</body></message><iq/>[/]");
	check("<?xml version=\"1.0\" encoding=\"utf-8\" standalone='yes'?>\n" OPEN
	      "\n <a>\n <b/> </a >\r\n\t<c d = 'e' />\r",
	      PARSER_OK, "[jabber:client example.com - - 1.0 en]<a>\n <b/> </a><c d='e'/>");
	check("<s:stream xmlns:s='http://etherx.jabber.org/streams' from='a' id='b'/>  \n",
	      PARSER_OK, "[- - a b - -][/]");
	check("<stream xmlns='http://etherx.jabber.org/streams'><a xmlns='jabber:client'/></stream> ",
	      PARSER_OK, "[http://etherx.jabber.org/streams - - - - -]<a/>[/]");
	check("<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' "
	      "xmlns:db='jabber:server:dialback'><db:result>x</db:result><a/>" CLOSE,
	      PARSER_OK,
	      "[jabber:server - - - - -]<result xmlns='jabber:server:dialback'>x</result><a xmlns='jabber:server'/>[/]");
}

static void
names_are_interned(void **state)
{
	struct stanza *st = parser_one("<iq from='a'><query xmlns='jabber:iq:roster'/></iq>", 51,
				       NS_CLIENT, NULL);

	(void)state;
	assert_ptr_equal(st->root->ns, NS_CLIENT);
	assert_ptr_equal(st->root->name, ns_intern_name("iq"));
	assert_ptr_equal(st->root->attrs->name, ns_intern_name("from"));
	assert_ptr_equal(st->root->first->ns, NS_ROSTER);
	assert_int_equal(st->size, 51);
	stanza_unref(st);
}

static void
text_comes_whole(void **state)
{
	(void)state;
	check_in("<a>x &lt;&#x263A;&amp;\ny<![CDATA[<z> it's ]]]]><![CDATA[>\"/>]]></a><b/>",
		 PARSER_OK, "<a>x &lt;\xe2\x98\xba&amp;\ny&lt;z> it's ]]&gt;\"/></a><b/>");
	check_in("<a b='>\">/>&lt;/a>' c=\"'/>\">/> ></a><b/>", PARSER_OK,
		 "<a b='>\">/>&lt;/a>' c=\"'/>\">/> ></a><b/>");
	check_in("<a><![CDATA[</a></stream:stream><a/>]]></a>", PARSER_OK,
		 "<a>&lt;/a>&lt;/stream:stream>&lt;a/></a>");
}

static void
roots_that_are_no_stream(void **state)
{
	(void)state;
	check("<stream:stream xmlns='jabber:client' xmlns:stream='urn:x'>", PARSER_BAD_NAMESPACE,
	      "");
	check("<stream>", PARSER_BAD_NAMESPACE, "");
	check("<message xmlns='jabber:client'>", PARSER_BAD_NAMESPACE, "");
	check("<stream:stream>", PARSER_BAD_PREFIX, "");
	check("<s:streams xmlns:s='http://etherx.jabber.org/streams'>", PARSER_BAD_FORMAT, "");
	check("GET / HTTP/1.1\r\n", PARSER_NOT_WELL_FORMED, "");
	check("\x16\x03\x01\x02", PARSER_NOT_WELL_FORMED, "");
}

static void
what_is_not_well_formed(void **state)
{
	(void)state;
	check_in("<a></b>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a/><a b=c/>", PARSER_NOT_WELL_FORMED, "<a/>");
	check_in("<a b='1' b='2'/>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a xmlns:x='u' xmlns:y='u' x:b='1' y:b='2'/>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a>\x01</a>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a>&#1;</a>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a>\xff</a>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a>\xed\xa0\x80</a>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a>]]></a>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a:b:c/>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a b='<'/>", PARSER_NOT_WELL_FORMED, "");
	check_in("</stream:streams>", PARSER_NOT_WELL_FORMED, "");
	check_in("<?xml version='1.0'?>", PARSER_NOT_WELL_FORMED, "");
	check(" " DECL OPEN, PARSER_NOT_WELL_FORMED, "");
	check("<?xml version='1.1'?>" OPEN, PARSER_NOT_WELL_FORMED, "");
	check(OPEN CLOSE "<a/>", PARSER_NOT_WELL_FORMED, NULL);
	check_n(OPEN "<a>\0</a>", sizeof(OPEN "<a>\0</a>") - 1, PARSER_NOT_WELL_FORMED, NULL);
	/* UTF-16, with and without its mark (RFC 6120 §11.6) */
	check_n("\xff\xfe<\0s\0", 6, PARSER_NOT_WELL_FORMED, "");
	check_n("\xfe\xff\0<\0s", 6, PARSER_NOT_WELL_FORMED, "");
	check_n("\xef\xbb\xbf<a>", 6, PARSER_NOT_WELL_FORMED, "");
	check_n("\0<\0s", 4, PARSER_NOT_WELL_FORMED, "");
	check_n("<\0s\0", 4, PARSER_NOT_WELL_FORMED, "");
}

static void
prefixes(void **state)
{
	(void)state;
	check_in("<x:a/>", PARSER_BAD_PREFIX, "");
	check_in("<a x:b='1'/>", PARSER_BAD_PREFIX, "");
	check_in("<a xmlns:xmlns='u'/>", PARSER_BAD_PREFIX, "");
	check_in("<a xmlns:xml='u'/>", PARSER_BAD_PREFIX, "");
	check_in("<a xmlns:x=''/>", PARSER_BAD_PREFIX, "");
	check_in("<x:a xmlns:x='u'/><x:b/>", PARSER_BAD_PREFIX, "<a xmlns='u'/>");
	/* What looks like a separator of namespace and name. */
	check_in("<a xmlns='jabber:client&#10;'/><x:a xmlns:x='u&#x20;v|w'/>", PARSER_OK,
		 "<a xmlns='jabber:client&#10;'/><a xmlns='u v|w'/>");
	check_in("<a xmlns='u&#1;v'/>", PARSER_NOT_WELL_FORMED, "");
	check_in("<a xmlns=''><b/><c xmlns='jabber:client'/></a>", PARSER_OK,
		 "<a xmlns=''><b/><c xmlns='jabber:client'/></a>");
}

static void
what_is_restricted(void **state)
{
	(void)state;
	check_in("<a/><!-- c -->", PARSER_RESTRICTED, "<a/>");
	check_in("<a><!-- c --></a>", PARSER_RESTRICTED, "");
	check_in("<a><?php x?></a>", PARSER_RESTRICTED, "");
	check_in("<a>&nbsp;</a>", PARSER_RESTRICTED, "");
	check_in("<a b='&nbsp;'/>", PARSER_RESTRICTED, "");
	check("<!-- c -->" OPEN, PARSER_RESTRICTED, "");
	check("<?a?>" OPEN, PARSER_RESTRICTED, "");
	check("<!DOCTYPE a [<!ENTITY b 'c'>]>" OPEN, PARSER_RESTRICTED, "");
	check("<!DOCTYPE a SYSTEM 'file:///etc/passwd'>" OPEN, PARSER_RESTRICTED, "");
}

static void
encodings(void **state)
{
	(void)state;
	check("<?xml version='1.0' encoding='ISO-8859-1'?>" OPEN, PARSER_BAD_ENCODING, "");
	check("<?xml version='1.0' encoding='UTF-16'?>" OPEN, PARSER_BAD_ENCODING, "");
	check("<?xml version='1.0' encoding='Utf-8'?>" OPEN, PARSER_OK,
	      "[jabber:client example.com - - 1.0 en]");
}

static void
text_between_stanzas(void **state)
{
	(void)state;
	check_in("<a/>x", PARSER_BAD_FORMAT, "<a/>");
	check_in("<a/>&amp;", PARSER_BAD_FORMAT, "<a/>");
	check_in("<a/> \t\r\n  x", PARSER_BAD_FORMAT, "<a/>");
	check_in("<a/><![CDATA[ ", PARSER_BAD_FORMAT, "<a/>");
	check_in("<a/>\xc2\xa0", PARSER_BAD_FORMAT, "<a/>");
}

/* `n` times `unit` between `before` and `after`, in a stream. */
static enum parser_error
flood(const char *before, const char *unit, size_t n, const char *after, size_t each, size_t *given)
{
	struct buf all = {0};
	struct seen s = {0};
	enum parser_error e = PARSER_OK;
	size_t used;

	buf_addf(&all, "%s%s", OPEN, before);
	for (size_t i = 0; i < n; i++)
		buf_adds(&all, unit);
	buf_adds(&all, after);
	s.p = parser_new(&ops, &s, &limits);
	*given = 0;
	while (buf_len(&all) > 0 && e == PARSER_OK) {
		size_t len = buf_len(&all) < each ? buf_len(&all) : each;

		e = feed(&s, buf_data(&all), len, &used);
		buf_consume(&all, len);
		*given += len;
	}
	*given -= strlen(OPEN);
	parser_free(s.p);
	buf_fini(&s.text);
	buf_fini(&all);
	return e;
}

static void
assert_flood(const char *before, const char *unit, size_t n, const char *after,
	     enum parser_error error, size_t most)
{
	static const size_t pieces[] = {1, 100, 1000000};
	size_t given;

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(flood(before, unit, n, after, pieces[i], &given), error);
		/* Noticed when it is crossed, not at the end. */
		if (most > 0 && pieces[i] < 1000000)
			assert_in_range(given, 1, most + pieces[i]);
	}
}

static void
bounds(void **state)
{
	(void)state;
	assert_flood("<a>", "x", 9000, "</a>", PARSER_OK, 0);
	assert_flood("<a>", "x", 9993, "</a>", PARSER_OK, 0);
	assert_flood("<a>", "x", 9994, "</a>", PARSER_TOO_BIG, 10001);
	assert_flood("<a>", "x", 1000000, "", PARSER_TOO_BIG, 10001);
	assert_flood("", "<a></a>", 10000, "", PARSER_OK, 0);
	assert_flood("<a>", "<b/>", 3000, "</a>", PARSER_TOO_BIG, 10001);
	assert_flood("<a b='", "x", 2900, "'/>", PARSER_OK, 0);
	assert_flood("<a b='", "x", 4000, "'/>", PARSER_TOO_BIG, 3001);
	assert_flood("<a b='", "/>", 1400, "'/>", PARSER_OK, 0);
	assert_flood("<a b='", "/>", 2000, "'/>", PARSER_TOO_BIG, 3001);
	assert_flood("<a", "x", 4000, "/>", PARSER_TOO_BIG, 3001);
	assert_flood("</a", "x", 4000, ">", PARSER_TOO_BIG, 3001);
	assert_flood("<!--", ">", 4000, "", PARSER_TOO_BIG, 3010);
	assert_flood("<a>&", "x", 4000, "", PARSER_TOO_BIG, 3010);
	assert_flood("<?a ", "?", 4000, "", PARSER_TOO_BIG, 3010);
	assert_flood("", "<a>", 8, "</a></a></a></a></a></a></a></a>", PARSER_OK, 0);
	assert_flood("", "<a>", 9, "", PARSER_TOO_BIG, 27);
	assert_flood("", "<a>", 100000, "", PARSER_TOO_BIG, 27);
	assert_flood("", " ", 100000, "<a/>", PARSER_OK, 0);
	assert_flood("<a a1='' a2='' a3='' a4='' a5='' a6='' a7='' a8=''/>", "", 0, "", PARSER_OK,
		     0);
	assert_flood("<a a1='' a2='' a3='' a4='' a5='' a6='' a7='' a8='' a9=''/>", "", 0, "",
		     PARSER_TOO_BIG, 0);
	assert_flood(
		"<a xmlns:a='u' xmlns:b='u' xmlns:c='u' xmlns:d='u' xmlns:e='u' xmlns:f='u' xmlns:g='u' "
		"xmlns:h='u'/>",
		"", 0, "", PARSER_OK, 0);
	assert_flood(
		"<a xmlns:a='u' xmlns:b='u' xmlns:c='u' xmlns:d='u' xmlns:e='u' xmlns:f='u' xmlns:g='u' "
		"xmlns:h='u' xmlns:i='u'/>",
		"", 0, "", PARSER_TOO_BIG, 0);
}

/* More memory than limits.memory_bytes within fewer bytes than limits.stanza_bytes. */
static void
memory_is_bounded(void **state)
{
	struct parser_limits tight = limits;
	char xml[9000] = "<a>";

	(void)state;
	for (int i = 0; i < 2000; i++)
		strcat(xml, "<b/>");
	strcat(xml, "</a>");
	tight.memory_bytes = 1000000;
	stanza_unref(parser_one(xml, strlen(xml), NS_CLIENT, &tight));
	tight.memory_bytes = 100000;
	assert_null(parser_one(xml, strlen(xml), NS_CLIENT, &tight));
}

/* A long namespace and many who name it by a prefix would multiply in what is written. */
static void
growth_is_bounded(void **state)
{
	char unit[] = "<x:b/><b/>", before[2600] = "<a xmlns:x='";

	(void)state;
	memset(before + strlen(before), 'u', 2000);
	strcat(before, "'>");
	assert_flood(before, unit, 2, "</a>", PARSER_OK, 0);
	assert_flood(before, unit, 200, "</a>", PARSER_TOO_BIG, 0);
	assert_flood("<a><![CDATA[", "&", 5000, "]]></a>", PARSER_TOO_BIG, 0);
	assert_flood("<a><![CDATA[", "&", 500, "]]></a>", PARSER_OK, 0);
}

/* *used is exact: what stands behind <auth/> or <starttls/> is the owner's. */
static void
stop_is_exact(void **state)
{
	static const char in[] = OPEN "<a/><b>x</b><c d='e'/> \n</stream:stream>";
	struct seen s = {.at_open = STOP, .at_stanza = STOP};
	size_t at = 0, used, cuts[8], n = 0;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	while (at < strlen(in)) {
		assert_int_equal(feed(&s, in + at, strlen(in) - at, &used), PARSER_OK);
		at += used;
		assert_true(n < 8);
		cuts[n++] = at;
		assert_true(parser_is_idle(s.p));
	}
	assert_int_equal(n, 5);
	assert_int_equal(cuts[0], strlen(OPEN));
	assert_int_equal(cuts[1], strlen(OPEN "<a/>"));
	assert_int_equal(cuts[2], strlen(OPEN "<a/><b>x</b>"));
	assert_int_equal(cuts[3], strlen(OPEN "<a/><b>x</b><c d='e'/>"));
	assert_string_equal(buf_str(&s.text),
			    "[jabber:client example.com - - 1.0 en]<a/><b>x</b><c d='e'/>[/]");
	parser_free(s.p);
	buf_fini(&s.text);
}

/* The end of an empty stream is kept for the next call, even one without bytes. */
static void
stop_holds_the_end_back(void **state)
{
	static const char in[] = "<stream xmlns='http://etherx.jabber.org/streams'/>";
	struct seen s = {.at_open = STOP}, other = {0};
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	assert_int_equal(feed(&s, in, strlen(in), &used), PARSER_OK);
	assert_int_equal(used, strlen(in));
	assert_false(parser_is_idle(s.p));
	other.p = parser_new(&ops, &other, &limits);
	assert_int_equal(feed_cut(&other, OPEN "<a/>", strlen(OPEN "<a/>"), 1000, 1000), PARSER_OK);
	assert_int_equal(other.stanzas, 1);
	assert_int_equal(feed(&s, "", 0, &used), PARSER_OK);
	assert_non_null(strstr(buf_str(&s.text), "[/]"));
	parser_free(s.p);
	parser_free(other.p);
	buf_fini(&s.text);
	buf_fini(&other.text);
}

static void
restart_begins_anew(void **state)
{
	static const char in[] = OPEN "<auth>x</auth>" DECL OPEN "<b/>" CLOSE;
	struct seen s = {.at_stanza = RESTART};
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	assert_int_equal(feed(&s, in, strlen(in), &used), PARSER_OK);
	assert_int_equal(used, strlen(OPEN "<auth>x</auth>"));
	assert_true(parser_is_idle(s.p));
	s.at_stanza = GO;
	assert_int_equal(feed(&s, in + used, strlen(in) - used, &used), PARSER_OK);
	assert_string_equal(buf_str(&s.text), "[jabber:client example.com - - 1.0 en]<auth>x</auth>"
					      "[jabber:client example.com - - 1.0 en]<b/>[/]");
	parser_restart(s.p);
	assert_int_equal(feed_cut(&s, OPEN "<b", strlen(OPEN "<b"), 1000, 1), PARSER_OK);
	parser_restart(s.p);
	buf_clear(&s.text);
	assert_int_equal(feed_cut(&s, OPEN "<b/>", strlen(OPEN "<b/>"), 1000, 1), PARSER_OK);
	assert_string_equal(buf_str(&s.text), "[jabber:client example.com - - 1.0 en]<b/>");
	parser_free(s.p);
	buf_fini(&s.text);
}

static void
errors_last(void **state)
{
	struct seen s = {0};
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	assert_int_equal(feed(&s, OPEN "<a></b>", strlen(OPEN "<a></b>"), &used),
			 PARSER_NOT_WELL_FORMED);
	assert_int_equal(feed(&s, "<a/>", 4, &used), PARSER_NOT_WELL_FORMED);
	assert_int_equal(used, 0);
	assert_int_equal(s.stanzas, 0);
	parser_restart(s.p);
	assert_int_equal(feed(&s, OPEN "<a/>", strlen(OPEN "<a/>"), &used), PARSER_OK);
	assert_int_equal(s.stanzas, 1);
	parser_free(s.p);
	buf_fini(&s.text);
}

static void
free_in_a_callback(void **state)
{
	struct seen s = {.at_stanza = FREE};
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	assert_int_equal(feed(&s, OPEN "<a/><b/>", strlen(OPEN "<a/><b/>"), &used), PARSER_OK);
	assert_int_equal(s.stanzas, 1);
	s.at_open = FREE;
	s.p = parser_new(&ops, &s, &limits);
	assert_int_equal(feed(&s, OPEN "<a/><b/>", strlen(OPEN "<a/><b/>"), &used), PARSER_OK);
	assert_int_equal(used, strlen(OPEN));
	parser_free(NULL);
	buf_fini(&s.text);
}

/* Many streams take turns in the middle of their stanzas; none sees another's. */
static void
streams_do_not_mix(void **state)
{
	enum { STREAMS = 100 };
	struct seen s[STREAMS] = {0};
	char in[400], expected[400];
	size_t used;

	(void)state;
	for (int i = 0; i < STREAMS; i++)
		s[i].p = parser_new(&ops, &s[i], &limits);
	for (size_t at = 0; at < 400; at++)
		for (int i = 0; i < STREAMS; i++) {
			snprintf(in, sizeof(in),
				 OPEN "%s<m id='%d'>text %d</m>  <p%d/><iq><q xmlns='u:%d'/></iq>",
				 i % 3 ? "" : "\r", i, i, i, i);
			if (at < strlen(in))
				assert_int_equal(feed(&s[i], in + at, 1, &used), PARSER_OK);
		}
	for (int i = 0; i < STREAMS; i++) {
		snprintf(expected, sizeof(expected),
			 "[jabber:client example.com - - 1.0 en]<m id='%d'>text %d</m><p%d/>"
			 "<iq><q xmlns='u:%d'/></iq>",
			 i, i, i, i);
		assert_string_equal(buf_str(&s[i].text), expected);
		assert_true(parser_is_idle(s[i].p));
		parser_free(s[i].p);
		buf_fini(&s[i].text);
	}
}

/* A stream with declarations of its own, which outlives many worn parsers. */
static void
own_declarations_last(void **state)
{
	static const char open[] =
		"<s:stream xmlns='jabber:client' xmlns:s='http://etherx.jabber.org/streams' xmlns:x='urn:x'>";
	struct seen s = {0};
	char in[200], expected[200];
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	assert_int_equal(feed(&s, open, strlen(open), &used), PARSER_OK);
	for (int i = 0; i < 3000; i++) {
		buf_clear(&s.text);
		snprintf(in, sizeof(in), "<x:strange-name-%d/>", i);
		snprintf(expected, sizeof(expected), "<strange-name-%d xmlns='urn:x'/>", i);
		assert_int_equal(feed_cut(&s, in, strlen(in), 4, 100), PARSER_OK);
		assert_string_equal(buf_str(&s.text), expected);
	}
	assert_int_equal(feed(&s, "</s:stream>", 11, &used), PARSER_OK);
	parser_free(s.p);
	buf_fini(&s.text);
}

static void
sizes_are_told(void **state)
{
	struct seen s = {0};
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &limits);
	assert_true(parser_is_idle(s.p));
	assert_int_equal(feed(&s, OPEN " <abc>", strlen(OPEN " <abc>"), &used), PARSER_OK);
	assert_false(parser_is_idle(s.p));
	assert_int_equal(feed(&s, "</ab", 4, &used), PARSER_OK);
	assert_int_equal(feed(&s, "c>", 2, &used), PARSER_OK);
	assert_int_equal(s.last_size, 11);
	assert_true(parser_is_idle(s.p));
	parser_free(s.p);
	buf_fini(&s.text);
}

static void
limits_can_change(void **state)
{
	struct parser_limits low = limits;
	struct seen s = {0};
	size_t used;

	(void)state;
	low.stanza_bytes = 300;
	s.p = parser_new(&ops, &s, &low);
	assert_int_equal(feed(&s, OPEN "<a/>", strlen(OPEN "<a/>"), &used), PARSER_OK);
	low.stanza_bytes = 10;
	parser_set_limits(s.p, &low);
	assert_int_equal(feed(&s, "<a>345</a>", 10, &used), PARSER_OK);
	assert_int_equal(feed(&s, "<a>3456</a>", 11, &used), PARSER_TOO_BIG);
	parser_free(s.p);
	buf_fini(&s.text);
}

static void
assert_one(const char *xml, const char *ns, const char *expected)
{
	struct stanza *st = parser_one(xml, strlen(xml), ns, &limits);
	struct buf b = {0};

	if (expected == NULL) {
		assert_null(st);
		return;
	}
	assert_non_null(st);
	serialize_stanza(&b, st, NULL, NULL);
	assert_string_equal(buf_str(&b), expected);
	buf_fini(&b);
	stanza_unref(st);
}

static void
one_element(void **state)
{
	(void)state;
	assert_one(" <a/>\n", NS_CLIENT, "<a xmlns='jabber:client'/>");
	assert_one("<a/>", "jabber:server", "<a xmlns='jabber:server'/>");
	assert_one("<a/>", "urn:x'&", "<a xmlns=\"urn:x'&amp;\"/>");
	assert_one("<a/>", NULL, "<a/>");
	assert_one("", NS_CLIENT, NULL);
	assert_one("x", NS_CLIENT, NULL);
	assert_one("<a>", NS_CLIENT, NULL);
	assert_one("<a/><b/>", NS_CLIENT, NULL);
	assert_one("<a/></stream:stream>", NS_CLIENT, NULL);
	assert_one("</stream:stream>", NS_CLIENT, NULL);
	assert_one("<a/>x", NS_CLIENT, NULL);
	assert_one("<a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a>", NS_CLIENT, NULL);
}

static void *
parse_on_a_thread(void *arg)
{
	static const char in[] = "<message><body>x</body></message>";
	struct seen *s = arg;
	size_t used;

	for (int i = 0; i < 200; i++) {
		struct stanza *st = parser_one(in, strlen(in), i % 2 ? NS_CLIENT : "urn:x", NULL);

		assert_non_null(st);
		stanza_unref(st);
	}
	if (feed(s, "e='f'/><b><c", 12, &used) != PARSER_OK)
		return NULL;
	return s; /* this thread's pool is freed without a word */
}

/* A stream goes on where it was on another thread, in the middle of a tag. */
static void
threads(void **state)
{
	enum { THREADS = 4 };
	struct seen s[THREADS] = {0};
	pthread_t t[THREADS];
	void *result;
	size_t used;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		s[i].p = parser_new(&ops, &s[i], &limits);
		assert_int_equal(feed(&s[i], OPEN "<a ", strlen(OPEN "<a "), &used), PARSER_OK);
		assert_int_equal(pthread_create(&t[i], NULL, parse_on_a_thread, &s[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &result);
		assert_ptr_equal(result, &s[i]);
		assert_int_equal(feed(&s[i], "/></b>", 6, &used), PARSER_OK);
		assert_string_equal(buf_str(&s[i].text),
				    "[jabber:client example.com - - 1.0 en]<a e='f'/><b><c/></b>");
		parser_free(s[i].p);
		buf_fini(&s[i].text);
	}
}

/* An unfinished tag that comes byte by byte must not be scanned again for each. */
static void
dripping_is_linear(void **state)
{
	const struct parser_limits wide = {.stanza_bytes = 1 << 21,
					   .token_bytes = 1 << 20,
					   .memory_bytes = 1 << 24,
					   .depth = 64,
					   .attributes = 64,
					   .namespaces = 64};
	struct seen s = {0};
	int64_t start = clock_mono_ms();
	size_t used;

	(void)state;
	s.p = parser_new(&ops, &s, &wide);
	assert_int_equal(feed(&s, OPEN "<a b='", strlen(OPEN "<a b='"), &used), PARSER_OK);
	for (int i = 0; i < 500000; i++)
		assert_int_equal(feed(&s, i % 2 ? ">" : "/", 1, &used), PARSER_OK);
	assert_int_equal(feed(&s, "'>", 2, &used), PARSER_OK);
	for (int i = 0; i < 500000; i++)
		assert_int_equal(feed(&s, "x", 1, &used), PARSER_OK);
	assert_int_equal(feed(&s, "</a>", 4, &used), PARSER_OK);
	assert_int_equal(s.stanzas, 1);
	/* Quadratic it would be minutes. */
	assert_true(clock_mono_ms() - start < 20000);
	parser_free(s.p);
	buf_fini(&s.text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(streams, teardown),
		cmocka_unit_test_teardown(names_are_interned, teardown),
		cmocka_unit_test_teardown(text_comes_whole, teardown),
		cmocka_unit_test_teardown(roots_that_are_no_stream, teardown),
		cmocka_unit_test_teardown(what_is_not_well_formed, teardown),
		cmocka_unit_test_teardown(prefixes, teardown),
		cmocka_unit_test_teardown(what_is_restricted, teardown),
		cmocka_unit_test_teardown(encodings, teardown),
		cmocka_unit_test_teardown(text_between_stanzas, teardown),
		cmocka_unit_test_teardown(bounds, teardown),
		cmocka_unit_test_teardown(memory_is_bounded, teardown),
		cmocka_unit_test_teardown(growth_is_bounded, teardown),
		cmocka_unit_test_teardown(stop_is_exact, teardown),
		cmocka_unit_test_teardown(stop_holds_the_end_back, teardown),
		cmocka_unit_test_teardown(restart_begins_anew, teardown),
		cmocka_unit_test_teardown(errors_last, teardown),
		cmocka_unit_test_teardown(free_in_a_callback, teardown),
		cmocka_unit_test_teardown(streams_do_not_mix, teardown),
		cmocka_unit_test_teardown(own_declarations_last, teardown),
		cmocka_unit_test_teardown(sizes_are_told, teardown),
		cmocka_unit_test_teardown(limits_can_change, teardown),
		cmocka_unit_test_teardown(one_element, teardown),
		cmocka_unit_test_teardown(threads, teardown),
		cmocka_unit_test_teardown(dripping_is_linear, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
