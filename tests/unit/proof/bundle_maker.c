/*
 * bundle_maker: writes the parts of a bundle over proof/bundle.h into a folder, for bundle_test.py, which packs, verifies and tampers with them.
 *
 *     bundle_maker DIR SIZE EXPORTED [lost|rotated]
 *
 * EXPORTED: the log indexes of the exported records, with commas between them, in order; with an 'e' behind it is an erased one; "-": none,
 * "all": all. What records say is made from their index, with what is hard to write in it. DIR/vkey is the log's first key, DIR/sink.txt has a
 * checkpoint of every size from 1 to SIZE by the log's keys. "rotated": the log has changed its key in the middle; "lost": without the old one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "proof/bundle.h"
#include "proof/checkpoint.h"

#define ORIGIN "example.org"
#define TIME 1795363200
#define LEVELS 24

static const char *dir;
static struct err e;
static struct hasher *hasher;
static uint8_t (*node[LEVELS])[MERKLE_HASH];
static uint64_t size;

static void
must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bundle_maker: %s: %s\n", what, e.text);
	exit(1);
}

static void
save(const char *name, const struct buf *b)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	must(f && (!buf_len(b) || fwrite(buf_data(b), 1, buf_len(b), f) == buf_len(b)) && !fclose(f), path);
}

/* A record made from its index. */
static void
describe(uint64_t i, struct canonical *r, size_t len[CANONICAL_TEXTS], uint8_t salt[CANONICAL_SALT], struct buf *text)
{
	static const char *const bodies[] = {
		"Wherefore art thou, \xc3\xa9toile?", "", "\"quoted\\\" \b\f\n\r\t\x01\x1f\x7f", "=cmd|' /C calc'!A0", "\xe2\x80\xae" "desrever\xe2\x80\xac",
		"<script>alert(1)</script>", "\xf0\x9f\x92\xa9\xf4\x8f\xbf\xbf\xef\xbf\xbd", "{\"erased\":true}\n{\"log_index\":0}",
	};

	memset(r, 0, sizeof(*r));
	buf_clear(text);
	buf_addf(text, "<message id='%" PRIu64 "'><body>\\u0041&amp;</body></message>", i);
	r->id = 1767225600000001 + 7 * i;
	r->log_index = i;
	r->at_us = (int64_t)r->id - 1;
	r->refers_record = i % 5 == 4 ? r->id - 7 : 0;
	r->kind = (int)(i % 24 + 1);
	r->direction = (int)(i % 3);
	r->deliverable = i % 2;
	r->text[CANONICAL_FROM_BARE] = i % 2 ? "romeo@example.org" : "juliet@example.org";
	r->text[CANONICAL_FROM_RESOURCE] = i % 3 ? "orchard" : NULL;
	r->text[CANONICAL_TO_BARE] = i % 2 ? "juliet@example.org" : "romeo@example.org";
	r->text[CANONICAL_TYPE] = "chat";
	r->text[CANONICAL_BODY] = i % 9 == 8 ? NULL : bodies[i % 8];
	r->text[CANONICAL_STANZA] = buf_str(text);
	for (int t = 0; t < CANONICAL_TEXTS; t++)
		len[t] = r->text[t] ? strlen(r->text[t]) : 0;
	for (int s = 0; s < CANONICAL_SALT; s++)
		salt[s] = (uint8_t)(i * 31 + (unsigned)s);
}

static void
leaf_of(uint64_t i, uint8_t leaf[MERKLE_HASH])
{
	uint8_t salt[CANONICAL_SALT];
	size_t len[CANONICAL_TEXTS];
	struct buf text = { 0 };
	struct canonical r;
	char form[4096];

	describe(i, &r, len, salt, &text);
	canonical_leaf(hasher, salt, form, (size_t)(canonical_write(form, &r, len) - form), leaf);
	buf_fini(&text);
}

static void
grow_tree(void)
{
	for (int l = 0; l < LEVELS; l++)
		node[l] = mem_zalloc(((size >> l) + 1) * MERKLE_HASH);
	for (uint64_t i = 0; i < size; i++)
		leaf_of(i, node[0][i]);
	for (int l = 1; l < LEVELS; l++)
		for (uint64_t i = 0; i < size >> l; i++)
			merkle_node(hasher, node[l - 1][2 * i], node[l - 1][2 * i + 1], node[l][i]);
}

static int
read_node(void *arg, int level, uint64_t index, uint8_t out[MERKLE_HASH])
{
	(void)arg;
	memcpy(out, node[level][index], MERKLE_HASH);
	return 0;
}

/* Records and the tree between them. */
static void
write_records(const char *list, struct bundle_about *a)
{
	struct buf records = { 0 }, tree = { 0 }, text = { 0 };
	uint64_t pos = 0;
	char *end;

	for (uint64_t i = 0; strcmp(list, "-") != 0 && i < size; i++) {
		uint8_t salt[CANONICAL_SALT];
		size_t len[CANONICAL_TEXTS];
		struct canonical r;
		bool erased = false;

		if (strcmp(list, "all") != 0) {
			if (!*list)
				break;
			i = strtoull(list, &end, 10);
			erased = *end == 'e';
			list = end + erased + (end[erased] == ',');
		}
		must(!bundle_tree_lines(&tree, pos, i, read_node, NULL), "nodes");
		describe(i, &r, len, salt, &text);
		if (erased)
			bundle_erased_line(&records, i, node[0][i]);
		else
			bundle_record_line(&records, &r, len, salt, node[0][i]);
		if (!a->exported++)
			a->first = i;
		a->last = i;
		a->erased += erased;
		pos = i + 1;
	}
	must(!bundle_tree_lines(&tree, pos, size, read_node, NULL), "nodes");
	save("proof/records.jsonl", &records);
	save("proof/tree.jsonl", &tree);
	buf_fini(&records);
	buf_fini(&tree);
	buf_fini(&text);
}

