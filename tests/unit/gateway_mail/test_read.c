/* read: mails as they come, honest and not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "gateway_mail/address.h"
#include "gateway_mail/read.h"
#include "gateway_mail/thread.h"

#define FROM "From: Bob <bob@partner.example>\r\nMessage-ID: <1@partner.example>\r\n"
#define CRLF "\r\n"

static const uint8_t key[ADDRESS_KEY] = { 7 };
static struct read_rules rules = { .domain = "example.org", .key = key, .authserv_id = "mx.example.org", .trusted_hops = 1 };

static int
setup(void **state)
{
	(void)state;
	read_setup();
	rules.limits = read_limits_default;
	return 0;
}

static struct mail
takes(const char *text)
{
	struct mail m;
	const char *wrong = mail_read(&m, "bob@partner.example", text, strlen(text), &rules);

	if (wrong)
		print_error("%s\n", wrong);
	assert_null(wrong);
	return m;
}

static void
refuses(const char *from, const char *text, const char *why)
{
	struct mail m;
	const char *wrong = mail_read(&m, from, text, strlen(text), &rules);

	assert_non_null(wrong);
	assert_string_equal(wrong, why);
}

static void
says(const char *text, const char *said)
{
	struct mail m = takes(text);

	assert_string_equal(m.text, said);
	mail_fini(&m);
}

static void
reads_a_mail(void **state)
{
	struct mail m;

	(void)state;
	clock_fake(1780000000000000, 0);
	m = takes("Received: from x\r\n" FROM "Subject: =?utf-8?q?caf=C3=A9?=\r\nDate: Thu, 28 May 2026 20:00:00 +0000\r\n"
		  "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nHi =E9\r\n\r\n");
	assert_string_equal(m.from, "bob@partner.example");
	assert_string_equal(m.from_name, "Bob");
	assert_string_equal(m.subject, "caf\xc3\xa9");
	assert_string_equal(m.id, "1@partner.example");
	assert_string_equal(m.text, "Hi \xc3\xa9");
	assert_int_equal(m.at_us, 1779998400000000);
	assert_null(m.answers);
	assert_int_equal(m.nfiles, 0);
	assert_int_equal(auth_results_proof(&m.auth), SENDER_UNKNOWN);
	mail_fini(&m);
	/* Dates that cannot be. */
	m = takes(FROM "Date: Thu, 28 May 2099 20:00:00 +0000\r\n\r\nx");
	assert_int_equal(m.at_us, 0);
	mail_fini(&m);
	m = takes(FROM "Date: Thu, 28 May 1999 20:00:00 +0000\r\n\r\nx");
	assert_int_equal(m.at_us, 0);
	mail_fini(&m);
	/* Without an id it has one of its content. */
	m = takes("From: bob@partner.example\r\n\r\nx");
	assert_true(strlen(m.id) > 30 && strstr(m.id, "@none.invalid"));
	mail_fini(&m);
	clock_fake(-1, -1);
}

static bool
same_id(const char *one, const char *two)
{
	struct mail a = takes(one), b = takes(two);
	bool same = !strcmp(a.id, b.id);

	mail_fini(&a);
	mail_fini(&b);
	return same;
}

/* A mail without an id that is brought again, by whatever way, is the same; other words are not, nor are the same ones that were written at another time. */
static void
knows_mails_without_id(void **state)
{
#define BOB "From: bob@partner.example" CRLF
#define DATE "Date: Thu, 28 May 2026 20:00:00 +0000" CRLF
	(void)state;
	assert_true(same_id("Received: by a; 20:00" CRLF BOB DATE CRLF "x", "Received: by b; 20:05" CRLF "Received: by c" CRLF "Return-Path: <x@y>" CRLF BOB DATE CRLF "x"));
	assert_true(same_id("Received: by mine; 20:05" CRLF "Received: by first; 20:00" CRLF BOB CRLF "x", "Received: by first; 20:00" CRLF BOB CRLF "x"));
	assert_false(same_id("Received: by first; 20:00" CRLF BOB CRLF "x", "Received: by first; 21:00" CRLF BOB CRLF "x"));
	assert_false(same_id(BOB DATE CRLF "x", BOB DATE CRLF "y"));
	assert_false(same_id(BOB DATE CRLF "x", BOB "Date: Thu, 28 May 2026 20:00:01 +0000" CRLF CRLF "x"));
	assert_false(same_id(BOB DATE CRLF "x", "From: eve@partner.example" CRLF DATE CRLF "x"));
	assert_false(same_id(BOB DATE "Subject: a" CRLF CRLF "x", BOB DATE "Subject: b" CRLF CRLF "x"));
#undef BOB
#undef DATE
}

