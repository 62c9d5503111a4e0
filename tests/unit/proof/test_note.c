/* Signed notes against the published example, round trips, everything that is not quite one, checkpoints and hand-overs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "proof/checkpoint.h"
#include "proof/note.h"

/* The example of golang.org/x/mod/sumdb/note, where the format comes from. */
#define VKEY "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
#define SKEY "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
#define TEXT "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
#define SIGNATURE "\xe2\x80\x94 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"

static struct err e;

static void
published(void **state)
{
	struct note_signer *s = note_signer_parse(SKEY, strlen(SKEY), &e);
	struct buf out = { 0 };
	char vkey[NOTE_VKEY_MAX];
	struct note_key k;
	struct note n;

	(void)state;
	assert_non_null(s);
	note_key_text(note_signer_key(s), vkey);
	assert_string_equal(vkey, VKEY);
	assert_int_equal(note_sign(s, TEXT, strlen(TEXT), &out, &e), 0);
	assert_string_equal(buf_str(&out), TEXT "\n" SIGNATURE);
	assert_int_equal(note_key_parse(VKEY, &k, &e), 0);
	assert_true(note_key_equal(&k, note_signer_key(s)));
	assert_int_equal(note_parse(buf_data(&out), buf_len(&out), &n, &e), 0);
	assert_int_equal(n.n, 1);
	assert_int_equal(n.text_n, strlen(TEXT));
	assert_int_equal(note_verify(&n, &k), NOTE_SIGNED);
	buf_clear(&out);
	note_signer_text(s, &out);
	assert_string_equal(buf_str(&out), SKEY "\n");
	note_signer_free(s);
	assert_non_null(s = note_signer_parse(SKEY "\n", strlen(SKEY) + 1, &e));
	note_signer_free(s);
	buf_fini(&out);
}

static void
no_keys(void **state)
{
	static const char *const bad[] = {
		"", "+", "a", "a+", "a+c74f20a3", "a+c74f20a3+", "a+c74f20a+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TX",
		"PeterNeumanm+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+AhpC2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10==",
		"Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
		VKEY " ", " " VKEY, VKEY "\n", SKEY,
	};
	struct note_key k;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (note_key_parse(bad[i], &k, &e) != -1)
			fail_msg("taken for a key: %s", bad[i]);
		if (strcmp(bad[i], SKEY) != 0)
			assert_null(note_signer_parse(bad[i], strlen(bad[i]), &e));
	}
	assert_null(note_signer_parse("PRIVATE+KEY+PeterNeumann+c74f20a4+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz", 77, &e));
	assert_null(strstr(e.text, "AYEK"));
	assert_null(note_signer_new("a b", &e));
	assert_null(note_signer_new("", &e));
	assert_null(note_signer_new("a+b", &e));
}

static void
names(void **state)
{
	(void)state;
	assert_true(note_is_name("example.org", 11));
	assert_true(note_is_name("\xc3\xa9tablissement", 14));
	assert_true(note_is_name("\xe3\x81\x82", 3));
	assert_false(note_is_name("a\xc2\xa0" "b", 4));
	assert_false(note_is_name("a\xe2\x80\x83", 4));
	assert_false(note_is_name("\xe3\x80\x80", 3));
	assert_false(note_is_name("\xe1\x9a\x80", 3));
	assert_false(note_is_name("a\tb", 3));
	assert_false(note_is_name("a\x7f", 2));
	assert_false(note_is_name("\xff", 1));
	assert_false(note_is_name("a\0b", 3));
}

static int
parses(const char *s)
{
	struct note n;

	return note_parse(s, strlen(s), &n, &e);
}