static void
write_checkpoint(uint64_t n, const struct note_signer *s, struct buf *out, uint8_t root[MERKLE_HASH])
{
	struct checkpoint c = { .origin = ORIGIN, .size = n, .time = TIME };

	must(!merkle_root_of(hasher, n, read_node, NULL, c.root), "root");
	must(!checkpoint_sign(&c, s, out, &e), "checkpoint");
	if (root)
		memcpy(root, c.root, MERKLE_HASH);
}

/* The key that the log has at the end; what it was before is in the folder. */
static struct note_signer *
write_keys(const char *how)
{
	struct note_signer *first = note_signer_new(ORIGIN, &e), *last = first;
	char vkey[NOTE_VKEY_MAX];
	struct buf out = { 0 }, handover = { 0 }, sink = { 0 };
	const char *notes[1];
	size_t n = 0;

	must(first != NULL, "key");
	for (uint64_t i = 1; i <= size / 2; i++)
		write_checkpoint(i, first, &sink, NULL);
	note_key_text(note_signer_key(first), vkey);
	buf_adds(&out, vkey);
	save("vkey", &out);
	if (how) {
		struct handover h = { .from = *note_signer_key(first), .size = size / 2, .time = TIME - 100 };

		last = note_signer_new(ORIGIN, &e);
		must(last && !handover_sign(&h, strcmp(how, "lost") ? first : NULL, last, &handover, &e), "hand-over");
		buf_add(&sink, buf_data(&handover), buf_len(&handover));
		notes[n++] = buf_str(&handover);
		note_signer_free(first);
	}
	for (uint64_t i = size / 2 + 1; i <= size; i++)
		write_checkpoint(i, last, &sink, NULL);
	note_key_text(note_signer_key(last), vkey);
	buf_clear(&out);
	bundle_keys(&out, vkey, notes, n);
	save("proof/keys.json", &out);
	save("sink.txt", &sink);
	buf_clear(&out);
	note_signer_text(last, &out);
	save("skey", &out);
	buf_fini(&out);
	buf_fini(&handover);
	buf_fini(&sink);
	return last;
}

static void
list_file(struct buf *out, bool first, const char *name)
{
	char path[4096], *p;
	uint8_t sum[SHA256_SIZE];
	FILE *f;
	long n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	must(f && !fseek(f, 0, SEEK_END), path);
	n = ftell(f);
	rewind(f);
	p = mem_alloc((size_t)n + 1);
	must(fread(p, 1, (size_t)n, f) == (size_t)n, path);
	fclose(f);
	crypt_sha256(p, (size_t)n, sum);
	bundle_manifest_file(out, first, name, (uint64_t)n, sum);
	free(p);
}

int
main(int argc, char **argv)
{
	static const char *const files[] = { "messages.csv", "html/index.html", "proof/checkpoint.txt", "proof/keys.json", "proof/records.jsonl", "proof/tree.jsonl" };
	static const char *const formats[] = { "csv", "html" };
	struct bundle_about a = {
		.origin = ORIGIN, .program = "bundle_maker", .job = 7, .query = "{\"person\":[\"romeo@example.org\"],\"words\":null}",
		.query_text = "all with romeo@example.org", .asked_by = "olivia", .approved_by = "oscar", .asked_us = INT64_C(1795363000000000),
		.finished_us = INT64_C(1795363300000000), .formats = formats, .nformats = 2,
	};
	struct buf out = { 0 }, text = { 0 };
	uint8_t root[MERKLE_HASH], sum[SHA256_SIZE];
	struct note_signer *s;

	if (argc < 4) {
		fprintf(stderr, "bundle_maker DIR SIZE EXPORTED [lost|rotated]\n");
		return 2;
	}
	dir = argv[1];
	size = a.size = strtoull(argv[2], NULL, 10);
	hasher = hasher_new();
	grow_tree();
	s = write_keys(argc > 4 ? argv[4] : NULL);
	write_checkpoint(size, s, &out, root);
	save("proof/checkpoint.txt", &out);
	write_records(argv[3], &a);
	a.root = root;
	buf_clear(&out);
	bundle_manifest_begin(&out, &a);
	for (unsigned i = 0; i < sizeof(files) / sizeof(*files); i++)
		list_file(&out, !i, files[i]);
	bundle_manifest_end(&out);
	save("manifest.json", &out);
	crypt_sha256(buf_data(&out), buf_len(&out), sum);
	bundle_statement(&text, ORIGIN, sum, TIME);
	buf_clear(&out);
	must(!note_sign(s, buf_data(&text), buf_len(&text), &out, &e), "statement");
	save("manifest.sig", &out);
	note_signer_free(s);
	buf_fini(&out);
	buf_fini(&text);
	for (int l = 0; l < LEVELS; l++)
		free(node[l]);
	hasher_free(hasher);
	return 0;
}
