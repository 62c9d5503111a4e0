/*
 * serialize: tree to bytes. The only place that escapes.
 *
 * Each element is written with its namespace as default namespace, declared only where it differs
 * from the parent's, so nothing but the parent pointer is needed to know what is in scope and no
 * prefix of the input survives but `xml`, whose namespace cannot be the default one. What is written for a parsed stanza is at most what it took on the
 * wire plus what the parser counts as growth (parser.c): attribute values take the quote that needs
 * less escaping, and '>' in text is escaped only where XML asks for it, behind "]]".
 */
#include "xmpp/serialize.h"

#include <stdbool.h>
#include <string.h>

#include "xmpp/ns.h"

/* Writes through w up to end, within what is reserved in b. b NULL: counts in n only. */
struct writer {
	struct buf *b;
	char *start, *w, *end;
	size_t n;
};

enum { TEXT = 1, ATTR = 2, BOTH = TEXT | ATTR };

/* What is not copied as it stands. NUL is in both, as a sentinel. */
static const unsigned char special[256] = {
	['\0'] = BOTH, ['&'] = BOTH, ['<'] = BOTH,  ['\r'] = BOTH, ['>'] = TEXT,
	['\''] = ATTR, ['"'] = ATTR, ['\t'] = ATTR, ['\n'] = ATTR,
};

static void
writer_flush(struct writer *o)
{
	if (o->b != NULL && o->w != o->start) {
		buf_added(o->b, (size_t)(o->w - o->start));
		o->start = o->w;
	}
}

static void
writer_reserve(struct writer *o, size_t n)
{
	writer_flush(o);
	o->start = o->w = buf_reserve(o->b, n);
	o->end = o->w + n;
}

static inline void
put(struct writer *o, const char *s, size_t n)
{
	if ((size_t)(o->end - o->w) < n) {
		if (o->b == NULL) {
			o->n += n;
			return;
		}
		writer_reserve(o, n + 256);
	}
	memcpy(o->w, s, n);
	o->w += n;
}

static inline void
puts_(struct writer *o, const char *s)
{
	put(o, s, strlen(s));
}

#define PUT(o, literal) put(o, literal, sizeof(literal) - 1)

static const char *const escapes[256] = {
	['&'] = "&amp;", ['<'] = "&lt;",  ['>'] = "&gt;",   ['\''] = "&#39;",
	['"'] = "&#34;", ['\t'] = "&#9;", ['\n'] = "&#10;", ['\r'] = "&#13;",
};

/* NUL cannot be written in XML and has no escape: it is left out. */
static void
put_escape(struct writer *o, char c)
{
	const char *escape = escapes[(unsigned char)c];

	if (escape != NULL)
		puts_(o, escape);
}

/* The first byte of s that is special to `kind`; s ends in NUL, which is. */
static inline size_t
plain_run(const char *s, int kind)
{
	size_t n = 0;

	while (!(special[(unsigned char)s[n]] & kind))
		n++;
	return n;
}

/* A text node. `joined`: it follows another one, whose end we do not look at. */
static void
put_text(struct writer *o, const char *s, size_t n, bool joined)
{
	size_t at = 0;

	for (;;) {
		size_t run = plain_run(s + at, TEXT);
		size_t here = at + run;

		put(o, s + at, run);
		if (here >= n)
			return;
		if (s[here] != '>')
			put_escape(o, s[here]);
		else if (here < 2 ? joined : s[here - 1] == ']' && s[here - 2] == ']')
			PUT(o, "&gt;");
		else
			PUT(o, ">");
		at = here + 1;
	}
}

/* The quote that occurs less often needs less escaping. */
static char
choose_quote(const char *s)
{
	long balance = 0;

	for (; *s != '\0'; s++)
		balance += (*s == '\'') - (*s == '"');
	return balance > 0 ? '"' : '\'';
}

/* Space, name, and value in quotes. */
static void
put_attr(struct writer *o, const char *prefix, const char *name, const char *value)
{
	size_t run = plain_run(value, ATTR);
	char quote = value[run] == '\0' ? '\'' : choose_quote(value);

	PUT(o, " ");
	puts_(o, prefix);
	puts_(o, name);
	PUT(o, "=");
	put(o, &quote, 1);
	for (;;) {
		put(o, value, run);
		value += run;
		if (*value == '\0')
			break;
		if ((*value == '\'' || *value == '"') && *value != quote)
			put(o, value, 1);
		else
			put_escape(o, *value);
		value++;
		run = plain_run(value, ATTR);
	}
	put(o, &quote, 1);
}

/* An attribute of a foreign namespace: a prefix of its own, the i-th of the element. */
static void
put_foreign(struct writer *o, const struct attr *a, unsigned i)
{
	char prefix[16], *p = prefix + sizeof(prefix) - 1;

	*p = '\0';
	*--p = ':';
	do
		*--p = (char)('0' + i % 10);
	while ((i /= 10) > 0);
	*--p = 'n';
	p[strlen(p) - 1] = '\0'; /* without the colon: xmlns:n0 */
	put_attr(o, "xmlns:", p, a->ns);
	p[strlen(p)] = ':';
	put_attr(o, p, a->name, a->value);
}

static const char *const overlay_names[] = {"to", "from", "id", "type"};

