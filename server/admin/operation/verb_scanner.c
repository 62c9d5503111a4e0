/*
 * verb_scanner: whether files can be scanned, with what, and what came of it.
 */
#include "admin/request/request.h"

#include "base/metric.h"
#include "core/config/config.h"
#include "core/file/scanner.h"

static json_t *
age_hours(const struct scan_state *st)
{
	return st->generation ? json_integer(metric_get(METRIC_SIGNATURES_AGE) / 3600) : json_null();
}

static json_t *
files_row(const struct config *c)
{
	struct scan_state st;
	const char *why = NULL;
	bool open = scanner_is_open(&why);
	json_t *row;

	scanner_state(&st);
	row = json_pack("{s:s, s:b, s:s?, s:s, s:I, s:I, s:o, s:o, s:s, s:s}", "scanner", scanner_condition_name(scanner_condition()), "open", open,
		"why", why, "engine", st.engine, "generation", (json_int_t)st.generation, "signatures", (json_int_t)st.signatures, "newest",
		request_time(st.newest_s * 1000000), "age_hours", age_hours(&st), "folder", c->files.signatures, "trouble", st.trouble);
	json_object_update_new(row, json_pack("{s:i, s:i, s:I, s:I, s:I, s:I}", "workers", (int)st.workers, "busy", (int)st.busy, "waiting",
		(json_int_t)(metric_get(METRIC_SCANS_WAITING)), "under_way", (json_int_t)metric_get(METRIC_SCANS_UNDER_WAY), "workers_lost",
		(json_int_t)metric_get(METRIC_SCANNER_LOST), "starts", (json_int_t)metric_get(METRIC_SCANNER_STARTS)));
	json_object_update_new(row, json_pack("{s:I, s:I, s:I, s:I}", "clean", (json_int_t)metric_get(METRIC_SCANS_CLEAN), "infected",
		(json_int_t)metric_get(METRIC_SCANS_INFECTED), "unscannable", (json_int_t)metric_get(METRIC_SCANS_UNSCANNABLE), "error",
		(json_int_t)metric_get(METRIC_SCANS_ERROR)));
	return row;
}

static int
files_status(struct request *r)
{
	struct config *c;
	int rc;

	if (request_args(r, "{}") != 0)
		return -1;
	c = config_get();
	rc = request_row(r, files_row(c));
	config_unref(c);
	return rc;
}

const struct request_verb request_scanner_verbs[] = {
	{"files", "status", files_status, .about = "Tells how the scanner of files is"},
	{.noun = NULL},
};
