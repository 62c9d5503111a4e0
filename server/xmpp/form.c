/*
 * form: XEP-0004. What is read goes into the caller's arena; what is written, into the stanza.
 *
 * Used by modules for settings, commands and metadata. A form of a client is small by the limit on stanzas, but may have
 * thousands of fields: that no name comes twice is seen by sorting.
 */
#include "xmpp/form.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "xmpp/ns.h"

static const char form_type_var[] = "FORM_TYPE";

/* Reading */

static bool
is_type(const char *type)
{
	static const char *const types[] = { "form", "submit", "cancel", "result" };

	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

static struct form_field *
read_field(const struct elem *e, struct arena *a)
{
	struct form_field *f = arena_zalloc(a, sizeof(*f));
	unsigned n = 0;

	f->var = elem_get(e, "var") ? arena_strdup(a, elem_get(e, "var")) : NULL;
	f->type = elem_get(e, "type") ? arena_strdup(a, elem_get(e, "type")) : NULL;
	for (const struct elem *v = elem_child(e, NS_DATA, "value"); v; v = elem_next(v, NS_DATA, "value"))
		n++;
	f->value = arena_alloc(a, (n + 1) * sizeof(*f->value));
	for (const struct elem *v = elem_child(e, NS_DATA, "value"); v; v = elem_next(v, NS_DATA, "value"))
		f->value[f->n++] = arena_strdup(a, elem_text(v, a));
	return f;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* §3.2: a name is unique within a form. */
static bool
names_differ(const struct elem *x, size_t n, struct arena *a)
{
	const char **name = arena_alloc(a, (n + 1) * sizeof(*name));

	n = 0;
	for (const struct elem *e = elem_child(x, NS_DATA, "field"); e; e = elem_next(e, NS_DATA, "field"))
		if (elem_get(e, "var"))
			name[n++] = elem_get(e, "var");
	qsort(name, n, sizeof(*name), by_name);
	for (size_t i = 1; i < n; i++)
		if (!strcmp(name[i - 1], name[i]))
			return false;
	return true;
}

struct form *
form_parse(const struct elem *x, struct arena *a)
{
	struct form *f;
	struct form_field **last;
	size_t n = 0;

	if (!elem_is(x, NS_DATA, "x") || !is_type(elem_get(x, "type")))
		return NULL;
	f = arena_zalloc(a, sizeof(*f));
	f->type = arena_strdup(a, elem_get(x, "type"));
	last = &f->first;
	for (const struct elem *e = elem_child(x, NS_DATA, "field"); e; e = elem_next(e, NS_DATA, "field")) {
		struct form_field *field = read_field(e, a);

		n++;
		if (field->var && !strcmp(field->var, form_type_var)) {
			f->form_type = field->n ? field->value[0] : NULL;
		} else if (field->var) {
			*last = field;
			last = &field->next;
		} else if (!strcmp(f->type, "submit")) {
			return NULL; /* §3.2: only a fixed text has no name, and that is not submitted */
		}
	}
	return names_differ(x, n, a) ? f : NULL;
}

const struct form_field *
form_find(const struct form *f, const char *var)
{
	for (const struct form_field *i = f->first; i; i = i->next)
		if (!strcmp(i->var, var))
			return i;
	return NULL;
}

const char *
form_value(const struct form *f, const char *var)
{
	const struct form_field *field = form_find(f, var);

	return field && field->n ? field->value[0] : NULL;
}

bool
form_bool(const struct form *f, const char *var, bool *out)
{
	const struct form_field *field = form_find(f, var);
	const char *s;

	if (!field)
		return true;
	s = field->n == 1 ? field->value[0] : "";
	if (!strcmp(s, "1") || !strcmp(s, "true"))
		*out = true;
	else if (!strcmp(s, "0") || !strcmp(s, "false"))
		*out = false;
	else
		return false;
	return true;
}

bool
form_number(const struct form *f, const char *var, uint64_t min, uint64_t max, uint64_t *out)
{
	const struct form_field *field = form_find(f, var);

	if (!field)
		return true;
	return field->n == 1 && text_u64(field->value[0], strlen(field->value[0]), min, max, out);
}

/* Writing */

static void
add_text(struct stanza *st, struct elem *parent, const char *name, const char *text)
{
	elem_add_text(st, elem_add(st, parent, NS_DATA, name), text, strlen(text));
}

struct elem *
form_new(struct stanza *st, struct elem *parent, const char *type, const char *form_type)
{
	struct elem *x = elem_add(st, parent, NS_DATA, "x");

	elem_set(st, x, "type", type);
	if (form_type)
		form_add(st, x, "hidden", form_type_var, NULL, form_type);
	return x;
}

void
form_title(struct stanza *st, struct elem *x, const char *title, const char *instructions)
{
	if (title)
		add_text(st, x, "title", title);
	if (instructions)
		add_text(st, x, "instructions", instructions);
}

struct elem *
form_add(struct stanza *st, struct elem *x, const char *type, const char *var, const char *label, const char *value)
{
	struct elem *field = elem_add(st, x, NS_DATA, "field");

	elem_set(st, field, "type", type);
	elem_set(st, field, "var", var);
	elem_set(st, field, "label", label);
	if (value)
		form_add_value(st, field, value);
	return field;
}

void
form_add_value(struct stanza *st, struct elem *field, const char *value)
{
	add_text(st, field, "value", value);
}

void
form_add_option(struct stanza *st, struct elem *field, const char *label, const char *value)
{
	struct elem *option = elem_add(st, field, NS_DATA, "option");

	elem_set(st, option, "label", label);
	add_text(st, option, "value", value);
}

void
form_require(struct stanza *st, struct elem *field)
{
	elem_add(st, field, NS_DATA, "required");
}
