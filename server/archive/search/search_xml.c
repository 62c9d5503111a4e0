/*
 * search_xml: what there is to read in a recorded stanza (search_doc.h).
 *
 * The record has what our own serialiser wrote: well-formed, without comments, processing instructions and CDATA. So it is scanned, not parsed;
 * what should be otherwise after all costs words, nothing else. Scanning goes forward only and remembers one number, the depth
 * of what is left out.
 */
#include <string.h>
#include <unicode/utf8.h>

#include "archive/search/search_doc.h"

/* What is in elements of these names is not for people: keys, ciphertext, pictures. */
static const char *const opaque[] = { "encrypted", "openpgp", "payload", "data", "BINVAL", "binval", "uri-data", "bundle", "pubkey", "key", "iv" };

struct tag {
	const char *name;
	size_t name_len;
	const char *text; /* behind the name, up to the end */
	size_t len;
	bool closes, is_empty;
};

/* The tag at `s`, which is at a '<'. Where it ends, or NULL. */
static const char *
read_tag(const char *s, const char *end, struct tag *t)
{
	char quote = 0;
	const char *p = s + 1;

	t->closes = p < end && *p == '/';
	p += t->closes;
	t->name = p;
	while (p < end && !strchr(" \t\r\n/>", *p))
		p++;
	t->name_len = (size_t)(p - t->name);
	t->text = p;
	for (; p < end; p++) {
		if (quote)
			quote = *p == quote ? 0 : quote;
		else if (*p == '\'' || *p == '"')
			quote = *p;
		else if (*p == '>')
			break;
	}
	if (p >= end)
		return NULL;
	t->len = (size_t)(p - t->text);
	t->is_empty = t->len && p[-1] == '/';
	return p + 1;
}

static bool
is_opaque(const struct tag *t)
{
	for (size_t i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++)
		if (strlen(opaque[i]) == t->name_len && !memcmp(opaque[i], t->name, t->name_len))
			return true;
	return false;
}

static bool
has(const struct tag *t, const char *s)
{
	return memmem(t->text, t->len, s, strlen(s)) != NULL;
}

/* &…; at `s`. Returns what is behind it. */
static const char *
add_entity(struct buf *out, const char *s, const char *end)
{
	static const struct { const char *name; char c; } names[] = { { "lt;", '<' }, { "gt;", '>' }, { "amp;", '&' }, { "quot;", '"' }, { "apos;", '\'' } };
	uint8_t b[4];
	int32_t n = 0;
	uint32_t c = 0;
	const char *p = s + 1;
	bool hex;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t len = strlen(names[i].name);

		if ((size_t)(end - p) >= len && !memcmp(p, names[i].name, len)) {
			buf_addc(out, names[i].c);
			return p + len;
		}
	}
	if (p >= end || *p++ != '#')
		return s + 1;
	hex = p < end && *p == 'x';
	for (p += hex; p < end && *p != ';' && c < 0x110000; p++)
		c = c * (hex ? 16 : 10) + (uint32_t)(*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10);
	if (p < end && c && c < 0x110000 && !U_IS_SURROGATE(c)) {
		U8_APPEND_UNSAFE(b, n, (UChar32)c);
		buf_add(out, b, (size_t)n);
	}
	return p < end ? p + 1 : end;
}

static void
add_text(struct buf *out, const char *s, const char *end)
{
	while (s < end) {
		const char *amp = memchr(s, '&', (size_t)(end - s)), *to = amp ? amp : end;

		buf_add(out, s, (size_t)(to - s));
		s = amp ? add_entity(out, amp, end) : end;
	}
}

void
search_doc_text(const char *stanza, size_t n, struct buf *out)
{
	const char *s = stanza, *end = stanza + n;
	unsigned hidden = 0;
	struct tag t;

	while (s < end) {
		const char *lt = memchr(s, '<', (size_t)(end - s));

		if (!hidden && s < (lt ? lt : end))
			add_text(out, s, lt ? lt : end);
		if (!lt || !(s = read_tag(lt, end, &t)))
			return;
		if (buf_len(out) && buf_data(out)[buf_len(out) - 1] != '\n')
			buf_addc(out, '\n');
		if (t.closes)
			hidden -= hidden > 0;
		else if (!t.is_empty && (hidden || is_opaque(&t)))
			hidden++;
	}
}

