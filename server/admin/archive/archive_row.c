/*
 * archive_row: see archive_row.h.
 */
#include "admin/archive/archive_row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/request/request.h"
#include "archive/query.h"
#include "archive/search/search_doc.h"
#include "base/text.h"
#include "store/record_kind.h"

#define BEFORE_BYTES 60
#define SNIPPET_BYTES 240

static const char *const directions[] = {"local", "in", "out"};

static json_t *
string(const struct search_row *r, enum canonical_text t)
{
	return r->is.text[t] != NULL ? json_stringn(r->is.text[t], r->len[t]) : json_null();
}

/* A file's attributes, where the record is about one. */
static void
add_file(json_t *row, const struct search_row *r)
{
	static const char *const names[] = {"name", "size", "sha-256", "type", "verdict"};
	static const char *const keys[] = {"name", "size", "sha256", "type", "verdict"};
	const char *stanza = r->is.text[CANONICAL_STANZA];
	json_t *file;

	if ((r->is.kind != RECORD_FILE && r->is.kind != RECORD_FILE_FETCHED) || stanza == NULL)
		return;
	file = json_object();
	for (int i = 0; i < 5; i++) {
		struct buf b = {0};

		if (search_doc_attribute(stanza, r->len[CANONICAL_STANZA], NULL, names[i], &b))
			json_object_set_new(file, keys[i], i == 1 ? json_integer(strtoll(buf_str(&b), NULL, 10)) : json_string(buf_str(&b)));
		buf_fini(&b);
	}
	json_object_set_new(row, "file", file);
}

/* Who said it at another network, as its gateway says (core/gateway). */
static void
add_foreign(json_t *row, const struct search_row *r)
{
	static const char *const names[] = {"network", "kind", "address", "id", "at", "note", "via"};
	const char *stanza = r->is.text[CANONICAL_STANZA];
	size_t n = r->len[CANONICAL_STANZA];
	struct buf b = {0};
	json_t *foreign;

	if (stanza != NULL && search_doc_child_attribute(stanza, n, "foreign", "xmlns", &b) && strcmp(buf_str(&b), "urn:chancery:gateway:0") == 0) {
		foreign = json_object();
		for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
			buf_clear(&b);
			if (search_doc_child_attribute(stanza, n, "foreign", names[i], &b))
				json_object_set_new(foreign, names[i], json_string(buf_str(&b)));
		}
		json_object_set_new(row, "foreign", foreign);
	}
	buf_fini(&b);
}

static json_t *
common(const struct search_row *r, struct search_tags *tags)
{
	json_t *row = json_pack("{s:I, s:I, s:o, s:o, s:o, s:s, s:s}", "id", (json_int_t)r->is.id, "log_index", (json_int_t)r->is.log_index, "time",
				request_time(r->is.at_us), "from", string(r, CANONICAL_FROM_BARE), "to", string(r, CANONICAL_TO_BARE), "kind",
				query_kind_name(r->is.kind), "direction",
				r->is.direction >= 0 && r->is.direction <= 2 ? directions[r->is.direction] : "?");

	*tags = (struct search_tags){0};
	if (r->is.text[CANONICAL_STANZA] != NULL)
		search_doc_tags(r->is.text[CANONICAL_STANZA], r->len[CANONICAL_STANZA], tags);
	if (tags->encrypted)
		json_object_set_new(row, "encrypted", json_true());
	if (r->erased)
		json_object_set_new(row, "erased", json_true());
	add_file(row, r);
	add_foreign(row, r);
	return row;
}

/* What there is to read: the body, else the text in the stanza. */
static void
words_of(const struct search_row *r, struct buf *out)
{
	if (r->is.text[CANONICAL_BODY] != NULL)
		buf_add(out, r->is.text[CANONICAL_BODY], r->len[CANONICAL_BODY]);
	else if (r->is.text[CANONICAL_STANZA] != NULL)
		search_doc_text(r->is.text[CANONICAL_STANZA], r->len[CANONICAL_STANZA], out);
}

static bool
is_inside(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t
characters(const char *s, size_t n)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += !is_inside(s[i]);
	return count;
}

