/*
 * record: a record on paper. What HTML leads to by links is named here by its number.
 */
#include "export/pdf/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "export/conversation.h"
#include "export/view.h"

#define INDENT 84.0
#define INNER 96.0
#define EXCERPT 160
#define RAW_MAX 2048
#define STAYS_MAX 200
#define LEAF_SHOWN 16        /* digits of it: enough to find it; all are in the proof */

const char *
pdf_text(struct arena *a, const char *s, bool one_line)
{
	struct buf b = {0};
	const char *out;

	conversation_show(&b, s, one_line);
	out = arena_strdup(a, buf_str(&b));
	buf_fini(&b);
	return out;
}

static const char *
number(struct arena *a, uint64_t log_index)
{
	return arena_printf(a, "#%" PRIu64, log_index);
}

static const char *
clock_of(struct arena *a, int64_t us)
{
	char out[32];

	return arena_strdup(a, view_clock(us, out));
}

static const char *
time_of(struct arena *a, int64_t us)
{
	char out[32];

	export_time(us, out);
	return out[0] ? arena_printf(a, "%.10s %.8s", out, out + 11) : "";
}

static void
title(struct canvas *c, struct arena *a, const struct export_record *r, const struct view *v)
{
	canvas_line_begin(c, INDENT, arena_printf(a, "%s  %s", clock_of(a, r->at_us), number(a, r->log_index)));
	if (v->shape == VIEW_ERASED) {
		canvas_line_add(c, CANVAS_WARN, "Erased. There was a record here; what it said is gone. Its hash is still in the log.");
		canvas_line_end(c);
		return;
	}
	canvas_line_add(c, CANVAS_NAME, r->from.bare ? pdf_text(a, r->from.name, true) : "(erased)");
	if (r->from.bare && strcmp(r->from.name, r->from.bare) != 0)
		canvas_line_add(c, CANVAS_SOFT, pdf_text(a, r->from.bare, true));
	if (v->does)
		canvas_line_add(c, CANVAS_SOFT, pdf_text(a, v->does, true));
	if (v->what)
		canvas_line_add(c, CANVAS_SOFT, pdf_text(a, v->what, true));
	if (v->label)
		canvas_line_add(c, CANVAS_WARN, arena_printf(a, "[%s]", pdf_text(a, v->label, true)));
	canvas_line_end(c);
}

static void
about(struct canvas *c, struct arena *a, const struct export_record *r, const struct export_target *t)
{
	bool reaction = r->kind == RECORD_REACTION;

	if (!t) {
		canvas_paragraph(c, CANVAS_SOFT, INNER, "What it is about is not found in the record.");
		return;
	}
	canvas_paragraph(c, CANVAS_SOFT, INNER, arena_printf(a, "%s %s, %s:", reaction ? "To" : r->kind == RECORD_CORRECTION ? "Before," : "What was taken back,",
						   time_of(a, t->at_us), number(a, t->log_index)));
	if (t->body)
		canvas_paragraph(c, CANVAS_OLD, INNER, reaction ? conversation_line(a, t->body, EXCERPT) : pdf_text(a, t->body, false));
	else
		canvas_paragraph(c, CANVAS_SOFT, INNER, t->erased ? "erased" : "without words");
	if (r->kind == RECORD_CORRECTION)
		canvas_paragraph(c, CANVAS_SOFT, INNER, "After:");
}

static void
answer(struct canvas *c, struct arena *a, const struct view *v, const struct links *l)
{
	uint64_t to;

	if (!v->reply_to)
		return;
	if (links_find(l, v->reply_to, &to))
		canvas_paragraph(c, CANVAS_SOFT, INNER, arena_printf(a, "In reply to %s", number(a, to)));
	else
		canvas_paragraph(c, CANVAS_SOFT, INNER, arena_printf(a, "In reply to a message of another day, id %s", pdf_text(a, v->reply_to, true)));
}