static void
add_values(struct buf *out, const struct tag *t)
{
	const char *s = t->text, *end = t->text + t->len;

	while (s < end) {
		const char *eq = memchr(s, '=', (size_t)(end - s)), *close;

		if (!eq || eq + 1 >= end || !(close = memchr(eq + 2, eq[1], (size_t)(end - eq - 2))))
			return;
		while (s < eq && strchr(" \t\r\n", *s))
			s++;
		if (strncmp(s, "xml", 3)) { /* xmlns, xml:lang */
			add_text(out, eq + 2, close);
			buf_addc(out, '\n');
		}
		s = close + 1;
	}
}

void
search_doc_values(const char *stanza, size_t n, struct buf *out)
{
	const char *end = stanza + n, *s;
	struct tag t;

	if (!n || !(s = read_tag(stanza, end, &t)))
		return;
	while (s < end && (s = memchr(s, '<', (size_t)(end - s))) && (s = read_tag(s, end, &t)))
		if (!t.closes)
			add_values(out, &t);
}

void
search_doc_tags(const char *stanza, size_t n, struct search_tags *out)
{
	static const char *const files[] = { "'jabber:x:oob'", "'urn:xmpp:sfs:0'", "'urn:xmpp:sims:1'", "'urn:xmpp:jingle:apps:file-transfer:", "'urn:chancery:file:0'" };
	static const char *const secrets[] = { "'eu.siacs.conversations.axolotl'", "'urn:xmpp:omemo:", "'urn:xmpp:openpgp:0'", "'jabber:x:encrypted'" };
	const char *s = stanza, *end = stanza + n;
	struct tag t;

	*out = (struct search_tags){ 0 };
	while (s < end && (s = memchr(s, '<', (size_t)(end - s))) && (s = read_tag(s, end, &t))) {
		for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && !t.closes; i++)
			out->file |= has(&t, files[i]);
		for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]) && !t.closes; i++)
			out->encrypted |= has(&t, secrets[i]);
		out->shutdown |= t.name_len == 6 && !memcmp(t.name, "status", 6) && has(&t, " code='332'");
	}
}

static bool
is_named(const struct tag *t, const char *name)
{
	return !t->closes && (!name || (strlen(name) == t->name_len && !memcmp(name, t->name, t->name_len)));
}

static bool
value_of(const struct tag *t, const char *name, struct buf *out)
{
	size_t n = strlen(name);
	const char *s = t->text, *end = t->text + t->len;

	while (s < end) {
		const char *eq = memchr(s, '=', (size_t)(end - s)), *close;

		if (!eq || eq + 1 >= end || !(close = memchr(eq + 2, eq[1], (size_t)(end - eq - 2))))
			return false;
		while (s < eq && strchr(" \t\r\n", *s))
			s++;
		if ((size_t)(eq - s) == n && !memcmp(s, name, n)) {
			add_text(out, eq + 2, close);
			return true;
		}
		s = close + 1;
	}
	return false;
}

bool
search_doc_child_attribute(const char *stanza, size_t n, const char *element, const char *name, struct buf *out)
{
	const char *s = stanza, *end = stanza + n;
	unsigned depth = 0;
	struct tag t;

	while (s < end && (s = memchr(s, '<', (size_t)(end - s))) && (s = read_tag(s, end, &t))) {
		if (depth == 1 && is_named(&t, element))
			return value_of(&t, name, out);
		if (t.closes)
			depth -= depth > 0;
		else
			depth += !t.is_empty;
	}
	return false;
}

bool
search_doc_attribute(const char *stanza, size_t n, const char *element, const char *name, struct buf *out)
{
	const char *s = stanza, *end = stanza + n;
	struct tag t;

	while (s < end && (s = memchr(s, '<', (size_t)(end - s))) && (s = read_tag(s, end, &t)))
		if (is_named(&t, element))
			return value_of(&t, name, out);
	return false;
}