#define PLAIN CRLF "--b" CRLF "Content-Type: text/plain" CRLF CRLF
#define HTML CRLF "--b" CRLF "Content-Type: text/html; charset=utf-8" CRLF CRLF
#define FILE_PART CRLF "--b" CRLF "Content-Type: application/pdf; name=\"a/b.pdf\"" CRLF "Content-Disposition: attachment" CRLF "Content-Transfer-Encoding: base64" CRLF CRLF "JVBERg==" CRLF
#define MIXED FROM "Content-Type: multipart/mixed; boundary=b" CRLF
#define ALTERNATIVE FROM "Content-Type: multipart/alternative; boundary=b" CRLF
#define LAST CRLF "--b--" CRLF

static void
finds_the_text(void **state)
{
	struct mail m;

	(void)state;
	says(ALTERNATIVE PLAIN "plain" HTML "<p>html</p>" LAST, "plain");
	says(ALTERNATIVE HTML "<p>html</p>" PLAIN "plain" LAST, "plain");
	says(ALTERNATIVE PLAIN "  " HTML "<p>html</p>" LAST, "html");
	says(MIXED HTML "<p>only &lt;html&gt;</p>" LAST, "only <html>");
	says(MIXED PLAIN "one" PLAIN "two" LAST, "one\n\ntwo");
	says(FROM "Content-Type: text/html\r\n\r\n<b>x", "x");
	/* Text that is a file is no text, and a file may be anything. */
	m = takes(MIXED PLAIN "see" FILE_PART "--b" CRLF "Content-Type: text/plain" CRLF "Content-Disposition: attachment; filename=n.txt" CRLF CRLF "note" LAST);
	assert_string_equal(m.text, "see");
	assert_int_equal(m.nfiles, 2);
	assert_string_equal(m.files[0].name, "a/b.pdf");
	assert_string_equal(m.files[0].type, "application/pdf");
	assert_int_equal(m.files[0].n, 4);
	assert_memory_equal(m.files[0].data, "%PDF", 4);
	assert_string_equal(m.files[1].name, "n.txt");
	assert_memory_equal(m.files[1].data, "note", 4);
	mail_fini(&m);
	/* A mail in a mail is a file. */
	m = takes(MIXED PLAIN "fwd" CRLF "--b" CRLF "Content-Type: message/rfc822" CRLF CRLF "From: x@y.example" CRLF "Subject: inner" CRLF CRLF "inner" LAST);
	assert_string_equal(m.text, "fwd");
	assert_int_equal(m.nfiles, 1);
	assert_string_equal(m.files[0].name, "message.eml");
	assert_non_null(memmem(m.files[0].data, m.files[0].n, "Subject: inner", 14));
	mail_fini(&m);
	/* What is signed has its signature behind it. */
	says(FROM "Content-Type: multipart/signed; boundary=b; protocol=\"application/pgp-signature\"" CRLF PLAIN "signed" CRLF "--b" CRLF
		  "Content-Type: application/pgp-signature" CRLF CRLF "xx" LAST, "signed");
}

