/*
 * leaf: encodes records (see leaf.h; the form is described in schema/README.md for those who verify).
 */
#include "store/leaf.h"

#include <assert.h>
#include <endian.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/address.h"

/* PostgreSQL counts its time from 2000-01-01. */
#define PG_EPOCH_US INT64_C(946684800000000)
#define COLUMNS 23
#define FORM 1
/* Count of columns, seven fixed columns with their lengths, salt and hash, and what is not hashed. */
#define FIXED_BYTES (2 + 4 * 12 + 2 * 6 + 5 + 4 + LEAF_SALT + 4 + SHA256_SIZE + 5 + 3 * 12 + 6)

/* In the order of the canonical form, which the hash covers; salt and leaf_hash are behind it. */
const char leaf_copy_sql[] =
	"COPY archive.record (id, log_index, at, refers_record, kind, direction, deliverable,"
	" from_bare, from_resource, to_bare, to_resource, type, client_id, refers_to, body, stanza,"
	" salt, leaf_hash, shown, from_hash, to_hash, pair_hash, span_before) FROM STDIN BINARY";

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
	EVP_MD *md;
	EVP_MD_CTX *ctx;
	uint64_t made; /* entries of `known` */
	bool spans; /* there are some */
	struct known known[KNOWN];
	struct span span[SPANS];
};

struct leaf_hasher *
leaf_hasher_new(void)
{
	struct leaf_hasher *h = NEW(struct leaf_hasher);

	/* Fetched once: looking an algorithm up costs more than hashing a record. */
	h->md = EVP_MD_fetch(NULL, "SHA256", NULL);
	h->ctx = EVP_MD_CTX_new();
	if (!h->md || !h->ctx)
		abort();
	return h;
}

void
leaf_hasher_free(struct leaf_hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->md);
	free(h);
}

static char *
put16(char *p, uint16_t v)
{
	v = htobe16(v);
	memcpy(p, &v, 2);
	return p + 2;
}

static char *
put32(char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, 4);
	return p + 4;
}

static char *
put64(char *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, 8);
	return p + 8;
}

/* A field: its length in four bytes, then the bytes; NULL is the length -1. */
static char *
field16(char *p, int v)
{
	return put16(put32(p, 2), (uint16_t)v);
}

static char *
field64(char *p, uint64_t v)
{
	return put64(put32(p, 8), v);
}

static char *
field_bytes(char *p, const void *s, size_t n)
{
	p = put32(p, (uint32_t)n);
	memcpy(p, s, n);
	return p + n;
}

static char *
canonical(char *p, const struct leaf_record *r, const size_t *len)
{
	p = field64(p, r->id);
	p = field64(p, r->log_index);
	p = field64(p, (uint64_t)(r->at_us - PG_EPOCH_US));
	p = r->refers_record ? field64(p, r->refers_record) : put32(p, UINT32_MAX);
	p = field16(p, r->kind);
	p = field16(p, r->direction);
	p = put32(p, 1);
	*p++ = (char)r->deliverable;
	for (int i = 0; i < LEAF_TEXTS; i++)
		p = r->text[i] ? field_bytes(p, r->text[i], len[i]) : put32(p, UINT32_MAX);
	return p;
}

/* SHA-256(0x00 || salt || form || fields): the prefix 0x00 marks a leaf (RFC 9162 §2.1.1). */
static void
hash(const struct leaf_hasher *h, const uint8_t *salt, const char *p, size_t n, uint8_t *leaf)
{
	uint8_t head[1 + LEAF_SALT + 1] = {0};
	unsigned len = 0;

	memcpy(head + 1, salt, LEAF_SALT);
	head[1 + LEAF_SALT] = FORM;
	if (!EVP_DigestInit_ex2(h->ctx, h->md, NULL) ||
	    !EVP_DigestUpdate(h->ctx, head, sizeof(head)) || !EVP_DigestUpdate(h->ctx, p, n) ||
	    !EVP_DigestFinal_ex(h->ctx, leaf, &len) || len != SHA256_SIZE)
		abort(); /* no record may lack its leaf */
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
		if (!EVP_DigestInit_ex2(h->ctx, h->md, NULL) || !EVP_DigestUpdate(h->ctx, bare, n) ||
		    !EVP_DigestFinal_ex(h->ctx, sum, NULL))
			abort();
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
	const char *from = r->recipient_only ? NULL : r->text[LEAF_FROM_BARE], *to = r->text[LEAF_TO_BARE];
	struct known a = { 0 }, b = { 0 };
	int64_t pair;
	int before = IN_SPAN;

	if (from)
		a = address(h, r->from_key, from, len[LEAF_FROM_BARE]);
	if (to)
		b = address(h, r->to_key, to, len[LEAF_TO_BARE]);
	pair = address_pair(a.number, b.number);
	p = put32(p, 1);
	*p++ = (char)r->shown;
	p = from ? field64(p, (uint64_t)a.number) : put32(p, UINT32_MAX);
	p = to ? field64(p, (uint64_t)b.number) : put32(p, UINT32_MAX);
	if (from && to && r->shown)
		before = open_span(h, pair, r->id, &a, &b);
	p = before == IN_SPAN ? put32(p, UINT32_MAX) : field64(p, (uint64_t)pair);
	return before < 0 ? put32(p, UINT32_MAX) : field16(p, before);
}

void
leaf_copy_begin(struct buf *out)
{
	/* Signature, no flags, no extension (PostgreSQL manual, COPY, binary format). */
	buf_add(out, "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
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
	size_t len[LEAF_TEXTS], total = FIXED_BYTES;
	char *start, *fields, *p;

	for (int i = 0; i < LEAF_TEXTS; i++) {
		len[i] = !r->text[i] ? 0 : i == LEAF_STANZA ? r->stanza_len : strlen(r->text[i]);
		total += 4 + len[i];
	}
	start = buf_reserve(out, total);
	fields = put16(start, COLUMNS);
	p = canonical(fields, r, len);
	hash(h, salt, fields, (size_t)(p - fields), leaf);
	p = field_bytes(p, salt, LEAF_SALT);
	p = field_bytes(p, leaf, SHA256_SIZE);
	p = index_columns(h, p, r, len);
	assert((size_t)(p - start) <= total);
	buf_added(out, (size_t)(p - start));
}
