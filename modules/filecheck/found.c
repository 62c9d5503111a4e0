/*
 * found: one walk. Elements are told apart by pointers to their namespaces; texts and attributes are looked at where they have a colon.
 */
#include "found.h"

#include <string.h>
#include <strings.h>

#include "datauri.h"
#include "xmpp/ns.h"

#define HEAD_MAX 256 /* bytes of media type and parameters of an address among words */
#define TYPES_MAX 64 /* so many are asked what they say that they are: more is too much in any case */
#define WHOLES_MAX 64 /* so many texts with elements within are put together: each may be in the next */

/* Base64 in an element. */
static const struct content {
	const char *ns, *name;
	enum judge_path path;
} binval = { NULL, "BINVAL", JUDGE_VCARD }, /* XEP-0054: PHOTO, LOGO, SOUND; clients look at the name only */
  contents[] = {
	{ NS_AVATAR_DATA, "data", JUDGE_AVATAR },  /* XEP-0084 */
	{ NS_BOB, "data", JUDGE_BOB },             /* XEP-0231 */
	{ NS_IQ_AVATAR, "data", JUDGE_AVATAR },    /* XEP-0008 */
	{ NS_STORAGE_AVATAR, "data", JUDGE_AVATAR },
};

/* Addresses in an attribute, or (NULL) in the text. */
static const struct {
	const char *ns, *name, *attr;
	bool alone;
} links[] = {
	{ NS_OOB, "url", NULL, false },             /* XEP-0066 */
	{ NS_IQ_OOB, "url", NULL, false },
	{ NS_URL_DATA, "url-data", "target", false }, /* XEP-0103, in XEP-0447 */
	{ NS_REFERENCE, "reference", "uri", false }, /* XEP-0372, in XEP-0385 */
	{ NS_MEDIA, "uri", NULL, true },            /* XEP-0221 */
	{ NS_XHTML, "img", "src", true },           /* XEP-0071 */
	{ NS_AVATAR_METADATA, "info", "url", true }, /* XEP-0084 */
	{ NS_VCARD, "EXTVAL", NULL, true },
	{ NS_THUMBS, "thumbnail", "uri", true },    /* XEP-0264 */
	{ NS_VCARD4, "uri", NULL, true },           /* XEP-0292: of a photo, logo, sound */
	{ NS_ATOM, "link", "href", true },          /* RFC 4287: an enclosure, */
	{ NS_ATOM, "content", "src", true },        /* or content that is elsewhere */
};

struct search {
	struct arena *arena;
	struct found *first, **last;
	unsigned contents, wholes;
	bool torn;
};

static struct found *
add(struct search *s, enum found_kind kind, const struct elem *e, const char *text, size_t n)
{
	struct found *f = arena_zalloc(s->arena, sizeof(*f));

	f->kind = kind;
	f->path = JUDGE_LINK;
	f->e = e;
	f->text = text;
	f->n = n;
	*s->last = f;
	s->last = &f->next;
	return f;
}

/* Addresses */

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Is what ends here this scheme, and not a part of a longer word or address? */
static bool
is_scheme(const char *text, const char *colon, const char *scheme)
{
	size_t n = strlen(scheme);
	char before;

	if ((size_t)(colon - text) < n || strncasecmp(colon - n, scheme, n))
		return false;
	if ((size_t)(colon - text) == n)
		return true;
	before = colon[-(ptrdiff_t)n - 1];
	return !((before >= '0' && before <= '9') || ((before | 32) >= 'a' && (before | 32) <= 'z') || strchr("/.-+_@", before));
}

static enum judge_path
path_of(const struct elem *e)
{
	return e->ns == NS_VCARD4 || e->ns == NS_VCARD ? JUDGE_VCARD : JUDGE_DATA_URI;
}

static struct found *
add_uri(struct search *s, const struct elem *e, const char *behind, const char *end)
{
	struct found *f = add(s, FOUND_URI, e, behind, (size_t)(end - behind));

	f->path = path_of(e);
	return f;
}