/* Where the snippet begins: somewhat before the first hit, between two words where that is near. */
static size_t
begin_at(const char *s, size_t hit)
{
	size_t at = hit > BEFORE_BYTES ? hit - BEFORE_BYTES : 0, space;

	while (at > 0 && is_inside(s[at]))
		at--;
	for (space = at; at > 0 && space < hit && s[space] != ' '; space++)
		;
	return at > 0 && space < hit ? space + 1 : at;
}

static size_t
end_at(const char *s, size_t n, size_t begin)
{
	size_t end = n - begin > SNIPPET_BYTES ? begin + SNIPPET_BYTES : n;

	while (end < n && is_inside(s[end]))
		end--;
	return end;
}

static void
add_snippet(json_t *row, struct search_words *w, const struct search_terms *t, const char *s, size_t n)
{
	json_t *hits = json_array();
	size_t at = 0, begin = 0, end = end_at(s, n, 0);
	struct search_word word;
	bool any = false;

	while (t != NULL && t->first != NULL && search_words_next(s, n, &at, &word)) {
		if (any && word.first >= end)
			break;
		if (!search_terms_hit(w, t, &word))
			continue;
		if (!any) {
			begin = word.first > SNIPPET_BYTES / 2 ? begin_at(s, word.first) : 0;
			end = end_at(s, n, begin);
		}
		any = true;
		if (word.end <= end)
			json_array_append_new(hits, json_pack("[i, i]", (int)characters(s + begin, word.first - begin),
							      (int)characters(s + word.first, word.end - word.first)));
	}
	json_object_set_new(row, "text", json_stringn(s + begin, end - begin));
	json_object_set_new(row, "hits", hits);
	json_object_set_new(row, "cut", json_boolean(begin > 0 || end < n));
}

json_t *
archive_row_brief(struct search_words *w, const struct search_terms *t, const struct search_row *r)
{
	struct search_tags tags;
	struct buf text = {0};
	json_t *row = common(r, &tags);

	words_of(r, &text);
	add_snippet(row, w, t, buf_str(&text), buf_len(&text));
	buf_fini(&text);
	return row;
}

json_t *
archive_row_full(const struct search_row *r)
{
	char salt[2 * CANONICAL_SALT + 1], leaf[2 * SHA256_SIZE + 1];
	struct search_tags tags;
	struct buf text = {0};
	json_t *row = common(r, &tags);

	words_of(r, &text);
	text_hex(r->salt, CANONICAL_SALT, salt);
	text_hex(r->leaf, SHA256_SIZE, leaf);
	json_object_set_new(row, "text", json_stringn(buf_str(&text), buf_len(&text)));
	buf_fini(&text);
	json_object_update_new(row, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:s, s:o}", "from_resource", string(r, CANONICAL_FROM_RESOURCE),
					      "to_resource", string(r, CANONICAL_TO_RESOURCE), "type", string(r, CANONICAL_TYPE), "client_id",
					      string(r, CANONICAL_CLIENT_ID), "refers_to", string(r, CANONICAL_REFERS_TO), "refers_record",
					      r->is.refers_record != 0 ? json_integer((json_int_t)r->is.refers_record) : json_null(), "stanza",
					      string(r, CANONICAL_STANZA), "deliverable", (int)r->is.deliverable, "leaf_hash", leaf, "salt",
					      r->erased ? json_null() : json_string(salt)));
	return row;
}

int
archive_row_missing(struct sql *db, uint64_t id, struct err *e)
{
	char number[24];
	PGresult *rows;

	snprintf(number, sizeof number, "%" PRIu64, id > INT64_MAX ? INT64_MAX : id);
	if (sql_query(db, e, &rows, "SELECT month, first_index, last_index FROM archive.dropped WHERE $1::bigint >= first_id AND $1::bigint < end_id", 1, number) != SQL_OK)
		return -1;
	if (PQntuples(rows) == 1)
		err_set(e, 0, "there is no record %" PRIu64 ": what was erased of %s has left the database, and is there as leaves of the log only (log indexes %" PRId64
			" to %" PRId64 ")", id, sql_text(rows, 0, 0), sql_i64(rows, 0, 1), sql_i64(rows, 0, 2));
	else
		err_set(e, 0, "there is no record %" PRIu64, id);
	PQclear(rows);
	return -1;
}
