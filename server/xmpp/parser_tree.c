/*
 * parser_tree: what expat tells, as elements. Called by expat, within parser_feed.
 *
 * Each handler checks its bound before it allocates, and none does anything after the first error.
 * An element, its attributes and their values are one piece of the stanza's arena; names and
 * namespaces that ns.c knows are not copied.
 */
#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "xmpp/ns.h"
#include "xmpp/parser_state.h"

#define DEPTH_KEPT 32 /* an expat that has been deeper is not kept */

void
parser_fail(struct parser *p, enum parser_error e)
{
	if (p->error != PARSER_OK)
		return;
	p->error = (uint8_t)e;
	if (p->x != NULL)
		XML_StopParser(p->x->xml, XML_FALSE);
}

bool
parser_is_space(const char *s, size_t n)
{
	while (n > 0 && (*s == ' ' || *s == '\n' || *s == '\r' || *s == '\t'))
		s++, n--;
	return n == 0;
}

/* What serialize may write beyond the bytes of an unknown namespace to declare it. */
static size_t
escape_cost(const char *ns)
{
	size_t cost = 0;

	for (; *(ns += strcspn(ns, "&<'\"\t\n\r")) != '\0'; ns++)
		cost += 4;
	return cost;
}

/* The namespace's one string in this stanza. Neighbours mostly share theirs. */
static const char *
find_ns(struct parser *p, const char *uri, size_t n)
{
	const char *ns;

	if (p->ns != NULL && n == p->ns_len && memcmp(uri, p->ns, n) == 0)
		return p->ns;
	p->ns_cost = n + sizeof(" xmlns:n999=''");
	ns = ns_intern_n(uri, n);
	if (ns == NULL) {
		if (p->at != NULL && strncmp(p->at->ns, uri, n) == 0 && p->at->ns[n] == '\0')
			ns = p->at->ns;
		else
			ns = arena_strndup(p->st->arena, uri, n);
		p->ns_cost += escape_cost(ns);
	}
	p->ns = ns;
	p->ns_len = n;
	return ns;
}

/* A name as the tree keeps it. Unknown ones stay in expat's tables too, which is counted. */
static const char *
find_name(struct parser *p, const char *name, size_t n)
{
	const char *known = ns_intern_name_n(name, n);

	if (known != NULL)
		return known;
	p->x->strange += n + 64;
	return arena_strndup(p->st->arena, name, n);
}

/* "namespace SEPARATOR name", or the name alone when it has no namespace. */
static size_t
ns_length(const char *name)
{
	const char *sep = strchr(name, EXPAT_SEPARATOR);

	return sep != NULL ? (size_t)(sep - name) : 0;
}

static void
set_attr(struct parser *p, struct attr *a, const char *name)
{
	size_t n = strlen(name), ns_len;

	a->ns = NULL;
	a->name = ns_intern_name_n(name, n);
	if (a->name != NULL)
		return;
	ns_len = ns_length(name);
	if (ns_len > 0) {
		a->ns = find_ns(p, name, ns_len);
		if (a->ns != NS_XML)
			p->written += p->ns_cost + sizeof(" n999:");
		ns_len++;
	}
	a->name = find_name(p, name + ns_len, n - ns_len);
}

/* Serialize declares a prefix for each attribute of a foreign namespace; what it writes must be
 * within the limits when it is read again. */
static unsigned
count_foreign(const struct elem *e)
{
	unsigned n = 0;

	for (const struct attr *a = e->attrs; a != NULL; a = a->next)
		n += a->ns != NULL && a->ns != NS_XML;
	return n;
}

/* One piece of memory for the element, its attributes and their values. */
static struct elem *
make_elem(struct parser *p, const char *name, const char **atts, size_t n, size_t bytes)
{
	struct elem *e = arena_alloc(p->st->arena, sizeof(*e) + n * sizeof(struct attr) + bytes);
	struct attr *a = (struct attr *)(e + 1);
	char *w = (char *)(a + n);
	size_t ns_len;

	memset(e, 0, sizeof(*e));
	for (size_t i = 0; i < n; i++, atts += 2) {
		set_attr(p, &a[i], atts[0]);
		a[i].value = w;
		w = stpcpy(w, atts[1]) + 1;
		a[i].next = i + 1 < n ? &a[i + 1] : NULL;
	}
	e->attrs = n > 0 ? a : NULL;
	ns_len = p->ns_len;
	if (p->ns == NULL || strncmp(name, p->ns, ns_len) != 0 || name[ns_len] != EXPAT_SEPARATOR)
		ns_len = ns_length(name);
	e->ns = find_ns(p, name, ns_len);
	name += ns_len + (ns_len > 0);
	e->name = find_name(p, name, strlen(name));
	if (e->ns != (p->at != NULL ? p->at->ns : p->content_ns))
		p->written += p->ns_cost;
	return e;
}

