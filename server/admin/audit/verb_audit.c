/*
 * verb_audit: the audit trail, for auditors; officers see what they have done themselves. Whoever looks at it is seen there (P6).
 */
#include "admin/request/request.h"

#include <string.h>

#include "archive/audit_read.h"
#include "base/clock.h"
#include "base/text.h"

#define PAGE 500
#define LIST_DEFAULT 1000
#define LIST_MAX 10000
#define TEXT_MAX 200

static int
wrong(struct request *r, const char *text)
{
	r->status = 400;
	return err_set(&r->err, 0, "wrong arguments: %s", text);
}

/* XEP-0082's, or a day. */
static int
read_time(struct request *r, const char *text, uint64_t *us)
{
	char day[32];
	int64_t at;

	if (text == NULL)
		return 0;
	if (strlen(text) == 10) {
		snprintf(day, sizeof day, "%sT00:00:00Z", text);
		text = day;
	}
	if (clock_parse(text, &at) != 0 || at < 0)
		return wrong(r, "not a time: expected 2026-01-31T12:00:00Z, or a day");
	*us = (uint64_t)at;
	return 0;
}

static bool
is_action(const char *s)
{
	return s[0] != '\0' && strlen(s) <= TEXT_MAX && s[strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

static int
read_query(struct request *r, struct audit_query *q, uint64_t *most)
{
	const char *since = NULL, *until = NULL, *cursor = NULL, *limit = NULL;
	int newest = 0;

	if (request_args(r, "{s?s, s?s, s?s, s?s, s?b, s?s, s?s}", "since", &since, "until", &until, "who", &q->who, "action", &q->action, "newest",
			 &newest, "limit", &limit, "cursor", &cursor) != 0)
		return -1;
	q->newest = newest != 0;
	if (q->action != NULL && !is_action(q->action))
		return wrong(r, "not an action: expected user, or user.add");
	if (q->who != NULL && strlen(q->who) > 4 * TEXT_MAX)
		return wrong(r, "who: too long");
	if (cursor != NULL && !text_u64(cursor, strlen(cursor), 1, INT64_MAX, &q->after))
		return wrong(r, "not a cursor: expected what the page before has given as `next`");
	if (limit != NULL && !text_u64(limit, strlen(limit), 1, LIST_MAX, most))
		return wrong(r, "limit: expected 1 to 10000");
	return read_time(r, since, &q->since) != 0 || read_time(r, until, &q->until) != 0 ? -1 : 0;
}

/* What was asked for, before it is shown. */
static int
audit_look(struct request *r)
{
	if (audit_write(r->db, r->who, "audit.list", NULL, r->args, &r->err) != SQL_OK)
		return -1;
	audit_log(r->who, "audit.list", NULL);
	return 0;
}

static int
send_rows(struct request *r, json_t *rows)
{
	json_t *row;
	size_t i;
	int rc = 0;

	json_array_foreach(rows, i, row)
		if (rc == 0)
			rc = request_row(r, json_incref(row));
	json_decref(rows);
	return rc;
}

static int
audit_list(struct request *r)
{
	struct audit_query q = {0};
	uint64_t most = LIST_DEFAULT, looked = 0, last = 0;
	bool more = true;
	json_t *rows;
	char cursor[24];

	if (read_query(r, &q, &most) != 0 || request_db(r) != 0)
		return -1;
	if (r->role == ACCESS_OFFICER) {
		if (q.who != NULL && strcmp(q.who, r->who->name) != 0) {
			r->status = 403;
			r->denied = true;
			return err_set(&r->err, 0, "not allowed: officers see what they have done themselves");
		}
		q.who = r->who->name;
		q.person = true;
	}
	if (audit_look(r) != 0)
		return -1;
	while (more && looked < most) {
		q.limit = most - looked < PAGE ? (unsigned)(most - looked) : PAGE;
		if (audit_read(r->db, &q, &rows, &last, &more, &r->err) != SQL_OK || send_rows(r, rows) != 0)
			return -1;
		looked += q.limit;
		q.after = last;
	}
	if (!more)
		return 0;
	snprintf(cursor, sizeof cursor, "%llu", (unsigned long long)last);
	return request_next(r, cursor);
}

const struct request_verb request_audit_verbs[] = {
	{.noun = "audit", .verb = "list", .run = audit_list, .roles = ACCESS_AUDITOR | ACCESS_OFFICER,
	 .about = "Lists who did what, in the order of the log",
	 .args = "since:string? until:string? who:string? action:string? newest:boolean? limit:string? cursor:string?"},
	{.noun = NULL},
};
