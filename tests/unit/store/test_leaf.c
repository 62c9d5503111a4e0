/* The published test vector of schema/README.md, and the row as PostgreSQL would read it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "store/address.h"
#include "store/leaf.h"
#include "store/record_kind.h"

static const struct leaf_record sample = {
	.is.id = 1767225600000001,
	.is.log_index = 42,
	.is.at_us = 1767225600000000, /* 2026-01-01T00:00:00Z */
	.is.kind = 1,
	.is.direction = 0,
	.is.deliverable = true,
	.is.text =
		{
			[CANONICAL_FROM_BARE] = "romeo@example.org",
			[CANONICAL_FROM_RESOURCE] = "orchard",
			[CANONICAL_TO_BARE] = "juliet@example.org",
			[CANONICAL_TYPE] = "chat",
			[CANONICAL_CLIENT_ID] = "m1",
			[CANONICAL_BODY] = "Wherefore art thou, \xc3\xa9toile?",
			[CANONICAL_STANZA] = "<message/>",
		},
	.stanza_len = 10,
};

static void
vector(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	uint8_t salt[LEAF_SALT], leaf[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	struct buf out = {0};

	(void)state;
	for (int i = 0; i < LEAF_SALT; i++)
		salt[i] = (uint8_t)i;
	leaf_copy_row(h, &out, &sample, salt, leaf);
	text_hex(leaf, sizeof(leaf), hex);
	assert_string_equal(hex,
			    "acb047f66b8724b0d653bb2f3492c3455063cf28c0f2493254a53002df837702");
	/* Behind salt and hash is what the hash does not cover: 5 + 2 * 12 + 2 * 4 bytes (not shown, it opens no span). */
	assert_memory_equal(out.data + out.len - 37 - SHA256_SIZE, leaf, SHA256_SIZE);
	assert_memory_equal(out.data + out.len - 37 - SHA256_SIZE - 4 - LEAF_SALT, salt, LEAF_SALT);
	buf_fini(&out);
	leaf_hasher_free(h);
}

/* The parameters of an INSERT are the columns as the stream has them. */
static void
parameters(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	struct leaf_record r = sample;
	uint8_t salt[LEAF_SALT] = {0}, leaf[2][SHA256_SIZE];
	const char *value[2 * LEAF_COLUMNS];
	int len[2 * LEAF_COLUMNS];
	struct buf out = {0};
	char *sql = leaf_insert_sql(2);

	(void)state;
	assert_non_null(strstr(sql, " VALUES ($1, $2, "));
	assert_non_null(strstr(sql, ", $23), ($24, "));
	assert_string_equal(sql + strlen(sql) - 5, " $46)");
	leaf_copy_begin(&out);
	leaf_copy_row(h, &out, &r, salt, leaf[0]);
	r.shown = true;
	r.is.text[CANONICAL_BODY] = "";
	leaf_copy_row(h, &out, &r, salt, leaf[1]);
	leaf_insert_params(&out, 2, value, len);
	for (int i = 0; i < 2; i++) {
		const char **v = value + i * LEAF_COLUMNS;
		const int *n = len + i * LEAF_COLUMNS;

		assert_int_equal(n[0], 8);
		assert_memory_equal(v[0], "\0\6\x47\x48", 4);
		assert_null(v[3]); /* refers_record */
		assert_int_equal(n[3], 0);
		assert_int_equal(n[7], 17);
		assert_memory_equal(v[7], "romeo@example.org", 17);
		assert_int_equal(n[14], i == 0 ? 28 : 0);
		assert_non_null(v[14]); /* an empty body is one */
		assert_int_equal(n[15], 10);
		assert_memory_equal(v[15], "<message/>", 10);
		assert_int_equal(n[17], SHA256_SIZE);
		assert_memory_equal(v[17], leaf[i], SHA256_SIZE);
		assert_int_equal(n[18], 1);
		assert_int_equal(*v[18], i);
		assert_int_equal(n[20], 8);
	}
	/* The second opens a span, the one before is not known. */
	assert_null(value[21]);
	assert_int_equal(len[LEAF_COLUMNS + 21], 8);
	assert_null(value[LEAF_COLUMNS + 22]);
	leaf_copy_end(&out);
	assert_ptr_equal(value[LEAF_COLUMNS + 21] + 8 + 4 + 2, out.data + out.len);
	free(sql);
	buf_fini(&out);
	leaf_hasher_free(h);
}

/* Whatever differs, the hash differs: also where the same bytes sit in another field. */
static void
every_field_counts(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	uint8_t salt[LEAF_SALT] = {0}, leaf[32][SHA256_SIZE];
	struct leaf_record r;
	struct buf out = {0};
	int n = 0;

	(void)state;
#define TRY(change) \
	do { \
		r = sample; \
		change; \
		leaf_copy_row(h, &out, &r, salt, leaf[n++]); \
	} while (0)
	TRY((void)0);
	TRY(r.is.id++);
	TRY(r.is.log_index++);
	TRY(r.is.at_us++);
	TRY(r.is.refers_record = 7);
	TRY(r.is.kind = 2);
	TRY(r.is.direction = 1);
	TRY(r.is.deliverable = false);
	for (int i = 0; i < CANONICAL_TEXTS; i++) {
		TRY(r.is.text[i] = "x"; r.stanza_len = i == CANONICAL_STANZA ? 1 : r.stanza_len);
		TRY(r.is.text[i] = ""; r.stanza_len = i == CANONICAL_STANZA ? 0 : r.stanza_len);
	}
	salt[0] = 1;
	TRY((void)0);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < i; j++)
			assert_memory_not_equal(leaf[i], leaf[j], SHA256_SIZE);
	buf_fini(&out);
	leaf_hasher_free(h);
}

