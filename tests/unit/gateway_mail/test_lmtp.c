/* lmtp: RFC 2033 and what it takes of RFC 5321; each dialogue at once and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "gateway_mail/lmtp.h"

#define HELLO "250-mx.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 1000\r\n"
#define BEGIN "LHLO mta\r\nMAIL FROM:<bob@partner.example>\r\n"
#define BEGUN "220 mx.example LMTP\r\n" HELLO "250 2.1.0 OK\r\n"

static const struct lmtp_limits limits = { .line_bytes = 200, .mail_bytes = 1000, .recipients = 3, .errors = 5 };

/* Answers at once: 250, but for late@, who are answered by the test. */
struct box {
	struct lmtp *l;
	struct buf mails; /* "from|to,to|data;" */
	bool late;
};

static const char *
on_recipient(void *owner, const char *to)
{
	(void)owner;
	return strncmp(to, "nobody@", 7) ? NULL : "550 5.1.1 there is nobody of that name";
}

static void
on_mail(void *owner, const struct lmtp_mail *m)
{
	struct box *b = owner;
	size_t n = m->nto;

	buf_addf(&b->mails, "%s|", m->from);
	for (size_t i = 0; i < n; i++)
		buf_addf(&b->mails, "%s%s", i ? "," : "", m->to[i]);
	buf_adds(&b->mails, "|");
	buf_add(&b->mails, m->data, m->n);
	buf_adds(&b->mails, ";");
	for (size_t i = 0; i < n && !b->late; i++)
		lmtp_answer(b->l, i, i ? "450 4.2.1 later\r\n" : "250 2.1.5 stored");
}

static const struct lmtp_calls calls = { on_recipient, on_mail };

static void
begin(struct box *b)
{
	*b = (struct box){ 0 };
	b->l = lmtp_new("mx.example", &limits, &calls, b);
}

static void
finish(struct box *b)
{
	lmtp_free(b->l);
	buf_fini(&b->mails);
}

static void
dialogue(const char *in, size_t n, const char *out, const char *mails, bool over)
{
	for (size_t step = 1; step <= n; step = step == 1 ? 7 : n > step ? n : n + 1) {
		struct box b;

		begin(&b);
		for (size_t at = 0; at < n; at += step)
			lmtp_take(b.l, in + at, n - at < step ? n - at : step);
		assert_string_equal(buf_str(lmtp_out(b.l)), out);
		assert_string_equal(buf_str(&b.mails), mails);
		assert_int_equal(lmtp_is_over(b.l), over);
		finish(&b);
	}
}

#define SAYS(in, out, mails, over) dialogue(in, sizeof(in) - 1, out, mails, over)

static void
takes_mails(void **state)
{
	(void)state;
	SAYS(BEGIN "RCPT TO:<a@x>\r\nDATA\r\nSubject: 1\r\n\r\nHi\r\n.\r\nQUIT\r\n",
	     BEGUN "250 2.1.5 OK\r\n354 end with a line that is a dot\r\n250 2.1.5 stored\r\n221 2.0.0 bye\r\n", "bob@partner.example|a@x|Subject: 1\r\n\r\nHi\r\n;", true);
	/* Each recipient has an answer (RFC 2033 §4.2); a second mail; commands in any case, with parameters. */
	SAYS("lhlo mta\r\nmail from:<> size=999 BODY=8bitmime\r\nrcpt to:<a@x>\r\nRCPT TO: <@relay.example:b@x>\r\ndata\r\n.\r\nMAIL FROM:<c@y>\r\nRCPT TO:<d@x>\r\nDATA\r\n.\r\n",
	     BEGUN "250 2.1.5 OK\r\n250 2.1.5 OK\r\n354 end with a line that is a dot\r\n250 2.1.5 stored\r\n450 4.2.1 later??\r\n"
		   "250 2.1.0 OK\r\n250 2.1.5 OK\r\n354 end with a line that is a dot\r\n250 2.1.5 stored\r\n",
	     "|a@x,b@x|;c@y|d@x|;", false);
	/* Who is refused gets no mail, the others do. */
	SAYS(BEGIN "RCPT TO:<nobody@x>\r\nRCPT TO:<a@x>\r\nDATA\r\n.\r\n",
	     BEGUN "550 5.1.1 there is nobody of that name\r\n250 2.1.5 OK\r\n354 end with a line that is a dot\r\n250 2.1.5 stored\r\n", "bob@partner.example|a@x|;", false);
	SAYS("LHLO a\r\nNOOP\r\nVRFY x\r\nRSET\r\n", "220 mx.example LMTP\r\n" HELLO "250 2.0.0 OK\r\n252 2.5.2 send some mail, and it will be seen\r\n250 2.0.0 OK\r\n", "", false);
}

