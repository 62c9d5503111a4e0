/*
 * index: index.html, with what was asked for and the beginnings of the lists; conversations.html and people.html, with the lists.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/html/page.h"
#include "export/html/text.h"

#define LIST_ROWS 1000       /* on a page */
#define INDEX_CONVERSATIONS 100
#define INDEX_PEOPLE 50

static const char conversation_head[] = "<table>\n<thead><tr><th scope=\"col\">Conversation</th><th scope=\"col\" class=\"n\">Records</th>"
	"<th scope=\"col\">First</th><th scope=\"col\">Last</th></tr></thead>\n<tbody>\n";
static const char table_end[] = "</tbody>\n</table>\n";

/* A line in the scratch file. */
int
html_note_conversation(struct html *h, struct err *e)
{
	const char *name = html_page_name(h->record, h->stem, 1);
	struct buf b = {0};
	size_t n;
	int rc = 0;

	buf_addf(&b, "<tr><td><a href=\"%s\">", name + strlen(HTML_FOLDER));
	html_conversation(&b, h->place, h->name);
	buf_adds(&b, "</a></td><td class=\"n\">");
	html_number(&b, h->in_conversation);
	buf_adds(&b, "</td><td>");
	html_time(&b, h->begin_us);
	buf_adds(&b, "</td><td>");
	html_time(&b, h->end_us);
	buf_adds(&b, "</td></tr>\n");
	n = buf_len(&b);
	if (fwrite(buf_data(&b), 1, n, h->rows) != n)
		rc = err_set(e, errno, "the index of the export cannot be kept: %s", strerror(errno));
	buf_fini(&b);
	h->conversations++;
	return rc;
}

/* Up to `most` rows from where the scratch file is. */
static int
rows(struct html *h, struct buf *b, size_t most, struct err *e)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n = 0;

	while (most-- > 0 && (n = getline(&line, &room, h->rows)) > 0)
		buf_add(b, line, (size_t)n);
	free(line);
	return ferror(h->rows) ? err_set(e, errno, "the index of the export cannot be read: %s", strerror(errno)) : 0;
}

static int
rewind_rows(struct html *h, struct err *e)
{
	return fflush(h->rows) || fseek(h->rows, 0, SEEK_SET) ? err_set(e, errno, "the index of the export cannot be read: %s", strerror(errno)) : 0;
}

/* Lists */

static const char *
list_name(struct html *h, const char *list, size_t page)
{
	return page < 2 ? arena_printf(h->record, "%s.html", list) : arena_printf(h->record, "%s-%zu.html", list, page);
}

static void
list_head(struct html *h, struct buf *b, const char *list, const char *title, size_t page, size_t pages)
{
	html_begin(h, b, title);
	buf_adds(b, "<nav aria-label=\"Pages\"><a href=\"index.html\">This export</a>");
	if (page > 1)
		buf_addf(b, "<a rel=\"prev\" href=\"%s\">Page %zu</a>", list_name(h, list, page - 1), page - 1);
	if (page < pages)
		buf_addf(b, "<a rel=\"next\" href=\"%s\">Page %zu</a>", list_name(h, list, page + 1), page + 1);
	buf_addf(b, "</nav>\n<main id=\"main\">\n<h1>%s</h1>\n", title);
	if (pages > 1)
		buf_addf(b, "<p class=\"soft\">Page %zu of %zu</p>\n", page, pages);
}

static int
list_end(struct html *h, struct buf *b, const char *list, size_t page, struct err *e)
{
	const char *name = arena_printf(h->record, HTML_FOLDER "%s", list_name(h, list, page));
	int rc;

	buf_adds(b, "</main>\n");
	html_end(h, b);
	rc = bundle_add(h->x->out, name, buf_data(b), buf_len(b), e);
	buf_clear(b);
	arena_reset(h->record);
	return rc;
}

static size_t
pages_of(uint64_t n)
{
	return n ? (size_t)((n - 1) / LIST_ROWS + 1) : 1;
}

static int
conversations(struct html *h, struct err *e)
{
	size_t pages = pages_of(h->conversations);
	struct buf b = {0};
	int rc = rewind_rows(h, e);

	for (size_t page = 1; page <= pages && !rc; page++) {
		list_head(h, &b, "conversations", "Conversations", page, pages);
		buf_adds(&b, conversation_head);
		rc = rows(h, &b, LIST_ROWS, e);
		buf_adds(&b, table_end);
		rc = rc || list_end(h, &b, "conversations", page, e) ? -1 : 0;
	}
	buf_fini(&b);
	return rc;
}

