/*
 * proof: what shows that an export is what the log has (proof/BUNDLE.md): the records with salt and leaf, the subtrees between them, the
 * checkpoint, the keys; and the manifest, whose signature the server gives.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "export/channel.h"
#include "export/job_priv.h"
#include "proof/bundle.h"
#include "proof/checkpoint.h"

#define FLUSH_BYTES 65536

/* What is gathered goes into the open member. */
static int
flush(struct job *j, struct buf *b, size_t least, struct err *e)
{
	int rc = 0;

	if (buf_len(b) > least) {
		rc = bundle_write(j->out, buf_data(b), buf_len(b), e);
		buf_clear(b);
	}
	return rc;
}

/* Records */

struct lines {
	struct job *j;
	FILE *leaves;   /* those that were exported, in their order */
	struct buf text;
	struct buf form;
	uint64_t altered, first_altered; /* records that do not have their leaf any more */
	uint64_t next;  /* tree: the first leaf that nothing has been said of */
	struct merkle_frontier tree; /* of what has been said: as whoever verifies makes it again */
};

static void
canonical_of(const struct export_record *r, struct canonical *c, size_t len[CANONICAL_TEXTS])
{
	*c = (struct canonical){ .id = r->id, .log_index = r->log_index, .at_us = r->at_us, .refers_record = r->refers_record,
		.kind = (int)r->kind, .direction = r->direction, .deliverable = r->deliverable,
		.text = { r->from_bare, r->from_resource, r->to_bare, r->to_resource, r->type, r->client_id, r->refers_to, r->body, r->xml } };
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		len[i] = c->text[i] ? strlen(c->text[i]) : 0;
}

/* Whoever has altered it is shown by the proof; who exports it should know, too. */
static void
check_leaf(struct lines *l, const struct export_record *r, const struct canonical *c, const size_t len[CANONICAL_TEXTS])
{
	size_t n = CANONICAL_FIXED;
	uint8_t leaf[SHA256_SIZE];
	char *form;

	for (int i = 0; i < CANONICAL_TEXTS; i++)
		n += len[i];
	buf_clear(&l->form);
	form = buf_reserve(&l->form, n);
	canonical_leaf(log_reader_hasher(l->j->log), r->salt, form, (size_t)(canonical_write(form, c, len) - form), leaf);
	if (!memcmp(leaf, r->leaf, SHA256_SIZE))
		return;
	if (l->altered++ == 0)
		l->first_altered = r->id;
}

static int
put_records(void *arg, struct export_group *g, struct err *e)
{
	struct lines *l = arg;
	const struct export_record *r;
	int rc;

	while ((rc = export_group_next(g, &r, e)) > 0) {
		size_t len[CANONICAL_TEXTS];
		struct canonical c;

		if (r->erased) {
			bundle_erased_line(&l->text, r->log_index, r->leaf);
		} else {
			canonical_of(r, &c, len);
			check_leaf(l, r, &c, len);
			bundle_record_line(&l->text, &c, len, r->salt, r->leaf);
		}
		if (fwrite(r->leaf, sizeof(r->leaf), 1, l->leaves) != 1)
			return err_set(e, errno, "the export's leaves: %s", strerror(errno));
		if (flush(l->j, &l->text, FLUSH_BYTES, e))
			return -1;
		if (l->j->failed) {
			*e = l->j->why;
			return -1;
		}
	}
	return rc;
}

static int
write_records(struct job *j, FILE *leaves, struct err *e)
{
	struct lines l = { .j = j, .leaves = leaves };
	int rc = bundle_open(j->out, BUNDLE_RECORDS, false, e);

	if (!rc)
		rc = source_each(j->source, EXPORT_BY_LOG, put_records, &l, e);
	if (!rc)
		rc = flush(j, &l.text, 0, e);
	if (!rc)
		rc = bundle_close(j->out, e);
	buf_fini(&l.text);
	buf_fini(&l.form);
	if (!rc && l.altered)
		rc = channel_write(json_pack("{s:{s:I,s:I}}", "altered", "records", (json_int_t)l.altered, "first", (json_int_t)l.first_altered), e);
	return rc;
}

