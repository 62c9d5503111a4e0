/*
 * archive_show: see archive_show.h.
 */
#include "admin/archive/archive_show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "admin/archive/archive_query.h"
#include "admin/archive/archive_row.h"
#include "archive/search/search_doc.h"
#include "base/metric.h"
#include "base/text.h"
#include "core/config/config.h"
#include "store/record_kind.h"

#define BIT(kind) (UINT64_C(1) << (kind))
/* What people said and did in a conversation. */
#define SAID (BIT(RECORD_MESSAGE) | BIT(RECORD_CORRECTION) | BIT(RECORD_RETRACTION) | BIT(RECORD_REACTION) | BIT(RECORD_ANNOUNCEMENT) | \
	BIT(RECORD_MODERATION) | BIT(RECORD_FILE))
#define ORIGINALS (BIT(RECORD_MESSAGE) | BIT(RECORD_CORRECTION) | BIT(RECORD_ANNOUNCEMENT))
#define CONTEXT_DEFAULT 5
#define LATER_MAX 1000      /* of what was done to a record */
#define ORIGINAL_DEPTH 5000 /* messages of the conversation among which the one that is referred to is looked for */
#define ID_DIGITS_MIN 15    /* of a record, which is a time in microseconds */

/* What is shown, copied out of the record's row. */
struct showing {
	struct request *r;
	struct arena *a;
	struct config *config;
	struct search_limits limits;
	struct search_words *words;
	uint64_t id, index;
	int kind;
	const char *from, *to, *client_id, *origin_id, *refers_to;
	const char *room;          /* the conversation is its; NULL: of from and to */
	unsigned context;
};

static int
send_part(struct showing *s, const char *part, json_t *row)
{
	json_object_set_new(row, "part", json_string(part));
	return request_row(s->r, row);
}

static int
send_brief(struct showing *s, const char *part, const struct search_row *row)
{
	return send_part(s, part, archive_row_brief(s->words, NULL, row));
}

static const char *
copy(struct showing *s, const struct search_row *row, enum canonical_text t)
{
	return row->is.text[t] != NULL ? arena_strdup(s->a, row->is.text[t]) : NULL;
}

static const char *
attribute(struct showing *s, const struct search_row *row, const char *element, const char *name)
{
	const char *stanza = row->is.text[CANONICAL_STANZA], *out = NULL;
	struct buf b = {0};

	if (stanza != NULL && search_doc_attribute(stanza, row->len[CANONICAL_STANZA], element, name, &b))
		out = arena_strdup(s->a, buf_str(&b));
	buf_fini(&b);
	return out;
}

static bool
is_of_room(const struct search_row *row)
{
	const char *type = row->is.text[CANONICAL_TYPE];

	return (type != NULL && strcmp(type, "groupchat") == 0) || (row->is.kind >= RECORD_ROOM_ENTER && row->is.kind <= RECORD_MODERATION);
}

static void
take(struct showing *s, const struct search_row *row)
{
	s->index = row->is.log_index;
	s->kind = row->is.kind;
	s->from = copy(s, row, CANONICAL_FROM_BARE);
	s->to = copy(s, row, CANONICAL_TO_BARE);
	s->client_id = copy(s, row, CANONICAL_CLIENT_ID);
	s->refers_to = copy(s, row, CANONICAL_REFERS_TO);
	s->origin_id = attribute(s, row, "origin-id", "id");
	s->room = is_of_room(row) ? s->to : NULL;
}

/* Is there a conversation that it belongs to? Its records, on one side of it. */
static bool
conversation(const struct showing *s, struct search_query *q)
{
	*q = (struct search_query){.kinds = SAID};
	if (s->room != NULL) {
		q->room = &s->room;
		q->nrooms = 1;
	} else if (s->from != NULL && s->to != NULL) {
		q->between[0] = s->from;
		q->between[1] = s->to;
	}
	return s->room != NULL || q->between[0] != NULL;
}

