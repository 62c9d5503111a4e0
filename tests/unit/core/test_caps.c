/*
 * caps: the verification string of XEP-0115 §5.2 and §5.3, and what §5.4 calls ill-formed.
 */
#include "core/module/caps.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"

static bool
ver_of(const char *children, char out[CAPS_VER_SIZE])
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct buf b = { 0 };
	struct stanza *st;
	bool ok;

	buf_addf(&b, "<query>%s</query>", children);
	st = parser_one(buf_str(&b), buf_len(&b), NS_DISCO_INFO, &l);
	assert_non_null(st);
	ok = caps_ver(st->root, out);
	stanza_unref(st);
	buf_fini(&b);
	return ok;
}

static void
check(const char *children, const char *want)
{
	char ver[CAPS_VER_SIZE];

	assert_true(ver_of(children, ver));
	assert_string_equal(ver, want);
}

static void
ill_formed(const char *children)
{
	char ver[CAPS_VER_SIZE];

	assert_false(ver_of(children, ver));
}

#define DISCO "http://jabber.org/protocol/disco"
#define FEATURES \
	"<feature var='" DISCO "#items'/><feature var='http://jabber.org/protocol/muc'/>" \
	"<feature var='http://jabber.org/protocol/caps'/><feature var='" DISCO "#info'/>"