/* The tree between them */

/* A subtree of what is not exported, on its way into the bundle. */
static int
take_node(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH])
{
	struct lines *l = arg;

	if (log_reader_node(l->j->log, level, index, out))
		return -1;
	(void)merkle_append_subtree(log_reader_hasher(l->j->log), &l->tree, level, out);
	return 0;
}

static int
put_gap(struct lines *l, uint64_t to, struct err *e)
{
	if (bundle_tree_lines(&l->text, l->next, to, take_node, l)) {
		*e = *log_reader_err(l->j->log);
		return err_prefix(e, "the log's tree cannot be read");
	}
	return flush(l->j, &l->text, FLUSH_BYTES, e);
}

/* The leaf of the record behind the gap. */
static int
take_leaf(struct lines *l, struct err *e)
{
	uint8_t leaf[MERKLE_HASH];

	if (fread(leaf, sizeof(leaf), 1, l->leaves) != 1)
		return err_set(e, 0, "the export's leaves have become fewer");
	merkle_append(log_reader_hasher(l->j->log), &l->tree, leaf);
	return 0;
}

static int
put_gaps(struct lines *l, struct err *e)
{
	struct order_entry entry[SOURCE_PAGE];
	uint64_t n, at = 0;
	long got = 1;
	int fd = order_open(l->j->dir, SOURCE_SELECTION, &n, e), rc = fd < 0 ? -1 : 0;

	while (!rc && at < n && (got = order_read(fd, at, entry, SOURCE_PAGE, e)) > 0) {
		for (long i = 0; i < got && !rc; i++) {
			rc = source_give_tile(l->j->source, l->j->log, at + (uint64_t)i, entry[i].log_index, l->j->info.tree_size, e) ||
				put_gap(l, entry[i].log_index, e) || take_leaf(l, e) ? -1 : 0;
			l->next = entry[i].log_index + 1;
		}
		at += (uint64_t)got;
		if (!rc)
			rc = job_progress(l->j, e);
	}
	if (fd >= 0)
		(void)close(fd);
	source_end_tiles(l->j->source);
	if (got < 0)
		rc = -1;
	return rc ? -1 : put_gap(l, l->j->info.tree_size, e);
}

static int
read_checkpoint(const struct job *j, struct checkpoint *c, struct err *e)
{
	struct note note;

	if (note_parse(j->checkpoint, strlen(j->checkpoint), &note, e) || checkpoint_parse(note.text, note.text_n, c, e))
		return err_prefix(e, "the checkpoint");
	return c->size == j->info.tree_size ? 0 : err_set(e, 0, "the checkpoint is of another size");
}

/* Nobody is to get, signed, what does not verify. */
static int
check_root(struct lines *l, struct err *e)
{
	struct checkpoint c;
	uint8_t root[MERKLE_HASH];

	if (read_checkpoint(l->j, &c, e))
		return -1;
	merkle_root(log_reader_hasher(l->j->log), &l->tree, root);
	return memcmp(root, c.root, MERKLE_HASH) == 0 ? 0 : err_set(e, 0, "what would be exported does not give the checkpoint's root: the record is "
		"not what was recorded (chancery archive verify)");
}

static int
write_tree(struct job *j, FILE *leaves, struct err *e)
{
	struct lines l = { .j = j, .leaves = leaves };
	int rc = bundle_open(j->out, BUNDLE_TREE, false, e);

	rewind(leaves);
	if (!rc)
		rc = put_gaps(&l, e);
	if (!rc)
		rc = check_root(&l, e);
	if (!rc)
		rc = flush(j, &l.text, 0, e);
	if (!rc)
		rc = bundle_close(j->out, e);
	buf_fini(&l.text);
	return rc;
}

/* The checkpoint and its key */

