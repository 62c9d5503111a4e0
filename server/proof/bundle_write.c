/*
 * bundle_write: the parts of a bundle, as text (see bundle.h and BUNDLE.md).
 *
 * JSON by hand: keys in a fixed order, and nothing is built in memory first, as there are millions of lines.
 */
#include "proof/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"

static const char *const text_names[CANONICAL_TEXTS] = {
	"from_bare", "from_resource", "to_bare", "to_resource", "type", "client_id", "refers_to", "body", "stanza",
};

/* RFC 8259 §7: what must be escaped, and DEL, which some terminals act on. */
void
bundle_string(struct buf *out, const char *s, size_t n)
{
	size_t plain = 0;

	buf_addc(out, '"');
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_add(out, s + plain, i - plain);
		plain = i + 1;
		if (c == '"' || c == '\\') {
			buf_addc(out, '\\');
			buf_addc(out, (char)c);
		} else if (c == '\n') {
			buf_adds(out, "\\n");
		} else {
			buf_addf(out, "\\u%04x", c);
		}
	}
	buf_add(out, s + plain, n - plain);
	buf_addc(out, '"');
}

/* "key":value; a NULL is null. */
static void
add_text(struct buf *out, const char *key, const char *s, size_t n)
{
	buf_addf(out, "\"%s\":", key);
	if (s)
		bundle_string(out, s, n);
	else
		buf_adds(out, "null");
}

static void
add_word(struct buf *out, const char *key, const char *s)
{
	add_text(out, key, s, s ? strlen(s) : 0);
}

static void
add_hex(struct buf *out, const char *key, const uint8_t *p, size_t n)
{
	buf_addf(out, "\"%s\":\"", key);
	text_hex(p, n, buf_reserve(out, 2 * n + 1));
	buf_added(out, 2 * n);
	buf_addc(out, '"');
}

void
bundle_record_line(struct buf *out, const struct canonical *r, const size_t len[CANONICAL_TEXTS], const uint8_t salt[CANONICAL_SALT],
	const uint8_t leaf[MERKLE_HASH])
{
	buf_addf(out, "{\"log_index\":%" PRIu64 ",", r->log_index);
	add_hex(out, "leaf", leaf, MERKLE_HASH);
	buf_addc(out, ',');
	add_hex(out, "salt", salt, CANONICAL_SALT);
	buf_addf(out, ",\"id\":%" PRIu64 ",\"at_us\":%" PRId64 ",\"refers_record\":", r->id, r->at_us);
	if (r->refers_record)
		buf_addu(out, r->refers_record);
	else
		buf_adds(out, "null");
	buf_addf(out, ",\"kind\":%d,\"direction\":%d,\"deliverable\":%s", r->kind, r->direction, r->deliverable ? "true" : "false");
	for (int i = 0; i < CANONICAL_TEXTS; i++) {
		buf_addc(out, ',');
		add_text(out, text_names[i], r->text[i], len[i]);
	}
	buf_adds(out, "}\n");
}

void
bundle_erased_line(struct buf *out, uint64_t log_index, const uint8_t leaf[MERKLE_HASH])
{
	buf_addf(out, "{\"log_index\":%" PRIu64 ",", log_index);
	add_hex(out, "leaf", leaf, MERKLE_HASH);
	buf_adds(out, ",\"erased\":true}\n");
}

int
bundle_tree_lines(struct buf *out, uint64_t from, uint64_t to, merkle_node_fn node, void *arg)
{
	struct merkle_gap g = { from, to };
	uint8_t hash[MERKLE_HASH];
	uint64_t index;
	int level;

	while (merkle_gap_next(&g, &level, &index)) {
		if (node(arg, level, index, hash) != 0)
			return -1;
		buf_adds(out, "{\"level\":");
		buf_addu(out, (uint64_t)level);
		buf_adds(out, ",\"index\":");
		buf_addu(out, index);
		buf_addc(out, ',');
		add_hex(out, "hash", hash, MERKLE_HASH);
		buf_adds(out, "}\n");
	}
	return 0;
}