/* The text collected so far becomes a node. */
static void
flush_text(struct parser *p)
{
	size_t n = buf_len(&p->x->text);
	struct elem *e;
	char *text;

	if (n == 0)
		return;
	if (arena_bytes(p->st->arena) + n > p->limits.memory_bytes) {
		parser_fail(p, PARSER_TOO_BIG);
		return;
	}
	e = arena_alloc(p->st->arena, sizeof(*e) + n + 1);
	text = (char *)(e + 1);
	memset(e, 0, sizeof(*e));
	memcpy(text, buf_data(&p->x->text), n);
	text[n] = '\0';
	e->text = text;
	e->text_len = n;
	elem_append(p->at, e);
	buf_clear(&p->x->text);
}

static void
begin_stanza(struct parser *p)
{
	/* Room for the tree of an ordinary message of this size: one allocation. */
	size_t first = 640 + 2 * p->size;

	p->st = stanza_new_empty(first < 4096 ? first : 4096);
	p->at = NULL;
	p->ns = NULL;
	p->ns_len = 0;
}

/* Is the tag that expat has just read within the limits? Sums up its attributes. */
static bool
check_tag(struct parser *p, const char **atts, size_t *n, size_t *bytes)
{
	size_t tag = (size_t)XML_GetCurrentByteCount(p->x->xml);

	*n = *bytes = 0;
	for (; *atts != NULL; atts += 2) {
		++*n;
		*bytes += strlen(atts[1]) + 1;
	}
	if (tag > PARSER_TAG_KEPT || *n > 64 || p->depth > DEPTH_KEPT)
		p->x->heavy = true;
	return tag <= p->limits.token_bytes && *n <= p->limits.attributes &&
	       p->declarations <= p->limits.namespaces && p->depth <= p->limits.depth;
}

/* Where the header keeps this attribute; NULL when it does not. */
static const char **
header_member(struct parser_header *h, const char *name)
{
	size_t ns_len = ns_length(name);

	if (ns_len > 0 && ns_intern_n(name, ns_len) == NS_XML)
		return strcmp(name + ns_len + 1, "lang") == 0 ? &h->lang : NULL;
	if (strcmp(name, "to") == 0)
		return &h->to;
	if (strcmp(name, "from") == 0)
		return &h->from;
	if (strcmp(name, "id") == 0)
		return &h->id;
	return strcmp(name, "version") == 0 ? &h->version : NULL;
}

/* Other streams than the usual keep their start tag, so that another expat can be shown it. */
static void
keep_start_tag(struct parser *p)
{
	int offset = 0, size = 0;
	const char *input = XML_GetInputContext(p->x->xml, &offset, &size);

	if (input != NULL)
		p->tag_text =
			mem_strndup(input + offset, (size_t)XML_GetCurrentByteCount(p->x->xml));
}

/* The start tag of the stream (RFC 6120 §4.2, §4.8). */
static void
open_root(struct parser *p, const char *name, const char **atts)
{
	size_t ns_len = ns_length(name), n, bytes;
	const char **member;

	if (ns_intern_n(name, ns_len) != NS_STREAMS) {
		parser_fail(p, PARSER_BAD_NAMESPACE);
	} else if (strcmp(name + ns_len + 1, "stream") != 0) {
		parser_fail(p, PARSER_BAD_FORMAT);
	} else if (!check_tag(p, atts, &n, &bytes)) {
		parser_fail(p, PARSER_TOO_BIG);
	}
	if (p->error != PARSER_OK)
		return;
	for (; *atts != NULL; atts += 2) {
		member = header_member(p->header, atts[0]);
		if (member != NULL)
			*member = arena_strdup(p->header_arena, atts[1]);
	}
	p->kind = (uint8_t)(p->odd ? EXPAT_OWN : expat_kind_of(p->content_ns));
	p->x->kind = p->kind;
	p->depth = 1;
	p->opened = true;
	if (p->kind == EXPAT_OWN)
		keep_start_tag(p);
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **atts)
{
	struct parser *p = arg;
	size_t n, bytes;
	struct elem *e;

	if (p->error != PARSER_OK)
		return;
	if (p->depth == 0) {
		open_root(p, name, atts);
		p->declarations = 0;
		return;
	}
	if (p->depth == 1)
		begin_stanza(p);
	else
		flush_text(p);
	if (!check_tag(p, atts, &n, &bytes) ||
	    arena_bytes(p->st->arena) + sizeof(*e) + n * sizeof(struct attr) + bytes >
		    p->limits.memory_bytes) {
		parser_fail(p, PARSER_TOO_BIG);
		return;
	}
	p->declarations = 0;
	e = make_elem(p, name, (const char **)atts, n, bytes);
	if (p->at != NULL)
		elem_append(p->at, e);
	else
		p->st->root = e;
	p->at = e;
	p->depth++;
	if (arena_bytes(p->st->arena) > p->limits.memory_bytes ||
	    (n > 1 && count_foreign(e) >= p->limits.namespaces))
		parser_fail(p, PARSER_TOO_BIG);
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct parser *p = arg;

	(void)name;
	if (p->error != PARSER_OK)
		return;
	if (p->depth == 1 && p->framed) {
		parser_fail(p, PARSER_NOT_WELL_FORMED); /* whoever names our root */
		return;
	}
	if (p->depth == 1) {
		p->depth = 0;
		p->ended = true;
		return;
	}
	flush_text(p);
	p->at = p->at->parent;
	if (--p->depth > 1)
		return;
	assert(p->done == NULL); /* a slice ends with the first stanza in it */
	p->done = p->st;
	p->st = NULL;
}

