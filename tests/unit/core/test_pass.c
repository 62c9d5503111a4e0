/* pass: of what kinds a stanza is, how it is marked, and how much passes in a minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "core/federation/pass.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

#define M PASS_MESSAGES
#define P PASS_PRESENCE
#define R PASS_ROOMS
#define F PASS_FILES
#define C PASS_CALLS
#define S PASS_PUBSUB

#define BODY "<body>Wherefore art thou?</body>"
#define MUC_USER(x) "<x xmlns='http://jabber.org/protocol/muc#user'>" x "</x>"
#define OOB "<x xmlns='jabber:x:oob'><url>https://verona.lit/a</url></x>"
#define JINGLE(action, inside) "<jingle xmlns='urn:xmpp:jingle:1' action='" action "' sid='a'>" inside "</jingle>"
#define CONTENT(ns) "<content creator='initiator' name='c'><description xmlns='" ns "'/></content>"
#define RTP "urn:xmpp:jingle:apps:rtp:1"
#define FT(v) "urn:xmpp:jingle:apps:file-transfer:" v
#define EVENT "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event>"

static const struct {
	const char *xml;
	unsigned needs;
} cases[] = {
	/* words */
	{ "<message>" BODY "</message>", M },
	{ "<message type='chat'><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", M },
	{ "<message type='headline'><subject>News</subject></message>", M },
	{ "<message type='groupchat'>" BODY "</message>", R },
	{ "<message type='error'>" BODY OOB "<error type='cancel'/></message>", M | F },
	{ "<message type='error'><error type='cancel'/></message>", 0 },
	/* rooms: invitations, what is private in them, their archives */
	{ "<message>" MUC_USER("<invite from='a@b'/>") BODY "</message>", R | M },
	{ "<message>" MUC_USER("<decline to='a@b'/>") "</message>", R },
	{ "<message><x xmlns='jabber:x:conference' jid='r@c'/></message>", R },
	{ "<message><x xmlns='jabber:x:conference' jid='r@c'/>" BODY "</message>", R | M },
	{ "<message type='chat'>" MUC_USER("") BODY "</message>", R | M },
	{ "<message>" MUC_USER("<status code='104'/>") "</message>", R },
	{ "<message><result xmlns='urn:xmpp:mam:2' id='1'><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>"
		BODY "</message></forwarded></result></message>", R },
	{ "<message type='chat'>" MUC_USER("") "<encrypted xmlns='urn:xmpp:omemo:2'/></message>", R | M },
	/* events */
	{ "<message type='headline'>" EVENT "</message>", S },
	{ "<message>" EVENT BODY "</message>", S | M },
	/* files */
	{ "<message>" BODY OOB "</message>", M | F },
	{ "<message type='groupchat'>" OOB "</message>", R | F },
	{ "<message>" BODY "<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'/></reference></message>", M | F },
	{ "<message><file-sharing xmlns='urn:xmpp:sfs:0'/></message>", M | F },
	{ "<message>" BODY "<data xmlns='urn:xmpp:bob' cid='a'>AA==</data></message>", M | F },
	{ "<message><data xmlns='http://jabber.org/protocol/ibb' sid='a' seq='0'>AA==</data></message>", M | F },
	{ "<message><forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'>" OOB "</message></forwarded></message>", M | F },
	{ "<message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
		"<img src='https://verona.lit/a.png'/></body></html></message>", M | F },
	{ "<message><body>https://upload.verona.lit:5443/upload/d3b07384d113edec49eaa6238ad5ff00/photo.jpg</body></message>", M | F },
	{ "<message><body>look (HTTPS://u.lit/file_share/019a2b7e-3f10-7c4a-9d52-aa/My%20plan.pdf?x=1) now</body></message>", M | F },
	{ "<message><body>aesgcm://u.lit/a#00</body></message>", M | F },
	{ "<message><body>look: data:image/png;base64,iVBORw0=</body></message>", M | F },
	{ "<message><body>the data: yes,no and data:yes,no</body></message>", M },
	{ "<message><body>data:xdata:,x</body></message>", M | F },
	{ "<message><body>data:data:x data:image/png,x</body></message>", M | F },
	{ "<message><body>http://a.lit/?u=https://u.lit/d3b07384d113edec49eaa6238ad5ff00/a.pdf</body></message>", M | F },
	{ "<message><body>http://a.lit/b/https://u.lit/d3b07384d113edec49eaa6238ad5ff00/a.pdf</body></message>", M | F },
	{ "<message><body>http://a.lit/b/aesgcm://u.lit/a#00</body></message>", M | F },
	{ "<message><subject>https://u.lit/d3b07384d113edec49eaa6238ad5ff00/a.pdf</subject></message>", M | F },
	{ "<message>" BODY "<reference xmlns='urn:xmpp:reference:0' type='data' uri='https://u.lit/d3b07384d113edec49eaa6238ad5ff00/a.pdf'/></message>",
		M | F },
	{ "<message><html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'>"
		"<a href='https://u.lit/d3b07384d113edec49eaa6238ad5ff00/a.pdf'>x</a></body></html></message>", M | F },
	{ "<message>" BODY "<reference xmlns='urn:xmpp:reference:0' type='mention' uri='xmpp:juliet@capulet.lit'/></message>", M },
	{ "<message><body>https://verona.lit/</body></message>", M },
	{ "<message><body>https://verona.lit/balcony/scene-2.html</body></message>", M },
	{ "<message><body>https://docs.lit/d/1x2y3z4x5y6z7x8y9z/edit</body></message>", M },
	{ "<message><body>://</body></message>", M },
	{ "<message><body>ftp://u.lit/d3b07384d113edec49eaa6238ad5ff00/photo.jpg</body></message>", M },
	{ "<iq type='set'><open xmlns='http://jabber.org/protocol/ibb' sid='a' block-size='4096'/></iq>", F },
	{ "<iq type='set'><si xmlns='http://jabber.org/protocol/si' id='a'/></iq>", F },
	{ "<iq type='get'><query xmlns='http://jabber.org/protocol/bytestreams'/></iq>", F },
	{ "<iq type='get'><data xmlns='urn:xmpp:bob' cid='a'/></iq>", F },
	{ "<iq type='result'><data xmlns='urn:xmpp:bob' cid='a'>AA==</data></iq>", F },
	{ "<iq type='get'><request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/></iq>", F },
	{ "<iq type='set'><query xmlns='jabber:iq:oob'><url>http://a</url></query></iq>", F },
	/* calls */
	{ "<iq type='set'>" JINGLE("session-initiate", CONTENT(RTP)) "</iq>", C },
	{ "<iq type='set'>" JINGLE("session-initiate", CONTENT(FT("5"))) "</iq>", F },
	{ "<iq type='set'>" JINGLE("content-add", CONTENT(FT("4")) CONTENT(RTP)) "</iq>", F | C },
	{ "<iq type='set'>" JINGLE("session-initiate", "") "</iq>", C },
	{ "<iq type='set'>" JINGLE("session-terminate", "") "</iq>", 0 },
	{ "<iq type='set'><jingle xmlns='urn:xmpp:jingle:0' action='session-initiate'/></iq>", C },
	{ "<message><propose xmlns='urn:xmpp:jingle-message:0' id='a'><description xmlns='" RTP "'/></propose></message>", C },
	{ "<message><propose xmlns='urn:xmpp:jingle-message:0' id='a'><description xmlns='" FT("5") "'/></propose></message>", F },
	{ "<message><retract xmlns='urn:xmpp:jingle-message:0' id='a'/></message>", C },
	{ "<message><invite xmlns='urn:xmpp:call-invites:0'/>" BODY "</message>", C | M },
	/* questions */
	{ "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>", 0 },
	{ "<iq type='get'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", 0 },
	{ "<iq type='get'><vCard xmlns='vcard-temp'/></iq>", 0 },
	{ "<iq type='get'><pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/></pubsub></iq>", S },
	{ "<iq type='set'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item><file-sharing xmlns='urn:xmpp:sfs:0'/>"
		"</item></publish></pubsub></iq>", S | F },
	{ "<iq type='result'><pubsub xmlns='http://jabber.org/protocol/pubsub'/></iq>", 0 },
	{ "<iq type='get'><query xmlns='http://jabber.org/protocol/muc#admin'/></iq>", R },
	{ "<iq type='set'><query xmlns='urn:xmpp:mam:2'/></iq>", R },
	/* presence */
	{ "<presence/>", P },
	{ "<presence type='subscribe'/>", P },
	{ "<presence type='probe'/>", P },
	{ "<presence type='error'/>", 0 },
	{ "<presence><x xmlns='http://jabber.org/protocol/muc'/></presence>", R },
	{ "<presence>" MUC_USER("<item affiliation='none' role='participant'/>") "</presence>", R },
	{ "<presence type='unavailable'>" MUC_USER("") "</presence>", 0 },
	{ "<presence type='unavailable'/>", P },
};

