/*
 * filecheck: what is found in a stanza, data: URIs, and which addresses are foreign.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "modules/filecheck/datauri.h"
#include "modules/filecheck/found.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

static const char *const kinds[] = { [FOUND_BASE64] = "base64", [FOUND_URI] = "uri", [FOUND_LINK] = "link", [FOUND_ENCRYPTED] = "encrypted" };

/* "kind path text|…" */
static const char *
found(const char *inner)
{
	static struct buf out;
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct arena *a = arena_new(0);
	struct buf xml = { 0 };
	struct stanza *st;

	buf_addf(&xml, "<message to='x@y.lit/data:,z' id='data:,q'>%s</message>", inner);
	st = parser_one(buf_str(&xml), buf_len(&xml), NS_CLIENT, &l);
	assert_non_null(st);
	buf_clear(&out);
	for (const struct found *f = found_in(st->root, a); f; f = f->next) {
		buf_addf(&out, "%s%s%s", buf_len(&out) ? "|" : "", kinds[f->kind], f->broken ? " broken" : f->prose ? " word" : f->guess ? " guess" : "");
		if (f->kind == FOUND_BASE64 || f->kind == FOUND_URI)
			buf_addf(&out, " %u", f->path);
		buf_addf(&out, " %.*s", f->kind == FOUND_ENCRYPTED ? 0 : (int)f->n, f->text);
	}
	stanza_unref(st);
	arena_free(a);
	buf_fini(&xml);
	return buf_str(&out);
}

