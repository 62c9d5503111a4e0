/*
 * pdf: messages.pdf, to print and to hand over: what was asked for, then conversations with their days, who takes part at the end. After
 * VOLUME_RECORDS records another file begins, messages-2.pdf: what a PDF knows of its pages is in memory until it is finished.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "export/conversation.h"
#include "export/formats.h"
#include "export/pdf/record.h"
#include "export/parties.h"
#include "export/view.h"

#define VOLUME_RECORDS 10000
#define PEOPLE_MAX 200000
#define PEOPLE_SHOWN 2000
#define DAY_PEOPLE 40        /* named at the beginning of a day */
#define NAME_BYTES 300

struct pdf {
	struct export_context *x;
	struct arena *arena;       /* emptied after each record */
	struct canvas *canvas;     /* NULL: none is open */
	unsigned volume;
	uint64_t records;          /* in this volume */
	char *conversation;        /* of the last group; NULL: none */
	struct parties *people;
};

/* Volumes */

static int
begin_volume(struct pdf *p, struct err *e)
{
	const struct export_info *i = p->x->info;
	const char *name = p->volume++ ? arena_printf(p->arena, "messages-%u.pdf", p->volume) : "messages.pdf";
	const char *part = p->volume > 1 ? arena_printf(p->arena, ", part %u", p->volume) : "";
	struct canvas_about about = {
		.title = arena_printf(p->arena, "Export %" PRIu64 " of %s%s", i->job, i->domain, part),
		.author = i->domain,
		.subject = pdf_text(p->arena, i->query_text, true),
		.at_us = i->started_us,
	};

	about.head = about.title;
	p->records = 0;
	p->canvas = canvas_new(p->x->out, name, &about, e);
	if (!p->canvas)
		return -1;
	canvas_paragraph(p->canvas, CANVAS_TITLE, 0, about.title);
	canvas_space(p->canvas, 6);
	return 0;
}

static int
end_volume(struct pdf *p, struct err *e)
{
	int rc = canvas_close(p->canvas, e);

	canvas_free(p->canvas);
	p->canvas = NULL;
	return rc;
}

static void
fact(struct pdf *p, const char *what, const char *text)
{
	if (text)
		canvas_paragraph(p->canvas, CANVAS_TEXT, 0, arena_printf(p->arena, "%s: %s", what, pdf_text(p->arena, text, true)));
}

static void
front(struct pdf *p)
{
	const struct export_info *i = p->x->info;
	char at[32];

	fact(p, "What was asked for", i->query_text);
	fact(p, "Reason", i->reason);
	fact(p, "Asked for by", i->asked_by);
	fact(p, "Approved by", i->approved_by);
	fact(p, "Asked for at", export_time(i->asked_us, at));
	fact(p, "Records", arena_printf(p->arena, "%" PRIu64, i->records));
	fact(p, "Size of the log", arena_printf(p->arena, "%" PRIu64, i->tree_size));
	canvas_space(p->canvas, 6);
	canvas_paragraph(p->canvas, CANVAS_SOFT, 0,
			 "Records are in the order of the log within each conversation. The number behind # is a record\xe2\x80\x99s place in the log, the same as in "
			 "proof/records.jsonl. A correction shows what was there before; what was taken back is shown, as the record keeps it; an erased "
			 "record is shown as erased. Characters that hide or turn others are shown by their number, as [U+202E]. "
			 "chancery-verify, run on the whole bundle, shows that every record is what the log has and that this file was not changed.");
	canvas_rule(p->canvas);
}

/* Groups */

static const char *
name_of(struct arena *a, const struct export_group *g)
{
	const char *space = strchr(g->conversation, ' ');

	if (!*g->conversation)
		return "Whose addresses are erased";
	if (g->place == EXPORT_ROOM)
		return arena_printf(a, "Room %s", pdf_text(a, g->conversation, true));
	if (!space)
		return pdf_text(a, g->conversation, true);
	return arena_printf(a, "%s and %s", pdf_text(a, arena_strndup(a, g->conversation, (size_t)(space - g->conversation)), true),
			    pdf_text(a, space + 1, true));
}

/* Who takes part on this day: the first of them. */
static int
day_people(struct pdf *p, struct export_group *g, struct err *e)
{
	struct conversation *c = conversation_read(p->x, g, e);
	const struct conversation_person *who = NULL;
	struct buf b = {0};
	unsigned n = 0;
	int rc = c ? conversation_rewind(c, e) : -1;

	while (!rc && n < DAY_PEOPLE && !(rc = conversation_next(c, &who, e)) && who) {
		struct export_person is = { .bare = who->bare, .name = who->name, .ours = who->ours };

		buf_adds(&b, n++ ? ", " : "Taking part: ");
		conversation_who(&b, &is);
	}
	if (!rc && conversation_counts(c)->people > n)
		buf_addf(&b, " and %" PRIu64 " more", conversation_counts(c)->people - n);
	if (!rc && buf_len(&b))
		canvas_paragraph(p->canvas, CANVAS_SOFT, 0, buf_str(&b));
	buf_fini(&b);
	conversation_free(c);
	return rc;
}