static struct stanza *
parse(const char *xml)
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct stanza *st = parser_one(xml, strlen(xml), NS_CLIENT, &l);

	assert_non_null(st);
	return st;
}

static struct packet *
packet(const char *xml, const char *from, const char *to)
{
	struct jid *f = jid_parse_z(from), *t = jid_parse_z(to);
	struct packet *p = packet_new(parse(xml), f, t);

	jid_unref(f);
	jid_unref(t);
	return p;
}

static void
each_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet *p = packet(cases[i].xml, "romeo@montague.lit/a", "juliet@capulet.lit");

		if (pass_needs(p) != cases[i].needs)
			fail_msg("%s: needs %#x, not %#x", cases[i].xml, pass_needs(p), cases[i].needs);
		packet_unref(p);
	}
}

/* A room may say what the invitation is for clients that do not know. */
static void
invitation(void **state)
{
	struct packet *p = packet("<message>" MUC_USER("<invite from='a@b'/>") BODY "</message>", "room@chat.montague.lit", "juliet@capulet.lit");

	(void)state;
	assert_int_equal(pass_needs(p), R);
	packet_unref(p);
}

/* Who leaves a room may leave whatever has been decided meanwhile. */
static void
leaving(void **state)
{
	struct packet *p = packet("<presence type='unavailable'/>", "romeo@montague.lit/a", "room@chat.capulet.lit/romeo");

	(void)state;
	assert_int_equal(pass_needs(p), 0);
	assert_true(pass_is_farewell(p));
	packet_unref(p);
}

