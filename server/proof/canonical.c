/*
 * canonical: writes and hashes the canonical form (see canonical.h).
 */
#include "proof/canonical.h"

char *
canonical_write(char *p, const struct canonical *r, const size_t len[CANONICAL_TEXTS])
{
	p = canonical_field64(p, r->id);
	p = canonical_field64(p, r->log_index);
	p = canonical_field64(p, (uint64_t)r->at_us - (uint64_t)CANONICAL_EPOCH_US);
	p = r->refers_record ? canonical_field64(p, r->refers_record) : canonical_null(p);
	p = canonical_field16(p, r->kind);
	p = canonical_field16(p, r->direction);
	p = canonical_put32(p, 1);
	*p++ = (char)r->deliverable;
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		p = r->text[i] ? canonical_field(p, r->text[i], len[i]) : canonical_null(p);
	return p;
}

void
canonical_leaf(struct hasher *h, const uint8_t salt[CANONICAL_SALT], const char *form, size_t n, uint8_t leaf[SHA256_SIZE])
{
	/* 0x00 marks a leaf (RFC 9162 §2.1.1). */
	uint8_t head[1 + CANONICAL_SALT + 1] = { 0 };

	memcpy(head + 1, salt, CANONICAL_SALT);
	head[1 + CANONICAL_SALT] = CANONICAL_FORM;
	hasher_begin(h);
	hasher_add(h, head, sizeof(head));
	hasher_add(h, form, n);
	hasher_end(h, leaf);
}