/* `again`: the volume begins in the middle of it. */
static void
heading(struct pdf *p, const struct export_group *g, bool again)
{
	const char *name = name_of(p->arena, g), *day = g->day;
	bool same = p->conversation && !strcmp(p->conversation, g->stem + strlen(g->day));
	char words[64];

	if (!same || again) {
		canvas_rule(p->canvas);
		canvas_outline(p->canvas, 0, conversation_line(p->arena, name, NAME_BYTES));
		canvas_section(p->canvas, conversation_line(p->arena, name, NAME_BYTES));
		canvas_paragraph(p->canvas, CANVAS_HEADING, 0, again ? arena_printf(p->arena, "%s (continued)", name) : name);
	}
	canvas_outline(p->canvas, 1, view_day(day, words));
	canvas_paragraph(p->canvas, CANVAS_DAY, 0, words);
	free(p->conversation);
	p->conversation = mem_strdup(g->stem + strlen(g->day));
}

static int
records(struct pdf *p, struct export_group *g, struct links *l, struct err *e)
{
	const struct export_record *r;
	int rc;

	export_group_rewind(g);
	while ((rc = export_group_next(g, &r, e)) > 0) {
		if (p->records >= VOLUME_RECORDS) {
			if (end_volume(p, e) || begin_volume(p, e))
				return -1;
			heading(p, g, true);
		}
		if (pdf_record(p->canvas, p->arena, g, r, l, e))
			return -1;
		parties_note(p->people, r);
		p->records++;
		arena_reset(p->arena);
	}
	return rc;
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	struct pdf *p = state;
	struct links *l;
	int rc;

	(void)x;
	heading(p, g, false);
	if (day_people(p, g, e) || pdf_audience(p->canvas, p->arena, g, e))
		return -1;
	canvas_space(p->canvas, 6);
	l = links_read(g, e);
	rc = l ? records(p, g, l, e) : -1;
	links_free(l);
	return rc;
}

/* The format */

static int
open_file(struct export_context *x, void **state, struct err *e)
{
	struct pdf *p = NEW(struct pdf);

	*state = p;
	p->x = x;
	p->arena = arena_new(0);
	p->people = parties_new(PEOPLE_MAX);
	if (begin_volume(p, e))
		return -1;
	front(p);
	return canvas_error(p->canvas, e);
}

static void
people(struct pdf *p)
{
	const struct party *who = parties_first(p->people);
	size_t shown = 0;

	if (!who)
		return;
	canvas_section(p->canvas, "People");
	canvas_page(p->canvas);
	canvas_outline(p->canvas, 0, "People");
	canvas_paragraph(p->canvas, CANVAS_HEADING, 0, "People");
	canvas_space(p->canvas, 4);
	for (; who && shown < PEOPLE_SHOWN; who = parties_next(who), shown++) {
		canvas_line_begin(p->canvas, 0, NULL);
		canvas_line_add(p->canvas, CANVAS_NAME, pdf_text(p->arena, who->name, true));
		if (strcmp(who->name, who->address) != 0)
			canvas_line_add(p->canvas, CANVAS_SOFT, pdf_text(p->arena, who->address, true));
		canvas_line_add(p->canvas, CANVAS_SOFT, arena_printf(p->arena, "%s sent %" PRIu64 ", was sent %" PRIu64, who->ours ? "(here)" : "(elsewhere)",
						  who->wrote, who->got));
		canvas_line_end(p->canvas);
		arena_reset(p->arena);
	}
	if (parties_count(p->people) > shown || parties_others(p->people))
		canvas_paragraph(p->canvas, CANVAS_SOFT, 0, arena_printf(p->arena, "and %zu more", parties_count(p->people) - shown));
}

static int
close_file(struct export_context *x, void *state, struct err *e)
{
	struct pdf *p = state;

	(void)x;
	people(p);
	return end_volume(p, e);
}

static void
free_file(void *state)
{
	struct pdf *p = state;

	if (!p)
		return;
	canvas_free(p->canvas);
	parties_free(p->people);
	free(p->conversation);
	arena_free(p->arena);
	free(p);
}

const struct export_format export_pdf = {
	.name = "pdf", .about = "to print and to hand over", .order = EXPORT_BY_CONVERSATION, .open = open_file, .group = group, .close = close_file,
	.free = free_file,
};
