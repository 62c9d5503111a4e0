/*
 * vcard4: one table of properties, walked in either direction. A property is a text in a value element, or has parts with
 * a text each; some have types (home, work…), which are empty elements on one side and parameters on the other.
 */
#include "vcard4.h"

#include <string.h>

#include "xmpp/ns.h"

struct part {
	const char *temp, *v4;
};

struct property {
	const char *temp, *v4;
	const char *in;            /* vcard-temp: element that holds the text; NULL: the property itself */
	const char *value;         /* vCard4: element that holds the text; NULL: it has parts */
	const char *prefix;        /* of the text in vCard4: a URI's scheme */
	const struct part *parts;  /* up to one without names */
	bool typed;
};

static const struct part name_parts[] = {
	{ "FAMILY", "surname" }, { "GIVEN", "given" }, { "MIDDLE", "additional" }, { "PREFIX", "prefix" },
	{ "SUFFIX", "suffix" }, { NULL, NULL },
};
static const struct part address_parts[] = {
	{ "POBOX", "pobox" }, { "EXTADD", "ext" }, { "STREET", "street" }, { "LOCALITY", "locality" }, { "REGION", "region" },
	{ "PCODE", "code" }, { "CTRY", "country" }, { NULL, NULL },
};
/* XEP-0292 §8.3.3 keeps the name only; RFC 6350 §6.6.4 has units behind it. */
static const struct part org_parts[] = { { "ORGNAME", "text" }, { "ORGUNIT", "text" }, { NULL, NULL } };
static const struct part types[] = {
	{ "HOME", "home" }, { "WORK", "work" }, { "VOICE", "voice" }, { "FAX", "fax" }, { "PAGER", "pager" }, { "CELL", "cell" },
	{ "VIDEO", "video" }, { NULL, NULL },
};

/* The first that fits counts, in either direction. */
static const struct property properties[] = {
	{ .temp = "FN", .v4 = "fn", .value = "text" },
	{ .temp = "N", .v4 = "n", .parts = name_parts },
	{ .temp = "NICKNAME", .v4 = "nickname", .value = "text" },
	{ .temp = "BDAY", .v4 = "bday", .value = "date" },
	{ .temp = "ADR", .v4 = "adr", .parts = address_parts, .typed = true },
	{ .temp = "TEL", .v4 = "tel", .in = "NUMBER", .value = "uri", .prefix = "tel:", .typed = true },
	{ .temp = "EMAIL", .v4 = "email", .in = "USERID", .value = "text", .typed = true },
	{ .temp = "JABBERID", .v4 = "impp", .value = "uri", .prefix = "xmpp:" },
	{ .temp = "TZ", .v4 = "tz", .value = "text" },
	{ .temp = "TITLE", .v4 = "title", .value = "text" },
	{ .temp = "ROLE", .v4 = "role", .value = "text" },
	{ .temp = "ORG", .v4 = "org", .parts = org_parts },
	{ .temp = "URL", .v4 = "url", .value = "uri" },
	/* §8.1.1: what people write about themselves is DESC in their clients. */
	{ .temp = "DESC", .v4 = "note", .value = "text" },
	{ .temp = "NOTE", .v4 = "note", .value = "text" },
	{ .temp = "UID", .v4 = "uid", .value = "uri" },
};

#define COUNT (sizeof(properties) / sizeof(*properties))

static const struct property *
find_temp(const struct elem *e)
{
	for (size_t i = 0; i < COUNT; i++)
		if (elem_is(e, NS_VCARD, properties[i].temp))
			return &properties[i];
	return NULL;
}

static const struct property *
find_v4(const struct elem *e)
{
	for (size_t i = 0; i < COUNT; i++)
		if (elem_is(e, NS_VCARD4, properties[i].v4))
			return &properties[i];
	return NULL;
}

bool
vcard4_knows(const struct elem *property)
{
	return find_temp(property) != NULL;
}

/* Without the white space around it; NULL: nothing. */
static const char *
text_of(struct stanza *st, const struct elem *e)
{
	const char *s = e ? elem_text(e, st->arena) : "";
	size_t n;

	s += strspn(s, " \t\r\n");
	n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]))
		n--;
	return n ? arena_strndup(st->arena, s, n) : NULL;
}

static void
add_text(struct stanza *st, struct elem *parent, const char *name, const char *text)
{
	struct elem *e = elem_add(st, parent, NULL, name);

	elem_add_text(st, e, text, strlen(text));
}

/* To vCard4 */

static void
add_types(struct stanza *st, struct elem *out, const struct elem *in)
{
	struct elem *parameters = NULL, *type = NULL, *pref;

	for (const struct part *t = types; t->temp; t++) {
		if (!elem_child(in, NS_VCARD, t->temp))
			continue;
		parameters = parameters ? parameters : elem_add(st, out, NULL, "parameters");
		type = type ? type : elem_add(st, parameters, NULL, "type");
		add_text(st, type, "text", t->v4);
	}
	if (!elem_child(in, NS_VCARD, "PREF"))
		return;
	parameters = parameters ? parameters : elem_add(st, out, NULL, "parameters");
	pref = elem_add(st, parameters, NULL, "pref");
	add_text(st, pref, "integer", "1");
}

