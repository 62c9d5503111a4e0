/*
 * jsonl: messages.jsonl, a JSON object a line for each record, in the order of the log. Keys are always the same, null where there is nothing.
 */
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "export/formats.h"
#include "export/lines.h"
#include "proof/bundle.h"

/* By hand: built from objects, a line costs more than all else of it. */
static void
text(struct buf *b, const char *key, const char *s)
{
	buf_adds(b, key);
	if (s)
		bundle_string(b, s, strlen(s));
	else
		buf_adds(b, "null");
}

static void
number(struct buf *b, const char *key, uint64_t n)
{
	buf_adds(b, key);
	buf_addu(b, n);
}

static void
yes(struct buf *b, const char *key, bool is)
{
	buf_adds(b, key);
	buf_adds(b, is ? "true" : "false");
}

static void
when(struct buf *b, const char *key, int64_t us)
{
	char out[32];

	text(b, key, export_time(us, out));
}

/* The key of an object; false: it is null. */
static bool
object(struct buf *b, const char *key, bool is_there)
{
	buf_adds(b, key);
	buf_adds(b, is_there ? "{" : "null");
	return is_there;
}

static void
person(struct buf *b, const char *key, const struct export_person *p)
{
	if (!object(b, key, p->bare != NULL))
		return;
	text(b, "\"address\":", p->bare);
	text(b, ",\"resource\":", p->resource);
	text(b, ",\"name\":", p->name);
	buf_addc(b, '}');
}

static void
files(struct buf *b, const struct export_record *r)
{
	char hex[2 * SHA256_SIZE + 1];

	buf_adds(b, ",\"files\":[");
	for (size_t i = 0; i < r->nfiles; i++) {
		const struct export_file *f = &r->files[i];

		text_hex(f->sha256, SHA256_SIZE, hex);
		text(b, i ? ",{\"sha256\":" : "{\"sha256\":", hex);
		text(b, ",\"name\":", f->name);
		number(b, ",\"size\":", f->size);
		text(b, ",\"type\":", f->type);
		text(b, ",\"path\":", f->path);
		text(b, ",\"why\":", f->why);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

static void
target(struct buf *b, const struct export_target *t)
{
	if (!object(b, ",\"about\":", t != NULL))
		return;
	number(b, "\"id\":", t->id);
	number(b, ",\"log_index\":", t->log_index);
	when(b, ",\"time\":", t->at_us);
	text(b, ",\"body\":", t->body);
	yes(b, ",\"erased\":", t->erased);
	buf_addc(b, '}');
}

static void
who_and_where(struct buf *b, const struct export_record *r)
{
	static const char *const directions[] = { "local", "in", "out" };

	text(b, ",\"kind\":", *r->kind_name ? r->kind_name : NULL);
	text(b, ",\"direction\":", r->erased && !r->kind ? NULL : directions[r->direction >= 0 && r->direction <= 2 ? r->direction : 0]);
	text(b, ",\"conversation\":", *r->conversation ? r->conversation : NULL);
	person(b, ",\"from\":", &r->from);
	person(b, ",\"to\":", &r->to);
	yes(b, ",\"room\":", r->place == EXPORT_ROOM);
}

static void
line(struct buf *b, const struct export_record *r, const struct export_target *t)
{
	char leaf[2 * SHA256_SIZE + 1];

	number(b, "{\"log_index\":", r->log_index);
	number(b, ",\"id\":", r->id);
	when(b, ",\"time\":", r->at_us);
	who_and_where(b, r);
	text(b, ",\"type\":", r->type);
	text(b, ",\"client_id\":", r->client_id);
	text(b, ",\"refers_to\":", r->refers_to);
	text(b, ",\"body\":", r->body);
	yes(b, ",\"encrypted\":", r->encrypted);
	target(b, t);
	files(b, r);
	yes(b, ",\"erased\":", r->erased);
	text_hex(r->leaf, SHA256_SIZE, leaf);
	text(b, ",\"leaf\":", leaf);
	if (r->refers_record)
		number(b, ",\"refers_record\":", r->refers_record);
	else
		text(b, ",\"refers_record\":", NULL);
	text(b, ",\"stanza\":", r->xml);
	buf_adds(b, "}\n");
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
	(void)state;
	return lines_put(x, g, line, e);
}

const struct export_format export_jsonl = {
	.name = "jsonl", .about = "JSON, an object a line", .order = EXPORT_BY_LOG, .open = open_file, .group = group, .close = lines_close,
};
