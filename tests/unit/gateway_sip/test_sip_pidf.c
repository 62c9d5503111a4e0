/* sip_pidf: presence documents, of others and of ours. */
#include "gateway_sip/sip_pidf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define PIDF(inner) "<?xml version='1.0' encoding='UTF-8'?><p:presence xmlns:p='urn:ietf:params:xml:ns:pidf' " \
	"xmlns:r='urn:ietf:params:xml:ns:pidf:rpid' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' entity='pres:bob@partner.example'>" inner "</p:presence>"

static struct sip_pidf
read_pidf(const char *text)
{
	struct sip_pidf d;

	assert_true(sip_pidf_read(&d, text, strlen(text)));
	return d;
}

static void
others_documents_are_understood(void **state)
{
	struct sip_pidf d;

	(void)state;
	d = read_pidf(PIDF("<p:tuple id='a'><p:status><p:basic>open</p:basic></p:status></p:tuple>"));
	assert_true(d.open);
	assert_string_equal(d.show, "");
	/* One of two can be reached; words; what they do. */
	d = read_pidf(PIDF("<p:tuple id='a'><p:status><p:basic>closed</p:basic></p:status></p:tuple>"
		"<p:tuple id='b'><p:status><p:basic>\n open </p:basic></p:status><p:note>in a &lt;meeting&gt;</p:note></p:tuple>"
		"<dm:person id='p'><r:activities><r:busy/></r:activities></dm:person>"));
	assert_true(d.open);
	assert_string_equal(d.show, "dnd");
	assert_string_equal(d.note, "in a <meeting>");
	d = read_pidf(PIDF("<p:tuple id='a'><p:status><p:basic>open</p:basic><show xmlns='jabber:client'>xa</show></p:status></p:tuple>"
		"<dm:person id='p'><r:activities><r:away/></r:activities></dm:person>"));
	assert_string_equal(d.show, "xa");
	d = read_pidf(PIDF(""));
	assert_false(d.open);
	d = read_pidf(PIDF("<p:tuple id='a'><p:status><p:basic>open</p:basic><show xmlns='jabber:client'>longer than any</show></p:status></p:tuple>"));
	assert_string_equal(d.show, "");
}

static void
what_is_no_document_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "open", "<presence/>", "<presence xmlns='urn:other'/>",
		"<!DOCTYPE presence [<!ENTITY a 'aaaa'>]><presence xmlns='urn:ietf:params:xml:ns:pidf'>&a;</presence>",
		"<presence xmlns='urn:ietf:params:xml:ns:pidf'><note>\xff</note></presence>",
		"<presence xmlns='urn:ietf:params:xml:ns:pidf'><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a></a></a></a></a></a></a></a></presence>",
	};
	struct sip_pidf d;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sip_pidf_read(&d, bad[i], strlen(bad[i])));
}

static void
a_long_note_is_cut_between_characters(void **state)
{
	char text[4096] = "<presence xmlns='urn:ietf:params:xml:ns:pidf'><note>x";
	struct sip_pidf d;

	(void)state;
	for (int i = 0; i < 800; i++)
		strcat(text, "\xc3\xbc");
	strcat(text, "</note></presence>");
	d = read_pidf(text);
	assert_int_equal(strlen(d.note), sizeof(d.note) - 1);
	assert_int_equal((unsigned char)d.note[sizeof(d.note) - 2], 0xbc);
}

static void
ours_says_what_was_meant(void **state)
{
	static const char *const shows[] = { "", "away", "chat", "dnd", "xa" };
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
		struct sip_pidf in = { .open = true, .note = "it's <late> & dark" }, back;

		strcpy(in.show, shows[i]);
		buf_clear(&out);
		sip_pidf_write(&out, "sip:o'neill@example.org", &in);
		assert_true(sip_pidf_read(&back, buf_data(&out), buf_len(&out)));
		assert_true(back.open);
		assert_string_equal(back.show, shows[i]);
		assert_string_equal(back.note, in.note);
	}
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(others_documents_are_understood),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(a_long_note_is_cut_between_characters),
		cmocka_unit_test(ours_says_what_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
