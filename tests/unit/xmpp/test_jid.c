/*
 * jid: RFC 7622 §3.5, RFC 8265 §3.5 and §4.3, and what those tables leave out.
 */
#include "xmpp/jid.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What `in` becomes, or NULL. */
struct row {
	const char *in, *out;
};

static void
check_jid(const char *in, size_t n, const char *out)
{
	struct jid *j = jid_parse(in, n);

	if ((j != NULL) != (out != NULL) || (j && strcmp(jid_full(j), out) != 0))
		fail_msg("%s: got %s, want %s", in, j ? jid_full(j) : "refusal",
			 out ? out : "refusal");
	if (j) {
		struct jid *again = jid_parse_z(jid_full(j));

		assert_non_null(again);
		assert_true(jid_equal(j, again));
		jid_unref(again);
	}
	jid_unref(j);
}

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_jid(rows[i].in, strlen(rows[i].in), rows[i].out);
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof(rows[0]))

static void
rfc7622_valid(void **state)
{
	static const struct row rows[] = {
		{"juliet@example.com", "juliet@example.com"},
		{"juliet@example.com/foo", "juliet@example.com/foo"},
		{"juliet@example.com/foo bar", "juliet@example.com/foo bar"},
		{"juliet@example.com/foo@bar", "juliet@example.com/foo@bar"},
		{"foo\\20bar@example.com", "foo\\20bar@example.com"},
		{"fussball@example.com", "fussball@example.com"},
		{"fu\u00dfball@example.com", "fu\u00dfball@example.com"},
		{"\u03c0@example.com", "\u03c0@example.com"},
		{"\u03a3@example.com/foo", "\u03c3@example.com/foo"},
		{"\u03c3@example.com/foo", "\u03c3@example.com/foo"},
		{"\u03c2@example.com/foo", "\u03c2@example.com/foo"},
		{"king@example.com/\u265a", "king@example.com/\u265a"},
		{"example.com", "example.com"},
		{"example.com/foobar", "example.com/foobar"},
		{"a.example.com/b@example.net", "a.example.com/b@example.net"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
rfc7622_invalid(void **state)
{
	static const struct row rows[] = {
		{"\"juliet\"@example.com", NULL},
		{"foo bar@example.com", NULL},
		/* "juliet@example.com/ foo" was listed too; erratum 4560 takes it out, see
		 * below. */
		{"@example.com/", NULL},
		{"henry\u2163@example.com", NULL},
		{"\u265a@example.com", NULL},
		{"juliet@", NULL},
		{"/foobar", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
structure(void **state)
{
	static const struct row rows[] = {
		{"juliet@example.com/ foo", "juliet@example.com/ foo"},
		{"a@b/c/d", "a@b/c/d"},
		{"a@b/c@d/e", "a@b/c@d/e"},
		{"b//", "b//"},
		{"Romeo@Example.COM/Orchard", "romeo@example.com/Orchard"},
		{"a!#$%()*+,-.;=?[]^_`{|}~@b", "a!#$%()*+,-.;=?[]^_`{|}~@b"},
		{"example.com.", "example.com"},
		{"a@example.com./r", "a@example.com/r"},
		{"", NULL},
		{"@", NULL},
		{"/", NULL},
		{"@/", NULL},
		{".", NULL},
		{"a@.", NULL},
		{"@b", NULL},
		{"a@/r", NULL},
		{"a@b/", NULL},
		{"a@b@c", NULL},
		{"a@@b", NULL},
		{"a&b@c", NULL},
		{"a'b@c", NULL},
		{"a:b@c", NULL},
		{"a<b@c", NULL},
		{"a>b@c", NULL},
		{"a\tb@c", NULL},
		{"a@b/\t", NULL},
		{"a@b/\x7f", NULL},
		{"a\x7f@b", NULL},
		{"a@b..c", NULL},
		{"a@.b", NULL},
		{"a@b..", NULL},
		{"a@b c", NULL},
		{"a@b_c", NULL},
		{"a@-b", NULL},
		{"a@b-", NULL},
		{"a@b-.c", NULL},
		{"a@ab--c", NULL},
		{"a@b:5222", NULL},
		{"a@b?c", NULL},
		{"a@b\\c", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
usernames(void **state)
{
	static const struct row rows[] = {
		/* RFC 8265 §3.5; its first example has an '@', which a localpart may not have
		 * */
		{"fussball@x", "fussball@x"},
		{"fu\u00dfball@x", "fu\u00dfball@x"},
		{"foo bar@x", NULL},
		{"henry\u2163@x", NULL},
		{"\u221e@x", NULL},
		{"\u265a@x", NULL},
		/* case, also of letters whose lower case is longer or further on */
		{"JULIET@x", "juliet@x"},
		{"\u00c4rger@x", "\u00e4rger@x"},
		{"A\u0308@x", "\u00e4@x"},
		{"\u0130@x", "i\u0307@x"},
		{"\u1e9e@x", "\u00df@x"},
		{"\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3@x",
		 "\u03bf\u03b4\u03c5\u03c3\u03c3\u03b5\u03c5\u03c2@x"},
		/* width */
		{"\uff2a\uff55\uff4c@x", "jul@x"},
		{"\uff8a\uff9e@x", "\u30d0@x"},
		{"a\uff20b@x", NULL},
		{"a\uff0fb@x", NULL},
		{"\uff02a@x", NULL},
		{"\u3000a@x", NULL},
		/* normalisation; a compatibility form is refused, not folded */
		{"e\u0301@x", "\u00e9@x"},
		{"\ufb01@x", NULL},
		{"\u00b5@x", NULL},
		{"\u212b@x", NULL},
		{"\u1e0b\u0323@x", "\u1e0d\u0307@x"},
		/* ignorable, invisible, unassigned, private, control, conjoining jamo */
		{"ju\u00adliet@x", NULL},
		{"juliet\u200b@x", NULL},
		{"juliet\u2060@x", NULL},
		{"juliet\ufeff@x", NULL},
		{"juliet\ufe0f@x", NULL},
		{"juliet\u034f@x", NULL},
		{"juliet\u202e@x", NULL},
		{"\u0378@x", NULL},
		{"\ue000@x", NULL},
		{"\ufdd0@x", NULL},
		{"\U0010ffff@x", NULL},
		{"a\xc2\x85@x", NULL},
		{"a\u2028@x", NULL},
		{"\u1100\u1161@x", NULL},
		{"\u3164@x", NULL},
		{"\u115f@x", NULL},
		/* exceptions of RFC 5892 §2.6 */
		{"\u06fd\u06fe@x", "\u06fd\u06fe@x"},
		{"\u0640\u0627@x", NULL},
		{"\u3007@x", "\u3007@x"},
		{"\u302e@x", NULL},
		{"\u303b@x", NULL},
		/* symbols and punctuation outside ASCII are not for identifiers */
		{"\u20ac@x", NULL},
		{"\u2014@x", NULL},
		{"\U0001f600@x", NULL},
		{"a\u00a0b@x", NULL},
		/* beyond the first plane */
		{"\U00010400@x", "\U00010428@x"},
		{"\U00020000@x", "\U00020000@x"},
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* RFC 5892 appendix A */
static void
context_rules(void **state)
{
	static const struct row rows[] = {
		/* A.1: after a virama, or between joining letters */
		{"\u0915\u094d\u200c\u0937@x", "\u0915\u094d\u200c\u0937@x"},
		{"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647@x",
		 "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647@x"},
		{"\u0628\u064e\u200c\u064e\u0628@x", "\u0628\u064e\u200c\u064e\u0628@x"},
		{"a\u200cb@x", NULL},
		{"\u200ca@x", NULL},
		{"a\u200c@x", NULL},
		{"\u0627\u200c\u0628@x", NULL}, /* alef joins to the right only */
		{"\u0628\u200c@x", NULL},
		/* A.2 */
		{"\u0915\u094d\u200d\u0937@x", "\u0915\u094d\u200d\u0937@x"},
		{"a\u200db@x", NULL},
		{"\u0628\u200d\u0628@x", NULL},
		/* A.3, after lower-casing */
		{"col\u00b7la@x", "col\u00b7la@x"},
		{"COL\u00b7LA@x", "col\u00b7la@x"},
		{"co\u00b7la@x", NULL},
		{"\u00b7l@x", NULL},
		{"l\u00b7@x", NULL},
		/* A.4 */
		{"\u0375\u03b1@x", "\u0375\u03b1@x"},
		{"\u0375a@x", NULL},
		{"\u03b1\u0375@x", NULL},
		/* A.5, A.6 */
		{"\u05d0\u05f3@x", "\u05d0\u05f3@x"},
		{"\u05d0\u05f4\u05d1@x", "\u05d0\u05f4\u05d1@x"},
		{"\u05f3\u05d0@x", NULL},
		{"a\u05f3@x", NULL},
		{"a\u05f4@x", NULL},
		/* A.7 */
		{"\u30a2\u30fb\u30a2@x", "\u30a2\u30fb\u30a2@x"},
		{"a\u30fb\u6f22@x", "a\u30fb\u6f22@x"},
		{"a\u30fbb@x", NULL},
		{"\uff65\u30a2@x", "\u30fb\u30a2@x"},
		/* A.8, A.9 */
		{"\u0628\u0660\u0661@x", "\u0628\u0660\u0661@x"},
		{"\u0628\u06f0@x", "\u0628\u06f0@x"},
		{"\u0628\u0660\u06f0@x", NULL},
		/* the same rules hold in resources */
		{"x/a\u200cb", NULL},
		{"x/l\u00b7l", "x/l\u00b7l"},
		{"x/a\u30fbb", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
}

/* RFC 5893 §2, in localparts and domains */
static void
bidi_rule(void **state)
{
	static const struct row rows[] = {
		{"\u05d0\u05d1@x", "\u05d0\u05d1@x"},
		{"\u05d01@x", "\u05d01@x"},
		{"\u05d0\u0301@x", "\u05d0\u0301@x"}, /* ends in a mark */
		{"1\u05d0@x", NULL},                  /* 1 */
		{"\u05d0a\u05d1@x", NULL},            /* 2 */
		{"\u05d0-@x", NULL},                  /* 3 */
		{"\u0628\u06f01\u0660@x", NULL},      /* 4 */
		{"\u05d01\u0660@x", NULL},            /* 4 */
		{"a\u05d0@x", NULL},                  /* 5 */
		{"x/a\u05d0", "x/a\u05d0"},           /* OpaqueString has no direction rule */
		{"\u05d0\u05d1.com", "\u05d0\u05d1.com"},
		{"a\u05d0.com", NULL},
		{"\u05d0.1a", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
resources(void **state)
{
	static const struct row rows[] = {
		{"x/Foo", "x/Foo"},
		{"x/a\u00a0b", "x/a b"},
		{"x/a\u3000b", "x/a b"},
		{"x/\u1680", "x/ "},
		{"x/e\u0301", "x/\u00e9"},
		{"x/\u2163", "x/\u2163"},
		{"x/\uff21", "x/\uff21"},
		{"x/\U0001f600", "x/\U0001f600"},
		{"x/\u200b", NULL},
		{"x/\u00ad", NULL},
		{"x/\n", NULL},
		{"x/\xc2\x85", NULL},
		{"x/\u2028", NULL},
		{"x/\ue000", NULL},
		{"x/\u1100", NULL},
		{"x/\ufeff", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
domains(void **state)
{
	static const struct row rows[] = {
		{"b\u00fccher.example", "b\u00fccher.example"},
		{"B\u00dcCHER.example", "b\u00fccher.example"},
		{"xn--bcher-kva.example", "b\u00fccher.example"},
		{"XN--BCHER-KVA.EXAMPLE", "b\u00fccher.example"},
		{"bu\u0308cher.example", "b\u00fccher.example"},
		{"fa\u00df.de", "fa\u00df.de"},
		{"xn--fa-hia.de", "fa\u00df.de"},
		{"\uff45\uff58.\uff43om", "ex.com"},
		{"a\u3002b\uff0ec\uff61d", "a.b.c.d"},
		{"b\u00fc.", "b\u00fc"},
		{"b\u00fc\u3002", "b\u00fc"},
		{"\u6f22\u5b57.example", "\u6f22\u5b57.example"},
		{"\u03c3.\u03c2", "\u03c3.\u03c2"},
		{"l\u00b7l.cat", "l\u00b7l.cat"},
		/* not IDNA2008, empty or wrong A-labels, hyphens, marks in front, joiners */
		{"\u2603.example", NULL},
		{"\U0001f600.example", NULL},
		{"xn--n3h.example", NULL},
		{"xn--.example", NULL},
		{"xn--abc-.example", NULL},
		{"xn--\u00fc.example", NULL},
		{"xn--bcher-kva-.example", NULL},
		{"xn--99999.example", NULL},
		{"\u00fcb--c.de", NULL},
		{"xn--a.example", NULL},
		{"xn--fussball-.de", NULL},
		{"\uff58\uff4e--abc\uff0d.de", NULL},
		{"-\u00fc.de", NULL},
		{"\u00fc-.de", NULL},
		{"\u0301a.de", NULL},
		{"a\u200cb.de", NULL},
		{"\u00fc..de", NULL},
		{"\u00fc.de\u3002\u3002", NULL},
		{"\u00fc\u3002.", NULL},
		{"\u00fc_.de", NULL},
		{"\u00fc .de", NULL},
		{"\u00fc@de", "\u00fc@de"},
		{"a\u2024b.de", NULL},
		{"\u2100.de", NULL},
		{"\u00fc\uff0fr.de", NULL},
		{"\u00ad", NULL},
		{"a\u00b7a.cat", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void
ip_literals(void **state)
{
	static const struct row rows[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"a@192.0.2.1/r", "a@192.0.2.1/r"},
		{"[::1]", "[::1]"},
		{"a@[2001:DB8:0:0::1]/r", "a@[2001:db8::1]/r"},
		{"[::ffff:192.0.2.1]", "[::ffff:192.0.2.1]"},
		{"[]", NULL},
		{"[", NULL},
		{"[::1", NULL},
		{"::1", NULL},
		{"[::1].", NULL},
		{"[::1]x", NULL},
		{"[fe80::1%eth0]", NULL},
		{"[192.0.2.1]", NULL},
		{"[v1.a]", NULL},
		{"[::g]", NULL},
		{"[[::1]]", NULL},
		{"[1:2:3:4:5:6:7:8:9]", NULL},
		{"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]", NULL},
	};

	(void)state;
	CHECK_ROWS(rows);
	check_jid("[::1\0]", 6, NULL);
}

static void
bytes_that_are_not_text(void **state)
{
	(void)state;
	check_jid("a\0b@c", 5, NULL);
	check_jid("a@b\0c", 5, NULL);
	check_jid("a@b/c\0d", 7, NULL);
	check_jid("\xc3\xbc\0@c", 5, NULL);
	check_jid("a@\xc3\xbc\0c", 6, NULL);
	check_jid("a@b/\xc3\xbc\0", 7, NULL);
	check_jid("\xc3@b", 3, NULL);         /* cut short */
	check_jid("\xc0\xafx@b", 5, NULL);    /* over-long */
	check_jid("\xed\xa0\x80@b", 5, NULL); /* surrogate */
	check_jid("\xf4\x90\x80\x80@b", 6, NULL);
	check_jid("a@\xff", 3, NULL);
	check_jid("a@b/\x80", 5, NULL);
	check_jid("a@b/\xe2\x82", 6, NULL);
}

/* `n` bytes of `c`, after `head`, before `tail`. */
static struct jid *
parse_long(const char *head, char c, size_t n, const char *tail)
{
	size_t head_n = strlen(head), tail_n = strlen(tail);
	char *s = malloc(head_n + n + tail_n);
	struct jid *j;

	memcpy(s, head, head_n);
	memset(s + head_n, c, n);
	memcpy(s + head_n + n, tail, tail_n);
	j = jid_parse(s, head_n + n + tail_n);
	free(s);
	return j;
}

static void
check_length(const char *head, char c, size_t n, const char *tail, bool good)
{
	struct jid *j = parse_long(head, c, n, tail);

	assert_true((j != NULL) == good);
	jid_unref(j);
}

static void
check_parses(const char *s, bool good)
{
	struct jid *j = jid_parse_z(s);

	assert_true((j != NULL) == good);
	jid_unref(j);
}

static void
lengths(void **state)
{
	char domain[1200] = "";

	(void)state;
	check_length("", 'a', 1023, "@b", true);
	check_length("", 'a', 1024, "@b", false);
	check_length("b/", 'a', 1023, "", true);
	check_length("b/", 'a', 1024, "", false);
	check_length("", 'a', 100000, "@b", false);
	check_length("b/", 'a', 100000, "", false);
	check_length("", 'a', 100000, "", false);
	/* in bytes, after preparation: ü is two */
	check_length("\u00fc", 'a', 1021, "@b", true);
	check_length("\u00fc", 'a', 1022, "@b", false);
	check_length("b/u\u0308", 'a', 1021, "", true);
	check_length("b/u\u0308", 'a', 1022, "", false);
	check_length("", 'a', 63, "", true);
	check_length("", 'a', 64, "", false);
	check_length("\u00fc", 'a', 55, ".de", true);
	check_length("\u00fc", 'a', 64, ".de", false);
	for (int i = 0; i < 511; i++)
		strcat(domain, "a.");
	strcat(domain, "b");
	check_jid(domain, 1023, domain);
	strcat(domain, "b");
	check_jid(domain, 1024, NULL);
	/* combining marks in a row: 30 are more than anybody needs, as thousands cost
	 * quadratic time */
	for (int good = 1; good >= 0; good--) {
		strcpy(domain, "b/a\u0323");
		for (int i = 0; i < 30 - good; i++)
			strcat(domain, "\u0307");
		check_parses(domain, good);
	}
	/* A string near the limit in which every character asks for its context. */
	strcpy(domain, "b/\u6f22");
	for (int i = 0; i < 330; i++)
		strcat(domain, "\u30fb");
	check_jid(domain, strlen(domain), domain);
}

static void
parts(void **state)
{
	struct jid *j = jid_parse_z("Juliet@Example.com/Balcony"), *bare, *other, *domain;

	(void)state;
	assert_string_equal(jid_full(j), "juliet@example.com/Balcony");
	assert_string_equal(jid_bare(j), "juliet@example.com");
	assert_string_equal(jid_local(j), "juliet");
	assert_string_equal(jid_domain(j), "example.com");
	assert_string_equal(jid_resource(j), "Balcony");
	assert_int_equal(jid_full_len(j), 26);
	assert_int_equal(jid_bare_len(j), 18);
	assert_false(jid_is_bare(j));
	bare = jid_to_bare(j);
	assert_true(jid_is_bare(bare));
	assert_false(jid_is_domain(bare));
	assert_null(jid_resource(bare));
	assert_string_equal(jid_full(bare), "juliet@example.com");
	assert_ptr_equal(jid_bare(bare), jid_full(bare));
	assert_string_equal(jid_local(bare), "juliet");
	assert_string_equal(jid_domain(bare), "example.com");
	other = jid_to_bare(bare);
	assert_ptr_equal(other, bare);
	jid_unref(other);
	other = jid_with_resource(bare, "Balcony");
	assert_true(jid_equal(other, j));
	jid_unref(other);
	assert_null(jid_with_resource(bare, ""));
	assert_null(jid_with_resource(bare, "\n"));
	domain = jid_parse_z("example.com/x");
	assert_null(jid_local(domain));
	assert_string_equal(jid_resource(domain), "x");
	assert_false(jid_is_domain(domain));
	other = jid_to_bare(domain);
	assert_true(jid_is_domain(other));
	assert_string_equal(jid_full(other), "example.com");
	jid_unref(other);
	jid_unref(domain);
	jid_unref(bare);
	jid_unref(j);
	jid_unref(NULL);
}

static void
from_parts(void **state)
{
	struct jid *j = jid_new("Foo@x", "b", NULL), *k;

	(void)state;
	assert_null(j); /* '@' does not split here, it is refused */
	assert_null(jid_new("", "b", NULL));
	assert_null(jid_new("a", "", NULL));
	assert_null(jid_new("a", "b", ""));
	assert_null(jid_new("a/b", "c", NULL));
	assert_null(jid_new(NULL, "a@b", NULL));
	assert_null(jid_new(NULL, "a/b", NULL));
	j = jid_new("A", "B.", "C/D@e");
	k = jid_parse_z("a@b/C/D@e");
	assert_true(jid_equal(j, k));
	jid_unref(j);
	jid_unref(k);
	j = jid_new(NULL, "b", NULL);
	assert_true(jid_is_domain(j));
	jid_unref(j);
}

static void
comparison(void **state)
{
	struct jid *a = jid_parse_z("J\u00fcliet@b\u00fc.x/1"),
		   *b = jid_parse_z("ju\u0308liet@XN--B-EHA.X/2");
	struct jid *c = jid_parse_z("a@b"), *d = jid_parse_z("a/b");

	(void)state;
	assert_non_null(a);
	assert_non_null(b);
	assert_false(jid_equal(a, b));
	assert_true(jid_equal_bare(a, b));
	assert_true(jid_hash(a) == jid_hash(b));
	assert_false(jid_equal(c, d));
	assert_false(jid_equal_bare(c, d));
	assert_false(jid_equal_bare(a, c));
	assert_true(jid_equal(c, jid_ref(c)));
	jid_unref(c);
	jid_unref(a);
	jid_unref(b);
	jid_unref(c);
	jid_unref(d);
}

static void
check_password(const char *in, const char *out)
{
	char buf[256];
	int r = jid_prepare_password(in, strlen(in), buf, sizeof(buf));

	assert_int_equal(r, out ? 0 : -1);
	if (out)
		assert_string_equal(buf, out);
}

/* RFC 8265 §4.3 and bounds */
static void
passwords(void **state)
{
	char out[8];

	(void)state;
	check_password("correct horse battery staple", "correct horse battery staple");
	check_password("Correct Horse Battery Staple", "Correct Horse Battery Staple");
	check_password("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5");
	check_password("Jack of \u2666s", "Jack of \u2666s");
	check_password("foo\u1680bar", "foo bar");
	check_password("", NULL);
	check_password("my cat is a \tby", NULL);
	check_password("a\u0301", "\u00e1");
	check_password("\xff", NULL);
	assert_int_equal(jid_prepare_password("1234567", 7, out, sizeof(out)), 0);
	assert_int_equal(jid_prepare_password("12345678", 8, out, sizeof(out)), -1);
	assert_int_equal(jid_prepare_password("\u00fc12345", 7, out, sizeof(out)), 0);
	assert_int_equal(jid_prepare_password("\u00fc123456", 8, out, sizeof(out)), -1);
	assert_int_equal(jid_prepare_password("a\0b", 3, out, sizeof(out)), -1);
}

/* ASCII is judged without ICU; ICU must agree. Each character is tried alone and beside a letter
 * that needs ICU. */
static void
paths_agree(void **state)
{
	char out[1024], alone[] = "a?b", beside[] = "\u00fc?b";

	(void)state;
	for (int c = 0; c < 0x80; c++) {
		alone[1] = beside[2] = (char)c;
		assert_int_equal(jid_prepare_local(alone, 3, out),
				 jid_prepare_local(beside, 4, out));
		assert_int_equal(jid_prepare_resource(alone, 3, out),
				 jid_prepare_resource(beside, 4, out));
		assert_int_equal(jid_prepare_domain(alone, 3, out),
				 jid_prepare_domain(beside, 4, out));
		assert_int_equal(jid_prepare_password(alone, 3, out, sizeof(out)),
				 jid_prepare_password(beside, 4, out, sizeof(out)));
	}
}

static void
single_parts(void **state)
{
	char out[1024];

	(void)state;
	assert_int_equal(jid_prepare_local("Foo", 3, out), 0);
	assert_string_equal(out, "foo");
	assert_int_equal(jid_prepare_local("juliet@example.com", 18, out), -1);
	assert_int_equal(jid_prepare_domain("B\u00dc.", 4, out), 0);
	assert_string_equal(out, "b\u00fc");
	assert_int_equal(jid_prepare_resource("Foo", 3, out), 0);
	assert_string_equal(out, "Foo");
	assert_int_equal(jid_prepare_local("", 0, out), -1);
	assert_int_equal(jid_prepare_domain("", 0, out), -1);
	assert_int_equal(jid_prepare_resource("", 0, out), -1);
}

#define THREADS 4

static void *
use_jids(void *arg)
{
	struct jid *shared = arg;

	for (int i = 0; i < 200; i++) {
		struct jid *j = jid_ref(shared),
			   *same = jid_parse_z("J\u00dcliet@B\u00fc.example/\u00e4");

		if (!same || !jid_equal(j, same) || jid_hash(j) != jid_hash(same))
			return NULL;
		jid_unref(same);
		jid_unref(j);
	}
	jid_unref(shared);
	return shared;
}

/* References are counted, and ICU is opened, by several threads at once. */
static void
threads(void **state)
{
	struct jid *j = jid_parse_z("j\u00fcliet@xn--b-eha.example/\u00e4");
	pthread_t id[THREADS];
	void *result;

	(void)state;
	assert_non_null(j);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&id[i], NULL, use_jids, jid_ref(j)), 0);
	jid_unref(j);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(id[i], &result);
		assert_non_null(result);
	}
}

/* XEP-0191 §5: what a blocked address covers. */
static void
covers(void **state)
{
	static const struct {
		const char *pattern, *j;
		bool covers;
	} cases[] = {
		{ "romeo@montague.lit/orchard", "romeo@montague.lit/orchard", true },
		{ "romeo@montague.lit/orchard", "romeo@montague.lit/street", false },
		{ "romeo@montague.lit/orchard", "romeo@montague.lit", false },
		{ "romeo@montague.lit", "romeo@montague.lit/orchard", true },
		{ "romeo@montague.lit", "romeo@montague.lit", true },
		{ "romeo@montague.lit", "montague.lit", false },
		{ "romeo@montague.lit", "juliet@montague.lit", false },
		{ "montague.lit/gate", "montague.lit/gate", true },
		{ "montague.lit/gate", "montague.lit", false },
		{ "montague.lit/gate", "romeo@montague.lit/gate", false },
		{ "montague.lit", "montague.lit", true },
		{ "montague.lit", "montague.lit/gate", true },
		{ "montague.lit", "romeo@montague.lit/orchard", true },
		{ "montague.lit", "romeo@old.montague.lit", false },
		{ "old.montague.lit", "romeo@montague.lit", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jid *p = jid_parse_z(cases[i].pattern), *j = jid_parse_z(cases[i].j);

		assert_int_equal(jid_covers(p, j), cases[i].covers);
		jid_unref(p);
		jid_unref(j);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(covers),
		cmocka_unit_test(threads), /* first: ICU is not open yet */
		cmocka_unit_test(rfc7622_valid), cmocka_unit_test(rfc7622_invalid),
		cmocka_unit_test(structure),     cmocka_unit_test(usernames),
		cmocka_unit_test(context_rules), cmocka_unit_test(bidi_rule),
		cmocka_unit_test(resources),     cmocka_unit_test(domains),
		cmocka_unit_test(ip_literals),   cmocka_unit_test(bytes_that_are_not_text),
		cmocka_unit_test(lengths),       cmocka_unit_test(parts),
		cmocka_unit_test(from_parts),    cmocka_unit_test(comparison),
		cmocka_unit_test(passwords),     cmocka_unit_test(paths_agree),
		cmocka_unit_test(single_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
