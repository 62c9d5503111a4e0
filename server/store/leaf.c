/*
 * leaf: encodes rows (see leaf.h; the canonical form in them is proof/canonical's).
 */
#include "store/leaf.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "proof/hasher.h"
#include "store/address.h"
#include "store/record_kind.h"

/* Count of columns, the canonical form but for its texts, salt and hash, and what is not hashed. */
#define FIXED_BYTES (2 + CANONICAL_FIXED + 4 + LEAF_SALT + 4 + SHA256_SIZE + 5 + 3 * 12 + 6)

/* In the order of the canonical form, which the hash covers; salt and leaf_hash are behind it. */
#define RECORD_COLUMNS \
	"archive.record (id, log_index, at, refers_record, kind, direction, deliverable," \
	" from_bare, from_resource, to_bare, to_resource, type, client_id, refers_to, body, stanza," \
	" salt, leaf_hash, shown, from_hash, to_hash, pair_hash, span_before)"

const char leaf_copy_sql[] = "COPY " RECORD_COLUMNS " FROM STDIN BINARY";

#define KNOWN 65536  /* addresses; a power of two */
#define SPANS 262144 /* conversations; a power of two. Two of the same place are both kept, the older goes for a third */

/* An address seen lately. */
struct known {
	uint64_t key;   /* a keyed hash of it: two that share all its 64 bits will not meet, and nobody can make them */
	int64_t number;
	uint64_t since; /* no other entry has or had this one: when it was made */
	uint64_t rows;  /* from it and to it, since then */
};

/* The span (address.h) that a conversation is in, with what its addresses' entries were then. */
struct span {
	uint64_t id; /* 0: none */
	uint64_t since[2], rows[2];
	int others;  /* in it, besides the one that opened it */
};

struct leaf_hasher {
	struct hasher *sha256;
	uint64_t made; /* entries of `known` */
	bool spans; /* there are some */
	struct known known[KNOWN];
	struct span span[SPANS];
};

struct leaf_hasher *
leaf_hasher_new(void)
{
	struct leaf_hasher *h = NEW(struct leaf_hasher);

	h->sha256 = hasher_new();
	return h;
}

void
leaf_hasher_free(struct leaf_hasher *h)
{
	if (!h)
		return;
	hasher_free(h->sha256);
	free(h);
}

void
leaf_forget_spans(struct leaf_hasher *h)
{
	if (h->spans)
		memset(h->span, 0, sizeof(h->span));
	h->spans = false; /* the memory stays untouched until it is needed */
}

/* The entry of an address as it is before this row, which counts. */
static struct known
address(struct leaf_hasher *h, uint64_t key, const char *bare, size_t n)
{
	struct known *k, was;
	uint8_t sum[SHA256_SIZE];

	if (!key)
		key = crypt_hash(bare, n);
	k = &h->known[key % KNOWN];
	if (k->key != key || !k->since) {
		hasher_begin(h->sha256);
		hasher_add(h->sha256, bare, n);
		hasher_end(h->sha256, sum);
		*k = (struct known){ .key = key, .number = address_of_digest(sum), .since = ++h->made };
	}
	was = *k;
	k->rows++;
	return was;
}

/* Is what was counted of an address since the span began less than a span has? */
static bool
is_within(const struct span *s, int end, const struct known *k)
{
	return k->rows - s->rows[end] < ADDRESS_SPAN_RECORDS;
}

enum { IN_SPAN = -2, UNKNOWN = -1 };

/* Where the conversation of these two is, or may be put. */
static struct span *
place(struct leaf_hasher *h, int64_t pair, const struct known *lower, const struct known *upper)
{
	struct span *s = &h->span[(uint64_t)pair % SPANS & ~UINT64_C(1)], *other = s + 1;

	if (s->id && s->since[0] == lower->since && s->since[1] == upper->since)
		return s;
	if (other->id && other->since[0] == lower->since && other->since[1] == upper->since)
		return other;
	return s->id <= other->id ? s : other;
}

/* IN_SPAN, or the record opens a span, and the next ones of the conversation are in it: then how many others the span before has, or
 * UNKNOWN when that has been forgotten (another conversation had the place, an address was not heard of for long). */
