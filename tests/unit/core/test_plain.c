/* Which IQs and presences carry nobody's words: the shape of the standard's, and tokens in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "core/route/plain.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

#define TEN "ten-bytes-"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define LONG HUNDRED TEN TEN TEN
#define INFO "http://jabber.org/protocol/disco#info"
#define ITEMS "http://jabber.org/protocol/disco#items"
#define ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"

static struct stanza *
stanza(const char *name, const char *attributes, const char *inside)
{
	struct buf xml = { 0 };
	struct stanza *st;

	buf_addf(&xml, "<%s %s>%s</%s>", name, attributes, inside, name);
	st = parser_one(buf_str(&xml), buf_len(&xml), NS_CLIENT, NULL);
	assert_non_null(st);
	buf_fini(&xml);
	return st;
}

static bool
is_plain(const char *attributes, const char *inside, uint64_t bytes)
{
	struct stanza *st = stanza("iq", attributes, inside);
	bool plain = plain_is(st, bytes);

	stanza_unref(st);
	return plain;
}

static const struct {
	const char *inside;
	bool plain;
} cases[] = {
	{ "", true },
	{ "<ping xmlns='urn:xmpp:ping'/>", true },
	{ "<ping xmlns='urn:xmpp:ping'>words</ping>", false },
	{ "<ping xmlns='urn:xmpp:ping' words='words'/>", false },
	{ "<ping xmlns='urn:xmpp:ping'><words/></ping>", false },
	{ "<words xmlns='urn:xmpp:ping'/>", false },
	{ "<ping xmlns='urn:xmpp:ping'/>words", false },
	{ "<ping xmlns='urn:xmpp:ping'/><x xmlns='urn:example:x'/>", false },
	{ "<query xmlns='" INFO "'/>", true },
	{ "<query xmlns='" INFO "' node='https://client.example#7Lmp+abc='/>", true },
	{ "<query xmlns='" INFO "' node='meet me at five'/>", false },
	{ "<query xmlns='" INFO "' node='\xe4\xbc\x9a\xe8\xad\xb0'/>", false },
	{ "<query xmlns='" INFO "' node='" LONG "'/>", false },
	{ "<query xmlns='" INFO "'><identity category='client' type='pc' name='Client' xml:lang='en'/>\n <feature var='urn:xmpp:ping'/></query>", true },
	{ "<query xmlns='" INFO "'><identity category='client' type='pc' name='meet me at five'/></query>", false },
	{ "<query xmlns='" INFO "'><feature var='urn:xmpp:ping'>words</feature></query>", false },
	{ "<query xmlns='" INFO "'><feature var='urn:xmpp:ping'><feature var='deeper'/></feature></query>", false },
	{ "<query xmlns='" INFO "'><x xmlns='jabber:x:data' type='result'><field var='a'><value>b</value></field></x></query>", false },
	{ "<feature xmlns='" INFO "' var='urn:xmpp:ping'/>", false },
	{ "<query xmlns='" ITEMS "'><item jid='a@example.org' node='n' name='one'/></query>", true },
	{ "<query xmlns='" ITEMS "'><item jid='a@example.org' name='one two'/></query>", false },
	{ "<query xmlns='" ITEMS "'><item jid='a@example.org' name='one'/><item jid='a@example.org' name='two'/></query>", false },
	{ "<query xmlns='" INFO "'><identity category='a' type='b' name='meet'/><identity category='a' type='b' name='me'/></query>", true },
	{ "<query xmlns='" INFO "'><identity category='a' type='b' name='meet'/><identity category='a' type='b' name='me'/>"
	  "<identity category='a' type='b' name='soon'/></query>", false },
	{ "<query xmlns='jabber:iq:version'><name>Client</name><version>1.0</version><os>Linux</os></query>", true },
	{ "<query xmlns='jabber:iq:version'><name>meet me</name></query>", false },
	{ "<query xmlns='jabber:iq:version'><name>meet</name><name>me</name></query>", false },
	{ "<time xmlns='urn:xmpp:time'><tzo>+02:00</tzo><utc>2026-01-01T00:00:00Z</utc></time>", true },
	{ "<query xmlns='jabber:iq:last' seconds='12'/>", true },
	{ "<query xmlns='jabber:iq:last' seconds='12'>gone</query>", false },
	{ "<vCard xmlns='vcard-temp'/>", true },
	{ "<vCard xmlns='vcard-temp'><FN>Romeo</FN></vCard>", false },
	{ "<error type='cancel'><service-unavailable xmlns='" ERRORS "'/></error>", true },
	{ "<ping xmlns='urn:xmpp:ping'/><error type='cancel'><service-unavailable xmlns='" ERRORS "'/></error>", true },
	{ "<error type='cancel'><service-unavailable xmlns='" ERRORS "'/><text xmlns='" ERRORS "'>not now</text></error>", false },
	{ "<error type='cancel'><meet-me-at-five xmlns='" ERRORS "'/></error>", false },
	{ "<error type='cancel'><gone xmlns='" ERRORS "'>xmpp:a@example.org</gone></error>", false },
	{ "<service-unavailable xmlns='" ERRORS "'/>", false },
	{ "<x xmlns='urn:example:x'/>", false },
	{ "<jingle xmlns='urn:xmpp:jingle:1' action='session-info' sid='a'/>", false },
};

static void
shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (is_plain("type='result' id='a' to='b@example.org/c'", cases[i].inside, 4096) != cases[i].plain)
			fail_msg("%s", cases[i].inside);
}

/* Nor do words travel as attributes of the IQ, or as its id. */
static void
attributes_of_the_iq(void **state)
{
	static const char ping[] = "<ping xmlns='urn:xmpp:ping'/>";

	(void)state;
	assert_true(is_plain("type='get' id='a1-_/+=' from='a@example.org/some words' xml:lang='en'", ping, 4096));
	assert_false(is_plain("type='get' id='meet me at five'", ping, 4096));
	assert_false(is_plain("type='get' id='" LONG "'", ping, 4096));
	assert_false(is_plain("type='get' id='a' words='words'", ping, 4096));
	assert_false(is_plain("type='get' id='a' xmlns:w='urn:example:w' w:id='words'", ping, 4096));
}