static void
is_not_impressed(void **state)
{
	struct buf b = { 0 };
	struct mail m;

	(void)state;
	/* Ten thousand fields. */
	buf_adds(&b, FROM);
	for (int i = 0; i < 10000; i++)
		buf_addf(&b, "X-%d: y\r\n", i);
	buf_adds(&b, "\r\nHi");
	refuses("a@b.example", buf_str(&b), "554 5.6.0 the head has too many fields");
	/* One of a megabyte. */
	buf_clear(&b);
	buf_adds(&b, FROM "X:");
	for (int i = 0; i < 100000; i++)
		buf_adds(&b, " yyyyyyyy\r\n");
	refuses("a@b.example", buf_str(&b), "554 5.6.0 the head is too long");
	/* Parts without end, and in each other. */
	buf_clear(&b);
	buf_adds(&b, MIXED);
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, PLAIN "x");
	refuses("a@b.example", buf_str(&b), "554 5.6.0 too many parts");
	buf_clear(&b);
	buf_adds(&b, FROM);
	for (int i = 0; i < 50; i++)
		buf_addf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	refuses("a@b.example", buf_str(&b), "554 5.6.0 parts are nested too deep");
	/* Broken in each way: no boundary, one that never comes, a NUL, no head, no end. */
	says(FROM "Content-Type: multipart/mixed\r\n\r\nx", "");
	says(FROM "Content-Type: multipart/mixed; boundary=z\r\n\r\nx", "");
	says(FROM "Content-Type: text/plain; charset=no-such\r\n\r\nx\xff", "x\xef\xbf\xbd");
	says(FROM "Content-Transfer-Encoding: base64\r\n\r\n!!!!", "");
	refuses("a@b.example", "", "554 5.6.0 that is no mail");
	refuses("a@b.example", "\r\n\r\nx", "554 5.6.0 From is not one address");
	/* More text than is shown: all of it is a file. */
	buf_clear(&b);
	buf_adds(&b, FROM CRLF);
	for (int i = 0; i < 10000; i++)
		buf_adds(&b, "words, ");
	m = takes(buf_str(&b));
	assert_true(m.cut && strlen(m.text) <= rules.limits.text_bytes);
	assert_int_equal(m.nfiles, 1);
	assert_int_equal(m.files[0].n, 70000);
	mail_fini(&m);
	/* More files than are offered. */
	buf_clear(&b);
	buf_adds(&b, MIXED);
	for (int i = 0; i < 25; i++)
		buf_adds(&b, FILE_PART);
	m = takes(buf_str(&b));
	assert_int_equal(m.nfiles, 20);
	assert_int_equal(m.nfiles_left, 5);
	mail_fini(&m);
	buf_fini(&b);
}

static void
knows_who_it_is_from(void **state)
{
	struct mail m;

	(void)state;
	refuses("a@b.example", "From: a@b.example, c@d.example\r\n\r\nx", "554 5.6.0 From is not one address");
	refuses("a@b.example", "From: team: a@b.example;\r\n\r\nx", "554 5.6.0 From is not one address");
	refuses("a@b.example", "From: \"a b\"@c.example\r\n\r\nx", "554 5.6.7 the address in From cannot be answered from here");
	refuses("a@b.example", "From: nobody\r\n\r\nx", "554 5.6.7 the address in From cannot be answered from here");
	/* A name is the sender's to choose: it reaches neither another line nor a log. */
	m = takes("From: =?utf-8?q?a=0D=0AX=3A_b=00c?= <a@b.example>\r\n\r\nx");
	assert_string_equal(m.from, "a@b.example");
	assert_null(strpbrk(m.from_name, "\r\n"));
	mail_fini(&m);

	m = takes("Authentication-Results: mx.example.org; dkim=pass header.d=partner.example\r\nReceived: by mx\r\n" FROM "\r\nx");
	assert_int_equal(auth_results_proof(&m.auth), SENDER_PROVEN);
	mail_fini(&m);
	m = takes("Received: by mx\r\nAuthentication-Results: mx.example.org; spf=fail smtp.mailfrom=partner.example\r\nReceived: by y\r\n" FROM "\r\nx");
	assert_int_equal(auth_results_proof(&m.auth), SENDER_FORGED);
	mail_fini(&m);
	/* Written by somebody before it came to us. */
	m = takes("Received: by mx\r\nReceived: by evil\r\nAuthentication-Results: mx.example.org; dkim=pass header.d=partner.example\r\n" FROM "\r\nx");
	assert_int_equal(auth_results_proof(&m.auth), SENDER_UNKNOWN);
	mail_fini(&m);
}

