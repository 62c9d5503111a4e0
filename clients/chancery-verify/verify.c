/*
 * verify: signature, files and checkpoint of a bundle (see verify.h).
 */
#include "verify.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/map.h"
#include "base/mem.h"

#define PIECE 65536
/* A bundle that nobody who is trusted has signed may unpack to so much, and not keep a machine busy for days. */
#define BOMB_RATIO 250
#define BOMB_FREE (UINT64_C(64) << 20)

struct listed {
	const struct bundle_file *file;
	bool seen;
	UT_hash_handle hh;
};

int
verify_read(struct verify *v, const char *name, size_t most, enum check c, struct buf *out)
{
	const struct bundle_member *m = bundle_zip_find(v->zip, name);
	struct bundle_stream *s;
	struct err e;
	ssize_t n;

	if (!m || m->size > most) {
		report_found(v->report, c, m ? "%s is larger than it may be" : "%s is not in the bundle", name);
		return -1;
	}
	s = bundle_stream_open(v->zip, m);
	while ((n = bundle_stream_read(s, buf_reserve(out, PIECE), PIECE, &e)) > 0)
		buf_added(out, (size_t)n);
	bundle_stream_close(s);
	if (n < 0)
		report_found(v->report, c, "%s", e.text);
	return n < 0 ? -1 : 0;
}

static const char *
when(int64_t seconds, char out[32])
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S UTC", &tm))
		snprintf(out, 32, "an unknown time");
	return out;
}

/* ---- the manifest and its signature ---- */

static void
check_signature(struct verify *v, const struct note_key *k, const char *text, size_t n)
{
	struct report *r = v->report;
	struct note note;
	struct err e;
	int64_t time;
	char at[32];

	if (note_parse(text, n, &note, &e) != 0) {
		report_found(r, CHECK_MANIFEST, BUNDLE_SIGNATURE ": %s", e.text);
		return;
	}
	if (bundle_statement_parse(note.text, note.text_n, k->name, v->manifest_sha256, &time, &e) != 0) {
		report_found(r, CHECK_MANIFEST, BUNDLE_SIGNATURE ": %s", e.text);
		return;
	}
	switch (note_verify(&note, k)) {
	case NOTE_SIGNED:
		report_right(r, CHECK_MANIFEST, "is signed by the key, at %s", when(time, at));
		return;
	case NOTE_FORGED:
		report_found(r, CHECK_MANIFEST, BUNDLE_SIGNATURE ": the signature is forged, or what is signed was altered");
		return;
	case NOTE_UNSIGNED:
		report_found(r, CHECK_MANIFEST, BUNDLE_SIGNATURE ": it is not signed by the key");
		return;
	}
}

static int
check_manifest(struct verify *v)
{
	struct buf signature = { 0 };
	struct err e;
	int rc;

	rc = verify_read(v, BUNDLE_MANIFEST, BUNDLE_MANIFEST_MAX, CHECK_MANIFEST, &v->manifest_text);
	if (!rc)
		crypt_sha256(buf_data(&v->manifest_text), buf_len(&v->manifest_text), v->manifest_sha256);
	if (!rc && v->nkeys && !verify_read(v, BUNDLE_SIGNATURE, NOTE_BYTES_MAX, CHECK_MANIFEST, &signature))
		check_signature(v, &v->keys[v->nkeys - 1], buf_data(&signature), buf_len(&signature));
	buf_fini(&signature);
	if (rc)
		return -1;
	if (bundle_manifest_parse(buf_data(&v->manifest_text), buf_len(&v->manifest_text), &v->manifest, &e) != 0) {
		report_found(v->report, CHECK_MANIFEST, BUNDLE_MANIFEST ": %s", e.text);
		return -1;
	}
	if (v->nkeys && strcmp(v->manifest.about.origin, v->keys[0].name) != 0)
		report_found(v->report, CHECK_MANIFEST, BUNDLE_MANIFEST ": it is of another log (%.100s) than the key", v->manifest.about.origin);
	return 0;
}

static void
tell_about(struct verify *v)
{
	struct report *r = v->report;

	r->about = json_dumps(json_object_get(v->manifest.json, "export"), JSON_COMPACT);
	r->exported = v->manifest.about.exported;
	r->erased = v->manifest.about.erased;
	r->size = v->manifest.about.size;
}

/* ---- files ---- */

static bool
is_bomb(const struct verify *v)
{
	uint64_t bytes = bundle_zip_bytes(v->zip), content = bundle_zip_content(v->zip);

	if (v->report->trusted && report_is_clean(v->report, CHECK_MANIFEST))
		return false;
	return content > BOMB_FREE && (content - BOMB_FREE) / BOMB_RATIO > bytes;
}

