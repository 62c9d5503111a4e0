/*
 * verb_archive: searches in the record, for compliance officers. What was looked for is in the audit trail before anything is shown (P6).
 */
#include "admin/request/request.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/archive/archive_query.h"
#include "admin/archive/archive_row.h"
#include "admin/archive/archive_show.h"
#include "archive/query.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"

#define PAGE_DEFAULT 50

/* A search under way. */
struct searching {
	struct request *r;
	struct arena *a;
	struct config *config;
	struct search_query q;
	struct search_limits limits;
	struct search_words *words;
	struct search_terms terms;
	unsigned page;
};

/* "n123": newest first, and 123 is the last that was shown. */
static int
read_cursor(struct searching *s, const char *cursor)
{
	uint64_t index;

	if (cursor == NULL)
		return 0;
	if ((cursor[0] != 'n' && cursor[0] != 'o') || !text_u64(cursor + 1, strlen(cursor + 1), cursor[0] == 'n', INT64_MAX - 1, &index))
		return err_set(&s->r->err, 0, "cursor: not one that a search has given");
	if ((cursor[0] == 'n') != s->q.newest_first)
		return err_set(&s->r->err, 0, "cursor: of a search in the other order");
	if (s->q.newest_first)
		s->q.before_index = index;
	else
		s->q.first_index = index + 1;
	return 0;
}

static int
read_page(struct searching *s)
{
	const json_t *limit = json_object_get(s->r->args, "limit"), *order = json_object_get(s->r->args, "order"),
		     *cursor = json_object_get(s->r->args, "cursor");
	const char *o = order != NULL ? json_string_value(order) : "newest";

	if (limit != NULL && (json_integer_value(limit) < 1 || json_integer_value(limit) > (json_int_t)s->config->limits.search_page))
		return err_set(&s->r->err, 0, "limit: expected a number from 1 to %llu (limits.search_page)",
			       (unsigned long long)s->config->limits.search_page);
	if (o == NULL || (strcmp(o, "newest") != 0 && strcmp(o, "oldest") != 0))
		return err_set(&s->r->err, 0, "order: expected newest or oldest (what comes first)");
	if (cursor != NULL && json_string_value(cursor) == NULL)
		return err_set(&s->r->err, 0, "cursor: not one that a search has given");
	s->page = limit != NULL ? (unsigned)json_integer_value(limit) : PAGE_DEFAULT;
	if (s->page > s->config->limits.search_page)
		s->page = (unsigned)s->config->limits.search_page;
	s->q.newest_first = o[0] == 'n';
	return read_cursor(s, json_string_value(cursor));
}

static int
read_arguments(struct searching *s)
{
	static const char *const also[] = {"limit", "order", "cursor", NULL};
	struct request *r = s->r;
	json_t *query = archive_query_resolve(r->db, &s->config->limits, r->args, also, &r->err);
	int rc = query != NULL ? query_read(query, s->a, &s->q, &r->err) : -1;

	json_decref(query);
	if (rc != 0 || read_page(s) != 0)
		return -1;
	s->limits = archive_query_limits(&s->config->limits);
	s->limits.gone = r->gone;
	s->limits.gone_arg = r->send_arg;
	s->limits.page = s->page + 1; /* is there another one? */
	return s->q.words == NULL ? 0 : search_terms_parse(s->words, s->a, s->q.words, s->limits.words, s->limits.word_bytes, &s->terms, &r->err);
}

static int
show_rows(struct searching *s, struct search *found)
{
	struct search_row row;
	uint64_t last = 0;
	unsigned n = 0;
	char cursor[24];
	int rc;

	while ((rc = search_next(found, &row, &s->r->err)) > 0) {
		json_t *out;

		if (n == s->page) {
			snprintf(cursor, sizeof cursor, "%c%" PRIu64, s->q.newest_first ? 'n' : 'o', last);
			return request_next(s->r, cursor);
		}
		out = archive_row_brief(s->words, &s->terms, &row);
		last = row.is.log_index;
		n++;
		if (request_row(s->r, out) != 0)
			return -1;
	}
	return rc;
}

/* The terms are in the audit trail before the index is asked. */
static int
run_search(struct searching *s)
{
	struct request *r = s->r;
	struct search *found;
	int rc;

	if (request_db(r) != 0 || read_arguments(s) != 0)
		return -1;
	if (audit_write(r->db, r->who, "archive.search", NULL, r->args, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "archive.search", NULL);
	found = search_open(r->db, &s->q, &s->limits, &r->err);
	if (found == NULL)
		return -1;
	rc = show_rows(s, found);
	search_close(found);
	return rc;
}

static int
archive_search(struct request *r)
{
	struct searching s = {.r = r, .a = arena_new(0), .config = config_get(), .words = search_words_new()};
	int rc = run_search(&s);

	metric_add(METRIC_SEARCHES, 1);
	if (rc != 0)
		metric_add(METRIC_SEARCHES_REFUSED, 1);
	if (rc != 0 && r->err.code == ETIMEDOUT && r->status == 0)
		r->status = 504;
	search_words_free(s.words);
	config_unref(s.config);
	arena_free(s.a);
	return rc;
}

const struct request_verb request_archive_verbs[] = {
	{.noun = "archive", .verb = "search", .run = archive_search, .roles = ACCESS_OFFICER, .about = "Finds records",
	 .args = "person:string[]? name:string[]? between:string[]? room:string[]? domain:string[]? gateway:string[]? network:string[]? foreign:string[]? partner:string? federated:boolean? "
		 "kind:string[]? since:string? until:string? words:string? file:string? file_hash:string? has_file:boolean? encrypted:boolean? "
		 "audience:boolean? order:string? limit:integer? cursor:string?"},
	{.noun = "archive", .verb = "show", .run = archive_show, .roles = ACCESS_OFFICER,
	 .about = "Shows a record, what is around it, what was done to it later and who could read it", .args = "id:integer context:integer?"},
	{.noun = NULL},
};