/* What ends a mail is CR LF . CR LF and nothing else (RFC 5321 §4.1.1.4): all else is part of it. */
static void
knows_where_a_mail_ends(void **state)
{
	(void)state;
	SAYS(BEGIN "RCPT TO:<a@x>\r\nDATA\r\n..a\r\n...\r\n.b\r\nc.\r\n\n.\n\r.\r\n.\n.\r\r\n.\rx\r\n.\r\n",
	     BEGUN "250 2.1.5 OK\r\n354 end with a line that is a dot\r\n250 2.1.5 stored\r\n",
	     "bob@partner.example|a@x|.a\r\n..\r\nb\r\nc.\r\n\n.\n\r.\r\n\n.\r\r\n\rx\r\n;", false);
}

static void
refuses_what_is_wrong(void **state)
{
	(void)state;
	SAYS("MAIL FROM:<a@x>\r\n", "220 mx.example LMTP\r\n503 5.5.1 LHLO comes first\r\n", "", false);
	SAYS("EHLO x\r\nHELO x\r\nLHLO\r\nFOO\r\n",
	     "220 mx.example LMTP\r\n500 5.5.1 this is LMTP: LHLO\r\n500 5.5.1 this is LMTP: LHLO\r\n501 5.5.4 LHLO needs a name\r\n500 5.5.2 that is no command\r\n", "", false);
	SAYS(BEGIN "DATA\r\n", BEGUN "503 5.5.1 there is no recipient\r\n", "", false);
	SAYS(BEGIN "RCPT TO:<nobody@x>\r\nDATA\r\n", BEGUN "550 5.1.1 there is nobody of that name\r\n503 5.5.1 there is no recipient\r\n", "", false);
	SAYS(BEGIN "MAIL FROM:<a@x>\r\n", BEGUN "503 5.5.1 a mail has been begun\r\n", "", false);
	SAYS(BEGIN "RCPT TO:<a@x> NOTIFY=NEVER\r\nRCPT TO:<>\r\nRCPT TO:a@x\r\nRCPT TO:<a\x01@x>\r\n",
	     BEGUN "555 5.5.4 that parameter is not known here\r\n501 5.5.4 RCPT TO:<address> is expected\r\n501 5.5.4 RCPT TO:<address> is expected\r\n"
		   "501 5.5.4 RCPT TO:<address> is expected\r\n", "", false);
	SAYS("LHLO a\r\nMAIL FROM:<a@x> SIZE=1001\r\nMAIL FROM:<a@x> SMTPUTF8\r\nMAIL FROM:<a@x\r\nMAIL FROM:<a@x> SIZE=-1\r\n",
	     "220 mx.example LMTP\r\n" HELLO "552 5.3.4 the mail is too large\r\n555 5.5.4 that parameter is not known here\r\n"
	     "501 5.5.4 MAIL FROM:<address> is expected\r\n501 5.5.4 that is no size\r\n", "", false);
	/* A NUL in a line is no end of it. */
	SAYS("NOOP\0x\r\n", "220 mx.example LMTP\r\n500 5.5.2 that is no command\r\n", "", false);
	/* Not for ever. */
	SAYS("a\r\nb\r\nc\r\nd\r\ne\r\nLHLO x\r\n",
	     "220 mx.example LMTP\r\n500 5.5.2 that is no command\r\n500 5.5.2 that is no command\r\n500 5.5.2 that is no command\r\n500 5.5.2 that is no command\r\n"
	     "500 5.5.2 that is no command\r\n421 4.7.0 too many errors\r\n", "", true);
}