void
bundle_keys(struct buf *out, const char *vkey, const char *const *handovers, size_t n)
{
	buf_adds(out, "{\n\t");
	add_word(out, "key", vkey);
	buf_adds(out, ",\n\t\"handovers\":[");
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? ",\n\t\t" : "\n\t\t");
		bundle_string(out, handovers[i], strlen(handovers[i]));
	}
	buf_adds(out, "]\n}\n");
}

/* RFC 3339, in UTC, to the second. */
static void
add_time(struct buf *out, const char *key, int64_t us)
{
	time_t t = (time_t)(us / 1000000);
	char text[64] = "";
	struct tm tm;

	if (gmtime_r(&t, &tm))
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	add_word(out, key, text);
}

static void
add_export(struct buf *out, const struct bundle_about *a)
{
	buf_addf(out, "\t\"export\":{\n\t\t\"job\":%" PRIu64 ",\n\t\t", a->job);
	add_word(out, "program", a->program);
	buf_addf(out, ",\n\t\t\"query\":%s,\n\t\t", a->query);
	add_word(out, "query_text", a->query_text);
	buf_adds(out, ",\n\t\t");
	add_word(out, "asked_by", a->asked_by);
	buf_adds(out, ",\n\t\t");
	add_time(out, "asked_at", a->asked_us);
	buf_adds(out, ",\n\t\t");
	add_word(out, "approved_by", a->approved_by);
	buf_adds(out, ",\n\t\t");
	add_word(out, "reason", a->reason);
	buf_adds(out, ",\n\t\t");
	add_time(out, "finished_at", a->finished_us);
	buf_adds(out, ",\n\t\t\"formats\":[");
	for (size_t i = 0; i < a->nformats; i++) {
		if (i)
			buf_addc(out, ',');
		bundle_string(out, a->formats[i], strlen(a->formats[i]));
	}
	buf_adds(out, "]\n\t},\n");
}

void
bundle_manifest_begin(struct buf *out, const struct bundle_about *a)
{
	char root[text_base64_size(MERKLE_HASH)];

	text_base64_encode(a->root, MERKLE_HASH, root);
	buf_adds(out, "{\n\t");
	add_word(out, "format", BUNDLE_FORMAT);
	buf_adds(out, ",\n\t\"log\":{");
	add_word(out, "origin", a->origin);
	buf_addf(out, ",\"size\":%" PRIu64 ",\"root\":\"%s\"},\n", a->size, root);
	add_export(out, a);
	buf_addf(out, "\t\"records\":{\"exported\":%" PRIu64 ",\"erased\":%" PRIu64 ",\"outside\":%" PRIu64, a->exported, a->erased,
		a->size - a->exported);
	if (a->exported)
		buf_addf(out, ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 "},\n", a->first, a->last);
	else
		buf_adds(out, ",\"first\":null,\"last\":null},\n");
	buf_adds(out, "\t\"files\":[");
}

void
bundle_manifest_file(struct buf *out, bool first, const char *name, uint64_t size, const uint8_t sha256[SHA256_SIZE])
{
	buf_adds(out, first ? "\n\t\t{" : ",\n\t\t{");
	add_word(out, "name", name);
	buf_addf(out, ",\"size\":%" PRIu64 ",", size);
	add_hex(out, "sha256", sha256, SHA256_SIZE);
	buf_addc(out, '}');
}

void
bundle_manifest_end(struct buf *out)
{
	buf_adds(out, "\n\t]\n}\n");
}

void
bundle_statement(struct buf *out, const char *origin, const uint8_t sha256[SHA256_SIZE], int64_t time)
{
	char hex[2 * SHA256_SIZE + 1];

	text_hex(sha256, SHA256_SIZE, hex);
	buf_addf(out, "chancery-bundle-manifest/v1\n%s\nsha256 %s\ntime %" PRId64 "\n", origin, hex, time);
}
