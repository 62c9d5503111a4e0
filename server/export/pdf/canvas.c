/*
 * canvas: Pango lays paragraphs out, cairo writes them.
 *
 * A long text is laid out piece by piece (PIECE bytes, at the ends of lines or between words), each piece line by line on as many pages as
 * it needs.
 */
#include "export/pdf/canvas.h"

#include <cairo-pdf.h>
#include <pango/pangocairo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "export/format.h"

#define WIDTH 595.276    /* A4, in points */
#define HEIGHT 841.89
#define SIDE 51.0
#define TOP 70.0         /* where text begins */
#define BOTTOM (HEIGHT - 62.0)
#define HEAD_AT 40.0
#define FOOT_AT (HEIGHT - 44.0)
#define GAP 4.0          /* between the pieces of a line */
#define MARGIN_WIDTH 76.0
#define PIECE 4096
#define SECTION_WIDTH 300.0

static const struct {
	const char *font, *tag;
	double grey[3], above;
} styles[CANVAS_STYLES] = {
	[CANVAS_TITLE] = { "DejaVu Sans Bold 17", "H1", { 0, 0, 0 }, 0 },
	[CANVAS_HEADING] = { "DejaVu Sans Bold 13", "H1", { 0, 0, 0 }, 4 },
	[CANVAS_DAY] = { "DejaVu Sans Bold 10", "H2", { 0.13, 0.2, 0.3 }, 4 },
	[CANVAS_TEXT] = { "DejaVu Sans 9.5", "P", { 0.05, 0.05, 0.05 }, 0 },
	[CANVAS_NAME] = { "DejaVu Sans Bold 9", "P", { 0, 0, 0 }, 0 },
	[CANVAS_SOFT] = { "DejaVu Sans 7.5", "P", { 0.33, 0.37, 0.42 }, 0 },
	[CANVAS_OLD] = { "DejaVu Sans 9", "P", { 0.42, 0.26, 0 }, 0 },
	[CANVAS_WARN] = { "DejaVu Sans 9", "P", { 0.5, 0.05, 0.05 }, 0 },
	[CANVAS_CODE] = { "DejaVu Sans Mono 7", "P", { 0.2, 0.2, 0.2 }, 0 },
};

struct canvas {
	struct bundle_out *out;
	cairo_surface_t *surface;
	cairo_t *cr;
	PangoFontMap *fonts;
	PangoContext *context;
	PangoFontDescription *font[CANVAS_STYLES];
	char *head, *section;
	double y;              /* of the next line's upper edge */
	unsigned page;         /* from 1 */
	bool empty;            /* nothing is on the page yet */
	int outline;           /* of the conversation */
	/* The line that is being put together. */
	double x, left, tall;
	bool failed;
	struct err why;
};

/* Bytes */

