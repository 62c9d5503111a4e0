/*
 * log_verify_erased: which records without content may be so, and which rows need not be there (see log_verify_priv.h): those that a record of kind
 * RECORD_ERASURE names as erased; and those of them that another one names as dropped. The table of erasures only says where these are; believed is
 * what stands under their own leaves, so who takes a salt or a row away and adds a row there is found out.
 */
#include "archive/verify/log_verify_priv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/verify/log_copy.h"
#include "base/text.h"
#include "proof/canonical.h"

#define CANONICAL_COLUMNS 16
#define COLUMNS 18 /* and salt and leaf_hash */
#define BODY 14

/* "erased: 3-17 20", "dropped: 0-99" */
static const struct {
	const char *prefix;
	uint8_t state;
} says[] = { { "erased: ", LEAF_NAMED }, { "dropped: ", LEAF_LEFT } };

static bool
is_genuine(struct chunk *c, const struct log_field *f)
{
	const struct log_field *salt = &f[CANONICAL_COLUMNS], *leaf = salt + 1;
	uint8_t now[MERKLE_HASH];

	if (salt->n != CANONICAL_SALT || leaf->n != MERKLE_HASH)
		return false;
	canonical_leaf(c->h, (const uint8_t *)salt->at + 4, f[0].at, (size_t)(salt->at - f[0].at), now);
	return memcmp(now, leaf->at + 4, MERKLE_HASH) == 0;
}

static void
mark(struct chunk *c, uint64_t first, uint64_t last, uint8_t state)
{
	if (first < c->first)
		first = c->first;
	for (uint64_t i = first; i <= last && i < c->end; i++)
		if ((c->state[i - c->first] & (LEAF_HAVE | LEAF_ERASED)) != LEAF_HAVE)
			c->state[i - c->first] |= state;
}

/* "3-17" or "20"; false: it is neither. */
static bool
mark_word(struct chunk *c, const char *s, size_t n, uint8_t state)
{
	const char *dash = memchr(s, '-', n);
	size_t head = dash ? (size_t)(dash - s) : n;
	uint64_t first, last;

	if (!text_u64(s, head, 0, INT64_MAX, &first))
		return false;
	last = first;
	if (dash && !text_u64(dash + 1, n - head - 1, first, INT64_MAX, &last))
		return false;
	mark(c, first, last, state);
	return true;
}

static void
mark_words(struct chunk *c, const char *s, const char *end, uint8_t state)
{
	while (s < end) {
		const char *space = memchr(s, ' ', (size_t)(end - s));
		size_t n = (size_t)((space ? space : end) - s);

		if (!mark_word(c, s, n, state))
			return;
		s += n + 1;
	}
}

static void
take_erasure(void *arg, const struct log_field *f)
{
	struct chunk *c = arg;

	for (size_t i = 0; i < sizeof(says) / sizeof(*says); i++) {
		size_t n = strlen(says[i].prefix);

		if (f[BODY].n >= (int32_t)n && memcmp(f[BODY].at + 4, says[i].prefix, n) == 0 && is_genuine(c, f))
			mark_words(c, f[BODY].at + 4 + n, f[BODY].at + 4 + f[BODY].n, says[i].state);
	}
}

/* Rows that are not there and need not be. */
static void
count_dropped(struct chunk *c)
{
	for (uint64_t i = 0; i < c->end - c->first; i++)
		if ((c->state[i] & (LEAF_HAVE | LEAF_NAMED | LEAF_LEFT)) == (LEAF_NAMED | LEAF_LEFT)) {
			c->state[i] |= LEAF_DROPPED;
			c->dropped++;
		}
}

enum sql_status
erased_read(const struct verify *y, struct sql *db, struct chunk *c, struct err *e)
{
	char text[700];
	enum sql_status st;

	snprintf(text, sizeof(text), "COPY (SELECT id, log_index, at, refers_record, kind, direction, deliverable, from_bare, from_resource, to_bare,"
		" to_resource, type, client_id, refers_to, body, stanza, salt, leaf_hash FROM archive.record WHERE kind = 25 AND id IN"
		" (SELECT record FROM archive.erasure WHERE int8range(first_index, last_index, '[]') && int8range(%" PRIu64 ", %" PRIu64 ")))"
		" TO STDOUT BINARY", c->first, c->end);
	st = log_copy(db, text, COLUMNS, take_erasure, c, &y->stop, e);
	if (st == SQL_OK)
		count_dropped(c);
	return st;
}