/* What replaces attribute `name` of the root; which of the four it is goes to *seen. */
static const char *
overlay_value(const struct overlay *o, const char *name, unsigned *seen)
{
	const char *const values[] = {o->to, o->from, o->id, o->type};

	for (unsigned i = 0; i < 4; i++)
		if (values[i] != NULL && strcmp(overlay_names[i], name) == 0) {
			*seen |= 1U << i;
			return values[i];
		}
	return NULL;
}

static void
put_overlay_rest(struct writer *w, const struct overlay *o, unsigned seen)
{
	const char *const values[] = {o->to, o->from, o->id, o->type};

	for (unsigned i = 0; i < 4; i++)
		if (values[i] != NULL && !(seen & 1U << i))
			put_attr(w, "", overlay_names[i], values[i]);
}

static bool
same_ns(const char *a, const char *b)
{
	return a == b || strcmp(a, b) == 0;
}

/* Nobody may declare the namespace of `xml`, nor need they (Namespaces in XML 1.0 §3): to a reader a declaration is an error. */
static bool
put_name(struct writer *w, const struct elem *e)
{
	bool xml = same_ns(e->ns, NS_XML);

	if (xml)
		PUT(w, "xml:");
	puts_(w, e->name);
	return xml;
}

/* "<name xmlns='…' …", without its end. */
static void
put_tag(struct writer *w, const struct elem *e, const char *scope, const struct overlay *o)
{
	unsigned foreign = 0, seen = 0;

	PUT(w, "<");
	if (!put_name(w, e) && !same_ns(e->ns, scope))
		put_attr(w, "", "xmlns", e->ns);
	for (const struct attr *a = e->attrs; a != NULL; a = a->next) {
		const char *value = NULL;

		if (a->ns == NULL) {
			if (o != NULL)
				value = overlay_value(o, a->name, &seen);
			put_attr(w, "", a->name, value != NULL ? value : a->value);
		} else if (same_ns(a->ns, NS_XML)) {
			put_attr(w, "xml:", a->name, a->value);
		} else {
			put_foreign(w, a, foreign++);
		}
	}
	if (o != NULL)
		put_overlay_rest(w, o, seen);
}

static void
put_end_tag(struct writer *w, const struct elem *e)
{
	PUT(w, "</");
	put_name(w, e);
	PUT(w, ">");
}

/* Writes `e` up to where its children begin, or all of it when there is nothing inside. */
static void
put_begin(struct writer *w, const struct elem *e, const char *scope, const struct overlay *o)
{
	put_tag(w, e, scope, o);
	if (e->first != NULL) {
		PUT(w, ">");
	} else if (o != NULL && o->append_len > 0) {
		PUT(w, ">");
		put(w, o->append, o->append_len);
		put_end_tag(w, e);
	} else {
		PUT(w, "/>");
	}
}

static void
put_tree(struct writer *w, const struct elem *root, const char *outer, const struct overlay *o)
{
	const struct elem *e = root;
	bool joined = false;

	for (;;) {
		if (e->name == NULL)
			put_text(w, e->text, e->text_len, joined);
		else
			put_begin(w, e, e == root ? outer : e->parent->ns, e == root ? o : NULL);
		joined = e->name == NULL;
		if (e->first != NULL) {
			e = e->first;
			continue;
		}
		while (e != root && e->next == NULL) {
			e = e->parent;
			if (e == root && o != NULL && o->append_len > 0)
				put(w, o->append, o->append_len);
			put_end_tag(w, e);
			joined = false;
		}
		if (e == root)
			return;
		e = e->next;
	}
}

void
serialize_stanza(struct buf *out, const struct stanza *st, const char *stream_ns,
		 const struct overlay *o)
{
	struct writer w = {.b = out};

	/* The wire size is a good guess: one reservation for nearly every stanza. */
	writer_reserve(&w, (st->size > 0 ? st->size : 256) + 256 + (o != NULL ? o->append_len : 0));
	put_tree(&w, st->root, stream_ns != NULL ? stream_ns : "", o);
	writer_flush(&w);
}

void
serialize_elem(struct buf *out, const struct elem *e, const char *outer_ns)
{
	struct writer w = {.b = out};

	writer_reserve(&w, 512);
	put_tree(&w, e, outer_ns != NULL ? outer_ns : "", NULL);
	writer_flush(&w);
}

size_t
serialize_size(const struct elem *e, const char *outer_ns)
{
	char none;
	struct writer w = {.b = NULL, .start = &none, .w = &none, .end = &none};

	put_tree(&w, e, outer_ns != NULL ? outer_ns : "", NULL);
	return w.n;
}

/* For text whose place is not known here: all five are escaped, whatever the quotes. */
static void
put_any(struct buf *out, const char *s, size_t n, const char *stop)
{
	struct writer w = {.b = out};

	writer_reserve(&w, n + 64);
	for (size_t i = 0; i < n; i++)
		if (s[i] == '\0' || strchr(stop, s[i]) != NULL)
			put_escape(&w, s[i]);
		else
			put(&w, s + i, 1);
	writer_flush(&w);
}

void
serialize_text(struct buf *out, const char *s, size_t n)
{
	put_any(out, s, n, "&<>'\"\r");
}

void
serialize_attr(struct buf *out, const char *s, size_t n)
{
	put_any(out, s, n, "&<>'\"\t\n\r");
}