static void
check_content(struct verify *v, const struct bundle_member *m, const struct bundle_file *f)
{
	struct bundle_stream *s;
	uint8_t sha256[SHA256_SIZE];
	char piece[PIECE];
	struct err e;
	ssize_t n;

	if (m->size != f->size) {
		report_found(v->report, CHECK_FILES, "%s has %" PRIu64 " bytes, the manifest says %" PRIu64, f->name, m->size, f->size);
		return;
	}
	s = bundle_stream_open(v->zip, m);
	while ((n = bundle_stream_read(s, piece, sizeof(piece), &e)) > 0)
		continue;
	if (n < 0)
		report_found(v->report, CHECK_FILES, "%s", e.text);
	else
		bundle_stream_sha256(s, sha256);
	bundle_stream_close(s);
	if (!n && !crypt_equal(sha256, f->sha256, SHA256_SIZE))
		report_found(v->report, CHECK_FILES, "%s was altered: it has not the hash that the manifest says", f->name);
}

static bool
is_signing(const char *name)
{
	return !strcmp(name, BUNDLE_MANIFEST) || !strcmp(name, BUNDLE_SIGNATURE);
}

/* Every member is listed, everything listed is a member. */
static void
check_files(struct verify *v)
{
	const struct bundle_manifest *m = &v->manifest;
	struct listed *all = mem_zalloc((m->nfiles + 1) * sizeof(*all)), *by_name = NULL, *x;
	size_t n = bundle_zip_members(v->zip);

	for (size_t i = 0; i < m->nfiles; i++) {
		HASH_FIND(hh, by_name, m->file[i].name, strlen(m->file[i].name), x);
		if (x) {
			report_found(v->report, CHECK_FILES, "the manifest lists %s twice", m->file[i].name);
			continue;
		}
		all[i].file = &m->file[i];
		HASH_ADD_KEYPTR(hh, by_name, m->file[i].name, strlen(m->file[i].name), &all[i]);
	}
	for (size_t i = 0; i < n; i++) {
		const struct bundle_member *member = bundle_zip_member(v->zip, i);

		if (is_signing(member->name)) {
			if (i + 2 < n)
				report_found(v->report, CHECK_FILES, "%s is not at the end of the bundle", member->name);
			continue;
		}
		HASH_FIND(hh, by_name, member->name, strlen(member->name), x);
		if (!x) {
			report_found(v->report, CHECK_FILES, "%s is not in the manifest", member->name);
			continue;
		}
		x->seen = true;
		check_content(v, member, x->file);
	}
	for (size_t i = 0; i < m->nfiles; i++)
		if (all[i].file && !all[i].seen)
			report_found(v->report, CHECK_FILES, "%s is in the manifest and not in the bundle", all[i].file->name);
	report_right(v->report, CHECK_FILES, "are those of the manifest: %zu, each with its size and hash", m->nfiles);
	HASH_CLEAR(hh, by_name);
	free(all);
}

/* ---- the checkpoint ---- */

static int
check_checkpoint(struct verify *v)
{
	const struct bundle_about *a = &v->manifest.about;
	struct buf text = { 0 };
	char at[32];
	struct err e;
	int rc = verify_read(v, BUNDLE_CHECKPOINT, NOTE_BYTES_MAX, CHECK_CHECKPOINT, &text);

	if (!rc && checkpoint_open(buf_data(&text), buf_len(&text), &v->keys[v->nkeys - 1], &v->checkpoint, &e) != 0) {
		report_found(v->report, CHECK_CHECKPOINT, BUNDLE_CHECKPOINT ": %s", e.text);
		rc = -1;
	}
	buf_fini(&text);
	if (rc)
		return -1;
	if (strcmp(v->checkpoint.origin, a->origin) != 0 || v->checkpoint.size != a->size || !crypt_equal(v->checkpoint.root, a->root, MERKLE_HASH)) {
		report_found(v->report, CHECK_CHECKPOINT, "it is another one than the manifest says");
		return -1;
	}
	if (v->checkpoint.size < v->since) {
		report_found(v->report, CHECK_CHECKPOINT, "it is signed by a key that had not the log yet when that had %" PRIu64 " records", v->checkpoint.size);
		return -1;
	}
	report_right(v->report, CHECK_CHECKPOINT, "of %" PRIu64 " records of %s is signed by the key, as of %s", v->checkpoint.size, v->checkpoint.origin,
		v->checkpoint.time ? when(v->checkpoint.time, at) : "no time");
	return 0;
}

void
verify_run(struct verify *v)
{
	report_right(v->report, CHECK_ZIP, "has %zu files in %" PRIu64 " bytes, and nothing between them", bundle_zip_members(v->zip), bundle_zip_bytes(v->zip));
	(void)verify_keys(v);
	if (check_manifest(v) != 0)
		return;
	tell_about(v);
	if (is_bomb(v)) {
		report_found(v->report, CHECK_FILES, "it would unpack to %" PRIu64 " bytes, more than %d times its size, and is signed by nobody whom you trust",
			bundle_zip_content(v->zip), BOMB_RATIO);
		return;
	}
	check_files(v);
	if (!v->nkeys || check_checkpoint(v) != 0)
		return;
	verify_walk(v);
}

void
verify_fini(struct verify *v)
{
	bundle_manifest_fini(&v->manifest);
	bundle_keys_fini(&v->chain);
	buf_fini(&v->manifest_text);
	free(v->keys);
	outside_close(v->outside);
	bundle_zip_close(v->zip);
	memset(v, 0, sizeof(*v));
}
