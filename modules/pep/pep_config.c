/*
 * pep_config: one table of fields. A field has a place in struct pep_config, or one value that it always has: asking for
 * another is asking for what no node of ours can be.
 */
#include "pep_config.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"

#define CONFIG "http://jabber.org/protocol/pubsub#node_config"
#define METADATA "http://jabber.org/protocol/pubsub#meta-data"

/* XEP-0163 §5. max_items as ejabberd and Prosody have it. */
const struct pep_config pep_config_default = {
	.access = PEP_PRESENCE,
	.send_last = PEP_ON_SUB_AND_PRESENCE,
	.max_items = 1,
	.persist = true,
	.payloads = true,
	.notify = true,
	.notify_retract = true,
	.notify_delete = true,
};

enum kind { BOOL, ACCESS, LAST, ITEMS, SIZE, STYLE, LIST, TEXT, FIXED };

static const struct field {
	const char *var;
	enum kind kind;
	size_t offset;
	const char *label;
	const char *fixed; /* FIXED: its only value; "0" and "1" are booleans */
} fields[] = {
#define AT(member) offsetof(struct pep_config, member)
	{ "pubsub#title", TEXT, AT(title), "Title", NULL },
	{ "pubsub#description", TEXT, AT(description), "Description", NULL },
	{ "pubsub#type", TEXT, AT(type), "Type of the payload, usually its namespace", NULL },
	{ "pubsub#language", TEXT, AT(language), "Language", NULL },
	{ "pubsub#access_model", ACCESS, AT(access), "Who may subscribe and retrieve items", NULL },
	{ "pubsub#roster_groups_allowed", LIST, AT(groups), "Roster groups that may, when the access model is roster", NULL },
	{ "pubsub#persist_items", BOOL, AT(persist), "Items are kept", NULL },
	{ "pubsub#max_items", ITEMS, AT(max_items), "Items kept at most, or max", NULL },
	{ "pubsub#max_payload_size", SIZE, AT(max_payload), "Bytes of a payload at most", NULL },
	{ "pubsub#deliver_notifications", BOOL, AT(notify), "Events are told", NULL },
	{ "pubsub#deliver_payloads", BOOL, AT(payloads), "Events come with their payload", NULL },
	{ "pubsub#notification_type", STYLE, AT(normal), "Type of the messages that tell of events", NULL },
	{ "pubsub#send_last_published_item", LAST, AT(send_last), "When the last item is sent", NULL },
	{ "pubsub#notify_retract", BOOL, AT(notify_retract), "Tells when an item is removed", NULL },
	{ "pubsub#notify_delete", BOOL, AT(notify_delete), "Tells when the node is deleted", NULL },
	{ "pubsub#notify_config", BOOL, AT(notify_config), "Tells when the configuration changes", NULL },
#undef AT
	{ "pubsub#notify_sub", FIXED, 0, NULL, "0" },
	{ "pubsub#publish_model", FIXED, 0, "Who may publish", "publishers" },
	{ "pubsub#purge_offline", FIXED, 0, NULL, "0" },
	{ "pubsub#presence_based_delivery", FIXED, 0, NULL, "1" },
	{ "pubsub#item_expire", FIXED, 0, NULL, "max" },
	{ "pubsub#publish_node_full", FIXED, 0, NULL, "retract-oldest" },
	{ "pubsub#itemreply", FIXED, 0, NULL, "publisher" },
	{ "pubsub#node_type", FIXED, 0, NULL, "leaf" },
	{ "pubsub#subscribe", FIXED, 0, NULL, "1" },
	{ "pubsub#tempsub", FIXED, 0, NULL, "0" },
};

#define FIELDS (sizeof(fields) / sizeof(fields[0]))

static const struct {
	const char *name;
	int value;
} accesses[] = { { "open", PEP_OPEN }, { "presence", PEP_PRESENCE }, { "roster", PEP_ROSTER }, { "whitelist", PEP_WHITELIST } },
	lasts[] = { { "never", PEP_NEVER }, { "on_sub", PEP_ON_SUB }, { "on_sub_and_presence", PEP_ON_SUB_AND_PRESENCE } };

#define COUNT(t) (sizeof(t) / sizeof((t)[0]))
#define FIND(table, text, out) \
	for (size_t i_ = 0; i_ < COUNT(table); i_++) \
		if (!strcmp((table)[i_].name, text)) { \
			*(out) = (table)[i_].value; \
			return true; \
		}

static void *
place(const struct pep_config *c, const struct field *f)
{
	return (char *)c + f->offset;
}

/* Reading */

static bool
read_access(const char *text, enum pep_access *out)
{
	FIND(accesses, text, out);
	return false;
}

