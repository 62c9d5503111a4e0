/*
 * parser_quick: what most stanzas are, without expat: a whole one in the bytes that are here, of plain names, without
 * prefixes, with no references but the five. Called by parser_feed between two stanzas.
 *
 * It refuses nothing. What it takes is a part of what expat takes and gives the same tree; whatever is not surely of that
 * kind, is not here to its end, or may exceed a bound is left to expat as if nobody had looked at it. So there is one
 * opinion on what is XML. Tests and the fuzzer give each input whole and byte by byte, which only expat sees, and compare.
 *
 * First the bytes are read into tokens on the stack, which costs nothing when it comes to nothing; then the tree is made.
 */
#include <string.h>

#include "xmpp/ns.h"
#include "xmpp/parser_state.h"

#define TOKENS 128
#define DEPTH 16
#define ATTRIBUTES 16
#define USUAL 960 /* of the first block: with the arena's own fields malloc has it at hand */
#define ROOM 128  /* for what whoever gets the stanza adds to it */

enum kind { ELEMENT, ATTRIBUTE, TEXT, END };

struct token {
	const char *name;
	const char *text;  /* value; of an element its xmlns, NULL: none */
	uint32_t name_len, len;
	uint32_t nattrs;   /* of an element: so many tokens behind it */
	uint16_t kind;
	bool escaped;      /* text has references */
};

struct scan {
	const struct parser_limits *limits;
	const char *at, *end; /* the byte before the end is '>': what runs on over bytes of a class, of which it is none, stops there */
	unsigned n, nodes, attrs, depth;
	unsigned open[DEPTH];
	struct token tokens[TOKENS];
};

/* ---- bytes ---- */

enum { NAME_START = 1, NAME = 2, IN_TEXT = 4, IN_APOS = 8, IN_QUOT = 16, IN_URI = 32 };

#define LETTER (NAME_START | NAME | PLAIN)
#define DIGIT (NAME | PLAIN)
#define PLAIN (IN_TEXT | IN_APOS | IN_QUOT | IN_URI)

/* Of the bytes of ASCII; '<', '>' and '&' are of no class, nor is what XML has no room for. */
static const uint8_t classes[256] = {
	['\t'] = IN_TEXT,
	['\n'] = IN_TEXT,
	[' '] = IN_TEXT | IN_APOS | IN_QUOT,
	['!'] = PLAIN,
	['"'] = IN_TEXT | IN_APOS,
	['#' ... '%'] = PLAIN,
	['\''] = IN_TEXT | IN_QUOT,
	['(' ... ','] = PLAIN,
	['-' ... '.'] = DIGIT,
	['/'] = PLAIN,
	['0' ... '9'] = DIGIT,
	[':' ... ';'] = PLAIN,
	['='] = PLAIN,
	['?' ... '@'] = PLAIN,
	['A' ... 'Z'] = LETTER,
	['['] = PLAIN,
	['\\'] = PLAIN,
	[']'] = IN_APOS | IN_QUOT | IN_URI, /* in text "]]>" is an error */
	['^'] = PLAIN,
	['_'] = LETTER,
	['`'] = PLAIN,
	['a' ... 'z'] = LETTER,
	['{' ... '~'] = PLAIN,
	[0x7f] = IN_TEXT | IN_APOS | IN_QUOT,
};

static bool
is(const char *p, int class)
{
	return classes[(unsigned char)*p] & class;
}

static const struct {
	char name[8];
	uint8_t n;
	char c;
} references[] = {{"&lt;", 4, '<'}, {"&gt;", 4, '>'}, {"&amp;", 5, '&'}, {"&apos;", 6, '\''}, {"&quot;", 6, '"'}};

/* The length of a reference to a character; 0: it is another, or not whole. */
static size_t
reference(const char *p, const char *end, char *c)
{
	for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++)
		if ((size_t)(end - p) >= references[i].n && !memcmp(p, references[i].name, references[i].n)) {
			*c = references[i].c;
			return references[i].n;
		}
	return 0;
}

