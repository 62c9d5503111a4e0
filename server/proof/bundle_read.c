/*
 * bundle_read: the parts of a bundle, read strictly (see bundle.h and BUNDLE.md).
 *
 * jansson makes a tree of whatever it is given: how large that can become is counted first, in the brackets, commas and colons.
 */
#include "proof/bundle.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/text.h"
#include "proof/line.h"

#define STATEMENT "chancery-bundle-manifest/v1"
#define LINE_VALUES 64                            /* marks in a line that belong to the form; a record has 33 */
#define FILE_VALUES 12                            /* the same of a file in the manifest */
#define ABOUT_VALUES 10000                        /* and all else in it: the query may be long */
#define QUERY_DEPTH 32                            /* brackets within brackets */

static const char *const text_names[CANONICAL_TEXTS] = {
	"from_bare", "from_resource", "to_bare", "to_resource", "type", "client_id", "refers_to", "body", "stanza",
};

bool
bundle_name_is_safe(const char *name, size_t n)
{
	size_t part = 0;

	if (!n || n > BUNDLE_NAME_MAX || !text_is_utf8(name, n))
		return false;
	for (size_t i = 0; i <= n; i++) {
		unsigned char c = i < n ? (unsigned char)name[i] : '/';

		if (c == '/') {
			/* Dots and spaces at the end are lost on some systems: "..." and ". ." are others' "..". */
			if (i == part || name[i - 1] == '.' || name[i - 1] == ' ')
				return false;
			part = i + 1;
		} else if (c < 0x20 || c == 0x7f || strchr("\\:*?\"<>|", c)) {
			return false;
		} else if (c == 0xc2 && (unsigned char)name[i + 1] < 0xa0) {
			return false; /* C1 control characters */
		} else if (c == 0xd8 && (unsigned char)name[i + 1] == 0x9c) {
			return false; /* U+061C, and below: U+200B to 200F, 2028 to 202E, 2060 to 206F, FEFF: unseen, or they turn what follows round */
		} else if (c == 0xe2) {
			unsigned b = (unsigned char)name[i + 1], d = (unsigned char)name[i + 2];

			if ((b == 0x80 && ((d >= 0x8b && d <= 0x8f) || (d >= 0xa8 && d <= 0xae))) || (b == 0x81 && d >= 0xa0 && d <= 0xaf))
				return false;
		} else if (c == 0xef && !memcmp(name + i, "\xef\xbb\xbf", 3)) {
			return false;
		}
	}
	return true;
}

/* ---- JSON ---- */

/* At most so many marks of form outside strings, and not too deep. */
static bool
is_bounded(const char *p, size_t n, size_t most)
{
	size_t marks = 0, depth = 0;
	bool string = false;

	for (size_t i = 0; i < n; i++) {
		if (string) {
			if (p[i] == '\\')
				i++;
			else if (p[i] == '"')
				string = false;
			continue;
		}
		switch (p[i]) {
		case '"':
			string = true;
			break;
		case '{':
		case '[':
			if (++depth > QUERY_DEPTH)
				return false;
			marks++;
			break;
		case '}':
		case ']':
			depth -= depth > 0;
			break;
		case ',':
		case ':':
			marks++;
			break;
		default:
			break;
		}
		if (marks > most)
			return false;
	}
	return true;
}

static json_t *
load(const char *p, size_t n, size_t most, struct err *e)
{
	json_error_t why;
	json_t *j;

	if (!is_bounded(p, n, most)) {
		err_set(e, 0, "it has more values than it may have");
		return NULL;
	}
	j = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);
	if (!j) {
		text_mend(why.text);
		err_set(e, 0, "it is no JSON: %s", why.text);
	} else if (!json_is_object(j)) {
		err_set(e, 0, "it is no JSON object");
		json_decref(j);
		j = NULL;
	}
	return j;
}

static bool
get_u64(const json_t *j, const char *key, uint64_t *out)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*out = (uint64_t)json_integer_value(v);
	return true;
}

