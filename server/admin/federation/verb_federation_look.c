/*
 * verb_federation_look: what shows partners: the list, one with its history, what waits, who said how much with whom.
 */
#include "admin/request/request.h"

#include <inttypes.h>
#include <string.h>

#include "admin/federation/partner_entry.h"
#include "admin/request/rows.h"
#include "base/arena.h"
#include "base/buf.h"
#include "core/component/component_rules.h"
#include "core/config/config.h"
#include "core/federation/partner.h"
#include "core/federation/s2s_list.h"
#include "store/partner_store.h"

#define PAGE 500
#define HISTORY_MAX 100
#define REFUSALS_MAX 20
#define REPORT_MAX 100000
#define REPORT_MS 120000 /* a report may read months */

static json_t *
loads(const PGresult *rows, int i, int col)
{
	json_t *v = sql_is_null(rows, i, col) ? NULL : json_loads(sql_text(rows, i, col), 0, NULL);

	return v != NULL ? v : json_null();
}

/* list */

static int
list_page(struct request *r, const struct config *c, struct buf *after, int *n)
{
	PGresult *rows;
	int rc = 0;

	if (partner_store_list(r->db, buf_str(after), PAGE, &rows, &r->err) != SQL_OK)
		return -1;
	*n = PQntuples(rows);
	for (int i = 0; i < *n && rc == 0; i++) {
		json_t *entry = loads(rows, i, 1);

		rc = request_row(r, partner_entry_show(c, entry));
		json_decref(entry);
	}
	buf_clear(after);
	if (*n > 0)
		buf_adds(after, sql_text(rows, *n - 1, 0));
	PQclear(rows);
	return rc;
}

static int
federation_list(struct request *r)
{
	struct config *c;
	struct buf after = {0};
	int rc, n;

	if (request_args(r, "{}") != 0 || request_db(r) != 0)
		return -1;
	c = config_get();
	do
		rc = list_page(r, c, &after, &n);
	while (rc == 0 && n == PAGE);
	buf_fini(&after);
	config_unref(c);
	return rc;
}

/* show */

/* What a change has changed: names of columns. */
static json_t *
changed_names(const json_t *old, const json_t *new)
{
	static const char *const keys[] = {"direction", "pass",		   "trust", "ca_pem", "pins",  "dialback",
					   "who",	 "per_minute",	   "user_per_minute", "hours", "owner", "expires_at"};
	json_t *out = json_array();

	for (size_t i = 0; i < sizeof keys / sizeof *keys && json_is_object(old) && json_is_object(new); i++)
		if (!json_equal(json_object_get(old, keys[i]), json_object_get(new, keys[i])))
			json_array_append_new(out, json_string(keys[i]));
	return out;
}

static json_t *
history_of(struct request *r, const char *domain)
{
	json_t *out = json_array();
	PGresult *rows;

	if (partner_store_history(r->db, domain, HISTORY_MAX, &rows, &r->err) != SQL_OK) {
		json_decref(out);
		return NULL;
	}
	for (int i = 0; i < PQntuples(rows); i++) {
		json_t *old = loads(rows, i, 5), *new = loads(rows, i, 6);

		json_array_append_new(out, json_pack("{s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "at",
						     request_time(sql_i64(rows, i, 0)), "action", sql_text(rows, i, 1), "who",
						     sql_text(rows, i, 2), "owner", sql_text(rows, i, 3), "reason", sql_text(rows, i, 4),
						     "changed", changed_names(old, new), "old", old, "new", new, "proposal",
						     sql_i64(rows, i, 7) != 0 ? json_integer(sql_i64(rows, i, 7)) : json_null()));
	}
	PQclear(rows);
	return out;
}

static json_t *
refusal_row(const PGresult *rows, int i)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "day", sql_text(rows, i, 0), "domain", sql_text(rows, i, 1),
			 "direction", sql_i64(rows, i, 2) == PARTNER_IN ? "in" : "out", "why", sql_text(rows, i, 3), "address",
			 sql_text(rows, i, 4), "refused", (json_int_t)sql_i64(rows, i, 5), "first", request_time(sql_i64(rows, i, 6)),
			 "last", request_time(sql_i64(rows, i, 7)));
}

static json_t *
refusals_of(struct request *r, const char *domain)
{
	json_t *out = json_array();
	PGresult *rows;

	if (partner_store_refusals(r->db, domain, 0, REFUSALS_MAX, &rows, &r->err) != SQL_OK) {
		json_decref(out);
		return NULL;
	}
	for (int i = 0; i < PQntuples(rows); i++)
		json_array_append_new(out, refusal_row(rows, i));
	PQclear(rows);
	return out;
}

static void
add_stream(void *arg, const struct s2s_seen *s)
{
	json_array_append_new(arg, json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:I}", "direction",
					     s->sends && s->receives ? "both" : s->sends ? "out" : "in", "made_here", (int)s->made_here, "local",
					     s->local, "remote", s->remote, "state", s->state, "how", s->how, "fingerprint", s->fingerprint,
					     "address", s->address, "tls", s->tls, "resumable", (int)s->resumable, "in", (json_int_t)s->in, "out",
					     (json_int_t)s->out));
}

static json_t *
streams_of(const char *domain)
{
	json_t *out = json_array();

	s2s_list(domain, add_stream, out);
	return out;
}