/* Marks */

static void
is_after(const char *xml, const char *domain, const char *want)
{
	struct stanza *st = parse(xml);
	struct buf out = { 0 };

	if (domain)
		pass_mark(st, domain);
	else
		pass_strip_marks(st->root);
	serialize_stanza(&out, st, NS_CLIENT, NULL);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
	stanza_unref(st);
}

#define LABEL(inside) "<securitylabel xmlns='urn:xmpp:sec-label:0'>" inside "</securitylabel>"
#define OURS LABEL("<displaymarking fgcolor='white' bgcolor='#b45309'>EXTERNAL \xc2\xb7 capulet.lit</displaymarking>" \
	"<label><external xmlns='urn:chancery:external:0' domain='capulet.lit'/></label>")
#define SECRET LABEL("<displaymarking bgcolor='red'>SECRET</displaymarking><label/>")

static void
marks(void **state)
{
	(void)state;
	is_after("<message><body>Hi</body></message>", "capulet.lit", "<message><body>Hi</body>" OURS "</message>");
	/* one label; whatever they had said */
	is_after("<message>" SECRET "<body>Hi</body>" OURS OURS "</message>", "capulet.lit", "<message><body>Hi</body>" OURS "</message>");
	is_after("<message>" LABEL("<displaymarking>INTERNAL</displaymarking><label/>") "<body>Hi</body></message>", "capulet.lit",
		"<message><body>Hi</body>" OURS "</message>");
	/* typing, errors, other stanzas */
	is_after("<message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>", "capulet.lit",
		"<message><composing xmlns='http://jabber.org/protocol/chatstates'/></message>");
	is_after("<message type='error'><body>Hi</body><error type='cancel'/></message>", "capulet.lit",
		"<message type='error'><body>Hi</body><error type='cancel'/></message>");
	/* What is an error says its type */
	is_after("<message type='chat'><body>Hi</body><error/></message>", "capulet.lit", "<message type='chat'><body>Hi</body><error/>" OURS "</message>");
	is_after("<presence/>", "capulet.lit", "<presence/>");
}

