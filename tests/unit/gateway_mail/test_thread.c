/* address, thread, bounce, auth_results: what is in heads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "gateway_mail/address.h"
#include "gateway_mail/auth_results.h"
#include "gateway_mail/bounce.h"
#include "gateway_mail/thread.h"

static const uint8_t key[ADDRESS_KEY] = { 1, 2, 3 };
static struct arena *a;

static int
setup(void **state)
{
	(void)state;
	a = arena_new(0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(a);
	return 0;
}

static void
cleans_addresses(void **state)
{
	static const char *const bad[] = { "", "bob", "@partner.example", "bob@", "bob@partner", "b ob@partner.example", "bob@partner..example", "bob@-x.example",
		".bob@partner.example", "bob.@partner.example", "\"b b\"@partner.example", "bob@[127.0.0.1]", "b\xc3\xb6" "b@partner.example", "bob@partner.example\r\nX: y", "bob@partner.example.", "bob@x.example>", NULL };
	char longer[80] = { 0 };

	(void)state;
	assert_string_equal(address_clean(a, "Bob.B+x=y@Partner.EXAMPLE"), "bob.b+x=y@partner.example");
	for (size_t i = 0; bad[i]; i++)
		assert_null(address_clean(a, bad[i]));
	memset(longer, 'a', 65);
	strcat(longer, "@x.example");
	assert_null(address_clean(a, longer));
	assert_non_null(address_clean(a, longer + 1));
}

static void
maps_users(void **state)
{
	static const char *const users[][2] = { { "juliet", "juliet" }, { "juliet.c", "juliet.c" }, { "a+b", "a=2bb" }, { "a=b", "a=3db" }, { "j\xc3\xbc", "j=c3=bc" },
		{ ".x", "=2ex" }, { "a..b", "a.=2eb" }, { "A", "=41" }, { NULL, NULL } };
	const char *user, *token;
	char tok[TOKEN_CHARS + 1];

	(void)state;
	for (size_t i = 0; users[i][0]; i++) {
		assert_string_equal(address_of_user(a, users[i][0]), users[i][1]);
		assert_string_equal(address_user(a, users[i][1], strlen(users[i][1])), users[i][0]);
	}
	/* One user has one address. */
	assert_null(address_user(a, "=6auliet", 8));
	assert_null(address_user(a, "a=2", 3));
	assert_null(address_user(a, "a=00", 4));
	assert_null(address_user(a, "a=ff", 4));
	assert_null(address_of_user(a, "a-very-long-name-a-very-long-name-a-very-long-name-a-very-long-name"));

	address_token(key, "to", "juliet", "bob@partner.example", tok);
	assert_int_equal(strlen(tok), TOKEN_CHARS);
	assert_int_equal(address_read(a, arena_printf(a, "Juliet+%s@Example.ORG", tok), "example.org", &user, &token), 0);
	assert_string_equal(user, "juliet");
	assert_string_equal(token, tok);
	assert_int_equal(address_read(a, "juliet@example.org", "example.org", &user, &token), 0);
	assert_string_equal(token, "");
	assert_int_equal(address_read(a, "juliet@sub.example.org", "example.org", &user, &token), -1);
	assert_int_equal(address_read(a, "juliet", "example.org", &user, &token), -1);
	assert_int_equal(address_read(a, "+x@example.org", "example.org", &user, &token), -1);
}

