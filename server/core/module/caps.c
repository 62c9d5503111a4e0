/*
 * caps: XEP-0115 §5.1 and XEP-0390 §4.1, step by step. Everything is collected into an arena, sorted, and put one behind
 * the other in a buf that is hashed at the end. Sorting is by octets ("i;octet"), which is what strcmp does.
 */
#include "core/module/caps.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"
#include "xmpp/digest.h"
#include "xmpp/ns.h"

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

static bool
write_115(struct buf *s, const struct elem *query, struct arena *a)
{
	return add_identities(s, query, a) && add_features(s, query, a) && add_forms(s, query, a);
}

/* XEP-0390: nothing that a peer can choose contains the separators, which XML does not allow in text. */
#define END_OF_TEXT '\x1f'
#define END_OF_ROW '\x1e'
#define END_OF_FORM '\x1d'
#define END_OF_PART '\x1c'

/* Rows whose only key is made of what they stand for; joined in order. Twice the same is allowed here. */
static void
join(struct buf *s, struct rows *rows, char end)
{
	(void)sort(rows);
	for (size_t i = 0; i < rows->n; i++) {
		buf_adds(s, rows->r[i].key[0]);
		if (end)
			buf_addc(s, end);
	}
}

static const char *
keep(struct buf *b, struct arena *a)
{
	const char *s = arena_strndup(a, buf_str(b), buf_len(b));

	buf_fini(b);
	return s;
}

static void
add_features_390(struct buf *s, const struct elem *query, struct arena *a)
{
	struct rows rows = collect(query, NS_DISCO_INFO, "feature", a);

	for (size_t i = 0; i < rows.n; i++)
		rows.r[i].key[0] = arena_printf(a, "%s%c", or_empty(elem_get(rows.r[i].e, "var")), END_OF_TEXT);
	join(s, &rows, 0);
	buf_addc(s, END_OF_PART);
}

/* xml:lang may be inherited from the answer (§4.1, general remarks). */
static const char *
lang_of(const struct elem *e)
{
	const char *lang = NULL;

	for (; e && !lang; e = e->parent)
		lang = elem_lang(e);
	return or_empty(lang);
}

static void
add_identities_390(struct buf *s, const struct elem *query, struct arena *a)
{
	struct rows rows = collect(query, NS_DISCO_INFO, "identity", a);

	for (size_t i = 0; i < rows.n; i++) {
		const struct elem *e = rows.r[i].e;

		rows.r[i].key[0] = arena_printf(a, "%s%c%s%c%s%c%s%c%c", or_empty(elem_get(e, "category")), END_OF_TEXT,
			or_empty(elem_get(e, "type")), END_OF_TEXT, lang_of(e), END_OF_TEXT, or_empty(elem_get(e, "name")),
			END_OF_TEXT, END_OF_ROW);
	}
	join(s, &rows, 0);
	buf_addc(s, END_OF_PART);
}

static const char *
field_390(const struct elem *field, struct arena *a)
{
	struct rows values = values_of(field, a);
	struct buf b = { 0 };

	buf_addf(&b, "%s%c", or_empty(elem_get(field, "var")), END_OF_TEXT);
	join(&b, &values, END_OF_TEXT);
	buf_addc(&b, END_OF_ROW);
	return keep(&b, a);
}

/* NULL: not a form with a FORM_TYPE (XEP-0068), or one with rows. */
static const char *
form_390(const struct elem *form, struct arena *a)
{
	struct rows fields = collect(form, NS_DATA, "field", a);
	struct buf b = { 0 };
	bool ok = true;

	if (!form_type(form, a, &ok) || elem_child(form, NS_DATA, "reported") || elem_child(form, NS_DATA, "item"))
		return NULL;
	for (size_t i = 0; i < fields.n; i++)
		fields.r[i].key[0] = field_390(fields.r[i].e, a);
	join(&b, &fields, 0);
	buf_addc(&b, END_OF_FORM);
	return keep(&b, a);
}

static bool
add_forms_390(struct buf *s, const struct elem *query, struct arena *a)
{
	struct rows forms = collect(query, NS_DATA, "x", a);

	for (size_t i = 0; i < forms.n; i++)
		if (!(forms.r[i].key[0] = form_390(forms.r[i].e, a)))
			return false;
	join(s, &forms, 0);
	buf_addc(s, END_OF_PART);
	return true;
}