static void
ordinary_messages_have_none(void **state)
{
	static const char *const none[] = {
		"<body>Art thou not Romeo, and a Montague? data: none; metadata:,x</body><active xmlns='http://jabber.org/protocol/chatstates'/>",
		"<body>http://capulet.lit/a:b the aesgcm: scheme, aesgcm://</body>",
		"<data xmlns='urn:xmpp:bob' cid='sha1+8f35fef110ffc5df08d579a50083ff9308fb6242@bob.xmpp.org'/>",
		"<vCard xmlns='vcard-temp'><PHOTO><TYPE>image/png</TYPE><BINVAL/></PHOTO></vCard>",
		"<metadata xmlns='urn:xmpp:avatar:metadata'><info bytes='1' id='1' type='image/png'/></metadata>",
		"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@capulet.lit'/>",
		"<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><url><uri>https://montague.lit</uri></url></vcard>",
		"<data xmlns='urn:example'>AAAA</data>",
		"<a xmlns='urn:a'><b>data:</b><c>image/png;base64,AAAA</c></a>",
		"<x xmlns='jabber:x:oob'><url/></x>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_string_equal(found(none[i]), "");
}

static void
contents_are_found_wherever_they_are(void **state)
{
	char want[64];

	(void)state;
	snprintf(want, sizeof(want), "base64 %u AAAA", JUDGE_BOB);
	assert_string_equal(found("<a xmlns='urn:a'><b><data xmlns='urn:xmpp:bob'>AAAA</data></b></a>"), want);
	snprintf(want, sizeof(want), "base64 broken %u AAAA", JUDGE_BOB);
	assert_string_equal(found("<data xmlns='urn:xmpp:bob'>A<x/>AA<x/>A</data>"), want);
	assert_string_equal(found("<data xmlns='urn:xmpp:bob'>AAAA<x>BBBB</x></data>"), want);
	snprintf(want, sizeof(want), "base64 broken %u ", JUDGE_VCARD);
	assert_string_equal(found("<vCard xmlns='vcard-temp'><PHOTO><BINVAL><x>AAAA</x></BINVAL></PHOTO></vCard>"), want);
	snprintf(want, sizeof(want), "base64 %u AAAA", JUDGE_VCARD);
	assert_string_equal(found("<BINVAL xmlns='urn:example'>AAAA</BINVAL>"), want);
	assert_string_equal(found("<BINVAL>AAAA</BINVAL>"), want);
	snprintf(want, sizeof(want), "base64 %u AAAA", JUDGE_AVATAR);
	assert_string_equal(found("<event xmlns='http://jabber.org/protocol/pubsub#event'><items><item><data xmlns='urn:xmpp:avatar:data'>"
		"AAAA</data></item></items></event>"), want);
	assert_string_equal(found("<query xmlns='jabber:iq:avatar'><data mimetype='image/jpeg'>AAAA</data></query>"), want);
	snprintf(want, sizeof(want), "base64 %u AA|base64 %u BB", JUDGE_VCARD, JUDGE_VCARD);
	assert_string_equal(found("<vCard xmlns='vcard-temp'><PHOTO><BINVAL>AA</BINVAL></PHOTO><SOUND><BINVAL>BB</BINVAL></SOUND></vCard>"), want);
}

static void
uris_are_found_in_words_and_attributes(void **state)
{
	char want[96];

	(void)state;
	snprintf(want, sizeof(want), "uri word %u ,x)", JUDGE_DATA_URI);
	assert_string_equal(found("<body>look (data:,x) so</body>"), want);
	snprintf(want, sizeof(want), "uri word %u ,x", JUDGE_DATA_URI);
	assert_string_equal(found("<body>DATA:,x</body>"), want);
	assert_string_equal(found("<body>http://data:80/,x a.data:,x</body>"), "");
	snprintf(want, sizeof(want), "uri %u ,x", JUDGE_DATA_URI);
	assert_non_null(strstr(found("<img xmlns='http://www.w3.org/1999/xhtml' src=' da&#10;ta:,x'/>"), want));
	assert_string_equal(found("<a xmlns='urn:a' b='data:,x'/>"), want);
	assert_string_equal(found("<a xmlns='urn:a' b='Data: 5, 6'>data: 7, 8</a>"), "");
	assert_non_null(strstr(found("<a xmlns='urn:a' href='data: 5, 6'/>"), " 5, 6"));
	snprintf(want, sizeof(want), "uri word %u ;base64,AA", JUDGE_DATA_URI);
	assert_string_equal(found("<a xmlns='urn:a'>Data: 5, data:;base64,AA</a>"), want);
	snprintf(want, sizeof(want), "uri guess %u ,x y|uri word %u ,x", JUDGE_DATA_URI, JUDGE_DATA_URI);
	assert_string_equal(found("<body>data:,x y</body>"), want);
	snprintf(want, sizeof(want), "uri %u ,x", JUDGE_VCARD);
	assert_non_null(strstr(found("<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'><photo><uri>data:,x</uri></photo></vcard>"), want));
	assert_non_null(strstr(found("<a xmlns='urn:a'>da<b>ta:text</b>/plain,<b>x</b>y<c>z</c></a>"), "uri broken"));
	assert_non_null(strstr(found("<uri xmlns='urn:xmpp:media-element'><a>data:</a><b>text/plain,<c>xy</c></b></uri>"), "uri broken"));
	assert_non_null(strstr(found("<body>data:text/plain,<c>xy</c></body>"), "uri broken"));
	assert_string_equal(found("<a xmlns='urn:a'>Data: 5, <b>6</b></a>"), "");
	assert_null(strstr(found("<p xmlns='http://www.w3.org/1999/xhtml'>data:,<b>five</b>, six</p>"), "broken"));
	snprintf(want, sizeof(want), "uri word %u ,x)", JUDGE_DATA_URI);
	assert_string_equal(found("<p xmlns='http://www.w3.org/1999/xhtml' style='background:url(data:,x)'/>"), want);
}

/* Whatever is before the comma, and in time that grows with the text only. */
static void
long_ones_are_found(void **state)
{
	struct buf b = { 0 };
	char *all;

	(void)state;
	buf_adds(&b, "<a xmlns='urn:a' b='data:image/png;x=");
	for (int i = 0; i < 500; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, ";base64,AAAA'/>");
	assert_non_null(strstr(found(buf_str(&b)), "base64,AAAA"));
	buf_clear(&b);
	buf_adds(&b, "<body>data:image/png;x=");
	for (int i = 0; i < 500; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, ";base64,AAAA</body>");
	assert_non_null(strstr(found(buf_str(&b)), "base64,AAAA"));
	buf_clear(&b);
	buf_adds(&b, "<body>x data:,1 ");
	for (int i = 0; i < 8000; i++)
		buf_adds(&b, "data:,");
	buf_adds(&b, "</body>");
	all = strdup(found(buf_str(&b)));
	assert_non_null(strchr(all, '|'));
	assert_null(strchr(strchr(all, '|') + 1, '|')); /* two */
	free(all);
	buf_clear(&b);
	buf_adds(&b, "<body>x");
	for (int i = 0; i < 10000; i++)
		buf_adds(&b, " data:");
	buf_adds(&b, ",</body>");
	assert_null(strchr(found(buf_str(&b)), '|'));
	buf_fini(&b);
}

static void
addresses_of_files_are_found(void **state)
{
	(void)state;
	assert_string_equal(found("<body>https://a.lit/x</body><x xmlns='jabber:x:oob'><url>https://a.lit/x</url></x>"), "link https://a.lit/x");
	assert_string_equal(found("<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data xmlns='http://jabber.org/protocol/url-data' "
		"target='ftp://a.lit'/></sources></file-sharing>"), "link ftp://a.lit");
	assert_string_equal(found("<reference xmlns='urn:xmpp:reference:0' type='data' uri='https://a.lit'/>"), "link https://a.lit");
	assert_string_equal(found("<x xmlns='jabber:x:oob'><url xmlns='urn:a'>https://a.lit/x</url></x>"), "link https://a.lit/x");
	assert_string_equal(found("<x xmlns='jabber:x:oob'><url xmlns='jabber:client'>https://a.lit/x</url></x>"), "link https://a.lit/x");
	assert_string_equal(found("<entry xmlns='http://www.w3.org/2005/Atom'><link rel='enclosure' href='https://a.lit/x'/>"
		"<link rel='alternate' href='https://a.lit/y'/><content src='https://a.lit/z'/></entry>"), "link https://a.lit/x|link https://a.lit/z");
	assert_string_equal(found("<entry xmlns='http://www.w3.org/2005/Atom'><link rel='Enclosure' href='https://a.lit/x'/>"
		"<link rel='http://www.iana.org/assignments/relation/enclosure' href='https://a.lit/y'/><link rel='enclosures' href='https://a.lit/z'/></entry>"),
		"link https://a.lit/x|link https://a.lit/y");
	/* A mention is one where the message itself says so, and not as the source of a file. */
	assert_string_equal(found("<reference xmlns='urn:xmpp:reference:0' type='mention' uri='https://a.lit'/>"), "");
	assert_string_equal(found("<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'><sources>"
		"<reference xmlns='urn:xmpp:reference:0' type='mention' uri='https://a.lit'/></sources></media-sharing></reference>"), "link https://a.lit");
	assert_string_equal(found("<body>aesgcm://a.lit/x#00</body>"), "encrypted ");
	assert_string_equal(found("<x xmlns='jabber:x:oob'><url>AESGCM://a.lit/x#00</url></x>"), "encrypted |link AESGCM://a.lit/x#00");
	assert_string_equal(found("<jingle xmlns='urn:xmpp:jingle:1'><content><security xmlns='urn:xmpp:jingle:jet:0'/></content></jingle>"), "encrypted ");
	assert_string_equal(found("<jingle xmlns='urn:xmpp:jingle:1'><content><transport><fingerprint><encrypted "
		"xmlns='eu.siacs.conversations.axolotl'/></fingerprint></transport></content></jingle>"), "");
	assert_string_equal(found("<encrypted xmlns='urn:xmpp:esfs:0' cipher='urn:xmpp:ciphers:aes-256-gcm-nopadding:0'/>"), "encrypted ");
}

/* data: URIs: "type:content", "none", "broken" */
static const char *
uri(const char *s, bool prose)
{
	static char out[128];
	struct arena *a = arena_new(0);
	struct datauri u;
	enum datauri_result r = datauri_read(a, s, strlen(s), prose, &u);

	if (r == DATAURI_OK)
		snprintf(out, sizeof(out), "%s:%.*s", u.type ? u.type : "", (int)u.n, (const char *)u.data);
	arena_free(a);
	return r == DATAURI_NONE ? "none" : r == DATAURI_BROKEN ? "broken" : out;
}

static void
uris_are_read_as_browsers_do(void **state)
{
	(void)state;
	assert_string_equal(uri(",a%20b", false), ":a b");
	assert_string_equal(uri("text/plain;charset=utf-8,a", false), "text/plain:a");
	assert_string_equal(uri("image/png;base64,YWJj", false), "image/png:abc");
	assert_string_equal(uri(";base64,YWI", false), ":ab");
	assert_string_equal(uri(";base64,YWI%3D", false), ":ab");
	assert_string_equal(uri("text/html; BASE64 ,YW\n Jj", false), "text/html:abc");
	assert_string_equal(uri("image/png;base64,YWJj#YWJj", false), "image/png:abc");
	assert_string_equal(uri(",a%2", false), ":a%2");
	assert_string_equal(uri("image/png;base64,YW*j", false), "broken");
	assert_string_equal(uri("image/png;base64,YWJjY", false), "broken");
	assert_string_equal(uri("image/png", false), "none");
	assert_string_equal(uri("", false), "none");
}

static void
uris_among_words_end_with_the_word(void **state)
{
	(void)state;
	assert_string_equal(uri("image/png;base64,YWJj), you see, YWJj", true), "image/png:abc");
	assert_string_equal(uri("image/png;base64,YWJj>YWJj", true), "image/png:abc");
	assert_string_equal(uri(",a b", true), ":a");
	assert_string_equal(uri("yes,no", true), "none");
	assert_string_equal(uri(" foo,bar", true), "none");
	assert_string_equal(uri("x;base64,YWJj", true), ":abc");
	assert_string_equal(uri("image/png;base64,YW.Jj", true), "broken");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_messages_have_none),
		cmocka_unit_test(contents_are_found_wherever_they_are),
		cmocka_unit_test(uris_are_found_in_words_and_attributes),
		cmocka_unit_test(long_ones_are_found),
		cmocka_unit_test(addresses_of_files_are_found),
		cmocka_unit_test(uris_are_read_as_browsers_do),
		cmocka_unit_test(uris_among_words_end_with_the_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