/* Its rows, until `each` returns something else than 0: 1 is enough, -1 an error. */
static int
look(struct showing *s, const struct search_query *q, int (*each)(struct showing *s, const struct search_row *row, void *arg), void *arg)
{
	struct search *found = search_open(s->r->db, q, &s->limits, &s->r->err);
	struct search_row row;
	int rc = found != NULL ? 0 : -1, more;

	while (rc == 0 && (more = search_next(found, &row, &s->r->err)) != 0)
		rc = more < 0 ? -1 : each(s, &row, arg);
	search_close(found);
	return rc < 0 ? -1 : 0;
}

/* What it replaces */

static bool
refers(const char *to, const char *id)
{
	return id != NULL && strcmp(to, id) == 0;
}

static int
send_if_original(struct showing *s, const struct search_row *row, void *arg)
{
	unsigned *left = arg;

	if (refers(s->refers_to, row->is.text[CANONICAL_CLIENT_ID]) || refers(s->refers_to, attribute(s, row, "origin-id", "id")))
		return send_brief(s, "replaced", row) != 0 ? -1 : 1;
	return --*left == 0;
}

/* By the number that a room or we gave it: 1, when there is one and it belongs to the same conversation. */
static int
send_by_number(struct showing *s)
{
	struct search_row row;
	struct search *found;
	uint64_t id;
	int rc;

	if (strlen(s->refers_to) < ID_DIGITS_MIN || !text_u64(s->refers_to, strlen(s->refers_to), 1, INT64_MAX, &id))
		return 0;
	rc = search_record(s->r->db, id, &found, &row, &s->r->err);
	if (rc > 0 && (row.is.log_index >= s->index || !refers(s->to != NULL ? s->to : "", row.is.text[CANONICAL_TO_BARE])))
		rc = 0;
	if (rc > 0 && send_brief(s, "replaced", &row) != 0)
		rc = -1;
	search_close(found);
	return rc;
}

static int
show_replaced(struct showing *s)
{
	unsigned left = ORIGINAL_DEPTH;
	struct search_query q;
	int rc;

	if (s->refers_to == NULL || !conversation(s, &q))
		return 0;
	rc = send_by_number(s);
	if (rc != 0 || s->index == 0)
		return rc < 0 ? -1 : 0;
	q.kinds = ORIGINALS;
	q.newest_first = true;
	q.before_index = s->index;
	return look(s, &q, send_if_original, &left);
}

/* What was done to it later */

struct later {
	uint64_t seen[LATER_MAX];
	unsigned n;
};

static int
send_later(struct showing *s, const struct search_row *row, void *arg)
{
	struct later *l = arg;

	if (row->is.log_index <= s->index)
		return 0;
	for (unsigned i = 0; i < l->n; i++)
		if (l->seen[i] == row->is.id)
			return 0;
	if (l->n == LATER_MAX)
		return 1;
	l->seen[l->n++] = row->is.id;
	return send_brief(s, "later", row);
}

static int
show_later(struct showing *s)
{
	struct later *l = arena_zalloc(s->a, sizeof *l);
	const char *const ids[] = {s->client_id, s->origin_id, arena_printf(s->a, "%" PRIu64, s->id)};
	struct search_query q, returned = {.refers_record = s->id, .first_index = s->index + 1};

	for (int i = 0; i < 3; i++) {
		if (ids[i] == NULL || !conversation(s, &q))
			continue;
		q.kinds = 0;
		q.refers_to = ids[i];
		q.first_index = s->index + 1;
		if (look(s, &q, send_later, l) != 0)
			return -1;
	}
	return look(s, &returned, send_later, l);
}

/* What is around it */

struct around {
	struct showing *s;
	const char *part;
	json_t *rows;
	unsigned left;
};