#define TAKE(in) lmtp_take(b.l, in, sizeof(in) - 1)

static void
has_bounds(void **state)
{
	struct box b;
	char line[300];

	(void)state;
	SAYS(BEGIN "RCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nRCPT TO:<c@x>\r\nRCPT TO:<d@x>\r\n",
	     BEGUN "250 2.1.5 OK\r\n250 2.1.5 OK\r\n250 2.1.5 OK\r\n452 4.5.3 too many recipients\r\n", "", false);

	/* A line without an end. */
	begin(&b);
	memset(line, 'x', sizeof(line));
	lmtp_take(b.l, line, sizeof(line));
	assert_true(lmtp_is_over(b.l));
	assert_string_equal(buf_str(lmtp_out(b.l)), "220 mx.example LMTP\r\n421 4.7.0 that line is too long\r\n");
	finish(&b);

	/* A mail that is too large: nobody sees it, and the next one is fine. */
	begin(&b);
	TAKE(BEGIN "RCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\n");
	for (int i = 0; i < 4; i++)
		lmtp_take(b.l, line, sizeof(line));
	buf_clear(lmtp_out(b.l));
	TAKE("\r\n.\r\nMAIL FROM:<c@y>\r\nRCPT TO:<d@x>\r\nDATA\r\n1\r\n.\r\n");
	assert_string_equal(buf_str(lmtp_out(b.l)), "552 5.3.4 the mail is too large\r\n552 5.3.4 the mail is too large\r\n250 2.1.0 OK\r\n250 2.1.5 OK\r\n"
						   "354 end with a line that is a dot\r\n250 2.1.5 stored\r\n");
	assert_string_equal(buf_str(&b.mails), "c@y|d@x|1\r\n;");
	finish(&b);

	/* One without an end. */
	begin(&b);
	TAKE(BEGIN "RCPT TO:<a@x>\r\nDATA\r\n");
	for (int i = 0; i < 100 && !lmtp_is_over(b.l); i++)
		lmtp_take(b.l, line, sizeof(line));
	assert_true(lmtp_is_over(b.l));
	assert_string_equal(buf_str(&b.mails), "");
	finish(&b);
}

/* Nothing is said of a mail before it is known what became of it; answers in the order of the recipients; what follows waits. */
static void
waits_for_answers(void **state)
{
	static const char in[] = BEGIN "RCPT TO:<a@x>\r\nRCPT TO:<b@x>\r\nDATA\r\nHi\r\n.\r\nNOOP\r\n";
	struct box b;

	(void)state;
	begin(&b);
	b.late = true;
	lmtp_take(b.l, in, sizeof(in) - 1);
	buf_clear(lmtp_out(b.l));
	assert_false(lmtp_wants(b.l));
	assert_true(lmtp_is_waiting(b.l));
	lmtp_answer(b.l, 1, "451 4.3.2 come again");
	assert_int_equal(buf_len(lmtp_out(b.l)), 0);
	lmtp_answer(b.l, 0, "250 2.1.5 stored");
	assert_string_equal(buf_str(lmtp_out(b.l)), "250 2.1.5 stored\r\n451 4.3.2 come again\r\n250 2.0.0 OK\r\n");
	assert_true(lmtp_wants(b.l));
	lmtp_end(b.l, "4.3.2 the program stops");
	assert_true(lmtp_is_over(b.l));
	finish(&b);

	/* A connection that ends while its mail waits. */
	begin(&b);
	b.late = true;
	lmtp_take(b.l, in, sizeof(in) - 1);
	finish(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_mails), cmocka_unit_test(knows_where_a_mail_ends), cmocka_unit_test(refuses_what_is_wrong),
		cmocka_unit_test(has_bounds),  cmocka_unit_test(waits_for_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