static void
later(struct canvas *c, struct arena *a, const struct export_record *r, const struct links *l)
{
	size_t n;
	const struct link *x = links_about(l, r->log_index, &n);

	for (size_t i = 0; i < n; i++) {
		const char *what = x[i].kind == RECORD_CORRECTION ? "Corrected" : x[i].kind == RECORD_RETRACTION ? "Taken back" :
			x[i].kind == RECORD_MODERATION ? "Taken back by a moderator" : x[i].kind == RECORD_REACTION ? "Reaction" : "Answered";
		const char *reaction = x[i].kind != RECORD_REACTION ? "" : *x[i].what ? x[i].what : "taken back";

		canvas_paragraph(c, CANVAS_SOFT, INNER, arena_printf(a, "%s%s%s at %s, %s", what, *reaction ? " " : "", reaction, clock_of(a, x[i].at_us),
							     number(a, x[i].by)));
	}
}

static void
files(struct canvas *c, struct arena *a, const struct export_record *r)
{
	struct buf b = {0};

	for (size_t i = 0; i < r->nfiles; i++) {
		buf_clear(&b);
		buf_adds(&b, "File: ");
		conversation_file(&b, &r->files[i]);
		canvas_paragraph(c, CANVAS_SOFT, INNER, arena_strdup(a, buf_str(&b)));
	}
	buf_fini(&b);
}

static void
content(struct canvas *c, struct arena *a, const struct export_record *r, const struct view *v, const struct export_target *t, const struct links *l)
{
	answer(c, a, v, l);
	if (r->kind == RECORD_CORRECTION || r->kind == RECORD_RETRACTION || r->kind == RECORD_REACTION || r->kind == RECORD_MODERATION)
		about(c, a, r, t);
	if (v->subject)
		canvas_paragraph(c, CANVAS_NAME, INDENT, pdf_text(a, v->subject, true));
	if (v->words)
		canvas_paragraph(c, CANVAS_TEXT, r->kind == RECORD_CORRECTION ? INNER : INDENT, pdf_text(a, v->words, false));
	if (v->note)
		canvas_paragraph(c, CANVAS_SOFT, INDENT, v->note);
	files(c, a, r);
	if (v->raw)
		canvas_paragraph(c, CANVAS_CODE, INNER, conversation_line(a, r->xml, RAW_MAX));
	later(c, a, r, l);
}

int
pdf_record(struct canvas *c, struct arena *a, struct export_group *g, const struct export_record *r, struct links *l, struct err *e)
{
	const struct export_target *t;
	char leaf[2 * SHA256_SIZE + 1];
	struct view v;

	view_make(a, r, &v);
	if (links_target(l, g, r, &t, e))
		return -1;
	title(c, a, r, &v);
	if (v.shape != VIEW_ERASED)
		content(c, a, r, &v, t, l);
	text_hex(r->leaf, SHA256_SIZE, leaf);
	canvas_paragraph(c, CANVAS_SOFT, INDENT, arena_printf(a, "record %" PRIu64 ", leaf %.*s\xe2\x80\xa6", r->id, LEAF_SHOWN, leaf));
	canvas_space(c, 5);
	return canvas_error(c, e);
}

static const char *
stay(struct arena *a, const struct export_presence *p)
{
	const char *nick = p->nick ? arena_printf(a, " as %s", pdf_text(a, p->nick, true)) : "";

	return arena_printf(a, "%s%s, from %s%s%s", pdf_text(a, p->jid, true), nick, p->from_us ? clock_of(a, p->from_us) : "before",
			    p->until_us ? " until " : ", not seen to leave that day", p->until_us ? clock_of(a, p->until_us) : "");
}

int
pdf_audience(struct canvas *c, struct arena *a, struct export_group *g, struct err *e)
{
	struct export_presence *p;
	const char *why;
	size_t n;

	if (export_group_audience(g, a, &p, &n, &why, e))
		return -1;
	if (why)
		canvas_paragraph(c, CANVAS_SOFT, 0, arena_printf(a, "Who could read cannot be told: %s", pdf_text(a, why, true)));
	if (n)
		canvas_paragraph(c, CANVAS_SOFT, 0, "Who was in the room and could read:");
	for (size_t i = 0; i < n && i < STAYS_MAX; i++)
		canvas_paragraph(c, CANVAS_SOFT, 12, stay(a, &p[i]));
	if (n > STAYS_MAX)
		canvas_paragraph(c, CANVAS_SOFT, 12, arena_printf(a, "and %zu more", n - STAYS_MAX));
	return 0;
}