static void
breaks_loops(void **state)
{
	struct arena *a = arena_new(0);
	const char *id = thread_id(a, key, "example.org", "juliet@example.org", "bob@partner.example", "1", "Hi");
	struct buf b = { 0 };
	struct mail m;

	(void)state;
	refuses("a@b.example", FROM "Auto-Submitted: auto-replied\r\n\r\nx", "550 5.7.1 mail that no person wrote is not taken here");
	refuses("a@b.example", FROM "Precedence: bulk\r\n\r\nx", "550 5.7.1 mail that no person wrote is not taken here");
	refuses("", FROM "\r\nx", "550 5.7.1 mail that no person wrote is not taken here");
	says(FROM "Auto-Submitted: no\r\n\r\nx", "x");
	refuses("a@b.example", FROM "X-Chancery-Gateway: example.org\r\n\r\nx", "554 5.4.6 the mail goes in circles: it is from here");
	buf_addf(&b, "From: bob@partner.example\r\nMessage-ID: <%s>\r\n\r\nx", id);
	refuses("a@b.example", buf_str(&b), "554 5.4.6 the mail goes in circles: it is from here");
	buf_clear(&b);
	for (int i = 0; i < 51; i++)
		buf_adds(&b, "Received: by x\r\n");
	buf_adds(&b, FROM "\r\nx");
	refuses("a@b.example", buf_str(&b), "554 5.4.6 the mail goes in circles: too many hops");
	/* Where that is set: only when it answers one of ours. */
	rules.automatic = AUTOMATIC_ANSWERS;
	refuses("a@b.example", FROM "Auto-Submitted: auto-replied\r\nIn-Reply-To: <1@example.org>\r\n\r\nx", "550 5.7.1 mail that no person wrote is not taken here");
	buf_clear(&b);
	buf_addf(&b, FROM "Auto-Submitted: auto-replied\r\nReferences: <1@x>\r\n <%s>\r\n\r\nAway.", id);
	m = takes(buf_str(&b));
	assert_true(m.automatic);
	assert_string_equal(m.answers, id);
	mail_fini(&m);
	rules.automatic = AUTOMATIC_REFUSE;
	buf_fini(&b);
	arena_free(a);
}

static void
cuts_what_we_said(void **state)
{
	struct arena *a = arena_new(0);
	const char *id = thread_id(a, key, "example.org", "juliet@example.org", "bob@partner.example", "1", "Hi");
	struct buf b = { 0 };
	struct mail m;

	(void)state;
	/* Of others' words nothing is left out: they are in no record yet. */
	says(FROM "In-Reply-To: <1@elsewhere.example>\r\n\r\nYes.\r\n\r\n> Hi\r\n", "Yes.\n\n> Hi");
	buf_addf(&b, FROM "In-Reply-To: <%s>\r\n\r\nYes.\r\n\r\nOn Monday 3, juliet wrote:\r\n> Hi\r\n", id);
	m = takes(buf_str(&b));
	assert_string_equal(m.text, "Yes.");
	assert_int_equal(m.quoted_lines, 2);
	mail_fini(&m);
	rules.keep_quotes = true;
	says(buf_str(&b), "Yes.\n\nOn Monday 3, juliet wrote:\n> Hi");
	rules.keep_quotes = false;
	buf_fini(&b);
	arena_free(a);
}

static void
takes_reports(void **state)
{
	static const char report[] = "From: MAILER-DAEMON@mx.example.org\r\nAuto-Submitted: auto-replied\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n boundary=b\r\n"
		"\r\n--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx\r\n\r\n"
		"Final-Recipient: rfc822; bob@partner.example\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b\r\nContent-Type: %s\r\n\r\n"
		"From: juliet@example.org\r\nMessage-ID: <xyz@example.org>\r\n\r\nHi\r\n--b--\r\n";
	static const char *const types[] = { "message/rfc822", "text/rfc822-headers", "application/x-y" };
	struct arena *a = arena_new(0);
	struct mail m;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *text = arena_strdup(a, report), *at = strstr(text, "%s");
		struct buf b = { 0 };
		const char *wrong;

		*at = '\0';
		buf_addf(&b, "%s%s%s", text, types[i], at + 2);
		wrong = mail_read(&m, "", buf_str(&b), buf_len(&b), &rules);
		assert_null(wrong);
		assert_non_null(m.bounce);
		assert_int_equal(m.bounce->action, BOUNCE_FAILED);
		assert_string_equal(m.bounce->recipient, "bob@partner.example");
		assert_string_equal(m.bounce->id, "xyz@example.org");
		mail_fini(&m);
		buf_fini(&b);
	}
	arena_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_mail), cmocka_unit_test(knows_mails_without_id), cmocka_unit_test(finds_the_text),    cmocka_unit_test(is_not_impressed), cmocka_unit_test(knows_who_it_is_from),
		cmocka_unit_test(breaks_loops), cmocka_unit_test(cuts_what_we_said), cmocka_unit_test(takes_reports),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