static void
no_notes(void **state)
{
	char big[NOTE_BYTES_MAX + 200];

	(void)state;
	assert_int_equal(parses(TEXT "\n" SIGNATURE), 0);
	assert_int_equal(parses("a\n\nb\n\n" SIGNATURE), 0); /* an empty line within the text */
	assert_int_equal(parses(""), -1);
	assert_int_equal(parses("\n"), -1);
	assert_int_equal(parses("\n\n"), -1);
	assert_int_equal(parses(TEXT), -1);
	assert_int_equal(parses(TEXT "\n"), -1);
	assert_int_equal(parses(TEXT SIGNATURE), -1);
	assert_int_equal(parses("\n" SIGNATURE), -1);
	assert_int_equal(parses(TEXT "\n" SIGNATURE "\n"), -1);
	assert_int_equal(parses(TEXT "\n" SIGNATURE "x"), -1);
	assert_int_equal(parses(TEXT "\n" SIGNATURE "x\n"), -1);
	assert_int_equal(parses("a\rb\n\n" SIGNATURE), -1);
	assert_int_equal(parses("a\tb\n\n" SIGNATURE), -1);
	assert_int_equal(parses("a\xff\n\n" SIGNATURE), -1);
	assert_int_equal(parses("a\n\n- a x08go/ZJ\n"), -1);
	assert_int_equal(parses("a\n\n\xe2\x80\x94  x08go/ZJ\n"), -1);
	assert_int_equal(parses("a\n\n\xe2\x80\x94 a x08go/Z\n"), -1);
	assert_int_equal(parses("a\n\n\xe2\x80\x94 a x08goA==\n"), -1); /* an id and nothing behind it */
	assert_int_equal(parses("a\n\n\xe2\x80\x94 a x08go/ZJ\n"), 0);
	assert_int_equal(parses("a\n\n\xe2\x80\x94 a x08go/ZJ \n"), -1);
	memset(big, 'a', sizeof(big));
	memcpy(big + NOTE_BYTES_MAX, "\n\n" SIGNATURE, 3 + strlen(SIGNATURE));
	assert_int_equal(parses(big), -1);
	snprintf(big, sizeof(big), "a\n\n");
	for (int i = 0; i <= NOTE_SIGNATURES; i++)
		strcat(big, SIGNATURE);
	assert_int_equal(parses(big), -1);
}

/* No bit of a note can be changed. */
static void
every_bit(void **state)
{
	char note[] = TEXT "\n" SIGNATURE;
	struct note_key k;
	struct note n;

	(void)state;
	assert_int_equal(note_key_parse(VKEY, &k, &e), 0);
	for (size_t i = 0; i < strlen(TEXT SIGNATURE) + 1; i++)
		for (int bit = 0; bit < 8; bit++) {
			note[i] ^= (char)(1 << bit);
			if (note_parse(note, sizeof(note) - 1, &n, &e) == 0)
				assert_int_not_equal(note_verify(&n, &k), NOTE_SIGNED);
			note[i] ^= (char)(1 << bit);
		}
	assert_int_equal(note_parse(note, sizeof(note) - 1, &n, &e), 0);
	assert_int_equal(note_verify(&n, &k), NOTE_SIGNED);
}

/* Witnesses' signatures stay, of whatever kind; a second signature of our own that is none is a forgery. */
static void
cosigned(void **state)
{
	struct note_signer *a = note_signer_new("a.example", &e), *b = note_signer_new("b.example", &e), *c = note_signer_new("b.example", &e);
	struct buf out = { 0 };
	struct note n;

	(void)state;
	assert_int_equal(note_sign(a, "text\n", 5, &out, &e), 0);
	assert_int_equal(note_sign_too(b, &out, &e), 0);
	buf_adds(&out, "\xe2\x80\x94 witness.example x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcE\n");
	assert_int_equal(note_parse(buf_data(&out), buf_len(&out), &n, &e), 0);
	assert_int_equal(n.n, 3);
	assert_int_equal(note_verify(&n, note_signer_key(a)), NOTE_SIGNED);
	assert_int_equal(note_verify(&n, note_signer_key(b)), NOTE_SIGNED);
	assert_int_equal(note_verify(&n, note_signer_key(c)), NOTE_UNSIGNED);
	assert_int_equal(note_length(buf_data(&out), buf_len(&out)), buf_len(&out));
	assert_int_equal(note_length(buf_data(&out), buf_len(&out) - 1), 0);
	buf_adds(&out, "next\n1\n");
	assert_int_equal(note_length(buf_data(&out), buf_len(&out)), buf_len(&out) - 7);
	assert_int_equal(note_sign(a, "text", 4, &out, &e), -1);
	assert_int_equal(note_sign(a, "te\0t\n", 5, &out, &e), -1);
	assert_int_equal(note_sign(a, "", 0, &out, &e), -1);
	buf_fini(&out);
	note_signer_free(a);
	note_signer_free(b);
	note_signer_free(c);
}

static void
checkpoints(void **state)
{
	struct note_signer *s = note_signer_new("example.org", &e), *other = note_signer_new("example.org", &e),
		*elsewhere = note_signer_new("example.com", &e);
	struct checkpoint c = { .origin = "example.org", .size = 7, .time = 1767225600 }, got;
	struct buf out = { 0 };

	(void)state;
	memset(c.root, 0xa5, sizeof(c.root));
	checkpoint_text(&c, &out);
	assert_string_equal(buf_str(&out), "example.org\n7\npaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\ntime 1767225600\n");
	buf_clear(&out);
	assert_int_equal(checkpoint_sign(&c, elsewhere, &out, &e), -1);
	assert_int_equal(checkpoint_sign(&c, s, &out, &e), 0);
	assert_int_equal(checkpoint_open(buf_data(&out), buf_len(&out), note_signer_key(s), &got, &e), 0);
	assert_memory_equal(&got, &c, sizeof(c));
	assert_int_equal(checkpoint_open(buf_data(&out), buf_len(&out), note_signer_key(other), &got, &e), -1);
	assert_int_equal(checkpoint_open(buf_data(&out), buf_len(&out), note_signer_key(elsewhere), &got, &e), -1);
	out.data[12] ^= 1;
	assert_int_equal(checkpoint_open(buf_data(&out), buf_len(&out), note_signer_key(s), &got, &e), -1);
	buf_fini(&out);
	note_signer_free(s);
	note_signer_free(other);
	note_signer_free(elsewhere);
}