static bool
get_int(const json_t *j, const char *key, int64_t min, int64_t max, int64_t *out)
{
	const json_t *v = json_object_get(j, key);

	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return false;
	*out = json_integer_value(v);
	return true;
}

/* Lower-case only: one value, one form. */
static bool
get_hex(const json_t *j, const char *key, uint8_t *out, size_t size)
{
	const json_t *v = json_object_get(j, key);
	const char *s = json_string_value(v);

	return s && json_string_length(v) == 2 * size && strspn(s, "0123456789abcdef") == 2 * size && text_unhex(s, 2 * size, out) == (ssize_t)size;
}

/* A string, or null where that is allowed. */
static bool
get_text(const json_t *j, const char *key, bool null_too, const char **out)
{
	const json_t *v = json_object_get(j, key);

	*out = json_string_value(v);
	return *out || (null_too && json_is_null(v));
}

/* ---- records and nodes ---- */

static bool
read_content(const json_t *j, struct bundle_record *r)
{
	const json_t *deliverable = json_object_get(j, "deliverable"), *refers = json_object_get(j, "refers_record");
	int64_t kind, direction;

	if (json_object_size(j) != 8 + CANONICAL_TEXTS + 1 || !get_hex(j, "salt", r->salt, CANONICAL_SALT) || !get_u64(j, "id", &r->is.id))
		return false;
	if (!get_int(j, "at_us", INT64_MIN, INT64_MAX, &r->is.at_us) || !get_int(j, "kind", INT16_MIN, INT16_MAX, &kind) ||
	    !get_int(j, "direction", INT16_MIN, INT16_MAX, &direction) || !json_is_boolean(deliverable))
		return false;
	/* 0 is NULL inside, so it can be no value. */
	if (!json_is_null(refers) && (!get_u64(j, "refers_record", &r->is.refers_record) || !r->is.refers_record))
		return false;
	r->is.kind = (int)kind;
	r->is.direction = (int)direction;
	r->is.deliverable = json_is_true(deliverable);
	for (int i = 0; i < CANONICAL_TEXTS; i++) {
		if (!get_text(j, text_names[i], true, &r->is.text[i]))
			return false;
		r->len[i] = r->is.text[i] ? json_string_length(json_object_get(j, text_names[i])) : 0;
	}
	return true;
}

int
bundle_record_parse(const char *p, size_t n, struct bundle_record *r, struct err *e)
{
	memset(r, 0, sizeof(*r));
	r->json = load(p, n, LINE_VALUES, e);
	if (!r->json)
		return -1;
	if (!get_u64(r->json, "log_index", &r->is.log_index) || !get_hex(r->json, "leaf", r->leaf, MERKLE_HASH))
		return err_set(e, 0, "it has no log_index or no leaf");
	if (json_object_get(r->json, "erased")) {
		r->erased = true;
		if (json_object_size(r->json) != 3 || !json_is_true(json_object_get(r->json, "erased")))
			return err_set(e, 0, "it is erased, and says more than that");
	} else if (!read_content(r->json, r)) {
		return err_set(e, 0, "it has not the fields of a record, each in its form");
	}
	return 0;
}

void
bundle_record_fini(struct bundle_record *r)
{
	json_decref(r->json);
	r->json = NULL;
}

bool
bundle_record_matches(struct hasher *h, const struct bundle_record *r, struct buf *scratch)
{
	size_t total = CANONICAL_FIXED;
	uint8_t leaf[MERKLE_HASH];
	char *p;

	if (r->erased)
		return false;
	for (int i = 0; i < CANONICAL_TEXTS; i++)
		total += r->len[i];
	buf_clear(scratch);
	p = buf_reserve(scratch, total);
	canonical_leaf(h, r->salt, p, (size_t)(canonical_write(p, &r->is, r->len) - p), leaf);
	return crypt_equal(leaf, r->leaf, MERKLE_HASH);
}

