/*
 * record: a record on a page.
 */
#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "export/conversation.h"
#include "export/html/page.h"
#include "export/html/text.h"
#include "export/view.h"

#define EXCERPT 240
#define RAW_MAX 16384
#define AUDIENCE_MAX 2000

/* Parts */

static void
block(struct buf *b, const char *class, const char *text, size_t most)
{
	buf_addf(b, "<div class=\"%s\" dir=\"auto\">", class);
	if (html_text(b, text, most))
		buf_adds(b, "\xe2\x80\xa6");
	buf_adds(b, "</div>");
}

/* What a browser might run when it is opened is not linked to. */
static bool
is_active(const char *type)
{
	size_t n = strlen(type);

	return !n || strstr(type, "html") || strstr(type, "svg") || strstr(type, "script") || (n >= 3 && !strcmp(type + n - 3, "xml"));
}

static void
files(struct buf *b, const struct export_record *r)
{
	if (!r->nfiles)
		return;
	buf_adds(b, "<ul class=\"files\">");
	for (size_t i = 0; i < r->nfiles; i++) {
		const struct export_file *f = &r->files[i];
		bool link = f->path && !is_active(f->type);

		buf_adds(b, "<li>File: ");
		if (link) {
			buf_adds(b, "<a href=\"");
			html_link(b, f->path);
			buf_adds(b, "\">");
		}
		html_word(b, f->name);
		buf_adds(b, link ? "</a> <span class=\"soft\">" : " <span class=\"soft\">");
		html_number(b, f->size);
		buf_adds(b, " bytes");
		if (*f->type) {
			buf_adds(b, ", ");
			html_word(b, f->type);
		}
		if (!f->path) {
			buf_adds(b, "; not here: ");
			html_word(b, f->why);
		} else if (!link) {
			buf_adds(b, "; in this bundle as ");
			html_word(b, f->path);
		}
		buf_adds(b, "</span></li>");
	}
	buf_adds(b, "</ul>");
}

static void
raw(struct buf *b, const struct export_record *r)
{
	buf_adds(b, "<details><summary>As it was recorded</summary><pre dir=\"ltr\">");
	if (html_text(b, r->xml, RAW_MAX))
		buf_adds(b, "\xe2\x80\xa6 (all of it: proof/records.jsonl)");
	buf_adds(b, "</pre></details>");
}

/* Numbers and addresses, as they are proved. */
static void
facts(struct html *h, struct buf *b, const struct export_record *r)
{
	char hex[2 * SHA256_SIZE + 1], time[32];

	text_hex(r->leaf, SHA256_SIZE, hex);
	buf_addf(b, "<details><summary>Record</summary>Place %" PRIu64 " in the log, record %" PRIu64 ", %s", r->log_index, r->id, export_time(r->at_us, time));
	if (*r->kind_name)
		buf_addf(b, ", %s", r->kind_name);
	if (r->from.bare) {
		buf_adds(b, "; from ");
		html_word(b, view_address(h->record, &r->from));
	}
	if (r->to.bare) {
		buf_adds(b, "; to ");
		html_word(b, view_address(h->record, &r->to));
	}
	if (r->client_id) {
		buf_adds(b, "; id ");
		html_word(b, r->client_id);
	}
	buf_addf(b, "; leaf <code>%s</code></details>", hex);
}

/* What it is about */

static int
about(struct html *h, struct buf *b, const struct export_record *r, const struct export_target *t, struct err *e)
{
	bool change = r->kind == RECORD_CORRECTION;

	if (!t) {
		buf_adds(b, "<div class=\"note\">What it is about is not found in the record");
		if (r->refers_to) {
			buf_adds(b, ": id ");
			html_word(b, r->refers_to);
		}
		buf_adds(b, "</div>");
		return 0;
	}
	buf_addf(b, "<div class=\"%s\"><b>%s, ", r->kind == RECORD_REACTION ? "quote" : "old", r->kind == RECORD_REACTION ? "To" : change ? "Before" : "What was taken back");
	html_time(b, t->at_us);
	buf_adds(b, ", ");
	if (html_reference(h, b, t->log_index, e))
		return -1;
	buf_adds(b, "</b>");
	if (t->body)
		block(b, "text", t->body, r->kind == RECORD_REACTION ? EXCERPT : 0);
	else
		buf_adds(b, t->erased ? "<div class=\"note\">erased</div>" : "<div class=\"note\">without words</div>");
	buf_adds(b, "</div>");
	return 0;
}

/* A reply names a message by an id, which is what its sender says. */
static int
answer(struct html *h, struct buf *b, const struct view *v, const struct links *l, struct err *e)
{
	uint64_t to;
	int rc = 0;

	if (!v->reply_to)
		return 0;
	buf_adds(b, "<div class=\"quote\">In reply to ");
	if (links_find(l, v->reply_to, &to)) {
		rc = html_reference(h, b, to, e);
	} else {
		buf_adds(b, "a message of another day, id ");
		html_word(b, v->reply_to);
	}
	buf_adds(b, "</div>");
	return rc;
}

