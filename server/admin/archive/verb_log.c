/*
 * verb_log: the record's Merkle log: how it is, proofs from it, checkpoints, the next key. No content is shown here.
 */
#include "admin/request/request.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "admin/archive/archive_row.h"
#include "archive/log/log.h"
#include "archive/log/log_watch.h"
#include "base/text.h"
#include "core/config/config.h"
#include "store/record.h"

#define COVER_MS 8000

static json_t *
hex(const uint8_t hash[MERKLE_HASH])
{
	char text[2 * MERKLE_HASH + 1];

	text_hex(hash, MERKLE_HASH, text);
	return json_string(text);
}

static int
archive_status(struct request *r)
{
	struct log_state s;

	if (request_args(r, "{}") != 0)
		return -1;
	log_state(&s);
	return request_row(r, json_pack("{s:s, s:s, s:I, s:I, s:o, s:I, s:s, s:I, s:o, s:I}", "archive", record_is_up() ? "up" : "down", "log",
		s.trouble[0] ? s.trouble : "ok", "records", (json_int_t)s.records, "checkpoint", (json_int_t)s.size, "checkpoint_at", request_time(s.at_us),
		"uncovered", (json_int_t)(s.records - s.size), "key", s.vkey, "verified", (json_int_t)s.verified, "verified_at",
		request_time(s.verified_us), "findings", (json_int_t)s.findings));
}

/* Proofs */

static json_t *
hashes(const struct merkle_proof *p)
{
	json_t *out = json_array();

	for (unsigned i = 0; i < p->n; i++)
		json_array_append_new(out, hex(p->hash[i]));
	return out;
}

/* Of the record: its place and leaf. */
static int
find_leaf(struct request *r, const char *id, uint64_t number, uint64_t *index, char leaf[2 * MERKLE_HASH + 1])
{
	PGresult *row;
	int rc = 0;

	if (sql_query(r->db, &r->err, &row, "SELECT log_index, encode(leaf_hash, 'hex') FROM archive.record WHERE id = $1", 1, id) != SQL_OK)
		return -1;
	if (PQntuples(row) == 1) {
		*index = (uint64_t)sql_i64(row, 0, 0);
		memcpy(leaf, sql_text(row, 0, 1), 2 * MERKLE_HASH + 1);
	} else {
		r->status = 404;
		rc = archive_row_missing(r->db, number, &r->err);
	}
	PQclear(row);
	return rc;
}

static int
archive_prove(struct request *r)
{
	struct log_checkpoint c;
	struct merkle_proof p;
	struct arena *a;
	char leaf[2 * MERKLE_HASH + 1];
	const char *id;
	uint64_t index = 0, number;
	int rc = -1;

	if (request_args(r, "{s:s}", "record", &id) != 0)
		return -1;
	if (!text_u64(id, strlen(id), 1, INT64_MAX, &number))
		return err_set(&r->err, 0, "not the number of a record");
	if (request_db(r) != 0 || find_leaf(r, id, number, &index, leaf) != 0 || log_cover(index + 1, COVER_MS, &r->err) != 0)
		return -1;
	a = arena_new(0);
	if (log_newest(r->db, a, &c, &r->err) != SQL_OK)
		goto out;
	if (c.size <= index)
		err_set(&r->err, 0, "no checkpoint covers this record yet");
	else if (log_inclusion(r->db, index, c.size, &p, &r->err) == 0)
		rc = request_row(r, json_pack("{s:s, s:I, s:s, s:I, s:o, s:o, s:s}", "record", id, "log_index", (json_int_t)index, "leaf_hash", leaf,
			"tree_size", (json_int_t)c.size, "root", hex(c.root), "inclusion", hashes(&p), "checkpoint", c.note));
out:
	arena_free(a);
	return rc;
}

/* From one checkpoint to another. */
static int
log_consistent(struct request *r)
{
	struct log_checkpoint from, to;
	struct merkle_proof p;
	struct arena *a;
	json_int_t old = 0, new = 0;
	int rc = -1;

	if (request_args(r, "{s:I, s?I}", "from", &old, "to", &new) != 0)
		return -1;
	if (old < 1 || new < 0)
		return err_set(&r->err, 0, "expected the sizes of two checkpoints");
	if (request_db(r) != 0)
		return -1;
	a = arena_new(0);
	if (log_first_over(r->db, a, (uint64_t)old, &from, &r->err) != SQL_OK ||
	    (new ? log_first_over(r->db, a, (uint64_t)new, &to, &r->err) : log_newest(r->db, a, &to, &r->err)) != SQL_OK)
		goto out;
	if (!from.size || !to.size || from.size > to.size)
		err_set(&r->err, 0, "there is no checkpoint of that size");
	else if (log_consistency(r->db, from.size, to.size, &p, &r->err) == 0)
		rc = request_row(r, json_pack("{s:I, s:s, s:I, s:s, s:o}", "from", (json_int_t)from.size, "old", from.note, "to",
			(json_int_t)to.size, "checkpoint", to.note, "consistency", hashes(&p)));
out:
	arena_free(a);
	return rc;
}

/* Verification */

struct viewer {
	struct request *r;
	bool gone;
};

static atomic_uint verifying; /* callers that are in archive_verify */