int
bundle_node_parse(const char *p, size_t n, int *level, uint64_t *index, uint8_t hash[MERKLE_HASH], struct err *e)
{
	json_t *j = load(p, n, LINE_VALUES, e);
	int64_t l = 0;
	bool right;

	if (!j)
		return -1;
	right = json_object_size(j) == 3 && get_int(j, "level", 0, MERKLE_LEVELS - 1, &l) && get_u64(j, "index", index) &&
		get_hex(j, "hash", hash, MERKLE_HASH);
	json_decref(j);
	*level = (int)l;
	return right ? 0 : err_set(e, 0, "it is no node: level, index, hash");
}

/* ---- keys ---- */

int
bundle_keys_parse(const char *p, size_t n, struct bundle_key_chain *k, struct err *e)
{
	const json_t *list;

	memset(k, 0, sizeof(*k));
	if (n > BUNDLE_KEYS_MAX)
		return err_set(e, 0, "it is too large");
	k->json = load(p, n, BUNDLE_HANDOVERS_MAX + 10, e);
	if (!k->json)
		return -1;
	list = json_object_get(k->json, "handovers");
	if (json_object_size(k->json) != 2 || !get_text(k->json, "key", false, &k->vkey) || !json_is_array(list) ||
	    json_array_size(list) > BUNDLE_HANDOVERS_MAX)
		return err_set(e, 0, "it has not key and handovers, and nothing else");
	for (k->n = 0; k->n < json_array_size(list); k->n++) {
		k->handover[k->n] = json_string_value(json_array_get(list, k->n));
		if (!k->handover[k->n])
			return err_set(e, 0, "a hand-over in it is no text");
	}
	return 0;
}

void
bundle_keys_fini(struct bundle_key_chain *k)
{
	json_decref(k->json);
	k->json = NULL;
}

/* ---- the manifest ---- */

static int
read_log(const json_t *j, struct bundle_manifest *m, struct err *e)
{
	const json_t *log = json_object_get(j, "log");
	const char *root;

	if (json_object_size(log) != 3 || !get_text(log, "origin", false, &m->about.origin) || !get_u64(log, "size", &m->about.size) ||
	    !get_text(log, "root", false, &root) || !line_base64(root, strlen(root), m->root, MERKLE_HASH))
		return err_set(e, 0, "its log is not origin, size, root");
	m->about.root = m->root;
	return 0;
}

static int
read_export(const json_t *j, struct bundle_about *a, struct err *e)
{
	const json_t *x = json_object_get(j, "export");
	const char *time;

	if (json_object_size(x) != 10 || !get_u64(x, "job", &a->job) || !get_text(x, "program", false, &a->program) ||
	    !json_is_object(json_object_get(x, "query")) || !get_text(x, "query_text", false, &a->query_text) ||
	    !get_text(x, "asked_by", false, &a->asked_by) || !get_text(x, "asked_at", false, &time) ||
	    !get_text(x, "approved_by", true, &a->approved_by) || !get_text(x, "reason", true, &a->reason) ||
	    !get_text(x, "finished_at", false, &time) || !json_is_array(json_object_get(x, "formats")))
		return err_set(e, 0, "its export has not the fields of one");
	return 0;
}

static int
read_records(const json_t *j, struct bundle_about *a, struct err *e)
{
	const json_t *r = json_object_get(j, "records");
	uint64_t outside;

	if (json_object_size(r) != 5 || !get_u64(r, "exported", &a->exported) || !get_u64(r, "erased", &a->erased) || !get_u64(r, "outside", &outside))
		return err_set(e, 0, "its records are not exported, erased, outside, first, last");
	if (a->exported > a->size || outside != a->size - a->exported || a->erased > a->exported)
		return err_set(e, 0, "its counts of records contradict each other");
	if (!a->exported)
		return json_is_null(json_object_get(r, "first")) && json_is_null(json_object_get(r, "last")) ? 0 :
			err_set(e, 0, "it has no records, but a first or a last one");
	if (!get_u64(r, "first", &a->first) || !get_u64(r, "last", &a->last) || a->last < a->first || a->last >= a->size ||
	    a->last - a->first < a->exported - 1)
		return err_set(e, 0, "its first and last record are none of the log's");
	return 0;
}