static void
on_text(void *arg, const XML_Char *s, int len)
{
	struct parser *p = arg;

	if (p->error != PARSER_OK)
		return;
	if (p->depth <= 1) {
		/* White space may keep a stream alive (RFC 6120 §4.6.1); a reference to a space is text. */
		if (!parser_is_space(s, (size_t)len))
			parser_fail(p, PARSER_BAD_FORMAT);
		return;
	}
	buf_add(&p->x->text, s, (size_t)len);
	if (p->cdata)
		for (int i = 0; i < len; i++)
			p->written += (s[i] == '&') * 4 + (s[i] == '<') * 3 + (s[i] == '>') * 3;
}

/* Called for each declaration of a tag, before on_start. */
static void
on_declaration(void *arg, const XML_Char *prefix, const XML_Char *uri)
{
	struct parser *p = arg;
	const char *known;

	if (p->error != PARSER_OK)
		return;
	if (++p->declarations > p->limits.namespaces) {
		parser_fail(p, PARSER_TOO_BIG);
		return;
	}
	if (p->depth > 0) {
		p->declared += uri != NULL ? strlen(uri) : 0;
		p->prefixed |= prefix != NULL;
		return;
	}
	if (uri == NULL)
		return;
	if (p->header == NULL) {
		p->header_arena = arena_new(0);
		p->header = arena_zalloc(p->header_arena, sizeof(*p->header));
	}
	known = ns_intern(uri);
	if (prefix == NULL) {
		p->header->ns = arena_strdup(p->header_arena, uri);
		p->content_ns = known != NULL ? known : "";
	} else if (strcmp(prefix, "xml") != 0) {
		p->odd |= strcmp(prefix, "stream") != 0 || known != NS_STREAMS;
	}
}

/* RFC 6120 §11.5, §11.6: XML 1.0 in UTF-8. */
static void
on_xml_decl(void *arg, const XML_Char *version, const XML_Char *encoding, int standalone)
{
	struct parser *p = arg;

	(void)standalone;
	if (encoding != NULL && strcasecmp(encoding, "UTF-8") != 0)
		parser_fail(p, PARSER_BAD_ENCODING);
	else if (version == NULL || strcmp(version, "1.0") != 0)
		parser_fail(p, PARSER_NOT_WELL_FORMED);
}

/* CDATA between stanzas is text there, and would leave expat in a state that is not the pool's. */
static void
on_cdata_start(void *arg)
{
	struct parser *p = arg;

	if (p->depth <= 1)
		parser_fail(p, PARSER_BAD_FORMAT);
	p->cdata = true;
}

static void
on_cdata_end(void *arg)
{
	((struct parser *)arg)->cdata = false;
}

/* RFC 6120 §11.1: what must not be sent ends the stream where it begins. */
static void
on_comment(void *arg, const XML_Char *text)
{
	(void)text;
	parser_fail(arg, PARSER_RESTRICTED);
}

static void
on_instruction(void *arg, const XML_Char *target, const XML_Char *data)
{
	(void)target;
	(void)data;
	parser_fail(arg, PARSER_RESTRICTED);
}

static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
	   int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	parser_fail(arg, PARSER_RESTRICTED);
}

static void
on_skipped_entity(void *arg, const XML_Char *name, int is_parameter)
{
	(void)name;
	(void)is_parameter;
	parser_fail(arg, PARSER_RESTRICTED);
}

void
parser_set_handlers(XML_Parser xml)
{
	XML_SetElementHandler(xml, on_start, on_end);
	XML_SetCharacterDataHandler(xml, on_text);
	XML_SetStartNamespaceDeclHandler(xml, on_declaration);
	XML_SetXmlDeclHandler(xml, on_xml_decl);
	XML_SetCdataSectionHandler(xml, on_cdata_start, on_cdata_end);
	XML_SetCommentHandler(xml, on_comment);
	XML_SetProcessingInstructionHandler(xml, on_instruction);
	XML_SetStartDoctypeDeclHandler(xml, on_doctype);
	XML_SetSkippedEntityHandler(xml, on_skipped_entity);
}
