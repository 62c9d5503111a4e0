/*
 * html: libxml2's SAX calls; no tree is made, so nothing grows with what is nested.
 */
#include "html.h"

#include <libxml/HTMLparser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define QUOTES_SHOWN 5

struct page {
	htmlParserCtxtPtr ctxt;
	struct buf *out;
	size_t max, start;
	unsigned depth, hidden, quotes;
	unsigned lines;   /* that end before the next word */
	bool space, at_start, pre, cut;
	char *link;       /* of the <a> that is open */
	size_t link_at;   /* where its words begin */
};

static const char *const hidden[] = { "head", "script", "style", "template", "title", "object", "select", NULL };
static const char *const blocks[] = { "address", "article", "blockquote", "center", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form", "h1", "h2", "h3",
	"h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "pre", "section", "table", "tr", "ul", NULL };

static bool
is_one(const char *name, const char *const *names)
{
	while (*names && strcasecmp(name, *names))
		names++;
	return *names;
}

static const char *
attribute(const xmlChar **atts, const char *name)
{
	for (; atts && atts[0]; atts += 2)
		if (!strcasecmp((const char *)atts[0], name))
			return (const char *)atts[1];
	return NULL;
}

/* Out */

static void
stop(struct page *p)
{
	p->cut = true;
	xmlStopParser(p->ctxt);
}

static void
put(struct page *p, const char *s, size_t n)
{
	if (buf_len(p->out) - p->start + n > p->max)
		stop(p);
	else if (!p->cut)
		buf_add(p->out, s, n);
}

static void
end_line(struct page *p, unsigned lines)
{
	if (!p->at_start && p->lines < lines)
		p->lines = lines;
	p->space = false;
}

/* In front of a word. */
static void
begin_word(struct page *p)
{
	bool first = p->at_start || p->lines;

	for (; p->lines; p->lines--)
		put(p, "\n", 1);
	for (unsigned i = 0; first && i < p->quotes && i < QUOTES_SHOWN; i++)
		put(p, "> ", 2);
	if (p->space && !first)
		put(p, " ", 1);
	p->space = p->at_start = false;
}

static void
words(struct page *p, const char *s, size_t n)
{
	for (size_t i = 0, len; i < n && !p->cut; i += len) {
		bool line = s[i] == '\n';

		len = 1;
		if (p->pre && line) {
			p->at_start = false;
			p->lines++;
		} else if (s[i] == ' ' || s[i] == '\t' || s[i] == '\r' || line) {
			p->space = true;
		} else {
			while (i + len < n && !strchr(" \t\r\n", s[i + len]))
				len++;
			begin_word(p);
			put(p, s + i, len);
		}
	}
}

static bool
leads_there(const char *link, const char *shown)
{
	size_t n = strlen(link);

	if (!strncasecmp(link, "mailto:", 7))
		return !strcmp(link + 7, shown);
	return !strcmp(link, shown) || (link[n - 1] == '/' && strlen(shown) == n - 1 && !memcmp(link, shown, n - 1));
}

/* What is seen does not say where a link leads: that is said when it is something else. */
static void
end_link(struct page *p)
{
	size_t n = p->link ? strlen(p->link) : 0;
	const char *shown;
	char *text;

	if (!p->link)
		return;
	text = mem_strndup(buf_data(p->out) + p->link_at, buf_len(p->out) - p->link_at);
	shown = text + strspn(text, " \n>");
	if (!leads_there(p->link, shown)) {
		p->space = true;
		begin_word(p);
		put(p, "<", 1);
		put(p, p->link, n);
		put(p, ">", 1);
	}
	free(text);
	xmlFree(p->link);
	p->link = NULL;
}

/* In */

static void
begin_link(struct page *p, const char *href)
{
	end_link(p);
	if (!href || (strncasecmp(href, "http://", 7) && strncasecmp(href, "https://", 8) && strncasecmp(href, "mailto:", 7)))
		return;
	p->link = (char *)xmlStrdup((const xmlChar *)href);
	for (char *c = p->link; c && *c; c++)
		if ((unsigned char)*c <= ' ')
			*c = '+';
	p->link_at = buf_len(p->out);
}

static void
on_start(void *arg, const xmlChar *xname, const xmlChar **atts)
{
	struct page *p = arg;
	const char *name = (const char *)xname, *alt;

	if (++p->depth > HTML_DEPTH)
		stop(p);
	p->hidden += is_one(name, hidden);
	if (p->hidden || p->cut)
		return;
	if (!strcmp(name, "a"))
		begin_link(p, attribute(atts, "href"));
	else if (!strcmp(name, "br"))
		end_line(p, p->lines + 1 < 3 ? p->lines + 1 : 3);
	else if (!strcmp(name, "p"))
		end_line(p, 2);
	else if (is_one(name, blocks))
		end_line(p, 1);
	else if (!strcmp(name, "td") || !strcmp(name, "th"))
		p->space = true;
	if (!strcmp(name, "blockquote"))
		p->quotes++;
	if (!strcmp(name, "pre"))
		p->pre = true;
	if (!strcmp(name, "li"))
		words(p, "- ", 2);
	alt = strcmp(name, "img") ? NULL : attribute(atts, "alt");
	if (alt && *alt) {
		words(p, "[", 1);
		put(p, alt, strlen(alt));
		put(p, "]", 1);
	}
}

static void
on_end(void *arg, const xmlChar *xname)
{
	struct page *p = arg;
	const char *name = (const char *)xname;

	p->depth--;
	if (!strcmp(name, "a"))
		end_link(p);
	if (is_one(name, hidden)) {
		p->hidden--;
	} else if (!p->hidden) {
		if (!strcmp(name, "p"))
			end_line(p, 2);
		else if (is_one(name, blocks))
			end_line(p, 1);
		if (!strcmp(name, "blockquote"))
			p->quotes--;
		if (!strcmp(name, "pre"))
			p->pre = false;
	}
}

static void
on_text(void *arg, const xmlChar *s, int n)
{
	struct page *p = arg;

	if (!p->hidden && n > 0)
		words(p, (const char *)s, (size_t)n);
}

/* What is wrong with HTML is nobody's business: all of it is. */
static void
on_error(void *arg, const char *fmt, ...)
{
	(void)arg;
	(void)fmt;
}

bool
html_text(struct buf *out, const char *html, size_t n, size_t max)
{
	htmlSAXHandler sax = { .startElement = on_start, .endElement = on_end, .characters = on_text, .ignorableWhitespace = on_text,
			       .error = on_error, .warning = on_error };
	struct page p = { .out = out, .max = max, .start = buf_len(out), .at_start = true };

	if (n > INT32_MAX)
		return false;
	p.ctxt = htmlCreatePushParserCtxt(&sax, &p, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
	if (!p.ctxt)
		mem_exhausted(n);
	(void)htmlCtxtUseOptions(p.ctxt, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
	(void)htmlParseChunk(p.ctxt, html, (int)n, 1);
	end_link(&p);
	htmlFreeParserCtxt(p.ctxt);
	return !p.cut;
}