static int
open_span(struct leaf_hasher *h, int64_t pair, uint64_t id, const struct known *a, const struct known *b)
{
	const struct known *lower = a->number < b->number ? a : b, *upper = lower == a ? b : a;
	struct span *s = place(h, pair, lower, upper);
	int before = UNKNOWN;

	if (s->id && s->since[0] == lower->since && s->since[1] == upper->since) {
		before = s->others;
		if (id - s->id < ADDRESS_SPAN_US && is_within(s, 0, lower) && is_within(s, 1, upper)) {
			s->others++;
			return IN_SPAN;
		}
	}
	h->spans = true;
	*s = (struct span){ .id = id, .since = { lower->since, upper->since }, .rows = { lower->rows, upper->rows } };
	return before;
}

/* What the indexes of users' histories know of the row. */
static char *
index_columns(struct leaf_hasher *h, char *p, const struct leaf_record *r, const size_t *len)
{
	const char *from = r->recipient_only ? NULL : r->is.text[CANONICAL_FROM_BARE], *to = r->is.text[CANONICAL_TO_BARE];
	struct known a = { 0 }, b = { 0 };
	int64_t pair;
	int before = IN_SPAN;

	if (from)
		a = address(h, r->from_key, from, len[CANONICAL_FROM_BARE]);
	if (to)
		b = address(h, r->to_key, to, len[CANONICAL_TO_BARE]);
	pair = address_pair(a.number, b.number);
	p = canonical_put32(p, 1);
	*p++ = (char)r->shown;
	p = from ? canonical_field64(p, (uint64_t)a.number) : canonical_null(p);
	p = to ? canonical_field64(p, (uint64_t)b.number) : canonical_null(p);
	if (from && to && r->shown)
		before = open_span(h, pair, r->is.id, &a, &b);
	p = before == IN_SPAN ? canonical_null(p) : canonical_field64(p, (uint64_t)pair);
	return before < 0 ? canonical_null(p) : canonical_field16(p, before);
}

void
leaf_copy_begin(struct buf *out)
{
	/* Signature, no flags, no extension (PostgreSQL manual, COPY, binary format). */
	buf_add(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", LEAF_COPY_HEAD);
}

void
leaf_copy_end(struct buf *out)
{
	buf_add(out, "\377\377", 2);
}

void
leaf_copy_row(struct leaf_hasher *h, struct buf *out, const struct leaf_record *r,
	      const uint8_t salt[LEAF_SALT], uint8_t leaf[SHA256_SIZE])
{
	size_t len[CANONICAL_TEXTS], total = FIXED_BYTES;
	char *start, *fields, *p;

	for (int i = 0; i < CANONICAL_TEXTS; i++) {
		len[i] = !r->is.text[i] ? 0 : i == CANONICAL_STANZA ? r->stanza_len : strlen(r->is.text[i]);
		total += len[i];
	}
	start = buf_reserve(out, total);
	start[0] = 0;
	start[1] = LEAF_COLUMNS;
	fields = start + 2;
	p = canonical_write(fields, &r->is, len);
	canonical_leaf(h->sha256, salt, fields, (size_t)(p - fields), leaf);
	p = canonical_field(p, salt, LEAF_SALT);
	p = canonical_field(p, leaf, SHA256_SIZE);
	p = index_columns(h, p, r, len);
	if (r->is.kind == RECORD_ERASURE)
		leaf_forget_spans(h);
	assert((size_t)(p - start) <= total);
	buf_added(out, (size_t)(p - start));
}

char *
leaf_insert_sql(size_t rows)
{
	struct buf out = {0};

	buf_adds(&out, "INSERT INTO " RECORD_COLUMNS " VALUES ");
	for (size_t i = 0; i < rows * LEAF_COLUMNS; i++)
		buf_addf(&out, "%s$%zu", i % LEAF_COLUMNS ? ", " : i ? "), (" : "(", i + 1);
	buf_addc(&out, ')');
	buf_add(&out, "", 1);
	return out.data; /* the caller frees it */
}

void
leaf_insert_params(const struct buf *stream, size_t rows, const char **value, int *len)
{
	const char *p = buf_data(stream) + LEAF_COPY_HEAD;

	for (size_t i = 0; i < rows * LEAF_COLUMNS; i++) {
		uint32_t n;

		if (i % LEAF_COLUMNS == 0)
			p += 2;
		memcpy(&n, p, 4);
		p += 4;
		n = be32toh(n);
		value[i] = n == UINT32_MAX ? NULL : p;
		len[i] = value[i] ? (int)n : 0;
		p += len[i];
	}
}