/* A number as people write it ("ask Peter") is not a URI: then it is a text. */
static bool
fits_uri(const struct property *p, const char *text)
{
	return strcmp(p->v4, "tel") || !text[strspn(text, "0123456789+-.()")];
}

static void
value_to_v4(struct stanza *st, struct elem *vcard4, const struct property *p, const struct elem *in)
{
	const char *text = text_of(st, p->in ? elem_child(in, NS_VCARD, p->in) : in);
	struct elem *out;

	if (!text)
		return;
	out = elem_add(st, vcard4, NULL, p->v4);
	if (p->typed)
		add_types(st, out, in);
	if (!fits_uri(p, text))
		add_text(st, out, "text", text);
	else if (p->prefix)
		add_text(st, out, p->value, arena_printf(st->arena, "%s%s", p->prefix, text));
	else
		add_text(st, out, p->value, text);
}

static void
parts_to_v4(struct stanza *st, struct elem *vcard4, const struct property *p, const struct elem *in)
{
	struct elem *out = NULL;

	for (const struct part *t = p->parts; t->temp; t++)
		for (const struct elem *e = elem_child(in, NS_VCARD, t->temp); e; e = elem_next(e, NS_VCARD, t->temp)) {
			const char *text = text_of(st, e);

			if (!text)
				continue;
			if (!out) {
				out = elem_add(st, vcard4, NULL, p->v4);
				if (p->typed)
					add_types(st, out, in);
			}
			add_text(st, out, t->v4, text);
		}
}

void
vcard4_from_temp(struct stanza *st, struct elem *vcard4, const struct elem *temp)
{
	for (const struct elem *e = elem_first(temp); e; e = elem_next(e, NULL, NULL)) {
		const struct property *p = find_temp(e);

		if (p && p->parts)
			parts_to_v4(st, vcard4, p, e);
		else if (p)
			value_to_v4(st, vcard4, p, e);
	}
}

/* To vcard-temp */

static void
read_types(struct stanza *st, struct elem *out, const struct elem *in)
{
	const struct elem *parameters = elem_child(in, NS_VCARD4, "parameters");
	const struct elem *type = parameters ? elem_child(parameters, NS_VCARD4, "type") : NULL;

	for (const struct elem *e = type ? elem_child(type, NS_VCARD4, "text") : NULL; e; e = elem_next(e, NS_VCARD4, "text")) {
		const char *name = text_of(st, e);

		for (const struct part *t = types; name && t->temp; t++)
			if (!strcmp(t->v4, name))
				elem_add(st, out, NULL, t->temp);
	}
	if (parameters && elem_child(parameters, NS_VCARD4, "pref"))
		elem_add(st, out, NULL, "PREF");
}

/* Of a URI. */
static const char *
without_prefix(const struct property *p, const struct elem *value, const char *text)
{
	size_t n = p->prefix && elem_is(value, NS_VCARD4, p->value) ? strlen(p->prefix) : 0;

	return n && !strncmp(text, p->prefix, n) ? text + n : text;
}

/* An address in another network is no JABBERID. */
static bool
is_foreign(const struct property *p, const struct elem *value, const char *text)
{
	return !strcmp(p->v4, "impp") && without_prefix(p, value, text) == text;
}

/* The value may be of another type than the usual one: a date that is a text, a number that is one. */
static void
value_to_temp(struct stanza *st, struct elem *temp, const struct property *p, const struct elem *in)
{
	const struct elem *value = NULL;
	const char *text;
	struct elem *out;

	for (const struct elem *e = elem_first(in); e && !value; e = elem_next(e, NULL, NULL))
		if (e->ns == NS_VCARD4 && strcmp(e->name, "parameters"))
			value = e;
	text = text_of(st, value);
	if (!text || is_foreign(p, value, text) || !*(text = without_prefix(p, value, text)))
		return;
	out = elem_add(st, temp, NULL, p->temp);
	if (p->typed)
		read_types(st, out, in);
	if (p->in)
		add_text(st, out, p->in, text);
	else
		elem_add_text(st, out, text, strlen(text));
}

/* Two parts of the same name (<org/>): the first is the first, all others are the second. */
static void
parts_to_temp(struct stanza *st, struct elem *temp, const struct property *p, const struct elem *in)
{
	struct elem *out = NULL;

	for (const struct elem *e = elem_first(in); e; e = elem_next(e, NULL, NULL)) {
		const struct part *t = p->parts;
		const char *text = text_of(st, e);

		while (t->v4 && !elem_is(e, NS_VCARD4, t->v4))
			t++;
		if (!t->v4 || !text)
			continue;
		if (out && t[1].v4 && !strcmp(t->v4, t[1].v4))
			t++;
		if (!out) {
			out = elem_add(st, temp, NULL, p->temp);
			if (p->typed)
				read_types(st, out, in);
		}
		add_text(st, out, t->temp, text);
	}
}

void
vcard4_to_temp(struct stanza *st, struct elem *temp, const struct elem *vcard4)
{
	for (const struct elem *e = elem_first(vcard4); e; e = elem_next(e, NULL, NULL)) {
		const struct property *p = find_v4(e);

		if (p && p->parts)
			parts_to_temp(st, temp, p, e);
		else if (p)
			value_to_temp(st, temp, p, e);
	}
}