static bool
is_tail(const char *p, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* The length of a character beyond ASCII that may stand in XML 1.0; 0: it is none, or not whole. */
static size_t
character(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t left = (size_t)(end - p);

	if (u[0] >= 0xc2 && u[0] <= 0xdf)
		return left >= 2 && is_tail(p, 2) ? 2 : 0;
	if (u[0] >= 0xe0 && u[0] <= 0xef) {
		if (left < 3 || !is_tail(p, 3) || (u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f))
			return 0;
		return u[0] == 0xef && u[1] == 0xbf && u[2] > 0xbd ? 0 : 3; /* U+FFFE, U+FFFF */
	}
	if (u[0] >= 0xf0 && u[0] <= 0xf4) {
		if (left < 4 || !is_tail(p, 4) || (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

/* Up to the first byte of ASCII that is not of the class, and no reference. False: there is none. */
static bool
scan_chars(struct scan *s, struct token *t, int class)
{
	const char *p = s->at;
	size_t n;
	char c;

	for (;;) {
		while (is(p, class))
			p++;
		if (*p == '&') {
			n = reference(p, s->end, &c);
			t->escaped = true;
		} else if ((unsigned char)*p >= 0x80) {
			n = character(p, s->end);
		} else if (*p == '>') {
			n = 1;
		} else if (*p == ']' && class == IN_TEXT) {
			n = p[1] != ']' ? 1 : 0;
		} else {
			break;
		}
		p += n;
		if (!n || p == s->end)
			return false;
	}
	t->text = s->at;
	t->len = (uint32_t)(p - s->at);
	s->at = p;
	return true;
}

static bool
scan_name(struct scan *s, struct token *t)
{
	const char *p = s->at;

	if (p == s->end || !is(p, NAME_START))
		return false;
	while (is(p, NAME))
		p++;
	t->name = s->at;
	t->name_len = (uint32_t)(p - s->at);
	s->at = p;
	return true;
}

static bool
take_byte(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

/* ---- tokens ---- */

static bool
same_name(const struct token *a, const struct token *b)
{
	return a->name_len == b->name_len && !memcmp(a->name, b->name, a->name_len);
}

static struct token *
token(struct scan *s, enum kind kind)
{
	struct token *t;

	if (s->n == TOKENS)
		return NULL;
	t = &s->tokens[s->n++];
	*t = (struct token){.kind = (uint16_t)kind};
	return t;
}

/* The names that expat reserves begin so, and what is not plain would cost more when it is written. */
static bool
is_plain_uri(const char *uri, size_t n)
{
	static const char reserved[] = "http://www.w3.org/";

	for (size_t i = 0; i < n; i++)
		if (!is(uri + i, IN_URI))
			return false;
	return n > 0 && (n < sizeof(reserved) + 4 || memcmp(uri, reserved, sizeof(reserved) - 1) != 0 ||
			 !memcmp(uri + sizeof(reserved) - 1, "1999/", 5));
}

/* NAME='VALUE'. The default namespace is the element's own; there are no others. */
static bool
scan_attribute(struct scan *s, struct token *e)
{
	struct token *t = token(s, ATTRIBUTE);

	if (!t || !scan_name(s, t))
		return false;
	if (*s->at == ':') {
		if (t->name_len != 3 || s->end - s->at < 5 || memcmp(t->name, "xml:lang", 8) != 0)
			return false;
		s->at += 5;
		t->name_len = 8;
	}
	if (!take_byte(s, '=') || s->at == s->end || (*s->at != '\'' && *s->at != '"'))
		return false;
	s->at++;
	if (!scan_chars(s, t, s->at[-1] == '\'' ? IN_APOS : IN_QUOT) || !take_byte(s, t->text[-1]))
		return false;
	if (t->name_len == 5 && !memcmp(t->name, "xmlns", 5)) {
		s->n--;
		if (e->text || !is_plain_uri(t->text, t->len))
			return false;
		e->text = t->text;
		e->len = t->len;
		return true;
	}
	for (struct token *other = e + 1; other < t; other++)
		if (same_name(other, t))
			return false;
	e->nattrs++;
	return true;
}

static bool
end_element(struct scan *s)
{
	s->depth--;
	return token(s, END) != NULL;
}

/* Behind its '<'. */
static bool
scan_tag(struct scan *s)
{
	const char *begin = s->at - 1;
	struct token *e = token(s, ELEMENT);
	bool empty;

	if (!e || s->depth == DEPTH || s->depth >= s->limits->depth || !scan_name(s, e))
		return false;
	s->open[s->depth++] = (unsigned)(e - s->tokens);
	while (s->at < s->end && *s->at == ' ') {
		while (s->at < s->end && *s->at == ' ')
			s->at++;
		if (s->at < s->end && is(s->at, NAME_START) && !scan_attribute(s, e))
			return false;
	}
	empty = take_byte(s, '/');
	if (!take_byte(s, '>') || (size_t)(s->at - begin) > s->limits->token_bytes || e->nattrs > ATTRIBUTES || e->nattrs > s->limits->attributes ||
	    (e->text && !s->limits->namespaces))
		return false;
	s->nodes++;
	s->attrs += e->nattrs;
	return !empty || end_element(s);
}

/* Behind its "</". */
static bool
scan_end(struct scan *s)
{
	const struct token *e = &s->tokens[s->open[s->depth - 1]];

	if ((size_t)(s->end - s->at) <= e->name_len || memcmp(s->at, e->name, e->name_len) != 0)
		return false;
	s->at += e->name_len;
	return take_byte(s, '>') && end_element(s);
}

static bool
scan_text(struct scan *s)
{
	struct token *t = token(s, TEXT);

	s->nodes++;
	return t && scan_chars(s, t, IN_TEXT) && *s->at == '<';
}

/* One element to its end. */
static bool
scan(struct scan *s)
{
	do {
		if (s->at == s->end)
			return false;
		if (*s->at != '<') {
			if (s->depth == 0 || !scan_text(s))
				return false;
			continue;
		}
		s->at++;
		if (s->depth > 0 && take_byte(s, '/')) {
			if (!scan_end(s))
				return false;
		} else if (!scan_tag(s)) {
			return false;
		}
	} while (s->depth > 0);
	return true;
}

/* ---- the tree ---- */

/* Returns behind its NUL. */
static char *
copy_chars(char *w, const struct token *t)
{
	const char *p = t->text, *end = p + t->len;

	if (!t->escaped) {
		memcpy(w, p, t->len);
		w += t->len;
	} else {
		while (p < end) {
			size_t n = *p == '&' ? reference(p, end, w) : 0;

			if (!n)
				*w = *p;
			w++;
			p += n ? n : 1;
		}
	}
	*w++ = '\0';
	return w;
}

static const char *
name_of(struct stanza *st, const char *name, size_t n)
{
	const char *known = ns_intern_name_n(name, n);

	return known != NULL ? known : arena_strndup(st->arena, name, n);
}

static const char *
ns_of(struct stanza *st, const struct token *t, const char *outer)
{
	const char *known = ns_intern_n(t->text, t->len);

	if (known != NULL)
		return known;
	return strncmp(outer, t->text, t->len) == 0 && outer[t->len] == '\0' ? outer : arena_strndup(st->arena, t->text, t->len);
}

static struct elem *
make_element(struct stanza *st, const struct token *t, const char *outer)
{
	struct elem *e;
	struct attr *a;
	size_t bytes = 0;
	char *w;

	for (size_t i = 1; i <= t->nattrs; i++)
		bytes += t[i].len + 1;
	e = arena_alloc(st->arena, sizeof(*e) + t->nattrs * sizeof(*a) + bytes);
	a = (struct attr *)(e + 1);
	w = (char *)(a + t->nattrs);
	*e = (struct elem){.ns = t->text ? ns_of(st, t, outer) : outer, .name = name_of(st, t->name, t->name_len)};
	if (t->nattrs > 0)
		e->attrs = a;
	for (size_t i = 1; i <= t->nattrs; i++, a++) {
		bool lang = t[i].name_len == 8 && t[i].name[3] == ':';

		a->next = i < t->nattrs ? a + 1 : NULL;
		a->ns = lang ? NS_XML : NULL;
		a->name = lang ? name_of(st, "lang", 4) : name_of(st, t[i].name, t[i].name_len);
		a->value = w;
		w = copy_chars(w, &t[i]);
	}
	return e;
}

static struct elem *
make_text(struct stanza *st, const struct token *t)
{
	struct elem *e = arena_alloc(st->arena, sizeof(*e) + t->len + 1);
	char *text = (char *)(e + 1);

	*e = (struct elem){.text = text};
	e->text_len = (size_t)(copy_chars(text, t) - 1 - text);
	return e;
}

static struct stanza *
make(const struct scan *s, const char *content_ns, size_t first)
{
	struct stanza *st = stanza_new_empty(first);
	struct elem *at = NULL, *e;

	for (const struct token *t = s->tokens; t < s->tokens + s->n; t++) {
		if (t->kind == ELEMENT) {
			e = make_element(st, t, at != NULL ? at->ns : content_ns);
			if (at != NULL)
				elem_append(at, e);
			else
				st->root = e;
			at = e;
			t += t->nattrs;
		} else if (t->kind == TEXT) {
			elem_append(at, make_text(st, t));
		} else {
			at = at->parent;
		}
	}
	return st;
}

size_t
parser_quick(struct parser *p, const char *bytes, size_t n)
{
	struct scan s;
	size_t size, first;

	s.limits = &p->limits;
	s.at = bytes;
	s.end = memrchr(bytes, '>', n < p->limits.stanza_bytes ? n : p->limits.stanza_bytes);
	if (s.end == NULL)
		return 0;
	s.end++;
	s.n = s.nodes = s.attrs = s.depth = 0;
	if (!scan(&s))
		return 0;
	size = (size_t)(s.at - bytes);
	first = size + s.nodes * (sizeof(struct elem) + 16) + s.attrs * sizeof(struct attr) + ROOM;
	if (first < USUAL)
		first = USUAL;
	/* Names that nobody knows may take a second and a third block. */
	if (4 * first > p->limits.memory_bytes)
		return 0;
	p->done = make(&s, p->content_ns, first);
	return size;
}