/* Where the word ends that a data: URI is, whose head begins here; NULL: it is none. */
static const char *
uri_end(const char *head, const char *end, bool first)
{
	const char *c = head;

	while (c < end && *c != ',' && !datauri_ends(*c) && (first || c - head < HEAD_MAX))
		c++;
	if (c == end || *c != ',')
		return NULL;
	while (c < end && !datauri_ends(*c))
		c++;
	return c;
}

/* What is in one address is not looked at again: this is linear. */
static void
look_at_words(struct search *s, const struct elem *e, const char *text, const char *end)
{
	const char *last;

	for (const char *c = memchr(text, ':', (size_t)(end - text)); c; c = memchr(c, ':', (size_t)(end - c))) {
		last = is_scheme(text, c, "data") ? uri_end(c + 1, end, c - text == 4) : NULL;
		if (last)
			add_uri(s, e, c + 1, last)->prose = true;
		else if (is_scheme(text, c, "aesgcm") && end - c > 3 && c[1] == '/' && c[2] == '/' && !is_space(c[3]))
			add(s, FOUND_ENCRYPTED, e, text, (size_t)(end - text));
		c = last ? last : c + 1;
	}
}

/* As browsers read an address: tabs and ends of lines are not there. */
static const char *
without_lines(struct arena *a, const char *text, size_t *n)
{
	char *out;
	size_t o = 0;

	if (!memchr(text, '\n', *n) && !memchr(text, '\r', *n) && !memchr(text, '\t', *n))
		return text;
	out = arena_alloc(a, *n + 1);
	for (size_t i = 0; i < *n; i++)
		if (text[i] != '\n' && text[i] != '\r' && text[i] != '\t')
			out[o++] = text[i];
	out[o] = '\0';
	*n = o;
	return out;
}

static bool
has_space(const char *s, const char *end)
{
	while (s < end && !is_space(*s))
		s++;
	return s < end;
}

enum place {
	PLACE_WORDS,   /* what people write, with addresses in it */
	PLACE_TEXT,    /* one address, or something with addresses in it */
	PLACE_ADDRESS, /* one address, whatever is before its comma, as in browsers */
};

static void
look_at_text(struct search *s, const struct elem *e, const char *text, size_t n, enum place place)
{
	bool words = place == PLACE_WORDS;
	const char *line, *end;

	if (!memchr(text, ':', n))
		return;
	if (!words)
		text = without_lines(s->arena, text, &n);
	end = text + n;
	for (line = text; line < end && is_space(*line); line++)
		;
	if (end - line > 5 && !strncasecmp(line, "data:", 5) && (words ? has_space(line, end) : place == PLACE_ADDRESS ||
			datauri_is_one(line + 5, (size_t)(end - line - 5)))) {
		/* Base64 in lines, or an address and words behind it? Both are looked at. */
		add_uri(s, e, line + 5, end)->guess = words;
		if (!words)
			return;
	}
	look_at_words(s, e, line, end);
}

/* Elements */

static bool
is_address_attr(const struct attr *at)
{
	static const char *const names[] = { "src", "href", "uri", "url", "target" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(at->name, names[i]))
			return true;
	return false;
}

static bool
has_text(const struct elem *e)
{
	for (const struct elem *i = e->first; i; i = i->next)
		if (!i->name)
			return true;
	return false;
}

/* Text that is interrupted by elements is one text for who reads it. */
static const char *
text_of(struct search *s, const struct elem *e, size_t *n)
{
	const char *text;

	if (e->first && !e->first->name && !e->first->next) {
		*n = e->first->text_len;
		return e->first->text;
	}
	text = has_text(e) ? elem_text(e, s->arena) : "";
	*n = strlen(text);
	return text;
}