/* A domain that has none, but a past, is shown too. */
static int
show(struct request *r, const struct config *c, struct arena *a, const char *domain)
{
	const char *text;
	json_t *history, *refusals, *entry, *row;

	if (partner_store_get(r->db, a, domain, &text, &r->err) != SQL_OK || (history = history_of(r, domain)) == NULL)
		return -1;
	refusals = refusals_of(r, domain);
	if (refusals == NULL) {
		json_decref(history);
		return -1;
	}
	if (text == NULL && json_array_size(history) == 0 && json_array_size(refusals) == 0) {
		json_decref(history);
		json_decref(refusals);
		return err_set(&r->err, 0, "there is no entry for %.200s, and never was", domain);
	}
	entry = text != NULL ? json_loads(text, 0, NULL) : NULL;
	row = entry != NULL ? partner_entry_show(c, entry) : json_pack("{s:s, s:s}", "domain", domain, "state", "not allowed");
	if (entry != NULL && json_is_string(json_object_get(entry, "ca_pem")))
		json_object_set(row, "ca", json_object_get(entry, "ca_pem"));
	json_object_set_new(row, "streams", streams_of(domain));
	json_object_set_new(row, "history", history);
	json_object_set_new(row, "refusals", refusals);
	json_decref(entry);
	return request_row(r, row);
}

static int
federation_show(struct request *r)
{
	char domain[PARTNER_DOMAIN];
	const char *text;
	struct config *c;
	struct arena *a;
	int rc;

	if (request_args(r, "{s:s}", "domain", &text) != 0 || request_db(r) != 0)
		return -1;
	c = config_get();
	a = arena_new(0);
	rc = partner_entry_domain(text, domain, &r->err) == 0 ? show(r, c, a, domain) : -1;
	arena_free(a);
	config_unref(c);
	return rc;
}

/* proposals */

static json_t *
proposal_row(const struct config *c, const PGresult *rows, int i)
{
	json_t *entry = loads(rows, i, 3), *now = loads(rows, i, 6), *row = partner_entry_show(c, entry);

	json_object_set_new(row, "id", json_integer(sql_i64(rows, i, 0)));
	json_object_set_new(row, "proposed", request_time(sql_i64(rows, i, 1)));
	json_object_set_new(row, "by", json_string(sql_text(rows, i, 4)));
	json_object_set_new(row, "new", json_boolean(!json_is_object(now)));
	json_object_set_new(row, "changed", changed_names(now, entry));
	json_object_del(row, "state");
	json_decref(entry);
	json_decref(now);
	return row;
}

static int
federation_proposals(struct request *r)
{
	struct config *c;
	PGresult *rows;
	int rc = 0;

	if (request_args(r, "{}") != 0 || request_db(r) != 0 || partner_store_proposals(r->db, &rows, &r->err) != SQL_OK)
		return -1;
	c = config_get();
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++)
		rc = request_row(r, proposal_row(c, rows, i));
	PQclear(rows);
	config_unref(c);
	return rc;
}

/* report: who with whom, then who was refused */

/* What is kept for a component goes out, too, but to nobody's server. */
static bool
is_component(const char *domain)
{
	struct component_rules *c = component_rules_get(domain);

	component_rules_unref(c);
	return c != NULL;
}

static int
report_volume(struct request *r, int64_t since_us)
{
	PGresult *rows;
	int rc = 0;

	sql_set_deadline(r->db, REPORT_MS);
	if (partner_store_volume(r->db, since_us, REPORT_MAX, &rows, &r->err) != SQL_OK)
		return -1;
	for (int i = 0; i < PQntuples(rows) && rc == 0; i++)
		if (!is_component(sql_text(rows, i, 0)))
			rc = request_row(r, json_pack("{s:s, s:s, s:I, s:I}", "domain", sql_text(rows, i, 0), "user", sql_text(rows, i, 1), "in",
						      (json_int_t)sql_i64(rows, i, 2), "out", (json_int_t)sql_i64(rows, i, 3)));
	PQclear(rows);
	return rc;
}

static int
report_refusals(struct request *r, int64_t since_us)
{
	PGresult *rows;

	if (partner_store_refusals(r->db, NULL, since_us, REPORT_MAX, &rows, &r->err) != SQL_OK)
		return -1;
	return rows_give(r, rows, refusal_row);
}

static int
federation_report(struct request *r)
{
	const char *text = NULL;
	int64_t since_us = 0;
	int rc;

	if (request_args(r, "{s?s}", "since", &text) != 0 || partner_entry_since(text != NULL ? text : "30d", &since_us, &r->err) != 0 ||
	    request_db(r) != 0)
		return -1;
	rc = report_volume(r, since_us) == 0 ? report_refusals(r, since_us) : -1;
	sql_set_deadline(r->db, 10000);
	return rc;
}

const struct request_verb request_federation_look_verbs[] = {
	{"federation", "list", federation_list, .about = "Lists partners"},
	{"federation", "show", federation_show, .about = "Shows a partner, its streams, history and refusals", .args = "domain:string"},
	{"federation", "proposals", federation_proposals, .about = "Lists changes that wait for approval"},
	{"federation", "report", federation_report, .about = "Who exchanged how much with whom; who was refused", .args = "since:string?"},
	{.noun = NULL},
};
