/*
 * html: pages to read and to print: html/index.html, and for each conversation a page, or several. No page runs or loads anything.
 *
 * Records come in groups of a conversation and day (format.h). A group is read twice: for what its records say about each other, then to be shown.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "export/formats.h"
#include "export/html/page.h"

/* Conversations */

/* The stem of a group is of its day; that of its conversation is what follows. */
static const char *
stem_of(const struct export_group *g)
{
	size_t n = strlen(g->day);

	return !strncmp(g->stem, g->day, n) && g->stem[n] == '-' ? g->stem + n + 1 : g->stem;
}

static int
end_conversation(struct html *h, struct err *e)
{
	int rc;

	if (!h->stem)
		return 0;
	rc = html_flush(h, false, e) || html_note_conversation(h, e);
	free(h->stem);
	free(h->name);
	h->stem = h->name = NULL;
	arena_reset(h->record);
	return rc ? -1 : 0;
}

static void
begin_conversation(struct html *h, const struct export_group *g)
{
	h->stem = mem_strdup(stem_of(g));
	h->name = mem_strdup(g->conversation);
	h->place = g->place;
	h->in_conversation = 0;
	h->begin_us = h->end_us = 0;
	h->pages = 0;
}

/* The page that is begun begins with this record. */
static void
begin_page(struct html *h, uint64_t log_index)
{
	if (h->pages == h->pages_room) {
		h->pages_room = h->pages_room ? 2 * h->pages_room : 16;
		h->first = mem_realloc(h->first, h->pages_room * sizeof(*h->first));
	}
	h->first[h->pages++] = log_index;
}

/* Records */

static void
note(struct html *h, const struct export_record *r)
{
	parties_note(h->here, r);
	parties_note(h->all, r);
	h->last = r->log_index;
	h->page_records++;
	h->records++;
	h->erased += r->erased;
	if (!h->in_conversation++)
		h->begin_us = r->at_us;
	h->end_us = r->at_us;
	if (!h->first_us || r->at_us < h->first_us)
		h->first_us = r->at_us;
	if (r->at_us > h->last_us)
		h->last_us = r->at_us;
}

/* Before a record: the page and the day that it is in. */
static int
make_room(struct html *h, struct export_group *g, const struct export_record *r, const char *audience, struct err *e)
{
	bool again = h->day[0] && !strcmp(h->day, g->day);

	if (h->pages && html_is_full(h)) {
		if (html_flush(h, true, e))
			return -1;
		begin_page(h, r->log_index);
		return html_open_day(h, g->day, again, again ? "" : audience, e);
	}
	if (!h->pages)
		begin_page(h, r->log_index);
	if (again)
		return 0;
	return html_close_day(h, e) || html_open_day(h, g->day, false, audience, e) ? -1 : 0;
}

static int
show(struct html *h, struct export_group *g, struct links *l, const char *audience, struct err *e)
{
	const struct export_record *r;
	struct buf b = {0};
	int rc;

	export_group_rewind(g);
	while ((rc = export_group_next(g, &r, e)) > 0) {
		if (make_room(h, g, r, audience, e) || html_record(h, &b, g, r, l, e) || html_put(h, &b, e)) {
			rc = -1;
			break;
		}
		note(h, r);
		arena_reset(h->record);
	}
	buf_fini(&b);
	return rc;
}

/* The format */

static int
open_pages(struct export_context *x, void **state, struct err *e)
{
	struct html *h = NEW(struct html);

	*state = h;
	h->x = x;
	h->record = arena_new(0);
	h->all = parties_new(HTML_PEOPLE);
	h->here = parties_new(HTML_PEOPLE);
	h->rows = export_scratch(x, e);
	h->body = h->rows ? export_scratch(x, e) : NULL;
	return h->body ? 0 : -1;
}

static int
group(struct export_context *x, void *state, struct export_group *g, struct err *e)
{
	struct html *h = state;
	struct buf audience = {0};
	struct links *l;
	int rc;

	(void)x;
	if (h->stem && strcmp(h->stem, stem_of(g)) != 0 && end_conversation(h, e))
		return -1;
	if (!h->stem)
		begin_conversation(h, g);
	l = links_read(g, e);
	if (!l)
		return -1;
	rc = html_audience(h, &audience, g, e) || show(h, g, l, buf_str(&audience), e) ? -1 : 0;
	links_free(l);
	buf_fini(&audience);
	return rc;
}

static int
close_pages(struct export_context *x, void *state, struct err *e)
{
	(void)x;
	return end_conversation(state, e) || html_index(state, e) ? -1 : 0;
}

static void
free_pages(void *state)
{
	struct html *h = state;

	if (!h)
		return;
	parties_free(h->all);
	parties_free(h->here);
	if (h->rows)
		(void)fclose(h->rows);
	if (h->body)
		(void)fclose(h->body);
	free(h->stem);
	free(h->name);
	free(h->first);
	arena_free(h->record);
	free(h);
}

const struct export_format export_html = {
	.name = "html", .about = "pages to read and to print", .order = EXPORT_BY_CONVERSATION, .open = open_pages, .group = group,
	.close = close_pages, .free = free_pages,
};