static int
keep_row(struct showing *s, const struct search_row *row, void *arg)
{
	struct around *a = arg;
	json_t *out = archive_row_brief(s->words, NULL, row);

	json_object_set_new(out, "part", json_string(a->part));
	/* Those before it come newest first, and are shown in their order. */
	json_array_insert_new(a->rows, a->part[0] == 'b' ? 0 : json_array_size(a->rows), out);
	return --a->left == 0;
}

static int
show_around(struct showing *s, const char *part)
{
	struct around a = {.s = s, .part = part, .left = s->context, .rows = json_array()};
	struct search_query q;
	bool before = part[0] == 'b';
	json_t *row;
	size_t i;
	int rc = 0;

	if (s->context > 0 && conversation(s, &q) && (!before || s->index > 0)) {
		q.newest_first = before;
		q.before_index = before ? s->index : 0;
		q.first_index = before ? 0 : s->index + 1;
		rc = look(s, &q, keep_row, &a);
	}
	json_array_foreach(a.rows, i, row)
	{
		if (rc == 0)
			rc = request_row(s->r, json_incref(row));
	}
	json_decref(a.rows);
	return rc;
}

static int
show_audience(struct showing *s)
{
	struct search_occupant *who;
	size_t n;
	int rc = 0;

	if (s->room == NULL)
		return 0;
	if (search_audience(s->r->db, s->a, s->room, s->index, &s->limits, &who, &n, &s->r->err) != 0)
		return -1;
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = send_part(s, "audience", json_pack("{s:s, s:s?, s:o}", "jid", who[i].jid, "nick", who[i].nick, "since",
							request_time(who[i].since_us)));
	return rc;
}

static int
show_record(struct showing *s)
{
	struct search_row row;
	struct search *found;
	int rc = search_record(s->r->db, s->id, &found, &row, &s->r->err);

	if (rc == 0) {
		s->r->status = 404;
		return archive_row_missing(s->r->db, s->id, &s->r->err);
	}
	/* What others looked for is the auditors' to see. */
	if (rc > 0 && row.is.kind == RECORD_AUDIT) {
		s->r->status = 403;
		s->r->denied = true;
		rc = err_set(&s->r->err, 0, "not allowed: %" PRIu64 " is of the audit trail", s->id);
	}
	if (rc > 0) {
		take(s, &row);
		rc = send_part(s, "record", archive_row_full(&row));
	}
	search_close(found);
	return rc;
}

static int
run(struct showing *s)
{
	struct request *r = s->r;
	json_int_t id = 0, context = CONTEXT_DEFAULT;
	char target[24];

	if (request_args(r, "{s:I, s?I}", "id", &id, "context", &context) != 0)
		return -1;
	if (id < 1)
		return err_set(&r->err, 0, "id: expected the number of a record");
	if (context < 0 || context > (json_int_t)s->config->limits.search_context)
		return err_set(&r->err, 0, "context: expected a number up to %llu (limits.search_context)",
			       (unsigned long long)s->config->limits.search_context);
	s->id = (uint64_t)id;
	s->context = (unsigned)context;
	snprintf(target, sizeof target, "%" PRIu64, s->id);
	if (request_db(r) != 0 || audit_write(r->db, r->who, "archive.show", target, r->args, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "archive.show", target);
	return show_record(s) != 0 || show_replaced(s) != 0 || show_later(s) != 0 || show_around(s, "before") != 0 || show_around(s, "after") != 0 ?
		       -1 : show_audience(s);
}

int
archive_show(struct request *r)
{
	struct showing s = {.r = r, .a = arena_new(0), .config = config_get(), .words = search_words_new()};
	int rc;

	s.limits = archive_query_limits(&s.config->limits);
	s.limits.gone = r->gone;
	s.limits.gone_arg = r->send_arg;
	rc = run(&s);
	metric_add(METRIC_SEARCHES, 1);
	if (rc != 0)
		metric_add(METRIC_SEARCHES_REFUSED, 1);
	search_words_free(s.words);
	config_unref(s.config);
	arena_free(s.a);
	return rc;
}
