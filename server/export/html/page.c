/*
 * page: bodies in a scratch file, then pages in the bundle.
 *
 * What a message says about records behind it ("corrected: #19") is written before it is known whether these come on the same page. So a reference
 * is "\1" 19 "\2" in the scratch file, and becomes a link, or only the number, when the page is written. Nobody else's text has these two
 * characters: all controls are shown by their numbers.
 */
#include "export/html/page.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "export/html/text.h"
#include "export/view.h"

#define PAGE_RECORDS 1000
#define PAGE_BYTES (1u << 20)
#define PIECE 32768
#define REFERENCE 24

int
html_put(struct html *h, struct buf *b, struct err *e)
{
	size_t n = buf_len(b);

	if (fwrite(buf_data(b), 1, n, h->body) != n)
		return err_set(e, errno, "a page of the export cannot be kept: %s", strerror(errno));
	h->page_bytes += n;
	buf_clear(b);
	return 0;
}

bool
html_is_full(const struct html *h)
{
	return h->page_records >= PAGE_RECORDS || h->page_bytes >= PAGE_BYTES;
}

const char *
html_page_name(struct arena *a, const char *stem, size_t page)
{
	return page < 2 ? arena_printf(a, HTML_FOLDER "%s.html", stem) : arena_printf(a, HTML_FOLDER "%s-%zu.html", stem, page);
}

/* Days */

int
html_open_day(struct html *h, const char *day, bool again, const char *audience, struct err *e)
{
	struct buf b = {0};
	char words[64];
	int rc;

	snprintf(h->day, sizeof(h->day), "%s", day);
	buf_addf(&b, "<section class=\"day\" id=\"d%s\">\n<h2>%s%s</h2>\n%s", day, view_day(day, words), again ? " (continued)" : "", audience);
	rc = html_put(h, &b, e);
	buf_fini(&b);
	return rc;
}

int
html_close_day(struct html *h, struct err *e)
{
	struct buf b = {0};
	int rc;

	if (!h->day[0])
		return 0;
	h->day[0] = '\0';
	buf_adds(&b, "</section>\n");
	rc = html_put(h, &b, e);
	buf_fini(&b);
	return rc;
}

/* References */