static void
size(void **state)
{
	static const char info[] = "<query xmlns='" INFO "'><feature var='" HUNDRED "'/><feature var='" HUNDRED "'/></query>";

	(void)state;
	assert_true(is_plain("type='result' id='a'", info, 200));
	assert_false(is_plain("type='result' id='a'", info, 199));
	assert_true(is_plain("type='result' id='a'", "", 0));
	assert_false(is_plain("type='result' id='a'", "    ", 3));
}

static const struct {
	const char *inside;
	bool plain;
} presences[] = {
	{ "", true },
	{ "<show>away</show><priority>-5</priority><status/>", true },
	{ "<status>words</status>", false },
	{ "<status words='words'/>", false },
	{ "<show>words</show>", false },
	{ "<priority>words</priority>", false },
	{ "<priority>1</priority><priority>2</priority>", false },
	{ "<nick xmlns='http://jabber.org/protocol/nick'>Romeo</nick>", false },
	{ "<ping xmlns='urn:xmpp:ping'/>", false },
	{ "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='7Lmp+abc='/>", true },
	{ "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' ver='meet me'/>", false },
	{ "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=</hash></c>", true },
	{ "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>meet me</hash></c>", false },
	{ "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>kzBZ</hash>", false },
	{ "<idle xmlns='urn:xmpp:idle:1' since='2026-01-01T00:00:00Z'/>", true },
	{ "<idle xmlns='urn:xmpp:idle:1' since='five'/>", false },
	{ "<delay xmlns='urn:xmpp:delay' from='a@example.org' stamp='2026-01-01T00:00:00Z'/>", true },
	{ "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'>words</delay>", false },
	{ "<x xmlns='vcard-temp:x:update'><photo>0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33</photo></x>", true },
	{ "<x xmlns='vcard-temp:x:update'><photo/></x>", true },
	{ "<x xmlns='vcard-temp:x:update'><photo>meet me</photo></x>", false },
	{ "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='20' since='2026-01-01T00:00:00Z'/><password>secret</password></x>", true },
	{ "<x xmlns='http://jabber.org/protocol/muc'><password>meet me</password></x>", false },
	{ "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant' jid='a@b.example/c' nick='romeo'/><status "
	  "code='110'/><status code='100'/></x>", true },
	{ "<x xmlns='http://jabber.org/protocol/muc#user'><item nick='meet me'/></x>", false },
	{ "<x xmlns='http://jabber.org/protocol/muc#user'><item><reason>words</reason></item></x>", false },
	{ "<x xmlns='http://jabber.org/protocol/muc#user'><status code='words'/></x>", false },
	{ "<error type='cancel'><conflict xmlns='" ERRORS "'/></error>", true },
	{ "<error type='cancel'><conflict xmlns='" ERRORS "'/><text xmlns='" ERRORS "'>not now</text></error>", false },
};

static void
presence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(presences) / sizeof(presences[0]); i++) {
		struct stanza *st = stanza("presence", "id='a' to='b@example.org/c'", presences[i].inside);

		if (plain_is(st, 1024) != presences[i].plain)
			fail_msg("%s", presences[i].inside);
		stanza_unref(st);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes),
		cmocka_unit_test(attributes_of_the_iq),
		cmocka_unit_test(size),
		cmocka_unit_test(presence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
