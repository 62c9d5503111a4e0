/*
 * verify_walk: once through records and nodes, side by side, with the frontier of the tree as all that is kept (BUNDLE.md, "Verifying", 6).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "verify.h"

#define PIECE 65536

/* The lines of a member. */
struct reader {
	const char *name;
	struct bundle_stream *stream;
	struct buf b;
	size_t line;            /* bytes of the line that was given last, to be forgotten with the next */
	size_t scanned;         /* no line feed in these of those that wait */
	uint64_t number;
	bool ended;
};

struct walk {
	struct verify *v;
	struct hasher *hasher;
	struct merkle_frontier tree;
	struct reader records, nodes;
	struct bundle_record record; /* the next one, when there is one */
	bool has_record;
	uint64_t exported, erased, subtrees, first, last, last_id;
	struct buf scratch;
};

/* 1 and a line without its line feed, 0 at the end, -1 told in the report. */
static int
next_line(struct walk *w, struct reader *r, enum check c, const char **p, size_t *n)
{
	struct err e;
	char *stop;

	buf_consume(&r->b, r->line);
	r->line = 0;
	for (;;) {
		size_t have = buf_len(&r->b);
		ssize_t got;

		stop = have > r->scanned ? memchr(buf_data(&r->b) + r->scanned, '\n', have - r->scanned) : NULL;
		if (stop)
			break;
		r->scanned = have;
		if (have > BUNDLE_LINE_MAX || (r->ended && have)) {
			report_found(w->v->report, c, "%s: line %" PRIu64 " %s", r->name, r->number + 1, r->ended ? "has no end" : "is too long");
			return -1;
		}
		if (r->ended)
			return 0;
		got = bundle_stream_read(r->stream, buf_reserve(&r->b, PIECE), PIECE, &e);
		if (got < 0) {
			report_found(w->v->report, c, "%s", e.text);
			return -1;
		}
		buf_added(&r->b, (size_t)got);
		r->ended = !got;
	}
	*p = buf_data(&r->b);
	*n = (size_t)(stop - *p);
	r->line = *n + 1;
	r->scanned = 0;
	r->number++;
	return 1;
}

/* The next record, if there is one. -1: what is there cannot be gone on with. */
static int
next_record(struct walk *w)
{
	struct report *report = w->v->report;
	const struct bundle_record *r = &w->record;
	const char *p;
	struct err e;
	size_t n;
	int rc = next_line(w, &w->records, CHECK_RECORDS, &p, &n);

	if (rc <= 0)
		return rc;
	bundle_record_fini(&w->record);
	if (bundle_record_parse(p, n, &w->record, &e) != 0) {
		report_found(report, CHECK_RECORDS, BUNDLE_RECORDS " line %" PRIu64 ": %s", w->records.number, e.text);
		return -1;
	}
	if ((w->exported && r->is.log_index <= w->last) || r->is.log_index >= w->v->checkpoint.size) {
		report_found(report, CHECK_RECORDS, BUNDLE_RECORDS " line %" PRIu64 ": log index %" PRIu64 " is %s", w->records.number, r->is.log_index,
			r->is.log_index >= w->v->checkpoint.size ? "not in the log" : "not behind the one before");
		return -1;
	}
	if (!r->erased && !bundle_record_matches(w->hasher, r, &w->scratch))
		report_found(report, CHECK_RECORDS, "the record with log index %" PRIu64 " (id %" PRIu64 ") was altered: it has not the leaf that it is said to have",
			r->is.log_index, r->is.id);
	if (!r->erased && r->is.id <= w->last_id)
		report_found(report, CHECK_RECORDS, "the record with log index %" PRIu64 " has no greater id than the one before", r->is.log_index);
	if (!w->exported)
		w->first = r->is.log_index;
	if (!r->erased)
		w->last_id = r->is.id;
	w->last = r->is.log_index;
	w->exported++;
	w->erased += r->erased;
	w->has_record = true;
	return 0;
}

