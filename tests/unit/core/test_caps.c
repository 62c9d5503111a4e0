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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_example_of_5_2),
		cmocka_unit_test(complex_example_of_5_3),
		cmocka_unit_test(forms_that_do_not_count),
		cmocka_unit_test(ill_formed_by_5_4),
		cmocka_unit_test(empty_is_a_string_too),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	parser_pool_clear();
	return failed;
}