/* Clients look for <url/> in an offer, whatever namespace it has itself. */
static bool
is_link(const struct elem *e, size_t i)
{
	bool named = e->ns == links[i].ns;

	if (!named && (links[i].ns == NS_OOB || links[i].ns == NS_IQ_OOB))
		named = e->parent && e->parent->ns == links[i].ns;
	return named && !strcmp(e->name, links[i].name);
}

static bool
is_address(const struct elem *e)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (!links[i].attr && is_link(e, i))
			return true;
	return false;
}

/* There are clients for which the text of an element is all the text in it: does that begin as a data: URI does? */
static bool
begins_uri(const struct elem *e)
{
	const char *scheme = "data:";

	for (const struct elem *i = elem_walk(e, e); i; i = elem_walk(e, i))
		for (size_t n = 0; !i->name && n < i->text_len; n++) {
			if (is_space(i->text[n]))
				continue;
			if ((i->text[n] | 32) != *scheme)
				return false;
			if (!*++scheme)
				return true;
		}
	return false;
}

static const char *
whole_text(struct search *s, const struct elem *e, size_t *n)
{
	char *out;
	size_t o = 0;

	for (const struct elem *i = elem_walk(e, e); i; i = elem_walk(e, i))
		o += i->name ? 0 : i->text_len;
	out = arena_alloc(s->arena, o + 1);
	o = 0;
	for (const struct elem *i = elem_walk(e, e); i; i = elem_walk(e, i)) {
		if (i->name || !i->text_len)
			continue;
		memcpy(out + o, i->text, i->text_len);
		o += i->text_len;
	}
	out[o] = '\0';
	*n = o;
	return out;
}

/* An address with elements in it: nobody writes that, and not everybody reads the same out of it. Elsewhere words of its own and the text in
 * its elements must begin as a data: URI does; what people write (XHTML) has elements among its words. Once is enough. */
static bool
is_torn(struct search *s, const struct elem *e, const char *text, size_t n)
{
	const char *whole, *colon;

	if (s->torn || e->ns == NS_XHTML || !elem_first(e))
		return false;
	if (is_address(e))
		return true;
	while (n && is_space(*text))
		text++, n--;
	if (!n || !begins_uri(e))
		return false;
	if (s->wholes++ == WHOLES_MAX)
		return true;
	whole = whole_text(s, e, &n);
	colon = memchr(whole, ':', n);
	return datauri_is_one(colon + 1, n - (size_t)(colon + 1 - whole));
}

static const char *
declared_type(struct search *s, const struct elem *e, const struct content *c)
{
	const struct elem *type;

	if (c != &binval)
		return elem_get(e, e->ns == NS_BOB ? "type" : "mimetype");
	type = e->parent ? elem_child(e->parent, NULL, "TYPE") : NULL;
	return type ? elem_text(type, s->arena) : NULL;
}

static const struct content *
content_of(const struct elem *e)
{
	if (*e->name == 'B' && !strcmp(e->name, binval.name))
		return &binval;
	for (size_t i = 0; e->ns != NS_CLIENT && i < sizeof(contents) / sizeof(contents[0]); i++)
		if (e->ns == contents[i].ns && !strcmp(e->name, contents[i].name))
			return &contents[i];
	return NULL;
}

static void
add_content(struct search *s, const struct elem *e, const struct content *c, const char *text, size_t n)
{
	struct found *f = add(s, FOUND_BASE64, e, text, n);

	f->path = c->path;
	f->type = s->contents++ < TYPES_MAX ? declared_type(s, e, c) : NULL;
	f->broken = elem_first(e);
}

/* RFC 4287 §4.2.7.2: a name, or what it is short for; compared without case. */
static bool
is_enclosure(const char *rel)
{
	static const char registry[] = "http://www.iana.org/assignments/relation/";

	if (!strncasecmp(rel, registry, sizeof(registry) - 1))
		rel += sizeof(registry) - 1;
	return !strcasecmp(rel, "enclosure");
}