/* The subtree that lies here, and ends before `limit`. */
static int
append_subtree(struct walk *w, uint64_t limit)
{
	struct report *report = w->v->report;
	uint8_t hash[MERKLE_HASH];
	uint64_t index, pos = w->tree.size;
	const char *p;
	struct err e;
	size_t n;
	int level, rc = next_line(w, &w->nodes, CHECK_TREE, &p, &n);

	if (rc < 0)
		return -1;
	if (!rc) {
		report_found(report, CHECK_TREE, "log index %" PRIu64 " is neither exported nor under a hash: something was left out", pos);
		return -1;
	}
	if (bundle_node_parse(p, n, &level, &index, hash, &e) != 0) {
		report_found(report, CHECK_TREE, BUNDLE_TREE " line %" PRIu64 ": %s", w->nodes.number, e.text);
		return -1;
	}
	if (index > MERKLE_SIZE_MAX >> level || index << level != pos || UINT64_C(1) << level > limit - pos) {
		report_found(report, CHECK_TREE, "log index %" PRIu64 " is not accounted for exactly once: line %" PRIu64 " of " BUNDLE_TREE " is not of what lies there",
			pos, w->nodes.number);
		return -1;
	}
	w->subtrees++;
	if (!merkle_append_subtree(w->hasher, &w->tree, level, hash)) {
		report_found(report, CHECK_TREE, BUNDLE_TREE " line %" PRIu64 ": it does not fit", w->nodes.number);
		return -1;
	}
	return 0;
}

static void
look_outside(struct walk *w)
{
	if (w->v->outside)
		outside_compare(w->v->outside, w->v, w->hasher, &w->tree);
}

static int
go(struct walk *w)
{
	uint64_t size = w->v->checkpoint.size;

	look_outside(w);
	while (w->tree.size < size) {
		if (!w->has_record && next_record(w) != 0)
			return -1;
		if (w->has_record && w->record.is.log_index == w->tree.size) {
			merkle_append(w->hasher, &w->tree, w->record.leaf);
			w->has_record = false;
		} else if (append_subtree(w, w->has_record ? w->record.is.log_index : size) != 0) {
			return -1;
		}
		look_outside(w);
	}
	return 0;
}

/* Nothing is left over in either. */
static int
check_ends(struct walk *w)
{
	const char *p;
	size_t n;
	int records = next_line(w, &w->records, CHECK_RECORDS, &p, &n), nodes = next_line(w, &w->nodes, CHECK_TREE, &p, &n);

	if (records > 0)
		report_found(w->v->report, CHECK_RECORDS, BUNDLE_RECORDS " goes on behind the end of the log");
	if (nodes > 0)
		report_found(w->v->report, CHECK_TREE, BUNDLE_TREE " goes on behind the end of the log");
	return records || nodes ? -1 : 0;
}

static void
check_sums(struct walk *w)
{
	const struct bundle_about *a = &w->v->manifest.about;
	struct report *report = w->v->report;
	uint8_t root[MERKLE_HASH];

	if (a->exported != w->exported || a->erased != w->erased || (w->exported && (a->first != w->first || a->last != w->last)))
		report_found(report, CHECK_RECORDS, "there are %" PRIu64 " (%" PRIu64 " erased), which are not those that the manifest counts", w->exported, w->erased);
	merkle_root(w->hasher, &w->tree, root);
	if (!crypt_equal(root, w->v->checkpoint.root, MERKLE_HASH))
		report_found(report, CHECK_TREE, "records and hashes are not the tree that the checkpoint is of: something in them was altered");
	report_right(report, CHECK_RECORDS, "%" PRIu64 " records are under their leaves, %" PRIu64 " erased ones are only leaves", w->exported - w->erased, w->erased);
	report_right(report, CHECK_TREE, "of the checkpoint is that of these and of %" PRIu64 " hashes for the %" PRIu64 " outside: each place is accounted for", w->subtrees,
		w->v->checkpoint.size - w->exported);
}

static bool
open_reader(struct walk *w, struct reader *r, const char *name, enum check c)
{
	const struct bundle_member *m = bundle_zip_find(w->v->zip, name);

	if (!m) {
		report_found(w->v->report, c, "%s is not in the bundle", name);
		return false;
	}
	r->name = name;
	r->stream = bundle_stream_open(w->v->zip, m);
	return true;
}

static void
close_reader(struct reader *r)
{
	bundle_stream_close(r->stream);
	buf_fini(&r->b);
}

void
verify_walk(struct verify *v)
{
	struct walk *w = NEW(struct walk);

	w->v = v;
	w->hasher = hasher_new();
	if (open_reader(w, &w->records, BUNDLE_RECORDS, CHECK_RECORDS) && open_reader(w, &w->nodes, BUNDLE_TREE, CHECK_TREE) && !go(w) && !check_ends(w)) {
		check_sums(w);
		if (v->outside)
			outside_tell(v->outside, v);
	}
	close_reader(&w->records);
	close_reader(&w->nodes);
	bundle_record_fini(&w->record);
	buf_fini(&w->scratch);
	hasher_free(w->hasher);
	free(w);
}