/* What became of it later. */
static int
later(struct html *h, struct buf *b, const struct export_record *r, const struct links *l, struct err *e)
{
	size_t n;
	const struct link *x = links_about(l, r->log_index, &n);

	if (!n)
		return 0;
	buf_adds(b, "<ul class=\"later\">");
	for (size_t i = 0; i < n; i++) {
		buf_adds(b, x[i].kind == RECORD_CORRECTION ? "<li>Corrected at " : x[i].kind == RECORD_RETRACTION ? "<li>Taken back at " :
			 x[i].kind == RECORD_MODERATION ? "<li>Taken back by a moderator at " : x[i].kind == RECORD_REACTION ? "<li>Reaction " : "<li>Answered at ");
		if (x[i].kind == RECORD_REACTION) {
			if (*x[i].what)
				html_word(b, x[i].what);
			else
				buf_adds(b, "taken back");
			buf_adds(b, " at ");
		}
		html_clock(b, x[i].at_us);
		buf_adds(b, ", ");
		if (html_reference(h, b, x[i].by, e))
			return -1;
		buf_adds(b, "</li>");
	}
	buf_adds(b, "</ul>");
	return 0;
}

/* The whole */

static void
title(struct buf *b, const struct export_record *r, const struct view *v)
{
	buf_adds(b, "<div>");
	html_person(b, &r->from);
	if (v->does) {
		buf_adds(b, " <span class=\"soft\">");
		html_word(b, v->does);
		if (v->what) {
			buf_adds(b, ": ");
			html_word(b, v->what);
		}
		buf_adds(b, "</span>");
	}
	if (v->label) {
		buf_adds(b, " <span class=\"chip\">");
		html_word(b, v->label);
		buf_adds(b, "</span>");
	}
	buf_adds(b, "</div>");
}

static bool
is_about(const struct export_record *r)
{
	return r->kind == RECORD_CORRECTION || r->kind == RECORD_RETRACTION || r->kind == RECORD_REACTION || r->kind == RECORD_MODERATION;
}

static int
content(struct html *h, struct buf *b, const struct export_record *r, const struct view *v, const struct export_target *t, const struct links *l,
	struct err *e)
{
	title(b, r, v);
	if (answer(h, b, v, l, e) || (is_about(r) && about(h, b, r, t, e)))
		return -1;
	if (v->subject)
		block(b, "subject", v->subject, 0);
	if (v->words && r->kind == RECORD_CORRECTION) {
		buf_adds(b, "<div class=\"new\"><b>After</b>");
		block(b, "text", v->words, 0);
		buf_adds(b, "</div>");
	} else if (v->words) {
		block(b, "text", v->words, 0);
	}
	if (v->note)
		buf_addf(b, "<div class=\"note\">%s</div>", v->note);
	files(b, r);
	if (v->raw)
		raw(b, r);
	return later(h, b, r, l, e);
}

int
html_record(struct html *h, struct buf *b, struct export_group *g, const struct export_record *r, struct links *l, struct err *e)
{
	static const char *const classes[] = { [VIEW_SAID] = "said", [VIEW_EVENT] = "event", [VIEW_ERASED] = "gone" };
	const struct export_target *t;
	struct view v;

	view_make(h->record, r, &v);
	if (links_target(l, g, r, &t, e))
		return -1;
	buf_addf(b, "<article id=\"r%" PRIu64 "\" class=\"%s\">\n<div class=\"when\">", r->log_index, classes[v.shape]);
	html_clock(b, r->at_us);
	buf_addf(b, "<a href=\"#r%" PRIu64 "\" aria-label=\"Record %" PRIu64 "\">#%" PRIu64 "</a></div>\n<div class=\"what\">", r->log_index, r->log_index,
		 r->log_index);
	if (v.shape == VIEW_ERASED)
		buf_adds(b, "<strong>Erased.</strong> There was a record here; what it said is gone. Its hash is still in the log.");
	else if (content(h, b, r, &v, t, l, e))
		return -1;
	facts(h, b, r);
	buf_adds(b, "</div>\n</article>\n");
	return 0;
}

/* Audience */

static void
presence(struct buf *b, const struct export_presence *p)
{
	buf_adds(b, "<li>");
	html_word(b, p->jid);
	if (p->nick) {
		buf_adds(b, " as ");
		html_word(b, p->nick);
	}
	buf_adds(b, ", <span class=\"soft\">");
	if (p->from_us) {
		buf_adds(b, "from ");
		html_clock(b, p->from_us);
	} else {
		buf_adds(b, "from before");
	}
	if (p->until_us) {
		buf_adds(b, " until ");
		html_clock(b, p->until_us);
	} else {
		buf_adds(b, ", not seen to leave that day");
	}
	buf_adds(b, "</span></li>\n");
}

int
html_audience(struct html *h, struct buf *b, struct export_group *g, struct err *e)
{
	struct export_presence *p;
	const char *why;
	size_t n;

	if (export_group_audience(g, h->record, &p, &n, &why, e))
		return -1;
	if (why) {
		buf_adds(b, "<p class=\"note\">Who could read cannot be told: ");
		html_word(b, why);
		buf_adds(b, "</p>\n");
	}
	if (!n)
		return 0;
	buf_addf(b, "<details%s><summary>Who was in the room and could read: ", n <= 20 ? " open" : "");
	html_number(b, n);
	buf_adds(b, n == 1 ? " stay" : " stays");
	buf_adds(b, "</summary>\n<ul class=\"people\">\n");
	for (size_t i = 0; i < n && i < AUDIENCE_MAX; i++)
		presence(b, &p[i]);
	buf_adds(b, "</ul>\n");
	if (n > AUDIENCE_MAX) {
		buf_adds(b, "<p class=\"note\">and ");
		html_number(b, n - AUDIENCE_MAX);
		buf_adds(b, " more</p>\n");
	}
	buf_adds(b, "</details>\n");
	return 0;
}
