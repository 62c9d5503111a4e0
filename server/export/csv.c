/*
 * csv: messages.csv, a table for spreadsheets (RFC 4180): a row for each record, in the order of the log.
 *
 * A cell that a spreadsheet would take for a formula (it begins with = + - @, their wide forms, or with a TAB or line's end that such programs
 * skip) gets an apostrophe in front, which says "text" there. messages.jsonl and proof/records.jsonl have everything as it was.
 */
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "export/formats.h"
#include "export/lines.h"

static const char head[] = "time,log_index,id,kind,direction,conversation,from,from_name,to,to_name,type,text,about_log_index,about_text,"
	"refers_to,files,encrypted,erased,leaf_hash\r\n";

static bool
is_formula(const char *s)
{
	static const char *const wide[] = { "\xef\xbc\x9d", "\xef\xbc\x8b", "\xef\xbc\x8d", "\xef\xbc\xa0" }; /* U+FF1D, FF0B, FF0D, FF20 */

	/* Spaces in front are skipped by some. */
	s += strspn(s, " ");
	if (*s && strchr("=+-@\t\r\n|%", *s))
		return true;
	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++)
		if (!strncmp(s, wide[i], 3))
			return true;
	return false;
}

/* All but the first one have a comma in front. */
static void
cell(struct buf *b, const char *s)
{
	if (!s)
		s = "";
	if (buf_len(b))
		buf_addc(b, ',');
	if (!is_formula(s) && !strpbrk(s, ",\"\r\n")) {
		buf_adds(b, s);
		return;
	}
	buf_adds(b, is_formula(s) ? "\"'" : "\"");
	for (const char *quote; (quote = strchr(s, '"')) != NULL; s = quote + 1) {
		buf_add(b, s, (size_t)(quote - s));
		buf_adds(b, "\"\"");
	}
	buf_adds(b, s);
	buf_addc(b, '"');
}

static void
number(struct buf *b, uint64_t n)
{
	if (buf_len(b))
		buf_addc(b, ',');
	buf_addu(b, n);
}

/* "files/… name (why not)", a line each. */
static void
files(struct buf *b, const struct export_record *r)
{
	struct buf all = {0};

	for (size_t i = 0; i < r->nfiles; i++) {
		const struct export_file *f = &r->files[i];

		if (i)
			buf_addc(&all, '\n');
		if (f->path)
			buf_adds(&all, f->path);
		else
			buf_addf(&all, "%s (%s)", f->name, f->why);
	}
	cell(b, buf_str(&all));
	buf_fini(&all);
}

static void
row(struct buf *b, const struct export_record *r, const struct export_target *t)
{
	static const char *const directions[] = { "local", "in", "out" };
	char hex[2 * SHA256_SIZE + 1], time[32];

	cell(b, export_time(r->at_us, time));
	number(b, r->log_index);
	number(b, r->id);
	cell(b, r->kind_name);
	cell(b, !r->kind ? "" : directions[r->direction >= 0 && r->direction <= 2 ? r->direction : 0]);
	cell(b, r->conversation);
	cell(b, r->from.bare);
	cell(b, r->from.name);
	cell(b, r->to.bare);
	cell(b, r->to.name);
	cell(b, r->type);
	cell(b, r->body);
	if (t)
		number(b, t->log_index);
	else
		cell(b, "");
	cell(b, t ? t->body : "");
	cell(b, r->refers_to);
	files(b, r);
	cell(b, r->encrypted ? "yes" : "no");
	cell(b, r->erased ? "yes" : "no");
	text_hex(r->leaf, SHA256_SIZE, hex);
	cell(b, hex);
	buf_adds(b, "\r\n");
}

static int
open_file(struct export_context *x, void **state, struct err *e)
{
	(void)state;
	if (bundle_open(x->out, "messages.csv", false, e) || (x->info->csv_bom && bundle_puts(x->out, "\xef\xbb\xbf", e)))
		return -1;
	return bundle_puts(x->out, head, e);
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	(void)state;
	return lines_put(x, g, row, e);
}

const struct export_format export_csv = {
	.name = "csv", .about = "a table for spreadsheets", .order = EXPORT_BY_LOG, .open = open_file, .group = group, .close = lines_close,
};