static void
keeps_threads(void **state)
{
	struct thread t, again;
	struct buf b = { 0 };

	(void)state;
	thread_read(&t, NULL);
	assert_int_equal(t.n, 0);
	thread_read(&t, "{\"ids\": [1], \"subject\": {}}");
	assert_int_equal(t.n, 0);
	thread_read(&t, "nonsense");
	assert_true(thread_set_subject(&t, "Re: AW: Re[2]:  Dinner"));
	assert_string_equal(t.subject, "Dinner");
	assert_false(thread_set_subject(&t, "re: Dinner"));
	assert_true(thread_has_subject(&t, "AW: Dinner") && !thread_has_subject(&t, "Reply: all"));
	assert_true(thread_set_subject(&t, "Reply: all"));
	/* The first and the last ones. */
	for (int i = 0; i < 20; i++)
		thread_add(&t, arena_printf(a, "%d@x", i));
	thread_add(&t, "19@x");
	thread_add(&t, "not one");
	thread_add(&t, "not>one");
	/* No strict mail system takes it where SMTPUTF8 is not spoken. */
	thread_add(&t, "m\xc3\xbcller@x");
	thread_add(&t, "a\x7f@x");
	assert_int_equal(t.n, THREAD_REFERENCES);
	assert_string_equal(t.ids[0], "0@x");
	assert_string_equal(t.ids[1], "11@x");
	assert_string_equal(t.ids[THREAD_REFERENCES - 1], "19@x");
	thread_write(&t, &b);
	thread_read(&again, buf_str(&b));
	assert_int_equal(again.n, t.n);
	assert_string_equal(again.ids[5], t.ids[5]);
	assert_string_equal(again.subject, "Reply: all");
	buf_fini(&b);
}

static void
knows_its_ids(void **state)
{
	const char *id = thread_id(a, key, "example.org", "juliet@example.org", "bob@x.example", "abc-1", "Hi");
	static const uint8_t other[ADDRESS_KEY] = { 9 };

	(void)state;
	assert_true(!strncmp(id, "abc-1.", 6));
	assert_true(thread_is_ours(a, key, "example.org", id));
	/* It says whose it is. */
	assert_true(thread_is_of(a, key, "example.org", "juliet@example.org", id));
	assert_false(thread_is_of(a, key, "example.org", "romeo@example.org", id));
	assert_false(thread_is_of(a, other, "example.org", "juliet@example.org", id));
	assert_false(thread_is_of(a, key, "example.org", "juliet@example.org", arena_printf(a, "x%s", id)));
	assert_string_equal(id, thread_id(a, key, "example.org", "juliet@example.org", "bob@x.example", "abc-1", "Hi"));
	/* A client that uses an id again. */
	assert_string_not_equal(id, thread_id(a, key, "example.org", "juliet@example.org", "bob@x.example", "abc-1", "Ho"));
	assert_false(thread_is_ours(a, other, "example.org", id));
	assert_false(thread_is_ours(a, key, "example.net", id));
	assert_false(thread_is_ours(a, key, "example.org", arena_printf(a, "x%s", id)));
	assert_false(thread_is_ours(a, key, "example.org", ""));
	assert_false(thread_is_ours(a, key, "example.org", "@example.org"));
	/* An id that may not stand in a mail. */
	id = thread_id(a, key, "example.org", "juliet@example.org", "bob@x.example", "a>\r\nX: y", "Hi");
	assert_null(strpbrk(id, "<> \r\n"));
	assert_true(thread_is_ours(a, key, "example.org", id));
}

static void
reads_bounces(void **state)
{
	static const char status[] = "Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; bob@partner.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
				     "Diagnostic-Code: smtp; 550 5.1.1\r\n <bob@partner.example>: no\r\n such user\r\n";
	static const char head[] = "From: x\nmessage-id:\n <abc@example.org>\nSubject: y\n";
	struct bounce b;

	(void)state;
	assert_int_equal(bounce_read(a, status, sizeof(status) - 1, head, sizeof(head) - 1, &b), 0);
	assert_int_equal(b.action, BOUNCE_FAILED);
	assert_string_equal(b.recipient, "bob@partner.example");
	assert_string_equal(b.status, "5.1.1");
	assert_string_equal(b.why, "550 5.1.1 <bob@partner.example>: no such user");
	assert_string_equal(b.id, "abc@example.org");

#define STATUS(s) bounce_read(a, s, sizeof(s) - 1, "", 0, &b)
	assert_int_equal(STATUS("A: b\n\nFinal-Recipient: rfc822;a@x\nAction: delayed\n\nOriginal-Recipient: rfc822;b@x\nFinal-Recipient: rfc822;c@x\nAction: failed\n"), 0);
	assert_int_equal(b.action, BOUNCE_FAILED);
	assert_string_equal(b.recipient, "b@x");
	assert_null(b.id);
	assert_int_equal(STATUS("Final-Recipient: rfc822;a@x\nAction: delivered"), 0);
	assert_int_equal(b.action, BOUNCE_DELIVERED);
	assert_int_equal(STATUS(""), -1);
	assert_int_equal(STATUS("Action: failed\n"), -1);
	assert_int_equal(STATUS("Final-Recipient: rfc822;a@x\n"), -1);
}

