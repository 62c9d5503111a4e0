/*
 * log_verify_resume: a small file that says how far a verification is (see log_verify_priv.h). The tree is not in it: it is made again from the
 * tiles, and has to have the root that is noted.
 */
#include "archive/verify/log_verify_priv.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

#define FORM 1

static const char *
kind_of(const char *text)
{
	static const char *const kinds[] = { "altered", "missing", "swapped", "duplicate", "order", "tile", "forged", "untrusted", "tree", "truncated",
		"checkpoint", "key", "erased", "uncovered" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i], text))
			return kinds[i];
	return "other";
}

static void
read_findings(const json_t *list, struct findings *out)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *kind = json_string_value(json_object_get(item, "kind")), *text = json_string_value(json_object_get(item, "text"));

		if (kind && text)
			finding_add(out, kind_of(kind), (uint64_t)json_integer_value(json_object_get(item, "index")),
				(uint64_t)json_integer_value(json_object_get(item, "record")), "%s", text);
	}
}

int
resume_load(const char *file, struct resume *r, struct err *e)
{
	json_error_t why;
	json_t *j;
	const char *root;
	json_int_t form, since, done, records, erased, dropped, checkpoints, last, total;
	json_t *list;
	int rc = -1;

	*r = (struct resume){ 0 };
	if (access(file, F_OK))
		return errno == ENOENT ? 0 : err_set(e, errno, "%s: %s", file, strerror(errno));
	j = json_load_file(file, JSON_REJECT_DUPLICATES, &why);
	if (!j || json_unpack_ex(j, &why, JSON_STRICT, "{s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "form", &form, "since", &since, "done",
			&done, "root", &root, "records", &records, "erased", &erased, "dropped", &dropped, "checkpoints", &checkpoints, "last_id", &last,
			"total", &total, "findings", &list)) {
		err_set(e, 0, "%s is no note of a verification (%s): remove it to begin anew", file, why.text);
	} else if (form != FORM || done < 0 || done % CHUNK || strlen(root) != 2 * MERKLE_HASH || text_unhex(root, 2 * MERKLE_HASH, r->root) < 0) {
		err_set(e, 0, "%s is no note of a verification: remove it to begin anew", file);
	} else {
		r->since = (uint64_t)since, r->done = (uint64_t)done, r->records = (uint64_t)records, r->erased = (uint64_t)erased;
		r->dropped = (uint64_t)dropped, r->checkpoints = (uint64_t)checkpoints, r->last_id = (uint64_t)last;
		read_findings(list, &r->findings);
		r->findings.total = (uint64_t)total;
		rc = 1;
	}
	json_decref(j);
	return rc;
}

static json_t *
findings_json(const struct findings *l)
{
	json_t *out = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(out, json_pack("{s:s, s:I, s:I, s:s}", "kind", l->f[i].kind, "index", (json_int_t)l->f[i].index, "record",
			(json_int_t)l->f[i].record, "text", l->f[i].text));
	return out;
}

int
resume_save(const char *file, const struct resume *r, struct err *e)
{
	char root[2 * MERKLE_HASH + 1], name[4200];
	json_t *j;
	int rc;

	text_hex(r->root, MERKLE_HASH, root);
	snprintf(name, sizeof(name), "%s.new", file);
	j = json_pack("{s:i, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "form", FORM, "since", (json_int_t)r->since, "done", (json_int_t)r->done,
		"root", root, "records", (json_int_t)r->records, "erased", (json_int_t)r->erased, "dropped", (json_int_t)r->dropped, "checkpoints",
		(json_int_t)r->checkpoints, "last_id", (json_int_t)r->last_id, "total", (json_int_t)r->findings.total, "findings", findings_json(&r->findings));
	rc = !j || json_dump_file(j, name, JSON_INDENT(1)) || rename(name, file) ? err_set(e, errno, "%s: %s", file, strerror(errno)) : 0;
	json_decref(j);
	return rc;
}
