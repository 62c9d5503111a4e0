/*
 * fuzz_proof: the parts of a bundle, which whoever made it chose: signed notes, checkpoints, hand-overs, statements, records, nodes, manifests,
 * keys, and the ZIP itself. The first byte says which. What is accepted and written again is read as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proof/bundle.h"
#include "proof/bundle_zip.h"
#include "proof/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what) \
	do { \
		if (!(what)) \
			abort(); \
	} while (0)

static struct err e;

static void
fuzz_note(const char *p, size_t n)
{
	struct note_key k = { .name = "example.org" };
	struct checkpoint c, again;
	struct handover h;
	struct note note;
	struct buf out = { 0 };

	CHECK(note_length(p, n) <= n);
	if (note_parse(p, n, &note, &e) == 0) {
		CHECK(note.n && note.text_n && note.text[note.text_n - 1] == '\n');
		(void)note_verify(&note, &k);
	}
	CHECK(checkpoint_open(p, n, &k, &c, &e) <= 0);
	CHECK(handover_open(p, n, &h, &e) <= 0);
	if (checkpoint_parse(p, n, &c, &e) == 0) {
		checkpoint_text(&c, &out);
		CHECK(checkpoint_parse(buf_data(&out), buf_len(&out), &again, &e) == 0);
		CHECK(!strcmp(c.origin, again.origin) && c.size == again.size && c.time == again.time && !memcmp(c.root, again.root, MERKLE_HASH));
	}
	buf_fini(&out);
}

static void
fuzz_key(const char *p, size_t n)
{
	char text[NOTE_VKEY_MAX], *s = malloc(n + 1);
	struct note_key k, again;

	memcpy(s, p, n);
	s[n] = '\0';
	if (note_key_parse(s, &k, &e) == 0) {
		note_key_text(&k, text);
		CHECK(note_key_parse(text, &again, &e) == 0 && note_key_equal(&k, &again));
	}
	note_signer_free(note_signer_parse(p, n, &e));
	free(s);
}

static void
fuzz_record(const char *p, size_t n)
{
	struct hasher *h = hasher_new();
	struct bundle_record r, again;
	struct buf out = { 0 }, scratch = { 0 };

	if (bundle_record_parse(p, n, &r, &e) == 0) {
		if (r.erased)
			bundle_erased_line(&out, r.is.log_index, r.leaf);
		else
			bundle_record_line(&out, &r.is, r.len, r.salt, r.leaf);
		CHECK(bundle_record_parse(buf_data(&out), buf_len(&out) - 1, &again, &e) == 0);
		CHECK(bundle_record_matches(h, &r, &scratch) == bundle_record_matches(h, &again, &scratch));
		CHECK(r.is.log_index == again.is.log_index && r.erased == again.erased && r.is.id == again.is.id);
		for (int i = 0; i < CANONICAL_TEXTS; i++)
			CHECK(r.len[i] == again.len[i] && !r.is.text[i] == !again.is.text[i] && (!r.len[i] || !memcmp(r.is.text[i], again.is.text[i], r.len[i])));
		bundle_record_fini(&again);
	}
	bundle_record_fini(&r);
	buf_fini(&out);
	buf_fini(&scratch);
	hasher_free(h);
}

static void
fuzz_rest(const char *p, size_t n)
{
	uint8_t hash[MERKLE_HASH] = { 0 };
	struct bundle_key_chain k;
	struct bundle_manifest m;
	uint64_t index;
	int64_t time;
	int level;

	if (bundle_manifest_parse(p, n, &m, &e) == 0)
		for (size_t i = 0; i < m.nfiles; i++)
			CHECK(bundle_name_is_safe(m.file[i].name, strlen(m.file[i].name)));
	bundle_manifest_fini(&m);
	CHECK(bundle_keys_parse(p, n, &k, &e) <= 0);
	bundle_keys_fini(&k);
	if (bundle_node_parse(p, n, &level, &index, hash, &e) == 0)
		CHECK(level >= 0 && level < MERKLE_LEVELS);
	CHECK(bundle_statement_parse(p, n, "example.org", hash, &time, &e) <= 0);
}

static void
fuzz_zip(const char *p, size_t n)
{
	int fd = memfd_create("bundle", MFD_CLOEXEC);
	struct bundle_zip *z;
	char piece[4096];

	CHECK(fd >= 0 && write(fd, p, n) == (ssize_t)n);
	z = bundle_zip_open(fd, &e);
	for (size_t i = 0; z && i < bundle_zip_members(z); i++) {
		const struct bundle_member *m = bundle_zip_member(z, i);
		struct bundle_stream *s = bundle_stream_open(z, m);
		uint64_t given = 0;
		ssize_t got;

		CHECK(bundle_name_is_safe(m->name, strlen(m->name)) && bundle_zip_find(z, m->name) == m);
		while ((got = bundle_stream_read(s, piece, sizeof(piece), &e)) > 0)
			given += (uint64_t)got;
		CHECK(given <= m->size && (got < 0 || given == m->size));
		bundle_stream_close(s);
	}
	bundle_zip_close(z);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const targets[])(const char *, size_t) = { fuzz_note, fuzz_key, fuzz_record, fuzz_rest, fuzz_zip };
	const char *p = (const char *)data + 1;

	if (size)
		targets[data[0] % 5](p, size - 1);
	return 0;
}