static void
no_checkpoints(void **state)
{
#define ROOT "paWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaU=\n"
	static const char *const good[] = { "a\n0\n" ROOT, "a\n9223372036854775807\n" ROOT, "a\n1\n" ROOT "more\nof it\n" };
	static const char *const bad[] = {
		"", "a\n", "a\n1\n", "a\n1\n\n", "\n1\n" ROOT, "a b\n1\n" ROOT, "a\n01\n" ROOT, "a\n-1\n" ROOT, "a\n+1\n" ROOT, "a\n1 \n" ROOT,
		"a\n\n" ROOT, "a\n9223372036854775808\n" ROOT, "a\n1\npaWl\n", "a\n1\npaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaV=\n",
		"a\n1\npaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWl\n", "a\n1\n" ROOT "\n", "a\n1\n" ROOT "x\n\n", "a\n1\n" ROOT "x",
		"a\n1\n" ROOT "time 0\n", "a\n1\n" ROOT "time x\n", "a\n1\n" ROOT "time 1\ntime 2\n", "a\n1\n" ROOT "time 01\n",
	};
	struct checkpoint c;

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(checkpoint_parse(good[i], strlen(good[i]), &c, &e), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (checkpoint_parse(bad[i], strlen(bad[i]), &c, &e) != -1)
			fail_msg("taken for a checkpoint: %s", bad[i]);
}

static void
handovers(void **state)
{
	struct note_signer *old = note_signer_new("example.org", &e), *new = note_signer_new("example.org", &e),
		*elsewhere = note_signer_new("example.com", &e);
	struct handover ho = { .size = 99, .time = 1767225600 }, got;
	struct buf out = { 0 }, cut = { 0 };
	struct checkpoint c;
	struct note n;

	(void)state;
	assert_int_equal(handover_sign(&ho, old, elsewhere, &out, &e), -1);
	assert_int_equal(handover_sign(&ho, old, old, &out, &e), -1);
	assert_int_equal(handover_sign(&ho, old, new, &out, &e), 0);
	assert_int_equal(handover_open(buf_data(&out), buf_len(&out), &got, &e), 0);
	assert_true(note_key_equal(&got.from, note_signer_key(old)) && note_key_equal(&got.to, note_signer_key(new)));
	assert_true(got.size == 99 && got.time == 1767225600 && !got.lost);
	/* It is no checkpoint, and a checkpoint is none. */
	assert_int_equal(checkpoint_open(buf_data(&out), buf_len(&out), note_signer_key(new), &c, &e), -1);
	/* Either signature alone is not enough. */
	assert_int_equal(note_parse(buf_data(&out), buf_len(&out), &n, &e), 0);
	assert_int_equal(n.n, 2);
	for (int keep = 0; keep < 2; keep++) {
		buf_clear(&cut);
		buf_add(&cut, n.text, n.text_n);
		buf_addf(&cut, "\n\xe2\x80\x94 %.*s %.*s\n", (int)n.signature[keep].name_n, n.signature[keep].name, (int)n.signature[keep].base64_n,
			n.signature[keep].base64);
		assert_int_equal(handover_open(buf_data(&cut), buf_len(&cut), &got, &e), -1);
	}
	buf_clear(&out);
	ho.from = *note_signer_key(old);
	assert_int_equal(handover_sign(&ho, NULL, new, &out, &e), 0);
	assert_int_equal(handover_open(buf_data(&out), buf_len(&out), &got, &e), 0);
	assert_true(got.lost && note_key_equal(&got.from, note_signer_key(old)));
	buf_fini(&cut);
	buf_fini(&out);
	note_signer_free(old);
	note_signer_free(new);
	note_signer_free(elsewhere);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(no_keys),
		cmocka_unit_test(names),
		cmocka_unit_test(no_notes),
		cmocka_unit_test(every_bit),
		cmocka_unit_test(cosigned),
		cmocka_unit_test(checkpoints),
		cmocka_unit_test(no_checkpoints),
		cmocka_unit_test(handovers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
