/* compose: what leaves, literally, and read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gateway_mail/address.h"
#include "gateway_mail/compose.h"
#include "gateway_mail/read.h"

static const uint8_t key[ADDRESS_KEY] = { 7 };
static struct thread thread;

static int
setup(void **state)
{
	(void)state;
	read_setup();
	return 0;
}

static struct compose
example(void)
{
	return (struct compose){ .from = "juliet@example.org", .from_name = "juliet", .reply_to = "juliet+abc@example.org", .to = "bob@partner.example", .subject = "Dinner",
				 .id = "1.x@example.org", .thread = &thread, .at_us = 1779998400000000, .domain = "example.org", .text = "Hi caf\xc3\xa9\n.\nFrom here" };
}

static void
writes_a_mail(void **state)
{
	struct compose c = example();
	struct buf b = { 0 };

	(void)state;
	thread_clear(&thread);
	compose_mail(&c, &b);
	assert_string_equal(buf_str(&b),
			    "Date: Thu, 28 May 2026 20:00:00 +0000\r\nFrom: juliet <juliet@example.org>\r\nReply-To: juliet <juliet+abc@example.org>\r\n"
			    "Subject: Dinner\r\nTo: bob@partner.example\r\nMessage-Id: <1.x@example.org>\r\nX-Chancery-Gateway: example.org\r\nMIME-Version: 1.0\r\n"
			    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHi caf=C3=A9\r\n.\r\nFrom here\r\n");
	buf_fini(&b);
}

static void
keeps_people_out_of_the_head(void **state)
{
	struct compose c = example();
	struct read_rules rules = { .domain = "example.net", .key = key, .limits = read_limits_default };
	struct buf b = { 0 }, text = { 0 };
	const char *end;
	struct mail m;

	(void)state;
	thread_clear(&thread);
	thread_add(&thread, "a@x");
	thread_add(&thread, "b@y");
	for (int i = 0; i < 500; i++)
		buf_adds(&text, "a very long line ");
	c.from_name = "Juliet\r\nBcc: evil@evil.example\r\n\r\nx";
	c.subject = "caf\xc3\xa9\r\nBcc: evil@evil.example";
	c.text = buf_str(&text);
	c.file = "%PDF";
	c.file_bytes = 4;
	c.file_name = "r\xc3\xa9sum\xc3\xa9\".pdf";
	c.file_type = "application/pdf; x=\r\ny";
	compose_mail(&c, &b);
	end = strstr(buf_str(&b), "\r\n\r\n");
	assert_non_null(end);
	assert_null(memmem(buf_data(&b), (size_t)(end - buf_data(&b)), "\nBcc:", 5));
	assert_non_null(strstr(buf_str(&b), "\r\nReferences: <a@x> <b@y>\r\n"));
	assert_non_null(strstr(buf_str(&b), "\r\nIn-Reply-To: <b@y>\r\n"));
	/* RFC 5322 §2.1.1 */
	for (const char *p = buf_str(&b), *next; *p; p = next) {
		next = strstr(p, "\r\n");
		next = next ? next + 2 : p + strlen(p);
		assert_true(next - p <= 998 + 2);
	}
	assert_null(mail_read(&m, c.from, buf_data(&b), buf_len(&b), &rules));
	assert_string_equal(m.from, "juliet@example.org");
	assert_string_equal(m.subject, "caf\xc3\xa9  Bcc: evil@evil.example");
	assert_int_equal(strlen(m.text), 500 * 17 - 1);
	assert_int_equal(m.nfiles, 1);
	assert_string_equal(m.files[0].name, "r\xc3\xa9sum\xc3\xa9\".pdf");
	assert_memory_equal(m.files[0].data, "%PDF", 4);
	mail_fini(&m);
	buf_fini(&b);
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(writes_a_mail), cmocka_unit_test(keeps_people_out_of_the_head) };

	return cmocka_run_group_tests(tests, setup, NULL);
}
