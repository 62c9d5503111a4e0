/*
 * jsonl: messages.jsonl, a JSON object a line for each record, in the order of the log. Keys are always the same, null where there is nothing.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "export/formats.h"

static json_t *
text(const char *s)
{
	json_t *v = s ? json_string(s) : NULL;

	return v ? v : json_null();
}

static json_t *
when(int64_t us)
{
	char out[32];

	return text(export_time(us, out));
}

static json_t *
person(const struct export_person *p)
{
	if (!p->bare)
		return json_null();
	return json_pack("{s:o,s:o,s:o}", "address", text(p->bare), "resource", text(p->resource), "name", text(p->name));
}

static json_t *
files(const struct export_record *r)
{
	json_t *out = json_array();
	char hex[2 * SHA256_SIZE + 1];

	for (size_t i = 0; i < r->nfiles; i++) {
		const struct export_file *f = &r->files[i];

		text_hex(f->sha256, SHA256_SIZE, hex);
		json_array_append_new(out, json_pack("{s:s,s:o,s:I,s:o,s:o,s:o}", "sha256", hex, "name", text(f->name), "size",
						     (json_int_t)f->size, "type", text(f->type), "path", text(f->path), "why", text(f->why)));
	}
	return out;
}

static json_t *
target(const struct export_target *t)
{
	if (!t)
		return json_null();
	return json_pack("{s:I,s:I,s:o,s:o,s:b}", "id", (json_int_t)t->id, "log_index", (json_int_t)t->log_index, "time", when(t->at_us), "body",
			 text(t->body), "erased", t->erased);
}

static json_t *
line(const struct export_record *r, const struct export_target *t)
{
	static const char *const directions[] = { "local", "in", "out" };
	char leaf[2 * SHA256_SIZE + 1];
	json_t *o = json_pack("{s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "log_index", (json_int_t)r->log_index, "id", (json_int_t)r->id, "time",
			      when(r->at_us), "kind", text(*r->kind_name ? r->kind_name : NULL), "direction",
			      text(r->erased && !r->kind ? NULL : directions[r->direction >= 0 && r->direction <= 2 ? r->direction : 0]),
			      "conversation", text(*r->conversation ? r->conversation : NULL), "from", person(&r->from), "to", person(&r->to));

	text_hex(r->leaf, SHA256_SIZE, leaf);
	json_object_update_new(o, json_pack("{s:b,s:o,s:o,s:o,s:o,s:b,s:o,s:o,s:b,s:s}", "room", r->place == EXPORT_ROOM, "type", text(r->type),
					    "client_id", text(r->client_id), "refers_to", text(r->refers_to), "body", text(r->body), "encrypted",
					    r->encrypted, "about", target(t), "files", files(r), "erased", r->erased, "leaf", leaf));
	json_object_set_new(o, "refers_record", r->refers_record ? json_integer((json_int_t)r->refers_record) : json_null());
	json_object_set_new(o, "stanza", text(r->xml));
	return o;
}

static int
write_line(struct export_context *x, json_t *o, struct err *e)
{
	char *s = json_dumps(o, JSON_COMPACT);
	int rc = s ? bundle_puts(x->out, s, e) || bundle_write(x->out, "\n", 1, e) : err_set(e, 0, "a record cannot be written as JSON");

	free(s);
	json_decref(o);
	return rc ? -1 : 0;
}

static int
open_file(struct export_context *x, void **state, struct err *e)
{
	(void)state;
	return bundle_open(x->out, "messages.jsonl", false, e);
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	const struct export_target *t;
	const struct export_record *r;
	int rc;

	(void)state;
	while ((rc = export_group_next(g, &r, e)) > 0)
		if (export_group_target(g, r, &t, e) || write_line(x, line(r, t), e))
			return -1;
	return rc;
}

static int
close_file(struct export_context *x, void *state, struct err *e)
{
	(void)state;
	return bundle_close(x->out, e);
}

const struct export_format export_jsonl = {
	.name = "jsonl", .about = "JSON, an object a line", .order = EXPORT_BY_LOG, .open = open_file, .group = group, .close = close_file,
};
