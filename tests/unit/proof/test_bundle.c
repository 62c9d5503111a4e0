/* The parts of a bundle: what is written is read as the same, and what is not quite one is refused. (Whole bundles: bundle_test.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/text.h"
#include "proof/bundle.h"

static struct err e;

/* The test vector of schema/README.md, which BUNDLE.md repeats as a line. */
static const char vector[] =
	"{\"log_index\":42,\"leaf\":\"acb047f66b8724b0d653bb2f3492c3455063cf28c0f2493254a53002df837702\",\"salt\":\"000102030405060708090a0b0c0d0e0f\","
	"\"id\":1767225600000001,\"at_us\":1767225600000000,\"refers_record\":null,\"kind\":1,\"direction\":0,\"deliverable\":true,"
	"\"from_bare\":\"romeo@example.org\",\"from_resource\":\"orchard\",\"to_bare\":\"juliet@example.org\",\"to_resource\":null,\"type\":\"chat\","
	"\"client_id\":\"m1\",\"refers_to\":null,\"body\":\"Wherefore art thou, \xc3\xa9toile?\",\"stanza\":\"<message/>\"}\n";

static void
published_vector(void **state)
{
	struct hasher *h = hasher_new();
	struct buf scratch = { 0 }, out = { 0 };
	struct bundle_record r;

	(void)state;
	assert_int_equal(bundle_record_parse(vector, strlen(vector) - 1, &r, &e), 0);
	assert_true(bundle_record_matches(h, &r, &scratch));
	bundle_record_line(&out, &r.is, r.len, r.salt, r.leaf);
	assert_string_equal(buf_str(&out), vector);
	r.is.kind = 2;
	assert_false(bundle_record_matches(h, &r, &scratch));
	bundle_record_fini(&r);
	buf_fini(&out);
	buf_fini(&scratch);
	hasher_free(h);
}