static void
proves(const char *header, const char *domain, enum sender_proof proof, const char *dkim, const char *spf)
{
	struct auth_results r = AUTH_RESULTS_NONE;

	auth_results_add(&r, header, "mx.example", domain);
	assert_int_equal(auth_results_proof(&r), proof);
	assert_string_equal(r.dkim, dkim);
	assert_string_equal(r.spf, spf);
}

static void
believes_its_mail_system(void **state)
{
	(void)state;
	proves(" mx.example; dkim=pass (1024-bit key; unprotected) header.d=partner.example header.i=@partner.example;\r\n\tspf=pass smtp.mailfrom=bob@partner.example",
	       "partner.example", SENDER_PROVEN, "pass", "pass");
	proves("mx.example 1; dkim=pass header.d=partner.example", "mail.partner.example", SENDER_PROVEN, "pass", "none");
	/* Somebody else's signature is no proof of who is in From. */
	proves("mx.example; dkim=pass header.d=evil.example; spf=pass smtp.mailfrom=a@evil.example", "partner.example", SENDER_UNKNOWN, "pass", "pass");
	proves("mx.example; dkim=pass header.d=evil.partner.example", "partner.example", SENDER_UNKNOWN, "pass", "none");
	proves("mx.example; dkim=pass header.d=example", "partner.example", SENDER_UNKNOWN, "pass", "none");
	proves("mx.example; dkim=pass header.d=rtner.example", "partner.example", SENDER_UNKNOWN, "pass", "none");
	proves("mx.example; dmarc=fail (p=reject) header.from=partner.example; dkim=none", "partner.example", SENDER_FORGED, "none", "none");
	proves("mx.example; dmarc=pass header.from=partner.example", "partner.example", SENDER_PROVEN, "none", "none");
	proves("mx.example; spf=fail smtp.mailfrom=partner.example; dkim=pass header.d=partner.example", "partner.example", SENDER_PROVEN, "pass", "fail");
	proves("mx.example; spf=fail smtp.mailfrom=partner.example", "partner.example", SENDER_FORGED, "none", "fail");
	proves("mx.example; dkim=fail header.d=partner.example", "partner.example", SENDER_UNKNOWN, "fail", "none");
	proves("mx.example; none", "partner.example", SENDER_UNKNOWN, "none", "none");
	/* Not ours. */
	proves("mx.evil.example; dkim=pass header.d=partner.example", "partner.example", SENDER_UNKNOWN, "none", "none");
	proves("", "partner.example", SENDER_UNKNOWN, "none", "none");
	/* The sender's own words, within ours. */
	proves("mx.example; spf=fail reason=\"; dkim=pass header.d=partner.example\" smtp.mailfrom=\"x; dmarc=pass header.from=partner.example\"", "partner.example",
	       SENDER_UNKNOWN, "none", "fail");
	proves("mx.example; spf=none (; dkim=pass header.d=partner.example) smtp.mailfrom=a)b; dkim=pass header.d=partner.example", "partner.example", SENDER_UNKNOWN, "none", "none");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cleans_addresses), cmocka_unit_test(maps_users),	 cmocka_unit_test(keeps_threads),
		cmocka_unit_test(knows_its_ids),    cmocka_unit_test(reads_bounces), cmocka_unit_test(believes_its_mail_system),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