static void
simple_example_of_5_2(void **state)
{
	(void)state;
	check("<identity category='client' type='pc' name='Exodus 0.9.1'/>" FEATURES, "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

#define FORM(fields) "<x xmlns='jabber:x:data' type='result'>" fields "</x>"
#define FIELD(var, values) "<field var='" var "'>" values "</field>"
#define V(s) "<value>" s "</value>"
#define TYPE(t) "<field var='FORM_TYPE' type='hidden'>" V(t) "</field>"
#define PSI \
	"<identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>" \
	"<identity xml:lang='el' category='client' name='\xce\xa8 0.11' type='pc'/>" FEATURES
#define SOFTWARE "urn:xmpp:dataforms:softwareinfo"

static void
complex_example_of_5_3(void **state)
{
	(void)state;
	/* Every order but the sorted one. */
	check(PSI FORM(FIELD("software_version", V("0.11")) FIELD("ip_version", V("ipv6") V("ipv4"))
		FIELD("software", V("Psi")) TYPE(SOFTWARE) FIELD("os_version", V("10.5.1")) FIELD("os", V("Mac"))),
		"q07IKJEyjvHSyhy//CH0CxmKi8w=");
}

static void
forms_that_do_not_count(void **state)
{
	(void)state;
	/* §5.4 step 3.6: without FORM_TYPE, or with one that is not hidden. */
	check("<identity category='client' type='pc' name='Exodus 0.9.1'/>" FEATURES FORM(FIELD("os", V("Mac")))
		FORM(FIELD("FORM_TYPE", V("urn:x"))), "QgayPKawpkPSDYmwT/WM94uAlu0=");
}

static void
ill_formed_by_5_4(void **state)
{
	(void)state;
	ill_formed("<identity category='a' type='b'/><identity category='a' type='b'/>");
	ill_formed("<feature var='a'/><feature var='b'/><feature var='a'/>");
	ill_formed(FORM(TYPE("urn:x")) FORM(TYPE("urn:x")));
	ill_formed(FORM("<field var='FORM_TYPE' type='hidden'>" V("urn:x") V("urn:y") "</field>"));
}

static void
empty_is_a_string_too(void **state)
{
	(void)state;
	check("", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="); /* SHA-1 of nothing */
}

static struct stanza *
query_of(const char *children)
{
	struct parser_limits l = { .stanza_bytes = 65536, .token_bytes = 65536, .memory_bytes = 1 << 20, .depth = 64,
		.attributes = 64, .namespaces = 64 };
	struct buf b = { 0 };
	struct stanza *st;

	buf_addf(&b, "<query>%s</query>", children);
	st = parser_one(buf_str(&b), buf_len(&b), NS_DISCO_INFO, &l);
	assert_non_null(st);
	buf_fini(&b);
	return st;
}

#define F(var) "<feature var='" var "'/>"
#define P "http://jabber.org/protocol/"
#define BOMBUS \
	"<identity category='client' name='BombusMod' type='mobile'/>" F(P "si") F(P "bytestreams") F(P "chatstates") \
	F(P "disco#info") F(P "disco#items") F("urn:xmpp:ping") F("jabber:iq:time") F("jabber:iq:privacy") \
	F("jabber:iq:version") F(P "rosterx") F("urn:xmpp:time") F("jabber:x:oob") F(P "ibb") \
	F(P "si/profile/file-transfer") F("urn:xmpp:receipts") F("jabber:iq:roster") F("jabber:iq:last")

static void
examples_of_xep_0390(void **state)
{
	static const struct caps sha3 = { .form = CAPS_390, .algo = "sha3-256",
		.value = "79mdYAfU9rEdTOcWDO7UEAt6E56SUzk/g6TnqUeuD9Q=" };
	struct stanza *st = query_of(BOMBUS);
	char hash[CAPS_SHA256_SIZE];

	(void)state;
	assert_true(caps_sha256(st->root, hash));
	assert_string_equal(hash, "kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8=");
	assert_true(caps_fits(&sha3, st->root));
	stanza_unref(st);
	st = query_of(BOMBUS F("urn:one:more"));
	assert_false(caps_fits(&sha3, st->root));
	stanza_unref(st);
}

static void
complex_example_of_xep_0390(void **state)
{
	static const struct caps sha3 = { .form = CAPS_390, .algo = "sha3-256",
		.value = "XpUJzLAc93258sMECZ3FJpebkzuyNXDzRNwQog8eycg=" };
	struct stanza *st = query_of(
		"<identity category='client' name='Tkabber' type='pc' xml:lang='en'/>"
		"<identity category='client' name='\xd0\xa2\xd0\xba\xd0\xb0\xd0\xb1\xd0\xb1\xd0\xb5\xd1\x80' type='pc' xml:lang='ru'/>"
		F("games:board") F(P "activity") F(P "activity+notify") F(P "bytestreams") F(P "chatstates") F(P "commands")
		F(P "disco#info") F(P "disco#items") F(P "evil") F(P "feature-neg") F(P "geoloc") F(P "geoloc+notify")
		F(P "ibb") F(P "iqibb") F(P "mood") F(P "mood+notify") F(P "rosterx") F(P "si") F(P "si/profile/file-transfer")
		F(P "tune") F("http://www.facebook.com/xmpp/messages")
		F("http://www.xmpp.org/extensions/xep-0084.html#ns-metadata+notify") F("jabber:iq:avatar") F("jabber:iq:browse")
		F("jabber:iq:dtcp") F("jabber:iq:filexfer") F("jabber:iq:ibb") F("jabber:iq:inband") F("jabber:iq:jidlink")
		F("jabber:iq:last") F("jabber:iq:oob") F("jabber:iq:privacy") F("jabber:iq:roster") F("jabber:iq:time")
		F("jabber:iq:version") F("jabber:x:data") F("jabber:x:event") F("jabber:x:oob") F("urn:xmpp:avatar:metadata+notify")
		F("urn:xmpp:ping") F("urn:xmpp:receipts") F("urn:xmpp:time")
		FORM(TYPE(SOFTWARE) FIELD("software", V("Tkabber")) FIELD("software_version", V("0.11.1-svn-20111216-mod (Tcl/Tk 8.6b2)"))
			FIELD("os", V("Windows")) FIELD("os_version", V("XP"))));
	char hash[CAPS_SHA256_SIZE];

	(void)state;
	assert_true(caps_sha256(st->root, hash));
	assert_string_equal(hash, "u79ZroNJbdSWhdSp311mddz44oHHPsEBntQ5b1jqBSY=");
	assert_true(caps_fits(&sha3, st->root));
	stanza_unref(st);
}

static void
errors_of_xep_0390(void **state)
{
	static const char *const bad[] = { F("a") "<other xmlns='urn:x'/>", FORM(FIELD("os", V("Mac"))),
		FORM(TYPE("urn:x") "<reported/>"), FORM(TYPE("urn:x") "<item/>") };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stanza *st = query_of(bad[i]);
		char hash[CAPS_SHA256_SIZE];

		assert_false(caps_sha256(st->root, hash));
		stanza_unref(st);
	}
}

/* A separator inside a name could make two different sets hash alike: such an answer is not for anybody else. */
static void
separators_in_names(void **state)
{
	struct stanza *st = query_of(F("urn:a&lt;urn:b"));
	struct caps c = { .form = CAPS_115, .algo = "sha-1" };
	char ver[CAPS_VER_SIZE];

	(void)state;
	assert_true(ver_of(F("urn:a") F("urn:b"), ver));
	c.value = ver;
	assert_false(caps_fits(&c, st->root));
	stanza_unref(st);
}

static struct caps
announced(const char *c, struct arena *a, struct stanza **st)
{
	*st = query_of(c);
	return caps_of((*st)->root, a);
}

static void
what_presence_announces(void **state)
{
	static const struct {
		const char *c, *value, *node;
		enum caps_form form;
	} all[] = {
		{ "", NULL, NULL, CAPS_NONE },
		{ "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='AAA='/>", "AAA=", "urn:n#AAA=", CAPS_115 },
		{ "<c xmlns='http://jabber.org/protocol/caps' node='urn:n' ver='2.2'/>", "", "urn:n#2.2", CAPS_PLAIN },
		{ "<c xmlns='http://jabber.org/protocol/caps' hash='md9' node='urn:n' ver='x'/>", "", "urn:n#x", CAPS_PLAIN },
		{ "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1'/>", "", NULL, CAPS_PLAIN },
		{ "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='AAA='/>"
		  "<c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='rot13'>x</hash>"
		  "<hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>BBB=</hash></c>", "BBB=", "urn:xmpp:caps#sha-256.BBB=", CAPS_390 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct arena *a = arena_new(0);
		struct stanza *st;
		struct caps c = announced(all[i].c, a, &st);

		assert_int_equal(c.form, all[i].form);
		assert_string_equal(c.value ? c.value : "-", all[i].value ? all[i].value : "-");
		assert_string_equal(c.node ? c.node : "-", all[i].node ? all[i].node : "-");
		stanza_unref(st);
		arena_free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_example_of_5_2),
		cmocka_unit_test(complex_example_of_5_3),
		cmocka_unit_test(forms_that_do_not_count),
		cmocka_unit_test(ill_formed_by_5_4),
		cmocka_unit_test(empty_is_a_string_too),
		cmocka_unit_test(examples_of_xep_0390),
		cmocka_unit_test(complex_example_of_xep_0390),
		cmocka_unit_test(errors_of_xep_0390),
		cmocka_unit_test(separators_in_names),
		cmocka_unit_test(what_presence_announces),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	parser_pool_clear();
	return failed;
}