static int
read_files(const json_t *j, struct bundle_manifest *m, struct err *e)
{
	const json_t *list = json_object_get(j, "files"), *x;
	size_t n = json_array_size(list);

	if (!json_is_array(list) || n > BUNDLE_FILES_MAX)
		return err_set(e, 0, "its files are not a list of at most %d", BUNDLE_FILES_MAX);
	m->file = mem_zalloc((n + 1) * sizeof(*m->file));
	for (; m->nfiles < n; m->nfiles++) {
		struct bundle_file *f = &m->file[m->nfiles];

		x = json_array_get(list, m->nfiles);
		if (json_object_size(x) != 3 || !get_text(x, "name", false, &f->name) || !get_u64(x, "size", &f->size) ||
		    !get_hex(x, "sha256", f->sha256, SHA256_SIZE))
			return err_set(e, 0, "file %zu in it is not name, size, sha256", m->nfiles + 1);
		if (!bundle_name_is_safe(f->name, strlen(f->name)))
			return err_set(e, 0, "file %zu in it has a name that no file in a bundle may have", m->nfiles + 1);
		if (!strcmp(f->name, BUNDLE_MANIFEST) || !strcmp(f->name, BUNDLE_SIGNATURE))
			return err_set(e, 0, "it names itself");
	}
	return 0;
}

int
bundle_manifest_parse(const char *p, size_t n, struct bundle_manifest *m, struct err *e)
{
	const char *format;

	memset(m, 0, sizeof(*m));
	if (n > BUNDLE_MANIFEST_MAX)
		return err_set(e, 0, "it is too large");
	m->json = load(p, n, (size_t)FILE_VALUES * BUNDLE_FILES_MAX + ABOUT_VALUES, e);
	if (!m->json)
		return -1;
	if (!get_text(m->json, "format", false, &format) || strcmp(format, BUNDLE_FORMAT) != 0)
		return err_set(e, 0, "it is of a format that is unknown here (this is for %s)", BUNDLE_FORMAT);
	if (json_object_size(m->json) != 5)
		return err_set(e, 0, "it is not format, log, export, records, files");
	if (read_log(m->json, m, e) != 0 || read_export(m->json, &m->about, e) != 0 || read_records(m->json, &m->about, e) != 0)
		return -1;
	return read_files(m->json, m, e);
}

void
bundle_manifest_fini(struct bundle_manifest *m)
{
	free(m->file);
	json_decref(m->json);
	m->file = NULL;
	m->json = NULL;
}

int
bundle_statement_parse(const char *text, size_t n, const char *origin, const uint8_t sha256[SHA256_SIZE], int64_t *time, struct err *e)
{
	struct lines l = { text, text + n };
	char hex[2 * SHA256_SIZE + 1];
	const char *s;
	uint64_t t;
	size_t len;

	text_hex(sha256, SHA256_SIZE, hex);
	if (!line_next(&l, &s, &len) || len != strlen(STATEMENT) || memcmp(s, STATEMENT, len) != 0)
		return err_set(e, 0, "it is no statement on a manifest");
	if (!line_next(&l, &s, &len) || len != strlen(origin) || memcmp(s, origin, len) != 0)
		return err_set(e, 0, "it is the statement of another log");
	if (!line_word(&l, "sha256", &s, &len) || len != 2 * SHA256_SIZE || memcmp(s, hex, len) != 0)
		return err_set(e, 0, "it is on another manifest than this one: the manifest has been altered");
	if (!line_word(&l, "time", &s, &len) || !line_u64(s, len, INT64_MAX, &t) || l.at != l.end)
		return err_set(e, 0, "its time is none");
	*time = (int64_t)t;
	return 0;
}