static bool
write_390(struct buf *s, const struct elem *query, struct arena *a)
{
	for (const struct elem *e = elem_first(query); e; e = elem_next(e, NULL, NULL))
		if (!elem_is(e, NS_DISCO_INFO, "identity") && !elem_is(e, NS_DISCO_INFO, "feature") && !elem_is(e, NS_DATA, "x"))
			return false;
	add_features_390(s, query, a);
	add_identities_390(s, query, a);
	return add_forms_390(s, query, a);
}

#define HASH_TEXT text_base64_size(DIGEST_MAX)

static bool
hash_of(const struct elem *query, enum caps_form form, const char *algo, char out[HASH_TEXT])
{
	struct arena *a = arena_new(0);
	struct buf s = { 0 };
	uint8_t hash[DIGEST_MAX];
	size_t size = 0;

	if (form == CAPS_390 ? write_390(&s, query, a) : write_115(&s, query, a))
		size = digest_named(algo, buf_str(&s), buf_len(&s), hash);
	if (size)
		text_base64_encode(hash, size, out);
	buf_fini(&s);
	arena_free(a);
	return size > 0;
}

bool
caps_ver(const struct elem *query, char out[CAPS_VER_SIZE])
{
	char text[HASH_TEXT];

	if (!hash_of(query, CAPS_115, "sha-1", text))
		return false;
	memcpy(out, text, CAPS_VER_SIZE);
	return true;
}

bool
caps_sha256(const struct elem *query, char out[CAPS_SHA256_SIZE])
{
	char text[HASH_TEXT];

	if (!hash_of(query, CAPS_390, "sha-256", text))
		return false;
	memcpy(out, text, CAPS_SHA256_SIZE);
	return true;
}

/* What others announce */

static bool
can_check(const char *algo)
{
	uint8_t hash[DIGEST_MAX];

	return digest_named(algo, "", 0, hash) > 0;
}

/* XEP-0390 §4.2: any of the set will do. */
static struct caps
read_390(const struct elem *c, struct arena *a)
{
	for (const struct elem *e = elem_child(c, NS_HASHES, "hash"); e; e = elem_next(e, NS_HASHES, "hash")) {
		struct caps out = { .form = CAPS_390, .algo = elem_get(e, "algo") };

		if (!out.algo || !can_check(out.algo))
			continue;
		out.value = elem_text(e, a);
		if (!*out.value || strlen(out.value) > HASH_TEXT)
			continue;
		out.node = arena_printf(a, "%s#%s.%s", NS_CAPS2, out.algo, out.value);
		return out;
	}
	return (struct caps){ 0 };
}

/* XEP-0115 §5.4 steps 1 and 2. The legacy format (§7) has no hash and a version for a ver. */
static struct caps
read_115(const struct elem *c, struct arena *a)
{
	const char *algo = elem_get(c, "hash"), *node = elem_get(c, "node"), *ver = elem_get(c, "ver");
	struct caps out = { .form = CAPS_PLAIN, .algo = "", .value = "" };

	if (!node || !ver || strlen(node) + strlen(ver) + 2 > CAPS_NODE_MAX)
		return out;
	out.node = arena_printf(a, "%s#%s", node, ver);
	if (!algo || !can_check(algo) || strlen(ver) > HASH_TEXT)
		return out;
	out.form = CAPS_115;
	out.algo = algo;
	out.value = ver;
	return out;
}

struct caps
caps_of(const struct elem *presence, struct arena *a)
{
	const struct elem *c = elem_child(presence, NS_CAPS2, "c");
	struct caps out = { 0 };

	if (c)
		out = read_390(c, a);
	c = elem_child(presence, NS_CAPS, "c");
	if (!out.form && c)
		out = read_115(c, a);
	return out;
}

/* '<' ends every string in XEP-0115 and may be part of one: then two different answers have one hash (§8.2 of it). */
static bool
is_ambiguous(const struct elem *query)
{
	for (const struct elem *e = query; e; e = elem_walk(query, e)) {
		if (!e->name && memchr(e->text, '<', e->text_len))
			return true;
		for (const struct attr *at = e->name ? e->attrs : NULL; at; at = at->next)
			if (strchr(at->value, '<'))
				return true;
	}
	return false;
}

bool
caps_fits(const struct caps *c, const struct elem *query)
{
	char text[HASH_TEXT];

	if (c->form < CAPS_115 || (c->form == CAPS_115 && is_ambiguous(query)))
		return false;
	return hash_of(query, c->form, c->algo, text) && !strcmp(text, c->value);
}