/* Of the page of this conversation on which a record with this index is, or would be. */
static size_t
page_of(const struct html *h, uint64_t log_index)
{
	size_t lo = 0, hi = h->pages;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (h->first[mid] <= log_index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

int
html_reference(struct html *h, struct buf *b, uint64_t log_index, struct err *e)
{
	const char *name;
	bool shown;

	if (export_is_selected(h->x, log_index, &shown, e))
		return -1;
	if (shown && h->pages && log_index >= h->first[h->pages - 1]) {
		buf_addf(b, "\1%" PRIu64 "\2", log_index);
	} else if (shown && page_of(h, log_index)) {
		name = html_page_name(h->record, h->stem, page_of(h, log_index));
		buf_addf(b, "<a href=\"%s#r%" PRIu64 "\">#%" PRIu64 "</a>", name + strlen(HTML_FOLDER), log_index, log_index);
	} else {
		buf_addf(b, "#%" PRIu64 "%s", log_index, shown ? "" : " (not in this export)");
	}
	return 0;
}

/* Head and foot */

void
html_begin(struct html *h, struct buf *b, const char *title)
{
	buf_adds(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"");
	html_policy(b);
	buf_adds(b, "\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
		    "<meta name=\"robots\" content=\"noindex\">\n<title>");
	(void)html_text(b, title, 0);
	buf_addf(b, " \xc2\xb7 export %" PRIu64 "</title>\n<style>", h->x->info->job);
	buf_adds(b, html_style());
	buf_adds(b, "</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the content</a>\n");
}

void
html_end(struct html *h, struct buf *b)
{
	buf_addf(b, "<footer>Export %" PRIu64 " of ", h->x->info->job);
	html_word(b, h->x->info->domain);
	buf_adds(b, ". All times are UTC; # is the place of a record in the log. What characters hide is shown <span class=\"mark\">U+202E</span>. "
		    "These pages are for reading: the proof is in the folder proof, and chancery-verify checks it.</footer>\n</body>\n</html>\n");
}

void
html_conversation(struct buf *b, enum export_place place, const char *name)
{
	const char *space = strchr(name, ' ');
	char *first;

	if (!*name) {
		buf_adds(b, "Whose addresses are erased");
		return;
	}
	if (place == EXPORT_ROOM)
		buf_adds(b, "Room ");
	if (!space) {
		html_word(b, name);
		return;
	}
	first = mem_strndup(name, (size_t)(space - name));
	html_word(b, first);
	buf_adds(b, " and ");
	html_word(b, space + 1);
	free(first);
}

const struct party *
html_people(struct buf *b, const struct party *p, size_t most)
{
	buf_adds(b, "<table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Address</th><th scope=\"col\">From</th>"
		    "<th scope=\"col\" class=\"n\">Sent</th><th scope=\"col\" class=\"n\">Was sent</th></tr></thead>\n<tbody>\n");
	for (; p && most > 0; p = parties_next(p), most--) {
		buf_adds(b, "<tr><td>");
		html_word(b, p->name);
		buf_adds(b, "</td><td>");
		html_word(b, p->address);
		buf_addf(b, "</td><td>%s</td><td class=\"n\">", p->ours ? "here" : "elsewhere");
		html_number(b, p->wrote);
		buf_adds(b, "</td><td class=\"n\">");
		html_number(b, p->got);
		buf_adds(b, "</td></tr>\n");
	}
	buf_adds(b, "</tbody>\n</table>\n");
	return p;
}

/* The page */

static void
navigation(struct html *h, struct buf *b, bool more)
{
	const char *name;

	buf_adds(b, "<nav aria-label=\"Pages\"><a href=\"index.html\">This export</a><a href=\"conversations.html\">Conversations</a>"
		    "<a href=\"people.html\">People</a>");
	if (h->pages > 1) {
		name = html_page_name(h->record, h->stem, h->pages - 1);
		buf_addf(b, "<a rel=\"prev\" href=\"%s\">Page %zu</a>", name + strlen(HTML_FOLDER), h->pages - 1);
	}
	if (more) {
		name = html_page_name(h->record, h->stem, h->pages + 1);
		buf_addf(b, "<a rel=\"next\" href=\"%s\">Page %zu</a>", name + strlen(HTML_FOLDER), h->pages + 1);
	}
	buf_adds(b, "</nav>\n");
}

static void
page_head(struct html *h, struct buf *b, bool more)
{
	const struct party *p = parties_first(h->here);

	html_begin(h, b, *h->name ? h->name : "Erased");
	navigation(h, b, more);
	buf_adds(b, "<header>\n<h1>");
	html_conversation(b, h->place, h->name);
	buf_adds(b, "</h1>\n<p class=\"soft\">");
	if (h->pages > 1 || more)
		buf_addf(b, "Page %zu, with ", h->pages);
	html_number(b, h->page_records);
	buf_addf(b, " record%s</p>\n</header>\n", h->page_records == 1 ? "" : "s");
	if (p) {
		buf_adds(b, "<section aria-labelledby=\"people\">\n<h2 id=\"people\">Who takes part</h2>\n");
		(void)html_people(b, p, SIZE_MAX);
		buf_adds(b, "</section>\n");
	}
	buf_adds(b, "<main id=\"main\">\n");
}

/* A reference is over: on this page, or behind it. */
static void
resolve(struct html *h, struct buf *b, const char *number)
{
	if (strtoull(number, NULL, 10) <= h->last)
		buf_addf(b, "<a href=\"#r%s\">#%s</a>", number, number);
	else
		buf_addf(b, "#%s", number);
}

static int
copy_body(struct html *h, struct err *e)
{
	char piece[PIECE], number[REFERENCE];
	struct buf b = {0};
	bool inside = false;
	size_t n, len = 0;
	int rc = 0;

	if (fflush(h->body) || fseek(h->body, 0, SEEK_SET))
		return err_set(e, errno, "a page of the export cannot be kept: %s", strerror(errno));
	while (!rc && (n = fread(piece, 1, sizeof(piece), h->body)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (piece[i] == '\1') {
				inside = true;
				len = 0;
			} else if (piece[i] == '\2') {
				number[len] = '\0';
				inside = false;
				resolve(h, &b, number);
			} else if (!inside) {
				buf_addc(&b, piece[i]);
			} else if (len < sizeof(number) - 1) {
				number[len++] = piece[i];
			}
		}
		rc = bundle_write(h->x->out, buf_data(&b), buf_len(&b), e);
		buf_clear(&b);
	}
	if (!rc && ferror(h->body))
		rc = err_set(e, errno, "a page of the export cannot be read: %s", strerror(errno));
	buf_fini(&b);
	return rc;
}

static int
write_page(struct html *h, bool more, struct err *e)
{
	struct buf b = {0};
	int rc;

	page_head(h, &b, more);
	rc = bundle_open(h->x->out, html_page_name(h->record, h->stem, h->pages), false, e) ||
		bundle_write(h->x->out, buf_data(&b), buf_len(&b), e) || copy_body(h, e);
	buf_clear(&b);
	buf_adds(&b, "</main>\n");
	navigation(h, &b, more);
	html_end(h, &b);
	rc = rc || bundle_write(h->x->out, buf_data(&b), buf_len(&b), e) || bundle_close(h->x->out, e);
	buf_fini(&b);
	return rc ? -1 : 0;
}

int
html_flush(struct html *h, bool more, struct err *e)
{
	if (html_close_day(h, e) || write_page(h, more, e))
		return -1;
	if (fseek(h->body, 0, SEEK_SET) || ftruncate(fileno(h->body), 0))
		return err_set(e, errno, "a page of the export cannot be kept: %s", strerror(errno));
	parties_clear(h->here);
	h->page_bytes = h->page_records = 0;
	return 0;
}