static void
what_is_shown_does_not_count(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	uint8_t salt[LEAF_SALT] = {0}, leaf[2][SHA256_SIZE];
	struct leaf_record r = sample;
	struct buf out = {0};

	(void)state;
	leaf_copy_row(h, &out, &r, salt, leaf[0]);
	r.shown = true;
	leaf_copy_row(h, &out, &r, salt, leaf[1]);
	assert_memory_equal(leaf[0], leaf[1], SHA256_SIZE);
	buf_fini(&out);
	leaf_hasher_free(h);
}

/* What is its recipient's alone has the recipient's number, and is the same leaf. */
static void
the_recipients_alone(void **state)
{
	static const uint8_t null[4] = { 0xff, 0xff, 0xff, 0xff }, eight[4] = { 0, 0, 0, 8 };
	struct leaf_hasher *h = leaf_hasher_new();
	uint8_t salt[LEAF_SALT] = {0}, leaf[2][SHA256_SIZE];
	struct leaf_record r = sample;
	struct buf out = {0}, end = {0};

	(void)state;
	leaf_copy_row(h, &out, &r, salt, leaf[0]);
	buf_clear(&out);
	r.shown = r.recipient_only = true;
	leaf_copy_row(h, &out, &r, salt, leaf[1]);
	assert_memory_equal(leaf[0], leaf[1], SHA256_SIZE);
	buf_add(&end, "\0\0\0\1\1", 5); /* shown */
	buf_add(&end, null, 4);
	buf_add(&end, eight, 4);
	assert_memory_equal(out.data + out.len - 5 - 4 - 12 - 8, buf_data(&end), 5 + 4 + 4);
	assert_memory_equal(out.data + out.len - 8, null, 4);
	buf_fini(&end);
	buf_fini(&out);
	leaf_hasher_free(h);
}

/* What the row of this message says of spans: -2 it opens none, -1 it opens one and the one before is not known, else that
 * one's others. */
static int
span(struct leaf_hasher *h, uint64_t id, const char *from, const char *to, bool shown)
{
	static const uint8_t null[4] = { 0xff, 0xff, 0xff, 0xff };
	uint8_t salt[LEAF_SALT] = {0}, leaf[SHA256_SIZE];
	struct leaf_record r = sample;
	struct buf out = {0};
	bool opens, known;
	int n;

	r.is.id = id;
	r.shown = shown;
	r.is.text[CANONICAL_FROM_BARE] = from;
	r.is.text[CANONICAL_TO_BARE] = to;
	leaf_copy_row(h, &out, &r, salt, leaf);
	known = memcmp(out.data + out.len - 4, null, 4) != 0;
	opens = known || memcmp(out.data + out.len - 8, null, 4) != 0;
	n = !opens ? -2 : !known ? -1 : (uint8_t)out.data[out.len - 1];
	buf_fini(&out);
	return n;
}