static void
others(struct html *h, struct buf *b)
{
	if (!parties_others(h->all))
		return;
	buf_addf(b, "<p class=\"note\">More than %d people: ", HTML_PEOPLE);
	html_number(b, parties_others(h->all));
	buf_adds(b, " times somebody takes part who is not listed.</p>\n");
}

static int
people(struct html *h, struct err *e)
{
	const struct party *p = parties_first(h->all);
	size_t pages = pages_of(parties_count(h->all));
	struct buf b = {0};
	int rc = 0;

	for (size_t page = 1; page <= pages && !rc; page++) {
		list_head(h, &b, "people", "People", page, pages);
		p = html_people(&b, p, LIST_ROWS);
		others(h, &b);
		rc = list_end(h, &b, "people", page, e);
	}
	buf_fini(&b);
	return rc;
}

/* The first page */

static void
fact(struct buf *b, const char *what, const char *text)
{
	if (!text)
		return;
	buf_addf(b, "<dt>%s</dt><dd>", what);
	html_word(b, text);
	buf_adds(b, "</dd>\n");
}

static void
fact_number(struct buf *b, const char *what, uint64_t n)
{
	buf_addf(b, "<dt>%s</dt><dd>", what);
	html_number(b, n);
	buf_adds(b, "</dd>\n");
}

static void
facts(struct html *h, struct buf *b)
{
	const struct export_info *i = h->x->info;

	buf_adds(b, "<dl class=\"facts\">\n");
	fact(b, "What was asked for", i->query_text);
	fact(b, "Reason", i->reason);
	fact(b, "Asked for by", i->asked_by);
	fact(b, "Approved by", i->approved_by);
	buf_adds(b, "<dt>Asked for at</dt><dd>");
	html_time(b, i->asked_us);
	buf_adds(b, "</dd>\n");
	if (h->last_us) {
		buf_adds(b, "<dt>Records from</dt><dd>");
		html_time(b, h->first_us);
		buf_adds(b, " to ");
		html_time(b, h->last_us);
		buf_adds(b, "</dd>\n");
	}
	fact_number(b, "Records", h->records);
	if (h->erased)
		fact_number(b, "Of these, erased", h->erased);
	fact_number(b, "Conversations", h->conversations);
	fact_number(b, "People", parties_count(h->all));
	fact_number(b, "Size of the log", i->tree_size);
	buf_adds(b, "</dl>\n<details><summary>The query, as it was asked</summary><pre dir=\"ltr\">");
	(void)html_text(b, i->query, 0);
	buf_adds(b, "</pre></details>\n");
}

static void
how_to(struct buf *b)
{
	buf_adds(b, "<h2>How to read this</h2>\n"
		    "<p>Each conversation has a page, or several when it is long. Records are in the order of the log, days begin at midnight UTC. The number "
		    "behind # is a record\xe2\x80\x99s place in the log: the same in proof/records.jsonl. A correction shows what was there before; what was "
		    "taken back is shown, as the record keeps it; an erased record is shown as erased. Addresses in messages are not links, and no page "
		    "loads or runs anything.</p>\n"
		    "<h2>How to check it</h2>\n<p><code>chancery-verify BUNDLE.zip --key KEY</code> shows that every record is what the log has, that "
		    "every place in the log is accounted for, and that no file was changed, this page included. Ask the owner of the server for the key.</p>\n");
}

int
html_index(struct html *h, struct err *e)
{
	struct buf b = {0};
	int rc;

	if (conversations(h, e) || people(h, e) || rewind_rows(h, e))
		return -1;
	html_begin(h, &b, h->x->info->domain);
	buf_addf(&b, "<main id=\"main\">\n<h1>Export %" PRIu64 " of ", h->x->info->job);
	html_word(&b, h->x->info->domain);
	buf_adds(&b, "</h1>\n");
	facts(h, &b);
	buf_adds(&b, "<h2>Conversations</h2>\n");
	buf_adds(&b, conversation_head);
	rc = rows(h, &b, INDEX_CONVERSATIONS, e);
	buf_adds(&b, table_end);
	if (h->conversations > INDEX_CONVERSATIONS)
		buf_adds(&b, "<p><a href=\"conversations.html\">All conversations</a></p>\n");
	buf_adds(&b, "<h2>People</h2>\n");
	(void)html_people(&b, parties_first(h->all), INDEX_PEOPLE);
	if (parties_count(h->all) > INDEX_PEOPLE)
		buf_adds(&b, "<p><a href=\"people.html\">All people</a></p>\n");
	others(h, &b);
	how_to(&b);
	buf_adds(&b, "</main>\n");
	html_end(h, &b);
	rc = rc || bundle_add(h->x->out, HTML_FOLDER "index.html", buf_data(&b), buf_len(&b), e) ? -1 : 0;
	buf_fini(&b);
	return rc;
}
