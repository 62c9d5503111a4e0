/*
 * audit_read: pages of archive.audit_record, by its partial index.
 */
#include "archive/audit_read.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/record_kind.h"

#define NUMBER 24

enum column { ID, INDEX, AT, KIND, ABOUT, FROM, RESOURCE, BODY, STANZA };

#define PAGE(order) \
	"SELECT id, log_index, (extract(epoch FROM at) * 1000000)::bigint, kind, refers_record, from_bare, from_resource, body, stanza" \
	" FROM archive.audit_record WHERE id >= $1::bigint AND id < $2::bigint AND ($3::text IS NULL OR from_bare = $3)" \
	" AND ($4::text IS NULL OR strpos(stanza, $4) > 0) AND ($6::text IS NULL OR strpos(stanza, $6) > 0) ORDER BY id " order " LIMIT $5::bigint"

/* One of the five, or a number, as serialize writes them. Returns what it is long, 0: none. */
static size_t
entity(const char *s, struct buf *out)
{
	static const struct {
		const char *name;
		char c;
	} known[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}, {"&#38;", '&'}, {"&#60;", '<'}, {"&#62;", '>'},
		     {"&#34;", '"'}, {"&#39;", '\''}, {"&#13;", '\r'}};

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		size_t n = strlen(known[i].name);

		if (strncmp(s, known[i].name, n) == 0) {
			buf_addc(out, known[i].c);
			return n;
		}
	}
	return 0;
}

/* The text of an element that has nothing else in it: what stands between its tags. NULL: it is not one that we have written. */
static json_t *
content(const char *stanza)
{
	const char *s = strchr(stanza, '>'), *end = strrchr(stanza, '<');
	struct buf text = {0};
	json_t *out;

	if (s == NULL || end == NULL || end < s)
		return NULL;
	for (s++; s < end;) {
		size_t n = *s == '&' ? entity(s, &text) : 0;

		if (n == 0)
			buf_addc(&text, *s++);
		s += n;
	}
	out = json_loadb(buf_data(&text), buf_len(&text), JSON_REJECT_DUPLICATES, NULL);
	buf_fini(&text);
	if (json_is_object(out))
		return out;
	json_decref(out);
	return NULL;
}

static json_t *
row_of(const PGresult *r, int i)
{
	int64_t kind = sql_i64(r, i, KIND);
	json_t *row = kind == RECORD_RETURNED ? NULL : content(sql_text(r, i, STANZA));
	char at[32];

	if (row == NULL)
		row = json_object();
	if (json_object_get(row, "action") == NULL)
		json_object_set_new(row, "action", json_string(kind == RECORD_RETURNED ? "returned" : kind == RECORD_ERASURE ? "erasure" : "unknown"));
	if (json_object_get(row, "who") == NULL)
		json_object_set_new(row, "who", json_string(sql_text(r, i, FROM)));
	if (json_object_get(row, "origin") == NULL && !sql_is_null(r, i, RESOURCE))
		json_object_set_new(row, "origin", json_string(sql_text(r, i, RESOURCE)));
	if (kind == RECORD_ERASURE && !sql_is_null(r, i, BODY))
		json_object_set_new(row, "text", json_string(sql_text(r, i, BODY)));
	json_object_set_new(row, "record", json_integer(sql_i64(r, i, ID)));
	json_object_set_new(row, "index", json_integer(sql_i64(r, i, INDEX)));
	json_object_set_new(row, "at", json_string(clock_format(sql_i64(r, i, AT), at)));
	if (!sql_is_null(r, i, ABOUT))
		json_object_set_new(row, "about", json_integer(sql_i64(r, i, ABOUT)));
	return row;
}

static bool
is_wanted(const json_t *row, const char *action)
{
	const char *is = json_string_value(json_object_get(row, "action"));
	size_t n = action != NULL ? strlen(action) : 0;

	return action == NULL || (is != NULL && strncmp(is, action, n) == 0 && (is[n] == '\0' || is[n] == '.'));
}

static const char *
number(char out[NUMBER], uint64_t n)
{
	snprintf(out, NUMBER, "%" PRIu64, n);
	return out;
}

enum sql_status
audit_read(struct sql *db, const struct audit_query *q, json_t **rows, uint64_t *last, bool *more, struct err *e)
{
	char from[NUMBER], below[NUMBER], most[NUMBER];
	uint64_t since = q->since, until = q->until != 0 ? q->until : INT64_MAX;
	struct buf action = {0}, person = {0};
	const char *does = NULL, *is = NULL;
	enum sql_status st;
	PGresult *r;

	if (q->after != 0 && q->newest && q->after < until)
		until = q->after;
	if (q->after != 0 && !q->newest && q->after >= since)
		since = q->after + 1;
	/* Within JSON no string can have this in it, as its quotes would be escaped: so only a member of that name is found, and is_wanted looks again. */
	if (q->action != NULL) {
		buf_addf(&action, "\"action\":\"%s", q->action);
		does = buf_str(&action);
	}
	/* A role has who showed a token. Names of persons need no escapes. */
	if (q->who != NULL && q->person) {
		buf_addf(&person, "{\"who\":\"%s\",\"role\":\"", q->who);
		is = buf_str(&person);
	}
	st = q->newest ? sql_query(db, e, &r, PAGE("DESC"), 6, number(from, since), number(below, until), q->who, does, number(most, q->limit), is) :
		sql_query(db, e, &r, PAGE("ASC"), 6, number(from, since), number(below, until), q->who, does, number(most, q->limit), is);
	buf_fini(&action);
	buf_fini(&person);
	if (st != SQL_OK)
		return st;
	*rows = json_array();
	*last = q->after;
	for (int i = 0; i < PQntuples(r); i++) {
		json_t *row = row_of(r, i);

		*last = (uint64_t)sql_i64(r, i, ID);
		if (is_wanted(row, q->action))
			json_array_append(*rows, row);
		json_decref(row);
	}
	*more = PQntuples(r) == (int)q->limit;
	PQclear(r);
	return SQL_OK;
}