/* A conversation's number is in the first record of a span: until so many records of one of the two, for so long. */
static void
spans(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	uint64_t id = 1000;

	(void)state;
	assert_int_equal(span(h, id, "a@x", "b@x", true), -1);
	for (int i = 1; i < ADDRESS_SPAN_RECORDS; i++)
		assert_int_equal(span(h, ++id, i % 2 ? "b@x" : "a@x", i % 2 ? "a@x" : "b@x", true), -2);
	assert_int_equal(span(h, ++id, "a@x", "b@x", true), ADDRESS_SPAN_RECORDS - 1);
	/* What they say to others counts, shown or not. */
	assert_int_equal(span(h, ++id, "a@x", "c@x", true), -1);
	for (int i = 0; i < ADDRESS_SPAN_RECORDS - 2; i++)
		assert_int_equal(span(h, ++id, "d@x", "b@x", false), -2);
	assert_int_equal(span(h, ++id, "b@x", "a@x", true), -2);
	assert_int_equal(span(h, ++id, "b@x", "a@x", true), 1);
	assert_int_equal(span(h, ++id, "c@x", "a@x", true), -2);
	/* To oneself: twice in one's own. */
	assert_int_equal(span(h, ++id, "e@x", "e@x", true), -1);
	assert_int_equal(span(h, ++id, "e@x", "e@x", true), -2);
	assert_int_equal(span(h, id + ADDRESS_SPAN_US - 2, "e@x", "e@x", true), -2);
	assert_int_equal(span(h, id + ADDRESS_SPAN_US, "e@x", "e@x", true), 2);
	assert_int_equal(span(h, id + 2 * ADDRESS_SPAN_US, "e@x", "e@x", true), 0);
	leaf_forget_spans(h);
	assert_int_equal(span(h, ++id, "e@x", "e@x", true), -1);
	leaf_hasher_free(h);
}

/* What opened a span may be among what an erasure wipes: behind its record every conversation opens another. */
static void
behind_an_erasure(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	struct leaf_record r = sample;
	uint8_t salt[LEAF_SALT] = {0}, leaf[SHA256_SIZE];
	struct buf out = {0};

	(void)state;
	assert_int_equal(span(h, 1000, "a@x", "b@x", true), -1);
	assert_int_equal(span(h, 1001, "b@x", "a@x", true), -2);
	r.is.id = 1002;
	r.is.kind = RECORD_ERASURE;
	leaf_copy_row(h, &out, &r, salt, leaf);
	assert_int_equal(span(h, 1003, "a@x", "b@x", true), -1);
	assert_int_equal(span(h, 1004, "b@x", "a@x", true), -2);
	buf_fini(&out);
	leaf_hasher_free(h);
}

/* An address that was forgotten for another begins to count anew: spans from before are over. */
static void
forgotten_addresses(void **state)
{
	struct leaf_hasher *h = leaf_hasher_new();
	char name[32];
	uint64_t id = 1000;

	(void)state;
	assert_int_equal(span(h, id, "a@x", "b@x", true), -1);
	for (int i = 0; i < 400000; i++) {
		snprintf(name, sizeof(name), "u%d@x", i);
		span(h, ++id, NULL, name, false);
	}
	assert_int_equal(span(h, ++id, "a@x", "b@x", true), -1);
	leaf_hasher_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vector),
		cmocka_unit_test(parameters),
		cmocka_unit_test(every_field_counts),
		cmocka_unit_test(what_is_shown_does_not_count),
		cmocka_unit_test(the_recipients_alone),
		cmocka_unit_test(spans),
		cmocka_unit_test(behind_an_erasure),
		cmocka_unit_test(forgotten_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
