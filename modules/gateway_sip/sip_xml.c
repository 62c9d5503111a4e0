/* sip_xml: expat, with the doors closed that these documents do not need. */
#include "sip_xml.h"

#include <expat.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define NAME_MAX_BYTES 256

struct level {
	char name[NAME_MAX_BYTES];
	struct buf text;
};

struct reading {
	XML_Parser parser;
	sip_xml_fn fn;
	void *arg;
	unsigned depth;
	bool refused;
	struct level levels[SIP_XML_DEPTH];
};

static void
refuse(struct reading *r)
{
	r->refused = true;
	XML_StopParser(r->parser, XML_FALSE);
}

static void
on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct reading *r = arg;
	size_t n = strlen(name);

	(void)attributes;
	if (r->refused)
		return;
	if (r->depth == SIP_XML_DEPTH || n >= NAME_MAX_BYTES) {
		refuse(r);
		return;
	}
	memcpy(r->levels[r->depth].name, name, n + 1);
	buf_clear(&r->levels[r->depth].text);
	r->depth++;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
on_end(void *arg, const XML_Char *name)
{
	struct reading *r = arg;
	struct level *l;
	const char *text;

	if (r->refused)
		return;
	l = &r->levels[--r->depth];
	while (buf_len(&l->text) > 0 && is_space(buf_data(&l->text)[buf_len(&l->text) - 1]))
		l->text.len--;
	for (text = buf_str(&l->text); is_space(*text); text++)
		;
	r->fn(r->arg, r->depth > 0 ? r->levels[r->depth - 1].name : "", name, text);
}

static void
on_text(void *arg, const XML_Char *s, int len)
{
	struct reading *r = arg;
	struct buf *text;
	size_t n = (size_t)len;

	if (r->refused || r->depth == 0)
		return;
	text = &r->levels[r->depth - 1].text;
	if (n > SIP_XML_TEXT - buf_len(text)) {
		n = SIP_XML_TEXT - buf_len(text);
		/* Not in the middle of a character. */
		while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80)
			n--;
	}
	buf_add(text, s, n);
}

static void
on_doctype(void *arg, const XML_Char *name, const XML_Char *system_id, const XML_Char *public_id, int internal)
{
	(void)name;
	(void)system_id;
	(void)public_id;
	(void)internal;
	refuse(arg);
}

bool
sip_xml_read(const char *p, size_t n, sip_xml_fn fn, void *arg)
{
	struct reading *r = NEW(struct reading);
	bool good;

	r->fn = fn;
	r->arg = arg;
	r->parser = XML_ParserCreateNS("UTF-8", ' ');
	if (r->parser == NULL)
		mem_exhausted(0);
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	good = n <= INT_MAX && XML_Parse(r->parser, p, (int)n, 1) == XML_STATUS_OK && !r->refused;
	XML_ParserFree(r->parser);
	for (unsigned i = 0; i < SIP_XML_DEPTH; i++)
		buf_fini(&r->levels[i].text);
	free(r);
	return good;
}

void
sip_xml_escape(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '&': buf_adds(out, "&amp;"); break;
		case '<': buf_adds(out, "&lt;"); break;
		case '>': buf_adds(out, "&gt;"); break;
		case '"': buf_adds(out, "&quot;"); break;
		case '\'': buf_adds(out, "&apos;"); break;
		default: buf_addc(out, *text);
		}
}