static void
forged_marks(void **state)
{
	static const char *const forged[] = {
		OURS,
		"<external xmlns='urn:chancery:external:0' domain='a'/>",
		LABEL("<label><external xmlns='urn:chancery:external:0' domain='a'/></label>"),
		LABEL("<displaymarking>SECRET</displaymarking><label/><equivalentlabel><external xmlns='urn:chancery:external:0'/></equivalentlabel>"),
		LABEL("<displaymarking> external: capulet.lit</displaymarking><label/>"),
		LABEL("<displaymarking>\xe2\x80\x8b" "E\xe2\x80\x8bXTERNAL</displaymarking><label/>"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		struct buf xml = { 0 };

		buf_addf(&xml, "<message><body>Hi</body>%s</message>", forged[i]);
		is_after(buf_str(&xml), NULL, "<message><body>Hi</body></message>");
		buf_fini(&xml);
	}
	/* People's own labels are theirs, but not in an error. */
	is_after("<message><body>Hi</body>" SECRET "</message>", NULL, "<message><body>Hi</body>" SECRET "</message>");
	is_after("<message type='error'><body>Hi</body>" SECRET "</message>", NULL, "<message type='error'><body>Hi</body></message>");
}

/* Rates */

#define SECOND 1000000

static void
rates(void **state)
{
	(void)state;
	clock_fake(0, 100 * SECOND);
	for (int i = 0; i < 3; i++)
		assert_true(pass_rate_take(1, PARTNER_OUT, "romeo@a", 3, 100));
	assert_false(pass_rate_take(1, PARTNER_OUT, "romeo@a", 3, 100));
	/* another user, direction, partner; no rate */
	assert_true(pass_rate_take(1, PARTNER_OUT, "nurse@a", 3, 100));
	assert_true(pass_rate_take(1, PARTNER_IN, "romeo@a", 3, 100));
	assert_true(pass_rate_take(2, PARTNER_OUT, "romeo@a", 3, 100));
	assert_true(pass_rate_take(1, PARTNER_OUT, "romeo@a", 0, 100));
	/* a third of a minute later there is one more */
	clock_fake(0, 119 * SECOND);
	assert_false(pass_rate_take(1, PARTNER_OUT, "romeo@a", 3, 100));
	clock_fake(0, 120 * SECOND);
	assert_true(pass_rate_take(1, PARTNER_OUT, "romeo@a", 3, 100));
	assert_false(pass_rate_take(1, PARTNER_OUT, "romeo@a", 3, 100));
	pass_rate_return(1, PARTNER_OUT, "romeo@a", 3);
	assert_true(pass_rate_take(1, PARTNER_OUT, "romeo@a", 3, 100));
	pass_rate_stop();
	clock_fake(-1, -1);
}

/* Sending in many names gains nothing: the newcomer inherits what the one it displaces had used up. */
static void
rates_are_bounded(void **state)
{
	char who[2][8] = { "a@x", "b@x" };

	(void)state;
	clock_fake(0, 100 * SECOND);
	for (int i = 0; i < 2; i++)
		while (pass_rate_take(1, PARTNER_IN, who[i], 10, 2))
			;
	assert_false(pass_rate_take(1, PARTNER_IN, "c@x", 10, 2));
	assert_false(pass_rate_take(1, PARTNER_IN, "d@x", 10, 2));
	assert_false(pass_rate_take(1, PARTNER_IN, "a@x", 10, 2));
	/* But nobody pays for another partner's people. */
	assert_true(pass_rate_take(2, PARTNER_IN, "f@y", 10, 2));
	assert_false(pass_rate_take(1, PARTNER_IN, "a@x", 10, 2));
	clock_fake(0, 106 * SECOND);
	assert_true(pass_rate_take(1, PARTNER_IN, "e@x", 10, 2));
	pass_rate_stop();
	clock_fake(-1, -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind),
		cmocka_unit_test(invitation),
		cmocka_unit_test(leaving),
		cmocka_unit_test(marks),
		cmocka_unit_test(forged_marks),
		cmocka_unit_test(rates),
		cmocka_unit_test(rates_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