static void
show_finding(void *arg, const struct log_finding *f)
{
	struct viewer *v = arg;

	if (!v->gone)
		v->gone = request_row(v->r, json_pack("{s:s, s:I, s:I, s:s}", "finding", f->kind, "log_index", (json_int_t)f->index, "record",
			(json_int_t)f->record, "text", f->text)) != 0;
}

static bool
is_gone(void *arg)
{
	const struct viewer *v = arg;

	return v->gone || atomic_load(&v->r->server->stopping) || (v->r->gone != NULL && v->r->gone(v->r->send_arg));
}

/* In the audit trail first, as every look at the record. By the server's own role, whoever asks: nothing of the content is shown. */
static int
verify(struct request *r, bool all)
{
	struct viewer who = {.r = r};
	struct log_verify v = {.finding = show_finding, .gone = is_gone, .arg = &who};
	json_t *detail = json_pack("{s:b}", "all", (int)all);
	enum sql_status st = request_db(r) == 0 ? audit_write(r->db, r->who, "archive.verify", NULL, detail, &r->err) : SQL_UNAVAILABLE;

	json_decref(detail);
	if (st != SQL_OK)
		return -1;
	audit_log(r->who, "archive.verify", NULL);
	if (log_look(&v, all, &r->err) != 0)
		return -1;
	return request_row(r, json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b}", "first", (json_int_t)v.first, "size", (json_int_t)v.size, "records",
		(json_int_t)v.records, "erased", (json_int_t)v.erased, "dropped", (json_int_t)v.dropped, "checkpoints", (json_int_t)v.checkpoints, "outside", (json_int_t)v.outside,
		"findings", (json_int_t)v.findings, "trusted", (int)v.trusted));
}

static int
archive_verify(struct request *r)
{
	struct config *c = config_get();
	uint64_t most = c->limits.verifications_at_once;
	int all = 0, rc = -1;

	config_unref(c);
	if (request_args(r, "{s?b}", "all", &all) != 0)
		return -1;
	if (atomic_fetch_add(&verifying, 1) < most) {
		rc = verify(r, all != 0);
	} else {
		r->status = 429;
		err_set(&r->err, 0, "the record is being verified for somebody else (limits.verifications_at_once): wait until that is done");
	}
	atomic_fetch_sub(&verifying, 1);
	return rc;
}

/* Keys and checkpoints */

static int
log_checkpoint_verb(struct request *r)
{
	struct log_state s;

	if (request_args(r, "{}") != 0 || log_cover(0, COVER_MS, &r->err) != 0)
		return -1;
	log_state(&s);
	return request_row(r, json_pack("{s:I, s:o}", "size", (json_int_t)s.size, "at", request_time(s.at_us)));
}

static int
log_keys_verb(struct request *r)
{
	struct log_key_row *k;
	struct arena *a;
	size_t n;
	int rc = 0;

	if (request_args(r, "{}") != 0 || request_db(r) != 0)
		return -1;
	a = arena_new(0);
	if (log_keys(r->db, a, &k, &n, &r->err) != SQL_OK)
		rc = -1;
	for (size_t i = 0; i < n && !rc; i++)
		rc = request_row(r, json_pack("{s:i, s:s, s:I, s:o, s:b, s:s?}", "number", (int)k[i].number, "vkey", k[i].vkey, "since",
			(json_int_t)k[i].since, "at", request_time(k[i].at_us), "lost", (int)k[i].lost, "handover", k[i].handover));
	arena_free(a);
	return rc;
}

static int
log_rotate_verb(struct request *r)
{
	char vkey[320];
	int lost = 0;

	if (request_args(r, "{s?b}", "lost", &lost) != 0 || request_db(r) != 0 ||
	    audit_write(r->db, r->who, lost ? "log.rotate-lost" : "log.rotate", NULL, NULL, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "log.rotate", NULL);
	if (log_rotate(lost, vkey, sizeof vkey, &r->err) != 0)
		return -1;
	return request_row(r, json_pack("{s:s}", "vkey", vkey));
}

const struct request_verb request_log_verbs[] = {
	{.noun = "archive", .verb = "status", .run = archive_status, .roles = ACCESS_ANY, .about = "How the record and its log are"},
	{.noun = "archive", .verb = "verify", .run = archive_verify, .roles = ACCESS_ANY, .args = "all:boolean?",
	 .about = "Recomputes the signed log from the record, and tells what does not fit"},
	{.noun = "archive", .verb = "prove", .run = archive_prove, .roles = ACCESS_ADMIN | ACCESS_OFFICER, .args = "record:string",
	 .about = "A proof that a record is in the signed log"},
	{.noun = "log", .verb = "checkpoint", .run = log_checkpoint_verb, .roles = ACCESS_ADMIN | ACCESS_OFFICER, .about = "Sign a checkpoint now"},
	{.noun = "log", .verb = "consistency", .run = log_consistent, .roles = ACCESS_ADMIN | ACCESS_OFFICER, .args = "from:integer to:integer?",
	 .about = "A proof that one checkpoint goes on from another"},
	{.noun = "log", .verb = "keys", .run = log_keys_verb, .roles = ACCESS_ADMIN | ACCESS_OFFICER, .about = "The keys that have signed the log"},
	{.noun = "log", .verb = "rotate", .run = log_rotate_verb, .args = "lost:boolean?", .about = "Sign with a new key from here on"},
	{.noun = NULL},
};