/* Every character that a text in PostgreSQL may have. */
static void
every_character(void **state)
{
	struct canonical is = { .id = UINT64_MAX >> 1, .log_index = UINT64_MAX >> 1, .at_us = INT64_MIN, .refers_record = 1, .kind = INT16_MAX, .direction = INT16_MIN };
	uint8_t salt[CANONICAL_SALT] = { 1 }, leaf[MERKLE_HASH] = { 0xff };
	size_t len[CANONICAL_TEXTS] = { 0 };
	struct buf text = { 0 }, out = { 0 };
	struct bundle_record r;

	(void)state;
	for (unsigned c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 97) {
		if (c >= 0xd800 && c < 0xe000)
			continue;
		if (c < 0x80)
			buf_addc(&text, (char)c);
		else if (c < 0x800)
			buf_addf(&text, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
		else if (c < 0x10000)
			buf_addf(&text, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
		else
			buf_addf(&text, "%c%c%c%c", 0xf0 | c >> 18, 0x80 | (c >> 12 & 63), 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
	}
	is.text[CANONICAL_BODY] = buf_str(&text);
	is.text[CANONICAL_TYPE] = "";
	len[CANONICAL_BODY] = buf_len(&text);
	bundle_record_line(&out, &is, len, salt, leaf);
	assert_null(memchr(buf_data(&out), '\n', buf_len(&out) - 1));
	assert_int_equal(bundle_record_parse(buf_data(&out), buf_len(&out) - 1, &r, &e), 0);
	assert_int_equal(r.len[CANONICAL_BODY], len[CANONICAL_BODY]);
	assert_memory_equal(r.is.text[CANONICAL_BODY], is.text[CANONICAL_BODY], len[CANONICAL_BODY]);
	assert_string_equal(r.is.text[CANONICAL_TYPE], "");
	assert_null(r.is.text[CANONICAL_STANZA]);
	assert_true(r.is.id == is.id && r.is.log_index == is.log_index && r.is.at_us == is.at_us && r.is.refers_record == 1 && r.is.kind == INT16_MAX &&
		    r.is.direction == INT16_MIN && !r.is.deliverable && !r.erased);
	assert_memory_equal(r.salt, salt, sizeof(salt));
	assert_memory_equal(r.leaf, leaf, sizeof(leaf));
	bundle_record_fini(&r);
	buf_fini(&text);
	buf_fini(&out);
}

static void
erased(void **state)
{
	uint8_t leaf[MERKLE_HASH] = { 1, 2, 3 };
	struct hasher *h = hasher_new();
	struct buf out = { 0 };
	struct bundle_record r;

	(void)state;
	bundle_erased_line(&out, 7, leaf);
	assert_int_equal(bundle_record_parse(buf_data(&out), buf_len(&out) - 1, &r, &e), 0);
	assert_true(r.erased && r.is.log_index == 7);
	assert_memory_equal(r.leaf, leaf, sizeof(leaf));
	assert_false(bundle_record_matches(h, &r, &out));
	bundle_record_fini(&r);
	buf_fini(&out);
	hasher_free(h);
}

static int
node_fails_at(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH])
{
	int *left = arg;

	memset(out, level, MERKLE_HASH);
	out[0] = (uint8_t)index;
	return (*left)-- > 0 ? 0 : -1;
}

static void
nodes(void **state)
{
	struct buf out = { 0 };
	uint8_t hash[MERKLE_HASH];
	uint64_t index, pos = 3;
	const char *p, *stop;
	int left = 1000, level, n = 0;

	(void)state;
	assert_int_equal(bundle_tree_lines(&out, 3, 1000, node_fails_at, &left), 0);
	for (p = buf_str(&out); *p; p = stop + 1) {
		stop = strchr(p, '\n');
		assert_int_equal(bundle_node_parse(p, (size_t)(stop - p), &level, &index, hash, &e), 0);
		assert_true(hash[1] == level && hash[0] == (uint8_t)index && index << level == pos);
		pos += UINT64_C(1) << level;
		n++;
	}
	assert_int_equal(pos, 1000);
	assert_int_equal(n, 1000 - left);
	left = 2;
	assert_int_equal(bundle_tree_lines(&out, 3, 1000, node_fails_at, &left), -1);
	/* The longest there can be. */
	left = 1000;
	buf_clear(&out);
	assert_int_equal(bundle_tree_lines(&out, 1, MERKLE_SIZE_MAX, node_fails_at, &left), 0);
	assert_int_equal(left, 1000 - 124);
	buf_fini(&out);
}

static void
bad_nodes(void **state)
{
#define HASH "\"hash\":\"" "0000000000000000000000000000000000000000000000000000000000000000" "\"}"
	static const char *const bad[] = {
		"", "{}", "[]", "{\"level\":0,\"index\":0}", "{\"level\":-1,\"index\":0," HASH, "{\"level\":63,\"index\":0," HASH, "{\"level\":0,\"index\":-1," HASH,
		"{\"level\":0,\"index\":\"0\"," HASH, "{\"level\":0.0,\"index\":0," HASH, "{\"level\":0,\"index\":0,\"more\":0," HASH, "{\"level\":0,\"level\":0,\"index\":0," HASH,
		"{\"level\":0,\"index\":0,\"hash\":\"00\"}",
		"{\"level\":0,\"index\":0,\"hash\":\"A000000000000000000000000000000000000000000000000000000000000000\"}", "{\"level\":0,\"index\":0," HASH "x",
	};
	uint8_t hash[MERKLE_HASH];
	uint64_t index;
	int level;

	(void)state;
	assert_int_equal(bundle_node_parse("{\"level\":0,\"index\":0," HASH, strlen("{\"level\":0,\"index\":0," HASH), &level, &index, hash, &e), 0);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (bundle_node_parse(bad[i], strlen(bad[i]), &level, &index, hash, &e) != -1)
			fail_msg("taken for a node: %s", bad[i]);
}

static void
names(void **state)
{
	static const char *const good[] = { "a", "messages.csv", "html/2026-01-01.html", ".hidden", "\xc3\xa9t\xc3\xa9/\xe6\x96\x87.txt", "a b", "..a", "a..b", "a/.b" };
	static const char *const bad[] = {
		"", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "a.", "a ", "a./b", "a /b", "...", "a\\b", "C:", "a\nb", "a\x7f", "a\xc2\x85", "a\xff",
		"a\xe2\x80\xae", "a\xe2\x80\x8b", "a\xe2\x81\xa6", "\xef\xbb\xbf" "a", "a\xd8\x9c", "a*", "a?", "a\"", "a<", "a>", "a|",
	};
	char longest[BUNDLE_NAME_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!bundle_name_is_safe(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (bundle_name_is_safe(bad[i], strlen(bad[i])))
			fail_msg("taken: %s", bad[i]);
	assert_false(bundle_name_is_safe("a\0b", 3));
	memset(longest, 'a', sizeof(longest));
	assert_true(bundle_name_is_safe(longest, BUNDLE_NAME_MAX));
	assert_false(bundle_name_is_safe(longest, BUNDLE_NAME_MAX + 1));
}

static void
manifest(void **state)
{
	static const char *const formats[] = { "html", "c\"sv" };
	uint8_t root[MERKLE_HASH] = { 9 }, sum[SHA256_SIZE] = { 8 };
	struct bundle_about a = {
		.origin = "example.org", .size = 1000, .root = root, .program = "x 1", .job = 7, .query = "{\"words\":[\"a\"]}", .query_text = "a \"word\"\n",
		.asked_by = "olivia", .reason = "case 4711", .asked_us = 1795363200000000, .finished_us = 1795363200000000, .formats = formats, .nformats = 2,
		.exported = 3, .erased = 1, .first = 17, .last = 801,
	};
	struct buf out = { 0 }, text = { 0 };
	struct bundle_manifest m;
	int64_t time;

	(void)state;
	bundle_manifest_begin(&out, &a);
	bundle_manifest_file(&out, true, "messages.csv", 5, sum);
	bundle_manifest_file(&out, false, "proof/tree.jsonl", UINT64_C(1) << 40, root);
	bundle_manifest_end(&out);
	assert_int_equal(bundle_manifest_parse(buf_data(&out), buf_len(&out), &m, &e), 0);
	assert_string_equal(m.about.origin, "example.org");
	assert_string_equal(m.about.query_text, "a \"word\"\n");
	assert_string_equal(m.about.reason, "case 4711");
	assert_null(m.about.approved_by);
	assert_true(m.about.size == 1000 && m.about.exported == 3 && m.about.erased == 1 && m.about.first == 17 && m.about.last == 801 && m.about.job == 7);
	assert_memory_equal(m.about.root, root, sizeof(root));
	assert_int_equal(m.nfiles, 2);
	assert_string_equal(m.file[1].name, "proof/tree.jsonl");
	assert_true(m.file[1].size == UINT64_C(1) << 40);
	assert_memory_equal(m.file[0].sha256, sum, sizeof(sum));
	bundle_manifest_fini(&m);
	for (size_t n = 0; n < buf_len(&out) - 2; n += 7) {
		assert_int_equal(bundle_manifest_parse(buf_data(&out), n, &m, &e), -1);
		bundle_manifest_fini(&m);
	}
	bundle_statement(&text, "example.org", sum, 99);
	assert_int_equal(bundle_statement_parse(buf_data(&text), buf_len(&text), "example.org", sum, &time, &e), 0);
	assert_int_equal(time, 99);
	assert_int_equal(bundle_statement_parse(buf_data(&text), buf_len(&text), "example.com", sum, &time, &e), -1);
	assert_int_equal(bundle_statement_parse(buf_data(&text), buf_len(&text), "example.org", root, &time, &e), -1);
	for (size_t n = 0; n < buf_len(&text); n++)
		assert_int_equal(bundle_statement_parse(buf_data(&text), n, "example.org", sum, &time, &e), -1);
	buf_addc(&text, '\n');
	assert_int_equal(bundle_statement_parse(buf_data(&text), buf_len(&text), "example.org", sum, &time, &e), -1);
	buf_fini(&out);
	buf_fini(&text);
}

static void
keys(void **state)
{
	const char *notes[] = { "a note\n\n\xe2\x80\x94 \"x\"\n", "another" };
	struct bundle_key_chain k;
	struct buf out = { 0 };

	(void)state;
	for (size_t n = 0; n <= 2; n++) {
		buf_clear(&out);
		bundle_keys(&out, "vkey", notes, n);
		assert_int_equal(bundle_keys_parse(buf_data(&out), buf_len(&out), &k, &e), 0);
		assert_string_equal(k.vkey, "vkey");
		assert_int_equal(k.n, n);
		for (size_t i = 0; i < n; i++)
			assert_string_equal(k.handover[i], notes[i]);
		bundle_keys_fini(&k);
	}
	assert_int_equal(bundle_keys_parse("{\"key\":\"a\",\"handovers\":[1]}", 27, &k, &e), -1);
	bundle_keys_fini(&k);
	assert_int_equal(bundle_keys_parse("{\"key\":null,\"handovers\":[]}", 27, &k, &e), -1);
	bundle_keys_fini(&k);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_vector),
		cmocka_unit_test(every_character),
		cmocka_unit_test(erased),
		cmocka_unit_test(nodes),
		cmocka_unit_test(bad_nodes),
		cmocka_unit_test(names),
		cmocka_unit_test(manifest),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