/* What a reference or an address is of: mentions are of people (within an offer, as a source of its file, nothing is one), and a vCard's addresses
 * are not all of files. */
static bool
is_of_file(const struct elem *e)
{
	const char *type;

	if (e->ns == NS_REFERENCE) {
		type = elem_get(e, "type");
		return !type || strcmp(type, "mention") != 0 || !elem_is(e->parent, NS_CLIENT, "message");
	}
	if (e->ns == NS_ATOM && !strcmp(e->name, "link")) {
		type = elem_get(e, "rel");
		return type && is_enclosure(type);
	}
	if (e->ns == NS_VCARD4)
		return e->parent && (elem_is(e->parent, NS_VCARD4, "photo") || elem_is(e->parent, NS_VCARD4, "logo") ||
			elem_is(e->parent, NS_VCARD4, "sound"));
	return true;
}

static void
look_for_link(struct search *s, const struct elem *e, const char *text, size_t n)
{
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		const char *where = text;

		if (!is_link(e, i) || !is_of_file(e))
			continue;
		if (links[i].attr) {
			where = elem_get(e, links[i].attr);
			n = where ? strlen(where) : 0;
		}
		if (n)
			add(s, FOUND_LINK, e, where, n)->alone = links[i].alone;
		return;
	}
}

static bool
begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

/* Keys for a file (XEP-0391, XEP-0396, and what was before them). What proves who calls (OMEMO for DTLS-SRTP) is in a fingerprint. */
static bool
is_encrypted_transfer(const struct elem *jingle)
{
	for (const struct elem *e = elem_walk(jingle, jingle); e; e = elem_walk(jingle, e)) {
		if (!e->name)
			continue;
		if (!strcmp(e->name, "security") && begins(e->ns, "urn:xmpp:jingle:jet:"))
			return true;
		if (!strcmp(e->name, "encrypted") && (begins(e->ns, "eu.siacs.conversations.axolotl") || begins(e->ns, "urn:xmpp:omemo:")) &&
			strcmp(e->parent->name, "fingerprint") != 0)
			return true;
	}
	return false;
}

static void
look_at(struct search *s, const struct elem *e, bool root)
{
	const struct content *c = content_of(e);
	size_t n = 0;
	const char *text = e->first ? text_of(s, e, &n) : "";

	for (const struct attr *at = root ? NULL : e->attrs; at; at = at->next)
		look_at_text(s, e, at->value, strlen(at->value), is_address_attr(at) ? PLACE_ADDRESS : PLACE_TEXT);
	if (c && e->first) {
		add_content(s, e, c, text, n);
		return;
	}
	if (!root && e->first && is_torn(s, e, text, n)) {
		s->torn = add(s, FOUND_URI, e, "", 0)->broken = true;
		return;
	}
	if (e->ns == NS_CLIENT) {
		look_at_text(s, e, text, n, PLACE_WORDS);
		if (e->parent && e->parent->ns != NS_CLIENT)
			look_for_link(s, e, text, n);
		return;
	}
	if (n)
		look_at_text(s, e, text, n, e->ns == NS_XHTML ? PLACE_WORDS : is_address(e) ? PLACE_ADDRESS : PLACE_TEXT);
	if (e->ns == NS_ESFS && !strcmp(e->name, "encrypted"))
		add(s, FOUND_ENCRYPTED, e, "", 0); /* XEP-0448 */
	if (e->ns == NS_JINGLE && !e->parent->parent && is_encrypted_transfer(e))
		add(s, FOUND_ENCRYPTED, e, "", 0);
	look_for_link(s, e, text, n);
}

struct found *
found_in(const struct elem *root, struct arena *a)
{
	struct search s = { .arena = a, .last = &s.first };

	look_at(&s, root, true);
	for (const struct elem *e = elem_walk(root, root); e; e = elem_walk(root, e))
		if (e->name)
			look_at(&s, e, false);
	return s.first;
}
