/*
 * caps: XEP-0115 §5.1, step by step. Everything is collected into an arena, sorted, and put one behind the other
 * in a buf that is hashed at the end. Sorting is by octets ("i;octet"), which is what strcmp does.
 */
#include "core/module/caps.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

#define SHA1_SIZE 20

/* What there is to sort: the key, and the element or text it stands for. */
struct row {
	const char *key[4];
	const struct elem *e;
};

struct rows {
	struct row *r;
	size_t n;
};

static const char *
or_empty(const char *s)
{
	return s ? s : "";
}

static int
by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int d = 0;

	for (int i = 0; i < 4 && !d; i++)
		d = strcmp(x->key[i], y->key[i]);
	return d;
}

/* The children of that name, with room for as many rows; the caller sets the keys and sorts. */
static struct rows
collect(const struct elem *parent, const char *ns, const char *name, struct arena *a)
{
	struct rows out = { 0 };
	size_t n = 0;

	for (const struct elem *e = elem_child(parent, ns, name); e; e = elem_next(e, ns, name))
		n++;
	out.r = arena_zalloc(a, (n + 1) * sizeof(*out.r));
	for (const struct elem *e = elem_child(parent, ns, name); e; e = elem_next(e, ns, name))
		out.r[out.n++] = (struct row){ { "", "", "", "" }, e };
	return out;
}

/* Sorts. False when a key is there twice. */
static bool
sort(struct rows *rows)
{
	qsort(rows->r, rows->n, sizeof(*rows->r), by_key);
	for (size_t i = 1; i < rows->n; i++)
		if (!by_key(&rows->r[i - 1], &rows->r[i]))
			return false;
	return true;
}

/* Steps 2 and 3: category/type/lang/name. */
static bool
add_identities(struct buf *s, const struct elem *query, struct arena *a)
{
	struct rows rows = collect(query, NS_DISCO_INFO, "identity", a);

	for (size_t i = 0; i < rows.n; i++) {
		struct row *r = &rows.r[i];

		r->key[0] = or_empty(elem_get(r->e, "category"));
		r->key[1] = or_empty(elem_get(r->e, "type"));
		r->key[2] = or_empty(elem_lang(r->e));
		r->key[3] = or_empty(elem_get(r->e, "name"));
	}
	if (!sort(&rows))
		return false;
	for (size_t i = 0; i < rows.n; i++)
		buf_addf(s, "%s/%s/%s/%s<", rows.r[i].key[0], rows.r[i].key[1], rows.r[i].key[2], rows.r[i].key[3]);
	return true;
}

/* Steps 4 and 5. */
static bool
add_features(struct buf *s, const struct elem *query, struct arena *a)
{
	struct rows rows = collect(query, NS_DISCO_INFO, "feature", a);

	for (size_t i = 0; i < rows.n; i++)
		rows.r[i].key[0] = or_empty(elem_get(rows.r[i].e, "var"));
	if (!sort(&rows))
		return false;
	for (size_t i = 0; i < rows.n; i++)
		buf_addf(s, "%s<", rows.r[i].key[0]);
	return true;
}

/* The texts of a field's <value/>s, sorted. */
static struct rows
values_of(const struct elem *field, struct arena *a)
{
	struct rows rows = collect(field, NS_DATA, "value", a);

	for (size_t i = 0; i < rows.n; i++)
		rows.r[i].key[0] = elem_text(rows.r[i].e, a);
	(void)sort(&rows); /* nothing forbids a value twice */
	return rows;
}

static bool
is_form_type(const struct elem *field)
{
	return !strcmp(or_empty(elem_get(field, "var")), "FORM_TYPE");
}

/* §5.4 step 3.6: a form without a hidden FORM_TYPE does not count: NULL. *ok false: values that differ (step 3.5). */
static const char *
form_type(const struct elem *form, struct arena *a, bool *ok)
{
	const char *type = NULL;

	for (const struct elem *f = elem_child(form, NS_DATA, "field"); f; f = elem_next(f, NS_DATA, "field")) {
		struct rows values;

		if (!is_form_type(f) || strcmp(or_empty(elem_get(f, "type")), "hidden") != 0)
			continue;
		values = values_of(f, a);
		if (!values.n)
			continue;
		if (type || strcmp(values.r[0].key[0], values.r[values.n - 1].key[0]) != 0)
			*ok = false;
		type = values.r[0].key[0];
	}
	return type;
}

/* Steps 7.2 and 7.3 */
static void
add_fields(struct buf *s, const struct elem *form, struct arena *a)
{
	struct rows fields = collect(form, NS_DATA, "field", a);

	for (size_t i = 0; i < fields.n; i++)
		fields.r[i].key[0] = or_empty(elem_get(fields.r[i].e, "var"));
	(void)sort(&fields);
	for (size_t i = 0; i < fields.n; i++) {
		struct rows values;

		if (is_form_type(fields.r[i].e))
			continue;
		buf_addf(s, "%s<", fields.r[i].key[0]);
		values = values_of(fields.r[i].e, a);
		for (size_t j = 0; j < values.n; j++)
			buf_addf(s, "%s<", values.r[j].key[0]);
	}
}

/* Steps 6 and 7 (XEP-0128). */
static bool
add_forms(struct buf *s, const struct elem *query, struct arena *a)
{
	struct rows forms = collect(query, NS_DATA, "x", a);
	size_t n = 0;
	bool ok = true;

	for (size_t i = 0; i < forms.n; i++) {
		const char *type = form_type(forms.r[i].e, a, &ok);

		if (type)
			forms.r[n++] = (struct row){ { type, "", "", "" }, forms.r[i].e };
	}
	forms.n = n;
	if (!ok || !sort(&forms))
		return false;
	for (size_t i = 0; i < forms.n; i++) {
		buf_addf(s, "%s<", forms.r[i].key[0]);
		add_fields(s, forms.r[i].e, a);
	}
	return true;
}

bool
caps_ver(const struct elem *query, char out[CAPS_VER_SIZE])
{
	struct arena *a = arena_new(0);
	struct buf s = { 0 };
	uint8_t hash[SCRAM_MAX];
	bool ok = add_identities(&s, query, a) && add_features(&s, query, a) && add_forms(&s, query, a);

	if (ok) {
		digest_hash(SCRAM_SHA1, buf_str(&s), buf_len(&s), hash);
		text_base64_encode(hash, SHA1_SIZE, out);
	}
	buf_fini(&s);
	arena_free(a);
	return ok;
}
