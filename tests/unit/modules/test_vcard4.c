/* vcard4: XEP-0292 §8, both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "modules/vcard/vcard4.h"
#include "xmpp/ns.h"
#include "xmpp/parser.h"
#include "xmpp/serialize.h"

static void
converts(const char *from, const char *to, bool to_v4)
{
	struct stanza *st = stanza_new(to_v4 ? NS_VCARD4 : NS_VCARD, to_v4 ? "vcard" : "vCard");
	struct buf in = { 0 }, out = { 0 };
	struct stanza *src;

	buf_addf(&in, to_v4 ? "<vCard xmlns='vcard-temp'>%s</vCard>" : "<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'>%s</vcard>", from);
	src = parser_one(buf_str(&in), buf_len(&in), NULL, NULL);
	assert_non_null(src);
	if (to_v4)
		vcard4_from_temp(st, st->root, src->root);
	else
		vcard4_to_temp(st, st->root, src->root);
	for (const struct elem *e = elem_first(st->root); e; e = elem_next(e, NULL, NULL))
		serialize_elem(&out, e, st->root->ns);
	assert_string_equal(buf_str(&out), to);
	stanza_unref(src);
	stanza_unref(st);
	buf_fini(&in);
	buf_fini(&out);
}

static void
both(const char *temp, const char *v4)
{
	converts(temp, v4, true);
	converts(v4, temp, false);
}

static void
there_and_back(void **state)
{
	(void)state;
	both("<FN>Peter</FN>", "<fn><text>Peter</text></fn>");
	both("<N><FAMILY>Saint-Andre</FAMILY><GIVEN>Peter</GIVEN></N>", "<n><surname>Saint-Andre</surname><given>Peter</given></n>");
	both("<NICKNAME>stpeter</NICKNAME><NICKNAME>psa</NICKNAME>",
		"<nickname><text>stpeter</text></nickname><nickname><text>psa</text></nickname>");
	both("<BDAY>1966-08-06</BDAY>", "<bday><date>1966-08-06</date></bday>");
	both("<ADR><WORK/><EXTADD>Suite 600</EXTADD><CTRY>USA</CTRY></ADR>",
		"<adr><parameters><type><text>work</text></type></parameters><ext>Suite 600</ext><country>USA</country></adr>");
	both("<TEL><WORK/><FAX/><PREF/><NUMBER>+1-303</NUMBER></TEL>",
		"<tel><parameters><type><text>work</text><text>fax</text></type><pref><integer>1</integer></pref></parameters>"
		"<uri>tel:+1-303</uri></tel>");
	both("<TEL><NUMBER>ask Peter</NUMBER></TEL>", "<tel><text>ask Peter</text></tel>");
	both("<EMAIL><HOME/><USERID>p@jabber.org</USERID></EMAIL>",
		"<email><parameters><type><text>home</text></type></parameters><text>p@jabber.org</text></email>");
	both("<JABBERID>stpeter@jabber.org</JABBERID>", "<impp><uri>xmpp:stpeter@jabber.org</uri></impp>");
	both("<ORG><ORGNAME>XSF</ORGNAME><ORGUNIT>Board</ORGUNIT><ORGUNIT>Chair</ORGUNIT></ORG>",
		"<org><text>XSF</text><text>Board</text><text>Chair</text></org>");
	both("<URL>https://stpeter.im/</URL><TITLE>Director</TITLE><DESC>More</DESC>",
		"<url><uri>https://stpeter.im/</uri></url><title><text>Director</text></title><note><text>More</text></note>");
}

static void
one_way(void **state)
{
	(void)state;
	converts("<NOTE>a</NOTE>", "<note><text>a</text></note>", true);
	/* Empty properties, unknown ones, foreign ones, a photo. */
	converts("<FN> \n</FN><N><GIVEN/></N><TEL><WORK/><NUMBER/></TEL><EMAIL/><ORG/>", "", true);
	converts("<PHOTO><BINVAL>AAAA</BINVAL></PHOTO><MAILER>m</MAILER><FN xmlns='urn:example:x'>x</FN>text", "", true);
	converts("<fn/><fn><text/></fn><tel><uri>tel:</uri></tel><n><given> </given></n><gender><sex>M</sex></gender>", "", false);
	converts("<bday><text>about 1800</text></bday>", "<BDAY>about 1800</BDAY>", false);
	converts("<impp><uri>sip:p@example.org</uri></impp>", "", false);
	converts("<fn><text>  two  words \n</text></fn>", "<FN>two  words</FN>", false);
}

static void
what_is_known(void **state)
{
	struct stanza *st = stanza_new(NS_VCARD, "vCard");

	(void)state;
	assert_true(vcard4_knows(elem_add(st, st->root, NULL, "FN")));
	assert_false(vcard4_knows(elem_add(st, st->root, NULL, "PHOTO")));
	assert_false(vcard4_knows(elem_add(st, st->root, "urn:example:x", "FN")));
	stanza_unref(st);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(one_way),
		cmocka_unit_test(what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