static bool
read_last(const char *text, enum pep_last *out)
{
	FIND(lasts, text, out);
	return false;
}

static bool
read_flag(const char *text, bool *out)
{
	*out = !strcmp(text, "1") || !strcmp(text, "true");
	return *out || !strcmp(text, "0") || !strcmp(text, "false");
}

/* "max" is 0; a number has to fit what the server allows. */
static bool
read_count(const char *text, uint32_t most, uint32_t *out)
{
	uint64_t n;

	if (!strcmp(text, "max")) {
		*out = 0;
		return true;
	}
	if (!text_u64(text, strlen(text), 1, most, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

static bool
read_style(const char *text, bool *normal)
{
	*normal = !strcmp(text, "normal");
	return *normal || !strcmp(text, "headline");
}

static bool
is_fixed(const struct field *f, const char *text)
{
	bool is, want;

	if (read_flag(f->fixed, &want) && read_flag(text, &is))
		return is == want;
	return !strcmp(text, f->fixed);
}

static bool
read_list(const struct form_field *given, const struct pep_bounds *b, struct pep_list *out)
{
	*out = (struct pep_list){ given->value, given->n };
	for (unsigned i = 0; i < given->n; i++)
		if (strlen(given->value[i]) > b->text)
			return false;
	return given->n <= b->list;
}

static bool
read_field(const struct field *f, const struct form_field *given, const struct pep_bounds *b, struct pep_config *out)
{
	const char *text = given->n ? given->value[0] : "";
	void *at = place(out, f);

	switch (f->kind) {
	case BOOL:
		return read_flag(text, at);
	case ACCESS:
		return read_access(text, at);
	case LAST:
		return read_last(text, at);
	case ITEMS:
		return read_count(text, b->items, at);
	case SIZE:
		return read_count(text, b->payload, at);
	case STYLE:
		return read_style(text, at);
	case LIST:
		return read_list(given, b, at);
	case TEXT:
		*(const char **)at = *text ? text : NULL;
		return strlen(text) <= b->text;
	case FIXED:
		return is_fixed(f, text);
	}
	return false;
}

static const struct field *
field_find(const char *var)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (!strcmp(fields[i].var, var))
			return &fields[i];
	return NULL;
}

void
pep_wish_read(const struct form *form, const struct pep_bounds *b, struct pep_wish *out)
{
	*out = (struct pep_wish){ 0 };
	for (const struct form_field *given = form->first; given; given = given->next) {
		const struct field *f = field_find(given->var);

		if (!f) {
			out->unknown = true;
		} else if (!read_field(f, given, b, &out->value)) {
			out->impossible = true;
			out->bad_access |= f->kind == ACCESS;
		} else if (f->kind != FIXED) {
			out->given |= (uint64_t)1 << (f - fields);
		}
	}
}

/* Comparing and applying */

static bool
has_text(const struct pep_list *l, const char *text)
{
	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(l->item[i], text))
			return true;
	return false;
}

/* As sets. */
static bool
is_same_list(const struct pep_list *a, const struct pep_list *b)
{
	for (unsigned i = 0; i < a->n; i++)
		if (!has_text(b, a->item[i]))
			return false;
	for (unsigned i = 0; i < b->n; i++)
		if (!has_text(a, b->item[i]))
			return false;
	return true;
}

static bool
is_same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool
is_same(const struct field *f, const struct pep_config *a, const struct pep_config *b)
{
	const void *x = place(a, f), *y = place(b, f);

	switch (f->kind) {
	case BOOL:
	case STYLE:
		return *(const bool *)x == *(const bool *)y;
	case ACCESS:
		return *(const enum pep_access *)x == *(const enum pep_access *)y;
	case LAST:
		return *(const enum pep_last *)x == *(const enum pep_last *)y;
	case ITEMS:
	case SIZE:
		return *(const uint32_t *)x == *(const uint32_t *)y;
	case LIST:
		return is_same_list(x, y);
	case TEXT:
		return is_same_text(*(const char *const *)x, *(const char *const *)y);
	case FIXED:
		break;
	}
	return true;
}

bool
pep_config_meets(const struct pep_config *c, const struct pep_wish *w)
{
	if (w->unknown || w->impossible)
		return false;
	for (size_t i = 0; i < FIELDS; i++)
		if (w->given >> i & 1 && !is_same(&fields[i], c, &w->value))
			return false;
	return true;
}

static void
copy(const struct field *f, struct pep_config *to, const struct pep_config *from)
{
	static const size_t size[] = {
		[BOOL] = sizeof(bool), [STYLE] = sizeof(bool), [ACCESS] = sizeof(enum pep_access), [LAST] = sizeof(enum pep_last),
		[ITEMS] = sizeof(uint32_t), [SIZE] = sizeof(uint32_t), [LIST] = sizeof(struct pep_list), [TEXT] = sizeof(char *),
	};

	memcpy(place(to, f), place(from, f), size[f->kind]);
}

void
pep_config_apply(struct pep_config *c, const struct pep_wish *w)
{
	for (size_t i = 0; i < FIELDS; i++)
		if (w->given >> i & 1)
			copy(&fields[i], c, &w->value);
}

/* Writing */

static const char *
count_text(uint32_t n, struct arena *a)
{
	return n ? arena_printf(a, "%" PRIu32, n) : "max";
}

static const char *
access_name(enum pep_access access)
{
	for (size_t i = 0; i < COUNT(accesses); i++)
		if (accesses[i].value == (int)access)
			return accesses[i].name;
	return "";
}

static const char *
last_name(enum pep_last last)
{
	for (size_t i = 0; i < COUNT(lasts); i++)
		if (lasts[i].value == (int)last)
			return lasts[i].name;
	return "";
}

static void
write_choice(struct stanza *st, struct elem *x, const struct field *f, bool options, const struct pep_config *c)
{
	const char *value = f->kind == ACCESS ? access_name(c->access) : f->kind == LAST ? last_name(c->send_last) :
		c->normal ? "normal" : "headline";
	struct elem *e = form_add(st, x, options ? "list-single" : NULL, f->var, options ? f->label : NULL, value);

	for (size_t i = 0; options && f->kind == ACCESS && i < COUNT(accesses); i++)
		form_add_option(st, e, NULL, accesses[i].name);
	for (size_t i = 0; options && f->kind == LAST && i < COUNT(lasts); i++)
		form_add_option(st, e, NULL, lasts[i].name);
	if (options && f->kind == STYLE) {
		form_add_option(st, e, NULL, "headline");
		form_add_option(st, e, NULL, "normal");
	}
}

static void
write_list(struct stanza *st, struct elem *x, const struct field *f, bool options, const struct pep_list *l)
{
	struct elem *e = form_add(st, x, options ? "text-multi" : NULL, f->var, options ? f->label : NULL, NULL);

	for (unsigned i = 0; i < l->n; i++)
		form_add_value(st, e, l->item[i]);
}

/* What a node always is, is told where it tells something: who may publish. */
static void
write_field(struct stanza *st, struct elem *x, const struct field *f, bool options, const struct pep_config *c, struct arena *a)
{
	const void *at = place(c, f);
	const char *label = options ? f->label : NULL;

	switch (f->kind) {
	case BOOL:
		form_add(st, x, options ? "boolean" : NULL, f->var, label, *(const bool *)at ? "1" : "0");
		break;
	case ACCESS:
	case LAST:
	case STYLE:
		write_choice(st, x, f, options, c);
		break;
	case ITEMS:
	case SIZE:
		form_add(st, x, options ? "text-single" : NULL, f->var, label, count_text(*(const uint32_t *)at, a));
		break;
	case LIST:
		write_list(st, x, f, options, at);
		break;
	case TEXT:
		form_add(st, x, options ? "text-single" : NULL, f->var, label, *(const char *const *)at);
		break;
	case FIXED:
		if (f->label)
			form_add(st, x, options ? "list-single" : NULL, f->var, label, f->fixed);
		break;
	}
}

void
pep_config_write(struct stanza *st, struct elem *parent, const char *type, const struct pep_config *c, struct arena *a)
{
	struct elem *x = form_new(st, parent, type, CONFIG);
	bool options = !strcmp(type, "form");

	for (size_t i = 0; i < FIELDS; i++)
		write_field(st, x, &fields[i], options, c, a);
}

void
pep_config_write_metadata(struct stanza *st, struct elem *parent, const struct pep_config *c, const char *owner,
	const char *created, struct arena *a)
{
	struct elem *x = form_new(st, parent, "result", METADATA);
	const struct {
		const char *var, *value;
	} rows[] = {
		{ "pubsub#type", c->type },
		{ "pubsub#creator", owner },
		{ "pubsub#owner", owner },
		{ "pubsub#creation_date", created },
		{ "pubsub#title", c->title },
		{ "pubsub#description", c->description },
		{ "pubsub#language", c->language },
		{ "pubsub#access_model", access_name(c->access) },
		{ "pubsub#publish_model", "publishers" },
		{ "pubsub#max_items", count_text(c->max_items, a) },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (rows[i].value)
			form_add(st, x, NULL, rows[i].var, NULL, rows[i].value);
}
