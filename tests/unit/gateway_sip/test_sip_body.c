/* sip_body: what a MESSAGE carries, read and written. */
#include "gateway_sip/sip_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct sip_body
read_as(const char *type, const char *text)
{
	struct sip_body b;

	sip_body_read(&b, type, text, strlen(text));
	return b;
}

#define assert_text(type, in, expected) \
	do { \
		struct sip_body b_ = read_as(type, in); \
		assert_int_equal(b_.kind, SIP_BODY_TEXT); \
		assert_string_equal(buf_str(&b_.text), expected); \
		sip_body_fini(&b_); \
	} while (0)

#define assert_kind(type, in, expected) \
	do { \
		struct sip_body b_ = read_as(type, in); \
		assert_int_equal(b_.kind, expected); \
		assert_non_null(b_.why); \
		sip_body_fini(&b_); \
	} while (0)

static void
text_is_taken_as_its_type_says(void **state)
{
	struct sip_body b;

	(void)state;
	assert_text(NULL, "hello", "hello");
	assert_text("text/plain", "gr\xc3\xbc\xc3\x9f dich", "gr\xc3\xbc\xc3\x9f dich");
	assert_text("Text/Plain ; Charset=\"utf-8\"", "\xf0\x9f\x8e\x89", "\xf0\x9f\x8e\x89");
	assert_text("text/plain; format=flowed; charset=ISO-8859-1", "gr\xfc\xdf", "gr\xc3\xbc\xc3\x9f");
	assert_kind("text/plain;charset=utf-8", "gr\xfc\xdf", SIP_BODY_BAD);
	assert_kind("text/plain;charset=shift_jis", "x", SIP_BODY_UNSUPPORTED);
	assert_kind("text/plainer", "x", SIP_BODY_UNSUPPORTED);
	assert_kind("text/html", "<b>x</b>", SIP_BODY_UNSUPPORTED);
	assert_kind("text/plain", "", SIP_BODY_BAD);
	sip_body_read(&b, "text/plain;charset=iso-8859-1", "a\0b", 3);
	assert_int_equal(b.kind, SIP_BODY_BAD);
	sip_body_fini(&b);
}

static void
a_wrapper_is_taken_off(void **state)
{
	struct sip_body b = read_as("message/cpim",
		"From: Bob <im:bob@partner.example>\r\nTo: <im:romeo@example.org>\r\nDateTime: 2026-01-31T12:00:00Z\r\n"
		"NS: d <urn:ietf:params:imdn>\r\nd.Message-ID: 34jk324j\r\nd.Disposition-Notification: positive-delivery, display\r\n\r\n"
		"Content-type: text/plain; charset=utf-8\r\nContent-length: 12\r\n\r\nHello World\n");

	(void)state;
	assert_int_equal(b.kind, SIP_BODY_TEXT);
	assert_string_equal(buf_str(&b.text), "Hello World\n");
	assert_string_equal(b.id, "34jk324j");
	assert_true(b.wants_report);
	sip_body_fini(&b);
	/* The least there is: no headers, no type, lines that end as elsewhere. */
	assert_text("message/cpim", "\n\nhi", "hi");
	assert_kind("message/cpim", "From: <im:a@b>\r\n\r\nContent-Type: text/html\r\n\r\n<b/>", SIP_BODY_UNSUPPORTED);
	assert_kind("message/cpim", "From: <im:a@b>\r\n\r\nContent-Type: message/cpim\r\n\r\n\r\n\r\nhi", SIP_BODY_BAD);
	assert_kind("message/cpim", "From: <im:a@b>\r\n\r\nno end", SIP_BODY_BAD);
	assert_kind("message/cpim", "", SIP_BODY_BAD);
	assert_kind("message/cpim", "hello", SIP_BODY_BAD);
}

static void
typing_is_understood(void **state)
{
	struct buf out = { 0 };

	(void)state;
	for (int typing = 0; typing < 2; typing++) {
		struct sip_body b;

		buf_clear(&out);
		sip_body_write_typing(&out, typing);
		sip_body_read(&b, SIP_BODY_TYPE_TYPING, buf_data(&out), buf_len(&out));
		assert_int_equal(b.kind, SIP_BODY_TYPING);
		assert_int_equal(b.typing, typing);
		sip_body_fini(&b);
	}
	buf_fini(&out);
	assert_kind(SIP_BODY_TYPE_TYPING, "<isComposing/>", SIP_BODY_BAD);
	assert_kind(SIP_BODY_TYPE_TYPING, "<isComposing", SIP_BODY_BAD);
	assert_kind(SIP_BODY_TYPE_TYPING, "<!DOCTYPE x><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>active</state></isComposing>",
		SIP_BODY_BAD);
}

static void
reports_are_understood(void **state)
{
	struct buf out = { 0 };
	struct sip_body b;

	(void)state;
	for (int delivered = 0; delivered < 2; delivered++) {
		buf_clear(&out);
		sip_body_write_report(&out, "sip:romeo@example.org", "sip:bob@partner.example", "own1", "34jk<&324j", "2026-01-31T12:00:00Z", delivered);
		sip_body_read(&b, SIP_BODY_TYPE_CPIM, buf_data(&out), buf_len(&out));
		assert_int_equal(b.kind, SIP_BODY_REPORT);
		assert_int_equal(b.report, delivered ? SIP_REPORT_DELIVERED : SIP_REPORT_FAILED);
		assert_string_equal(b.id, "34jk<&324j");
		sip_body_fini(&b);
	}
	buf_fini(&out);
	b = read_as(SIP_BODY_TYPE_REPORT, "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><message-id>x</message-id><delivery-notification><status>"
		"<failed/></status></delivery-notification></imdn>");
	assert_int_equal(b.kind, SIP_BODY_REPORT);
	assert_int_equal(b.report, SIP_REPORT_FAILED);
	sip_body_fini(&b);
	assert_kind(SIP_BODY_TYPE_REPORT, "<imdn xmlns='urn:ietf:params:xml:ns:imdn'><display-notification><status><displayed/></status>"
		"</display-notification></imdn>", SIP_BODY_BAD);
}

static void
what_is_wrapped_by_us_is_what_was_said(void **state)
{
	struct buf out = { 0 };
	struct sip_body b;

	(void)state;
	sip_body_write_cpim(&out, "sip:a@b", "sip:c@d", "id1", "2026-01-31T12:00:00Z", "two\r\n\r\nparagraphs");
	sip_body_read(&b, SIP_BODY_TYPE_CPIM, buf_data(&out), buf_len(&out));
	assert_int_equal(b.kind, SIP_BODY_TEXT);
	assert_string_equal(buf_str(&b.text), "two\r\n\r\nparagraphs");
	assert_string_equal(b.id, "id1");
	assert_true(b.wants_report);
	sip_body_fini(&b);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_taken_as_its_type_says),
		cmocka_unit_test(a_wrapper_is_taken_off),
		cmocka_unit_test(typing_is_understood),
		cmocka_unit_test(reports_are_understood),
		cmocka_unit_test(what_is_wrapped_by_us_is_what_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
