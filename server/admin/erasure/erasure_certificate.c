/*
 * erasure_certificate: see erasure_certificate.h. Called by verb_erasure.c.
 */
#include "admin/erasure/erasure_certificate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "archive/log/log.h"
#include "archive/log/log_signer.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/config/config.h"
#include "proof/checkpoint.h"
#include "proof/hasher.h"

#define COVER_MS 8000
#define LEAVES_NAMED 200     /* one by one; what is more is named by the records of the erasure and proved by the digest */
#define RECORDS_NAMED 200    /* the same; a signed note has 64 KiB at most */
#define PAGE "10000"

struct leaves {
	uint64_t n;
	uint8_t sum[SHA256_SIZE];
	struct buf named;       /* their lines, as long as they are few */
};

/* Over the leaf hashes in the order of the log, page by page. */
static int
read_leaves(struct sql *db, uint64_t decision, struct leaves *l, struct err *e)
{
	struct hasher *h = hasher_new();
	char about[SQL_NUMBER], behind[SQL_NUMBER] = "-1";
	PGresult *rows = NULL;
	int n, rc = -1;

	hasher_begin(h);
	do {
		PQclear(rows);
		if (sql_query(db, e, &rows, "SELECT log_index, encode(leaf_hash, 'hex') FROM archive.erasure_leaves($1::bigint, $2::bigint, " PAGE ")", 2,
			      sql_number(about, (int64_t)decision), behind) != SQL_OK) {
			rows = NULL;
			goto out;
		}
		n = PQntuples(rows);
		for (int i = 0; i < n; i++) {
			uint8_t leaf[SHA256_SIZE];

			if (text_unhex(sql_text(rows, i, 1), 2 * SHA256_SIZE, leaf) != SHA256_SIZE) {
				err_set(e, 0, "the leaf at log index %s is none", sql_text(rows, i, 0));
				goto out;
			}
			hasher_add(h, leaf, sizeof leaf);
			if (l->n++ < LEAVES_NAMED)
				buf_addf(&l->named, "leaf %s %s\n", sql_text(rows, i, 0), sql_text(rows, i, 1));
			snprintf(behind, sizeof behind, "%s", sql_text(rows, i, 0));
		}
	} while (n > 0);
	hasher_end(h, l->sum);
	rc = 0;
out:
	PQclear(rows);
	hasher_free(h);
	return rc;
}

/* The records of the erasure, one by one while they are few; *size: of the smallest tree that has them all. */
static int
add_records(struct sql *db, uint64_t decision, uint64_t *size, struct buf *out, struct err *e)
{
	struct hasher *h;
	uint8_t leaf[SHA256_SIZE];
	char about[SQL_NUMBER], sum[2 * SHA256_SIZE + 1];
	PGresult *rows;
	int n;

	if (sql_query(db, e, &rows, "SELECT id, log_index, encode(leaf_hash, 'hex') FROM archive.erasure_records($1::bigint)", 1,
		      sql_number(about, (int64_t)decision)) !=
	    SQL_OK)
		return -1;
	h = hasher_new();
	hasher_begin(h);
	n = PQntuples(rows);
	*size = 0;
	for (int i = 0; i < n; i++) {
		if (n <= RECORDS_NAMED)
			buf_addf(out, "erasure %s %s %s\n", sql_text(rows, i, 0), sql_text(rows, i, 1), sql_text(rows, i, 2));
		if (text_unhex(sql_text(rows, i, 2), 2 * SHA256_SIZE, leaf) == SHA256_SIZE)
			hasher_add(h, leaf, sizeof leaf);
		*size = (uint64_t)sql_i64(rows, i, 1) + 1;
	}
	hasher_end(h, leaf);
	text_hex(leaf, sizeof leaf, sum);
	buf_addf(out, "erasures %d %s\n", n, sum);
	hasher_free(h);
	PQclear(rows);
	return 0;
}

static int
add_checkpoint(struct sql *log, uint64_t size, struct buf *out, struct err *e)
{
	struct arena *a = arena_new(0);
	struct log_checkpoint c = {0};
	char root[2 * MERKLE_HASH + 1];
	int rc = -1;

	if (log_cover(size, COVER_MS, e) == 0 && log_newest(log, a, &c, e) == SQL_OK) {
		text_hex(c.root, MERKLE_HASH, root);
		buf_addf(out, "checkpoint %" PRIu64 " %s\n", c.size, root);
		rc = c.size >= size && c.size > 0 ? 0 : err_set(e, 0, "no checkpoint covers it yet");
	}
	arena_free(a);
	return rc;
}

static int
sign(const struct buf *body, struct buf *out, struct err *e)
{
	struct config *c = config_get();
	struct note_signer *s = log_signer_load(c->log.key_file, e);
	struct buf text = {0};
	int rc = -1;

	config_unref(c);
	if (s == NULL)
		return err_prefix(e, "it cannot be signed");
	buf_addf(&text, "chancery-erasure/v1\n%s\n", note_signer_key(s)->name);
	buf_add(&text, buf_data(body), buf_len(body));
	buf_addf(&text, "time %" PRId64 "\n", clock_wall_us() / 1000000);
	rc = note_sign(s, buf_data(&text), buf_len(&text), out, e);
	buf_fini(&text);
	note_signer_free(s);
	return rc;
}

int
erasure_certificate_make(struct sql *db, struct sql *log, const struct erasure_certificate *c, struct buf *out, struct err *e)
{
	struct leaves l = {0};
	struct buf records = {0}, body = {0};
	char sum[2 * SHA256_SIZE + 1];
	uint64_t size;
	int rc = -1;

	if (read_leaves(db, c->decision, &l, e) != 0 || add_records(db, c->decision, &size, &records, e) != 0)
		goto out;
	text_hex(l.sum, sizeof l.sum, sum);
	buf_addf(&body, "request %" PRId64 "\ndecision %" PRIu64 "\nerased %" PRIu64 "\nheld %" PRIu64 "\nleaves %s\n", c->request, c->decision, l.n,
		 c->held, sum);
	if (l.n <= LEAVES_NAMED)
		buf_add(&body, buf_data(&l.named), buf_len(&l.named));
	buf_add(&body, buf_data(&records), buf_len(&records));
	if (add_checkpoint(log, size, &body, e) == 0)
		rc = sign(&body, out, e);
out:
	buf_fini(&l.named);
	buf_fini(&records);
	buf_fini(&body);
	return rc;
}