/* The last key that signs trees of this size, and the hand-overs up to it. */
static int
write_keys(struct job *j, struct err *e)
{
	const char **handovers = arena_alloc(j->arena, (json_array_size(j->keys) + 1) * sizeof(*handovers)), *vkey = NULL;
	struct buf text = {0};
	const json_t *row;
	size_t i, n = 0;
	int rc;

	json_array_foreach(j->keys, i, row) {
		const char *handover = json_string_value(json_object_get(row, "handover"));

		vkey = json_string_value(json_object_get(row, "vkey"));
		if (handover)
			handovers[n++] = handover;
	}
	if (!vkey)
		return err_set(e, 0, "the log has no key");
	bundle_keys(&text, vkey, handovers, n);
	rc = bundle_add(j->out, BUNDLE_KEYS, buf_data(&text), buf_len(&text), e);
	buf_fini(&text);
	return rc;
}

int
job_put_proof(struct job *j, struct err *e)
{
	FILE *leaves = source_scratch(j->source, e);
	int rc = leaves ? 0 : -1;

	if (!rc && (write_records(j, leaves, e) || write_tree(j, leaves, e) ||
			bundle_add(j->out, BUNDLE_CHECKPOINT, j->checkpoint, strlen(j->checkpoint), e) || write_keys(j, e)))
		rc = -1;
	if (leaves)
		(void)fclose(leaves);
	return rc;
}

/* The manifest */

static int
ends_of(struct job *j, struct bundle_about *a, struct err *e)
{
	struct order_entry x;
	uint64_t n;
	int fd = order_open(j->dir, SOURCE_SELECTION, &n, e), rc = 0;

	if (fd < 0)
		return -1;
	a->exported = n;
	if (n && order_read(fd, 0, &x, 1, e) == 1)
		a->first = x.log_index;
	else if (n)
		rc = -1;
	if (n && !rc && order_read(fd, n - 1, &x, 1, e) == 1)
		a->last = x.log_index;
	else if (n)
		rc = -1;
	(void)close(fd);
	return rc;
}

/* The server signs it once it has written down that the export is finished, and with which hash. Manifest and signature are the last members. */
static int
put_signed(struct job *j, const char *manifest, size_t n, struct err *e)
{
	uint8_t sha256[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	const char *note, *why;
	json_t *answer;
	int rc;

	crypt_sha256(manifest, n, sha256);
	text_hex(sha256, SHA256_SIZE, hex);
	if (bundle_add(j->out, BUNDLE_MANIFEST, manifest, n, e) || channel_write(json_pack("{s:s}", "sign", hex), e))
		return -1;
	answer = channel_read(e);
	note = json_string_value(json_object_get(answer, "note"));
	why = json_string_value(json_object_get(answer, "error"));
	if (note)
		rc = bundle_add(j->out, BUNDLE_SIGNATURE, note, strlen(note), e);
	else
		rc = answer ? err_set(e, 0, "%s", why ? why : "the server did not sign") : -1;
	json_decref(answer);
	return rc;
}

static int
make_manifest(struct job *j, uint64_t erased, struct buf *text, struct err *e)
{
	const char *formats[JOB_FORMATS];
	struct checkpoint c;
	struct bundle_about a = { .program = "chancery-export " CHANCERY_VERSION, .job = j->info.job, .query = j->info.query,
		.query_text = j->info.query_text, .asked_by = j->info.asked_by, .approved_by = j->info.approved_by, .reason = j->info.reason,
		.asked_us = j->info.asked_us, .finished_us = clock_wall_us(), .formats = formats, .nformats = j->nformats, .erased = erased };

	if (read_checkpoint(j, &c, e) || ends_of(j, &a, e))
		return -1;
	a.origin = c.origin;
	a.size = c.size;
	a.root = c.root;
	for (size_t i = 0; i < j->nformats; i++)
		formats[i] = j->format[i]->name;
	bundle_manifest_begin(text, &a);
	for (size_t i = 0; i < bundle_entries(j->out); i++) {
		const struct bundle_entry *m = bundle_entry_at(j->out, i);

		bundle_manifest_file(text, i == 0, m->name, m->size, m->sha256);
	}
	bundle_manifest_end(text);
	return 0;
}

int
job_put_manifest(struct job *j, uint64_t erased, struct err *e)
{
	struct buf text = {0};
	int rc = make_manifest(j, erased, &text, e);

	if (!rc)
		rc = put_signed(j, buf_data(&text), buf_len(&text), e);
	buf_fini(&text);
	return rc;
}