static cairo_status_t
take(void *arg, const unsigned char *p, unsigned n)
{
	struct canvas *c = arg;

	if (!c->failed && bundle_write(c->out, p, n, &c->why))
		c->failed = true;
	return c->failed ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

/* Layouts */

static PangoLayout *
layout_new(struct canvas *c, enum canvas_style style, const char *text, size_t n, double width)
{
	PangoLayout *l = pango_layout_new(c->context);

	pango_layout_set_font_description(l, c->font[style]);
	pango_layout_set_wrap(l, PANGO_WRAP_WORD_CHAR);
	if (width > 0)
		pango_layout_set_width(l, (int)(width * PANGO_SCALE));
	pango_layout_set_text(l, text, (int)n);
	return l;
}

static void
ink(struct canvas *c, enum canvas_style style)
{
	const double *g = styles[style].grey;

	cairo_set_source_rgb(c->cr, g[0], g[1], g[2]);
}

/* One line that is cut where there is no room, beside the text: not read aloud. */
static void
label(struct canvas *c, double x, double y, double width, PangoAlignment align, const char *text)
{
	PangoLayout *l = layout_new(c, CANVAS_SOFT, text, strlen(text), width);

	pango_layout_set_ellipsize(l, PANGO_ELLIPSIZE_END);
	pango_layout_set_single_paragraph_mode(l, TRUE);
	pango_layout_set_alignment(l, align);
	ink(c, CANVAS_SOFT);
	cairo_move_to(c->cr, x, y);
	pango_cairo_show_layout(c->cr, l);
	g_object_unref(l);
}

/* Pages */

static void
line(struct canvas *c, double y)
{
	cairo_set_source_rgb(c->cr, 0.75, 0.78, 0.82);
	cairo_set_line_width(c->cr, 0.5);
	cairo_move_to(c->cr, SIDE, y);
	cairo_line_to(c->cr, WIDTH - SIDE, y);
	cairo_stroke(c->cr);
}

static void
end_page(struct canvas *c)
{
	char number[64];

	label(c, SIDE, HEAD_AT, WIDTH - 2 * SIDE - SECTION_WIDTH, PANGO_ALIGN_LEFT, c->head);
	label(c, WIDTH - SIDE - SECTION_WIDTH, HEAD_AT, SECTION_WIDTH, PANGO_ALIGN_RIGHT, c->section);
	line(c, HEAD_AT + 14);
	line(c, FOOT_AT - 6);
	snprintf(number, sizeof(number), "Page %u", c->page);
	label(c, SIDE, FOOT_AT, 350, PANGO_ALIGN_LEFT, "All times are UTC. # is the place of a record in the log.");
	label(c, WIDTH - SIDE - 100, FOOT_AT, 100, PANGO_ALIGN_RIGHT, number);
	cairo_show_page(c->cr);
	c->page++;
	c->y = TOP;
	c->empty = true;
}

void
canvas_page(struct canvas *c)
{
	if (!c->empty)
		end_page(c);
}

static void
need(struct canvas *c, double height)
{
	if (c->y + height > BOTTOM && !c->empty)
		end_page(c);
}

unsigned
canvas_pages(const struct canvas *c)
{
	return c->empty ? c->page - 1 : c->page;
}

/* Paragraphs */

/* Lines of a layout, each where there is room; tags do not go over pages. */
static void
show_lines(struct canvas *c, enum canvas_style style, PangoLayout *l, double x)
{
	PangoLayoutIter *i = pango_layout_get_iter(l);
	bool open = false;

	do {
		PangoRectangle r;
		double height;

		pango_layout_iter_get_line_extents(i, NULL, &r);
		height = (double)r.height / PANGO_SCALE;
		if (c->y + height > BOTTOM && !c->empty) {
			if (open)
				cairo_tag_end(c->cr, styles[style].tag);
			open = false;
			end_page(c);
		}
		if (!open)
			cairo_tag_begin(c->cr, styles[style].tag, NULL);
		open = true;
		ink(c, style);
		cairo_move_to(c->cr, x + (double)r.x / PANGO_SCALE,
			      c->y + (double)(pango_layout_iter_get_baseline(i) - r.y) / PANGO_SCALE);
		pango_cairo_show_layout_line(c->cr, pango_layout_iter_get_line_readonly(i));
		c->y += height;
		c->empty = false;
	} while (pango_layout_iter_next_line(i));
	if (open)
		cairo_tag_end(c->cr, styles[style].tag);
	pango_layout_iter_free(i);
}

/* How much of a long text is laid out at once: to the end of a line, else of a word, else of a character. */
static size_t
piece_of(const char *s)
{
	size_t n = strnlen(s, PIECE + 1), at;

	if (n <= PIECE)
		return n;
	for (at = PIECE; at > PIECE / 2; at--)
		if (s[at - 1] == '\n')
			return at;
	for (at = PIECE; at > PIECE / 2; at--)
		if (s[at - 1] == ' ')
			return at;
	for (at = PIECE; at > 1 && ((unsigned char)s[at] & 0xc0) == 0x80; at--)
		;
	return at;
}

void
canvas_paragraph(struct canvas *c, enum canvas_style style, double indent, const char *text)
{
	double width = WIDTH - 2 * SIDE - indent;

	if (styles[style].above) {
		c->y += c->empty ? 0 : styles[style].above;
		/* Not alone at the foot of a page. */
		need(c, 60);
	}
	while (*text) {
		size_t n = piece_of(text), shown = n > 0 && text[n - 1] == '\n' ? n - 1 : n;
		PangoLayout *l = layout_new(c, style, text, shown, width);

		show_lines(c, style, l, SIDE + indent);
		g_object_unref(l);
		text += n;
	}
}

void
canvas_line_begin(struct canvas *c, double indent, const char *margin)
{
	need(c, 28);
	if (margin && *margin)
		label(c, SIDE, c->y + 1, MARGIN_WIDTH, PANGO_ALIGN_LEFT, margin);
	c->left = c->x = SIDE + indent;
	c->tall = 0;
}

void
canvas_line_add(struct canvas *c, enum canvas_style style, const char *text)
{
	PangoLayout *l = layout_new(c, style, text, strlen(text), 0);
	int width, height, base;
	bool fits;

	pango_layout_set_single_paragraph_mode(l, TRUE);
	pango_layout_get_pixel_size(l, &width, &height);
	fits = c->x + width <= WIDTH - SIDE;
	if (!fits) {
		/* On the next line, which it may have to itself. */
		if (c->x > c->left) {
			c->y += c->tall;
			c->x = c->left;
			c->tall = 0;
		}
		fits = c->x + width <= WIDTH - SIDE;
	}
	if (fits) {
		need(c, height);
		base = pango_layout_get_baseline(l);
		ink(c, style);
		cairo_tag_begin(c->cr, styles[style].tag, NULL);
		/* On the line of a name: 9 points. */
		cairo_move_to(c->cr, c->x, c->y + 10 - (double)base / PANGO_SCALE);
		pango_cairo_show_layout(c->cr, l);
		cairo_tag_end(c->cr, styles[style].tag);
		c->x += width + GAP;
		c->tall = height > c->tall ? height : c->tall;
		c->empty = false;
	} else {
		pango_layout_set_width(l, (int)((WIDTH - SIDE - c->left) * PANGO_SCALE));
		show_lines(c, style, l, c->left);
	}
	g_object_unref(l);
}

void
canvas_line_end(struct canvas *c)
{
	c->y += c->tall;
	c->tall = 0;
}

void
canvas_space(struct canvas *c, double points)
{
	if (!c->empty)
		c->y += points;
}

void
canvas_rule(struct canvas *c)
{
	canvas_space(c, 3);
	if (!c->empty)
		line(c, c->y);
	canvas_space(c, 4);
}

/* The document */

void
canvas_section(struct canvas *c, const char *text)
{
	free(c->section);
	c->section = mem_strdup(text);
}

void
canvas_outline(struct canvas *c, int level, const char *text)
{
	char at[64];
	int id;

	need(c, 80);
	snprintf(at, sizeof(at), "page=%u pos=[0 %d]", c->page, (int)c->y);
	id = cairo_pdf_surface_add_outline(c->surface, level ? c->outline : CAIRO_PDF_OUTLINE_ROOT, text, at, 0);
	if (!level)
		c->outline = id;
}

static void
set_metadata(struct canvas *c, const struct canvas_about *about)
{
	char at[32];

	cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_TITLE, about->title);
	cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_AUTHOR, about->author);
	cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_SUBJECT, about->subject);
	cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_CREATOR, "chancery-export " CHANCERY_VERSION);
	cairo_pdf_surface_set_metadata(c->surface, CAIRO_PDF_METADATA_CREATE_DATE, export_time(about->at_us, at));
}

