/* text, html: what was said in a mail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "gateway_mail/html.h"
#include "gateway_mail/text.h"

static void
gives(const char *in, size_t n, bool flowed, bool delsp, const char *out)
{
	struct buf b = { 0 };

	mail_text_add(&b, in, n, flowed, delsp);
	assert_string_equal(buf_str(&b), out);
	buf_fini(&b);
}

#define GIVES(in, flowed, delsp, out) gives(in, sizeof(in) - 1, flowed, delsp, out)

static void
mends_lines(void **state)
{
	(void)state;
	GIVES("a  \r\nb\n\r\nc", false, false, "a\nb\n\nc");
	GIVES("caf\xc3\xa9\r\n", false, false, "caf\xc3\xa9\n");
	/* Neither UTF-8 nor a NUL hides what is behind it. */
	GIVES("a\xff" "b\0c\xc3", false, false, "a\xef\xbf\xbd" "b\xef\xbf\xbd" "c\xef\xbf\xbd");
	GIVES("\xed\xa0\x80", false, false, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

/* RFC 3676 */
static void
unflows(void **state)
{
	(void)state;
	GIVES("This is \r\none line.\r\nThis is another.\r\n", true, false, "This is one line.\nThis is another.\n");
	GIVES("a \r\n\r\nb", true, false, "a \n\nb");
	GIVES("ab \r\ncd\r\n", true, true, "abcd\n");
	GIVES(" From here\r\n", true, false, "From here\n");
	GIVES("> a \r\n> b\r\n>> c\r\nd", true, false, "> a b\n>> c\nd");
	GIVES("me\r\n-- \r\nRomeo\r\n", true, false, "me\n--\nRomeo\n");
	GIVES("a \r\nb", false, false, "a\nb");
}

static void
cuts(const char *text, const char *rest, unsigned lines)
{
	unsigned n;
	size_t at = mail_text_quoted(text, strlen(text), &n);
	char said[1000];

	memcpy(said, text, at);
	said[at] = '\0';
	assert_string_equal(said, rest);
	assert_int_equal(n, lines);
}

static void
cuts_quotations(void **state)
{
	(void)state;
	cuts("Yes.\n\nOn Mon, 3 May, Juliet wrote:\n> Shall we?\n> J.\n", "Yes.\n\n", 3);
	cuts("Ja.\n\nAm 3. Mai 2026 um 10:00 schrieb\nJulia <juliet@capulet.example>:\n\n> Sollen wir?\n", "Ja.\n\n", 4);
	cuts("Yes.\n> Shall we?\n", "Yes.\n", 1);
	/* Nothing is quoted. */
	cuts("Yes.\n", "Yes.\n", 0);
	cuts("", "", 0);
	/* What is answered line by line stays. */
	cuts("> Shall we?\nYes.\n> When?\nNow.\n", "> Shall we?\nYes.\n> When?\nNow.\n", 0);
	/* Nothing but a quotation. */
	cuts("> Shall we?\n", "> Shall we?\n", 0);
	/* A line in front of it that says nothing of a person or a date is not the program's. */
	cuts("I quote:\n> Shall we?\n", "I quote:\n", 1);
	/* A head, copied, in whatever language. */
	cuts("Oui.\n\n-----Message d'origine-----\nDe: Juliette <juliet@capulet.example>\nEnvoy\xc3\xa9: lundi\n\xc3\x80: Romeo\nObjet: x\n\nOn y va?\n", "Oui.\n", 8);
	cuts("Yes.\n________________________________\nFrom: Juliet <j@x.example>\nSent: Monday\nTo: Romeo\n\nShall we?", "Yes.\n", 6);
	/* Not every colon is one. */
	cuts("Note: bring wine\nWhen: at ten\nWhere: the tomb\n", "Note: bring wine\nWhen: at ten\nWhere: the tomb\n", 0);
}

static void
reads(const char *html, const char *text)
{
	struct buf b = { 0 };

	assert_true(html_text(&b, html, strlen(html), 1000));
	assert_string_equal(buf_str(&b), text);
	buf_fini(&b);
}

static void
reads_html(void **state)
{
	(void)state;
	reads("<html><head><title>T</title><style>p {}</style></head><body><p>Hello&nbsp;&amp; <b>good</b>\n  night</p><p>Romeo</p></body></html>",
	      "Hello\xc2\xa0& good night\n\nRomeo");
	reads("a<br>b<br/>c", "a\nb\nc");
	reads("<ul><li>one<li>two</ul>", "- one\n- two");
	reads("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc");
	reads("Yes<blockquote>Shall we?<br>J.</blockquote>", "Yes\n\n> Shall we?\n> J.");
	reads("<script>alert(1)</script>x<!-- y -->", "x");
	reads("caf\xc3\xa9 <img src=x alt=rose>", "caf\xc3\xa9 [rose]");
	/* A charset that it names is not the one that it has. */
	reads("<meta charset=iso-8859-1>caf\xc3\xa9", "caf\xc3\xa9");
	/* Where a link really leads. */
	reads("<a href='https://evil.example/x'>https://bank.example</a>", "https://bank.example <https://evil.example/x>");
	reads("<a href='https://bank.example/'>https://bank.example</a> <a href='mailto:a@b.example'>a@b.example</a> <a href='javascript:x'>y</a>",
	      "https://bank.example a@b.example y");
	reads("", "");
}

static void
bounds_html(void **state)
{
	struct buf html = { 0 }, out = { 0 };

	(void)state;
	for (int i = 0; i < 100000; i++)
		buf_adds(&html, "<b>");
	buf_adds(&html, "deep");
	assert_false(html_text(&out, buf_data(&html), buf_len(&html), 1000));
	buf_clear(&html);
	buf_clear(&out);
	for (int i = 0; i < 1000; i++)
		buf_adds(&html, "word ");
	assert_false(html_text(&out, buf_data(&html), buf_len(&html), 1000));
	assert_true(buf_len(&out) <= 1000 && buf_len(&out) > 900);
	buf_fini(&html);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mends_lines), cmocka_unit_test(unflows),     cmocka_unit_test(cuts_quotations),
		cmocka_unit_test(reads_html),  cmocka_unit_test(bounds_html),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