struct canvas *
canvas_new(struct bundle_out *out, const char *name, const struct canvas_about *about, struct err *e)
{
	struct canvas *c;

	if (bundle_open(out, name, true, e))
		return NULL;
	c = NEW(struct canvas);
	c->out = out;
	c->surface = cairo_pdf_surface_create_for_stream(take, c, WIDTH, HEIGHT);
	set_metadata(c, about);
	c->cr = cairo_create(c->surface);
	c->fonts = pango_cairo_font_map_new(); /* the usual one would stay until the program ends */
	c->context = pango_font_map_create_context(c->fonts);
	pango_cairo_update_context(c->cr, c->context);
	pango_cairo_context_set_resolution(c->context, 72); /* a point of a font is one of the page */
	/* Rounded, letters would stand so far from each other that programs find spaces in words. */
	pango_context_set_round_glyph_positions(c->context, FALSE);
	pango_context_set_language(c->context, pango_language_from_string("en"));
	for (int i = 0; i < CANVAS_STYLES; i++)
		c->font[i] = pango_font_description_from_string(styles[i].font);
	c->head = mem_strdup(about->head);
	c->section = mem_strdup("");
	c->y = TOP;
	c->page = 1;
	c->empty = true;
	/* What makes the PDF a tagged one: all others are inside. */
	cairo_tag_begin(c->cr, "Document", NULL);
	return c;
}

int
canvas_error(struct canvas *c, struct err *e)
{
	cairo_status_t st = cairo_status(c->cr);

	if (st == CAIRO_STATUS_SUCCESS)
		st = cairo_surface_status(c->surface);
	if (c->failed) {
		*e = c->why;
		return -1;
	}
	return st == CAIRO_STATUS_SUCCESS ? 0 : err_set(e, 0, "a PDF cannot be written: %s", cairo_status_to_string(st));
}

int
canvas_close(struct canvas *c, struct err *e)
{
	int rc;

	cairo_tag_end(c->cr, "Document");
	canvas_page(c);
	cairo_surface_finish(c->surface);
	rc = canvas_error(c, e);
	return rc ? -1 : bundle_close(c->out, e);
}

void
canvas_free(struct canvas *c)
{
	if (!c)
		return;
	c->failed = true;
	g_object_unref(c->context);
	g_object_unref(c->fonts);
	for (int i = 0; i < CANVAS_STYLES; i++)
		pango_font_description_free(c->font[i]);
	cairo_destroy(c->cr);
	cairo_surface_destroy(c->surface);
	free(c->head);
	free(c->section);
	free(c);
}
